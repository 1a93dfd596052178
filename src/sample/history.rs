//! What happened to requests, and the clocks that follow from it: every state, breach and deadline of the sample
//! comes out of [`crate::clock`], as it would have in service.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::random::key;
use super::rows::Table;
use super::slas::ServicePromise;
use super::world::{Person, Tenant, World, merge};
use crate::clock::coverage::concerned;
use crate::clock::events::{Change, Event, Status};
use crate::clock::fold::{Facts, fold};
use crate::clock::limits::LimitPeriod;
use crate::clock::state::{Deadline, WarningShare};
use crate::clock::targets::{Impact, InForce};
use crate::clock::waiting::{WaitTerms, wait};
use crate::clock::whole_minutes;

/// The clocks that a seed shows: the number of the request, that of the SLA, and the clock's own id there.
const SHOWN: [(u32, u32, &str); 2] = [(70_473, 34, "214"), (70_231, 104, "2")];

/// One event of a request: what it changed, and nothing of what it left as it was.
#[derive(Clone, Default)]
pub(super) struct Step {
    pub(super) at: DateTime<Utc>,
    pub(super) status: Option<Status>,
    pub(super) impact: Option<Impact>,
    pub(super) instance: Option<Uuid>,
    pub(super) team: Option<Uuid>,
    pub(super) desired_completion_at: Option<DateTime<Utc>>,
    pub(super) downtime: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    pub(super) provider_not_accountable: Option<bool>,
}

impl Step {
    pub(super) fn status(at: DateTime<Utc>, status: Status) -> Self {
        Self { at, status: Some(status), ..Self::default() }
    }
}

/// A request and its history, oldest event first.
pub(super) struct Story<'a> {
    pub(super) tenant: Tenant,
    pub(super) number: u32,
    pub(super) channel: &'a str,
    pub(super) subject: &'a str,
    pub(super) requester: &'a Person,
    pub(super) sla: Option<Uuid>,
    pub(super) steps: Vec<Step>,
}

/// A breach or warning that lies in the past.
pub(super) struct BreachRecord {
    pub(super) tenant: Tenant,
    /// The affected SLA or the limit.
    pub(super) subject: Uuid,
    /// Null for a limit.
    pub(super) sla: Option<Uuid>,
    /// The hours and the period of a limit, as it was reached.
    pub(super) limit: Option<(u32, LimitPeriod)>,
    pub(super) kind: &'static str,
    pub(super) phase: &'static str,
    pub(super) target_at: DateTime<Utc>,
    pub(super) due_at: DateTime<Utc>,
    pub(super) detected_at: DateTime<Utc>,
}

impl World {
    /// A request with its events, up to now; gives its key. Nothing comes of one that lies in the future.
    fn request(&mut self, story: &mut Story<'_>) -> Option<Uuid> {
        let Story { tenant, number, .. } = *story;
        let now = self.now;
        story.steps.retain(|step| step.at <= now);
        let (first, last) = (story.steps.first()?, story.steps.last()?);
        let id = key(first.at, &format!("{}/request/{number}", tenant.slug));
        fn latest<T>(steps: &[Step], field: impl Fn(&Step) -> Option<T>) -> Option<T> {
            steps.iter().rev().find_map(field)
        }
        let steps = &story.steps;
        self.rows.add(
            Table::Request,
            json!({
                "root_id": tenant.root, "id": id, "tenant_id": tenant.id, "channel": story.channel,
                "subject": story.subject, "requester_id": story.requester.id, "sla_id": story.sla,
                "status": latest(steps, |step| step.status).unwrap_or(Status::Assigned).as_str(),
                "impact": latest(steps, |step| step.impact).map(Impact::as_str),
                "service_instance_id": latest(steps, |step| step.instance),
                "team_id": latest(steps, |step| step.team),
                "desired_completion_at": latest(steps, |step| step.desired_completion_at),
                "downtime_start_at": latest(steps, |step| step.downtime.0),
                "downtime_end_at": latest(steps, |step| step.downtime.1),
                "provider_not_accountable": latest(steps, |step| step.provider_not_accountable).unwrap_or(false),
                "registered_at": first.at, "source": tenant.source, "source_id": number.to_string(),
                "revision": steps.len(), "created_at": first.at, "updated_at": last.at,
            }),
        );
        for (index, step) in steps.iter().enumerate() {
            // Registered again it is no news, as any request that a source has told of.
            let event_key =
                if index == 0 { "registered".to_owned() } else { format!("{number}-{}", index + 1) };
            self.rows.add(
                Table::RequestEvent,
                json!({
                    "root_id": tenant.root, "tenant_id": tenant.id, "request_id": id,
                    "id": key(step.at, &format!("{id}/event/{index}")),
                    "occurred_at": step.at, "received_at": step.at, "event_key": event_key,
                    "status": step.status.map(Status::as_str), "impact": step.impact.map(Impact::as_str),
                    "service_instance_id": step.instance, "team_id": step.team,
                    "requester_id": (index == 0).then_some(story.requester.id),
                    "desired_completion_at": step.desired_completion_at,
                    "downtime_start_at": step.downtime.0, "downtime_end_at": step.downtime.1,
                    "provider_not_accountable": step.provider_not_accountable,
                }),
            );
        }
        Some(id)
    }

