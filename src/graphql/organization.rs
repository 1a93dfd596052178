//! Organization: A company or a part of one: a customer, a provider, a supplier.

mod write;

pub use write::*;

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, related, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::{
    AuditEntry, AuditEntryFilter, AuditEntryOrder, Person, PersonFilter, PersonOrder, Sla, SlaFilter,
    SlaOrder, Tenant,
};
use crate::store;

entity!(Organization over organization);

filter! {
    /// Which organizations. All conditions that are given must hold.
    OrganizationFilter over organization {
        /// Its own id.
        id: IdFilter (Organization) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Its name.
        name: StringFilter => NAME,
        /// The organization it is part of.
        parent: IdFilter (Organization) => PARENT,
        /// Whether it is another company.
        external: BooleanFilter => EXTERNAL,
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
    /// One part of the order of organizations. Default: by name.
    OrganizationOrder by OrganizationOrderField over organization {
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
    /// A company or a part of one: a customer, a provider, a supplier.
    impl Organization {
        /// Its parts, by name. Needs `catalog:read`: else it is null, with an error.
        children: Organization [OrganizationFilter, OrganizationOrder] under store::organization::UNDER_PARENT;
        /// Its people, by last name. Needs `catalog:read`: else it is null, with an error.
        people: Person [PersonFilter, PersonOrder] under store::person::UNDER_ORGANIZATION;
        /// The SLAs it pays for, by name. Needs `slas:read`: else it is null, with an error.
        slas: Sla [SlaFilter, SlaOrder] under store::sla::UNDER_CUSTOMER;
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

    /// Whether it is another company: only such a provider is named as the supplier of an affected SLA.
    async fn external(&self) -> bool {
        self.0.external
    }

    /// The organization it is part of; null when of none.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        related::<Organization>(ctx, self.0.parent_id).await
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

/// Reading organizations.
#[derive(Default)]
pub struct OrganizationQuery;

root_fields! {
    impl OrganizationQuery {
        /// The organizations of every tenant in which the viewer holds `catalog:read`.
        organizations: Organization [OrganizationFilter, OrganizationOrder];
    }

    /// The organization of an id; needs any right in its tenant or in one below it.
    async fn organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<Organization>> {
        lookup::<Organization>(ctx, &id).await
    }
}
