//! Which SLAs a request may fall under, and what decides it (rules C1, C13, S5, S6, S8).
//!
//! The rules are the clock's; here is what they ask of the store, for many requests in a few statements.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::result::{Error as Failure, QueryResult};
use diesel::sql_types::{Array, BigInt, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use uuid::Uuid;

use super::affected_sla::{self, Frozen};
use super::noun::column;
use super::sql::{Bind, Sql};
use super::word::{AbandonType, SlaStatus};
use super::{Conn, PgRow, rows};
use crate::access::{Permit, Reach};
use crate::clock::coverage::{Coverage, CoverageKind, Covering, Relations, Requester, Uses};
use crate::clock::lifecycle::Term;
use crate::clock::waiting::{Abandons, QueueTerms, WaitTerms};
use crate::error::Error;

/// A question for SLAs. A request asks once for each stretch of its history in which its instance and its requester
/// were the same.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Question {
    /// The number of the stretch: what the answer names.
    pub(super) stretch: usize,
    /// The request's tenant.
    pub(super) tenant_id: Uuid,
    /// When the stretch began: terms and lifecycle are those of this instant.
    pub(super) at: DateTime<Utc>,
    /// When a clock that is brought in begins: the SLA must be active then too.
    pub(super) begins: DateTime<Utc>,
    /// When the request came here: what was told of the time before the catalogue was written is measured by what that
    /// said then.
    pub(super) received: DateTime<Utc>,
    /// SLAs on this instance.
    pub(super) instance_id: Option<Uuid>,
    /// The standard service request it was made from; where no instance is known, SLAs on its offering as a whole.
    pub(super) standard_id: Option<Uuid>,
    /// This SLA, whatever it covers.
    pub(super) named_id: Option<Uuid>,
    /// The default SLA of the tenant, whatever it covers (rule C13).
    pub(super) by_default: bool,
    /// The SLAs whose clocks began at this instant: what was switched off since is measured to its end (rule C2).
    pub(super) begun_ids: Vec<Uuid>,
    /// Whether an event gave a chat the SLA that is named (rule S12).
    pub(super) given: bool,
}

/// An SLA that was active at the instant of the question, or whose clock had begun.
pub(super) struct Candidate {
    /// Which stretch it answers.
    pub(super) stretch: usize,
    /// The instant of the question.
    pub(super) at: DateTime<Utc>,
    /// Whether it applies whatever it covers: it was named, or is the default.
    pub(super) named: bool,
    /// Whether an event gave it to a chat (rule S12).
    pub(super) given: bool,
    /// The SLA.
    pub(super) sla_id: Uuid,
    /// The version in force.
    pub(super) version_id: Uuid,
    /// What it promises.
    pub(super) terms: Terms,
    /// The offering's zone.
    pub(super) zone: Option<String>,
    /// Whom it covers; none when its version says nothing of that.
    pub(super) covering: Option<Covering>,
    /// The support team of the instance.
    pub(super) support_team_id: Option<Uuid>,
    /// The first-line team of the instance.
    pub(super) first_line_team_id: Option<Uuid>,
    /// The provider of the instance, if external.
    pub(super) supplier_id: Option<Uuid>,
    /// The instance that it is about.
    pub(super) instance_id: Option<Uuid>,
    /// Whether it is on a service as a whole.
    pub(super) of_service: bool,
    /// The standard service request, if it is one of the offering promised (rule O2).
    pub(super) standard_id: Option<Uuid>,
}

/// What a version promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terms {
    /// The targets of an offering.
    Service(Uuid),
    /// A wait.
    Wait(WaitTerms),
}

/// The columns of a version that [`terms`] reads.
pub(super) const TERMS: &str =
    "v.service_offering_id, v.sla_threshold, v.abandon_type, v.abandon_threshold, v.due_time_in_minutes";

