//! An affected SLA: one clock, what one promise means for one request (rules C1 to C12).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::result::{Error as Failure, QueryResult};
use diesel::sql_types::{Array, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::candidate::{Around, TERMS, Terms, terms};
use super::noun::{Noun, column, noun, relation};
use super::page::{Key, Kind, Under, columns, decoded, within};
use super::sql::{Bind, Sql, columns_of};
use super::word::{Accountability, Impact, NextTarget};
use super::{Conn, PgRow, request, rows};
use crate::access::{Permission, Permit, Reach};
use crate::clock::availability::Period;
use crate::clock::events::{Change, Event};
use crate::clock::fold::Facts;
use crate::clock::state::{Measure, Outcome};
use crate::clock::targets::{Effect, InForce};
use crate::error::Error;

noun! {
    /// An affected SLA: one clock, what one promise means for one request (rules C1 to C12).
    affected_sla as AffectedSla, "affected SLA", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::AffectedSlasRead), list: Some(Permission::AffectedSlasRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("sla" via sla_id => sla),
        relation!("slaVersion" via sla_version_id => sla_version),
        relation!("request" via request_id => request),
        relation!("serviceInstance" via service_instance_id => service_instance),
        relation!("standardServiceRequest" via standard_service_request_id => standard_service_request),
        relation!("supportTeam" via support_team_id => team),
        relation!("firstLineTeam" via first_line_team_id => team),
        relation!("supplier" via supplier_id => organization),
        relation!("supportHours" via support_hours_id => calendar),
        relation!("serviceHours" via service_hours_id => calendar),
    ],
    reads: [
        "responseOutcome" of [response_target_at, response_breaches_at, actual_response_at, next_target],
        "resolutionOutcome" of [resolution_target_at, resolution_breaches_at, actual_resolution_at],
        "atRisk" of [next_target, next_target_at, response_breaches_at, resolution_breaches_at],
        "breaches" of [],
        "explanation" of [],
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// The SLA.
        sla_id: Uuid,
        /// The version it was made under (rule S3).
        sla_version_id: Uuid,
        /// The request.
        request_id: Uuid,
        /// The instance, as of its creation (rule C2).
        service_instance_id: Option<Uuid>,
        /// The standard service request whose targets apply (rule O2).
        standard_service_request_id: Option<Uuid>,
        /// The instance's support team as of its creation.
        support_team_id: Option<Uuid>,
        /// The instance's first line as of its creation.
        first_line_team_id: Option<Uuid>,
        /// The instance's provider as of its creation, if external.
        supplier_id: Option<Uuid>,
        /// The hours that count, as of the impact's assignment; null without an impact, where none are promised (rule X11), and
        /// where that calendar was deleted before the clock was measured by it.
        support_hours_id: Option<Uuid>,
        /// The hours in which downtime counts, unless deleted as above; set for impact TOP only (rule C10).
        service_hours_id: Option<Uuid>,
        /// The offering's zone as of its creation.
        time_zone: Option<String>,
        /// The impact on this instance (rule C3).
        impact: Option<Impact>,
        /// Who answers for it (rule C4).
        accountability: Accountability,
        /// When the clock started.
        started_at: DateTime<Utc>,
        /// Minutes to respond.
        maximum_response_duration: Option<i32>,
        /// Business days to respond.
        maximum_response_duration_in_days: Option<i32>,
        /// Minutes to resolve.
        maximum_resolution_duration: Option<i32>,
        /// Business days to resolve.
        maximum_resolution_duration_in_days: Option<i32>,
        /// The earliest instant at which the time to respond is used up.
        response_target_at: Option<DateTime<Utc>>,
        /// The last instant at which a response is in time (rule X1).
        response_breaches_at: Option<DateTime<Utc>>,
        /// The earliest instant at which the time to resolve is used up.
        resolution_target_at: Option<DateTime<Utc>>,
        /// The last instant at which a resolution is in time (rule X1).
        resolution_breaches_at: Option<DateTime<Utc>>,
        /// What the clock runs towards (rule C8).
        next_target: NextTarget,
        /// When; null where that is no instant.
        next_target_at: Option<DateTime<Utc>>,
        /// When the response was given (rule C5).
        actual_response_at: Option<DateTime<Utc>>,
        /// Minutes it took.
        actual_response_duration: Option<i32>,
        /// When the resolution was given (rule C6).
        actual_resolution_at: Option<DateTime<Utc>>,
        /// Minutes it took.
        actual_resolution_duration: Option<i32>,
        /// When the request is wished to be done.
        desired_completion_at: Option<DateTime<Utc>>,
        /// Since when the clock stands.
        stopped_clock_at: Option<DateTime<Utc>>,
        /// Minutes of support hours it stood before.
        stopped_clock_duration: i32,
        /// Since when the instance was down.
        downtime_start_at: Option<DateTime<Utc>>,
        /// Until when.
        downtime_end_at: Option<DateTime<Utc>>,
        /// Minutes of service hours between.
        downtime_duration: Option<i32>,
        /// Whether the provider says not to be accountable now.
        provider_not_accountable: bool,
        /// Whether it ever did.
        provider_was_not_accountable: bool,
        /// When the chat was given another SLA in its place (rule S12).
        superseded_at: Option<DateTime<Utc>>,
        /// The system it was taken over from; null when it was computed here.
        source: Option<String>,
        /// Its id in that system; null when it was computed here.
        source_id: Option<String>,
        /// When it was made.
        created_at: DateTime<Utc>,
        /// When it last changed.
        updated_at: DateTime<Utc>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind, Permission};

    // What `Row::response_outcome` and `Row::resolution_outcome` say.
    macro_rules! outcome {
        ($clock:literal $(, given up: $given_up:literal)?) => {
            Key::new(
                concat!(
                    "(CASE WHEN t.", $clock, "_target_at IS NULL THEN 'excluded' WHEN coalesce(t.actual_", $clock, "_at, now()) > t.",
                    $clock, "_breaches_at", $(" OR ", $given_up,)? " THEN 'breached' WHEN t.actual_", $clock,
                    "_at IS NOT NULL THEN 'met' ELSE 'running' END)",
                ),
                Kind::Text,
            )
        };
    }

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant that owns it.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// The request.
    pub static REQUEST: Key = Key::new("t.request_id", Kind::Uuid).needing(Permission::RequestsRead);
    /// The SLA.
    pub static SLA: Key = Key::new("t.sla_id", Kind::Uuid);
    /// The name of the SLA.
    pub static SLA_NAME: Key =
        Key::new("(SELECT s.name FROM sla s WHERE s.root_id = t.root_id AND s.id = t.sla_id)", Kind::Text)
            .needing(Permission::SlasRead);
    /// The instance.
    pub static SERVICE_INSTANCE: Key = Key::nullable("t.service_instance_id", Kind::Uuid);
    /// The name of the instance, where it is of the clock's tenant or one above: clocks that were made before only such
    /// counted may be about a sibling's.
    pub static SERVICE_INSTANCE_NAME: Key = Key::nullable(
        "(SELECT i.name FROM service_instance i JOIN tenant_closure c ON c.root_id = i.root_id AND c.ancestor_id = i.tenant_id \
          AND c.descendant_id = t.tenant_id WHERE i.root_id = t.root_id AND i.id = t.service_instance_id)",
        Kind::Text,
    );
    /// The support team of the instance.
    pub static SUPPORT_TEAM: Key = Key::nullable("t.support_team_id", Kind::Uuid);
    /// What the clock runs towards.
    pub static NEXT_TARGET: Key = Key::new("t.next_target", Kind::Text);
    /// When.
    pub static NEXT_TARGET_AT: Key = Key::nullable("t.next_target_at", Kind::Time);
    /// How the promise of a response has turned out by now.
    pub static RESPONSE_OUTCOME: Key =
        outcome!("response", given up: "t.next_target = 'none' AND t.actual_response_at IS NULL");
    /// How the promise of a resolution has turned out by now.
    pub static RESOLUTION_OUTCOME: Key = outcome!("resolution");
    /// The impact.
    pub static IMPACT: Key = Key::nullable("t.impact", Kind::Text);
    /// Who answers for it.
    pub static ACCOUNTABILITY: Key = Key::new("t.accountability", Kind::Text);
    /// Since when the clock stands.
    pub static STOPPED_CLOCK_AT: Key = Key::nullable("t.stopped_clock_at", Kind::Time);
    /// Minutes that it stood before.
    pub static STOPPED_CLOCK_DURATION: Key = Key::new("t.stopped_clock_duration", Kind::Int);
    /// The system it was taken over from.
    pub static SOURCE: Key = Key::nullable("t.source", Kind::Text);
    /// Its id in that system.
    pub static SOURCE_ID: Key = Key::nullable("t.source_id", Kind::Text);
    /// When the clock started.
    pub static STARTED_AT: Key = Key::new("t.started_at", Kind::Time);
    /// When the chat was given another SLA.
    pub static SUPERSEDED_AT: Key = Key::nullable("t.superseded_at", Kind::Time);
    /// When it was made.
    pub static CREATED_AT: Key = Key::new("t.created_at", Kind::Time);
    /// When it was last updated.
    pub static UPDATED_AT: Key = Key::new("t.updated_at", Kind::Time);
}

