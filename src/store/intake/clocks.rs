//! The clocks of requests: in which state they are, what is due and what proved wrong.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::result::QueryResult;
use diesel_async::AsyncPgConnection;
use tokio::task::yield_now;
use uuid::Uuid;

use super::REGISTERED;
use super::concerned::{Graph, Known, concerned, moved};
use super::history::{Stretch, complete, events, latest, rewritten, stretches};
use super::waiting::{History, settle, waiting};
use crate::access::Permit;
use crate::clock::events::Event;
use crate::clock::fold::{Facts, fold};
use crate::clock::state::{self, NextTarget, WarningShare};
use crate::clock::waiting::{WaitTerms, wait};
use crate::clock::whole_minutes;
use crate::store::affected_sla::{self, Clock, Frozen, Moving};
use crate::store::breach::{self, Recorded};
use crate::store::candidate::{self, Around, Services, Terms};
use crate::store::word::{BreachKind, BreachPhase};
use crate::store::{deadline, promise, request, request_event, rows};

/// From when on the history of each request is another than when its clocks were computed last.
pub(super) type Changed = BTreeMap<Uuid, DateTime<Utc>>;

/// Whether something was told of a request that holds from its beginning.
pub(super) fn told_as_a_whole(changed: &Changed, request: Uuid) -> bool {
    changed.get(&request) == Some(&DateTime::<Utc>::MIN_UTC)
}

/// How many clocks are computed together, or found for a request: each takes kilobytes.
pub(super) const AT_ONCE: usize = 5_000;

/// How many events are read together.
const EVENTS_AT_ONCE: usize = 50_000;

/// Brings the clocks of requests of one tenant up to date (rule C1): finds the SLAs that apply, folds each one's
/// history, and stores the state, what is due and what proved wrong. `news` are the events that were not known before;
/// none where the requests did not change: then no further SLA is looked for. The requests are locked. Their number does
/// not change the number of statements, unless they have so many clocks or events that they are taken in parts: what one
/// tells is not to take the memory of all.
pub(super) async fn bring_up_to_date(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    changed: Changed,
    news: Option<&HashSet<Uuid>>,
) -> QueryResult<()> {
    let changed: Vec<(Uuid, DateTime<Utc>)> = changed.into_iter().collect();
    let (mut rest, mut size) = (changed.as_slice(), changed.len());
    while !rest.is_empty() {
        let (part, others) = rest.split_at(size.min(rest.len()));
        match of_part(conn, permit, now, &part.iter().copied().collect(), news).await? {
            // Others may have fewer.
            Some(()) => (rest, size) = (others, part.len().saturating_mul(2)),
            None => size = part.len() / 2,
        }
    }
    Ok(())
}

