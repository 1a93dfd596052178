//! Registering requests and recording what happens to them.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use chrono::Utc;
use uuid::Uuid;

use crate::access::{Permission, Permit};
use crate::error::{Error, InputErrorCode, Mistakes, WriteError};
use crate::graphql::Request;
use crate::graphql::asking::Asking;
use crate::graphql::input::{InputError, refused};
use crate::graphql::node::Kind;
use crate::graphql::scalar::DateTime;
use crate::graphql::word::{Impact, RequestChannel, RequestStatus};
use crate::store::intake::{self, AHEAD, Change, Event, Registration};
use crate::store::{request, word};

/// The longest subject.
const SUBJECT: usize = 500;
/// The longest name of a source (rule S7).
const SOURCE: usize = 30;
/// The longest id in a source, and the longest key of an event.
const SOURCE_ID: usize = 128;

/// A request to be registered, in its first state. Needs `requests:write` in the tenant.
#[derive(Clone, Debug, InputObject)]
pub struct RequestRegisterInput {
    /// The tenant that will own it.
    tenant_id: ID,
    /// A ticket, a chat or a call.
    #[graphql(default_with = "RequestChannel::Ticket")]
    channel: RequestChannel,
    /// What it is about, 1 to 500 characters.
    subject: String,
    /// Its status; a chat or call is `ASSIGNED` while it waits to be taken.
    #[graphql(default_with = "RequestStatus::Assigned")]
    status: RequestStatus,
    /// How bad it is: decides which targets apply. Null = not known yet: there are no targets until it is.
    impact: Option<Impact>,
    /// Who asks: decides which SLAs cover a ticket. A person of the tenant or of one above it; null = not known.
    requester_id: Option<ID>,
    /// What it is about: tickets fall under the SLAs on this service instance and on those that use it. Null = not known.
    service_instance_id: Option<ID>,
    /// The standard service request it was made from, whose targets go before those of the impact; null = none.
    standard_service_request_id: Option<ID>,
    /// The team it is assigned to; null = none.
    team_id: Option<ID>,
    /// An SLA that applies whatever it covers: of the tenant, or shared by one above it. Null = a ticket falls under
    /// what covers it, a chat or call under the default SLA of the tenant or of the nearest tenant above that shares
    /// its own. An SLA that is not active at `registeredAt` starts no clock.
    sla_id: Option<ID>,
    /// When it is wished to be done; null = as promised.
    desired_completion_at: Option<DateTime>,
    /// Since when the instance has been down; null = it has not, or is not known.
    downtime_start_at: Option<DateTime>,
    /// Until when it was down, not before the start; null = it still is, or is not known.
    downtime_end_at: Option<DateTime>,
    /// Whether the provider says not to be accountable, which stops its clocks.
    #[graphql(default = false)]
    provider_not_accountable: bool,
    /// When it was asked: its clocks start then. Null = now; at most five minutes ahead of the gateway's clock.
    registered_at: Option<DateTime>,
    /// The system it comes from, at most 30 characters; goes with `sourceId`.
    source: Option<String>,
    /// Its id in that system, at most 128 characters; goes with `source`. What the tenant has registered under the two
    /// already is found again and only takes the new subject: send what happened since with `requestRecord`.
    source_id: Option<String>,
    /// A mark of the client's own, given back with the payload.
    client_mutation_id: Option<String>,
}

/// Something that happened to a request. What is left out is unchanged. Needs `requests:write` in the request's tenant.
#[derive(Clone, Debug, InputObject)]
pub struct RequestRecordInput {
    /// The request; null = the one of `tenantId`, `source` and `sourceId`.
    request_id: Option<ID>,
    /// The tenant of the request; only without `requestId`.
    tenant_id: Option<ID>,
    /// The system that the request came from; only without `requestId`.
    source: Option<String>,
    /// The id of the request in that system; only without `requestId`.
    source_id: Option<String>,
    /// When it happened, however late it is told: the clocks come out as if all had been told in order. Null = now; at
    /// most five minutes ahead of the gateway's clock.
    occurred_at: Option<DateTime>,
    /// The sender's name of the event, 1 to 128 characters: told again under it, the event is ignored. Null = the
    /// `sequence` in decimal; without either, each call is an event of its own.
    event_key: Option<String>,
    /// Orders the events of a request that happened at the same instant, at least 0; null = 0, which leaves them in the
    /// order in which they were told.
    sequence: Option<i32>,
    /// What happened to a chat or call, in their own words; instead of `status`.
    kind: Option<RequestEventKind>,
    /// The new status; null = unchanged, as with all fields below.
    status: Option<RequestStatus>,
    /// The new impact: freezes the targets that are promised for it at `occurredAt`.
    impact: Option<Impact>,
    /// The new service instance.
    service_instance_id: Option<ID>,
    /// The new team.
    team_id: Option<ID>,
    /// The new requester.
    requester_id: Option<ID>,
    /// The new instant at which it is wished to be done.
    desired_completion_at: Option<DateTime>,
    /// The new start of the downtime.
    downtime_start_at: Option<DateTime>,
    /// The new end of the downtime, not before a start given with it.
    downtime_end_at: Option<DateTime>,
    /// Whether the provider says not to be accountable from here on: true stops its clocks, false lets them go on.
    provider_not_accountable: Option<bool>,
    /// A mark of the client's own, given back with the payload.
    client_mutation_id: Option<String>,
}

