//! Simulation: what would have become of recorded clocks under other terms.

use std::cmp::Reverse;
use std::sync::Arc;

use async_graphql::{Context, ID, Object, PathSegment, Result, ServerError, SimpleObject};
use chrono::Utc;
use uuid::Uuid;

use super::asking::Asking;
use super::attainment::{AttainmentCounts, Bounds, ServiceLevel};
use super::calendar::HoursOf;
use super::node::Kind;
use super::page::part;
use super::scalar::DateTime;
use super::word::PromiseOutcome;
use super::{AffectedSla, SlaTermsInput};
use crate::access::Permission;
use crate::clock::attainment::Attained;
use crate::clock::availability::Period;
use crate::clock::fold::fold;
use crate::clock::state::WarningShare;
use crate::clock::targets::Hours;
use crate::clock::waiting::{Abandons, QueueTerms, WaitTerms, wait};
use crate::error::{Error, Mistakes};
use crate::store::noun::Noun;
use crate::store::replay::{self, Measured, Offer, Proposal, Replay};
use crate::store::sla::terms::Terms;
use crate::store::word::{AbandonType, SlaKind};
use crate::store::{affected_sla, calendar, service_instance, service_offering, sla};

/// The most clocks that one simulation replays.
const MOST_CLOCKS: usize = 10_000;

/// How many clocks are replayed at a time: their histories are in memory together.
const AT_A_TIME: usize = 500;

/// Asking what would have been.
#[derive(Default)]
pub struct SimulationQuery;

#[Object]
impl SimulationQuery {
    /// What if an SLA had promised something else: replays the recorded history of its clocks that started in a period
    /// under other terms of its kind, and changes nothing. At most 10 000 clocks. Whom the terms cover plays no part: the
    /// clocks are those that there are, of the tenants in which the viewer may read them. Needs `slas:read` and
    /// `affected-slas:read` in the SLA's tenant.
    async fn simulate_sla_terms(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The SLA; global id or bare UUID.")] sla_id: ID,
        #[graphql(
            desc = "What it is to promise, as its offering promises it now. Of its own kind. Without a service instance the clocks keep theirs."
        )]
        terms: SlaTermsInput,
        #[graphql(desc = "The first instant of the period.")] from: DateTime,
        #[graphql(desc = "The instant after its last one.")] to: DateTime,
        #[graphql(
            desc = "A calendar to measure in instead of the support hours of the offering; refused for chats and calls, which are measured around the clock. Global id or bare UUID."
        )]
        calendar_id: Option<ID>,
    ) -> Result<SimulationResult> {
        let asking = Asking::of(ctx);
        asking.viewer()?;
        let mut wrong = Wrong::default();
        let id = wrong.or("slaId", Kind::Sla.key(&sla_id))?;
        let sla = match id {
            Some(id) => Some(simulated(asking, id).await.map_err(|error| error.at("slaId"))?),
            None => None,
        };
        let period = wrong.or("to", Bounds::new(from, to, None, chrono_tz::UTC))?;
        let calendar = calendar_id.map(|id| Kind::Calendar.key(&id)).transpose();
        let calendar = wrong.or("calendarId", calendar)?.flatten();
        let mut mistakes = Mistakes::default();
        let terms = terms.terms(&mut mistakes);
        wrong.terms(mistakes);
        let proposal = match &sla {
            Some(sla) => proposal(asking, sla, terms, calendar, &mut wrong).await?,
            None => None,
        };
        match (sla, period, proposal) {
            (Some(sla), Some(period), Some(proposal)) if wrong.0.is_empty() => {
                Ok(simulate(asking, &sla, period.whole(), &proposal).await?)
            }
            _ => Err(wrong.told(ctx)),
        }
    }
}

/// What is wrong with the arguments, told all at once.
#[derive(Default)]
struct Wrong(Vec<Error>);

impl Wrong {
    /// What was found; else it is noted that the argument at a path is at fault.
    ///
    /// # Errors
    /// What no argument is at fault of.
    fn or<T>(&mut self, path: &str, found: Result<T, Error>) -> Result<Option<T>, Error> {
        match found.map_err(|error| error.at(path)) {
            Ok(found) => Ok(Some(found)),
            Err(placed @ Error::Placed(..)) => {
                self.0.push(placed);
                Ok(None)
            }
            Err(whole) => Err(whole),
        }
    }

