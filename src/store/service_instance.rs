//! A service instance: a running piece of a service (rules O4, O5).

use chrono::{DateTime, Utc};
use diesel::sql_types::{Text, Uuid as SqlUuid};
use futures_util::FutureExt;
use serde_json::json;
use uuid::Uuid;

use super::Conn;
use super::noun::{Noun, column, noun, relation};
use super::page::{Key, Kind, Under, within};
use super::sql::{Bind, Sql};
use super::word::RelationEffect;
use super::write::{Draft, one_at_a_time};
use super::{rows, service_offering};
use crate::access::{Permission, Reach};
use crate::error::Error;
use crate::error::{InputError, InputErrorCode};

noun! {
    /// A service instance: a running piece of a service (rules O4, O5).
    service_instance as ServiceInstance, "service instance", tenant: tenant_id, visible: Upward,
    by_id: None, list: Some(Permission::CatalogRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("service" via service_id => service),
        relation!("supportTeam" via support_team_id => team),
        relation!("firstLineTeam" via first_line_team_id => team),
        relation!("provider" via provider_id => organization),
    ],
    parts: ["service_instance_relation" of "consumer_id", "service_instance_user" of "service_instance_id"],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// The service it is an instance of.
        service_id: Uuid,
        /// Its name.
        name: String,
        /// The team that supports it.
        support_team_id: Option<Uuid>,
        /// The team that is asked first.
        first_line_team_id: Option<Uuid>,
        /// The organization that runs it.
        provider_id: Option<Uuid>,
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
    /// The service it is an instance of.
    pub static SERVICE: Key = Key::new("t.service_id", Kind::Uuid);
    /// The organization that runs it.
    pub static PROVIDER: Key = Key::nullable("t.provider_id", Kind::Uuid);
    /// The team that supports it.
    pub static SUPPORT_TEAM: Key = Key::nullable("t.support_team_id", Kind::Uuid);
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
    Under::own("service_instance t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// The instances of a service.
pub const UNDER_SERVICE: Under =
    Under::with_below("service_instance t WHERE t.root_id = k.root_id AND t.service_id = k.id");

/// Those whose support teams a version of an SLA covers.
pub const UNDER_VERSION: Under = Under::own(
    "sla_version_service_instance l JOIN service_instance t ON t.root_id = l.root_id AND t.id = l.service_instance_id WHERE l.root_id = k.root_id AND l.sla_version_id = k.id",
);

/// Which end of the relations of an instance is asked for (rule O4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The instances it uses.
    Uses,
    /// The instances that use it.
    UsedBy,
}

/// The relations of many instances, in one statement: (instance, the other end, effect).
pub async fn relations(
    conn: &Conn,
    reach: &Reach,
    ids: &[Uuid],
    direction: Direction,
) -> Result<Vec<(Uuid, Uuid, RelationEffect)>, Error> {
    let (own, other) = match direction {
        Direction::Uses => ("consumer_id", "used_id"),
        Direction::UsedBy => ("used_id", "consumer_id"),
    };
    let mut sql = Sql::default();
    sql.made(format!(
        "SELECT r.{own}, r.{other}, r.effect FROM service_instance t \
         JOIN service_instance_relation r ON r.root_id = t.root_id AND r.{own} = t.id WHERE t.id = ANY("
    ));
    sql.bind(Bind::Uuids(ids.to_vec())).push(")");
    within(Row::TARGET, "t", reach, true, &mut sql);
    let rows = conn.rows(sql).await?;
    let relation =
        |row| Ok((column::<SqlUuid, _>(row, 0)?, column::<SqlUuid, _>(row, 1)?, column::<Text, _>(row, 2)?));
    rows.iter().map(relation).collect()
}

/// Writes which instances it uses, all of them; none of them may use it, not even through others (rule O4).
pub fn set_uses(draft: &mut Draft, used: &[(Uuid, RelationEffect)]) {
    let row = |(id, effect): &(Uuid, RelationEffect)| json!({ "used_id": id, "effect": effect.word() });
    let columns = &["used_id", "effect"];
    draft.part("service_instance_relation", "consumer_id", columns, used.iter().map(row).collect());
    draft.then(Box::new(|conn, permit, id| {
        async move {
            one_at_a_time(conn, permit).await?;
            let mut sql = Sql::new(
                "WITH RECURSIVE below (id) AS (SELECT r.used_id FROM service_instance_relation r WHERE r.root_id = ",
            );
            sql.bind(Bind::Uuid(permit.root_id)).push(" AND r.consumer_id = ").bind(Bind::Uuid(id));
            sql.push(
                " UNION SELECT r.used_id FROM service_instance_relation r JOIN below b ON r.consumer_id = b.id \
                 WHERE r.root_id = ",
            );
            sql.bind(Bind::Uuid(permit.root_id)).push(") SELECT 1 FROM below b WHERE b.id = ").bind(Bind::Uuid(id));
            if rows(conn, sql).await?.is_empty() {
                return Ok(());
            }
            let message = "One of these instances uses this one, itself or through others: leave that one out.";
            Err(InputError::at("input.uses", InputErrorCode::Invalid, message).into())
        }
        .boxed()
    }));
}

/// Writes the people who use its configuration items, all of them (rule S8).
pub fn set_users(draft: &mut Draft, people: &[Uuid]) {
    let rows = people.iter().map(|person| json!({ "person_id": person })).collect();
    draft.part("service_instance_user", "service_instance_id", &["person_id"], rows);
}

/// That the offerings which SLAs name with it are still of its service (rule S7).
pub fn stays_with_its_offerings(draft: &mut Draft) {
    draft.then(service_offering::of_one_service("v.service_instance_id"));
}
