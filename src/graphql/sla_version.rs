//! SlaVersion: A version of an SLA: its terms, never changed once made.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result, SimpleObject, Union};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::node::{Entity, entity, related, required};
use super::page::{Parent, all_under, object};
use super::scalar::DateTime;
use super::word::{AbandonType, SlaCoverage};
use super::{Organization, Person, ServiceInstance, ServiceOffering, Site, Sla};
use crate::error::Error;
use crate::store;

entity!(SlaVersion over sla_version);

filter! {
    /// Which versions of an SLA. All conditions that are given must hold.
    SlaVersionFilter over sla_version {
        /// Its own id.
        id: IdFilter (SlaVersion) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Its number within the SLA.
        number: IntFilter => NUMBER,
        /// When it was made.
        created_at: DateTimeFilter => CREATED_AT,
    }
}

order! {
    /// One part of the order of versions of an SLA. Default: the newest first.
    SlaVersionOrder by SlaVersionOrderField over sla_version {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// Its number within the SLA.
        Number => NUMBER,
        /// When it was made.
        CreatedAt => CREATED_AT,
    } default: NUMBER Desc
}

object! {
    /// A version of an SLA: its terms, never changed once made.
    impl SlaVersion {
    }

    /// Opaque and unique over all types.
    pub async fn id(&self) -> ID {
        self.global_id()
    }

    /// The key within its type: what other systems keep.
    async fn uuid(&self) -> Uuid {
        self.0.id
    }

    /// The SLA it is a version of.
    async fn sla(&self, ctx: &Context<'_>) -> Result<Sla> {
        required::<Sla>(ctx, self.0.sla_id).await
    }

    /// 1, 2, 3… within the SLA, without gaps.
    async fn number(&self) -> i32 {
        self.0.number
    }

    /// Its name, at most 160 characters.
    async fn version_name(&self) -> &str {
        &self.0.version_name
    }

    /// What is new in it.
    async fn description(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        Ok(Asking::of(ctx).long(self.0.description.as_deref())?)
    }

    /// What is promised. Never changes.
    async fn terms(&self) -> Result<SlaTerms> {
        Ok(SlaTerms::of(&self.0).ok_or_else(|| Error::internal("a version without terms"))?)
    }

    /// Whether it is the version in force: the `activeVersion` of its SLA, by which a client that keeps objects by their ids
    /// does better to go, as putting another in force changes this one too.
    async fn is_active(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(required::<Sla>(ctx, self.0.sla_id).await?.row().active_version_id == self.0.id)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// Who made it; null when an integration did, or somebody whom the viewer may not see.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.created_by).await
    }

    /// Their first and last name; null when an integration did it, or somebody whom the viewer may not see.
    async fn created_by_name(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(related::<Person>(ctx, self.0.created_by).await?.map(|person| person.row().name()))
    }
}

/// What a version promises, in the words of the world it comes from.
#[derive(Clone, Union)]
pub enum SlaTerms {
    /// A service offering.
    Service(ServiceTerms),
    /// Seconds to answer.
    Queue(QueueTerms),
    /// Minutes until due.
    Livechat(LivechatTerms),
}

impl SlaTerms {
    fn of(version: &Arc<store::sla_version::Row>) -> Option<Self> {
        Some(match version.kind {
            store::word::SlaKind::Service => Self::Service(ServiceTerms(version.clone())),
            store::word::SlaKind::Queue => Self::Queue(QueueTerms {
                sla_threshold: version.sla_threshold?,
                abandon_type: version.abandon_type?.into(),
                abandon_threshold: version.abandon_threshold,
            }),
            store::word::SlaKind::Livechat => {
                Self::Livechat(LivechatTerms { due_time_in_minutes: version.due_time_in_minutes? })
            }
        })
    }
}

/// A promise over the calls of a queue.
#[derive(Clone, SimpleObject)]
pub struct QueueTerms {
    /// A call is to be answered within so many seconds; exactly so many is in time.
    sla_threshold: i32,
    /// What an abandoned call counts as.
    abandon_type: AbandonType,
    /// Abandons within so many seconds are ignored; null under `COUNT_AGAINST_SLA`.
    abandon_threshold: Option<i32>,
}

/// A promise over chats.
#[derive(Clone, SimpleObject)]
pub struct LivechatTerms {
    /// A chat is to be taken within so many minutes of being queued, around the clock.
    due_time_in_minutes: i32,
}

/// A promise over a service: who is covered, by which offering.
#[derive(Clone)]
pub struct ServiceTerms(Arc<store::sla_version::Row>);

/// A promise over a service: who is covered, by which offering.
#[Object]
impl ServiceTerms {
    /// The conditions: targets and hours. Null where the viewer may not see it.
    async fn service_offering(&self, ctx: &Context<'_>) -> Result<Option<ServiceOffering>> {
        related::<ServiceOffering>(ctx, self.0.service_offering_id).await
    }

    /// The instance it is about; null = any of the service.
    async fn service_instance(&self, ctx: &Context<'_>) -> Result<Option<ServiceInstance>> {
        related::<ServiceInstance>(ctx, self.0.service_instance_id).await
    }

    /// How the people it covers are selected; null = nobody yet.
    async fn coverage(&self) -> Option<SlaCoverage> {
        self.0.coverage.map(Into::into)
    }

    /// The organizations of the coverage, by name; empty where its kind lists none.
    async fn organizations(&self, ctx: &Context<'_>) -> Result<Vec<Organization>> {
        let order = vec![store::page::Sort { key: &store::organization::key::NAME, descending: false }];
        all_under::<Organization>(ctx, Parent::of(&*self.0), store::organization::UNDER_VERSION, order).await
    }

    /// The sites of the coverage, by name; empty where its kind lists none.
    async fn sites(&self, ctx: &Context<'_>) -> Result<Vec<Site>> {
        let order = vec![store::page::Sort { key: &store::site::key::NAME, descending: false }];
        all_under::<Site>(ctx, Parent::of(&*self.0), store::site::UNDER_VERSION, order).await
    }

    /// The people of the coverage, by last name; empty where its kind lists none.
    async fn people(&self, ctx: &Context<'_>) -> Result<Vec<Person>> {
        let order = vec![store::page::Sort { key: &store::person::key::LAST_NAME, descending: false }];
        all_under::<Person>(ctx, Parent::of(&*self.0), store::person::UNDER_VERSION, order).await
    }

    /// The instances whose support teams are covered, by name; empty where its kind lists none.
    async fn service_instances(&self, ctx: &Context<'_>) -> Result<Vec<ServiceInstance>> {
        let order = vec![store::page::Sort { key: &store::service_instance::key::NAME, descending: false }];
        all_under::<ServiceInstance>(ctx, Parent::of(&*self.0), store::service_instance::UNDER_VERSION, order)
            .await
    }
}
