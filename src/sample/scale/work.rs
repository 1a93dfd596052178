//! Requests, what they mean for the promises, and what the breach log says of it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    AFFECTED, IMPACTS, INSTANCES, Kind, LEAST, Load, ORGANIZATIONS, PEOPLE, Plan, TEAMS, Tenant, Terms,
    chance, id, instance_of, minutes, offering_of, threshold,
};
use crate::clock::limits::LimitPeriod;
use crate::sample::Error;
use crate::sample::copy::row;

/// Of a hundred requests of a tenant, the last four are still open.
const CLOSED_PERCENT: usize = 96;

/// What became of a request.
struct Fate {
    nth: usize,
    terms: Terms,
    impact: usize,
    registered_at: DateTime<Utc>,
    response_at: Option<DateTime<Utc>>,
    resolution_at: Option<DateTime<Utc>>,
    /// Since when it waits for the customer.
    stopped_at: Option<DateTime<Utc>>,
    late: Option<Late>,
}

/// Which target was missed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Late {
    Response,
    Resolution,
}

/// One of the clocks of a request.
struct Clock {
    id: Uuid,
    sla: Uuid,
    version: Uuid,
    /// Null for a chat or a call.
    instance: Option<usize>,
    response: TimeDelta,
    resolution: Option<TimeDelta>,
}

/// A record of the breach log to be.
struct Record {
    detected_at: DateTime<Utc>,
    tenant: Tenant,
    /// The affected SLA or the limit.
    subject: Uuid,
    /// Null for a limit.
    sla: Option<Uuid>,
    kind: &'static str,
    phase: &'static str,
    target_at: DateTime<Utc>,
    due_at: DateTime<Utc>,
}

impl Fate {
    /// The fate of the nth request, which is at a place among so many of its tenant.
    fn of(plan: &Plan, nth: usize, (place, count): (usize, usize)) -> Self {
        let terms = match nth % AFFECTED.len() {
            17 | 18 => Terms::Queue,
            19 => Terms::Livechat,
            _ => Terms::Service,
        };
        let closed = (count * CLOSED_PERCENT / 100).max(1);
        let seconds = |span: i64, place: usize, of: usize| span * place as i64 / of.max(1) as i64;
        let open = place >= closed;
        let registered_at = if open {
            let of = count - closed;
            plan.now - TimeDelta::seconds(6 * 3_600 - seconds(6 * 3_600 - 60, place - closed, of))
        } else {
            plan.now - TimeDelta::days(365) + TimeDelta::seconds(seconds(355 * 86_400, place, closed))
        };
        let impact = [0, 0, 0, 0, 1, 1, 1, 2, 2, 3][chance(1, nth) % 10];
        let percent = |whole: TimeDelta, least: usize, most: usize| {
            whole * (least + chance(2, nth) % (most - least)) as i32 / 100
        };
        let mut fate = Self {
            nth,
            terms,
            impact,
            registered_at,
            response_at: None,
            resolution_at: None,
            stopped_at: None,
            late: None,
        };
        if terms != Terms::Service {
            // Five minutes of talk; the wait is known once the SLA is.
            fate.late = (!open && plan.is_late(nth)).then_some(Late::Response);
            return fate;
        }
        let [response, resolution] =
            [LEAST[impact].0, LEAST[impact].1].map(|minutes| TimeDelta::minutes(i64::from(minutes)));
        if open {
            let taken_at = registered_at + TimeDelta::seconds(40);
            fate.response_at = (!nth.is_multiple_of(3)).then_some(taken_at);
            fate.stopped_at = (nth % 16 == 5).then_some(taken_at).filter(|_| fate.response_at.is_some());
            return fate;
        }
        // Offerings differ by up to three tenths: what is late for the slowest is late for all.
        fate.late = plan.is_late(nth).then_some(if nth.is_multiple_of(2) {
            Late::Response
        } else {
            Late::Resolution
        });
        let (responded, resolved) = match fate.late {
            Some(Late::Response) => (response * 134 / 100, resolution * 76 / 100),
            Some(Late::Resolution) => (percent(response, 10, 75), percent(resolution, 135, 180)),
            None => (percent(response, 5, 75), percent(resolution, 40, 79)),
        };
        fate.response_at = Some(registered_at + responded.min(resolved));
        fate.resolution_at = Some(registered_at + resolved);
        fate
    }

