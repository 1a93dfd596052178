//! Affected SLAs rule by rule (rules C1 to C12).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use sla_gateway::clock::calendar::Calendar;
use sla_gateway::clock::events::{Change, Event, Status};
use sla_gateway::clock::fold::{Facts, fold};
use sla_gateway::clock::state::{
    Accountability, AffectedSla, AtRiskLevel, BreachKind, BreachPhase, NextTarget, Outcome, StopCause,
    WarningShare, at_risk,
};
use sla_gateway::clock::targets::{Effect, Hours, Impact, InForce, OfferingTargets, Promise, TargetDuration};
use uuid::Uuid;

use super::{EVERY_DAY, at, becomes, daily, event, id, local, minutes, office, row};

pub(super) const INSTANCE: Uuid = Uuid::from_u128(0xA);
pub(super) const LOWER: Uuid = Uuid::from_u128(0xB);
pub(super) const ELSEWHERE: Uuid = Uuid::from_u128(0xC);
const SUPPORT: Uuid = Uuid::from_u128(0xD);
const FIRST_LINE: Uuid = Uuid::from_u128(0xE);

pub(super) fn hours(calendar: Arc<Calendar>) -> Hours {
    Hours { id: id(0xCA1), calendar }
}

pub(super) fn promise(calendar: Arc<Calendar>, response: u32, resolution: u32) -> Promise {
    Promise {
        response: TargetDuration::Minutes(response),
        resolution: TargetDuration::Minutes(resolution),
        support_hours: Some(hours(calendar)),
    }
}

/// The same promise whatever the impact.
pub(super) fn uniform(promise: Promise, service_hours: Option<Hours>) -> OfferingTargets {
    OfferingTargets { service_hours, ..OfferingTargets::default() }.overridden(&promise)
}

pub(super) fn facts_of(promise: Promise) -> Facts {
    facts_with(uniform(promise, None))
}

pub(super) fn facts_with(targets: OfferingTargets) -> Facts {
    Facts {
        started_at: at("2024-01-22T10:00:00Z"),
        zone: Tz::UTC,
        instances: BTreeMap::from([(INSTANCE, BTreeSet::from([SUPPORT, FIRST_LINE]))]),
        below: BTreeMap::from([(LOWER, Effect::Degraded)]),
        applies: true,
        promised: vec![InForce { from: DateTime::<Utc>::UNIX_EPOCH, targets: Arc::new(targets) }],
    }
}

/// Mon–Fri 9–17; response in 60, resolution in 240 minutes, whatever the impact.
fn usual() -> Facts {
    facts_of(promise(office(), 60, 240))
}

/// A request of impact MEDIUM on the affected instance from Monday 10:00, and what follows.
fn state(facts: &Facts, more: impl IntoIterator<Item = Event>) -> AffectedSla {
    let start = "2024-01-22T10:00:00Z";
    let mut events = vec![
        event(1, start, Change::Impact(Some(Impact::Medium))),
        event(2, start, Change::Instance(Some(INSTANCE))),
        becomes(3, start, Status::Assigned),
    ];
    events.extend(more);
    fold(facts, &events, WarningShare::default())
}

fn monday(time: &str) -> String {
    format!("2024-01-22T{time}:00Z")
}

#[test]
fn c1_a_new_request_awaits_its_response_then_its_resolution() {
    let state = state(&usual(), []);
    assert_eq!(state.accountability, Accountability::Provider);
    assert_eq!(state.response.target_at, Some(at(&monday("11:00"))));
    assert_eq!(state.resolution.target_at, Some(at(&monday("14:00"))));
    assert_eq!((state.next_target, state.next_target_at), (NextTarget::Response, state.response.target_at));
    assert_eq!(state.response.promised.minutes(), Some(60));
    assert_eq!(state.response.outcome(at(&monday("11:00"))), Outcome::Running);
    assert_eq!(state.response.outcome(at("2024-01-22T11:00:00.000001Z")), Outcome::Breached);
}

