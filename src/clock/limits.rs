//! Budgets of hours per week or month (rules L1 and L2), in plain words: the sample goes by it. Of entries that are stored,
//! which may be any number, the store adds up the hours in its own statements.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::availability::Period;
use super::instant;
use super::state::WarningShare;
use super::zone::start_of_day;

words! {
    /// The period of a limit (rule L1).
    pub enum LimitPeriod {
        /// The ISO week, from Monday 00:00.
        Weekly = "weekly",
        /// The month, from its 1st 00:00.
        Monthly = "monthly",
    }
}

/// A logged stretch of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    /// The category it was logged under.
    pub category: String,
    /// When the work began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
}

/// A budget and what uses it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The budget in hours, at least 1.
    pub time_limit_in_hours: u32,
    /// How often it starts afresh.
    pub period: LimitPeriod,
    /// The categories whose entries count.
    pub categories: BTreeSet<String>,
}

/// How much of a budget is used in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumption {
    /// The period.
    pub period: Period,
    /// Logged time within it, entries across its bounds cut (rule L2).
    pub used: TimeDelta,
    /// The budget.
    pub budget: TimeDelta,
    /// When the early warning was due; `None` as long as it is not.
    pub warning_at: Option<DateTime<Utc>>,
    /// When the budget was used up; `None` as long as it is not.
    pub reached_at: Option<DateTime<Utc>>,
}

impl LimitPeriod {
    /// The period around an instant, in the tenant's zone (rule L1); `None` outside the years that chrono knows.
    pub fn around(self, at: DateTime<Utc>, zone: Tz) -> Option<Period> {
        let today = at.with_timezone(&zone).date_naive();
        // A zone that crosses the date line by going back shows a date twice: the period is found by instants.
        [today.pred_opt()?, today, today.succ_opt()?].into_iter().find_map(|date| {
            let (first, next) = self.dates(date)?;
            let [start, end] = [first, next].map(|date| instant(start_of_day(zone, date)));
            Some(Period { start: start?, end: end? }).filter(|period| period.contains(at))
        })
    }

    /// The first date of the period around a date, and of the next one.
    fn dates(self, date: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
        match self {
            Self::Weekly => {
                let monday =
                    date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into()))?;
                Some((monday, monday.checked_add_days(Days::new(7))?))
            }
            Self::Monthly => {
                let first = date.with_day(1)?;
                Some((first, first.checked_add_months(Months::new(1))?))
            }
        }
    }
}

impl Limit {
    /// What the entries use up in the period around `now` (rule L2). Entries of different people add up, also
    /// where they overlap. `None` outside the years that chrono knows.
    pub fn consumption(
        &self,
        entries: &[TimeEntry],
        zone: Tz,
        warning: WarningShare,
        now: DateTime<Utc>,
    ) -> Option<Consumption> {
        let period = self.period.around(now, zone)?;
        let counted: Vec<Period> = entries
            .iter()
            .filter(|entry| self.categories.contains(&entry.category))
            .map(|entry| Period {
                start: entry.started_at.max(period.start),
                end: entry.ended_at.min(period.end),
            })
            .filter(|entry| entry.start < entry.end)
            .collect();
        let budget = TimeDelta::hours(i64::from(self.time_limit_in_hours));
        Some(Consumption {
            period,
            used: counted.iter().map(|entry| entry.end - entry.start).sum(),
            budget,
            warning_at: used_up_at(&counted, warning.of(budget)),
            reached_at: used_up_at(&counted, budget),
        })
    }
}

/// The instant at which the entries together have lasted `amount`; `None` when they do not.
fn used_up_at(entries: &[Period], amount: TimeDelta) -> Option<DateTime<Utc>> {
    let begun = entries.iter().map(|entry| (entry.start, 1));
    let ended = entries.iter().map(|entry| (entry.end, -1));
    let mut changes: Vec<(DateTime<Utc>, i32)> = begun.chain(ended).collect();
    changes.sort_unstable();
    let mut left = amount;
    let mut at_work = 0;
    let mut since = changes.first()?.0;
    for (at, change) in changes {
        let used = (at - since) * at_work;
        if at_work > 0 && used >= left {
            let micros = left.num_microseconds()?;
            let share = i64::from(at_work);
            return Some(since + TimeDelta::microseconds((micros + share - 1) / share));
        }
        left -= used;
        at_work += change;
        since = at;
    }
    None
}
