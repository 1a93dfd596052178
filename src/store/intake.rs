//! Intake: what happened to requests comes in here, and every clock it concerns is brought up to date in the same
//! transaction (rules C1 to C13, X14).
//!
//! The rules are the clock's. Here the facts are brought to it in a fixed number of statements, however many requests
//! are taken in at once, and what it finds is stored.

mod clocks;
mod concerned;
pub(super) mod history;
pub(crate) mod lookup;
pub mod recalculate;
mod waiting;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::result::{Error as Failure, QueryResult};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::reference::References;
use super::word::{Channel, Impact, RequestStatus};
use super::write::{TRIES, mistaken};
use super::{
    Conn, id, person, request, request_event, service_instance, sla, standard_service_request, team,
};
use crate::access::Permit;
use crate::error::{Error, Mistakes, WriteError};

/// The key of the event that every request begins with.
pub(crate) const REGISTERED: &str = "registered";

/// How far ahead of the database's clock an event may say it happened: sources' clocks differ.
pub const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// How far from now a downtime may begin and end: its minutes fit whatever tells of it.
pub const CENTURY: TimeDelta = TimeDelta::days(36_525);

/// What an event changed; none = unchanged, some none = empty from here on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The new status.
    pub status: Option<RequestStatus>,
    /// The new impact.
    pub impact: Option<Option<Impact>>,
    /// The new instance.
    pub service_instance_id: Option<Option<Uuid>>,
    /// The new team.
    pub team_id: Option<Option<Uuid>>,
    /// The new requester.
    pub requester_id: Option<Option<Uuid>>,
    /// The new desired completion.
    pub desired_completion_at: Option<Option<DateTime<Utc>>>,
    /// The new start of the downtime.
    pub downtime_start_at: Option<Option<DateTime<Utc>>>,
    /// The new end of the downtime.
    pub downtime_end_at: Option<Option<DateTime<Utc>>>,
    /// Whether the provider says not to be accountable.
    pub provider_not_accountable: Option<bool>,
    /// The SLA that a chat is given in the place of the one that measures it (rule S12).
    pub sla_id: Option<Uuid>,
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
    /// Its first status; none where nobody told it: then it is assigned, unless something that happened before says more.
    pub status: Option<RequestStatus>,
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
    /// Whether it is told in the words of chats and calls, which no ticket has.
    pub of_queue: bool,
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
    /// One that is not: of what is told of it only the mistakes count.
    Unknown,
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

/// What becomes of a request that its source has told of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It is called as it is told now.
    Rename,
    /// It is what was said first, and what was not said before it becomes now.
    Complete,
}

/// Takes in what is told of one request, whenever it is told, and brings its clocks up to date; gives the request as it is
/// now. The mistakes found before are told with those of what it refers to.
pub async fn tell(
    conn: &Conn,
    permit: &Permit,
    now: DateTime<Utc>,
    telling: Telling,
    mut mistakes: Mistakes,
) -> Result<Arc<request::Row>, WriteError> {
    let mut references = References::default();
    telling.refer(permit, "input", &mut references);
    let mut conn = conn.exclusive().await?;
    references.check(&mut conn, &mut mistakes).await?;
    mistakes.none()?;
    one(&mut conn, permit, now, telling).await
}

/// Adds the mistakes of rows, each with its number in the input, that refer to what is not there.
pub async fn check(
    conn: &Conn,
    told: &[(usize, (Permit, Telling))],
    mistakes: &mut Mistakes,
) -> Result<(), WriteError> {
    let mut references = References::default();
    for (number, (permit, telling)) in told {
        telling.refer(permit, &format!("input.rows.{number}"), &mut references);
    }
    let mut conn = conn.exclusive().await?;
    Ok(references.check(&mut conn, mistakes).await?)
}

