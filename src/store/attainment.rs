//! How promises turned out: counted where the clocks are, on their indexes, never by reading rows.
//!
//! A clock counts in the period in which it started: the one instant that every clock has, that its service level is
//! asked of (rule S10: calls *entered*), and that no later event moves into another period. What counts is its final state
//! (rule B5).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::affected_sla::{self, key};
use super::noun::{Noun, column};
use super::page::{keys, within};
use super::sql::{Bind, Sql};
use super::word::SlaKind;
use super::{Conn, PgRow};
use crate::access::Reach;
use crate::clock::attainment::{Attained, Tally};
use crate::clock::availability::Period;
use crate::error::Error;

/// Whose promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    /// Those of an SLA.
    Sla,
    /// Those of all versions of SLAs that are made of an offering.
    ServiceOffering,
    /// Those of the requests of a tenant.
    Tenant,
}

impl Of {
    /// The clocks `t` of a parent `k`.
    fn clocks(self) -> &'static str {
        match self {
            Self::Sla => "affected_sla t WHERE t.root_id = k.root_id AND t.sla_id = k.id",
            Self::ServiceOffering => {
                "sla_version v JOIN affected_sla t ON t.root_id = v.root_id AND t.sla_id = v.sla_id \
                 AND t.sla_version_id = v.id WHERE v.root_id = k.root_id AND v.service_offering_id = k.id"
            }
            Self::Tenant => "affected_sla t WHERE t.root_id = k.root_id AND t.tenant_id = k.id",
        }
    }
}

/// How the promises turned out whose clocks started between two bounds: of each parent (root, id), one answer for each
/// bucket, in order. The bounds are ascending.
pub async fn counts(
    conn: &Conn,
    reach: &Reach,
    of: Of,
    parents: &[(Uuid, Uuid)],
    bounds: &[DateTime<Utc>],
) -> Result<HashMap<Uuid, Vec<Attained>>, Error> {
    let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else { return Ok(HashMap::new()) };
    let mut sql = Sql::new("SELECT k.id, width_bucket(c.started_at, ");
    sql.bind(Bind::Times(bounds.to_vec())).push("), s.kind");
    for clock in ["response", "resolution"] {
        for outcome in ["met", "breached", "running", "excluded"] {
            sql.made(format_args!(", count(*) FILTER (WHERE c.{clock} = '{outcome}')"));
        }
    }
    // A chat that was given another SLA before it was due counts for the service level of that one alone (rule S12).
    sql.push(", count(*) FILTER (WHERE c.superseded AND c.response = 'excluded') FROM ");
    keys(&mut sql, parents);
    sql.push(" CROSS JOIN LATERAL (SELECT t.root_id, t.sla_id, t.started_at, t.superseded_at IS NOT NULL AS superseded");
    for (clock, outcome) in [("response", &key::RESPONSE_OUTCOME), ("resolution", &key::RESOLUTION_OUTCOME)] {
        sql.made(format_args!(", {} AS {clock}", outcome.expression));
    }
    sql.push(" FROM ").push(of.clocks());
    sql.push(" AND t.started_at >= ").bind(Bind::Time(*first));
    sql.push(" AND t.started_at < ").bind(Bind::Time(*last));
    within(affected_sla::Row::TARGET, "t", reach, false, &mut sql);
    // What a later telling showed never to apply was no promise.
    sql.push(" AND t.applies) c JOIN sla s ON s.root_id = c.root_id AND s.id = c.sla_id GROUP BY 1, 2, 3");
    let mut found: HashMap<Uuid, Vec<Attained>> = HashMap::new();
    for row in &conn.rows(sql).await? {
        let buckets = found
            .entry(column::<SqlUuid, _>(row, 0)?)
            .or_insert_with(|| vec![Attained::default(); bounds.len() - 1]);
        let number = usize::try_from(column::<Integer, i32>(row, 1)? - 1).unwrap_or_default();
        let (response, resolution) = (tally(row, 3)?, tally(row, 7)?);
        let superseded: i64 = column::<BigInt, _>(row, 11)?;
        let waits = Tally { excluded: response.excluded - superseded, ..response };
        let mut attained = Attained { response, resolution, ..Attained::default() };
        match column::<Text, SlaKind>(row, 2)? {
            SlaKind::Queue => attained.calls = waits,
            SlaKind::Livechat => attained.chats = waits,
            SlaKind::Service => {}
        }
        if let Some(bucket) = buckets.get_mut(number) {
            bucket.add(attained);
        }
    }
    Ok(found)
}

