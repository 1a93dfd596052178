//! A version of an SLA: its terms, never changed once made (rule S2).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use uuid::Uuid;

use super::Conn;
use super::noun::{Noun, column, noun, relation};
use super::page::{Key, Kind, Under, within};
use super::sql::{Bind, Sql};
use super::word::{AbandonType, Coverage, SlaKind};
use crate::access::Permission;
use crate::access::Reach;
use crate::error::Error;

noun! {
    /// A version of an SLA: its terms, never changed once made (rule S2).
    sla_version as SlaVersion, "SLA version", tenant: tenant_id, visible: WithSla,
    by_id: Some(Permission::SlasRead), list: Some(Permission::SlasRead),
    relations: [
        relation!("sla" via sla_id => sla),
        relation!("terms"."serviceOffering" via service_offering_id => service_offering),
        relation!("terms"."serviceInstance" via service_instance_id => service_instance),
        relation!("createdBy" via created_by => person, lifted: ["createdByName"]),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// The SLA it is a version of.
        sla_id: Uuid,
        /// 1, 2, 3… within the SLA.
        number: i32,
        /// Its name.
        version_name: String,
        /// What is new in it.
        description: Option<String>,
        /// Which of the terms below it has.
        kind: SlaKind,
        /// Queue: answered within so many seconds.
        sla_threshold: Option<i32>,
        /// Queue: what abandons count as.
        abandon_type: Option<AbandonType>,
        /// Queue: abandons within so many seconds are ignored.
        abandon_threshold: Option<i32>,
        /// Livechat: due after so many minutes.
        due_time_in_minutes: Option<i32>,
        /// Service: the offering.
        service_offering_id: Option<Uuid>,
        /// Service: the instance.
        service_instance_id: Option<Uuid>,
        /// Service: how the people covered are selected.
        coverage: Option<Coverage>,
        /// When it was made.
        created_at: DateTime<Utc>,
        /// Who made it.
        created_by: Option<Uuid>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant that owns it.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// Its number within the SLA.
    pub static NUMBER: Key = Key::new("t.number", Kind::Int);
    /// When it was made.
    pub static CREATED_AT: Key = Key::new("t.created_at", Kind::Time);
}

/// The versions of an SLA.
pub const UNDER_SLA: Under = Under::own("sla_version t WHERE t.root_id = k.root_id AND t.sla_id = k.id");

/// The versions that were in force at an instant each (rule S2), of SLAs given as root, key and instant, by their place; none
/// before the first.
pub async fn in_force_at(
    conn: &Conn,
    reach: &Reach,
    asked: &[(Uuid, Uuid, DateTime<Utc>)],
) -> Result<HashMap<usize, Uuid>, Error> {
    let (roots, slas): (Vec<_>, Vec<_>) = asked.iter().map(|(root, sla, _)| (*root, *sla)).unzip();
    let instants = asked.iter().map(|(_, _, at)| *at).collect();
    let mut sql = Sql::new("SELECT k.place, v.id FROM unnest(");
    sql.bind(Bind::Uuids(roots)).push(", ").bind(Bind::Uuids(slas)).push(", ").bind(Bind::Times(instants));
    sql.push(
        ") WITH ORDINALITY k(root_id, id, at, place) CROSS JOIN LATERAL (SELECT t.id FROM sla_activation a \
         JOIN sla_version t ON t.root_id = a.root_id AND t.id = a.sla_version_id \
         WHERE a.root_id = k.root_id AND a.sla_id = k.id AND a.activated_at <= k.at",
    );
    within(Row::TARGET, "t", reach, true, &mut sql);
    sql.push(" ORDER BY a.activated_at DESC, a.id DESC LIMIT 1) v");
    let rows = conn.rows(sql).await?;
    let found = rows.iter().map(|row| {
        let place = column::<BigInt, i64>(row, 0)?;
        Ok((usize::try_from(place - 1).unwrap_or_default(), column::<SqlUuid, Uuid>(row, 1)?))
    });
    found.collect::<QueryResult<_>>().map_err(Error::internal)
}
