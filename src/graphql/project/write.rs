//! Writing projects.

use crate::graphql::Project;
use crate::graphql::write::{inputs, mutations, name, text};

inputs! {
    Project needs CatalogWrite;
    /// To make a project.
    create ProjectCreateInput as "projectCreate" owned by {
        /// The tenant that will own it.
        tenant_id
    };
    /// Changes of a project. What is left out stays; null empties what can be empty.
    update ProjectUpdateInput as "projectUpdate";
    required {
        /// Its name, 1 to 160 characters.
        name: String => name(160),
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
    /// Writing projects.
    ProjectMutation over Project as project;
    /// Makes a project. Needs `catalog:write` in its tenant.
    create project_create(ProjectCreateInput) -> ProjectPayload;
    /// Makes many projects: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `catalog:write` in the tenant of each.
    many project_create_many(ProjectCreateManyInput) -> ProjectCreateManyPayload;
    /// Changes a project. What is left out stays; null empties what can be empty.
    /// Needs `catalog:write` in its tenant.
    update project_update(ProjectUpdateInput);
    /// Deletes a project. Refused with `IN_USE` while anything refers to it. Needs `catalog:write` in its tenant.
    delete project_delete(ProjectDeleteInput) -> ProjectDeletePayload as "projectDelete" needs CatalogWrite;
}
