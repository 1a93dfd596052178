//! All SQL. A noun is one file with its row and every statement that returns its rows.
//!
//! Every function takes a [`crate::access::Reach`] to read or a [`crate::access::Permit`] to write. Nothing here
//! knows GraphQL, and nothing outside knows diesel.

pub mod attainment;
pub mod breach_log;
mod candidate;
pub mod connect;
pub mod deadline;
pub mod filter;
pub mod id;
pub mod intake;
pub mod migrations;
pub mod noun;
pub mod page;
pub mod partition;
pub(crate) mod promise;
pub mod reference;
pub mod replay;
pub mod root;
mod schema;
pub(crate) mod semaphores;
pub mod sql;
pub mod viewer;
pub mod word;
pub mod write;

// The nouns.
pub mod affected_sla;
pub mod audit_entry;
pub mod breach;
pub mod calendar;
pub mod limit_notification;
pub mod organization;
pub mod person;
pub mod project;
pub mod request;
pub mod request_event;
pub mod role;
pub mod role_grant;
pub mod service;
pub mod service_instance;
pub mod service_offering;
pub mod service_token;
pub mod site;
pub mod sla;
pub mod sla_activation;
pub mod sla_limit;
pub mod sla_version;
pub mod standard_service_request;
pub mod team;
pub mod tenant;
pub mod time_entry;
pub mod webhook;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use diesel::connection::InstrumentationEvent;
use diesel::result::DatabaseErrorKind;
use diesel_async::pooled_connection::PoolableConnection;
use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::{AsyncConnection, AsyncConnectionCore, AsyncPgConnection};
use futures_util::TryStreamExt;
use quick_cache::sync::Cache;
use tokio::runtime::Handle;
use tokio::sync::{AcquireError, OnceCell, OwnedSemaphorePermit, RwLock, RwLockWriteGuard, Semaphore};
use tokio::time::{Instant, timeout};

use crate::access::Viewer;
use crate::error::{Error, WriteError};
use crate::metrics::Metrics;
use semaphores::Semaphores;
use sql::Sql;

/// A row as it comes from the wire.
pub type PgRow = <AsyncPgConnection as AsyncConnectionCore>::Row<'static, 'static>;

/// The way to Postgres. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Pool<AsyncPgConnection>,
    shares: Arc<Cache<String, Arc<Share>>>,
    /// By their trees, what all viewers of the same may hold as the first connection of each.
    firsts: Arc<Semaphores>,
    /// What all who ask may hold together beyond the first connection of each.
    further: Arc<Semaphore>,
    /// How far the database's clock is ahead of this machine's, in microseconds.
    skew: Arc<AtomicI64>,
    outage: Arc<Mutex<Option<Outage>>>,
    /// Whether Postgres takes no writes, as last seen.
    frozen: Arc<AtomicBool>,
    metrics: Metrics,
}

impl Store {
    /// A store over a pool of connections.
    pub fn new(pool: Pool<AsyncPgConnection>) -> Self {
        let (shares, firsts) = (Arc::new(Cache::new(SHARES)), Arc::default());
        let further = Arc::new(Semaphore::new(pool.status().max_size / 2));
        let (skew, outage, frozen) = (Arc::default(), Arc::default(), Arc::default());
        Self { pool, shares, firsts, further, skew, outage, frozen, metrics: Metrics::default() }
    }

