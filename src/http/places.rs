//! What there is only so much of, and how much of it one viewer, and all viewers of one tree of tenants, may have: places
//! for websockets and event streams, for operations that run, and room for answers that wait to be read.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::HttpConfig;
use crate::access::Viewer;

/// All places, and who has them.
pub(super) struct Places {
    free: Arc<Semaphore>,
    all: usize,
    /// Of the sockets and streams.
    open: Arc<Shares>,
    /// Of the operations that run.
    running: Arc<Shares>,
    /// Of those that ask for the schema, which wait for each other.
    introspecting: Arc<Shares>,
    /// Of the answers that wait to be read, in bytes.
    unread: Arc<Shares>,
    rate: f64,
    state: Mutex<State>,
}

struct State {
    /// How many more may come now; it grows by the rate, up to a second's worth.
    allowance: f64,
    counted_at: Instant,
    /// How many sockets were closed by the gateway, by code.
    closed: BTreeMap<u16, u64>,
}

/// What each viewer holds of something, and what all viewers of the same trees: whoever administers one has as many
/// tokens as they like. All who are not logged in hold it together.
struct Shares {
    most: Most,
    held: Mutex<HashMap<String, usize>>,
}

/// How much each may hold.
struct Most {
    nobody: usize,
    viewer: usize,
    trees: usize,
}

/// A part of a viewer's share, given back when dropped.
pub(super) struct Held {
    shares: Arc<Shares>,
    names: Vec<String>,
    amount: usize,
}

/// That a share is used up.
#[derive(Debug)]
pub(super) struct Full {
    /// How much it is.
    pub(super) most: usize,
    /// Whose it is.
    pub(super) of: &'static str,
}

/// How many operations may ask for the schema, the one that has its turn and those that wait for theirs: of a queue that one
/// fills nobody else would see the end.
const INTROSPECTING: Most = Most { nobody: 32, viewer: 16, trees: 32 };

impl Shares {
    fn new(most: Most) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default() })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So much for who holds nothing, or no more than the share together with what they hold.
    fn take(self: &Arc<Self>, viewer: Option<&Viewer>, amount: usize) -> Result<Held, Full> {
        let Most { nobody, viewer: one, trees } = self.most;
        let shares = match viewer {
            None => vec![(String::new(), nobody, "all who are not logged in")],
            Some(viewer) => vec![
                (viewer.actor.name(), one, "one viewer"),
                (format!("trees {}", viewer.trees()), trees.max(one), "the viewers of one tree of tenants"),
            ],
        };
        let mut all = self.held();
        for (name, most, of) in &shares {
            let held = all.get(name).copied().unwrap_or_default();
            if held > 0 && held + amount > *most {
                return Err(Full { most: *most, of });
            }
        }
        let names: Vec<String> = shares.into_iter().map(|(name, ..)| name).collect();
        for name in &names {
            *all.entry(name.clone()).or_default() += amount;
        }
        drop(all);
        Ok(Held { shares: self.clone(), names, amount })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.shares.held();
        for name in &self.names {
            if let Some(held) = all.get_mut(name) {
                *held -= self.amount;
                if *held == 0 {
                    all.remove(name);
                }
            }
        }
    }
}

impl Places {
    pub(super) fn new(config: &HttpConfig) -> Arc<Self> {
        let HttpConfig { sockets, sockets_per_viewer, accept_rate, concurrency, unread_bytes, .. } = *config;
        let rate = f64::from(accept_rate);
        let state = State { allowance: rate, counted_at: Instant::now(), closed: BTreeMap::new() };
        // A token is easily had, and to ask without one takes nothing: what one viewer or tree may hold, and what nobody may,
        // is less than all there is also when it is added up.
        let open = Most { nobody: sockets_per_viewer, viewer: sockets_per_viewer, trees: sockets / 10 * 9 };
        let running = Most { nobody: concurrency / 8, viewer: concurrency / 2, trees: concurrency / 4 * 3 };
        let unread =
            Most { nobody: unread_bytes, viewer: unread_bytes, trees: unread_bytes.saturating_mul(2) };
        Arc::new(Self {
            free: Arc::new(Semaphore::new(sockets)),
            all: sockets,
            open: Shares::new(open),
            running: Shares::new(running),
            introspecting: Shares::new(INTROSPECTING),
            unread: Shares::new(unread),
            rate,
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if there is one and not too many come at once: a wave of clients that all come back is spread out, so
    /// that those who are here are served meanwhile.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        {
            let mut state = self.state();
            let now = Instant::now();
            let grown = (now - state.counted_at).as_secs_f64() * self.rate;
            state.counted_at = now;
            state.allowance = (state.allowance + grown).min(self.rate);
            if state.allowance < 1.0 {
                return None;
            }
            state.allowance -= 1.0;
        }
        self.free.clone().try_acquire_owned().ok()
    }

    /// A socket or stream of a viewer; an error, with how many they may have, when they have as many already.
    pub(super) fn open(&self, viewer: Option<&Viewer>) -> Result<Held, Full> {
        self.open.take(viewer, 1)
    }

    /// An operation of a viewer; the same.
    pub(super) fn run(&self, viewer: Option<&Viewer>) -> Result<Held, Full> {
        self.running.take(viewer, 1)
    }

    /// An operation of a viewer that asks for the schema; the same.
    pub(super) fn introspect(&self, viewer: Option<&Viewer>) -> Result<Held, Full> {
        self.introspecting.take(viewer, 1)
    }

    /// Room for an answer of so many bytes until its reader has read it; the same.
    pub(super) fn unread(&self, viewer: Option<&Viewer>, bytes: usize) -> Result<Held, Full> {
        self.unread.take(viewer, bytes)
    }

    /// Counts that the gateway closed a socket.
    pub(super) fn closed(&self, code: u16) {
        *self.state().closed.entry(code).or_default() += 1;
    }

    /// How many sockets and streams are open.
    pub(super) fn taken(&self) -> usize {
        self.all - self.free.available_permits()
    }

    /// How many sockets the gateway has closed, by code.
    pub(super) fn all_closed(&self) -> BTreeMap<u16, u64> {
        self.state().closed.clone()
    }
}