    /// The mistakes of terms, which have the paths that they have in a version to be made.
    fn terms(&mut self, mistakes: Mistakes) {
        self.0.extend(mistakes.into_vec().into_iter().map(|mistake| {
            let path = mistake.path.into_iter().skip_while(|part| *part != "terms").collect();
            Error::Placed(Box::new(Error::BadRequest(mistake.message)), path)
        }));
    }

    /// The last of all errors, which is given back; the others are told before it.
    fn told(mut self, ctx: &Context<'_>) -> async_graphql::Error {
        let last = self.0.pop().unwrap_or_else(|| Error::internal("nothing was wrong"));
        let errors = self.0.into_iter().map(async_graphql::Error::from);
        let field = PathSegment::Field(ctx.field().alias().unwrap_or(ctx.field().name()).to_owned());
        errors.for_each(|error| {
            let error = error.into_server_error(ctx.item.pos);
            ctx.add_error(ServerError { path: vec![field.clone()], ..error });
        });
        last.into()
    }
}

/// The SLA whose clocks are replayed.
async fn simulated(asking: &Asking, id: Uuid) -> Result<Arc<sla::Row>, Error> {
    let sla = asking.row::<sla::Row>(id).await?.ok_or(Error::NotFound(sla::Row::NAME))?;
    let held = asking.viewer()?.permissions(sla.tenant_id);
    let missing =
        [Permission::SlasRead, Permission::AffectedSlasRead].into_iter().find(|one| !held.contains(*one));
    missing.map_or(Ok(sla), |permission| Err(Error::Forbidden(permission)))
}

/// What is proposed, checked as the terms of a version are; none where something is wrong with it.
async fn proposal(
    asking: &Asking,
    sla: &sla::Row,
    terms: Terms,
    calendar: Option<Uuid>,
    wrong: &mut Wrong,
) -> Result<Option<Proposal>, Error> {
    let refuse = |sentence: String| Err::<(), _>(Error::BadRequest(sentence));
    if terms.kind() != sla.kind {
        let sentence = format!("The terms of this SLA are of the kind {}: propose such.", sla.kind.word());
        wrong.or("terms", refuse(sentence))?;
    }
    if calendar.is_some() && sla.kind != SlaKind::Service {
        let sentence = "Chats and calls are measured around the clock: leave out calendarId.";
        wrong.or("calendarId", refuse(sentence.to_owned()))?;
    }
    Ok(match terms {
        Terms::Service { service_offering_id, service_instance_id, .. } => {
            let at = |field: &str| format!("terms.service.{field}");
            // Nil is what was no id.
            let offering = match service_offering_id {
                id if id.is_nil() => None,
                id => wrong
                    .or(&at("serviceOfferingId"), usable::<service_offering::Row>(asking, sla, id).await)?,
            };
            let path = at("serviceInstanceId");
            let instance = match service_instance_id {
                None => None,
                Some(id) => wrong.or(&path, usable::<service_instance::Row>(asking, sla, id).await)?,
            };
            // Rule S7.
            if let (Some(offering), Some(instance)) = (&offering, &instance)
                && instance.service_id != offering.service_id
            {
                let sentence = "The service instance must be one of the offering's service.";
                wrong.or(&path, refuse(sentence.to_owned()))?;
            }
            let hours = match calendar {
                Some(id) if sla.kind == SlaKind::Service => {
                    wrong.or("calendarId", hours(asking, sla, id).await)?
                }
                _ => None,
            };
            let Some(offering) = offering.filter(|_| wrong.0.is_empty()) else { return Ok(None) };
            let reach = asking.reach_by_id::<service_offering::Row>()?;
            let offer = Offer::of(&asking.conn(), &reach, &offering, instance, hours).await?;
            Some(Proposal::Service(Box::new(offer)))
        }
        Terms::Queue { sla_threshold, abandon_type, abandon_threshold } => {
            let abandons = match (abandon_type, abandon_threshold) {
                (AbandonType::IgnoreAbandons, Some(seconds)) => {
                    Abandons::IgnoreWithin(seconds.unsigned_abs())
                }
                _ => Abandons::CountAgainstSla,
            };
            let terms = QueueTerms { sla_threshold: sla_threshold.unsigned_abs(), abandons };
            Some(Proposal::Wait(WaitTerms::Queue(terms)))
        }
        Terms::Livechat { due_time_in_minutes } => {
            let due_time_in_minutes = due_time_in_minutes.unsigned_abs();
            Some(Proposal::Wait(WaitTerms::Livechat { due_time_in_minutes }))
        }
    })
}

