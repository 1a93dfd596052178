//! Gap-free reading: the sequencer, and the tail of the log that a replica keeps in memory for its subscribers.
//!
//! The tail is a window on the last positions. A subscriber has no queue: it is a position and a bell. Rung, it reads
//! the window from its position on; fallen behind the window, it reads the log itself. So a slow reader makes nobody
//! wait, loses nothing and costs no memory, and "replay, then live" is one and the same walk along dense positions,
//! with no seam at which a record could be missed or seen twice (rule B3).

use std::cmp;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::select;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use uuid::Uuid;

use super::feed::{Cursor, Scope};
use super::{Room, jittered, patient};
use crate::error::Error;
use crate::store::breach;
use crate::store::breach_log::{self, Entry, Extract, Head, Listener};

/// How many records a turn of the sequencer moves.
const BATCH: i64 = 1_000;

/// How long the sequencer rests after a turn that moved something: what is recorded meanwhile shares the next turn.
const TICK: Duration = Duration::from_millis(5);

/// How long it rests when nothing rings: what a replica left behind that died between recording and sequencing waits
/// this long.
const IDLE: Duration = Duration::from_secs(1);

/// How many entries the tail reads at once.
const READ: i64 = 500;

/// How long the tail waits for a notification before it looks without one: a hint can be lost.
const POLL: Duration = Duration::from_secs(1);

/// How long the tail rests for each subscriber that it rang, and at most: what is recorded while those are told is told
/// them together, with one turn of their tasks and one write to their sockets. A thousand who are rung for every record
/// of a hundred a second take all of two cores, and then wait for each other.
const SERVE: Duration = Duration::from_micros(20);
const SERVE_ALL: Duration = Duration::from_millis(50);

/// How many positions the window holds: some megabyte, so that a deploy's wave of reconnecting subscribers resumes
/// from memory.
const WINDOW: usize = 4_096;

/// How many of them a replica reads before it lets subscribers in: not all, since the log grows meanwhile.
const RECALLED: i64 = WINDOW as i64 - READ;

/// Gives records their positions until the shutdown. Rivals are welcome.
pub(super) async fn sequence(room: Arc<Room>) -> Result<(), Error> {
    let mut conn = room.store.dedicated().await?;
    patient(breach_log::begin(&mut conn, room.tail.head())).await?;
    while !room.shutdown.is_cancelled() {
        let turn = patient(breach_log::sequence(&mut conn, BATCH)).await?;
        match turn {
            breach_log::Turn { moved: BATCH, .. } => {}
            breach_log::Turn { held: true, moved: 0 } => {
                room.sleep_unless(&room.pending, jittered(IDLE)).await;
            }
            // What arrived after a rival's snapshot, or after ours, is for the next turn.
            _ => {
                room.sleep(TICK).await;
            }
        }
    }
    Ok(())
}

/// Reads the log as it grows until the shutdown, and rings whom it concerns.
pub(super) async fn follow(room: Arc<Room>) -> Result<(), Error> {
    let mut listener = Listener::open(&room.store, room.tail.head()).await?;
    if !room.tail.is_known() {
        recall(&room, &mut listener).await?;
    }
    while !room.shutdown.is_cancelled() {
        let extract = patient(listener.read(room.tail.reached(), READ)).await?;
        let full = extract.entries.len() == READ as usize;
        match room.tail.append(extract, full) {
            Ok(Grown { more, rung }) => {
                room.sleep(SERVE_ALL.min(SERVE * rung)).await;
                if !more {
                    select! {
                        () = room.shutdown.cancelled() => {}
                        heard = listener.heard() => heard?,
                        () = sleep(jittered(POLL)) => {}
                    }
                }
            }
            Err(Hole { expected, found }) => {
                room.holes.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    expected,
                    found,
                    "the breach log has a hole: its readers wait until it is mended"
                );
                room.sleep(jittered(POLL)).await;
            }
        }
    }
    Ok(())
}

/// Reads what subscribers were told last, by the replicas before this one, up to where the log stands.
async fn recall(room: &Room, listener: &mut Listener) -> Result<(), Error> {
    let Extract { head, .. } = patient(listener.read(i64::MAX, 0)).await?;
    room.tail.begin(head, head.low_pos.max(head.pos - RECALLED));
    loop {
        let extract = patient(listener.read(room.tail.reached(), READ)).await?;
        let full = extract.entries.len() == READ as usize;
        match room.tail.append(extract, full) {
            Ok(Grown { more: true, .. }) if room.tail.reached() < head.pos => {}
            Ok(_) => break,
            // Some of it was forgotten meanwhile, or lost long ago: what is to come does not depend on it.
            Err(_) => {
                let Extract { head, .. } = patient(listener.read(i64::MAX, 0)).await?;
                room.tail.begin(head, head.pos);
                break;
            }
        }
    }
    room.tail.known.send_replace(true);
    Ok(())
}