#[test]
fn c11_x2_what_is_answered_or_done_at_the_last_instant_is_kept_and_recorded_so() {
    let until = |response: &str, resolution: &str| {
        let state = state(
            &usual(),
            [becomes(4, response, Status::InProgress), becomes(5, resolution, Status::Completed)],
        );
        let far = at("2024-02-22T10:00:00Z");
        let outcomes = (state.response.outcome(far), state.resolution.outcome(far));
        let recorded: Vec<_> =
            state.deadlines.iter().map(|deadline| (deadline.kind, deadline.phase)).collect();
        (outcomes, recorded)
    };
    let warned = |kind| (kind, BreachPhase::Warning);
    let both = |kind| [warned(kind), (kind, BreachPhase::Breached)];
    assert_eq!(
        until(&monday("11:00"), &monday("14:00")),
        ((Outcome::Met, Outcome::Met), vec![warned(BreachKind::Response), warned(BreachKind::Resolution)])
    );
    assert_eq!(
        until("2024-01-22T11:00:00.000001Z", "2024-01-22T14:00:00.000001Z"),
        (
            (Outcome::Breached, Outcome::Breached),
            [both(BreachKind::Response), both(BreachKind::Resolution)].concat()
        )
    );
}

#[test]
fn c5_a_team_of_others_that_has_the_request_when_the_clock_begins_is_its_response() {
    let facts = Facts { started_at: at(&monday("10:30")), ..usual() };
    let begins = |team: Uuid| {
        let events = [
            event(1, &monday("10:00"), Change::Impact(Some(Impact::Medium))),
            event(2, &monday("10:00"), Change::Instance(Some(ELSEWHERE))),
            event(3, &monday("10:20"), Change::Team(Some(team))),
            event(4, &monday("10:30"), Change::Instance(Some(INSTANCE))),
        ];
        fold(&facts, &events, WarningShare::default()).response.actual_at
    };
    assert_eq!(begins(id(99)), Some(facts.started_at));
    assert_eq!(begins(SUPPORT), None);
}

#[test]
fn c2_an_edited_offering_moves_nothing_until_the_impact_is_assigned_anew() {
    let mut facts = usual();
    let edited = uniform(promise(office(), 10, 20), None);
    facts.promised.push(InForce { from: at(&monday("10:30")), targets: Arc::new(edited) });
    let before = state(&facts, [becomes(4, &monday("10:40"), Status::Accepted)]);
    assert_eq!(before.resolution.target_at, Some(at(&monday("14:00"))));
    assert_eq!(before.frozen_at, Some(at(&monday("10:00"))));
    let same = state(&facts, [event(4, &monday("10:40"), Change::Impact(Some(Impact::Medium)))]);
    assert_eq!(same.resolution.target_at, Some(at(&monday("14:00"))));
    let raised = state(&facts, [event(4, &monday("10:40"), Change::Impact(Some(Impact::High)))]);
    assert_eq!(raised.resolution.target_at, Some(at(&monday("10:20"))));
    let recalculated = state(&facts, [event(4, &monday("10:40"), Change::Recalculated)]);
    assert_eq!(recalculated.resolution.target_at, Some(at(&monday("10:20"))));
    assert_eq!(recalculated.frozen_at, Some(at(&monday("10:40"))));
    // What had ended by then stays as it was measured, also when that is told only later.
    let done = becomes(4, &monday("10:35"), Status::Completed);
    let recalculate = event(5, &monday("10:40"), Change::Recalculated);
    let ended = state(&facts, [done.clone(), recalculate.clone()]);
    assert_eq!(ended.resolution.target_at, Some(at(&monday("14:00"))));
    let reopened = becomes(6, &monday("10:38"), Status::InProgress);
    let ended = state(&facts, [done, reopened, recalculate]);
    assert_eq!(ended.frozen_at, Some(at(&monday("10:40"))));
    let emptied = event(4, &monday("10:40"), Change::Impact(None));
    let without = state(&facts, [emptied, event(5, &monday("10:50"), Change::Recalculated)]);
    assert_eq!((without.impact, without.frozen_at), (None, None));
}

