//! A clock that can be stopped: active time since a start, minus the stretches in which it stood still.
//!
//! Pauses are measured in the clock's own calendar (rule X10): an instant counts iff it is active and lies in no
//! stop. Everything else follows from that one set of counted instants.

use chrono::{DateTime, TimeDelta, Utc};

use super::schedule::Schedule;
use super::{instant, micros};

/// A stretch in which the clock stands still; `until` is `None` while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The first instant that does not count.
    pub from: DateTime<Utc>,
    /// The first instant that counts again.
    pub until: Option<DateTime<Utc>>,
}

/// A schedule, a start and the stops since, in order and disjoint.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch<'a, S> {
    /// What counts as active.
    pub schedule: Schedule<'a>,
    /// Where counting begins.
    pub started_at: DateTime<Utc>,
    /// Where it pauses; anything that tells its [`Stop`].
    pub stops: &'a [S],
}

/// When an amount is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedUp {
    /// The instant.
    pub at: DateTime<Utc>,
    /// True when the clock stands still before it: the instant is what it would be if the clock ran on from
    /// where it stopped, and nothing happens at it.
    pub provisional: bool,
}

/// How much had counted at the start of each stop of a watch. What has happened does not change: when further stops
/// come, it is only added to. So a long history is measured after each of its events without going through it anew.
#[derive(Clone, Debug, Default)]
pub struct Counted(Vec<i64>);

impl Counted {
    /// Adds what is missing for the stops of a watch: always the same one, with further stops.
    pub fn keep_up<S: Pause>(&mut self, watch: &Stopwatch<'_, S>) {
        for (number, stop) in watch.stops.iter().enumerate().skip(self.0.len()) {
            let (before, from) = match number.checked_sub(1) {
                None => (0, Some(watch.started_at)),
                Some(last) => (self.0[last], watch.stops[last].stop().until),
            };
            let from = from.map_or(i64::MAX, micros);
            self.0.push(before + watch.schedule.active(from, micros(stop.stop().from)));
        }
    }
}

/// A stop, with what its owner knows of it.
pub trait Pause {
    /// The stretch.
    fn stop(&self) -> &Stop;

    /// Whether it is one pause with the stop before it, which it follows without a gap.
    fn continues(&self, previous: &Self) -> bool;
}

impl Pause for Stop {
    fn stop(&self) -> &Stop {
        self
    }

    fn continues(&self, previous: &Self) -> bool {
        previous.until == Some(self.from)
    }
}

/// The last pause, if it lasts: since when, and how many stops came before it.
pub fn standing<S: Pause>(stops: &[S]) -> Option<(DateTime<Utc>, usize)> {
    let last = stops.len().checked_sub(1).filter(|last| stops[*last].stop().until.is_none())?;
    let first = (1..=last).rev().take_while(|number| stops[*number].continues(&stops[number - 1])).last();
    let first = first.map_or(last, |number| number - 1);
    Some((stops[first].stop().from, first))
}

impl<S: Pause> Stopwatch<'_, S> {
    /// The earliest instant at which `amount` has counted (rules X1, X3); `None` beyond the horizon.
    pub fn target_at(&self, counted: &Counted, amount: TimeDelta) -> Option<UsedUp> {
        let amount = amount.num_microseconds()?;
        if amount <= 0 {
            return self.find(
                counted,
                0,
                |counted, amount| counted > amount,
                |from, left| self.schedule.latest(from, left),
            );
        }
        self.find(
            counted,
            amount,
            |counted, amount| counted >= amount,
            |from, left| self.schedule.earliest(from, left),
        )
    }

    /// The last instant at which no more than `amount` has counted (rule X1); `None` beyond the horizon.
    pub fn breaches_at(&self, counted: &Counted, amount: TimeDelta) -> Option<UsedUp> {
        let amount = amount.num_microseconds()?.max(0);
        self.find(
            counted,
            amount,
            |counted, amount| counted > amount,
            |from, left| self.schedule.latest(from, left),
        )
    }

    /// What had counted at the start of each stop.
    pub fn counted(&self) -> Counted {
        let mut counted = Counted::default();
        counted.keep_up(self);
        counted
    }

    /// What has counted before an instant.
    pub fn counted_until(&self, until: DateTime<Utc>) -> TimeDelta {
        let until = micros(until);
        let started = micros(self.started_at);
        let stopped: i64 = self.stops.iter().map(|stop| self.stopped_in(stop.stop(), started, until)).sum();
        TimeDelta::microseconds(self.schedule.active(started, until) - stopped)
    }

    /// Active time that the ended stops took away (rules X10, C7).
    pub fn stopped(&self) -> TimeDelta {
        let ended = self.stops.iter().map(Pause::stop).filter(|stop| stop.until.is_some());
        TimeDelta::microseconds(
            ended.map(|stop| self.stopped_in(stop, micros(self.started_at), i64::MAX)).sum(),
        )
    }

    fn stopped_in(&self, stop: &Stop, from: i64, until: i64) -> i64 {
        let end = stop.until.map_or(until, micros).min(until);
        self.schedule.active(micros(stop.from).max(from), end)
    }

    fn find(
        &self,
        counted: &Counted,
        amount: i64,
        is_used_up: impl Fn(i64, i64) -> bool,
        locate: impl Fn(i64, i64) -> Option<i64>,
    ) -> Option<UsedUp> {
        // The stops before which it is not used up.
        let stops = counted.0.partition_point(|counted| !is_used_up(*counted, amount));
        let (from, left) = match stops.checked_sub(1) {
            None => (micros(self.started_at), amount),
            Some(last) => {
                let stop = self.stops.get(last)?.stop();
                let left = amount - counted.0[last];
                match stop.until {
                    Some(until) => (micros(until), left),
                    None => {
                        let (from, _) = standing(self.stops)?;
                        let at = instant(locate(micros(from), left)?)?;
                        return Some(UsedUp { at, provisional: true });
                    }
                }
            }
        };
        Some(UsedUp { at: instant(locate(from, left)?)?, provisional: false })
    }
}