/// None, and nothing done, where these are several requests and too much to be computed together.
async fn of_part(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    changed: &Changed,
    news: Option<&HashSet<Uuid>>,
) -> QueryResult<Option<()>> {
    let ids: &[Uuid] = &changed.keys().copied().collect::<Vec<_>>();
    let most = |many: usize| if ids.len() > 1 { many } else { usize::MAX };
    let requests = request::lock(conn, permit, ids).await?;
    let Some(told) = request_event::histories(conn, permit, ids, most(EVENTS_AT_ONCE)).await? else {
        return Ok(None);
    };
    let Some(existing) = affected_sla::of_requests(conn, permit, ids, most(AT_ONCE)).await? else {
        return Ok(None);
    };
    let mut histories: HashMap<Uuid, Vec<Arc<request_event::Row>>> = HashMap::new();
    for row in told {
        histories.entry(row.request_id).or_default().push(row);
    }
    for request in &requests {
        complete(request, histories.entry(request.id).or_default());
    }
    let told = |request: &request::Row| histories.get(&request.id).map_or(&[][..], Vec::as_slice);
    let nothing = HashSet::new();
    let stretches: Vec<Stretch<'_>> = requests
        .iter()
        .flat_map(|request| {
            let (history, news) = (told(request), news.unwrap_or(&nothing));
            let registered =
                |event: &Arc<request_event::Row>| event.event_key == REGISTERED && news.contains(&event.id);
            let is_news = told_as_a_whole(changed, request.id) || history.iter().any(registered);
            stretches(request, history, news, is_news)
        })
        .collect();
    let mut happened: HashMap<Uuid, Vec<Event>> =
        requests.iter().map(|request| (request.id, events(told(request)))).collect();
    let graph = Graph::load(conn, permit, &stretches).await?;
    let was: HashMap<Uuid, Frozen> = existing.iter().map(|clock| (clock.id, clock.clone())).collect();
    let mut frozen = match news {
        None => existing,
        Some(news) => {
            let rewritten = |clock: &Frozen, at: DateTime<Utc>| {
                let history = histories.get(&clock.request_id).map_or(&[][..], Vec::as_slice);
                rewritten(history, news, at)
            };
            let mut disproved: HashMap<Uuid, Vec<(DateTime<Utc>, Uuid)>> = HashMap::new();
            for clock in existing.iter().filter(|clock| clock.applies && rewritten(clock, clock.started_at)) {
                disproved.entry(clock.request_id).or_default().push((clock.started_at, clock.sla_id));
            }
            let known = Known { existing: &existing, disproved: &disproved, happened: &happened, news };
            let Some(mut found) = graph.candidates(conn, permit, &stretches, &known).await? else {
                return Ok(None);
            };
            let inactive = settle((&stretches, changed), &mut happened, &mut found, &existing, news);
            if !inactive.is_empty() {
                request_event::inactive(conn, permit, inactive).await?;
            }
            let unlike = candidate::not_in_term(conn, permit, &moved(&requests, &existing)).await?;
            concerned(permit, (&stretches, changed), found, existing, (rewritten, unlike))
        }
    };
    let states: Vec<request::State> = requests.iter().map(|request| latest(request, told(request))).collect();
    request::update(conn, &states).await?;
    let waiting = waiting(&requests, &frozen);
    let history = |request: Uuid, events| match waiting.get(&request) {
        Some(waiting) => waiting.told(events),
        None => History::of(events),
    };
    let give = |clock: &mut Frozen, history: &History| {
        if let Some(waiting) = waiting.get(&clock.request_id) {
            waiting.give(clock, history);
        }
    };
    let (untold, now_told) = (History::default(), |(id, events)| (id, history(id, events)));
    let happened: HashMap<Uuid, History> = happened.into_iter().map(now_told).collect();
    for clock in &mut frozen {
        give(clock, happened.get(&clock.request_id).unwrap_or(&untold));
    }

    let instances = stretches.iter().filter_map(|stretch| stretch.instance);
    let services = match candidate::ask_services(frozen.iter(), instances, [&graph.relations]) {
        Some(sql) => candidate::services(&rows(conn, sql).await?)?,
        None => Services::new(),
    };
    let offerings: BTreeSet<Uuid> = frozen
        .iter()
        .filter_map(|frozen| if let Terms::Service(offering) = frozen.terms { Some(offering) } else { None })
        .collect();
    let earliest = frozen.iter().map(|frozen| frozen.started_at).min().unwrap_or(now);
    let offerings: Vec<Uuid> = offerings.into_iter().collect();
    let promises = promise::histories(conn, permit, &offerings, earliest).await?;

    let mut requested: HashMap<Uuid, BTreeSet<Uuid>> = HashMap::new();
    for stretch in &stretches {
        requested.entry(stretch.request.id).or_default().extend(stretch.instance);
    }
    let nowhere = BTreeSet::new();
    let around = |frozen: &Frozen| Around {
        requested: requested.get(&frozen.request_id).unwrap_or(&nowhere),
        relations: &graph.relations,
        services: &services,
    };
    let received: HashMap<Uuid, DateTime<Utc>> =
        requests.iter().map(|request| (request.id, request.created_at)).collect();
    let mut clocks = Vec::with_capacity(frozen.len());
    let mut due = Vec::with_capacity(frozen.len());
    let measure = |frozen: &Frozen, history: &History| match frozen.terms {
        Terms::Service(offering) => {
            let received = received.get(&frozen.request_id).copied().unwrap_or(now);
            let standard = frozen.standard_service_request_id;
            let promised = promise::promised(promises.get(&offering), standard, received);
            run(&frozen.facts(promised, around(frozen)), &frozen.history(&history.events))
        }
        Terms::Wait(terms) => await_answer(frozen, terms, &history.ending),
    };
    for mut frozen in frozen {
        frozen.relate(around(&frozen));
        let (moving, deadlines) = measure(&frozen, happened.get(&frozen.request_id).unwrap_or(&untold));
        due.push(deadlines);
        clocks.push(Clock { frozen, moving });
        // Others are not to wait until all are measured.
        yield_now().await;
    }
    if clocks.is_empty() {
        return Ok(Some(()));
    }
    let without_news: HashMap<Uuid, OnceLock<History>> =
        requests.iter().map(|request| (request.id, OnceLock::new())).collect();
    let known = |id: Uuid| {
        let is_news = |event: &request_event::Row| news.is_some_and(|news| news.contains(&event.id));
        let told = histories.get(&id).into_iter().flatten();
        let known: Vec<_> = told.filter(|event| !is_news(event)).cloned().collect();
        history(id, events(&known))
    };
    let measured_before = |frozen: &Frozen| {
        let before = without_news.get(&frozen.request_id);
        let before = before.map_or(&untold, |before| before.get_or_init(|| known(frozen.request_id)));
        let mut frozen = frozen.clone();
        give(&mut frozen, before);
        measure(&frozen, before)
    };
    let anew = |frozen: &Frozen| was.get(&frozen.id).is_none_or(|was| !was.made_like(frozen));
    store(conn, permit, now, changed, (&clocks, &due), (anew, measured_before)).await.map(Some)
}

