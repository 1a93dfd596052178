//! Changing how an SLA is described and administered, and which of its versions is in force.

use chrono::NaiveDate;
use diesel::sql_types::BigInt;
use diesel_async::AsyncPgConnection;
use futures_util::FutureExt;
use uuid::Uuid;

use super::super::audit_entry::{append, before_and_after};
use super::super::noun::{Noun, column};
use super::super::reference::References;
use super::super::sql::{Bind, Sql};
use super::super::word::SlaStatus;
use super::super::write::{self, Work, mistaken};
use super::super::{organization, person, rows};
use super::Row;
use super::write::{ACTIVATED_DUE_TIME, TAKEN_NAME, activate, free};
use crate::access::Permit;
use crate::error::{Error, InputError, InputErrorCode, Mistakes, WriteError};

/// What is to change; none = stays, some none = is emptied.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Its name.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<Option<String>>,
    /// Whether descendants use it too; cannot be turned off again (rule S5).
    pub shared: Option<bool>,
    /// The switch.
    pub active: Option<bool>,
    /// The stage of its lifecycle.
    pub status: Option<SlaStatus>,
    /// Who pays for it.
    pub customer_id: Option<Option<Uuid>>,
    /// Who speaks for the customer.
    pub customer_rep_id: Option<Option<Uuid>>,
    /// Who manages it for the provider.
    pub service_level_manager_id: Option<Option<Uuid>>,
    /// The first day it is active.
    pub start_date: Option<Option<NaiveDate>>,
    /// The last day on which it can be terminated.
    pub notice_date: Option<Option<NaiveDate>>,
    /// The last day it is active.
    pub expiry_date: Option<Option<NaiveDate>>,
    /// Anything else worth knowing.
    pub remarks: Option<Option<String>>,
    /// The system it came from.
    pub source: Option<Option<String>>,
    /// Its id in that system.
    pub source_id: Option<Option<String>>,
}

/// To change an SLA, if it still has the revision that the client expects; gives its id.
pub fn update(
    permit: Permit,
    id: Uuid,
    changes: Changes,
    expected_revision: Option<i32>,
    mut mistakes: Mistakes,
) -> Work<Uuid> {
    Box::new(move |conn| {
        async move {
            if let Some(name) = &changes.name {
                free(conn, &permit, Some(id), (Some(name), None), &mut mistakes).await?;
            }
            put(conn, &permit, id, changes, expected_revision, mistakes).await
        }
        .boxed()
    })
}

pub(super) async fn put(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    id: Uuid,
    changes: Changes,
    expected_revision: Option<i32>,
    mut mistakes: Mistakes,
) -> Result<Uuid, WriteError> {
    let mut references = References::default();
    references.add::<organization::Row>(permit, "input.customerId", changes.customer_id.flatten());
    references.add::<person::Row>(permit, "input.customerRepId", changes.customer_rep_id.flatten());
    references.add::<person::Row>(
        permit,
        "input.serviceLevelManagerId",
        changes.service_level_manager_id.flatten(),
    );
    let row = locked(conn, permit, "input.id", id).await?;
    if expected_revision.is_some_and(|expected| expected != row.revision) {
        return Err(WriteError::Conflict(id));
    }
    references.check(conn, &mut mistakes).await?;
    let shared = changes.shared.unwrap_or(row.shared);
    if row.shared && !shared {
        mistakes.add("input.shared", InputErrorCode::Irreversible, "What is shared cannot be taken back.");
    }
    let start_date = changes.start_date.unwrap_or(row.start_date);
    let notice_date = changes.notice_date.unwrap_or(row.notice_date);
    let expiry_date = changes.expiry_date.unwrap_or(row.expiry_date);
    let customer_id = changes.customer_id.unwrap_or(row.customer_id);
    super::write::dates(&mut mistakes, start_date, notice_date, expiry_date);
    let scheduled = changes.status.unwrap_or(row.status) == SlaStatus::ScheduledForActivation;
    // Who changes something else is not told of it.
    if scheduled && start_date.is_none() && (changes.status.is_some() || changes.start_date.is_some()) {
        super::write::unscheduled(&mut mistakes);
    }
    super::write::needs_customer(&mut mistakes, row.kind, customer_id);
    mistakes.none()?;

    let now = Row {
        name: changes.name.unwrap_or(row.name.clone()),
        description: changes.description.unwrap_or(row.description.clone()),
        shared,
        active: changes.active.unwrap_or(row.active),
        status: changes.status.unwrap_or(row.status),
        customer_id,
        customer_rep_id: changes.customer_rep_id.unwrap_or(row.customer_rep_id),
        service_level_manager_id: changes.service_level_manager_id.unwrap_or(row.service_level_manager_id),
        start_date,
        notice_date,
        expiry_date,
        remarks: changes.remarks.unwrap_or(row.remarks.clone()),
        source: changes.source.unwrap_or(row.source.clone()),
        source_id: changes.source_id.unwrap_or(row.source_id.clone()),
        ..row.clone()
    };
    // What is sent again as it stands leaves the revision that others have read.
    if now == row {
        return Ok(id);
    }
    let text = |value: Option<String>| value.map(Bind::Text);
    let mut sql = Sql::new("WITH s AS (UPDATE sla t SET ");
    sql.assignments(vec![
        ("name", Some(Bind::Text(now.name))),
        ("description", text(now.description)),
        ("shared", Some(Bind::Bool(now.shared))),
        ("active", Some(Bind::Bool(now.active))),
        ("status", Some(Bind::Text(now.status.word().to_owned()))),
        ("customer_id", now.customer_id.map(Bind::Uuid)),
        ("customer_rep_id", now.customer_rep_id.map(Bind::Uuid)),
        ("service_level_manager_id", now.service_level_manager_id.map(Bind::Uuid)),
        ("start_date", now.start_date.map(Bind::Date)),
        ("notice_date", now.notice_date.map(Bind::Date)),
        ("expiry_date", now.expiry_date.map(Bind::Date)),
        ("remarks", text(now.remarks)),
        ("source", text(now.source)),
        ("source_id", text(now.source_id)),
        ("revision", Some(Bind::Int(row.revision + 1))),
        ("updated_by", permit.person_id.map(Bind::Uuid)),
    ]);
    sql.push(", updated_at = now()");
    before_and_after(&mut sql, permit, "sla", id);
    sql.push(")");
    append(&mut sql, permit, "slaUpdate", "Sla", id, "(SELECT before FROM s)", "(SELECT after FROM s)");
    sql.push(" SELECT 1");
    rows(conn, sql).await.map_err(|failure| mistaken(&[TAKEN_NAME], failure))?;
    Ok(id)
}

