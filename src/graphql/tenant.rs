//! Tenant: A node of the tree that owns everything: a company, a branch, a client.

mod write;

pub use write::*;

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::filter::{filter, order};
use super::node::{Entity, entity, found, lookup, related};
use super::page::{Args, Connection};
use super::page::{object, root_fields};
use super::scalar::{DateTime, TimeZone};
use super::{
    AffectedSla, AffectedSlaFilter, AffectedSlaOrder, Attainment, AttainmentBucket, AuditEntry,
    AuditEntryFilter, AuditEntryOrder, Breach, BreachFilter, BreachOrder, Calendar, CalendarFilter,
    CalendarOrder, Organization, OrganizationFilter, OrganizationOrder, Person, PersonFilter, PersonOrder,
    Project, ProjectFilter, ProjectOrder, Request, RequestFilter, RequestOrder, Role, RoleFilter, RoleGrant,
    RoleGrantFilter, RoleGrantOrder, RoleOrder, Service, ServiceFilter, ServiceInstance,
    ServiceInstanceFilter, ServiceInstanceOrder, ServiceOffering, ServiceOfferingFilter,
    ServiceOfferingOrder, ServiceOrder, ServiceToken, ServiceTokenFilter, ServiceTokenOrder, Site,
    SiteFilter, SiteOrder, Sla, SlaFilter, SlaLimit, SlaLimitFilter, SlaLimitOrder, SlaOrder, Team,
    TeamFilter, TeamOrder, Webhook, WebhookFilter, WebhookOrder,
};
use crate::error::Error;
use crate::store;

entity!(Tenant over tenant);

filter! {
    /// Which tenants. All conditions that are given must hold.
    TenantFilter over tenant {
        /// Its own id.
        id: IdFilter (Tenant) => ID,
        /// The tenant itself, as in the filters of all other nouns.
        tenant: IdFilter (Tenant) => ID,
        /// Its name.
        name: StringFilter => NAME,
        /// Its short name.
        slug: StringFilter => SLUG,
        /// The tenant above it.
        parent: IdFilter (Tenant) => PARENT,
        /// When it was made.
        created_at: DateTimeFilter => CREATED_AT,
        /// When it was last updated.
        updated_at: DateTimeFilter => UPDATED_AT,
    }
}

order! {
    /// One part of the order of tenants. Default: by name.
    TenantOrder by TenantOrderField over tenant {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// Its name.
        Name => NAME,
        /// Its short name.
        Slug => SLUG,
        /// When it was made.
        CreatedAt => CREATED_AT,
        /// When it was last updated.
        UpdatedAt => UPDATED_AT,
    } default: NAME Asc
}

object! {
    /// A node of the tree that owns everything: a company, a branch, a client.
    impl Tenant {
        /// The tenants right below it that the viewer knows, by name.
        children: Tenant [TenantFilter, TenantOrder] under store::tenant::UNDER_PARENT;
        /// Its organizations, by name. Needs `catalog:read`: else it is null, with an error.
        organizations: Organization [OrganizationFilter, OrganizationOrder] under store::organization::UNDER_TENANT;
        /// Its sites, by name. Needs `catalog:read`: else it is null, with an error.
        sites: Site [SiteFilter, SiteOrder] under store::site::UNDER_TENANT;
        /// Its teams, by name. Needs `catalog:read`: else it is null, with an error.
        teams: Team [TeamFilter, TeamOrder] under store::team::UNDER_TENANT;
        /// Its people, by last name. Needs `catalog:read`: else it is null, with an error.
        people: Person [PersonFilter, PersonOrder] under store::person::UNDER_TENANT;
        /// Its calendars, by name. Needs `catalog:read`: else it is null, with an error.
        calendars: Calendar [CalendarFilter, CalendarOrder] under store::calendar::UNDER_TENANT;
        /// Its services, by name. Needs `catalog:read`: else it is null, with an error.
        services: Service [ServiceFilter, ServiceOrder] under store::service::UNDER_TENANT;
        /// Its service offerings, by name. Needs `catalog:read`: else it is null, with an error.
        service_offerings: ServiceOffering [ServiceOfferingFilter, ServiceOfferingOrder] under store::service_offering::UNDER_TENANT;
        /// Its service instances, by name. Needs `catalog:read`: else it is null, with an error.
        service_instances: ServiceInstance [ServiceInstanceFilter, ServiceInstanceOrder] under store::service_instance::UNDER_TENANT;
        /// Its projects, by name. Needs `catalog:read`: else it is null, with an error.
        projects: Project [ProjectFilter, ProjectOrder] under store::project::UNDER_TENANT;
        /// Its limits, in the order in which they were made. Needs `service-level-agreement-limits:access`: else it is null, with an error.
        sla_limits: SlaLimit [SlaLimitFilter, SlaLimitOrder] under store::sla_limit::UNDER_TENANT;
        /// Its requests, the newest first. Needs `requests:read`: else it is null, with an error.
        requests: Request [RequestFilter, RequestOrder] under store::request::UNDER_TENANT;
        /// Its affected SLAs, the newest first. Needs `affected-slas:read`: else it is null, with an error.
        affected_slas: AffectedSla [AffectedSlaFilter, AffectedSlaOrder] under store::affected_sla::UNDER_TENANT;
        /// Its records of the breach log, the newest first. Needs `breaches:read`: else it is null, with an error.
        breaches: Breach [BreachFilter, BreachOrder] under store::breach::UNDER_TENANT;
        /// Its roles, by name. Needs `tenants:admin`: else it is null, with an error.
        roles: Role [RoleFilter, RoleOrder] under store::role::UNDER_TENANT;
        /// The grants given in it, in the order in which they were given. Needs `tenants:admin`: else it is null, with an error.
        role_grants: RoleGrant [RoleGrantFilter, RoleGrantOrder] under store::role_grant::UNDER_TENANT;
        /// Its service tokens, by name. Needs `tenants:admin`: else it is null, with an error.
        service_tokens: ServiceToken [ServiceTokenFilter, ServiceTokenOrder] under store::service_token::UNDER_TENANT;
        /// Its webhooks, by name. Needs `tenants:admin`: else it is null, with an error.
        webhooks: Webhook [WebhookFilter, WebhookOrder] under store::webhook::UNDER_TENANT;
        /// What was written in it, the newest first. Needs `tenants:admin`: else it is null, with an error.
        audit_log: AuditEntry [AuditEntryFilter, AuditEntryOrder] under store::audit_entry::UNDER_TENANT;
    }

