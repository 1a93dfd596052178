//! The agency of the seed on limits: hours of projects, per week or month.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, NaiveTime, TimeDelta, Utc, Weekday};
use chrono_tz::Europe;
use serde_json::json;
use uuid::Uuid;

use super::Error;
use super::history::BreachRecord;
use super::random::{Random, key};
use super::rows::Table;
use super::world::{Person, Tenant, World, instant, tenant};
use crate::clock::limits::{Limit, LimitPeriod, TimeEntry};
use crate::clock::state::WarningShare;

struct Spec {
    number: u32,
    project: usize,
    hours: u32,
    period: LimitPeriod,
    contact: &'static str,
    categories: &'static [&'static str],
    created_at: &'static str,
    deactivated: bool,
}

/// Adds the tenant, its projects, the time logged on them, their limits and what those have said.
pub(super) fn add(world: &mut World) -> Result<(), Error> {
    let simplo = tenant("simplo", "simplo", "2025-02-03T08:00:00+01:00", Europe::Prague);
    let roles = world.root(simplo, "Simplo");
    let manager = world.user(simplo, 1, "Bohdan", "Zatek", "manager@simplo.example.com", (None, None));
    world.grant(simplo, roles.manager, &manager);
    let agent = world.user(simplo, 2, "Eva", "Dvorak", "agent@simplo.example.com", (None, None));
    world.grant(simplo, roles.agent, &agent);
    let people = [
        world.person(simplo, 3, "Adam", "Svoboda", (None, None)),
        world.person(simplo, 4, "Klara", "Novotna", (None, None)),
        world.person(simplo, 5, "Matej", "Horak", (None, None)),
    ];
    let projects = [
        (1, "Web portal"),
        (2, "Mobile application"),
        (3, "Warehouse integration"),
        (4, "Care and maintenance"),
    ]
    .map(|(number, name)| world.project(simplo, number, name));

    let specs = [
        Spec {
            number: 1,
            project: 0,
            hours: 20,
            period: LimitPeriod::Monthly,
            contact: "pech@simplo.cz",
            categories: &["A", "B"],
            created_at: "2025-02-10T09:49:38+01:00",
            deactivated: false,
        },
        Spec {
            number: 3,
            project: 0,
            hours: 20,
            period: LimitPeriod::Monthly,
            contact: "pech@simplo.cz",
            categories: &["A", "B"],
            created_at: "2025-02-10T10:51:43+01:00",
            deactivated: true,
        },
        Spec {
            number: 4,
            project: 1,
            hours: 8,
            period: LimitPeriod::Weekly,
            contact: "bzatek@simplo.cz",
            categories: &["Design", "Development"],
            created_at: "2025-03-04T14:00:00+01:00",
            deactivated: false,
        },
        Spec {
            number: 5,
            project: 2,
            hours: 60,
            period: LimitPeriod::Monthly,
            contact: "horak@simplo.cz",
            categories: &["Development"],
            created_at: "2025-04-01T10:20:00+02:00",
            deactivated: false,
        },
        Spec {
            number: 6,
            project: 3,
            hours: 5,
            period: LimitPeriod::Weekly,
            contact: "bzatek@simplo.cz",
            categories: &["Support", "On call"],
            created_at: "2025-05-12T09:00:00+02:00",
            deactivated: false,
        },
    ];
    let categories: [&[&str]; 4] = [
        &["A", "B", "C"],
        &["Design", "Development", "Travel"],
        &["Development", "Meetings"],
        &["Support", "On call"],
    ];
    let entries = projects.iter().zip(categories).enumerate();
    let entries: Vec<Vec<TimeEntry>> = entries
        .map(|(index, (project, categories))| logged(world, simplo, (index, *project), categories, &people))
        .collect();
    for spec in specs {
        let id = key(instant(spec.created_at), &format!("simplo/limit/{}", spec.number));
        watch(world, simplo, id, &spec, &entries[spec.project])?;
        let until = spec.period.around(world.now, simplo.zone).map(|period| period.end);
        world.rows.add(
            Table::SlaLimit,
            json!({
                "root_id": simplo.root, "id": id, "tenant_id": simplo.id, "project_id": projects[spec.project],
                "time_limit_in_hours": spec.hours, "time_period": spec.period.as_str(), "contact_type": "email",
                "contact": spec.contact, "categories": spec.categories,
                "deactivated_until": until.filter(|_| spec.deactivated),
                "source": "simplo", "source_id": spec.number.to_string(),
                "created_at": instant(spec.created_at), "updated_at": instant(spec.created_at),
            }),
        );
    }
    Ok(())
}

