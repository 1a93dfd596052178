//! SlaLimit: A budget of hours of a project per week or month. When it is used up, a breach of kind LIMIT is recorded and the contact is told.

mod write;

pub use write::*;

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, ID, Result, SimpleObject};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::load::Loaders;
use super::node::{Entity, entity, lookup, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::word::{ContactType, SlaLimitTimePeriod};
use super::{
    AuditEntry, AuditEntryFilter, AuditEntryOrder, Breach, BreachFilter, BreachOrder, LimitNotification,
    LimitNotificationFilter, LimitNotificationOrder, Project, Tenant,
};
use crate::error::Error;
use crate::store;

entity!(SlaLimit over sla_limit);

filter! {
    /// Which limits. All conditions that are given must hold.
    SlaLimitFilter over sla_limit {
        /// Its own id.
        id: IdFilter (SlaLimit) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// The project whose hours count.
        project: IdFilter (Project) => PROJECT,
        /// How many hours.
        time_limit_in_hours: IntFilter => TIME_LIMIT_IN_HOURS,
        /// Per week or per month.
        time_period: SlaLimitTimePeriodFilter => TIME_PERIOD,
        /// How the contact is told.
        contact_type: ContactTypeFilter => CONTACT_TYPE,
        /// The address of who is told.
        contact: StringFilter => CONTACT,
        /// Whether it is not evaluated now.
        deactivated_until_next_period: BooleanFilter => DEACTIVATED,
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
    /// One part of the order of limits. Default: by id, in the order in which they were made.
    SlaLimitOrder by SlaLimitOrderField over sla_limit {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// The id of the project.
        Project => PROJECT,
        /// How many hours.
        TimeLimitInHours => TIME_LIMIT_IN_HOURS,
        /// Per week or per month, as a word.
        TimePeriod => TIME_PERIOD,
        /// How the contact is told, as a word.
        ContactType => CONTACT_TYPE,
        /// The address of who is told.
        Contact => CONTACT,
        /// Whether it is not evaluated now.
        DeactivatedUntilNextPeriod => DEACTIVATED,
        /// Its id in the system it was imported from, as text: `10` comes before `9`.
        SourceId => SOURCE_ID,
        /// When it was made.
        CreatedAt => CREATED_AT,
        /// When it was last updated.
        UpdatedAt => UPDATED_AT,
    } default: ID Asc
}

object! {
    /// A budget of hours of a project per week or month. When it is used up, a breach of kind LIMIT is recorded and
    /// the contact is told: of every period in which time is logged, but of none that had ended before the limit was made.
    impl SlaLimit {
        /// Its records of the breach log, the newest first. Needs `breaches:read`: else it is null, with an error.
        breaches: Breach [BreachFilter, BreachOrder] under store::breach::UNDER_LIMIT;
        /// What was written to it, the newest first. Needs `tenants:admin`: else it is null, with an error.
        audit_log: AuditEntry [AuditEntryFilter, AuditEntryOrder] under store::audit_entry::UNDER_OBJECT;
        /// The messages to its contact, the newest first: one for each period in which it was reached. Needs
        /// `service-level-agreement-limits:read`: else it is null, with an error.
        notifications: LimitNotification [LimitNotificationFilter, LimitNotificationOrder] under store::limit_notification::UNDER_LIMIT;
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

    /// The project whose hours count.
    async fn project(&self, ctx: &Context<'_>) -> Result<Project> {
        required::<Project>(ctx, self.0.project_id).await
    }

    /// How many hours, at least 1.
    async fn time_limit_in_hours(&self) -> i32 {
        self.0.time_limit_in_hours
    }

    /// Per week or per month.
    async fn time_period(&self) -> SlaLimitTimePeriod {
        self.0.time_period.into()
    }

    /// How the contact is told.
    async fn contact_type(&self) -> ContactType {
        self.0.contact_type.into()
    }

    /// The e-mail address of who is told.
    async fn contact(&self) -> &str {
        &self.0.contact
    }

    /// Only hours of these categories count.
    async fn categories(&self, ctx: &Context<'_>) -> Result<&[String]> {
        Asking::of(ctx).tell_items(ctx, self.0.categories.len())?;
        Ok(&self.0.categories)
    }

    /// Whether it is not evaluated until the current period ends; then it reads false again.
    async fn deactivated_until_next_period(&self, ctx: &Context<'_>) -> bool {
        self.0.deactivated_until.is_some_and(|until| until > Asking::of(ctx).now())
    }

    /// The hours of the current period so far.
    async fn consumption(&self, ctx: &Context<'_>) -> Result<LimitConsumption> {
        LimitConsumption::of(ctx, &self.0).await
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

/// Reading limits.
#[derive(Default)]
pub struct SlaLimitQuery;

root_fields! {
    impl SlaLimitQuery {
        /// The limits of every tenant in which the viewer holds `service-level-agreement-limits:access`.
        sla_limits: SlaLimit [SlaLimitFilter, SlaLimitOrder];
    }

    /// The limit of an id; needs `service-level-agreement-limits:read`.
    async fn sla_limit(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<SlaLimit>> {
        lookup::<SlaLimit>(ctx, &id).await
    }
}

/// The hours of a limit's current period.
#[derive(SimpleObject)]
pub struct LimitConsumption {
    /// When the period began.
    period_start: DateTime,
    /// When it ends.
    period_end: DateTime,
    /// Hours logged in it so far, of the limit's categories; an entry across its start counts from there.
    hours: f64,
    /// The share of the limit that is used up: 1 = all of it.
    share: f64,
    /// Whether the limit is reached.
    reached: bool,
}

impl LimitConsumption {
    async fn of(ctx: &Context<'_>, limit: &store::sla_limit::Row) -> Result<Self> {
        let asking = Asking::of(ctx);
        let found = asking.load(ConsumptionOf(limit.id)).await?.ok_or(Error::NotFound("limit"))?;
        let budget = f64::from(limit.time_limit_in_hours);
        Ok(Self {
            period_start: found.period_start.into(),
            period_end: found.period_end.into(),
            hours: found.hours,
            share: found.hours / budget,
            reached: found.hours >= budget,
        })
    }
}

/// "What is used up of this limit."
#[derive(Clone, PartialEq, Eq, Hash)]
struct ConsumptionOf(Uuid);

impl Loader<ConsumptionOf> for Loaders {
    type Value = store::sla_limit::Consumption;
    type Error = Error;

    async fn load(&self, keys: &[ConsumptionOf]) -> Result<HashMap<ConsumptionOf, Self::Value>, Error> {
        // Such a question comes of a limit that was shown, be it in a list, which takes another right than one by its id.
        let reach = self.viewer.as_ref().ok_or(Error::Unauthenticated)?.reach_any();
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let found = store::sla_limit::consumption(&self.conn, &reach, &ids).await?;
        Ok(found.into_iter().map(|(id, consumption)| (ConsumptionOf(id), consumption)).collect())
    }
}
