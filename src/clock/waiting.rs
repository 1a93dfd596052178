//! Chats and calls: how long they wait until somebody takes them, around the clock (rules S9, S10, S12).

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::events::{Change, Event, Status, in_order};
use super::state::{BreachKind, BreachPhase, Deadline, Outcome, WarningShare};

/// Which abandoned calls are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Abandons {
    /// Those given up after at most this many seconds.
    IgnoreWithin(u32),
    /// None: all count as misses.
    CountAgainstSla,
}

/// The terms of a queue: answered within so many seconds (rule S9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueTerms {
    /// Seconds within which a call is to be answered; exactly on it is within (rule X2).
    pub sla_threshold: u32,
    /// Which abandoned calls are left out.
    pub abandons: Abandons,
}

/// The terms that a chat or a call is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitTerms {
    /// A call in a queue.
    Queue(QueueTerms),
    /// A chat, due within so many minutes of wall clock (rule S12).
    Livechat {
        /// Minutes, at least 1 (rule S11).
        due_time_in_minutes: u32,
    },
}

/// The wait of a chat or a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When it entered the queue.
    pub queued_at: DateTime<Utc>,
    /// Until when it is to be taken; exactly then is in time (rule X2).
    pub due_at: DateTime<Utc>,
    /// When it was taken or answered under this SLA.
    pub taken_at: Option<DateTime<Utc>>,
    /// When it was given up instead.
    pub abandoned_at: Option<DateTime<Utc>>,
    /// When a chat that still waited was given another SLA (rule S12): this one ends then, and what happens later is not its.
    pub superseded_at: Option<DateTime<Utc>>,
    /// Whether it is left out of the service level (rule S10); a chat given up before it was due is, too.
    pub ignored: bool,
    /// What the breach log must say if nothing more happens.
    pub deadlines: Vec<Deadline>,
}

impl WaitTerms {
    fn limit(self) -> TimeDelta {
        match self {
            Self::Queue(terms) => TimeDelta::seconds(i64::from(terms.sla_threshold)),
            Self::Livechat { due_time_in_minutes } => TimeDelta::minutes(i64::from(due_time_in_minutes)),
        }
    }

    /// The minutes of live chats; none of a queue.
    pub fn due_time_in_minutes(self) -> Option<u32> {
        match self {
            Self::Queue(_) => None,
            Self::Livechat { due_time_in_minutes } => Some(due_time_in_minutes),
        }
    }

    fn kind(self) -> BreachKind {
        match self {
            Self::Queue(_) => BreachKind::QueueThreshold,
            Self::Livechat { .. } => BreachKind::DueTime,
        }
    }

    /// Whether giving up after this long is no miss.
    fn ignores(self, waited: TimeDelta) -> bool {
        match self {
            Self::Queue(QueueTerms { abandons: Abandons::IgnoreWithin(seconds), .. }) => {
                waited <= TimeDelta::seconds(i64::from(seconds))
            }
            Self::Queue(QueueTerms { abandons: Abandons::CountAgainstSla, .. }) => false,
            Self::Livechat { .. } => waited <= self.limit(),
        }
    }
}

/// Which SLAs measured a chat (rule S12): the `first`, if any, from its registration; then each that it was given while it
/// waited, of those that are `known` to measure it. Of each, when another took its place for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given(HashMap<Uuid, Option<DateTime<Utc>>>);

impl Given {
    /// Of the events of a chat that was `queued_at`, in any order (rule X14). What is told of the time before says nothing
    /// of this: what the registration says goes over it.
    pub fn new(
        queued_at: DateTime<Utc>,
        first: Option<Uuid>,
        events: &[Event],
        known: impl Fn(Uuid) -> bool,
    ) -> Self {
        let mut given: Vec<_> = first.map(|sla| (sla, queued_at)).into_iter().collect();
        for event in in_order(events).into_iter().take_while(|event| !ends(event)) {
            if let Change::Sla(sla) = event.change
                && event.occurred_at >= queued_at
                && known(sla)
            {
                // One that another replaces at once measures nothing.
                given.pop_if(|(_, at)| *at == event.occurred_at);
                given.push((sla, event.occurred_at));
            }
        }
        let next = given.iter().skip(1).map(|(_, at)| Some(*at)).chain([None]);
        Self(given.iter().map(|(sla, _)| *sla).zip(next).collect())
    }

