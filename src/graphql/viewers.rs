//! From a bearer token to a [`Viewer`], remembered as long as nobody's rights change.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::access::service_token::{REFUSED, ServiceToken};
use crate::access::token::{EXPIRED, MAXIMUM_LENGTH, TOO_LONG, Verifier};
use crate::access::{Actor, Viewer};
use crate::breach::Rights;
use crate::error::Error;
use crate::store::semaphores::Semaphores;
use crate::store::{Store, service_token, viewer};

/// How often a replica looks whether rights have changed: a revoked grant works everywhere within this time.
const LOOK: Duration = Duration::from_millis(250);

/// How often this machine's clock is compared with the database's.
const COMPARE: Duration = Duration::from_secs(10);

/// How often is kept which service tokens were used.
const KEEP_USED: Duration = Duration::from_secs(5);

/// How much memory viewers take that are remembered, in bytes, by token and since the last change each: one knows all of their
/// tree, and some identity providers give out a token every few minutes.
const REMEMBERED: u64 = 512 * 1024 * 1024;

/// Of how many tokens it is remembered whom they stand for as long as something is open with them, which takes no memory.
const HELD: usize = 100_000;

/// What a cache is told to expect where it is to be undivided: one of its parts could have less memory than a single viewer
/// takes.
const UNDIVIDED: usize = 32;

/// How many of those who follow are looked up at once: all of them are after each change, and the connections are for others
/// too.
const AT_ONCE: usize = 4;

/// And of those with rights in the same trees of tenants: whose right is gone in a small tree is not to wait until all of a
/// large one are known.
const AT_ONCE_OF_TREES: usize = 2;

/// How many service tokens are looked up at once of which nobody knows yet whether they are any: whoever likes can send as many
/// as they like, and all who ask wait for the same connections.
const UNPROVED_AT_ONCE: usize = 2;

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
    known: Cache<[u8; 32], (Age, Arc<Viewer>), ByMemory>,
    /// The same of those that something open holds anyway, be they forgotten there: each of them is looked at every second.
    held: Cache<[u8; 32], (Age, Weak<Viewer>)>,
    /// Since the last change, of whoever something is open for, by who it is and when their token ends; none of whom nobody
    /// knows any more.
    anew: Cache<AtChange, Option<Arc<Viewer>>, ByMemory>,
    unproved: Semaphore,
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

/// What is said of a token whose subject no root knows.
const NOBODY: Error = Error::BadToken("nobody here logs in with it.");

/// Weighs viewers that are remembered.
#[derive(Clone)]
struct ByMemory;

impl Weighter<[u8; 32], (Age, Arc<Viewer>)> for ByMemory {
    fn weight(&self, _token: &[u8; 32], (_, viewer): &(Age, Arc<Viewer>)) -> u64 {
        viewer.weight()
    }
}

impl Weighter<AtChange, Option<Arc<Viewer>>> for ByMemory {
    fn weight(&self, _who: &AtChange, viewer: &Option<Arc<Viewer>>) -> u64 {
        viewer.as_ref().map_or(1_024, |viewer| viewer.weight())
    }
}

