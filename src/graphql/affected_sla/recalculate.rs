//! Recalculating the targets of running clocks on purpose.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, InputObject, Object, Result, SimpleObject};
use uuid::Uuid;

use crate::access::{Permission, Permit};
use crate::error::{self, Error, InputErrorCode, Mistakes, WriteError};
use crate::graphql::asking::Asking;
use crate::graphql::input::{InputError, refused};
use crate::graphql::node::{Kind, related};
use crate::graphql::scalar::DateTime;
use crate::graphql::word::NextTarget;
use crate::graphql::write::seen;
use crate::graphql::{AffectedSla, Calendar, Sla};
use crate::store;
use crate::store::intake::recalculate::{self, Found, Recalculated, Which};

/// The most clocks that are recalculated at once.
const MOST: usize = 1_000;

/// Which clocks are recalculated: those of an SLA, of a request, or those listed; exactly one of the three.
#[derive(Clone, Debug, InputObject)]
pub struct AffectedSlasRecalculateInput {
    /// The running clocks of this SLA.
    sla_id: Option<ID>,
    /// The running clocks of this request.
    request_id: Option<ID>,
    /// These clocks; those among them that are resolved stay as they are.
    affected_sla_ids: Option<Vec<ID>>,
    /// Whether nothing is to be changed, only told what would.
    #[graphql(default = false)]
    dry_run: bool,
    /// A mark of the client's own, given back with the payload.
    client_mutation_id: Option<String>,
}

/// What a recalculation moved.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct RecalculationPayload {
    /// How many running clocks were recalculated; null when the input was refused.
    recalculated_count: Option<i32>,
    #[graphql(skip)]
    moved: Vec<RecalculatedAffectedSla>,
    /// All that is wrong with the input; empty when it was done.
    errors: Vec<InputError>,
    /// The mark that the client sent along.
    client_mutation_id: Option<String>,
}

#[ComplexObject]
impl RecalculationPayload {
    /// Those whose targets are others now.
    async fn moved(&self, ctx: &Context<'_>) -> Result<&[RecalculatedAffectedSla]> {
        Asking::of(ctx).tell_items(ctx, self.moved.len())?;
        Ok(&self.moved)
    }
}

/// A clock whose targets are others than before.
#[derive(SimpleObject)]
pub struct RecalculatedAffectedSla {
    /// The clock, as it is now; after a dry run, as it would be, but for its `explanation` and `breaches`, which are those
    /// of now.
    affected_sla: AffectedSla,
    /// Its targets before.
    before: AffectedSlaTargets,
    /// Its targets now.
    after: AffectedSlaTargets,
}

/// The targets of a clock. Durations are in minutes.
pub struct AffectedSlaTargets(Arc<store::affected_sla::Row>);

impl AffectedSlaTargets {
    fn differ(&self, other: &Self) -> bool {
        let facts = |targets: &Self| {
            let row = &targets.0;
            (
                (row.maximum_response_duration, row.maximum_response_duration_in_days),
                (row.maximum_resolution_duration, row.maximum_resolution_duration_in_days),
                (row.response_target_at, row.response_breaches_at),
                (row.resolution_target_at, row.resolution_breaches_at),
                (row.next_target, row.next_target_at),
                (row.support_hours_id, row.service_hours_id),
            )
        };
        facts(self) != facts(other)
    }
}

/// The targets of a clock. Durations are in minutes.
#[Object]
impl AffectedSlaTargets {
    /// Minutes to respond; null where the target is of another kind.
    async fn maximum_response_duration(&self) -> Option<i32> {
        self.0.maximum_response_duration
    }

    /// Business days to respond.
    async fn maximum_response_duration_in_days(&self) -> Option<i32> {
        self.0.maximum_response_duration_in_days
    }

    /// Minutes to resolve; null where the target is of another kind.
    async fn maximum_resolution_duration(&self) -> Option<i32> {
        self.0.maximum_resolution_duration
    }

    /// Business days to resolve.
    async fn maximum_resolution_duration_in_days(&self) -> Option<i32> {
        self.0.maximum_resolution_duration_in_days
    }