/// Those of a tenant.
pub const UNDER_TENANT: Under =
    Under::own("affected_sla t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// Those of an SLA.
pub const UNDER_SLA: Under =
    Under::with_below("affected_sla t WHERE t.root_id = k.root_id AND t.sla_id = k.id");

/// Those of a request.
pub const UNDER_REQUEST: Under =
    Under::own("affected_sla t WHERE t.root_id = k.root_id AND t.request_id = k.id");

/// What is frozen when a clock is made (rule C2).
#[derive(Clone, Debug, Serialize)]
pub(super) struct Frozen {
    pub(super) root_id: Uuid,
    pub(super) id: Uuid,
    pub(super) tenant_id: Uuid,
    pub(super) sla_id: Uuid,
    pub(super) sla_version_id: Uuid,
    pub(super) request_id: Uuid,
    pub(super) service_instance_id: Option<Uuid>,
    pub(super) standard_service_request_id: Option<Uuid>,
    pub(super) support_team_id: Option<Uuid>,
    pub(super) first_line_team_id: Option<Uuid>,
    pub(super) supplier_id: Option<Uuid>,
    pub(super) time_zone: Option<String>,
    pub(super) started_at: DateTime<Utc>,
    /// Whether the history still has the stretch that it was made for.
    pub(super) applies: bool,
    /// Whether an event gave a chat this SLA, and not its registration.
    pub(super) by_event: bool,
    /// When the chat was given another in its place (rule S12).
    pub(super) superseded_at: Option<DateTime<Utc>>,
    /// How the other instances that its request was about hang together with its own, as when that was first told.
    pub(super) relations: BTreeMap<Uuid, Related>,
    /// Whether its SLA is on a service as a whole: its instance then stands for all of that service.
    #[serde(skip)]
    pub(super) of_service: bool,
    /// When its targets were frozen anew on purpose: a part of its history that other clocks of the request do not have.
    #[serde(skip)]
    pub(super) recalculated: Vec<Event>,
    #[serde(skip)]
    pub(super) terms: Terms,
}

/// How an instance that a request was about hangs together with that of a clock (rules C3, C4).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Related {
    /// It is affected itself, as one of the same service; with the teams that support it.
    Affected(BTreeSet<Uuid>),
    /// It is used by it, which is down without it.
    Down,
    /// It is used by it, which is degraded without it.
    Degraded,
    /// Not at all.
    Elsewhere,
}

