//! Registering requests and recording what happens to them.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, Result};
use chrono::Utc;
use uuid::Uuid;

use crate::access::{Permission, Permit};
use crate::error::{Error, InputErrorCode, Mistakes, WriteError};
use crate::graphql::Request;
use crate::graphql::asking::Asking;
use crate::graphql::input::{InputError, refused};
use crate::graphql::node::Kind;
use crate::graphql::scalar::DateTime;
use crate::graphql::told::{Rows, failed};
use crate::graphql::word::{Impact, RequestChannel, RequestStatus};
use crate::graphql::write::{check_count, many, permit_in, together};
use crate::store::intake::{self, AHEAD, About, CENTURY, Change, Event, REGISTERED, Registration, Telling};
use crate::store::write::Together;
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
    /// What it is about: tickets fall under the SLAs on this service instance and on those that use it, of its tenant
    /// or above. Null = not known.
    service_instance_id: Option<ID>,
    /// The standard service request it was made from, whose targets go before those of the impact; null = none.
    standard_service_request_id: Option<ID>,
    /// The team it is assigned to; null = none.
    team_id: Option<ID>,
    /// An SLA that applies whatever it covers: of the tenant, or shared by one above it. Null = a ticket falls under
    /// what covers it, a chat or call under the default SLA of the tenant or of the nearest tenant above that shares
    /// its own. An SLA that is not active at `registeredAt`, by the switch and the dates that it has when something
    /// is told of the request, starts no clock; one that is switched on later does with the next thing that is told of
    /// a ticket, and none of a chat or call.
    sla_id: Option<ID>,
    /// When it is wished to be done; null = as promised.
    desired_completion_at: Option<DateTime>,
    /// Since when the instance has been down, within a century of now; null = it has not, or is not known.
    downtime_start_at: Option<DateTime>,
    /// Until when it was down, not before the start and within a century of now; null = it still is, or is not known.
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
    /// A mark of the client's own, given back with the payload. No retry is known by it: `source` and `sourceId` make one
    /// safe, and without them what is sent twice is registered twice.
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
    /// When it happened, however late it is told: the clocks come out as if all had been told in order. Before the
    /// request's `registeredAt`, it tells how things stood when the clocks started; what the registration says, as
    /// `requestRegister` always does of the status, goes over it, but the wait of a chat or call ends with whatever ended
    /// it first. Null = now; at most five minutes ahead of the gateway's clock.
    occurred_at: Option<DateTime>,
    /// The sender's name of the event, 1 to 128 characters and not `registered`, which is the registration's: told again under
    /// it, the event is ignored. Null = a `sequence` above 0 in decimal; without either, each call is an event of its own.
    event_key: Option<String>,
    /// Orders the events of a request that happened at the same instant, at least 0; null = 0, which leaves them in the
    /// order in which they were told. Without `eventKey` any number but 0 is the event's name too: each event of the request
    /// needs its own.
    sequence: Option<i32>,
    /// What happened to a chat or call, in their own words; instead of `status`. A ticket has none of them.
    kind: Option<RequestEventKind>,
    /// The new status; null = unchanged.
    status: Option<RequestStatus>,
    /// The new impact: freezes the targets that are promised for it at `occurredAt`. Left out = unchanged, null = none
    /// from here on; so with the fields below, unless they say otherwise.
    impact: MaybeUndefined<Impact>,
    /// The new service instance. Where it is null, which clocks it is about is not known: all that the request has go on.
    service_instance_id: MaybeUndefined<ID>,
    /// The new team. One that supports the instance neither as its support team nor as its first line is a response: the
    /// ticket was looked at and passed on.
    team_id: MaybeUndefined<ID>,
    /// The new requester.
    requester_id: MaybeUndefined<ID>,
    /// The new instant at which it is wished to be done.
    desired_completion_at: MaybeUndefined<DateTime>,
    /// The new start of the downtime, within a century of now.
    downtime_start_at: MaybeUndefined<DateTime>,
    /// The new end of the downtime, not before a start given with it and within a century of now.
    downtime_end_at: MaybeUndefined<DateTime>,
    /// The SLA that a chat which waits is measured by from here on, in the place of the one that it was registered with or given
    /// before: it is due so long after it was queued. Of kind `LIVECHAT`, of the chat's tenant or shared by one above it; null =
    /// unchanged. Once somebody has taken the chat, or it was given up, it changes nothing, nor before `registeredAt`, nor
    /// where the SLA is not active at `occurredAt`. Tickets and calls keep what they have.
    sla_id: Option<ID>,
    /// Whether the provider says not to be accountable from here on: true stops its clocks, false lets them go on; null
    /// = unchanged.
    provider_not_accountable: Option<bool>,
    /// A mark of the client's own, given back with the payload. No retry is known by it: `eventKey`, or a `sequence` above
    /// 0, makes one safe, and without them what is sent twice is recorded twice.
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

