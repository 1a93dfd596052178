//! AuditEntry: What was written: by whom, when, what was there before and after.

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, related, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::{Person, ServiceToken, Tenant};

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
        /// The type of the object, as `objectType` has it.
        object_type: StringFilter => OBJECT_TYPE,
        /// The object, which may be gone: the `deletedId` that its deletion gave, any other global id that it had, or its
        /// `uuid`.
        object_uuid: IdFilter => OBJECT,
        /// The person who did it; null for an integration.
        actor: IdFilter (Person) => ACTOR,
        /// The service token that did it; null for a person.
        actor_service_token: IdFilter (ServiceToken) => ACTOR_SERVICE_TOKEN,
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

    /// The service token that did it; null for a person.
    async fn actor_service_token(&self, ctx: &Context<'_>) -> Result<Option<ServiceToken>> {
        related::<ServiceToken>(ctx, self.0.actor_service_token_id).await
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

    /// The object before, as JSON; null when it was made. It is the row as the store keeps it, under the names of its
    /// columns, with the rows of other tables that belong to it; never a secret. For people to read: unlike the fields of
    /// the schema, columns may be called otherwise one day, and entries are kept as they were written.
    async fn before(&self, ctx: &Context<'_>) -> Result<Option<&serde_json::Value>> {
        long(ctx, self.0.before.as_ref())
    }

    /// The object after, as JSON, as in `before`; null when it was deleted.
    async fn after(&self, ctx: &Context<'_>) -> Result<Option<&serde_json::Value>> {
        long(ctx, self.0.after.as_ref())
    }
}

/// An object as it was, which holds whatever texts it had.
fn long<'a>(
    ctx: &Context<'_>,
    object: Option<&'a serde_json::Value>,
) -> Result<Option<&'a serde_json::Value>> {
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
