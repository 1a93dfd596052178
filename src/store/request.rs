//! A request: anything a promise can apply to, in the latest state of its events.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{Bool, Nullable, Text, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use uuid::Uuid;

use super::noun::{Noun, column, noun, relation};
use super::page::{Key, Kind, Under, columns, decoded, within};
use super::sql::{Bind, Sql, columns_of};
use super::word::{Channel, Impact, RequestStatus};
use super::{Conn, PgRow, audit_entry, rows, write};
use crate::access::{Permission, Permit, Reach};
use crate::error::Error;

noun! {
    /// A request: anything a promise can apply to, in the latest state of its events.
    request as Request, "request", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::RequestsRead), list: Some(Permission::RequestsRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("requester" via requester_id => person),
        relation!("serviceInstance" via service_instance_id => service_instance),
        relation!("standardServiceRequest" via standard_service_request_id => standard_service_request),
        relation!("team" via team_id => team),
        relation!("sla" via sla_id => sla),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// A ticket, a chat or a call.
        channel: Channel,
        /// What it is about.
        subject: String,
        /// Its status.
        status: RequestStatus,
        /// How bad it is; null when not said.
        impact: Option<Impact>,
        /// Who asked.
        requester_id: Option<Uuid>,
        /// What it is about.
        service_instance_id: Option<Uuid>,
        /// The standard wish it is.
        standard_service_request_id: Option<Uuid>,
        /// The team it is assigned to.
        team_id: Option<Uuid>,
        /// The SLA named when it was registered (rule C13).
        sla_id: Option<Uuid>,
        /// When it is wished to be done.
        desired_completion_at: Option<DateTime<Utc>>,
        /// Since when the instance was down.
        downtime_start_at: Option<DateTime<Utc>>,
        /// Until when it was down.
        downtime_end_at: Option<DateTime<Utc>>,
        /// Whether the provider says not to be accountable now.
        provider_not_accountable: bool,
        /// When it was asked.
        registered_at: DateTime<Utc>,
        /// The system it came from; null when made here.
        source: Option<String>,
        /// Its id in that system; null when made here.
        source_id: Option<String>,
        /// Rises by one with each update.
        revision: i32,
        /// When it was made.
        created_at: DateTime<Utc>,
        /// When it was last updated; `created_at` until then.
        updated_at: DateTime<Utc>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant that owns it.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// What it is about.
    pub static SUBJECT: Key = Key::new("t.subject", Kind::Name);
    /// A ticket, a chat or a call.
    pub static CHANNEL: Key = Key::new("t.channel", Kind::Text);
    /// Its status.
    pub static STATUS: Key = Key::new("t.status", Kind::Text);
    /// How bad it is.
    pub static IMPACT: Key = Key::nullable("t.impact", Kind::Text);
    /// Who asked.
    pub static REQUESTER: Key = Key::nullable("t.requester_id", Kind::Uuid);
    /// What it is about.
    pub static SERVICE_INSTANCE: Key = Key::nullable("t.service_instance_id", Kind::Uuid);
    /// The team it is assigned to.
    pub static TEAM: Key = Key::nullable("t.team_id", Kind::Uuid);
    /// When it was asked.
    pub static REGISTERED_AT: Key = Key::new("t.registered_at", Kind::Time);
    /// The system it came from.
    pub static SOURCE: Key = Key::nullable("t.source", Kind::Text);
    /// Its id in that system.
    pub static SOURCE_ID: Key = Key::nullable("t.source_id", Kind::Text);
    /// When it was made.
    pub static CREATED_AT: Key = Key::new("t.created_at", Kind::Time);
    /// When it was last updated.
    pub static UPDATED_AT: Key = Key::new("t.updated_at", Kind::Time);
}

/// Those of a tenant.
pub const UNDER_TENANT: Under = Under::own("request t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// Those about an instance.
pub const UNDER_INSTANCE: Under =
    Under::with_below("request t WHERE t.root_id = k.root_id AND t.service_instance_id = k.id");

/// Those a person asked.
pub const UNDER_REQUESTER: Under =
    Under::with_below("request t WHERE t.root_id = k.root_id AND t.requester_id = k.id");

/// The latest state of a request: what its events change.
#[derive(Clone, Debug, Serialize)]
pub(super) struct State {
    pub(super) root_id: Uuid,
    pub(super) id: Uuid,
    pub(super) status: &'static str,
    pub(super) impact: Option<&'static str>,
    pub(super) requester_id: Option<Uuid>,
    pub(super) service_instance_id: Option<Uuid>,
    pub(super) team_id: Option<Uuid>,
    pub(super) desired_completion_at: Option<DateTime<Utc>>,
    pub(super) downtime_start_at: Option<DateTime<Utc>>,
    pub(super) downtime_end_at: Option<DateTime<Utc>>,
    pub(super) provider_not_accountable: bool,
}

/// A request to be made.
#[derive(Clone, Debug, Serialize)]
pub(super) struct New<'a> {
    #[serde(flatten)]
    pub(super) state: State,
    pub(super) tenant_id: Uuid,
    pub(super) channel: &'static str,
    pub(super) subject: &'a str,
    pub(super) standard_service_request_id: Option<Uuid>,
    pub(super) sla_id: Option<Uuid>,
    pub(super) registered_at: DateTime<Utc>,
    pub(super) source: Option<&'a str>,
    pub(super) source_id: Option<&'a str>,
}

