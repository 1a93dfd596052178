//! AffectedSla: One clock: what one promise means for one request. Computed from what happened to the request; never written by hand.

mod recalculate;

pub use recalculate::{
    AffectedSlaMutation, AffectedSlaTargets, AffectedSlasRecalculateInput, RecalculatedAffectedSla,
    RecalculationPayload,
};

use async_graphql::{Context, Enum, ID, Result};
use uuid::Uuid;

use super::asking::Asking;
use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, related, required};
use super::page::{all_under, object, root_fields};
use super::scalar::{DateTime, TimeZone};
use super::word::{Accountability, Impact, NextTarget, PromiseOutcome};
use super::{
    Breach, Calendar, Explanation, Organization, Request, ServiceInstance, Sla, SlaVersion,
    StandardServiceRequest, Team, Tenant,
};
use crate::clock::state::at_risk;
use crate::store::{self, word};

entity!(AffectedSla over affected_sla);

filter! {
    /// Which affected SLAs. All conditions that are given must hold.
    AffectedSlaFilter over affected_sla {
        /// Its own id.
        id: IdFilter (AffectedSla) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// The request.
        request: IdFilter (Request) => REQUEST,
        /// The SLA.
        sla: IdFilter (Sla) => SLA,
        /// The affected service instance.
        service_instance: IdFilter (ServiceInstance) => SERVICE_INSTANCE,
        /// The support team of that instance, as of when the clock was made.
        support_team: IdFilter (Team) => SUPPORT_TEAM,
        /// What the clock runs towards.
        next_target: NextTargetFilter => NEXT_TARGET,
        /// When that is.
        next_target_at: DateTimeFilter => NEXT_TARGET_AT,
        /// How the promise of a response has turned out by now; of chats and calls, of their wait.
        response_outcome: PromiseOutcomeFilter => RESPONSE_OUTCOME,
        /// How the promise of a resolution has turned out by now.
        resolution_outcome: PromiseOutcomeFilter => RESOLUTION_OUTCOME,
        /// The impact.
        impact: ImpactFilter => IMPACT,
        /// Who answers for it.
        accountability: AccountabilityFilter => ACCOUNTABILITY,
        /// Since when the clock has been stopped; null while it runs, and once it is over.
        stopped_clock_at: DateTimeFilter => STOPPED_CLOCK_AT,
        /// How many minutes of support hours it stood before.
        stopped_clock_duration: IntFilter => STOPPED_CLOCK_DURATION,
        /// The system it was taken over from.
        source: StringFilter => SOURCE,
        /// Its id in that system.
        source_id: StringFilter => SOURCE_ID,
        /// When the clock started.
        started_at: DateTimeFilter => STARTED_AT,
        /// When the chat that it measured was given another SLA.
        superseded_at: DateTimeFilter => SUPERSEDED_AT,
        /// When it was made.
        created_at: DateTimeFilter => CREATED_AT,
        /// When it was last updated.
        updated_at: DateTimeFilter => UPDATED_AT,
    }
}

order! {
    /// One part of the order of affected SLAs. Default: by id descending, the newest first.
    AffectedSlaOrder by AffectedSlaOrderField over affected_sla {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// The id of the request. Needs `requests:read` in each tenant of the list: else the list is `FORBIDDEN`.
        Request => REQUEST,
        /// The name of the SLA. Needs `slas:read` in each tenant of the list: else the list is `FORBIDDEN`.
        Sla => SLA_NAME,
        /// The name of the service instance.
        ServiceInstance => SERVICE_INSTANCE_NAME,
        /// What is due next, first.
        NextTargetAt => NEXT_TARGET_AT,
        /// When the clock started.
        StartedAt => STARTED_AT,
        /// When it was made.
        CreatedAt => CREATED_AT,
        /// When it was last updated.
        UpdatedAt => UPDATED_AT,
    } default: ID Desc
}

object! {
    /// One clock: what one promise means for one request. Computed from what happened to the request; never written
    /// by hand.
    impl AffectedSla {
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

    /// The SLA. Needs `slas:read`, and is never null: without it ask for it under `@include`.
    async fn sla(&self, ctx: &Context<'_>) -> Result<Sla> {
        required::<Sla>(ctx, self.0.sla_id).await
    }

    /// The version whose terms it is measured by: the one active when the clock was made. Needs `slas:read`: else it is
    /// null, with an error.
    async fn sla_version(&self, ctx: &Context<'_>) -> Result<Option<SlaVersion>> {
        Ok(Some(required::<SlaVersion>(ctx, self.0.sla_version_id).await?))
    }

    /// The request. Needs `requests:read`, and is never null: without it ask for it under `@include`.
    async fn request(&self, ctx: &Context<'_>) -> Result<Request> {
        required::<Request>(ctx, self.0.request_id).await
    }

    /// The affected service instance, as the SLA named it when the clock was made. Of an SLA on a service as a whole, the one
    /// that the request was about then: it goes on when the request moves to another instance of that service. Null where
    /// an SLA that names none applies whatever it covers.
    async fn service_instance(&self, ctx: &Context<'_>) -> Result<Option<ServiceInstance>> {
        related::<ServiceInstance>(ctx, self.0.service_instance_id).await
    }

