//! Breaches: recorded exactly once, pushed at once, never missed (rules B1 to B4).
//!
//! ```text
//! deadline ──watch──▶ breach + breach_pending ──sequencer──▶ breach_log ──tail──▶ feed ──▶ subscribers
//! ```
//!
//! Every replica runs all of it, and any number of replicas may: what they share is in Postgres alone.
//!
//! | | promise |
//! |---|---|
//! | a record | exactly once for each clock or limit, kind, phase and instant (B1) |
//! | the log | exactly once, at dense positions, in the order of its epoch (B2) |
//! | a subscriber with `after` | every record after the cursor, in order; again only what it asks for again (B3) |
//! | a subscriber without | every record from its first checkpoint on |

mod clocks;
mod feed;
mod log;
mod watch;

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::select;
use tokio::sync::watch::Receiver;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::access::Viewer;
use crate::error::Error;
use crate::store::semaphores::Semaphores;
use crate::store::{PATIENCE, Store, partition, write};
pub use clocks::Clock;
pub use feed::{Cursor, EVERYTHING, Feed, Filter, Ids, Item, Rights};

/// How long a failed task rests before it tries again: the first time, and at most. An outage of the database
/// must be over for a gateway within five seconds of its end.
const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How many subscribers read the log at once when many have to catch up: the rest of the pool is for others.
const REPLAYS: usize = 4;

/// How many of them belong to viewers of the same trees.
const REPLAYS_OF_TREES: usize = 2;

/// How often partitions are made ahead of need.
const UPKEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it rests when that failed: somebody holds a table, or the role may not.
const UPKEEP_AGAIN: Duration = Duration::from_secs(60);

/// A handle on all that runs here. Cheap to clone.
#[derive(Clone)]
pub struct Breaches {
    room: Arc<Room>,
    tasks: TaskTracker,
}

/// What the tasks share.
struct Room {
    store: Store,
    shutdown: CancellationToken,
    /// Rung when a deadline was written that may be earlier than all others.
    deadline: Notify,
    /// Rung when a record waits for its position.
    pending: Notify,
    /// Rung when a clock may have changed.
    written: Notify,
    clocks: clocks::Clocks,
    tail: log::Tail,
    replays: Semaphore,
    /// By their trees, what all viewers of the same may take of `replays`.
    replays_of_trees: Semaphores,
    recorded: AtomicU64,
    /// For how many months the log is kept; none = for ever.
    months: Option<u32>,
    holes: AtomicU64,
}

/// Figures of this replica, for its metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Records written since start (`sla_breach_recorded_total`).
    pub recorded: u64,
    /// The position up to which this replica has read the log (`sla_feed_tail_position`).
    pub position: i64,
    /// How often the log was found to have a hole (`sla_feed_hole_total`). Anything but 0 is a fault of ours or of
    /// the database.
    pub holes: u64,
    /// Open subscriptions.
    pub subscriptions: usize,
}

/// Starts the watch, the sequencer, the tail of the log and the upkeep of partitions. They go on, through outages of
/// the database too, until `shutdown`. The first three have a connection each besides the pool's, and so has the upkeep while
/// it works: four in all.
pub fn start(store: Store, shutdown: CancellationToken) -> Breaches {
    start_keeping(store, None, shutdown)
}

/// The same, where the positions of the log that were given out more than so many months ago are forgotten: a cursor
/// from before has expired. Records themselves are kept.
pub fn start_keeping(store: Store, months: Option<u32>, shutdown: CancellationToken) -> Breaches {
    let room = Arc::new(Room {
        store,
        shutdown,
        deadline: Notify::new(),
        pending: Notify::new(),
        written: Notify::new(),
        clocks: clocks::Clocks::default(),
        tail: log::Tail::default(),
        replays: Semaphore::new(REPLAYS),
        replays_of_trees: Semaphores::default(),
        recorded: AtomicU64::new(0),
        months,
        holes: AtomicU64::new(0),
    });
    let tasks = TaskTracker::new();
    tasks.spawn(keep("watch", room.clone(), watch::run));
    tasks.spawn(keep("sequencer", room.clone(), log::sequence));
    tasks.spawn(keep("tail", room.clone(), log::follow));
    tasks.spawn(keep("clocks", room.clone(), clocks::look));
    tasks.spawn(keep("upkeep", room.clone(), upkeep));
    tasks.close();
    Breaches { room, tasks }
}

impl Breaches {
    /// What subscribers read from.
    pub fn feed(&self) -> Feed {
        Feed::new(self.room.clone())
    }

    /// Up to where this replica has read the log; none before it has reached its database. Whatever reads the store after
    /// this was asked sees every record up to there, so that it and the feed after there leave nothing out.
    pub fn cursor(&self) -> Option<Cursor> {
        self.room.tail.cursor()
    }

    /// Waits until this replica has read where the log stands.
    pub async fn begun(&self) {
        self.room.tail.known().await;
    }

