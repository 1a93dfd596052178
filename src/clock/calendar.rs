//! Calendars: weekly hours and holidays in local time, without a zone (rule O3).
//!
//! A calendar is compiled into two sorted tables, so that "how much is active up to here" and "where is this
//! much used up" are each a division and a binary search, however far apart the ends are.

use chrono::{DateTime, NaiveDateTime, Weekday};
use chrono_tz::Tz;

use super::schedule::Schedule;

/// A minute, a day and a week of local time, in microseconds.
pub(super) const MINUTE: i64 = 60_000_000;
pub(super) const DAY: i64 = 1_440 * MINUTE;
pub(super) const WEEK: i64 = 7 * DAY;
/// The local time line counts from Thursday 1970-01-01; weeks are counted from the Monday before it.
const MONDAY_BEFORE_EPOCH: i64 = -3 * DAY;

/// One row of weekly hours. A span through midnight is two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WeeklyHours {
    /// The local weekday.
    pub weekday: Weekday,
    /// The first active minute of the day, 0 to 1439.
    pub from: u16,
    /// The minute of the day at which the activity has ended, 1 to 1440 (24:00).
    pub until: u16,
}

/// A local span of time in which the weekly hours do not apply. It may cover part of a day.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holiday {
    /// What the span is called in explanations.
    pub name: String,
    /// The first local time that is not active.
    pub starts_at: NaiveDateTime,
    /// The local time from which the weekly hours apply again.
    pub ends_at: NaiveDateTime,
}

/// Why rows do not make a calendar. Indexes count the rows as given, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarError {
    /// `hours[index]` ends at or before its start.
    HoursReversed {
        /// The row.
        index: usize,
    },
    /// `hours[index]` reaches beyond 24:00.
    HoursBeyondMidnight {
        /// The row.
        index: usize,
    },
    /// `hours[index]` overlaps the row `other` of the same weekday.
    HoursOverlap {
        /// The later row.
        index: usize,
        /// The row that it overlaps.
        other: usize,
    },
    /// `holidays[index]` ends at or before its start.
    HolidayReversed {
        /// The row.
        index: usize,
    },
    /// The calendar has no active hour and may not be used by a target (rule X11).
    NoActiveHours,
}

/// Weekly hours and holidays, checked. Holds no zone: [`Calendar::in_zone`] gives it one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Active spans of a week, sorted, adjacent ones joined; offsets from Monday 00:00.
    spans: Vec<Span>,
    /// Active time of a whole week.
    week: i64,
    /// Holidays, sorted and disjoint: where two overlap, the one that starts first keeps the time.
    holidays: Vec<Closed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    from: i64,
    until: i64,
    /// Active time of the week before this span.
    before: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Closed {
    name: String,
    from: i64,
    until: i64,
    /// Active time up to `from`, holidays taken off: constant throughout the holiday.
    active_before: i64,
    /// Weekly time that this holiday and all earlier ones take away.
    lost_through: i64,
}

/// What holds at a point of the local time line, and up to where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local<'a> {
    pub(super) state: LocalState<'a>,
    pub(super) until: i64,
}

/// Why a local time is active or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LocalState<'a> {
    Active,
    OutsideHours,
    Holiday(&'a str),
}

impl Calendar {
    /// Checks the rows and compiles them.
    ///
    /// A calendar without any hours is a calendar (a draft); what uses it asks [`Calendar::require_active_hours`].
    ///
    /// # Errors
    /// The first row that is reversed, reaches beyond midnight or overlaps another one of its weekday.
    pub fn new(
        hours: impl IntoIterator<Item = WeeklyHours>,
        holidays: impl IntoIterator<Item = Holiday>,
    ) -> Result<Self, CalendarError> {
        let (spans, week) = compile_week(hours)?;
        let mut calendar = Self { spans, week, holidays: Vec::new() };
        calendar.holidays = calendar.compile_holidays(holidays)?;
        Ok(calendar)
    }