/// What the version in columns from `at` on promises.
pub(super) fn terms(row: &PgRow, at: usize) -> QueryResult<Terms> {
    let number = |at| -> QueryResult<Option<u32>> {
        Ok(column::<Nullable<Integer>, Option<i32>>(row, at)?.map(i32::unsigned_abs))
    };
    let offering: Option<Uuid> = column::<Nullable<SqlUuid>, _>(row, at)?;
    let abandon_type: Option<AbandonType> = column::<Nullable<Text>, _>(row, at + 2)?;
    match (offering, number(at + 1)?, number(at + 4)?) {
        (Some(offering), _, _) => Ok(Terms::Service(offering)),
        (None, Some(sla_threshold), _) => {
            let abandons = match (abandon_type, number(at + 3)?) {
                (Some(AbandonType::IgnoreAbandons), Some(seconds)) => Abandons::IgnoreWithin(seconds),
                _ => Abandons::CountAgainstSla,
            };
            Ok(Terms::Wait(WaitTerms::Queue(QueueTerms { sla_threshold, abandons })))
        }
        (None, None, Some(due_time_in_minutes)) => {
            Ok(Terms::Wait(WaitTerms::Livechat { due_time_in_minutes }))
        }
        (None, None, None) => Err(Failure::DeserializationError("a version promises nothing".into())),
    }
}

/// Keeps of relations `r` those whose consumer a request of a tenant could name itself: one of that tenant or of one above.
/// What a sibling builds on an instance that both may use decides nothing here.
const USABLE: &str =
    " JOIN tenant_closure c ON c.root_id = r.root_id AND c.ancestor_id = r.tenant_id AND c.descendant_id = ";

/// The relations on the way up from instances that requests of the permit's tenant were about, to those that use them,
/// directly or not (rule O4); and of those that use them the ones that any SLA was ever made for. What hundreds of others
/// build on need not be asked for each of these.
pub(super) async fn upward(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    instances: &[Uuid],
) -> QueryResult<(Relations, HashSet<Uuid>)> {
    if instances.is_empty() {
        return Ok(Default::default());
    }
    let mut sql = Sql::new(
        "WITH RECURSIVE up AS (SELECT r.consumer_id, r.used_id, r.effect FROM service_instance_relation r",
    );
    sql.push(USABLE).bind(Bind::Uuid(permit.tenant_id));
    sql.push(" WHERE r.root_id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" AND r.used_id = ANY(").bind(Bind::Uuids(instances.to_vec())).push(
        ") UNION SELECT r.consumer_id, r.used_id, r.effect FROM up JOIN service_instance_relation r \
         ON r.used_id = up.consumer_id AND r.root_id = ",
    );
    sql.bind(Bind::Uuid(permit.root_id)).push(USABLE).bind(Bind::Uuid(permit.tenant_id));
    sql.push(") SELECT up.consumer_id, up.used_id, up.effect, p.consumer_id IS NOT NULL FROM up LEFT JOIN (")
        .push(PROMISED);
    sql.bind(Bind::Uuid(permit.root_id)).push(") p ON p.consumer_id = up.consumer_id");
    let (mut edges, mut promised) = (Vec::new(), HashSet::new());
    for row in &rows(conn, sql).await? {
        let edge = uses(row)?;
        if column::<Bool, _>(row, 3)? {
            promised.insert(edge.upper);
        }
        edges.push(edge);
    }
    Ok((edges.into_iter().collect(), promised))
}

/// Of the instances that use others those that an SLA was made for: itself, or its service as a whole.
const PROMISED: &str = "SELECT i.id AS consumer_id FROM service_instance i WHERE i.id IN (SELECT consumer_id FROM up) \
    AND (EXISTS (SELECT FROM sla_version v WHERE v.root_id = i.root_id AND v.service_instance_id = i.id) \
      OR EXISTS (SELECT FROM service_offering o JOIN sla_version v ON v.root_id = o.root_id AND v.service_offering_id = o.id \
        AND v.service_instance_id IS NULL WHERE o.root_id = i.root_id AND o.service_id = i.service_id)) AND i.root_id = ";

/// The same from the instances that the requests of clocks were ever about, by their tenant.
pub(super) async fn upward_of_clocks(
    conn: &Conn,
    reach: &Reach,
    clocks: &[Uuid],
) -> Result<HashMap<Uuid, Relations>, Error> {
    let mut sql = Sql::new(
        "WITH RECURSIVE k AS MATERIALIZED (SELECT DISTINCT t.root_id, t.tenant_id, t.request_id FROM ",
    );
    sql.append(affected_sla::chosen(reach, clocks)).push(
        "), about AS (SELECT k.root_id, k.tenant_id, r.service_instance_id AS id FROM k \
           JOIN request r ON r.root_id = k.root_id AND r.id = k.request_id \
         UNION SELECT k.root_id, k.tenant_id, e.service_instance_id FROM k \
           JOIN request_event e ON e.root_id = k.root_id AND e.request_id = k.request_id), \
         up AS (SELECT r.root_id, a.tenant_id, r.consumer_id, r.used_id, r.effect FROM about a \
           JOIN service_instance_relation r ON r.root_id = a.root_id AND r.used_id = a.id",
    );
    sql.push(USABLE).push(
        "a.tenant_id UNION SELECT r.root_id, up.tenant_id, r.consumer_id, r.used_id, r.effect FROM up \
         JOIN service_instance_relation r ON r.root_id = up.root_id AND r.used_id = up.consumer_id",
    );
    sql.push(USABLE).push("up.tenant_id) SELECT consumer_id, used_id, effect, tenant_id FROM up");
    let mut found: HashMap<Uuid, Vec<Uses>> = HashMap::new();
    for row in &conn.rows(sql).await? {
        found.entry(column::<SqlUuid, _>(row, 3)?).or_default().push(uses(row)?);
    }
    Ok(found.into_iter().map(|(tenant, edges)| (tenant, edges.into_iter().collect())).collect())
}

/// What a request was about, and what hangs together with that.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    /// The instances that it was ever about.
    pub(super) requested: &'a BTreeSet<Uuid>,
    /// The way up from them, and from those of other requests of its tenant.
    pub(super) relations: &'a Relations,
    /// The services of all of these.
    pub(super) services: &'a Services,
}

