//! Writing SLAs and their versions: each write is one transaction and leaves an audit entry (rule P4).

use chrono::NaiveDate;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::FutureExt;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::audit_entry::append;
use super::super::noun::{Noun, column};
use super::super::reference::References;
use super::super::sql::{Bind, Sql};
use super::super::word::{SlaKind, SlaStatus};
use super::super::write::{Constraint, LOCK, Mark, Work, marking, mistaken, overtaken, sourced};
use super::super::{id, organization, person, rows};
use super::Row;
use super::change::{self, Changes};
use super::terms::{Terms, text};
use crate::access::Permit;
use crate::error::{Error, InputErrorCode, Mistakes, WriteError};

/// An SLA to be made, with its first version (rule S1).
#[derive(Clone, Debug)]
pub struct New {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// Whether descendants use it too.
    pub shared: bool,
    /// The switch.
    pub active: bool,
    /// The stage of its lifecycle.
    pub status: SlaStatus,
    /// Who pays for it; required with service terms.
    pub customer_id: Option<Uuid>,
    /// Who speaks for the customer.
    pub customer_rep_id: Option<Uuid>,
    /// Who manages it for the provider.
    pub service_level_manager_id: Option<Uuid>,
    /// The first day it is active.
    pub start_date: Option<NaiveDate>,
    /// The last day on which it can be terminated.
    pub notice_date: Option<NaiveDate>,
    /// The last day it is active.
    pub expiry_date: Option<NaiveDate>,
    /// Anything else worth knowing.
    pub remarks: Option<String>,
    /// The system it came from.
    pub source: Option<String>,
    /// Its id in that system.
    pub source_id: Option<String>,
    /// Its first version.
    pub version: NewVersion,
}

/// A version to be made.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Its name.
    pub version_name: String,
    /// What is new in it.
    pub description: Option<String>,
    /// What is promised.
    pub terms: Terms,
}

/// To make an SLA and its first version, which is active (rule S1); gives its id. The checked parts of the input are
/// told by `mistakes`, so that a client is told everything at once. With `upsert`, the SLA of the same source and
/// sourceId is changed so instead, if there is one, and gets a new version where other terms are promised (rule S4).
pub fn creation(
    permit: Permit,
    new: New,
    upsert: Option<Changes>,
    mistakes: Mistakes,
    mark: Option<Mark>,
) -> Work<Uuid> {
    let held = permit.clone();
    marking(permit, "slaCreate", mark, Box::new(move |conn| put(conn, held, new, upsert, mistakes).boxed()))
}

async fn put(
    conn: &mut AsyncPgConnection,
    permit: Permit,
    new: New,
    upsert: Option<Changes>,
    mut mistakes: Mistakes,
) -> Result<Uuid, WriteError> {
    let (Some(changes), Some(source), Some(source_id)) = (upsert, &new.source, &new.source_id) else {
        return create(conn, &permit, &new, mistakes).await;
    };
    let Some(id) = sourced::<super::Row>(conn, &permit, source, source_id).await? else {
        let (by, new) = (&permit, &new);
        let made = conn.transaction(async move |conn| create(conn, by, new, mistakes).await).await;
        return overtaken::<super::Row>(conn, &permit, source, source_id, made).await;
    };
    let promised = promises(conn, &permit, id, &new.version).await?;
    if !promised {
        check_version(conn, &permit, (id, None), &new.version, &mut mistakes).await?;
    }
    if let Some(due_time) = new.version.terms.due_time() {
        free(conn, &permit, Some(id), (Some(&new.name), Some(due_time)), &mut mistakes).await?;
    }
    change::put(conn, &permit, id, changes, None, mistakes).await?;
    if !promised {
        write_version(conn, &permit, id, &new.version, true).await?;
    }
    Ok(id)
}

