//! Import of request histories from files: what another system logged becomes requests, events and clocks.
//!
//! A file is read once, from its beginning to its end, and taken in by lots of thousands of rows, each in one transaction.
//! What was taken in before is no news, so a load that broke off is simply run again.

pub mod mapping;
mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::io::{self, BufRead};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc::channel;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::access::{Permission, Permit};
use crate::error::WriteError;
use crate::store::intake::lookup::{self, Named};
use crate::store::intake::{self, About, Again, Change, Event, Registration, Telling};
use crate::store::word::Channel;
use crate::store::{Store, viewer};
use mapping::Mapping;
use rows::{Reader, Row};

/// How many rows are taken in at once: so many that a lot's statements cost little for each, so few that the requests of
/// one are not locked for long.
const LOT: usize = 5_000;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table with the names of its columns in the first line.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

/// How a file is to be understood.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The tenant that gets the requests: its slug or its id.
    pub tenant: String,
    /// The system that the file comes from, at most 30 characters: with the ids in the file it makes requests unique.
    pub source: String,
    /// An SLA that applies to every request whatever it covers: its name, its id or its id in its source.
    pub sla: Option<String>,
    /// Whether people and teams that the tenant does not know are made.
    pub create_missing: bool,
    /// Whether CSV or NDJSON; none = as the file begins.
    pub format: Option<Format>,
    /// Which column holds what.
    pub mapping: Mapping,
    /// Whether the file is only read, and nothing written.
    pub dry_run: bool,
}

/// What an import has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many rows were read.
    pub rows: u64,
    /// How many of them were skipped.
    pub bad: u64,
    /// How many requests were registered; in a dry run, how many the file tells of.
    pub requests: u64,
    /// How many events were recorded; the other rows were known. In a dry run, how many the file tells.
    pub events: u64,
    /// When the first and the last event of the file happened; none without events.
    pub span: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// How many people and teams were made.
    pub made: u64,
}

/// A row that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Its line in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

/// Is told how an import proceeds: after every lot, and of every bad row.
pub struct Told<'a> {
    /// After every lot.
    pub progress: &'a mut (dyn FnMut(&Report) + Send),
    /// Of every row that is skipped.
    pub bad: &'a mut (dyn FnMut(&Bad) + Send),
}

