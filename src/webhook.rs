//! Webhooks: records of the breach log, posted to those who cannot hold a socket.
//!
//! | promise | how |
//! |---|---|
//! | every record, at least once | the position up to which a webhook has delivered is kept with it, after the answer |
//! | in order | one message at a time for each webhook; one that is not taken is tried until it is |
//! | by one replica | a webhook's turn is taken with a lease; a replica that dies leaves it to the others |
//! | by us | signed with HMAC-SHA256, in the headers of the Standard Webhooks specification |
//! | to the internet only | the address that is connected to is looked at first, and redirects are not followed |

pub mod address;
mod send;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::select;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::send::{Failure, Message, Sender};
use crate::breach::{Breaches, jittered};
use crate::error::Error;
use crate::metrics::Posted;
use crate::store::webhook::{self, Turn};
use crate::store::{Store, breach};

/// How long a replica has a webhook's turn without a sign of life: longer than an attempt may take.
const LEASE: Duration = Duration::from_secs(30);

/// How many webhooks a replica delivers to at once.
const AT_ONCE: usize = 32;

/// How many of one root are delivered to at once, by all replicas: those whose receivers never answer leave places to the
/// webhooks of other roots.
const OF_ROOT: i64 = AT_ONCE as i64 / 4 * 3;

/// How many records are delivered in one turn.
const TURN: i64 = 100;

/// How long a turn takes at most: a receiver that takes its time with each message leaves the places to others.
const TURN_TIME: Duration = Duration::from_secs(5);

/// How long what is recorded in short order is gathered before webhooks are looked at.
const GATHER: Duration = Duration::from_millis(20);

/// How long it rests when nothing is recorded: an attempt that became due waits this long.
const IDLE: Duration = Duration::from_secs(1);

/// The rest after the first failure; it doubles with each, up to the longest.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60 * 60));

/// How webhooks are delivered.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether messages may go to addresses of private networks and of this machine, and unencrypted: for tests, and
    /// where all who may make webhooks are trusted with the network.
    pub allow_private: bool,
    /// How long a webhook may fail before it is given up.
    pub patience: Duration,
    /// The rest after the first failure.
    pub rest: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { allow_private: false, patience: Duration::from_secs(3 * 24 * 60 * 60), rest: REST.0 }
    }
}

struct Room {
    store: Store,
    sender: Sender,
    config: Config,
    shutdown: CancellationToken,
    places: Arc<Semaphore>,
}

/// Delivers until the shutdown, then finishes the attempts under way. The tracker ends with the last of them.
pub fn start(store: Store, breaches: &Breaches, config: Config, shutdown: CancellationToken) -> TaskTracker {
    let sender = Sender::new(config.allow_private);
    let room = Arc::new(Room { store, sender, config, shutdown, places: Arc::new(Semaphore::new(AT_ONCE)) });
    let tasks = TaskTracker::new();
    tasks.spawn(look(room, breaches.moved(), tasks.clone()));
    tasks
}

/// Looks for webhooks that have something to deliver.
async fn look(room: Arc<Room>, mut moved: watch::Receiver<i64>, tasks: TaskTracker) {
    while !room.shutdown.is_cancelled() {
        let free = room.places.available_permits();
        // A failure was logged where it happened; the next look is soon.
        let turns = webhook::take(&room.store.conn(), LEASE, free as i64, OF_ROOT).await.unwrap_or_default();
        let taken = turns.len();
        for turn in turns {
            // There are as many as were counted: nobody else takes any.
            let Ok(place) = room.places.clone().try_acquire_owned() else { break };
            let room = room.clone();
            tasks.spawn(async move {
                if let Err(failure) = room.deliver(turn).await {
                    tracing::warn!(
                        code = failure.code(),
                        "a webhook's turn broke off and will be taken again"
                    );
                }
                drop(place);
            });
        }
        // Where there is no place left, nothing is taken before there is one.
        let full = taken == free;
        select! {
            () = room.shutdown.cancelled() => break,
            Ok(_) = room.places.acquire(), if full => sleep(GATHER).await,
            Ok(()) = moved.changed(), if !full => sleep(GATHER).await,
            () = sleep(jittered(IDLE)) => {}
        }
    }
    tasks.close();
}

impl Room {
    /// Delivers what there is, one message at a time.
    async fn deliver(&self, mut turn: Turn) -> Result<(), Error> {
        let conn = || self.store.conn();
        let over = Instant::now() + TURN_TIME;
        loop {
            let next = turn.next(&conn(), TURN).await?;
            for (pos, record) in next.records {
                if self.shutdown.is_cancelled() || Instant::now() >= over {
                    return turn.done(&conn()).await;
                }
                if !self.post(&mut turn, pos, &record).await? {
                    return Ok(());
                }
            }
            if !turn.delivered(&conn(), next.upto, None, LEASE).await? {
                return Ok(());
            }
            if next.all || self.shutdown.is_cancelled() || Instant::now() >= over {
                return turn.done(&conn()).await;
            }
        }
    }

    /// Posts one record; false when the turn has ended with it.
    async fn post(&self, turn: &mut Turn, pos: i64, record: &breach::Row) -> Result<bool, Error> {
        let conn = || self.store.conn();
        let message = Message {
            id: record.id.to_string(),
            timestamp: self.store.now().timestamp(),
            body: body(record).to_string(),
        };
        match self.sender.post(&turn.url, &message, &turn.secrets).await {
            Ok(status) => {
                self.store.metrics().posted(Posted::Delivered);
                turn.delivered(&conn(), pos, Some(status), LEASE).await
            }
            Err(Failure { status, reason }) => {
                let rest = self.config.rest.saturating_mul(1 << turn.failures().min(16)).min(REST.1);
                let times = (jittered(rest), self.config.patience);
                let webhook = turn.id;
                let given_up = turn.failed(&conn(), (status, &reason), times, status == Some(410)).await?;
                if given_up {
                    tracing::warn!(%webhook, status, reason, "the webhook is given up until it is updated");
                } else {
                    tracing::info!(%webhook, status, reason, ?rest, "a message was not delivered");
                }
                self.store.metrics().posted(if given_up { Posted::GivenUp } else { Posted::Failed });
                Ok(false)
            }
        }
    }
}

/// What a receiver reads. Ids are those of GraphQL's `uuid` fields, words those of its enums.
fn body(record: &breach::Row) -> Value {
    let phase = record.phase.word();
    json!({
        "type": format!("breach.{phase}"),
        "timestamp": record.detected_at,
        "data": {
            "id": record.id,
            "tenantId": record.tenant_id,
            "kind": record.kind.word().to_uppercase(),
            "phase": phase.to_uppercase(),
            "slaId": record.sla_id,
            "affectedSlaId": record.affected_sla_id,
            "slaLimitId": record.sla_limit_id,
            "targetAt": record.target_at,
            "detectedAt": record.detected_at,
            "retractsId": record.retracts_id,
        },
    })
}