/// Whether the version in force promises just this, whatever it is called.
async fn promises(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    sla_id: Uuid,
    new: &NewVersion,
) -> Result<bool, WriteError> {
    let mut sql = Sql::new(
        "SELECT 1 FROM sla t JOIN sla_version v ON v.root_id = t.root_id AND v.id = t.active_version_id",
    );
    sql.push(" WHERE t.root_id = ")
        .bind(Bind::Uuid(permit.root_id))
        .push(" AND t.id = ")
        .bind(Bind::Uuid(sla_id));
    sql.push(" AND v.kind = ").bind(text(new.terms.kind().word()));
    for (column, value) in new.terms.columns() {
        sql.push(" AND v.").push(column);
        match value {
            Some(value) => sql.push(" = ").bind(value),
            None => sql.push(" IS NULL"),
        };
    }
    for (table, column, ids) in new.terms.lists() {
        sql.made(format!(
            " AND ARRAY(SELECT l.{column} FROM {table} l WHERE l.root_id = v.root_id AND l.sla_version_id = v.id \
             ORDER BY l.{column}) = "
        ));
        sql.bind(Bind::Uuids(ids));
    }
    Ok(!rows(conn, sql).await?.is_empty())
}

async fn create(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    new: &New,
    mut mistakes: Mistakes,
) -> Result<Uuid, WriteError> {
    needs_customer(&mut mistakes, new.version.terms.kind(), new.customer_id);
    let mut references = References::default();
    references.add::<organization::Row>(permit, "input.customerId", new.customer_id);
    references.add::<person::Row>(permit, "input.customerRepId", new.customer_rep_id);
    references.add::<person::Row>(permit, "input.serviceLevelManagerId", new.service_level_manager_id);
    new.version.terms.references(permit, &mut references);
    references.check(conn, &mut mistakes).await?;
    if let Some(due_time) = new.version.terms.due_time() {
        free(conn, permit, None, (Some(&new.name), Some(due_time)), &mut mistakes).await?;
    }
    if new.status == SlaStatus::ScheduledForActivation && new.start_date.is_none() {
        unscheduled(&mut mistakes);
    }
    mistakes.none()?;

    let (sla_id, version_id) = (id::new(), id::new());
    let by = permit.person_id.map(Bind::Uuid);
    let mut sql = Sql::new("WITH s AS (INSERT INTO sla");
    sql.values(vec![
        ("root_id", Some(Bind::Uuid(permit.root_id))),
        ("id", Some(Bind::Uuid(sla_id))),
        ("tenant_id", Some(Bind::Uuid(permit.tenant_id))),
        ("kind", Some(text(new.version.terms.kind().word()))),
        ("name", Some(Bind::Text(new.name.clone()))),
        ("description", new.description.clone().map(Bind::Text)),
        ("shared", Some(Bind::Bool(new.shared))),
        ("active", Some(Bind::Bool(new.active))),
        ("status", Some(text(new.status.word()))),
        ("active_version_id", Some(Bind::Uuid(version_id))),
        ("livechat_due_minutes", new.version.terms.due_time().map(Bind::Int)),
        ("customer_id", new.customer_id.map(Bind::Uuid)),
        ("customer_rep_id", new.customer_rep_id.map(Bind::Uuid)),
        ("service_level_manager_id", new.service_level_manager_id.map(Bind::Uuid)),
        ("start_date", new.start_date.map(Bind::Date)),
        ("notice_date", new.notice_date.map(Bind::Date)),
        ("expiry_date", new.expiry_date.map(Bind::Date)),
        ("remarks", new.remarks.clone().map(Bind::Text)),
        ("source", new.source.clone().map(Bind::Text)),
        ("source_id", new.source_id.clone().map(Bind::Text)),
        ("created_by", by.clone()),
        ("updated_by", by),
    ]);
    sql.push(" RETURNING to_jsonb(sla.*) AS after)");
    version(&mut sql, permit, sla_id, version_id, 1, &new.version);
    activation(&mut sql, permit, sla_id, version_id);
    const AFTER: &str = "(SELECT s.after || jsonb_build_object('sla_version', v.after) FROM s, v)";
    append(&mut sql, permit, "slaCreate", "Sla", sla_id, "NULL", AFTER);
    sql.push(" SELECT 1");
    rows(conn, sql).await.map_err(|failure| mistaken(&[TAKEN_NAME, TAKEN_DUE_TIME], failure))?;
    Ok(sla_id)
}

