//! RequestEvent: Something that happened to a request.

use async_graphql::{Context, Enum, ID, Result};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::node::{Entity, entity, related, required, through};
use super::page::object;
use super::scalar::DateTime;
use super::word::{Impact, RequestStatus};
use super::{Person, Request, RequestEventKind, ServiceInstance, Sla, Team};

entity!(RequestEvent over request_event);

/// A field of a request that an event can empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum RequestEventField {
    /// How bad it is.
    Impact,
    /// What it is about.
    ServiceInstance,
    /// The team it is assigned to.
    Team,
    /// Who asks.
    Requester,
    /// When it is wished to be done.
    DesiredCompletionAt,
    /// Since when the instance was down.
    DowntimeStartAt,
    /// Until when it was down.
    DowntimeEndAt,
}

impl RequestEventField {
    const ALL: &'static [Self] = &[
        Self::Impact,
        Self::ServiceInstance,
        Self::Team,
        Self::Requester,
        Self::DesiredCompletionAt,
        Self::DowntimeStartAt,
        Self::DowntimeEndAt,
    ];

    fn column(self) -> &'static str {
        match self {
            Self::Impact => "impact",
            Self::ServiceInstance => "service_instance_id",
            Self::Team => "team_id",
            Self::Requester => "requester_id",
            Self::DesiredCompletionAt => "desired_completion_at",
            Self::DowntimeStartAt => "downtime_start_at",
            Self::DowntimeEndAt => "downtime_end_at",
        }
    }
}

filter! {
    /// Which events of a request. All conditions that are given must hold.
    RequestEventFilter over request_event {
        /// Its own id.
        id: IdFilter (RequestEvent) => ID,
        /// The tenant of the request.
        tenant: IdFilter (Tenant) => TENANT,
        /// The sender's name of the event.
        event_key: StringFilter => EVENT_KEY,
        /// When it happened.
        occurred_at: DateTimeFilter => OCCURRED_AT,
    }
}

order! {
    /// One part of the order of events of a request. Default: in the order in which they happened, by instant, sequence and receipt.
    RequestEventOrder by RequestEventOrderField over request_event {
        /// When it happened.
        OccurredAt => OCCURRED_AT,
        /// Its place among what happened at the same instant.
        Sequence => SEQUENCE,
    } default: OCCURRED_AT Asc, SEQUENCE Asc, RECEIVED_AT Asc
}

object! {
    /// Something that happened to a request.
    impl RequestEvent {
    }

    /// Opaque and unique over all types.
    pub async fn id(&self) -> ID {
        self.global_id()
    }

    /// The key within its type: what other systems keep.
    async fn uuid(&self) -> Uuid {
        self.0.id
    }

    /// The request it happened to.
    async fn request(&self, ctx: &Context<'_>) -> Result<Request> {
        required::<Request>(ctx, self.0.request_id).await
    }

    /// What happened to a chat or a call, in their own words, as its new status tells; null where that tells nothing of
    /// the kind, and for a ticket.
    async fn kind(&self, ctx: &Context<'_>) -> Result<Option<RequestEventKind>> {
        let Some(status) = self.0.status else { return Ok(None) };
        let request = through::<Request>(ctx, self.0.request_id, "kind").await?;
        Ok(RequestEventKind::told_by(request.row().channel, status))
    }

    /// When it happened. Events may come late; the result is as if they had come in order. What happened before the
    /// request's `registeredAt` tells how things stood then: no clock counts the time before.
    async fn occurred_at(&self) -> DateTime {
        self.0.occurred_at.into()
    }

    /// When it came here.
    async fn received_at(&self) -> DateTime {
        self.0.received_at.into()
    }

    /// The sender's name of the event: sent twice, it is stored once. `registered` is the registration of the request.
    async fn event_key(&self) -> &str {
        &self.0.event_key
    }

    /// Its place among what happened at the same instant: the sender's number, and 0 where there is none.
    async fn sequence(&self) -> i64 {
        self.0.sequence
    }

    /// The fields that are empty from here on. Of all others, null = unchanged.
    async fn cleared(&self, ctx: &Context<'_>) -> Result<Vec<RequestEventField>> {
        Asking::of(ctx).tell_items(ctx, self.0.cleared.len())?;
        let all = RequestEventField::ALL.iter().copied();
        Ok(all.filter(|field| self.0.cleared.iter().any(|column| column == field.column())).collect())
    }

    /// The new status.
    async fn status(&self) -> Option<RequestStatus> {
        self.0.status.map(Into::into)
    }

    /// The new impact.
    async fn impact(&self) -> Option<Impact> {
        self.0.impact.map(Into::into)
    }

    /// The new service instance.
    async fn service_instance(&self, ctx: &Context<'_>) -> Result<Option<ServiceInstance>> {
        related::<ServiceInstance>(ctx, self.0.service_instance_id).await
    }

    /// The new team.
    async fn team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        related::<Team>(ctx, self.0.team_id).await
    }

    /// The new requester.
    async fn requester(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.requester_id).await
    }

    /// The new desired completion.
    async fn desired_completion_at(&self) -> Option<DateTime> {
        self.0.desired_completion_at.map(Into::into)
    }

    /// The new start of the downtime.
    async fn downtime_start_at(&self) -> Option<DateTime> {
        self.0.downtime_start_at.map(Into::into)
    }

    /// The new end of the downtime.
    async fn downtime_end_at(&self) -> Option<DateTime> {
        self.0.downtime_end_at.map(Into::into)
    }

    /// The SLA that a chat is given: it is measured by that from here on, as long as it waits, unless that was not active
    /// then (see `slaInactive`). Null: none is given. Needs `slas:read`: else it is null, with an error where
    /// that is held in no tenant.
    async fn sla(&self, ctx: &Context<'_>) -> Result<Option<Sla>> {
        related::<Sla>(ctx, self.0.sla_id).await
    }

    /// Whether the SLA that a chat is given was not active then: the chat goes on being measured as it was. Null: none is
    /// given.
    async fn sla_inactive(&self) -> Option<bool> {
        self.0.sla_id.map(|_| self.0.sla_inactive == Some(true))
    }

    /// Whether the provider says not to be accountable from here on.
    async fn provider_not_accountable(&self) -> Option<bool> {
        self.0.provider_not_accountable
    }
}
