//! Chats and calls (rules S9, S10, S12).

use sla_gateway::clock::events::{Change, Status};
use sla_gateway::clock::state::{BreachKind, BreachPhase, Outcome, WarningShare};
use sla_gateway::clock::waiting::{
    AbandonType, Abandons, QueueTerms, QueueTermsError, Wait, WaitTerms, service_level, wait,
};

use super::{at, becomes, event};

const QUEUED: &str = "2024-01-20T23:59:00Z";

fn call(terms: QueueTerms, seconds: i64, change: Change) -> Wait {
    let mut end = event(2, QUEUED, change);
    end.occurred_at += chrono::TimeDelta::seconds(seconds);
    let events = [becomes(1, QUEUED, Status::Assigned), end];
    wait(at(QUEUED), WaitTerms::Queue(terms), &events, WarningShare::default())
}

#[test]
fn s9_abandon_threshold_is_required_by_one_type_and_refused_by_the_other() {
    let new = QueueTerms::new;
    assert_eq!(new(30, AbandonType::IgnoreAbandons, None), Err(QueueTermsError::AbandonThresholdRequired));
    assert_eq!(new(30, AbandonType::CountAgainstSla, Some(5)), Err(QueueTermsError::AbandonThresholdRefused));
    assert_eq!(
        new(0, AbandonType::IgnoreAbandons, Some(5)),
        Ok(QueueTerms { sla_threshold: 0, abandons: Abandons::IgnoreWithin(5) })
    );
    assert_eq!(Ok(QueueTerms::default()), new(20, AbandonType::IgnoreAbandons, Some(20)));
}

#[test]
fn x2_twenty_seconds_is_within_twenty_seconds() {
    let terms = QueueTerms::default();
    let later = at("2024-01-21T12:00:00Z");
    assert_eq!(call(terms, 20, Change::Answered).outcome(later), Outcome::Met);
    assert_eq!(call(terms, 21, Change::Answered).outcome(later), Outcome::Breached);
}

#[test]
fn s10_an_abandon_within_its_threshold_is_ignored_and_all_others_are_misses() {
    let terms = QueueTerms { sla_threshold: 20, abandons: Abandons::IgnoreWithin(10) };
    let strict = QueueTerms { sla_threshold: 20, abandons: Abandons::CountAgainstSla };
    let later = at("2024-01-21T12:00:00Z");
    let outcome = |terms, seconds| call(terms, seconds, Change::Abandoned).outcome(later);
    assert_eq!(outcome(terms, 10), Outcome::Excluded);
    assert_eq!(outcome(terms, 11), Outcome::Breached);
    assert_eq!(outcome(strict, 0), Outcome::Breached);
}

#[test]
fn s10_service_level_is_a_percentage_of_what_is_not_ignored() {
    assert_eq!(service_level(3, 5, 1), Some(75.0));
    assert_eq!(service_level(0, 5, 1), Some(0.0));
    assert_eq!(service_level(0, 2, 2), None);
    assert_eq!(service_level(0, 0, 0), None);
}

#[test]
fn s12_a_chat_is_due_around_the_clock_and_met_when_taken() {
    let terms = WaitTerms::Livechat { due_time_in_minutes: 30 };
    let queued = [becomes(1, QUEUED, Status::Assigned)];
    let waiting = wait(at(QUEUED), terms, &queued, WarningShare::default());
    assert_eq!(waiting.due_at, at("2024-01-21T00:29:00Z"));
    assert!(waiting.is_queued());
    assert_eq!(waiting.outcome(waiting.due_at), Outcome::Running);
    assert_eq!(waiting.outcome(at("2024-01-21T00:29:00.000001Z")), Outcome::Breached);
    let due: Vec<_> = waiting.deadlines.iter().map(|d| (d.kind, d.phase, d.at)).collect();
    assert_eq!(
        due,
        [
            (BreachKind::DueTime, BreachPhase::Warning, at("2024-01-21T00:23:00Z")),
            (BreachKind::DueTime, BreachPhase::Breached, at("2024-01-21T00:29:00Z")),
        ]
    );

    let taken = [becomes(1, QUEUED, Status::Assigned), event(2, "2024-01-21T00:29:00Z", Change::Taken)];
    let taken = wait(at(QUEUED), terms, &taken, WarningShare::default());
    assert!(!taken.is_queued());
    assert_eq!(taken.outcome(at("2024-02-21T00:00:00Z")), Outcome::Met);
    assert_eq!(taken.deadlines.len(), 1, "the warning came true, the breach did not");
}

#[test]
fn x14_the_first_end_counts_however_the_events_arrive() {
    let events = [
        event(3, "2024-01-21T00:01:00Z", Change::Taken),
        event(2, "2024-01-21T00:00:00Z", Change::Abandoned),
    ];
    let terms = WaitTerms::Queue(QueueTerms::default());
    let wait = wait(at(QUEUED), terms, &events, WarningShare::default());
    assert_eq!((wait.taken_at, wait.abandoned_at), (None, Some(at("2024-01-21T00:00:00Z"))));
}
