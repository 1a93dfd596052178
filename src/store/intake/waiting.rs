//! Chats and calls: what happened to them, and which SLAs measure them until somebody takes them (rules C13, S12).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::clocks::{Changed, told_as_a_whole};
use super::history::Stretch;
use crate::clock::events::{Change, Event};
use crate::clock::waiting::{Given, ending};
use crate::store::affected_sla::Frozen;
use crate::store::candidate::Candidate;
use crate::store::request;
use crate::store::word::Channel;

/// The SLAs that events give chats, by request: each with its instant.
pub(super) type Gifts = HashMap<Uuid, BTreeSet<(DateTime<Utc>, Uuid)>>;

/// What it is to be asked of whether that SLA was active then: what is news, and what has no clock yet.
pub(super) fn gifts(
    happened: &HashMap<Uuid, Vec<Event>>,
    existing: &[Frozen],
    news: &HashSet<Uuid>,
) -> Gifts {
    let measured: HashSet<(Uuid, Uuid)> =
        existing.iter().map(|clock| (clock.request_id, clock.sla_id)).collect();
    let mut gifts = Gifts::new();
    for (request, event, sla) in given(happened) {
        if news.contains(&event.id) || !measured.contains(&(request, sla)) {
            gifts.entry(request).or_default().insert((event.occurred_at, sla));
        }
    }
    gifts
}

fn given(happened: &HashMap<Uuid, Vec<Event>>) -> impl Iterator<Item = (Uuid, &Event, Uuid)> {
    happened.iter().flat_map(|(request, events)| {
        events.iter().filter_map(|event| match event.change {
            Change::Sla(sla) => Some((*request, event, sla)),
            _ => None,
        })
    })
}

/// Takes from what `happened` what gave a chat an SLA that was not active then, and names these events: news, and what is
/// asked first now that its chat turns out to have waited by then. And from what was `found` what never measures a chat,
/// since another takes its place at once or the wait is over by then.
pub(super) fn settle(
    (stretches, changed): (&[Stretch<'_>], &Changed),
    happened: &mut HashMap<Uuid, Vec<Event>>,
    found: &mut Vec<(usize, Candidate)>,
    existing: &[Frozen],
    news: &HashSet<Uuid>,
) -> Vec<Uuid> {
    let request = |number: usize| stretches[number].request;
    let queued_at: HashMap<Uuid, DateTime<Utc>> =
        stretches.iter().map(|stretch| (stretch.request.id, stretch.request.registered_at)).collect();
    let active: HashSet<(Uuid, Uuid, DateTime<Utc>)> = found
        .iter()
        .filter(|(_, candidate)| candidate.given)
        .map(|(number, candidate)| (request(*number).id, candidate.sla_id, candidate.at))
        .collect();
    let measured: HashSet<(Uuid, Uuid)> =
        existing.iter().map(|clock| (clock.request_id, clock.sla_id)).collect();
    let inactive: HashSet<Uuid> = given(happened)
        .filter(|(request, event, sla)| {
            (news.contains(&event.id)
                || told_as_a_whole(changed, *request) && !measured.contains(&(*request, *sla)))
                // What is told of the time before the registration was not asked for.
                && queued_at.get(request).is_some_and(|queued_at| event.occurred_at >= *queued_at)
                && !active.contains(&(*request, *sla, event.occurred_at))
        })
        .map(|(_, event, _)| event.id)
        .collect();
    for events in happened.values_mut().filter(|_| !inactive.is_empty()) {
        events.retain(|event| !(matches!(event.change, Change::Sla(_)) && inactive.contains(&event.id)));
    }
    let known: HashSet<(Uuid, Uuid)> =
        measured.into_iter().chain(active.iter().map(|(request, sla, _)| (*request, *sla))).collect();
    let chats: HashSet<Uuid> = active.iter().map(|(request, _, _)| *request).collect();
    let measures: HashMap<Uuid, Given> = chats
        .into_iter()
        .filter_map(|id| {
            let (queued_at, events) = (queued_at.get(&id)?, happened.get(&id)?);
            Some((id, Given::new(*queued_at, None, events, |sla| known.contains(&(id, sla)))))
        })
        .collect();
    found.retain(|(number, candidate)| {
        let given = || measures.get(&request(*number).id);
        !candidate.given || given().is_some_and(|given| given.includes(candidate.sla_id))
    });
    inactive.into_iter().collect()
}

/// What happened to a request, and what that says of its wait if it is a chat or a call: once for all of its clocks.
#[derive(Default)]
pub(super) struct History {
    pub(super) events: Vec<Event>,
    /// What ended the wait, if that is over.
    pub(super) ending: Vec<Event>,
    given: Given,
}

impl History {
    /// That of what waits for nobody.
    pub(super) fn of(events: Vec<Event>) -> Self {
        Self { events, ..Self::default() }
    }
}

/// A chat or a call that is measured.
pub(super) struct Waiting {
    /// Whether events may give it another SLA while it waits.
    is_chat: bool,
    queued_at: DateTime<Utc>,
    /// The SLA that it was registered under, where that applies.
    first: Option<Uuid>,
    /// Those that have a clock of it.
    slas: BTreeSet<Uuid>,
}

/// The chats and calls among requests.
pub(super) fn waiting(requests: &[Arc<request::Row>], clocks: &[Frozen]) -> HashMap<Uuid, Waiting> {
    let requests: HashMap<Uuid, &request::Row> =
        requests.iter().map(|request| (request.id, &**request)).collect();
    let mut waiting = HashMap::new();
    for clock in clocks.iter().filter(|clock| clock.waits()) {
        let Some(request) = requests.get(&clock.request_id) else { continue };
        let waiting = waiting.entry(request.id).or_insert_with(|| Waiting {
            is_chat: request.channel == Channel::Chat,
            queued_at: request.registered_at,
            first: None,
            slas: BTreeSet::new(),
        });
        waiting.slas.insert(clock.sla_id);
        if clock.applies && !clock.by_event {
            waiting.first = waiting.first.or(Some(clock.sla_id));
        }
    }
    waiting
}

impl Waiting {
    /// What a history says of the wait.
    pub(super) fn told(&self, events: Vec<Event>) -> History {
        let given = match self.is_chat {
            true => Given::new(self.queued_at, self.first, &events, |sla| self.slas.contains(&sla)),
            false => Given::default(),
        };
        History { ending: ending(&events).cloned().into_iter().collect(), given, events }
    }

    /// Whether a clock of it applies, and until when, by what happened.
    pub(super) fn give(&self, clock: &mut Frozen, history: &History) {
        if !self.is_chat || !clock.waits() {
            return;
        }
        if clock.by_event || self.first == Some(clock.sla_id) {
            clock.applies = history.given.includes(clock.sla_id);
        }
        // Also where it turned out to wait for longer than was told first.
        clock.started_at = self.queued_at;
        clock.superseded_at = history.given.superseded_at(clock.sla_id);
    }
}
