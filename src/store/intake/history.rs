//! The history of a request, as stored and as the clock reads it (rule X14).

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::clock::events::{Change, Event};
use crate::store::word::{Impact, RequestStatus};
use crate::store::{request, request_event};

/// What no event tells of a request was so from its registration on: rows may come from elsewhere, without a history
/// or with a part of one.
pub(in crate::store) fn complete(request: &request::Row, history: &mut Vec<Arc<request_event::Row>>) {
    let told = history.as_slice();
    let untold = request_event::Row {
        root_id: request.root_id,
        id: request.id,
        tenant_id: request.tenant_id,
        request_id: request.id,
        occurred_at: request.registered_at,
        received_at: request.created_at,
        event_key: String::new(),
        // Before everything that was told of the same instant.
        sequence: -1,
        cleared: Vec::new(),
        status: untold(told, |event| event.status, Some(request.status)),
        impact: untold(told, request_event::Row::new_impact, request.impact),
        service_instance_id: untold(told, request_event::Row::new_instance, request.service_instance_id),
        team_id: untold(told, request_event::Row::new_team, request.team_id),
        requester_id: untold(told, request_event::Row::new_requester, request.requester_id),
        desired_completion_at: untold(
            told,
            request_event::Row::new_desired_completion,
            request.desired_completion_at,
        ),
        downtime_start_at: untold(told, request_event::Row::new_downtime_start, request.downtime_start_at),
        downtime_end_at: untold(told, request_event::Row::new_downtime_end, request.downtime_end_at),
        provider_not_accountable: untold(
            told,
            |event| event.provider_not_accountable,
            request.provider_not_accountable.then_some(true),
        ),
        // That the registration named one is the request's to say.
        sla_id: None,
        sla_inactive: None,
    };
    let at = history.partition_point(|event| event.occurred_at < request.registered_at);
    history.insert(at, Arc::new(untold));
}

/// The value of a field of which `told` finds nothing in the history.
fn untold<T, U>(
    history: &[Arc<request_event::Row>],
    told: impl Fn(&request_event::Row) -> Option<U>,
    value: Option<T>,
) -> Option<T> {
    value.filter(|_| history.iter().all(|event| told(event).is_none()))
}

/// The state of a request after its history: of each field, what was said last.
pub(super) fn latest(request: &request::Row, history: &[Arc<request_event::Row>]) -> request::State {
    let mut state = request::State {
        root_id: request.root_id,
        id: request.id,
        status: request.status.word(),
        impact: request.impact.map(Impact::word),
        requester_id: request.requester_id,
        service_instance_id: request.service_instance_id,
        team_id: request.team_id,
        desired_completion_at: request.desired_completion_at,
        downtime_start_at: request.downtime_start_at,
        downtime_end_at: request.downtime_end_at,
        provider_not_accountable: request.provider_not_accountable,
    };
    for event in history {
        state.status = event.status.map_or(state.status, RequestStatus::word);
        state.impact = event.new_impact().map_or(state.impact, |impact| impact.map(Impact::word));
        state.requester_id = event.new_requester().unwrap_or(state.requester_id);
        state.service_instance_id = event.new_instance().unwrap_or(state.service_instance_id);
        state.team_id = event.new_team().unwrap_or(state.team_id);
        state.desired_completion_at = event.new_desired_completion().unwrap_or(state.desired_completion_at);
        state.downtime_start_at = event.new_downtime_start().unwrap_or(state.downtime_start_at);
        state.downtime_end_at = event.new_downtime_end().unwrap_or(state.downtime_end_at);
        state.provider_not_accountable =
            event.provider_not_accountable.unwrap_or(state.provider_not_accountable);
    }
    state
}

/// The history in the clock's words. One stored event may change several things.
pub(in crate::store) fn events(stored: &[Arc<request_event::Row>]) -> Vec<Event> {
    let mut history = Vec::with_capacity(stored.len() * 2);
    let (mut start, mut end) = (None, None);
    for row in stored {
        let mut add = |change| {
            let request_event::Row { id, occurred_at, sequence, received_at, .. } = **row;
            history.push(Event { id, occurred_at, sequence, received_at, change });
        };
        if let Some(status) = row.status {
            add(Change::Status(status));
        }
        if let Some(impact) = row.new_impact() {
            add(Change::Impact(impact));
        }
        if let Some(instance) = row.new_instance() {
            add(Change::Instance(instance));
        }
        if let Some(team) = row.new_team() {
            add(Change::Team(team));
        }
        if let Some(requester) = row.new_requester() {
            add(Change::Requester(requester));
        }
        if let Some(at) = row.new_desired_completion() {
            add(Change::DesiredCompletion(at));
        }
        let (new_start, new_end) = (row.new_downtime_start(), row.new_downtime_end());
        if new_start.is_some() || new_end.is_some() {
            (start, end) = (new_start.unwrap_or(start), new_end.unwrap_or(end));
            add(Change::Downtime { start, end });
        }
        if let Some(sla) = row.sla_id.filter(|_| row.sla_inactive.is_none()) {
            add(Change::Sla(sla));
        }
        if let Some(yes) = row.provider_not_accountable {
            add(Change::ProviderNotAccountable(yes));
        }
    }
    history
}