/// Something of the SLA's own tree that the terms refer to.
async fn usable<N: Noun>(asking: &Asking, sla: &sla::Row, id: Uuid) -> Result<Arc<N>, Error> {
    let row = asking.row::<N>(id).await?;
    row.filter(|row| row.root_id() == sla.root_id).ok_or(Error::NotFound(N::NAME))
}

async fn hours(asking: &Asking, sla: &sla::Row, id: Uuid) -> Result<Hours, Error> {
    let calendar = usable::<calendar::Row>(asking, sla, id).await?;
    let rules =
        asking.load(HoursOf(calendar.id)).await?.unwrap_or_default().rules().map_err(Error::internal)?;
    // Rule X11.
    let sentence = "The calendar has no active hours: nothing could be measured in it.";
    rules.require_active_hours().map_err(|_| Error::BadRequest(sentence.into()))?;
    Ok(Hours { id, calendar: Arc::new(rules) })
}

async fn simulate(
    asking: &Asking,
    sla: &sla::Row,
    period: Period,
    proposal: &Proposal,
) -> Result<SimulationResult, Error> {
    let (conn, now) = (asking.conn(), asking.now());
    let reach = asking.reach(Permission::AffectedSlasRead)?;
    let clocks =
        affected_sla::started_in(&conn, &reach, (sla.root_id, sla.id), period, MOST_CLOCKS + 1).await?;
    if clocks.len() > MOST_CLOCKS {
        let sentence = format!(
            "More than {MOST_CLOCKS} clocks of this SLA started in the period: simulate a shorter one, several times if need be."
        );
        return Err(Error::LimitExceeded(sentence));
    }
    let (mut before, mut after) = (Attained::default(), Attained::default());
    let mut changes = Vec::new();
    for some in clocks.chunks(AT_A_TIME) {
        let ids: Vec<Uuid> = some.iter().map(|clock| clock.id).collect();
        // Both in the order of ids; what was deleted meanwhile is in neither.
        let mut replays = replay::of_clocks_under(&conn, &reach, &ids, proposal).await?;
        replays.sort_unstable_by_key(|replay| replay.id);
        for clock in some {
            let Ok(found) = replays.binary_search_by_key(&clock.id, |replay| replay.id) else { continue };
            let change = SimulatedChange {
                before: SimulatedPromises::stored(clock, now),
                after: asking.compute(|| SimulatedPromises::replayed(&replays[found], now)).await,
                clock: clock.clone(),
            };
            let superseded = clock.superseded_at.is_some();
            change.before.count(sla.kind, superseded, &mut before);
            change.after.count(sla.kind, superseded, &mut after);
            if change.before != change.after {
                changes.push(change);
            }
        }
    }
    // Stable: by start otherwise.
    changes.sort_by_key(|change| Reverse(change.turns_out_differently()));
    Ok(SimulationResult { period, replayed: clocks.len(), before, after, changes })
}

/// What would have become of the clocks of an SLA under other terms. Nothing was changed.
pub struct SimulationResult {
    period: Period,
    replayed: usize,
    before: Attained,
    after: Attained,
    changes: Vec<SimulatedChange>,
}

/// What would have become of the clocks of an SLA under other terms. Nothing was changed.
#[Object]
impl SimulationResult {
    /// The first instant of the period in which the clocks started.
    async fn from(&self) -> DateTime {
        self.period.start.into()
    }

    /// The instant after its last one.
    async fn to(&self) -> DateTime {
        self.period.end.into()
    }

    /// How many clocks were replayed.
    async fn replayed(&self) -> usize {
        self.replayed
    }

    /// How the promises have turned out, under the terms that each clock was measured by.
    async fn before(&self) -> SimulatedAttainment {
        SimulatedAttainment::new(self.before)
    }

    /// How they would have turned out by now under the terms proposed.
    async fn after(&self) -> SimulatedAttainment {
        SimulatedAttainment::new(self.after)
    }

    /// How many clocks would have had another target or have turned out differently.
    async fn changed_count(&self) -> usize {
        self.changes.len()
    }