    /// The time by the database's clock (rule X13), as last compared by [`Self::synchronize`].
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that turns this machine's clock into the database's"
    )]
    pub fn now(&self) -> DateTime<Utc> {
        // As precise as what is stored (rule X6).
        Utc::now().trunc_subsecs(6) + TimeDelta::microseconds(self.skew.load(Ordering::Relaxed))
    }

    /// How far the database's clock is ahead of this machine's, in seconds.
    pub fn skew_seconds(&self) -> f64 {
        self.skew.load(Ordering::Relaxed) as f64 / 1e6
    }

    /// Compares this machine's clock with the database's, and sees whether that takes writes. Called at start and every
    /// few seconds.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that turns this machine's clock into the database's"
    )]
    pub async fn synchronize(&self) -> Result<(), Error> {
        let conn = self.conn();
        conn.rows(Sql::new("SELECT 1")).await?;
        let before = Utc::now();
        let rows = conn
            .rows(Sql::new("SELECT clock_timestamp(), current_setting('transaction_read_only')::boolean"))
            .await?;
        let middle = before + (Utc::now() - before) / 2;
        let row = rows.first().ok_or_else(|| Error::internal("the database told no time"))?;
        let there: DateTime<Utc> = noun::column::<diesel::sql_types::Timestamptz, _>(row, 0)?;
        self.skew.store((there - middle).num_microseconds().unwrap_or_default(), Ordering::Relaxed);
        let frozen = noun::column::<diesel::sql_types::Bool, _>(row, 1)?;
        conn.useless.store(frozen, Ordering::Relaxed);
        self.tell_frozen(frozen);
        Ok(())
    }

    /// Logs, once each, when the database takes no writes and when it does again. It may be that the connections lead to a
    /// standby since another server took over: they are given up, so that the next lead to where writes are taken.
    fn tell_frozen(&self, frozen: bool) {
        if frozen {
            self.pool.retain(|_, _| false);
        }
        match (frozen, self.frozen.swap(frozen, Ordering::Relaxed)) {
            (true, false) => tracing::warn!(
                "Postgres takes no writes: it is a standby, or read-only; mutations are refused and nothing is recorded"
            ),
            (false, true) => tracing::info!("Postgres takes writes again"),
            _ => {}
        }
    }

    /// What is measured of all that works over this store.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The connection of one operation; taken from the pool when first used, given back when dropped.
    pub fn conn(&self) -> Conn {
        self.conn_with(None)
    }

    /// The same for an operation of somebody. The operations of one hold no more than half of the connections, and wait for
    /// each other beyond that; so do those of all together, but for the first of each, of which the viewers of one tree hold
    /// a quarter: who asks much or slowly, be it with many tokens, takes nothing from whoever comes next.
    pub fn conn_of(&self, viewer: &Viewer) -> Conn {
        self.conn_among(&viewer.actor.name(), viewer)
    }

    /// The same for what is told to all who follow with the same question in the same trees: they are one here, for whoever
    /// happens to ask first would have all others wait for what they ask besides. What asks much waits for itself alone.
    pub fn conn_of_followers(&self, question: &[u8; 32], viewer: &Viewer) -> Conn {
        self.conn_among(&format!("followers {} {question:x?}", viewer.trees()), viewer)
    }

    fn conn_among(&self, name: &str, viewer: &Viewer) -> Conn {
        let all = self.pool.status().max_size;
        let firsts = self.firsts.of(viewer.trees(), (all / 4).max(1));
        let share = || Ok::<_, Infallible>(Arc::new(Share::new(all / 2)));
        let Ok(share) = self.shares.get_or_insert_with(name, share);
        self.conn_with(Some((share, firsts)))
    }

    fn conn_with(&self, share: Option<(Arc<Share>, Arc<Semaphore>)>) -> Conn {
        Conn {
            store: self.clone(),
            share,
            taken: OnceCell::new(),
            statements: Arc::default(),
            running: AtomicU32::new(0),
            abandoned: AtomicBool::new(false),
            useless: AtomicBool::new(false),
            read: AtomicUsize::new(0),
        }
    }

    /// A connection of its own for a task that lives long. It no longer counts against the pool, and is closed when
    /// dropped: after a failure nobody else is handed what is left of it.
    pub(crate) async fn dedicated(&self) -> Result<AsyncPgConnection, Error> {
        let _waiting = self.metrics.waiting();
        self.take().await.map(Object::take)
    }

    async fn take(&self) -> Result<Object<AsyncPgConnection>, Error> {
        let taken = self.pool.get().await;
        self.tell_outage(taken.as_ref().err());
        taken.map_err(|_told| Error::Unavailable)
    }

    /// Logs when an outage begins, with its cause, and when it is over: once each, however many operations it hits, and though
    /// some are served meanwhile where Postgres has too few connections for all.
    fn tell_outage(&self, failure: Option<&PoolError>) {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match (Outage::see(&mut outage, failure.is_some(), Instant::now()), failure) {
            (Some(Seen::Begun), Some(failure)) => {
                let cause = std::error::Error::source(failure).unwrap_or(failure);
                tracing::warn!(%cause, "Postgres cannot be reached: operations are refused until it can");
            }
            (Some(Seen::Over(after)), _) => tracing::info!(?after, "Postgres is reached again"),
            _ => {}
        }
    }
}