impl RequestEventKind {
    /// What a new status tells of a chat or a call; a ticket has none of these words.
    pub(in crate::graphql) fn told_by(channel: word::Channel, status: word::RequestStatus) -> Option<Self> {
        use word::{Channel, RequestStatus};
        match (channel, status) {
            (Channel::Chat, RequestStatus::InProgress) => Some(Self::Taken),
            (Channel::Call, RequestStatus::InProgress) => Some(Self::Answered),
            (Channel::Chat | Channel::Call, RequestStatus::Declined) => Some(Self::Abandoned),
            _ => None,
        }
    }
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

many! { RequestRegisterManyInput of RequestRegisterInput -> RequestRegisterManyPayload of RequestPayload }
many! { RequestRecordManyInput of RequestRecordInput -> RequestRecordManyPayload of RequestPayload }

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
        let mark = input.client_mutation_id.clone();
        RequestPayload::of(asking, register(asking, input).await, mark)
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

    /// Registers many requests at once, as `requestRegister` does one: all or none, each that is right, or, to see what
    /// would be refused, none. Needs `requests:write` in the tenant of each.
    async fn request_register_many(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The requests.")] input: RequestRegisterManyInput,
    ) -> Result<RequestRegisterManyPayload> {
        let asking = Asking::of(ctx);
        asking.viewer()?;
        check_count(input.rows.len())?;
        let together = together(input.atomic, input.dry_run);
        let marks = input.rows.iter().map(|row| row.client_mutation_id.clone()).collect();
        let rows = Rows::read(input.rows, |row, mistakes| {
            let permit = permit(asking, &row.tenant_id, mistakes)?;
            let about = About::New(Box::new(row.registration(asking, mistakes)));
            Ok(permit.map(|permit| (permit, Telling { about, events: Vec::new() })))
        })?;
        let results = tell(asking, rows, marks, together).await?;
        Ok(RequestRegisterManyPayload::of(results, together, input.client_mutation_id))
    }

    /// Records many events at once, of one request or of many, in any order, as `requestRecord` does one: all or none,
    /// each that is right, or, to see what would be refused, none. Needs `requests:write` in the tenant of each request.
    async fn request_record_many(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What happened.")] input: RequestRecordManyInput,
    ) -> Result<RequestRecordManyPayload> {
        let asking = Asking::of(ctx);
        asking.viewer()?;
        check_count(input.rows.len())?;
        let together = together(input.atomic, input.dry_run);
        let known = Known::find(asking, &input.rows).await?;
        let marks = input.rows.iter().map(|row| row.client_mutation_id.clone()).collect();
        let rows = Rows::read(input.rows, |row, mistakes| {
            let found = known.of(asking, &row, mistakes)?;
            let event = row.event(asking, mistakes);
            Ok(found.map(|(permit, about)| (permit, Telling { about, events: vec![event] })))
        })?;
        let results = tell(asking, rows, marks, together).await?;
        Ok(RequestRecordManyPayload::of(results, together, input.client_mutation_id))
    }
}

/// Takes rows in, and tells what became of each.
async fn tell(
    asking: &Asking,
    mut rows: Rows<(Permit, Telling)>,
    marks: Vec<Option<String>>,
    together: Together,
) -> Result<Vec<RequestPayload>> {
    let mut mistakes = Mistakes::default();
    intake::check(&asking.conn(), rows.read_rows(), &mut mistakes).await.map_err(failed)?;
    rows.add(mistakes);
    let (told, results) = rows.write(together);
    let dry_run = together == Together::DryRun;
    let written = intake::take_in_all(&asking.conn(), asking.now(), told, dry_run).await;
    asking.renew();
    asking.services().breaches.wake();
    let answers = results.told(written)?.into_iter().zip(marks);
    let payload = |((row, errors), client_mutation_id): ((Option<Arc<request::Row>>, _), _)| RequestPayload {
        request: row.map(Into::into),
        errors,
        client_mutation_id,
    };
    Ok(answers.map(payload).collect())
}

/// The permit to write requests of a tenant; none where it is no id, which is a mistake.
fn permit(asking: &Asking, tenant: &ID, mistakes: &mut Mistakes) -> Result<Option<Permit>, Error> {
    permit_in(asking, ("input.tenantId", tenant), &[Permission::RequestsWrite], mistakes)
}

/// The requests that rows are about.
struct Known {
    tenants: HashMap<Uuid, Uuid>,
    by_source: HashMap<(Uuid, String, String), Uuid>,
}

