//! Writing people.

use async_graphql::ID;

use crate::error::{self, InputErrorCode};
use crate::graphql::write::{Spot, inputs, mutations, refers, text};
use crate::graphql::{Organization, Person, Site};
use crate::store;
use crate::store::sql::Bind;
use crate::store::write::Draft;

inputs! {
    Person needs TenantsAdmin;
    /// To make a person.
    create PersonCreateInput as "personCreate" owned by {
        /// The tenant that will own it.
        tenant_id
    };
    /// Changes of a person. What is left out stays; null empties what can be empty.
    update PersonUpdateInput as "personUpdate";
    required {
        /// The first name, at most 80 characters; may be empty when the last name is not.
        first_name: String => name,
        /// The last name, at most 80 characters; may be empty when the first name is not.
        last_name: String => name,
    }
    defaulted {}
    optional {
        /// The e-mail address, at most 254 characters; null = not known.
        email: String => email,
        /// The subject of the tokens that the person signs in with, at most 254 characters; unique within the root, and
        /// known to no other. Null = does not sign in. Whoever changes it must hold every right that the person holds.
        login: String => login,
        /// The organization the person works for; null = not known.
        organization_id: ID => refers::<Organization>,
        /// Where the person works; null = not known.
        site_id: ID => refers::<Site>,
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
        "person_check" => "input.lastName", Required, "Give a first name or a last name.";
        "person_root_id_login_key" => "input.login", Duplicate, "Another person signs in with this: choose another.";
    }
    then store::person::stays_within_rights;
}

fn name(draft: &mut Draft, spot: Spot, name: String) {
    let kept = error::name(&name);
    draft.mistakes.line(&spot.path(), &kept, 80);
    draft.set(spot.0, Some(Bind::Text(kept)));
}

fn email(draft: &mut Draft, spot: Spot, address: String) {
    draft.mistakes.email(&spot.path(), &address);
    draft.set(spot.0, Some(Bind::Text(address)));
}

fn login(draft: &mut Draft, spot: Spot, login: String) {
    if login.trim() != login {
        draft.mistakes.add(&spot.path(), InputErrorCode::Invalid, "This must not begin or end with a space.");
    }
    text(254)(draft, spot, login);
}

mutations! {
    /// Writing people.
    PersonMutation over Person as person;
    /// Makes a person. Needs `tenants:admin` in its tenant.
    create person_create(PersonCreateInput) -> PersonPayload;
    /// Makes many people: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `tenants:admin` in the tenant of each.
    many person_create_many(PersonCreateManyInput) -> PersonCreateManyPayload;
    /// Changes a person. What is left out stays; null empties what can be empty.
    /// Needs `tenants:admin` in its tenant.
    update person_update(PersonUpdateInput);
    /// Deletes a person, who leaves teams and the users of service instances with that; else refused with `IN_USE` while
    /// anything refers to it. Needs `tenants:admin` in its tenant.
    delete person_delete(PersonDeleteInput) -> PersonDeletePayload as "personDelete" needs TenantsAdmin;
}
