//! Person: Somebody: a customer, an agent, one who logs in.

mod write;

pub use write::*;

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, related, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::{
    AuditEntry, AuditEntryFilter, AuditEntryOrder, Organization, Request, RequestFilter, RequestOrder,
    RoleGrant, RoleGrantFilter, RoleGrantOrder, Site, Team, TeamFilter, TeamOrder, Tenant,
};
use crate::access::Permission;
use crate::error::Error;
use crate::store;

entity!(Person over person);

filter! {
    /// Which people. All conditions that are given must hold.
    PersonFilter over person {
        /// Its own id.
        id: IdFilter (Person) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Their first and last name, with a space between, as they are shown.
        name: StringFilter => NAME,
        /// Their last name.
        last_name: StringFilter => LAST_NAME,
        /// Their first name.
        first_name: StringFilter => FIRST_NAME,
        /// Their e-mail address.
        email: StringFilter => EMAIL,
        /// The organization they belong to.
        organization: IdFilter (Organization) => ORGANIZATION,
        /// The site they work at.
        site: IdFilter (Site) => SITE,
        /// The system it was imported from.
        source: StringFilter => SOURCE,
        /// Its id in that system.
        source_id: StringFilter => SOURCE_ID,
        /// When it was made.
        created_at: DateTimeFilter => CREATED_AT,
        /// When it was last updated.
        updated_at: DateTimeFilter => UPDATED_AT,
    }
}

order! {
    /// One part of the order of people. Default: by last name.
    PersonOrder by PersonOrderField over person {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// Their last name.
        LastName => LAST_NAME,
        /// Their first name.
        FirstName => FIRST_NAME,
        /// Its id in the system it was imported from, as text: `10` comes before `9`.
        SourceId => SOURCE_ID,
        /// When it was made.
        CreatedAt => CREATED_AT,
        /// When it was last updated.
        UpdatedAt => UPDATED_AT,
    } default: LAST_NAME Asc
}

object! {
    /// Somebody: a customer, an agent, one who logs in.
    impl Person {
        /// The teams they are members of, by name. Needs `catalog:read`: else it is null, with an error.
        teams: Team [TeamFilter, TeamOrder] under store::team::UNDER_MEMBER;
        /// The requests they asked, the newest first. Needs `requests:read`: else it is null, with an error.
        requests: Request [RequestFilter, RequestOrder] under store::request::UNDER_REQUESTER;
        /// The roles they were given, in the order in which they were given. Needs `tenants:admin`: else it is null, with an error.
        role_grants: RoleGrant [RoleGrantFilter, RoleGrantOrder] under store::role_grant::UNDER_PERSON;
        /// What was written to it, the newest first. Needs `tenants:admin`: else it is null, with an error.
        audit_log: AuditEntry [AuditEntryFilter, AuditEntryOrder] under store::audit_entry::UNDER_OBJECT;
    }

    /// Opaque and unique over all types.
    pub async fn id(&self) -> ID {
        self.global_id()
    }

    /// The key within its type: what other systems keep.
    async fn uuid(&self) -> Uuid {
        self.0.id
    }

    /// The tenant that owns it.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Tenant> {
        required::<Tenant>(ctx, self.0.tenant_id).await
    }

    /// First and last name.
    async fn name(&self) -> String {
        self.0.name()
    }

    /// Their first name; may be empty.
    async fn first_name(&self) -> &str {
        &self.0.first_name
    }

    /// Their last name; may be empty.
    async fn last_name(&self) -> &str {
        &self.0.last_name
    }

    /// Their e-mail address; null when not known.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    /// The subject of the tokens that the person signs in with; null = does not sign in. Needs `tenants:admin` in the
    /// person's tenant: else it is null, with an error.
    async fn login(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        let held = Asking::of(ctx).viewer()?.permissions(self.0.tenant_id);
        if !held.contains(Permission::TenantsAdmin) {
            return Err(Error::Forbidden(Permission::TenantsAdmin).into());
        }
        Ok(self.0.login.as_deref())
    }

    /// The organization they belong to; null when not known.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        related::<Organization>(ctx, self.0.organization_id).await
    }

    /// The site they work at; null when not known.
    async fn site(&self, ctx: &Context<'_>) -> Result<Option<Site>> {
        related::<Site>(ctx, self.0.site_id).await
    }

    /// The system it was imported from; null when made here.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// Its id in that system; null when made here.
    async fn source_id(&self) -> Option<&str> {
        self.0.source_id.as_deref()
    }

    /// Rises by one with each update; send it as `expectedRevision` so as not to overwrite others.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last updated; `createdAt` until the first update.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }
}

/// Reading people.
#[derive(Default)]
pub struct PersonQuery;

root_fields! {
    impl PersonQuery {
        /// The people of every tenant in which the viewer holds `catalog:read`.
        people: Person [PersonFilter, PersonOrder];
    }

    /// The person of an id; needs any right in its tenant or in one below it.
    async fn person(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<Person>> {
        lookup::<Person>(ctx, &id).await
    }
}