impl Around<'_> {
    /// The other instances of the service of one, as far as the request was ever about them or something that they use.
    pub(super) fn of_same_service(&self, instance: Uuid) -> impl Iterator<Item = (Uuid, &Serving)> {
        let service = self.services.get(&instance).map(|serving| serving.service_id);
        let above = |&id: &Uuid| self.relations.above(id).into_iter().map(|(id, _)| id).chain([id]);
        let around: BTreeSet<Uuid> = self.requested.iter().flat_map(above).collect();
        let others = around.into_iter().filter_map(|id| Some((id, self.services.get(&id)?)));
        others.filter(move |(id, other)| Some(other.service_id) == service && *id != instance)
    }
}

/// The services of instances, and the teams that support them.
pub(super) type Services = HashMap<Uuid, Serving>;

/// Of which service an instance is, and who supports it.
pub(super) struct Serving {
    /// Its service.
    pub(super) service_id: Uuid,
    /// Its support team and its first-line team.
    pub(super) team_ids: [Option<Uuid>; 2],
}

/// Asks which of the instances that requests were about, that use those, or that stand for their service, are of one
/// service; none where no clock is of an SLA on a service as a whole.
pub(super) fn ask_services<'a>(
    clocks: impl Iterator<Item = &'a Frozen>,
    requested: impl Iterator<Item = Uuid>,
    relations: impl IntoIterator<Item = &'a Relations>,
) -> Option<Sql> {
    let of_services = clocks.filter(|clock| clock.of_service);
    let stand = of_services.filter_map(|clock| Some((clock.root_id, clock.service_instance_id?)));
    let (roots, stand): (BTreeSet<Uuid>, BTreeSet<Uuid>) = stand.unzip();
    if stand.is_empty() {
        return None;
    }
    let others: BTreeSet<Uuid> =
        requested.chain(relations.into_iter().flat_map(Relations::instances).copied()).collect();
    let mut sql = Sql::new(
        "SELECT i.id, i.service_id, i.support_team_id, i.first_line_team_id FROM service_instance i WHERE i.root_id = ANY(",
    );
    sql.bind(Bind::Uuids(roots.into_iter().collect())).push(") AND i.id = ANY(");
    sql.bind(Bind::Uuids(stand.union(&others).copied().collect())).push(")");
    Some(sql)
}

