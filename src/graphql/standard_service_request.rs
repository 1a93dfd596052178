//! StandardServiceRequest: A frequent wish, for which an offering has targets of its own whatever the impact.

mod write;

pub use write::*;

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, related, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::service_offering::TargetDuration;
use super::{AuditEntry, AuditEntryFilter, AuditEntryOrder, Calendar, ServiceOffering, Tenant};

entity!(StandardServiceRequest over standard_service_request);

filter! {
    /// Which standard service requests. All conditions that are given must hold.
    StandardServiceRequestFilter over standard_service_request {
        /// Its own id.
        id: IdFilter (StandardServiceRequest) => ID,
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
    /// One part of the order of standard service requests. Default: by name.
    StandardServiceRequestOrder by StandardServiceRequestOrderField over standard_service_request {
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
    /// A frequent wish, for which an offering has targets of its own whatever the impact.
    impl StandardServiceRequest {
        /// What was written to it, the newest first. Needs `tenants:admin`: else it is null, with an error.
        audit_log: AuditEntry [AuditEntryFilter, AuditEntryOrder] under crate::store::audit_entry::UNDER_OBJECT;
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

    /// The offering it belongs to.
    async fn service_offering(&self, ctx: &Context<'_>) -> Result<ServiceOffering> {
        required::<ServiceOffering>(ctx, self.0.service_offering_id).await
    }

    /// The time to respond.
    async fn response(&self) -> TargetDuration {
        TargetDuration::new(self.0.response_kind, self.0.response_amount)
    }

    /// The time to resolve.
    async fn resolution(&self) -> TargetDuration {
        TargetDuration::new(self.0.resolution_kind, self.0.resolution_amount)
    }

    /// The hours that count; null = those of the offering's target for the impact. Where that has none either, a target in
    /// minutes or business days is none.
    async fn support_hours(&self, ctx: &Context<'_>) -> Result<Option<Calendar>> {
        related::<Calendar>(ctx, self.0.support_hours_id).await
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

/// Reading standard service requests.
#[derive(Default)]
pub struct StandardServiceRequestQuery;

root_fields! {
    impl StandardServiceRequestQuery {
        /// The standard service requests of every tenant in which the viewer holds `catalog:read`.
        standard_service_requests: StandardServiceRequest [StandardServiceRequestFilter, StandardServiceRequestOrder];
    }

    /// The standard service request of an id; needs any right in its tenant or in one below it.
    async fn standard_service_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<StandardServiceRequest>> {
        lookup::<StandardServiceRequest>(ctx, &id).await
    }
}
