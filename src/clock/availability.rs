//! Availability of a service over a period (rule C10).

use chrono::{DateTime, TimeDelta, Utc};

use super::schedule::Schedule;

/// A span of instants, `start` inclusive, `end` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first instant.
    pub start: DateTime<Utc>,
    /// The instant after the last one.
    pub end: DateTime<Utc>,
}

impl Period {
    /// Whether the instant lies in the period.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.start <= at && at < self.end
    }

    /// Wall-clock time that a span of instants shares with the period.
    pub fn overlap(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> TimeDelta {
        (to.min(self.end) - from.max(self.start)).max(TimeDelta::zero())
    }
}

/// How long a service was to be there in a period, and how long of that it was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Service hours of the period.
    pub service: TimeDelta,
    /// Service hours in which it was down.
    pub down: TimeDelta,
}

impl Availability {
    /// Over a period. Downtimes that overlap are counted once; those that reach beyond the period are cut.
    pub fn over(service_hours: Schedule<'_>, period: Period, downtimes: &[Period]) -> Self {
        let mut sorted: Vec<Period> = downtimes
            .iter()
            .copied()
            .filter(|downtime| downtime.start < period.end && period.start < downtime.end)
            .collect();
        sorted.sort_by_key(|downtime| downtime.start);
        let mut counted_until = period.start;
        let mut down = TimeDelta::zero();
        for downtime in sorted {
            let end = downtime.end.min(period.end);
            down += service_hours.active_between(downtime.start.max(counted_until), end);
            counted_until = counted_until.max(end);
        }
        Self { service: service_hours.active_between(period.start, period.end), down }
    }

    /// 1 − downtime ÷ service hours, from 0 to 1; `None` when the period has no service hours.
    pub fn share(&self) -> Option<f64> {
        let [down, service] = [self.down, self.service]
            .map(|span| span.num_microseconds().map_or(f64::INFINITY, |us| us as f64));
        (service > 0.0).then(|| 1.0 - down / service)
    }
}
