//! AuditEntry: What was written: by whom, when, what was there before and after.

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, related, required};
use super::page::{object, root_fields};
use super::scalar::{DateTime};
use super::{Person, Tenant};

entity!(AuditEntry over audit_entry);

filter! {
    /// Which entries of the audit log. All conditions that are given must hold.
    AuditEntryFilter over audit_entry {
        /// Its own id.
        id: IdFilter (AuditEntry) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// When.
        at: DateTimeFilter => AT,
        /// The mutation.
        action: StringFilter => ACTION,
    }
}

order! {
    /// One part of the order of entries of the audit log. Default: the newest first.
    AuditEntryOrder by AuditEntryOrderField over audit_entry {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// When.
        At => AT,
    } default: ID Desc
}

object! {
    /// What was written: by whom, when, what was there before and after.
    impl AuditEntry {
    }

    /// Opaque and unique over all types.
    pub async fn id(&self) -> ID {
        self.global_id()
    }

    /// The tenant that was written in.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Tenant> {
        required::<Tenant>(ctx, self.0.tenant_id).await
    }

    /// When.
    async fn at(&self) -> DateTime {
        self.0.at.into()
    }

    /// The person who did it; null for an integration.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.actor_person_id).await
    }

    /// The name of the person or integration at that time.
    async fn actor_name(&self) -> &str {
        &self.0.actor_name
    }

    /// The mutation.
    async fn action(&self) -> &str {
        &self.0.action
    }

    /// The type of the object.
    async fn object_type(&self) -> &str {
        &self.0.object_type
    }

    /// The key of the object, which may be gone.
    async fn object_uuid(&self) -> Uuid {
        self.0.object_id
    }

    /// The object before, as JSON; null when it was made.
    async fn before(&self, ctx: &Context<'_>) -> Result<Option<&serde_json::Value>> {
        long(ctx, self.0.before.as_ref())
    }

    /// The object after, as JSON; null when it was deleted.
    async fn after(&self, ctx: &Context<'_>) -> Result<Option<&serde_json::Value>> {
        long(ctx, self.0.after.as_ref())
    }
}

/// An object as it was, which holds whatever texts it had.
fn long<'a>(ctx: &Context<'_>, object: Option<&'a serde_json::Value>) -> Result<Option<&'a serde_json::Value>> {
    Asking::of(ctx).tell_long(object.map_or(0, |object| object.to_string().len()))?;
    Ok(object)
}

/// Reading entries of the audit log.
#[derive(Default)]
pub struct AuditEntryQuery;

root_fields! {
    impl AuditEntryQuery {
        /// The entries of the audit log of every tenant in which the viewer holds `tenants:admin`.
        audit_log: AuditEntry [AuditEntryFilter, AuditEntryOrder];
    }

    /// The entry of an id; needs `tenants:admin`.
    async fn audit_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<AuditEntry>> {
        lookup::<AuditEntry>(ctx, &id).await
    }
}
