//! Attainment: how many promises of an SLA, an offering or a tenant were kept.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use chrono::Utc;
use uuid::Uuid;

use super::asking::Asking;
use super::calendar::{HoursOf, int};
use super::load::Loaders;
use super::page::Parent;
use super::scalar::{DateTime, TimeZone};
use crate::access::Permission;
use crate::clock::attainment::{Attained, Bucket, Tally};
use crate::clock::availability::{self, Period};
use crate::clock::calendar::Calendar;
use crate::clock::whole_minutes;
use crate::error::Error;
use crate::store::attainment::{self, Downtimes, Of};

/// The most parts that a period is cut into: a year of days, and some more.
const MOST_BUCKETS: usize = 400;

/// The most parts that are counted at once, those of all objects of a page together.
const MOST_COUNTED: usize = 20_000;

/// What a period is cut into, on the wall of a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Bucket")]
pub enum AttainmentBucket {
    /// Days.
    Day,
    /// ISO weeks, from Monday.
    Week,
    /// Months, from the 1st.
    Month,
}

/// How the promises of the clocks that started in a period have turned out by now, as a whole and by part.
pub struct Attainment {
    of: Of,
    parent: (Uuid, Uuid),
    period: Arc<Bounds>,
    zone: chrono_tz::Tz,
    cut: bool,
}

impl Attainment {
    /// Of a parent; the zone of its tenant counts where none is given.
    pub(super) fn of(
        ctx: &Context<'_>,
        (of, Parent { key: parent, tenant }): (Of, Parent),
        (from, to): (DateTime, DateTime),
        by: Option<AttainmentBucket>,
        zone: Option<TimeZone>,
    ) -> Result<Self, Error> {
        let asking = Asking::of(ctx);
        let viewer = asking.viewer()?;
        asking.held(Permission::AffectedSlasRead, tenant, of != Of::Tenant)?;
        let own = || viewer.place(tenant).map_or(chrono_tz::UTC, |place| place.time_zone);
        let zone = zone.map_or_else(own, |zone| zone.0);
        let period = Arc::new(Bounds::new(from, to, by, zone)?);
        Ok(Self { of, parent, period, zone, cut: by.is_some() })
    }

    async fn counts(&self, ctx: &Context<'_>) -> Result<Vec<Attained>, Error> {
        let key = CountsOf { of: self.of, parent: self.parent, period: self.period.clone() };
        let none = || vec![Attained::default(); self.period.0.len() - 1];
        Ok(Asking::of(ctx).load(key).await?.unwrap_or_else(none))
    }

    fn part(&self, period: Period, attained: Attained) -> AttainmentPeriod {
        let asked = Asked { of: self.of, parent: self.parent, period: self.period.clone() };
        AttainmentPeriod { period, attained, downtimes: asked }
    }
}

/// How the promises of the clocks that started in a period have turned out by now, as a whole and by part.
#[Object]
impl Attainment {
    /// The zone in whose days, weeks and months the parts are cut.
    async fn time_zone(&self) -> TimeZone {
        TimeZone(self.zone)
    }

    /// The whole period.
    async fn total(&self, ctx: &Context<'_>) -> Result<AttainmentPeriod> {
        let mut sum = Attained::default();
        if AttainmentPeriod::looks_at_counts(ctx) {
            self.counts(ctx).await?.into_iter().for_each(|attained| sum.add(attained));
        }
        Ok(self.part(self.period.whole(), sum))
    }

    /// Its parts in the order of time, those without any clock too; the first and the last may be cut by the period.
    /// Empty unless `by` is given.
    async fn buckets(&self, ctx: &Context<'_>) -> Result<Vec<AttainmentPeriod>> {
        if !self.cut {
            return Ok(Vec::new());
        }
        Asking::of(ctx).tell_items(ctx, self.period.0.len() - 1)?;
        let counts = self.counts(ctx).await?;
        Ok(self.period.parts().zip(counts).map(|(part, attained)| self.part(part, attained)).collect())
    }
}

/// How the promises of the clocks that started in a period have turned out by now.
pub struct AttainmentPeriod {
    period: Period,
    attained: Attained,
    downtimes: Asked,
}

impl AttainmentPeriod {
    fn looks_at_counts(ctx: &Context<'_>) -> bool {
        let look = ctx.look_ahead();
        ["response", "resolution", "queue", "livechat"].iter().any(|field| look.field(field).exists())
    }
}

/// How the promises of the clocks that started in a period have turned out by now. What is counted is the final state of
/// each clock: a breach that a late event has proved wrong is none.
#[Object]
impl AttainmentPeriod {
    /// The first instant.
    async fn from(&self) -> DateTime {
        self.period.start.into()
    }

    /// The instant after the last one.
    async fn to(&self) -> DateTime {
        self.period.end.into()
    }

    /// The response targets; of chats and calls, their waits.
    async fn response(&self) -> AttainmentCounts {
        AttainmentCounts::new(self.attained.response)
    }