    /// A look at one clock of a root. Whoever asks must have been allowed to read it.
    pub fn clock(&self, root_id: Uuid, id: Uuid) -> Clock {
        self.room.clocks.look_at(root_id, id)
    }

    /// To be called after a commit that wrote a clock, a deadline or a record: what is due at once is then recorded and pushed
    /// at once. Forgetting it, or a crash in between, costs a second, not a breach.
    pub fn wake(&self) {
        self.room.deadline.notify_one();
        self.room.pending.notify_one();
        self.room.written.notify_one();
    }

    /// Waits until every task has finished its last statement after the shutdown.
    pub async fn drained(&self) {
        self.tasks.wait().await;
    }

    /// The position up to which this replica has read the log, as it moves.
    pub fn moved(&self) -> Receiver<i64> {
        self.room.tail.moved()
    }

    /// What this replica has done and seen.
    pub fn figures(&self) -> Figures {
        Figures {
            recorded: self.room.recorded.load(Ordering::Relaxed),
            position: self.room.tail.reached(),
            holes: self.room.holes.load(Ordering::Relaxed),
            subscriptions: self.room.tail.subscriptions(),
        }
    }
}

/// Runs a task until the shutdown, and again after every failure.
async fn keep<F>(name: &'static str, room: Arc<Room>, mut run: impl FnMut(Arc<Room>) -> F)
where
    F: Future<Output = Result<(), Error>>,
{
    let mut rest = REST.0;
    loop {
        let begun = Instant::now();
        let Err(failure) = run(room.clone()).await else { return };
        if begun.elapsed() > REST.1 {
            rest = REST.0;
        }
        // An outage is told of by the store, once.
        if !matches!(failure, Error::Unavailable) {
            let code = failure.code();
            tracing::warn!(task = name, code, ?rest, "a task of the breach log failed and will resume");
        }
        if !room.sleep(jittered(rest)).await {
            return;
        }
        rest = (rest * 2).min(REST.1);
    }
}

async fn upkeep(room: Arc<Room>) -> Result<(), Error> {
    loop {
        let kept = select! {
            // What it was about is left to the next start.
            () = room.shutdown.cancelled() => return Ok(()),
            kept = keep_up(&room) => kept,
        };
        let rest = match kept {
            Ok(()) => UPKEEP,
            Err(Error::Unavailable) => return Err(Error::Unavailable),
            Err(failure) => {
                let code = failure.code();
                tracing::warn!(code, again_in = ?UPKEEP_AGAIN, "partitions could not be made or dropped; rows are kept anyway");
                UPKEEP_AGAIN
            }
        };
        if !room.sleep(jittered(rest)).await {
            return Ok(());
        }
    }
}

async fn keep_up(room: &Room) -> Result<(), Error> {
    write::forget_marks(&room.store.conn()).await?;
    let mut conn = room.store.dedicated().await?;
    let made = partition::prepare(&mut conn).await?;
    if made > 0 {
        tracing::info!(made, "partitions made ahead of need");
    }
    if let Some(months) = room.months {
        let forgotten = partition::forget(&mut conn, months).await?;
        if forgotten > 0 {
            tracing::info!(forgotten, months, "positions of the log forgotten");
        }
    }
    Ok(())
}

impl Room {
    /// Waits until somebody may read the log: first for those of the same trees, of whom there may be any number, and then
    /// among the few that are left of each.
    async fn turn(&self, viewer: &Viewer) -> Result<(OwnedSemaphorePermit, SemaphorePermit<'_>), Error> {
        let of_trees = self.replays_of_trees.of(viewer.trees(), REPLAYS_OF_TREES);
        // Neither is ever closed.
        let of_trees = of_trees.acquire_owned().await.map_err(Error::internal)?;
        Ok((of_trees, self.replays.acquire().await.map_err(Error::internal)?))
    }

    /// False when the shutdown came first.
    async fn sleep(&self, time: Duration) -> bool {
        select! {
            () = self.shutdown.cancelled() => false,
            () = sleep(time) => true,
        }
    }

    /// False when the shutdown came first; true after `time`, or when `bell` was rung.
    async fn sleep_unless(&self, bell: &Notify, time: Duration) -> bool {
        select! {
            () = self.shutdown.cancelled() => false,
            () = bell.notified() => true,
            () = sleep(time) => true,
        }
    }
}

/// A statement that may hang on a connection that died without a word.
async fn patient<T>(statement: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(PATIENCE, statement).await.unwrap_or(Err(Error::Timeout))
}

/// A time up to a fifth shorter or longer, so that replicas do not move in step.
pub(crate) fn jittered(time: Duration) -> Duration {
    let chance = RandomState::new().hash_one(()) % 1_000;
    #[expect(clippy::cast_possible_truncation, reason = "below a thousand")]
    let share = 800 + (chance * 2 / 5) as u32;
    time / 1_000 * share
}