/// To make a version of an SLA and, if `activate`, put it in force; gives its id. Versions are numbered without gaps:
/// the SLA is locked meanwhile (rule S2).
pub fn version_creation(
    permit: Permit,
    (sla_id, expected_revision): (Uuid, Option<i32>),
    new: NewVersion,
    activate: bool,
    mistakes: Mistakes,
    mark: Option<Mark>,
) -> Work<Uuid> {
    let held = permit.clone();
    let work: Work<Uuid> = Box::new(move |conn| {
        async move { add_version(conn, &held, (sla_id, expected_revision), &new, activate, mistakes).await }
            .boxed()
    });
    marking(permit, "slaVersionCreate", mark, work)
}

async fn add_version(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    (sla_id, expected_revision): (Uuid, Option<i32>),
    new: &NewVersion,
    activate: bool,
    mut mistakes: Mistakes,
) -> Result<Uuid, WriteError> {
    check_version(conn, permit, (sla_id, expected_revision), new, &mut mistakes).await?;
    if let Some(due_time) = new.terms.due_time().filter(|_| activate) {
        free(conn, permit, Some(sla_id), (None, Some(due_time)), &mut mistakes).await?;
    }
    mistakes.none()?;
    write_version(conn, permit, sla_id, new, activate).await
}

/// Locks the SLA and adds the mistakes of a version to be made of it.
async fn check_version(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    (sla_id, expected_revision): (Uuid, Option<i32>),
    new: &NewVersion,
    mistakes: &mut Mistakes,
) -> Result<(), WriteError> {
    let mut lock = Sql::new("SELECT t.kind, t.revision FROM sla t WHERE t.root_id = ");
    lock.bind(Bind::Uuid(permit.root_id)).push(" AND t.id = ").bind(Bind::Uuid(sla_id)).push(LOCK);
    let locked = rows(conn, lock).await?;
    let Some(sla) = locked.first() else { return Err(Error::NotFound(Row::NAME).at("input.slaId").into()) };
    let revision = column::<Integer, i32>(sla, 1)?;
    if expected_revision.is_some_and(|expected| expected != revision) {
        return Err(WriteError::Conflict(sla_id));
    }
    let kind = column::<Text, SlaKind>(sla, 0)?;
    if kind != new.terms.kind() {
        let message = format!(
            "The terms of this SLA are of the kind {}: a version cannot change the kind.",
            kind.word()
        );
        mistakes.add("input.version.terms", InputErrorCode::Invalid, message);
    }
    let mut references = References::default();
    new.terms.references(permit, &mut references);
    Ok(references.check(conn, mistakes).await?)
}

/// Makes a version of an SLA that is locked.
async fn write_version(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    sla_id: Uuid,
    new: &NewVersion,
    activate: bool,
) -> Result<Uuid, WriteError> {
    let mut numbers = Sql::new("SELECT coalesce(max(v.number), 0) + 1 FROM sla_version v WHERE v.root_id = ");
    numbers.bind(Bind::Uuid(permit.root_id)).push(" AND v.sla_id = ").bind(Bind::Uuid(sla_id));
    let number = rows(conn, numbers).await?.first().map_or(Ok(1), |row| column::<Integer, i32>(row, 0))?;

    let version_id = id::new();
    let mut sql = Sql::new("WITH s AS (SELECT 1)");
    version(&mut sql, permit, sla_id, version_id, number, new);
    append(&mut sql, permit, "slaVersionCreate", "Sla", sla_id, "NULL", "(SELECT after FROM v)");
    sql.push(" SELECT 1");
    rows(conn, sql).await.map_err(|failure| mistaken(&[], failure))?;
    if activate {
        self::activate(conn, permit, sla_id, version_id, TAKEN_DUE_TIME).await?;
    }
    Ok(version_id)
}