    /// A ticket, and an affected SLA for each SLA that it falls under (rule C1).
    pub(super) fn ticket(&mut self, mut story: Story<'_>) {
        let Some(request) = self.request(&mut story) else { return };
        let steps = &story.steps;
        let requester = self.requester(story.requester);
        let instance = steps[0].instance;
        let coverings: Vec<_> = self.promises.iter().map(|promise| promise.covering.clone()).collect();
        let concerned = concerned(&coverings, &requester, instance, &self.relations);
        let events = events(request, steps);
        let above = self.above.get(&story.tenant.id).cloned().unwrap_or_default();
        let applies = |promise: &ServicePromise| {
            promise.tenant.id == story.tenant.id || promise.shared && above.contains(&promise.tenant.id)
        };
        let concerned: Vec<usize> =
            concerned.into_iter().filter(|index| applies(&self.promises[*index])).collect();
        for index in concerned {
            let clock = self.clock(index, &story, request, &events);
            self.rows.add(Table::AffectedSla, clock);
        }
    }

    /// The affected SLA of one promise, and what the breach log says of it.
    fn clock(&mut self, promise: usize, story: &Story<'_>, request: Uuid, events: &[Event]) -> Value {
        let promise = &self.promises[promise];
        let (tenant, sla) = (story.tenant, promise.sla);
        let (started_at, updated_at) = (story.steps[0].at, story.steps[story.steps.len() - 1].at);
        let instance = promise.instance;
        let teams = [
            instance.and_then(|instance| instance.support_team),
            instance.and_then(|instance| instance.first_line_team),
        ];
        let instances: BTreeMap<Uuid, BTreeSet<Uuid>> =
            instance.iter().map(|instance| (instance.id, teams.into_iter().flatten().collect())).collect();
        let facts = Facts {
            started_at,
            zone: promise.offering.zone,
            below: self.relations.below(instances.keys()).into_iter().collect(),
            instances,
            applies: true,
            promised: vec![InForce { from: started_at, targets: promise.offering.targets.clone() }],
        };
        let state = fold(&facts, events, WarningShare::default());
        let id = key(started_at, &format!("{request}/affected/{sla}"));
        let (response, resolution) = (&state.response, &state.resolution);
        let minutes = |duration: Option<TimeDelta>| duration.map(whole_minutes);
        let mut row = json!({
            "root_id": tenant.root, "id": id, "tenant_id": tenant.id, "sla_id": sla,
            "sla_version_id": promise.version, "request_id": request, "service_instance_id": instance.map(|instance| instance.id),
            "support_team_id": teams[0], "first_line_team_id": teams[1],
            "supplier_id": instance.and_then(|instance| instance.supplier),
            "support_hours_id": state.support_hours.as_ref().map(|hours| hours.id),
            "service_hours_id": state.service_hours.as_ref().map(|hours| hours.id),
            "time_zone": facts.zone.name(), "impact": state.impact.map(Impact::as_str),
            "accountability": state.accountability.as_str(), "started_at": started_at,
            "maximum_response_duration": response.promised.minutes(),
            "maximum_response_duration_in_days": response.promised.business_days(),
            "maximum_resolution_duration": resolution.promised.minutes(),
            "maximum_resolution_duration_in_days": resolution.promised.business_days(),
            "response_target_at": response.target_at, "response_breaches_at": response.breaches_at,
            "resolution_target_at": resolution.target_at, "resolution_breaches_at": resolution.breaches_at,
            "next_target": state.next_target.as_str(), "next_target_at": state.next_target_at,
            "actual_response_at": response.actual_at,
            "actual_response_duration": minutes(response.actual_duration),
            "actual_resolution_at": resolution.actual_at,
            "actual_resolution_duration": minutes(resolution.actual_duration),
            "desired_completion_at": state.desired_completion_at,
            "stopped_clock_at": state.stopped_clock_at,
            "stopped_clock_duration": whole_minutes(state.stopped_clock_duration),
            "downtime_start_at": state.downtime_start_at, "downtime_end_at": state.downtime_end_at,
            "downtime_duration": minutes(state.downtime_duration),
            "provider_not_accountable": state.provider_not_accountable,
            "provider_was_not_accountable": state.provider_was_not_accountable,
            "created_at": started_at, "updated_at": updated_at,
        });
        if let Some((_, _, own)) = SHOWN.iter().find(|(request, number, _)| {
            *request == story.number && promise.tenant.key(Table::Sla, *number) == sla
        }) {
            merge(&mut row, json!({ "source": tenant.source, "source_id": own }));
        }
        self.falls_due(tenant, id, sla, &state.deadlines);
        row
    }

