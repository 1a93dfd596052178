//! Role: A named set of permissions.

mod write;

pub use write::*;

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::viewer::Permission;
use super::{
    AuditEntry, AuditEntryFilter, AuditEntryOrder, RoleGrant, RoleGrantFilter, RoleGrantOrder, Tenant,
};
use crate::store;

entity!(Role over role);

filter! {
    /// Which roles. All conditions that are given must hold.
    RoleFilter over role {
        /// Its own id.
        id: IdFilter (Role) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Its name.
        name: StringFilter => NAME,
    }
}

order! {
    /// One part of the order of roles. Default: by name.
    RoleOrder by RoleOrderField over role {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// Its name.
        Name => NAME,
    } default: NAME Asc
}

object! {
    /// A named set of permissions.
    impl Role {
        /// To whom it was given, in the order in which it was given. Needs `tenants:admin`: else it is null, with an error.
        role_grants: RoleGrant [RoleGrantFilter, RoleGrantOrder] under store::role_grant::UNDER_ROLE;
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

    /// Its name, unique within the tenant.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What whoever is granted it may do.
    async fn permissions(&self, ctx: &Context<'_>) -> Result<Vec<Permission>> {
        Asking::of(ctx).tell_items(ctx, self.0.permissions.len())?;
        Ok(Permission::named(&self.0.permissions))
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

/// Reading roles.
#[derive(Default)]
pub struct RoleQuery;

root_fields! {
    impl RoleQuery {
        /// The roles of every tenant in which the viewer holds `tenants:admin`.
        roles: Role [RoleFilter, RoleOrder];
    }

    /// The role of an id; needs `tenants:admin`.
    async fn role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<Role>> {
        lookup::<Role>(ctx, &id).await
    }
}
