//! Why a duration is what it is: every counted and skipped stretch of a clock, adding up to what is shown.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::calendar::Calendar;
use super::fold::Facts;
use super::schedule::{Schedule, Stretch, StretchKind, Stretches};
use super::state::{AffectedSla, ClockStop, StopCause};
use super::stopwatch::Stopwatch;
use super::waiting::Wait;

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

/// One clock of an affected SLA, to be accounted for from its start to its actual instant, or to `now` as long as
/// there is none.
#[derive(Clone, Debug)]
pub struct Account {
    /// When the clock started.
    pub from: DateTime<Utc>,
    /// Up to when it is accounted for; before `from` when it is asked about a clock that starts later.
    pub to: DateTime<Utc>,
    /// The promised time as active time; `None` without a target.
    pub allowance: Option<TimeDelta>,
    /// What is active, and in which zone; `None` when the promise names no hours (rule X11).
    hours: Option<(Arc<Calendar>, Tz)>,
    stops: Vec<ClockStop>,
    /// Active time that ended pauses took off (rule C7).
    paused: TimeDelta,
}

/// How the time of an [`Account`] adds up: what is in none of these was not active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Active time in which the clock ran: once there is an actual instant, the actual duration (rule C9).
    pub counted: TimeDelta,
    /// Active time that ended pauses took off; of the resolution clock, the stopped-clock duration (rule C7).
    pub paused: TimeDelta,
    /// Active time for which the clock has been standing still up to now.
    pub standing: TimeDelta,
    /// Time outside the hours and in holidays.
    pub skipped: TimeDelta,
}

impl Account {
    /// Of a clock with service terms, in the state that [`fold`](super::fold::fold) found.
    pub fn new(facts: &Facts, state: &AffectedSla, clock: ClockKind, now: DateTime<Utc>) -> Self {
        let hours = state.support_hours.as_ref().map(|hours| (hours.calendar.clone(), facts.zone));
        let measure = match clock {
            ClockKind::Response => &state.response,
            ClockKind::Resolution => &state.resolution,
        };
        let allowance =
            hours.as_ref().filter(|_| measure.target_at.is_some()).and_then(|(calendar, zone)| {
                measure.promised.allowance(calendar.in_zone(*zone), facts.started_at)
            });
        let mut account = Self {
            from: facts.started_at,
            to: measure.actual_at.unwrap_or(now),
            allowance,
            hours,
            stops: state.stops.clone(),
            paused: state.stopped_clock_duration,
        };
        if clock == ClockKind::Response {
            // Rule X9: of all causes only this one stops the response clock.
            account.stops.retain(|stop| stop.cause == StopCause::ProviderNotAccountable);
            let ended = |stop: &&ClockStop| stop.stop.until.is_some_and(|until| until <= account.to);
            let ended: Vec<ClockStop> = account.stops.iter().filter(ended).cloned().collect();
            account.paused = account.stopped(&ended);
        }
        account
    }

    /// Of a chat or a call: it waits around the clock, and nothing stops it (rules S10, S12).
    pub fn of_wait(wait: &Wait, now: DateTime<Utc>) -> Self {
        Self {
            from: wait.queued_at,
            to: wait.superseded_at.or(wait.taken_at).or(wait.abandoned_at).unwrap_or(now),
            allowance: wait.promised_at().map(|due_at| due_at - wait.queued_at),
            hours: Some((Arc::new(Calendar::around_the_clock()), Tz::UTC)),
            stops: Vec::new(),
            paused: TimeDelta::zero(),
        }
    }

    /// How its time adds up; `None` where there are no hours to measure it in.
    pub fn totals(&self) -> Option<Totals> {
        let (calendar, zone) = self.hours.as_ref()?;
        let schedule = calendar.in_zone(*zone);
        let active = schedule.active_between(self.from, self.to);
        let stopped = self.stopped(&self.stops);
        Some(Totals {
            counted: active - stopped,
            paused: self.paused.min(stopped),
            standing: (stopped - self.paused).max(TimeDelta::zero()),
            skipped: (self.to - self.from).max(TimeDelta::zero()) - active,
        })
    }

    /// Active time in which stops kept the clock still.
    fn stopped(&self, stops: &[ClockStop]) -> TimeDelta {
        let Some((calendar, zone)) = &self.hours else { return TimeDelta::zero() };
        let schedule = calendar.in_zone(*zone);
        let watch = Stopwatch { schedule, started_at: self.from, stops };
        schedule.active_between(self.from, self.to) - watch.counted_until(self.to)
    }

    /// Its stretches, in order and without holes; none when there are no hours. Computed as they are taken: a caller
    /// that wants a bound takes no more than it wants.
    pub fn intervals(&self) -> impl Iterator<Item = Interval> + use<'_> {
        let schedule = self.hours.as_ref().map(|(calendar, zone)| calendar.in_zone(*zone));
        schedule.into_iter().flat_map(|schedule| Explanation {
            schedule,
            legs: legs(self.from, self.to, self.stops.iter()),
            current: None,
        })
    }
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