    fn is_open(&self) -> bool {
        self.terms == Terms::Service && self.resolution_at.is_none()
    }

    fn key(&self) -> Uuid {
        id(Kind::Request, self.nth, self.registered_at)
    }

    /// Its clocks. Those of a ticket are on SLAs that stand next to each other, most often on the first ones.
    fn clocks(&self, plan: &Plan, tenant: Tenant) -> impl Iterator<Item = Clock> {
        let slas = plan.slas.of(tenant.number);
        let choices = self.terms.among(slas.len()).max(1);
        let first = (chance(3, self.nth) % choices).min(chance(4, self.nth) % choices);
        (0..AFFECTED[self.nth % AFFECTED.len()].min(choices)).map(move |index| {
            let choice = (first + index) % choices;
            let nth = slas.start + self.terms.place(choice);
            let version = Plan::versions(nth).1;
            let (response, resolution) = match self.terms {
                Terms::Service => {
                    let (response, resolution) = minutes(self.impact, offering_of(choice, version));
                    (TimeDelta::minutes(i64::from(response)), Some(TimeDelta::minutes(i64::from(resolution))))
                }
                Terms::Queue => (TimeDelta::seconds(i64::from(threshold(choice, version))), None),
                Terms::Livechat => (TimeDelta::minutes(choice as i64 + 1), None),
            };
            Clock {
                id: id(Kind::Affected, self.nth * 4 + index, self.registered_at),
                sla: plan.sla(nth),
                version: plan.version(nth, version).0,
                instance: (self.terms == Terms::Service).then(|| instance_of(choice)),
                response,
                resolution,
            }
        })
    }

    /// When a chat or a call with this clock was taken.
    fn taken_at(&self, clock: &Clock) -> Option<DateTime<Utc>> {
        if self.terms == Terms::Service {
            return self.response_at;
        }
        let percent = if self.late.is_some() { 160 } else { 5 + chance(5, self.nth) % 70 };
        Some(self.registered_at + clock.response * percent as i32 / 100)
    }
}

impl Plan {
    /// Whether the nth request, if it is closed, was late: chosen so that clocks make 99 of 100 breach records.
    fn is_late(&self, nth: usize) -> bool {
        // Two clocks on average, two records for each.
        let late = self.breaches * 99 / 4 / CLOSED_PERCENT;
        let total = self.requests.total().max(1);
        late * (nth + 1) / total != late * nth / total
    }
}

