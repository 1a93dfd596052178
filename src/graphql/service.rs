//! Service: What a provider offers to customers.

mod write;

pub use write::*;

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::{
    AuditEntry, AuditEntryFilter, AuditEntryOrder, Organization, ServiceInstance, ServiceInstanceFilter,
    ServiceInstanceOrder, ServiceOffering, ServiceOfferingFilter, ServiceOfferingOrder, Tenant,
};
use crate::store;

entity!(Service over service);

filter! {
    /// Which services. All conditions that are given must hold.
    ServiceFilter over service {
        /// Its own id.
        id: IdFilter (Service) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Its name.
        name: StringFilter => NAME,
        /// The organization that provides it.
        provider: IdFilter (Organization) => PROVIDER,
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
    /// One part of the order of services. Default: by name.
    ServiceOrder by ServiceOrderField over service {
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
    /// What a provider offers to customers.
    impl Service {
        /// The conditions it can be had under, by name. Needs `catalog:read`: else it is null, with an error.
        service_offerings: ServiceOffering [ServiceOfferingFilter, ServiceOfferingOrder] under store::service_offering::UNDER_SERVICE;
        /// Its running pieces, by name. Needs `catalog:read`: else it is null, with an error.
        service_instances: ServiceInstance [ServiceInstanceFilter, ServiceInstanceOrder] under store::service_instance::UNDER_SERVICE;
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

    /// The organization that provides it.
    async fn provider(&self, ctx: &Context<'_>) -> Result<Organization> {
        required::<Organization>(ctx, self.0.provider_id).await
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

/// Reading services.
#[derive(Default)]
pub struct ServiceQuery;

root_fields! {
    impl ServiceQuery {
        /// The services of every tenant in which the viewer holds `catalog:read`.
        services: Service [ServiceFilter, ServiceOrder];
    }

    /// The service of an id; needs any right in its tenant or in one below it.
    async fn service(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<Service>> {
        lookup::<Service>(ctx, &id).await
    }
}
