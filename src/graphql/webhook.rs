//! Webhook: Where records of the breach log are posted, for those who cannot hold a socket.

mod write;

pub use write::*;

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::word::{BreachKind, BreachPhase};
use super::{AuditEntry, AuditEntryFilter, AuditEntryOrder, Tenant};

entity!(Webhook over webhook);

filter! {
    /// Which webhooks. All conditions that are given must hold.
    WebhookFilter over webhook {
        /// Its own id.
        id: IdFilter (Webhook) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Its name.
        name: StringFilter => NAME,
        /// Where records are posted.
        url: StringFilter => URL,
        /// Whether anything is sent.
        active: BooleanFilter => ACTIVE,
        /// When it was given up.
        disabled_at: DateTimeFilter => DISABLED_AT,
        /// When it was made.
        created_at: DateTimeFilter => CREATED_AT,
        /// When it was last updated.
        updated_at: DateTimeFilter => UPDATED_AT,
    }
}

order! {
    /// One part of the order of webhooks. Default: by name.
    WebhookOrder by WebhookOrderField over webhook {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// Its name.
        Name => NAME,
        /// When it was given up.
        DisabledAt => DISABLED_AT,
        /// When it was made.
        CreatedAt => CREATED_AT,
        /// When it was last updated.
        UpdatedAt => UPDATED_AT,
    } default: NAME Asc
}

object! {
    /// Where records of the breach log are posted, for those who cannot hold a socket: each record of its tenant and
    /// of the tenants below, as JSON, in order and at least once, from the moment on at which the webhook was made.
    ///
    /// A message has the headers of the Standard Webhooks specification: `webhook-id`, the `uuid` of the record and the
    /// same at each attempt; `webhook-timestamp`, in seconds; `webhook-signature`, `v1,` and the base64 of the HMAC-SHA256
    /// of `id.timestamp.body` under the secret. An answer of 2xx takes it. Any other, and none within 10 seconds, is a
    /// failure: the same message is tried again, after rests that double from a second to an hour, and nothing after
    /// it is sent meanwhile. Redirects are not followed, and the host must be one of the internet.
    ///
    /// Its body is an object of `type`, `breach.` and the phase in small letters; `timestamp`, when it was recorded; and
    /// `data`, the record as the type `Breach` has it: `id` (its `uuid`), `tenantId`, `kind`, `phase`, `slaId` and
    /// `affectedSlaId` (null of a limit), `slaLimitId` (null of a clock), `targetAt`, `detectedAt`, and of one that is
    /// retracted `retractsId`, the record that was wrong. All ids are `uuid`s. Fields may be added.
    impl Webhook {
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

    /// Where records are posted.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// Only records of these kinds are sent; empty = of all.
    async fn kinds(&self, ctx: &Context<'_>) -> Result<Vec<BreachKind>> {
        Asking::of(ctx).tell_items(ctx, self.0.kinds.len())?;
        Ok(self.0.kinds.iter().copied().map(Into::into).collect())
    }

    /// Only records of these phases are sent; empty = of all.
    async fn phases(&self, ctx: &Context<'_>) -> Result<Vec<BreachPhase>> {
        Asking::of(ctx).tell_items(ctx, self.0.phases.len())?;
        Ok(self.0.phases.iter().copied().map(Into::into).collect())
    }

    /// Whether anything is sent. What is recorded while it is false is sent once it is true again.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// When a record was last taken by the receiver; null when none was.
    async fn delivered_at(&self) -> Option<DateTime> {
        self.0.delivered_at.map(Into::into)
    }

    /// When it was last tried; null when it never was.
    async fn attempted_at(&self) -> Option<DateTime> {
        self.0.attempted_at.map(Into::into)
    }

    /// The HTTP status of the last answer; null when there was none.
    async fn last_status(&self) -> Option<i32> {
        self.0.last_status
    }

    /// Why the last attempt failed, in words; null when it did not.
    async fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }

    /// How many attempts have failed since the last that did not, or since the webhook was updated.
    async fn failures(&self) -> i32 {
        self.0.failures
    }

    /// When the message that failed will be tried again; null when none has failed, or nothing is sent.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        let row = &self.0;
        let waits = row.failures > 0 && row.active && row.disabled_at.is_none();
        waits.then(|| row.next_attempt_at.into())
    }

    /// When it was given up, after it had failed for three days (or as long as this gateway is set to wait), or because
    /// the receiver answered 410; null otherwise. Any update revives it, and what was recorded meanwhile is sent.
    async fn disabled_at(&self) -> Option<DateTime> {
        self.0.disabled_at.map(Into::into)
    }

    /// Why it was given up, in words; null when it was not.
    async fn disabled_reason(&self) -> Option<&str> {
        self.0.disabled_reason.as_deref()
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

/// Reading webhooks.
#[derive(Default)]
pub struct WebhookQuery;

root_fields! {
    impl WebhookQuery {
        /// The webhooks of every tenant in which the viewer holds `tenants:admin`.
        webhooks: Webhook [WebhookFilter, WebhookOrder];
    }

    /// The webhook of an id; needs `tenants:admin`.
    async fn webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<Webhook>> {
        lookup::<Webhook>(ctx, &id).await
    }
}