/// What moves with the history of the request.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Moving {
    pub(super) support_hours_id: Option<Uuid>,
    pub(super) service_hours_id: Option<Uuid>,
    pub(super) impact: Option<&'static str>,
    pub(super) accountability: &'static str,
    pub(super) maximum_response_duration: Option<u32>,
    pub(super) maximum_response_duration_in_days: Option<u32>,
    pub(super) maximum_resolution_duration: Option<u32>,
    pub(super) maximum_resolution_duration_in_days: Option<u32>,
    pub(super) response_target_at: Option<DateTime<Utc>>,
    pub(super) response_breaches_at: Option<DateTime<Utc>>,
    pub(super) resolution_target_at: Option<DateTime<Utc>>,
    pub(super) resolution_breaches_at: Option<DateTime<Utc>>,
    pub(super) next_target: &'static str,
    pub(super) next_target_at: Option<DateTime<Utc>>,
    pub(super) actual_response_at: Option<DateTime<Utc>>,
    pub(super) actual_response_duration: Option<i64>,
    pub(super) actual_resolution_at: Option<DateTime<Utc>>,
    pub(super) actual_resolution_duration: Option<i64>,
    pub(super) desired_completion_at: Option<DateTime<Utc>>,
    pub(super) stopped_clock_at: Option<DateTime<Utc>>,
    pub(super) stopped_clock_duration: i64,
    pub(super) downtime_start_at: Option<DateTime<Utc>>,
    pub(super) downtime_end_at: Option<DateTime<Utc>>,
    pub(super) downtime_duration: Option<i64>,
    pub(super) provider_not_accountable: bool,
    pub(super) provider_was_not_accountable: bool,
}