/// Why an import ended early. What was taken in until then stays.
#[derive(Debug)]
pub enum Error {
    /// The settings cannot be meant; the sentence says why.
    Settings(String),
    /// The file cannot be read.
    File(String),
    /// The store failed or refused.
    Store(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(why) => f.write_str(why),
            Self::File(why) => write!(f, "the file cannot be read: {why}"),
            Self::Store(why) => {
                write!(f, "the import broke off: {why} What was taken in stays; run it again")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(cause: io::Error) -> Self {
        Self::File(cause.to_string())
    }
}

impl From<crate::error::Error> for Error {
    fn from(cause: crate::error::Error) -> Self {
        Self::Store(cause.message())
    }
}

impl From<WriteError> for Error {
    fn from(cause: WriteError) -> Self {
        match cause {
            WriteError::Refused(error) => error.into(),
            WriteError::Input(mistakes) => {
                Self::Store(mistakes.into_iter().map(|mistake| mistake.message).collect::<Vec<_>>().join(" "))
            }
            WriteError::Again => Self::Store("others wrote the same requests all the time.".into()),
            WriteError::Conflict(id) => Self::Store(format!("{id} was changed meanwhile.")),
        }
    }
}

/// Takes in the history of requests that a file tells.
///
/// # Errors
/// When the settings cannot be meant, the file cannot be read or the store fails. Bad rows are no error.
pub async fn requests(
    store: &Store,
    input: impl BufRead + Send + 'static,
    settings: Settings,
    told: Told<'_>,
) -> Result<Report, Error> {
    if settings.source.is_empty() || settings.source.chars().count() > 30 {
        return Err(Error::Settings("the name of the source must have 1 to 30 characters".into()));
    }
    let (viewer, tenants) = viewer::operator(&store.conn(), &settings.tenant, "sla-gateway import").await?;
    let tenant_id = match tenants.as_slice() {
        [only] => *only,
        [] => return Err(Error::Settings(format!("there is no tenant {:?}", settings.tenant))),
        several => {
            let ids: Vec<String> = several.iter().map(Uuid::to_string).collect();
            return Err(Error::Settings(format!(
                "several tenants are called {:?}: name one by its id, {}",
                settings.tenant,
                ids.join(" or ")
            )));
        }
    };
    let permit = viewer.permit(Permission::RequestsWrite, tenant_id)?;
    let now = store.now();
    let zone = viewer.place(tenant_id).map_or(chrono_tz::UTC, |place| place.time_zone);
    let reader = Reader { mapping: settings.mapping.clone(), zone, now };
    let mut importer = Importer {
        names: HashMap::new(),
        seen: HashSet::new(),
        report: Report::default(),
        sla: None,
        conn: store.dedicated().await?,
        permit,
        now,
        settings,
        told,
    };
    if let Some(sla) = importer.settings.sla.as_deref().map(crate::error::name) {
        importer.learn(Named::Sla, BTreeSet::from([sla.as_str()])).await?;
        importer.sla = importer.named(Named::Sla, Some(&sla)).map_err(Error::Settings)?;
    }

    // The next lot is read while one is taken in.
    let (send, mut lots) = channel::<Vec<Result<Row, Bad>>>(2);
    let format = importer.settings.format;
    let reading = spawn_blocking(move || {
        let mut lot = Vec::with_capacity(LOT);
        let read = reader.read(input, format, |row| {
            lot.push(row);
            lot.len() < LOT
                || send.blocking_send(std::mem::replace(&mut lot, Vec::with_capacity(LOT))).is_ok()
        });
        // Nobody listens any more when the store has failed: it will say so.
        let _refused = send.blocking_send(lot);
        read
    });
    while let Some(lot) = lots.recv().await {
        importer.take_in(lot).await?;
    }
    reading.await.map_err(|cause| Error::File(cause.to_string()))??;
    Ok(importer.report)
}

struct Importer<'a> {
    conn: lookup::Connection,
    permit: Permit,
    now: DateTime<Utc>,
    settings: Settings,
    /// The SLA of every request.
    sla: Option<Uuid>,
    /// What the file's names stand for; none = nothing that there is.
    names: HashMap<(Named, String), Option<Uuid>>,
    /// In a dry run, the requests that the file has told of so far.
    seen: HashSet<String>,
    report: Report,
    told: Told<'a>,
}

impl Importer<'_> {
    async fn take_in(&mut self, lot: Vec<Result<Row, Bad>>) -> Result<(), Error> {
        self.report.rows += lot.len() as u64;
        let mut rows = Vec::with_capacity(lot.len());
        for row in lot {
            match row {
                Ok(row) => rows.push(row),
                Err(bad) => self.skip(&bad),
            }
        }
        for kind in Named::ALL {
            let names: BTreeSet<&str> = rows.iter().filter_map(|row| row.name(*kind)).collect();
            self.learn(*kind, names).await?;
        }
        // In the order of their ids: two imports at once wait for each other in it.
        let mut requests: BTreeMap<&str, (Option<Registration>, Vec<Event>)> = BTreeMap::new();
        let mut told = Vec::with_capacity(rows.len());
        for row in &rows {
            match self.event(row) {
                Ok((event, registration)) => told.push((&row.source_id, event, registration)),
                Err(why) => self.skip(&Bad { line: row.line, why }),
            }
        }
        // What a request is as a whole is said by what happened first, wherever that stands.
        told.sort_by_key(|(_, event, _)| (event.occurred_at, event.sequence));
        for (source_id, event, registration) in told {
            let at = event.occurred_at;
            let (first, last) = self.report.span.unwrap_or((at, at));
            self.report.span = Some((first.min(at), last.max(at)));
            let (request, events) = requests.entry(source_id).or_default();
            match request {
                None => *request = Some(registration),
                Some(request) => request.complete(registration),
            }
            events.extend(Some(event).filter(|event| event.change != Change::default()));
        }
        if self.settings.dry_run {
            let events = requests.values().flat_map(|(request, events)| {
                let is_chat = request.as_ref().is_some_and(|request| request.channel == Channel::Chat);
                events.iter().filter(move |event| is_chat || event.without_sla().is_some())
            });
            self.report.events += events.count() as u64;
            self.seen.extend(requests.into_keys().map(str::to_owned));
            self.report.requests = self.seen.len() as u64;
            (self.told.progress)(&self.report);
            return Ok(());
        }
        let tellings: Vec<Telling> = requests
            .into_values()
            .filter_map(|(request, events)| Some(Telling { about: About::New(Box::new(request?)), events }))
            .collect();
        if !tellings.is_empty() {
            let taken =
                intake::take_in(&mut self.conn, &self.permit, self.now, &tellings, Again::Complete).await?;
            self.report.requests += taken.registered as u64;
            self.report.events += (taken.events - taken.registered) as u64;
        }
        (self.told.progress)(&self.report);
        Ok(())
    }

