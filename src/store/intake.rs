//! Intake: what happened to requests comes in here, and every clock it concerns is brought up to date in the same
//! transaction (rules C1 to C13, X14).
//!
//! The rules are the clock's. Here the facts are brought to it in a fixed number of statements, however many requests
//! are taken in at once, and what it finds is stored.

mod clocks;
pub(super) mod history;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::result::{DatabaseErrorKind, Error as Failure, QueryResult};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use uuid::Uuid;

use super::reference::References;
use super::sql::{Bind, Sql};
use super::word::{Channel, Impact, RequestStatus};
use super::{
    Conn, audit_entry, id, person, request, request_event, rows, service_instance, sla,
    standard_service_request, team,
};
use crate::access::Permit;
use crate::error::{Error, InputError, InputErrorCode, Mistakes, WriteError};

/// The key of the event that every request begins with.
const REGISTERED: &str = "registered";

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

/// Registers a request, or finds it by its source, and brings its clocks up to date; gives the request as it is now.
pub async fn register(
    conn: &Conn,
    permit: &Permit,
    now: DateTime<Utc>,
    registration: &Registration,
    mut mistakes: Mistakes,
) -> Result<Arc<request::Row>, WriteError> {
    let mut references = registration.state.references(permit);
    references.add::<standard_service_request::Row>(
        permit,
        "input.standardServiceRequestId",
        registration.standard_service_request_id,
    );
    // Rule S5: an SLA from above is for others only when it is shared.
    references.add_if::<sla::Row>(
        permit,
        "input.slaId",
        registration.sla_id,
        " AND (t.shared OR t.tenant_id = ",
        |sql| {
            sql.bind(Bind::Uuid(permit.tenant_id)).push(")");
        },
    );
    let mut conn = conn.exclusive().await?;
    references.check(&mut conn, &mut mistakes).await?;
    mistakes.none()?;
    Work::Register(registration).run(&mut conn, permit, now).await
}

/// Records that something happened to a request, whenever it is told, and brings its clocks up to date; gives the
/// request as it is now.
pub async fn record(
    conn: &Conn,
    permit: &Permit,
    now: DateTime<Utc>,
    request_id: Uuid,
    event: &Event,
    mut mistakes: Mistakes,
) -> Result<Arc<request::Row>, WriteError> {
    let references = event.change.references(permit);
    let mut conn = conn.exclusive().await?;
    references.check(&mut conn, &mut mistakes).await?;
    mistakes.none()?;
    Work::Record(request_id, event).run(&mut conn, permit, now).await
}

/// What one transaction does.
enum Work<'a> {
    Register(&'a Registration),
    Record(Uuid, &'a Event),
}

impl Work<'_> {
    /// Runs the transaction, again when it lost against another.
    async fn run(
        &self,
        conn: &mut AsyncPgConnection,
        permit: &Permit,
        now: DateTime<Utc>,
    ) -> Result<Arc<request::Row>, WriteError> {
        let mut tries = 1;
        loop {
            match conn.transaction(async |conn| self.once(conn, permit, now).await).await {
                Ok(found) => return found.ok_or_else(|| Error::NotFound("request").into()),
                Err(failure) if tries < TRIES && is_passing(&failure) => tries += 1,
                Err(Failure::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                    let message = "Something that the input refers to was deleted meanwhile: read it again.";
                    return Err(InputError::at("input", InputErrorCode::NotFound, message).into());
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    async fn once(
        &self,
        conn: &mut AsyncPgConnection,
        permit: &Permit,
        now: DateTime<Utc>,
    ) -> QueryResult<Option<Arc<request::Row>>> {
        let ids = match self {
            Self::Register(registration) => {
                let ids = request::put(conn, &[registration.request(permit)]).await?;
                let first = registration.event();
                let told: Vec<(Uuid, &Event)> = ids.iter().map(|id| (*id, &first)).collect();
                take(conn, permit, now, &told, "requestRegister").await?;
                ids
            }
            Self::Record(request_id, event) => {
                // Before the event refers to it: two that hold a reference and then want the lock would wait for each
                // other.
                if request::lock(conn, permit, &[*request_id]).await?.is_empty() {
                    return Ok(None);
                }
                take(conn, permit, now, &[(*request_id, event)], "requestRecord").await?;
                vec![*request_id]
            }
        };
        Ok(request::read(conn, permit, &ids).await?.pop())
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

/// Stores events of requests that are locked, and brings up to date the clocks of those to which one was news.
async fn take(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    told: &[(Uuid, &Event)],
    action: &'static str,
) -> QueryResult<()> {
    let keys: Vec<String> = told
        .iter()
        .map(|(_, event)| event.event_key.clone().unwrap_or_else(|| id::new().to_string()))
        .collect();
    let events: Vec<request_event::New<'_>> =
        told.iter().zip(&keys).map(|((request, event), key)| event.row(permit, *request, key)).collect();
    let fresh: BTreeSet<Uuid> = request_event::append(conn, &events).await?.into_iter().collect();
    let changed: BTreeSet<Uuid> =
        events.iter().filter(|event| fresh.contains(&event.id)).map(|event| event.request_id).collect();
    if changed.is_empty() {
        return Ok(());
    }
    audit(conn, permit, action, &events, &fresh).await?;
    clocks::bring_up_to_date(conn, permit, now, &changed.into_iter().collect::<Vec<_>>()).await
}

/// Rule P4.
async fn audit(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    action: &'static str,
    events: &[request_event::New<'_>],
    fresh: &BTreeSet<Uuid>,
) -> QueryResult<()> {
    let mut sql = Sql::new("WITH n AS (SELECT ");
    sql.bind(Bind::rows(events)?).push("::jsonb AS events)");
    let Some(event) = events.iter().find(|event| fresh.contains(&event.id)) else { return Ok(()) };
    audit_entry::append(
        &mut sql,
        permit,
        action,
        "Request",
        event.request_id,
        "NULL",
        "(SELECT events -> 0 FROM n)",
    );
    sql.push(" SELECT 1");
    rows(conn, sql).await.map(drop)
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
}

impl Registration {
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
    fn row<'a>(&self, permit: &Permit, request_id: Uuid, event_key: &'a str) -> request_event::New<'a> {
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