    /// Opaque and unique over all types.
    pub async fn id(&self) -> ID {
        self.global_id()
    }

    /// The key within its type: what other systems keep.
    async fn uuid(&self) -> Uuid {
        self.0.id
    }

    /// A short name, unique within its tree.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The zone its days, weeks and months are in.
    async fn time_zone(&self) -> TimeZone {
        TimeZone::stored(&self.0.time_zone)
    }

    /// The tenant above it; null for the root of a tree, and where the viewer may not see it.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Tenant>> {
        related::<Tenant>(ctx, self.0.parent_id).await
    }

    /// The SLA of chats and calls that name none; null = the nearest shared one above, if any. Needs `slas:read`: else it is null, with an error where that is held in no tenant.
    async fn default_sla(&self, ctx: &Context<'_>) -> Result<Option<Sla>> {
        related::<Sla>(ctx, self.0.default_sla_id).await
    }

    /// Its SLAs and, by default, those that the tenants above share with it, by name. Needs `slas:read`: else it is null, with an error.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    async fn slas(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whether to list SLAs that are shared by the tenants above; `tenant` of each tells where it is from.", default = true)]
        include_shared: bool,
        #[graphql(desc = "How many rows from the start, 0 to 100; 25 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end, 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only rows that fit all conditions.")] filter: Option<Box<SlaFilter>>,
        #[graphql(desc = "The order, part by part; null = the order documented with the type.")] order_by: Option<Vec<SlaOrder>>,
    ) -> Result<Option<Connection<Sla>>> {
        let args = Args { first, after, last, before };
        let under = match include_shared {
            true => store::sla::UNDER_TENANT_AND_SHARED,
            false => store::sla::UNDER_TENANT,
        };
        Ok(Some(super::page::under(ctx, Entity::parent(self), under, args, filter, order_by).await?))
    }

    /// How the promises over its own requests turned out whose clocks started in a period: a clock counts where it started,
    /// in its final state. Tenants below are not counted. Needs `affected-slas:read`: else it is null, with an error.
    async fn attainment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first instant of the period.")] from: DateTime,
        #[graphql(desc = "The instant after its last one.")] to: DateTime,
        #[graphql(desc = "What to cut it into, at most 400 parts; null = it is not cut.")] by: Option<AttainmentBucket>,
        #[graphql(desc = "The zone in whose days, weeks and months it is cut; null = that of the tenant.")]
        time_zone: Option<TimeZone>,
    ) -> Result<Option<Attainment>> {
        let of = (store::attainment::Of::Tenant, Entity::parent(self));
        Ok(Some(Attainment::of(ctx, of, (from, to), by, time_zone)?))
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

/// Reading tenants.
#[derive(Default)]
pub struct TenantQuery;

root_fields! {
    impl TenantQuery {
        /// The tenants in which the viewer has any right, by name.
        tenants: Tenant [TenantFilter, TenantOrder];
    }

    /// One tenant, by id or by slug. A tenant in which, and below which, the viewer has no right is not found.
    async fn tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: Option<ID>,
        #[graphql(desc = "Its short name. Where several trees of the viewer use it: the one nearest to a root, then the oldest.")] slug: Option<String>,
    ) -> Result<Option<Tenant>> {
        match (id, slug) {
            (Some(id), None) => lookup::<Tenant>(ctx, &id).await,
            (None, Some(slug)) => found::<Tenant>(ctx, store::tenant::of_slug(slug)).await,
            _ => Err(Error::BadRequest("Pass either id or slug.".into()).into()),
        }
    }
}
