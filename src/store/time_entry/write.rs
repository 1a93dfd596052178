//! Logging time, and looking at the limits that it uses up (rule L2).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{Bool, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use uuid::Uuid;

use super::Row;
use crate::access::{Permit, Reach};
use crate::error::{Error, Mistakes, WriteError};
use crate::store::intake::transaction;
use crate::store::noun::{Noun, column};
use crate::store::page::{columns, decoded, within};
use crate::store::reference::References;
use crate::store::sql::{Bind, Sql};
use crate::store::write::overtaken_unseen;
use crate::store::{Conn, PgRow, audit_entry, id, person, project, rows, sla_limit};

/// Time to be logged, or to be corrected where its source has logged it before.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The project, of the permit's tenant.
    pub project_id: Uuid,
    /// Who spent it.
    pub person_id: Option<Uuid>,
    /// What it was spent on.
    pub category: String,
    /// From when.
    pub started_at: DateTime<Utc>,
    /// Until when.
    pub ended_at: DateTime<Utc>,
    /// The system it came from.
    pub source: Option<String>,
    /// Its id in that system: logged twice, it is one entry, as it was logged last.
    pub source_id: Option<String>,
}

/// Adds the mistakes of entries that refer to what is not there; those of an entry are told below `at` its number.
pub async fn check(
    conn: &Conn,
    entries: &[(usize, (Permit, Entry))],
    at: impl Fn(usize) -> String,
    mistakes: &mut Mistakes,
) -> Result<(), WriteError> {
    let mut references = References::default();
    for (number, (permit, entry)) in entries {
        let at = at(*number);
        references.add::<project::Row>(permit, format!("{at}.projectId"), Some(entry.project_id));
        references.add::<person::Row>(permit, format!("{at}.personId"), entry.person_id);
    }
    let mut conn = conn.exclusive().await?;
    Ok(references.check(&mut conn, mistakes).await?)
}

/// Logs time and records which limits it reaches (rule L2), in one transaction; gives each entry as it is now, in their
/// order. What a correction proves wrong is retracted. With `dry_run` nothing is written. The number of statements does
/// not depend on how much time is logged, but on the limits reached.
pub async fn record(
    conn: &Conn,
    entries: Vec<(Permit, Entry)>,
    dry_run: bool,
) -> Result<Vec<Option<Arc<Row>>>, WriteError> {
    let mut conn = conn.exclusive().await?;
    let count = entries.len();
    let mut tenants: BTreeMap<Uuid, (Permit, Vec<usize>, Vec<Entry>)> = BTreeMap::new();
    for (place, (permit, entry)) in entries.into_iter().enumerate() {
        let (_, places, own) =
            tenants.entry(permit.tenant_id).or_insert_with(|| (permit, Vec::new(), Vec::new()));
        places.push(place);
        own.push(entry);
    }
    transaction!(conn, dry_run, |conn| {
        let mut found = vec![None; count];
        for (permit, places, own) in tenants.values() {
            for (place, row) in places.iter().zip(write(conn, permit, own).await?) {
                found[*place] = Some(row);
            }
        }
        found
    })
}

/// The tenants of projects within reach, by project.
pub async fn project_tenants(conn: &Conn, reach: &Reach, ids: &[Uuid]) -> Result<HashMap<Uuid, Uuid>, Error> {
    let mut sql = Sql::new("SELECT t.id, t.tenant_id FROM project t WHERE t.id = ANY(");
    sql.bind(Bind::Uuids(ids.to_vec())).push(")");
    within(project::Row::TARGET, "t", reach, true, &mut sql);
    let tenant = |row: &PgRow| Ok((column::<SqlUuid, _>(row, 0)?, column::<SqlUuid, _>(row, 1)?));
    Ok(conn.rows(sql).await?.iter().map(tenant).collect::<QueryResult<_>>()?)
}

/// An entry as it is stored.
#[derive(Serialize)]
struct New<'a> {
    root_id: Uuid,
    id: Uuid,
    tenant_id: Uuid,
    project_id: Uuid,
    person_id: Option<Uuid>,
    category: &'a str,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    source: Option<&'a str>,
    source_id: Option<&'a str>,
}