/// A clock in the state that its request's history gives it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Clock {
    #[serde(flatten)]
    pub(super) frozen: Frozen,
    #[serde(flatten)]
    pub(super) moving: Moving,
}

/// What never changes of a clock. What is frozen does: an event told late may have brought the SLA in at another time, in
/// another version.
const KEYS: [&str; 5] = ["root_id", "id", "tenant_id", "sla_id", "request_id"];

/// What [`frozen`] reads of a clock `t` and its version `v`.
const FROZEN_OF: &str = "t.root_id, t.id, t.tenant_id, t.sla_id, t.sla_version_id, t.request_id, t.service_instance_id, \
    t.standard_service_request_id, t.support_team_id, t.first_line_team_id, t.supplier_id, t.time_zone, t.started_at, \
    t.applies, \
    ARRAY(SELECT c.id FROM affected_sla_recalculation c WHERE c.root_id = t.root_id AND c.affected_sla_id = t.id ORDER BY c.id), \
    ARRAY(SELECT c.occurred_at FROM affected_sla_recalculation c WHERE c.root_id = t.root_id AND c.affected_sla_id = t.id \
      ORDER BY c.id), v.service_instance_id IS NULL, t.relations, t.by_event, t.superseded_at, ";

/// How many columns [`frozen`] reads.
const FROZEN_COLUMNS: usize = 25;

fn frozen(row: &PgRow) -> QueryResult<Frozen> {
    let recalculations: Vec<Uuid> = column::<Array<SqlUuid>, _>(row, 14)?;
    let instants: Vec<DateTime<Utc>> = column::<Array<Timestamptz>, _>(row, 15)?;
    let recalculated = |(id, occurred_at)| Event {
        id,
        occurred_at,
        // After what else happened at that instant.
        sequence: i64::MAX,
        received_at: occurred_at,
        change: Change::Recalculated,
    };
    let relations: serde_json::Value = column::<Jsonb, _>(row, 17)?;
    let relations = BTreeMap::deserialize(relations);
    Ok(Frozen {
        root_id: column::<SqlUuid, _>(row, 0)?,
        id: column::<SqlUuid, _>(row, 1)?,
        tenant_id: column::<SqlUuid, _>(row, 2)?,
        sla_id: column::<SqlUuid, _>(row, 3)?,
        sla_version_id: column::<SqlUuid, _>(row, 4)?,
        request_id: column::<SqlUuid, _>(row, 5)?,
        service_instance_id: column::<Nullable<SqlUuid>, _>(row, 6)?,
        standard_service_request_id: column::<Nullable<SqlUuid>, _>(row, 7)?,
        support_team_id: column::<Nullable<SqlUuid>, _>(row, 8)?,
        first_line_team_id: column::<Nullable<SqlUuid>, _>(row, 9)?,
        supplier_id: column::<Nullable<SqlUuid>, _>(row, 10)?,
        time_zone: column::<Nullable<Text>, _>(row, 11)?,
        started_at: column::<Timestamptz, _>(row, 12)?,
        applies: column::<Bool, _>(row, 13)?,
        by_event: column::<Bool, _>(row, 18)?,
        superseded_at: column::<Nullable<Timestamptz>, _>(row, 19)?,
        relations: relations.map_err(|cause| Failure::DeserializationError(cause.into()))?,
        of_service: column::<Bool, _>(row, 16)?,
        recalculated: recalculations.into_iter().zip(instants).map(recalculated).collect(),
        terms: terms(row, 20)?,
    })
}