/// That Postgres cannot be reached, or refuses some of the connections that are wanted.
#[derive(Debug)]
struct Outage {
    /// When that was first seen.
    since: Instant,
    /// When it was last seen.
    failed: Instant,
}

/// What is worth a line in the log.
#[derive(Debug, PartialEq)]
enum Seen {
    Begun,
    /// After so long.
    Over(Duration),
}

impl Outage {
    /// For how long everybody must have been served before it is over.
    const QUIET: Duration = Duration::from_secs(3);

    fn see(outage: &mut Option<Self>, failed: bool, now: Instant) -> Option<Seen> {
        match outage {
            None if failed => {
                *outage = Some(Self { since: now, failed: now });
                Some(Seen::Begun)
            }
            Some(lasting) if failed => {
                lasting.failed = now;
                None
            }
            Some(Self { since, failed }) if now.duration_since(*failed) >= Self::QUIET => {
                let lasted = failed.duration_since(*since);
                *outage = None;
                Some(Seen::Over(lasted))
            }
            _ => None,
        }
    }
}

/// The one connection of an operation. Statements that are waited for together are pipelined on it.
///
/// An operation that is given up, because it took too long or its client has gone, gives its connection back only once
/// nothing runs on it any more: who was handed it earlier would wait. If that takes longer than a moment, it is closed
/// instead, upon which Postgres ends what runs (see [`connect::pool`]). Closing it at once would have a client that breaks
/// off all it asks keep everybody waiting for new connections.
pub struct Conn {
    store: Store,
    /// That of its viewer, and the firsts of their trees.
    share: Option<(Arc<Share>, Arc<Semaphore>)>,
    taken: OnceCell<Taken>,
    statements: Arc<AtomicU32>,
    running: AtomicU32,
    /// Whether the answer to some statement was not waited for.
    abandoned: AtomicBool,
    /// Whether nobody is to be handed it any more.
    useless: AtomicBool,
    /// How much was read so far, in bytes.
    read: AtomicUsize,
}

/// A connection out of the pool, and the place among those of its viewer that it takes.
struct Taken {
    conn: RwLock<Object<AsyncPgConnection>>,
    place: Option<Place>,
}

/// The connections that the operations of one viewer may hold.
struct Share {
    first: Arc<Semaphore>,
    further: Arc<Semaphore>,
}

/// That a connection is one of those that may be held.
enum Place {
    First { _own: OwnedSemaphorePermit, _of_trees: OwnedSemaphorePermit },
    Further { _own: OwnedSemaphorePermit, _of_all: OwnedSemaphorePermit },
}

impl Share {
    fn new(most: usize) -> Self {
        let further = Arc::new(Semaphore::new(most.saturating_sub(1)));
        Self { first: Arc::new(Semaphore::new(1)), further }
    }

    /// Waits until one more may be held: the viewer's first, of which `of_trees` are left to the viewers of the same trees, or
    /// one of the further ones, of which `of_all` are left to all viewers.
    async fn place(&self, of_trees: &Arc<Semaphore>, of_all: &Arc<Semaphore>) -> Result<Place, AcquireError> {
        let first = async {
            let own = self.first.clone().acquire_owned().await?;
            Ok(Place::First { _own: own, _of_trees: of_trees.clone().acquire_owned().await? })
        };
        let further = async {
            let own = self.further.clone().acquire_owned().await?;
            Ok(Place::Further { _own: own, _of_all: of_all.clone().acquire_owned().await? })
        };
        tokio::select! {
            biased;
            place = first => place,
            place = further => place,
        }
    }
}

/// Of how many it is remembered how many connections their operations hold.
const SHARES: usize = 10_000;

/// How long one statement may take before its connection is given up for dead: longer than an operation may.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How much one operation may read, in bytes. Pages bound rows and not what is in them: remarks have up to 64 KiB, and a
/// row that many others refer to comes with each of them.
const MOST_READ: usize = 128 * 1024 * 1024;