/// A stretch of a project in which time was logged.
#[derive(Clone, Debug, Serialize)]
struct Touched {
    project_id: Uuid,
    category: String,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    /// 1 = it is so no more, -1 = it was not so before, 0 = it is as it was.
    taken: i32,
}

async fn write(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    entries: &[Entry],
) -> QueryResult<Vec<Arc<Row>>> {
    let stored = stored(conn, permit, entries).await?;
    // What is logged at once on a project is counted one after the other, and so is a limit that is made or changed
    // meanwhile: each counts what was logged before it.
    let mut projects: BTreeSet<Uuid> = entries.iter().map(|entry| entry.project_id).collect();
    projects.extend(stored.iter().map(|row| row.project_id));
    let projects: Vec<Uuid> = projects.into_iter().collect();
    let mut lock = Sql::new("SELECT 1 FROM project t WHERE t.root_id = ");
    lock.bind(Bind::Uuid(permit.root_id)).push(" AND t.id = ANY(").bind(Bind::Uuids(projects.clone()));
    lock.push(") ORDER BY t.id FOR UPDATE");
    rows(conn, lock).await?;
    let mut lock = Sql::new("SELECT 1 FROM sla_limit t WHERE t.root_id = ");
    lock.bind(Bind::Uuid(permit.root_id))
        .push(" AND t.project_id = ANY(")
        .bind(Bind::Uuids(projects.clone()));
    lock.push(") ORDER BY t.id FOR SHARE");
    rows(conn, lock).await?;

    // Of what one source logs twice in one go, the last counts; and whoever logs the same waits in the same order.
    let mut ids = Vec::with_capacity(entries.len());
    let mut by_source: HashMap<(&str, &str), Uuid> = HashMap::new();
    let mut new: Vec<New<'_>> = Vec::new();
    for entry in entries {
        let source = entry.source.as_deref().zip(entry.source_id.as_deref());
        let id = source.and_then(|source| by_source.get(&source).copied()).unwrap_or_else(id::new);
        by_source.extend(source.map(|source| (source, id)));
        new.retain(|other| other.id != id);
        new.push(entry.row(permit, id));
        ids.push(id);
    }
    new.sort_by_key(|row| (row.source, row.source_id));
    let mut touched = put(conn, permit, &new).await?;
    // A rival has moved one of them meanwhile: what it was taken from now is not locked.
    if touched.iter().any(|stretch| projects.binary_search(&stretch.project_id).is_err()) {
        return Err(overtaken_unseen());
    }
    let now = self::stored(conn, permit, entries).await?;
    let made = read(conn, permit, &ids).await?;
    let found: Vec<Arc<Row>> = entries
        .iter()
        .zip(&ids)
        .filter_map(|(entry, id)| {
            let same = |row: &&Arc<Row>| {
                row.id == *id
                    || entry.source.is_some()
                        && (&row.source, &row.source_id) == (&entry.source, &entry.source_id)
            };
            made.iter().chain(&now).find(same).cloned()
        })
        .collect();
    touched.extend(found.iter().map(|row| Touched {
        project_id: row.project_id,
        category: row.category.clone(),
        from: row.started_at,
        until: row.ended_at,
        taken: 0,
    }));
    let mut stretches = Sql::new(
        "SELECT l.root_id, l.id, t.\"from\", t.until, t.category, t.taken FROM sla_limit l JOIN jsonb_to_recordset(",
    );
    stretches.bind(Bind::rows(&touched)?).push(
        ") t(project_id uuid, category text, \"from\" timestamptz, until timestamptz, taken integer) \
         ON t.project_id = l.project_id WHERE l.root_id = ",
    );
    stretches.bind(Bind::Uuid(permit.root_id));
    sla_limit::evaluate(conn, permit, stretches).await?;
    Ok(found)
}

