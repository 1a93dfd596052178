//! Facts from public test suites. Each class says which of our two instants its convention is (rule X1):
//!
//! | Class | Held against |
//! |---|---|
//! | `agree`, `reversed_clamped_to_zero` | everything |
//! | `lands_at_closing` | `target_at` |
//! | `lands_at_next_opening` | `breaches_at`, and its reference against `target_at` |
//! | `zero_rolls_to_next_opening` | both (rule X3) |
//! | `business_days_end_of_day` | `business_days` (rule X8) |
//! | `business_days_same_time_of_day` | the date only: X8 decides for the end of the day |
//! | `library_specific_convention` | not its expectation, which contradicts X4 and X6, but its exact reference |

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use sla_gateway::clock::calendar::{Calendar, Holiday, WeeklyHours};
use sla_gateway::clock::events::{Change, Event, Status};
use sla_gateway::clock::fold::fold;
use sla_gateway::clock::state::WarningShare;
use sla_gateway::clock::stopwatch::{Stop, Stopwatch};
use sla_gateway::clock::targets::{Promise, TargetDuration};

use super::affected::{facts_of, promise};
use super::{EVERY_DAY, id, local};

#[derive(Deserialize)]
struct File<V> {
    vectors: Vec<V>,
}

#[derive(Deserialize)]
struct Hours {
    time_zone: Tz,
    weekly: BTreeMap<String, Vec<(String, String)>>,
    holidays: Vec<NaiveDate>,
    #[serde(default)]
    partial_holidays: Vec<(String, String)>,
    #[serde(default)]
    date_overrides: BTreeMap<NaiveDate, Vec<(String, String)>>,
}

#[derive(Deserialize)]
struct Business {
    id: String,
    calendar: Hours,
    op: String,
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
    minutes: Option<f64>,
    days: Option<u32>,
    expected_at: Option<DateTime<Utc>>,
    expected_minutes: Option<f64>,
    reference_closing: Option<DateTime<Utc>>,
    reference_opening: Option<DateTime<Utc>>,
    class: String,
}

#[derive(Deserialize)]
struct Clock {
    id: String,
    calendar: Hours,
    started_at: DateTime<Utc>,
    measured_from: Option<DateTime<Utc>>,
    stopped_at: Option<DateTime<Utc>>,
    state_history: Vec<State>,
    paused_states: Vec<String>,
    clock: String,
    target_minutes: Option<i64>,
    target_business_days: Option<u32>,
    expected_target_at: Option<DateTime<Utc>>,
    expected_elapsed_minutes: Option<i64>,
    expected_remaining_minutes: Option<i64>,
    expected_waiting_seconds: Option<i64>,
    class: String,
}

#[derive(Deserialize)]
struct State {
    at: DateTime<Utc>,
    state: String,
}

fn of_minutes(minutes: f64) -> TimeDelta {
    TimeDelta::microseconds((minutes * 60e6).round() as i64)
}

fn minute_of_day(text: &str) -> u16 {
    let (hours, minutes) = text.split_once(':').unwrap();
    hours.parse::<u16>().unwrap() * 60 + minutes.parse::<u16>().unwrap()
}

impl Hours {
    fn calendar(&self) -> Calendar {
        self.calendar_with(None)
    }