impl Drop for Conn {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            let Taken { conn, place } = taken;
            let mut conn = conn.into_inner();
            if self.useless.load(Ordering::Relaxed) || conn.is_broken() {
                drop(Object::take(conn));
            } else if *self.abandoned.get_mut() {
                match Handle::try_current() {
                    // Its place stays taken: what runs is still the viewer's.
                    Ok(runtime) => drop(runtime.spawn(async move {
                        settle(conn).await;
                        drop(place);
                    })),
                    Err(_no_runtime) => drop(Object::take(conn)),
                }
            }
        }
    }
}

/// How long what runs on a connection may go on that nobody waits for any more.
const MOMENT: Duration = Duration::from_millis(500);

/// Gives a connection back once what was sent on it has been answered, or closes it.
async fn settle(mut conn: Object<AsyncPgConnection>) {
    // Statements are answered in their order: this one last.
    let last = timeout(MOMENT, rows(&mut conn, Sql::new("SELECT 1"))).await;
    if !matches!(last, Ok(Ok(_))) {
        drop(Object::take(conn));
    }
}

impl Conn {
    /// How many statements were sent, those that begin and end transactions among them.
    pub fn statements(&self) -> u32 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Whether a statement is waited for.
    pub(crate) fn busy(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    async fn taken(&self) -> Result<&RwLock<Object<AsyncPgConnection>>, Error> {
        let take = async || {
            // For its viewer's share as well: that is what runs out first.
            let _waiting = self.store.metrics.waiting();
            let place = match &self.share {
                Some((share, firsts)) => {
                    Some(share.place(firsts, &self.store.further).await.map_err(Error::internal)?)
                }
                None => None,
            };
            let mut conn = self.store.take().await?;
            let statements = self.statements.clone();
            conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if matches!(event, InstrumentationEvent::StartQuery { .. }) {
                    statements.fetch_add(1, Ordering::Relaxed);
                }
            });
            Ok(Taken { conn: RwLock::new(conn), place })
        };
        self.taken.get_or_try_init(take).await.map(|taken| &taken.conn)
    }

    /// Runs a statement and gives its rows.
    pub(crate) async fn rows(&self, sql: Sql) -> Result<Vec<PgRow>, Error> {
        if sql.holds_nul() {
            return Err(Error::BadRequest("A text holds the character U+0000: leave it out.".into()));
        }
        let mut running = Running::new(self);
        let rows = async {
            let conn = self.taken().await?.read().await;
            let mut conn: &AsyncPgConnection = &conn;
            let mut answer = AsyncConnectionCore::load(&mut conn, sql).await?;
            let mut rows = Vec::new();
            while let Some(row) = answer.try_next().await? {
                let bytes = noun::bytes(&row);
                if self.read.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_READ {
                    return Ok(None);
                }
                rows.push(row);
            }
            Ok::<_, Error>(Some(rows))
        };
        let rows = timeout(PATIENCE, rows).await.unwrap_or_else(|_late| {
            tracing::info!(within = ?PATIENCE, "an operation ended since Postgres did not answer a statement");
            Err(Error::Timeout)
        });
        // Of an answer that is too long, or too late, the rest is not waited for either.
        running.answered = !matches!(rows, Ok(None) | Err(Error::Timeout));
        rows?.ok_or_else(|| {
            let most = MOST_READ / 1024 / 1024;
            Error::LimitExceeded(format!(
                "The operation reads more than {most} MiB: ask for smaller pages, or leave out long texts."
            ))
        })
    }

    /// The connection for a transaction of its own: nothing else of the operation uses it meanwhile.
    pub(crate) async fn exclusive(&self) -> Result<RwLockWriteGuard<'_, Object<AsyncPgConnection>>, Error> {
        Ok(self.taken().await?.write().await)
    }
}

/// Counts a statement as long as somebody waits for it.
struct Running<'a> {
    conn: &'a Conn,
    answered: bool,
}

impl<'a> Running<'a> {
    fn new(conn: &'a Conn) -> Self {
        conn.running.fetch_add(1, Ordering::Relaxed);
        Self { conn, answered: false }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.conn.running.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            self.conn.abandoned.store(true, Ordering::Relaxed);
        }
    }
}

