//! Places for websockets and event streams: how many this process holds, how many one viewer, and how fast they come.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::access::Viewer;

/// All places, and who has them.
pub(super) struct Places {
    free: Arc<Semaphore>,
    all: usize,
    per_viewer: usize,
    rate: f64,
    state: Mutex<State>,
}

struct State {
    by_viewer: HashMap<String, usize>,
    /// How many more may come now; it grows by the rate, up to a second's worth.
    allowance: f64,
    counted_at: Instant,
    /// How many sockets were closed by the gateway, by code.
    closed: BTreeMap<u16, u64>,
}

/// A place among those of one viewer, given back when dropped.
pub(super) struct OfViewer {
    places: Arc<Places>,
    name: String,
}

impl Places {
    pub(super) fn new(all: usize, per_viewer: usize, rate: u32) -> Arc<Self> {
        let state = State {
            by_viewer: HashMap::new(),
            allowance: f64::from(rate),
            counted_at: Instant::now(),
            closed: BTreeMap::new(),
        };
        Arc::new(Self {
            free: Arc::new(Semaphore::new(all)),
            all,
            per_viewer,
            rate: f64::from(rate),
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

    /// A place among the viewer's own; an error when they have too many already. All who are not logged in are one viewer:
    /// else anybody could take the places of all others.
    pub(super) fn of_viewer(self: &Arc<Self>, viewer: Option<&Viewer>) -> Result<OfViewer, usize> {
        let name = viewer.map_or_else(String::new, |viewer| viewer.actor.name());
        let mut state = self.state();
        let held = state.by_viewer.entry(name.clone()).or_default();
        if *held >= self.per_viewer {
            return Err(self.per_viewer);
        }
        *held += 1;
        drop(state);
        Ok(OfViewer { places: self.clone(), name })
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

impl Drop for OfViewer {
    fn drop(&mut self) {
        let mut state = self.places.state();
        if let Some(held) = state.by_viewer.get_mut(&self.name) {
            *held -= 1;
            if *held == 0 {
                state.by_viewer.remove(&self.name);
            }
        }
    }
}
