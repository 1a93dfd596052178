//! A limit: a budget of hours of a project per week or month (rule L1).

use super::write::Draft;
use super::rows;
use super::breach;
use diesel_async::AsyncPgConnection;
use diesel::result::QueryResult;
use futures_util::FutureExt;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Double, Integer, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::noun::{Noun, column, noun, relation};
use super::page::{Key, Kind, Under, within};
use super::word::{BreachPhase, ContactType, TimePeriod};
use crate::access::Permission;
use super::Conn;
use super::sql::{Bind, Sql};
use crate::access::{Permit, Reach};
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

/// The consumption of limits `t`, each in its current period: that of the database's now (rule X13), in the tenant's
/// zone. An entry across the bounds counts in part. Without any entry there is none to count: `least` and `greatest` of
/// nothing would be the bounds themselves.
const CONSUMPTION: &str = "SELECT t.id, p.starts, p.ends, coalesce(sum(extract(epoch FROM least(e.ended_at, p.ends) \
     - greatest(e.started_at, p.starts))) FILTER (WHERE e.id IS NOT NULL) / 3600, 0)::float8 AS hours, t.time_limit_in_hours FROM sla_limit t \
     JOIN tenant z ON z.root_id = t.root_id AND z.id = t.tenant_id \
     CROSS JOIN LATERAL (SELECT CASE t.time_period WHEN 'weekly' THEN 'week' ELSE 'month' END AS unit, \
     CASE t.time_period WHEN 'weekly' THEN interval '1 week' ELSE interval '1 month' END AS one) u \
     CROSS JOIN LATERAL (SELECT date_trunc(u.unit, now() AT TIME ZONE z.time_zone) AS first) f \
     CROSS JOIN LATERAL (SELECT f.first AT TIME ZONE z.time_zone AS starts, \
     (f.first + u.one) AT TIME ZONE z.time_zone AS ends) p \
     LEFT JOIN time_entry e ON e.root_id = t.root_id AND e.project_id = t.project_id \
     AND e.category = ANY(t.categories) AND e.ended_at > p.starts AND e.started_at < p.ends WHERE ";

const PER_LIMIT: &str = " GROUP BY t.id, p.starts, p.ends, t.time_limit_in_hours";

/// The consumption of many limits, in one statement.
pub async fn consumption(conn: &Conn, reach: &Reach, ids: &[Uuid]) -> Result<HashMap<Uuid, Consumption>, Error> {
    let mut sql = Sql::new(CONSUMPTION);
    sql.push("t.id = ANY(").bind(Bind::Uuids(ids.to_vec())).push(")");
    within(Row::TARGET, "t", reach, true, &mut sql);
    sql.push(PER_LIMIT);
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

/// The share of a limit at which it warns (rule L2).
const WARNING: f64 = 0.8;

/// Records what the current period makes true of a limit: that it is reached, or nearly, once (rule L2). One that is
/// deactivated is not looked at (rule L3). After the commit, `Breaches::wake`.
///
/// # Errors
/// Those of the database.
pub async fn evaluate(conn: &mut AsyncPgConnection, permit: &Permit, id: Uuid) -> QueryResult<()> {
    let mut sql = Sql::new(CONSUMPTION);
    sql.push("t.root_id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" AND coalesce(t.deactivated_until, now()) <= now() AND ");
    sql.push("t.id = ").bind(Bind::Uuid(id));
    sql.push(PER_LIMIT);
    for row in &rows(conn, sql).await? {
        let id = column::<SqlUuid, Uuid>(row, 0)?;
        let period_start = column::<Timestamptz, DateTime<Utc>>(row, 1)?;
        let share = column::<Double, f64>(row, 3)? / f64::from(column::<Integer, i32>(row, 4)?);
        for (phase, from) in [(BreachPhase::Warning, WARNING), (BreachPhase::Breached, 1.0)] {
            if share >= from {
                breach::record_limit(conn, permit, id, phase, period_start).await?;
            }
        }
    }
    Ok(())
}

/// Looks at the limit once it is written: a smaller one may be reached already.
pub fn evaluated_anew(draft: &mut Draft) {
    draft.then(Box::new(|conn, permit, id| {
        async move { Ok(evaluate(conn, permit, id).await?) }.boxed()
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
                 AT TIME ZONE z.time_zone FROM sla_limit s JOIN tenant z ON z.root_id = s.root_id AND z.id = s.tenant_id \
                 CROSS JOIN LATERAL (SELECT CASE s.time_period WHEN 'weekly' THEN 'week' ELSE 'month' END AS unit, \
                 CASE s.time_period WHEN 'weekly' THEN interval '1 week' ELSE interval '1 month' END AS one) u \
                 WHERE t.root_id = s.root_id AND t.id = s.id AND s.root_id = ",
            );
            sql.bind(Bind::Uuid(permit.root_id)).push(" AND s.id = ").bind(Bind::Uuid(id));
            rows(conn, sql).await?;
            Ok(())
        }
        .boxed()
    }));
}
