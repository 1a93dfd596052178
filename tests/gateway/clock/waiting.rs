//! Chats and calls (rules S9, S10, S12).

use sla_gateway::clock::events::{Change, Status};
use sla_gateway::clock::state::{BreachKind, BreachPhase, Outcome, WarningShare};
use sla_gateway::clock::waiting::{Abandons, Given, QueueTerms, Wait, WaitTerms, wait};

use super::{at, becomes, event, id};

const QUEUED: &str = "2024-01-20T23:59:00Z";
const TERMS: QueueTerms = QueueTerms { sla_threshold: 20, abandons: Abandons::IgnoreWithin(20) };

fn call(terms: QueueTerms, seconds: i64, status: Status) -> Wait {
    let mut end = becomes(2, QUEUED, status);
    end.occurred_at += chrono::TimeDelta::seconds(seconds);
    let events = [becomes(1, QUEUED, Status::Assigned), end];
    wait(at(QUEUED), WaitTerms::Queue(terms), &events, None, WarningShare::default())
}

#[test]
fn x2_twenty_seconds_is_within_twenty_seconds() {
    let terms = TERMS;
    let later = at("2024-01-21T12:00:00Z");
    assert_eq!(call(terms, 20, Status::InProgress).outcome(later), Outcome::Met);
    assert_eq!(call(terms, 21, Status::InProgress).outcome(later), Outcome::Breached);
}

#[test]
fn s10_an_abandon_within_its_threshold_is_ignored_and_all_others_are_misses() {
    let terms = QueueTerms { sla_threshold: 20, abandons: Abandons::IgnoreWithin(10) };
    let strict = QueueTerms { sla_threshold: 20, abandons: Abandons::CountAgainstSla };
    let later = at("2024-01-21T12:00:00Z");
    let outcome = |terms, seconds| call(terms, seconds, Status::Declined).outcome(later);
    assert_eq!(outcome(terms, 10), Outcome::Excluded);
    assert_eq!(outcome(terms, 11), Outcome::Breached);
    assert_eq!(outcome(strict, 0), Outcome::Breached);
}

#[test]
fn s12_a_chat_is_due_around_the_clock_and_met_when_taken() {
    let terms = WaitTerms::Livechat { due_time_in_minutes: 30 };
    let queued = [becomes(1, QUEUED, Status::Assigned)];
    let waiting = wait(at(QUEUED), terms, &queued, None, WarningShare::default());
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

    let taken =
        [becomes(1, QUEUED, Status::Assigned), becomes(2, "2024-01-21T00:29:00Z", Status::InProgress)];
    let taken = wait(at(QUEUED), terms, &taken, None, WarningShare::default());
    assert!(!taken.is_queued());
    assert_eq!(taken.outcome(at("2024-02-21T00:00:00Z")), Outcome::Met);
    assert_eq!(taken.deadlines.len(), 1, "the warning came true, the breach did not");

    let given_up = |at: &str| {
        let events = [becomes(1, QUEUED, Status::Assigned), becomes(2, at, Status::Declined)];
        wait(self::at(QUEUED), terms, &events, None, WarningShare::default())
    };
    let later = at("2024-02-21T00:00:00Z");
    assert_eq!(given_up("2024-01-21T00:29:00Z").outcome(later), Outcome::Excluded);
    assert_eq!(given_up("2024-01-21T00:29:00.000001Z").outcome(later), Outcome::Breached);
}

#[test]
fn x14_the_first_end_counts_however_the_events_arrive() {
    let events = [
        becomes(3, "2024-01-21T00:01:00Z", Status::InProgress),
        becomes(2, "2024-01-21T00:00:00Z", Status::Declined),
    ];
    let terms = WaitTerms::Queue(TERMS);
    let wait = wait(at(QUEUED), terms, &events, None, WarningShare::default());
    assert_eq!((wait.taken_at, wait.abandoned_at), (None, Some(at("2024-01-21T00:00:00Z"))));
}

#[test]
fn s12_what_a_chat_is_given_counts_while_it_waits_and_of_one_given_twice_the_last_time() {
    let sla = |number, at: &str, sla| event(number, at, Change::Sla(id(sla)));
    let events = [
        sla(5, "2024-01-21T00:30:00Z", 2),
        becomes(4, "2024-01-21T00:20:00Z", Status::InProgress),
        sla(3, "2024-01-21T00:10:00Z", 1),
        sla(2, "2024-01-21T00:05:00Z", 3),
        sla(6, "2024-01-21T00:07:00Z", 4),
        becomes(1, QUEUED, Status::Assigned),
        sla(7, "2024-01-20T23:00:00Z", 5),
    ];
    let given = Given::new(at(QUEUED), Some(id(1)), &events, |sla| sla != id(4));
    assert!([1, 3].into_iter().all(|sla| given.includes(id(sla))));
    assert!(!given.includes(id(2)), "the chat was taken");
    assert!(!given.includes(id(4)), "it measures nothing");
    assert!(!given.includes(id(5)), "it was not queued yet");
    assert_eq!(given.superseded_at(id(1)), None);
    assert_eq!(given.superseded_at(id(3)), Some(at("2024-01-21T00:10:00Z")));

    // What another replaces at once measures nothing, the first one neither.
    let at_once = [sla(1, QUEUED, 2), sla(2, "2024-01-21T00:05:00Z", 3), sla(3, "2024-01-21T00:05:00Z", 2)];
    let given = Given::new(at(QUEUED), Some(id(1)), &at_once, |_| true);
    assert!(given.includes(id(2)) && !given.includes(id(1)) && !given.includes(id(3)));
    assert_eq!(given.superseded_at(id(2)), None);

    let terms = WaitTerms::Livechat { due_time_in_minutes: 10 };
    let superseded = |at: &str| {
        let queued = [becomes(1, QUEUED, Status::Assigned)];
        wait(self::at(QUEUED), terms, &queued, Some(self::at(at)), WarningShare::default())
    };
    let later = at("2024-02-21T00:00:00Z");
    let early = superseded("2024-01-21T00:08:00Z");
    assert_eq!((early.outcome(later), early.promised_at()), (Outcome::Excluded, None));
    assert_eq!(early.deadlines.len(), 1, "the warning came true before");
    // Exactly when it would have been breached it is so no more.
    assert_eq!(superseded("2024-01-21T00:09:00Z").deadlines.len(), 1);
    assert_eq!(superseded("2024-01-21T00:09:00.000001Z").deadlines.len(), 2);
}
