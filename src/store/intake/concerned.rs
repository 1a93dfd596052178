//! Which SLAs concern a request, stretch by stretch of its history, and when the clock of each begins (rules C1, C2, C13).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel_async::AsyncPgConnection;
use tokio::task::yield_now;
use uuid::Uuid;

use super::clocks::{AT_ONCE, Changed, told_as_a_whole};
use super::history::Stretch;
use super::waiting::{Gifts, gifts};
use crate::access::Permit;
use crate::clock::coverage::{self, Covering, Relations, Requester};
use crate::clock::events::Event;
use crate::store::affected_sla::Frozen;
use crate::store::candidate::{self, Candidate, Question};
use crate::store::word::Channel;
use crate::store::{id, request};

/// What is known of requests already.
pub(super) struct Known<'a> {
    pub(super) existing: &'a [Frozen],
    /// The SLAs, by request, at the start of whose clocks all was otherwise; with that start.
    pub(super) disproved: &'a HashMap<Uuid, Vec<(DateTime<Utc>, Uuid)>>,
    pub(super) happened: &'a HashMap<Uuid, Vec<Event>>,
    pub(super) news: &'a HashSet<Uuid>,
}

/// The same, by what it is looked up by.
struct Before<'a> {
    disproved: &'a HashMap<Uuid, Vec<(DateTime<Utc>, Uuid)>>,
    /// The SLAs whose clocks began, by request and instant.
    begun: HashMap<(Uuid, DateTime<Utc>), Vec<Uuid>>,
    /// By request, the SLA that a chat or call was registered under.
    registered: HashMap<Uuid, Uuid>,
    /// The SLAs whose clocks apply, with the request.
    known: HashSet<(Uuid, Uuid)>,
    gifts: Gifts,
}

impl<'a> Before<'a> {
    fn of(&Known { existing, disproved, happened, news }: &Known<'a>) -> Self {
        let mut begun: HashMap<(Uuid, DateTime<Utc>), Vec<Uuid>> = HashMap::new();
        for clock in existing {
            begun.entry((clock.request_id, clock.started_at)).or_default().push(clock.sla_id);
        }
        let of_request = |clock: &Frozen| (clock.request_id, clock.sla_id);
        let registered = existing.iter().filter(|clock| clock.waits() && !clock.by_event).map(of_request);
        let known = existing.iter().filter(|clock| clock.applies).map(of_request);
        let gifts = gifts(happened, existing, news);
        Self { disproved, begun, registered: registered.collect(), known: known.collect(), gifts }
    }

    /// Whether the clock of an SLA that applies to a stretch may begin there.
    fn begins(&self, stretch: &Stretch<'_>, sla: Uuid) -> bool {
        let disproved = || self.disproved.get(&stretch.request.id).into_iter().flatten();
        stretch.news_from.is_some() || stretch.after_rewritten && disproved().any(|(_, of)| *of == sla)
    }
}

/// How the instances that requests were about hang together, and what is known of the requesters.
pub(super) struct Graph {
    pub(super) relations: Relations,
    /// Of those that use others, the ones that any SLA was made for.
    promised: HashSet<Uuid>,
    requesters: HashMap<Uuid, Requester>,
}