    /// The earliest instant at which the time to respond is used up; null when there is no such target.
    async fn response_target_at(&self) -> Option<DateTime> {
        self.0.response_target_at.map(Into::into)
    }

    /// The last instant at which a response is in time.
    async fn response_breaches_at(&self) -> Option<DateTime> {
        self.0.response_breaches_at.map(Into::into)
    }

    /// The earliest instant at which the time to resolve is used up; null when there is no such target.
    async fn resolution_target_at(&self) -> Option<DateTime> {
        self.0.resolution_target_at.map(Into::into)
    }

    /// The last instant at which a resolution is in time.
    async fn resolution_breaches_at(&self) -> Option<DateTime> {
        self.0.resolution_breaches_at.map(Into::into)
    }

    /// What the clock runs towards.
    async fn next_target(&self) -> NextTarget {
        self.0.next_target.into()
    }

    /// When; null where that is no instant.
    async fn next_target_at(&self) -> Option<DateTime> {
        self.0.next_target_at.map(Into::into)
    }

    /// The hours that count; null without an impact, and where none are promised: then a target in minutes or business days
    /// is none.
    async fn support_hours(&self, ctx: &Context<'_>) -> Result<Option<Calendar>> {
        related::<Calendar>(ctx, self.0.support_hours_id).await
    }

    /// The service hours, by which downtime is counted; null unless the impact is TOP, and where none are promised.
    async fn service_hours(&self, ctx: &Context<'_>) -> Result<Option<Calendar>> {
        related::<Calendar>(ctx, self.0.service_hours_id).await
    }
}

/// Recalculating clocks.
#[derive(Default)]
pub struct AffectedSlaMutation;

#[Object]
impl AffectedSlaMutation {
    /// Freezes the targets of running clocks anew, from what their offerings, calendars and instances say now, and tells what
    /// moved: edits alone move no running clock. Version, instance and teams stay, pauses stay, and so does what is in
    /// the breach log: it was true. A target that is missed under the new terms is recorded anew. Needs `slas:write` in
    /// the tenant of each clock, and in that of the SLA or request that is named.
    async fn affected_slas_recalculate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AffectedSlasRecalculateInput,
    ) -> Result<RecalculationPayload> {
        let asking = Asking::of(ctx);
        asking.viewer()?;
        let client_mutation_id = input.client_mutation_id.clone();
        let none = RecalculationPayload {
            recalculated_count: None,
            moved: Vec::new(),
            errors: Vec::new(),
            client_mutation_id,
        };
        match recalculate(asking, &input).await {
            Ok(done) => {
                asking.renew();
                asking.services().breaches.wake();
                let recalculated_count = i32::try_from(done.len()).ok();
                let told = done.into_iter().map(|clock| RecalculatedAffectedSla {
                    affected_sla: clock.after.clone().into(),
                    before: AffectedSlaTargets(clock.before),
                    after: AffectedSlaTargets(clock.after),
                });
                let moved = told.filter(|clock| clock.before.differ(&clock.after)).collect();
                Ok(RecalculationPayload { recalculated_count, moved, ..none })
            }
            Err(error) => Ok(RecalculationPayload { errors: refused(error)?, ..none }),
        }
    }
}

async fn recalculate(
    asking: &Asking,
    input: &AffectedSlasRecalculateInput,
) -> Result<Vec<Recalculated>, WriteError> {
    let (path, which) = which(input)?;
    let Some(clocks) = clocks(asking, path, &which).await? else {
        let message = format!("More than {MOST} clocks run there: name at most so many of them at a time.");
        return Err(error::InputError::at(path, InputErrorCode::Invalid, message).into());
    };
    let permits = by_tenant(asking, |clock| place(&which, path, clock), clocks)?;
    recalculate::recalculate(&asking.conn(), asking.now(), &permits, input.dry_run).await
}