/// To delete an SLA and its versions, where nothing hangs on it.
pub fn deletion(permit: Permit, id: Uuid, expected_revision: Option<i32>) -> Work<()> {
    let delete = write::deletion::<Row>(permit.clone(), "slaDelete", id, expected_revision);
    Box::new(move |conn| {
        async move {
            // Whoever has read what is no longer so is told that first, as of every object.
            write::locked::<Row>(conn, &permit, id, expected_revision).await?;
            match in_use(conn, &permit, id).await? {
                Some(mistake) => Err(mistake.into()),
                None => delete(conn).await,
            }
        }
        .boxed()
    })
}

/// How many of a kind are counted: beyond that nobody wants to know how many more there are.
const COUNTED: i64 = 10_000;

/// That something hangs on an SLA, and what: the constraints, which have the last word, know of one only.
async fn in_use(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    id: Uuid,
) -> Result<Option<InputError>, WriteError> {
    const KINDS: [(&str, &str, &str, &str); 3] = [
        ("affected_sla", "sla_id", "affected SLA", "affected SLAs"),
        ("request", "sla_id", "request that names it", "requests that name it"),
        ("tenant", "default_sla_id", "tenant that falls back on it", "tenants that fall back on it"),
    ];
    let mut sql = Sql::new("SELECT ");
    for (at, (table, column, ..)) in KINDS.into_iter().enumerate() {
        sql.push(if at > 0 { ", " } else { "" }).push("(SELECT count(*) FROM (SELECT FROM ").push(table);
        sql.push(" h WHERE h.root_id = ").bind(Bind::Uuid(permit.root_id)).push(" AND h.").push(column);
        sql.push(" = ").bind(Bind::Uuid(id)).push(" LIMIT ").bind(Bind::Long(COUNTED + 1)).push(") h)");
    }
    let counts = rows(conn, sql).await?;
    let Some(counts) = counts.first() else { return Ok(None) };
    let mut found = Vec::new();
    for (at, (_, _, one, many)) in KINDS.into_iter().enumerate() {
        match column::<BigInt, i64>(counts, at)? {
            0 => {}
            1 => found.push(format!("1 {one}")),
            count if count > COUNTED => found.push(format!("more than {COUNTED} {many}")),
            count => found.push(format!("{count} {many}")),
        }
    }
    let Some(last) = found.pop() else { return Ok(None) };
    let all = if found.is_empty() { last } else { format!("{} and {last}", found.join(", ")) };
    let message =
        format!("It cannot be deleted, for what hangs on it: {all}. Let it expire, or turn it off.");
    Ok(Some(InputError::at("input.id", InputErrorCode::InUse, message)))
}

/// To put a version of an SLA in force (rule S2); gives the version's id.
pub fn activation(
    permit: Permit,
    (sla_id, expected_revision): (Uuid, Option<i32>),
    version_id: Uuid,
) -> Work<Uuid> {
    Box::new(move |conn| {
        async move {
            let row = locked(conn, &permit, "input.slaVersionId", sla_id).await?;
            if expected_revision.is_some_and(|expected| expected != row.revision) {
                return Err(WriteError::Conflict(sla_id));
            }
            if row.active_version_id != version_id {
                activate(conn, &permit, sla_id, version_id, ACTIVATED_DUE_TIME).await?;
            }
            Ok(version_id)
        }
        .boxed()
    })
}

/// The SLA as it is, and stays until the transaction ends. It was there when the permit was given, and may have been deleted
/// since: that is told at what names it.
async fn locked(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    path: &str,
    id: Uuid,
) -> Result<Row, WriteError> {
    let mut sql = Sql::new("SELECT ");
    super::super::page::columns(&mut sql, "t", Row::TARGET);
    sql.push(" FROM sla t WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" AND t.tenant_id = ").bind(Bind::Uuid(permit.tenant_id));
    sql.push(" AND t.id = ").bind(Bind::Uuid(id)).push(write::LOCK);
    let found = rows(conn, sql).await?;
    let row = found.first().map(|row| Row::decode(row, 0, Row::TARGET.all())).transpose()?.flatten();
    row.ok_or_else(|| Error::NotFound(Row::NAME).at(path).into())
}
