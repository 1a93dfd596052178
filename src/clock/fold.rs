//! From the history of a request to the state of one affected SLA (domain §5).
//!
//! [`fold`] is a function of frozen facts and a set of events; it knows no `now`. What depends on the moment of
//! asking (breached or not, colour, outcome) are methods of its answer that take it.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::events::{Change, Event, Status, in_order};
use super::schedule::Schedule;
use super::stopwatch::{Stop, Stopwatch, UsedUp};
use super::targets::{Effect, Hours, Impact, InForce, OfferingTargets, Promise, TargetDuration};

words! {
    /// Who answers for the request, seen from the affected SLA (rule C4).
    pub enum Accountability {
        /// The request's instance is the affected one.
        Provider = "provider",
        /// The request's instance lies below the affected one.
        Supplier = "supplier",
        /// The request is no longer about the affected instance or one below it: no resolution target.
        SlaNotAffected = "sla_not_affected",
    }
}

words! {
    /// What the affected SLA waits for next (rule C8).
    pub enum NextTarget {
        /// The first response.
        Response = "response",
        /// The resolution.
        Resolution = "resolution",
        /// The requester's desired completion, which is later than the resolution target.
        DesiredCompletion = "desired_completion",
        /// Nothing while the clock is stopped.
        ClockStopped = "clock_stopped",
        /// As soon as possible, without an instant.
        BestEffort = "best_effort",
        /// Nothing is promised, or the promise has no instant (rule X11).
        NoTarget = "no_target",
        /// Nothing any more: resolved, or not affected.
        None = "none",
    }
}

words! {
    /// What was breached (domain §7).
    pub enum BreachKind {
        /// The response target of an affected SLA.
        Response = "response",
        /// The resolution target of an affected SLA.
        Resolution = "resolution",
        /// The due time of a chat.
        DueTime = "due_time",
        /// The answer threshold of a queue.
        QueueThreshold = "queue_threshold",
        /// A budget of hours.
        Limit = "limit",
    }
}

words! {
    /// What a record of the breach log says (domain §7).
    pub enum BreachPhase {
        /// The configured share of the target is used up (rule C11).
        Warning = "warning",
        /// The target is passed.
        Breached = "breached",
        /// An earlier record proved wrong (rule X14).
        Retracted = "retracted",
    }
}

words! {
    /// How near the next target is, for colours (rule C11).
    pub enum AtRiskLevel {
        /// An hour or more is left, or there is no next target.
        Green = "green",
        /// Less than 60 minutes are left.
        Yellow = "yellow",
        /// Less than 20 minutes are left.
        Orange = "orange",
        /// The target is passed.
        Past = "past",
    }
}

words! {
    /// How a promise has turned out so far, for attainment.
    pub enum Outcome {
        /// Kept.
        Met = "met",
        /// Not kept.
        Breached = "breached",
        /// Not decided yet.
        Running = "running",
        /// There is nothing to keep: no target, or the SLA is not affected.
        Excluded = "excluded",
    }
}

words! {
    /// Why a clock stands still.
    pub enum StopCause {
        /// The request waits for its requester (rule X9).
        WaitingForCustomer = "waiting_for_customer",
        /// The provider is not accountable (rule X9).
        ProviderNotAccountable = "provider_not_accountable",
        /// The request was completed, and reopened later (rule C6).
        Completed = "completed",
        /// The request was about an instance that does not touch this SLA (rule C4).
        NotAffected = "not_affected",
    }
}

/// The share of a target after which a warning is due, in percent: 80 by default (rule C11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarningShare(u8);

impl WarningShare {
    /// Takes 1 to 99 percent; `None` for anything else.
    pub fn percent(percent: u8) -> Option<Self> {
        (1..=99).contains(&percent).then_some(Self(percent))
    }

