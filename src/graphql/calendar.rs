//! Calendar: Hours of the week and holidays, in no zone of its own: whoever applies it says in which.

mod write;

pub use write::*;

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, Enum, ID, Result, SimpleObject};
use chrono::{TimeDelta, Utc};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::load::Loaders;
use super::node::{Entity, entity, lookup, required};
use super::page::{object, root_fields};
use super::scalar::{DateTime, LocalDateTime, LocalTime, TimeZone, written};
use super::{AuditEntry, AuditEntryFilter, AuditEntryOrder, Tenant};
use crate::clock::schedule::Schedule;
use crate::error::Error;
use crate::store;

entity!(Calendar over calendar);

filter! {
    /// Which calendars. All conditions that are given must hold.
    CalendarFilter over calendar {
        /// Its own id.
        id: IdFilter (Calendar) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Its name.
        name: StringFilter => NAME,
        /// The system it was imported from.
        source: StringFilter => SOURCE,
        /// Its id in that system.
        source_id: StringFilter => SOURCE_ID,
        /// When it was made.
        created_at: DateTimeFilter => CREATED_AT,
        /// When it was last updated.
        updated_at: DateTimeFilter => UPDATED_AT,
    }
}

order! {
    /// One part of the order of calendars. Default: by name.
    CalendarOrder by CalendarOrderField over calendar {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// Its name.
        Name => NAME,
        /// Its id in the system it was imported from, as text: `10` comes before `9`.
        SourceId => SOURCE_ID,
        /// When it was made.
        CreatedAt => CREATED_AT,
        /// When it was last updated.
        UpdatedAt => UPDATED_AT,
    } default: NAME Asc
}

object! {
    /// Hours of the week and holidays, in no zone of its own: whoever applies it says in which.
    impl Calendar {
        /// What was written to it, the newest first. Needs `tenants:admin`: else it is null, with an error.
        audit_log: AuditEntry [AuditEntryFilter, AuditEntryOrder] under store::audit_entry::UNDER_OBJECT;
    }

    /// Opaque and unique over all types.
    pub async fn id(&self) -> ID {
        self.global_id()
    }

    /// The key within its type: what other systems keep.
    async fn uuid(&self) -> Uuid {
        self.0.id
    }

    /// The tenant that owns it.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Tenant> {
        required::<Tenant>(ctx, self.0.tenant_id).await
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The hours that count, in the order of the week; several a day, and through midnight in two rows.
    async fn hours(&self, ctx: &Context<'_>) -> Result<Vec<CalendarHours>> {
        let rows = Asking::of(ctx).load(HoursOf(self.0.id)).await?.unwrap_or_default();
        Asking::of(ctx).tell_items(ctx, rows.hours.len())?;
        Ok(rows.hours.iter().map(CalendarHours::new).collect())
    }

    /// When the hours do not count, in the order of time.
    async fn holidays(&self, ctx: &Context<'_>) -> Result<Vec<Holiday>> {
        let rows = Asking::of(ctx).load(HoursOf(self.0.id)).await?.unwrap_or_default();
        Asking::of(ctx).tell_items(ctx, rows.holidays.len())?;
        Ok(rows.holidays.iter().map(Holiday::from).collect())
    }

    /// When an amount of its time is used up: exactly one of `seconds`, `minutes`, `businessDays`.
    async fn target_at(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From when.")] start: DateTime,
        #[graphql(desc = "Seconds of its hours, 0 or more.")] seconds: Option<i64>,
        #[graphql(desc = "Minutes of its hours, 0 or more.")] minutes: Option<i64>,
        #[graphql(desc = "Business days, 0 or more: the end of the hours of the Nth day that has any after the start's.")]
        business_days: Option<i64>,
        #[graphql(desc = "The zone that its hours are read in.")] time_zone: TimeZone,
    ) -> Result<TargetInstant> {
        let span = |amount: i64, seconds: i64| {
            let span = amount.checked_mul(seconds).filter(|span| (0..=LONGEST).contains(span));
            let sentence = "The amount must be 0 or more, and at most a hundred years.";
            span.map(TimeDelta::seconds).ok_or_else(|| Error::BadRequest(sentence.into()))
        };
        let amount = match (seconds, minutes, business_days) {
            (Some(amount), None, None) => Amount::Span(span(amount, 1)?),
            (None, Some(amount), None) => Amount::Span(span(amount, 60)?),
            (None, None, Some(days)) => {
                span(days, 24 * 60 * 60)?;
                Amount::BusinessDays(u32::try_from(days).unwrap_or(u32::MAX))
            }
            _ => return Err(Error::BadRequest("Pass exactly one of seconds, minutes and businessDays.".into()).into()),
        };
        let used_up = |schedule: Schedule<'_>| amount.used_up(schedule, start.0);
        let (target_at, breaches_at) = self.compute(ctx, time_zone, used_up).await?;
        Ok(TargetInstant { target_at: target_at.and_then(written), breaches_at: breaches_at.and_then(written) })
    }

    /// How many seconds of its hours lie between two instants; 0 when `to` is not after `from`.
    async fn seconds_between(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From when.")] from: DateTime,
        #[graphql(desc = "Until when.")] to: DateTime,
        #[graphql(desc = "The zone that its hours are read in.")] time_zone: TimeZone,
    ) -> Result<i32> {
        let seconds = |schedule: Schedule<'_>| schedule.active_between(from.0, to.0).num_seconds();
        int(self.compute(ctx, time_zone, seconds).await?)
    }