/// What the tail took in.
struct Grown {
    /// There may be more to read at once.
    more: bool,
    /// How many subscribers it concerned.
    rung: u32,
}

/// A position is missing from the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hole {
    expected: i64,
    found: i64,
}

/// The last positions of the log, and who waits for more.
#[derive(Default)]
pub(super) struct Tail {
    state: RwLock<State>,
    known: watch::Sender<bool>,
    moved: watch::Sender<i64>,
    names: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Where the log stood when last read; its `pos` is the last position of the window, read or not.
    head: Head,
    entries: VecDeque<Entry>,
    by_tenant: Bells,
    by_root: Bells,
}

/// Who is rung for records of which tenant, or of which root.
type Bells = HashMap<Uuid, HashMap<u64, Arc<Bell>>>;

/// How a subscriber is told.
struct Bell {
    scope: Arc<Scope>,
    notify: Notify,
    /// The first position that concerns the subscriber and that it has not looked at; [`NOTHING`] if there is none.
    first: AtomicI64,
}

const NOTHING: i64 = i64::MAX;

/// A bell that hangs as long as this is kept.
pub(super) struct Hung {
    room: Arc<Room>,
    name: u64,
    bell: Arc<Bell>,
}

/// What a look at the window showed.
pub(super) enum Look {
    /// What concerns the subscriber, in order, up to a position; there may be more after it.
    Seen(Vec<Entry>, i64),
    /// Nothing more up to a position, the last.
    Nothing(i64),
    /// What concerns it lies before the window: the log must be read from after the first position up to the second.
    Behind(i64, i64),
    /// Another life of the database has begun.
    NewEpoch(Head),
}

impl Tail {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position up to which the log was read.
    pub(super) fn reached(&self) -> i64 {
        self.read().head.pos
    }

    /// Up to where the log was read; none before the first time.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.is_known().then(|| {
            let head = self.head();
            Cursor { epoch: head.epoch, pos: head.pos }
        })
    }

    /// Where the log stands, as far as this replica knows.
    pub(super) fn head(&self) -> Head {
        self.read().head
    }

    /// The last position that was given out before an instant, as far back as the window reaches.
    pub(super) fn before(&self, at: DateTime<Utc>) -> i64 {
        let state = self.read();
        let since = state.entries.partition_point(|entry| entry.published_at < at);
        state.head.pos - (state.entries.len() - since) as i64
    }

    pub(super) fn subscriptions(&self) -> usize {
        let state = self.read();
        let mut names: Vec<u64> = [&state.by_root, &state.by_tenant]
            .iter()
            .flat_map(|b| b.values())
            .flat_map(|m| m.keys().copied())
            .collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    pub(super) fn moved(&self) -> watch::Receiver<i64> {
        self.moved.subscribe()
    }

    fn is_known(&self) -> bool {
        *self.known.borrow()
    }

    /// Waits until the log was read for the first time.
    pub(super) async fn known(&self) {
        // The sender lives in `self`.
        let _ = self.known.subscribe().wait_for(|known| *known).await;
    }

    /// Begins with an empty window after a position.
    fn begin(&self, head: Head, after: i64) {
        let mut state = self.write();
        state.entries.clear();
        state.head = Head { pos: after, ..head };
    }

    /// Takes what was read into the window and rings whom it concerns.
    fn append(&self, extract: Extract, full: bool) -> Result<Grown, Hole> {
        let mut rung = Vec::new();
        let outcome = self.write().append(extract, full, &mut rung);
        let count = u32::try_from(rung.len()).unwrap_or(u32::MAX);
        // After the lock is given back, since whoever is rung will ask for it.
        for bell in rung {
            bell.notify.notify_one();
        }
        let reached = self.reached();
        self.moved.send_if_modified(|last| std::mem::replace(last, reached) != reached);
        outcome.map(|more| Grown { more, rung: count })
    }

    /// Hangs a bell for a scope. The subscriber has seen everything up to `after`.
    pub(super) fn hang(room: &Arc<Room>, scope: Arc<Scope>, after: i64) -> Hung {
        let tail = &room.tail;
        let name = tail.names.fetch_add(1, Ordering::Relaxed);
        let mut state = tail.write();
        let first = if after < state.head.pos { after + 1 } else { NOTHING };
        let bell = Arc::new(Bell { scope, notify: Notify::new(), first: AtomicI64::new(first) });
        let (by_root, keys) = bell.scope.keys();
        let bells = if by_root { &mut state.by_root } else { &mut state.by_tenant };
        for key in keys {
            bells.entry(*key).or_default().insert(name, bell.clone());
        }
        drop(state);
        Hung { room: room.clone(), name, bell }
    }
}

