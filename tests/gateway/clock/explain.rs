//! Explanations: every stretch has its reason (what they add up to is tested on random histories).

use chrono_tz::Tz;
use sla_gateway::clock::calendar::Calendar;
use sla_gateway::clock::events::{Change, Status};
use sla_gateway::clock::explain::{Account, ClockKind, Reason};
use sla_gateway::clock::fold::fold;
use sla_gateway::clock::state::{StopCause, WarningShare};
use sla_gateway::clock::targets::Impact;

use super::affected::{INSTANCE, facts_of, promise};
use super::{EVERY_DAY, at, becomes, event, holiday, id, local, row};

#[test]
fn an_explanation_names_hours_holidays_stops_and_skipped_hours() {
    let rows = EVERY_DAY.map(|day| row(day, 60, 300));
    let calendar = Calendar::new(rows, [holiday("Easter", "2024-04-01T00:00", "2024-04-01T03:00")]).unwrap();
    let mut facts = facts_of(promise(calendar.into(), 60, 600));
    facts.zone = Tz::Europe__Berlin;
    facts.started_at = at("2024-03-31T00:30:00Z");
    let events = [
        event(1, "2024-03-31T00:30:00Z", Change::Instance(Some(INSTANCE))),
        event(2, "2024-03-31T00:30:00Z", Change::Impact(Some(Impact::Low))),
        becomes(3, "2024-03-31T02:00:00Z", Status::WaitingForCustomer),
        becomes(4, "2024-04-01T01:30:00Z", Status::InProgress),
        becomes(5, "2024-04-01T02:00:00Z", Status::Completed),
    ];
    let state = fold(&facts, &events, WarningShare::default());
    let later = at("2025-01-01T00:00:00Z");
    let reasons = |clock| -> Vec<_> {
        Account::new(&facts, &state, clock, later)
            .intervals()
            .map(|interval| ((interval.to - interval.from).num_minutes(), interval.reason))
            .collect()
    };
    let gap = Reason::SkippedByDst { from: local("2024-03-31T02:00"), until: local("2024-03-31T03:00") };
    let stopped = Reason::ClockStopped { cause: StopCause::WaitingForCustomer, event: Some(id(3)) };
    assert_eq!(
        reasons(ClockKind::Response),
        [(30, Reason::Counted), (0, gap.clone()), (60, Reason::Counted)]
    );
    assert_eq!(
        reasons(ClockKind::Resolution),
        [
            (30, Reason::Counted),
            (0, gap),
            (60, Reason::Counted),
            (60, stopped.clone()),
            (1_140, Reason::OutsideHours),
            (180, Reason::Holiday("Easter".to_owned())),
            (30, stopped),
            (30, Reason::Counted),
        ]
    );
    assert_eq!(state.stopped_clock_duration.num_minutes(), 90);
    assert_eq!(state.resolution.actual_duration.map(|d| d.num_minutes()), Some(120));
}

#[test]
fn without_support_hours_there_is_nothing_to_explain() {
    let facts = facts_of(Default::default());
    let state = fold(&facts, &[], WarningShare::default());
    assert_eq!(
        Account::new(&facts, &state, ClockKind::Resolution, at("2025-01-01T00:00:00Z")).intervals().count(),
        0
    );
}