/// Stores clocks, their deadlines, and what proved wrong of what was recorded of them. Only the news can prove that a
/// record is wrong (rule X14), what the catalogue says by now retracts nothing (rule B5): so the history without it, as
/// `measured_before`, must have said what is recorded; or it must tell of the time before the record fell due, and
/// otherwise of what is recorded. The instant alone does not tell: an impact assigned later can have put a target before
/// itself. Of a clock that was made `anew`, nothing is known of before.
async fn store(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    changed: &Changed,
    (clocks, due): (&[Clock], &[Vec<state::Deadline>]),
    (anew, measured_before): (impl Fn(&Frozen) -> bool, impl Fn(&Frozen) -> (Moving, Vec<state::Deadline>)),
) -> QueryResult<()> {
    let ids: Vec<Uuid> = clocks.iter().map(|clock| clock.frozen.id).collect();
    // First: once the deadlines are gone, nothing more is recorded of these clocks until the commit.
    deadline::forget(conn, permit, &ids).await?;
    let mut recorded: HashMap<Uuid, Vec<Recorded>> = HashMap::new();
    for record in breach::recorded(conn, permit, &ids).await? {
        recorded.entry(record.clock).or_default().push(record);
    }
    affected_sla::put(conn, clocks).await?;
    let mut wrong = Vec::new();
    let mut open = Vec::new();
    for (clock, due) in clocks.iter().zip(due) {
        {
            let records = recorded.get(&clock.frozen.id).map_or(&[][..], Vec::as_slice);
            let since = changed.get(&clock.frozen.request_id);
            let before = LazyCell::new(|| measured_before(&clock.frozen));
            let otherwise = |record: &Recorded| {
                let (moving, due_before) = &*before;
                anew(&clock.frozen)
                    || of_kind(record.kind, moving, due_before) != of_kind(record.kind, &clock.moving, due)
            };
            let by_news = |record: &Recorded| {
                before.1.iter().any(|d| says(d, record, now))
                    || since.is_some_and(|since| *since <= record.due_at) && otherwise(record)
            };
            let unsaid = records.iter().filter(|r| !due.iter().any(|d| says(d, r, now)));
            wrong.extend(unsaid.filter(|record| by_news(record)).map(|record| record.id));
            let mut seen = BTreeSet::new();
            for deadline in due.iter().filter(|d| !records.iter().any(|r| says(d, r, now))) {
                if seen.insert((deadline.kind, deadline.phase, deadline.at)) {
                    open.push(clock.frozen.deadline(deadline));
                }
            }
        }
        yield_now().await;
    }
    breach::retract(conn, permit, &wrong).await?;
    deadline::keep(conn, &open).await
}

/// What a history says of one promise: when it was kept, and its deadlines.
fn of_kind<'a>(
    kind: BreachKind,
    moving: &Moving,
    due: &'a [state::Deadline],
) -> (Option<DateTime<Utc>>, Vec<&'a state::Deadline>) {
    let actual_at = match kind {
        BreachKind::Resolution => moving.actual_resolution_at,
        _ => moving.actual_response_at,
    };
    (actual_at, due.iter().filter(|deadline| deadline.kind == kind).collect())
}

