//! Writing organizations.

use async_graphql::ID;

use crate::graphql::Organization;
use crate::graphql::write::{Spot, flag, inputs, mutations, name, refers, text};
use crate::store;
use crate::store::write::Draft;

inputs! {
    Organization needs CatalogWrite;
    /// To make an organization.
    create OrganizationCreateInput as "organizationCreate" owned by {
        /// The tenant that will own it.
        tenant_id
    };
    /// Changes of an organization. What is left out stays; null empties what can be empty.
    update OrganizationUpdateInput as "organizationUpdate";
    required {
        /// Its name, 1 to 160 characters.
        name: String => name(160),
    }
    defaulted {
        /// Whether it is outside: a supplier, not a part of the house; left out in a create = no.
        external: bool => flag,
    }
    optional {
        /// The organization that it is a part of: one of the tenant or of a tenant above it, and none that is a part of
        /// this one. Null = of none.
        parent_id: ID => parent,
        /// The system it comes from, at most 30 characters.
        source: String => text(30),
        /// Its id in that system, at most 128 characters; unique within the tenant and source.
        source_id: String => text(128),
    }
    sourced {
        /// True: when the tenant has one of this `source` and `sourceId` already, that one is changed to what is given
        /// here, as by the update; what is left out or null stays as it is. False: that is the mistake `DUPLICATE`.
        upsert
    }
}

fn parent(draft: &mut Draft, spot: Spot, id: ID) {
    refers::<Organization>(draft, spot, id);
    store::organization::stays_a_tree(draft);
}

mutations! {
    /// Writing organizations.
    OrganizationMutation over Organization as organization;
    /// Makes an organization. Needs `catalog:write` in its tenant.
    create organization_create(OrganizationCreateInput) -> OrganizationPayload;
    /// Makes many organizations: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `catalog:write` in the tenant of each.
    many organization_create_many(OrganizationCreateManyInput) -> OrganizationCreateManyPayload;
    /// Changes an organization. What is left out stays; null empties what can be empty.
    /// Needs `catalog:write` in its tenant.
    update organization_update(OrganizationUpdateInput);
    /// Deletes an organization. Refused with `IN_USE` while anything refers to it. Needs `catalog:write` in its tenant.
    delete organization_delete(OrganizationDeleteInput) -> OrganizationDeletePayload as "organizationDelete" needs CatalogWrite;
}
