//! An entry of the audit log: who did what, when (rule P4).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::id;
use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use super::sql::{Bind, Sql};
use crate::access::{Permission, Permit};

noun! {
    /// An entry of the audit log: who did what, when (rule P4).
    audit_entry as AuditEntry, "audit entry", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::TenantsAdmin), list: Some(Permission::TenantsAdmin),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("actor" via actor_person_id => person),
        relation!("actorServiceToken" via actor_service_token_id => service_token),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// When.
        at: DateTime<Utc>,
        /// The person who did it; null for an integration.
        actor_person_id: Option<Uuid>,
        /// The token that did it; null for a person.
        actor_service_token_id: Option<Uuid>,
        /// The name of either at that time.
        actor_name: String,
        /// The mutation.
        action: String,
        /// The type of the object.
        object_type: String,
        /// The key of the object.
        object_id: Uuid,
        /// The object before; null when it was made.
        before: Option<serde_json::Value>,
        /// The object after; null when it was deleted.
        after: Option<serde_json::Value>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant that owns it.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// When.
    pub static AT: Key = Key::new("t.at", Kind::Time);
    /// The mutation.
    pub static ACTION: Key = Key::new("t.action", Kind::Text);
    /// The type of the object.
    pub static OBJECT_TYPE: Key = Key::new("t.object_type", Kind::Text);
    /// The object.
    pub static OBJECT: Key = Key::new("t.object_id", Kind::Uuid);
    /// The person who did it.
    pub static ACTOR: Key = Key::nullable("t.actor_person_id", Kind::Uuid);
    /// The token that did it.
    pub static ACTOR_SERVICE_TOKEN: Key = Key::nullable("t.actor_service_token_id", Kind::Uuid);
}

/// Those of a tenant.
pub const UNDER_TENANT: Under =
    Under::own("audit_entry t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// What happened to an object.
pub const UNDER_OBJECT: Under =
    Under::own("audit_entry t WHERE t.root_id = k.root_id AND t.object_id = k.id");

/// Ends the `UPDATE` of a write, whose row is `t`, so that it gives what its entry tells: the row as it stood when the
/// statement began as `before`, and as it stands now as `after`.
pub(super) fn before_and_after(sql: &mut Sql, permit: &Permit, table: &'static str, id: Uuid) {
    sql.push(" FROM (SELECT b.id, to_jsonb(b.*) AS before FROM ").push(table).push(" b WHERE b.root_id = ");
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND b.id = ").bind(Bind::Uuid(id));
    sql.push(") old WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" AND t.id = old.id RETURNING old.before, to_jsonb(t.*) AS after");
}

/// Appends to a write the entry that tells of it (rule P4), as a part of the same statement. `before` and `after` are
/// SQL of this room.
pub(super) fn append(
    sql: &mut Sql,
    permit: &Permit,
    action: &'static str,
    object_type: &'static str,
    object_id: Uuid,
    before: &'static str,
    after: &'static str,
) {
    sql.push(", audit AS (INSERT INTO audit_entry (root_id, id, tenant_id, actor_person_id, actor_service_token_id, ");
    sql.push("actor_name, action, object_type, object_id, before, after) SELECT ")
        .bind(Bind::Uuid(permit.root_id));
    for value in [
        Some(Bind::Uuid(id::new())),
        Some(Bind::Uuid(permit.tenant_id)),
        permit.person_id.map(Bind::Uuid),
        permit.service_token_id.map(Bind::Uuid),
        Some(Bind::Text(permit.actor_name.clone())),
        Some(Bind::Text(action.to_owned())),
        Some(Bind::Text(object_type.to_owned())),
        Some(Bind::Uuid(object_id)),
    ] {
        sql.push(", ");
        match value {
            Some(value) => sql.bind(value),
            None => sql.push("NULL::uuid"),
        };
    }
    // What proves a secret is nobody's to read, not even as a hash.
    sql.push(", ")
        .push(before)
        .push("::jsonb - 'secret_hash', ")
        .push(after)
        .push("::jsonb - 'secret_hash')");
}

/// How entries tell of many rows at once. All of it is SQL of this room; a row is called `r`.
pub(super) struct Each {
    /// The part of the statement that has the rows, with `root_id` and `tenant_id`.
    pub(super) of: &'static str,
    /// The name of the mutation.
    pub(super) action: &'static str,
    /// The type of the objects, as it is.
    pub(super) object_type: &'static str,
    /// The key of the object.
    pub(super) object_id: &'static str,
    /// The object before; `NULL` when it was made.
    pub(super) before: &'static str,
    /// The object after.
    pub(super) after: &'static str,
}

/// Appends to a write of many rows the entry that tells of each (rule P4), as a part of the same statement.
pub(super) fn append_each(sql: &mut Sql, permit: &Permit, each: &Each) {
    sql.push(", audit AS (INSERT INTO audit_entry (root_id, id, tenant_id, actor_person_id, actor_service_token_id, ");
    sql.push(
        "actor_name, action, object_type, object_id, before, after) SELECT r.root_id, uuid_v7(), r.tenant_id",
    );
    for actor in [permit.person_id, permit.service_token_id] {
        sql.push(", ");
        match actor {
            Some(actor) => sql.bind(Bind::Uuid(actor)),
            None => sql.push("NULL::uuid"),
        };
    }
    sql.push(", ").bind(Bind::Text(permit.actor_name.clone())).push(", ").push(each.action).push(", ");
    sql.bind(Bind::Text(each.object_type.to_owned())).push(", ").push(each.object_id).push(", ");
    sql.push(each.before).push("::jsonb, ").push(each.after).push(" FROM ").push(each.of).push(" r)");
}
