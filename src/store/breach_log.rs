//! The breach log: what was recorded, at dense positions, so that a reader can see that nothing is missing
//! (rule B2).
//!
//! Writers put a record into `breach_pending`, without a position: a number taken before the commit would become
//! visible in another order than it was taken, and a reader that asks for "everything after the last number" would
//! miss rows. The sequencer moves committed records into `breach_log` and numbers them there, one batch after the
//! other. There is one shard so far, 0; cursors can hold several.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::{FutureExt, StreamExt};
use uuid::Uuid;

use super::noun::{Noun, column};
use super::sql::{Bind, Sql};
use super::{Conn, PgRow, Store, breach, page, rows};
use crate::access::Reach;
use crate::error::Error;

/// Where the log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Which life of the database: a restored copy, or a standby that took over, begins another. No other life has
    /// the same number, also none that began from the same copy.
    pub epoch: i32,
    /// The epoch before this one; null in the first life.
    pub previous_epoch: Option<i32>,
    /// The last position that the epoch before this one is trusted for.
    pub epoch_start: i64,
    /// The last position given out.
    pub pos: i64,
    /// Positions up to here are no longer kept.
    pub low_pos: i64,
}

impl Head {
    /// Up to where a reader has read this log who has read another epoch's, or this one's, up to `pos`. None if that
    /// cannot be told: it was given out by a life that this one does not go back to, or is ahead of this one.
    pub fn trusted(&self, epoch: i32, pos: i64) -> Option<i64> {
        if epoch == self.epoch {
            (pos <= self.pos).then_some(pos)
        } else {
            (Some(epoch) == self.previous_epoch).then_some(pos.min(self.epoch_start))
        }
    }
}

/// A position of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its position.
    pub pos: i64,
    /// When it was given the position.
    pub published_at: DateTime<Utc>,
    /// The record; null when it was since removed with its tenant.
    pub breach: Option<Arc<breach::Row>>,
}

/// A part of the log, and where the log stood when it was read.
#[derive(Clone, Debug)]
pub struct Extract {
    /// Where the log stood.
    pub head: Head,
    /// In order of position.
    pub entries: Vec<Entry>,
}

/// What a turn of the sequencer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// False when a rival was at it.
    pub held: bool,
    /// How many records were given a position.
    pub moved: i64,
}

/// The life of the database that answers: no other has the same three. The timeline is read off the name of the file
/// being written, which a standby changes at the moment it takes over; the control file only follows at its next
/// checkpoint. Database and table tell a dump that was restored beside its original.
const LIFE: &str = "(SELECT (SELECT system_identifier FROM pg_control_system()) AS system_id, \
    ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer AS timeline, \
    d.oid::bigint << 32 | 'breach_log_head'::regclass::oid::bigint AS home \
    FROM pg_database d WHERE d.datname = current_database()) life";

/// Whether the head `h` was last written in another life.
const CHANGED: &str =
    "((h.system_id, h.timeline, h.home) IS DISTINCT FROM (life.system_id, life.timeline, life.home))";

/// The number of the epoch after that of the head `h`. It is the time, in seconds since 2026: two copies of one dump must
/// not begin epochs of the same number.
const NEXT_EPOCH: &str =
    "greatest(h.epoch + 1, extract(epoch FROM clock_timestamp() - timestamptz '2026-01-01 00:00Z')::integer)";

/// How the head `h` begins an epoch if it was last written in another life. Before its first life a head has given
/// nothing out.
fn alive(sql: &mut Sql) {
    sql.push("system_id = life.system_id, timeline = life.timeline, home = life.home, epoch = CASE WHEN ")
        .push(CHANGED);
    sql.push(" THEN ")
        .push(NEXT_EPOCH)
        .push(" ELSE h.epoch END, previous_epoch = CASE WHEN h.system_id IS NULL THEN NULL WHEN ");
    sql.push(CHANGED).push(" THEN h.epoch ELSE h.previous_epoch END, epoch_start = CASE WHEN ").push(CHANGED);
    sql.push(" THEN h.pos ELSE h.epoch_start END");
}