#[test]
fn c4_accountability_follows_the_requests_instance() {
    let moves = |instance| event(4, &monday("10:30"), Change::Instance(Some(instance)));
    let supplier = state(&usual(), [moves(LOWER)]);
    assert_eq!(supplier.accountability, Accountability::Supplier);
    assert_eq!(supplier.impact, Some(Impact::Low), "rule C3 through a DEGRADED relation");
    assert_eq!(supplier.response.actual_at, Some(at(&monday("10:30"))), "rule C5: the instance differs");
    assert_eq!(supplier.next_target, NextTarget::Resolution);

    let elsewhere = state(&usual(), [moves(ELSEWHERE)]);
    assert_eq!(elsewhere.accountability, Accountability::SlaNotAffected);
    assert_eq!(elsewhere.resolution.target_at, None);
    assert_eq!(elsewhere.response.target_at, Some(at(&monday("11:00"))), "the response target stays");
    assert_eq!((elsewhere.next_target, elsewhere.next_target_at), (NextTarget::None, None));
    assert_eq!(elsewhere.resolution.outcome(at(&monday("16:00"))), Outcome::Excluded);
}

#[test]
fn c4_time_in_which_the_sla_was_not_affected_does_not_count_against_it() {
    let state = state(
        &usual(),
        [
            event(4, &monday("10:30"), Change::Instance(Some(ELSEWHERE))),
            event(5, &monday("15:00"), Change::Instance(Some(INSTANCE))),
        ],
    );
    assert_eq!(state.accountability, Accountability::Provider);
    assert_eq!(state.stops[0].cause, StopCause::NotAffected);
    assert_eq!(state.resolution.target_at, Some(at("2024-01-23T10:30:00Z")));
}

#[test]
fn c4_an_impact_that_is_first_assigned_when_the_request_is_elsewhere_promises_nothing_here() {
    let start = "2024-01-22T10:00:00Z";
    for assigned in ["10:30", "10:45"] {
        let events = [
            event(1, start, Change::Instance(Some(INSTANCE))),
            event(2, &monday("10:30"), Change::Instance(Some(ELSEWHERE))),
            event(3, &monday(assigned), Change::Impact(Some(Impact::Top))),
        ];
        let state = fold(&usual(), &events, WarningShare::default());
        assert_eq!(state.accountability, Accountability::SlaNotAffected);
        assert_eq!((state.impact, state.response.target_at), (None, None));
        assert!(state.deadlines.is_empty(), "{:?}", state.deadlines);
    }
}

#[test]
fn c5_of_a_service_as_a_whole_a_team_is_foreign_by_the_instance_on_which_it_was_assigned() {
    const OTHER: Uuid = Uuid::from_u128(0x1D);
    const TEAM_OF_OTHER: Uuid = Uuid::from_u128(0xF);
    let mut facts = usual();
    facts.instances.insert(OTHER, BTreeSet::from([TEAM_OF_OTHER]));
    let moved = |at: &str| event(5, &monday(at), Change::Instance(Some(OTHER)));
    let assigned = |at: &str, team| event(4, &monday(at), Change::Team(Some(team)));
    let given = |events: [Event; 2]| state(&facts, events).response.actual_at;
    assert_eq!(given([assigned("10:20", TEAM_OF_OTHER), moved("10:30")]), Some(at(&monday("10:20"))));
    assert_eq!(given([assigned("10:30", TEAM_OF_OTHER), moved("10:30")]), None);
    assert_eq!(given([moved("10:20"), assigned("10:30", TEAM_OF_OTHER)]), None);
    assert_eq!(given([moved("10:20"), assigned("10:30", SUPPORT)]), Some(at(&monday("10:30"))));
    // Where it goes is no assignment, and neither is that its team is told again.
    assert_eq!(given([assigned("10:20", SUPPORT), moved("10:30")]), None);
    for again in ["10:30", "10:40"] {
        let again = event(6, &monday(again), Change::Team(Some(SUPPORT)));
        let events = [assigned("10:20", SUPPORT), moved("10:30"), again];
        assert_eq!(state(&facts, events).response.actual_at, None);
    }
}