/// The clocks that requests have already. None where they are more than `most`.
pub(super) async fn of_requests(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    requests: &[Uuid],
    most: usize,
) -> QueryResult<Option<Vec<Frozen>>> {
    let mut sql = Sql::new("SELECT ");
    sql.push(FROZEN_OF).push(TERMS).push(
        " FROM affected_sla t JOIN sla_version v ON v.root_id = t.root_id AND v.id = t.sla_version_id \
         WHERE t.root_id = ",
    );
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND t.request_id = ANY(");
    sql.bind(Bind::Uuids(requests.to_vec())).push(") ORDER BY t.id").one_more_than(most);
    let rows = rows(conn, sql).await?;
    (rows.len() <= most).then(|| rows.iter().map(frozen).collect()).transpose()
}

/// Clocks within reach, as `FROM` takes them: what a statement about their histories is scoped by.
pub(super) fn chosen(reach: &Reach, ids: &[Uuid]) -> Sql {
    let mut sql = Sql::new("(SELECT t.* FROM affected_sla t WHERE t.id = ANY(");
    sql.bind(Bind::Uuids(ids.to_vec())).push(")");
    within(Row::TARGET, "t", reach, true, &mut sql);
    sql.push(") t");
    sql
}

/// The clocks of an SLA (root, id) that started in a period, in the order in which they did; at most `most` of them, and
/// none to whose requests it turned out never to apply.
pub async fn started_in(
    conn: &Conn,
    reach: &Reach,
    sla: (Uuid, Uuid),
    period: Period,
    most: usize,
) -> Result<Vec<Arc<Row>>, Error> {
    let mut sql = Sql::new("SELECT ");
    columns(&mut sql, "t", Row::TARGET);
    sql.push(" FROM affected_sla t WHERE t.root_id = ").bind(Bind::Uuid(sla.0));
    sql.push(" AND t.sla_id = ").bind(Bind::Uuid(sla.1));
    sql.push(" AND t.started_at >= ").bind(Bind::Time(period.start));
    sql.push(" AND t.started_at < ").bind(Bind::Time(period.end)).push(" AND t.applies");
    within(Row::TARGET, "t", reach, false, &mut sql);
    sql.made(format_args!(" ORDER BY t.started_at, t.id LIMIT {most}"));
    let rows = conn.rows(sql).await?;
    rows.iter().map(|row| decoded(row, 0)).collect::<QueryResult<_>>().map_err(Error::from)
}

impl Row {
    /// How the promise of a response has turned out at `now`; of a chat or call, its wait. Only a wait that was given up,
    /// or measured by another SLA later on, is over without a response.
    pub fn response_outcome(&self, now: DateTime<Utc>) -> Outcome {
        let given_up = self.next_target == NextTarget::None && self.actual_response_at.is_none();
        let (target_at, breaches_at) = (self.response_target_at, self.response_breaches_at);
        let measure =
            Measure { target_at, breaches_at, actual_at: self.actual_response_at, ..Measure::default() };
        match measure.outcome(now) {
            Outcome::Running if given_up => Outcome::Breached,
            outcome => outcome,
        }
    }

    /// How the promise of a resolution has turned out at `now`.
    pub fn resolution_outcome(&self, now: DateTime<Utc>) -> Outcome {
        let (target_at, breaches_at) = (self.resolution_target_at, self.resolution_breaches_at);
        Measure { target_at, breaches_at, actual_at: self.actual_resolution_at, ..Measure::default() }
            .outcome(now)
    }
}

/// What was frozen of clocks, with their requests.
pub(super) async fn with_requests(
    conn: &Conn,
    reach: &Reach,
    ids: &[Uuid],
) -> Result<Vec<(Frozen, Arc<request::Row>)>, Error> {
    let mut sql = Sql::new("SELECT ");
    sql.push(FROZEN_OF).push(TERMS).push(", ");
    columns(&mut sql, "r", request::Row::TARGET);
    sql.push(" FROM ").append(chosen(reach, ids)).push(
        " JOIN sla_version v ON v.root_id = t.root_id AND v.id = t.sla_version_id \
         JOIN request r ON r.root_id = t.root_id AND r.id = t.request_id ORDER BY t.id",
    );
    let rows = conn.rows(sql).await?;
    let read = |row| Ok((frozen(row)?, decoded(row, FROZEN_COLUMNS)?));
    rows.iter().map(read).collect::<QueryResult<_>>().map_err(Error::from)
}

impl Frozen {
    /// What happened to it: what happened to its request, and what was done to it alone.
    pub(super) fn history<'a>(&self, of_request: &'a [Event]) -> Cow<'a, [Event]> {
        match self.recalculated.as_slice() {
            [] => Cow::Borrowed(of_request),
            own => Cow::Owned([of_request, own].concat()),
        }
    }

    /// Whether it measures how long a chat or a call waits.
    pub(super) fn waits(&self) -> bool {
        matches!(self.terms, Terms::Wait(_))
    }

    /// Whether another began when this one did, under the same terms.
    pub(super) fn made_like(&self, other: &Self) -> bool {
        let made = |clock: &Self| {
            let Self { started_at, applies, terms, sla_version_id, .. } = *clock;
            let about = (clock.service_instance_id, clock.standard_service_request_id);
            (started_at, applies, terms, sla_version_id, about)
        };
        made(self) == made(other)
    }

    /// Until when it measures how long a chat or call waits, if another SLA took its place; not at all where it turned out
    /// never to apply.
    pub(super) fn measures_until(&self) -> Option<DateTime<Utc>> {
        if self.applies { self.superseded_at } else { Some(self.started_at) }
    }

    /// The instances that it is about, each with the teams that support it: of its own, those of when it was made.
    fn affected(&self, around: Around<'_>) -> BTreeMap<Uuid, BTreeSet<Uuid>> {
        let Some(own) = self.service_instance_id else { return BTreeMap::new() };
        let others = self.of_service.then(|| around.of_same_service(own)).into_iter().flatten();
        let mut instances: BTreeMap<Uuid, BTreeSet<Uuid>> =
            others.map(|(id, other)| (id, other.team_ids.iter().flatten().copied().collect())).collect();
        let teams = [self.support_team_id, self.first_line_team_id];
        instances.insert(own, teams.into_iter().flatten().collect());
        instances
    }

    /// Those, and the instances that they use, with what their failure does to them.
    fn related(&self, around: Around<'_>) -> (BTreeMap<Uuid, BTreeSet<Uuid>>, BTreeMap<Uuid, Effect>) {
        let mut instances = self.affected(around);
        let mut below: BTreeMap<Uuid, Effect> =
            around.relations.below(instances.keys()).into_iter().collect();
        for (&id, related) in &self.relations {
            instances.remove(&id);
            below.remove(&id);
            match related {
                Related::Affected(teams) => drop(instances.insert(id, teams.clone())),
                Related::Down => drop(below.insert(id, Effect::Down)),
                Related::Degraded => drop(below.insert(id, Effect::Degraded)),
                Related::Elsewhere => {}
            }
        }
        (instances, below)
    }

    /// Freezes how the instances that its request was about hang together with its own, where that was not known yet:
    /// an edit of the relations moves no clock (rule C2).
    pub(super) fn relate(&mut self, around: Around<'_>) {
        let Some(own) = self.service_instance_id else { return };
        let is_new = |id: &&Uuid| **id != own && !self.relations.contains_key(id);
        let new: Vec<Uuid> = around.requested.iter().filter(is_new).copied().collect();
        if new.is_empty() {
            return;
        }
        let (mut instances, below) = self.related(around);
        self.relations.extend(new.into_iter().map(|id| {
            let related = match (instances.remove(&id), below.get(&id)) {
                (Some(teams), _) => Related::Affected(teams),
                (None, Some(Effect::Down)) => Related::Down,
                (None, Some(Effect::Degraded)) => Related::Degraded,
                (None, None) => Related::Elsewhere,
            };
            (id, related)
        }));
    }

    /// The same as the clock's rules take it.
    pub(super) fn facts(&self, promised: Vec<InForce>, around: Around<'_>) -> Facts {
        let (instances, below) = self.related(around);
        Facts {
            started_at: self.started_at,
            zone: self.time_zone.as_deref().and_then(|name| name.parse().ok()).unwrap_or(chrono_tz::UTC),
            below,
            instances,
            applies: self.applies,
            promised,
        }
    }
}

