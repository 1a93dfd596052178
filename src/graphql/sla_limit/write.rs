//! Writing limits.

use async_graphql::ID;

use crate::error::InputErrorCode;
use crate::graphql::node::Entity;
use crate::graphql::word::{ContactType, SlaLimitTimePeriod};
use crate::graphql::write::{Spot, at_least, inputs, key, mutations, text, word};
use crate::graphql::{Project, SlaLimit};
use crate::store::sla_limit;
use crate::store::sql::Bind;
use crate::store::word;
use crate::store::write::Draft;

inputs! {
    SlaLimit needs LimitsCreate or LimitsUpdate;
    /// To make a limit.
    create SlaLimitCreateInput as "slaLimitCreate" owned by {
        /// The tenant that will own it.
        tenant_id
    };
    /// Changes of a limit. What is left out stays; null empties what can be empty.
    update SlaLimitUpdateInput as "slaLimitUpdate";
    required {
        /// The project whose hours count: one of the tenant.
        project_id: ID => project,
        /// How many hours, at least 1.
        time_limit_in_hours: i32 => at_least(1),
        /// Per week or per month.
        time_period: SlaLimitTimePeriod => time_period,
        /// How the contact is told.
        contact_type: ContactType => word(|contact: ContactType| word::ContactType::from(contact).word()),
        /// The e-mail address of who is told, at most 254 characters.
        contact: String => contact,
        /// Only hours of these categories count: 1 to 200, each of 1 to 160 characters and each once.
        categories: Vec<String> => categories,
    }
    defaulted {
        /// Whether it is not evaluated until the current period ends; then it reads false again. Left out in a create = no.
        deactivated_until_next_period: bool => deactivated,
    }
    optional {
        /// The system it comes from, at most 30 characters.
        source: String => text(30),
        /// Its id in that system, at most 128 characters; unique within the tenant and source.
        source_id: String => text(128),
    }
    sourced {
        /// True: when the tenant has one of this `source` and `sourceId` already, that one is changed to what is given
        /// here, as by the update, whose right is needed too; what is left out or null stays as it is. False: that is the
        /// mistake `DUPLICATE`.
        upsert
    }
    then sla_limit::evaluated_anew;
}

/// Rule L1: one of the tenant itself, for whoever logs its hours records what becomes of the limit.
fn project(draft: &mut Draft, spot: Spot, id: ID) {
    let key = key::<Project>(draft, &spot.path(), &id);
    draft.refer_own::<<Project as Entity>::Row>(spot.0, &spot.path(), key);
}

fn contact(draft: &mut Draft, spot: Spot, address: String) {
    draft.mistakes.email(&spot.path(), &address);
    draft.set(spot.0, Some(Bind::Text(address)));
}

/// The most categories of a limit: they are told as a list that is no page.
const MOST_CATEGORIES: usize = 200;

fn categories(draft: &mut Draft, spot: Spot, categories: Vec<String>) {
    if categories.is_empty() {
        draft.mistakes.add(&spot.path(), InputErrorCode::Required, "Name at least one category.");
    }
    if categories.len() > MOST_CATEGORIES {
        let message = format!("A limit counts at most {MOST_CATEGORIES} categories.");
        draft.mistakes.add(&spot.path(), InputErrorCode::Invalid, message);
    }
    let mut kept: Vec<String> = Vec::with_capacity(categories.len());
    for (index, category) in categories.iter().enumerate() {
        let path = format!("{}.{index}", spot.path());
        let category = draft.mistakes.name(&path, category, 160);
        if kept.contains(&category) {
            draft.mistakes.add(&path, InputErrorCode::Duplicate, "This category is in the list already.");
        }
        kept.push(category);
    }
    draft.set(spot.0, Some(Bind::Texts(kept)));
}

fn time_period(draft: &mut Draft, _: Spot, period: SlaLimitTimePeriod) {
    sla_limit::set_time_period(draft, period.into());
}

fn deactivated(draft: &mut Draft, _: Spot, deactivated: bool) {
    sla_limit::set_deactivated(draft, deactivated);
}

mutations! {
    /// Writing limits.
    SlaLimitMutation over SlaLimit as sla_limit;
    /// Makes a limit. Needs `service-level-agreement-limits:create` in its tenant.
    create sla_limit_create(SlaLimitCreateInput) -> SlaLimitPayload;
    /// Makes many limits: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `service-level-agreement-limits:create` in the tenant of each.
    many sla_limit_create_many(SlaLimitCreateManyInput) -> SlaLimitCreateManyPayload;
    /// Changes a limit. What is left out stays; null empties what can be empty: with
    /// every field it replaces, with some it patches.
    /// Needs `service-level-agreement-limits:update` in its tenant.
    update sla_limit_update(SlaLimitUpdateInput);
    /// Deletes a limit and the messages to its contact; its records stay in the breach log. Needs `service-level-agreement-limits:delete` in its tenant.
    delete sla_limit_delete(SlaLimitDeleteInput) -> SlaLimitDeletePayload as "slaLimitDelete" needs LimitsDelete;
}
