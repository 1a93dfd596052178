//! A second implementation that knows no arithmetic: it walks through the minutes of a few weeks and asks chrono
//! for the local time of each. `PROPTEST_CASES=2000` compares 100 000 questions instead of 20 000.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use sla_gateway::clock::calendar::{Calendar, Holiday, WeeklyHours};
use sla_gateway::clock::schedule::StretchKind;
use sla_gateway::clock::stopwatch::{Stop, Stopwatch};

use super::{EVERY_DAY, at};

/// Zones and moments at which their clocks did something odd.
const MOMENTS: &[(Tz, &str)] = &[
    (Tz::UTC, "2024-02-29T00:00:00Z"),
    (Tz::Europe__Berlin, "2024-03-31T01:00:00Z"),
    (Tz::Europe__Berlin, "2024-10-27T01:00:00Z"),
    (Tz::America__New_York, "2025-03-09T07:00:00Z"),
    (Tz::America__New_York, "2025-11-02T06:00:00Z"),
    (Tz::Europe__London, "1971-10-31T02:00:00Z"),
    (Tz::Europe__Dublin, "2023-10-29T01:00:00Z"),
    // Half an hour of daylight saving.
    (Tz::Australia__Lord_Howe, "2024-04-06T15:00:00Z"),
    (Tz::Australia__Lord_Howe, "2024-10-05T15:30:00Z"),
    // A Friday that does not exist.
    (Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
    (Tz::Pacific__Fakaofo, "2011-12-30T11:00:00Z"),
    (Tz::Pacific__Kwajalein, "1993-08-21T12:00:00Z"),
    // Backwards during Ramadan.
    (Tz::Africa__Casablanca, "2024-03-10T02:00:00Z"),
    (Tz::Africa__Casablanca, "2024-04-14T02:00:00Z"),
    (Tz::Africa__El_Aaiun, "2087-04-20T02:00:00Z"),
    // Midnights that do not exist, and ones that come twice.
    (Tz::America__Sao_Paulo, "2018-11-04T03:00:00Z"),
    (Tz::America__Sao_Paulo, "2019-02-17T02:00:00Z"),
    (Tz::Asia__Beirut, "2023-03-29T22:00:00Z"),
    (Tz::Asia__Beirut, "2024-10-26T21:00:00Z"),
    (Tz::Africa__Cairo, "2023-04-27T22:00:00Z"),
    (Tz::America__Havana, "2024-03-10T05:00:00Z"),
    (Tz::America__Havana, "2024-11-03T05:00:00Z"),
    (Tz::America__Asuncion, "2024-10-06T04:00:00Z"),
    (Tz::America__Santiago, "2022-09-11T04:00:00Z"),
    (Tz::Asia__Tehran, "2022-03-21T20:30:00Z"),
    (Tz::Asia__Gaza, "2023-04-29T00:00:00Z"),
    (Tz::Asia__Gaza, "2040-10-27T00:00:00Z"),
    // Two hours of daylight saving, offsets of quarters, changes of the standard offset.
    (Tz::Antarctica__Troll, "2024-03-31T01:00:00Z"),
    (Tz::Antarctica__Troll, "2024-10-27T01:00:00Z"),
    (Tz::Pacific__Chatham, "2024-04-06T14:00:00Z"),
    (Tz::Asia__Kathmandu, "2024-06-01T00:00:00Z"),
    (Tz::America__Caracas, "2016-05-01T07:00:00Z"),
    (Tz::Asia__Pyongyang, "2018-05-04T15:00:00Z"),
    (Tz::America__Scoresbysund, "2024-03-31T01:00:00Z"),
    (Tz::Antarctica__Casey, "2023-03-08T16:00:00Z"),
    (Tz::America__St_Johns, "2006-10-29T02:31:00Z"),
    (Tz::Europe__Volgograd, "2020-12-26T23:00:00Z"),
    (Tz::Asia__Kolkata, "2100-02-28T20:00:00Z"),
];

const WINDOW_MINUTES: i64 = 18 * 1_440;
const QUESTIONS: usize = 50;
const CASES: u32 = 400;

#[derive(Clone, Debug)]
struct Rows {
    hours: Vec<WeeklyHours>,
    holidays: Vec<Holiday>,
}

/// One question: a start, an amount, and pauses, all in microseconds from the start of the window.
#[derive(Clone, Debug)]
struct Question {
    start: i64,
    end: i64,
    amount: i64,
    days: u32,
    pauses: Vec<(i64, i64)>,
}

const MINUTE: i64 = 60_000_000;

fn rows(around: DateTime<Utc>, zone: Tz) -> impl Strategy<Value = Rows> {
    let edge = prop_oneof![0u16..=1440, (0u16..=24).prop_map(|hour| hour * 60), Just(0), Just(1440)];
    let day = proptest::collection::btree_set(edge, 0..7);
    let hours = proptest::collection::vec(day, 7).prop_map(|days| {
        let mut hours = Vec::new();
        for (weekday, edges) in EVERY_DAY.into_iter().zip(days) {
            let edges: Vec<u16> = edges.into_iter().collect();
            hours.extend(edges.chunks_exact(2).map(|pair| WeeklyHours {
                weekday,
                from: pair[0],
                until: pair[1],
            }));
        }
        hours
    });
    let around_the_clock =
        Just(EVERY_DAY.map(|weekday| WeeklyHours { weekday, from: 0, until: 1440 }).to_vec());
    let hours = prop_oneof![4 => hours, 1 => around_the_clock];
    let first = around.with_timezone(&zone).naive_local().date().and_hms_opt(0, 0, 0).unwrap();
    let length = prop_oneof![1i64..3_000, (1i64..5).prop_map(|days| days * 1_440)];
    let start = prop_oneof![-15_000i64..20_000, (-10i64..14).prop_map(|days| days * 1_440)];
    let holidays = proptest::collection::vec((start, length), 0..4).prop_map(move |spans| {
        let named = spans.into_iter().enumerate();
        named
            .map(|(i, (start, length))| Holiday {
                name: format!("holiday {i}"),
                starts_at: first + TimeDelta::minutes(start),
                ends_at: first + TimeDelta::minutes(start + length),
            })
            .collect()
    });
    (hours, holidays).prop_map(|(hours, holidays)| Rows { hours, holidays })
}

fn question() -> impl Strategy<Value = Question> {
    let instant = || {
        let minute = (0..WINDOW_MINUTES).prop_map(|minute| minute * MINUTE);
        prop_oneof![3 => minute, 1 => 0..WINDOW_MINUTES * MINUTE]
    };
    let amount = prop_oneof![
        Just(0),
        (0i64..600).prop_map(|minutes| minutes * MINUTE),
        (0i64..200).prop_map(|quarters| quarters * 15 * MINUTE),
        0i64..20_000 * MINUTE,
    ];
    let pauses = proptest::collection::vec(instant(), 0..7).prop_map(|mut edges| {
        edges.sort_unstable();
        edges.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
    });
    (instant(), instant(), amount, 1u32..12, pauses).prop_map(|(start, end, amount, days, pauses)| {
        let pauses =
            pauses.into_iter().filter(|p| p.0 < p.1 && p.1 > start).map(|p| (p.0.max(start), p.1)).collect();
        Question { start, end, amount, days, pauses }
    })
}

fn cases() -> impl Strategy<Value = (Tz, DateTime<Utc>, Rows, Vec<Question>)> {
    (0..MOMENTS.len(), -12i64..2).prop_flat_map(|(moment, days)| {
        let (zone, moment) = (MOMENTS[moment].0, at(MOMENTS[moment].1));
        let first = moment + TimeDelta::days(days);
        let questions = proptest::collection::vec(question(), QUESTIONS);
        (Just(zone), Just(first), rows(moment, zone), questions)
    })
}

/// Every minute of the window, found by asking what time it is.
struct Minutes {
    first: DateTime<Utc>,
    local: Vec<NaiveDateTime>,
    active: Vec<bool>,
    /// The end of the last active minute of each date that has one.
    ends: BTreeMap<NaiveDate, i64>,
}

impl Minutes {
    fn new(zone: Tz, first: DateTime<Utc>, rows: &Rows) -> Self {
        let local: Vec<NaiveDateTime> = (0..WINDOW_MINUTES)
            .map(|minute| (first + TimeDelta::minutes(minute)).with_timezone(&zone).naive_local())
            .collect();
        let active: Vec<bool> = local
            .iter()
            .map(|local| {
                let minute = (local.hour() * 60 + local.minute()) as u16;
                let open = |row: &WeeklyHours| {
                    row.weekday == local.weekday() && row.from <= minute && minute < row.until
                };
                let closed = |holiday: &Holiday| holiday.starts_at <= *local && *local < holiday.ends_at;
                rows.hours.iter().any(open) && !rows.holidays.iter().any(closed)
            })
            .collect();
        let mut ends = BTreeMap::new();
        for (minute, local) in local.iter().enumerate().filter(|(minute, _)| active[*minute]) {
            ends.insert(local.date(), (minute as i64 + 1) * MINUTE);
        }
        Self { first, local, active, ends }
    }

    fn instant(&self, offset: i64) -> DateTime<Utc> {
        self.first + TimeDelta::microseconds(offset)
    }

    /// Calls back with every piece of a minute from `start` on, and whether it counts, until told to stop.
    fn walk<T>(
        &self,
        start: i64,
        pauses: &[(i64, i64)],
        mut see: impl FnMut(i64, i64, bool) -> Option<T>,
    ) -> Option<T> {
        let mut edges: Vec<i64> = pauses.iter().flat_map(|(from, until)| [*from, *until]).collect();
        edges.sort_unstable();
        let mut edges = edges.into_iter().peekable();
        let mut at = start;
        while at < WINDOW_MINUTES * MINUTE {
            let minute = at / MINUTE;
            while edges.next_if(|edge| *edge <= at).is_some() {}
            let end = edges.peek().map_or(i64::MAX, |edge| *edge).min((minute + 1) * MINUTE);
            let paused = pauses.iter().any(|(from, until)| *from <= at && at < *until);
            let answer = see(at, end, self.active[minute as usize] && !paused);
            if answer.is_some() {
                return answer;
            }
            at = end;
        }
        None
    }

    fn counted(&self, start: i64, end: i64, pauses: &[(i64, i64)]) -> i64 {
        let mut counted = 0;
        self.walk(start, pauses, |from, until, counts| {
            if from >= end {
                return Some(());
            }
            counted += if counts { until.min(end) - from } else { 0 };
            None
        });
        counted
    }

    fn target(&self, start: i64, amount: i64, pauses: &[(i64, i64)]) -> Option<i64> {
        let mut counted = 0;
        self.walk(start, pauses, |from, until, counts| {
            if !counts {
                return None;
            }
            let before = counted;
            counted += until - from;
            (counted >= amount).then_some(from + amount - before)
        })
    }

    fn breach(&self, start: i64, amount: i64, pauses: &[(i64, i64)]) -> Option<i64> {
        let mut counted = 0;
        self.walk(start, pauses, |from, until, counts| {
            if !counts {
                return None;
            }
            let before = counted;
            counted += until - from;
            (counted > amount).then_some(from + amount - before)
        })
    }

    /// The end of the nth date after the start's that has an active minute; `None` when the window may end first.
    fn business_days(&self, start: i64, days: u32) -> Option<i64> {
        let today = self.local[(start / MINUTE) as usize].date();
        let mut later = self.ends.iter().filter(|(date, _)| **date > today).map(|(_, end)| *end);
        let end = later.nth(days as usize - 1)?;
        later.next().map(|_| end)
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(CASES),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_calendar_and_the_stopwatch_agree_with_counting_minutes_one_by_one(
        (zone, first, rows, questions) in cases()
    ) {
        let minutes = Minutes::new(zone, first, &rows);
        let calendar = Calendar::new(rows.hours.clone(), rows.holidays.clone()).unwrap();
        let schedule = calendar.in_zone(zone);
        let window_end = minutes.instant(WINDOW_MINUTES * MINUTE);
        for question in &questions {
            let Question { start, end, amount, days, pauses } = question;
            let (start_at, end_at) = (minutes.instant(*start), minutes.instant(*end));
            let delta = TimeDelta::microseconds(*amount);

            let active = minutes.counted(*start, *end, &[]);
            prop_assert_eq!(schedule.active_between(start_at, end_at), TimeDelta::microseconds(active));
            prop_assert_eq!(schedule.is_active(start_at), minutes.active[(start / MINUTE) as usize]);

            // What the naive walk does not find within its window must lie beyond it.
            let same = |ours: Option<DateTime<Utc>>, naive: Option<i64>| match naive {
                Some(offset) => ours == Some(minutes.instant(offset)),
                None => ours.is_none_or(|at| at >= window_end),
            };
            let naive = minutes.target(*start, *amount, &[]);
            prop_assert!(same(schedule.target_at(start_at, delta), naive), "target {:?} {:?}", question, naive);
            let naive = minutes.breach(*start, *amount, &[]);
            prop_assert!(same(schedule.breaches_at(start_at, delta), naive), "breach {:?} {:?}", question, naive);
            let naive = minutes.breach(*start, 0, &[]);
            prop_assert!(same(schedule.next_active(start_at), naive), "next {:?} {:?}", question, naive);
            if let Some(end) = minutes.business_days(*start, *days) {
                prop_assert_eq!(schedule.business_days(start_at, *days), Some(minutes.instant(end)));
            }

            let stops: Vec<Stop> = pauses
                .iter()
                .map(|(from, until)| Stop {
                    from: minutes.instant(*from),
                    until: Some(minutes.instant(*until)),
                })
                .collect();
            let watch = Stopwatch { schedule, started_at: start_at, stops: &stops };
            let naive = minutes.target(*start, *amount, pauses);
            let ours = watch.target_at(&watch.counted(), delta).map(|used_up| used_up.at);
            prop_assert!(same(ours, naive), "paused target {:?} {:?}", question, naive);
            let naive = minutes.breach(*start, *amount, pauses);
            let ours = watch.breaches_at(&watch.counted(), delta).map(|used_up| used_up.at);
            prop_assert!(same(ours, naive), "paused breach {:?} {:?}", question, naive);
            let counted = minutes.counted(*start, *end, pauses);
            prop_assert_eq!(watch.counted_until(end_at.max(start_at)), TimeDelta::microseconds(counted));

            // Stretches have no holes, and the active ones are exactly the active minutes.
            let mut reached = start_at;
            let mut active_sum = TimeDelta::zero();
            for stretch in schedule.stretches(start_at, end_at) {
                prop_assert_eq!(stretch.from, reached);
                match stretch.kind {
                    StretchKind::SkippedByDst { from, until } => {
                        prop_assert!(stretch.to == stretch.from && from < until);
                    }
                    StretchKind::Active => active_sum += stretch.to - stretch.from,
                    StretchKind::OutsideHours | StretchKind::Holiday(_) => {}
                }
                prop_assert!(stretch.to >= stretch.from);
                reached = stretch.to;
            }
            prop_assert_eq!(reached, end_at.max(start_at));
            prop_assert_eq!(active_sum, TimeDelta::microseconds(active));
        }
    }
}

#[test]
fn three_years_of_minutes_add_up_to_what_one_step_per_change_of_clocks_finds() {
    let zone = Tz::America__New_York;
    let first = at("2024-01-01T05:00:00Z");
    let hours = EVERY_DAY[..5].iter().map(|day| WeeklyHours { weekday: *day, from: 90, until: 1_020 });
    let calendar = Calendar::new(hours, []).unwrap();
    let days = 3 * 365;
    let active = (0..days * 1_440).filter(|minute| {
        let local = (first + TimeDelta::minutes(*minute)).with_timezone(&zone);
        let minute = local.hour() * 60 + local.minute();
        local.weekday().num_days_from_monday() < 5 && (90..1_020).contains(&minute)
    });
    let active = TimeDelta::minutes(active.count() as i64);
    let schedule = calendar.in_zone(zone);
    assert_eq!(schedule.active_between(first, first + TimeDelta::days(days)), active);
}
