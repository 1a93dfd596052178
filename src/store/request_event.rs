//! An event of a request: what changed, and when it happened (rule X14).

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{Bool, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use uuid::Uuid;

use super::noun::{Noun, column, noun, relation};
use super::page::{Key, Kind, Under, columns, decoded};
use super::sql::{Bind, Sql, columns_of};
use super::word::{Impact, RequestStatus};
use super::{Conn, PgRow, affected_sla, audit_entry, rows};
use crate::access::{Permission, Permit, Reach};
use crate::error::Error;

noun! {
    /// An event of a request: what changed, and when it happened (rule X14).
    request_event as RequestEvent, "request event", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::RequestsRead), list: Some(Permission::RequestsRead),
    relations: [
        relation!("request" via request_id => request, lifted: ["kind"]),
        relation!("serviceInstance" via service_instance_id => service_instance),
        relation!("team" via team_id => team),
        relation!("requester" via requester_id => person),
        relation!("sla" via sla_id => sla),
    ],
    reads: ["kind" of [request_id, status]],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// The request.
        request_id: Uuid,
        /// When it happened.
        occurred_at: DateTime<Utc>,
        /// When it came here.
        received_at: DateTime<Utc>,
        /// The sender's name of it.
        event_key: String,
        /// Orders what happened at the same instant; 0 where the sender gives no number.
        sequence: i64,
        /// The columns that are empty from here on; of all others, null = unchanged.
        cleared: Vec<String>,
        /// The new status.
        status: Option<RequestStatus>,
        /// The new impact.
        impact: Option<Impact>,
        /// The new instance.
        service_instance_id: Option<Uuid>,
        /// The new team.
        team_id: Option<Uuid>,
        /// The new requester.
        requester_id: Option<Uuid>,
        /// The new desired completion.
        desired_completion_at: Option<DateTime<Utc>>,
        /// Since when down.
        downtime_start_at: Option<DateTime<Utc>>,
        /// Until when down.
        downtime_end_at: Option<DateTime<Utc>>,
        /// Whether the provider says not to be accountable.
        provider_not_accountable: Option<bool>,
        /// The SLA that a chat is given in the place of the one that measures it.
        sla_id: Option<Uuid>,
        /// True where that SLA was not active then, by what was known when it was told: it changes nothing (rule S12).
        sla_inactive: Option<bool>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant of the request.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// The sender's name of it.
    pub static EVENT_KEY: Key = Key::new("t.event_key", Kind::Text);
    /// When it happened.
    pub static OCCURRED_AT: Key = Key::new("t.occurred_at", Kind::Time);
    /// Its place among what happened at the same instant.
    pub static SEQUENCE: Key = Key::new("t.sequence", Kind::Long);
    /// When it came here.
    pub static RECEIVED_AT: Key = Key::new("t.received_at", Kind::Time);
}

/// The history of a request.
pub const UNDER_REQUEST: Under =
    Under::own("request_event t WHERE t.root_id = k.root_id AND t.request_id = k.id");

impl Row {
    /// What it says of the impact: nothing, a new one, or that there is none from here on. So with all that follows.
    pub(super) fn new_impact(&self) -> Option<Option<Impact>> {
        self.says("impact", self.impact)
    }

    /// Of the instance.
    pub(super) fn new_instance(&self) -> Option<Option<Uuid>> {
        self.says("service_instance_id", self.service_instance_id)
    }

    /// Of the team.
    pub(super) fn new_team(&self) -> Option<Option<Uuid>> {
        self.says("team_id", self.team_id)
    }

    /// Of the requester.
    pub(super) fn new_requester(&self) -> Option<Option<Uuid>> {
        self.says("requester_id", self.requester_id)
    }

    /// Of the desired completion.
    pub(super) fn new_desired_completion(&self) -> Option<Option<DateTime<Utc>>> {
        self.says("desired_completion_at", self.desired_completion_at)
    }

    /// Of the start of the downtime.
    pub(super) fn new_downtime_start(&self) -> Option<Option<DateTime<Utc>>> {
        self.says("downtime_start_at", self.downtime_start_at)
    }

    /// Of the end of the downtime.
    pub(super) fn new_downtime_end(&self) -> Option<Option<DateTime<Utc>>> {
        self.says("downtime_end_at", self.downtime_end_at)
    }

    fn says<T>(&self, column: &str, value: Option<T>) -> Option<Option<T>> {
        match value {
            None => self.cleared.iter().any(|cleared| cleared == column).then_some(None),
            told => Some(told),
        }
    }
}

/// An event to be stored.
#[derive(Clone, Debug, Serialize)]
pub(super) struct New {
    pub(super) root_id: Uuid,
    pub(super) id: Uuid,
    pub(super) tenant_id: Uuid,
    pub(super) request_id: Uuid,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) event_key: String,
    pub(super) sequence: i64,
    pub(super) cleared: Vec<&'static str>,
    pub(super) status: Option<&'static str>,
    pub(super) impact: Option<&'static str>,
    pub(super) service_instance_id: Option<Uuid>,
    pub(super) team_id: Option<Uuid>,
    pub(super) requester_id: Option<Uuid>,
    pub(super) desired_completion_at: Option<DateTime<Utc>>,
    pub(super) downtime_start_at: Option<DateTime<Utc>>,
    pub(super) downtime_end_at: Option<DateTime<Utc>>,
    pub(super) provider_not_accountable: Option<bool>,
    pub(super) sla_id: Option<Uuid>,
}

/// An event that was not known.
pub(super) struct Fresh {
    /// The event.
    pub(super) id: Uuid,
    /// Its request.
    pub(super) request_id: Uuid,
    /// When it happened.
    pub(super) occurred_at: DateTime<Utc>,
    /// Whether it is the one that the history begins with.
    pub(super) registers: bool,
}