/// Copies it all. Gives the last position of the breach log, of which `head` was the last before.
pub(super) async fn copy(load: &mut Load<'_, '_>, head: i64) -> Result<i64, Error> {
    let requests = load.plan.requests.total();
    let columns = "root_id, id, tenant_id, channel, subject, status, impact, requester_id, service_instance_id, \
                   team_id, sla_id, registered_at, created_at, updated_at";
    load.copy("request", columns, requests, |plan, out| {
        const SUBJECTS: [&str; 8] = [
            "Cannot sign in",
            "Slow since this morning",
            "Error on the last page",
            "Access for a new colleague",
            "No connection from the branch office",
            "Report shows last month",
            "Device does not start",
            "Question about an invoice",
        ];
        each(plan, |tenant, fate| {
            let clock = fate.clocks(plan, tenant).next();
            let instance = clock.as_ref().and_then(|clock| clock.instance);
            let named = clock.as_ref().filter(|_| fate.terms != Terms::Service).map(|clock| clock.sla);
            let ended_at = clock.as_ref().and_then(|clock| {
                fate.resolution_at.or(fate.taken_at(clock).filter(|_| fate.terms != Terms::Service))
            });
            let (channel, subject) = match fate.terms {
                Terms::Service => ("ticket", SUBJECTS[chance(6, fate.nth) % SUBJECTS.len()]),
                Terms::Queue => ("call", "Call"),
                Terms::Livechat => ("chat", "Chat"),
            };
            let status = match (ended_at, fate.stopped_at, fate.response_at) {
                (Some(_), ..) => "completed",
                (None, Some(_), _) => "waiting_for_customer",
                (None, None, Some(_)) => "in_progress",
                _ => "assigned",
            };
            let at = fate.registered_at;
            let updated_at = ended_at.or(fate.response_at).unwrap_or(at);
            let impact = instance.map(|_| IMPACTS[fate.impact]);
            let team = instance.map(|_| tenant.key(Kind::Team, TEAMS, 0));
            let instance = instance.map(|instance| tenant.key(Kind::Instance, INSTANCES, instance));
            let requester = tenant.person(chance(8, fate.nth) % PEOPLE);
            row!(
                out,
                tenant.root,
                fate.key(),
                tenant.id,
                channel,
                subject,
                status,
                impact,
                requester,
                instance,
                team,
                named,
                at,
                at,
                updated_at
            );
        });
    })
    .await?;
    // The history in short: how it came in. More than that is not needed to measure reads.
    let columns = "root_id, id, tenant_id, request_id, occurred_at, received_at, event_key, status, impact, \
                   service_instance_id, team_id";
    load.copy("request_event", columns, requests, |plan, out| {
        each(plan, |tenant, fate| {
            let instance = fate.clocks(plan, tenant).next().and_then(|clock| clock.instance);
            let at = fate.registered_at;
            let impact = instance.map(|_| IMPACTS[fate.impact]);
            let team = instance.map(|_| tenant.key(Kind::Team, TEAMS, 0));
            let instance = instance.map(|instance| tenant.key(Kind::Instance, INSTANCES, instance));
            let key = id(Kind::Event, fate.nth, at);
            row!(
                out,
                tenant.root,
                key,
                tenant.id,
                fate.key(),
                at,
                at,
                "registered",
                "assigned",
                impact,
                instance,
                team
            );
        });
    })
    .await?;
    copy_clocks(load).await?;
    copy_deadlines(load).await?;
    copy_breaches(load, head).await
}

