//! Writing services.

use async_graphql::ID;

use crate::graphql::write::{inputs, mutations, name, refers, text};
use crate::graphql::{Organization, Service};

inputs! {
    Service needs CatalogWrite;
    /// To make a service.
    create ServiceCreateInput as "serviceCreate" owned by {
        /// The tenant that will own it.
        tenant_id
    };
    /// Changes of a service. What is left out stays; null empties what can be empty.
    update ServiceUpdateInput as "serviceUpdate";
    required {
        /// Its name, 1 to 160 characters.
        name: String => name(160),
        /// The organization that provides it: one of the tenant or of a tenant above it.
        provider_id: ID => refers::<Organization>,
    }
    defaulted {}
    optional {
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

mutations! {
    /// Writing services.
    ServiceMutation over Service as service;
    /// Makes a service. Needs `catalog:write` in its tenant.
    create service_create(ServiceCreateInput) -> ServicePayload;
    /// Makes many services: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `catalog:write` in the tenant of each.
    many service_create_many(ServiceCreateManyInput) -> ServiceCreateManyPayload;
    /// Changes a service. What is left out stays; null empties what can be empty.
    /// Needs `catalog:write` in its tenant.
    update service_update(ServiceUpdateInput);
    /// Deletes a service. Refused with `IN_USE` while anything refers to it. Needs `catalog:write` in its tenant.
    delete service_delete(ServiceDeleteInput) -> ServiceDeletePayload as "serviceDelete" needs CatalogWrite;
}
