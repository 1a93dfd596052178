//! A record of the breach log: a warning, a breach, a retraction.

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::noun::{column, noun, relation};
use super::page::{Key, Kind, Under};
use super::sql::{Bind, Sql};
use super::word::{BreachKind, BreachPhase};
use super::{PgRow, rows};
use crate::access::{Permission, Permit};

noun! {
    /// A record of the breach log: a warning, a breach, a retraction.
    breach as Breach, "breach", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::BreachesRead), list: Some(Permission::BreachesRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("sla" via sla_id => sla),
        relation!("affectedSla" via affected_sla_id => affected_sla),
        relation!("slaLimit" via sla_limit_id => sla_limit),
        relation!("retracts" via retracts_id => breach),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// What was breached.
        kind: BreachKind,
        /// What the record says.
        phase: BreachPhase,
        /// The SLA; null for a limit.
        sla_id: Option<Uuid>,
        /// The clock; null for a limit.
        affected_sla_id: Option<Uuid>,
        /// The limit; null for a clock.
        sla_limit_id: Option<Uuid>,
        /// The target that was missed, or the start of the limit's period.
        target_at: DateTime<Utc>,
        /// When it was recorded.
        detected_at: DateTime<Utc>,
        /// The record this one proves wrong.
        retracts_id: Option<Uuid>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant that owns it.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// The SLA.
    pub static SLA: Key = Key::nullable("t.sla_id", Kind::Uuid);
    /// The clock.
    pub static AFFECTED_SLA: Key = Key::nullable("t.affected_sla_id", Kind::Uuid);
    /// The limit.
    pub static SLA_LIMIT: Key = Key::nullable("t.sla_limit_id", Kind::Uuid);
    /// What was breached.
    pub static KIND: Key = Key::new("t.kind", Kind::Text);
    /// What the record says.
    pub static PHASE: Key = Key::new("t.phase", Kind::Text);
    /// Whether a later record says that it was wrong.
    pub static RETRACTED: Key = Key::new(
        "EXISTS (SELECT FROM breach w WHERE w.root_id = t.root_id AND w.retracts_id = t.id)",
        Kind::Bool,
    );
    /// The target that was missed.
    pub static TARGET_AT: Key = Key::new("t.target_at", Kind::Time);
    /// When it was recorded.
    pub static DETECTED_AT: Key = Key::new("t.detected_at", Kind::Time);
}

/// Those of a tenant.
pub const UNDER_TENANT: Under = Under::own("breach t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// Those of an SLA.
pub const UNDER_SLA: Under = Under::with_below("breach t WHERE t.root_id = k.root_id AND t.sla_id = k.id");

/// Those of an affected SLA.
pub const UNDER_AFFECTED_SLA: Under =
    Under::own("breach t WHERE t.root_id = k.root_id AND t.affected_sla_id = k.id");

/// Those of a limit.
pub const UNDER_LIMIT: Under = Under::own("breach t WHERE t.root_id = k.root_id AND t.sla_limit_id = k.id");

/// What retracts a record.
pub const UNDER_RETRACTED: Under =
    Under::own("breach t WHERE t.root_id = k.root_id AND t.retracts_id = k.id");

/// Records that a limit was reached, or nearly, in the period that began at `period_start`; once (rule L2), but for a week
/// and a month that begin together. That it was reached is told its contact: the message is written with the record, unless
/// one was sent of a record that was retracted since. Says whether this was the first time. After the commit, `Breaches::wake`.
///
/// # Errors
/// Those of the database.
pub async fn record_limit(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    sla_limit_id: Uuid,
    phase: BreachPhase,
    period_start: DateTime<Utc>,
) -> QueryResult<bool> {
    let mut sql = Sql::new(
        "WITH fresh AS (INSERT INTO breach_key (root_id, tenant_id, subject_id, kind, phase, due_at, breach_id, hours, \
             time_period) SELECT l.root_id, l.tenant_id, l.id, 'limit', ",
    );
    sql.bind(Bind::Text(phase.word().to_owned())).push(", ").bind(Bind::Time(period_start));
    sql.push(", uuid_v7(), l.time_limit_in_hours, l.time_period FROM sla_limit l WHERE l.root_id = ");
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND l.tenant_id = ").bind(Bind::Uuid(permit.tenant_id));
    sql.push(" AND l.id = ").bind(Bind::Uuid(sla_limit_id)).push(
        " ON CONFLICT DO NOTHING RETURNING *), \
         recorded AS (INSERT INTO breach (root_id, id, tenant_id, kind, phase, sla_limit_id, target_at, detected_at) \
           SELECT root_id, breach_id, tenant_id, kind, phase, subject_id, due_at, statement_timestamp() FROM fresh), \
         told AS (INSERT INTO limit_notification AS n (root_id, id, tenant_id, sla_limit_id, period_start, time_period, \
             hours, categories, contact) \
           SELECT f.root_id, f.breach_id, f.tenant_id, s.id, f.due_at, f.time_period, f.hours, s.categories, s.contact \
           FROM fresh f JOIN sla_limit s ON s.root_id = f.root_id AND s.id = f.subject_id WHERE f.phase = 'breached' \
           ON CONFLICT (root_id, sla_limit_id, period_start, time_period) DO UPDATE SET id = excluded.id, \
             hours = excluded.hours, categories = excluded.categories, contact = excluded.contact, \
             created_at = excluded.created_at, state = 'pending', settled_at = NULL, last_error = NULL, \
             first_attempt_at = NULL, next_attempt_at = now() WHERE n.state IN ('pending', 'suppressed') AND n.leased_until IS NULL) \
         INSERT INTO breach_pending (root_id, tenant_id, breach_id) \
         SELECT root_id, tenant_id, breach_id FROM fresh RETURNING breach_id",
    );
    Ok(!rows(conn, sql).await?.is_empty())
}

/// A record that was not retracted, by what makes it unique (rule B1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    /// The clock.
    pub(super) clock: Uuid,
    /// What fell due.
    pub(super) kind: BreachKind,
    /// A warning or the breach itself.
    pub(super) phase: BreachPhase,
    /// The target that it belongs to.
    pub(super) target_at: DateTime<Utc>,
    /// The instant after which it was true.
    pub(super) due_at: DateTime<Utc>,
    /// The record.
    pub(super) id: Uuid,
}