/// What it is answered.
pub(super) fn services(rows: &[PgRow]) -> QueryResult<Services> {
    let serving = |row: &PgRow| {
        let team = |at| column::<Nullable<SqlUuid>, Option<Uuid>>(row, at);
        let serving = Serving { service_id: column::<SqlUuid, _>(row, 1)?, team_ids: [team(2)?, team(3)?] };
        Ok((column::<SqlUuid, _>(row, 0)?, serving))
    };
    rows.iter().map(serving).collect()
}

fn uses(row: &PgRow) -> QueryResult<Uses> {
    Ok(Uses {
        upper: column::<SqlUuid, _>(row, 0)?,
        lower: column::<SqlUuid, _>(row, 1)?,
        effect: column::<Text, _>(row, 2)?,
    })
}

/// What coverage asks of the people that requests are for (rule S8).
pub(super) async fn requesters(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    people: &[Uuid],
) -> QueryResult<HashMap<Uuid, Requester>> {
    if people.is_empty() {
        return Ok(HashMap::new());
    }
    let mut sql = Sql::new(
        "SELECT p.id, p.tenant_id, p.organization_id, p.site_id, \
         ARRAY(WITH RECURSIVE up AS (SELECT o.parent_id FROM organization o WHERE o.root_id = p.root_id \
             AND o.id = p.organization_id \
           UNION SELECT o.parent_id FROM up JOIN organization o ON o.root_id = p.root_id AND o.id = up.parent_id) \
           SELECT parent_id FROM up WHERE parent_id IS NOT NULL), \
         ARRAY(SELECT u.service_instance_id FROM service_instance_user u WHERE u.root_id = p.root_id AND u.person_id = p.id), \
         ARRAY(SELECT i.id FROM team_member m JOIN service_instance i ON i.root_id = m.root_id \
           AND i.support_team_id = m.team_id WHERE m.root_id = p.root_id AND m.person_id = p.id) \
         FROM person p WHERE p.root_id = ",
    );
    sql.bind(Bind::Uuid(permit.root_id))
        .push(" AND p.id = ANY(")
        .bind(Bind::Uuids(people.to_vec()))
        .push(")");
    let requester = |row: &PgRow| {
        let person: Uuid = column::<SqlUuid, _>(row, 0)?;
        let requester = Requester {
            person: Some(person),
            account: Some(column::<SqlUuid, _>(row, 1)?),
            organization: column::<Nullable<SqlUuid>, _>(row, 2)?,
            site: column::<Nullable<SqlUuid>, _>(row, 3)?,
            organizations_above: set(row, 4)?,
            uses_cis_of: set(row, 5)?,
            supports: set(row, 6)?,
        };
        Ok((person, requester))
    };
    rows(conn, sql).await?.iter().map(requester).collect()
}

