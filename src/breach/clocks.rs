//! Clocks that somebody looks at: told when one was changed, by whichever replica.
//!
//! One statement asks after all of them, and only while there are any. So nothing is asked of those who write, and the
//! number of lookers changes neither the number of statements nor anything for others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::select;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::{Room, jittered, patient};
use crate::error::Error;
use crate::store::affected_sla;

/// How often is looked: what another replica changed is told within this time, what this one did at once.
const LOOK: Duration = Duration::from_millis(250);

/// The clocks that somebody looks at, by root and id.
#[derive(Default)]
pub(super) struct Clocks {
    looked_at: Mutex<HashMap<(Uuid, Uuid), watch::Sender<Mark>>>,
    /// Rung when the first begins to look.
    begun: Notify,
}

/// What a clock was like when last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    Unknown,
    Like(Arc<str>),
    Gone,
}

/// A look at one clock.
pub struct Clock {
    mark: watch::Receiver<Mark>,
    begun: bool,
}

impl Clock {
    /// Waits until the clock, or what was recorded of it, is other than it was; the first time, until it was looked at
    /// at all. What it is like now, in a form that differs with every change; none once there is no such clock.
    pub async fn changed(&mut self) -> Option<Arc<str>> {
        // Without a sender there is nobody left to tell: the shutdown is not a change.
        if std::mem::replace(&mut self.begun, true) {
            if self.mark.changed().await.is_err() {
                return std::future::pending().await;
            }
        } else if self.mark.wait_for(|mark| *mark != Mark::Unknown).await.is_err() {
            return std::future::pending().await;
        }
        match &*self.mark.borrow_and_update() {
            Mark::Like(mark) => Some(mark.clone()),
            Mark::Unknown | Mark::Gone => None,
        }
    }
}

impl Clocks {
    pub(super) fn look_at(&self, root_id: Uuid, id: Uuid) -> Clock {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let mark =
            looked_at.entry((root_id, id)).or_insert_with(|| watch::channel(Mark::Unknown).0).subscribe();
        drop(looked_at);
        self.begun.notify_one();
        Clock { mark, begun: false }
    }

    /// Those that are still looked at.
    fn keys(&self) -> Vec<(Uuid, Uuid)> {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.retain(|_, mark| mark.receiver_count() > 0);
        looked_at.keys().copied().collect()
    }

    fn tell(&self, keys: &[(Uuid, Uuid)], found: &HashMap<(Uuid, Uuid), String>) {
        let looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let Some(told) = looked_at.get(key) else { continue };
            told.send_if_modified(|mark| {
                let now = match found.get(key) {
                    Some(now) if matches!(mark, Mark::Like(last) if **last == **now) => return false,
                    Some(now) => Mark::Like(now.as_str().into()),
                    None => Mark::Gone,
                };
                std::mem::replace(mark, now.clone()) != now
            });
        }
    }
}

/// Looks after the clocks until the shutdown.
pub(super) async fn look(room: Arc<Room>) -> Result<(), Error> {
    while !room.shutdown.is_cancelled() {
        let keys = room.clocks.keys();
        if keys.is_empty() {
            select! {
                () = room.shutdown.cancelled() => return Ok(()),
                () = room.clocks.begun.notified() => continue,
            }
        }
        let conn = room.store.conn();
        let found = patient(affected_sla::marks(&conn, &keys)).await?;
        drop(conn);
        room.clocks.tell(&keys, &found);
        select! {
            () = room.clocks.begun.notified() => {}
            rested = room.sleep_unless(&room.written, jittered(LOOK)) => if !rested { return Ok(()) },
        }
    }
    Ok(())
}
