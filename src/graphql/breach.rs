//! Breach: A record of the breach log: that a target comes near, that it was missed, or that an earlier record was wrong. Recorded once and never changed.

use std::ops::Bound;

use async_graphql::{Context, ID, InputObject, Result};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{BooleanFilter, DateTimeFilter, IdFilter, Operators, order, tenants};
use super::node::{Entity, Kind, entity, lookup, related, required};
use super::page::{Filter, all_under, object, root_fields};
use super::scalar::DateTime;
use super::word::{BreachKind, BreachPhase};
use super::{AffectedSla, Sla, SlaLimit, Tenant};
use crate::access::Permission;
use crate::breach;
use crate::error::Error;
use crate::store::breach::key;
use crate::store::filter::{Op, condition};
use crate::store::sql::{Bind, Sql};
use crate::store::{self, word};

entity!(Breach over breach);

/// Which records of the breach log. All conditions that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct BreachFilter {
    /// Its own id. Not for the feed.
    id: Option<IdFilter>,
    /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
    tenant: Option<IdFilter>,
    /// The SLA.
    sla: Option<IdFilter>,
    /// The clock. Not for the feed.
    affected_sla: Option<IdFilter>,
    /// The limit. Not for the feed.
    sla_limit: Option<IdFilter>,
    /// What was breached: one of these; an empty list lets nothing through.
    kind: Option<Vec<BreachKind>>,
    /// What the record says: one of these; an empty list lets nothing through.
    phase: Option<Vec<BreachPhase>>,
    /// Whether a later record says that it was wrong. Not for the feed.
    retracted: Option<BooleanFilter>,
    /// The target that was missed. Not for the feed.
    target_at: Option<DateTimeFilter>,
    /// When it was recorded.
    detected_at: Option<DateTimeFilter>,
}

impl Filter for BreachFilter {
    fn conditions(self, sql: &mut Sql) -> Result<(), Error> {
        let words = |words: Vec<&str>| Op::In(Bind::Texts(words.into_iter().map(str::to_owned).collect()));
        let kinds = self
            .kind
            .map(|kinds| words(kinds.into_iter().map(|k| word::BreachKind::from(k).word()).collect()));
        let phases = self
            .phase
            .map(|phases| words(phases.into_iter().map(|p| word::BreachPhase::from(p).word()).collect()));
        let given = [
            (&key::ID, self.id.map(|ids| ids.ops(Some(Kind::Breach)))),
            (&key::TENANT, self.tenant.map(|ids| ids.ops(Some(Kind::Tenant)))),
            (&key::SLA, self.sla.map(|ids| ids.ops(Some(Kind::Sla)))),
            (&key::AFFECTED_SLA, self.affected_sla.map(|ids| ids.ops(Some(Kind::AffectedSla)))),
            (&key::SLA_LIMIT, self.sla_limit.map(|ids| ids.ops(Some(Kind::SlaLimit)))),
            (&key::KIND, kinds.map(|op| Ok(vec![op]))),
            (&key::PHASE, phases.map(|op| Ok(vec![op]))),
            (&key::RETRACTED, self.retracted.map(|yes| yes.ops(None))),
            (&key::TARGET_AT, self.target_at.map(|range| range.ops(None))),
            (&key::DETECTED_AT, self.detected_at.map(|range| range.ops(None))),
        ];
        for (key, ops) in given {
            for op in ops.transpose()?.into_iter().flatten() {
                condition(sql, key, op);
            }
        }
        Ok(())
    }

    fn tenants(&mut self) -> Result<Option<Vec<Uuid>>, Error> {
        tenants(&mut self.tenant)
    }
}

impl BreachFilter {
    /// The same for the feed, which knows fewer conditions.
    pub(super) fn feed(self) -> Result<breach::Filter, Error> {
        if self.id.is_some()
            || self.affected_sla.is_some()
            || self.sla_limit.is_some()
            || self.retracted.is_some()
            || self.target_at.is_some()
        {
            return Err(Error::BadRequest(
                "The feed is filtered by tenant, sla, kind, phase and detectedAt only: leave out the others."
                    .into(),
            ));
        }
        Ok(breach::Filter {
            tenants: self.tenant.map(|ids| ids.feed(Kind::Tenant)).transpose()?.unwrap_or_default(),
            slas: self.sla.map(|ids| ids.feed(Kind::Sla)).transpose()?.unwrap_or_default(),
            kinds: self.kind.map(|kinds| kinds.into_iter().map(Into::into).collect()),
            phases: self.phase.map(|phases| phases.into_iter().map(Into::into).collect()),
            detected_at: self
                .detected_at
                .map_or((Bound::Unbounded, Bound::Unbounded), DateTimeFilter::bounds),
        })
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

    /// The SLA; null for a limit. Needs `slas:read`: else it is null, with an error where that is held in no tenant.
    async fn sla(&self, ctx: &Context<'_>) -> Result<Option<Sla>> {
        related::<Sla>(ctx, self.0.sla_id).await
    }

    /// The clock; null for a limit. Needs `affected-slas:read`: else it is null, with an error where that is held in no tenant.
    async fn affected_sla(&self, ctx: &Context<'_>) -> Result<Option<AffectedSla>> {
        related::<AffectedSla>(ctx, self.0.affected_sla_id).await
    }

    /// The limit; null for a clock, and when it was deleted since. Needs `service-level-agreement-limits:read`: else it is null, with an error where that is held in no tenant.
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
        let found = all_under::<Breach>(ctx, self.parent(), store::breach::UNDER_RETRACTED, order).await?;
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

    /// From where to follow the breach log after what is read in the same operation, lists of records or of clocks: pass
    /// it as `after` of `subscription breaches`, and you are told of every record that the lists do not have. Some that
    /// they have may be told again: know them by their id. Of a list of several pages, take that of the first. Needs
    /// `breaches:read`.
    async fn feed_cursor(&self, ctx: &Context<'_>) -> Result<String> {
        let asking = Asking::of(ctx);
        asking.reach(Permission::BreachesRead)?;
        Ok(asking.feed_cursor())
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