/// A request that was made or found.
pub(super) struct Put {
    /// Its key.
    pub(super) id: Uuid,
    /// Its source and its id there, if it has them.
    pub(super) source: Option<(String, String)>,
    /// Whether it was found, and is not what it was.
    pub(super) changed: bool,
}

/// What becomes of a request that its source told before: columns, and what they become.
type Again = &'static [(&'static str, &'static str)];

/// It takes the new subject.
pub(super) const RENAMED: Again = &[("subject", "excluded.subject")];

/// It takes what was not said of it before, and was asked when the earliest of all that was told says: so it comes out the
/// same in whatever order and parts it is told (rule X14). Its id as its subject, and a ticket, are what is said of none.
pub(super) const COMPLETED: Again = &[
    ("subject", "CASE WHEN r.subject = r.source_id THEN excluded.subject ELSE r.subject END"),
    ("channel", "CASE WHEN r.channel = 'ticket' THEN excluded.channel ELSE r.channel END"),
    (
        "standard_service_request_id",
        "coalesce(r.standard_service_request_id, excluded.standard_service_request_id)",
    ),
    ("sla_id", "coalesce(r.sla_id, excluded.sla_id)"),
    ("registered_at", "least(r.registered_at, excluded.registered_at)"),
];

/// Makes requests, and locks them in the order given; one that its source told before becomes what `again` says, which the
/// audit log tells (rule P4). No two may be of one source and id. The transaction is to be run again where a rival made one
/// of them meanwhile: what it was before is not seen.
pub(super) async fn put(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    new: &[New<'_>],
    again: Again,
) -> QueryResult<Vec<Put>> {
    let Some(first) = new.first() else { return Ok(Vec::new()) };
    let made = columns_of(first)?.join(", ");
    let mut sql = Sql::new("WITH told AS (SELECT * FROM jsonb_populate_recordset(NULL::request, ");
    sql.bind(Bind::rows(new)?).made(format_args!(
        ")), put AS (INSERT INTO request AS r ({made}) SELECT {made} FROM told \
         ON CONFLICT (root_id, tenant_id, source, source_id) DO UPDATE SET "
    ));
    let [columns, own, told] = [
        again.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(", "),
        again.iter().map(|(column, _)| format!("r.{column}")).collect::<Vec<_>>().join(", "),
        again.iter().map(|(_, becomes)| *becomes).collect::<Vec<_>>().join(", "),
    ];
    let changes = format!("({own}) IS DISTINCT FROM ({told})");
    sql.made(format_args!(
        "({columns}) = ROW ({told}), revision = r.revision + ({changes})::integer, \
         updated_at = CASE WHEN {changes} THEN now() ELSE r.updated_at END RETURNING *), \
         changed AS (SELECT p.*, to_jsonb(b.*) AS before, to_jsonb(p.*) AS after FROM put p JOIN request b \
         ON b.root_id = p.root_id AND b.id = p.id AND b.revision < p.revision)"
    ));
    let tell = audit_entry::Each {
        of: "changed",
        action: "'requestRegister'",
        object_type: "Request",
        object_id: "r.id",
        before: "r.before",
        after: "r.after",
    };
    audit_entry::append_each(&mut sql, permit, &tell);
    sql.push(
        " SELECT p.id, p.source, p.source_id, EXISTS (SELECT FROM changed c WHERE c.id = p.id), n.id IS NULL AND b.id IS NULL \
         FROM put p LEFT JOIN told n ON n.id = p.id LEFT JOIN request b ON b.root_id = p.root_id AND b.id = p.id",
    );
    let put = |row: &PgRow| {
        if column::<Bool, _>(row, 4)? {
            return Err(write::overtaken_unseen());
        }
        let source: Option<String> = column::<Nullable<Text>, _>(row, 1)?;
        let source_id: Option<String> = column::<Nullable<Text>, _>(row, 2)?;
        let changed = column::<Bool, _>(row, 3)?;
        Ok(Put { id: column::<SqlUuid, _>(row, 0)?, source: source.zip(source_id), changed })
    };
    rows(conn, sql).await?.iter().map(put).collect()
}

/// Reads requests of the permit's tenant and locks them: the events of one request are taken in one after the other.
pub(super) async fn lock(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    ids: &[Uuid],
) -> QueryResult<Vec<Arc<Row>>> {
    let mut sql = of(permit, ids);
    // A reference to the row does not wait; another writer does.
    sql.push(" ORDER BY t.id FOR NO KEY UPDATE");
    rows(conn, sql).await?.iter().map(|row| decoded(row, 0)).collect()
}

/// Reads requests of the permit's tenant.
pub(super) async fn read(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    ids: &[Uuid],
) -> QueryResult<Vec<Arc<Row>>> {
    rows(conn, of(permit, ids)).await?.iter().map(|row| decoded(row, 0)).collect()
}

fn of(permit: &Permit, ids: &[Uuid]) -> Sql {
    let mut sql = Sql::new("SELECT ");
    columns(&mut sql, "t", Row::TARGET);
    sql.push(" FROM request t WHERE t.root_id = ")
        .bind(Bind::Uuid(permit.root_id))
        .push(" AND t.tenant_id = ");
    sql.bind(Bind::Uuid(permit.tenant_id)).push(" AND t.id = ANY(").bind(Bind::Uuids(ids.to_vec())).push(")");
    sql
}

/// Stores the latest state of requests where it is news.
pub(super) async fn update(conn: &mut AsyncPgConnection, states: &[State]) -> QueryResult<()> {
    let Some(first) = states.first() else { return Ok(()) };
    let state: Vec<String> = columns_of(first)?
        .into_iter()
        .filter(|column| !["root_id", "id"].contains(&column.as_str()))
        .collect();
    let state = state.join(", ");
    let mut sql = Sql::default();
    sql.made(format_args!(
        "UPDATE request r SET revision = r.revision + 1, updated_at = now(), \
         ({state}) = (SELECT {state} FROM jsonb_populate_record(NULL::request, n.state)) \
         FROM (SELECT x AS state, (x ->> 'root_id')::uuid AS root_id, (x ->> 'id')::uuid AS id FROM jsonb_array_elements("
    ));
    sql.bind(Bind::rows(states)?).push(
        ") x) n WHERE r.root_id = n.root_id AND r.id = n.id \
         AND jsonb_populate_record(r, n.state) IS DISTINCT FROM r",
    );
    rows(conn, sql).await.map(drop)
}

/// The tenant of a request within reach; none where there is no such request.
pub async fn tenant(conn: &Conn, reach: &Reach, id: Uuid) -> Result<Option<Uuid>, Error> {
    Ok(tenants(conn, reach, &[id]).await?.remove(&id))
}

/// The tenants of requests within reach, by request.
pub async fn tenants(conn: &Conn, reach: &Reach, ids: &[Uuid]) -> Result<HashMap<Uuid, Uuid>, Error> {
    let mut sql = Sql::new("SELECT t.id, t.tenant_id FROM request t WHERE t.id = ANY(");
    sql.bind(Bind::Uuids(ids.to_vec())).push(")");
    within(Row::TARGET, "t", reach, true, &mut sql);
    let tenant = |row: &PgRow| Ok((column::<SqlUuid, _>(row, 0)?, column::<SqlUuid, _>(row, 1)?));
    Ok(conn.rows(sql).await?.iter().map(tenant).collect::<QueryResult<_>>()?)
}

/// The requests that sources told of, in the permit's tenant, by source and id there.
pub async fn of_sources(
    conn: &Conn,
    permit: &Permit,
    told: Vec<(String, String)>,
) -> Result<HashMap<(String, String), Uuid>, Error> {
    let (sources, ids): (Vec<String>, Vec<String>) = told.into_iter().unzip();
    let mut sql = Sql::new("SELECT t.source, t.source_id, t.id FROM unnest(");
    sql.bind(Bind::Texts(sources)).push(", ").bind(Bind::Texts(ids)).push(
        ") k(source, source_id) JOIN request t ON t.source = k.source AND t.source_id = k.source_id AND t.root_id = ",
    );
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND t.tenant_id = ").bind(Bind::Uuid(permit.tenant_id));
    let found = |row: &PgRow| {
        Ok(((column::<Text, _>(row, 0)?, column::<Text, _>(row, 1)?), column::<SqlUuid, _>(row, 2)?))
    };
    Ok(conn.rows(sql).await?.iter().map(found).collect::<QueryResult<_>>()?)
}
