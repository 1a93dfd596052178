//! Request: Anything a promise can apply to: a ticket, a chat, a call; in the state of its latest event.

mod write;

pub(super) use write::sourced;
pub use write::{
    RequestEventKind, RequestMutation, RequestPayload, RequestRecordInput, RequestRecordManyInput,
    RequestRecordManyPayload, RequestRegisterInput, RequestRegisterManyInput, RequestRegisterManyPayload,
};

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, related, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::word::{Impact, RequestChannel, RequestStatus};
use super::{
    AffectedSla, AffectedSlaFilter, AffectedSlaOrder, AuditEntry, AuditEntryFilter, AuditEntryOrder, Person,
    RequestEvent, RequestEventFilter, RequestEventOrder, ServiceInstance, Sla, StandardServiceRequest, Team,
    Tenant,
};
use crate::store;

entity!(Request over request);

filter! {
    /// Which requests. All conditions that are given must hold.
    RequestFilter over request {
        /// Its own id.
        id: IdFilter (Request) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// What it is about.
        subject: StringFilter => SUBJECT,
        /// A ticket, a chat or a call.
        channel: RequestChannelFilter => CHANNEL,
        /// Its status.
        status: RequestStatusFilter => STATUS,
        /// How bad it is.
        impact: ImpactFilter => IMPACT,
        /// Who asked.
        requester: IdFilter (Person) => REQUESTER,
        /// What it is about.
        service_instance: IdFilter (ServiceInstance) => SERVICE_INSTANCE,
        /// The team it is assigned to.
        team: IdFilter (Team) => TEAM,
        /// When it was asked.
        registered_at: DateTimeFilter => REGISTERED_AT,
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
    /// One part of the order of requests. Default: the newest first.
    RequestOrder by RequestOrderField over request {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// What it is about.
        Subject => SUBJECT,
        /// Its status, as a word.
        Status => STATUS,
        /// When it was asked.
        RegisteredAt => REGISTERED_AT,
        /// Its id in the system it was imported from, as text: `10` comes before `9`.
        SourceId => SOURCE_ID,
        /// When it was made.
        CreatedAt => CREATED_AT,
        /// When it was last updated.
        UpdatedAt => UPDATED_AT,
    } default: ID Desc
}

object! {
    /// Anything a promise can apply to: a ticket, a chat, a call; in the state of its latest event.
    impl Request {
        /// What happened to it, in the order in which it happened. Needs `requests:read`: else it is null, with an error.
        events: RequestEvent [RequestEventFilter, RequestEventOrder] under store::request_event::UNDER_REQUEST;
        /// Its clocks, those that are over as well, the newest first. Needs `affected-slas:read`: else it is null, with an error.
        affected_slas: AffectedSla [AffectedSlaFilter, AffectedSlaOrder] under store::affected_sla::UNDER_REQUEST;
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

    /// A ticket, a chat or a call.
    async fn channel(&self) -> RequestChannel {
        self.0.channel.into()
    }

    /// What it is about, at most 500 characters.
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Its status, as of its latest event.
    async fn status(&self) -> RequestStatus {
        self.0.status.into()
    }

    /// How bad it is; null when not said.
    async fn impact(&self) -> Option<Impact> {
        self.0.impact.map(Into::into)
    }

    /// Who asked; null when not known.
    async fn requester(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.requester_id).await
    }

    /// What it is about; null when not known.
    async fn service_instance(&self, ctx: &Context<'_>) -> Result<Option<ServiceInstance>> {
        related::<ServiceInstance>(ctx, self.0.service_instance_id).await
    }

    /// The frequent wish it is; null when it is none.
    async fn standard_service_request(&self, ctx: &Context<'_>) -> Result<Option<StandardServiceRequest>> {
        related::<StandardServiceRequest>(ctx, self.0.standard_service_request_id).await
    }

    /// The team it is assigned to; null when to none.
    async fn team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        related::<Team>(ctx, self.0.team_id).await
    }

    /// The SLA named when it was registered; null when none was. Needs `slas:read`: else it is null, with an error where that is held in no tenant.
    async fn sla(&self, ctx: &Context<'_>) -> Result<Option<Sla>> {
        related::<Sla>(ctx, self.0.sla_id).await
    }

    /// When it is wished to be done.
    async fn desired_completion_at(&self) -> Option<DateTime> {
        self.0.desired_completion_at.map(Into::into)
    }

    /// Since when the instance was down.
    async fn downtime_start_at(&self) -> Option<DateTime> {
        self.0.downtime_start_at.map(Into::into)
    }

    /// Until when it was down.
    async fn downtime_end_at(&self) -> Option<DateTime> {
        self.0.downtime_end_at.map(Into::into)
    }

    /// Whether the provider says not to be accountable now.
    async fn provider_not_accountable(&self) -> bool {
        self.0.provider_not_accountable
    }

    /// When it was asked: when its clocks start. One of an SLA that a later event brings in starts with that event,
    /// also where the catalogue or people have changed meanwhile.
    async fn registered_at(&self) -> DateTime {
        self.0.registered_at.into()
    }

    /// The system it was imported from; null when made here.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// Its id in that system; null when made here.
    async fn source_id(&self) -> Option<&str> {
        self.0.source_id.as_deref()
    }

    /// Rises by one with each update. No mutation asks for it: events are added, and overwrite nothing.
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

/// Reading requests.
#[derive(Default)]
pub struct RequestQuery;

root_fields! {
    impl RequestQuery {
        /// The requests of every tenant in which the viewer holds `requests:read`.
        requests: Request [RequestFilter, RequestOrder];
    }

    /// The request of an id; needs `requests:read`.
    async fn request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<Request>> {
        lookup::<Request>(ctx, &id).await
    }
}
