//! A grant: a role given in a tenant to a person or a service token (rule P1).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use crate::access::Permission;

noun! {
    /// A grant: a role given in a tenant to a person or a service token (rule P1).
    role_grant as RoleGrant, "grant", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::TenantsAdmin), list: Some(Permission::TenantsAdmin),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("role" via role_id => role),
        relation!("person" via person_id => person),
        relation!("serviceToken" via service_token_id => service_token),
        relation!("createdBy" via created_by => person),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// The role.
        role_id: Uuid,
        /// The person; null for a token.
        person_id: Option<Uuid>,
        /// The token; null for a person.
        service_token_id: Option<Uuid>,
        /// When it was given.
        created_at: DateTime<Utc>,
        /// Who gave it.
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
    /// The person.
    pub static PERSON: Key = Key::nullable("t.person_id", Kind::Uuid);
    /// The role.
    pub static ROLE: Key = Key::new("t.role_id", Kind::Uuid);
}

/// Those of a tenant.
pub const UNDER_TENANT: Under = Under("role_grant t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// Those of a person.
pub const UNDER_PERSON: Under = Under("role_grant t WHERE t.root_id = k.root_id AND t.person_id = k.id");

/// Those of a role.
pub const UNDER_ROLE: Under = Under("role_grant t WHERE t.root_id = k.root_id AND t.role_id = k.id");