/// Puts a version of an SLA in force and remembers who did and when (rule S2). Within a transaction that has locked
/// the SLA; `taken` tells where the input is wrong when another has its due time (rule S11).
pub(super) async fn activate(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    sla_id: Uuid,
    version_id: Uuid,
    taken: Constraint,
) -> Result<(), WriteError> {
    let mut sql = Sql::new(
        "WITH s AS (UPDATE sla t SET active_version_id = v.id, livechat_due_minutes = v.due_time_in_minutes",
    );
    sql.push(", revision = t.revision + 1, updated_at = now(), updated_by = ");
    match permit.person_id {
        Some(person) => sql.bind(Bind::Uuid(person)),
        None => sql.push("NULL"),
    };
    sql.push(
        " FROM sla_version v, (SELECT b.root_id, b.id, to_jsonb(b.*) AS before FROM sla b WHERE b.root_id = ",
    );
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND b.id = ").bind(Bind::Uuid(sla_id)).push(") old");
    sql.push(" WHERE v.root_id = t.root_id AND v.sla_id = t.id AND v.id = ").bind(Bind::Uuid(version_id));
    sql.push(" AND t.root_id = old.root_id AND t.id = old.id RETURNING old.before, to_jsonb(t.*) AS after)");
    activation(&mut sql, permit, sla_id, version_id);
    append(
        &mut sql,
        permit,
        "slaVersionActivate",
        "Sla",
        sla_id,
        "(SELECT before FROM s)",
        "(SELECT after FROM s)",
    );
    sql.push(" SELECT count(*) FROM s");
    let changed = rows(conn, sql).await.map_err(|failure| mistaken(&[taken], failure))?;
    let changed = changed.first().map_or(Ok(0), |row| column::<BigInt, i64>(row, 0))?;
    if changed == 1 { Ok(()) } else { Err(Error::NotFound("SLA version").into()) }
}

fn version(sql: &mut Sql, permit: &Permit, sla_id: Uuid, version_id: Uuid, number: i32, new: &NewVersion) {
    sql.push(", v AS (INSERT INTO sla_version");
    let mut pairs = vec![
        ("root_id", Some(Bind::Uuid(permit.root_id))),
        ("id", Some(Bind::Uuid(version_id))),
        ("tenant_id", Some(Bind::Uuid(permit.tenant_id))),
        ("sla_id", Some(Bind::Uuid(sla_id))),
        ("number", Some(Bind::Int(number))),
        ("version_name", Some(Bind::Text(new.version_name.clone()))),
        ("description", new.description.clone().map(Bind::Text)),
        ("kind", Some(text(new.terms.kind().word()))),
        ("created_by", permit.person_id.map(Bind::Uuid)),
    ];
    pairs.extend(new.terms.columns());
    let lists: Vec<_> = new.terms.lists().into_iter().filter(|(.., ids)| !ids.is_empty()).collect();
    let told = lists.iter().map(|(table, column, ids)| {
        let rows: Vec<Value> = ids.iter().map(|id| json!({ *column: id })).collect();
        ((*table).to_owned(), Value::from(rows))
    });
    sql.values(pairs).push(" RETURNING to_jsonb(sla_version.*) || ").bind(Bind::Json(told.collect()));
    sql.push(" AS after)");
    for (table, column, ids) in lists {
        sql.made(format!(
            ", {table} AS (INSERT INTO {table} (root_id, tenant_id, sla_version_id, {column}) SELECT "
        ));
        sql.bind(Bind::Uuid(permit.root_id)).push(", ").bind(Bind::Uuid(permit.tenant_id)).push(", ");
        sql.bind(Bind::Uuid(version_id)).push(", i FROM unnest(").bind(Bind::Uuids(ids)).push(") i)");
    }
}

/// Remembers that a version is in force from now on: the one that comes last, also where its transaction began first.
fn activation(sql: &mut Sql, permit: &Permit, sla_id: Uuid, version_id: Uuid) {
    sql.push(
        ", a AS (INSERT INTO sla_activation (root_id, id, tenant_id, sla_id, sla_version_id, activated_by, \
         activated_at) SELECT ",
    );
    for key in [permit.root_id, id::new(), permit.tenant_id, sla_id, version_id] {
        sql.bind(Bind::Uuid(key)).push("::uuid, ");
    }
    match permit.person_id {
        Some(person) => sql.bind(Bind::Uuid(person)),
        None => sql.push("NULL"),
    };
    sql.push("::uuid, greatest(now(), max(o.activated_at) + interval '1 microsecond') FROM sla_activation o WHERE o.root_id = ");
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND o.sla_id = ").bind(Bind::Uuid(sla_id)).push(")");
}

