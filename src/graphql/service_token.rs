//! ServiceToken: How an integration logs in. Its secret is shown once, when it is made.

mod write;

pub use write::*;

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, related, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::viewer::Permission;
use super::{
    AuditEntry, AuditEntryFilter, AuditEntryOrder, Person, RoleGrant, RoleGrantFilter, RoleGrantOrder, Tenant,
};
use crate::store;

entity!(ServiceToken over service_token);

filter! {
    /// Which service tokens. All conditions that are given must hold.
    ServiceTokenFilter over service_token {
        /// Its own id.
        id: IdFilter (ServiceToken) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Its name.
        name: StringFilter => NAME,
    }
}

order! {
    /// One part of the order of service tokens. Default: by name.
    ServiceTokenOrder by ServiceTokenOrderField over service_token {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// Its name.
        Name => NAME,
    } default: NAME Asc
}

object! {
    /// How an integration logs in. Its secret is shown once, when it is made.
    impl ServiceToken {
        /// What was written to it, the newest first. Needs `tenants:admin`: else it is null, with an error.
        audit_log: AuditEntry [AuditEntryFilter, AuditEntryOrder] under store::audit_entry::UNDER_OBJECT;
        /// The roles it was given, in the order in which they were given. Needs `tenants:admin`: else it is null, with an error.
        role_grants: RoleGrant [RoleGrantFilter, RoleGrantOrder] under store::role_grant::UNDER_SERVICE_TOKEN;
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

    /// The permissions it is narrowed to; null = all that its grants give.
    async fn scopes(&self, ctx: &Context<'_>) -> Result<Option<Vec<Permission>>> {
        let scopes = self.0.scopes.as_deref();
        Asking::of(ctx).tell_items(ctx, scopes.map_or(0, <[String]>::len))?;
        Ok(scopes.map(Permission::named))
    }

    /// When it ends; null = never.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(Into::into)
    }

    /// When it was revoked; null = not.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(Into::into)
    }

    /// When it was last used, or kept a socket open, to the minute; null = never.
    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used_at.map(Into::into)
    }

    /// Rises by one with each update.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last changed; `createdAt` until it is revoked.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }

    /// Who made it; null when not a person.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.created_by).await
    }
}

/// Reading service tokens.
#[derive(Default)]
pub struct ServiceTokenQuery;

root_fields! {
    impl ServiceTokenQuery {
        /// The service tokens of every tenant in which the viewer holds `tenants:admin`.
        service_tokens: ServiceToken [ServiceTokenFilter, ServiceTokenOrder];
    }

    /// The service token of an id; needs `tenants:admin`.
    async fn service_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<ServiceToken>> {
        lookup::<ServiceToken>(ctx, &id).await
    }
}
