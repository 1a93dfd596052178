//! From the history of a request to the state of one affected SLA (rules C1 to C10).
//!
//! [`fold`] is a function of frozen facts and a set of events; it knows no `now`. What depends on the moment of
//! asking (breached or not, colour, outcome) are methods of its answer that take it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::calendar::Calendar;
use super::events::{Change, Event, Status, in_order};
use super::schedule::Schedule;
use super::state::{
    Accountability, AffectedSla, BreachKind, BreachPhase, ClockStop, Deadline, Measure, NextTarget,
    StopCause, WarningShare,
};
use super::stopwatch::{Counted, Pause, Stop, Stopwatch, UsedUp, standing};
use super::targets::{Effect, Impact, InForce, OfferingTargets, Promise, TargetDuration};

/// What was frozen when the affected SLA was created (rule C2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// When the clock was started.
    pub started_at: DateTime<Utc>,
    /// The time zone of the offering.
    pub zone: Tz,
    /// The affected service instance with its support and first-line teams; of an SLA on a service as a whole, the instances
    /// of that service, each with its own. None at all where the SLA applies whatever it covers and names none: every request
    /// then concerns it.
    pub instances: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// The instances below the affected ones, with what their failure does to them: see
    /// [`Relations::below`](super::coverage::Relations::below).
    pub below: BTreeMap<Uuid, Effect>,
    /// Whether the SLA applies at all: not if an event told late has shown that it never did (rule X14). It promises
    /// nothing then.
    pub applies: bool,
    /// What the offering promised, sorted by `from`. An impact assigned at T takes the last entry that begins
    /// at or before T, or the first entry if all begin later.
    pub promised: Vec<InForce>,
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
    /// Whether the last events, or any before the clock began, gave it to another team.
    assigned: bool,
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
    response_known: Known,
    resolution_known: Known,
}

/// What was found out of one clock so far, by the calendar it was measured in. None of it changes any more, so each event
/// of a long history takes no longer than the first.
#[derive(Default)]
struct Known {
    allowances: HashMap<(*const Calendar, TargetDuration), Option<TimeDelta>>,
    counted: HashMap<*const Calendar, Counted>,
}

