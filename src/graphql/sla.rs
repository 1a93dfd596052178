//! Sla: A promise of a tenant, as seen at the moment of reading. What is promised stands in its versions, of which one is active.

mod input;
mod write;

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, ID, Result};
use chrono::Utc;
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::load::Loaders;
use super::node::{Entity, entity, lookup, related, required, through};
use super::page::{object, root_fields};
use super::scalar::{Date, DateTime, TimeZone};
use super::word::{SlaCoverage, SlaKind, SlaStatus};
use super::{
    AffectedSla, AffectedSlaFilter, AffectedSlaOrder, Attainment, AttainmentBucket, AuditEntry,
    AuditEntryFilter, AuditEntryOrder, Breach, BreachFilter, BreachOrder, Organization, Person,
    ServiceInstance, ServiceOffering, SlaActivation, SlaActivationFilter, SlaActivationOrder, SlaVersion,
    SlaVersionFilter, SlaVersionOrder, Tenant, TermChange, term_change,
};
use crate::error::Error;
use crate::store;

pub use input::*;
pub use write::*;

entity!(Sla over sla);

filter! {
    /// Which SLAs. All conditions that are given must hold.
    SlaFilter over sla {
        /// Its own id.
        id: IdFilter (Sla) => ID,
        /// The tenant that owns it; of one above, what it shares. `eq` and `in` answer `NOT_FOUND` for a tenant that the
        /// viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Its name.
        name: StringFilter => NAME,
        /// What it is about.
        description: StringFilter => DESCRIPTION,
        /// Which world its terms come from.
        kind: SlaKindFilter => KIND,
        /// Whether tenants below use it too.
        shared: BooleanFilter => SHARED,
        /// The switch.
        active: BooleanFilter => ACTIVE,
        /// The stage of its lifecycle now.
        status: SlaStatusFilter => STATUS,
        /// The offering of the active version.
        service_offering: IdFilter (ServiceOffering) => SERVICE_OFFERING,
        /// The instance of the active version.
        service_instance: IdFilter (ServiceInstance) => SERVICE_INSTANCE,
        /// How the active version selects the people it covers.
        coverage: SlaCoverageFilter => COVERAGE,
        /// Who pays for it.
        customer: IdFilter (Organization) => CUSTOMER,
        /// Who manages it for the provider.
        service_level_manager: IdFilter (Person) => SERVICE_LEVEL_MANAGER,
        /// The first day it is active.
        start_date: DateFilter => START_DATE,
        /// The last day on which it can be terminated.
        notice_date: DateFilter => NOTICE_DATE,
        /// The last day it is active.
        expiry_date: DateFilter => EXPIRY_DATE,
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
    /// One part of the order of SLAs. Default: by name.
    SlaOrder by SlaOrderField over sla {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// Its name.
        Name => NAME,
        /// The stage of its lifecycle now, as a word.
        Status => STATUS,
        /// The name of the offering of the active version.
        ServiceOffering => SERVICE_OFFERING_NAME,
        /// The first day it is active.
        StartDate => START_DATE,
        /// The last day it is active.
        ExpiryDate => EXPIRY_DATE,
        /// Its id in the system it was imported from, as text: `10` comes before `9`.
        SourceId => SOURCE_ID,
        /// When it was made.
        CreatedAt => CREATED_AT,
        /// When it was last updated.
        UpdatedAt => UPDATED_AT,
    } default: NAME Asc
}

object! {
    /// A promise of a tenant, as seen at the moment of reading. What is promised stands in its versions, of which one
    /// is active.
    impl Sla {
        /// Its versions, the newest first. Needs `slas:read`: else it is null, with an error.
        versions: SlaVersion [SlaVersionFilter, SlaVersionOrder] under store::sla_version::UNDER_SLA;
        /// When which version was put in force, and by whom; the latest first. Needs `slas:read`: else it is null, with an error.
        activations: SlaActivation [SlaActivationFilter, SlaActivationOrder] under store::sla_activation::UNDER_SLA;
        /// The clocks it started, the newest first. Needs `affected-slas:read`: else it is null, with an error.
        affected_slas: AffectedSla [AffectedSlaFilter, AffectedSlaOrder] under store::affected_sla::UNDER_SLA;
        /// Its records of the breach log, the newest first. Needs `breaches:read`: else it is null, with an error.
        breaches: Breach [BreachFilter, BreachOrder] under store::breach::UNDER_SLA;
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

    /// The tenant that owns it: one that the viewer may read, or one above it that shares it.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Tenant> {
        required::<Tenant>(ctx, self.0.tenant_id).await
    }

    /// Which world its terms come from.
    async fn kind(&self) -> SlaKind {
        self.0.kind.into()
    }

    /// Its name, at most 160 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is about.
    async fn description(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        Ok(Asking::of(ctx).long(self.0.description.as_deref())?)
    }

    /// Whether all tenants below its own use it too. Cannot be turned off again.
    async fn shared(&self) -> bool {
        self.0.shared
    }

    /// The switch: only an SLA that is both `active` and of status `ACTIVE` starts clocks.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// The stage of its lifecycle now: right at the moment of reading, by the dates in its tenant's time zone.
    async fn status(&self, ctx: &Context<'_>) -> Result<SlaStatus> {
        let asking = Asking::of(ctx);
        let zone = asking.viewer()?.place(self.0.tenant_id).map_or(chrono_tz::UTC, |place| place.time_zone);
        Ok(self.0.status_at(asking.now(), zone).into())
    }

    /// The version in force.
    async fn active_version(&self, ctx: &Context<'_>) -> Result<SlaVersion> {
        required::<SlaVersion>(ctx, self.0.active_version_id).await
    }

    /// The version that was in force at an instant; null before the first. Needs `slas:read`: else it is null, with an error.
    async fn version_at(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The instant.")] at: DateTime,
    ) -> Result<Option<SlaVersion>> {
        let version = Asking::of(ctx).load(InForceAt(self.0.root_id, self.0.id, at.0)).await?;
        related::<SlaVersion>(ctx, version).await
    }

    /// What changes from one of its versions to another: what each says that the other does not. Empty when both promise
    /// the same. Needs `slas:read`: else it is null, with an error.
    async fn diff(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The version to begin with, one of this SLA; global id or bare UUID.")] from: ID,
        #[graphql(desc = "The version to compare it with, one of this SLA; global id or bare UUID.")] to: ID,
    ) -> Result<Option<Vec<TermChange>>> {
        Ok(Some(term_change::changes(ctx, self.0.id, &from, &to).await?))
    }

    /// The offering of the active version; null unless it has service terms.
    async fn service_offering(&self, ctx: &Context<'_>) -> Result<Option<ServiceOffering>> {
        let version = through::<SlaVersion>(ctx, self.0.active_version_id, "serviceOffering").await?;
        related::<ServiceOffering>(ctx, version.row().service_offering_id).await
    }

    /// The service instance of the active version; null unless it has service terms that name one.
    async fn service_instance(&self, ctx: &Context<'_>) -> Result<Option<ServiceInstance>> {
        let version = through::<SlaVersion>(ctx, self.0.active_version_id, "serviceInstance").await?;
        related::<ServiceInstance>(ctx, version.row().service_instance_id).await
    }

    /// How the active version selects the people it covers; null unless it has service terms that say so.
    async fn coverage(&self, ctx: &Context<'_>) -> Result<Option<SlaCoverage>> {
        let version = through::<SlaVersion>(ctx, self.0.active_version_id, "coverage").await?;
        Ok(version.row().coverage.map(Into::into))
    }

    /// The organization that pays for it; never null with service terms.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        related::<Organization>(ctx, self.0.customer_id).await
    }

    /// Who speaks for the customer.
    async fn customer_rep(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.customer_rep_id).await
    }

    /// Who manages it for the provider.
    async fn service_level_manager(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.service_level_manager_id).await
    }

    /// The first day it is active; null = from the beginning.
    async fn start_date(&self) -> Option<Date> {
        self.0.start_date.map(Into::into)
    }

    /// The last day on which it can be terminated so that it ends on its expiry date.
    async fn notice_date(&self) -> Option<Date> {
        self.0.notice_date.map(Into::into)
    }

    /// The last day it is active; null = without end.
    async fn expiry_date(&self) -> Option<Date> {
        self.0.expiry_date.map(Into::into)
    }

    /// How its promises turned out whose clocks started in a period: a clock counts where it started, in its final state,
    /// of the tenants in which the viewer holds `affected-slas:read`. Needs `affected-slas:read`: else it is null, with an
    /// error.
    async fn attainment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first instant of the period.")] from: DateTime,
        #[graphql(desc = "The instant after its last one.")] to: DateTime,
        #[graphql(desc = "What to cut it into, at most 400 parts; null = it is not cut.")] by: Option<AttainmentBucket>,
        #[graphql(desc = "The zone in whose days, weeks and months it is cut; null = that of the tenant.")]
        time_zone: Option<TimeZone>,
    ) -> Result<Option<Attainment>> {
        let of = (store::attainment::Of::Sla, self.parent());
        Ok(Some(Attainment::of(ctx, of, (from, to), by, time_zone)?))
    }

    /// Anything else worth knowing, at most 64 KiB.
    async fn remarks(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        Ok(Asking::of(ctx).long(self.0.remarks.as_deref())?)
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

    /// Who made it; null when an integration did, or somebody whom the viewer may not see.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.created_by).await
    }

    /// Their first and last name; null when an integration did it, or somebody whom the viewer may not see.
    async fn created_by_name(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(related::<Person>(ctx, self.0.created_by).await?.map(|person| person.row().name()))
    }

    /// When it was last updated; `createdAt` until the first update.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }

    /// Who last updated it; who made it until the first update.
    async fn updated_by(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.updated_by).await
    }

    /// Their first and last name; null when an integration did it, or somebody whom the viewer may not see.
    async fn updated_by_name(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(related::<Person>(ctx, self.0.updated_by).await?.map(|person| person.row().name()))
    }
}

