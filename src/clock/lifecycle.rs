//! From which day to which an SLA is active (rule S6).

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::instant;
use super::zone::start_of_day;

words! {
    /// The lifecycle of an SLA (rule S6).
    pub enum SlaStatus {
        /// Being written; dates do not move it on.
        BeingPrepared = "being_prepared",
        /// Becomes active on its start date.
        ScheduledForActivation = "scheduled_for_activation",
        /// In force.
        Active = "active",
        /// Over.
        Expired = "expired",
    }
}

/// The first and last day of an SLA, in its tenant's zone. Absent days leave that end open.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// The first day on which it is active.
    pub start_date: Option<NaiveDate>,
    /// The last day on which it is active.
    pub expiry_date: Option<NaiveDate>,
    /// The tenant's time zone.
    pub zone: Tz,
}

impl Term {
    /// The first instant of the start date; `None` without one.
    pub fn starts_at(&self) -> Option<DateTime<Utc>> {
        instant(start_of_day(self.zone, self.start_date?))
    }

    /// The first instant after the expiry date; `None` without one.
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        instant(start_of_day(self.zone, self.expiry_date?.succ_opt()?))
    }

    /// The status at `now`, given the status as last stored (rule S6): right even when the job that stores it is
    /// late. A scheduled SLA becomes active on its start date, an active one expires at the end of its expiry
    /// date; one that is being prepared or has expired stays so until somebody changes it.
    pub fn status(&self, stored: SlaStatus, now: DateTime<Utc>) -> SlaStatus {
        if matches!(stored, SlaStatus::BeingPrepared | SlaStatus::Expired) {
            return stored;
        }
        let started = self.starts_at().map_or(stored == SlaStatus::Active, |at| at <= now);
        if self.expires_at().is_some_and(|at| at <= now) {
            SlaStatus::Expired
        } else if started {
            SlaStatus::Active
        } else {
            SlaStatus::ScheduledForActivation
        }
    }
}
