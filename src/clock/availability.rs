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

/// The share of the period's service hours in which the service was not down: 1 − downtime ÷ service hours, from
/// 0 to 1; `None` when the period has no service hours. Downtimes that overlap are counted once; those that reach
/// beyond the period are cut.
pub fn availability(service_hours: Schedule<'_>, period: Period, downtimes: &[Period]) -> Option<f64> {
    let whole = service_hours.active_between(period.start, period.end);
    if whole <= TimeDelta::zero() {
        return None;
    }
    let mut sorted = downtimes.to_vec();
    sorted.sort_by_key(|downtime| downtime.start);
    let mut counted_until = period.start;
    let mut down = TimeDelta::zero();
    for downtime in sorted {
        let end = downtime.end.min(period.end);
        down += service_hours.active_between(downtime.start.max(counted_until), end);
        counted_until = counted_until.max(end);
    }
    let [down, whole] =
        [down, whole].map(|span| span.num_microseconds().map_or(f64::INFINITY, |us| us as f64));
    Some(1.0 - down / whole)
}