/// The SLAs that answer questions: visible from the request's tenant (rule S5) and active at the instant asked for
/// (rule S6), or begun; in the version in force then. Of the lists of a coverage only entries among `relevant` are told.
/// None where there are more than `most` of them to look at.
pub(super) async fn candidates(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    questions: &[Question],
    relevant: &[Uuid],
    most: usize,
) -> QueryResult<Option<Vec<Candidate>>> {
    if questions.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let root = || Bind::Uuid(permit.root_id);
    let mut sql = Sql::new("WITH k AS MATERIALIZED (SELECT ");
    sql.bind(root()).push("::uuid AS root_id, q.* FROM jsonb_to_recordset(").bind(Bind::rows(questions)?).push(
        ") AS q(stretch bigint, tenant_id uuid, at timestamptz, begins timestamptz, received timestamptz, instance_id uuid, standard_id uuid, \
         named_id uuid, by_default boolean, begun_ids uuid[], given boolean)), found AS (",
    );
    sql.push(NAMED)
        .push(" UNION ALL ")
        .push(DEFAULT)
        .push(" UNION ALL ")
        .push(ON_INSTANCE)
        .push(" UNION ALL ");
    sql.push(ON_SERVICE).push(" UNION ALL ").push(ON_STANDARD);
    sql.push("), in_force AS MATERIALIZED (").push(IN_FORCE).push(") SELECT f.stretch, f.named, s.id, v.id, ").push(TERMS).push(
        ", coalesce(g.time_zone, o.time_zone), v.coverage, u.tenant_id, s.status, s.start_date, s.expiry_date, \
         z.time_zone, f.at, i.id, i.support_team_id, i.first_line_team_id, p.id, w.id",
    );
    for (table, column) in [
        ("organization", "organization_id"),
        ("site", "site_id"),
        ("person", "person_id"),
        ("service_instance", "service_instance_id"),
    ] {
        sql.made(format!(
            ", ARRAY(SELECT l.{column} FROM sla_version_{table} l WHERE l.root_id = v.root_id AND l.sla_version_id = v.id \
             AND l.{column} = ANY("
        ));
        sql.bind(Bind::Uuids(relevant.to_vec())).push("))");
    }
    sql.push(", s.id = ANY(f.begun_ids), v.service_instance_id IS NULL, f.begins, f.given").push(FACTS);
    sql.one_more_than(most);
    let rows = rows(conn, sql).await?;
    if rows.len() > most {
        return Ok(None);
    }
    let mut found = Vec::new();
    for row in &rows {
        found.extend(candidate(row)?);
    }
    Ok(Some(found))
}

// Each gives SLAs, and the instance and the offering, if any, that the version in force must be on: an SLA once, however many
// versions it has.
const NAMED: &str = "SELECT k.*, true AS named, k.named_id AS sla_id, NULL::uuid AS on_id, NULL::uuid AS of_id FROM k \
    WHERE k.named_id IS NOT NULL";

const DEFAULT: &str = "SELECT k.*, true, (SELECT d.id FROM tenant_closure c \
      JOIN tenant t ON t.root_id = c.root_id AND t.id = c.ancestor_id \
      JOIN sla d ON d.root_id = t.root_id AND d.id = t.default_sla_id \
      WHERE c.root_id = k.root_id AND c.descendant_id = k.tenant_id AND (c.depth = 0 OR d.shared) \
      ORDER BY c.depth LIMIT 1), NULL, NULL FROM k WHERE k.by_default";

const ON_INSTANCE: &str = "SELECT k.*, false, v.sla_id, k.instance_id, NULL FROM k \
    CROSS JOIN LATERAL (SELECT DISTINCT v.sla_id FROM sla_version v WHERE v.root_id = k.root_id \
      AND v.service_instance_id = k.instance_id) v";

const ON_SERVICE: &str = "SELECT k.*, false, v.sla_id, NULL, o.id FROM k \
    JOIN service_instance i ON i.root_id = k.root_id AND i.id = k.instance_id \
    JOIN service_offering o ON o.root_id = i.root_id AND o.service_id = i.service_id \
    CROSS JOIN LATERAL (SELECT DISTINCT v.sla_id FROM sla_version v WHERE v.root_id = o.root_id \
      AND v.service_offering_id = o.id AND v.service_instance_id IS NULL) v";

const ON_STANDARD: &str = "SELECT k.*, false, v.sla_id, NULL, w.service_offering_id FROM k \
    JOIN standard_service_request w ON w.root_id = k.root_id AND w.id = k.standard_id \
    CROSS JOIN LATERAL (SELECT DISTINCT v.sla_id FROM sla_version v WHERE v.root_id = w.root_id \
      AND v.service_offering_id = w.service_offering_id AND v.service_instance_id IS NULL) v \
    WHERE k.instance_id IS NULL AND k.named_id IS NULL AND NOT k.by_default";

