//! The instants at which something will have to be recorded: what the watch sleeps on and claims.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Nullable};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use uuid::Uuid;

use super::noun::column;
use super::sql::{Bind, Sql};
use super::{Conn, rows};
use crate::access::Permit;
use crate::error::Error;

/// What one claim did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// How many deadlines were due and are gone now.
    pub taken: i64,
    /// How many of them had not been recorded before.
    pub recorded: i64,
    /// How late each of those was that are recorded now.
    pub late: Vec<Duration>,
    /// How long until the next deadline of all falls due; null when there is none.
    pub next: Option<Duration>,
}

/// Claiming and recording are one statement, so that a crash leaves either the deadline or its record, never both
/// and never neither (rule B1). A row that a rival holds is skipped, not waited for. `MATERIALIZED`, since a planner
/// that ran the LIMIT twice would claim more than it records. A row that a recalculation moved meanwhile is looked
/// at again in its new state once its lock is had, and left alone if it is no longer due. Keys are made in the order in which
/// things fell due. What is locked is deleted
/// where it stands: joined by its key, it was looked for along all that are due.
const OLDEST: &str = "WITH RECURSIVE oldest AS MATERIALIZED ( \
      SELECT ctid AS place, root_id, tenant_id, affected_sla_id, sla_id, kind, phase, target_at, due_at \
      FROM deadline WHERE due_at < statement_timestamp() ORDER BY due_at LIMIT ";
/// Roots are found by steps through the key, since there are few of them among many deadlines.
const OF_EACH: &str = " FOR UPDATE SKIP LOCKED), \
    root (id) AS ((SELECT root_id FROM deadline ORDER BY root_id LIMIT 1) UNION ALL SELECT ( \
      SELECT d.root_id FROM deadline d WHERE d.root_id > root.id ORDER BY d.root_id LIMIT 1) FROM root \
      WHERE root.id IS NOT NULL), \
    first AS MATERIALIZED (SELECT d.* FROM root CROSS JOIN LATERAL ( \
      SELECT root_id, affected_sla_id, kind, phase, due_at FROM deadline d WHERE d.root_id = root.id \
        AND d.due_at < statement_timestamp() ORDER BY d.due_at LIMIT ";
const OF_EACH_REST: &str = ") d ORDER BY d.due_at LIMIT ";
const CLAIM: &str = "), \
    of_each AS MATERIALIZED (SELECT d.* FROM first CROSS JOIN LATERAL ( \
      SELECT ctid AS place, root_id, tenant_id, affected_sla_id, sla_id, kind, phase, target_at, due_at FROM deadline d \
      WHERE d.root_id = first.root_id AND d.affected_sla_id = first.affected_sla_id AND d.kind = first.kind \
        AND d.phase = first.phase AND d.due_at = first.due_at FOR UPDATE SKIP LOCKED) d), \
    due AS MATERIALIZED (SELECT claimed.*, uuid_v7() AS breach_id \
      FROM (SELECT * FROM oldest UNION SELECT * FROM of_each ORDER BY due_at, phase DESC) claimed), \
    gone AS (DELETE FROM deadline WHERE ctid = ANY(ARRAY(SELECT place FROM due))), \
    fresh AS (INSERT INTO breach_key (root_id, tenant_id, subject_id, kind, phase, due_at, breach_id) \
      SELECT root_id, tenant_id, affected_sla_id, kind, phase, due_at, breach_id FROM due \
      ON CONFLICT DO NOTHING RETURNING breach_id), \
    recorded AS (INSERT INTO breach \
        (root_id, id, tenant_id, kind, phase, sla_id, affected_sla_id, target_at, detected_at) \
      SELECT due.root_id, due.breach_id, due.tenant_id, due.kind, due.phase, due.sla_id, due.affected_sla_id, \
        due.target_at, statement_timestamp() FROM due JOIN fresh USING (breach_id)), \
    queued AS (INSERT INTO breach_pending (root_id, tenant_id, breach_id) \
      SELECT due.root_id, due.tenant_id, due.breach_id FROM due JOIN fresh USING (breach_id) ORDER BY due.breach_id) \
    SELECT (SELECT count(*) FROM due), (SELECT count(*) FROM fresh), \
      (SELECT coalesce(array_agg((extract(epoch FROM statement_timestamp() - due_at) * 1000000)::bigint), '{}') \
        FROM due JOIN fresh USING (breach_id)), \
      (SELECT (extract(epoch FROM min(due_at) - clock_timestamp()) * 1000000)::bigint FROM deadline \
        WHERE due_at >= statement_timestamp())";