    /// This share of a duration, floored to the microsecond.
    pub fn of(self, whole: TimeDelta) -> TimeDelta {
        let micros = i128::from(whole.num_microseconds().unwrap_or(i64::MAX)) * i128::from(self.0) / 100;
        TimeDelta::microseconds(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

impl Default for WarningShare {
    fn default() -> Self {
        Self(80)
    }
}

/// What was frozen when the affected SLA was created (rule C2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// When the clock was started.
    pub started_at: DateTime<Utc>,
    /// The time zone of the offering.
    pub zone: Tz,
    /// The affected service instance; `None` for an SLA without one, which every request then concerns.
    pub instance: Option<Uuid>,
    /// The instances below the affected one, with what their failure does to it: see
    /// [`coverage::below`](super::coverage::below).
    pub below: BTreeMap<Uuid, Effect>,
    /// The support team of the affected instance.
    pub support_team: Option<Uuid>,
    /// The first-line team of the affected instance.
    pub first_line_team: Option<Uuid>,
    /// What the offering promised, sorted by `from`. An impact assigned at T takes the last entry that begins
    /// at or before T, or the first entry if all begin later.
    pub promised: Vec<InForce>,
}

/// One of the two clocks of an affected SLA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// What is promised, as frozen: the seed's maximum durations.
    pub promised: TargetDuration,
    /// The earliest instant at which the promised time is used up: shown and sorted by (rule X1). While the clock
    /// stands still it is what it would be had the clock run on. `None` without a target.
    pub target_at: Option<DateTime<Utc>>,
    /// The clock is breached iff now, or the actual instant, is later than this (rule X1). `None` without a target
    /// and while the clock stands still before it.
    pub breaches_at: Option<DateTime<Utc>>,
    /// When it was given; `None` as long as it was not.
    pub actual_at: Option<DateTime<Utc>>,
    /// Support hours from the start to `actual_at`, pauses taken off (rule C9).
    pub actual_duration: Option<TimeDelta>,
}

/// A stretch in which the resolution clock stood still, why, and which event stopped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockStop {
    /// From when to when.
    pub stop: Stop,
    /// Why.
    pub cause: StopCause,
    /// The event; `None` when the request was like that before its first event.
    pub event: Option<Uuid>,
}

impl AsRef<Stop> for ClockStop {
    fn as_ref(&self) -> &Stop {
        &self.stop
    }
}

/// An instant at which the breach log gets a record, unless the history changes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deadline {
    /// Which clock.
    pub kind: BreachKind,
    /// [`BreachPhase::Warning`] falls due at `at`, [`BreachPhase::Breached`] strictly after it (rule X2).
    pub phase: BreachPhase,
    /// The instant.
    pub at: DateTime<Utc>,
    /// The target that it belongs to: part of the record's identity (rule B1).
    pub target_at: DateTime<Utc>,
}

/// The state of an affected SLA after its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedSla {
    /// The impact on the affected instance (rule C3); `None` as long as the request has none.
    pub impact: Option<Impact>,
    /// Who answers for the request (rule C4).
    pub accountability: Accountability,
    /// The response clock.
    pub response: Measure,
    /// The resolution clock.
    pub resolution: Measure,
    /// What comes next (rule C8).
    pub next_target: NextTarget,
    /// When that is; `None` where [`NextTarget`] has no instant.
    pub next_target_at: Option<DateTime<Utc>>,
    /// After this instant the next target is passed (rule X1).
    pub next_target_breaches_at: Option<DateTime<Utc>>,
    /// Since when the clock is stopped; `None` while it runs, and once resolved or not affected (rule C7).
    pub stopped_clock_at: Option<DateTime<Utc>>,
    /// Support hours that ended pauses took off the resolution clock (rule C7).
    pub stopped_clock_duration: TimeDelta,
    /// The request's desired completion.
    pub desired_completion_at: Option<DateTime<Utc>>,
    /// Start of the request's downtime.
    pub downtime_start_at: Option<DateTime<Utc>>,
    /// End of the request's downtime.
    pub downtime_end_at: Option<DateTime<Utc>>,
    /// Downtime within the service hours; set once both ends are known, for impact TOP only (rule C10).
    pub downtime_duration: Option<TimeDelta>,
    /// The provider says now that it is not accountable.
    pub provider_not_accountable: bool,
    /// The provider said so at some time.
    pub provider_was_not_accountable: bool,
    /// The calendar of both clocks, frozen with the impact; `None` when the promise names none.
    pub support_hours: Option<Hours>,
    /// The calendar of the downtime, for impact TOP only.
    pub service_hours: Option<Hours>,
    /// When the targets were frozen last: the impact was assigned, or recalculated on purpose.
    pub frozen_at: Option<DateTime<Utc>>,
    /// Which clock stops there were, in order.
    pub stops: Vec<ClockStop>,
    /// All deadlines that this history has passed or will pass if nothing more happens, by instant: what the
    /// breach log must say. A recorded breach that is not among them is to be retracted (rules B5, X14).
    pub deadlines: Vec<Deadline>,
}

