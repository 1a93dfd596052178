//! The clocks of requests: which there are, in which state, what is due and what proved wrong.

use std::cell::LazyCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::result::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::REGISTERED;
use super::history::{Stretch, complete, events, latest, rewritten, stretches};
use crate::access::Permit;
use crate::clock::coverage::{self, Covering, Requester, Uses};
use crate::clock::events::Event;
use crate::clock::fold::{Facts, fold};
use crate::clock::state::{self, NextTarget, WarningShare};
use crate::clock::waiting::{Given, WaitTerms, wait};
use crate::clock::whole_minutes;
use crate::store::affected_sla::{self, Clock, Frozen, Moving};
use crate::store::breach::{self, Recorded};
use crate::store::candidate::{self, Around, Candidate, Question, Services, Terms};
use crate::store::word::{BreachPhase, Channel};
use crate::store::{deadline, id, promise, request, request_event, rows};

/// From when on the history of each request is another than when its clocks were computed last.
pub(super) type Changed = BTreeMap<Uuid, DateTime<Utc>>;

/// Whether something was told of a request that holds from its beginning.
fn told_as_a_whole(changed: &Changed, request: Uuid) -> bool {
    changed.get(&request) == Some(&DateTime::<Utc>::MIN_UTC)
}

/// Brings the clocks of requests of one tenant up to date (rule C1): finds the SLAs that apply, folds each one's
/// history, and stores the state, what is due and what proved wrong. `news` are the events that were not known before;
/// none where the requests did not change: then no further SLA is looked for. The requests are locked. Their number does
/// not change the number of statements.
pub(super) async fn bring_up_to_date(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    changed: &Changed,
    news: Option<&HashSet<Uuid>>,
) -> QueryResult<()> {
    let ids: &[Uuid] = &changed.keys().copied().collect::<Vec<_>>();
    let requests = request::lock(conn, permit, ids).await?;
    let mut histories: HashMap<Uuid, Vec<Arc<request_event::Row>>> = HashMap::new();
    for row in request_event::histories(conn, permit, ids).await? {
        histories.entry(row.request_id).or_default().push(row);
    }
    for request in &requests {
        complete(request, histories.entry(request.id).or_default());
    }
    let told = |request: &request::Row| histories.get(&request.id).map_or(&[][..], Vec::as_slice);
    let states: Vec<request::State> = requests.iter().map(|request| latest(request, told(request))).collect();
    request::update(conn, &states).await?;

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
    let happened: HashMap<Uuid, Vec<Event>> =
        requests.iter().map(|request| (request.id, events(told(request)))).collect();
    let graph = Graph::load(conn, permit, &stretches).await?;
    let existing = affected_sla::of_requests(conn, permit, ids).await?;
    let mut frozen = match news {
        None => existing,
        Some(news) => {
            let found = graph.candidates(conn, permit, &stretches, &existing).await?;
            let rewritten = |clock: &Frozen, at: DateTime<Utc>| {
                let history = histories.get(&clock.request_id).map_or(&[][..], Vec::as_slice);
                rewritten(history, news, at)
            };
            concerned(permit, (&stretches, changed), &graph, found, existing, rewritten)
        }
    };
    give(&requests, &happened, &mut frozen);

    let instances = stretches.iter().filter_map(|stretch| stretch.instance);
    let services = match candidate::ask_services(frozen.iter(), instances, &graph.uses) {
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
        uses: &graph.uses,
        services: &services,
    };
    let received: HashMap<Uuid, DateTime<Utc>> =
        requests.iter().map(|request| (request.id, request.created_at)).collect();
    let mut clocks = Vec::with_capacity(frozen.len());
    let mut due = Vec::with_capacity(frozen.len());
    let measure = |frozen: &Frozen, events: &[Event]| match frozen.terms {
        Terms::Service(offering) => {
            let received = received.get(&frozen.request_id).copied().unwrap_or(now);
            let standard = frozen.standard_service_request_id;
            let promised = promise::promised(promises.get(&offering), standard, received);
            run(&frozen.facts(promised, around(frozen)), &frozen.history(events))
        }
        Terms::Wait(terms) if frozen.applies => await_answer(frozen, terms, events),
        // It promises nothing.
        Terms::Wait(_) => run(&frozen.facts(Vec::new(), around(frozen)), events),
    };
    for mut frozen in frozen {
        frozen.relate(around(&frozen));
        let events = happened.get(&frozen.request_id).map_or(&[][..], Vec::as_slice);
        let (moving, deadlines) = measure(&frozen, events);
        due.push(deadlines);
        clocks.push(Clock { frozen, moving });
    }
    if clocks.is_empty() {
        return Ok(());
    }
    let due_before = |frozen: &Frozen| {
        let history = histories.get(&frozen.request_id).map_or(&[][..], Vec::as_slice);
        let is_news = |event: &request_event::Row| news.is_some_and(|news| news.contains(&event.id));
        let known: Vec<_> = history.iter().filter(|event| !is_news(event)).cloned().collect();
        measure(frozen, &events(&known)).1
    };
    store(conn, permit, now, changed, &clocks, &due, due_before).await
}