/// Takes in many rows in one transaction, those of each tenant together; gives the request of each as it is now, none
/// where there is no such request. With `dry_run` nothing is written, and nothing given.
pub async fn take_in_all(
    conn: &Conn,
    now: DateTime<Utc>,
    told: Vec<(Permit, Telling)>,
    dry_run: bool,
) -> Result<Vec<Option<Arc<request::Row>>>, WriteError> {
    let mut conn = conn.exclusive().await?;
    let mut tenants: BTreeMap<Uuid, (Permit, Vec<usize>, Vec<Telling>)> = BTreeMap::new();
    let count = told.len();
    for (place, (permit, telling)) in told.into_iter().enumerate() {
        let (_, places, tellings) =
            tenants.entry(permit.tenant_id).or_insert_with(|| (permit, Vec::new(), Vec::new()));
        places.push(place);
        tellings.push(telling);
    }
    let mut found = vec![None; count];
    let taken: Result<Vec<Taken>, WriteError> = transaction!(conn, dry_run, |conn| {
        let mut taken = Vec::new();
        for (permit, _, tellings) in tenants.values() {
            taken.push(take(conn, permit, now, tellings, Again::Rename).await?);
        }
        taken
    });
    let taken = taken?;
    if dry_run {
        return Ok(found);
    }
    for ((permit, places, _), taken) in tenants.values().zip(taken) {
        let ids: BTreeSet<Uuid> = taken.requests.iter().flatten().copied().collect();
        let read = request::read(&mut conn, permit, &ids.into_iter().collect::<Vec<_>>()).await?;
        let read: HashMap<Uuid, Arc<request::Row>> = read.into_iter().map(|row| (row.id, row)).collect();
        for (place, id) in places.iter().zip(taken.requests) {
            found[*place] = id.and_then(|id| read.get(&id).cloned());
        }
    }
    Ok(found)
}

async fn one(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    telling: Telling,
) -> Result<Arc<request::Row>, WriteError> {
    let taken = take_in(conn, permit, now, &[telling], Again::Rename).await?;
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
    again: Again,
) -> Result<Taken, WriteError> {
    transaction!(conn, false, |conn| take(conn, permit, now, tellings, again).await?)
}

/// Runs a transaction, again when it lost against another; with `$dry_run` it is taken back in the end. A macro, since it
/// cannot be said of an async closure that what it gives can be sent.
macro_rules! transaction {
    ($conn:expr, $dry_run:expr, |$within:ident| $work:expr) => {{
        let mut tries = 1;
        loop {
            let done = diesel_async::AsyncConnection::transaction(&mut *$conn, async |$within| {
                let done = $work;
                if $dry_run { Err($crate::store::intake::Ending::Dry(done)) } else { Ok(done) }
            });
            match done.await {
                Ok(done) | Err($crate::store::intake::Ending::Dry(done)) => break Ok(done),
                Err($crate::store::intake::Ending::Failed(failure)) => {
                    if let Some(failed) = $crate::store::intake::lost(failure, &mut tries) {
                        break Err(failed);
                    }
                }
            }
        }
    }};
}
pub(super) use transaction;

/// Why a transaction is taken back.
pub(super) enum Ending<T> {
    /// It was only tried.
    Dry(T),
    /// It failed.
    Failed(Failure),
}

