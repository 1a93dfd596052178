//! Intake: what happened to requests comes in here, and every clock it concerns is brought up to date in the same
//! transaction (rules C1 to C13, X14).
//!
//! The rules are the clock's. Here the facts are brought to it in a fixed number of statements, however many requests
//! are taken in at once, and what it finds is stored.

mod clocks;
pub(super) mod history;
pub(crate) mod lookup;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::result::{DatabaseErrorKind, Error as Failure, QueryResult};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use uuid::Uuid;

use super::reference::References;
use super::sql::Bind;
use super::word::{Channel, Impact, RequestStatus};
use super::{
    Conn, id, person, request, request_event, service_instance, sla, standard_service_request, team,
};
use crate::access::Permit;
use crate::error::{Error, InputError, InputErrorCode, Mistakes, WriteError};

/// The key of the event that every request begins with.
pub(crate) const REGISTERED: &str = "registered";

/// How often a transaction is tried that lost against another.
const TRIES: usize = 5;

/// How far ahead of the database's clock an event may say it happened: sources' clocks differ.
pub const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// What an event changed; none = unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The new status.
    pub status: Option<RequestStatus>,
    /// The new impact.
    pub impact: Option<Impact>,
    /// The new instance.
    pub service_instance_id: Option<Uuid>,
    /// The new team.
    pub team_id: Option<Uuid>,
    /// The new requester.
    pub requester_id: Option<Uuid>,
    /// The new desired completion.
    pub desired_completion_at: Option<DateTime<Utc>>,
    /// The new start of the downtime.
    pub downtime_start_at: Option<DateTime<Utc>>,
    /// The new end of the downtime.
    pub downtime_end_at: Option<DateTime<Utc>>,
    /// Whether the provider says not to be accountable.
    pub provider_not_accountable: Option<bool>,
}

/// A request to be registered, with its first state.
#[derive(Clone, Debug)]
pub struct Registration {
    /// A ticket, a chat or a call.
    pub channel: Channel,
    /// What it is about.
    pub subject: String,
    /// The standard service request it was made from.
    pub standard_service_request_id: Option<Uuid>,
    /// The SLA it names (rule C13).
    pub sla_id: Option<Uuid>,
    /// When it was asked.
    pub registered_at: DateTime<Utc>,
    /// The system it came from.
    pub source: Option<String>,
    /// Its id in that system: registered twice, it is one request.
    pub source_id: Option<String>,
    /// Its first status.
    pub status: RequestStatus,
    /// The rest of its first state.
    pub state: Change,
}

/// Something that happened to a request.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The sender's name of it: told twice, it is stored once. None = never told before.
    pub event_key: Option<String>,
    /// Orders what happened at the same instant.
    pub sequence: i64,
    /// What changed.
    pub change: Change,
}

/// What is told of one request at once.
#[derive(Clone, Debug)]
pub struct Telling {
    /// Which request.
    pub about: About,
    /// What happened to it, in any order.
    pub events: Vec<Event>,
}

/// The request that something is told of.
#[derive(Clone, Debug)]
pub enum About {
    /// One to be registered, or found by its source.
    New(Box<Registration>),
    /// One that is there.
    Known(Uuid),
}

/// What became of what was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The request of each telling, in their order; none where there is no such request, and nothing was written.
    pub requests: Vec<Option<Uuid>>,
    /// How many of them were registered now.
    pub registered: usize,
    /// How many events were news, the registrations among them.
    pub events: usize,
}

/// What a request is called that its source has told of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// As it is told now.
    Latest,
    /// As it was told first.
    First,
}

/// Registers a request, or finds it by its source, and brings its clocks up to date; gives the request as it is now.
pub async fn register(
    conn: &Conn,
    permit: &Permit,
    now: DateTime<Utc>,
    registration: Registration,
    mut mistakes: Mistakes,
) -> Result<Arc<request::Row>, WriteError> {
    let references = registration.references(permit);
    let mut conn = conn.exclusive().await?;
    references.check(&mut conn, &mut mistakes).await?;
    mistakes.none()?;
    let telling = Telling { about: About::New(Box::new(registration)), events: Vec::new() };
    one(&mut conn, permit, now, telling).await
}