/// Begins a new epoch if this database is not the one that gave out the last position. Called whenever the
/// sequencer connects: a restored copy must not answer to cursors of a future it does not have.
///
/// `known` is where this replica has seen the log stand. Files that were put back in place of those that they are a copy
/// of look like the same life; that they are not is seen by a log that has gone back. What of it is still true nobody can
/// tell then, for others may have added to it already: no cursor of the epoch before is trusted.
pub(crate) async fn begin(conn: &mut AsyncPgConnection, known: Head) -> Result<(), Error> {
    let mut sql = Sql::new("UPDATE breach_log_head h SET ");
    alive(&mut sql);
    sql.push(" FROM ").push(LIFE).push(" WHERE ").push(CHANGED);
    rows(conn, sql).await?;
    let mut sql = Sql::new("UPDATE breach_log_head h SET epoch = ");
    sql.push(NEXT_EPOCH)
        .push(", previous_epoch = NULL, epoch_start = h.pos WHERE h.shard = 0 AND (h.epoch, h.pos) < (");
    sql.bind(Bind::Int(known.epoch)).push(", ").bind(Bind::Long(known.pos)).push(") RETURNING h.pos");
    if let Some(row) = rows(conn, sql).await?.first() {
        let found: i64 = column::<BigInt, _>(row, 0)?;
        tracing::warn!(
            known = known.pos,
            found,
            "the store is an older copy of itself: cursors that were given out before have expired"
        );
    }
    Ok(())
}

/// Gives at most `limit` committed records their positions, in one transaction. The lock of the head's row makes
/// them dense and puts one batch after the other; the advisory lock only keeps rivals from queueing for it. The
/// notification is a hint to readers, one a batch and never in a transaction of those who record: there it would
/// put all of them in a queue.
pub(crate) async fn sequence(conn: &mut AsyncPgConnection, limit: i64) -> Result<Turn, Error> {
    let mut sql = Sql::new(
        "WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(4712, 0) AS held), \
         batch AS MATERIALIZED (SELECT root_id, tenant_id, breach_id, seq FROM breach_pending \
           WHERE shard = 0 AND (SELECT held FROM turn) ORDER BY seq LIMIT ",
    );
    sql.bind(Bind::Long(limit)).push(
        " FOR UPDATE SKIP LOCKED), \
         size AS MATERIALIZED (SELECT count(*) AS n FROM batch), \
         gone AS (DELETE FROM breach_pending p USING batch b WHERE p.root_id = b.root_id AND p.breach_id = b.breach_id), \
         head AS (UPDATE breach_log_head h SET pos = h.pos + size.n, ",
    );
    alive(&mut sql);
    sql.push(" FROM size, ").push(LIFE).push(
        " WHERE h.shard = 0 AND size.n > 0 RETURNING h.pos), \
         written AS (INSERT INTO breach_log (root_id, tenant_id, shard, pos, breach_id) \
           SELECT b.root_id, b.tenant_id, 0, head.pos - size.n + row_number() OVER (ORDER BY b.seq), b.breach_id \
           FROM batch b, head, size), \
         told AS MATERIALIZED (SELECT pg_notify('breach_log', '0:' || pos) FROM head) \
         SELECT turn.held, size.n, (SELECT count(*) FROM told) FROM turn, size",
    );
    let rows = rows(conn, sql).await?;
    let row = rows.first().ok_or_else(|| Error::internal("the sequencer's turn told nothing"))?;
    Ok(Turn { held: column::<Bool, _>(row, 0)?, moved: column::<BigInt, _>(row, 1)? })
}

/// Reads what follows `after` up to `until`, at most `limit` positions: those of one reach, or all of them for the
/// replica's own tail, which hands out nothing that a subscriber's reach does not let through.
fn positions(after: i64, until: i64, limit: i64, reach: Option<&Reach>) -> Sql {
    let mut sql = Sql::new(
        "SELECT h.epoch, h.epoch_start, h.pos, h.low_pos, l.pos, l.published_at, l.root_id, l.breach_id, \
         h.previous_epoch \
         FROM breach_log_head h LEFT JOIN LATERAL (SELECT l.pos, l.published_at, l.root_id, l.breach_id \
         FROM breach_log l WHERE l.shard = 0 AND l.pos > ",
    );
    sql.bind(Bind::Long(after)).push(" AND l.pos <= ").bind(Bind::Long(until));
    if let Some(reach) = reach {
        page::within(breach::Row::TARGET, "l", reach, false, &mut sql);
    }
    sql.push(" ORDER BY l.pos LIMIT ").bind(Bind::Long(limit));
    sql.push(") l ON true WHERE h.shard = 0 ORDER BY l.pos");
    sql
}

/// A part of the log whose records are still to be read.
struct Positions {
    head: Head,
    /// Position, when it was given out, root, record.
    found: Vec<(i64, DateTime<Utc>, Uuid, Uuid)>,
}

