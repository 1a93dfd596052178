//! Writing standard service requests.

use async_graphql::ID;

use crate::graphql::service_offering::{TargetDurationInput, opening_hours};
use crate::graphql::write::{Spot, inputs, mutations, name, refers, text};
use crate::graphql::{ServiceOffering, StandardServiceRequest};
use crate::store::sql::Bind;
use crate::store::standard_service_request;
use crate::store::write::Draft;

inputs! {
    StandardServiceRequest needs CatalogWrite;
    /// To make a standard service request.
    create StandardServiceRequestCreateInput as "standardServiceRequestCreate" owned by {
        /// The tenant that will own it.
        tenant_id
    };
    /// Changes of a standard service request. What is left out stays; null empties what can be empty.
    update StandardServiceRequestUpdateInput as "standardServiceRequestUpdate";
    required {
        /// The offering whose targets it overrides: one of the tenant or of a tenant above it.
        service_offering_id: ID => refers::<ServiceOffering>,
        /// Its name, 1 to 160 characters.
        name: String => name(160),
        /// The time to respond.
        response: TargetDurationInput => |draft: &mut Draft, spot: Spot, duration: TargetDurationInput| {
            set(draft, spot, &duration, ["response_kind", "response_amount"]);
        },
        /// The time to resolve.
        resolution: TargetDurationInput => |draft: &mut Draft, spot: Spot, duration: TargetDurationInput| {
            set(draft, spot, &duration, ["resolution_kind", "resolution_amount"]);
        },
    }
    defaulted {}
    optional {
        /// The hours that count: a calendar with hours, of the tenant or of a tenant above it. Null = those of the
        /// offering's target for the impact; where that has none either, a target in minutes or business days is none.
        support_hours_id: ID => opening_hours,
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
    then standard_service_request::promised_anew;
}

fn set(draft: &mut Draft, spot: Spot, duration: &TargetDurationInput, [kind, amount]: [&'static str; 2]) {
    let (in_kind, of_it) = duration.checked(draft, &spot.path());
    draft.set(kind, Some(Bind::Text(in_kind.word().to_owned())));
    draft.set(amount, of_it.map(Bind::Int));
}

mutations! {
    /// Writing standard service requests.
    StandardServiceRequestMutation over StandardServiceRequest as standard_service_request;
    /// Makes a standard service request. Needs `catalog:write` in its tenant.
    create standard_service_request_create(StandardServiceRequestCreateInput) -> StandardServiceRequestPayload;
    /// Makes many standard service requests: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `catalog:write` in the tenant of each.
    many standard_service_request_create_many(StandardServiceRequestCreateManyInput) -> StandardServiceRequestCreateManyPayload;
    /// Changes a standard service request. What is left out stays; null empties what can be empty.
    /// Needs `catalog:write` in its tenant.
    update standard_service_request_update(StandardServiceRequestUpdateInput);
    /// Deletes a standard service request. Refused with `IN_USE` while anything refers to it. Needs `catalog:write` in its tenant.
    delete standard_service_request_delete(StandardServiceRequestDeleteInput) -> StandardServiceRequestDeletePayload as "standardServiceRequestDelete" needs CatalogWrite;
}
