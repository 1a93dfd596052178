//! Writing service offerings.

use async_graphql::{ID, InputObject};

use crate::error::InputErrorCode;
use crate::graphql::scalar::TimeZone;
use crate::graphql::word::{Impact, ServiceOfferingStatus, TargetKind};
use crate::graphql::write::{Spot, inputs, key, mutations, name, refers, text, word, zone};
use crate::graphql::{Calendar, Service, ServiceOffering};
use crate::store::service_offering::{self, Target};
use crate::store::word;
use crate::store::write::Draft;

/// A time to do something in.
#[derive(Clone, Debug, InputObject)]
pub struct TargetDurationInput {
    /// What it is measured in.
    kind: TargetKind,
    /// How many minutes of support hours, at least 0: required by the kind `MINUTES`, refused by the others.
    minutes: Option<i32>,
    /// How many business days, at least 0: required by the kind `BUSINESS_DAYS`, refused by the others.
    business_days: Option<i32>,
}

impl TargetDurationInput {
    /// Rule O1: a target is exactly one of minutes, business days, best effort, none.
    pub(in crate::graphql) fn checked(
        &self,
        draft: &mut Draft,
        path: &str,
    ) -> (word::TargetKind, Option<i32>) {
        let amounts = [
            ("minutes", self.minutes, TargetKind::Minutes),
            ("businessDays", self.business_days, TargetKind::BusinessDays),
        ];
        let mut amount = None;
        for (field, given, kind) in amounts {
            let path = format!("{path}.{field}");
            match (given, kind == self.kind) {
                (Some(given), true) => {
                    if given < 0 {
                        draft.mistakes.add(&path, InputErrorCode::Invalid, "This must be 0 or more.");
                    }
                    amount = Some(given);
                }
                (None, true) => {
                    draft.mistakes.add(
                        &path,
                        InputErrorCode::Required,
                        "This kind of target needs an amount.",
                    );
                }
                (Some(_), false) => {
                    let message = "This kind of target has no such amount: leave it out.";
                    draft.mistakes.add(&path, InputErrorCode::Invalid, message);
                }
                (None, false) => {}
            }
        }
        (self.kind.into(), amount)
    }
}

/// What an offering promises for one impact.
#[derive(Clone, Debug, InputObject)]
pub struct OfferingTargetInput {
    /// The impact; each at most once.
    impact: Impact,
    /// The time to respond.
    response: TargetDurationInput,
    /// The time to resolve.
    resolution: TargetDurationInput,
    /// The hours that count: a calendar with hours, of the tenant or of a tenant above it. Required by a target in minutes
    /// or business days: for around the clock name a calendar that is open every day from 00:00 until 24:00.
    support_hours_id: Option<ID>,
}

inputs! {
    ServiceOffering needs CatalogWrite;
    /// To make a service offering.
    create ServiceOfferingCreateInput as "serviceOfferingCreate" owned by {
        /// The tenant that will own it.
        tenant_id
    };
    /// Changes of a service offering. What is left out stays; null empties what can be empty.
    update ServiceOfferingUpdateInput as "serviceOfferingUpdate";
    required {
        /// The service it is an offering of: one of the tenant or of a tenant above it.
        service_id: ID => service,
        /// Its name, 1 to 160 characters.
        name: String => name(160),
        /// The zone in which its calendars are applied.
        time_zone: TimeZone => zone,
    }
    defaulted {
        /// Whether it can be had; left out in a create = `AVAILABLE`.
        status: ServiceOfferingStatus =>
            word(|status: ServiceOfferingStatus| word::OfferingStatus::from(status).word()),
        /// What it promises, for each impact that it promises anything for; left out in a create = nothing.
        targets: Vec<OfferingTargetInput> => targets,
    }
    optional {
        /// When the service is to be available: a calendar with hours. Null = nothing is promised.
        service_hours_id: ID => opening_hours,
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
    then service_offering::promised_anew;
}

fn service(draft: &mut Draft, spot: Spot, id: ID) {
    refers::<Service>(draft, spot, id);
    service_offering::stays_with_its_instances(draft);
}

/// Rule X11: a calendar without any hours is refused where it would be used.
pub(in crate::graphql) fn opening_hours(draft: &mut Draft, spot: Spot, id: ID) {
    if let Some(key) = key::<Calendar>(draft, &spot.path(), &id) {
        service_offering::needs_hours(draft, &spot.path(), key);
        draft.set(spot.0, Some(crate::store::sql::Bind::Uuid(key)));
    }
}

fn targets(draft: &mut Draft, spot: Spot, inputs: Vec<OfferingTargetInput>) {
    let mut targets: Vec<Target> = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.into_iter().enumerate() {
        let path = format!("{}.{index}", spot.path());
        let impact = input.impact.into();
        if targets.iter().any(|target| target.impact == impact) {
            let message = "This impact has its targets already: give each at most once.";
            draft.mistakes.add(&format!("{path}.impact"), InputErrorCode::Duplicate, message);
            continue;
        }
        let (response_kind, response_amount) = input.response.checked(draft, &format!("{path}.response"));
        let (resolution_kind, resolution_amount) =
            input.resolution.checked(draft, &format!("{path}.resolution"));
        let hours = format!("{path}.supportHoursId");
        if input.support_hours_id.is_none() && response_amount.or(resolution_amount).is_some() {
            let message = "Name the calendar in whose hours minutes and business days are counted.";
            draft.mistakes.add(&hours, InputErrorCode::Required, message);
        }
        let support_hours_id = input.support_hours_id.and_then(|id| key::<Calendar>(draft, &hours, &id));
        if let Some(key) = support_hours_id {
            service_offering::needs_hours(draft, &hours, key);
        }
        targets.push(Target {
            impact,
            response_kind,
            response_amount,
            resolution_kind,
            resolution_amount,
            support_hours_id,
        });
    }
    service_offering::set_targets(draft, &targets);
}

mutations! {
    /// Writing service offerings.
    ServiceOfferingMutation over ServiceOffering as service_offering;
    /// Makes a service offering. Needs `catalog:write` in its tenant.
    create service_offering_create(ServiceOfferingCreateInput) -> ServiceOfferingPayload;
    /// Makes many service offerings: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `catalog:write` in the tenant of each.
    many service_offering_create_many(ServiceOfferingCreateManyInput) -> ServiceOfferingCreateManyPayload;
    /// Changes a service offering. What is left out stays; null empties what can be empty.
    /// Needs `catalog:write` in its tenant.
    update service_offering_update(ServiceOfferingUpdateInput);
    /// Deletes a service offering. Refused with `IN_USE` while anything refers to it. Needs `catalog:write` in its tenant.
    delete service_offering_delete(ServiceOfferingDeleteInput) -> ServiceOfferingDeletePayload as "serviceOfferingDelete" needs CatalogWrite;
}