/// Stores clocks, their deadlines, and what proved wrong of what was recorded of them. Only the news can prove that a
/// record is wrong (rule X14), what the catalogue says by now retracts nothing (rule B5): so it must tell of the time
/// before the record fell due, or the history without it, of which `due_before` tells the deadlines, must have said what
/// is recorded. The instant alone does not tell: an impact assigned later can have put a target before itself.
async fn store(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    now: DateTime<Utc>,
    changed: &Changed,
    clocks: &[Clock],
    due: &[Vec<state::Deadline>],
    due_before: impl Fn(&Frozen) -> Vec<state::Deadline>,
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
        let records = recorded.get(&clock.frozen.id).map_or(&[][..], Vec::as_slice);
        let since = changed.get(&clock.frozen.request_id);
        let before = LazyCell::new(|| due_before(&clock.frozen));
        let by_news = |record: &Recorded| {
            since.is_some_and(|since| *since <= record.due_at) || before.iter().any(|d| says(d, record, now))
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
    breach::retract(conn, permit, &wrong).await?;
    deadline::keep(conn, &open).await
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

/// How the instances that requests were about hang together, and what is known of the requesters.
struct Graph {
    uses: Vec<Uses>,
    requesters: HashMap<Uuid, Requester>,
}

impl Graph {
    async fn load(
        conn: &mut AsyncPgConnection,
        permit: &Permit,
        stretches: &[Stretch<'_>],
    ) -> QueryResult<Self> {
        let instances: BTreeSet<Uuid> = stretches.iter().filter_map(|stretch| stretch.instance).collect();
        let people: BTreeSet<Uuid> = stretches.iter().filter_map(|stretch| stretch.requester).collect();
        Ok(Self {
            uses: candidate::upward(conn, permit, &instances.into_iter().collect::<Vec<_>>()).await?,
            requesters: candidate::requesters(conn, permit, &people.into_iter().collect::<Vec<_>>()).await?,
        })
    }

    /// The SLAs that may apply to each stretch. Tickets are measured by coverage and may name an SLA besides; chats and
    /// calls are measured by the SLA named, else by the tenant's default (rule C13), from the registration on: by the one
    /// that was the default then, whichever is now.
    async fn candidates(
        &self,
        conn: &mut AsyncPgConnection,
        permit: &Permit,
        stretches: &[Stretch<'_>],
        existing: &[Frozen],
    ) -> QueryResult<Vec<Candidate>> {
        let waits = existing.iter().filter(|clock| clock.waits());
        let mut begun: HashMap<(Uuid, DateTime<Utc>), Vec<Uuid>> = HashMap::new();
        for clock in existing {
            begun.entry((clock.request_id, clock.started_at)).or_default().push(clock.sla_id);
        }
        let registered = waits.filter(|clock| !clock.by_event);
        let given: HashMap<Uuid, Uuid> = registered.map(|clock| (clock.request_id, clock.sla_id)).collect();
        let mut questions = Vec::new();
        let mut relevant = BTreeSet::new();
        for (stretch, number) in stretches.iter().zip(0..) {
            let request = stretch.request;
            let Some(news_from) = stretch.news_from else { continue };
            let plain = Question {
                stretch: number,
                tenant_id: request.tenant_id,
                at: stretch.from,
                begins: news_from,
                received: request.created_at,
                instance_id: None,
                standard_id: request.standard_service_request_id,
                named_id: None,
                by_default: false,
                begun_ids: begun.get(&(request.id, stretch.from)).cloned().unwrap_or_default(),
            };
            let ticket = request.channel == Channel::Ticket;
            // What a chat or call is measured by is known when it is registered, or given (rules C13, S12).
            if !ticket && news_from != stretch.from {
                continue;
            }
            if stretch.from == request.registered_at && (request.sla_id.is_some() || !ticket) {
                let given = given.get(&request.id).copied().filter(|_| !ticket);
                let named_id = request.sla_id.or(given);
                questions.push(Question { named_id, by_default: named_id.is_none(), ..plain.clone() });
            }
            if !ticket {
                // What it is given later, while it waits (rule S12).
                if let Some(sla) = stretch.sla {
                    questions.push(Question { named_id: Some(sla), ..plain });
                }
                continue;
            }
            if let Some(instance) = stretch.instance {
                let above = coverage::above(instance, &self.uses);
                for instance in above.into_keys().chain([instance]) {
                    relevant.insert(instance);
                    questions.push(Question { instance_id: Some(instance), ..plain.clone() });
                }
            } else if request.standard_service_request_id.is_some() {
                questions.push(plain);
            }
        }
        for requester in self.requesters.values() {
            relevant.extend([requester.person, requester.organization, requester.site].into_iter().flatten());
            relevant.extend(&requester.organizations_above);
            relevant.extend(&requester.supports);
        }
        candidate::candidates(conn, permit, &questions, relevant).await
    }
}

/// The clocks that there are to be: those that there are, and one for each further SLA that applies to a stretch
/// (rule C1), started when the first such stretch began. What the catalogue says by now lets none of them begin earlier or
/// later (rule C2); where what happened by its start has been `rewritten`, a clock comes out as if that had been told in
/// time (rule X14).
fn concerned(
    permit: &Permit,
    (stretches, changed): (&[Stretch<'_>], &Changed),
    graph: &Graph,
    found: Vec<Candidate>,
    existing: Vec<Frozen>,
    rewritten: impl Fn(&Frozen, DateTime<Utc>) -> bool,
) -> Vec<Frozen> {
    let nobody = Requester::default();
    let mut clocks: BTreeMap<(Uuid, Uuid), Frozen> =
        existing.into_iter().map(|frozen| ((frozen.request_id, frozen.sla_id), frozen)).collect();
    let mut found = found.into_iter().peekable();
    let mut started = BTreeSet::new();
    for (stretch, number) in stretches.iter().zip(0..) {
        let mut named = Vec::new();
        let mut covering: Vec<(Candidate, Covering)> = Vec::new();
        while let Some(mut candidate) = found.next_if(|candidate| candidate.stretch == number) {
            if candidate.named {
                named.push(candidate);
            } else if let Some(covers) = candidate.covering.take() {
                covering.push((candidate, covers));
            }
        }
        let requester = stretch.requester.and_then(|id| graph.requesters.get(&id)).unwrap_or(&nobody);
        // An SLA on a service as a whole may be found on several instances: the request's own goes first, then the nearest.
        covering.sort_by_key(|(candidate, _)| candidate.instance_id != stretch.instance);
        let (candidates, covers): (Vec<Candidate>, Vec<Covering>) = covering.into_iter().unzip();
        let applying: BTreeSet<usize> =
            coverage::concerned(&covers, requester, stretch.instance, &graph.uses).into_iter().collect();
        let covered = candidates.into_iter().enumerate().filter(|(index, _)| applying.contains(index));
        let Some(from) = stretch.news_from else { continue };
        for candidate in covered.map(|(_, candidate)| candidate).chain(named) {
            let key = (stretch.request.id, candidate.sla_id);
            if !started.insert(key) {
                continue;
            }
            match clocks.entry(key) {
                Entry::Vacant(place) => {
                    place.insert(candidate.freeze(permit, stretch, from));
                }
                Entry::Occupied(mut place) => {
                    let clock = place.get_mut();
                    let told_as_a_whole = told_as_a_whole(changed, stretch.request.id);
                    let earlier = stretch.from < clock.started_at
                        && (told_as_a_whole || rewritten(clock, stretch.from));
                    if !clock.applies || earlier || rewritten(clock, clock.started_at) {
                        let mut anew = candidate.freeze(permit, stretch, from);
                        if anew.service_instance_id == clock.service_instance_id {
                            // The teams and the supplier are those of the time at which it was made.
                            anew.support_team_id = clock.support_team_id;
                            anew.first_line_team_id = clock.first_line_team_id;
                            anew.supplier_id = clock.supplier_id;
                            anew.relations = std::mem::take(&mut clock.relations);
                        }
                        let recalculated = std::mem::take(&mut clock.recalculated);
                        *clock = Frozen { id: clock.id, recalculated, ..anew };
                    } else if told_as_a_whole {
                        // An import may have told only later what the request was made from.
                        let standard = clock.standard_service_request_id.or(candidate.standard_id);
                        clock.standard_service_request_id = standard;
                    }
                }
            }
        }
    }
    let requests: HashMap<Uuid, &request::Row> =
        stretches.iter().map(|stretch| (stretch.request.id, stretch.request)).collect();
    for (key, clock) in &mut clocks {
        let Some(request) = requests.get(&clock.request_id) else { continue };
        clock.applies &= clock.by_event
            || started.contains(key)
            || match (request.sla_id, request.channel) {
                (Some(named), _) if named == clock.sla_id => true,
                (_, Channel::Ticket) => !rewritten(clock, clock.started_at),
                // Which SLA it names, or that it is no ticket, may have been told in a later part of an import (rule C13).
                (Some(_), Channel::Chat | Channel::Call) => false,
                (None, Channel::Chat | Channel::Call) => clock.waits(),
            };
    }
    clocks.into_values().collect()
}

/// Which clock of each chat measures it, where events gave it other SLAs while it waited (rule S12).
fn give(requests: &[Arc<request::Row>], happened: &HashMap<Uuid, Vec<Event>>, clocks: &mut [Frozen]) {
    let chats = requests.iter().filter(|request| request.channel == Channel::Chat);
    let mut given: HashMap<Uuid, Given> = HashMap::new();
    for chat in chats {
        let own = || clocks.iter().filter(|clock| clock.request_id == chat.id && clock.waits());
        let first = own().find(|clock| clock.applies && !clock.by_event).map(|clock| clock.sla_id);
        let known: HashSet<Uuid> = own().map(|clock| clock.sla_id).collect();
        let events = happened.get(&chat.id).map_or(&[][..], Vec::as_slice);
        given.insert(chat.id, Given::new(first, events, |sla| known.contains(&sla)));
    }
    for clock in clocks.iter_mut().filter(|clock| clock.waits()) {
        let Some(given) = given.get(&clock.request_id) else { continue };
        if clock.by_event {
            clock.applies = given.includes(clock.sla_id);
        }
        clock.superseded_at = given.superseded_at(clock.sla_id);
    }
}

impl Candidate {
    /// Rule C2.
    fn freeze(&self, permit: &Permit, stretch: &Stretch<'_>, from: DateTime<Utc>) -> Frozen {
        let request = stretch.request;
        let registered = request.sla_id == Some(self.sla_id);
        Frozen {
            root_id: permit.root_id,
            id: id::new(),
            tenant_id: request.tenant_id,
            sla_id: self.sla_id,
            sla_version_id: self.version_id,
            request_id: request.id,
            service_instance_id: self.instance_id,
            standard_service_request_id: self.standard_id,
            support_team_id: self.support_team_id,
            first_line_team_id: self.first_line_team_id,
            supplier_id: self.supplier_id,
            time_zone: self.zone.clone(),
            // A chat is due so long after it was queued, whenever it was given the SLA (rule S12).
            started_at: if request.channel == Channel::Ticket { from } else { request.registered_at },
            applies: true,
            by_event: stretch.sla == Some(self.sla_id) && !registered,
            superseded_at: None,
            relations: BTreeMap::new(),
            of_service: self.of_service,
            recalculated: Vec::new(),
            terms: self.terms,
        }
    }
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
    let wait = wait(frozen.started_at, terms, events, frozen.superseded_at, WarningShare::default());
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
        maximum_response_duration: terms.due_time_in_minutes(),
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
    /// Whether it measures how long a chat or a call waits.
    fn waits(&self) -> bool {
        matches!(self.terms, Terms::Wait(_))
    }

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
