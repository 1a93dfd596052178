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
/// at again in its new state once its lock is had, and left alone if it is no longer due.
const CLAIM: &str = "WITH due AS MATERIALIZED ( \
      SELECT root_id, tenant_id, affected_sla_id, sla_id, kind, phase, target_at, due_at, uuid_v7() AS breach_id \
      FROM deadline WHERE due_at < statement_timestamp() ORDER BY due_at LIMIT ";
const CLAIM_REST: &str = " FOR UPDATE SKIP LOCKED), \
    gone AS (DELETE FROM deadline d USING due WHERE d.root_id = due.root_id \
      AND d.affected_sla_id = due.affected_sla_id AND d.kind = due.kind AND d.phase = due.phase \
      AND d.due_at = due.due_at), \
    fresh AS (INSERT INTO breach_key (root_id, tenant_id, subject_id, kind, phase, due_at, breach_id) \
      SELECT root_id, tenant_id, affected_sla_id, kind, phase, due_at, breach_id FROM due \
      ON CONFLICT DO NOTHING RETURNING breach_id), \
    recorded AS (INSERT INTO breach \
        (root_id, id, tenant_id, kind, phase, sla_id, affected_sla_id, target_at, detected_at) \
      SELECT due.root_id, due.breach_id, due.tenant_id, due.kind, due.phase, due.sla_id, due.affected_sla_id, \
        due.target_at, statement_timestamp() FROM due JOIN fresh USING (breach_id)), \
    queued AS (INSERT INTO breach_pending (root_id, tenant_id, breach_id) \
      SELECT due.root_id, due.tenant_id, due.breach_id FROM due JOIN fresh USING (breach_id) ORDER BY due.due_at) \
    SELECT (SELECT count(*) FROM due), (SELECT count(*) FROM fresh), \
      (SELECT coalesce(array_agg((extract(epoch FROM statement_timestamp() - due_at) * 1000000)::bigint), '{}') \
        FROM due JOIN fresh USING (breach_id)), \
      (SELECT (extract(epoch FROM min(due_at) - clock_timestamp()) * 1000000)::bigint FROM deadline \
        WHERE due_at >= statement_timestamp())";

/// Records what has fallen due, at most `limit` of it, oldest first. Only the database's clock decides what is due:
/// strictly after `due_at` (rule X2).
pub(crate) async fn claim(conn: &mut AsyncPgConnection, limit: i64) -> Result<Claim, Error> {
    let mut sql = Sql::new(CLAIM);
    sql.bind(Bind::Long(limit)).push(CLAIM_REST);
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