/// Folds a set of events, in any order, into the state of an affected SLA (rule X14).
pub fn fold(facts: &Facts, events: &[Event], warning: WarningShare) -> AffectedSla {
    let history = in_order(events);
    let begun = history.partition_point(|event| event.occurred_at <= facts.started_at);
    let (before, after) = history.split_at(begun);
    let starting = before.partition_point(|event| event.occurred_at < facts.started_at);
    let mut replay = Replay::new(facts);
    let mut deadlines = Deadlines::default();
    replay.apply(before);
    replay.observe(facts.started_at, &before[starting..]);
    deadlines.happen(replay.pending(warning), after.first().map(|event| event.occurred_at));
    let mut rest = after;
    for group in after.chunk_by(|a, b| a.occurred_at == b.occurred_at) {
        rest = &rest[group.len()..];
        replay.apply(group);
        replay.observe(group[0].occurred_at, group);
        deadlines.happen(replay.pending(warning), rest.first().map(|event| event.occurred_at));
    }
    replay.finish(deadlines)
}

/// The request as the events so far describe it.
struct RequestNow {
    status: Status,
    impact: Option<Impact>,
    instance: Option<Uuid>,
    team: Option<Uuid>,
    desired_completion_at: Option<DateTime<Utc>>,
    downtime: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    not_accountable: bool,
    recalculate: bool,
    /// The events that set what can stop a clock.
    status_by: Option<Uuid>,
    instance_by: Option<Uuid>,
    accountability_by: Option<Uuid>,
}

struct Replay<'a> {
    facts: &'a Facts,
    now: RequestNow,
    impact: Option<Impact>,
    frozen: Option<(DateTime<Utc>, &'a OfferingTargets)>,
    response_at: Option<DateTime<Utc>>,
    resolution_at: Option<DateTime<Utc>>,
    was_not_accountable: bool,
    stops: Vec<ClockStop>,
    /// Stops of the response clock, up to the response.
    response_stops: Vec<Stop>,
}

/// How the request's instance lies to the affected one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    Below(Effect),
    Elsewhere,
}

impl<'a> Replay<'a> {
    fn new(facts: &'a Facts) -> Self {
        let now = RequestNow {
            status: Status::Assigned,
            impact: None,
            instance: None,
            team: None,
            desired_completion_at: None,
            downtime: (None, None),
            not_accountable: false,
            recalculate: false,
            status_by: None,
            instance_by: None,
            accountability_by: None,
        };
        Self {
            facts,
            now,
            impact: None,
            frozen: None,
            response_at: None,
            resolution_at: None,
            was_not_accountable: false,
            stops: Vec::new(),
            response_stops: Vec::new(),
        }
    }

