//! Random histories: against a naive replay that walks the minutes, and against what must hold of any history.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use sla_gateway::clock::calendar::Calendar;
use sla_gateway::clock::events::{Change, Event, Status};
use sla_gateway::clock::explain::{Account, ClockKind, Reason};
use sla_gateway::clock::fold::{Facts, fold};
use sla_gateway::clock::state::{
    Accountability, AffectedSla, BreachKind, BreachPhase, Outcome, WarningShare,
};
use sla_gateway::clock::targets::Impact;

use super::affected::{ELSEWHERE, INSTANCE, LOWER, facts_with, promise, uniform};
use super::{EVERY_DAY, at, holiday, id, row};

const START: &str = "2024-03-29T08:00:00Z";
const SPAN: i64 = 6 * 1_440;

/// Berlin over the spring change of clocks: two spans a day, a holiday that begins in the middle of one.
fn calendar() -> Arc<Calendar> {
    let rows = EVERY_DAY[..6].iter().flat_map(|day| [row(*day, 420, 720), row(*day, 780, 1_080)]);
    let night = row(EVERY_DAY[6], 60, 240);
    let closed = holiday("Half a day", "2024-04-02T10:00", "2024-04-02T15:30");
    Arc::new(Calendar::new(rows.chain([night]), [closed]).unwrap())
}

fn facts() -> Facts {
    let mut targets = uniform(promise(calendar(), 90, 700), None);
    targets.low = promise(calendar(), 240, 1_500);
    targets.top = promise(Arc::new(Calendar::around_the_clock()), 30, 300);
    Facts { started_at: at(START), zone: Tz::Europe__Berlin, ..facts_with(targets) }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => proptest::sample::select(Status::ALL).prop_map(Change::Status),
        3 => proptest::bool::ANY.prop_map(Change::ProviderNotAccountable),
        2 => proptest::sample::select(Impact::ALL).prop_map(|impact| Change::Impact(Some(impact))),
        2 => proptest::sample::select(vec![INSTANCE, INSTANCE, LOWER, ELSEWHERE])
            .prop_map(|instance| Change::Instance(Some(instance))),
        1 => Just(Change::Team(Some(id(0xD)))),
        1 => Just(Change::Team(Some(id(77)))),
        1 => Just(Change::Recalculated),
        1 => (0..SPAN).prop_map(|minute| Change::DesiredCompletion(Some(at(START) + TimeDelta::minutes(minute)))),
    ]
}

/// A few events, some of them at the same minute, some before the clock starts.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let told = proptest::collection::vec((-60..SPAN, change()), 0..12);
    told.prop_map(|told| {
        let first = [(0, Change::Instance(Some(INSTANCE))), (0, Change::Impact(Some(Impact::Medium)))];
        let all = first.into_iter().chain(told);
        all.enumerate()
            .map(|(number, (minute, change))| Event {
                id: id(number as u128 + 1),
                occurred_at: at(START) + TimeDelta::minutes(minute),
                sequence: 0,
                received_at: at(START),
                change,
            })
            .collect()
    })
}

/// What a walk through the minutes finds: all in minutes.
#[derive(Debug, Default, PartialEq)]
struct Walked {
    response_at: Option<DateTime<Utc>>,
    response_minutes: i64,
    resolution_at: Option<DateTime<Utc>>,
    resolution_minutes: i64,
    stopped_minutes: i64,
    /// When the resolution clock had counted what is promised in the end.
    target_at: Option<DateTime<Utc>>,
}

