//! From a bearer token to a [`Viewer`], remembered as long as nobody's rights change.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::access::service_token::{REFUSED, ServiceToken};
use crate::access::token::{EXPIRED, MAXIMUM_LENGTH, TOO_LONG, Verifier};
use crate::access::{Actor, Permission, Reach, Viewer};
use crate::error::Error;
use crate::store::{Store, viewer};

/// How often a replica looks whether rights have changed: a revoked grant works everywhere within this time.
const LOOK: Duration = Duration::from_millis(250);

/// How often this machine's clock is compared with the database's.
const COMPARE: Duration = Duration::from_secs(10);

/// How many viewers are remembered.
const REMEMBERED: usize = 10_000;

/// Who has which rights.
pub struct Viewers {
    store: Store,
    verifier: Verifier,
    epoch: watch::Sender<i64>,
    looking: Mutex<()>,
    /// By the hash of the token: what is in memory is no secret.
    known: Cache<[u8; 32], (Age, Arc<Viewer>)>,
}

/// What a remembered viewer rests on: the epoch of rights, and the generation of the keys that tokens are verified with.
type Age = (i64, u64);

impl Viewers {
    /// Begins to watch the epoch of rights, until `shutdown`.
    pub fn start(store: Store, verifier: Verifier, shutdown: CancellationToken) -> Arc<Self> {
        let viewers = Arc::new(Self {
            store,
            verifier,
            epoch: watch::channel(0).0,
            looking: Mutex::default(),
            known: Cache::new(REMEMBERED),
        });
        let watched = viewers.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = watched.look() => {}
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

    /// Looks whether rights have changed: whoever has changed them here need not wait for the next look.
    pub(super) async fn refresh(&self) {
        // One at a time: an answer that was overtaken would bring back what is forgotten.
        let _looking = self.looking.lock().await;
        if let Ok(epoch) = viewer::epoch(&self.store.conn()).await {
            self.epoch.send_if_modified(|known| std::mem::replace(known, epoch) != epoch);
        }
    }

    /// Whom a token stands for.
    ///
    /// # Errors
    /// [`Error::BadToken`] with the reason.
    pub async fn of_token(&self, token: &str) -> Result<Arc<Viewer>, Error> {
        if token.len() > MAXIMUM_LENGTH {
            return Err(TOO_LONG);
        }
        let now = self.store.now();
        let hash: [u8; 32] = Sha256::digest(token).into();
        let age = (*self.epoch.borrow(), self.verifier.generation());
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
        Ok(viewer)
    }

    async fn of_service_token(&self, own: &ServiceToken) -> Result<Viewer, Error> {
        let found = viewer::by_service_token(&self.store.conn(), own.id).await?;
        let (viewer, hash) = found.ok_or(REFUSED)?;
        if own.proves(&hash) { Ok(viewer) } else { Err(REFUSED) }
    }

    /// What a viewer may read with a permission, now and after each change of rights: empty once it is nothing.
    pub fn reach(self: &Arc<Self>, viewer: &Viewer, permission: Permission) -> watch::Receiver<Arc<Reach>> {
        let first = viewer.reach(permission).unwrap_or_else(|_| Arc::new(viewer.reach_any().within(&[])));
        let (told, reach) = watch::channel(first);
        let viewers = self.clone();
        let (actor, expires_at) = (viewer.actor.clone(), viewer.expires_at);
        let mut epoch = self.epoch.subscribe();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = told.closed() => return,
                    changed = epoch.changed() => if changed.is_err() { return },
                }
                let conn = viewers.store.conn();
                let anew = match &actor {
                    Actor::Person { login, .. } => viewer::by_login(&conn, login, expires_at).await,
                    Actor::ServiceToken(_, id) => viewer::by_service_token(&conn, *id)
                        .await
                        .map(|found| found.map(|(viewer, _)| viewer)),
                };
                match anew {
                    Ok(viewer) => {
                        let reach = viewer.and_then(|viewer| viewer.reach(permission).ok());
                        told.send_modify(|last| {
                            *last = reach.unwrap_or_else(|| Arc::new(last.within(&[])));
                        });
                    }
                    // The database is away: what was allowed stays so until it answers again.
                    Err(_) => epoch.mark_changed(),
                }
            }
        });
        reach
    }
}
