//! A service offering: the conditions a service can be had under (rule O1).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Integer, Nullable, Text, Uuid as SqlUuid};
use futures_util::FutureExt;
use serde_json::json;
use uuid::Uuid;

use super::Conn;
use super::noun::{Noun, column, noun, relation};
use super::page::{Key, Kind, Under, within};
use super::rows;
use super::sql::{Bind, Sql};
use super::word::{Impact, OfferingStatus, TargetKind};
use super::write::{Draft, Then};
use super::{calendar, promise};
use crate::access::{Permission, Reach};
use crate::error::Error;
use crate::error::{InputError, InputErrorCode};

noun! {
    /// A service offering: the conditions a service can be had under (rule O1).
    service_offering as ServiceOffering, "service offering", tenant: tenant_id, visible: Upward,
    by_id: None, list: Some(Permission::CatalogRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("service" via service_id => service),
        relation!("serviceHours" via service_hours_id => calendar),
    ],
    parts: ["offering_target" of "service_offering_id"],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// The service it is an offering of.
        service_id: Uuid,
        /// Its name.
        name: String,
        /// Whether it can be had.
        status: OfferingStatus,
        /// The IANA zone its calendars are applied in.
        time_zone: String,
        /// When the service is to be available; null = nothing promised.
        service_hours_id: Option<Uuid>,
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
    /// Its name.
    pub static NAME: Key = Key::new("t.name", Kind::Name);
    /// Whether it can be had.
    pub static STATUS: Key = Key::new("t.status", Kind::Text);
    /// The service it is an offering of.
    pub static SERVICE: Key = Key::new("t.service_id", Kind::Uuid);
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
pub const UNDER_TENANT: Under =
    Under::own("service_offering t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// The offerings of a service.
pub const UNDER_SERVICE: Under =
    Under::with_below("service_offering t WHERE t.root_id = k.root_id AND t.service_id = k.id");

/// What an offering promises for one impact (rule O1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The impact.
    pub impact: Impact,
    /// What the response target is measured in.
    pub response_kind: TargetKind,
    /// How much of it; null where the kind has no amount.
    pub response_amount: Option<i32>,
    /// What the resolution target is measured in.
    pub resolution_kind: TargetKind,
    /// How much of it; null where the kind has no amount.
    pub resolution_amount: Option<i32>,
    /// The hours that count; null: a target in minutes or business days is none (rule X11).
    pub support_hours_id: Option<Uuid>,
}

/// The targets of many offerings, from LOW to TOP, in one statement.
pub async fn targets(conn: &Conn, reach: &Reach, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<Target>>, Error> {
    let mut sql = Sql::new(
        "SELECT g.service_offering_id, g.impact, g.response_kind, g.response_amount, g.resolution_kind, \
         g.resolution_amount, g.support_hours_id FROM service_offering t \
         JOIN offering_target g ON g.root_id = t.root_id AND g.service_offering_id = t.id WHERE t.id = ANY(",
    );
    sql.bind(Bind::Uuids(ids.to_vec())).push(")");
    within(Row::TARGET, "t", reach, true, &mut sql);
    sql.push(" ORDER BY array_position(ARRAY['low', 'medium', 'high', 'top'], g.impact)");
    let mut found: HashMap<Uuid, Vec<Target>> = HashMap::new();
    for row in &conn.rows(sql).await? {
        found.entry(column::<SqlUuid, Uuid>(row, 0)?).or_default().push(Target {
            impact: column::<Text, _>(row, 1)?,
            response_kind: column::<Text, _>(row, 2)?,
            response_amount: column::<Nullable<Integer>, _>(row, 3)?,
            resolution_kind: column::<Text, _>(row, 4)?,
            resolution_amount: column::<Nullable<Integer>, _>(row, 5)?,
            support_hours_id: column::<Nullable<SqlUuid>, _>(row, 6)?,
        });
    }
    Ok(found)
}

/// Writes the targets, all of them.
pub fn set_targets(draft: &mut Draft, targets: &[Target]) {
    let row = |target: &Target| {
        json!({
            "impact": target.impact.word(),
            "response_kind": target.response_kind.word(),
            "response_amount": target.response_amount,
            "resolution_kind": target.resolution_kind.word(),
            "resolution_amount": target.resolution_amount,
            "support_hours_id": target.support_hours_id,
        })
    };
    let columns = &[
        "impact",
        "response_kind",
        "response_amount",
        "resolution_kind",
        "resolution_amount",
        "support_hours_id",
    ];
    draft.part("offering_target", "service_offering_id", columns, targets.iter().map(row).collect());
}

/// That the calendar at `path` may be used in the tenant and has hours (rule X11).
pub fn needs_hours(draft: &mut Draft, path: &str, calendar_id: Uuid) {
    draft.uses_if::<calendar::Row>(
        path,
        calendar_id,
        " AND EXISTS (SELECT FROM calendar_hours h WHERE h.root_id = t.root_id AND h.calendar_id = t.id)",
    );
}

/// Remembers from when on it promises something else (rule C2).
pub fn promised_anew(draft: &mut Draft) {
    draft.then(promise::remember(promise::By::Offering));
}

/// That the instances which SLAs name with it are still of its service (rule S7).
pub fn stays_with_its_instances(draft: &mut Draft) {
    draft.then(of_one_service("v.service_offering_id"));
}

/// That every SLA which names the object by this column names an offering and an instance of one service (rule S7).
pub(super) fn of_one_service(column: &'static str) -> Then {
    Box::new(move |conn, permit, id| {
        async move {
            let mut sql = Sql::new(
                "SELECT 1 FROM sla_version v \
                 JOIN service_offering o ON o.root_id = v.root_id AND o.id = v.service_offering_id \
                 JOIN service_instance i ON i.root_id = v.root_id AND i.id = v.service_instance_id WHERE v.root_id = ",
            );
            sql.bind(Bind::Uuid(permit.root_id)).push(" AND ").push(column).push(" = ").bind(Bind::Uuid(id));
            sql.push(" AND o.service_id <> i.service_id LIMIT 1");
            if rows(conn, sql).await?.is_empty() {
                return Ok(());
            }
            let message = "An SLA names an offering and an instance of this service together: it has to stay.";
            Err(InputError::at("input.serviceId", InputErrorCode::InUse, message).into())
        }
        .boxed()
    })
}