/// What happens to a chat or a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum RequestEventKind {
    /// Somebody took the chat: its status becomes `IN_PROGRESS`.
    Taken,
    /// Somebody answered the call: its status becomes `IN_PROGRESS`.
    Answered,
    /// Whoever waited gave up: its status becomes `DECLINED`.
    Abandoned,
}

impl From<RequestEventKind> for word::RequestStatus {
    fn from(kind: RequestEventKind) -> Self {
        match kind {
            RequestEventKind::Taken | RequestEventKind::Answered => Self::InProgress,
            RequestEventKind::Abandoned => Self::Declined,
        }
    }
}

/// The request in its latest state, or what is wrong with the input.
#[derive(async_graphql::SimpleObject)]
pub struct RequestPayload {
    /// The request; null when the input was refused.
    request: Option<Request>,
    /// All that is wrong with the input; empty when it was written.
    errors: Vec<InputError>,
    /// The mark that the client sent along.
    client_mutation_id: Option<String>,
}

impl RequestPayload {
    /// Whoever may write a request is told what became of it, also without `requests:read`.
    fn of(
        asking: &Asking,
        outcome: Result<Arc<request::Row>, WriteError>,
        client_mutation_id: Option<String>,
    ) -> Result<Self> {
        match outcome {
            Ok(row) => {
                asking.renew();
                asking.services().breaches.wake();
                Ok(Self { request: Some(row.into()), errors: Vec::new(), client_mutation_id })
            }
            Err(error) => Ok(Self { request: None, errors: refused(error)?, client_mutation_id }),
        }
    }
}

/// Writing requests.
#[derive(Default)]
pub struct RequestMutation;

#[Object]
impl RequestMutation {
    /// Registers a ticket, a chat or a call, and starts the clocks of the SLAs it falls under. Needs `requests:write` in
    /// its tenant.
    async fn request_register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The request.")] input: RequestRegisterInput,
    ) -> Result<RequestPayload> {
        let asking = Asking::of(ctx);
        let tenant_id = Kind::Tenant.key(&input.tenant_id)?;
        let permit = asking.permit(Permission::RequestsWrite, tenant_id)?;
        let mark = input.client_mutation_id.clone();
        RequestPayload::of(asking, register(asking, &permit, input).await, mark)
    }

    /// Records that something happened to a request, and brings its clocks up to date. Events may be told twice, late
    /// and out of order; a breach that a late one proves wrong is retracted. Needs `requests:write` in the request's
    /// tenant.
    async fn request_record(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What happened.")] input: RequestRecordInput,
    ) -> Result<RequestPayload> {
        let asking = Asking::of(ctx);
        let mark = input.client_mutation_id.clone();
        let outcome = record(asking, input).await;
        RequestPayload::of(asking, outcome, mark)
    }
}

async fn register(
    asking: &Asking,
    permit: &Permit,
    input: RequestRegisterInput,
) -> Result<Arc<request::Row>, WriteError> {
    let mut mistakes = Mistakes::default();
    mistakes.text("input.subject", &input.subject, SUBJECT);
    sourced(&mut mistakes, input.source.as_deref(), input.source_id.as_deref());
    let registered_at = happened(asking, &mut mistakes, "input.registeredAt", input.registered_at);
    down(&mut mistakes, input.downtime_start_at, input.downtime_end_at);
    let registration = Registration {
        channel: input.channel.into(),
        subject: input.subject,
        standard_service_request_id: optional(
            Kind::StandardServiceRequest,
            input.standard_service_request_id,
        )?,
        sla_id: optional(Kind::Sla, input.sla_id)?,
        registered_at,
        source: input.source,
        source_id: input.source_id,
        status: input.status.into(),
        state: Change {
            status: None,
            impact: input.impact.map(Into::into),
            service_instance_id: optional(Kind::ServiceInstance, input.service_instance_id)?,
            team_id: optional(Kind::Team, input.team_id)?,
            requester_id: optional(Kind::Person, input.requester_id)?,
            desired_completion_at: input.desired_completion_at.map(|at| at.0),
            downtime_start_at: input.downtime_start_at.map(|at| at.0),
            downtime_end_at: input.downtime_end_at.map(|at| at.0),
            provider_not_accountable: input.provider_not_accountable.then_some(true),
        },
    };
    intake::register(&asking.conn(), permit, asking.now(), registration, mistakes).await
}

