//! A grant: a role given in a tenant to a person or a service token (rule P1).

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Bool, Text};
use futures_util::FutureExt;
use uuid::Uuid;

use super::noun::{column, noun, relation};
use super::page::{Key, Kind, Under};
use super::sql::{Bind, Sql};
use super::write::Draft;
use super::{rows, viewer};
use crate::access::Permission;
use crate::error::{InputErrorCode, Mistakes};

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
    /// The service token.
    pub static SERVICE_TOKEN: Key = Key::nullable("t.service_token_id", Kind::Uuid);
    /// The role.
    pub static ROLE: Key = Key::new("t.role_id", Kind::Uuid);
}

/// Those of a tenant.
pub const UNDER_TENANT: Under = Under::own("role_grant t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// Those of a person.
pub const UNDER_PERSON: Under =
    Under::with_below("role_grant t WHERE t.root_id = k.root_id AND t.person_id = k.id");

/// Those of a role.
pub const UNDER_ROLE: Under =
    Under::with_below("role_grant t WHERE t.root_id = k.root_id AND t.role_id = k.id");

/// Those of a service token.
pub const UNDER_SERVICE_TOKEN: Under =
    Under::with_below("role_grant t WHERE t.root_id = k.root_id AND t.service_token_id = k.id");

/// That nobody grants what they do not hold in the tenant themselves, nor to whom is of another branch of the tree.
pub fn stays_within_rights(draft: &mut Draft) {
    draft.then(Box::new(|conn, permit, id| {
        async move {
            let mut sql = Sql::new(
                "SELECT r.permissions, g.person_id IS NOT NULL, EXISTS (SELECT FROM tenant_closure c \
                 WHERE c.root_id = g.root_id AND ((c.ancestor_id = g.tenant_id AND c.descendant_id = o.tenant_id) \
                 OR (c.ancestor_id = o.tenant_id AND c.descendant_id = g.tenant_id))) FROM role_grant g \
                 JOIN role r ON r.root_id = g.root_id AND r.id = g.role_id CROSS JOIN LATERAL ( \
                 SELECT p.tenant_id FROM person p WHERE p.root_id = g.root_id AND p.id = g.person_id UNION ALL \
                 SELECT s.tenant_id FROM service_token s WHERE s.root_id = g.root_id AND s.id = g.service_token_id) o \
                 WHERE g.root_id = ",
            );
            sql.bind(Bind::Uuid(permit.root_id)).push(" AND g.id = ").bind(Bind::Uuid(id));
            let mut mistakes = Mistakes::default();
            for row in &rows(conn, sql).await? {
                let granted = viewer::permissions(column::<Array<Text>, Vec<String>>(row, 0)?);
                for permission in granted.without(permit.held_in(permit.tenant_id)).iter() {
                    let name = permission.wire_name();
                    let message = format!("You do not hold {name} in this tenant: ask somebody who does.");
                    mistakes.add("input.roleId", InputErrorCode::Forbidden, message);
                }
                if !column::<Bool, bool>(row, 2)? {
                    let person = column::<Bool, bool>(row, 1)?;
                    let path = if person { "input.personId" } else { "input.serviceTokenId" };
                    let message = "There is nobody of this id that may be granted it here.";
                    mistakes.add(path, InputErrorCode::NotFound, message);
                }
            }
            mistakes.none()
        }
        .boxed()
    }));
}