#[test]
fn c5_the_response_is_the_first_of_status_foreign_team_and_other_instance() {
    let given = |change| state(&usual(), [event(4, &monday("10:30"), change)]).response.actual_at.is_some();
    for status in Status::ALL {
        let counts = matches!(
            status,
            Status::InProgress
                | Status::WaitingFor
                | Status::WaitingForCustomer
                | Status::WorkflowPending
                | Status::Completed
        );
        assert_eq!(given(Change::Status(*status)), counts, "{status:?}");
    }
    assert!(given(Change::Team(Some(id(99)))));
    assert!(!given(Change::Team(Some(SUPPORT))) && !given(Change::Team(Some(FIRST_LINE))));
    assert!(!given(Change::Team(None)));
}

#[test]
fn c5_a_response_stays_given_and_counts_even_when_undone_in_the_same_minute() {
    let state = state(
        &usual(),
        [
            becomes(4, &monday("10:30"), Status::InProgress),
            becomes(5, &monday("10:30"), Status::Assigned),
            becomes(6, &monday("15:30"), Status::InProgress),
        ],
    );
    assert_eq!(state.response.actual_at, Some(at(&monday("10:30"))));
    assert_eq!(state.response.actual_duration, Some(minutes(30)));
}

#[test]
fn c6_a_reopen_clears_the_resolution_and_the_completed_time_is_a_pause() {
    let done = [becomes(4, &monday("11:00"), Status::Completed)];
    let completed = state(&usual(), done.clone());
    assert_eq!(completed.resolution.actual_duration, Some(minutes(60)));
    assert_eq!(completed.stopped_clock_at, None);
    assert_eq!(
        (completed.next_target, completed.resolution.outcome(at("2030-01-01T00:00:00Z"))),
        (NextTarget::None, Outcome::Met)
    );
    assert_eq!(completed.resolution.target_at, Some(at(&monday("14:00"))));

    let reopened = state(&usual(), done.into_iter().chain([becomes(5, &monday("13:00"), Status::Assigned)]));
    assert_eq!(reopened.resolution.actual_at, None);
    assert_eq!(reopened.stopped_clock_duration, minutes(120));
    assert_eq!(reopened.resolution.target_at, Some(at(&monday("16:00"))));
    assert_eq!(reopened.next_target, NextTarget::Resolution);
}