    /// The resolution targets; chats and calls have none, and are among those excluded.
    async fn resolution(&self) -> AttainmentCounts {
        AttainmentCounts::new(self.attained.resolution)
    }

    /// The service level of what waited under terms of a queue, as calls do; null where nothing did.
    async fn queue(&self) -> Option<ServiceLevel> {
        ServiceLevel::new(self.attained.calls)
    }

    /// The service level of what waited under terms of live chats; null where nothing did.
    async fn livechat(&self) -> Option<ServiceLevel> {
        ServiceLevel::new(self.attained.chats)
    }

    /// How long the service was there. Null where no service hours are promised for it, and for a tenant as a whole.
    async fn availability(&self, ctx: &Context<'_>) -> Result<Option<Availability>> {
        let asking = Asking::of(ctx);
        let Some(downtimes) = asking.load(DowntimesOf(self.downtimes.clone())).await? else {
            return Ok(None);
        };
        let hours = asking.load(HoursOf(downtimes.service_hours_id)).await?.unwrap_or_default();
        let zone = TimeZone::stored(&downtimes.time_zone).0;
        let over = || {
            let over = |rules: Calendar| {
                availability::Availability::over(rules.in_zone(zone), self.period, &downtimes.spans)
            };
            hours.rules().map(over)
        };
        let over = asking.compute(over).await.map_err(Error::internal)?;
        Ok(Some(Availability {
            share: over.share(),
            service_minutes: int(whole_minutes(over.service))?,
            downtime_minutes: int(whole_minutes(over.down))?,
        }))
    }
}

/// How many promises turned out how; together they are the clocks that started in the period, but for those to whose
/// requests the SLA turned out never to apply. `affectedSlas` lists them, by `responseOutcome` or `resolutionOutcome` and
/// `startedAt`; those that never applied are among its excluded ones.
#[derive(SimpleObject)]
pub struct AttainmentCounts {
    /// Kept: what was promised was given by the last instant at which it was in time.
    met: i64,
    /// Not kept, whether it was given later or is still awaited.
    breached: i64,
    /// Not decided yet: still in time, or standing still.
    running: i64,
    /// Nothing was promised that could be missed: no target, best effort, a wait given up early enough to be ignored, or a
    /// chat that was given another SLA before it was due; of resolutions, also an SLA that the request no longer affects, whose response target stays.
    excluded: i64,
    /// The share of those that are decided which were kept, 0 to 1: met ÷ (met + breached). Null when none is decided.
    share_met: Option<f64>,
}

impl AttainmentCounts {
    pub(super) fn new(tally: Tally) -> Self {
        let Tally { met, breached, running, excluded } = tally;
        Self { met, breached, running, excluded, share_met: tally.share_met() }
    }
}

/// How many of those that waited were taken in time.
#[derive(SimpleObject)]
pub struct ServiceLevel {
    /// How many entered. A chat that was given another SLA counts for that one; for the one before only if it was due by then.
    entered: i64,
    /// How many were taken within the time promised.
    answered_within: i64,
    /// How many gave up so early that they are left out: calls as the terms say, chats before they were due.
    ignored_abandons: i64,
    /// The service level in percent: answered within ÷ (entered − ignored abandons) × 100. Those that still wait count as
    /// entered. Null when there is nothing left to divide by.
    percentage: Option<f64>,
}

impl ServiceLevel {
    /// Rule S10.
    pub(super) fn new(waits: Tally) -> Option<Self> {
        let (entered, counted) = (waits.all(), waits.all() - waits.excluded);
        (entered > 0).then(|| Self {
            entered,
            answered_within: waits.met,
            ignored_abandons: waits.excluded,
            percentage: (counted > 0).then(|| waits.met as f64 / counted as f64 * 100.0),
        })
    }
}

/// How long a service was there in the hours promised for it: the service hours of its offering, as they are now, in the
/// offering's zone. Down it was as long as requests of impact `TOP` say so; downtimes that overlap count once, one that has
/// not ended goes on until now.
#[derive(SimpleObject)]
pub struct Availability {
    /// 1 − downtime ÷ service hours of the whole period, 0 to 1. Null when the period has no service hours.
    share: Option<f64>,
    /// Minutes of service hours in the period.
    service_minutes: i32,
    /// Minutes of them in which it was down.
    downtime_minutes: i32,
}

/// What cuts a period into parts, its ends included: two instants or more, ascending.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Bounds(Vec<chrono::DateTime<Utc>>);

impl Bounds {
    /// A period from one instant to a later one, in parts or in one piece.
    pub(super) fn new(
        from: DateTime,
        to: DateTime,
        by: Option<AttainmentBucket>,
        zone: chrono_tz::Tz,
    ) -> Result<Self, Error> {
        if to <= from {
            return Err(Error::BadRequest("A period ends after it begins: pass a later `to`.".into()));
        }
        let Some(by) = by else { return Ok(Self(vec![from.0, to.0])) };
        Bucket::from(by).bounds(from.0, to.0, zone, MOST_BUCKETS).map(Self).ok_or_else(|| {
            Error::LimitExceeded(format!(
                "The period has more than {MOST_BUCKETS} parts: ask for a shorter one, or for longer parts."
            ))
        })
    }