    fn apply(&mut self, group: &[&Event]) {
        for event in group {
            let now = &mut self.now;
            if let Some(status) = event.change.status() {
                if status != now.status {
                    now.status_by = Some(event.id);
                }
                now.status = status;
            }
            match event.change {
                Change::Impact(impact) => now.impact = impact,
                Change::Instance(instance) => {
                    now.instance = instance;
                    now.instance_by = Some(event.id);
                }
                Change::Team(team) => now.team = team,
                Change::DesiredCompletion(at) => now.desired_completion_at = at,
                Change::Downtime { start, end } => now.downtime = (start, end),
                Change::ProviderNotAccountable(yes) => {
                    if yes != now.not_accountable {
                        now.accountability_by = Some(event.id);
                    }
                    now.not_accountable = yes;
                }
                Change::Recalculated => now.recalculate = true,
                Change::Requester(_)
                | Change::Status(_)
                | Change::Taken
                | Change::Answered
                | Change::Abandoned => {}
            }
        }
    }

    /// Rule C4. An SLA or a request without an instance has nothing to differ in.
    fn relation(&self) -> Relation {
        match (self.facts.instance, self.now.instance) {
            (Some(affected), Some(requested)) if affected != requested => self
                .facts
                .below
                .get(&requested)
                .map_or(Relation::Elsewhere, |effect| Relation::Below(*effect)),
            _ => Relation::Same,
        }
    }

    /// Draws the conclusions from what the request has become at an instant, after `group` was applied.
    fn observe(&mut self, at: DateTime<Utc>, group: &[&Event]) {
        let relation = self.relation();
        self.assign_impact(at, relation);
        if self.response_at.is_none() && self.responds(relation, group) {
            self.response_at = Some(at);
        }
        self.resolution_at = match self.now.status {
            Status::Completed => self.resolution_at.or(Some(at)),
            _ => None,
        };
        self.was_not_accountable |= self.now.not_accountable;
        self.stop_resolution(at, relation);
        self.stop_response(at);
    }

    /// Rules C2 and C3: a new impact freezes the targets that are promised at this instant.
    fn assign_impact(&mut self, at: DateTime<Utc>, relation: Relation) {
        let impact = match relation {
            Relation::Same => self.now.impact,
            Relation::Below(effect) => self.now.impact.map(|impact| impact.seen_through(effect)),
            Relation::Elsewhere => self.impact.or(self.now.impact),
        };
        let recalculate = std::mem::take(&mut self.now.recalculate);
        if impact != self.impact || recalculate {
            self.impact = impact;
            let promised = &self.facts.promised;
            let next = promised.partition_point(|entry| entry.from <= at);
            let in_force = promised.get(next.saturating_sub(1));
            self.frozen = in_force.map(|entry| (at, entry.targets.as_ref()));
        }
    }

    /// Rule C5. A status counts also when another one followed it at the same instant: sources that tell time by
    /// the minute would otherwise lose responses.
    fn responds(&self, relation: Relation, group: &[&Event]) -> bool {
        let named = [self.facts.support_team, self.facts.first_line_team];
        let foreign_team = self
            .now
            .team
            .is_some_and(|_| named.iter().any(Option::is_some) && !named.contains(&self.now.team));
        relation != Relation::Same
            || self.now.status.is_response()
            || group.iter().any(|event| event.change.status().is_some_and(Status::is_response))
            || foreign_team
    }

    fn stop_resolution(&mut self, at: DateTime<Utc>, relation: Relation) {
        let now = &self.now;
        let cause = if now.status == Status::Completed {
            Some((StopCause::Completed, now.status_by))
        } else if relation == Relation::Elsewhere {
            Some((StopCause::NotAffected, now.instance_by))
        } else if now.status == Status::WaitingForCustomer {
            Some((StopCause::WaitingForCustomer, now.status_by))
        } else if now.not_accountable {
            Some((StopCause::ProviderNotAccountable, now.accountability_by))
        } else {
            None
        };
        if let Some(last) = self.stops.last_mut()
            && last.stop.until.is_none()
        {
            if cause.is_some_and(|(cause, _)| cause == last.cause) {
                return;
            }
            last.stop.until = Some(at);
        }
        if let Some((cause, event)) = cause {
            self.stops.push(ClockStop { stop: Stop { from: at, until: None }, cause, event });
        }
    }

