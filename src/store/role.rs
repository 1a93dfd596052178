//! A role: a named set of permissions (rule P1).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use super::sql::{Bind, Sql};
use super::write::Draft;
use crate::access::Permission;
use crate::error::{InputError, InputErrorCode};

noun! {
    /// A role: a named set of permissions (rule P1).
    role as Role, "role", tenant: tenant_id, visible: Upward,
    by_id: Some(Permission::TenantsAdmin), list: Some(Permission::TenantsAdmin),
    relations: [
        relation!("tenant" via tenant_id => tenant),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// Its name.
        name: String,
        /// The wire names of its permissions.
        permissions: Vec<String>,
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
}

/// Those of a tenant.
pub const UNDER_TENANT: Under = Under::own("role t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// That nobody takes from a role what they do not hold themselves, and so could not give back.
pub fn takes_away_only(draft: &mut Draft, held: Vec<String>) {
    let mut more = Sql::new("NOT (t.permissions <@ ");
    more.bind(Bind::Texts(held)).push(")");
    let message = "This role holds more than you do in this tenant: ask somebody who holds all of it.";
    draft.guard(more, InputError::at("input.permissions", InputErrorCode::Forbidden, message));
}
