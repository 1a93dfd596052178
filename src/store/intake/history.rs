//! The history of a request, as stored and as the clock reads it (rule X14).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use uuid::Uuid;

use crate::clock::events::{Change, Event};
use crate::store::candidate::read;
use crate::store::word::{Impact, RequestStatus};
use crate::store::{request, request_event};

/// What no event tells of a request was so from its registration on: rows may come from elsewhere, without a history
/// or with a part of one.
pub(in crate::store) fn complete(request: &request::Row, history: &mut Vec<Arc<request_event::Row>>) {
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
        status: untold(history, |event| event.status, Some(request.status)),
        impact: untold(history, |event| event.impact, request.impact),
        service_instance_id: untold(history, |event| event.service_instance_id, request.service_instance_id),
        team_id: untold(history, |event| event.team_id, request.team_id),
        requester_id: untold(history, |event| event.requester_id, request.requester_id),
        desired_completion_at: untold(
            history,
            |event| event.desired_completion_at,
            request.desired_completion_at,
        ),
        downtime_start_at: untold(history, |event| event.downtime_start_at, request.downtime_start_at),
        downtime_end_at: untold(history, |event| event.downtime_end_at, request.downtime_end_at),
        provider_not_accountable: untold(
            history,
            |event| event.provider_not_accountable,
            request.provider_not_accountable.then_some(true),
        ),
    };
    let at = history.partition_point(|event| event.occurred_at < request.registered_at);
    history.insert(at, Arc::new(untold));
}

fn untold<T>(
    history: &[Arc<request_event::Row>],
    field: impl Fn(&request_event::Row) -> Option<T>,
    value: Option<T>,
) -> Option<T> {
    value.filter(|_| history.iter().all(|event| field(event).is_none()))
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
        state.impact = event.impact.map(Impact::word).or(state.impact);
        state.requester_id = event.requester_id.or(state.requester_id);
        state.service_instance_id = event.service_instance_id.or(state.service_instance_id);
        state.team_id = event.team_id.or(state.team_id);
        state.desired_completion_at = event.desired_completion_at.or(state.desired_completion_at);
        state.downtime_start_at = event.downtime_start_at.or(state.downtime_start_at);
        state.downtime_end_at = event.downtime_end_at.or(state.downtime_end_at);
        state.provider_not_accountable =
            event.provider_not_accountable.unwrap_or(state.provider_not_accountable);
    }
    state
}

/// The history in the clock's words. One stored event may change several things.
pub(in crate::store) fn events(stored: &[Arc<request_event::Row>]) -> QueryResult<Vec<Event>> {
    let mut history = Vec::with_capacity(stored.len() * 2);
    let (mut start, mut end) = (None, None);
    for row in stored {
        let mut add = |change| {
            history.push(Event { id: row.id, occurred_at: row.occurred_at, sequence: row.sequence, change });
        };
        if let Some(status) = row.status {
            add(Change::Status(read(status.word())?));
        }
        if let Some(impact) = row.impact {
            add(Change::Impact(Some(read(impact.word())?)));
        }
        if let Some(instance) = row.service_instance_id {
            add(Change::Instance(Some(instance)));
        }
        if let Some(team) = row.team_id {
            add(Change::Team(Some(team)));
        }
        if let Some(requester) = row.requester_id {
            add(Change::Requester(Some(requester)));
        }
        if let Some(at) = row.desired_completion_at {
            add(Change::DesiredCompletion(Some(at)));
        }
        if row.downtime_start_at.is_some() || row.downtime_end_at.is_some() {
            (start, end) = (row.downtime_start_at.or(start), row.downtime_end_at.or(end));
            add(Change::Downtime { start, end });
        }
        if let Some(yes) = row.provider_not_accountable {
            add(Change::ProviderNotAccountable(yes));
        }
    }
    Ok(history)
}

/// A stretch of a request's history in which what decides about coverage stayed the same.
pub(super) struct Stretch<'a> {
    pub(super) request: &'a request::Row,
    pub(super) from: DateTime<Utc>,
    pub(super) instance: Option<Uuid>,
    pub(super) requester: Option<Uuid>,
}

/// The stretches of a history, from the registration on: what was told of the time before it holds when it begins.
pub(super) fn stretches<'a>(
    request: &'a request::Row,
    history: &[Arc<request_event::Row>],
) -> Vec<Stretch<'a>> {
    let mut stretches: Vec<Stretch<'_>> = Vec::new();
    let (mut instance, mut requester) = (None, None);
    for group in history.chunk_by(|a, b| a.occurred_at == b.occurred_at) {
        for event in group {
            instance = event.service_instance_id.or(instance);
            requester = event.requester_id.or(requester);
        }
        let from = group[0].occurred_at.max(request.registered_at);
        match stretches.last_mut() {
            Some(last) if last.from == from => (last.instance, last.requester) = (instance, requester),
            Some(last) if (last.instance, last.requester) == (instance, requester) => {}
            _ => stretches.push(Stretch { request, from, instance, requester }),
        }
    }
    stretches
}