    /// Rule X9: of all causes only a provider that is not accountable stops the response clock.
    fn stop_response(&mut self, at: DateTime<Utc>) {
        let stopped = self.now.not_accountable && self.response_at.is_none();
        match self.response_stops.last_mut() {
            Some(last) if last.until.is_none() => {
                if !stopped {
                    last.until = Some(at);
                }
            }
            _ if stopped => self.response_stops.push(Stop { from: at, until: None }),
            _ => {}
        }
    }

    fn promise(&self) -> Option<&'a Promise> {
        let (_, targets) = self.frozen?;
        Some(targets.promise(self.impact?))
    }

    fn schedule(&self) -> Option<Schedule<'a>> {
        let hours = self.promise()?.support_hours.as_ref()?;
        Some(hours.calendar.in_zone(self.facts.zone))
    }

    fn is_affected(&self) -> bool {
        self.relation() != Relation::Elsewhere
    }

    fn response(&self) -> Option<Clock<'_, Stop>> {
        let promised = self.promise()?.response;
        self.clock(promised, &self.response_stops, self.response_at)
    }

    fn resolution(&self) -> Option<Clock<'_, ClockStop>> {
        let promised = self.promise()?.resolution;
        self.clock(promised, &self.stops, self.resolution_at)
    }

    fn clock<'b, S>(
        &'b self,
        promised: TargetDuration,
        stops: &'b [S],
        actual_at: Option<DateTime<Utc>>,
    ) -> Option<Clock<'b, S>> {
        let watch = Stopwatch { schedule: self.schedule()?, started_at: self.facts.started_at, stops };
        Some(Clock { watch, promised, actual_at })
    }

    /// What falls due if nothing more happens.
    fn pending(&self, warning: WarningShare) -> Vec<Deadline> {
        let mut pending = Vec::with_capacity(4);
        if let Some(clock) = self.response() {
            clock.pending(BreachKind::Response, warning, &mut pending);
        }
        if self.is_affected()
            && let Some(clock) = self.resolution()
        {
            clock.pending(BreachKind::Resolution, warning, &mut pending);
        }
        pending
    }

    fn finish(self, deadlines: Deadlines) -> AffectedSla {
        let accountability = match self.relation() {
            Relation::Same => Accountability::Provider,
            Relation::Below(_) => Accountability::Supplier,
            Relation::Elsewhere => Accountability::SlaNotAffected,
        };
        let promise = self.promise();
        let response = self.response().map(|clock| clock.measure());
        let resolution = self.resolution().map(|clock| clock.measure());
        let mut response = response.unwrap_or(Measure { actual_at: self.response_at, ..Measure::default() });
        let mut resolution =
            resolution.unwrap_or(Measure { actual_at: self.resolution_at, ..Measure::default() });
        response.promised = promise.map_or(TargetDuration::None, |promise| promise.response);
        resolution.promised = promise.map_or(TargetDuration::None, |promise| promise.resolution);
        if accountability == Accountability::SlaNotAffected {
            (resolution.target_at, resolution.breaches_at) = (None, None);
        }
        let service_hours = match (self.impact, self.frozen) {
            (Some(Impact::Top), Some((_, targets))) => targets.service_hours.clone(),
            _ => None,
        };
        let (downtime_start_at, downtime_end_at) = self.now.downtime;
        let downtime_duration = match (&service_hours, downtime_start_at, downtime_end_at) {
            (Some(hours), Some(start), Some(end)) => {
                Some(hours.calendar.in_zone(self.facts.zone).active_between(start, end))
            }
            _ => None,
        };
        let (stopped_clock_at, stopped_clock_duration) = self.stopped_clock();
        let mut state = AffectedSla {
            impact: self.impact,
            accountability,
            response,
            resolution,
            next_target: NextTarget::None,
            next_target_at: None,
            next_target_breaches_at: None,
            stopped_clock_at,
            stopped_clock_duration,
            desired_completion_at: self.now.desired_completion_at,
            downtime_start_at,
            downtime_end_at,
            downtime_duration,
            provider_not_accountable: self.now.not_accountable,
            provider_was_not_accountable: self.was_not_accountable,
            support_hours: promise.and_then(|promise| promise.support_hours.clone()),
            service_hours,
            frozen_at: self.frozen.map(|(at, _)| at),
            deadlines: deadlines.sorted(),
            stops: self.stops,
        };
        state.choose_next_target();
        state
    }

    /// Rule C7: since when the clock is stopped, and what the pauses before that took away. Adjoining stops are
    /// one pause; completed and not affected time is no stopped clock while it lasts.
    fn stopped_clock(&self) -> (Option<DateTime<Utc>>, TimeDelta) {
        let shown = |stop: &ClockStop| {
            matches!(stop.cause, StopCause::WaitingForCustomer | StopCause::ProviderNotAccountable)
        };
        let mut ended = self.stops.as_slice();
        let mut since = None;
        if let Some((last, before)) = ended.split_last()
            && last.stop.until.is_none()
        {
            ended = before;
            if shown(last) {
                let mut from = last.stop.from;
                while let Some((previous, before)) = ended.split_last()
                    && shown(previous)
                    && previous.stop.until == Some(from)
                {
                    (from, ended) = (previous.stop.from, before);
                }
                since = Some(from);
            }
        }
        let duration = self.schedule().map_or(TimeDelta::zero(), |schedule| {
            Stopwatch { schedule, started_at: self.facts.started_at, stops: ended }.stopped()
        });
        (since, duration)
    }
}

