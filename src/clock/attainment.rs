//! How promises turned out over a period: how many were kept, by day, week or month.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use chrono_tz::Tz;

use super::instant;
use super::state::Outcome;
use super::zone::start_of_day;

words! {
    /// What a period is cut into, on the wall of a time zone.
    pub enum Bucket {
        /// Days.
        Day = "day",
        /// ISO weeks, from Monday.
        Week = "week",
        /// Months, from the 1st.
        Month = "month",
    }
}

impl Bucket {
    /// The first day of the next bucket after the one that a day lies in.
    fn next(self, day: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => day.succ_opt(),
            Self::Week => {
                day.checked_add_days(Days::new(7 - u64::from(day.weekday().num_days_from_monday())))
            }
            Self::Month => day.with_day(1)?.checked_add_months(Months::new(1)),
        }
    }

    /// The instants that cut a period into its buckets, `from` and `to` among them: the first and the last bucket may be
    /// parts. `None` when there are more than `most` buckets. A day that its zone skips as a whole is none.
    pub fn bounds(
        self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        zone: Tz,
        most: usize,
    ) -> Option<Vec<DateTime<Utc>>> {
        let mut bounds = vec![from];
        let mut day = from.with_timezone(&zone).date_naive();
        while let Some(next) = self.next(day)
            && let Some(begins) = instant(start_of_day(zone, next))
            && begins < to
        {
            if bounds.last().is_some_and(|last| *last < begins) {
                bounds.push(begins);
            }
            if bounds.len() > most {
                return None;
            }
            day = next;
        }
        bounds.push(to);
        Some(bounds)
    }
}

/// How many promises turned out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Kept.
    pub met: i64,
    /// Not kept.
    pub breached: i64,
    /// Not decided yet.
    pub running: i64,
    /// Nothing was promised.
    pub excluded: i64,
}

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, outcome: Outcome) {
        let place = match outcome {
            Outcome::Met => &mut self.met,
            Outcome::Breached => &mut self.breached,
            Outcome::Running => &mut self.running,
            Outcome::Excluded => &mut self.excluded,
        };
        *place += 1;
    }

    /// Adds those of another.
    pub fn add(&mut self, other: Self) {
        self.met += other.met;
        self.breached += other.breached;
        self.running += other.running;
        self.excluded += other.excluded;
    }

    /// All of them.
    pub fn all(&self) -> i64 {
        self.met + self.breached + self.running + self.excluded
    }

    /// The share of those that are decided which were kept, 0 to 1; `None` when none is decided.
    pub fn share_met(&self) -> Option<f64> {
        let decided = self.met + self.breached;
        (decided > 0).then(|| self.met as f64 / decided as f64)
    }
}

/// How the promises of clocks turned out: both targets of all of them, and the service level of those that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attained {
    /// The response targets.
    pub response: Tally,
    /// The resolution targets.
    pub resolution: Tally,
    /// Calls, by how their wait turned out (rule S10).
    pub calls: Tally,
    /// Chats, by how their wait turned out (rule S12).
    pub chats: Tally,
}

impl Attained {
    /// Adds those of another.
    pub fn add(&mut self, other: Self) {
        self.response.add(other.response);
        self.resolution.add(other.resolution);
        self.calls.add(other.calls);
        self.chats.add(other.chats);
    }
}
