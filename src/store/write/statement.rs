//! The statements of a write: one makes or changes the row, the rows that belong to it, and the audit entry.

use diesel::result::{DatabaseErrorKind, Error as Failure};
use diesel::sql_types::{Integer, Jsonb};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::Value;
use uuid::Uuid;

use super::{Draft, LOCK, Part, mistaken, overtaken, sourced};
use crate::access::Permit;
use crate::error::{Error, InputError, InputErrorCode, WriteError};
use crate::store::audit_entry::{append, before_and_after};
use crate::store::noun::{Noun, column};
use crate::store::sql::{Bind, Sql};
use crate::store::{id, rows, tenant};

/// Makes an object, or, with `upsert`, changes the one of its source and sourceId; gives its id.
pub(super) async fn create<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    action: &'static str,
    upsert: bool,
    draft: Draft,
) -> Result<Uuid, WriteError> {
    let Some((source, source_id)) = draft.source().filter(|_| upsert) else {
        return insert::<N>(conn, permit, action, draft).await;
    };
    if let Some(id) = sourced::<N>(conn, permit, &source, &source_id).await? {
        return update::<N>(conn, permit, action, id, None, draft).await;
    }
    let inserted = conn.transaction(async move |conn| insert::<N>(conn, permit, action, draft).await).await;
    overtaken::<N>(conn, permit, &source, &source_id, inserted).await
}

async fn insert<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    action: &'static str,
    draft: Draft,
) -> Result<Uuid, WriteError> {
    let new = id::new();
    let Draft { permit: _, mut mistakes, columns, computed, parts, references, then, constraints, .. } =
        draft;
    references.check(conn, &mut mistakes).await?;
    mistakes.none()?;
    let table = N::TARGET.table;
    let mut sql = Sql::new("WITH s AS (INSERT INTO ");
    let mut pairs = vec![("root_id", Some(Bind::Uuid(permit.root_id))), ("id", Some(Bind::Uuid(new)))];
    if N::TARGET.tenant != "id" {
        pairs.push((N::TARGET.tenant, Some(Bind::Uuid(permit.tenant_id))));
    }
    pairs.extend(columns);
    let pairs = written(pairs, computed);
    sql.push(table).values(pairs).push(" RETURNING to_jsonb(").push(table).push(".*) AS after)");
    let mut after = Sql::new(", w AS (SELECT s.after");
    for (number, part) in parts.into_iter().enumerate() {
        insert_part(&mut sql, permit, new, number, &mut after, part);
    }
    sql.append(after).push(" AS after FROM s)");
    append(&mut sql, permit, action, N::TYPE, new, "NULL", "(SELECT after FROM w)");
    sql.push(" SELECT 1");
    rows(conn, sql).await.map_err(|failure| mistaken(&constraints, failure))?;
    for then in then {
        then(conn, permit, new).await?;
    }
    Ok(new)
}

