//! ServiceInstance: A running piece of a service: what a request is about.

mod write;

pub use write::*;

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, ID, Result, SimpleObject};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::load::Loaders;
use super::node::{Entity, entity, lookup, related, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::word::RelationEffect;
use super::{
    AuditEntry, AuditEntryFilter, AuditEntryOrder, Organization, Person, PersonFilter, PersonOrder, Request,
    RequestFilter, RequestOrder, Service, Team, Tenant,
};
use crate::error::Error;
use crate::store::{self, service_instance::Direction};

entity!(ServiceInstance over service_instance);

filter! {
    /// Which service instances. All conditions that are given must hold.
    ServiceInstanceFilter over service_instance {
        /// Its own id.
        id: IdFilter (ServiceInstance) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Its name.
        name: StringFilter => NAME,
        /// The service it is an instance of.
        service: IdFilter (Service) => SERVICE,
        /// The organization that runs it.
        provider: IdFilter (Organization) => PROVIDER,
        /// The team that supports it.
        support_team: IdFilter (Team) => SUPPORT_TEAM,
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
    /// One part of the order of service instances. Default: by name.
    ServiceInstanceOrder by ServiceInstanceOrderField over service_instance {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// Its name.
        Name => NAME,
        /// Its id in the system it was imported from, as text: `10` comes before `9`.
        SourceId => SOURCE_ID,
        /// When it was made.
        CreatedAt => CREATED_AT,
        /// When it was last updated.
        UpdatedAt => UPDATED_AT,
    } default: NAME Asc
}

object! {
    /// A running piece of a service: what a request is about.
    impl ServiceInstance {
        /// The people who use its configuration items, by last name: whom the coverage `CIS_OF_SERVICE_INSTANCE` covers.
        /// Needs `catalog:read`: else it is null, with an error.
        users: Person [PersonFilter, PersonOrder] under store::person::UNDER_INSTANCE;
        /// The requests about it, the newest first. Needs `requests:read`: else it is null, with an error.
        requests: Request [RequestFilter, RequestOrder] under store::request::UNDER_INSTANCE;
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

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The service it is an instance of.
    async fn service(&self, ctx: &Context<'_>) -> Result<Service> {
        required::<Service>(ctx, self.0.service_id).await
    }

    /// The team that supports it.
    async fn support_team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        related::<Team>(ctx, self.0.support_team_id).await
    }

    /// The team that is asked first.
    async fn first_line_team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        related::<Team>(ctx, self.0.first_line_team_id).await
    }

    /// The organization that runs it.
    async fn provider(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        related::<Organization>(ctx, self.0.provider_id).await
    }

    /// The instances it uses, and what their failure does to it, by name.
    async fn uses(&self, ctx: &Context<'_>) -> Result<Vec<ServiceInstanceRelation>> {
        ServiceInstanceRelation::around(ctx, self, Direction::Uses).await
    }

    /// The instances that use it, and what its failure does to them, by name.
    async fn used_by(&self, ctx: &Context<'_>) -> Result<Vec<ServiceInstanceRelation>> {
        ServiceInstanceRelation::around(ctx, self, Direction::UsedBy).await
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

/// Reading service instances.
#[derive(Default)]
pub struct ServiceInstanceQuery;

root_fields! {
    impl ServiceInstanceQuery {
        /// The service instances of every tenant in which the viewer holds `catalog:read`.
        service_instances: ServiceInstance [ServiceInstanceFilter, ServiceInstanceOrder];
    }

    /// The service instance of an id; needs any right in its tenant or in one below it.
    async fn service_instance(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<ServiceInstance>> {
        lookup::<ServiceInstance>(ctx, &id).await
    }
}

/// That one service instance uses another.
#[derive(SimpleObject)]
pub struct ServiceInstanceRelation {
    /// The instance at the other end.
    service_instance: ServiceInstance,
    /// What the failure of the used one does to the consumer.
    effect: RelationEffect,
}

impl ServiceInstanceRelation {
    async fn around(ctx: &Context<'_>, from: &ServiceInstance, direction: Direction) -> Result<Vec<Self>> {
        let asking = Asking::of(ctx);
        let ends = asking.load(RelationsOf(from.0.id, direction)).await?.unwrap_or_default();
        asking.tell_items(ctx, ends.len())?;
        let relations = ends.into_iter().map(|(id, effect)| async move {
            let instance = asking.row::<store::service_instance::Row>(id).await?;
            Ok::<_, Error>(instance.map(|row| Self { service_instance: row.into(), effect: effect.into() }))
        });
        let mut relations: Vec<Self> =
            futures_util::future::try_join_all(relations).await?.into_iter().flatten().collect();
        relations.sort_by(|a, b| a.service_instance.0.name.cmp(&b.service_instance.0.name));
        Ok(relations)
    }
}

/// "The instances that this one uses, or is used by."
#[derive(Clone, PartialEq, Eq, Hash)]
struct RelationsOf(Uuid, Direction);

impl Loader<RelationsOf> for Loaders {
    type Value = Vec<(Uuid, store::word::RelationEffect)>;
    type Error = Error;

    async fn load(&self, keys: &[RelationsOf]) -> Result<HashMap<RelationsOf, Self::Value>, Error> {
        let reach = self.reach_by_id::<store::service_instance::Row>()?;
        let mut answers: HashMap<RelationsOf, Self::Value> = HashMap::new();
        for direction in [Direction::Uses, Direction::UsedBy] {
            let ids: Vec<Uuid> = keys.iter().filter(|key| key.1 == direction).map(|key| key.0).collect();
            if ids.is_empty() {
                continue;
            }
            for (from, to, effect) in
                store::service_instance::relations(&self.conn, &reach, &ids, direction).await?
            {
                answers.entry(RelationsOf(from, direction)).or_default().push((to, effect));
            }
        }
        Ok(answers)
    }
}
