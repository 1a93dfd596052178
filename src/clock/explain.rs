//! Why a duration is what it is: every counted and skipped stretch of a clock, adding up to what is shown.

use std::collections::VecDeque;

use chrono::{DateTime, NaiveDateTime, Utc};
use uuid::Uuid;

use super::fold::Facts;
use super::schedule::{Schedule, Stretch, StretchKind, Stretches};
use super::state::{AffectedSla, ClockStop, StopCause};

words! {
    /// The two clocks of an affected SLA.
    pub enum ClockKind {
        /// Until the first response.
        Response = "response",
        /// Until the resolution.
        Resolution = "resolution",
    }
}

words! {
    /// The kinds of [`Reason`].
    pub enum ReasonKind {
        /// Within the hours, and the clock runs.
        Counted = "counted",
        /// Not within the hours of the weekday.
        OutsideHours = "outside_hours",
        /// Within a holiday.
        Holiday = "holiday",
        /// Active local time that daylight saving skips.
        SkippedByDst = "skipped_by_dst",
        /// The clock stood still.
        ClockStopped = "clock_stopped",
    }
}

/// A stretch of a clock. The counted ones add up to the actual duration; those stopped by events that have been
/// undone add up to the stopped-clock duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The instant after the last one; equal to `from` for [`Reason::SkippedByDst`] alone.
    pub to: DateTime<Utc>,
    /// Why it counts or not.
    pub reason: Reason,
}

/// Why a stretch of a clock counts or not. Outside the hours and on holidays nothing counts anyway, so a stopped
/// clock is the reason only where it would have run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Within the hours, and the clock runs.
    Counted,
    /// Not within the hours of the weekday.
    OutsideHours,
    /// Within the holiday of this name.
    Holiday(String),
    /// Active local time that does not exist, because the zone set its clocks forward.
    SkippedByDst {
        /// The local time at which the gap begins.
        from: NaiveDateTime,
        /// The local time at which it ends.
        until: NaiveDateTime,
    },
    /// The clock stood still.
    ClockStopped {
        /// Why.
        cause: StopCause,
        /// The event that stopped it; `None` when the request was so from the start.
        event: Option<Uuid>,
    },
}

impl Reason {
    /// The kind, without its details.
    pub fn kind(&self) -> ReasonKind {
        match self {
            Self::Counted => ReasonKind::Counted,
            Self::OutsideHours => ReasonKind::OutsideHours,
            Self::Holiday(_) => ReasonKind::Holiday,
            Self::SkippedByDst { .. } => ReasonKind::SkippedByDst,
            Self::ClockStopped { .. } => ReasonKind::ClockStopped,
        }
    }
}

impl Interval {
    /// Whether the stretch counts.
    pub fn counted(&self) -> bool {
        self.reason == Reason::Counted
    }
}

/// The stretches of one clock from its start to its actual instant, or to `now` as long as there is none.
/// Empty when the affected SLA has no support hours. Computed as they are taken: a caller that wants a bound
/// takes no more than it wants.
pub fn explain<'a>(
    facts: &'a Facts,
    state: &'a AffectedSla,
    clock: ClockKind,
    now: DateTime<Utc>,
) -> impl Iterator<Item = Interval> + use<'a> {
    let actual_at = match clock {
        ClockKind::Response => state.response.actual_at,
        ClockKind::Resolution => state.resolution.actual_at,
    };
    let end = actual_at.unwrap_or(now);
    let stops = state.stops.iter().filter(move |stop| match clock {
        ClockKind::Response => stop.cause == StopCause::ProviderNotAccountable,
        ClockKind::Resolution => true,
    });
    let schedule = state.support_hours.as_ref().map(|hours| hours.calendar.in_zone(facts.zone));
    schedule.into_iter().flat_map(move |schedule| Explanation {
        schedule,
        legs: legs(facts.started_at, end, stops.clone()),
        current: None,
    })
}

/// A part of the clock's life in which it either could run or stood still.
struct Leg<'a> {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    stopped: Option<&'a ClockStop>,
}

fn legs<'a>(
    from: DateTime<Utc>,
    end: DateTime<Utc>,
    stops: impl Iterator<Item = &'a ClockStop>,
) -> VecDeque<Leg<'a>> {
    let mut legs = VecDeque::new();
    let mut at = from;
    let mut push = |from: DateTime<Utc>, to: DateTime<Utc>, stopped| {
        if from < to {
            legs.push_back(Leg { from, to, stopped });
        }
    };
    for clock_stop in stops {
        let from = clock_stop.stop.from.min(end);
        let until = clock_stop.stop.until.unwrap_or(end).min(end);
        push(at, from, None);
        push(from, until, Some(clock_stop));
        at = until;
    }
    push(at, end, None);
    legs
}

struct Explanation<'a> {
    schedule: Schedule<'a>,
    legs: VecDeque<Leg<'a>>,
    current: Option<(Stretches<'a>, Option<&'a ClockStop>)>,
}

impl Iterator for Explanation<'_> {
    type Item = Interval;

    fn next(&mut self) -> Option<Interval> {
        loop {
            if let Some((stretches, stopped)) = &mut self.current
                && let Some(stretch) = stretches.next()
            {
                return Some(interval(stretch, *stopped));
            }
            let leg = self.legs.pop_front()?;
            self.current = Some((self.schedule.stretches(leg.from, leg.to), leg.stopped));
        }
    }
}

fn interval(stretch: Stretch<'_>, stopped: Option<&ClockStop>) -> Interval {
    let reason = match (stretch.kind, stopped) {
        (StretchKind::Active, Some(stop)) => Reason::ClockStopped { cause: stop.cause, event: stop.event },
        (StretchKind::Active, None) => Reason::Counted,
        (StretchKind::OutsideHours, _) => Reason::OutsideHours,
        (StretchKind::Holiday(name), _) => Reason::Holiday(name.to_owned()),
        (StretchKind::SkippedByDst { from, until }, _) => Reason::SkippedByDst { from, until },
    };
    Interval { from: stretch.from, to: stretch.to, reason }
}