/// All columns that are written, each with its value.
fn written(
    columns: Vec<(&'static str, Option<Bind>)>,
    computed: Vec<(&'static str, Sql)>,
) -> Vec<(&'static str, Sql)> {
    columns.into_iter().map(|(column, value)| (column, value.into())).chain(computed).collect()
}

/// Changes an object, if it still has the revision that the client expects; gives its id.
pub(super) async fn update<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    action: &'static str,
    id: Uuid,
    expected_revision: Option<i32>,
    draft: Draft,
) -> Result<Uuid, WriteError> {
    let Draft {
        permit: _,
        mut mistakes,
        columns,
        computed,
        changed,
        parts,
        references,
        then,
        constraints,
        guards,
        moves,
    } = draft;
    let columns = written(columns, [computed, changed].concat());
    locked::<N>(conn, permit, id, expected_revision).await?;
    for (condition, mistake) in guards {
        let mut sql = Sql::new("SELECT 1 FROM ");
        sql.push(N::TARGET.table)
            .push(" t WHERE t.root_id = ")
            .bind(Bind::Uuid(permit.root_id))
            .push(" AND t.id = ");
        sql.bind(Bind::Uuid(id)).push(" AND ").append(condition);
        if !rows(conn, sql).await?.is_empty() {
            return Err(mistake.into());
        }
    }
    references.check(conn, &mut mistakes).await?;
    mistakes.none()?;
    if !moves && !differs::<N>(conn, permit, id, &columns, &parts).await? {
        return Ok(id);
    }
    let table = N::TARGET.table;
    let mut before = Sql::new(", w AS (SELECT s.before");
    let mut after = Sql::new(", s.after");
    let mut inserts = Sql::default();
    for (number, part) in parts.into_iter().enumerate() {
        // A statement of its own: within one, the old rows would still stand in the way of the new.
        let was = delete_part(conn, permit, id, &part).await?;
        before.made(format!(" || jsonb_build_object('{}', ", part.table)).bind(Bind::Json(was)).push(")");
        insert_part(&mut inserts, permit, id, number, &mut after, part);
    }
    let mut sql = Sql::new("WITH s AS (UPDATE ");
    sql.push(table).push(" t SET revision = t.revision + 1, updated_at = now()");
    if !columns.is_empty() {
        sql.push(", ").assignments(columns);
    }
    before_and_after(&mut sql, permit, table, id);
    sql.push(")");
    sql.append(inserts).append(before).push(" AS before").append(after).push(" AS after FROM s)");
    append(&mut sql, permit, action, N::TYPE, id, "(SELECT before FROM w)", "(SELECT after FROM w)");
    sql.push(" SELECT 1");
    rows(conn, sql).await.map_err(|failure| mistaken(&constraints, failure))?;
    for then in then {
        then(conn, permit, id).await?;
    }
    Ok(id)
}

/// Deletes an object, where nothing refers to it any more.
pub(super) async fn delete<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    action: &'static str,
    id: Uuid,
    expected_revision: Option<i32>,
) -> Result<(), WriteError> {
    locked::<N>(conn, permit, id, expected_revision).await?;
    let mut told = permit.clone();
    if N::TARGET.tenant == "id" {
        // In the log of what is gone nobody looks.
        told.tenant_id = tenant::above(conn, permit).await?;
    }
    let mut sql = Sql::new("WITH s AS (DELETE FROM ");
    sql.push(N::TARGET.table).push(" t WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" AND t.id = ").bind(Bind::Uuid(id)).push(" RETURNING to_jsonb(t.*)");
    for (table, owner) in N::TARGET.parts {
        sql.made(format!(
            " || jsonb_build_object('{table}', (SELECT coalesce(jsonb_agg(to_jsonb(p.*) - 'root_id' - 'tenant_id' \
             - '{owner}'), '[]') FROM {table} p WHERE p.root_id = t.root_id AND p.{owner} = t.id))"
        ));
    }
    sql.push(" AS before)");
    append(&mut sql, &told, action, N::TYPE, id, "(SELECT before FROM s)", "NULL");
    sql.push(" SELECT 1");
    match rows(conn, sql).await {
        Ok(_) => Ok(()),
        Err(Failure::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, about)) => {
            let message = match about.table_name().unwrap_or("object") {
                table if table.starts_with("sla_version") => {
                    "A version of an SLA names it, and versions are never changed: it stays as long as that SLA does.".into()
                }
                table => {
                    let others = table.replace('_', " ");
                    format!("At least one {others} still refers to it: change or delete that first.")
                }
            };
            Err(InputError::at("input.id", InputErrorCode::InUse, message).into())
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Locks an object, so that it stays as it is until the transaction ends, and compares its revision. It was there when the
/// permit was given, and may have been deleted since.
pub(in crate::store) async fn locked<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    id: Uuid,
    expected_revision: Option<i32>,
) -> Result<(), WriteError> {
    let mut sql = Sql::new("SELECT ");
    sql.push(if N::TARGET.columns.contains(&"revision") { "t.revision" } else { "0" }).push(" FROM ");
    sql.push(N::TARGET.table).push(" t WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id)).push(" AND t.");
    sql.push(N::TARGET.tenant).push(" = ").bind(Bind::Uuid(permit.tenant_id)).push(" AND t.id = ");
    sql.bind(Bind::Uuid(id)).push(LOCK);
    let found = rows(conn, sql).await?;
    let revision = found.first().map(|row| column::<Integer, i32>(row, 0)).transpose()?;
    let revision = revision.ok_or_else(|| Error::NotFound(N::NAME).at("input.id"))?;
    if expected_revision.is_some_and(|expected| expected != revision) {
        return Err(WriteError::Conflict(id));
    }
    Ok(())
}

/// Whether a change changes anything: what is sent again as it stands leaves the revision that others have read.
async fn differs<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    id: Uuid,
    columns: &[(&'static str, Sql)],
    parts: &[Part],
) -> Result<bool, WriteError> {
    let mut sql = Sql::new("SELECT 1 FROM ");
    sql.push(N::TARGET.table)
        .push(" t WHERE t.root_id = ")
        .bind(Bind::Uuid(permit.root_id))
        .push(" AND t.id = ");
    sql.bind(Bind::Uuid(id)).push(" AND (false");
    for (column, value) in columns {
        sql.push(" OR t.").push(column).push(" IS DISTINCT FROM (").append(value.clone()).push(")");
    }
    for part in parts {
        let names = part.columns.join(", ");
        let mut stored = Sql::default();
        stored.made(format!(
            "SELECT {names} FROM {} WHERE root_id = t.root_id AND {} = t.id",
            part.table, part.owner
        ));
        let mut said = Sql::default();
        said.made(format!("SELECT {names} FROM jsonb_populate_recordset(NULL::{}, ", part.table));
        said.bind(Bind::Json(part.rows.clone())).push(")");
        for (one, other) in [(stored.clone(), said.clone()), (said, stored)] {
            sql.push(" OR EXISTS (").append(one).push(" EXCEPT ").append(other).push(")");
        }
    }
    sql.push(")");
    Ok(!rows(conn, sql).await?.is_empty())
}

async fn delete_part(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    owner: Uuid,
    part: &Part,
) -> Result<Value, WriteError> {
    let mut sql = Sql::new("WITH d AS (DELETE FROM ");
    sql.push(part.table).push(" p WHERE p.root_id = ").bind(Bind::Uuid(permit.root_id)).push(" AND p.");
    sql.push(part.owner).push(" = ").bind(Bind::Uuid(owner)).push(" RETURNING jsonb_build_object(");
    sql.made(part.columns.iter().map(|name| format!("'{name}', p.{name}")).collect::<Vec<_>>().join(", "));
    sql.push(") AS was) SELECT coalesce(jsonb_agg(d.was), '[]') FROM d");
    let was = rows(conn, sql).await?;
    Ok(was.first().map(|row| column::<Jsonb, Value>(row, 0)).transpose()?.unwrap_or_default())
}

/// The rows of a part, as a member `p…` of the statement; `after` tells the audit log of them.
fn insert_part(sql: &mut Sql, permit: &Permit, owner: Uuid, number: usize, after: &mut Sql, part: Part) {
    let Part { table, owner: named, columns, keyed, rows } = part;
    let own = |prefix: &str| columns.iter().map(|name| format!(", {prefix}{name}")).collect::<String>();
    sql.made(format!(", p{number} AS (INSERT INTO {table} (root_id, tenant_id, {named}"));
    sql.push(if keyed { ", id" } else { "" })
        .made(own(""))
        .push(") SELECT ")
        .bind(Bind::Uuid(permit.root_id));
    sql.push(", ").bind(Bind::Uuid(permit.tenant_id)).push(", ").bind(Bind::Uuid(owner));
    sql.push(if keyed { ", uuid_v7()" } else { "" }).made(own("r."));
    sql.made(format!(" FROM jsonb_populate_recordset(NULL::{table}, "))
        .bind(Bind::Json(rows.clone()))
        .push(") r)");
    after.made(format!(" || jsonb_build_object('{table}', ")).bind(Bind::Json(rows)).push(")");
}