    /// The impact on this instance; null when the request has none.
    async fn impact(&self) -> Option<Impact> {
        self.0.impact.map(Into::into)
    }

    /// Who answers for it.
    async fn accountability(&self) -> Accountability {
        self.0.accountability.into()
    }

    /// When the clock started.
    async fn started_at(&self) -> DateTime {
        self.0.started_at.into()
    }

    /// The earliest instant at which the time to respond is used up; null when there is none.
    async fn response_target_at(&self) -> Option<DateTime> {
        self.0.response_target_at.map(Into::into)
    }

    /// The last instant at which a response is in time. Later than the target when the time is used up exactly at closing
    /// time: then the next opening. Null too while a clock that stopped in time stands still, as none is the last.
    async fn response_breaches_at(&self) -> Option<DateTime> {
        self.0.response_breaches_at.map(Into::into)
    }

    /// The earliest instant at which the time to resolve is used up; null when there is none. It does not know yet of the pause
    /// in which the clock stands still.
    async fn resolution_target_at(&self) -> Option<DateTime> {
        self.0.resolution_target_at.map(Into::into)
    }

    /// The last instant at which a resolution is in time; see `responseBreachesAt`.
    async fn resolution_breaches_at(&self) -> Option<DateTime> {
        self.0.resolution_breaches_at.map(Into::into)
    }

    /// What the clock runs towards.
    async fn next_target(&self) -> NextTarget {
        self.0.next_target.into()
    }

    /// When that is; null where `nextTarget` is no instant.
    async fn next_target_at(&self) -> Option<DateTime> {
        self.0.next_target_at.map(Into::into)
    }

    /// How the promise of a response has turned out by now; of chats and calls, of their wait. `Attainment` counts by it.
    async fn response_outcome(&self, ctx: &Context<'_>) -> PromiseOutcome {
        self.0.response_outcome(Asking::of(ctx).now()).into()
    }

    /// How the promise of a resolution has turned out by now. `Attainment` counts by it.
    async fn resolution_outcome(&self, ctx: &Context<'_>) -> PromiseOutcome {
        self.0.resolution_outcome(Asking::of(ctx).now()).into()
    }

    /// When the response was given; null until then, and where a chat was given another SLA first. Of a ticket it is the first
    /// of: a status that is a response (`RequestStatus`); its coming to another instance than the clock's, so that on an
    /// instance above (`SUPPLIER`) it is given from the start; its assignment to a team that does not support the instance.
    async fn actual_response_at(&self) -> Option<DateTime> {
        self.0.actual_response_at.map(Into::into)
    }

    /// Minutes of support hours it took, without pauses; null until it was given, and where no hours were promised.
    async fn actual_response_duration(&self) -> Option<i32> {
        self.0.actual_response_duration
    }

    /// When the resolution was given; null until then, and again after a reopening.
    async fn actual_resolution_at(&self) -> Option<DateTime> {
        self.0.actual_resolution_at.map(Into::into)
    }

    /// Minutes of support hours it took, without pauses; null until it was given, and where no hours were promised.
    async fn actual_resolution_duration(&self) -> Option<i32> {
        self.0.actual_resolution_duration
    }

    /// When the request is wished to be done.
    async fn desired_completion_at(&self) -> Option<DateTime> {
        self.0.desired_completion_at.map(Into::into)
    }

    /// Minutes of support hours to respond, as of when the impact was assigned; null where the target is another.
    async fn maximum_response_duration(&self) -> Option<i32> {
        self.0.maximum_response_duration
    }

    /// Business days to respond; null where the target is another.
    async fn maximum_response_duration_in_days(&self) -> Option<i32> {
        self.0.maximum_response_duration_in_days
    }

    /// Minutes of support hours to resolve, as of when the impact was assigned; null where the target is another.
    async fn maximum_resolution_duration(&self) -> Option<i32> {
        self.0.maximum_resolution_duration
    }

    /// Business days to resolve; null where the target is another.
    async fn maximum_resolution_duration_in_days(&self) -> Option<i32> {
        self.0.maximum_resolution_duration_in_days
    }

    /// Since when the clock stands; null while it runs, and once it is over: completed, or not affected.
    async fn stopped_clock_at(&self) -> Option<DateTime> {
        self.0.stopped_clock_at.map(Into::into)
    }

    /// Minutes of support hours that it stood before.
    async fn stopped_clock_duration(&self) -> i32 {
        self.0.stopped_clock_duration
    }

    /// Since when the instance was down.
    async fn downtime_start_at(&self) -> Option<DateTime> {
        self.0.downtime_start_at.map(Into::into)
    }

    /// Until when it was down.
    async fn downtime_end_at(&self) -> Option<DateTime> {
        self.0.downtime_end_at.map(Into::into)
    }

    /// Minutes of service hours between them; null unless both are known, the impact is TOP, and there are service hours.
    async fn downtime_duration(&self) -> Option<i32> {
        self.0.downtime_duration
    }