/// Reading SLAs.
#[derive(Default)]
pub struct SlaQuery;

root_fields! {
    impl SlaQuery {
        /// The SLAs of every tenant in which the viewer holds `slas:read`, and those shared with them from above, by
        /// name.
        slas: Sla [SlaFilter, SlaOrder];
    }

    /// The SLA of an id; needs `slas:read`.
    async fn sla(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<Sla>> {
        lookup::<Sla>(ctx, &id).await
    }
}

/// "The version of this SLA (root, key) that was in force at this instant."
#[derive(Clone, PartialEq, Eq, Hash)]
struct InForceAt(Uuid, Uuid, chrono::DateTime<Utc>);

impl Loader<InForceAt> for Loaders {
    type Value = Uuid;
    type Error = Error;

    async fn load(&self, keys: &[InForceAt]) -> Result<HashMap<InForceAt, Uuid>, Error> {
        let reach = self.reach_by_id::<store::sla::Row>()?;
        let asked: Vec<_> = keys.iter().map(|InForceAt(root, sla, at)| (*root, *sla, *at)).collect();
        let found = store::sla_version::in_force_at(&self.conn, &reach, &asked).await?;
        Ok(found
            .into_iter()
            .filter_map(|(place, version)| Some((keys.get(place)?.clone(), version)))
            .collect())
    }
}