/// The version in force of each that is found. It is named before anything of it is read: who has made thousands of versions
/// is not to make others wait. Before the first activation it is that of when the request was received; before that too, the
/// first.
const IN_FORCE: &str = "SELECT f.*, coalesce( \
      (SELECT a.sla_version_id FROM sla_activation a WHERE a.root_id = s.root_id AND a.sla_id = s.id \
        AND a.activated_at <= f.at ORDER BY a.activated_at DESC, a.id DESC LIMIT 1), \
      (SELECT a.sla_version_id FROM sla_activation a WHERE a.root_id = s.root_id AND a.sla_id = s.id \
        AND a.activated_at <= f.received ORDER BY a.activated_at DESC, a.id DESC LIMIT 1), \
      (SELECT a.sla_version_id FROM sla_activation a WHERE a.root_id = s.root_id AND a.sla_id = s.id \
        ORDER BY a.activated_at, a.id LIMIT 1), s.active_version_id) AS version_id FROM found f \
    JOIN sla s ON s.root_id = f.root_id AND s.id = f.sla_id AND (s.id = ANY(f.begun_ids) OR s.active AND (s.tenant_id = f.tenant_id \
      OR s.shared AND EXISTS (SELECT FROM tenant_closure c WHERE c.root_id = s.root_id \
        AND c.ancestor_id = s.tenant_id AND c.descendant_id = f.tenant_id)))";

/// Before the first promise of an offering, the zone is that of when the request was received; before that too, the first. Of
/// the instances of a service, those of the request's own tenant come first.
const FACTS: &str = " FROM in_force f JOIN sla s ON s.root_id = f.root_id AND s.id = f.sla_id \
    JOIN sla_version v ON v.root_id = f.root_id AND v.id = f.version_id AND (f.on_id IS NULL OR v.service_instance_id = f.on_id) \
      AND (f.of_id IS NULL OR v.service_offering_id = f.of_id AND v.service_instance_id IS NULL) \
    JOIN tenant z ON z.root_id = s.root_id AND z.id = s.tenant_id \
    LEFT JOIN service_offering o ON o.root_id = v.root_id AND o.id = v.service_offering_id \
    LEFT JOIN LATERAL (SELECT p.content ->> 'time_zone' AS time_zone FROM offering_promise p \
      WHERE p.root_id = o.root_id AND p.service_offering_id = o.id \
      ORDER BY p.since > f.at, CASE WHEN p.since <= f.at THEN p.since END DESC, \
        p.since > f.received, CASE WHEN p.since <= f.received THEN p.since END DESC, p.since LIMIT 1) g ON true \
    LEFT JOIN organization u ON u.root_id = s.root_id AND u.id = s.customer_id \
    LEFT JOIN service_instance i ON i.root_id = s.root_id AND i.id = coalesce(v.service_instance_id, f.instance_id) \
    LEFT JOIN service y ON y.root_id = i.root_id AND y.id = i.service_id \
    LEFT JOIN organization p ON p.root_id = i.root_id AND p.id = coalesce(i.provider_id, y.provider_id) AND p.external \
    LEFT JOIN standard_service_request w ON w.root_id = f.root_id AND w.id = f.standard_id \
      AND w.service_offering_id = v.service_offering_id \
    ORDER BY f.stretch, f.given, f.at, s.id, (SELECT c.depth FROM tenant_closure c WHERE c.root_id = i.root_id \
      AND c.ancestor_id = i.tenant_id AND c.descendant_id = f.tenant_id), i.id";

