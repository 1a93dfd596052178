//! Recalculation on purpose: targets of running clocks frozen anew from what their offerings promise now (rule C2).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{Bool, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{clocks, transaction};
use crate::access::{Permit, Reach};
use crate::error::{Error, WriteError};
use crate::store::affected_sla::Row;
use crate::store::noun::{Noun, column};
use crate::store::page::{columns, decoded, within};
use crate::store::sql::{Bind, Sql};
use crate::store::{Conn, PgRow, audit_entry, request, rows};

/// Which clocks.
#[derive(Clone, Debug)]
pub enum Which {
    /// Those of an SLA.
    Sla(Uuid),
    /// Those of a request.
    Request(Uuid),
    /// These.
    AffectedSlas(Vec<Uuid>),
}

/// A clock that was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The clock.
    pub id: Uuid,
    /// Its request.
    pub request_id: Uuid,
    /// Their tenant.
    pub tenant_id: Uuid,
    /// Whether it has targets of an offering and is not resolved: what has ended stays as it was measured.
    pub runs: bool,
}

/// A clock whose targets were frozen anew.
#[derive(Clone, Debug)]
pub struct Recalculated {
    /// As it was.
    pub before: Arc<Row>,
    /// As it is now.
    pub after: Arc<Row>,
}

/// The clocks meant, within reach: of an SLA or a request those that run, at most `limit`; else all that are named.
pub async fn find(conn: &Conn, reach: &Reach, which: &Which, limit: i64) -> Result<Vec<Found>, Error> {
    const RUNS: &str = "(v.service_offering_id IS NOT NULL AND t.actual_resolution_at IS NULL)";
    let mut sql = Sql::new("SELECT t.id, t.request_id, t.tenant_id, ");
    sql.push(RUNS).push(
        " FROM affected_sla t JOIN sla_version v ON v.root_id = t.root_id AND v.id = t.sla_version_id WHERE ",
    );
    match which {
        Which::Sla(id) => sql.push("t.sla_id = ").bind(Bind::Uuid(*id)).push(" AND ").push(RUNS),
        Which::Request(id) => sql.push("t.request_id = ").bind(Bind::Uuid(*id)).push(" AND ").push(RUNS),
        Which::AffectedSlas(ids) => sql.push("t.id = ANY(").bind(Bind::Uuids(ids.clone())).push(")"),
    };
    within(Row::TARGET, "t", reach, true, &mut sql);
    sql.push(" ORDER BY t.id LIMIT ").bind(Bind::Long(limit));
    let found = |row: &PgRow| -> QueryResult<Found> {
        Ok(Found {
            id: column::<SqlUuid, _>(row, 0)?,
            request_id: column::<SqlUuid, _>(row, 1)?,
            tenant_id: column::<SqlUuid, _>(row, 2)?,
            runs: column::<Bool, _>(row, 3)?,
        })
    };
    Ok(conn.rows(sql).await?.iter().map(found).collect::<QueryResult<_>>()?)
}

/// Freezes the targets of clocks anew, of each tenant those that its permit is for, all in one transaction; gives each
/// clock that still ran, as it was and as it is now. With `dry_run` nothing is changed. What was recorded of a clock
/// stays (rule B5).
pub async fn recalculate(
    conn: &Conn,
    now: DateTime<Utc>,
    clocks: &[(Permit, Vec<Found>)],
    dry_run: bool,
) -> Result<Vec<Recalculated>, WriteError> {
    let mut conn = conn.exclusive().await?;
    transaction!(conn, dry_run, |conn| {
        let mut recalculated = Vec::new();
        for (permit, clocks) in clocks {
            recalculated.extend(of_tenant(conn, permit, now, clocks).await?);
        }
        recalculated
    })
}

async fn of_tenant(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    clocks: &[Found],
) -> QueryResult<Vec<Recalculated>> {
    let mut by_request: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for clock in clocks {
        by_request.entry(clock.request_id).or_default().push(clock.id);
    }
    let requests: Vec<Uuid> = by_request.into_keys().collect();
    request::lock(conn, permit, &requests).await?;
    let ids: Vec<Uuid> = clocks.iter().map(|clock| clock.id).collect();
    // Once they are locked: one that was resolved meanwhile stays as it was measured.
    let before: Vec<Arc<Row>> = read(conn, permit, &ids)
        .await?
        .into_iter()
        .filter(|clock| clock.actual_resolution_at.is_none())
        .collect();
    let ids: Vec<Uuid> = before.iter().map(|clock| clock.id).collect();
    remember(conn, permit, &ids).await?;
    let unchanged = requests.iter().map(|request| (*request, DateTime::<Utc>::MAX_UTC)).collect();
    clocks::bring_up_to_date(conn, permit, now, unchanged, None).await?;
    let after = read(conn, permit, &ids).await?;
    let mut after: HashMap<Uuid, Arc<Row>> = after.into_iter().map(|clock| (clock.id, clock)).collect();
    let moved = |before: Arc<Row>| Some(Recalculated { after: after.remove(&before.id)?, before });
    Ok(before.into_iter().filter_map(moved).collect())
}

async fn read(conn: &mut AsyncPgConnection, permit: &Permit, ids: &[Uuid]) -> QueryResult<Vec<Arc<Row>>> {
    let mut sql = Sql::new("SELECT ");
    columns(&mut sql, "t", Row::TARGET);
    sql.push(" FROM affected_sla t WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" AND t.tenant_id = ").bind(Bind::Uuid(permit.tenant_id));
    sql.push(" AND t.id = ANY(").bind(Bind::Uuids(ids.to_vec())).push(") ORDER BY t.id");
    rows(conn, sql).await?.iter().map(|row| decoded(row, 0)).collect()
}

/// Makes the recalculation a part of the clocks' history, at the instant at which the transaction reads the catalogue.
async fn remember(conn: &mut AsyncPgConnection, permit: &Permit, ids: &[Uuid]) -> QueryResult<()> {
    let mut sql = Sql::new(
        "WITH fresh AS (INSERT INTO affected_sla_recalculation (root_id, id, tenant_id, affected_sla_id, occurred_at) SELECT ",
    );
    sql.bind(Bind::Uuid(permit.root_id)).push(", uuid_v7(), ").bind(Bind::Uuid(permit.tenant_id));
    sql.push(", i, now() FROM unnest(").bind(Bind::Uuids(ids.to_vec())).push(") i RETURNING *)");
    let tell = audit_entry::Each {
        of: "fresh",
        action: "'affectedSlasRecalculate'",
        object_type: "AffectedSla",
        object_id: "r.affected_sla_id",
        before: "NULL",
        after: "to_jsonb(r)",
    };
    audit_entry::append_each(&mut sql, permit, &tell);
    // Nor do their instances hang together as they did, if that was edited.
    sql.push(
        " UPDATE affected_sla t SET relations = '{}' FROM fresh f WHERE t.root_id = f.root_id AND t.id = f.affected_sla_id \
         RETURNING 1",
    );
    rows(conn, sql).await.map(drop)
}
