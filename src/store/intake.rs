//! Intake: what happened to requests comes in here, and every clock it concerns is brought up to date in the same
//! transaction (rules C1 to C13, X14).
//!
//! The rules are the clock's. Here the facts are brought to it in a fixed number of statements, however many requests
//! are taken in at once, and what it finds is stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::result::{DatabaseErrorKind, Error as Failure, QueryResult};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use uuid::Uuid;

use super::affected_sla::{self, Clock, Frozen, Moving};
use super::breach::{self, Recorded};
use super::candidate::{self, Candidate, Question, Terms, read};
use super::reference::References;
use super::sql::{Bind, Sql};
use super::word::{BreachPhase, Channel, Impact, RequestStatus};
use super::{
    Conn, audit_entry, deadline, id, person, promise, request, request_event, rows, service_instance, sla,
    standard_service_request, team,
};
use crate::access::Permit;
use crate::clock::coverage::{self, Covering, Requester, Uses};
use crate::clock::events::{Change as Changed, Event as Happened};
use crate::clock::fold::{Facts, fold};
use crate::clock::state::{self, NextTarget, WarningShare};
use crate::clock::waiting::{WaitTerms, wait};
use crate::clock::whole_minutes;
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
    bring_up_to_date(conn, permit, now, &changed.into_iter().collect::<Vec<_>>()).await
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

/// Brings the clocks of requests of one tenant up to date (rule C1): finds the SLAs that apply, folds each one's
/// history, and stores the state, what is due and what proved wrong. The requests are locked. Their number does not
/// change the number of statements.
async fn bring_up_to_date(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    ids: &[Uuid],
) -> QueryResult<()> {
    let requests = request::lock(conn, permit, ids).await?;
    let mut histories: HashMap<Uuid, Vec<Arc<request_event::Row>>> = HashMap::new();
    for row in request_event::histories(conn, permit, ids).await? {
        histories.entry(row.request_id).or_default().push(row);
    }
    let told = |request: &request::Row| histories.get(&request.id).map_or(&[][..], Vec::as_slice);
    let states: Vec<request::State> = requests.iter().map(|request| latest(request, told(request))).collect();
    request::update(conn, &states).await?;

    let stretches: Vec<Stretch<'_>> =
        requests.iter().flat_map(|request| stretches(request, told(request))).collect();
    let graph = Graph::load(conn, permit, &stretches).await?;
    let existing = affected_sla::of_requests(conn, permit, ids).await?;
    let found = graph.candidates(conn, permit, &stretches).await?;
    let frozen = concerned(permit, &stretches, &graph, found, existing);

    let offerings: BTreeSet<Uuid> = frozen
        .iter()
        .filter_map(|frozen| if let Terms::Service(offering) = frozen.terms { Some(offering) } else { None })
        .collect();
    let earliest = frozen.iter().map(|frozen| frozen.started_at).min().unwrap_or(now);
    let offerings: Vec<Uuid> = offerings.into_iter().collect();
    let promises = promise::histories(conn, permit, &offerings, earliest).await?;

    let mut happened: HashMap<Uuid, Vec<Happened>> = HashMap::new();
    for request in &requests {
        happened.insert(request.id, history(told(request))?);
    }
    let mut clocks = Vec::with_capacity(frozen.len());
    let mut due = Vec::with_capacity(frozen.len());
    for frozen in frozen {
        let events = happened.get(&frozen.request_id).map_or(&[][..], Vec::as_slice);
        let (moving, deadlines) = match frozen.terms {
            Terms::Service(offering) => {
                let promised = promise::promised(promises.get(&offering), frozen.standard_service_request_id);
                run(&frozen, promised, &graph.uses, events)
            }
            Terms::Wait(terms) => await_answer(&frozen, terms, events),
        };
        due.push(deadlines);
        clocks.push(Clock { frozen, moving });
    }
    if clocks.is_empty() {
        return Ok(());
    }
    store(conn, permit, now, &clocks, &due).await
}