/// A promise, and the watch that measures it.
struct Clock<'a, S> {
    watch: Stopwatch<'a, S>,
    promised: TargetDuration,
    actual_at: Option<DateTime<Utc>>,
}

impl<S: AsRef<Stop>> Clock<'_, S> {
    /// The promised duration as active time. N business days are the active time up to the end of the Nth, so
    /// that pauses move that end as they move any other target (rules X8, X10).
    fn allowance(&self) -> Option<TimeDelta> {
        match self.promised {
            TargetDuration::Minutes(minutes) => Some(TimeDelta::minutes(i64::from(minutes))),
            TargetDuration::BusinessDays(days) => {
                let end = self.watch.schedule.business_days(self.watch.started_at, days)?;
                Some(self.watch.schedule.active_between(self.watch.started_at, end))
            }
            TargetDuration::BestEffort | TargetDuration::None => None,
        }
    }

    fn measure(&self) -> Measure {
        let allowance = self.allowance();
        // A clock that has met or missed its promise runs no more: its instants stay what they would have been.
        let settled =
            |used_up: UsedUp| (self.actual_at.is_some() || !used_up.provisional).then_some(used_up.at);
        Measure {
            promised: self.promised,
            target_at: allowance.and_then(|amount| self.watch.target_at(amount)).map(|used_up| used_up.at),
            breaches_at: allowance.and_then(|amount| self.watch.breaches_at(amount)).and_then(settled),
            actual_at: self.actual_at,
            actual_duration: self.actual_at.map(|at| self.watch.counted_until(at)),
        }
    }

    fn pending(&self, kind: BreachKind, warning: WarningShare, pending: &mut Vec<Deadline>) {
        let Some(amount) = self.allowance() else { return };
        let Some(target) = self.watch.target_at(amount) else { return };
        let due = |used_up: Option<UsedUp>| {
            let used_up = used_up.filter(|used_up| !used_up.provisional)?;
            self.actual_at.is_none_or(|actual| actual > used_up.at).then_some(used_up.at)
        };
        let phases = [
            (BreachPhase::Warning, due(self.watch.target_at(warning.of(amount)))),
            (BreachPhase::Breached, due(self.watch.breaches_at(amount))),
        ];
        for (phase, at) in phases {
            pending.extend(at.map(|at| Deadline { kind, phase, at, target_at: target.at }));
        }
    }
}

/// The deadlines that came true stretch by stretch of the history, each once.
#[derive(Default)]
struct Deadlines {
    passed: Vec<Deadline>,
    seen: HashSet<(BreachKind, BreachPhase, DateTime<Utc>)>,
}

