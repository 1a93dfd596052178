//! Explanation: why the clock of an affected SLA shows what it shows.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, Enum, Object, Result};
use chrono::TimeDelta;
use uuid::Uuid;

use super::asking::Asking;
use super::load::Loaders;
use super::node::{related, required};
use super::page::part;
use super::scalar::{DateTime, LocalDateTime, TimeZone};
use super::{RequestEvent, SlaVersion};
use crate::clock::explain::{self, Account, ClockKind, Reason, ReasonKind, Totals};
use crate::clock::fold::fold;
use crate::clock::state::{self, WarningShare};
use crate::clock::waiting::wait;
use crate::clock::whole_minutes;
use crate::error::Error;
use crate::store;
use crate::store::replay::{Measured, Replay};

/// How far into the stretches of a clock a list may begin: years of several stretches a day.
const FURTHEST: usize = 10_000;

/// Why the clocks of an affected SLA show what they show: replayed from what happened to the request, under the terms
/// that were frozen for it.
pub struct Explanation {
    replay: Arc<Replay>,
    now: chrono::DateTime<chrono::Utc>,
    frozen_at: Option<chrono::DateTime<chrono::Utc>>,
    response: Account,
    resolution: Option<Account>,
}

impl Explanation {
    /// Of an affected SLA, at the moment of asking.
    pub(super) async fn of(ctx: &Context<'_>, affected_sla: Uuid) -> Result<Self> {
        let asking = Asking::of(ctx);
        let now = asking.now();
        let replay = asking.load(ReplayOf(affected_sla)).await?.ok_or(Error::NotFound("affected SLA"))?;
        let warning = WarningShare::default();
        let explain = || match &replay.measured {
            Measured::Service(facts) => {
                let state = fold(facts, &replay.events, warning);
                let account = |clock| Account::new(facts, &state, clock, now);
                (state.frozen_at, account(ClockKind::Response), Some(account(ClockKind::Resolution)))
            }
            Measured::Wait { queued_at, terms, superseded_at } => {
                let wait = wait(*queued_at, *terms, &replay.events, *superseded_at, warning);
                (None, Account::of_wait(&wait, now), None)
            }
        };
        let (frozen_at, response, resolution) = asking.compute(explain).await;
        Ok(Self { replay, now, frozen_at, response, resolution })
    }
}

/// Why the clocks of an affected SLA show what they show: replayed from what happened to the request, under the terms
/// that were frozen for it.
#[Object]
impl Explanation {
    /// The moment of asking: what still runs is explained up to here.
    async fn now(&self) -> DateTime {
        self.now.into()
    }

    /// The version whose terms the clocks are measured by: the one in force when they started. Needs `slas:read`: else it is null, with an error.
    async fn sla_version(&self, ctx: &Context<'_>) -> Result<Option<SlaVersion>> {
        Ok(Some(required::<SlaVersion>(ctx, self.replay.sla_version_id).await?))
    }

    /// The zone that the hours are read in; null for chats and calls, which are measured around the clock.
    async fn time_zone(&self) -> Option<TimeZone> {
        match &self.replay.measured {
            Measured::Service(facts) => Some(TimeZone(facts.zone)),
            Measured::Wait { .. } => None,
        }
    }

    /// When the targets and hours were frozen: the impact was assigned, or they were recalculated on purpose. Null as
    /// long as there is no impact, and for chats and calls, whose terms are those of the version.
    async fn frozen_at(&self) -> Option<DateTime> {
        self.frozen_at.map(Into::into)
    }

    /// The clock of the first response; of a chat or call, its wait.
    async fn response(&self) -> ClockExplanation<'_> {
        ClockExplanation(&self.response)
    }

    /// The clock of the resolution; null for chats and calls, which have none.
    async fn resolution(&self) -> Option<ClockExplanation<'_>> {
        self.resolution.as_ref().map(ClockExplanation)
    }
}

/// How the time of one clock adds up, and every stretch of it. Seconds are exact to the microsecond, minutes are floored.
pub struct ClockExplanation<'a>(&'a Account);

/// How the time of one clock adds up, and every stretch of it: from `from` to `to` as many seconds have passed as were
/// counted, paused, stood still and skipped. Seconds are exact to the microsecond, minutes are floored.
#[Object]
impl ClockExplanation<'_> {
    /// When the clock started.
    async fn from(&self) -> DateTime {
        self.0.from.into()
    }

    /// Up to when it is explained: when it was met or given up, or else now.
    async fn to(&self) -> DateTime {
        self.0.to.into()
    }

    /// The promised time, in seconds of the hours that count; business days are the hours up to the end of the last of
    /// them. Null where there is no target.
    async fn allowance_seconds(&self) -> Option<f64> {
        self.0.allowance.map(seconds)
    }

    /// Seconds in which the clock ran. Null where there are no hours to measure it in.
    async fn counted_seconds(&self) -> Option<f64> {
        self.total(|totals| totals.counted).map(seconds)
    }

    /// The same in whole minutes: once there is an actual response or resolution, its duration. Null where there are no
    /// hours to measure it in.
    async fn counted_minutes(&self) -> Option<i64> {
        self.total(|totals| totals.counted).map(whole_minutes)
    }

    /// Seconds that pauses took off which are over. Null where there are no hours to measure it in.
    async fn paused_seconds(&self) -> Option<f64> {
        self.total(|totals| totals.paused).map(seconds)
    }

    /// The same in whole minutes: of the resolution clock, the `stoppedClockDuration`. Null where there are no hours to
    /// measure it in.
    async fn paused_minutes(&self) -> Option<i64> {
        self.total(|totals| totals.paused).map(whole_minutes)
    }

    /// Seconds for which the clock has stood still up to `to`, in the hours that count: up to now, or up to a response that
    /// was given while it stood; 0 while it runs. Null where there are no hours to measure it in.
    async fn standing_seconds(&self) -> Option<f64> {
        self.total(|totals| totals.standing).map(seconds)
    }

    /// Seconds outside the hours and in holidays, in which no clock runs. Null where there are no hours.
    async fn skipped_seconds(&self) -> Option<f64> {
        self.total(|totals| totals.skipped).map(seconds)
    }

    /// The stretches of the clock in the order of time, without holes; empty where there are no hours to measure it in.
    async fn intervals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 0 to 100; 25 when not given. Fewer come only at the end.")] first: Option<
            i32,
        >,
        #[graphql(desc = "How many to leave out from the start, at most 10 000; 0 when not given.")]
        skip: Option<i32>,
    ) -> Result<Vec<ExplainedInterval>> {
        let (skip, first) = part(first, skip, FURTHEST)?;
        let intervals = || self.0.intervals().skip(skip).take(first).map(ExplainedInterval).collect();
        Ok(Asking::of(ctx).compute(intervals).await)
    }
}