impl<T> From<Failure> for Ending<T> {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What a transaction failed of; none when it is to be tried again.
pub(super) fn lost(failure: Failure, tries: &mut usize) -> Option<WriteError> {
    match mistaken(&[], failure) {
        WriteError::Again if *tries < TRIES => {
            *tries += 1;
            None
        }
        WriteError::Again => Some(Error::internal("a write lost against others every time").into()),
        failed => Some(failed),
    }
}

async fn take(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    tellings: &[Telling],
    again: Again,
) -> QueryResult<Taken> {
    let (requests, mut changed) = find(conn, permit, tellings, again).await?;
    if again == Again::Complete {
        let there: Vec<Uuid> = requests.iter().flatten().copied().collect();
        changed.extend(request_event::begin_earlier(conn, permit, &there).await?);
    }
    let of_requests =
        || tellings.iter().zip(&requests).filter_map(|(telling, request)| Some((telling, (*request)?)));
    let named: Vec<(Uuid, Uuid)> = of_requests()
        .flat_map(|(telling, request)| telling.events.iter().map(move |event| (request, event.change.sla_id)))
        .filter_map(|(request, sla)| Some((request, sla?)))
        .collect();
    let given = request_event::given(conn, permit, &named).await?;
    let mut told = Vec::new();
    for (telling, request) in of_requests() {
        let first = match &telling.about {
            About::New(registration) => Some(Cow::Owned(registration.event())),
            About::Known(_) | About::Unknown => None,
        };
        let events = telling.events.iter().filter_map(|event| {
            match event.change.sla_id.filter(|sla| !given.contains(&(request, *sla))) {
                None => Some(Cow::Borrowed(event)),
                Some(_) => event.without_sla().map(Cow::Owned),
            }
        });
        for event in first.into_iter().chain(events) {
            let key = event.event_key.clone().unwrap_or_else(|| id::new().to_string());
            told.push(event.row(permit, request, key));
        }
    }
    let fresh = request_event::append(conn, permit, &told).await?;
    // What is told of a request as a whole holds from its beginning.
    let mut changed: clocks::Changed = changed.into_iter().map(|id| (id, DateTime::<Utc>::MIN_UTC)).collect();
    for fresh in &fresh {
        let earliest = changed.entry(fresh.request_id).or_insert(fresh.occurred_at);
        *earliest = fresh.occurred_at.min(*earliest);
    }
    if !changed.is_empty() {
        let news: HashSet<Uuid> = fresh.iter().map(|fresh| fresh.id).collect();
        clocks::bring_up_to_date(conn, permit, now, changed, Some(&news)).await?;
    }
    let registered = fresh.iter().filter(|fresh| fresh.registers).count();
    Ok(Taken { requests, registered, events: fresh.len() })
}

/// The request of each telling, locked: the events of one request are taken in one after the other. Before its events
/// refer to it: two that hold a reference and then want the lock would wait for each other. With those of them that are
/// not what they were, where that may move their clocks.
async fn find(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    tellings: &[Telling],
    again: Again,
) -> QueryResult<(Vec<Option<Uuid>>, BTreeSet<Uuid>)> {
    let mut new: Vec<request::New<'_>> = Vec::new();
    // The place in `new`, of which only the subject may be told anew.
    let mut by_source: HashMap<(&str, &str), usize> = HashMap::new();
    let mut requests = Vec::with_capacity(tellings.len());
    for telling in tellings {
        let registration = match &telling.about {
            About::Known(id) => {
                requests.push(*id);
                continue;
            }
            About::Unknown => {
                // Nil is nobody's.
                requests.push(Uuid::nil());
                continue;
            }
            About::New(registration) => registration,
        };
        let source = registration.source.as_deref().zip(registration.source_id.as_deref());
        let place = source.and_then(|source| by_source.get(&source).copied()).unwrap_or(new.len());
        match new.get_mut(place) {
            Some(row) if again == Again::Rename => row.subject = &registration.subject,
            Some(_) => {}
            None => new.push(registration.request(permit)),
        }
        if let Some(source) = source {
            by_source.insert(source, place);
        }
        requests.push(new[place].state.id);
    }
    let by_source: HashMap<(&str, &str), Uuid> =
        by_source.into_iter().map(|(source, place)| (source, new[place].state.id)).collect();
    // Whoever else tells of some of them waits in the same order.
    new.sort_by_key(|row| (row.source, row.source_id));
    let mut there: HashMap<Uuid, Uuid> = HashMap::new();
    let mut changed = BTreeSet::new();
    if !new.is_empty() {
        let becomes = if again == Again::Rename { request::RENAMED } else { request::COMPLETED };
        for put in request::put(conn, permit, &new, becomes).await? {
            // A new name moves no clock.
            changed.extend((put.changed && again == Again::Complete).then_some(put.id));
            let own =
                put.source.as_ref().and_then(|(source, id)| by_source.get(&(source.as_str(), id.as_str())));
            there.insert(own.copied().unwrap_or(put.id), put.id);
        }
    }
    let known = tellings.iter().filter_map(|telling| match telling.about {
        About::Known(id) => Some(id),
        About::New(_) | About::Unknown => None,
    });
    let known: Vec<Uuid> = known.collect();
    if !known.is_empty() {
        there.extend(
            request::lock(conn, permit, &known).await?.iter().map(|request| (request.id, request.id)),
        );
    }
    Ok((requests.into_iter().map(|id| there.get(&id).copied()).collect(), changed))
}

impl Change {
    /// The columns that are empty from here on.
    fn cleared(&self) -> Vec<&'static str> {
        let columns = [
            ("impact", self.impact == Some(None)),
            ("service_instance_id", self.service_instance_id == Some(None)),
            ("team_id", self.team_id == Some(None)),
            ("requester_id", self.requester_id == Some(None)),
            ("desired_completion_at", self.desired_completion_at == Some(None)),
            ("downtime_start_at", self.downtime_start_at == Some(None)),
            ("downtime_end_at", self.downtime_end_at == Some(None)),
        ];
        columns.into_iter().filter_map(|(column, cleared)| cleared.then_some(column)).collect()
    }