    /// A calendar in which every instant is active.
    pub fn around_the_clock() -> Self {
        Self { spans: vec![Span { from: 0, until: WEEK, before: 0 }], week: WEEK, holidays: Vec::new() }
    }

    /// Rule X11: a calendar without active hours is refused where it would be used.
    ///
    /// # Errors
    /// [`CalendarError::NoActiveHours`] when no weekday has hours.
    pub fn require_active_hours(&self) -> Result<(), CalendarError> {
        if self.spans.is_empty() { Err(CalendarError::NoActiveHours) } else { Ok(()) }
    }

    /// This calendar read in a time zone.
    pub fn in_zone(&self, zone: Tz) -> Schedule<'_> {
        Schedule::new(self, zone)
    }

    fn compile_holidays(
        &self,
        holidays: impl IntoIterator<Item = Holiday>,
    ) -> Result<Vec<Closed>, CalendarError> {
        let mut rows = Vec::new();
        for (index, holiday) in holidays.into_iter().enumerate() {
            if holiday.ends_at <= holiday.starts_at {
                return Err(CalendarError::HolidayReversed { index });
            }
            rows.push((local(holiday.starts_at), local(holiday.ends_at), holiday.name));
        }
        rows.sort();
        let mut closed: Vec<Closed> = Vec::with_capacity(rows.len());
        for (starts, until, name) in rows {
            let (taken_until, lost) = closed.last().map_or((i64::MIN, 0), |c| (c.until, c.lost_through));
            let from = starts.max(taken_until);
            if from < until {
                let (at_start, at_end) = (self.weekly_until(from), self.weekly_until(until));
                closed.push(Closed {
                    name,
                    from,
                    until,
                    active_before: at_start - lost,
                    lost_through: lost + at_end - at_start,
                });
            }
        }
        Ok(closed)
    }

    /// Active time before a local time, counted from an arbitrary but fixed origin: differences are what counts.
    pub(super) fn active_until(&self, at: i64) -> i64 {
        let known = self.holidays.partition_point(|holiday| holiday.from <= at);
        match self.holidays[..known].last() {
            Some(holiday) if at < holiday.until => holiday.active_before,
            Some(holiday) => self.weekly_until(at) - holiday.lost_through,
            None => self.weekly_until(at),
        }
    }

    /// The earliest local time before which `amount` (in terms of [`Self::active_until`]) is active; `None`
    /// without any hours.
    pub(super) fn earliest(&self, amount: i64) -> Option<i64> {
        let passed = self.holidays.partition_point(|holiday| holiday.active_before < amount);
        let weekly = amount + self.lost_through(passed);
        let week = (weekly - 1).checked_div_euclid(self.week)?;
        let rest = weekly - week * self.week;
        let span = self.spans[..self.spans.partition_point(|span| span.before < rest)].last()?;
        Some(MONDAY_BEFORE_EPOCH + week * WEEK + span.from + rest - span.before)
    }

    /// The latest local time before which no more than `amount` is active: the start of an active span, or a
    /// time inside one; `None` without any hours.
    pub(super) fn latest(&self, amount: i64) -> Option<i64> {
        let passed = self.holidays.partition_point(|holiday| holiday.active_before <= amount);
        let weekly = amount + self.lost_through(passed);
        let week = weekly.checked_div_euclid(self.week)?;
        let rest = weekly - week * self.week;
        let span = self.spans[..self.spans.partition_point(|span| span.before <= rest)].last()?;
        Some(MONDAY_BEFORE_EPOCH + week * WEEK + span.from + rest - span.before)
    }

    fn lost_through(&self, holidays: usize) -> i64 {
        self.holidays[..holidays].last().map_or(0, |holiday| holiday.lost_through)
    }

    /// Weekly hours before a local time, as if there were no holidays.
    fn weekly_until(&self, at: i64) -> i64 {
        let (week, rest) = week_and_rest(at);
        let begun = self.spans.partition_point(|span| span.from < rest);
        let partial =
            self.spans[..begun].last().map_or(0, |span| span.before + rest.min(span.until) - span.from);
        week * self.week + partial
    }

    /// What holds at a local time. A holiday is named also where the weekly hours would not be active.
    pub(super) fn at(&self, at: i64) -> Local<'_> {
        let known = self.holidays.partition_point(|holiday| holiday.from <= at);
        if let Some(holiday) = self.holidays[..known].last()
            && at < holiday.until
        {
            return Local { state: LocalState::Holiday(&holiday.name), until: holiday.until };
        }
        let next_holiday = self.holidays.get(known).map_or(i64::MAX, |holiday| holiday.from);
        let (week, rest) = week_and_rest(at);
        let monday = MONDAY_BEFORE_EPOCH + week * WEEK;
        let begun = self.spans.partition_point(|span| span.from <= rest);
        let (state, until) = match self.spans[..begun].last() {
            Some(span) if rest < span.until => (LocalState::Active, monday + span.until),
            _ => match (self.spans.get(begun), self.spans.first()) {
                (Some(next), _) => (LocalState::OutsideHours, monday + next.from),
                (None, Some(first)) => (LocalState::OutsideHours, monday + WEEK + first.from),
                (None, None) => (LocalState::OutsideHours, i64::MAX),
            },
        };
        Local { state, until: until.min(next_holiday) }
    }

    /// How many of the seven weekdays have hours.
    pub(super) fn business_days_per_week(&self) -> i64 {
        (0..7)
            .filter(|day| self.weekly_until_offset((day + 1) * DAY) > self.weekly_until_offset(day * DAY))
            .count() as i64
    }

    fn weekly_until_offset(&self, offset: i64) -> i64 {
        self.weekly_until(MONDAY_BEFORE_EPOCH + offset)
    }

    /// The holiday that a local time lies in, or else the next one: its start and end.
    pub(super) fn holiday_from(&self, at: i64) -> Option<(i64, i64)> {
        let over = self.holidays.partition_point(|holiday| holiday.until <= at);
        self.holidays.get(over).map(|holiday| (holiday.from, holiday.until))
    }
}