    /// The period itself.
    pub(super) fn whole(&self) -> Period {
        let instant = |at: Option<&chrono::DateTime<Utc>>| at.copied().unwrap_or_default();
        Period { start: instant(self.0.first()), end: instant(self.0.last()) }
    }

    /// Adds up what was counted in finer parts, each told by where it begins.
    fn gather(&self, counted: impl Iterator<Item = (chrono::DateTime<Utc>, Attained)>) -> Vec<Attained> {
        let mut parts = vec![Attained::default(); self.0.len() - 1];
        for (begins, attained) in counted {
            let part = self.0.partition_point(|bound| *bound <= begins).checked_sub(1);
            if let Some(part) = part.and_then(|part| parts.get_mut(part)) {
                part.add(attained);
            }
        }
        parts
    }

    fn parts(&self) -> impl Iterator<Item = Period> + use<'_> {
        self.0.windows(2).map(|pair| Period { start: pair[0], end: pair[1] })
    }
}

/// Whose promises, and when.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked {
    of: Of,
    parent: (Uuid, Uuid),
    period: Arc<Bounds>,
}

/// "How did the promises of this parent turn out."
type CountsOf = Asked;

/// "When was the service of this parent down."
#[derive(Clone, PartialEq, Eq, Hash)]
struct DowntimesOf(Asked);

/// The same question of many parents is one statement, even where their zones cut the period differently.
fn by_question<'a>(keys: impl Iterator<Item = &'a Asked>) -> Vec<(Of, Period, Vec<&'a Asked>)> {
    let mut questions: Vec<(Of, Period, Vec<&Asked>)> = Vec::new();
    for key in keys {
        let period = key.period.whole();
        match questions.iter_mut().find(|(of, known, _)| *of == key.of && *known == period) {
            Some((_, _, same)) => same.push(key),
            None => questions.push((key.of, period, vec![key])),
        }
    }
    questions
}

/// Each once: a parent may be asked for the same period in different parts.
fn parents(keys: &[&Asked]) -> Vec<(Uuid, Uuid)> {
    keys.iter().map(|key| key.parent).collect::<BTreeSet<_>>().into_iter().collect()
}

impl Loader<CountsOf> for Loaders {
    type Value = Vec<Attained>;
    type Error = Error;

    async fn load(&self, keys: &[CountsOf]) -> Result<HashMap<CountsOf, Self::Value>, Error> {
        let viewer = self.viewer.as_ref().ok_or(Error::Unauthenticated)?;
        let reach = &*viewer.reach(Permission::AffectedSlasRead)?;
        if keys.iter().map(|key| key.period.0.len() - 1).sum::<usize>() > MOST_COUNTED {
            let sentence = format!(
                "This asks for more than {MOST_COUNTED} parts of periods at once: ask for fewer objects, or for longer parts."
            );
            return Err(Error::LimitExceeded(sentence));
        }
        let asked = by_question(keys.iter()).into_iter().map(|(of, _, keys)| async move {
            let all: BTreeSet<_> = keys.iter().flat_map(|key| &key.period.0).copied().collect();
            let all: Vec<_> = all.into_iter().collect();
            let found = attainment::counts(&self.conn, reach, of, &parents(&keys), &all).await?;
            let own = |key: &Asked| {
                let counted = found.get(&key.parent.1).into_iter().flatten();
                (key.clone(), key.period.gather(all.iter().copied().zip(counted.copied())))
            };
            Ok::<_, Error>(keys.into_iter().map(own).collect::<Vec<_>>())
        });
        Ok(futures_util::future::try_join_all(asked).await?.into_iter().flatten().collect())
    }
}

impl Loader<DowntimesOf> for Loaders {
    type Value = Arc<Downtimes>;
    type Error = Error;

    async fn load(&self, keys: &[DowntimesOf]) -> Result<HashMap<DowntimesOf, Self::Value>, Error> {
        let viewer = self.viewer.as_ref().ok_or(Error::Unauthenticated)?;
        let reach = &*viewer.reach(Permission::AffectedSlasRead)?;
        let questions = by_question(keys.iter().map(|key| &key.0));
        let asked = questions.into_iter().map(|(of, period, keys)| async move {
            let found =
                attainment::downtimes(&self.conn, reach, of, &parents(&keys), period, self.now).await?;
            let found: HashMap<Uuid, Arc<Downtimes>> =
                found.into_iter().map(|(id, downtimes)| (id, Arc::new(downtimes))).collect();
            let own = |key: &Asked| Some((DowntimesOf(key.clone()), found.get(&key.parent.1)?.clone()));
            Ok::<_, Error>(keys.into_iter().filter_map(own).collect::<Vec<_>>())
        });
        Ok(futures_util::future::try_join_all(asked).await?.into_iter().flatten().collect())
    }
}
