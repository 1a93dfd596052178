//! Budgets of hours (rules L1 and L2).

use std::collections::BTreeSet;

use chrono_tz::Tz;
use sla_gateway::clock::limits::{Limit, LimitPeriod, TimeEntry};
use sla_gateway::clock::state::WarningShare;

use super::{at, minutes};

fn limit(period: LimitPeriod) -> Limit {
    let categories = BTreeSet::from(["A".to_owned(), "B".to_owned()]);
    Limit { time_limit_in_hours: 10, period, categories }
}

fn entry(category: &str, started_at: &str, ended_at: &str) -> TimeEntry {
    TimeEntry { category: category.to_owned(), started_at: at(started_at), ended_at: at(ended_at) }
}

#[test]
fn l1_weeks_begin_on_monday_and_months_on_the_first_in_the_tenants_zone() {
    let around = |period: LimitPeriod, zone, now| {
        let period = period.around(at(now), zone).unwrap();
        (period.start, period.end)
    };
    let weekly = around(LimitPeriod::Weekly, Tz::Europe__Prague, "2024-03-31T21:59:59Z");
    assert_eq!(
        weekly,
        (at("2024-03-24T23:00:00Z"), at("2024-03-31T22:00:00Z")),
        "167 hours: clocks go forward"
    );
    let next = around(LimitPeriod::Weekly, Tz::Europe__Prague, "2024-03-31T22:00:00Z");
    assert_eq!(next.0, weekly.1);
    let monthly = around(LimitPeriod::Monthly, Tz::America__New_York, "2024-03-01T04:59:59Z");
    assert_eq!(monthly, (at("2024-02-01T05:00:00Z"), at("2024-03-01T05:00:00Z")));
    let skipped_midnight = around(LimitPeriod::Monthly, Tz::Asia__Amman, "2022-04-15T00:00:00Z");
    assert_eq!(skipped_midnight.0, at("2022-03-31T21:00:00Z"));
}

#[test]
fn l1_every_instant_lies_in_its_period_whatever_the_clocks_do() {
    for (zone, around) in [
        (Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
        (Tz::America__Sao_Paulo, "2018-11-04T03:00:00Z"),
        (Tz::America__Sao_Paulo, "2019-02-17T02:00:00Z"),
        (Tz::America__Havana, "2024-11-03T05:00:00Z"),
        (Tz::Asia__Manila, "1844-12-31T15:50:00Z"),
        (Tz::America__Juneau, "1867-10-18T23:00:00Z"),
    ] {
        for period in [LimitPeriod::Weekly, LimitPeriod::Monthly] {
            let mut previous = None;
            for hour in -2_000..2_000 {
                let now = at(around) + minutes(hour * 60);
                let found = period.around(now, zone).unwrap();
                assert!(found.contains(now), "{zone} {now}");
                if let Some((start, end)) = previous.replace((found.start, found.end)) {
                    assert!(found.start == start || found.start == end, "{zone} {now}");
                }
            }
        }
    }
}

#[test]
fn l2_entries_are_cut_at_the_period_and_other_categories_left_out() {
    let entries = [
        entry("A", "2024-01-21T22:00:00Z", "2024-01-22T02:00:00Z"),
        entry("B", "2024-01-22T08:00:00Z", "2024-01-22T12:00:00Z"),
        entry("C", "2024-01-22T08:00:00Z", "2024-01-22T18:00:00Z"),
        entry("A", "2024-01-22T10:00:00Z", "2024-01-22T14:00:00Z"),
        entry("A", "2024-01-28T23:00:00Z", "2024-01-29T09:00:00Z"),
    ];
    let limit = limit(LimitPeriod::Weekly);
    let now = at("2024-01-24T00:00:00Z");
    let consumption = limit.consumption(&entries, Tz::UTC, WarningShare::default(), now).unwrap();
    assert_eq!(consumption.used, minutes(11 * 60));
    assert_eq!(consumption.budget, minutes(600));
    // 2 h until 02:00, then 2 h more until 10:00, then two at once: 8 h at 12:00, 10 h at 14:00.
    assert_eq!(consumption.warning_at, Some(at("2024-01-22T12:00:00Z")));
    assert_eq!(consumption.reached_at, Some(at("2024-01-22T14:00:00Z")), "reached when equal to the limit");
    let before = limit.consumption(&entries[..3], Tz::UTC, WarningShare::default(), now).unwrap();
    assert_eq!((before.used, before.reached_at), (minutes(360), None));
}