    /// A chat or a call measured against the SLA it names (rule C13).
    pub(super) fn waiting(&mut self, mut story: Story<'_>, (sla, version): (Uuid, Uuid), terms: WaitTerms) {
        let Some(request) = self.request(&mut story) else { return };
        let tenant = story.tenant;
        let queued_at = story.steps[0].at;
        let updated_at = story.steps[story.steps.len() - 1].at;
        let wait = wait(queued_at, terms, &events(request, &story.steps), None, WarningShare::default());
        let target_at = wait.promised_at();
        let id = key(queued_at, &format!("{request}/affected/{sla}"));
        let mut row = json!({
            "root_id": tenant.root, "id": id, "tenant_id": tenant.id, "sla_id": sla, "sla_version_id": version,
            "request_id": request, "started_at": queued_at, "maximum_response_duration": terms.due_time_in_minutes(),
            "response_target_at": target_at, "response_breaches_at": target_at,
            "actual_response_at": wait.taken_at,
            "actual_response_duration": wait.taken_at.map(|at| whole_minutes(at - queued_at)),
            "next_target": "none", "created_at": queued_at, "updated_at": updated_at,
        });
        if wait.is_queued() {
            merge(&mut row, json!({ "next_target": "response", "next_target_at": wait.due_at }));
        }
        self.rows.add(Table::AffectedSla, row);
        self.falls_due(tenant, id, sla, &wait.deadlines);
    }

    /// What has fallen due is in the breach log; what has not is what the watch sleeps on.
    fn falls_due(&mut self, tenant: Tenant, affected_sla: Uuid, sla: Uuid, deadlines: &[Deadline]) {
        for deadline in deadlines {
            let Deadline { at: due_at, target_at, .. } = *deadline;
            let (kind, phase) = (deadline.kind.as_str(), deadline.phase.as_str());
            // A little later than due, as a watch is.
            let detected_at =
                due_at + TimeDelta::milliseconds(40 + i64::from(due_at.timestamp_subsec_millis()) / 4);
            if detected_at < self.now {
                self.breaches.push(BreachRecord {
                    tenant,
                    subject: affected_sla,
                    sla: Some(sla),
                    limit: None,
                    kind,
                    phase,
                    target_at,
                    due_at,
                    detected_at,
                });
            } else {
                self.rows.add(
                    Table::Deadline,
                    json!({
                        "root_id": tenant.root, "tenant_id": tenant.id, "affected_sla_id": affected_sla,
                        "sla_id": sla, "kind": kind, "phase": phase, "target_at": target_at, "due_at": due_at,
                    }),
                );
            }
        }
    }

    /// Writes the breach log, in the order in which things were detected; `after` is the last position given out.
    /// Gives the last position now.
    pub(super) fn publish(&mut self, after: i64) -> i64 {
        let mut records = std::mem::take(&mut self.breaches);
        records.sort_by_key(|record| (record.detected_at, record.subject, record.kind, record.phase));
        let mut pos = after;
        for record in records {
            let BreachRecord { tenant, subject, sla, limit, kind, phase, target_at, due_at, detected_at } =
                record;
            let id = key(detected_at, &format!("{subject}/{kind}/{phase}/{target_at}"));
            let affected_sla = sla.map(|_| subject);
            pos += 1;
            let place = |columns: Value| {
                let mut row = json!({ "root_id": tenant.root, "tenant_id": tenant.id });
                merge(&mut row, columns);
                row
            };
            self.rows.add(
                Table::Breach,
                place(json!({
                    "id": id, "kind": kind, "phase": phase, "sla_id": sla, "affected_sla_id": affected_sla,
                    "sla_limit_id": limit.map(|_| subject), "target_at": target_at, "detected_at": detected_at,
                })),
            );
            let key = json!({
                "subject_id": subject, "kind": kind, "phase": phase, "due_at": due_at, "breach_id": id,
                "hours": limit.map(|(hours, _)| hours), "time_period": limit.map_or("", |(_, period)| period.as_str()),
            });
            self.rows.add(Table::BreachKey, place(key));
            let log = json!({ "shard": 0, "pos": pos, "breach_id": id, "published_at": detected_at });
            self.rows.add(Table::BreachLog, place(log));
        }
        pos
    }
}

/// The steps as the clock reads them: one event for each thing that changed.
fn events(request: Uuid, steps: &[Step]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut downtime = (None, None);
    for step in steps {
        let mut changed = |change: Change| {
            let sequence = events.len() as i64;
            let id = Uuid::from_u128(request.as_u128() ^ sequence as u128);
            events.push(Event { id, occurred_at: step.at, sequence, received_at: step.at, change });
        };
        if let Some(instance) = step.instance {
            changed(Change::Instance(Some(instance)));
        }
        if let Some(impact) = step.impact {
            changed(Change::Impact(Some(impact)));
        }
        if let Some(team) = step.team {
            changed(Change::Team(Some(team)));
        }
        if let Some(at) = step.desired_completion_at {
            changed(Change::DesiredCompletion(Some(at)));
        }
        if step.downtime != (None, None) {
            downtime = (step.downtime.0.or(downtime.0), step.downtime.1.or(downtime.1));
            changed(Change::Downtime { start: downtime.0, end: downtime.1 });
        }
        if let Some(not_accountable) = step.provider_not_accountable {
            changed(Change::ProviderNotAccountable(not_accountable));
        }
        if let Some(status) = step.status {
            changed(Change::Status(status));
        }
    }
    events
}
