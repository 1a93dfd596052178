//! What the clock costs: a target a year and ten years away, a history of fifty events, an explanation of a year.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use chrono::{DateTime, Days, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use criterion::{Criterion, criterion_group, criterion_main};
use sla_gateway::clock::calendar::{Calendar, Holiday, WeeklyHours};
use sla_gateway::clock::events::{Change, Event, Status};
use sla_gateway::clock::explain::{Account, ClockKind};
use sla_gateway::clock::fold::{Facts, fold};
use sla_gateway::clock::state::WarningShare;
use sla_gateway::clock::targets::{Hours, Impact, InForce, OfferingTargets, Promise, TargetDuration};
use uuid::Uuid;

/// Monday 2024-01-22, ten in the morning in Berlin.
fn start() -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(1_705_914_000)
}

/// Mon–Fri 8–12 and 13–18, ten years with a week closed in each.
fn office() -> Calendar {
    let days = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];
    let rows = days.into_iter().flat_map(|weekday| {
        [(480, 720), (780, 1_080)].map(|(from, until)| WeeklyHours { weekday, from, until })
    });
    let closed = (0..10).map(|year| {
        let starts_at = start().naive_utc() + Days::new(330 + 365 * year);
        Holiday { name: "Closed".to_owned(), starts_at, ends_at: starts_at + Days::new(7) }
    });
    Calendar::new(rows, closed).unwrap_or_else(|_| Calendar::around_the_clock())
}

fn targets(criterion: &mut Criterion) {
    let calendar = office();
    let schedule = calendar.in_zone(Tz::Europe__Berlin);
    let in_hours = |hours| TimeDelta::hours(black_box(hours));
    criterion
        .bench_function("target_at, a day away", |b| b.iter(|| schedule.target_at(start(), in_hours(8))));
    criterion.bench_function("target_at, a year away", |b| {
        b.iter(|| schedule.target_at(start(), in_hours(2_300)))
    });
    criterion.bench_function("target_at, ten years away", |b| {
        b.iter(|| schedule.target_at(start(), in_hours(23_000)))
    });
    criterion.bench_function("active_between, ten years", |b| {
        b.iter(|| schedule.active_between(start(), start() + TimeDelta::days(black_box(3_650))))
    });
    criterion.bench_function("business_days, a year away", |b| {
        b.iter(|| schedule.business_days(start(), black_box(255)))
    });
}

fn histories(criterion: &mut Criterion) {
    let hours = Hours { id: Uuid::nil(), calendar: Arc::new(office()) };
    let promise = Promise {
        response: TargetDuration::Minutes(60),
        resolution: TargetDuration::Minutes(2_400),
        support_hours: Some(hours),
    };
    let targets = Arc::new(OfferingTargets::default().overridden(&promise));
    let facts = Facts {
        started_at: start(),
        zone: Tz::Europe__Berlin,
        instances: BTreeMap::new(),
        below: BTreeMap::new(),
        applies: true,
        promised: vec![InForce { from: DateTime::<Utc>::UNIX_EPOCH, targets }],
    };
    let history = |hours_apart: i64| -> Vec<Event> {
        let event = |number: i64| {
            let change = match number % 5 {
                0 => Change::Impact(Some(if number % 2 == 0 { Impact::High } else { Impact::Medium })),
                1 | 3 => Change::Status(Status::InProgress),
                2 => Change::Status(Status::WaitingForCustomer),
                _ => Change::Team(Some(Uuid::nil())),
            };
            let occurred_at = start() + TimeDelta::hours(hours_apart * number);
            Event {
                id: Uuid::from_u128(number as u128),
                occurred_at,
                sequence: number,
                received_at: occurred_at,
                change,
            }
        };
        (0..50).map(event).collect()
    };
    let (weeks, year) = (history(12), history(175));
    let warning = WarningShare::default();
    criterion.bench_function("fold, 50 events", |b| b.iter(|| fold(&facts, black_box(&weeks), warning)));
    let state = fold(&facts, &year, warning);
    let now = start() + TimeDelta::days(365);
    criterion.bench_function("explain, 50 events over a year", |b| {
        b.iter(|| Account::new(&facts, &state, ClockKind::Resolution, black_box(now)).intervals().count())
    });
}

criterion_group!(benches, targets, histories);
criterion_main!(benches);
