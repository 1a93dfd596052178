//! The pure rules of time: against published facts, against a naive second implementation, and rule by rule.

mod affected;
mod coverage;
mod explain;
mod histories;
mod limits;
mod naive;
mod rules;
mod vectors;
mod waiting;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc, Weekday};
use sla_gateway::clock::calendar::{Calendar, Holiday, WeeklyHours};
use sla_gateway::clock::events::{Change, Event, Status};
use uuid::Uuid;

const WEEKDAYS: [Weekday; 5] = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];
const EVERY_DAY: [Weekday; 7] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap_or_else(|e| panic!("{text}: {e}")).to_utc()
}

fn local(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

fn row(weekday: Weekday, from: u16, until: u16) -> WeeklyHours {
    WeeklyHours { weekday, from, until }
}

fn holiday(name: &str, starts_at: &str, ends_at: &str) -> Holiday {
    Holiday { name: name.to_owned(), starts_at: local(starts_at), ends_at: local(ends_at) }
}

/// The same hours of the day on each of the days, without holidays.
fn daily(days: &[Weekday], from: u16, until: u16) -> Calendar {
    Calendar::new(days.iter().map(|day| row(*day, from * 60, until * 60)), []).unwrap()
}

fn office() -> Arc<Calendar> {
    Arc::new(daily(&WEEKDAYS, 9, 17))
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn event(number: u128, occurred_at: &str, change: Change) -> Event {
    let occurred_at = at(occurred_at);
    Event { id: id(number), occurred_at, sequence: number as i64, received_at: occurred_at, change }
}

fn becomes(number: u128, occurred_at: &str, status: Status) -> Event {
    event(number, occurred_at, Change::Status(status))
}