impl Viewers {
    /// Begins to watch the epoch of rights, until `shutdown`.
    pub fn start(store: Store, verifier: Verifier, shutdown: CancellationToken) -> Arc<Self> {
        let viewers = Arc::new(Self {
            store,
            verifier,
            changes: watch::channel(0).0,
            looking: Mutex::default(),
            known: Cache::with_weighter(UNDIVIDED, REMEMBERED, ByMemory),
            held: Cache::new(HELD),
            anew: Cache::with_weighter(UNDIVIDED, REMEMBERED, ByMemory),
            unproved: Semaphore::new(UNPROVED_AT_ONCE),
            turns: Semaphore::new(AT_ONCE),
            turns_of_trees: Semaphores::default(),
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
            // Nobody asks for those of an earlier change again.
            self.anew.clear();
        }
    }

    /// Whom a token stands for.
    ///
    /// # Errors
    /// [`Error::BadToken`] with the reason.
    pub async fn of_token(&self, token: &str) -> Result<Arc<Viewer>, Error> {
        Ok(self.used_by(self.known_or_found(token).await?))
    }

    /// The same of a token that something is open with. Where no more than rights have changed since it was accepted, they are
    /// read in turn, and once for all that is open for the same: there may be thousands, and whoever asks now does not wait
    /// behind them.
    ///
    /// # Errors
    /// The same.
    pub async fn still(&self, token: &str) -> Result<Arc<Viewer>, Error> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let age = self.age();
        let accepted = self
            .remembered(&hash)
            .filter(|((change, generation), _)| *generation == age.1 && *change != age.0);
        let Some((_, viewer)) = accepted else { return self.of_token(token).await };
        let viewer = self.unexpired(viewer)?;
        let viewer = self.anew(&viewer, age.0).await?.ok_or(NOBODY)?;
        self.remember(hash, age, &viewer);
        Ok(self.used_by(viewer))
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<(Age, Arc<Viewer>)> {
        let held = || self.held.get(hash).and_then(|(age, viewer)| Some((age, viewer.upgrade()?)));
        self.known.get(hash).or_else(held)
    }

    fn remember(&self, hash: [u8; 32], age: Age, viewer: &Arc<Viewer>) {
        self.known.insert(hash, (age, viewer.clone()));
        self.held.insert(hash, (age, Arc::downgrade(viewer)));
    }

    fn used_by(&self, viewer: Arc<Viewer>) -> Arc<Viewer> {
        if let Actor::ServiceToken(_, id) = &viewer.actor {
            self.used().insert(*id);
        }
        viewer
    }

    /// That of what is found out now.
    fn age(&self) -> Age {
        (*self.changes.borrow(), self.verifier.generation())
    }

    fn unexpired(&self, viewer: Arc<Viewer>) -> Result<Arc<Viewer>, Error> {
        match viewer.expires_at {
            Some(end) if end <= self.store.now() => Err(EXPIRED),
            _ => Ok(viewer),
        }
    }

    async fn known_or_found(&self, token: &str) -> Result<Arc<Viewer>, Error> {
        if token.len() > MAXIMUM_LENGTH {
            return Err(TOO_LONG);
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        let age = self.age();
        if let Some((seen, viewer)) = self.remembered(&hash)
            && seen == age
        {
            return self.unexpired(viewer);
        }
        let viewer = Arc::new(match ServiceToken::read(token) {
            // The secret of a token is never another: who was seen to know it once is only looked up anew.
            Some(own) => match self.of_service_token(&own?, self.remembered(&hash).is_some()).await? {
                Some(viewer) => viewer,
                None => {
                    // A token that was revoked is one of those that are made up.
                    self.known.remove(&hash);
                    self.held.remove(&hash);
                    return Err(REFUSED);
                }
            },
            None => {
                let claims = self.verifier.verify(token, self.store.now()).await?;
                viewer::by_login(&self.store.conn(), &claims.subject, Some(claims.ends_at))
                    .await?
                    .ok_or(NOBODY)?
            }
        });
        self.remember(hash, age, &viewer);
        // Whoever follows with it is found to have the rights of now without another look.
        self.anew.insert((age.0, viewer.actor.name(), viewer.expires_at), Some(viewer.clone()));
        Ok(viewer)
    }

    async fn of_service_token(&self, own: &ServiceToken, proved: bool) -> Result<Option<Viewer>, Error> {
        if !proved {
            let _unproved = self.unproved.acquire().await.map_err(Error::internal)?;
            let hash = viewer::secret_hash(&self.store.conn(), own.id).await?;
            if !hash.is_some_and(|hash| own.proves(&hash)) {
                return Ok(None);
            }
        }
        viewer::by_service_token(&self.store.conn(), own.id).await
    }

    /// A viewer, with the rights of now and after each change of rights: none of them once the person or token is
    /// known no more.
    pub fn follow(self: &Arc<Self>, viewer: Arc<Viewer>) -> watch::Receiver<Rights> {
        let (told, followed) = watch::channel(Rights { viewer: viewer.clone(), since: self.store.now() });
        let viewers = self.clone();
        let mut changes = self.changes.subscribe();
        // The viewer may be one of before the last change, of which nobody would tell any more.
        changes.mark_changed();
        tokio::spawn(async move {
            // When the first change was seen by which the rights were not read anew yet.
            let mut changed = None;
            loop {
                tokio::select! {
                    () = told.closed() => return,
                    changed = changes.changed() => if changed.is_err() { return },
                }
                let seen = *changes.borrow_and_update();
                let since = changed.take().unwrap_or_else(|| viewers.store.now());
                let mut anew = std::pin::pin!(viewers.anew(&viewer, seen));
                // Those of many others may be read first, and change meanwhile.
                let anew = loop {
                    tokio::select! {
                        anew = &mut anew => break anew,
                        Ok(()) = changes.changed(), if changed.is_none() => changed = Some(viewers.store.now()),
                    }
                };
                match anew {
                    Ok(anew) => {
                        let viewer = anew.unwrap_or_else(|| Arc::new(viewer.without_rights()));
                        told.send_if_modified(|known| {
                            let other = !Arc::ptr_eq(&known.viewer, &viewer);
                            *known = Rights { viewer, since };
                            other
                        });
                    }
                    // The database is away: what was allowed stays so until it answers again.
                    Err(_) => {
                        tokio::time::sleep(LOOK).await;
                        changed = Some(since);
                    }
                }
                if changed.is_some() {
                    changes.mark_changed();
                }
            }
        });
        followed
    }

    /// A viewer with the rights after a change, none if nobody knows them any more: asked for once, however many sockets they
    /// have.
    async fn anew(&self, viewer: &Viewer, change: u64) -> Result<Option<Arc<Viewer>>, Error> {
        let key = (change, viewer.actor.name(), viewer.expires_at);
        let load = async {
            // Whoever has come to the turns of all waits for no turn of a tree: they are taken in this order.
            let of_trees = self.turns_of_trees.of(viewer.trees(), AT_ONCE_OF_TREES);
            let _turn_of_trees = of_trees.acquire().await.map_err(Error::internal)?;
            let _turn = self.turns.acquire().await.map_err(Error::internal)?;
            let conn = self.store.conn();
            let anew = match &viewer.actor {
                Actor::Person { login, .. } => viewer::by_login(&conn, login, viewer.expires_at).await?,
                Actor::ServiceToken(_, id) => viewer::by_service_token(&conn, *id).await?,
            };
            Ok(anew.map(Arc::new))
        };
        self.anew.get_or_insert_async(&key, load).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Permission, Place};

    const ROOT: Uuid = Uuid::from_u128(1);

    /// Who was granted the same in so many tenants of a tree of so many, again and again.
    fn viewer(tenants: u128, grants: u128) -> Viewer {
        let place = |parent_id| Place { root_id: ROOT, parent_id, time_zone: chrono_tz::UTC };
        let below = (2..=tenants).map(|tenant| (Uuid::from_u128(tenant), place(Some(ROOT))));
        let places = below.chain([(ROOT, place(None))]).collect();
        let granted =
            |nth| (Uuid::from_u128(nth % tenants + 1), [Permission::SlasRead].into_iter().collect());
        let actor = Actor::Person { login: "staff".into(), people: Vec::new() };
        Viewer::new(actor, "Staff".into(), None, places, &(0..grants).map(granted).collect::<Vec<_>>())
    }

    #[test]
    fn as_many_viewers_are_remembered_as_there_is_memory_for() {
        let viewer = Arc::new(viewer(2_000, 1));
        let known = Cache::with_weighter(UNDIVIDED, REMEMBERED, ByMemory);
        for token in 0..10_000_u16 {
            known.insert(Sha256::digest(token.to_be_bytes()).into(), ((0, 0), viewer.clone()));
        }
        // Of each tenant its place, what is held there, and that it is within reach.
        assert!((100..4_000).contains(&known.len()), "{} of {} bytes each", known.len(), viewer.weight());
    }

    #[test]
    fn a_viewer_is_of_the_trees_that_know_them_with_rights_or_without() {
        let granted = viewer(3, 1);
        assert_eq!(granted.trees(), ROOT.simple().to_string());
        assert_eq!(viewer(3, 0).trees(), granted.trees());
        assert_eq!(granted.without_rights().trees(), granted.trees());
    }

    #[test]
    fn a_hundred_thousand_grants_in_ten_thousand_tenants_are_brought_together_at_once() {
        let begun = std::time::Instant::now();
        assert_eq!(viewer(10_000, 100_000).reach_any().tenants.len(), 10_000);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}
