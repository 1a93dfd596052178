//! From a bearer token to a [`Viewer`], remembered as long as nobody's rights change.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::access::token::Key;
use crate::access::{Actor, Permission, Reach, Viewer};
use crate::error::Error;
use crate::store::{Store, viewer};

/// How often a replica looks whether rights have changed: a revoked grant works everywhere within this time.
const LOOK: Duration = Duration::from_millis(250);

/// How often this machine's clock is compared with the database's.
const COMPARE: Duration = Duration::from_secs(10);

/// How many viewers are remembered.
const REMEMBERED: usize = 10_000;

/// What our own service tokens begin with, so that a secret scanner knows them.
const PREFIX: &str = "sla_";

/// Who has which rights.
pub struct Viewers {
    store: Store,
    key: Key,
    epoch: watch::Sender<i64>,
    /// By the hash of the token: what is in memory is no secret.
    known: Cache<[u8; 32], (i64, Arc<Viewer>)>,
}

impl Viewers {
    /// Begins to watch the epoch of rights, until `shutdown`.
    pub fn start(store: Store, key: Key, shutdown: CancellationToken) -> Arc<Self> {
        let viewers =
            Arc::new(Self { store, key, epoch: watch::channel(0).0, known: Cache::new(REMEMBERED) });
        let watched = viewers.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = watched.look() => {}
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
        if let Ok(epoch) = viewer::epoch(&self.store.conn()).await {
            self.epoch.send_if_modified(|known| std::mem::replace(known, epoch) != epoch);
        }
    }

    /// Whom a token stands for.
    ///
    /// # Errors
    /// [`Error::BadToken`] with the reason.
    pub async fn of_token(&self, token: &str) -> Result<Arc<Viewer>, Error> {
        let now = self.store.now();
        let hash: [u8; 32] = Sha256::digest(token).into();
        let epoch = *self.epoch.borrow();
        if let Some((seen, viewer)) = self.known.get(&hash)
            && seen == epoch
        {
            return match viewer.expires_at {
                Some(end) if end <= now => Err(Error::BadToken("it has expired; fetch a new one.")),
                _ => Ok(viewer),
            };
        }
        let viewer = Arc::new(match token.strip_prefix(PREFIX) {
            Some(own) => self.of_service_token(own).await?,
            None => {
                let claims = self.key.verify(token, now)?;
                viewer::by_login(&self.store.conn(), &claims.subject, Some(claims.expires_at))
                    .await?
                    .ok_or(Error::BadToken("nobody here logs in with it."))?
            }
        });
        self.known.insert(hash, (epoch, viewer.clone()));
        Ok(viewer)
    }

    /// `ID_SECRET`: the id finds the row, the secret is compared in constant time.
    async fn of_service_token(&self, own: &str) -> Result<Viewer, Error> {
        const REFUSED: Error = Error::BadToken("it is not one of ours, or was revoked, or has expired.");
        let (id, secret) = own.split_once('_').ok_or(REFUSED)?;
        let id = Uuid::try_parse(id).map_err(|_| REFUSED)?;
        let found = viewer::by_service_token(&self.store.conn(), id).await?;
        let (viewer, hash) = found.ok_or(REFUSED)?;
        let given = Sha256::digest(secret);
        if bool::from(given.as_slice().ct_eq(&hash)) { Ok(viewer) } else { Err(REFUSED) }
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