impl Known {
    async fn find(asking: &Asking, rows: &[RequestRecordInput]) -> Result<Self, Error> {
        let reach = asking.viewer()?.reach_any();
        let ids = rows.iter().filter_map(|row| Kind::Request.key(row.request_id.as_ref()?).ok());
        let tenants = match ids.collect::<Vec<_>>() {
            ids if ids.is_empty() => HashMap::new(),
            ids => request::tenants(&asking.conn(), &reach, &ids).await?,
        };
        let mut told: HashMap<Uuid, (Permit, Vec<(String, String)>)> = HashMap::new();
        for row in rows.iter().filter(|row| row.request_id.is_none()) {
            if let (Some(tenant), Some(source), Some(id)) = (&row.tenant_id, &row.source, &row.source_id)
                && let Ok(Some(permit)) = permit(asking, tenant, &mut Mistakes::default())
            {
                let (_, told) = told.entry(permit.tenant_id).or_insert_with(|| (permit, Vec::new()));
                told.push((source.clone(), id.clone()));
            }
        }
        let mut by_source = HashMap::new();
        for (tenant, (permit, told)) in told {
            let found = request::of_sources(&asking.conn(), &permit, told).await?;
            by_source
                .extend(found.into_iter().map(|((source, id), request)| ((tenant, source, id), request)));
        }
        Ok(Self { tenants, by_source })
    }

    /// The permit to write the request of a row, and which it is; none where the row does not say. That there is none is
    /// a mistake as others are. Who may not write is told nothing else (rule P3).
    fn of(
        &self,
        asking: &Asking,
        row: &RequestRecordInput,
        mistakes: &mut Mistakes,
    ) -> Result<Option<(Permit, About)>, Error> {
        match (&row.request_id, &row.tenant_id, &row.source, &row.source_id) {
            (Some(id), tenant, source, source_id) => {
                let path = "input.requestId";
                let Some(request) = Kind::Request.key_at(mistakes, path, id) else { return Ok(None) };
                let tenant_id = self.tenants.get(&request).ok_or(Error::NotFound("request"));
                let permit = tenant_id.and_then(|tenant| asking.permit(Permission::RequestsWrite, *tenant));
                if tenant.is_some() || source.is_some() || source_id.is_some() {
                    mistakes.add(path, InputErrorCode::Invalid, BY_ID);
                }
                Ok(Some((permit.map_err(|error| error.at(path))?, About::Known(request))))
            }
            (None, Some(tenant), Some(source), Some(source_id)) => {
                let Some(permit) = permit(asking, tenant, mistakes)? else { return Ok(None) };
                let request = self.by_source.get(&(permit.tenant_id, source.clone(), source_id.clone()));
                if request.is_none() {
                    mistakes.add("input.sourceId", InputErrorCode::NotFound, UNREGISTERED);
                }
                Ok(Some((permit, request.map_or(About::Unknown, |request| About::Known(*request)))))
            }
            _ => {
                mistakes.add("input", InputErrorCode::Required, WHICH);
                Ok(None)
            }
        }
    }
}

const BY_ID: &str = "The id says which request: leave out tenantId, source and sourceId.";
const UNREGISTERED: &str = "No request was registered under this source and sourceId: register it first.";
const WHICH: &str = "Say which request: pass requestId, or all of tenantId, source and sourceId.";

async fn register(asking: &Asking, input: RequestRegisterInput) -> Result<Arc<request::Row>, WriteError> {
    let mut mistakes = Mistakes::default();
    let permit = permit(asking, &input.tenant_id, &mut mistakes)?;
    let about = About::New(Box::new(input.registration(asking, &mut mistakes)));
    let Some(permit) = permit else { return Err(mistakes.into()) };
    let telling = Telling { about, events: Vec::new() };
    intake::tell(&asking.conn(), &permit, asking.now(), telling, mistakes).await
}

async fn record(asking: &Asking, input: RequestRecordInput) -> Result<Arc<request::Row>, WriteError> {
    let mut mistakes = Mistakes::default();
    let known = Known::find(asking, std::slice::from_ref(&input)).await?;
    let found = known.of(asking, &input, &mut mistakes)?;
    let events = vec![input.event(asking, &mut mistakes)];
    let Some((permit, about)) = found else { return Err(mistakes.into()) };
    intake::tell(&asking.conn(), &permit, asking.now(), Telling { about, events }, mistakes).await
}