    fn skip(&mut self, bad: &Bad) {
        self.report.bad += 1;
        (self.told.bad)(bad);
    }

    /// Finds out what names stand for that have not come up yet.
    async fn learn(&mut self, kind: Named, names: BTreeSet<&str>) -> Result<(), Error> {
        let new = names.into_iter().filter(|name| !self.names.contains_key(&(kind, (*name).to_owned())));
        let new: Vec<String> = new.map(str::to_owned).collect();
        if new.is_empty() {
            return Ok(());
        }
        let source = &self.settings.source;
        let mut found = lookup::find(&mut self.conn, &self.permit, kind, source, &new).await?;
        if self.settings.create_missing && !self.settings.dry_run {
            let missing: Vec<String> =
                new.iter().filter(|name| !found.contains_key(*name)).cloned().collect();
            let made = lookup::make(&mut self.conn, &self.permit, kind, source, &missing).await?;
            self.report.made += made.len() as u64;
            found.extend(made);
        }
        for name in new {
            let id = found.get(&name).copied();
            self.names.insert((kind, name), id);
        }
        Ok(())
    }

    fn named(&self, kind: Named, name: Option<&str>) -> Result<Option<Uuid>, String> {
        let Some(name) = name else { return Ok(None) };
        let id = self.names.get(&(kind, name.to_owned())).copied().flatten();
        if kind.is_made() && self.settings.create_missing && self.settings.dry_run {
            return Ok(id);
        }
        id.map(Some).ok_or_else(|| {
            let noun = kind.noun();
            if kind.is_made() && !self.settings.create_missing {
                format!("there is no {noun} {name:?}; --create-missing makes it")
            } else {
                format!("there is no {noun} {name:?} that may be used here")
            }
        })
    }

    /// What a row tells: what happened, and what it says of the request as a whole.
    fn event(&self, row: &Row) -> Result<(Event, Registration), String> {
        let named = |kind| self.named(kind, row.name(kind));
        // A cell without a text says nothing: logs leave out what they do not know.
        let change = Change {
            status: row.status,
            impact: row.impact.map(Some),
            service_instance_id: named(Named::ServiceInstance)?.map(Some),
            team_id: named(Named::Team)?.map(Some),
            requester_id: named(Named::Person)?.map(Some),
            desired_completion_at: row.desired_completion_at.map(Some),
            downtime_start_at: row.downtime_start_at.map(Some),
            downtime_end_at: row.downtime_end_at.map(Some),
            provider_not_accountable: row.provider_not_accountable,
            sla_id: named(Named::Sla)?,
        };
        let event = Event {
            occurred_at: row.occurred_at,
            event_key: Some(row.event_key.clone()),
            sequence: row.sequence,
            change,
            of_queue: false,
        };
        let registration = Registration {
            channel: row.channel.unwrap_or(Channel::Ticket),
            subject: row.subject.clone().unwrap_or_else(|| row.source_id.clone()),
            standard_service_request_id: named(Named::StandardServiceRequest)?,
            sla_id: named(Named::Sla)?.or(self.sla),
            registered_at: row.registered_at.unwrap_or(row.occurred_at),
            source: Some(self.settings.source.clone()),
            source_id: Some(row.source_id.clone()),
            status: None,
            state: Change::default(),
        };
        Ok((event, registration))
    }
}

impl Row {
    fn name(&self, kind: Named) -> Option<&str> {
        match kind {
            Named::Team => self.team.as_deref(),
            Named::Person => self.requester.as_deref(),
            Named::ServiceInstance => self.instance.as_deref(),
            Named::StandardServiceRequest => self.standard.as_deref(),
            Named::Sla => self.sla.as_deref(),
        }
    }
}

impl Registration {
    /// Takes in what a further row says of the same request: it was asked when the earliest of them says, and is what
    /// the first says that says anything.
    fn complete(&mut self, further: Self) {
        self.registered_at = self.registered_at.min(further.registered_at);
        self.sla_id = self.sla_id.or(further.sla_id);
        self.standard_service_request_id =
            self.standard_service_request_id.or(further.standard_service_request_id);
        if Some(&self.subject) == self.source_id.as_ref() {
            self.subject = further.subject;
        }
        if self.channel == Channel::Ticket {
            self.channel = further.channel;
        }
    }
}
