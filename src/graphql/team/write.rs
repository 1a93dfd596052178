//! Writing teams.

use async_graphql::ID;

use crate::graphql::write::{Spot, inputs, keys, mutations, name, text};
use crate::graphql::{Person, Team};
use crate::store;
use crate::store::write::Draft;

inputs! {
    Team needs CatalogWrite;
    /// To make a team.
    create TeamCreateInput as "teamCreate" owned by {
        /// The tenant that will own it.
        tenant_id
    };
    /// Changes of a team. What is left out stays; null empties what can be empty.
    update TeamUpdateInput as "teamUpdate";
    required {
        /// Its name, 1 to 160 characters.
        name: String => name(160),
    }
    defaulted {
        /// The people in it, all of them: of the tenant or of a tenant above it. Left out in a create = nobody.
        member_ids: Vec<ID> => members,
    }
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

fn members(draft: &mut Draft, spot: Spot, ids: Vec<ID>) {
    let people = keys::<Person>(draft, spot, &ids);
    store::team::members(draft, &people);
}

mutations! {
    /// Writing teams.
    TeamMutation over Team as team;
    /// Makes a team. Needs `catalog:write` in its tenant.
    create team_create(TeamCreateInput) -> TeamPayload;
    /// Makes many teams: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `catalog:write` in the tenant of each.
    many team_create_many(TeamCreateManyInput) -> TeamCreateManyPayload;
    /// Changes a team. What is left out stays; null empties what can be empty.
    /// Needs `catalog:write` in its tenant.
    update team_update(TeamUpdateInput);
    /// Deletes a team. Refused with `IN_USE` while anything refers to it. Needs `catalog:write` in its tenant.
    delete team_delete(TeamDeleteInput) -> TeamDeletePayload as "teamDelete" needs CatalogWrite;
}
