//! RoleGrant: A role given in a tenant, and so in all tenants below it, to a person or a service token.

mod write;

pub use write::*;

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, related, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::{AuditEntry, AuditEntryFilter, AuditEntryOrder, Person, Role, ServiceToken, Tenant};

entity!(RoleGrant over role_grant);

filter! {
    /// Which grants. All conditions that are given must hold.
    RoleGrantFilter over role_grant {
        /// Its own id.
        id: IdFilter (RoleGrant) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// To whom.
        person: IdFilter (Person) => PERSON,
        /// To which service token.
        service_token: IdFilter (ServiceToken) => SERVICE_TOKEN,
        /// What was given.
        role: IdFilter (Role) => ROLE,
    }
}

order! {
    /// One part of the order of grants. Default: in the order in which they were given.
    RoleGrantOrder by RoleGrantOrderField over role_grant {
        /// Its id: in the order in which they were made.
        Id => ID,
    } default: ID Asc
}

object! {
    /// A role given in a tenant, and so in all tenants below it, to a person or a service token.
    impl RoleGrant {
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

    /// The tenant it is given in; it holds in all tenants below too.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Tenant> {
        required::<Tenant>(ctx, self.0.tenant_id).await
    }

    /// What was given.
    async fn role(&self, ctx: &Context<'_>) -> Result<Role> {
        required::<Role>(ctx, self.0.role_id).await
    }

    /// To whom; null when to a service token.
    async fn person(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.person_id).await
    }

    /// To which service token; null when to a person.
    async fn service_token(&self, ctx: &Context<'_>) -> Result<Option<ServiceToken>> {
        related::<ServiceToken>(ctx, self.0.service_token_id).await
    }

    /// When it was given.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// Who gave it; null when not a person.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.created_by).await
    }
}

/// Reading grants.
#[derive(Default)]
pub struct RoleGrantQuery;

root_fields! {
    impl RoleGrantQuery {
        /// The grants of every tenant in which the viewer holds `tenants:admin`.
        role_grants: RoleGrant [RoleGrantFilter, RoleGrantOrder];
    }

    /// The grant of an id; needs `tenants:admin`.
    async fn role_grant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<RoleGrant>> {
        lookup::<RoleGrant>(ctx, &id).await
    }
}