impl ClockExplanation<'_> {
    fn total(&self, of: impl Fn(Totals) -> TimeDelta) -> Option<TimeDelta> {
        self.0.totals().map(of)
    }
}

/// A stretch of a clock throughout which it ran, or did not for one reason.
pub struct ExplainedInterval(explain::Interval);

/// A stretch of a clock throughout which it ran, or did not for one reason.
#[Object]
impl ExplainedInterval {
    /// The first instant.
    async fn from(&self) -> DateTime {
        self.0.from.into()
    }

    /// The instant after the last one; the same as `from` where local time was skipped, which takes no time.
    async fn to(&self) -> DateTime {
        self.0.to.into()
    }

    /// How long it lasted, in seconds, whether it counts or not.
    async fn seconds(&self) -> f64 {
        seconds(self.0.to - self.0.from)
    }

    /// Whether it counts.
    async fn counted(&self) -> bool {
        self.0.counted()
    }

    /// Why it counts, or does not.
    async fn reason(&self) -> ExplanationReason {
        self.0.reason.kind().into()
    }

    /// The name of the holiday; null where the reason is another.
    async fn holiday(&self) -> Option<&str> {
        if let Reason::Holiday(name) = &self.0.reason { Some(name) } else { None }
    }

    /// Why the clock stood still; null where the reason is another.
    async fn stop_cause(&self) -> Option<ClockStopCause> {
        if let Reason::ClockStopped { cause, .. } = &self.0.reason { Some((*cause).into()) } else { None }
    }

    /// The event that stopped the clock; null where the reason is another, and where the request was so from the start.
    /// Needs `requests:read`: else it is null, with an error where that is held in no tenant.
    async fn event(&self, ctx: &Context<'_>) -> Result<Option<RequestEvent>> {
        match &self.0.reason {
            Reason::ClockStopped { event, .. } => related::<RequestEvent>(ctx, *event).await,
            _ => Ok(None),
        }
    }

    /// The local time at which the clocks on the wall were set forward; null where the reason is another.
    async fn skipped_from(&self) -> Option<LocalDateTime> {
        if let Reason::SkippedByDst { from, .. } = &self.0.reason { Some(LocalDateTime(*from)) } else { None }
    }

    /// The local time that they were set to; null where the reason is another.
    async fn skipped_until(&self) -> Option<LocalDateTime> {
        if let Reason::SkippedByDst { until, .. } = &self.0.reason {
            Some(LocalDateTime(*until))
        } else {
            None
        }
    }
}

/// Why a stretch of a clock counts or not. Outside the hours and in holidays nothing counts anyway, so a stopped clock is
/// the reason only where it would have run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ReasonKind")]
pub enum ExplanationReason {
    /// Within the hours, and the clock ran.
    Counted,
    /// Not within the hours of the weekday.
    OutsideHours,
    /// Within a holiday: see `holiday`.
    Holiday,
    /// Hours that counted did not exist on that day: the zone set its clocks forward. It takes no time.
    SkippedByDst,
    /// The clock stood still: see `stopCause` and `event`.
    ClockStopped,
}

/// Why a clock stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "state::StopCause")]
pub enum ClockStopCause {
    /// The request waits for its requester.
    WaitingForCustomer,
    /// The provider is not accountable.
    ProviderNotAccountable,
    /// The request was completed, and reopened later.
    Completed,
    /// The request was about an instance that does not touch this SLA.
    NotAffected,
}

/// A duration in seconds, exact to the microsecond.
fn seconds(span: TimeDelta) -> f64 {
    span.num_microseconds().map_or(f64::INFINITY, |micros| micros as f64 / 1e6)
}

/// "What it takes to replay this affected SLA."
#[derive(Clone, PartialEq, Eq, Hash)]
struct ReplayOf(Uuid);

impl Loader<ReplayOf> for Loaders {
    type Value = Arc<Replay>;
    type Error = Error;

    async fn load(&self, keys: &[ReplayOf]) -> Result<HashMap<ReplayOf, Self::Value>, Error> {
        let reach = self.reach_by_id::<store::affected_sla::Row>()?;
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let found = store::replay::of_clocks(&self.conn, &reach, &ids).await?;
        Ok(found.into_iter().map(|replay| (ReplayOf(replay.id), Arc::new(replay))).collect())
    }
}