async fn record(asking: &Asking, input: RequestRecordInput) -> Result<Arc<request::Row>, WriteError> {
    let mut mistakes = Mistakes::default();
    let (permit, request) = find(asking, &input, &mut mistakes).await?;
    let occurred_at = happened(asking, &mut mistakes, "input.occurredAt", input.occurred_at);
    if let Some(key) = &input.event_key {
        mistakes.text("input.eventKey", key, SOURCE_ID);
    }
    if input.sequence.is_some_and(|sequence| sequence < 0) {
        mistakes.add("input.sequence", InputErrorCode::Invalid, "This must be 0 or more.");
    }
    if input.kind.is_some() && input.status.is_some() {
        let message = "The kind says what the status becomes: leave one of them out.";
        mistakes.add("input.kind", InputErrorCode::Invalid, message);
    }
    down(&mut mistakes, input.downtime_start_at, input.downtime_end_at);
    let change = Change {
        status: input.kind.map(Into::into).or(input.status.map(Into::into)),
        impact: input.impact.map(Into::into),
        service_instance_id: optional(Kind::ServiceInstance, input.service_instance_id)?,
        team_id: optional(Kind::Team, input.team_id)?,
        requester_id: optional(Kind::Person, input.requester_id)?,
        desired_completion_at: input.desired_completion_at.map(|at| at.0),
        downtime_start_at: input.downtime_start_at.map(|at| at.0),
        downtime_end_at: input.downtime_end_at.map(|at| at.0),
        provider_not_accountable: input.provider_not_accountable,
    };
    if change == Change::default() {
        mistakes.add("input", InputErrorCode::Required, "This event changes nothing: say what happened.");
    }
    let event = Event {
        occurred_at,
        event_key: input.event_key.or(input.sequence.map(|sequence| sequence.to_string())),
        sequence: input.sequence.unwrap_or_default().into(),
        change,
    };
    let Some(request) = request else {
        mistakes.none()?;
        return Err(Error::NotFound("request").into());
    };
    intake::record(&asking.conn(), &permit, asking.now(), request, event, mistakes).await
}

/// The request meant, and the permit to write it: by its id, or by its tenant and its source. One that its source never
/// registered is a mistake of the input.
async fn find(
    asking: &Asking,
    input: &RequestRecordInput,
    mistakes: &mut Mistakes,
) -> Result<(Permit, Option<Uuid>), Error> {
    let by_source = [input.tenant_id.is_some(), input.source.is_some(), input.source_id.is_some()];
    match (&input.request_id, &input.tenant_id, &input.source, &input.source_id) {
        (Some(id), ..) => {
            let key = Kind::Request.key(id)?;
            let reach = asking.viewer()?.reach_any();
            let tenant_id = request::tenant(&asking.conn(), &reach, key).await?;
            let tenant_id = tenant_id.ok_or(Error::NotFound("request"))?;
            if by_source.contains(&true) {
                let message = "The id says which request: leave out tenantId, source and sourceId.";
                mistakes.add("input.requestId", InputErrorCode::Invalid, message);
            }
            Ok((asking.permit(Permission::RequestsWrite, tenant_id)?, Some(key)))
        }
        (None, Some(tenant), Some(source), Some(source_id)) => {
            let permit = asking.permit(Permission::RequestsWrite, Kind::Tenant.key(tenant)?)?;
            let found = request::of_source(&asking.conn(), &permit, source, source_id).await?;
            if found.is_none() {
                let message = "No request was registered under this source and sourceId: register it first.";
                mistakes.add("input.sourceId", InputErrorCode::NotFound, message);
            }
            Ok((permit, found))
        }
        _ => {
            asking.viewer()?;
            let message = "Say which request: pass requestId, or all of tenantId, source and sourceId.";
            Err(Error::BadRequest(message.into()))
        }
    }
}

/// When something happened: not later than the clocks of sources may be ahead of the database's.
fn happened(
    asking: &Asking,
    mistakes: &mut Mistakes,
    path: &str,
    at: Option<DateTime>,
) -> chrono::DateTime<Utc> {
    let at = at.map_or(asking.now(), |at| at.0);
    if at > asking.now() + AHEAD {
        let message =
            "This lies in the future: send what has happened, by a clock that is right to five minutes.";
        mistakes.add(path, InputErrorCode::Invalid, message);
    }
    at
}

fn down(mistakes: &mut Mistakes, start: Option<DateTime>, end: Option<DateTime>) {
    if matches!((start, end), (Some(start), Some(end)) if end < start) {
        let message = "The downtime must not end before it starts.";
        mistakes.add("input.downtimeEndAt", InputErrorCode::Invalid, message);
    }
}

fn sourced(mistakes: &mut Mistakes, source: Option<&str>, source_id: Option<&str>) {
    for (path, own, other, longest) in
        [("input.source", source, source_id, SOURCE), ("input.sourceId", source_id, source, SOURCE_ID)]
    {
        match (own, other) {
            (Some(text), _) => mistakes.text(path, text, longest),
            (None, Some(_)) => {
                mistakes.add(path, InputErrorCode::Required, "Give both source and sourceId, or neither.");
            }
            (None, None) => {}
        }
    }
}

fn optional(kind: Kind, id: Option<ID>) -> Result<Option<Uuid>, Error> {
    id.map(|id| kind.key(&id)).transpose()
}