/// What decides about coverage: the instance and the requester.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Deciding {
    instance: Option<Uuid>,
    requester: Option<Uuid>,
}

impl Deciding {
    fn tell(&mut self, event: &request_event::Row) {
        self.instance = event.new_instance().unwrap_or(self.instance);
        self.requester = event.new_requester().unwrap_or(self.requester);
    }
}

/// Whether `news` changes what the rest of a history tells of the instant that decides about coverage.
pub(super) fn rewritten(
    history: &[Arc<request_event::Row>],
    news: &HashSet<Uuid>,
    at: DateTime<Utc>,
) -> bool {
    let (mut before, mut after) = (Deciding::default(), Deciding::default());
    for event in history.iter().take_while(|event| event.occurred_at <= at) {
        after.tell(event);
        if !news.contains(&event.id) {
            before.tell(event);
        }
    }
    before != after
}

/// A stretch of a request's history in which what decides about coverage stayed the same.
pub(super) struct Stretch<'a> {
    pub(super) request: &'a request::Row,
    pub(super) from: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
    pub(super) instance: Option<Uuid>,
    pub(super) requester: Option<Uuid>,
    /// From when on news tell of it: from its beginning where they made it what it is, else from the first thing that
    /// they tell of the time in it. What they bring in begins then, and not when something else was told (rule C1). None
    /// where they tell nothing of it.
    pub(super) news_from: Option<DateTime<Utc>>,
    /// Whether news made an earlier one what it is: a clock that began there, and should not have, may begin here.
    pub(super) after_rewritten: bool,
}

/// The stretches of a history, from the registration on: what was told of the time before it holds when it begins. The
/// request `is_news` as a whole when it is registered, or when something is told that holds from its beginning.
pub(super) fn stretches<'a>(
    request: &'a request::Row,
    history: &[Arc<request_event::Row>],
    news: &HashSet<Uuid>,
    is_news: bool,
) -> Vec<Stretch<'a>> {
    let mut stretches: Vec<Stretch<'_>> = Vec::new();
    let (mut before, mut after) = (Deciding::default(), Deciding::default());
    let mut were_rewritten: Vec<bool> = Vec::new();
    for group in history.chunk_by(|a, b| a.occurred_at == b.occurred_at) {
        let is_fresh = |event: &Arc<request_event::Row>| news.contains(&event.id);
        for event in group {
            after.tell(event);
            if !is_fresh(event) {
                before.tell(event);
            }
        }
        let Deciding { instance, requester } = after;
        let (at, rewritten) = (group[0].occurred_at, before != after);
        let from = at.max(request.registered_at);
        let news_from = (is_news || rewritten).then_some(from);
        let until = DateTime::<Utc>::MAX_UTC;
        let begun = Stretch { request, from, until, instance, requester, news_from, after_rewritten: false };
        match (stretches.last_mut(), were_rewritten.last_mut()) {
            (Some(last), Some(was_rewritten)) if last.from == from => {
                (*last, *was_rewritten) = (begun, rewritten);
            }
            (Some(last), _) if (last.instance, last.requester) == (instance, requester) => {}
            (last, _) => {
                last.into_iter().for_each(|last| last.until = from);
                stretches.push(begun);
                were_rewritten.push(rewritten);
            }
        }
        if let Some(last) = stretches.last_mut()
            && at >= last.from
            && group.iter().any(is_fresh)
        {
            last.news_from = last.news_from.or(Some(at));
        }
    }
    let mut after_rewritten = false;
    for (stretch, was_rewritten) in stretches.iter_mut().zip(were_rewritten) {
        stretch.after_rewritten = after_rewritten;
        after_rewritten |= was_rewritten;
    }
    stretches
}