impl Deadlines {
    /// Keeps what falls due before the next event. A target is recorded once (rule B1); a warning not again when
    /// a pause moved its target but not the instant at which it was due (rule C11).
    fn happen(&mut self, pending: Vec<Deadline>, until: Option<DateTime<Utc>>) {
        for deadline in pending {
            let due = match deadline.phase {
                BreachPhase::Warning => until.is_none_or(|until| deadline.at <= until),
                _ => until.is_none_or(|until| deadline.at < until),
            };
            let identity =
                if deadline.phase == BreachPhase::Warning { deadline.at } else { deadline.target_at };
            if due && self.seen.insert((deadline.kind, deadline.phase, identity)) {
                self.passed.push(deadline);
            }
        }
    }

    fn sorted(mut self) -> Vec<Deadline> {
        self.passed.sort_by_key(|deadline| (deadline.at, deadline.kind, deadline.phase, deadline.target_at));
        self.passed
    }
}

impl Measure {
    /// Whether the promise is broken at `now` (rules X1, X2): exactly on the target is met.
    pub fn is_breached(&self, now: DateTime<Utc>) -> bool {
        self.breaches_at.is_some_and(|breaches_at| self.actual_at.unwrap_or(now) > breaches_at)
    }

    /// How the promise has turned out at `now`.
    pub fn outcome(&self, now: DateTime<Utc>) -> Outcome {
        if self.target_at.is_none() {
            Outcome::Excluded
        } else if self.is_breached(now) {
            Outcome::Breached
        } else if self.actual_at.is_some() {
            Outcome::Met
        } else {
            Outcome::Running
        }
    }
}

impl AffectedSla {
    /// How near the next target is at `now` (rule C11).
    pub fn at_risk(&self, now: DateTime<Utc>) -> AtRiskLevel {
        at_risk(self.next_target_at, self.next_target_breaches_at, now)
    }

    /// Rule C8.
    fn choose_next_target(&mut self) {
        let [response, resolution] = [&self.response, &self.resolution];
        let awaited = if response.actual_at.is_none() { response.promised } else { TargetDuration::None };
        let (next, at, breaches_at) =
            if self.accountability == Accountability::SlaNotAffected || resolution.actual_at.is_some() {
                (NextTarget::None, None, None)
            } else if self.stopped_clock_at.is_some() {
                (NextTarget::ClockStopped, None, None)
            } else if response.target_at.is_some() && response.actual_at.is_none() {
                (NextTarget::Response, response.target_at, response.breaches_at)
            } else if resolution.target_at.is_some() && self.desired_completion_at > resolution.target_at {
                (NextTarget::DesiredCompletion, self.desired_completion_at, self.desired_completion_at)
            } else if resolution.target_at.is_some() {
                (NextTarget::Resolution, resolution.target_at, resolution.breaches_at)
            } else if [awaited, resolution.promised].contains(&TargetDuration::BestEffort) {
                (NextTarget::BestEffort, None, None)
            } else {
                (NextTarget::NoTarget, None, None)
            };
        (self.next_target, self.next_target_at, self.next_target_breaches_at) = (next, at, breaches_at);
    }
}

/// Rule C11: PAST once the target is breached, ORANGE with less than 20 minutes left, YELLOW with less than 60,
/// else GREEN; GREEN too without a target.
pub fn at_risk(
    target_at: Option<DateTime<Utc>>,
    breaches_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> AtRiskLevel {
    let Some(target_at) = target_at else { return AtRiskLevel::Green };
    let left = target_at.signed_duration_since(now);
    if breaches_at.is_some_and(|breaches_at| now > breaches_at) {
        AtRiskLevel::Past
    } else if left < TimeDelta::minutes(20) {
        AtRiskLevel::Orange
    } else if left < TimeDelta::minutes(60) {
        AtRiskLevel::Yellow
    } else {
        AtRiskLevel::Green
    }
}
