//! SlaActivation: That a version of an SLA was put in force: when, and by whom.

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::filter::{filter, order};
use super::node::{Entity, entity, related, required};
use super::page::object;
use super::scalar::DateTime;
use super::{Person, Sla, SlaVersion};

entity!(SlaActivation over sla_activation);

filter! {
    /// Which activations. All conditions that are given must hold.
    SlaActivationFilter over sla_activation {
        /// Its own id.
        id: IdFilter (SlaActivation) => ID,
        /// The tenant of the SLA. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// The version that was put in force.
        sla_version: IdFilter (SlaVersion) => VERSION,
        /// From when on.
        activated_at: DateTimeFilter => ACTIVATED_AT,
        /// Who did it.
        activated_by: IdFilter (Person) => ACTIVATED_BY,
    }
}

order! {
    /// One part of the order of activations. Default: the latest first.
    SlaActivationOrder by SlaActivationOrderField over sla_activation {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// From when on.
        ActivatedAt => ACTIVATED_AT,
    } default: ACTIVATED_AT Desc
}

object! {
    /// That a version of an SLA was put in force. It holds until the next one; of clocks that had started before, nothing
    /// changes.
    impl SlaActivation {
    }

    /// Opaque and unique over all types.
    pub async fn id(&self) -> ID {
        self.global_id()
    }

    /// The key within its type: what other systems keep.
    async fn uuid(&self) -> Uuid {
        self.0.id
    }

    /// The SLA.
    async fn sla(&self, ctx: &Context<'_>) -> Result<Sla> {
        required::<Sla>(ctx, self.0.sla_id).await
    }

    /// The version that was put in force.
    async fn sla_version(&self, ctx: &Context<'_>) -> Result<SlaVersion> {
        required::<SlaVersion>(ctx, self.0.sla_version_id).await
    }

    /// From when on it was in force.
    async fn activated_at(&self) -> DateTime {
        self.0.activated_at.into()
    }

    /// Who did it; null when an integration did, or somebody whom the viewer may not see.
    async fn activated_by(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.activated_by).await
    }
}