    /// Overridden hours of a date are no feature of our calendars: such a date is asked in a calendar of its own.
    fn calendar_with(&self, overridden: Option<NaiveDate>) -> Calendar {
        let days = EVERY_DAY.iter().zip(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]);
        let rows = days.flat_map(|(weekday, name)| {
            let of_date = overridden.filter(|date| chrono::Datelike::weekday(date) == *weekday);
            let spans = of_date.map_or_else(|| self.weekly.get(name), |date| self.date_overrides.get(&date));
            spans.into_iter().flatten().map(|(from, until)| WeeklyHours {
                weekday: *weekday,
                from: minute_of_day(from),
                until: minute_of_day(until),
            })
        });
        let whole = self.holidays.iter().map(|date| Holiday {
            name: date.to_string(),
            starts_at: date.and_time(NaiveTime::MIN),
            ends_at: (*date + Days::new(1)).and_time(NaiveTime::MIN),
        });
        let partial = self.partial_holidays.iter().map(|(from, until)| Holiday {
            name: from.clone(),
            starts_at: local(from),
            ends_at: local(until),
        });
        Calendar::new(rows, whole.chain(partial)).unwrap()
    }

    fn active_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> TimeDelta {
        let mut active = TimeDelta::zero();
        let mut at = from;
        while at < to {
            let midnight = (at.date_naive() + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
            let until = if self.date_overrides.is_empty() { to } else { midnight.min(to) };
            let overridden = Some(at.date_naive()).filter(|date| self.date_overrides.contains_key(date));
            active += self.calendar_with(overridden).in_zone(self.time_zone).active_between(at, until);
            at = until;
        }
        active
    }
}

#[test]
fn published_business_time_facts_hold_as_their_class_says() {
    let file: File<Business> =
        serde_json::from_str(include_str!("../../vectors/business_time.json")).unwrap();
    assert_eq!(file.vectors.len(), 197);
    for vector in &file.vectors {
        let (id, class) = (&vector.id, vector.class.as_str());
        let calendar = vector.calendar.calendar();
        let schedule = calendar.in_zone(vector.calendar.time_zone);
        match vector.op.as_str() {
            "add" => {
                let amount = of_minutes(vector.minutes.unwrap());
                let target_at = schedule.target_at(vector.start, amount);
                let breaches_at = schedule.breaches_at(vector.start, amount);
                match class {
                    "agree" => assert_eq!(target_at, vector.expected_at, "{id}"),
                    "lands_at_closing" => assert_eq!(target_at, vector.expected_at, "{id}"),
                    "lands_at_next_opening" => {
                        assert_eq!(breaches_at, vector.expected_at, "{id}");
                        assert_eq!(target_at, vector.reference_closing, "{id}");
                    }
                    "zero_rolls_to_next_opening" => {
                        assert_eq!(target_at, vector.expected_at, "{id}");
                        assert_eq!(breaches_at, vector.expected_at, "{id}");
                    }
                    "library_specific_convention" => {
                        assert_eq!(target_at, vector.reference_closing, "{id}");
                        assert_ne!(target_at, vector.expected_at, "{id}");
                    }
                    other => panic!("{id}: class {other} is unknown"),
                }
                if vector.reference_opening.is_some() {
                    assert_eq!(breaches_at, vector.reference_opening, "{id}");
                }
            }
            "between" => {
                let end = vector.end.unwrap();
                assert!(["agree", "reversed_clamped_to_zero"].contains(&class), "{id}");
                let active = if vector.calendar.date_overrides.is_empty() {
                    schedule.active_between(vector.start, end)
                } else {
                    vector.calendar.active_between(vector.start, end)
                };
                assert_eq!(active, of_minutes(vector.expected_minutes.unwrap()), "{id}");
            }
            "add_business_days" => {
                let end = schedule.business_days(vector.start, vector.days.unwrap()).unwrap();
                let expected = vector.expected_at.unwrap();
                match class {
                    "business_days_end_of_day" => assert_eq!(end, expected, "{id}"),
                    "business_days_same_time_of_day" => {
                        let [ours, theirs] = [end, expected].map(|at| {
                            (at - TimeDelta::microseconds(1)).with_timezone(&vector.calendar.time_zone)
                        });
                        assert_eq!(ours.date_naive(), theirs.date_naive(), "{id}");
                    }
                    other => panic!("{id}: class {other} is unknown"),
                }
            }
            other => panic!("{id}: operation {other} is unknown"),
        }
    }
}

fn clocks() -> Vec<Clock> {
    let file: File<Clock> = serde_json::from_str(include_str!("../../vectors/clock.json")).unwrap();
    assert_eq!(file.vectors.len(), 19);
    file.vectors
}