#[test]
fn c7_waiting_for_the_customer_stops_the_resolution_clock_in_support_hours() {
    let waiting = [becomes(4, &monday("16:00"), Status::WaitingForCustomer)];
    let stopped = state(&usual(), waiting.clone());
    assert_eq!(stopped.stopped_clock_at, Some(at(&monday("16:00"))));
    assert_eq!((stopped.next_target, stopped.next_target_at), (NextTarget::ClockStopped, None));
    assert!(stopped.resolution.is_breached(at("2030-01-01T00:00:00Z")), "it was passed at 14:00");

    let early = state(&usual(), [becomes(4, &monday("13:00"), Status::WaitingForCustomer)]);
    assert_eq!(early.resolution.breaches_at, None);
    assert!(!early.resolution.is_breached(at("2030-01-01T00:00:00Z")));
    assert_eq!(early.resolution.target_at, Some(at(&monday("14:00"))), "as if it ran on");
    assert!(
        !early.deadlines.iter().any(|d| d.kind == BreachKind::Resolution && d.phase == BreachPhase::Breached)
    );

    let other_cause = state(
        &usual(),
        [
            becomes(4, &monday("13:00"), Status::WaitingForCustomer),
            event(5, &monday("14:30"), Change::ProviderNotAccountable(true)),
            becomes(6, &monday("15:00"), Status::InProgress),
        ],
    );
    assert_eq!(other_cause.stopped_clock_at, Some(at(&monday("13:00"))), "it is one pause");
    assert_eq!(
        other_cause.resolution.target_at,
        Some(at(&monday("14:00"))),
        "which the target does not know of"
    );
    assert_eq!(other_cause.resolution.breaches_at, None);

    let resumed = state(
        &usual(),
        [
            becomes(4, &monday("13:00"), Status::WaitingForCustomer),
            becomes(5, "2024-01-23T10:00:00Z", Status::InProgress),
        ],
    );
    assert_eq!(resumed.stopped_clock_at, None);
    assert_eq!(resumed.stopped_clock_duration, minutes(4 * 60 + 60), "rule X10: not the night");
    assert_eq!(resumed.resolution.target_at, Some(at("2024-01-23T11:00:00Z")));
}

#[test]
fn x9_waiting_for_the_customer_is_a_response_and_unaccountable_stops_both_clocks() {
    let waiting = state(&usual(), [becomes(4, &monday("10:20"), Status::WaitingForCustomer)]);
    assert_eq!(waiting.response.actual_duration, Some(minutes(20)));

    let unaccountable = |until: &str| {
        state(
            &usual(),
            [
                event(4, &monday("10:20"), Change::ProviderNotAccountable(true)),
                event(5, until, Change::ProviderNotAccountable(false)),
                becomes(6, "2024-01-23T09:30:00Z", Status::InProgress),
            ],
        )
    };
    let back = unaccountable(&monday("16:50"));
    assert_eq!(back.response.target_at, Some(at("2024-01-23T09:30:00Z")));
    assert_eq!(back.response.actual_duration, Some(minutes(60)));
    assert_eq!(
        back.response.outcome(at("2030-01-01T00:00:00Z")),
        Outcome::Met,
        "rule X2: exactly on it is met"
    );
    assert!(!back.provider_not_accountable && back.provider_was_not_accountable);
    let still = unaccountable("2024-01-24T10:00:00Z");
    assert_eq!(still.response.actual_duration, Some(minutes(20)));
}

#[test]
fn x9_overlapping_causes_are_one_pause() {
    let events = [
        becomes(4, &monday("11:00"), Status::WaitingForCustomer),
        event(5, &monday("12:00"), Change::ProviderNotAccountable(true)),
        becomes(6, &monday("13:00"), Status::InProgress),
    ];
    let stopped = state(&usual(), events.clone());
    assert_eq!(stopped.stopped_clock_at, Some(at(&monday("11:00"))));
    assert_eq!(stopped.stopped_clock_duration, TimeDelta::zero());
    let ended = event(7, &monday("14:00"), Change::ProviderNotAccountable(false));
    let ended = state(&usual(), events.into_iter().chain([ended]));
    assert_eq!(ended.stopped_clock_duration, minutes(180));
    assert_eq!(ended.stops.iter().map(|stop| stop.event).collect::<Vec<_>>(), [Some(id(4)), Some(id(5))]);
}

#[test]
fn x12_pauses_survive_a_retarget_from_the_unchanged_start() {
    let mut targets = uniform(promise(office(), 60, 240), None);
    targets.high.resolution = TargetDuration::Minutes(120);
    targets.high.support_hours = Some(hours(Arc::new(daily(&EVERY_DAY, 0, 24))));
    let state = state(
        &facts_with(targets),
        [
            becomes(4, &monday("11:00"), Status::WaitingForCustomer),
            becomes(5, "2024-01-23T11:00:00Z", Status::InProgress),
            event(6, "2024-01-23T11:10:00Z", Change::Impact(Some(Impact::High))),
        ],
    );
    assert_eq!(
        state.stopped_clock_duration,
        minutes(1_440),
        "rule X10: measured in the clock's new calendar"
    );
    assert_eq!(state.resolution.target_at, Some(at("2024-01-23T12:00:00Z")));
}

