//! Deadlines that fall due become records.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Room, jittered, patient};
use crate::error::Error;
use crate::store::deadline::{self, Share};

/// How many deadlines one statement claims. Measured when catching up: 10 record 1,200 a second, 100 5,100, 500 7,500.
const BATCH: i64 = 500;

/// How many more it claims while it has to catch up, of each root and of all of them: a root that has heaped up a hundred
/// thousand does not delay the alarms of others by the time that it takes to record them.
const OF_EACH: (i64, i64) = (20, 200);

/// How long the watch sleeps at most. A deadline that nobody told it of is recorded this much too late.
const LONGEST: Duration = Duration::from_secs(1);

/// How long it sleeps at least when it has caught up: deadlines that fall due close together share a statement.
const SHORTEST: Duration = Duration::from_millis(10);

/// Records what falls due until the shutdown. Any number of replicas do this at once.
pub(super) async fn run(room: Arc<Room>) -> Result<(), Error> {
    let mut conn = room.store.dedicated().await?;
    let mut behind = false;
    while !room.shutdown.is_cancelled() {
        let share = Share { oldest: BATCH, of_each: if behind { OF_EACH } else { (0, 0) } };
        let claim = patient(deadline::claim(&mut conn, share)).await?;
        if claim.recorded > 0 {
            room.recorded.fetch_add(claim.recorded.unsigned_abs(), Ordering::Relaxed);
            room.pending.notify_one();
            let metrics = room.store.metrics();
            claim.late.iter().for_each(|late| metrics.recorded(*late));
            tracing::debug!(recorded = claim.recorded, latest = ?claim.late.iter().max(), "breaches recorded");
        }
        behind = claim.taken >= BATCH;
        if behind {
            continue;
        }
        // The instant itself is still met (rule X2): a moment later it is not.
        let next = claim.next.map_or(LONGEST, |next| next + Duration::from_millis(1));
        let rest = if next < LONGEST { next } else { jittered(LONGEST) };
        if !room.sleep(SHORTEST).await {
            break;
        }
        room.sleep_unless(&room.deadline, rest.saturating_sub(SHORTEST)).await;
    }
    Ok(())
}