    /// How many whole minutes of its hours lie between two instants; 0 when `to` is not after `from`.
    async fn minutes_between(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From when.")] from: DateTime,
        #[graphql(desc = "Until when.")] to: DateTime,
        #[graphql(desc = "The zone that its hours are read in.")] time_zone: TimeZone,
    ) -> Result<i32> {
        let minutes = |schedule: Schedule<'_>| schedule.active_between(from.0, to.0).num_minutes();
        int(self.compute(ctx, time_zone, minutes).await?)
    }

    /// The system it was imported from; null when made here.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// Its id in that system; null when made here.
    async fn source_id(&self) -> Option<&str> {
        self.0.source_id.as_deref()
    }

    /// Rises by one with each update; send it as `expectedRevision` so as not to overwrite others.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last updated; `createdAt` until the first update.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }
}

/// Reading calendars.
#[derive(Default)]
pub struct CalendarQuery;

root_fields! {
    impl CalendarQuery {
        /// The calendars of every tenant in which the viewer holds `catalog:read`.
        calendars: Calendar [CalendarFilter, CalendarOrder];
    }

    /// The calendar of an id; needs any right in its tenant or in one below it.
    async fn calendar(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<Calendar>> {
        lookup::<Calendar>(ctx, &id).await
    }
}

/// The longest span that a target is computed for: a hundred years, in seconds.
const LONGEST: i64 = 100 * 366 * 24 * 60 * 60;

impl Calendar {
    /// Computes something by the calendar, read in a zone.
    async fn compute<T>(
        &self,
        ctx: &Context<'_>,
        zone: TimeZone,
        work: impl FnOnce(Schedule<'_>) -> T,
    ) -> Result<T> {
        let asking = Asking::of(ctx);
        let hours = asking.load(HoursOf(self.0.id)).await?.unwrap_or_default();
        let computed = || hours.rules().map(|rules| work(rules.in_zone(zone.0)));
        Ok(asking.compute(computed).await.map_err(Error::internal)?)
    }
}

/// An amount as clients read it, whose `Int` ends at 2³¹ − 1: some 68 years of seconds.
pub(super) fn int(amount: i64) -> Result<i32> {
    let sentence =
        "This is more than an Int can tell: ask for a shorter time, or for minutes instead of seconds.";
    i32::try_from(amount).map_err(|_| Error::BadRequest(sentence.into()).into())
}

/// An amount of a calendar's time.
#[derive(Clone, Copy)]
enum Amount {
    Span(TimeDelta),
    BusinessDays(u32),
}

impl Amount {
    /// When it is used up that begins to be used at an instant: the earliest such instant, and the last at which it is not
    /// exceeded.
    fn used_up(
        self,
        schedule: Schedule<'_>,
        start: chrono::DateTime<Utc>,
    ) -> (Option<chrono::DateTime<Utc>>, Option<chrono::DateTime<Utc>>) {
        match self {
            Self::Span(span) => (schedule.target_at(start, span), schedule.breaches_at(start, span)),
            Self::BusinessDays(days) => {
                let end = schedule.business_days(start, days);
                (end, end.and_then(|end| schedule.next_active(end)))
            }
        }
    }
}

/// When an amount of time is used up. Null where a calendar has no hours, or none within a hundred years, and beyond the
/// year 9999.
#[derive(SimpleObject)]
pub struct TargetInstant {
    /// The earliest instant at which it is used up: closing time when it is used up exactly then.
    target_at: Option<DateTime>,
    /// The last instant at which it is not exceeded: the next opening when it is used up exactly at closing time. What
    /// happens then is still in time.
    breaches_at: Option<DateTime>,
}

/// Hours of one weekday that count.
#[derive(SimpleObject)]
pub struct CalendarHours {
    /// The day.
    weekday: Weekday,
    /// From when.
    from: LocalTime,
    /// Until when; `24:00` is the end of the day.
    until: LocalTime,
}

impl CalendarHours {
    fn new(row: &store::calendar::HoursRow) -> Self {
        Self {
            weekday: Weekday::of(row.weekday),
            from: LocalTime(row.from_minute),
            until: LocalTime(row.until_minute),
        }
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    fn of(number: i16) -> Self {
        match number {
            1 => Self::Monday,
            2 => Self::Tuesday,
            3 => Self::Wednesday,
            4 => Self::Thursday,
            5 => Self::Friday,
            6 => Self::Saturday,
            _ => Self::Sunday,
        }
    }

    fn number(self) -> i16 {
        self as i16 + 1
    }
}

/// When the hours of a calendar do not count: a day, a part of one, or several.
#[derive(SimpleObject)]
pub struct Holiday {
    /// Its name.
    name: String,
    /// From when, on the wall of whoever applies the calendar.
    starts_at: LocalDateTime,
    /// Until when.
    ends_at: LocalDateTime,
}

impl From<&store::calendar::HolidayRow> for Holiday {
    fn from(row: &store::calendar::HolidayRow) -> Self {
        Self {
            name: row.name.clone(),
            starts_at: LocalDateTime(row.starts_at),
            ends_at: LocalDateTime(row.ends_at),
        }
    }
}

/// "The hours and holidays of this calendar."
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct HoursOf(pub(super) Uuid);

impl Loader<HoursOf> for Loaders {
    type Value = Arc<store::calendar::Hours>;
    type Error = Error;

    async fn load(&self, keys: &[HoursOf]) -> Result<HashMap<HoursOf, Self::Value>, Error> {
        let reach = self.reach_by_id::<store::calendar::Row>()?;
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let found = store::calendar::hours(&self.conn, &reach, &ids).await?;
        Ok(found.into_iter().map(|(id, hours)| (HoursOf(id), Arc::new(hours))).collect())
    }
}
