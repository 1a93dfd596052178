//! From a bearer token to a [`Viewer`], remembered as long as nobody's rights change.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::semaphores::Semaphores;
use crate::access::service_token::{REFUSED, ServiceToken};
use crate::access::token::{EXPIRED, MAXIMUM_LENGTH, TOO_LONG, Verifier};
use crate::access::{Actor, Viewer};
use crate::error::Error;
use crate::store::{Store, service_token, viewer};

/// How often a replica looks whether rights have changed: a revoked grant works everywhere within this time.
const LOOK: Duration = Duration::from_millis(250);

/// How often this machine's clock is compared with the database's.
const COMPARE: Duration = Duration::from_secs(10);

/// How often is kept which service tokens were used.
const KEEP_USED: Duration = Duration::from_secs(5);

/// How many viewers are remembered.
const REMEMBERED: usize = 10_000;

/// How many of those who follow are looked up at once: all of them are after each change, and the connections are for others
/// too.
const AT_ONCE: usize = 4;

/// And of those with rights in the same trees of tenants: whose right is gone in a small tree is not to wait until all of a
/// large one are known.
const AT_ONCE_OF_TREES: usize = 2;

/// Who has which rights.
pub struct Viewers {
    store: Store,
    verifier: Verifier,
    /// How often the epoch of rights, or the life of the database, was seen to be another. What is remembered rests on this and
    /// not on the epoch itself: of a standby that took over it may be an earlier one, and come to the same number again by
    /// other changes.
    changes: watch::Sender<u64>,
    /// The epoch and the life of the database as last seen; held while they are asked for.
    looking: Mutex<(i64, i32)>,
    /// By the hash of the token: what is in memory is no secret.
    known: Cache<[u8; 32], (Age, Arc<Viewer>)>,
    /// Of open subscriptions, by change, who it is and when their token ends.
    anew: Cache<AtChange, Arc<Viewer>>,
    turns: Semaphore,
    /// By trees.
    turns_of_trees: Semaphores,
    /// The service tokens that were used since this was last kept.
    used: std::sync::Mutex<HashSet<Uuid>>,
}

/// Whose rights, and as of when: after which change, the login, and when their token ends.
type AtChange = (u64, String, Option<DateTime<Utc>>);

/// What a remembered viewer rests on: the change of rights before, and the generation of the keys that tokens are verified
/// with.
type Age = (u64, u64);