/// Stores events, each with an entry in the audit log (rule P4), and gives those that were not known: the same event
/// told twice is stored once.
pub(super) async fn append(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    new: &[New],
) -> QueryResult<Vec<Fresh>> {
    let Some(first) = new.first() else { return Ok(Vec::new()) };
    let columns = columns_of(first)?.join(", ");
    let mut sql = Sql::default();
    sql.made(format_args!("WITH fresh AS (INSERT INTO request_event ({columns}) SELECT {columns}"));
    sql.push(" FROM jsonb_populate_recordset(NULL::request_event, ").bind(Bind::rows(new)?);
    sql.push(") ON CONFLICT (root_id, request_id, event_key) DO NOTHING RETURNING *)");
    let tell = audit_entry::Each {
        of: "fresh",
        action: "CASE r.event_key WHEN 'registered' THEN 'requestRegister' ELSE 'requestRecord' END",
        object_type: "Request",
        object_id: "r.request_id",
        before: "NULL",
        after: "jsonb_strip_nulls(to_jsonb(r))",
    };
    audit_entry::append_each(&mut sql, permit, &tell);
    sql.push(" SELECT id, request_id, occurred_at, event_key = 'registered' FROM fresh");
    let fresh = |row: &PgRow| {
        Ok(Fresh {
            id: column::<SqlUuid, _>(row, 0)?,
            request_id: column::<SqlUuid, _>(row, 1)?,
            occurred_at: column::<Timestamptz, _>(row, 2)?,
            registers: column::<Bool, _>(row, 3)?,
        })
    };
    rows(conn, sql).await?.iter().map(fresh).collect()
}

/// Of requests and SLAs those that are a chat and an SLA which it may be given (rule S12).
pub(super) async fn given(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    named: &[(Uuid, Uuid)],
) -> QueryResult<HashSet<(Uuid, Uuid)>> {
    if named.is_empty() {
        return Ok(HashSet::new());
    }
    let (requests, slas) = named.iter().copied().unzip();
    let mut sql = Sql::new("SELECT r.id, s.id FROM unnest(");
    sql.bind(Bind::Uuids(requests)).push(", ").bind(Bind::Uuids(slas)).push(
        ") w(request_id, sla_id) JOIN request r ON r.id = w.request_id AND r.channel = 'chat' \
         JOIN sla s ON s.root_id = r.root_id AND s.id = w.sla_id AND s.kind = 'livechat' WHERE r.root_id = ",
    );
    sql.bind(Bind::Uuid(permit.root_id));
    let given = |row: &PgRow| Ok((column::<SqlUuid, _>(row, 0)?, column::<SqlUuid, _>(row, 1)?));
    rows(conn, sql).await?.iter().map(given).collect()
}

/// Says of events that the SLA which they give a chat was not active then (rule S12).
pub(super) async fn inactive(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    events: Vec<Uuid>,
) -> QueryResult<()> {
    let mut sql = Sql::new("UPDATE request_event SET sla_inactive = true WHERE root_id = ");
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND id = ANY(").bind(Bind::Uuids(events)).push(")");
    rows(conn, sql).await.map(drop)
}

/// Lets the histories of requests begin when they were registered, where that has turned out to be earlier than was told
/// first; gives those requests.
pub(super) async fn begin_earlier(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    requests: &[Uuid],
) -> QueryResult<Vec<Uuid>> {
    let mut sql = Sql::new(
        "UPDATE request_event e SET occurred_at = r.registered_at FROM request r WHERE e.root_id = r.root_id \
         AND e.request_id = r.id AND e.event_key = 'registered' AND e.occurred_at > r.registered_at AND r.root_id = ",
    );
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND r.id = ANY(").bind(Bind::Uuids(requests.to_vec()));
    sql.push(") RETURNING r.id");
    rows(conn, sql).await?.iter().map(|row| column::<SqlUuid, _>(row, 0)).collect()
}

/// The histories of requests, one after the other, each in order (rule X14). None where they are more than `most`.
pub(super) async fn histories(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    requests: &[Uuid],
    most: usize,
) -> QueryResult<Option<Vec<Arc<Row>>>> {
    let mut sql = Sql::new("SELECT ");
    columns(&mut sql, "t", Row::TARGET);
    sql.push(" FROM request_event t WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" AND t.request_id = ANY(").bind(Bind::Uuids(requests.to_vec()));
    sql.push(") ORDER BY t.request_id, t.occurred_at, t.sequence, t.received_at, t.id").one_more_than(most);
    let rows = rows(conn, sql).await?;
    (rows.len() <= most).then(|| rows.iter().map(|row| decoded(row, 0)).collect()).transpose()
}

/// The histories of the requests of clocks, as [`histories`].
pub(super) async fn of_clocks(conn: &Conn, reach: &Reach, clocks: &[Uuid]) -> Result<Vec<Arc<Row>>, Error> {
    let mut sql = Sql::new("SELECT ");
    columns(&mut sql, "e", Row::TARGET);
    sql.push(" FROM (SELECT DISTINCT t.root_id, t.request_id FROM ")
        .append(affected_sla::chosen(reach, clocks));
    sql.push(
        ") k JOIN request_event e ON e.root_id = k.root_id AND e.request_id = k.request_id \
         ORDER BY e.request_id, e.occurred_at, e.sequence, e.received_at, e.id",
    );
    let rows = conn.rows(sql).await?;
    rows.iter().map(|row| decoded(row, 0)).collect::<QueryResult<_>>().map_err(Error::from)
}
