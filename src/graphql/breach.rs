//! Breach: A record of the breach log: that a target comes near, that it was missed, or that an earlier record was wrong. Recorded once and never changed.

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, related, required};
use super::page::{all_under, object, root_fields};
use super::scalar::{DateTime};
use super::word::{BreachKind, BreachPhase};
use super::{AffectedSla, Sla, SlaLimit, Tenant};
use crate::store;

entity!(Breach over breach);

filter! {
    /// Which records of the breach log. All conditions that are given must hold.
    BreachFilter over breach {
        /// Its own id.
        id: IdFilter (Breach) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// The SLA.
        sla: IdFilter (Sla) => SLA,
        /// The clock.
        affected_sla: IdFilter (AffectedSla) => AFFECTED_SLA,
        /// The limit.
        sla_limit: IdFilter (SlaLimit) => SLA_LIMIT,
        /// What was breached.
        kind: BreachKindFilter => KIND,
        /// What the record says.
        phase: BreachPhaseFilter => PHASE,
        /// The target that was missed.
        target_at: DateTimeFilter => TARGET_AT,
        /// When it was recorded.
        detected_at: DateTimeFilter => DETECTED_AT,
    }
}

order! {
    /// One part of the order of records of the breach log. Default: the newest first.
    BreachOrder by BreachOrderField over breach {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// The target that was missed.
        TargetAt => TARGET_AT,
        /// When it was recorded.
        DetectedAt => DETECTED_AT,
    } default: ID Desc
}

object! {
    /// A record of the breach log: that a target comes near, that it was missed, or that an earlier record was wrong.
    /// Recorded once and never changed.
    impl Breach {
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

    /// What was breached.
    async fn kind(&self) -> BreachKind {
        self.0.kind.into()
    }

    /// What the record says.
    async fn phase(&self) -> BreachPhase {
        self.0.phase.into()
    }

    /// The SLA; null for a limit. Needs `slas:read`.
    async fn sla(&self, ctx: &Context<'_>) -> Result<Option<Sla>> {
        related::<Sla>(ctx, self.0.sla_id).await
    }

    /// The clock; null for a limit. Needs `affected-slas:read`.
    async fn affected_sla(&self, ctx: &Context<'_>) -> Result<Option<AffectedSla>> {
        related::<AffectedSla>(ctx, self.0.affected_sla_id).await
    }

    /// The limit; null for a clock. Needs `service-level-agreement-limits:read`.
    async fn sla_limit(&self, ctx: &Context<'_>) -> Result<Option<SlaLimit>> {
        related::<SlaLimit>(ctx, self.0.sla_limit_id).await
    }

    /// The target that was missed or comes near; of a limit: the start of the period.
    async fn target_at(&self) -> DateTime {
        self.0.target_at.into()
    }

    /// When it was recorded, by the database's clock.
    async fn detected_at(&self) -> DateTime {
        self.0.detected_at.into()
    }

    /// The record that this one proves wrong; null unless the phase is RETRACTED.
    async fn retracts(&self, ctx: &Context<'_>) -> Result<Option<Breach>> {
        related::<Breach>(ctx, self.0.retracts_id).await
    }

    /// The record that proves this one wrong; null as long as there is none.
    async fn retracted_by(&self, ctx: &Context<'_>) -> Result<Option<Breach>> {
        let order = vec![store::page::Sort { key: &store::breach::key::ID, descending: false }];
        let found = all_under::<Breach>(ctx, self.key(), store::breach::UNDER_RETRACTED, order).await?;
        Ok(found.into_iter().next())
    }
}

/// Reading records of the breach log.
#[derive(Default)]
pub struct BreachQuery;

root_fields! {
    impl BreachQuery {
        /// The records of the breach log of every tenant in which the viewer holds `breaches:read`.
        breaches: Breach [BreachFilter, BreachOrder];
    }

    /// The record of an id; needs `breaches:read`.
    async fn breach(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<Breach>> {
        lookup::<Breach>(ctx, &id).await
    }
}