#[test]
fn c8_the_next_target_is_the_desired_completion_only_when_that_is_later() {
    let wish = |time: &str| {
        state(
            &usual(),
            [
                becomes(4, &monday("10:30"), Status::InProgress),
                event(5, &monday("10:30"), Change::DesiredCompletion(Some(at(&monday(time))))),
            ],
        )
    };
    let later = wish("15:00");
    assert_eq!(
        (later.next_target, later.next_target_at),
        (NextTarget::DesiredCompletion, Some(at(&monday("15:00"))))
    );
    let earlier = wish("14:00");
    assert_eq!(
        (earlier.next_target, earlier.next_target_at),
        (NextTarget::Resolution, Some(at(&monday("14:00"))))
    );
}

#[test]
fn c8_best_effort_is_no_target_and_neither_is_nothing_or_an_empty_calendar() {
    let next = |response, resolution, calendar: Arc<Calendar>| {
        let promise = Promise { response, resolution, support_hours: Some(hours(calendar)) };
        let state = state(&facts_of(promise), []);
        assert_eq!(state.next_target_at, None);
        state.next_target
    };
    let (effort, nothing) = (TargetDuration::BestEffort, TargetDuration::None);
    assert_eq!(next(nothing, effort, office()), NextTarget::BestEffort);
    assert_eq!(next(effort, nothing, office()), NextTarget::BestEffort);
    assert_eq!(next(nothing, nothing, office()), NextTarget::NoTarget);
    let empty = Arc::new(Calendar::new([], []).unwrap());
    let minutes = TargetDuration::Minutes(60);
    assert_eq!(next(minutes, minutes, empty), NextTarget::NoTarget, "rule X11");
    let without = Promise { response: minutes, resolution: minutes, support_hours: None };
    assert_eq!(state(&facts_of(without), []).next_target, NextTarget::NoTarget, "never silently 24x7");
}

#[test]
fn c8_without_an_impact_there_is_no_target() {
    let state = fold(&usual(), &[], WarningShare::default());
    assert_eq!((state.impact, state.next_target), (None, NextTarget::NoTarget));
    assert_eq!(state.deadlines, []);
}

#[test]
fn c11_colours_turn_at_sixty_and_twenty_minutes_and_past_the_breach() {
    let (closing, opening) = (at("2024-01-22T17:00:00Z"), at("2024-01-23T09:00:00Z"));
    for (now, level) in [
        ("2024-01-22T16:00:00Z", AtRiskLevel::Green),
        ("2024-01-22T16:00:01Z", AtRiskLevel::Yellow),
        ("2024-01-22T16:40:00Z", AtRiskLevel::Yellow),
        ("2024-01-22T16:40:01Z", AtRiskLevel::Orange),
        ("2024-01-22T17:00:01Z", AtRiskLevel::Orange),
        ("2024-01-23T09:00:00Z", AtRiskLevel::Orange),
        ("2024-01-23T09:00:01Z", AtRiskLevel::Past),
    ] {
        assert_eq!(at_risk(closing, opening, at(now)), level, "{now}");
    }
}