    /// Whether the provider says now not to be accountable.
    async fn provider_not_accountable(&self) -> bool {
        self.0.provider_not_accountable
    }

    /// Whether the provider ever said so.
    async fn provider_was_not_accountable(&self) -> bool {
        self.0.provider_was_not_accountable
    }

    /// The calendar that counts, as of when the impact was assigned; null without an impact, and where none is promised:
    /// then a target in minutes or business days is none. It is shown as it is now, but the clock is measured by the hours
    /// that it had then, which `explanation` tells as far as they are past. Null too where what happened is told only after
    /// that calendar was deleted: the clock is measured by it all the same.
    async fn support_hours(&self, ctx: &Context<'_>) -> Result<Option<Calendar>> {
        related::<Calendar>(ctx, self.0.support_hours_id).await
    }

    /// The calendar in which downtime counts, shown as it is now, though what counts are the hours that it had when the
    /// impact was assigned; set for impact TOP only, and null where what happened is told only after it was deleted.
    async fn service_hours(&self, ctx: &Context<'_>) -> Result<Option<Calendar>> {
        related::<Calendar>(ctx, self.0.service_hours_id).await
    }

    /// The zone of the offering when the clock was made; null without service terms.
    async fn time_zone(&self) -> Option<TimeZone> {
        self.0.time_zone.as_deref().map(TimeZone::stored)
    }

    /// The support team of the instance when the clock was made.
    async fn support_team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        related::<Team>(ctx, self.0.support_team_id).await
    }

    /// The first line team of the instance when the clock was made.
    async fn first_line_team(&self, ctx: &Context<'_>) -> Result<Option<Team>> {
        related::<Team>(ctx, self.0.first_line_team_id).await
    }

    /// The provider of the instance, or where that names none of its service, when the clock was made, if it is another
    /// company.
    async fn supplier(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        related::<Organization>(ctx, self.0.supplier_id).await
    }

    /// The standard service request whose targets apply; null when the offering's do.
    async fn standard_service_request(&self, ctx: &Context<'_>) -> Result<Option<StandardServiceRequest>> {
        related::<StandardServiceRequest>(ctx, self.0.standard_service_request_id).await
    }

    /// How near the next target is, for colours; null where there is no instant to come near to.
    async fn at_risk(&self, ctx: &Context<'_>) -> Option<AtRiskLevel> {
        let breaches_at = match self.0.next_target {
            word::NextTarget::Response => self.0.response_breaches_at,
            word::NextTarget::Resolution => self.0.resolution_breaches_at,
            // A desired completion comes after a resolution that may be late already.
            _ => self.0.resolution_breaches_at.into_iter().chain(self.0.next_target_at).min(),
        };
        Some(at_risk(self.0.next_target_at?, breaches_at?, Asking::of(ctx).now()).into())
    }

    /// Its records of the breach log, in the order in which they were made. Needs `breaches:read`: else it is null, with an error.
    async fn breaches(&self, ctx: &Context<'_>) -> Result<Option<Vec<Breach>>> {
        let order = vec![store::page::Sort { key: &store::breach::key::ID, descending: false }];
        Ok(Some(all_under::<Breach>(ctx, self.parent(), store::breach::UNDER_AFFECTED_SLA, order).await?))
    }

    /// Why its durations are what they are: every stretch that counted and every one that did not, adding up exactly.
    async fn explanation(&self, ctx: &Context<'_>) -> Result<Explanation> {
        Explanation::of(ctx, self.0.id).await
    }

    /// When the chat that it measured was given another SLA while it waited. This one ends then: it has a target only if that was
    /// over by then, which stays recorded as breached, and the chat's response is the other's. Null for all others.
    async fn superseded_at(&self) -> Option<DateTime> {
        self.0.superseded_at.map(Into::into)
    }

    /// The system it was taken over from; null when it was computed here.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// Its id in that system; null when it was computed here.
    async fn source_id(&self) -> Option<&str> {
        self.0.source_id.as_deref()
    }

    /// When the clock was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }
}

/// Reading affected SLAs.
#[derive(Default)]
pub struct AffectedSlaQuery;

root_fields! {
    impl AffectedSlaQuery {
        /// The affected SLAs of every tenant in which the viewer holds `affected-slas:read`.
        affected_slas: AffectedSla [AffectedSlaFilter, AffectedSlaOrder];
    }

    /// The affected SLA of an id; needs `affected-slas:read`.
    async fn affected_sla(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<AffectedSla>> {
        lookup::<AffectedSla>(ctx, &id).await
    }
}

/// How near a target is, for colours: by minutes on the wall, whatever the support hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::clock::state::AtRiskLevel")]
pub enum AtRiskLevel {
    /// It is breached: now is later than `responseBreachesAt` or `resolutionBreachesAt`, or than a desired completion.
    Past,
    /// Less than 20 minutes are left, or none while it is not breached yet.
    Orange,
    /// Less than 60 minutes are left.
    Yellow,
    /// 60 minutes or more are left.
    Green,
}