impl Viewers {
    /// Begins to watch the epoch of rights, until `shutdown`.
    pub fn start(store: Store, verifier: Verifier, shutdown: CancellationToken) -> Arc<Self> {
        let viewers = Arc::new(Self {
            store,
            verifier,
            changes: watch::channel(0).0,
            looking: Mutex::default(),
            known: Cache::new(REMEMBERED),
            anew: Cache::new(REMEMBERED),
            turns: Semaphore::new(AT_ONCE),
            turns_of_trees: Semaphores::new(),
            used: std::sync::Mutex::default(),
        });
        let watched = viewers.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = watched.look() => {}
                () = watched.keep_used() => {}
                () = watched.verifier.keep_fresh() => {}
            }
        });
        viewers
    }

    async fn look(&self) {
        let mut until_compared = Duration::ZERO;
        loop {
            if until_compared.is_zero() && self.store.synchronize().await.is_ok() {
                until_compared = COMPARE;
            }
            self.refresh().await;
            tokio::time::sleep(LOOK).await;
            until_compared = until_compared.saturating_sub(LOOK);
        }
    }

    async fn keep_used(&self) {
        loop {
            tokio::time::sleep(KEEP_USED).await;
            let used = std::mem::take(&mut *self.used());
            if !used.is_empty()
                && service_token::used(&self.store.conn(), used.iter().copied().collect()).await.is_err()
            {
                self.used().extend(used);
            }
        }
    }

    fn used(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether rights have changed: whoever has changed them here need not wait for the next look.
    pub(super) async fn refresh(&self) {
        // One at a time: an answer that was overtaken would bring back what is forgotten.
        let mut last = self.looking.lock().await;
        if let Ok(epoch) = viewer::epoch(&self.store.conn()).await
            && std::mem::replace(&mut *last, epoch) != epoch
        {
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    /// Whom a token stands for.
    ///
    /// # Errors
    /// [`Error::BadToken`] with the reason.
    pub async fn of_token(&self, token: &str) -> Result<Arc<Viewer>, Error> {
        let viewer = self.known_or_found(token).await?;
        if let Actor::ServiceToken(_, id) = &viewer.actor {
            self.used().insert(*id);
        }
        Ok(viewer)
    }

    async fn known_or_found(&self, token: &str) -> Result<Arc<Viewer>, Error> {
        if token.len() > MAXIMUM_LENGTH {
            return Err(TOO_LONG);
        }
        let now = self.store.now();
        let hash: [u8; 32] = Sha256::digest(token).into();
        let age = (*self.changes.borrow(), self.verifier.generation());
        if let Some((seen, viewer)) = self.known.get(&hash)
            && seen == age
        {
            return match viewer.expires_at {
                Some(end) if end <= now => Err(EXPIRED),
                _ => Ok(viewer),
            };
        }
        let viewer = Arc::new(match ServiceToken::read(token) {
            Some(own) => self.of_service_token(&own?).await?,
            None => {
                let claims = self.verifier.verify(token, now).await?;
                viewer::by_login(&self.store.conn(), &claims.subject, Some(claims.ends_at))
                    .await?
                    .ok_or(Error::BadToken("nobody here logs in with it."))?
            }
        });
        self.known.insert(hash, (age, viewer.clone()));
        // Whoever follows with it is found to have the rights of now without another look.
        self.anew.insert((age.0, viewer.actor.name(), viewer.expires_at), viewer.clone());
        Ok(viewer)
    }

    async fn of_service_token(&self, own: &ServiceToken) -> Result<Viewer, Error> {
        let conn = self.store.conn();
        let hash = viewer::secret_hash(&conn, own.id).await?;
        if !hash.is_some_and(|hash| own.proves(&hash)) {
            return Err(REFUSED);
        }
        viewer::by_service_token(&conn, own.id).await?.ok_or(REFUSED)
    }

    /// A viewer, with the rights of now and after each change of rights: none of them once the person or token is
    /// known no more.
    pub fn follow(self: &Arc<Self>, viewer: Arc<Viewer>) -> watch::Receiver<Arc<Viewer>> {
        let (told, followed) = watch::channel(viewer.clone());
        let viewers = self.clone();
        let mut changes = self.changes.subscribe();
        // The viewer may be one of before the last change, of which nobody would tell any more.
        changes.mark_changed();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = told.closed() => return,
                    changed = changes.changed() => if changed.is_err() { return },
                }
                let seen = *changes.borrow_and_update();
                match viewers.anew(&viewer, seen).await {
                    Ok(anew) => {
                        told.send_if_modified(|known| {
                            let other = !Arc::ptr_eq(known, &anew);
                            *known = anew;
                            other
                        });
                    }
                    // The database is away: what was allowed stays so until it answers again.
                    Err(_) => {
                        tokio::time::sleep(LOOK).await;
                        changes.mark_changed();
                    }
                }
            }
        });
        followed
    }

    /// A viewer with the rights after a change: asked for once, however many sockets they have.
    async fn anew(&self, viewer: &Viewer, change: u64) -> Result<Arc<Viewer>, Error> {
        let key = (change, viewer.actor.name(), viewer.expires_at);
        let load = async {
            // Whoever has come to the turns of all waits for no turn of a tree: they are taken in this order.
            let of_trees = self.turns_of_trees.acquire(viewer.trees(), AT_ONCE_OF_TREES, 1);
            let _turn_of_trees = of_trees.await.map_err(Error::internal)?;
            let _turn = self.turns.acquire().await.map_err(Error::internal)?;
            let conn = self.store.conn();
            let anew = match &viewer.actor {
                Actor::Person { login, .. } => viewer::by_login(&conn, login, viewer.expires_at).await?,
                Actor::ServiceToken(_, id) => viewer::by_service_token(&conn, *id).await?,
            };
            Ok(Arc::new(anew.unwrap_or_else(|| viewer.without_rights())))
        };
        self.anew.get_or_insert_async(&key, load).await
    }
}