#[test]
fn c11_a_warning_comes_once_per_target_at_its_share() {
    let warnings = |state: &AffectedSla| -> Vec<_> {
        let of_resolution = state.deadlines.iter().filter(|d| d.kind == BreachKind::Resolution);
        of_resolution.filter(|d| d.phase == BreachPhase::Warning).map(|d| (d.at, d.target_at)).collect()
    };
    let running = state(&usual(), []);
    assert_eq!(warnings(&running), [(at(&monday("13:12")), at(&monday("14:00")))]);
    let paused_after = state(
        &usual(),
        [
            becomes(4, &monday("13:30"), Status::WaitingForCustomer),
            becomes(5, &monday("15:00"), Status::InProgress),
        ],
    );
    assert_eq!(warnings(&paused_after), [(at(&monday("13:12")), at(&monday("14:00")))]);
    assert_eq!(paused_after.resolution.target_at, Some(at(&monday("15:30"))));
    let done_before = state(&usual(), [becomes(4, &monday("13:12"), Status::Completed)]);
    assert!(warnings(&done_before).is_empty());
}

#[test]
fn c11_nobody_is_warned_of_a_target_that_a_response_given_before_has_kept() {
    let mut facts = usual();
    let [tight, usual] = [30, 60].map(|minutes| promise(office(), minutes, 240));
    let targets = OfferingTargets { high: tight, ..uniform(usual, None) };
    facts.promised[0].targets = Arc::new(targets);
    let responded = becomes(4, &monday("10:29"), Status::InProgress);
    let raised = event(5, &monday("10:50"), Change::Impact(Some(Impact::High)));
    let state = state(&facts, [responded, raised]);
    assert_eq!(state.response.target_at, Some(at(&monday("10:30"))));
    assert!(state.deadlines.iter().all(|deadline| deadline.kind == BreachKind::Resolution));
}

#[test]
fn b5_a_change_in_order_keeps_what_was_breached_and_a_late_event_does_not() {
    let breaches = |events: &[Event]| -> Vec<_> {
        let state = state(&usual(), events.iter().cloned());
        let of_resolution = state.deadlines.into_iter().filter(|d| d.kind == BreachKind::Resolution);
        of_resolution.filter(|d| d.phase == BreachPhase::Breached).map(|d| d.target_at).collect()
    };
    let late_move = [event(4, &monday("15:00"), Change::Instance(Some(ELSEWHERE)))];
    assert_eq!(breaches(&late_move), [at(&monday("14:00"))], "it was true when the instance changed");
    let completed_late = [becomes(4, &monday("15:00"), Status::Completed)];
    assert_eq!(breaches(&completed_late), [at(&monday("14:00"))]);
    let told_late = [becomes(5, &monday("13:00"), Status::Completed), completed_late[0].clone()];
    assert!(breaches(&told_late).is_empty());
    let pause_told_late = [
        becomes(5, &monday("11:00"), Status::WaitingForCustomer),
        becomes(6, &monday("12:00"), Status::InProgress),
    ];
    assert_eq!(breaches(&pause_told_late), [at(&monday("15:00"))], "under its own instant");
}

#[test]
fn business_day_targets_are_moved_by_pauses_in_the_calendar() {
    let facts = facts_of(Promise { resolution: TargetDuration::BusinessDays(1), ..promise(office(), 60, 0) });
    let running = state(&facts, []);
    assert_eq!(running.resolution.target_at, Some(at("2024-01-23T17:00:00Z")));
    assert_eq!(running.resolution.promised.business_days(), Some(1));
    assert_eq!(running.resolution.breaches_at, Some(at("2024-01-24T09:00:00Z")));
    let paused = state(
        &facts,
        [
            becomes(4, &monday("16:00"), Status::WaitingForCustomer),
            becomes(5, "2024-01-23T10:00:00Z", Status::InProgress),
        ],
    );
    assert_eq!(paused.resolution.target_at, Some(at("2024-01-24T11:00:00Z")));
}