#[test]
fn published_facts_about_pausing_clocks_hold_as_their_class_says() {
    for vector in clocks() {
        let id = &vector.id;
        let calendar = vector.calendar.calendar();
        let schedule = calendar.in_zone(vector.calendar.time_zone);
        let started_at = vector.measured_from.unwrap_or(vector.started_at);
        let mut stops: Vec<Stop> = Vec::new();
        for State { at, state } in &vector.state_history {
            let paused = vector.paused_states.contains(state);
            match stops.last_mut().filter(|stop| stop.until.is_none()) {
                Some(open) if !paused => open.until = Some(*at),
                None if paused => stops.push(Stop { from: *at, until: None }),
                _ => {}
            }
        }
        let watch = Stopwatch { schedule, started_at, stops: &stops };
        let allowance = match (vector.target_minutes, vector.target_business_days) {
            (Some(minutes), _) => Some(TimeDelta::minutes(minutes)),
            (None, Some(days)) => {
                let end = schedule.business_days(started_at, days).unwrap();
                Some(schedule.active_between(started_at, end))
            }
            (None, None) => None,
        };
        if vector.expected_target_at.is_some() {
            let amount = allowance.unwrap();
            let found = match vector.class.as_str() {
                "lands_at_next_opening" => watch.breaches_at(&watch.counted(), amount),
                "agree" | "lands_at_closing" => watch.target_at(&watch.counted(), amount),
                other => panic!("{id}: class {other} is unknown"),
            };
            assert_eq!(found.map(|used_up| used_up.at), vector.expected_target_at, "{id}");
        }
        if let Some(expected) = vector.expected_elapsed_minutes {
            let elapsed = watch.counted_until(vector.stopped_at.unwrap());
            assert_eq!(elapsed, TimeDelta::minutes(expected), "{id}");
            if let Some(remaining) = vector.expected_remaining_minutes {
                assert_eq!(allowance.unwrap() - elapsed, TimeDelta::minutes(remaining), "{id}");
            }
        }
        if let Some(expected) = vector.expected_waiting_seconds {
            assert_eq!(watch.stopped(), TimeDelta::seconds(expected), "{id}");
        }
    }
}

#[test]
fn published_resolution_clocks_come_out_of_the_fold() {
    for vector in clocks().iter().filter(|vector| vector.clock == "resolution") {
        let id_of = &vector.id;
        let promised = match (vector.target_minutes, vector.target_business_days) {
            (Some(minutes), _) => TargetDuration::Minutes(minutes as u32),
            (None, days) => TargetDuration::BusinessDays(days.unwrap()),
        };
        let promise = Promise { resolution: promised, ..promise(vector.calendar.calendar().into(), 0, 0) };
        let mut facts = facts_of(promise);
        facts.started_at = vector.started_at;
        facts.zone = vector.calendar.time_zone;
        let mut events: Vec<Event> = Vec::new();
        let mut record = |at, change| {
            let number = events.len() as u128;
            events.push(Event {
                id: id(number),
                occurred_at: at,
                sequence: number as i64,
                received_at: at,
                change,
            });
        };
        record(vector.started_at, Change::Impact(Some(sla_gateway::clock::targets::Impact::Low)));
        for State { at, state } in &vector.state_history {
            record(
                *at,
                Change::Status(match state.as_str() {
                    "new" => Status::Assigned,
                    "open" => Status::InProgress,
                    "closed" => Status::Completed,
                    _ => Status::WaitingForCustomer,
                }),
            );
        }
        if let Some(stopped_at) = vector.stopped_at {
            record(stopped_at, Change::Status(Status::Completed));
        }
        let state = fold(&facts, &events, WarningShare::default());
        if let Some(expected) = vector.expected_target_at {
            assert_eq!(state.resolution.target_at, Some(expected), "{id_of}");
        }
        if let Some(expected) = vector.expected_elapsed_minutes {
            assert_eq!(state.resolution.actual_duration, Some(TimeDelta::minutes(expected)), "{id_of}");
        }
        if let Some(expected) = vector.expected_waiting_seconds {
            assert_eq!(state.stopped_clock_duration, TimeDelta::seconds(expected), "{id_of}");
        }
    }
}