impl Positions {
    fn read(rows: &[PgRow]) -> QueryResult<Self> {
        let first = rows.first().ok_or(diesel::result::Error::NotFound)?;
        let head = Head {
            epoch: column::<Integer, _>(first, 0)?,
            epoch_start: column::<BigInt, _>(first, 1)?,
            pos: column::<BigInt, _>(first, 2)?,
            low_pos: column::<BigInt, _>(first, 3)?,
            previous_epoch: column::<Nullable<Integer>, _>(first, 8)?,
        };
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            // A log without an entry in the range is one row of the head alone.
            let Some(pos) = column::<Nullable<BigInt>, Option<i64>>(row, 4)? else { break };
            let (root, id) = (column::<SqlUuid, _>(row, 6)?, column::<SqlUuid, _>(row, 7)?);
            found.push((pos, column::<Timestamptz, _>(row, 5)?, root, id));
        }
        Ok(Self { head, found })
    }

    /// The records, by their keys. Apart from the positions and planned anew each time, so that the planner sees of
    /// which months they are, and how large these have grown: joined to the positions, by a plan that was made while
    /// a month was young, ten thousand records within a second were read by looking through all of them for each.
    fn records(&self) -> Sql {
        let mut roots: Vec<Uuid> = self.found.iter().map(|(_, _, root, _)| *root).collect();
        roots.sort_unstable();
        roots.dedup();
        let mut sql = Sql::new("SELECT ");
        page::columns(&mut sql, "b", breach::Row::TARGET);
        sql.push(" FROM breach b WHERE b.root_id = ANY(").bind(Bind::Uuids(roots)).push(") AND b.id = ANY(");
        sql.bind(Bind::Uuids(self.found.iter().map(|(.., id)| *id).collect())).push(")");
        sql.anew()
    }

    fn extract(self, records: &[PgRow]) -> QueryResult<Extract> {
        let mut rows = HashMap::with_capacity(records.len());
        for record in records {
            let loaded = (breach::Row::TARGET.decode)(record, 0, breach::Row::TARGET.all())?;
            if let Some(row) = loaded.as_ref().and_then(breach::Row::from_loaded) {
                rows.insert((row.root_id, row.id), row.clone());
            }
        }
        let entry =
            |(pos, published_at, root, id)| Entry { pos, published_at, breach: rows.remove(&(root, id)) };
        Ok(Extract { head: self.head, entries: self.found.into_iter().map(entry).collect() })
    }
}

/// What a reach lets through after `after` and up to `until`.
pub(crate) async fn replay(
    conn: &Conn,
    reach: &Reach,
    after: i64,
    until: i64,
    limit: i64,
) -> Result<Extract, Error> {
    let found = Positions::read(&conn.rows(positions(after, until, limit, Some(reach))).await?)?;
    let records = if found.found.is_empty() { Vec::new() } else { conn.rows(found.records()).await? };
    Ok(found.extract(&records)?)
}

/// Where the log stands.
pub(crate) async fn head(conn: &Conn) -> Result<Head, Error> {
    Ok(Positions::read(&conn.rows(positions(i64::MAX, i64::MAX, 0, None)).await?)?.head)
}

/// A connection that hears when the log grows.
pub(crate) struct Listener(AsyncPgConnection);

impl Listener {
    /// Begins to listen. What was written before is not told: read first, then wait. In another life of the database
    /// its epoch has begun when this returns: a reader with a cursor of the life before is not to be told that it is
    /// invalid.
    pub(crate) async fn open(store: &Store, known: Head) -> Result<Self, Error> {
        let mut conn = store.dedicated().await?;
        begin(&mut conn, known).await?;
        conn.batch_execute("LISTEN breach_log").await?;
        Ok(Self(conn))
    }

    /// All entries after `after`, at most `limit`.
    pub(crate) async fn read(&mut self, after: i64, limit: i64) -> Result<Extract, Error> {
        let found = Positions::read(&rows(&mut self.0, positions(after, i64::MAX, limit, None)).await?)?;
        let records =
            if found.found.is_empty() { Vec::new() } else { rows(&mut self.0, found.records()).await? };
        Ok(found.extract(&records)?)
    }

    /// Waits until the log has grown; fails when the connection is lost. Several notifications are one.
    pub(crate) async fn heard(&mut self) -> Result<(), Error> {
        let mut notifications = std::pin::pin!(self.0.notifications_stream());
        let mut next = notifications.next().await;
        loop {
            next.ok_or_else(|| Error::internal("the connection that listens was closed"))??;
            match notifications.next().now_or_never() {
                None => return Ok(()),
                Some(another) => next = another,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_of_the_life_before_no_more_is_trusted_than_this_one_began_with() {
        let head = Head { epoch: 9, previous_epoch: Some(7), epoch_start: 10, pos: 15, low_pos: 0 };
        assert_eq!([head.trusted(9, 15), head.trusted(9, 16)], [Some(15), None]);
        assert_eq!([head.trusted(7, 8), head.trusted(7, 12)], [Some(8), Some(10)]);
        assert_eq!([head.trusted(8, 8), head.trusted(6, 8)], [None, None], "it does not go back to them");
    }
}