#[test]
fn c12_the_seeds_sample_comes_out_moved_to_saturday_till_monday() {
    let chicago = |text: &str| at(&format!("2016-04-{text}:00-05:00"));
    let support = daily(&EVERY_DAY[..6], 0, 24);
    let service = Calendar::new(
        EVERY_DAY[..6]
            .iter()
            .map(|day| row(*day, 0, 1440))
            .chain([row(EVERY_DAY[6], 0, 300), row(EVERY_DAY[6], 720, 1440)]),
        [],
    )
    .unwrap();
    let targets = uniform(promise(Arc::new(support), 30, 240), Some(hours(Arc::new(service))));
    let facts = Facts { started_at: chicago("02T07:22"), zone: Tz::America__Chicago, ..facts_with(targets) };
    let mut number = 0;
    let mut record = |occurred_at, change| {
        number += 1;
        Event { id: id(number), occurred_at, sequence: number as i64, received_at: occurred_at, change }
    };
    let events = [
        record(chicago("02T07:22"), Change::Instance(Some(INSTANCE))),
        record(chicago("02T07:22"), Change::Impact(Some(Impact::Top))),
        record(chicago("02T07:22"), Change::Status(Status::InProgress)),
        record(chicago("04T10:37"), Change::Status(Status::Completed)),
        record(
            chicago("04T10:37"),
            Change::Downtime { start: Some(chicago("02T05:42")), end: Some(chicago("04T10:29")) },
        ),
    ];
    let state = fold(&facts, &events, WarningShare::default());
    assert_eq!(state.resolution.actual_duration, Some(minutes(1_635)));
    assert_eq!(state.downtime_duration, Some(minutes(2_747)));
    assert_eq!(state.response.target_at, Some(facts.started_at + minutes(30)));
    assert_eq!(state.resolution.target_at, Some(facts.started_at + minutes(240)));
    assert_eq!(state.response.actual_duration, Some(TimeDelta::zero()));
    assert_eq!((state.stopped_clock_at, state.stopped_clock_duration), (None, TimeDelta::zero()));
    assert_eq!((state.impact, state.accountability), (Some(Impact::Top), Accountability::Provider));
}

#[test]
fn c10_downtime_counts_for_top_impact_only() {
    let facts = facts_with(uniform(promise(office(), 60, 240), Some(hours(office()))));
    let down = event(
        4,
        &monday("10:30"),
        Change::Downtime { start: Some(at(&monday("08:00"))), end: Some(at(&monday("10:00"))) },
    );
    let medium = state(&facts, [down.clone()]);
    assert_eq!((medium.downtime_duration, medium.service_hours), (None, None));
    assert_eq!(medium.downtime_start_at, Some(at(&monday("08:00"))));
    let becomes_top = event(5, &monday("10:40"), Change::Impact(Some(Impact::Top)));
    let top = state(&facts, [down.clone(), becomes_top.clone()]);
    assert_eq!(top.downtime_duration, Some(minutes(60)));
    assert!(top.service_hours.is_some());
    // The impact is that on the SLA's own instance, which is lower through a DEGRADED relation (rule C3).
    let below = event(6, &monday("10:50"), Change::Instance(Some(LOWER)));
    let high = state(&facts, [down, becomes_top, below]);
    assert_eq!((high.impact, high.downtime_duration), (Some(Impact::High), None));
}

#[test]
fn the_first_sample_of_the_seed_is_a_supplier_case_that_was_done_when_it_began() {
    let start = monday("10:00");
    let events = [
        event(1, &start, Change::Instance(Some(LOWER))),
        event(2, &start, Change::Impact(Some(Impact::Top))),
        becomes(3, &start, Status::Completed),
    ];
    let state = fold(&usual(), &events, WarningShare::default());
    assert_eq!((state.accountability, state.impact), (Accountability::Supplier, Some(Impact::High)));
    assert_eq!(state.response.actual_at, Some(at(&start)));
    assert_eq!(state.resolution.actual_at, Some(at(&start)));
    assert_eq!(state.resolution.actual_duration, Some(TimeDelta::zero()));
    assert_eq!(state.resolution.target_at, Some(at(&monday("14:00"))));
    assert_eq!(state.deadlines, []);
    assert_eq!(local("2024-01-22T10:00").and_utc(), at(&start));
}