fn tally(row: &PgRow, at: usize) -> QueryResult<Tally> {
    let count = |at| column::<BigInt, i64>(row, at);
    Ok(Tally { met: count(at)?, breached: count(at + 1)?, running: count(at + 2)?, excluded: count(at + 3)? })
}

/// When a service is to be there, and when it was not.
#[derive(Clone, Debug)]
pub struct Downtimes {
    /// The calendar of its service hours.
    pub service_hours_id: Uuid,
    /// The zone in which the calendar is read, by its name.
    pub time_zone: String,
    /// When it was down within the period, in order; what overlaps is one.
    pub spans: Vec<Period>,
}

/// Downtimes of the services that SLAs or offerings are about, by rule C10 those of requests of impact TOP; a downtime
/// without end goes on until now. Nothing of what has no service hours, and of a tenant, which has no hours of its own.
pub async fn downtimes(
    conn: &Conn,
    reach: &Reach,
    of: Of,
    parents: &[(Uuid, Uuid)],
    period: Period,
    now: DateTime<Utc>,
) -> Result<HashMap<Uuid, Downtimes>, Error> {
    let offering = match of {
        Of::Sla => {
            " JOIN sla s ON s.root_id = k.root_id AND s.id = k.id \
             JOIN sla_version a ON a.root_id = s.root_id AND a.id = s.active_version_id \
             JOIN service_offering o ON o.root_id = a.root_id AND o.id = a.service_offering_id"
        }
        Of::ServiceOffering => " JOIN service_offering o ON o.root_id = k.root_id AND o.id = k.id",
        Of::Tenant => return Ok(HashMap::new()),
    };
    let mut sql = Sql::new("SELECT k.id, o.service_hours_id, o.time_zone, d.starts, d.ends FROM ");
    keys(&mut sql, parents);
    sql.push(offering).push(
        " AND o.service_hours_id IS NOT NULL CROSS JOIN LATERAL ( \
         SELECT array_agg(lower(u.span) ORDER BY u.span) AS starts, array_agg(upper(u.span) ORDER BY u.span) AS ends \
         FROM (SELECT unnest(range_agg(tstzrange(greatest(w.starts_at, ",
    );
    sql.bind(Bind::Time(period.start)).push("), least(w.ends_at, ").bind(Bind::Time(period.end));
    sql.push(")))) AS span FROM (SELECT t.downtime_start_at AS starts_at, coalesce(t.downtime_end_at, ");
    sql.bind(Bind::Time(now)).push(") AS ends_at FROM ").push(of.clocks());
    sql.push(" AND t.impact = 'top' AND t.accountability <> 'sla_not_affected' AND t.downtime_start_at < ");
    sql.bind(Bind::Time(period.end));
    within(affected_sla::Row::TARGET, "t", reach, false, &mut sql);
    sql.push(") w WHERE w.starts_at < w.ends_at AND w.ends_at > ")
        .bind(Bind::Time(period.start))
        .push(") u) d");
    let mut found = HashMap::new();
    for row in &conn.rows(sql).await? {
        let instants = |at| {
            Ok::<_, diesel::result::Error>(
                column::<Nullable<Array<Timestamptz>>, Option<Vec<DateTime<Utc>>>>(row, at)?
                    .unwrap_or_default(),
            )
        };
        let spans = instants(3)?.into_iter().zip(instants(4)?);
        let downtimes = Downtimes {
            service_hours_id: column::<SqlUuid, _>(row, 1)?,
            time_zone: column::<Text, _>(row, 2)?,
            spans: spans.map(|(start, end)| Period { start, end }).collect(),
        };
        found.insert(column::<SqlUuid, _>(row, 0)?, downtimes);
    }
    Ok(found)
}