/// The entries that sources have logged before.
async fn stored(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    entries: &[Entry],
) -> QueryResult<Vec<Arc<Row>>> {
    let sourced = entries.iter().filter_map(|entry| entry.source.clone().zip(entry.source_id.clone()));
    let (sources, ids): (Vec<String>, Vec<String>) = sourced.unzip();
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new("SELECT ");
    columns(&mut sql, "t", Row::TARGET);
    sql.push(" FROM time_entry t WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" AND t.tenant_id = ").bind(Bind::Uuid(permit.tenant_id));
    sql.push(" AND (t.source, t.source_id) IN (SELECT * FROM unnest(").bind(Bind::Texts(sources)).push(", ");
    sql.bind(Bind::Texts(ids)).push(")) ORDER BY t.id");
    rows(conn, sql).await?.iter().map(|row| decoded(row, 0)).collect()
}

async fn read(conn: &mut AsyncPgConnection, permit: &Permit, ids: &[Uuid]) -> QueryResult<Vec<Arc<Row>>> {
    let mut sql = Sql::new("SELECT ");
    columns(&mut sql, "t", Row::TARGET);
    sql.push(" FROM time_entry t WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" AND t.id = ANY(").bind(Bind::Uuids(ids.to_vec())).push(")");
    rows(conn, sql).await?.iter().map(|row| decoded(row, 0)).collect()
}

/// Makes entries, or corrects those that their source has logged before where they say something else. Gives the
/// stretches that the corrected ones had, and those that all of them have now. The transaction is to be run again where a
/// rival made one of them meanwhile: what it was before is not seen, and its project not locked.
async fn put(conn: &mut AsyncPgConnection, permit: &Permit, new: &[New<'_>]) -> QueryResult<Vec<Touched>> {
    const CONTENT: &str = "project_id, person_id, category, started_at, ended_at";
    let mut sql =
        Sql::new("WITH n AS MATERIALIZED (SELECT * FROM jsonb_populate_recordset(NULL::time_entry, ");
    sql.bind(Bind::rows(new)?).push(
        ")), old AS MATERIALIZED (SELECT t.* FROM n JOIN time_entry t ON t.root_id = n.root_id AND t.tenant_id = n.tenant_id \
         AND t.source = n.source AND t.source_id = n.source_id), \
         fresh AS (INSERT INTO time_entry AS t (root_id, id, tenant_id, source, source_id, ",
    );
    sql.push(CONTENT).push(") SELECT root_id, id, tenant_id, source, source_id, ").push(CONTENT);
    let (own, told) = (CONTENT.replace(", ", ", t."), CONTENT.replace(", ", ", excluded."));
    sql.made(format!(
        " FROM n ON CONFLICT (root_id, tenant_id, source, source_id) DO UPDATE SET updated_at = now(), \
         ({CONTENT}) = ROW (excluded.{told}) WHERE (t.{own}) IS DISTINCT FROM (excluded.{told}) RETURNING t.*)"
    ));
    let tell = audit_entry::Each {
        of: "fresh",
        action: "'timeEntryRecord'",
        object_type: "TimeEntry",
        object_id: "r.id",
        before: "(SELECT to_jsonb(o) FROM old o WHERE o.id = r.id)",
        after: "to_jsonb(r)",
    };
    audit_entry::append_each(&mut sql, permit, &tell);
    sql.push(
        " SELECT o.project_id, o.category, o.started_at, o.ended_at, 1, false FROM old o JOIN fresh f ON f.id = o.id \
         UNION ALL SELECT f.project_id, f.category, f.started_at, f.ended_at, -1, n.id IS NULL AND o.id IS NULL \
         FROM fresh f LEFT JOIN n ON n.id = f.id LEFT JOIN old o ON o.id = f.id",
    );
    let touched = |row: &PgRow| {
        if column::<Bool, _>(row, 5)? {
            return Err(overtaken_unseen());
        }
        Ok(Touched {
            project_id: column::<SqlUuid, _>(row, 0)?,
            category: column::<Text, _>(row, 1)?,
            from: column::<Timestamptz, _>(row, 2)?,
            until: column::<Timestamptz, _>(row, 3)?,
            taken: column::<Integer, _>(row, 4)?,
        })
    };
    rows(conn, sql).await?.iter().map(touched).collect()
}

impl Entry {
    fn row(&self, permit: &Permit, id: Uuid) -> New<'_> {
        New {
            root_id: permit.root_id,
            id,
            tenant_id: permit.tenant_id,
            project_id: self.project_id,
            person_id: self.person_id,
            category: &self.category,
            started_at: self.started_at,
            ended_at: self.ended_at,
            source: self.source.as_deref(),
            source_id: self.source_id.as_deref(),
        }
    }
}