    /// Whether an SLA ever measured it.
    pub fn includes(&self, sla: Uuid) -> bool {
        self.0.contains_key(&sla)
    }

    /// When another SLA took the place of this one for good.
    pub fn superseded_at(&self, sla: Uuid) -> Option<DateTime<Utc>> {
        self.0.get(&sla).copied().flatten()
    }
}

/// Whether an event takes a chat or call, or gives it up: the first one ends the wait.
fn ends(event: &Event) -> bool {
    event.change.status().is_some_and(|status| status.is_response() || status == Status::Declined)
}

/// The event of a history that ends the wait: all of it that [`wait`] looks at.
pub fn ending(events: &[Event]) -> Option<&Event> {
    in_order(events).into_iter().find(|event| ends(event))
}

/// Folds the events of a chat or call, in any order (rule X14). The first event that takes it or gives it up ends
/// the wait, and so does another SLA in the place of this one; what happens later does not matter. What was due by then
/// was true (rule B5).
pub fn wait(
    queued_at: DateTime<Utc>,
    terms: WaitTerms,
    events: &[Event],
    superseded_at: Option<DateTime<Utc>>,
    warning: WarningShare,
) -> Wait {
    let end = ending(events)
        .filter(|_| superseded_at.is_none())
        .and_then(|event| Some((event.occurred_at, event.change.status()?)));
    let taken_at = end.filter(|(_, status)| *status != Status::Declined).map(|(at, _)| at);
    let abandoned_at = end.filter(|(_, status)| *status == Status::Declined).map(|(at, _)| at);
    let due_at = queued_at + terms.limit();
    let phases =
        [(BreachPhase::Warning, queued_at + warning.of(terms.limit())), (BreachPhase::Breached, due_at)];
    let deadlines = phases
        .into_iter()
        .filter(|(_, at)| end.is_none_or(|(ended_at, _)| ended_at > *at))
        .filter(|(_, at)| superseded_at.is_none_or(|superseded_at| superseded_at > *at))
        .map(|(phase, at)| Deadline { kind: terms.kind(), phase, at, target_at: due_at })
        .collect();
    let ignored = abandoned_at.is_some_and(|at| terms.ignores(at - queued_at));
    Wait { queued_at, due_at, taken_at, abandoned_at, superseded_at, ignored, deadlines }
}

impl Wait {
    /// Whether it still waits.
    pub fn is_queued(&self) -> bool {
        self.taken_at.is_none() && self.abandoned_at.is_none()
    }

    /// Until when it is to be taken, if that is promised: not where it is left out, nor where the chat was given another SLA
    /// by then.
    pub fn promised_at(&self) -> Option<DateTime<Utc>> {
        let superseded = self.superseded_at.is_some_and(|at| at <= self.due_at);
        (!self.ignored && !superseded).then_some(self.due_at)
    }

    /// How the promise has turned out at `now`. Said once more of stored clocks: `response_outcome` in `store/affected_sla.rs`,
    /// and the statement in `store/attainment.rs`.
    pub fn outcome(&self, now: DateTime<Utc>) -> Outcome {
        let Some(due_at) = self.promised_at() else { return Outcome::Excluded };
        let over = self.abandoned_at.is_some() || self.superseded_at.is_some();
        match self.taken_at {
            Some(taken_at) if taken_at <= due_at => Outcome::Met,
            None if !over && now <= due_at => Outcome::Running,
            _ => Outcome::Breached,
        }
    }
}