    fn refer(&self, permit: &Permit, at: &str, references: &mut References) {
        let instance = self.service_instance_id.flatten();
        references.add::<service_instance::Row>(permit, format!("{at}.serviceInstanceId"), instance);
        references.add::<team::Row>(permit, format!("{at}.teamId"), self.team_id.flatten());
        references.add::<person::Row>(permit, format!("{at}.requesterId"), self.requester_id.flatten());
    }
}

impl Telling {
    fn refer(&self, permit: &Permit, at: &str, references: &mut References) {
        let known = match &self.about {
            About::New(registration) => return registration.refer(permit, at, references),
            About::Known(id) => Some(*id),
            About::Unknown => None,
        };
        self.events.iter().for_each(|event| event.refer(permit, at, known, references));
    }
}

impl Registration {
    fn refer(&self, permit: &Permit, at: &str, references: &mut References) {
        self.state.refer(permit, at, references);
        let standard = self.standard_service_request_id;
        references.add::<standard_service_request::Row>(
            permit,
            format!("{at}.standardServiceRequestId"),
            standard,
        );
        references.add::<sla::Row>(permit, format!("{at}.slaId"), self.sla_id);
    }

    fn request<'a>(&'a self, permit: &Permit) -> request::New<'a> {
        request::New {
            state: request::State {
                root_id: permit.root_id,
                id: id::new(),
                status: self.status.unwrap_or(RequestStatus::Assigned).word(),
                impact: self.state.impact.flatten().map(Impact::word),
                requester_id: self.state.requester_id.flatten(),
                service_instance_id: self.state.service_instance_id.flatten(),
                team_id: self.state.team_id.flatten(),
                desired_completion_at: self.state.desired_completion_at.flatten(),
                downtime_start_at: self.state.downtime_start_at.flatten(),
                downtime_end_at: self.state.downtime_end_at.flatten(),
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
            change: Change { status: self.status, ..self.state.clone() },
            of_queue: false,
        }
    }
}

impl Event {
    fn refer(&self, permit: &Permit, at: &str, request_id: Option<Uuid>, references: &mut References) {
        self.change.refer(permit, at, references);
        if let Some(request_id) = request_id.filter(|_| self.of_queue) {
            references.must_be::<request::Row>(
                permit,
                format!("{at}.kind"),
                request_id,
                "t.channel <> 'ticket'",
                "A ticket is neither taken nor answered nor given up: send its status instead.",
            );
        }
        // Rule S12.
        let Some(sla_id) = self.change.sla_id else { return };
        let path = format!("{at}.slaId");
        references.add::<sla::Row>(permit, path.clone(), Some(sla_id));
        let message = "A chat that waits is due by the terms of livechat: name an SLA of kind LIVECHAT.";
        references.must_be::<sla::Row>(permit, path.clone(), sla_id, "t.kind = 'livechat'", message);
        if let Some(request_id) = request_id {
            let message = "Only a chat is given another SLA: what a ticket falls under is found, and a call keeps its own.";
            references.must_be::<request::Row>(permit, path, request_id, "t.channel = 'chat'", message);
        }
    }

    /// The same where an SLA is not given to a chat; none where nothing else happened. A row of a log names the SLA of a
    /// ticket or a call too, which keeps the one that it was registered with.
    pub(crate) fn without_sla(&self) -> Option<Self> {
        let change = Change { sla_id: None, ..self.change.clone() };
        (change != Change::default()).then(|| Self { change, ..self.clone() })
    }

    fn row(&self, permit: &Permit, request_id: Uuid, event_key: String) -> request_event::New {
        request_event::New {
            root_id: permit.root_id,
            id: id::new(),
            tenant_id: permit.tenant_id,
            request_id,
            occurred_at: self.occurred_at,
            event_key,
            sequence: self.sequence,
            cleared: self.change.cleared(),
            status: self.change.status.map(RequestStatus::word),
            impact: self.change.impact.flatten().map(Impact::word),
            service_instance_id: self.change.service_instance_id.flatten(),
            team_id: self.change.team_id.flatten(),
            requester_id: self.change.requester_id.flatten(),
            desired_completion_at: self.change.desired_completion_at.flatten(),
            downtime_start_at: self.change.downtime_start_at.flatten(),
            downtime_end_at: self.change.downtime_end_at.flatten(),
            provider_not_accountable: self.change.provider_not_accountable,
            sla_id: self.change.sla_id,
        }
    }
}
