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
pub const UNDER_TENANT: Under = Under::own("sla_limit t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// The limits of a project.
pub const UNDER_PROJECT: Under =
    Under::own("sla_limit t WHERE t.root_id = k.root_id AND t.project_id = k.id");

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

/// What was logged in each period that the stretches of limits, `k`, touch, what of it was taken away, and which records
/// there are of it, also where it began at another instant before the tenant's zone was changed. A limit that was switched
/// off records nothing in the period of its switching off, at whose end that ended, and nothing at all until then (rule
/// L3); nor does it in periods that were over before it was made, whose hours may be told later.
const TOUCHED: &str = "WITH p AS MATERIALIZED (SELECT l.root_id, l.id, p.starts, p.ends, \
      l.deactivated_until IS NULL OR l.deactivated_until <= now() AND l.deactivated_until <> p.ends AS awake, \
      coalesce(sum(k.taken * extract(epoch FROM greatest(least(k.until, p.ends) - greatest(k.\"from\", p.starts), \
        interval '0')) * 1000000) FILTER (WHERE k.category = ANY(l.categories)), 0)::bigint AS taken FROM (";
const PERIODS: &str = ") k JOIN sla_limit l ON l.root_id = k.root_id AND l.id = k.id \
    JOIN tenant z ON z.root_id = l.root_id AND z.id = l.tenant_id";
const CONSUMED: &str = "CROSS JOIN LATERAL generate_series(date_trunc(u.unit, k.\"from\" AT TIME ZONE z.time_zone), \
        k.until AT TIME ZONE z.time_zone, u.one) first \
      CROSS JOIN LATERAL (SELECT first AT TIME ZONE z.time_zone AS starts, (first + u.one) AT TIME ZONE z.time_zone AS ends) p \
      WHERE p.ends > l.created_at GROUP BY l.root_id, l.id, p.starts, p.ends) \
    SELECT l.id, p.starts, l.time_limit_in_hours::bigint * 3600000000, \
      coalesce((SELECT sum(extract(epoch FROM least(e.ended_at, p.ends) - greatest(e.started_at, p.starts)) * 1000000) \
        FROM time_entry e WHERE e.root_id = l.root_id AND e.project_id = l.project_id AND e.category = ANY(l.categories) \
        AND e.ended_at > p.starts AND e.started_at < p.ends), 0)::bigint, p.taken, p.awake, \
      w.breach_id, w.hours::bigint * 3600000000, b.breach_id, b.hours::bigint * 3600000000 \
    FROM p JOIN sla_limit l ON l.root_id = p.root_id AND l.id = p.id";

/// Records which limits are reached, or nearly, in the periods that their stretches touch (rule L2): `stretches` selects
/// `root_id`, `id`, `from`, `until`, `category` and `taken` of limits of the permit's tenant, the last being 1 where such
/// time was logged and is no more, -1 where it was not and is now, and else 0. A record is retracted where it was true of
/// what was logged before and is not of what is left (rule X14), also while the limit sleeps; a limit that was raised or
/// counts other time takes nothing back (rule B5). After the commit, `Breaches::wake`.
///
/// # Errors
/// Those of the database.
pub(super) async fn evaluate(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    stretches: Sql,
) -> QueryResult<()> {
    let mut sql = Sql::new(TOUCHED);
    sql.append(stretches).push(PERIODS).push(UNIT).push(CONSUMED);
    for (name, phase) in [("w", BreachPhase::Warning), ("b", BreachPhase::Breached)] {
        sql.made(format!(
            " LEFT JOIN LATERAL (SELECT r.breach_id, r.hours FROM breach_key r WHERE r.root_id = l.root_id \
             AND r.subject_id = l.id AND r.kind = 'limit' AND r.phase = '{}' \
             AND r.due_at > p.starts - interval '36 hours' AND r.due_at < p.starts + interval '36 hours' \
             AND (r.time_period = l.time_period OR r.time_period = '' AND r.due_at = p.starts) LIMIT 1) {name} ON true",
            phase.word()
        ));
    }
    sql.push(" ORDER BY p.starts, l.id");
    let mut wrong = Vec::new();
    for row in &rows(conn, sql).await? {
        let limit: Uuid = column::<SqlUuid, _>(row, 0)?;
        let period: DateTime<Utc> = column::<Timestamptz, _>(row, 1)?;
        let budget = TimeDelta::microseconds(column::<BigInt, _>(row, 2)?);
        let used = TimeDelta::microseconds(column::<BigInt, _>(row, 3)?);
        let before = used + TimeDelta::microseconds(column::<BigInt, _>(row, 4)?);
        let awake: bool = column::<Bool, _>(row, 5)?;
        for (phase, at) in [(BreachPhase::Warning, 6), (BreachPhase::Breached, 8)] {
            let threshold = |budget| match phase {
                BreachPhase::Warning => WarningShare::default().of(budget),
                _ => budget,
            };
            let Some(record) = column::<Nullable<SqlUuid>, Option<Uuid>>(row, at)? else {
                if awake && used >= threshold(budget) {
                    breach::record_limit(conn, permit, limit, phase, period).await?;
                }
                continue;
            };
            let recorded = column::<Nullable<BigInt>, Option<i64>>(row, at + 1)?;
            let least = threshold(recorded.map_or(budget, TimeDelta::microseconds).min(budget));
            if before >= least && used < least {
                wrong.push(record);
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
                "SELECT l.root_id, l.id, now() AS \"from\", now() AS until, NULL::text AS category, 0 AS taken \
                 FROM sla_limit l \
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
    if !deactivated {
        // What was off until its end stays so, whatever is told of it later.
        let kept = "CASE WHEN t.deactivated_until <= now() THEN t.deactivated_until END";
        draft.compute_change("deactivated_until", Sql::new(kept));
        return;
    }
    if let Some(ends) = period_ends(draft) {
        draft.compute("deactivated_until", ends);
    }
}

/// Counts per week or month. What sleeps until its period ends does so until that one ends (rule L3).
pub fn set_time_period(draft: &mut Draft, period: TimePeriod) {
    draft.set("time_period", Some(Bind::Text(period.word().to_owned())));
    if let Some(ends) = period_ends(draft) {
        let mut sql = Sql::new("CASE WHEN t.deactivated_until > now() THEN ");
        sql.append(ends).push(" ELSE t.deactivated_until END");
        draft.compute_change("deactivated_until", sql);
    }
}

/// When the current period ends of what is written.
fn period_ends(draft: &Draft) -> Option<Sql> {
    let permit = draft.permit.as_ref()?;
    let mut sql = Sql::new(
        "(SELECT (date_trunc(u.unit, now() AT TIME ZONE z.time_zone) + u.one) AT TIME ZONE z.time_zone",
    );
    sql.push(" FROM tenant z CROSS JOIN LATERAL (SELECT ");
    match draft.text("time_period") {
        Some(period) => sql.bind(Bind::Text(period.to_owned())),
        None => sql.push("t.time_period"),
    };
    sql.push(" AS time_period) l").push(UNIT).push("WHERE z.root_id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" AND z.id = ").bind(Bind::Uuid(permit.tenant_id)).push(")");
    Some(sql)
}