/// Stores clocks, their deadlines, and what proved wrong of what was recorded of them.
async fn store(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    clocks: &[Clock],
    due: &[Vec<state::Deadline>],
) -> QueryResult<()> {
    let ids: Vec<Uuid> = clocks.iter().map(|clock| clock.frozen.id).collect();
    // First: once the deadlines are gone, nothing more is recorded of these clocks until the commit.
    deadline::forget(conn, permit, &ids).await?;
    let mut recorded: HashMap<Uuid, Vec<Recorded>> = HashMap::new();
    for record in breach::recorded(conn, permit, &ids).await? {
        recorded.entry(record.clock).or_default().push(record);
    }
    affected_sla::put(conn, clocks).await?;
    let mut wrong = Vec::new();
    let mut open = Vec::new();
    for (clock, due) in clocks.iter().zip(due) {
        let records = recorded.get(&clock.frozen.id).map_or(&[][..], Vec::as_slice);
        wrong.extend(records.iter().filter(|r| !due.iter().any(|d| says(d, r, now))).map(|record| record.id));
        let mut seen = BTreeSet::new();
        for deadline in due.iter().filter(|d| !records.iter().any(|r| says(d, r, now))) {
            if seen.insert((deadline.kind, deadline.phase, deadline.at)) {
                open.push(clock.frozen.deadline(deadline));
            }
        }
    }
    breach::retract(conn, permit, &wrong).await?;
    deadline::keep(conn, &open).await
}

/// Whether a record says what the history says of a deadline. A breach is known by its target, a warning by its instant
/// (rules B1, C11); a breach recorded before its time, by what was known then, is wrong all the same.
fn says(deadline: &state::Deadline, record: &Recorded, now: DateTime<Utc>) -> bool {
    deadline.kind.as_str() == record.kind.word()
        && deadline.phase.as_str() == record.phase.word()
        && (deadline.at == record.due_at
            || record.phase == BreachPhase::Breached
                && deadline.target_at == record.target_at
                && deadline.at < now)
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

impl Frozen {
    fn deadline(&self, deadline: &state::Deadline) -> deadline::New {
        deadline::New {
            root_id: self.root_id,
            tenant_id: self.tenant_id,
            affected_sla_id: self.id,
            sla_id: self.sla_id,
            kind: deadline.kind.as_str(),
            phase: deadline.phase.as_str(),
            target_at: deadline.target_at,
            due_at: deadline.at,
        }
    }
}

/// The state of a request after its history: of each field, what was said last.
fn latest(request: &request::Row, history: &[Arc<request_event::Row>]) -> request::State {
    let mut state = request::State {
        root_id: request.root_id,
        id: request.id,
        status: request.status.word(),
        impact: request.impact.map(Impact::word),
        requester_id: request.requester_id,
        service_instance_id: request.service_instance_id,
        team_id: request.team_id,
        desired_completion_at: request.desired_completion_at,
        downtime_start_at: request.downtime_start_at,
        downtime_end_at: request.downtime_end_at,
        provider_not_accountable: request.provider_not_accountable,
    };
    for event in history {
        state.status = event.status.map_or(state.status, RequestStatus::word);
        state.impact = event.impact.map(Impact::word).or(state.impact);
        state.requester_id = event.requester_id.or(state.requester_id);
        state.service_instance_id = event.service_instance_id.or(state.service_instance_id);
        state.team_id = event.team_id.or(state.team_id);
        state.desired_completion_at = event.desired_completion_at.or(state.desired_completion_at);
        state.downtime_start_at = event.downtime_start_at.or(state.downtime_start_at);
        state.downtime_end_at = event.downtime_end_at.or(state.downtime_end_at);
        state.provider_not_accountable =
            event.provider_not_accountable.unwrap_or(state.provider_not_accountable);
    }
    state
}

/// The history in the clock's words. One stored event may change several things.
fn history(stored: &[Arc<request_event::Row>]) -> QueryResult<Vec<Happened>> {
    let mut history = Vec::with_capacity(stored.len() * 2);
    let (mut start, mut end) = (None, None);
    for row in stored {
        let mut add = |change| {
            history.push(Happened {
                id: row.id,
                occurred_at: row.occurred_at,
                sequence: row.sequence,
                change,
            });
        };
        if let Some(status) = row.status {
            add(Changed::Status(read(status.word())?));
        }
        if let Some(impact) = row.impact {
            add(Changed::Impact(Some(read(impact.word())?)));
        }
        if let Some(instance) = row.service_instance_id {
            add(Changed::Instance(Some(instance)));
        }
        if let Some(team) = row.team_id {
            add(Changed::Team(Some(team)));
        }
        if let Some(requester) = row.requester_id {
            add(Changed::Requester(Some(requester)));
        }
        if let Some(at) = row.desired_completion_at {
            add(Changed::DesiredCompletion(Some(at)));
        }
        if row.downtime_start_at.is_some() || row.downtime_end_at.is_some() {
            (start, end) = (row.downtime_start_at.or(start), row.downtime_end_at.or(end));
            add(Changed::Downtime { start, end });
        }
        if let Some(yes) = row.provider_not_accountable {
            add(Changed::ProviderNotAccountable(yes));
        }
    }
    Ok(history)
}

/// A stretch of a request's history in which what decides about coverage stayed the same.
struct Stretch<'a> {
    request: &'a request::Row,
    from: DateTime<Utc>,
    instance: Option<Uuid>,
    requester: Option<Uuid>,
}

