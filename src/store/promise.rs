//! What offerings promised, over time: targets are frozen from the entry in force when the impact was assigned
//! (rule C2), so that a later edit of the offering or of a calendar moves no running target.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc, Weekday};
use diesel::result::{Error as Failure, QueryResult};
use diesel::sql_types::{Jsonb, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use futures_util::FutureExt;
use serde::Deserialize;
use uuid::Uuid;

use super::noun::{Noun, column};
use super::page::within;
use super::sql::{Bind, Sql};
use super::write::{LOCK, Then};
use super::{Conn, PgRow, affected_sla, rows, service_offering};
use crate::access::{Permit, Reach};
use crate::clock::calendar::{Calendar, Holiday, WeeklyHours};
use crate::clock::targets::{Hours, InForce, OfferingTargets, Promise, TargetDuration};
use crate::error::Error;

/// The present content of each offering, as one value that can be compared.
const CURRENT: &str = "SELECT o.root_id, o.tenant_id, o.id, jsonb_build_object( \
      'time_zone', o.time_zone, \
      'service_hours', o.service_hours_id, \
      'targets', (SELECT coalesce(jsonb_object_agg(g.impact, jsonb_build_object( \
          'response', jsonb_build_array(g.response_kind, g.response_amount), \
          'resolution', jsonb_build_array(g.resolution_kind, g.resolution_amount), \
          'support_hours', g.support_hours_id)), '{}') \
        FROM offering_target g WHERE g.root_id = o.root_id AND g.service_offering_id = o.id), \
      'standard', (SELECT coalesce(jsonb_object_agg(w.id, jsonb_build_object( \
          'response', jsonb_build_array(w.response_kind, w.response_amount), \
          'resolution', jsonb_build_array(w.resolution_kind, w.resolution_amount), \
          'support_hours', w.support_hours_id)), '{}') \
        FROM standard_service_request w WHERE w.root_id = o.root_id AND w.service_offering_id = o.id), \
      'calendars', (SELECT coalesce(jsonb_object_agg(c.id, jsonb_build_object( \
          'hours', (SELECT coalesce(jsonb_agg(jsonb_build_array(h.weekday, h.from_minute, h.until_minute) \
              ORDER BY h.weekday, h.from_minute), '[]') \
            FROM calendar_hours h WHERE h.root_id = c.root_id AND h.calendar_id = c.id), \
          'holidays', (SELECT coalesce(jsonb_agg(jsonb_build_array(d.name, d.starts_at, d.ends_at) \
              ORDER BY d.starts_at, d.ends_at, d.name), '[]') \
            FROM calendar_holiday d WHERE d.root_id = c.root_id AND d.calendar_id = c.id))), '{}') \
        FROM calendar c WHERE c.root_id = o.root_id AND c.id IN ( \
          SELECT o.service_hours_id UNION SELECT g.support_hours_id FROM offering_target g \
            WHERE g.root_id = o.root_id AND g.service_offering_id = o.id \
          UNION SELECT w.support_hours_id FROM standard_service_request w \
            WHERE w.root_id = o.root_id AND w.service_offering_id = o.id)) \
    ) AS content FROM service_offering o";

/// The statement that remembers what offerings promise of which nothing is remembered yet, from an instant on that it is
/// given as text. For who writes rows as they are: without it the first edit would move what runs.
pub(crate) fn remember_all() -> String {
    format!(
        "INSERT INTO offering_promise (root_id, tenant_id, service_offering_id, since, content) \
         SELECT n.root_id, n.tenant_id, n.id, $1::text::timestamptz, n.content FROM ({CURRENT} \
         WHERE NOT EXISTS (SELECT FROM offering_promise p WHERE p.root_id = o.root_id AND p.service_offering_id = o.id)) n"
    )
}

/// What an offering promised from an instant on.
pub(super) struct Entry {
    since: DateTime<Utc>,
    targets: Arc<OfferingTargets>,
    /// By standard service request (rule O2).
    standard: HashMap<Uuid, Arc<OfferingTargets>>,
}

/// The history of offerings from the entry on that was in force at `earliest`. What the catalogue says now is appended
/// first, if it is news.
pub(super) async fn histories(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    offerings: &[Uuid],
    earliest: DateTime<Utc>,
) -> QueryResult<HashMap<Uuid, Vec<Entry>>> {
    if offerings.is_empty() {
        return Ok(HashMap::new());
    }
    let root = || Bind::Uuid(permit.root_id);
    let ids = || Bind::Uuids(offerings.to_vec());
    let mut sql = Sql::new("WITH current AS MATERIALIZED (");
    sql.push(CURRENT).push(" WHERE o.root_id = ").bind(root()).push(" AND o.id = ANY(").bind(ids());
    sql.push(
        ")), fresh AS (INSERT INTO offering_promise (root_id, tenant_id, service_offering_id, since, content) \
         SELECT n.root_id, n.tenant_id, n.id, now(), n.content FROM current n \
         LEFT JOIN LATERAL (SELECT p.content FROM offering_promise p WHERE p.root_id = n.root_id \
           AND p.service_offering_id = n.id ORDER BY p.since DESC LIMIT 1) last ON true \
         WHERE last.content IS DISTINCT FROM n.content ORDER BY n.id ON CONFLICT DO NOTHING \
         RETURNING service_offering_id, since, content) \
         SELECT p.service_offering_id, p.since, p.content FROM offering_promise p WHERE p.root_id = ",
    );
    sql.bind(root()).push(" AND p.service_offering_id = ANY(").bind(ids());
    sql.push(
        ") AND p.since >= coalesce((SELECT max(q.since) FROM offering_promise q WHERE q.root_id = p.root_id \
         AND q.service_offering_id = p.service_offering_id AND q.since <= ",
    );
    sql.bind(Bind::Time(earliest)).push("), '-infinity') UNION ALL SELECT * FROM fresh ORDER BY 1, 2");
    read(&rows(conn, sql).await?)
}

/// The history of the offerings of clocks, from the entry on that was in force when the first of them started; what the
/// catalogue says now where intake has written none yet.
pub(super) async fn of_clocks(
    conn: &Conn,
    reach: &Reach,
    clocks: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Entry>>, Error> {
    let mut sql = Sql::new(
        "WITH k AS MATERIALIZED (SELECT v.root_id, v.service_offering_id AS id, min(t.started_at) AS earliest FROM ",
    );
    sql.append(affected_sla::chosen(reach, clocks)).push(
        " JOIN sla_version v ON v.root_id = t.root_id AND v.id = t.sla_version_id \
         WHERE v.service_offering_id IS NOT NULL GROUP BY 1, 2) \
         SELECT p.service_offering_id, p.since, p.content FROM k \
         JOIN offering_promise p ON p.root_id = k.root_id AND p.service_offering_id = k.id \
         WHERE p.since >= coalesce((SELECT max(q.since) FROM offering_promise q WHERE q.root_id = k.root_id \
           AND q.service_offering_id = k.id AND q.since <= k.earliest), '-infinity') \
         UNION ALL SELECT c.id, now(), c.content FROM k JOIN LATERAL (",
    );
    sql.push(CURRENT).push(
        " WHERE o.root_id = k.root_id AND o.id = k.id) c ON true \
         WHERE NOT EXISTS (SELECT FROM offering_promise q WHERE q.root_id = k.root_id AND q.service_offering_id = k.id) \
         ORDER BY 1, 2",
    );
    Ok(read(&conn.rows(sql).await?)?)
}

/// What an offering promises now; none where there is no such offering within reach.
pub(super) async fn current(conn: &Conn, reach: &Reach, offering: Uuid) -> Result<Option<Entry>, Error> {
    let mut sql = Sql::new("SELECT c.id, now(), c.content FROM (");
    sql.push(CURRENT).push(" WHERE o.id = ").bind(Bind::Uuid(offering));
    within(service_offering::Row::TARGET, "o", reach, true, &mut sql);
    sql.push(") c");
    Ok(read(&conn.rows(sql).await?)?.remove(&offering).and_then(|mut entries| entries.pop()))
}

fn read(rows: &[PgRow]) -> QueryResult<HashMap<Uuid, Vec<Entry>>> {
    let mut histories: HashMap<Uuid, Vec<Entry>> = HashMap::new();
    for row in rows {
        let content: serde_json::Value = column::<Jsonb, _>(row, 2)?;
        let content = Content::deserialize(content).map_err(unreadable)?;
        let entry = content.entry(column::<Timestamptz, _>(row, 1)?)?;
        histories.entry(column::<SqlUuid, _>(row, 0)?).or_default().push(entry);
    }
    Ok(histories)
}

/// What was promised to a request that was made from a standard service request, or from none. It may have been asked before
/// the catalogue was written, or before that told what the request was made from (rule O2): for the time before the first
/// entry that knows it, the one is that was in force when the request was `received`, however often it is measured anew.
pub(super) fn promised(
    history: Option<&Vec<Entry>>,
    standard: Option<Uuid>,
    received: DateTime<Utc>,
) -> Vec<InForce> {
    let history = history.map_or(&[][..], Vec::as_slice);
    let knows = |entry: &Entry| standard.is_some_and(|id| entry.standard.contains_key(&id));
    let known = &history[history.iter().position(knows).unwrap_or(0)..];
    let then = known.partition_point(|entry| entry.since <= received).saturating_sub(1);
    let before =
        known.get(then).map(|entry| InForce { from: DateTime::<Utc>::MIN_UTC, ..entry.in_force(standard) });
    before.into_iter().chain(known.iter().map(|entry| entry.in_force(standard))).collect()
}

impl Entry {
    /// What it promised to requests made from a standard service request, or from none.
    pub(super) fn in_force(&self, standard: Option<Uuid>) -> InForce {
        let standard = standard.and_then(|id| self.standard.get(&id));
        InForce { from: self.since, targets: standard.unwrap_or(&self.targets).clone() }
    }
}

fn unreadable(cause: impl std::fmt::Debug) -> Failure {
    Failure::DeserializationError(format!("a promise cannot be read: {cause:?}").into())
}

#[derive(Deserialize)]
struct Content {
    service_hours: Option<Uuid>,
    targets: Targets,
    standard: HashMap<Uuid, Target>,
    calendars: HashMap<Uuid, Rows>,
}

#[derive(Deserialize)]
struct Targets {
    low: Option<Target>,
    medium: Option<Target>,
    high: Option<Target>,
    top: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    response: (String, Option<u32>),
    resolution: (String, Option<u32>),
    support_hours: Option<Uuid>,
}

#[derive(Deserialize)]
struct Rows {
    hours: Vec<(u8, u16, u16)>,
    holidays: Vec<(String, NaiveDateTime, NaiveDateTime)>,
}

impl Content {
    fn entry(self, since: DateTime<Utc>) -> QueryResult<Entry> {
        let hours = self
            .calendars
            .into_iter()
            .map(|(id, rows)| Ok((id, Hours { id, calendar: Arc::new(rows.calendar()?) })))
            .collect::<QueryResult<HashMap<_, _>>>()?;
        let promise =
            |target: &Option<Target>| target.as_ref().map_or(Ok(Promise::default()), |t| t.promise(&hours));
        let targets = OfferingTargets {
            low: promise(&self.targets.low)?,
            medium: promise(&self.targets.medium)?,
            high: promise(&self.targets.high)?,
            top: promise(&self.targets.top)?,
            service_hours: self.service_hours.and_then(|id| hours.get(&id).cloned()),
        };
        let standard = self
            .standard
            .iter()
            .map(|(id, target)| Ok((*id, Arc::new(targets.overridden(&target.promise(&hours)?)))))
            .collect::<QueryResult<_>>()?;
        Ok(Entry { since, targets: Arc::new(targets), standard })
    }
}

impl Target {
    fn promise(&self, hours: &HashMap<Uuid, Hours>) -> QueryResult<Promise> {
        let duration = |(kind, amount): &(String, Option<u32>)| match (kind.as_str(), amount) {
            ("minutes", Some(minutes)) => Ok(TargetDuration::Minutes(*minutes)),
            ("business_days", Some(days)) => Ok(TargetDuration::BusinessDays(*days)),
            ("best_effort", None) => Ok(TargetDuration::BestEffort),
            ("none", None) => Ok(TargetDuration::None),
            other => Err(unreadable(other)),
        };
        Ok(Promise {
            response: duration(&self.response)?,
            resolution: duration(&self.resolution)?,
            support_hours: self.support_hours.and_then(|id| hours.get(&id).cloned()),
        })
    }
}

impl Rows {
    fn calendar(self) -> QueryResult<Calendar> {
        let hours = self
            .hours
            .into_iter()
            .map(|(day, from, until)| {
                let weekday = Weekday::try_from(day.wrapping_sub(1)).map_err(unreadable)?;
                Ok(WeeklyHours { weekday, from, until })
            })
            .collect::<QueryResult<Vec<_>>>()?;
        let holidays =
            self.holidays.into_iter().map(|(name, starts_at, ends_at)| Holiday { name, starts_at, ends_at });
        Calendar::new(hours, holidays).map_err(unreadable)
    }
}

/// What was written, by which the offerings are found that now promise something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The offering.
    Offering,
    /// A standard service request of it.
    StandardServiceRequest,
    /// A calendar that it applies.
    Calendar,
}

/// Once something of the catalogue is written, remembers what the offerings that it is a part of promise from now on.
pub(super) fn remember(by: By) -> Then {
    Box::new(move |conn, permit, id| {
        async move {
            let mut those = Sql::new(" WHERE o.root_id = ");
            those.bind(Bind::Uuid(permit.root_id)).push(" AND o.id IN (");
            match by {
                By::Offering => those.bind(Bind::Uuid(id)),
                By::StandardServiceRequest => those
                    .push("SELECT w.service_offering_id FROM standard_service_request w WHERE w.root_id = o.root_id AND w.id = ")
                    .bind(Bind::Uuid(id)),
                By::Calendar => those
                    .push("SELECT a.id FROM service_offering a WHERE a.root_id = o.root_id AND a.service_hours_id = ")
                    .bind(Bind::Uuid(id))
                    .push(" UNION SELECT g.service_offering_id FROM offering_target g WHERE g.root_id = o.root_id AND g.support_hours_id = ")
                    .bind(Bind::Uuid(id))
                    .push(" UNION SELECT w.service_offering_id FROM standard_service_request w WHERE w.root_id = o.root_id AND w.support_hours_id = ")
                    .bind(Bind::Uuid(id)),
            };
            // Of two who change parts of one, such as its calendars, the second sees what the first has written.
            let mut lock = Sql::new("SELECT 1 FROM service_offering o");
            lock.append(those.clone()).push(") ORDER BY o.id").push(LOCK);
            rows(conn, lock).await?;
            // In force from the commit on, which only the database knows.
            let mut sql = Sql::new("WITH current AS MATERIALIZED (");
            sql.push(CURRENT).append(those).push(
                ")) INSERT INTO offering_promise (root_id, tenant_id, service_offering_id, since, content) \
                 SELECT n.root_id, n.tenant_id, n.id, 'infinity', n.content \
                 FROM current n \
                 LEFT JOIN LATERAL (SELECT p.content FROM offering_promise p WHERE p.root_id = n.root_id \
                   AND p.service_offering_id = n.id ORDER BY p.since DESC LIMIT 1) last ON true \
                 WHERE last.content IS DISTINCT FROM n.content ORDER BY n.id \
                 ON CONFLICT (root_id, service_offering_id, since) DO UPDATE SET content = EXCLUDED.content",
            );
            rows(conn, sql).await?;
            Ok(())
        }
        .boxed()
    })
}