/// Makes clocks, and moves those that are there already where there is news.
pub(super) async fn put(conn: &mut AsyncPgConnection, clocks: &[Clock]) -> QueryResult<()> {
    let Some(first) = clocks.first() else { return Ok(()) };
    let columns = columns_of(first)?;
    let moving: Vec<&str> =
        columns.iter().map(String::as_str).filter(|column| !KEYS.contains(column)).collect();
    // What was promised once names calendars that may be gone by now; the clock was measured by what they said then.
    let there = |column: &&str| match *column {
        "support_hours_id" | "service_hours_id" => {
            format!("(SELECT c.id FROM calendar c WHERE c.root_id = n.root_id AND c.id = n.{column})")
        }
        _ => format!("n.{column}"),
    };
    let there: Vec<String> = moving.iter().map(there).collect();
    let of = |row: &str| moving.iter().map(|column| format!("{row}.{column}")).collect::<Vec<_>>().join(", ");
    let (keys, own, new) = (KEYS.join(", "), of("t"), of("excluded"));
    let (moving, there) = (moving.join(", "), there.join(", "));
    let mut sql = Sql::default();
    sql.made(format_args!(
        "INSERT INTO affected_sla AS t ({keys}, {moving}) SELECT {keys}, {there} FROM jsonb_populate_recordset(NULL::affected_sla, "
    ));
    sql.bind(Bind::rows(clocks)?).made(format_args!(
        ") n ON CONFLICT (root_id, request_id, sla_id) DO UPDATE SET updated_at = now(), ({moving}) = ROW ({new}) \
         WHERE ({own}) IS DISTINCT FROM ({new})"
    ));
    rows(conn, sql).await.map(drop)
}