impl Graph {
    pub(super) async fn load(
        conn: &mut AsyncPgConnection,
        permit: &Permit,
        stretches: &[Stretch<'_>],
    ) -> QueryResult<Self> {
        let instances: BTreeSet<Uuid> = stretches.iter().filter_map(|stretch| stretch.instance).collect();
        let people: BTreeSet<Uuid> = stretches.iter().filter_map(|stretch| stretch.requester).collect();
        let (relations, promised) =
            candidate::upward(conn, permit, &instances.into_iter().collect::<Vec<_>>()).await?;
        let requesters = candidate::requesters(conn, permit, &people.into_iter().collect::<Vec<_>>()).await?;
        Ok(Self { relations, promised, requesters })
    }

    /// The SLAs that apply to each stretch. Tickets are measured by coverage and may name an SLA besides; chats and
    /// calls are measured by the SLA named, else by the tenant's default (rule C13), from the registration on: by the one
    /// that was the default then, whichever is now. Chats may be given another (rule S12). None
    /// where these are several requests, and more is to be told of them than is computed together.
    pub(super) async fn candidates(
        &self,
        conn: &mut AsyncPgConnection,
        permit: &Permit,
        stretches: &[Stretch<'_>],
        known: &Known<'_>,
    ) -> QueryResult<Option<Vec<(usize, Candidate)>>> {
        let before = Before::of(known);
        let mut relevant: BTreeSet<Uuid> = self.relations.instances().iter().copied().collect();
        relevant.extend(stretches.iter().filter_map(|stretch| stretch.instance));
        for requester in self.requesters.values() {
            relevant.extend([requester.person, requester.organization, requester.site].into_iter().flatten());
            relevant.extend(&requester.organizations_above);
            relevant.extend(&requester.supports);
        }
        let relevant: Vec<Uuid> = relevant.into_iter().collect();
        let of_several = stretches.windows(2).any(|pair| pair[0].request.id != pair[1].request.id);
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let (mut from, mut size) = (0, stretches.len());
        while from < stretches.len() {
            let (mut until, mut questions) = (from, Vec::new());
            while until < stretches.len() && until - from < size && questions.len() < AT_ONCE {
                self.ask(&stretches[until], until, &before, &mut questions);
                until += 1;
                yield_now().await;
            }
            let most = if until - from > 1 { AT_ONCE } else { usize::MAX };
            match self.answers(conn, permit, (stretches, &before), questions, (&relevant, most)).await? {
                // A clock begins once.
                Some(answers) => found.extend(answers.into_iter().filter(|(number, candidate)| {
                    let (stretch, sla) = (&stretches[*number], candidate.sla_id);
                    candidate.given || before.begins(stretch, sla) && seen.insert((stretch.request.id, sla))
                })),
                None if of_several => return Ok(None),
                None => {
                    size = (until - from) / 2;
                    continue;
                }
            }
            if of_several && found.len() > AT_ONCE {
                return Ok(None);
            }
            from = until;
        }
        Ok(Some(found))
    }

    /// What a stretch asks, where there is news of it.
    fn ask(&self, stretch: &Stretch<'_>, number: usize, before: &Before<'_>, questions: &mut Vec<Question>) {
        let request = stretch.request;
        let ticket = request.channel == Channel::Ticket;
        let disproved = before.disproved.get(&request.id).filter(|_| ticket);
        let again = disproved.filter(|_| stretch.after_rewritten).map(|_| stretch.from);
        let Some(news_from) = stretch.news_from.or(again) else { return };
        let may_move = disproved.into_iter().flatten().filter(|(started_at, _)| {
            stretch.after_rewritten || (stretch.from..stretch.until).contains(started_at)
        });
        let begun = before.begun.get(&(request.id, stretch.from)).into_iter().flatten();
        let begun = begun.chain(may_move.map(|(_, sla)| sla));
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
            begun_ids: begun.copied().collect(),
            given: false,
        };
        // What a chat or call is measured by is known when it is registered, or given (rules C13, S12).
        let registered = stretch.from == request.registered_at && (ticket || news_from == stretch.from);
        if registered && (request.sla_id.is_some() || !ticket) {
            let registered = before.registered.get(&request.id).copied().filter(|_| !ticket);
            let named_id = request.sla_id.or(registered);
            questions.push(Question { named_id, by_default: named_id.is_none(), ..plain.clone() });
        }
        if !ticket {
            let gifts = before.gifts.get(&request.id).into_iter();
            let (from, until) = ((stretch.from, Uuid::nil()), (stretch.until, Uuid::nil()));
            questions.extend(gifts.flat_map(|gifts| gifts.range(from..until)).map(|(at, sla)| Question {
                at: *at,
                begins: *at,
                named_id: Some(*sla),
                given: true,
                begun_ids: Vec::new(),
                ..plain.clone()
            }));
        } else if let Some(instance) = stretch.instance {
            let above = (!self.promised.is_empty()).then(|| self.relations.above(instance));
            let asked = above.into_iter().flatten().map(|(id, _)| id).filter(|id| self.promised.contains(id));
            questions.extend(
                asked
                    .chain([instance])
                    .map(|instance| Question { instance_id: Some(instance), ..plain.clone() }),
            );
        } else if request.standard_service_request_id.is_some() {
            questions.push(plain);
        }
    }

    /// What applies of the answers to questions, each with the number of its stretch. None where they are more than `most`.
    async fn answers(
        &self,
        conn: &mut AsyncPgConnection,
        permit: &Permit,
        (stretches, before): (&[Stretch<'_>], &Before<'_>),
        mut questions: Vec<Question>,
        (relevant, most): (&[Uuid], usize),
    ) -> QueryResult<Option<Vec<(usize, Candidate)>>> {
        let Some(found) = candidate::candidates(conn, permit, &questions, relevant, most).await? else {
            return Ok(None);
        };
        let found = self.applying(stretches, found).await;
        // What an edit brings in begins later than its stretch: under the version that is in force by then, if that covers it
        // too (rule C2).
        let begins_later = |(number, candidate): &(usize, Candidate)| {
            let stretch = &stretches[*number];
            !candidate.given
                && stretch.news_from.is_some_and(|news_from| news_from > stretch.from)
                && !before.known.contains(&(stretch.request.id, candidate.sla_id))
        };
        let later: BTreeSet<usize> =
            found.iter().filter(|found| begins_later(found)).map(|(number, _)| *number).collect();
        if later.is_empty() {
            return Ok(Some(found));
        }
        questions.retain(|question| later.contains(&question.stretch));
        questions.iter_mut().for_each(|question| question.at = question.begins);
        let Some(by_then) = candidate::candidates(conn, permit, &questions, relevant, most).await? else {
            return Ok(None);
        };
        let mut by_then: HashMap<(usize, Uuid), Candidate> = self
            .applying(stretches, by_then)
            .await
            .into_iter()
            // The first goes before.
            .rev()
            .map(|(number, candidate)| ((number, candidate.sla_id), candidate))
            .collect();
        let as_of_then = |found: (usize, Candidate)| match begins_later(&found) {
            true => by_then.remove(&(found.0, found.1.sla_id)).map(|candidate| (found.0, candidate)),
            false => Some(found),
        };
        Ok(Some(found.into_iter().filter_map(as_of_then).collect()))
    }

    /// Of the SLAs that were found for stretches, in their order, those that were named or that cover the requester; each
    /// with the number of its stretch.
    async fn applying(&self, stretches: &[Stretch<'_>], found: Vec<Candidate>) -> Vec<(usize, Candidate)> {
        let nobody = Requester::default();
        let mut found = found.into_iter().peekable();
        let mut all = Vec::new();
        for (number, stretch) in stretches.iter().enumerate() {
            if found.peek().is_none_or(|found| found.stretch != number) {
                continue;
            }
            yield_now().await;
            let mut named = Vec::new();
            let mut covering: Vec<(Candidate, Covering)> = Vec::new();
            while let Some(mut candidate) = found.next_if(|found| found.stretch == number) {
                if candidate.named {
                    named.push(candidate);
                } else if let Some(covers) = candidate.covering.take() {
                    covering.push((candidate, covers));
                }
            }
            let requester = stretch.requester.and_then(|id| self.requesters.get(&id)).unwrap_or(&nobody);
            // An SLA on a service as a whole may be found on several instances: the request's own goes first, then those of
            // its own tenant.
            covering.sort_by_key(|(candidate, _)| candidate.instance_id != stretch.instance);
            let (candidates, covers): (Vec<Candidate>, Vec<Covering>) = covering.into_iter().unzip();
            let applying: BTreeSet<usize> =
                coverage::concerned(&covers, requester, stretch.instance, &self.relations)
                    .into_iter()
                    .collect();
            let covered = candidates.into_iter().enumerate().filter(|(index, _)| applying.contains(index));
            let applying = covered.map(|(_, candidate)| candidate).chain(named);
            all.extend(applying.map(|candidate| (number, candidate)));
        }
        all
    }
}

/// The clocks that there are to be: those that there are, and one for each further SLA that applies to a stretch
/// (rule C1), started when the first such stretch began. What the catalogue says by now lets none of them begin earlier or
/// later (rule C2); where what happened by its start has been `rewritten`, a clock comes out as if that had been told in
/// time (rule X14): it begins with the first stretch to which its SLA applies.
pub(super) fn concerned(
    permit: &Permit,
    (stretches, changed): (&[Stretch<'_>], &Changed),
    found: Vec<(usize, Candidate)>,
    existing: Vec<Frozen>,
    (rewritten, not_in_term): (impl Fn(&Frozen, DateTime<Utc>) -> bool, HashSet<Uuid>),
) -> Vec<Frozen> {
    let mut clocks: BTreeMap<(Uuid, Uuid), Frozen> =
        existing.into_iter().map(|frozen| ((frozen.request_id, frozen.sla_id), frozen)).collect();
    let mut started = BTreeSet::new();
    for (number, candidate) in found {
        let stretch = &stretches[number];
        let key = (stretch.request.id, candidate.sla_id);
        let disproved =
            clocks.get(&key).is_some_and(|clock| clock.applies && rewritten(clock, clock.started_at));
        let again = disproved && stretch.after_rewritten;
        let Some(from) = Some(stretch.from).filter(|_| again).or(stretch.news_from) else { continue };
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
                let earlier =
                    stretch.from < clock.started_at && (told_as_a_whole || rewritten(clock, stretch.from));
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
                clock.by_event &= candidate.given || stretch.request.sla_id != Some(candidate.sla_id);
            }
        }
    }
    let requests: HashMap<Uuid, &request::Row> =
        stretches.iter().map(|stretch| (stretch.request.id, stretch.request)).collect();
    for (key, clock) in &mut clocks {
        let Some(request) = requests.get(&clock.request_id) else { continue };
        // What was asked earlier than was told first may have been asked before the SLA began: its name gave it nothing then.
        let in_term = !not_in_term.contains(&clock.id);
        // Then an event gave it to a chat, if anything did.
        clock.by_event |= !in_term && request.channel == Channel::Chat;
        clock.applies &= clock.by_event
            || started.contains(key)
            || match (request.sla_id, request.channel) {
                (Some(named), Channel::Ticket) if named == clock.sla_id => {
                    in_term || !told_as_a_whole(changed, request.id) && !rewritten(clock, clock.started_at)
                }
                (_, Channel::Ticket) => !rewritten(clock, clock.started_at),
                (Some(named), Channel::Chat | Channel::Call) if named == clock.sla_id => in_term,
                // Which SLA it names, or that it is no ticket, may have been told in a later part of an import (rule C13).
                (Some(_), Channel::Chat | Channel::Call) => false,
                (None, Channel::Chat | Channel::Call) => clock.waits() && in_term,
            };
    }
    clocks.into_values().collect()
}

/// The clocks that may be by name, or by default, and did not begin when their requests were registered; each with its SLA
/// and that instant.
pub(super) fn moved(requests: &[Arc<request::Row>], existing: &[Frozen]) -> Vec<(Uuid, Uuid, DateTime<Utc>)> {
    let requests: HashMap<Uuid, &request::Row> =
        requests.iter().map(|request| (request.id, &**request)).collect();
    let of_clock = |clock: &Frozen| {
        let request = requests.get(&clock.request_id)?;
        let by_name = request.sla_id == Some(clock.sla_id) || request.sla_id.is_none() && clock.waits();
        (clock.applies && !clock.by_event && by_name && clock.started_at != request.registered_at)
            .then_some((clock.id, clock.sla_id, request.registered_at))
    };
    existing.iter().filter_map(of_clock).collect()
}

impl Candidate {
    /// Rule C2.
    fn freeze(&self, permit: &Permit, stretch: &Stretch<'_>, from: DateTime<Utc>) -> Frozen {
        let request = stretch.request;
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
            by_event: self.given,
            superseded_at: None,
            relations: BTreeMap::new(),
            of_service: self.of_service,
            recalculated: Vec::new(),
            terms: self.terms,
        }
    }
}
