//! Writing roles.

use crate::access;
use crate::error::InputErrorCode;
use crate::graphql::Role;
use crate::graphql::viewer::Permission;
use crate::graphql::write::{Spot, inputs, mutations, name};
use crate::store::role;
use crate::store::sql::Bind;
use crate::store::write::Draft;

inputs! {
    Role needs TenantsAdmin;
    /// To make a role.
    create RoleCreateInput as "roleCreate" owned by {
        /// The tenant that will own it: it can be granted there and in all tenants below.
        tenant_id
    };
    /// Changes of a role. What is left out stays. It works at once for everybody who was granted it.
    update RoleUpdateInput as "roleUpdate";
    required {
        /// Its name, 1 to 160 characters; unique within the tenant.
        name: String => name(160),
        /// What whoever is granted it may do, all of it: at least one, and only what the viewer may do in its tenant.
        permissions: Vec<Permission> => permissions,
    }
    defaulted {}
    optional {}
    constraints {
        "role_root_id_tenant_id_name_key" => "input.name", Duplicate, "Another role of this tenant has this name: choose another.";
    }
}

fn permissions(draft: &mut Draft, spot: Spot, permissions: Vec<Permission>) {
    if permissions.is_empty() {
        draft.mistakes.add(&spot.path(), InputErrorCode::Required, "Name at least one permission.");
    }
    let names = within_rights(draft, spot, &permissions);
    if let Some(held) = held(draft) {
        role::takes_away_only(draft, held.iter().map(|held| held.wire_name().to_owned()).collect());
    }
    draft.set(spot.0, Some(Bind::Texts(names)));
}

/// What the viewer may do in the tenant that is written in.
fn held(draft: &Draft) -> Option<access::Permissions> {
    draft.permit.as_ref().map(|permit| permit.held_in(permit.tenant_id))
}

/// The wire names of permissions, each once: nobody hands on what they do not hold in the tenant themselves.
pub(in crate::graphql) fn within_rights(
    draft: &mut Draft,
    spot: Spot,
    permissions: &[Permission],
) -> Vec<String> {
    let held = held(draft);
    let mut names = Vec::new();
    for (index, permission) in permissions.iter().map(|given| access::Permission::from(*given)).enumerate() {
        let name = permission.wire_name();
        if held.is_some_and(|held| !held.contains(permission)) {
            let path = format!("{}.{index}", spot.path());
            let message = format!("You do not hold {name} in this tenant: ask somebody who does.");
            draft.mistakes.add(&path, InputErrorCode::Forbidden, message);
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

mutations! {
    /// Writing roles.
    RoleMutation over Role as role;
    /// Makes a role of permissions that the viewer holds themselves. Needs `tenants:admin` in its tenant.
    create role_create(RoleCreateInput) -> RolePayload;
    /// Makes many roles: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `tenants:admin` in the tenant of each.
    many role_create_many(RoleCreateManyInput) -> RoleCreateManyPayload;
    /// Changes a role, for everybody who was granted it, at once. What is left out stays.
    /// Needs `tenants:admin` in its tenant.
    update role_update(RoleUpdateInput);
    /// Deletes a role. Refused with `IN_USE` while somebody is granted it. Needs `tenants:admin` in its tenant.
    delete role_delete(RoleDeleteInput) -> RoleDeletePayload as "roleDelete" needs TenantsAdmin;
}