async fn copy_clocks(load: &mut Load<'_, '_>) -> Result<(), Error> {
    let expected = load.plan.all_affected();
    let columns = "root_id, id, tenant_id, sla_id, sla_version_id, request_id, service_instance_id, support_team_id, \
                   first_line_team_id, supplier_id, support_hours_id, service_hours_id, time_zone, impact, \
                   accountability, started_at, maximum_response_duration, maximum_resolution_duration, \
                   response_target_at, response_breaches_at, resolution_target_at, resolution_breaches_at, \
                   next_target, next_target_at, actual_response_at, actual_response_duration, actual_resolution_at, \
                   actual_resolution_duration, stopped_clock_at, created_at, updated_at";
    load.copy("affected_sla", columns, expected, |plan, out| {
        each(plan, |tenant, fate| {
            let at = fate.registered_at;
            let request = fate.key();
            let requested = fate.clocks(plan, tenant).next().and_then(|clock| clock.instance);
            for clock in fate.clocks(plan, tenant) {
                let taken_at = fate.taken_at(&clock);
                let response_target = at + clock.response;
                let resolution_target = clock.resolution.map(|resolution| at + resolution);
                let (next_target, next_target_at) = if !fate.is_open() {
                    ("none", None)
                } else if fate.stopped_at.is_some() {
                    ("clock_stopped", None)
                } else if taken_at.is_none() {
                    ("response", Some(response_target))
                } else {
                    ("resolution", resolution_target)
                };
                let ticket = clock.instance.is_some();
                let of_ticket = |key| ticket.then_some(key);
                let hours = of_ticket(tenant.key(Kind::Calendar, 1, 0));
                let spent =
                    |until: Option<DateTime<Utc>>| until.map(|until| (until - at).num_minutes() as i32);
                let instance = clock.instance.map(|nth| tenant.key(Kind::Instance, INSTANCES, nth));
                let team = clock.instance.map(|nth| tenant.key(Kind::Team, TEAMS, 1 + nth % (TEAMS - 1)));
                let supplier = clock
                    .instance
                    .filter(|nth| nth % 9 == 8)
                    .map(|_| tenant.key(Kind::Organization, ORGANIZATIONS, 1));
                row!(
                    out,
                    tenant.root,
                    clock.id,
                    tenant.id,
                    clock.sla,
                    clock.version,
                    request,
                    instance,
                    team,
                    of_ticket(tenant.key(Kind::Team, TEAMS, 0)),
                    supplier,
                    hours,
                    hours.filter(|_| fate.impact == 3),
                    ticket.then_some("UTC"),
                    ticket.then_some(IMPACTS[fate.impact]),
                    if clock.instance == requested { "provider" } else { "supplier" },
                    at,
                    (fate.terms != Terms::Queue).then_some(clock.response.num_minutes() as i32),
                    clock.resolution.map(|resolution| resolution.num_minutes() as i32),
                    response_target,
                    response_target,
                    resolution_target,
                    resolution_target.filter(|_| fate.stopped_at.is_none()),
                    next_target,
                    next_target_at,
                    taken_at,
                    spent(taken_at),
                    fate.resolution_at,
                    spent(fate.resolution_at),
                    fate.stopped_at,
                    at,
                    fate.resolution_at.or(taken_at).unwrap_or(at)
                );
            }
        });
    })
    .await
}

async fn copy_deadlines(load: &mut Load<'_, '_>) -> Result<(), Error> {
    let expected = load.plan.all_affected() * (100 - CLOSED_PERCENT) / 100 * 2;
    let columns = "root_id, tenant_id, affected_sla_id, sla_id, kind, phase, target_at, due_at";
    load.copy("deadline", columns, expected, |plan, out| {
        each(plan, |tenant, fate| {
            if !fate.is_open() {
                return;
            }
            for clock in fate.clocks(plan, tenant) {
                let response = fate.response_at.is_none().then_some(("response", clock.response));
                let resolution = clock.resolution.filter(|_| fate.stopped_at.is_none());
                for (kind, span) in response.into_iter().chain(resolution.map(|span| ("resolution", span))) {
                    let target_at = fate.registered_at + span;
                    for (phase, due_at) in [("warning", target_at - span / 5), ("breached", target_at)] {
                        row!(
                            out,
                            tenant.root,
                            tenant.id,
                            clock.id,
                            clock.sla,
                            kind,
                            phase,
                            target_at,
                            due_at
                        );
                    }
                }
            }
        });
    })
    .await
}

async fn copy_breaches(load: &mut Load<'_, '_>, head: i64) -> Result<i64, Error> {
    let records = Arc::new(records(&load.plan));
    let count = records.len();
    let shared = records.clone();
    let columns =
        "root_id, id, tenant_id, kind, phase, sla_id, affected_sla_id, sla_limit_id, target_at, detected_at";
    load.copy("breach", columns, count, move |_, out| {
        for (nth, record) in shared.iter().enumerate() {
            let tenant = record.tenant;
            let affected_sla = record.sla.map(|_| record.subject);
            let limit = record.sla.is_none().then_some(record.subject);
            row!(
                out,
                tenant.root,
                record.key(nth),
                tenant.id,
                record.kind,
                record.phase,
                record.sla,
                affected_sla,
                limit,
                record.target_at,
                record.detected_at
            );
        }
    })
    .await?;
    let shared = records.clone();
    let columns = "root_id, tenant_id, subject_id, kind, phase, due_at, breach_id";
    load.copy("breach_key", columns, count, move |_, out| {
        for (nth, record) in shared.iter().enumerate() {
            let Record { tenant, subject, kind, phase, due_at, .. } = *record;
            row!(out, tenant.root, tenant.id, subject, kind, phase, due_at, record.key(nth));
        }
    })
    .await?;
    let columns = "root_id, tenant_id, shard, pos, breach_id, published_at";
    load.copy("breach_log", columns, count, move |_, out| {
        for (nth, record) in records.iter().enumerate() {
            let tenant = record.tenant;
            let pos = head + 1 + nth as i64;
            row!(out, tenant.root, tenant.id, 0_i16, pos, record.key(nth), record.detected_at);
        }
    })
    .await?;
    Ok(head + count as i64)
}