/// How many deadlines a claim takes at the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Of all that are due, the oldest first.
    pub(crate) oldest: i64,
    /// Besides, of each root, so that none waits for what another has heaped up; and of all of these together.
    pub(crate) of_each: (i64, i64),
}

/// Records what has fallen due, so much of it. Only the database's clock decides what is due: strictly after `due_at`
/// (rule X2).
pub(crate) async fn claim(conn: &mut AsyncPgConnection, share: Share) -> Result<Claim, Error> {
    let Share { oldest, of_each: (of_each, of_all) } = share;
    let mut sql = Sql::new(OLDEST);
    sql.bind(Bind::Long(oldest)).push(OF_EACH).bind(Bind::Long(of_each)).push(OF_EACH_REST);
    sql.bind(Bind::Long(of_all)).push(CLAIM);
    let rows = rows(conn, sql).await?;
    let row = rows.first().ok_or_else(|| Error::internal("the claim told nothing"))?;
    let micros = |micros: i64| Duration::from_micros(micros.max(0).unsigned_abs());
    Ok(Claim {
        taken: column::<BigInt, _>(row, 0)?,
        recorded: column::<BigInt, _>(row, 1)?,
        late: column::<Array<BigInt>, Vec<i64>>(row, 2)?.into_iter().map(micros).collect(),
        next: column::<Nullable<BigInt>, Option<i64>>(row, 3)?.map(micros),
    })
}

/// A deadline to be kept.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct New {
    /// The root of its tenant.
    pub(super) root_id: Uuid,
    /// The tenant of its clock.
    pub(super) tenant_id: Uuid,
    /// The clock.
    pub(super) affected_sla_id: Uuid,
    /// The SLA of the clock.
    pub(super) sla_id: Uuid,
    /// What falls due.
    pub(super) kind: &'static str,
    /// A warning or the breach itself.
    pub(super) phase: &'static str,
    /// The target that a reader is shown.
    pub(super) target_at: DateTime<Utc>,
    /// It is recorded strictly after this instant (rule X2).
    pub(super) due_at: DateTime<Utc>,
}

/// Forgets the deadlines of clocks. Waits for a claim that has hold of one: what it recorded is seen after this.
pub(super) async fn forget(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    clocks: &[Uuid],
) -> QueryResult<()> {
    let mut sql = Sql::new("DELETE FROM deadline WHERE root_id = ");
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND affected_sla_id = ANY(");
    sql.bind(Bind::Uuids(clocks.to_vec())).push(")");
    rows(conn, sql).await.map(drop)
}

/// Keeps deadlines of clocks that have none.
pub(super) async fn keep(conn: &mut AsyncPgConnection, new: &[New]) -> QueryResult<()> {
    if new.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::new(
        "INSERT INTO deadline (root_id, tenant_id, affected_sla_id, sla_id, kind, phase, target_at, due_at) \
         SELECT root_id, tenant_id, affected_sla_id, sla_id, kind, phase, target_at, due_at \
         FROM jsonb_populate_recordset(NULL::deadline, ",
    );
    sql.bind(Bind::rows(new)?).push(")");
    rows(conn, sql).await.map(drop)
}

/// What waits to be recorded and logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Deadlines that are due.
    pub overdue: i64,
    /// For how long the oldest of them has been due.
    pub oldest: Duration,
    /// Records without a position.
    pub pending: i64,
    /// The last position given out.
    pub head: i64,
}

/// What waits, for metrics: of all roots, and no more of them than how much.
pub(crate) async fn backlog(conn: &Conn) -> Result<Backlog, Error> {
    let rows = conn
        .rows(Sql::new(
            "SELECT d.n, d.oldest, (SELECT count(*) FROM breach_pending), h.pos FROM breach_log_head h, \
             (SELECT count(*) AS n, coalesce((extract(epoch FROM now() - min(due_at)) * 1000000)::bigint, 0) AS oldest \
              FROM deadline WHERE due_at < now()) d WHERE h.shard = 0",
        ))
        .await?;
    let row = rows.first().ok_or_else(|| Error::internal("the log has no head"))?;
    Ok(Backlog {
        overdue: column::<BigInt, _>(row, 0)?,
        oldest: Duration::from_micros(column::<BigInt, i64>(row, 1)?.max(0).unsigned_abs()),
        pending: column::<BigInt, _>(row, 2)?,
        head: column::<BigInt, _>(row, 3)?,
    })
}