/// Records that something happened to a request, whenever it is told, and brings its clocks up to date; gives the
/// request as it is now.
pub async fn record(
    conn: &Conn,
    permit: &Permit,
    now: DateTime<Utc>,
    request_id: Uuid,
    event: Event,
    mut mistakes: Mistakes,
) -> Result<Arc<request::Row>, WriteError> {
    let references = event.change.references(permit);
    let mut conn = conn.exclusive().await?;
    references.check(&mut conn, &mut mistakes).await?;
    mistakes.none()?;
    let telling = Telling { about: About::Known(request_id), events: vec![event] };
    one(&mut conn, permit, now, telling).await
}

async fn one(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    telling: Telling,
) -> Result<Arc<request::Row>, WriteError> {
    let taken = take_in(conn, permit, now, &[telling], Subject::Latest).await?;
    let ids: Vec<Uuid> = taken.requests.into_iter().flatten().collect();
    let found = request::read(conn, permit, &ids).await?.pop();
    found.ok_or_else(|| Error::NotFound("request").into())
}

/// Takes in what is told of requests of the permit's tenant, all of it or nothing, and brings their clocks up to date.
/// The number of statements does not depend on how much it is. What was told before is no news; what is told late
/// comes out as if it had been told in time (rule X14).
pub(crate) async fn take_in(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    tellings: &[Telling],
    subject: Subject,
) -> Result<Taken, WriteError> {
    let mut tries = 1;
    loop {
        match conn.transaction(async |conn| take(conn, permit, now, tellings, subject).await).await {
            Ok(taken) => return Ok(taken),
            Err(failure) if tries < TRIES && is_passing(&failure) => tries += 1,
            Err(Failure::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                let message = "Something that the input refers to was deleted meanwhile: read it again.";
                return Err(InputError::at("input", InputErrorCode::NotFound, message).into());
            }
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Serialization failures (40001) and deadlocks (40P01); diesel has a name for the first only.
fn is_passing(failure: &Failure) -> bool {
    match failure {
        Failure::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Failure::DatabaseError(DatabaseErrorKind::Unknown, about) => about.message().contains("deadlock"),
        _ => false,
    }
}

async fn take(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    tellings: &[Telling],
    subject: Subject,
) -> QueryResult<Taken> {
    let requests = find(conn, permit, tellings, subject).await?;
    let mut told = Vec::new();
    for (telling, request) in tellings.iter().zip(&requests) {
        let Some(request) = *request else { continue };
        let first = match &telling.about {
            About::New(registration) => Some(Cow::Owned(registration.event())),
            About::Known(_) => None,
        };
        for event in first.into_iter().chain(telling.events.iter().map(Cow::Borrowed)) {
            let key = event.event_key.clone().unwrap_or_else(|| id::new().to_string());
            told.push(event.row(permit, request, key));
        }
    }
    let fresh = request_event::append(conn, permit, &told).await?;
    let changed: BTreeSet<Uuid> = fresh.iter().map(|fresh| fresh.request_id).collect();
    if !changed.is_empty() {
        clocks::bring_up_to_date(conn, permit, now, &changed.into_iter().collect::<Vec<_>>()).await?;
    }
    let registered = fresh.iter().filter(|fresh| fresh.registers).count();
    Ok(Taken { requests, registered, events: fresh.len() })
}

/// The request of each telling, locked: the events of one request are taken in one after the other. Before its events
/// refer to it: two that hold a reference and then want the lock would wait for each other.
async fn find(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    tellings: &[Telling],
    subject: Subject,
) -> QueryResult<Vec<Option<Uuid>>> {
    let mut new: Vec<request::New<'_>> = Vec::new();
    let mut by_source: HashMap<(&str, &str), Uuid> = HashMap::new();
    let mut requests = Vec::with_capacity(tellings.len());
    for telling in tellings {
        let registration = match &telling.about {
            About::Known(id) => {
                requests.push(*id);
                continue;
            }
            About::New(registration) => registration,
        };
        let source = registration.source.as_deref().zip(registration.source_id.as_deref());
        let known = source.and_then(|source| by_source.get(&source).copied());
        let id = known.unwrap_or_else(|| {
            let row = registration.request(permit);
            let id = row.state.id;
            new.push(row);
            id
        });
        if let Some(source) = source {
            by_source.insert(source, id);
        }
        requests.push(id);
    }
    // Whoever else tells of some of them waits in the same order.
    new.sort_by_key(|row| (row.source, row.source_id));
    let mut there: HashMap<Uuid, Uuid> = HashMap::new();
    if !new.is_empty() {
        for put in request::put(conn, &new, subject == Subject::Latest).await? {
            let own =
                put.source.as_ref().and_then(|(source, id)| by_source.get(&(source.as_str(), id.as_str())));
            there.insert(own.copied().unwrap_or(put.id), put.id);
        }
    }
    let known = tellings.iter().filter_map(|telling| match telling.about {
        About::Known(id) => Some(id),
        About::New(_) => None,
    });
    let known: Vec<Uuid> = known.collect();
    if !known.is_empty() {
        there.extend(
            request::lock(conn, permit, &known).await?.iter().map(|request| (request.id, request.id)),
        );
    }
    Ok(requests.into_iter().map(|id| there.get(&id).copied()).collect())
}

impl Change {
    fn references(&self, permit: &Permit) -> References {
        let mut references = References::default();
        references.add::<service_instance::Row>(permit, "input.serviceInstanceId", self.service_instance_id);
        references.add::<team::Row>(permit, "input.teamId", self.team_id);
        references.add::<person::Row>(permit, "input.requesterId", self.requester_id);
        references
    }
}

impl Registration {
    fn references(&self, permit: &Permit) -> References {
        let mut references = self.state.references(permit);
        references.add::<standard_service_request::Row>(
            permit,
            "input.standardServiceRequestId",
            self.standard_service_request_id,
        );
        // Rule S5: an SLA from above is for others only when it is shared.
        references.add_if::<sla::Row>(
            permit,
            "input.slaId",
            self.sla_id,
            " AND (t.shared OR t.tenant_id = ",
            |sql| {
                sql.bind(Bind::Uuid(permit.tenant_id)).push(")");
            },
        );
        references
    }

    fn request<'a>(&'a self, permit: &Permit) -> request::New<'a> {
        request::New {
            state: request::State {
                root_id: permit.root_id,
                id: id::new(),
                status: self.status.word(),
                impact: self.state.impact.map(Impact::word),
                requester_id: self.state.requester_id,
                service_instance_id: self.state.service_instance_id,
                team_id: self.state.team_id,
                desired_completion_at: self.state.desired_completion_at,
                downtime_start_at: self.state.downtime_start_at,
                downtime_end_at: self.state.downtime_end_at,
                provider_not_accountable: self.state.provider_not_accountable.unwrap_or_default(),
            },
            tenant_id: permit.tenant_id,
            channel: self.channel.word(),
            subject: &self.subject,
            standard_service_request_id: self.standard_service_request_id,
            sla_id: self.sla_id,
            registered_at: self.registered_at,
            source: self.source.as_deref(),
            source_id: self.source_id.as_deref(),
        }
    }

    /// The event that the history begins with.
    fn event(&self) -> Event {
        Event {
            occurred_at: self.registered_at,
            event_key: Some(REGISTERED.to_owned()),
            sequence: 0,
            change: Change { status: Some(self.status), ..self.state.clone() },
        }
    }
}

impl Event {
    fn row(&self, permit: &Permit, request_id: Uuid, event_key: String) -> request_event::New {
        request_event::New {
            root_id: permit.root_id,
            id: id::new(),
            tenant_id: permit.tenant_id,
            request_id,
            occurred_at: self.occurred_at,
            event_key,
            sequence: self.sequence,
            status: self.change.status.map(RequestStatus::word),
            impact: self.change.impact.map(Impact::word),
            service_instance_id: self.change.service_instance_id,
            team_id: self.change.team_id,
            requester_id: self.change.requester_id,
            desired_completion_at: self.change.desired_completion_at,
            downtime_start_at: self.change.downtime_start_at,
            downtime_end_at: self.change.downtime_end_at,
            provider_not_accountable: self.change.provider_not_accountable,
        }
    }
}