/// What was recorded of clocks and not retracted.
pub(super) async fn recorded(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    clocks: &[Uuid],
) -> QueryResult<Vec<Recorded>> {
    let mut sql = Sql::new(
        "SELECT k.subject_id, k.kind, k.phase, b.target_at, k.due_at, k.breach_id FROM breach_key k \
         JOIN breach b ON b.root_id = k.root_id AND b.id = k.breach_id WHERE k.root_id = ",
    );
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND k.subject_id = ANY(");
    sql.bind(Bind::Uuids(clocks.to_vec())).push(")");
    let record = |row: &PgRow| {
        Ok(Recorded {
            clock: column::<SqlUuid, _>(row, 0)?,
            kind: column::<Text, _>(row, 1)?,
            phase: column::<Text, _>(row, 2)?,
            target_at: column::<Timestamptz, _>(row, 3)?,
            due_at: column::<Timestamptz, _>(row, 4)?,
            id: column::<SqlUuid, _>(row, 5)?,
        })
    };
    rows(conn, sql).await?.iter().map(record).collect()
}

/// Records that records are wrong (rule X14). The key of each is given back, so that it is retracted once, and so that
/// what it said can be recorded anew should a later event prove it right after all. Keys are found by what they begin
/// with: of the record alone only all of a root would tell.
pub(super) async fn retract(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    wrong: &[Uuid],
) -> QueryResult<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::new(
        "WITH wrong AS (DELETE FROM breach_key k USING breach b WHERE b.root_id = k.root_id AND b.id = k.breach_id \
           AND k.subject_id = coalesce(b.affected_sla_id, b.sla_limit_id) AND k.kind = b.kind AND k.phase = b.phase \
           AND k.root_id = ",
    );
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND b.id = ANY(").bind(Bind::Uuids(wrong.to_vec()));
    sql.push(
        ") RETURNING b.*), \
         retracted AS MATERIALIZED (SELECT w.*, uuid_v7() AS retraction FROM (SELECT * FROM wrong ORDER BY target_at, id) w), \
         recorded AS (INSERT INTO breach (root_id, id, tenant_id, kind, phase, sla_id, affected_sla_id, sla_limit_id, \
             target_at, detected_at, retracts_id) \
           SELECT root_id, retraction, tenant_id, kind, 'retracted', sla_id, affected_sla_id, sla_limit_id, target_at, \
             statement_timestamp(), id FROM retracted) \
         INSERT INTO breach_pending (root_id, tenant_id, breach_id) SELECT root_id, tenant_id, retraction FROM retracted \
         ORDER BY retraction",
    );
    rows(conn, sql).await.map(drop)
}