/// Adds the mistakes of a name and a due time that another livechat SLA of the tenant has already (rule S11), both at
/// once: a constraint would tell of one only. An `own` SLA of another kind may be called as it likes.
pub(super) async fn free(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    own: Option<Uuid>,
    (name, due_time): (Option<&str>, Option<i32>),
    mistakes: &mut Mistakes,
) -> Result<(), WriteError> {
    let mut sql = Sql::new("SELECT coalesce(bool_or(lower(t.name) = lower(");
    // No name that is stored holds it; that it was sent is a mistake which is told with all others.
    match name.filter(|name| !name.contains('\0')) {
        Some(name) => sql.bind(Bind::Text(name.to_owned())),
        None => sql.push("NULL"),
    };
    sql.push(")), false), coalesce(bool_or(t.livechat_due_minutes = ");
    match due_time {
        Some(minutes) => sql.bind(Bind::Int(minutes)),
        None => sql.push("NULL"),
    };
    sql.push("), false) FROM sla t WHERE t.kind = 'livechat' AND t.root_id = ")
        .bind(Bind::Uuid(permit.root_id));
    sql.push(" AND t.tenant_id = ").bind(Bind::Uuid(permit.tenant_id));
    if let Some(own) = own {
        sql.push(" AND t.id <> ").bind(Bind::Uuid(own));
        sql.push(
            " AND EXISTS (SELECT FROM sla o WHERE o.root_id = t.root_id AND o.kind = 'livechat' AND o.id = ",
        );
        sql.bind(Bind::Uuid(own)).push(")");
    }
    let taken = rows(conn, sql).await?;
    let Some(taken) = taken.first() else { return Ok(()) };
    for (at, Constraint { path, code, message, .. }) in [TAKEN_NAME, TAKEN_DUE_TIME].into_iter().enumerate() {
        if column::<Bool, bool>(taken, at)? {
            mistakes.add(path, code, message);
        }
    }
    Ok(())
}

/// Rule S11.
pub(super) const TAKEN_NAME: Constraint = Constraint {
    name: "sla_livechat_name",
    path: "input.name",
    code: InputErrorCode::DuplicatedSla,
    message: "Another livechat SLA of this tenant has this name: choose another.",
};
const TAKEN_DUE_TIME: Constraint = Constraint {
    name: "sla_livechat_due_time",
    path: "input.version.terms.livechat.dueTimeInMinutes",
    code: InputErrorCode::DuplicatedSla,
    message: "Another livechat SLA of this tenant has this due time: choose another.",
};
/// The same of a version that was made before.
pub(super) const ACTIVATED_DUE_TIME: Constraint = Constraint {
    path: "input.slaVersionId",
    message: "Another livechat SLA of this tenant has the due time of this version: make one with another.",
    ..TAKEN_DUE_TIME
};

/// Rule S6: what is scheduled becomes active on a day, so there must be one.
pub(super) fn unscheduled(mistakes: &mut Mistakes) {
    let message = "SCHEDULED_FOR_ACTIVATION needs the first day on which it is active: give a start date.";
    mistakes.add("input.startDate", InputErrorCode::Required, message);
}

/// Rule S7: who pays for an SLA with service terms. That what was sent is no id is told already.
pub fn needs_customer(mistakes: &mut Mistakes, kind: SlaKind, customer_id: Option<Uuid>) {
    let path = "input.customerId";
    if kind == SlaKind::Service && customer_id.is_none() && !mistakes.has(path) {
        mistakes.add(path, InputErrorCode::Required, "An SLA with service terms needs a customer.");
    }
}

/// Rule S7: the order of the dates.
pub fn dates(
    mistakes: &mut Mistakes,
    start: Option<NaiveDate>,
    notice: Option<NaiveDate>,
    expiry: Option<NaiveDate>,
) {
    for (path, one, message) in [
        ("input.expiryDate", start, "This must not be before the start date."),
        ("input.noticeDate", notice, "This must not be after the expiry date."),
    ] {
        // Of an upsert both what is sent and what comes of it are looked at.
        if one.zip(expiry).is_some_and(|(one, expiry)| one > expiry) && !mistakes.has(path) {
            mistakes.add(path, InputErrorCode::Invalid, message);
        }
    }
}