/// Looks at the request minute by minute, as somebody with a stopwatch would.
fn walk(facts: &Facts, events: &[Event], state: &AffectedSla) -> Walked {
    let mut told: Vec<&Event> = events.iter().collect();
    told.sort_by_key(|event| (event.occurred_at, event.id));
    let schedule_calendar = state.support_hours.as_ref().unwrap().calendar.clone();
    let schedule = schedule_calendar.in_zone(facts.zone);
    let promised = state.resolution.promised.minutes().map_or(i64::MAX, i64::from);
    let (mut status, mut instance, mut team, mut unaccountable) = (Status::Assigned, None, None, false);
    let mut walked = Walked::default();
    let mut minute_counts = 0;
    let mut response_counts = 0;
    let mut told = told.into_iter().peekable();
    let mut now = facts.started_at - TimeDelta::minutes(60);
    let end = facts.started_at + TimeDelta::minutes(SPAN + 10 * 1_440);
    while now < end {
        let mut responded = false;
        while let Some(event) = told.next_if(|event| event.occurred_at == now) {
            match event.change {
                Change::Status(to) => {
                    status = to;
                    responded |= to.is_response();
                }
                Change::Instance(to) => instance = to,
                Change::Team(to) => team = to,
                Change::ProviderNotAccountable(yes) => unaccountable = yes,
                _ => {}
            }
        }
        if now >= facts.started_at {
            let foreign = team.is_some_and(|team| team != id(0xD) && team != id(0xE));
            responded |= status.is_response() || instance != Some(INSTANCE) || foreign;
            if responded && walked.response_at.is_none() {
                walked.response_at = Some(now);
                walked.response_minutes = response_counts;
            }
            if status != Status::Completed {
                walked.resolution_at = None;
            } else if walked.resolution_at.is_none() {
                walked.resolution_at = Some(now);
                walked.resolution_minutes = minute_counts;
            }
            if minute_counts == promised && walked.target_at.is_none() && promised > 0 {
                walked.target_at = Some(now);
            }
            let active = schedule.is_active(now);
            let stopped = status == Status::Completed
                || instance == Some(ELSEWHERE)
                || status == Status::WaitingForCustomer
                || unaccountable;
            if active {
                minute_counts += i64::from(!stopped);
                response_counts += i64::from(!unaccountable);
                walked.stopped_minutes += i64::from(stopped);
            }
        }
        now += TimeDelta::minutes(1);
    }
    walked
}