/// The stretches of a history, from the registration on: what was told of the time before it holds when it begins.
fn stretches<'a>(request: &'a request::Row, history: &[Arc<request_event::Row>]) -> Vec<Stretch<'a>> {
    let mut stretches: Vec<Stretch<'_>> = Vec::new();
    let (mut instance, mut requester) = (None, None);
    for group in history.chunk_by(|a, b| a.occurred_at == b.occurred_at) {
        for event in group {
            instance = event.service_instance_id.or(instance);
            requester = event.requester_id.or(requester);
        }
        let from = group[0].occurred_at.max(request.registered_at);
        match stretches.last_mut() {
            Some(last) if last.from == from => (last.instance, last.requester) = (instance, requester),
            Some(last) if (last.instance, last.requester) == (instance, requester) => {}
            _ => stretches.push(Stretch { request, from, instance, requester }),
        }
    }
    stretches
}

/// How the instances that requests were about hang together, and what is known of the requesters.
struct Graph {
    uses: Vec<Uses>,
    requesters: HashMap<Uuid, Requester>,
}

impl Graph {
    async fn load(
        conn: &mut AsyncPgConnection,
        permit: &Permit,
        stretches: &[Stretch<'_>],
    ) -> QueryResult<Self> {
        let instances: BTreeSet<Uuid> = stretches.iter().filter_map(|stretch| stretch.instance).collect();
        let people: BTreeSet<Uuid> = stretches.iter().filter_map(|stretch| stretch.requester).collect();
        Ok(Self {
            uses: candidate::upward(conn, permit, &instances.into_iter().collect::<Vec<_>>()).await?,
            requesters: candidate::requesters(conn, permit, &people.into_iter().collect::<Vec<_>>()).await?,
        })
    }

    /// The SLAs that may apply to each stretch. Tickets are measured by coverage and may name an SLA besides; chats and
    /// calls are measured by the SLA named, else by the tenant's default (rule C13), from the registration on.
    async fn candidates(
        &self,
        conn: &mut AsyncPgConnection,
        permit: &Permit,
        stretches: &[Stretch<'_>],
    ) -> QueryResult<Vec<Candidate>> {
        let mut questions = Vec::new();
        let mut relevant = BTreeSet::new();
        for (stretch, number) in stretches.iter().zip(0..) {
            let request = stretch.request;
            let plain = Question {
                stretch: number,
                tenant_id: request.tenant_id,
                at: stretch.from,
                instance_id: None,
                standard_id: request.standard_service_request_id,
                named_id: None,
                by_default: false,
            };
            let ticket = request.channel == Channel::Ticket;
            if stretch.from == request.registered_at && (request.sla_id.is_some() || !ticket) {
                let by_default = request.sla_id.is_none();
                questions.push(Question { named_id: request.sla_id, by_default, ..plain.clone() });
            }
            if !ticket {
                continue;
            }
            if let Some(instance) = stretch.instance {
                let above = coverage::above(instance, &self.uses);
                for instance in above.into_keys().chain([instance]) {
                    relevant.insert(instance);
                    questions.push(Question { instance_id: Some(instance), ..plain.clone() });
                }
            } else if request.standard_service_request_id.is_some() {
                questions.push(plain);
            }
        }
        for requester in self.requesters.values() {
            relevant.extend([requester.person, requester.organization, requester.site].into_iter().flatten());
            relevant.extend(&requester.organizations_above);
            relevant.extend(&requester.supports);
        }
        candidate::candidates(conn, permit, &questions, relevant).await
    }
}

/// The clocks that there are to be: those that there are, and one for each further SLA that applies to a stretch
/// (rule C1), started when the first such stretch began.
fn concerned(
    permit: &Permit,
    stretches: &[Stretch<'_>],
    graph: &Graph,
    found: Vec<Candidate>,
    existing: Vec<Frozen>,
) -> Vec<Frozen> {
    let nobody = Requester::default();
    let mut clocks: BTreeMap<(Uuid, Uuid), Frozen> =
        existing.into_iter().map(|frozen| ((frozen.request_id, frozen.sla_id), frozen)).collect();
    let mut found = found.into_iter().peekable();
    let mut started = BTreeSet::new();
    for (stretch, number) in stretches.iter().zip(0..) {
        let mut named = Vec::new();
        let mut covering: Vec<(Candidate, Covering)> = Vec::new();
        while let Some(mut candidate) = found.next_if(|candidate| candidate.stretch == number) {
            if candidate.named {
                named.push(candidate);
            } else if let Some(covers) = candidate.covering.take() {
                covering.push((candidate, covers));
            }
        }
        let requester = stretch.requester.and_then(|id| graph.requesters.get(&id)).unwrap_or(&nobody);
        // An SLA on a service as a whole may be found on several instances: the request's own goes first.
        covering.sort_by_key(|(candidate, _)| candidate.instance_id != stretch.instance);
        let (candidates, covers): (Vec<Candidate>, Vec<Covering>) = covering.into_iter().unzip();
        let applying: BTreeSet<usize> =
            coverage::concerned(&covers, requester, stretch.instance, &graph.uses).into_iter().collect();
        let covered = candidates.into_iter().enumerate().filter(|(index, _)| applying.contains(index));
        for candidate in covered.map(|(_, candidate)| candidate).chain(named) {
            let key = (stretch.request.id, candidate.sla_id);
            if !started.insert(key) {
                continue;
            }
            let frozen = clocks.entry(key).or_insert_with(|| candidate.freeze(permit, stretch));
            // An event told late may have brought the SLA in at another time (rule X14).
            frozen.started_at = stretch.from;
        }
    }
    clocks.into_values().collect()
}

impl Candidate {
    /// Rule C2.
    fn freeze(&self, permit: &Permit, stretch: &Stretch<'_>) -> Frozen {
        Frozen {
            root_id: permit.root_id,
            id: id::new(),
            tenant_id: stretch.request.tenant_id,
            sla_id: self.sla_id,
            sla_version_id: self.version_id,
            request_id: stretch.request.id,
            service_instance_id: self.instance_id,
            standard_service_request_id: self.standard_id,
            support_team_id: self.support_team_id,
            first_line_team_id: self.first_line_team_id,
            supplier_id: self.supplier_id,
            time_zone: self.zone.clone(),
            started_at: stretch.from,
            terms: self.terms,
        }
    }
}

/// A clock with service terms.
fn run(
    frozen: &Frozen,
    promised: Vec<crate::clock::targets::InForce>,
    uses: &[Uses],
    events: &[Happened],
) -> (Moving, Vec<state::Deadline>) {
    let facts = Facts {
        started_at: frozen.started_at,
        zone: frozen.time_zone.as_deref().and_then(|name| name.parse().ok()).unwrap_or(chrono_tz::UTC),
        instance: frozen.service_instance_id,
        below: frozen.service_instance_id.map(|id| coverage::below(id, uses)).unwrap_or_default(),
        support_team: frozen.support_team_id,
        first_line_team: frozen.first_line_team_id,
        promised,
    };
    let state = fold(&facts, events, WarningShare::default());
    let (response, resolution) = (&state.response, &state.resolution);
    let moving = Moving {
        support_hours_id: state.support_hours.as_ref().map(|hours| hours.id),
        service_hours_id: state.service_hours.as_ref().map(|hours| hours.id),
        impact: state.impact.map(|impact| impact.as_str()),
        accountability: state.accountability.as_str(),
        maximum_response_duration: response.promised.minutes(),
        maximum_response_duration_in_days: response.promised.business_days(),
        maximum_resolution_duration: resolution.promised.minutes(),
        maximum_resolution_duration_in_days: resolution.promised.business_days(),
        response_target_at: response.target_at,
        response_breaches_at: response.breaches_at,
        resolution_target_at: resolution.target_at,
        resolution_breaches_at: resolution.breaches_at,
        next_target: state.next_target.as_str(),
        next_target_at: state.next_target_at,
        actual_response_at: response.actual_at,
        actual_response_duration: response.actual_duration.map(whole_minutes),
        actual_resolution_at: resolution.actual_at,
        actual_resolution_duration: resolution.actual_duration.map(whole_minutes),
        desired_completion_at: state.desired_completion_at,
        stopped_clock_at: state.stopped_clock_at,
        stopped_clock_duration: whole_minutes(state.stopped_clock_duration),
        downtime_start_at: state.downtime_start_at,
        downtime_end_at: state.downtime_end_at,
        downtime_duration: state.downtime_duration.map(whole_minutes),
        provider_not_accountable: state.provider_not_accountable,
        provider_was_not_accountable: state.provider_was_not_accountable,
    };
    (moving, state.deadlines)
}

/// A clock with queue or livechat terms: the wait is its response. One that is left out of the service level
/// (rule S10) has no target.
fn await_answer(frozen: &Frozen, terms: WaitTerms, events: &[Happened]) -> (Moving, Vec<state::Deadline>) {
    let wait = wait(frozen.started_at, terms, events, WarningShare::default());
    let target_at = (!wait.ignored).then_some(wait.due_at);
    let (next_target, next_target_at) =
        if wait.is_queued() { (NextTarget::Response, target_at) } else { (NextTarget::None, None) };
    let moving = Moving {
        accountability: state::Accountability::Provider.as_str(),
        maximum_response_duration: match terms {
            WaitTerms::Livechat { due_time_in_minutes } => Some(due_time_in_minutes),
            WaitTerms::Queue(_) => None,
        },
        response_target_at: target_at,
        response_breaches_at: target_at,
        next_target: next_target.as_str(),
        next_target_at,
        actual_response_at: wait.taken_at,
        actual_response_duration: wait.taken_at.map(|at| whole_minutes(at - wait.queued_at)),
        ..Moving::default()
    };
    (moving, wait.deadlines)
}
