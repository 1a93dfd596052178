//! A limit: a budget of hours of a project per week or month (rule L1).

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Bool, Double, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use futures_util::FutureExt;
use uuid::Uuid;

use super::noun::{Noun, column, noun, relation};
use super::page::{Key, Kind, Under, within};
use super::sql::{Bind, Sql};
use super::word::{BreachPhase, ContactType, TimePeriod};
use super::write::Draft;
use super::{Conn, breach, rows};
use crate::access::{Permission, Permit, Reach};
use crate::clock::state::WarningShare;
use crate::error::Error;

noun! {
    /// A limit: a budget of hours of a project per week or month (rule L1).
    sla_limit as SlaLimit, "SLA limit", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::LimitsRead), list: Some(Permission::LimitsAccess),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("project" via project_id => project),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// The project whose hours count.
        project_id: Uuid,
        /// How many hours.
        time_limit_in_hours: i32,
        /// Per week or month.
        time_period: TimePeriod,
        /// How the contact is told.
        contact_type: ContactType,
        /// The e-mail address of who is told.
        contact: String,
        /// Only hours of these categories count.
        categories: Vec<String>,
        /// Rule L3: not evaluated until then; null or past = evaluated.
        deactivated_until: Option<DateTime<Utc>>,
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
    /// The project whose hours count.
    pub static PROJECT: Key = Key::new("t.project_id", Kind::Uuid);
    /// How many hours.
    pub static TIME_LIMIT_IN_HOURS: Key = Key::new("t.time_limit_in_hours", Kind::Int);
    /// Per week or month.
    pub static TIME_PERIOD: Key = Key::new("t.time_period", Kind::Text);
    /// How the contact is told.
    pub static CONTACT_TYPE: Key = Key::new("t.contact_type", Kind::Text);
    /// The address of who is told.
    pub static CONTACT: Key = Key::new("t.contact", Kind::Text);
    /// Whether it is not evaluated now.
    pub static DEACTIVATED: Key = Key::new("(coalesce(t.deactivated_until, now()) > now())", Kind::Bool);
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
pub const UNDER_TENANT: Under = Under("sla_limit t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// The limits of a project.
pub const UNDER_PROJECT: Under = Under("sla_limit t WHERE t.root_id = k.root_id AND t.project_id = k.id");

/// What is used up of a limit in its current period (rule L2).
#[derive(Clone, Debug, PartialEq)]
pub struct Consumption {
    /// When the period began.
    pub period_start: DateTime<Utc>,
    /// When it ends.
    pub period_end: DateTime<Utc>,
    /// Hours logged within it, of the limit's categories.
    pub hours: f64,
}

/// The unit and the length of the periods of a limit `l`.
const UNIT: &str = " CROSS JOIN LATERAL (SELECT CASE l.time_period WHEN 'weekly' THEN 'week' ELSE 'month' END AS unit, \
     CASE l.time_period WHEN 'weekly' THEN interval '1 week' ELSE interval '1 month' END AS one) u ";

/// The consumption of many limits, in one statement.
pub async fn consumption(
    conn: &Conn,
    reach: &Reach,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Consumption>, Error> {
    // The current period is that of the database's now (rule X13), in the tenant's zone. An entry across the bounds counts
    // in part. Without any entry there is none to count: `least` and `greatest` of nothing would be the bounds themselves.
    let mut sql = Sql::new(
        "SELECT l.id, p.starts, p.ends, coalesce(sum(extract(epoch FROM least(e.ended_at, p.ends) \
         - greatest(e.started_at, p.starts))) FILTER (WHERE e.id IS NOT NULL) / 3600, 0)::float8 FROM sla_limit l \
         JOIN tenant z ON z.root_id = l.root_id AND z.id = l.tenant_id",
    );
    sql.push(UNIT).push(
        "CROSS JOIN LATERAL (SELECT date_trunc(u.unit, now() AT TIME ZONE z.time_zone) AS first) f \
         CROSS JOIN LATERAL (SELECT f.first AT TIME ZONE z.time_zone AS starts, \
         (f.first + u.one) AT TIME ZONE z.time_zone AS ends) p \
         LEFT JOIN time_entry e ON e.root_id = l.root_id AND e.project_id = l.project_id \
         AND e.category = ANY(l.categories) AND e.ended_at > p.starts AND e.started_at < p.ends WHERE l.id = ANY(",
    );
    sql.bind(Bind::Uuids(ids.to_vec())).push(")");
    within(Row::TARGET, "l", reach, true, &mut sql);
    sql.push(" GROUP BY l.id, p.starts, p.ends");
    let mut found = HashMap::new();
    for row in &conn.rows(sql).await? {
        let consumption = Consumption {
            period_start: column::<Timestamptz, _>(row, 1)?,
            period_end: column::<Timestamptz, _>(row, 2)?,
            hours: column::<Double, _>(row, 3)?,
        };
        found.insert(column::<SqlUuid, Uuid>(row, 0)?, consumption);
    }
    Ok(found)
}

/// What was logged in each period that the stretches of limits, `k`, touch, and which records there are of it. A limit that
/// was switched off counts nothing in the period of its switching off, and nothing at all until that is over (rule L3);
/// nor does it in periods that were over before it was made, whose hours may be told later.
const PERIODS: &str = ") k JOIN sla_limit l ON l.root_id = k.root_id AND l.id = k.id \
    JOIN tenant z ON z.root_id = l.root_id AND z.id = l.tenant_id";
const CONSUMED: &str = "CROSS JOIN LATERAL generate_series(date_trunc(u.unit, k.\"from\" AT TIME ZONE z.time_zone), \
        k.until AT TIME ZONE z.time_zone, u.one) first \
      CROSS JOIN LATERAL (SELECT first AT TIME ZONE z.time_zone AS starts, (first + u.one) AT TIME ZONE z.time_zone AS ends) p \
      WHERE p.ends > l.created_at AND (l.deactivated_until IS NULL OR l.deactivated_until <= p.starts \
        OR l.deactivated_until > p.ends AND l.deactivated_until <= now()) \
      GROUP BY l.root_id, l.id, p.starts, p.ends) \
    SELECT l.id, p.starts, l.time_limit_in_hours::bigint * 3600000000, \
      coalesce((SELECT sum(extract(epoch FROM least(e.ended_at, p.ends) - greatest(e.started_at, p.starts)) * 1000000) \
        FROM time_entry e WHERE e.root_id = l.root_id AND e.project_id = l.project_id AND e.category = ANY(l.categories) \
        AND e.ended_at > p.starts AND e.started_at < p.ends), 0)::bigint, \
      (SELECT b.breach_id FROM breach_key b WHERE b.root_id = l.root_id AND b.subject_id = l.id AND b.kind = 'limit' \
        AND b.phase = 'warning' AND b.due_at = p.starts), \
      (SELECT b.breach_id FROM breach_key b WHERE b.root_id = l.root_id AND b.subject_id = l.id AND b.kind = 'limit' \
        AND b.phase = 'breached' AND b.due_at = p.starts), p.corrected \
    FROM p JOIN sla_limit l ON l.root_id = p.root_id AND l.id = p.id ORDER BY p.starts, l.id";

/// Records which limits are reached, or nearly, in the periods that their stretches touch (rule L2): `stretches` selects
/// `root_id`, `id`, `from`, `until` and `corrected` of limits of the permit's tenant. Where time was `corrected`, what is
/// not true any more is retracted (rule X14); a limit that was raised takes nothing back (rule B5). After the commit,
/// `Breaches::wake`.
///
/// # Errors
/// Those of the database.
pub(super) async fn evaluate(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    stretches: Sql,
) -> QueryResult<()> {
    let mut sql = Sql::new(
        "WITH p AS MATERIALIZED (SELECT l.root_id, l.id, p.starts, p.ends, bool_or(k.corrected) AS corrected FROM (",
    );
    sql.append(stretches).push(PERIODS).push(UNIT).push(CONSUMED);
    let mut wrong = Vec::new();
    for row in &rows(conn, sql).await? {
        let limit: Uuid = column::<SqlUuid, _>(row, 0)?;
        let period: DateTime<Utc> = column::<Timestamptz, _>(row, 1)?;
        let budget = TimeDelta::microseconds(column::<BigInt, _>(row, 2)?);
        let used = TimeDelta::microseconds(column::<BigInt, _>(row, 3)?);
        let corrected: bool = column::<Bool, _>(row, 6)?;
        let thresholds = [
            (BreachPhase::Warning, WarningShare::default().of(budget), 4),
            (BreachPhase::Breached, budget, 5),
        ];
        for (phase, threshold, at) in thresholds {
            match column::<Nullable<SqlUuid>, Option<Uuid>>(row, at)? {
                None if used >= threshold => {
                    breach::record_limit(conn, permit, limit, phase, period).await?;
                }
                Some(record) if used < threshold && corrected => wrong.push(record),
                _ => {}
            }
        }
    }
    breach::retract(conn, permit, &wrong).await
}

/// Looks at the limit once it is written: a smaller one may be reached already.
pub fn evaluated_anew(draft: &mut Draft) {
    draft.then(Box::new(|conn, permit, id| {
        async move {
            let mut now = Sql::new(
                "SELECT l.root_id, l.id, now() AS \"from\", now() AS until, false AS corrected FROM sla_limit l \
                 WHERE l.root_id = ",
            );
            now.bind(Bind::Uuid(permit.root_id)).push(" AND l.id = ").bind(Bind::Uuid(id));
            Ok(evaluate(conn, permit, now).await?)
        }
        .boxed()
    }));
}

/// Puts a limit to sleep until its current period ends, or wakes it (rule L3).
pub fn set_deactivated(draft: &mut Draft, deactivated: bool) {
    draft.set("deactivated_until", None);
    if !deactivated {
        return;
    }
    draft.then_change(Box::new(|conn, permit, id| {
        async move {
            let mut sql = Sql::new(
                "UPDATE sla_limit t SET deactivated_until = (date_trunc(u.unit, now() AT TIME ZONE z.time_zone) + u.one) \
                 AT TIME ZONE z.time_zone FROM sla_limit l JOIN tenant z ON z.root_id = l.root_id AND z.id = l.tenant_id",
            );
            sql.push(UNIT).push("WHERE t.root_id = l.root_id AND t.id = l.id AND l.root_id = ");
            sql.bind(Bind::Uuid(permit.root_id)).push(" AND l.id = ").bind(Bind::Uuid(id));
            rows(conn, sql).await?;
            Ok(())
        }
        .boxed()
    }));
}