impl State {
    /// True if there may be more to read at once.
    fn append(&mut self, extract: Extract, full: bool, rung: &mut Vec<Arc<Bell>>) -> Result<bool, Hole> {
        let Extract { head, entries } = extract;
        if head.epoch != self.head.epoch {
            // What was read lies after a position of the life before: read again from where both agree. Where that is
            // not known, no reader can go on, and it does not matter.
            let pos = head.trusted(self.head.epoch, self.head.pos);
            self.entries.retain(|entry| pos.is_some_and(|pos| entry.pos <= pos));
            self.head = Head { pos: pos.unwrap_or(head.pos), ..head };
            // Who hung up for this life before it was read of here may have more to look at than what it says from now on.
            rung.extend(self.everyone().inspect(|bell| bell.first.store(0, Ordering::Relaxed)));
            return Ok(true);
        }
        let reached = self.head.pos;
        self.head = Head { pos: reached, ..head };
        if self.by_root.is_empty() && self.by_tenant.is_empty() && head.pos - reached > WINDOW as i64 {
            // Nobody waits for what happened while this replica was away: whoever asks for it reads the log.
            self.entries.clear();
            self.head.pos = head.pos;
            return Ok(true);
        }
        for entry in entries {
            let expected = self.head.pos + 1;
            if entry.pos != expected {
                return Err(Hole { expected, found: entry.pos });
            }
            self.head.pos = entry.pos;
            if let Some(row) = &entry.breach {
                self.ring(entry.pos, row, rung);
            }
            if self.entries.len() == WINDOW {
                self.entries.pop_front();
            }
            self.entries.push_back(entry);
        }
        if !full && self.head.pos < head.pos {
            return Err(Hole { expected: self.head.pos + 1, found: head.pos });
        }
        Ok(full)
    }

    fn everyone(&self) -> impl Iterator<Item = Arc<Bell>> {
        self.by_root.values().chain(self.by_tenant.values()).flat_map(|bells| bells.values().cloned())
    }

    /// Rings whom a record concerns, once for all they have not looked at.
    fn ring(&self, pos: i64, row: &breach::Row, rung: &mut Vec<Arc<Bell>>) {
        let concerned = [self.by_root.get(&row.root_id), self.by_tenant.get(&row.tenant_id)];
        for bell in concerned.into_iter().flatten().flat_map(HashMap::values) {
            if bell.first.load(Ordering::Relaxed) == NOTHING && bell.scope.lets(row) {
                bell.first.store(pos, Ordering::Relaxed);
                rung.push(bell.clone());
            }
        }
    }
}

impl Hung {
    pub(super) fn scope(&self) -> &Arc<Scope> {
        &self.bell.scope
    }

    /// Waits until something concerns the subscriber.
    pub(super) async fn rung(&self) {
        self.bell.notify.notified().await;
    }

    /// What concerns the subscriber and that it has not seen: it has seen everything up to `after`, and will look
    /// next from `next` on, if that is anywhere. At most `limit` entries.
    pub(super) fn look(&self, epoch: i32, after: i64, next: Option<i64>, limit: usize) -> Look {
        let state = self.room.tail.read();
        match state.head.epoch.cmp(&epoch) {
            cmp::Ordering::Greater => return Look::NewEpoch(state.head),
            // The subscriber resumed from what another replica told; this one will ring when it has read of that life.
            cmp::Ordering::Less => return Look::Nothing(after),
            cmp::Ordering::Equal => {}
        }
        let reached = state.head.pos;
        let first =
            self.bell.first.swap(NOTHING, Ordering::Relaxed).min(next.unwrap_or(NOTHING)).max(after + 1);
        if first > reached {
            return Look::Nothing(reached);
        }
        let window = reached - state.entries.len() as i64;
        if first <= window {
            return Look::Behind(first - 1, window);
        }
        let mut seen = Vec::new();
        for entry in state.entries.range((first - window - 1) as usize..) {
            if entry.breach.as_ref().is_some_and(|row| self.bell.scope.lets(row)) {
                seen.push(entry.clone());
                if seen.len() == limit {
                    return Look::Seen(seen, entry.pos);
                }
            }
        }
        Look::Seen(seen, reached)
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        let mut state = self.room.tail.write();
        let (by_root, keys) = self.bell.scope.keys();
        let bells = if by_root { &mut state.by_root } else { &mut state.by_tenant };
        for key in keys {
            if let Some(named) = bells.get_mut(key) {
                named.remove(&self.name);
                if named.is_empty() {
                    bells.remove(key);
                }
            }
        }
    }
}
