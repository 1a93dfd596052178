//! ServiceOffering: The conditions under which a service can be had: targets for each impact, in support hours.

mod write;

pub use write::*;

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::load::Loaders;
use super::node::{Entity, entity, lookup, related, required};
use super::page::{all_under, object, root_fields};
use super::scalar::{DateTime, TimeZone};
use super::word::{Impact, ServiceOfferingStatus, TargetKind};
use super::{
    Attainment, AttainmentBucket, AuditEntry, AuditEntryFilter, AuditEntryOrder, Calendar, Service, Sla,
    SlaFilter, SlaOrder, StandardServiceRequest, Tenant,
};
use crate::error::Error;
use crate::store::{self, word};

entity!(ServiceOffering over service_offering);

filter! {
    /// Which service offerings. All conditions that are given must hold.
    ServiceOfferingFilter over service_offering {
        /// Its own id.
        id: IdFilter (ServiceOffering) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Its name.
        name: StringFilter => NAME,
        /// Whether it can be had.
        status: ServiceOfferingStatusFilter => STATUS,
        /// The service it is an offering of.
        service: IdFilter (Service) => SERVICE,
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
    /// One part of the order of service offerings. Default: by name.
    ServiceOfferingOrder by ServiceOfferingOrderField over service_offering {
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
    /// The conditions under which a service can be had: targets for each impact, in support hours.
    impl ServiceOffering {
        /// The SLAs whose active version is of this offering, by name. Needs `slas:read`: else it is null, with an error.
        slas: Sla [SlaFilter, SlaOrder] under store::sla::UNDER_OFFERING;
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

    /// The service it is an offering of.
    async fn service(&self, ctx: &Context<'_>) -> Result<Service> {
        required::<Service>(ctx, self.0.service_id).await
    }

    /// Whether it can be had.
    async fn status(&self) -> ServiceOfferingStatus {
        self.0.status.into()
    }

    /// The zone in which its calendars are applied.
    async fn time_zone(&self) -> TimeZone {
        TimeZone::stored(&self.0.time_zone)
    }

    /// When the service is to be available; null = nothing is promised.
    async fn service_hours(&self, ctx: &Context<'_>) -> Result<Option<Calendar>> {
        related::<Calendar>(ctx, self.0.service_hours_id).await
    }

    /// The targets of each impact that has any, from LOW to TOP.
    async fn targets(&self, ctx: &Context<'_>) -> Result<Vec<OfferingTarget>> {
        let asking = Asking::of(ctx);
        let targets = asking.load(TargetsOf(self.0.id)).await?.unwrap_or_default();
        asking.tell_items(ctx, targets.len())?;
        Ok(targets.into_iter().map(OfferingTarget).collect())
    }

    /// Frequent wishes with targets of their own, by name.
    async fn standard_service_requests(&self, ctx: &Context<'_>) -> Result<Vec<StandardServiceRequest>> {
        let order = vec![store::page::Sort { key: &store::standard_service_request::key::NAME, descending: false }];
        all_under::<StandardServiceRequest>(ctx, self.parent(), store::standard_service_request::UNDER_OFFERING, order).await
    }

    /// How the promises made of it turned out, in whatever SLA, whose clocks started in a period: a clock counts where it
    /// started, in its final state, of the tenants in which the viewer holds `affected-slas:read`. Needs
    /// `affected-slas:read`: else it is null, with an error.
    async fn attainment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first instant of the period.")] from: DateTime,
        #[graphql(desc = "The instant after its last one.")] to: DateTime,
        #[graphql(desc = "What to cut it into, at most 400 parts; null = it is not cut.")] by: Option<AttainmentBucket>,
        #[graphql(desc = "The zone in whose days, weeks and months it is cut; null = that of the tenant.")]
        time_zone: Option<TimeZone>,
    ) -> Result<Option<Attainment>> {
        let of = (store::attainment::Of::ServiceOffering, self.parent());
        Ok(Some(Attainment::of(ctx, of, (from, to), by, time_zone)?))
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

/// Reading service offerings.
#[derive(Default)]
pub struct ServiceOfferingQuery;

root_fields! {
    impl ServiceOfferingQuery {
        /// The service offerings of every tenant in which the viewer holds `catalog:read`.
        service_offerings: ServiceOffering [ServiceOfferingFilter, ServiceOfferingOrder];
    }

    /// The service offering of an id; needs any right in its tenant or in one below it.
    async fn service_offering(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<ServiceOffering>> {
        lookup::<ServiceOffering>(ctx, &id).await
    }
}

/// What an offering promises for one impact.
pub struct OfferingTarget(store::service_offering::Target);

/// What an offering promises for one impact.
#[Object]
impl OfferingTarget {
    /// The impact.
    async fn impact(&self) -> Impact {
        self.0.impact.into()
    }

    /// The time to respond.
    async fn response(&self) -> TargetDuration {
        TargetDuration::new(self.0.response_kind, self.0.response_amount)
    }

    /// The time to resolve.
    async fn resolution(&self) -> TargetDuration {
        TargetDuration::new(self.0.resolution_kind, self.0.resolution_amount)
    }

    /// The hours that count. Where it is null, which a target made here cannot be in minutes or business days, such a
    /// target is none.
    async fn support_hours(&self, ctx: &Context<'_>) -> Result<Option<Calendar>> {
        related::<Calendar>(ctx, self.0.support_hours_id).await
    }
}

/// A time to do something in: minutes of support hours, or business days, or none that could be missed.
#[derive(SimpleObject)]
pub struct TargetDuration {
    /// What it is measured in.
    kind: TargetKind,
    /// How many minutes of support hours; null where the kind is another.
    minutes: Option<i32>,
    /// How many business days; null where the kind is another.
    business_days: Option<i32>,
}

impl TargetDuration {
    pub(super) fn new(kind: word::TargetKind, amount: Option<i32>) -> Self {
        Self {
            kind: kind.into(),
            minutes: amount.filter(|_| kind == word::TargetKind::Minutes),
            business_days: amount.filter(|_| kind == word::TargetKind::BusinessDays),
        }
    }
}

/// "The targets of this offering."
#[derive(Clone, PartialEq, Eq, Hash)]
struct TargetsOf(Uuid);

impl Loader<TargetsOf> for Loaders {
    type Value = Vec<store::service_offering::Target>;
    type Error = Error;

    async fn load(&self, keys: &[TargetsOf]) -> Result<HashMap<TargetsOf, Self::Value>, Error> {
        let reach = self.reach_by_id::<store::service_offering::Row>()?;
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let found = store::service_offering::targets(&self.conn, &reach, &ids).await?;
        Ok(found.into_iter().map(|(id, targets)| (TargetsOf(id), targets)).collect())
    }
}