/// The clocks that are meant, and the field that says so.
fn which(input: &AffectedSlasRecalculateInput) -> Result<(&'static str, Which), WriteError> {
    let mut mistakes = Mistakes::default();
    let which = match (&input.sla_id, &input.request_id, &input.affected_sla_ids) {
        (Some(id), None, None) => {
            let key = Kind::Sla.key_at(&mut mistakes, SLA, id);
            key.map(|key| (SLA, Which::Sla(key)))
        }
        (None, Some(id), None) => {
            let key = Kind::Request.key_at(&mut mistakes, REQUEST, id);
            key.map(|key| (REQUEST, Which::Request(key)))
        }
        (None, None, Some(ids)) => {
            if ids.len() > MOST {
                let sentence = format!("At most {MOST} clocks at a time: ask several times.");
                return Err(Error::LimitExceeded(sentence).into());
            }
            let key = |(place, id)| Kind::AffectedSla.key_at(&mut mistakes, &format!("{CLOCKS}.{place}"), id);
            let keys = ids.iter().enumerate().filter_map(key).collect();
            Some((CLOCKS, Which::AffectedSlas(keys)))
        }
        _ => {
            let message = "Say which clocks: pass exactly one of slaId, requestId and affectedSlaIds.";
            mistakes.add("input", InputErrorCode::Required, message);
            None
        }
    };
    match which {
        Some(which) => mistakes.none().map(|()| which),
        None => Err(mistakes.into()),
    }
}

const SLA: &str = "input.slaId";
const REQUEST: &str = "input.requestId";
const CLOCKS: &str = "input.affectedSlaIds";

/// The clocks meant; none where they are too many. What the viewer may not see is not found (rule P2).
async fn clocks(asking: &Asking, path: &str, which: &Which) -> Result<Option<Vec<Found>>, Error> {
    let viewer = asking.viewer()?.clone();
    let reach = viewer.reach_any();
    let tenant = match which {
        Which::Sla(id) => seen::<Sla>(asking, *id).await.map(|sla| Some(sla.tenant_id)),
        Which::Request(id) => {
            let tenant = store::request::tenant(&asking.conn(), &reach, *id).await?;
            tenant.map(Some).ok_or(Error::NotFound("request"))
        }
        Which::AffectedSlas(_) => Ok(None),
    };
    let permit = tenant.and_then(|tenant| match tenant {
        Some(tenant) => viewer.permit_seen(Permission::SlasWrite, tenant).map(drop),
        None => Ok(()),
    });
    permit.map_err(|error| error.at(path))?;
    let limit = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let found = recalculate::find(&asking.conn(), &reach, which, limit).await?;
    if let Which::AffectedSlas(ids) = which
        && let Some(missing) = ids.iter().find(|id| found.iter().all(|clock| clock.id != **id))
    {
        return Err(Error::NotFound("affected SLA").at(&place(which, path, *missing)));
    }
    Ok((found.len() <= MOST).then_some(found))
}

/// Where the input names a clock.
fn place(which: &Which, path: &str, clock: Uuid) -> String {
    match which {
        Which::AffectedSlas(ids) => {
            let at = ids.iter().position(|id| *id == clock).unwrap_or_default();
            format!("{path}.{at}")
        }
        Which::Sla(_) | Which::Request(_) => path.to_owned(),
    }
}

fn by_tenant(
    asking: &Asking,
    place: impl Fn(Uuid) -> String,
    clocks: Vec<Found>,
) -> Result<Vec<(Permit, Vec<Found>)>, Error> {
    let mut tenants: BTreeMap<Uuid, Vec<Found>> = BTreeMap::new();
    for clock in clocks {
        tenants.entry(clock.tenant_id).or_default().push(clock);
    }
    let viewer = asking.viewer()?;
    let permits = tenants.into_iter().map(|(tenant, clocks)| {
        let at = clocks.first().map(|clock| place(clock.id)).unwrap_or_default();
        let permit = viewer.permit_seen(Permission::SlasWrite, tenant).map_err(|error| error.at(&at))?;
        Ok((permit, clocks.into_iter().filter(|clock| clock.runs).collect()))
    });
    permits.collect()
}
