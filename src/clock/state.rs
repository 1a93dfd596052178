//! The state of an affected SLA, as [`fold`](super::fold::fold) finds it: the fields of the seed's page, and what
//! can be asked of them at a moment.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::stopwatch::{Pause, Stop};
use super::targets::{Hours, Impact, TargetDuration};

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
    /// What was breached.
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
    /// What a record of the breach log says.
    pub enum BreachPhase {
        /// The share of the target after which a warning is due is used up (rule C11).
        Warning = "warning",
        /// The target is passed.
        Breached = "breached",
        /// An earlier record proved wrong (rule X14).
        Retracted = "retracted",
    }
}

/// How near a target is, for colours (rule C11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtRiskLevel {
    /// An hour or more is left.
    Green,
    /// Less than 60 minutes are left.
    Yellow,
    /// Less than 20 minutes are left, or none that counts (rule X1).
    Orange,
    /// It is breached.
    Past,
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

impl StopCause {
    /// Whether the clock is said to be stopped: what is over, or not affected, is not (rule C7).
    pub(super) fn pauses(self) -> bool {
        matches!(self, Self::WaitingForCustomer | Self::ProviderNotAccountable)
    }
}

/// The share of a target after which a warning is due, in percent: 80 by default (rule C11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarningShare(u8);

impl WarningShare {
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

impl Pause for ClockStop {
    fn stop(&self) -> &Stop {
        &self.stop
    }

    fn continues(&self, previous: &Self) -> bool {
        self.cause.pauses() && previous.cause.pauses() && self.stop.continues(&previous.stop)
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
    /// When the targets were frozen last: the impact was assigned, or recalculated on purpose. `None` without an impact.
    pub frozen_at: Option<DateTime<Utc>>,
    /// Which clock stops there were, in order.
    pub stops: Vec<ClockStop>,
    /// All deadlines that this history has passed or will pass if nothing more happens, by instant: what the
    /// breach log must say. A recorded breach that is not among them is to be retracted (rules B5, X14).
    pub deadlines: Vec<Deadline>,
}

impl Measure {
    /// Whether the promise is broken at `now` (rules X1, X2): exactly on the target is met.
    pub fn is_breached(&self, now: DateTime<Utc>) -> bool {
        self.breaches_at.is_some_and(|breaches_at| self.actual_at.unwrap_or(now) > breaches_at)
    }

    /// How the promise has turned out at `now`. Said once more where clocks are counted, in `store/attainment.rs`.
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
    /// Rule C8.
    pub(super) fn choose_next_target(&mut self) {
        let [response, resolution] = [&self.response, &self.resolution];
        let awaited = if response.actual_at.is_none() { response.promised } else { TargetDuration::None };
        (self.next_target, self.next_target_at) =
            if self.accountability == Accountability::SlaNotAffected || resolution.actual_at.is_some() {
                (NextTarget::None, None)
            } else if self.stopped_clock_at.is_some() {
                (NextTarget::ClockStopped, None)
            } else if response.target_at.is_some() && response.actual_at.is_none() {
                (NextTarget::Response, response.target_at)
            } else if resolution.target_at.is_some() && self.desired_completion_at > resolution.target_at {
                (NextTarget::DesiredCompletion, self.desired_completion_at)
            } else if resolution.target_at.is_some() {
                (NextTarget::Resolution, resolution.target_at)
            } else if [awaited, resolution.promised].contains(&TargetDuration::BestEffort) {
                (NextTarget::BestEffort, None)
            } else {
                (NextTarget::NoTarget, None)
            };
    }
}

/// Rule C11: PAST once the target is breached (rule X1), ORANGE with less than 20 minutes left, YELLOW with less than
/// 60, else GREEN.
pub fn at_risk(target_at: DateTime<Utc>, breaches_at: DateTime<Utc>, now: DateTime<Utc>) -> AtRiskLevel {
    let left = target_at.signed_duration_since(now);
    if now > breaches_at {
        AtRiskLevel::Past
    } else if left < TimeDelta::minutes(20) {
        AtRiskLevel::Orange
    } else if left < TimeDelta::minutes(60) {
        AtRiskLevel::Yellow
    } else {
        AtRiskLevel::Green
    }
}
