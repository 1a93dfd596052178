//! LimitNotification: That the contact of a limit is told that it was reached: one for each period.

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::filter::{filter, order};
use super::node::{Entity, entity, related, required};
use super::page::object;
use super::scalar::DateTime;
use super::word::{NotificationState, SlaLimitTimePeriod};
use super::{Breach, SlaLimit, Tenant};
use crate::store::word;

entity!(LimitNotification over limit_notification);

filter! {
    /// Which notifications. All conditions that are given must hold.
    LimitNotificationFilter over limit_notification {
        /// Its own id.
        id: IdFilter (LimitNotification) => ID,
        /// The tenant of the limit. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// What became of it.
        state: NotificationStateFilter => STATE,
        /// When the limit was reached.
        created_at: DateTimeFilter => CREATED_AT,
    }
}

order! {
    /// One part of the order of notifications. Default: the newest first.
    LimitNotificationOrder by LimitNotificationOrderField over limit_notification {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// What became of it, as a word.
        State => STATE,
        /// When the limit was reached.
        CreatedAt => CREATED_AT,
    } default: ID Desc
}

object! {
    /// That the contact of a limit is told that it was reached: one for each period, by e-mail. It is written together
    /// with the record of the breach, and sent once; a mail server that dies while it takes a message may be sent it
    /// again, under the same `Message-ID`.
    impl LimitNotification {
    }

    /// Opaque and unique over all types.
    pub async fn id(&self) -> ID {
        self.global_id()
    }

    /// The key within its type: that of the record it tells of.
    async fn uuid(&self) -> Uuid {
        self.0.id
    }

    /// The tenant of the limit.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Tenant> {
        required::<Tenant>(ctx, self.0.tenant_id).await
    }

    /// The limit.
    async fn sla_limit(&self, ctx: &Context<'_>) -> Result<SlaLimit> {
        required::<SlaLimit>(ctx, self.0.sla_limit_id).await
    }

    /// The record of the breach. Needs `breaches:read`: else it is null, with an error where that is held in no tenant.
    async fn breach(&self, ctx: &Context<'_>) -> Result<Option<Breach>> {
        related::<Breach>(ctx, Some(self.0.id)).await
    }

    /// When the period began in which the limit was reached.
    async fn period_start(&self) -> DateTime {
        self.0.period_start.into()
    }

    /// Of what kind that period was: a week and a month may begin together.
    async fn time_period(&self) -> SlaLimitTimePeriod {
        self.0.time_period.into()
    }

    /// How many hours the limit allowed when it was reached.
    async fn time_limit_in_hours(&self) -> i32 {
        self.0.hours
    }

    /// The address it goes to: the limit's contact when it was reached.
    async fn contact(&self) -> &str {
        &self.0.contact
    }

    /// What became of it.
    async fn state(&self) -> NotificationState {
        self.0.state.into()
    }

    /// How often sending it was tried.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }

    /// Why the last attempt failed, or why there was none, in words; null when it was sent or not tried yet.
    async fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }

    /// When it is tried next; null when its state is final.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        (self.0.state == word::NotificationState::Pending).then(|| self.0.next_attempt_at.into())
    }

    /// When its state became final; null while it is pending.
    async fn settled_at(&self) -> Option<DateTime> {
        self.0.settled_at.map(Into::into)
    }

    /// When the limit was reached.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}
