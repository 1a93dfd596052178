//! A calendar read in a time zone: what is active between instants, and when an amount is used up.
//!
//! An instant is active iff its local wall clock lies in the hours of that weekday and in no holiday (rule X4):
//! an hour that daylight saving skips counts nothing, a repeated hour counts twice. Between two changes of the
//! zone's offset local time runs as fast as time itself, so each such span takes one step, years or hours long.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::calendar::{Calendar, DAY, LocalState, local_time};
use super::zone::{Steady, local_midnight, offset_at, shifts, steady};
use super::{instant, micros};

/// How far ahead of its start a target is looked for: 36 525 days, a hundred years. What is not used up by
/// then has no target (rule X11).
pub const HORIZON: TimeDelta = TimeDelta::days(36_525);

/// A calendar in a zone. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Schedule<'a> {
    calendar: &'a Calendar,
    zone: Tz,
}

/// A span of instants and why it counts or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch<'a> {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The instant after the last one; equal to `from` for [`StretchKind::SkippedByDst`] alone.
    pub to: DateTime<Utc>,
    /// Why.
    pub kind: StretchKind<'a>,
}

/// Why a stretch counts or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StretchKind<'a> {
    /// Within the hours.
    Active,
    /// Not within the hours of the weekday.
    OutsideHours,
    /// Within the holiday of this name.
    Holiday(&'a str),
    /// Active local time that no instant has, because the zone set its clocks forward here.
    SkippedByDst {
        /// The local time at which the gap begins.
        from: NaiveDateTime,
        /// The local time at which it ends.
        until: NaiveDateTime,
    },
}

impl<'a> Schedule<'a> {
    /// Reads a calendar in a zone.
    pub fn new(calendar: &'a Calendar, zone: Tz) -> Self {
        Self { calendar, zone }
    }

    /// The zone in which the calendar is read.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// Active time between two instants, to the microsecond; zero when `to` is before `from` (rule X7).
    pub fn active_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> TimeDelta {
        TimeDelta::microseconds(self.active(micros(from), micros(to)))
    }

    /// The earliest instant at which `amount` of active time has elapsed since `start` (rule X1): closing time
    /// when it is used up exactly then. An amount of zero or less gives the first active instant (rule X3).
    /// `None` when that is beyond the [`HORIZON`].
    pub fn target_at(&self, start: DateTime<Utc>, amount: TimeDelta) -> Option<DateTime<Utc>> {
        self.earliest(micros(start), amount.num_microseconds()?).and_then(instant)
    }

    /// The last instant at which no more than `amount` of active time has elapsed since `start` (rule X1): the
    /// next opening when it is used up exactly at closing time. A clock is breached strictly after it.
    /// `None` when nothing is active any more before the [`HORIZON`]: such a clock never breaches.
    pub fn breaches_at(&self, start: DateTime<Utc>, amount: TimeDelta) -> Option<DateTime<Utc>> {
        self.latest(micros(start), amount.num_microseconds()?).and_then(instant)
    }

    /// The first active instant at or after this one; `None` when there is none before the [`HORIZON`].
    pub fn next_active(&self, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.latest(micros(from), 0).and_then(instant)
    }

    /// Whether the instant is active (rules X4, X5).
    pub fn is_active(&self, at: DateTime<Utc>) -> bool {
        let at = micros(at);
        self.calendar.at(at + offset_at(self.zone, at)).state == LocalState::Active
    }

    /// The end of the active hours of the `days`th business day after the local day of `start` (rule X8). A
    /// business day is a date with any active instant. Zero days give the first active instant, as X3.
    /// `None` when that is beyond the [`HORIZON`].
    pub fn business_days(&self, start: DateTime<Utc>, days: u32) -> Option<DateTime<Utc>> {
        let start = micros(start);
        if days == 0 {
            return self.latest(start, 0).and_then(instant);
        }
        let horizon = horizon(start);
        let per_week = self.calendar.business_days_per_week();
        let mut left = i64::from(days);
        let mut date = local_time(start + offset_at(self.zone, start))?.date().succ_opt()?;
        while local_midnight(date) <= horizon {
            let midnight = local_midnight(date);
            let holiday = self.calendar.holiday_from(midnight);
            if let Some((from, until)) = holiday
                && from <= midnight
                && midnight + DAY <= until
            {
                date = local_time(until)?.date();
                continue;
            }
            let irregular = holiday.map_or(i64::MAX, |(from, _)| from).min(self.next_shift_near(midnight));
            let regular = irregular.min(horizon).saturating_sub(midnight).div_euclid(7 * DAY);
            let weeks = (left - 1).checked_div(per_week)?.min(regular);
            if weeks > 0 {
                left -= weeks * per_week;
                date = date.checked_add_days(Days::new(7 * weeks.unsigned_abs()))?;
                continue;
            }
            if let Some(end) = self.end_of_hours(date) {
                left -= 1;
                if left == 0 {
                    return (end <= horizon).then(|| instant(end)).flatten();
                }
            }
            date = date.succ_opt()?;
        }
        None
    }