/// What clocks are like, by root and id: a text that differs with every change of a clock or of what was recorded of
/// it. Those that are gone are missing. It takes no reach, since it tells nothing but that something changed.
pub(crate) async fn marks(
    conn: &Conn,
    keys: &[(Uuid, Uuid)],
) -> Result<HashMap<(Uuid, Uuid), String>, Error> {
    let (roots, ids) = keys.iter().copied().unzip();
    // The number of the transaction that wrote the row: `updated_at` is of the beginning of a transaction, and two may
    // begin at once.
    let mut sql = Sql::new(
        "SELECT a.root_id, a.id, a.xmin::text || ' ' || coalesce((SELECT max(k.breach_id::text) FROM breach_key k \
         WHERE k.root_id = a.root_id AND k.subject_id = a.id), '') FROM unnest(",
    );
    sql.bind(Bind::Uuids(roots)).push(", ").bind(Bind::Uuids(ids));
    sql.push(") w(root_id, id) JOIN affected_sla a ON a.root_id = w.root_id AND a.id = w.id");
    let mut marks = HashMap::with_capacity(keys.len());
    for row in &conn.rows(sql).await? {
        marks.insert(
            (column::<SqlUuid, _>(row, 0)?, column::<SqlUuid, _>(row, 1)?),
            column::<Text, _>(row, 2)?,
        );
    }
    Ok(marks)
}