fn sum(
    facts: &Facts,
    state: &AffectedSla,
    clock: ClockKind,
    now: DateTime<Utc>,
    of: impl Fn(&Reason) -> bool,
) -> i64 {
    let account = Account::new(facts, state, clock, now);
    let intervals = account.intervals();
    intervals.filter(|interval| of(&interval.reason)).map(|i| (i.to - i.from).num_minutes()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_fold_agrees_with_walking_through_the_minutes(events in events()) {
        let facts = facts();
        let state = fold(&facts, &events, WarningShare::default());
        let walked = walk(&facts, &events, &state);
        prop_assert_eq!(state.response.actual_at, walked.response_at);
        prop_assert_eq!(state.resolution.actual_at, walked.resolution_at);
        if walked.response_at.is_some() {
            let expected = Some(TimeDelta::minutes(walked.response_minutes));
            prop_assert_eq!(state.response.actual_duration, expected);
        }
        if walked.resolution_at.is_some() {
            let expected = Some(TimeDelta::minutes(walked.resolution_minutes));
            prop_assert_eq!(state.resolution.actual_duration, expected);
        }
        let stands_still = state.stops.last().is_some_and(|stop| stop.stop.until.is_none());
        if !stands_still {
            prop_assert_eq!(state.stopped_clock_duration, TimeDelta::minutes(walked.stopped_minutes));
            prop_assert_eq!(state.stopped_clock_at, None);
            prop_assert_eq!(state.resolution.target_at, walked.target_at);
        } else if state.accountability == Accountability::SlaNotAffected {
            prop_assert_eq!(state.resolution.target_at, None);
        } else if walked.target_at.is_some() {
            prop_assert_eq!(state.resolution.target_at, walked.target_at);
        }
    }

    #[test]
    fn x14_any_order_of_arrival_gives_the_same_state(
        (events, shuffled) in events().prop_flat_map(|events| {
            let twice: Vec<Event> = events.iter().chain(&events[events.len() / 2..]).cloned().collect();
            (Just(events), Just(twice).prop_shuffle())
        })
    ) {
        let facts = facts();
        let warning = WarningShare::default();
        prop_assert_eq!(fold(&facts, &events, warning), fold(&facts, &shuffled, warning));
    }

    #[test]
    fn nothing_is_unbreached_without_an_event(events in events(), now in 0..2 * SPAN, later in 0..2 * SPAN) {
        let state = fold(&facts(), &events, WarningShare::default());
        let now = at(START) + TimeDelta::minutes(now);
        let later = now + TimeDelta::minutes(later);
        for measure in [&state.response, &state.resolution] {
            if measure.is_breached(now) {
                prop_assert!(measure.is_breached(later));
                prop_assert_eq!(measure.outcome(later), Outcome::Breached);
            }
        }
    }

    #[test]
    fn b5_what_came_true_before_an_event_stays_true_after_it(events in events(), cut in 0..SPAN) {
        let facts = facts();
        let cut = at(START) + TimeDelta::minutes(cut);
        let earlier: Vec<Event> = events.iter().filter(|event| event.occurred_at <= cut).cloned().collect();
        let next = events.iter().map(|event| event.occurred_at).filter(|at| *at > cut).min();
        let until = next.unwrap_or(DateTime::<Utc>::MAX_UTC);
        let all = fold(&facts, &events, WarningShare::default()).deadlines;
        for deadline in fold(&facts, &earlier, WarningShare::default()).deadlines {
            prop_assert!(deadline.at >= until || all.contains(&deadline), "{:?}", deadline);
        }
    }

    #[test]
    fn the_breached_state_is_among_what_the_log_says(events in events()) {
        let state = fold(&facts(), &events, WarningShare::default());
        let far = at(START) + TimeDelta::days(400);
        for (kind, measure) in [(BreachKind::Response, &state.response), (BreachKind::Resolution, &state.resolution)] {
            let logged = state.deadlines.iter().any(|deadline| {
                deadline.kind == kind
                    && deadline.phase == BreachPhase::Breached
                    && Some(deadline.target_at) == measure.target_at
            });
            prop_assert_eq!(measure.is_breached(far), logged, "{:?} {:?}", kind, state);
        }
    }

    #[test]
    fn explanations_have_no_holes_and_add_up_to_the_durations(events in events()) {
        let facts = facts();
        let state = fold(&facts, &events, WarningShare::default());
        let now = at(START) + TimeDelta::minutes(SPAN);
        for (clock, measure) in
            [(ClockKind::Response, &state.response), (ClockKind::Resolution, &state.resolution)]
        {
            let mut reached = facts.started_at;
            let account = Account::new(&facts, &state, clock, now);
            for interval in account.intervals() {
                prop_assert_eq!(interval.from, reached);
                prop_assert!(interval.to >= interval.from);
                reached = interval.to;
            }
            prop_assert_eq!(reached, measure.actual_at.unwrap_or(now));
            if let Some(duration) = measure.actual_duration {
                let counted = sum(&facts, &state, clock, now, |reason| *reason == Reason::Counted);
                prop_assert_eq!(duration, TimeDelta::minutes(counted));
            }
        }
        let stopped = sum(&facts, &state, ClockKind::Resolution, now, |reason| {
            matches!(reason, Reason::ClockStopped { .. })
        });
        let since = state.stopped_clock_at.or(state.stops.last().filter(|s| s.stop.until.is_none()).map(|s| s.stop.from));
        let lasting = sum(&facts, &state, ClockKind::Resolution, since.unwrap_or(now), |reason| {
            matches!(reason, Reason::ClockStopped { .. })
        });
        prop_assert!(stopped >= lasting);
        prop_assert_eq!(state.stopped_clock_duration, TimeDelta::minutes(lasting));
    }
}

/// Every other event stops the clock: it is measured after each of them, but not from the beginning every time.
#[test]
fn x14_twice_as_long_a_history_takes_twice_as_long() {
    let targets = uniform(promise(calendar(), 1_000_000, 1_000_000), None);
    let facts = Facts { started_at: at(START), zone: Tz::Europe__Berlin, ..facts_with(targets) };
    let told = |number: u128| Event {
        id: id(number),
        occurred_at: at(START) + TimeDelta::seconds(number as i64),
        sequence: 0,
        received_at: at(START),
        change: match number {
            1 => Change::Instance(Some(INSTANCE)),
            2 => Change::Impact(Some(Impact::Medium)),
            _ => Change::ProviderNotAccountable(number.is_multiple_of(2)),
        },
    };
    let events: Vec<Event> = (1..=20_000).map(told).collect();
    let begun = std::time::Instant::now();
    let state = fold(&facts, &events, WarningShare::default());
    assert_eq!(state.stops.len(), 9_999);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}