    /// Every counted and skipped stretch from one instant to another, in order and without holes.
    pub fn stretches(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Stretches<'a> {
        Stretches { schedule: *self, at: micros(from), to: micros(to), announced: micros(from) }
    }

    pub(super) fn active(&self, from: i64, to: i64) -> i64 {
        steady(self.zone, from, to).map(|span| self.active_in(span)).sum()
    }

    fn active_in(&self, span: Steady) -> i64 {
        self.calendar.active_until(span.until + span.offset)
            - self.calendar.active_until(span.from + span.offset)
    }

    /// [`Self::target_at`] in microseconds.
    pub(super) fn earliest(&self, start: i64, amount: i64) -> Option<i64> {
        if amount <= 0 {
            return self.latest(start, 0);
        }
        let mut left = amount;
        for span in steady(self.zone, start, horizon(start)) {
            let active = self.active_in(span);
            if active >= left {
                let used = self.calendar.active_until(span.from + span.offset);
                return Some(self.calendar.earliest(used + left)? - span.offset);
            }
            left -= active;
        }
        None
    }

    /// [`Self::breaches_at`] in microseconds.
    pub(super) fn latest(&self, start: i64, amount: i64) -> Option<i64> {
        let mut left = amount.max(0);
        for span in steady(self.zone, start, horizon(start)) {
            let active = self.active_in(span);
            if active > left {
                let used = self.calendar.active_until(span.from + span.offset);
                return Some(self.calendar.latest(used + left)? - span.offset);
            }
            left -= active;
        }
        None
    }

    /// The end of the active hours of a local date, `None` when it has none.
    fn end_of_hours(&self, date: NaiveDate) -> Option<i64> {
        let midnight = local_midnight(date);
        steady(self.zone, midnight - 2 * DAY, midnight + 3 * DAY).rev().find_map(|span| {
            let from = (span.from + span.offset).max(midnight);
            let until = (span.until + span.offset).min(midnight + DAY);
            let active = self.calendar.active_until(until);
            if from >= until || active <= self.calendar.active_until(from) {
                return None;
            }
            Some(self.calendar.earliest(active)? - span.offset)
        })
    }

    /// A local time from which on days may differ from the weekly pattern because the zone's offset changes:
    /// no later than the first such day, at most three days before it.
    fn next_shift_near(&self, local: i64) -> i64 {
        let table = shifts(self.zone);
        let next = table.partition_point(|shift| shift.at < local - 2 * DAY);
        table.get(next).map_or(i64::MAX, |shift| shift.at - 2 * DAY)
    }
}

fn horizon(start: i64) -> i64 {
    start.saturating_add(HORIZON.num_days() * DAY)
}

/// Iterator over the stretches of a schedule: see [`Schedule::stretches`].
#[derive(Clone, Debug)]
pub struct Stretches<'a> {
    schedule: Schedule<'a>,
    at: i64,
    to: i64,
    /// Changes of the zone up to this instant need no more mention.
    announced: i64,
}

impl<'a> Iterator for Stretches<'a> {
    type Item = Stretch<'a>;

    fn next(&mut self) -> Option<Stretch<'a>> {
        let calendar = self.schedule.calendar;
        let mut spans = steady(self.schedule.zone, self.at, self.to).peekable();
        let first = *spans.peek()?;
        if first.from > self.announced {
            self.announced = first.from;
            if let Some(gap) = self.gap_at(first) {
                return Some(gap);
            }
        }
        let begun = calendar.at(first.from + first.offset).state;
        let mut end = first.from;
        'spans: for span in spans {
            if span.from > self.announced && self.gap_at(span).is_some() {
                break;
            }
            while end < span.until {
                let here = calendar.at(end + span.offset);
                if here.state != begun {
                    break 'spans;
                }
                end = span.until.min(here.until.saturating_sub(span.offset));
            }
        }
        let kind = match begun {
            LocalState::Active => StretchKind::Active,
            LocalState::OutsideHours => StretchKind::OutsideHours,
            LocalState::Holiday(name) => StretchKind::Holiday(name),
        };
        let stretch = Stretch { from: instant(self.at)?, to: instant(end)?, kind };
        self.at = end;
        Some(stretch)
    }
}

impl<'a> Stretches<'a> {
    /// The gap that opens with a span of steady offset, if it skips active local time.
    fn gap_at(&self, span: Steady) -> Option<Stretch<'a>> {
        let calendar = self.schedule.calendar;
        let before = span.from + offset_at(self.schedule.zone, span.from - 1);
        let after = span.from + span.offset;
        let skipped = after > before && calendar.active_until(after) > calendar.active_until(before);
        let at = instant(span.from)?;
        let kind = StretchKind::SkippedByDst { from: local_time(before)?, until: local_time(after)? };
        skipped.then_some(Stretch { from: at, to: at, kind })
    }
}