impl RequestRegisterInput {
    fn registration(self, asking: &Asking, mistakes: &mut Mistakes) -> Registration {
        let subject = mistakes.name("input.subject", &self.subject, SUBJECT);
        sourced(mistakes, self.source.as_deref(), self.source_id.as_deref());
        let registered_at = happened(asking, mistakes, "input.registeredAt", self.registered_at);
        down(asking, mistakes, self.downtime_start_at, self.downtime_end_at);
        let mut key = |kind: Kind, path, id: Option<ID>| id.and_then(|id| kind.key_at(mistakes, path, &id));
        Registration {
            channel: self.channel.into(),
            subject,
            standard_service_request_id: key(
                Kind::StandardServiceRequest,
                "input.standardServiceRequestId",
                self.standard_service_request_id,
            ),
            sla_id: key(Kind::Sla, "input.slaId", self.sla_id),
            registered_at,
            source: self.source,
            source_id: self.source_id,
            status: Some(self.status.into()),
            state: Change {
                status: None,
                impact: self.impact.map(|impact| Some(impact.into())),
                service_instance_id: key(
                    Kind::ServiceInstance,
                    "input.serviceInstanceId",
                    self.service_instance_id,
                )
                .map(Some),
                team_id: key(Kind::Team, "input.teamId", self.team_id).map(Some),
                requester_id: key(Kind::Person, "input.requesterId", self.requester_id).map(Some),
                desired_completion_at: self.desired_completion_at.map(|at| Some(at.0)),
                downtime_start_at: self.downtime_start_at.map(|at| Some(at.0)),
                downtime_end_at: self.downtime_end_at.map(|at| Some(at.0)),
                provider_not_accountable: self.provider_not_accountable.then_some(true),
                sla_id: None,
            },
        }
    }
}

impl RequestRecordInput {
    fn event(self, asking: &Asking, mistakes: &mut Mistakes) -> Event {
        let occurred_at = happened(asking, mistakes, "input.occurredAt", self.occurred_at);
        if let Some(key) = &self.event_key {
            mistakes.text("input.eventKey", key, SOURCE_ID);
            if key == REGISTERED {
                let message = "This is the gateway's own name of the registration: choose another.";
                mistakes.add("input.eventKey", InputErrorCode::Invalid, message);
            }
        }
        // Clients that always send a number send 0 for none.
        let sequence = self.sequence.unwrap_or_default();
        if sequence < 0 {
            mistakes.add("input.sequence", InputErrorCode::Invalid, "This must be 0 or more.");
        }
        if self.kind.is_some() && self.status.is_some() {
            let message = "The kind says what the status becomes: leave one of them out.";
            mistakes.add("input.kind", InputErrorCode::Invalid, message);
        }
        let (start, end) = (self.downtime_start_at.value().copied(), self.downtime_end_at.value().copied());
        down(asking, mistakes, start, end);
        let names_sla = self.sla_id.is_some();
        let sla_id = self.sla_id.and_then(|id| Kind::Sla.key_at(mistakes, "input.slaId", &id));
        // A text that is no id is a mistake already: it must not be told as well that nothing changes.
        let mut key = |kind: Kind, path, id: MaybeUndefined<ID>| match id {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(id) => Some(kind.key_at(mistakes, path, &id)),
        };
        let change = Change {
            status: self.kind.map(Into::into).or(self.status.map(Into::into)),
            impact: self.impact.map_value(Into::into).into(),
            service_instance_id: key(
                Kind::ServiceInstance,
                "input.serviceInstanceId",
                self.service_instance_id,
            ),
            team_id: key(Kind::Team, "input.teamId", self.team_id),
            requester_id: key(Kind::Person, "input.requesterId", self.requester_id),
            desired_completion_at: self.desired_completion_at.map_value(|at| at.0).into(),
            downtime_start_at: self.downtime_start_at.map_value(|at| at.0).into(),
            downtime_end_at: self.downtime_end_at.map_value(|at| at.0).into(),
            provider_not_accountable: self.provider_not_accountable,
            sla_id,
        };
        if change == Change::default() && !names_sla {
            mistakes.add("input", InputErrorCode::Required, "This event changes nothing: say what happened.");
        }
        Event {
            occurred_at,
            event_key: self.event_key.or_else(|| (sequence > 0).then(|| sequence.to_string())),
            sequence: sequence.into(),
            of_queue: self.kind.is_some(),
            change,
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

/// That a downtime ends after it starts, and that its duration is one that minutes can tell, whichever event says its end.
fn down(asking: &Asking, mistakes: &mut Mistakes, start: Option<DateTime>, end: Option<DateTime>) {
    for (path, at) in [("input.downtimeStartAt", start), ("input.downtimeEndAt", end)] {
        if at.is_some_and(|at| (at.0 - asking.now()).abs() > CENTURY) {
            let message = "This is more than a century away: check the year.";
            mistakes.add(path, InputErrorCode::Invalid, message);
        }
    }
    if matches!((start, end), (Some(start), Some(end)) if end < start) {
        let message = "The downtime must not end before it starts.";
        mistakes.add("input.downtimeEndAt", InputErrorCode::Invalid, message);
    }
}

/// That source and id in it come together, and fit.
pub(in crate::graphql) fn sourced(mistakes: &mut Mistakes, source: Option<&str>, source_id: Option<&str>) {
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
