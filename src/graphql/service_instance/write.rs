//! Writing service instances and what they use.

use async_graphql::{ID, InputObject};

use crate::error::InputErrorCode;
use crate::graphql::word::RelationEffect;
use crate::graphql::write::{Spot, inputs, key, keys, mutations, name, refers, text};
use crate::graphql::{Organization, Person, Service, ServiceInstance, Team};
use crate::store::service_instance;
use crate::store::write::Draft;

/// That an instance uses another.
#[derive(Clone, Debug, InputObject)]
pub struct ServiceInstanceUseInput {
    /// The instance that is used: one of the tenant or of a tenant above it; each at most once.
    service_instance_id: ID,
    /// What its failure does to the one that uses it.
    effect: RelationEffect,
}

inputs! {
    ServiceInstance needs CatalogWrite;
    /// To make a service instance.
    create ServiceInstanceCreateInput as "serviceInstanceCreate" owned by {
        /// The tenant that will own it.
        tenant_id
    };
    /// Changes of a service instance. What is left out stays; null empties what can be empty.
    update ServiceInstanceUpdateInput as "serviceInstanceUpdate";
    required {
        /// The service it is an instance of: one of the tenant or of a tenant above it.
        service_id: ID => service,
        /// Its name, 1 to 160 characters.
        name: String => name(160),
    }
    defaulted {
        /// The instances that it uses, all of them; left out in a create = none. None of them may use this one, not even
        /// through others.
        uses: Vec<ServiceInstanceUseInput> => uses,
        /// The people who use its configuration items, all of them: whom the coverage `CIS_OF_SERVICE_INSTANCE` covers. Left
        /// out in a create = nobody.
        user_ids: Vec<ID> => users,
    }
    optional {
        /// The team that supports it: one of the tenant or of a tenant above it. Null = none.
        support_team_id: ID => refers::<Team>,
        /// The team that is asked first. Null = none.
        first_line_team_id: ID => refers::<Team>,
        /// The organization that runs it. Null = not known.
        provider_id: ID => refers::<Organization>,
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
    constraints {
        "service_instance_relation_check" => "input.uses", Invalid, "An instance cannot use itself.";
    }
}

fn service(draft: &mut Draft, spot: Spot, id: ID) {
    refers::<Service>(draft, spot, id);
    service_instance::stays_with_its_offerings(draft);
}

fn uses(draft: &mut Draft, spot: Spot, uses: Vec<ServiceInstanceUseInput>) {
    let mut used = Vec::with_capacity(uses.len());
    for (index, input) in uses.into_iter().enumerate() {
        let path = format!("{}.{index}.serviceInstanceId", spot.path());
        let Some(key) = key::<ServiceInstance>(draft, &path, &input.service_instance_id) else { continue };
        if used.iter().any(|(other, _)| *other == key) {
            draft.mistakes.add(&path, InputErrorCode::Duplicate, "This instance is in the list already.");
            continue;
        }
        draft.uses::<<ServiceInstance as crate::graphql::node::Entity>::Row>(&path, key);
        used.push((key, input.effect.into()));
    }
    service_instance::set_uses(draft, &used);
}

fn users(draft: &mut Draft, spot: Spot, ids: Vec<ID>) {
    let people = keys::<Person>(draft, spot, &ids);
    service_instance::set_users(draft, &people);
}

mutations! {
    /// Writing service instances.
    ServiceInstanceMutation over ServiceInstance as service_instance;
    /// Makes a service instance. Needs `catalog:write` in its tenant.
    create service_instance_create(ServiceInstanceCreateInput) -> ServiceInstancePayload;
    /// Makes many service instances: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `catalog:write` in the tenant of each.
    many service_instance_create_many(ServiceInstanceCreateManyInput) -> ServiceInstanceCreateManyPayload;
    /// Changes a service instance. What is left out stays; null empties what can be empty.
    /// Needs `catalog:write` in its tenant.
    update service_instance_update(ServiceInstanceUpdateInput);
    /// Deletes a service instance. Refused with `IN_USE` while anything refers to it. Needs `catalog:write` in its tenant.
    delete service_instance_delete(ServiceInstanceDeleteInput) -> ServiceInstanceDeletePayload as "serviceInstanceDelete" needs CatalogWrite;
}
