//! Writing tenants.

use async_graphql::ID;

use crate::error::InputErrorCode;
use crate::graphql::node::Entity;
use crate::graphql::scalar::TimeZone;
use crate::graphql::write::{Spot, inputs, key, mutations, name, zone};
use crate::graphql::{Sla, Tenant};
use crate::store::sql::Bind;
use crate::store::tenant;
use crate::store::write::Draft;

inputs! {
    Tenant needs TenantsAdmin;
    /// To make a tenant.
    create TenantCreateInput as "tenantCreate" owned by {
        /// The tenant above it. It cannot be moved later.
        parent_id
    };
    /// Changes of a tenant. What is left out stays; null empties what can be empty.
    update TenantUpdateInput as "tenantUpdate";
    required {
        /// Its name in addresses: 1 to 63 small letters of a to z, digits and hyphens, beginning with no hyphen; unique within
        /// the root.
        slug: String => slug,
        /// Its name, 1 to 160 characters.
        name: String => name(160),
        /// The zone that its days, weeks and months are in.
        time_zone: TimeZone => time_zone,
    }
    defaulted {}
    optional {
        /// The SLA of chats and calls that name none: one with queue or livechat terms, of the tenant or a shared one of a tenant above it. Null = that of
        /// the nearest tenant above that shares its own.
        default_sla_id: ID => default_sla,
    }
    constraints {
        "tenant_root_id_slug_key" => "input.slug", Duplicate, "Another tenant of this root has this slug: choose another.";
    }
    then_once tenant::goes_below;
}

/// Rule C13: it is for chats and calls, so a promise over a service cannot be it.
fn default_sla(draft: &mut Draft, spot: Spot, id: ID) {
    if let Some(key) = key::<Sla>(draft, &spot.path(), &id) {
        draft.uses_if::<<Sla as Entity>::Row>(&spot.path(), key, " AND t.kind <> 'service'");
        draft.set(spot.0, Some(Bind::Uuid(key)));
    }
}

/// Days and periods are also counted by the store, which must know the zone too.
fn time_zone(draft: &mut Draft, spot: Spot, value: TimeZone) {
    tenant::knows_zone(draft, spot.path(), value.0);
    zone(draft, spot, value);
}

fn slug(draft: &mut Draft, spot: Spot, slug: String) {
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if slug.is_empty() || slug.len() > 63 || slug.starts_with('-') || !slug.chars().all(allowed) {
        let message = "Write 1 to 63 small letters, digits and hyphens, beginning with no hyphen.";
        draft.mistakes.add(&spot.path(), InputErrorCode::Invalid, message);
    }
    draft.set(spot.0, Some(Bind::Text(slug)));
}

mutations! {
    /// Writing tenants.
    TenantMutation over Tenant as tenant;
    /// Makes a tenant below another. Needs `tenants:admin` in the tenant above it.
    create tenant_create(TenantCreateInput) -> TenantPayload;
    /// Makes many tenants: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `tenants:admin` in the tenant above each.
    many tenant_create_many(TenantCreateManyInput) -> TenantCreateManyPayload;
    /// Changes a tenant. What is left out stays; null empties what can be empty.
    /// Needs `tenants:admin` in it.
    update tenant_update(TenantUpdateInput);
    /// Deletes a tenant. Refused with `IN_USE` while anything refers to it. Needs `tenants:admin` in it.
    delete tenant_delete(TenantDeleteInput) -> TenantDeletePayload as "tenantDelete" needs TenantsAdmin;
}