impl Known {
    fn keep_up<S: Pause>(
        &mut self,
        calendar: *const Calendar,
        promised: TargetDuration,
        watch: &Stopwatch<'_, S>,
    ) {
        self.counted.entry(calendar).or_default().keep_up(watch);
        let allowance = || promised.allowance(watch.schedule, watch.started_at);
        self.allowances.entry((calendar, promised)).or_insert_with(allowance);
    }
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
            assigned: false,
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
            response_known: Known::default(),
            resolution_known: Known::default(),
        }
    }

    fn apply(&mut self, group: &[&Event]) {
        self.now.assigned = false;
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
                Change::Team(team) => {
                    // A source may tell again what it was.
                    now.assigned |= team != now.team;
                    now.team = team;
                }
                Change::DesiredCompletion(at) => now.desired_completion_at = at,
                Change::Downtime { start, end } => now.downtime = (start, end),
                Change::ProviderNotAccountable(yes) => {
                    if yes != now.not_accountable {
                        now.accountability_by = Some(event.id);
                    }
                    now.not_accountable = yes;
                }
                Change::Recalculated => now.recalculate = true,
                Change::Requester(_) | Change::Sla(_) | Change::Status(_) => {}
            }
        }
    }

    /// Rule C4. An SLA or a request without an instance has nothing to differ in.
    fn relation(&self) -> Relation {
        if !self.facts.applies {
            return Relation::Elsewhere;
        }
        let Facts { instances, below, .. } = self.facts;
        match self.now.instance {
            Some(requested) if !instances.is_empty() && !instances.contains_key(&requested) => {
                below.get(&requested).map_or(Relation::Elsewhere, |effect| Relation::Below(*effect))
            }
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
            Relation::Elsewhere => self.impact,
        };
        // What has ended stays as it was measured, also where that is told only later (rule X14).
        let recalculate = std::mem::take(&mut self.now.recalculate) && self.now.status != Status::Completed;
        if impact != self.impact || recalculate {
            self.impact = impact;
            let promised = &self.facts.promised;
            let next = promised.partition_point(|entry| entry.from <= at);
            let in_force = promised.get(next.saturating_sub(1)).filter(|_| self.facts.applies);
            self.frozen = in_force.map(|entry| (at, entry.targets.as_ref()));
        }
    }

    /// Rule C5. A status counts also when another one followed it at the same instant: sources that tell time by
    /// the minute would otherwise lose responses.
    fn responds(&self, relation: Relation, group: &[&Event]) -> bool {
        relation != Relation::Same
            || self.now.status.is_response()
            || group.iter().any(|event| event.change.status().is_some_and(Status::is_response))
            || self.now.assigned && self.now.team.is_some_and(|team| self.is_foreign(team))
    }

    /// Whether a team is none of those that support the affected instance, if any do: of a service as a whole, the instance
    /// on which the request is, wherever it goes later.
    fn is_foreign(&self, team: Uuid) -> bool {
        let here = |instance| self.now.instance.is_none_or(|here| here == instance);
        let instances = self.facts.instances.iter().filter(|(instance, _)| here(**instance));
        let mut supporting = instances.flat_map(|(_, teams)| teams).peekable();
        supporting.peek().is_some() && supporting.all(|own| *own != team)
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
        let open = self.response_stops.last_mut().filter(|stop| stop.until.is_none());
        match (open, stopped) {
            (Some(open), false) => open.until = Some(at),
            (None, true) => self.response_stops.push(Stop { from: at, until: None }),
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

    /// The calendar of the promise in force, as long as it is in force the same one.
    fn calendar(&self) -> Option<&'a Arc<Calendar>> {
        self.promise()?.support_hours.as_ref().map(|hours| &hours.calendar)
    }

    fn keep_up(&mut self) {
        let (Some(promise), Some(calendar), Some(schedule)) =
            (self.promise(), self.calendar(), self.schedule())
        else {
            return;
        };
        let (calendar, started_at) = (Arc::as_ptr(calendar), self.facts.started_at);
        let watch = Stopwatch { schedule, started_at, stops: &self.response_stops };
        self.response_known.keep_up(calendar, promise.response, &watch);
        let watch = Stopwatch { schedule, started_at, stops: &self.stops };
        self.resolution_known.keep_up(calendar, promise.resolution, &watch);
    }

    fn response(&self) -> Option<Clock<'_, Stop>> {
        let promised = self.promise()?.response;
        self.clock(promised, &self.response_stops, &self.response_known, self.response_at)
    }

    fn resolution(&self) -> Option<Clock<'_, ClockStop>> {
        let promised = self.promise()?.resolution;
        self.clock(promised, &self.stops, &self.resolution_known, self.resolution_at)
    }

    fn clock<'b, S>(
        &'b self,
        promised: TargetDuration,
        stops: &'b [S],
        known: &'b Known,
        actual_at: Option<DateTime<Utc>>,
    ) -> Option<Clock<'b, S>> {
        let watch = Stopwatch { schedule: self.schedule()?, started_at: self.facts.started_at, stops };
        let calendar = Arc::as_ptr(self.calendar()?);
        let allowance = known.allowances.get(&(calendar, promised)).copied().flatten();
        Some(Clock { watch, counted: known.counted.get(&calendar)?, promised, allowance, actual_at })
    }

    /// What falls due if nothing more happens.
    fn pending(&mut self, warning: WarningShare) -> Vec<Deadline> {
        self.keep_up();
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
            frozen_at: self.frozen.filter(|_| self.impact.is_some()).map(|(at, _)| at),
            deadlines: deadlines.sorted(),
            stops: self.stops,
        };
        state.choose_next_target();
        state
    }

    /// Rule C7: since when the clock is stopped, and what the pauses before that took away. Adjoining stops are
    /// one pause; completed and not affected time is no stopped clock while it lasts.
    fn stopped_clock(&self) -> (Option<DateTime<Utc>>, TimeDelta) {
        let (since, before) = match (standing(&self.stops), self.stops.last()) {
            (Some((since, before)), Some(last)) => (last.cause.pauses().then_some(since), before),
            _ => (None, self.stops.len()),
        };
        let duration = self.schedule().map_or(TimeDelta::zero(), |schedule| {
            Stopwatch { schedule, started_at: self.facts.started_at, stops: &self.stops[..before] }.stopped()
        });
        (since, duration)
    }
}

/// A promise, and the watch that measures it.
struct Clock<'a, S> {
    watch: Stopwatch<'a, S>,
    counted: &'a Counted,
    promised: TargetDuration,
    allowance: Option<TimeDelta>,
    actual_at: Option<DateTime<Utc>>,
}

impl<S: Pause> Clock<'_, S> {
    fn target_at(&self, amount: TimeDelta) -> Option<UsedUp> {
        self.watch.target_at(self.counted, amount)
    }

    fn breaches_at(&self, amount: TimeDelta) -> Option<UsedUp> {
        self.watch.breaches_at(self.counted, amount)
    }

    fn measure(&self) -> Measure {
        let allowance = self.allowance;
        // A clock that has met or missed its promise runs no more: its instants stay what they would have been.
        let settled =
            |used_up: UsedUp| (self.actual_at.is_some() || !used_up.provisional).then_some(used_up.at);
        Measure {
            promised: self.promised,
            target_at: allowance.and_then(|amount| self.target_at(amount)).map(|used_up| used_up.at),
            breaches_at: allowance.and_then(|amount| self.breaches_at(amount)).and_then(settled),
            actual_at: self.actual_at,
            actual_duration: self.actual_at.map(|at| self.watch.counted_until(at)),
        }
    }

    fn pending(&self, kind: BreachKind, warning: WarningShare, pending: &mut Vec<Deadline>) {
        let Some(amount) = self.allowance else { return };
        let Some(target) = self.target_at(amount) else { return };
        let due = |used_up: Option<UsedUp>| {
            let used_up = used_up.filter(|used_up| !used_up.provisional)?;
            self.actual_at.is_none_or(|actual| actual > used_up.at).then_some(used_up.at)
        };
        let breached = due(self.breaches_at(amount));
        // Of what is kept already nobody need be warned, whatever target it has got since.
        let kept = self.actual_at.is_some() && breached.is_none();
        let warned = due(self.target_at(warning.of(amount))).filter(|_| !kept);
        let phases = [(BreachPhase::Warning, warned), (BreachPhase::Breached, breached)];
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
            let due = until.is_none_or(|until| deadline.at < until);
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
