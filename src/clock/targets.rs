//! What is promised: targets per impact in support hours (rules O1, O2, C2, C3).

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::calendar::Calendar;
use super::schedule::Schedule;

words! {
    /// How badly a request hurts, from one user with degraded service to several users without service [seed: 4me].
    pub enum Impact {
        /// Service degraded for one user.
        Low = "low",
        /// Service down for one user.
        Medium = "medium",
        /// Service degraded for several users.
        High = "high",
        /// Service down for several users.
        Top = "top",
    }
}

words! {
    /// What the failure of an instance does to the one that uses it (rule O4).
    pub enum Effect {
        /// The upper instance is down too.
        Down = "down",
        /// The upper instance still works, worse.
        Degraded = "degraded",
    }
}

words! {
    /// How a target is expressed, without its figure (rule O1).
    pub enum TargetKind {
        /// Minutes of support hours.
        Minutes = "minutes",
        /// The end of the nth business day.
        BusinessDays = "business_days",
        /// As soon as possible, without an instant.
        BestEffort = "best_effort",
        /// Nothing is promised.
        None = "none",
    }
}

/// A promised duration: exactly one of four kinds (rule O1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TargetDuration {
    /// Minutes of support hours. Zero falls on the first active instant (rule X3).
    Minutes(u32),
    /// The end of the active hours of the nth business day after the start's day (rule X8).
    BusinessDays(u32),
    /// As soon as possible, without an instant.
    BestEffort,
    /// Nothing is promised.
    #[default]
    None,
}

/// A calendar and the id under which the catalogue knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Id of the calendar.
    pub id: Uuid,
    /// Its content at the moment it was frozen.
    pub calendar: Arc<Calendar>,
}

/// What is promised for one impact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// Until the first response.
    pub response: TargetDuration,
    /// Until the resolution.
    pub resolution: TargetDuration,
    /// The hours in which both are measured; without them there is no target (rule X11), never 24x7.
    pub support_hours: Option<Hours>,
}

/// What a service offering promises at one moment, as it stands or as a standard service request overrides it (rule O2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferingTargets {
    /// For impact LOW.
    pub low: Promise,
    /// For impact MEDIUM.
    pub medium: Promise,
    /// For impact HIGH.
    pub high: Promise,
    /// For impact TOP.
    pub top: Promise,
    /// The hours in which downtime is measured (rule C10).
    pub service_hours: Option<Hours>,
}

/// What an offering promised from an instant on. A list of these is the offering's history as far as one
/// affected SLA has seen it: targets are frozen from the entry in force when the impact was assigned (rule C2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The first instant at which these targets were promised.
    pub from: DateTime<Utc>,
    /// The promises.
    pub targets: Arc<OfferingTargets>,
}

impl Impact {
    /// The impact on an instance above the failing one (rule C3): DOWN keeps it, DEGRADED turns TOP into HIGH
    /// and MEDIUM into LOW.
    pub fn seen_through(self, effect: Effect) -> Self {
        match (effect, self) {
            (Effect::Degraded, Self::Top) => Self::High,
            (Effect::Degraded, Self::Medium) => Self::Low,
            (_, impact) => impact,
        }
    }
}

impl TargetDuration {
    /// The promise as active time of a schedule. N business days are the active time up to the end of the Nth, so
    /// that pauses move that end as they move any other target (rules X8, X10); `None` where there is no target.
    pub fn allowance(self, schedule: Schedule<'_>, started_at: DateTime<Utc>) -> Option<TimeDelta> {
        match self {
            Self::Minutes(minutes) => Some(TimeDelta::minutes(i64::from(minutes))),
            Self::BusinessDays(days) => {
                let end = schedule.business_days(started_at, days)?;
                Some(schedule.active_between(started_at, end))
            }
            Self::BestEffort | Self::None => None,
        }
    }

    /// The kind without the figure.
    pub fn kind(self) -> TargetKind {
        match self {
            Self::Minutes(_) => TargetKind::Minutes,
            Self::BusinessDays(_) => TargetKind::BusinessDays,
            Self::BestEffort => TargetKind::BestEffort,
            Self::None => TargetKind::None,
        }
    }

    /// The figure of a target in minutes: the seed's `maximum_…_duration`.
    pub fn minutes(self) -> Option<u32> {
        if let Self::Minutes(minutes) = self { Some(minutes) } else { None }
    }

    /// The figure of a target in business days: the seed's `maximum_…_duration_in_days`.
    pub fn business_days(self) -> Option<u32> {
        if let Self::BusinessDays(days) = self { Some(days) } else { None }
    }
}

impl OfferingTargets {
    /// Rule O2: the targets of a standard service request, whatever the impact; in its own support hours, or where it
    /// names none in those of the offering.
    pub fn overridden(&self, by: &Promise) -> Self {
        let over = |own: &Promise| {
            let support_hours = by.support_hours.as_ref().or(own.support_hours.as_ref()).cloned();
            Promise { support_hours, ..by.clone() }
        };
        Self {
            low: over(&self.low),
            medium: over(&self.medium),
            high: over(&self.high),
            top: over(&self.top),
            service_hours: self.service_hours.clone(),
        }
    }

    /// The same promises measured in other support hours.
    pub fn in_hours(&self, hours: &Hours) -> Self {
        let measured = |promise: &Promise| Promise { support_hours: Some(hours.clone()), ..promise.clone() };
        Self {
            low: measured(&self.low),
            medium: measured(&self.medium),
            high: measured(&self.high),
            top: measured(&self.top),
            service_hours: self.service_hours.clone(),
        }
    }

    /// The promise for an impact.
    pub fn promise(&self, impact: Impact) -> &Promise {
        match impact {
            Impact::Low => &self.low,
            Impact::Medium => &self.medium,
            Impact::High => &self.high,
            Impact::Top => &self.top,
        }
    }
}