    /// Those clocks: first those that would have turned out differently, then those with another target, each by start.
    async fn changes(
        &self,
        #[graphql(desc = "How many, 0 to 100; 25 when not given. Fewer come only at the end.")] first: Option<
            i32,
        >,
        #[graphql(desc = "How many to leave out from the start, 0 or more; 0 when not given.")] skip: Option<
            i32,
        >,
    ) -> Result<Vec<SimulatedChange>> {
        let (skip, first) = part(first, skip, MOST_CLOCKS)?;
        Ok(self.changes.iter().skip(skip).take(first).cloned().collect())
    }
}

/// How promises turned out, recorded or simulated.
#[derive(SimpleObject)]
pub struct SimulatedAttainment {
    /// The response targets; of chats and calls, their waits.
    response: AttainmentCounts,
    /// The resolution targets; chats and calls have none, and are among those excluded.
    resolution: AttainmentCounts,
    /// The service level of calls; null where there were none.
    queue: Option<ServiceLevel>,
    /// The service level of chats; null where there were none.
    livechat: Option<ServiceLevel>,
}

impl SimulatedAttainment {
    fn new(attained: Attained) -> Self {
        Self {
            response: AttainmentCounts::new(attained.response),
            resolution: AttainmentCounts::new(attained.resolution),
            queue: ServiceLevel::new(attained.calls),
            livechat: ServiceLevel::new(attained.chats),
        }
    }
}

/// A clock that would have had another target, or have turned out differently.
#[derive(Clone)]
pub struct SimulatedChange {
    clock: Arc<affected_sla::Row>,
    before: SimulatedPromises,
    after: SimulatedPromises,
}

impl SimulatedChange {
    fn turns_out_differently(&self) -> bool {
        (self.before.response, self.before.resolution) != (self.after.response, self.after.resolution)
    }
}

/// A clock that would have had another target, or have turned out differently.
#[Object]
impl SimulatedChange {
    /// The clock, as it is recorded.
    async fn affected_sla(&self) -> AffectedSla {
        self.clock.clone().into()
    }

    /// What was promised and how that turned out.
    async fn before(&self) -> &SimulatedPromises {
        &self.before
    }

    /// What would have been promised, and how that would have turned out by now.
    async fn after(&self) -> &SimulatedPromises {
        &self.after
    }
}

/// The two promises of a clock: until when, and how that turned out.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct SimulatedPromises {
    /// The earliest instant at which the time to respond is used up; null where there is no target.
    response_target_at: Option<DateTime>,
    /// How the promise of a response turned out.
    response: PromiseOutcome,
    /// The earliest instant at which the time to resolve is used up; null where there is no target.
    resolution_target_at: Option<DateTime>,
    /// How the promise of a resolution turned out.
    resolution: PromiseOutcome,
}

impl SimulatedPromises {
    fn stored(clock: &affected_sla::Row, now: chrono::DateTime<Utc>) -> Self {
        Self {
            response_target_at: clock.response_target_at.map(Into::into),
            response: clock.response_outcome(now).into(),
            resolution_target_at: clock.resolution_target_at.map(Into::into),
            resolution: clock.resolution_outcome(now).into(),
        }
    }

    fn replayed(replay: &Replay, now: chrono::DateTime<Utc>) -> Self {
        let warning = WarningShare::default();
        match &replay.measured {
            Measured::Service(facts) => {
                let state = fold(facts, &replay.events, warning);
                Self {
                    response_target_at: state.response.target_at.map(Into::into),
                    response: state.response.outcome(now).into(),
                    resolution_target_at: state.resolution.target_at.map(Into::into),
                    resolution: state.resolution.outcome(now).into(),
                }
            }
            Measured::Wait { queued_at, terms, superseded_at } => {
                let wait = wait(*queued_at, *terms, &replay.events, *superseded_at, warning);
                Self {
                    response_target_at: wait.promised_at().map(Into::into),
                    response: wait.outcome(now).into(),
                    resolution_target_at: None,
                    resolution: PromiseOutcome::Excluded,
                }
            }
        }
    }

    fn count(&self, kind: SlaKind, superseded: bool, attained: &mut Attained) {
        attained.response.count(self.response.into());
        attained.resolution.count(self.resolution.into());
        match kind {
            // It counts for the SLA that took the place of this one in time (rule S12).
            _ if superseded && self.response == PromiseOutcome::Excluded => {}
            SlaKind::Queue => attained.calls.count(self.response.into()),
            SlaKind::Livechat => attained.chats.count(self.response.into()),
            SlaKind::Service => {}
        }
    }
}