/// A local date and time on the local time line.
fn local(at: NaiveDateTime) -> i64 {
    at.and_utc().timestamp_micros()
}

/// A point of the local time line as local date and time; `None` outside the years that chrono knows.
pub(super) fn local_time(at: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(at).map(|at| at.naive_utc())
}

fn week_and_rest(at: i64) -> (i64, i64) {
    let since = at - MONDAY_BEFORE_EPOCH;
    (since.div_euclid(WEEK), since.rem_euclid(WEEK))
}

fn compile_week(hours: impl IntoIterator<Item = WeeklyHours>) -> Result<(Vec<Span>, i64), CalendarError> {
    let mut rows = Vec::new();
    for (index, row) in hours.into_iter().enumerate() {
        if row.until <= row.from {
            return Err(CalendarError::HoursReversed { index });
        }
        let day = i64::from(row.weekday.num_days_from_monday()) * DAY;
        let until = i64::from(row.until) * MINUTE;
        if until > DAY {
            return Err(CalendarError::HoursBeyondMidnight { index });
        }
        rows.push((day + i64::from(row.from) * MINUTE, day + until, index));
    }
    rows.sort_unstable();
    let mut spans: Vec<Span> = Vec::with_capacity(rows.len());
    let mut previous: Option<(i64, usize)> = None;
    for &(from, until, index) in &rows {
        if let Some((taken_until, other)) = previous
            && from < taken_until
        {
            return Err(CalendarError::HoursOverlap { index: index.max(other), other: index.min(other) });
        }
        previous = Some((until, index));
        match spans.last_mut() {
            Some(last) if last.until == from => last.until = until,
            last => {
                let before = last.map_or(0, |last| last.before + last.until - last.from);
                spans.push(Span { from, until, before });
            }
        }
    }
    let week = spans.last().map_or(0, |last| last.before + last.until - last.from);
    Ok((spans, week))
}