/// The clocks, each given with its SLA and an instant, whose SLA was not active at that instant by its dates: what was switched
/// off since is measured to its end (rule C2).
pub(super) async fn not_in_term(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    clocks: &[(Uuid, Uuid, DateTime<Utc>)],
) -> QueryResult<HashSet<Uuid>> {
    if clocks.is_empty() {
        return Ok(HashSet::new());
    }
    let slas: BTreeSet<Uuid> = clocks.iter().map(|(_, sla, _)| *sla).collect();
    let mut sql = Sql::new(
        "SELECT s.id, s.start_date, s.expiry_date, z.time_zone FROM sla s \
         JOIN tenant z ON z.root_id = s.root_id AND z.id = s.tenant_id WHERE s.root_id = ",
    );
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND s.id = ANY(");
    sql.bind(Bind::Uuids(slas.into_iter().collect())).push(")");
    let term = |row: &PgRow| Ok((column::<SqlUuid, _>(row, 0)?, term(row, 1)?));
    let terms: HashMap<Uuid, Term> = rows(conn, sql).await?.iter().map(term).collect::<QueryResult<_>>()?;
    let outside = |(_, sla, at): &&(Uuid, Uuid, DateTime<Utc>)| {
        terms.get(sla).is_some_and(|term| term.status(SlaStatus::Active, *at) != SlaStatus::Active)
    };
    Ok(clocks.iter().filter(outside).map(|(clock, _, _)| *clock).collect())
}

/// The dates of an SLA in columns from `at` on, and the time zone of its tenant.
fn term(row: &PgRow, at: usize) -> QueryResult<Term> {
    let zone: String = column::<Text, _>(row, at + 2)?;
    Ok(Term {
        start_date: column::<Nullable<Date>, _>(row, at)?,
        expiry_date: column::<Nullable<Date>, _>(row, at + 1)?,
        zone: zone.parse().unwrap_or(chrono_tz::UTC),
    })
}

/// None when the SLA was not active at the instant of the question, and has no clock that began.
fn candidate(row: &PgRow) -> QueryResult<Option<Candidate>> {
    let status: SlaStatus = column::<Text, _>(row, 12)?;
    let term = term(row, 13)?;
    let at: DateTime<Utc> = column::<Timestamptz, _>(row, 16)?;
    let begun: bool = column::<Bool, _>(row, 26)?;
    let begins: DateTime<Utc> = column::<Timestamptz, _>(row, 28)?;
    if !begun && [at, begins].into_iter().any(|at| term.status(status, at) != SlaStatus::Active) {
        return Ok(None);
    }
    let instance_id: Option<Uuid> = column::<Nullable<SqlUuid>, _>(row, 17)?;
    let kind: Option<CoverageKind> = column::<Nullable<Text>, _>(row, 10)?;
    let covering = match kind {
        None => None,
        Some(kind) => Some(Covering {
            instance: instance_id,
            customer_account: column::<Nullable<SqlUuid>, _>(row, 11)?,
            coverage: Coverage {
                kind,
                organizations: set(row, 22)?,
                sites: set(row, 23)?,
                people: set(row, 24)?,
                service_instances: set(row, 25)?,
            },
        }),
    };
    Ok(Some(Candidate {
        stretch: usize::try_from(column::<BigInt, i64>(row, 0)?)
            .map_err(|cause| Failure::DeserializationError(cause.into()))?,
        at,
        named: column::<Bool, _>(row, 1)?,
        given: column::<Bool, _>(row, 29)?,
        sla_id: column::<SqlUuid, _>(row, 2)?,
        version_id: column::<SqlUuid, _>(row, 3)?,
        terms: terms(row, 4)?,
        zone: column::<Nullable<Text>, _>(row, 9)?,
        covering,
        support_team_id: column::<Nullable<SqlUuid>, _>(row, 18)?,
        first_line_team_id: column::<Nullable<SqlUuid>, _>(row, 19)?,
        supplier_id: column::<Nullable<SqlUuid>, _>(row, 20)?,
        instance_id,
        of_service: column::<Bool, _>(row, 27)?,
        standard_id: column::<Nullable<SqlUuid>, _>(row, 21)?,
    }))
}

fn set(row: &PgRow, at: usize) -> QueryResult<BTreeSet<Uuid>> {
    Ok(column::<Array<SqlUuid>, Vec<Uuid>>(row, at)?.into_iter().collect())
}