/// A statement's rows on a connection that a transaction has to itself.
pub(crate) async fn rows(
    conn: &mut AsyncPgConnection,
    sql: Sql,
) -> Result<Vec<PgRow>, diesel::result::Error> {
    AsyncConnectionCore::load(conn, sql).await?.try_collect().await
}

impl From<diesel::result::Error> for Error {
    fn from(cause: diesel::result::Error) -> Self {
        match &cause {
            diesel::result::Error::DatabaseError(_, about) if is_loss(about.message()) => {
                tracing::warn!(
                    cause = about.message(),
                    "a statement was lost with its connection to Postgres"
                );
                Self::Unavailable
            }
            diesel::result::Error::DatabaseError(_, about) if is_late(about.message()) => {
                tracing::info!(
                    cause = about.message(),
                    "an operation ended since Postgres broke a statement off"
                );
                Self::Timeout
            }
            diesel::result::Error::DatabaseError(_, about) if is_full(about.message()) => {
                tracing::error!(cause = about.message(), "Postgres has no room left on its disk");
                Self::Unavailable
            }
            // Told once, where it is looked for.
            diesel::result::Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => {
                Self::Unavailable
            }
            // Of a read: a standby has to follow its server, and could wait no longer for who reads what is gone there.
            diesel::result::Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => {
                Self::Unavailable
            }
            _ => Self::internal(cause),
        }
    }
}

/// Whether a statement failed since its connection ended. These have no kind of their own.
fn is_loss(message: &str) -> bool {
    ["connection closed", "error communicating with the server", "terminating connection due to"]
        .iter()
        .any(|loss| message.starts_with(loss))
}

/// Whether a statement was ended by a limit that the role or the database has. These have no kind of their own either.
fn is_late(message: &str) -> bool {
    ["canceling statement due to lock timeout", "canceling statement due to statement timeout"]
        .contains(&message)
}

/// Whether a statement failed since the disk of the server is full: it succeeds once there is room.
fn is_full(message: &str) -> bool {
    message.starts_with("could not extend file") || message.ends_with("No space left on device")
}

impl From<diesel::result::Error> for WriteError {
    fn from(cause: diesel::result::Error) -> Self {
        use diesel::result::Error::DatabaseError;
        match &cause {
            DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Again,
            // This one has no kind of its own.
            DatabaseError(DatabaseErrorKind::Unknown, about) if about.message() == "deadlock detected" => {
                Self::Again
            }
            _ => Self::Refused(cause.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_a_standby_had_to_give_up_is_to_be_tried_again() {
        let about = "canceling statement due to conflict with recovery".to_owned();
        let kind = DatabaseErrorKind::SerializationFailure;
        let error = Error::from(diesel::result::Error::DatabaseError(kind, Box::new(about)));
        assert_eq!(error.code(), "UNAVAILABLE");
    }

    #[test]
    fn what_finds_no_room_is_to_be_tried_again() {
        let full = [
            "could not extend file \"base/16384/16385\": No space left on device",
            "could not extend file \"base/16384/16385\": wrote only 4096 of 8192 bytes at block 7",
            "could not write to file \"base/pgsql_tmp/pgsql_tmp1.0\": No space left on device",
        ];
        for about in full {
            let kind = DatabaseErrorKind::Unknown;
            let error = Error::from(diesel::result::Error::DatabaseError(kind, Box::new(about.to_owned())));
            assert_eq!(error.code(), "UNAVAILABLE", "{about}");
        }
    }

    #[test]
    fn an_outage_is_one_though_some_are_served_meanwhile() {
        let begun = Instant::now();
        let mut outage = None;
        let mut see =
            |failed, millis| Outage::see(&mut outage, failed, begun + Duration::from_millis(millis));
        assert_eq!(see(false, 0), None);
        assert_eq!(see(true, 10), Some(Seen::Begun));
        assert_eq!(see(false, 20), None);
        assert_eq!(see(true, 2_010), None);
        assert_eq!(see(false, 4_000), None);
        assert_eq!(see(false, 5_010), Some(Seen::Over(Duration::from_secs(2))));
        assert_eq!(see(false, 5_020), None);
    }
}