impl Record {
    fn key(&self, nth: usize) -> Uuid {
        id(Kind::Breach, nth, self.detected_at)
    }
}

/// What the breach log says, in its order: what the clocks make it say, and limits until it is enough.
fn records(plan: &Plan) -> Vec<Record> {
    let mut records = Vec::with_capacity(plan.breaches);
    each(plan, |tenant, fate| {
        let Some(late) = fate.late else { return };
        for clock in fate.clocks(plan, tenant) {
            let kind = match (fate.terms, late) {
                (Terms::Queue, _) => "queue_threshold",
                (Terms::Livechat, _) => "due_time",
                (Terms::Service, Late::Response) => "response",
                (Terms::Service, Late::Resolution) => "resolution",
            };
            let span = if late == Late::Response { Some(clock.response) } else { clock.resolution };
            let span = span.unwrap_or(clock.response);
            let target_at = fate.registered_at + span;
            for (phase, due_at) in [("warning", target_at - span / 5), ("breached", target_at)] {
                let detected_at = due_at + TimeDelta::milliseconds(60);
                let (subject, sla) = (clock.id, Some(clock.sla));
                records.push(Record { detected_at, tenant, subject, sla, kind, phase, target_at, due_at });
            }
        }
    });
    let missing = plan.breaches.saturating_sub(records.len());
    records.truncate(plan.breaches);
    records.extend(of_limits(plan).take(missing));
    records.sort_by_key(|record| (record.detected_at, record.subject, record.phase));
    records
}

/// What the limits said: in the last period each of them, then in the one before it, and so on.
fn of_limits(plan: &Plan) -> impl Iterator<Item = Record> {
    let of = |tenant: Tenant| plan.limits.of(tenant.number).map(move |nth| (tenant, nth));
    let limits: Vec<(Tenant, usize)> = plan.tenants().flat_map(of).collect();
    let rounds = (1..).flat_map(move |ago| limits.clone().into_iter().map(move |limit| (ago, limit)));
    rounds
        .map_while(|(ago, (tenant, nth))| {
            let (period, days) =
                if nth % 2 == 0 { (LimitPeriod::Weekly, 7) } else { (LimitPeriod::Monthly, 31) };
            let period = period.around(plan.now - TimeDelta::days(days * ago), chrono_tz::UTC)?;
            let subject = id(Kind::Limit, nth, tenant.since);
            Some([("warning", 7), ("breached", 9)].map(|(phase, tenths)| Record {
                detected_at: period.start + (period.end - period.start) * tenths / 10,
                tenant,
                subject,
                sla: None,
                kind: "limit",
                phase,
                target_at: period.start,
                due_at: period.start,
            }))
        })
        .flatten()
}

/// Runs through all requests.
fn each(plan: &Plan, mut make: impl FnMut(Tenant, Fate)) {
    for tenant in plan.tenants() {
        let requests = plan.requests.of(tenant.number);
        let count = requests.len();
        for (place, nth) in requests.enumerate() {
            make(tenant, Fate::of(plan, nth, (place, count)));
        }
    }
}