/// Whether a record says what the history says of a deadline. A breach is known by its target, a warning by its instant
/// (rules B1, C11); a breach recorded before its time, by what was known then, is wrong all the same.
fn says(deadline: &state::Deadline, record: &Recorded, now: DateTime<Utc>) -> bool {
    deadline.kind == record.kind
        && deadline.phase == record.phase
        && (deadline.at == record.due_at
            || record.phase == BreachPhase::Breached
                && deadline.target_at == record.target_at
                && deadline.at < now)
}

/// A clock with service terms.
fn run(facts: &Facts, events: &[Event]) -> (Moving, Vec<state::Deadline>) {
    let state = fold(facts, events, WarningShare::default());
    let (response, resolution) = (&state.response, &state.resolution);
    let moving = Moving {
        support_hours_id: state.support_hours.as_ref().map(|hours| hours.id),
        service_hours_id: state.service_hours.as_ref().map(|hours| hours.id),
        impact: state.impact.map(|impact| impact.as_str()),
        accountability: state.accountability.as_str(),
        maximum_response_duration: response.promised.minutes(),
        maximum_response_duration_in_days: response.promised.business_days(),
        maximum_resolution_duration: resolution.promised.minutes(),
        maximum_resolution_duration_in_days: resolution.promised.business_days(),
        response_target_at: response.target_at,
        response_breaches_at: response.breaches_at,
        resolution_target_at: resolution.target_at,
        resolution_breaches_at: resolution.breaches_at,
        next_target: state.next_target.as_str(),
        next_target_at: state.next_target_at,
        actual_response_at: response.actual_at,
        actual_response_duration: response.actual_duration.map(whole_minutes),
        actual_resolution_at: resolution.actual_at,
        actual_resolution_duration: resolution.actual_duration.map(whole_minutes),
        desired_completion_at: state.desired_completion_at,
        stopped_clock_at: state.stopped_clock_at,
        stopped_clock_duration: whole_minutes(state.stopped_clock_duration),
        downtime_start_at: state.downtime_start_at,
        downtime_end_at: state.downtime_end_at,
        downtime_duration: state.downtime_duration.map(whole_minutes),
        provider_not_accountable: state.provider_not_accountable,
        provider_was_not_accountable: state.provider_was_not_accountable,
    };
    (moving, state.deadlines)
}

/// A clock with queue or livechat terms: the wait is its response. One that is left out of the service level
/// (rule S10) has no target.
fn await_answer(frozen: &Frozen, terms: WaitTerms, events: &[Event]) -> (Moving, Vec<state::Deadline>) {
    let wait = wait(frozen.started_at, terms, events, frozen.measures_until(), WarningShare::default());
    let target_at = wait.promised_at();
    let (next_target, next_target_at) = match wait.superseded_at {
        None if wait.is_queued() => (NextTarget::Response, target_at),
        _ => (NextTarget::None, None),
    };
    let accountability = match wait.superseded_at {
        None => state::Accountability::Provider,
        Some(_) => state::Accountability::SlaNotAffected,
    };
    let moving = Moving {
        accountability: accountability.as_str(),
        maximum_response_duration: terms.due_time_in_minutes().filter(|_| frozen.applies),
        response_target_at: target_at,
        response_breaches_at: target_at,
        next_target: next_target.as_str(),
        next_target_at,
        actual_response_at: wait.taken_at,
        // Rule X7: sources' clocks differ.
        actual_response_duration: wait
            .taken_at
            .map(|at| whole_minutes((at - wait.queued_at).max(TimeDelta::zero()))),
        ..Moving::default()
    };
    (moving, wait.deadlines)
}

impl Frozen {
    fn deadline(&self, deadline: &state::Deadline) -> deadline::New {
        deadline::New {
            root_id: self.root_id,
            tenant_id: self.tenant_id,
            affected_sla_id: self.id,
            sla_id: self.sla_id,
            kind: deadline.kind.as_str(),
            phase: deadline.phase.as_str(),
            target_at: deadline.target_at,
            due_at: deadline.at,
        }
    }
}
