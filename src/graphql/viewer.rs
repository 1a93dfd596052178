//! Who asks, and what they may do.

use async_graphql::{Context, Enum, ID, Object, Result};

use super::asking::Asking;
use super::node::{Kind, related};
use super::page::{Args, Connection};
use super::{Person, ServiceToken, Tenant, TenantFilter, TenantOrder};
use crate::access::{self, Actor};
use crate::store::noun::Noun;
use crate::store::page::{self, Wanted};
use crate::store::service_token;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A right. It is held in a tenant, by a role granted there or above, and holds in all tenants below. The error
        /// `FORBIDDEN` names the one that is missing: as `extensions.permissionEnum` by its name here, as
        /// `extensions.permission` by its name in the documents of the five APIs, which begins each description.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
        pub enum Permission { $($(#[$doc])* $name),* }

        impl From<access::Permission> for Permission {
            fn from(permission: access::Permission) -> Self {
                match permission { $(access::Permission::$name => Self::$name),* }
            }
        }

        impl From<Permission> for access::Permission {
            fn from(permission: Permission) -> Self {
                match permission { $(Permission::$name => Self::$name),* }
            }
        }
    };
}

permissions! {
    /// `CUSTOM_STATS_UPDATE`: create, version, activate, update and delete SLAs with queue terms.
    CustomStatsUpdate,
    /// `manage-livechat-sla`: the same for SLAs with livechat terms.
    ManageLivechatSla,
    /// `slas:read`: read SLAs and their versions.
    SlasRead,
    /// `slas:write`: create, version, activate, update and delete SLAs with service terms, and recalculate clocks.
    SlasWrite,
    /// `service-level-agreement-limits:access`: list limits; list and read the time entries that they count.
    LimitsAccess,
    /// `service-level-agreement-limits:read`: read one limit.
    LimitsRead,
    /// `service-level-agreement-limits:create`: create limits.
    LimitsCreate,
    /// `service-level-agreement-limits:update`: update limits.
    LimitsUpdate,
    /// `service-level-agreement-limits:delete`: delete limits.
    LimitsDelete,
    /// `affected-slas:read`: read affected SLAs.
    AffectedSlasRead,
    /// `requests:read`: read requests and their events.
    RequestsRead,
    /// `requests:write`: register requests, record their events and time entries.
    RequestsWrite,
    /// `catalog:read`: list services, offerings, instances, calendars, organizations, sites, teams, people, projects.
    CatalogRead,
    /// `catalog:write`: write them, but for people, who take `tenants:admin`.
    CatalogWrite,
    /// `breaches:read`: read and follow the breach log.
    BreachesRead,
    /// `tenants:admin`: manage tenants, people, roles, grants, tokens and webhooks, and read the audit log.
    TenantsAdmin,
}

impl Permission {
    /// Those of these wire names; a name that this build does not know is left out.
    pub(super) fn named(names: &[String]) -> Vec<Self> {
        names.iter().filter_map(|name| access::Permission::from_wire_name(name)).map(Self::from).collect()
    }
}

/// Who asks.
pub struct Viewer;

/// Who asks: the person or the integration that the token stands for.
#[Object]
impl Viewer {
    /// The person; null for an integration. Of one who is a person of several trees: the one of the oldest in which they
    /// have any right.
    async fn person(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        let viewer = Asking::of(ctx).viewer()?;
        let roots = &viewer.reach_any().roots;
        let person = match &viewer.actor {
            Actor::Person { people, .. } => {
                people.iter().find(|(root, ..)| roots.contains(root)).map(|(_, person, _)| *person)
            }
            Actor::ServiceToken(..) => None,
        };
        related::<Person>(ctx, person).await
    }

    /// The service token; null for a person. A token may always read itself, but not its grants and its log.
    async fn service_token(&self, ctx: &Context<'_>) -> Result<Option<ServiceToken>> {
        let asking = Asking::of(ctx);
        let Some((token, reach)) = asking.viewer()?.itself() else { return Ok(None) };
        let columns = service_token::Row::TARGET.all();
        let (row, _) =
            page::one::<service_token::Row>(&asking.conn(), &reach, Wanted::id(token), columns, &[]).await?;
        Ok(row.map(ServiceToken::from))
    }

    /// Their name.
    async fn name<'a>(&self, ctx: &Context<'a>) -> Result<&'a str> {
        Ok(&Asking::of(ctx).viewer()?.name)
    }

    /// The tenants in which they have any right, by name.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    async fn tenants(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "How many rows from the start, 0 to 100; 25 when neither `first` nor `last` is given."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many rows from the end, 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only rows that fit all conditions.")] filter: Option<Box<TenantFilter>>,
        #[graphql(desc = "The order, part by part; null = the order documented with the type.")]
        order_by: Option<Vec<TenantOrder>>,
    ) -> Result<Connection<Tenant>> {
        super::page::root(ctx, Args { first, after, last, before }, filter, order_by).await
    }

    /// What they may do in a tenant: what a frontend should show. Empty in a tenant that they do not know.
    async fn permissions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id or bare UUID of the tenant.")] tenant: ID,
    ) -> Result<Vec<Permission>> {
        let tenant = Kind::Tenant.key(&tenant)?;
        let asking = Asking::of(ctx);
        let permissions: Vec<_> = asking.viewer()?.permissions(tenant).iter().map(Permission::from).collect();
        asking.tell_items(ctx, permissions.len())?;
        Ok(permissions)
    }
}

/// Asking who asks.
#[derive(Default)]
pub struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// Who asks; null when nobody is logged in.
    async fn viewer(&self, ctx: &Context<'_>) -> Option<Viewer> {
        Asking::of(ctx).viewer_if_any().map(|_| Viewer)
    }
}