/// Logs what was worked on a project in the past weeks, a few hours on most working days.
fn logged(
    world: &mut World,
    tenant: Tenant,
    (index, project): (usize, Uuid),
    categories: &[&str],
    people: &[Person],
) -> Vec<TimeEntry> {
    let mut random = Random::new(index as u64);
    let mut entries = Vec::new();
    let today = world.now.with_timezone(&tenant.zone).date_naive();
    let days = (0..=56).rev().filter_map(|ago| today.checked_sub_days(Days::new(ago)));
    for day in days {
        if matches!(day.weekday(), Weekday::Sat | Weekday::Sun) {
            continue;
        }
        for person in people {
            if !random.percent(35) {
                continue;
            }
            let minute = 8 * 60 + 15 * random.below(30) as i64;
            let from = day.and_time(NaiveTime::MIN) + TimeDelta::minutes(minute);
            let Some(started_at) = from.and_local_timezone(tenant.zone).earliest() else { continue };
            let started_at = started_at.to_utc();
            let ended_at = started_at + TimeDelta::minutes(30 + 15 * random.below(7) as i64);
            let category = *random.pick(categories);
            if ended_at > world.now {
                continue;
            }
            let number = 1_000 * (index + 1) + entries.len();
            world.rows.add(
                Table::TimeEntry,
                json!({
                    "root_id": tenant.root, "tenant_id": tenant.id, "project_id": project, "person_id": person.id,
                    "id": key(started_at, &format!("simplo/entry/{number}")), "category": category,
                    "started_at": started_at, "ended_at": ended_at,
                    "source": "simplo", "source_id": number.to_string(), "created_at": ended_at,
                    "updated_at": ended_at,
                }),
            );
            entries.push(TimeEntry { category: category.to_owned(), started_at, ended_at });
        }
    }
    entries
}

/// Rule L2: what the limit has said in each period that the entries touch; rule L3: nothing while it sleeps.
fn watch(
    world: &mut World,
    tenant: Tenant,
    id: Uuid,
    spec: &Spec,
    entries: &[TimeEntry],
) -> Result<(), Error> {
    let limit = Limit {
        time_limit_in_hours: spec.hours,
        period: spec.period,
        categories: spec.categories.iter().map(|category| (*category).to_owned()).collect::<BTreeSet<_>>(),
    };
    let mut at = world.now - TimeDelta::days(56);
    loop {
        let used = limit.consumption(entries, tenant.zone, WarningShare::default(), at);
        let used =
            used.ok_or_else(|| Error::Sample(format!("limit {} has no period at {at}", spec.number)))?;
        let current = used.period.contains(world.now);
        let said: [(&str, Option<DateTime<Utc>>); 2] =
            [("warning", used.warning_at), ("breached", used.reached_at)];
        for (phase, reached_at) in said {
            if let Some(reached_at) = reached_at
                && !(current && spec.deactivated)
            {
                world.breaches.push(BreachRecord {
                    tenant,
                    subject: id,
                    sla: None,
                    limit: Some((spec.hours, spec.period)),
                    kind: "limit",
                    phase,
                    target_at: used.period.start,
                    due_at: used.period.start,
                    // Known when the entry was logged, which is when its work ended.
                    detected_at: told_at(entries, reached_at),
                });
            }
        }
        if current {
            return Ok(());
        }
        at = used.period.end;
    }
}

fn told_at(entries: &[TimeEntry], reached_at: DateTime<Utc>) -> DateTime<Utc> {
    let running =
        entries.iter().filter(|entry| entry.started_at < reached_at && entry.ended_at >= reached_at);
    running.map(|entry| entry.ended_at).min().unwrap_or(reached_at) + TimeDelta::milliseconds(70)
}
