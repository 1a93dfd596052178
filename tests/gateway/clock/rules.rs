//! Calendars, targets and lifecycles rule by rule.

use chrono::{TimeDelta, Weekday};
use chrono_tz::Tz;
use sla_gateway::clock::availability::{Availability, Period};
use sla_gateway::clock::calendar::{Calendar, CalendarError};
use sla_gateway::clock::lifecycle::{SlaStatus, Term};
use sla_gateway::clock::schedule::{HORIZON, StretchKind};
use sla_gateway::clock::targets::{Effect, Impact};
use sla_gateway::clock::whole_minutes;

use super::{EVERY_DAY, WEEKDAYS, at, daily, date, holiday, local, minutes, office, row};

#[test]
fn x1_a_target_used_up_at_closing_shows_closing_and_breaches_after_the_next_opening() {
    let office = office();
    let schedule = office.in_zone(Tz::UTC);
    let friday = at("2024-01-19T16:00:00Z");
    assert_eq!(schedule.target_at(friday, minutes(60)), Some(at("2024-01-19T17:00:00Z")));
    assert_eq!(schedule.breaches_at(friday, minutes(60)), Some(at("2024-01-22T09:00:00Z")));
    assert_eq!(schedule.target_at(friday, minutes(61)), Some(at("2024-01-22T09:01:00Z")));
    assert_eq!(schedule.breaches_at(friday, minutes(61)), Some(at("2024-01-22T09:01:00Z")));
}

#[test]
fn x3_a_zero_minute_target_outside_the_hours_falls_on_the_first_active_instant() {
    let office = office();
    let schedule = office.in_zone(Tz::Europe__Berlin);
    for (start, target) in [
        ("2024-01-20T12:00:00Z", "2024-01-22T08:00:00Z"),
        ("2024-01-22T08:00:00Z", "2024-01-22T08:00:00Z"),
        ("2024-01-22T10:30:15.000001Z", "2024-01-22T10:30:15.000001Z"),
        ("2024-01-22T16:00:00Z", "2024-01-23T08:00:00Z"),
    ] {
        assert_eq!(schedule.target_at(at(start), TimeDelta::zero()), Some(at(target)), "{start}");
        assert_eq!(schedule.breaches_at(at(start), TimeDelta::zero()), Some(at(target)), "{start}");
    }
}

#[test]
fn x4_a_skipped_hour_counts_nothing_and_a_repeated_hour_counts_twice() {
    let night = Calendar::new(EVERY_DAY.map(|day| row(day, 60, 300)), []).unwrap();
    let schedule = night.in_zone(Tz::Europe__Berlin);
    let active = |day: &str| {
        schedule
            .active_between(at(&format!("{day}T22:00:00Z")), at(&format!("{day}T22:00:00Z")) + minutes(600))
    };
    assert_eq!(active("2024-03-29"), minutes(240));
    assert_eq!(active("2024-03-30"), minutes(180));
    assert_eq!(active("2024-10-26"), minutes(300));
}

#[test]
fn x5_an_endpoint_inside_a_gap_is_not_shifted() {
    let calendar = Calendar::new([row(Weekday::Sun, 150, 195)], []).unwrap();
    let schedule = calendar.in_zone(Tz::America__Los_Angeles);
    let start = at("2006-04-02T08:00:00Z");
    assert_eq!(schedule.target_at(start, minutes(1)), Some(at("2006-04-02T10:01:00Z")));
    let week = start + TimeDelta::days(6);
    assert_eq!(schedule.active_between(start, week), minutes(15));
}

#[test]
fn x6_instants_are_microseconds_and_display_floors_to_whole_minutes() {
    let office = office();
    let schedule = office.in_zone(Tz::UTC);
    let active = schedule.active_between(at("2024-01-22T08:00:00Z"), at("2024-01-22T09:01:59.999999Z"));
    assert_eq!(active, TimeDelta::microseconds(119_999_999));
    assert_eq!(whole_minutes(active), 1);
    assert_eq!(whole_minutes(TimeDelta::microseconds(-1)), -1);
}

#[test]
fn x7_an_end_before_its_start_is_nothing() {
    let office = office();
    let schedule = office.in_zone(Tz::UTC);
    let (late, early) = (at("2024-01-23T12:00:00Z"), at("2024-01-22T12:00:00Z"));
    assert_eq!(schedule.active_between(late, early), TimeDelta::zero());
    assert_eq!(schedule.stretches(late, early).count(), 0);
}

#[test]
fn x8_business_days_end_with_the_hours_of_the_nth_business_day() {
    let office = office();
    let schedule = office.in_zone(Tz::America__New_York);
    let monday = Some(at("2024-01-22T22:00:00Z"));
    for start in ["2024-01-19T15:00:00Z", "2024-01-19T21:00:00Z", "2024-01-22T04:00:00Z"] {
        assert_eq!(schedule.business_days(at(start), 1), monday, "{start}");
    }
    assert_eq!(schedule.business_days(at("2024-01-19T15:00:00Z"), 6), Some(at("2024-01-29T22:00:00Z")));
}

#[test]
fn x8_a_day_that_is_all_holiday_is_no_business_day_and_half_a_day_is_one() {
    let rows = WEEKDAYS.map(|day| row(day, 540, 1020));
    let closed = [
        holiday("Year's end", "2024-12-23T00:00", "2024-12-31T12:00"),
        holiday("New Year", "2025-01-01T00:00", "2025-01-02T00:00"),
        holiday("Stocktaking", "2025-01-02T13:00", "2025-01-03T00:00"),
    ];
    let calendar = Calendar::new(rows, closed).unwrap();
    let schedule = calendar.in_zone(Tz::UTC);
    let start = at("2024-12-20T10:00:00Z");
    assert_eq!(schedule.business_days(start, 1), Some(at("2024-12-31T17:00:00Z")));
    assert_eq!(schedule.business_days(start, 2), Some(at("2025-01-02T13:00:00Z")));
    assert_eq!(schedule.business_days(start, 3), Some(at("2025-01-03T17:00:00Z")));
}

#[test]
fn x8_years_of_business_days_are_the_same_as_one_after_the_other() {
    let rows = [row(Weekday::Mon, 0, 1440), row(Weekday::Wed, 480, 720), row(Weekday::Sun, 120, 180)];
    let closed = (2020..2030)
        .map(|year| holiday("Summer", &format!("{year}-07-08T00:00"), &format!("{year}-08-02T00:00")));
    let calendar = Calendar::new(rows, closed).unwrap();
    for zone in [Tz::America__Sao_Paulo, Tz::Europe__Berlin, Tz::Asia__Beirut, Tz::Australia__Lord_Howe] {
        let schedule = calendar.in_zone(zone);
        let start = at("2019-12-30T12:00:00Z");
        let mut one_by_one = start;
        for days in 1..=1_500 {
            // The closing instant belongs to the next date where a day is active to its end.
            one_by_one = schedule.business_days(one_by_one - TimeDelta::microseconds(1), 1).unwrap();
            if days % 37 == 0 || days == 1_500 {
                assert_eq!(schedule.business_days(start, days), Some(one_by_one), "{zone} {days}");
            }
        }
    }
}

#[test]
fn x11_a_calendar_without_active_hours_gives_no_target_and_is_refused_where_it_is_used() {
    let empty = Calendar::new([], []).unwrap();
    assert_eq!(empty.require_active_hours(), Err(CalendarError::NoActiveHours));
    assert_eq!(office().require_active_hours(), Ok(()));
    let schedule = empty.in_zone(Tz::UTC);
    let start = at("2024-01-22T12:00:00Z");
    for minute in [0, 1, 60] {
        assert_eq!(schedule.target_at(start, minutes(minute)), None);
        assert_eq!(schedule.breaches_at(start, minutes(minute)), None);
    }
    assert_eq!(schedule.business_days(start, 1), None);
    assert_eq!(schedule.next_active(start), None);
    assert_eq!(schedule.active_between(start, start + TimeDelta::days(3_650)), TimeDelta::zero());
    let stretches: Vec<_> = schedule.stretches(start, start + TimeDelta::days(30)).collect();
    assert_eq!(stretches.len(), 1);
    assert_eq!(stretches[0].kind, StretchKind::OutsideHours);
}

#[test]
fn a_target_beyond_a_hundred_years_does_not_exist() {
    let closed = holiday("For ever", "2024-02-01T00:00", "2200-01-01T00:00");
    let calendar = Calendar::new(WEEKDAYS.map(|day| row(day, 540, 1020)), [closed]).unwrap();
    let schedule = calendar.in_zone(Tz::UTC);
    let start = at("2024-01-31T16:00:00Z");
    assert_eq!(schedule.target_at(start, minutes(60)), Some(at("2024-01-31T17:00:00Z")));
    assert_eq!(schedule.breaches_at(start, minutes(60)), None);
    assert_eq!(schedule.target_at(start, minutes(61)), None);
    assert_eq!(schedule.business_days(start, 1), None);
    let always = Calendar::around_the_clock();
    let always = always.in_zone(Tz::UTC);
    assert_eq!(always.target_at(start, HORIZON), Some(start + HORIZON));
    assert_eq!(always.target_at(start, HORIZON + minutes(1)), None);
}

#[test]
fn calendars_refuse_rows_that_make_no_sense_and_name_the_row() {
    let make = |rows: &[(Weekday, u16, u16)]| {
        Calendar::new(rows.iter().map(|(day, from, until)| row(*day, *from, *until)), []).map(|_| ())
    };
    let monday = Weekday::Mon;
    assert_eq!(make(&[(monday, 0, 60), (monday, 60, 60)]), Err(CalendarError::HoursReversed { index: 1 }));
    assert_eq!(make(&[(monday, 0, 1441)]), Err(CalendarError::HoursBeyondMidnight { index: 0 }));
    let overlapping = [(monday, 600, 700), (Weekday::Tue, 600, 700), (monday, 500, 601)];
    assert_eq!(make(&overlapping), Err(CalendarError::HoursOverlap { index: 2, other: 0 }));
    assert_eq!(make(&[(monday, 1380, 1440), (Weekday::Tue, 0, 60), (monday, 1320, 1380)]), Ok(()));
    let reversed = holiday("Never", "2024-01-01T00:00", "2024-01-01T00:00");
    assert_eq!(Calendar::new([], [reversed]).map(|_| ()), Err(CalendarError::HolidayReversed { index: 0 }));
}

#[test]
fn stretches_name_holidays_and_the_hour_that_daylight_saving_skips() {
    let rows = EVERY_DAY.map(|day| row(day, 60, 300));
    let calendar = Calendar::new(rows, [holiday("Easter", "2024-04-01T00:00", "2024-04-02T00:00")]).unwrap();
    let schedule = calendar.in_zone(Tz::Europe__Berlin);
    let kinds: Vec<_> = schedule
        .stretches(at("2024-03-30T23:00:00Z"), at("2024-04-01T23:00:00Z"))
        .map(|stretch| ((stretch.to - stretch.from).num_minutes(), stretch.kind))
        .collect();
    let gap = StretchKind::SkippedByDst { from: local("2024-03-31T02:00"), until: local("2024-03-31T03:00") };
    assert_eq!(
        kinds,
        [
            (60, StretchKind::OutsideHours),
            (60, StretchKind::Active),
            (0, gap),
            (120, StretchKind::Active),
            (1_140, StretchKind::OutsideHours),
            (1_440, StretchKind::Holiday("Easter")),
            (60, StretchKind::OutsideHours),
        ]
    );
}

#[test]
fn c3_a_degraded_relation_lowers_top_to_high_and_medium_to_low() {
    use Impact::{High, Low, Medium, Top};
    for (impact, seen) in [(Low, Low), (Medium, Low), (High, High), (Top, High)] {
        assert_eq!(impact.seen_through(Effect::Degraded), seen);
        assert_eq!(impact.seen_through(Effect::Down), impact);
    }
}

#[test]
fn c10_availability_counts_overlapping_downtimes_once_and_cuts_them_at_the_period() {
    let office = daily(&WEEKDAYS, 9, 17);
    let period = Period { start: at("2024-01-22T00:00:00Z"), end: at("2024-01-27T00:00:00Z") };
    let down = |start: &str, end: &str| Period { start: at(start), end: at(end) };
    let share = |downtimes: &[Period]| Availability::over(office.in_zone(Tz::UTC), period, downtimes).share();
    assert_eq!(share(&[]), Some(1.0));
    let overlapping = [
        down("2024-01-24T10:00:00Z", "2024-01-24T14:00:00Z"),
        down("2024-01-20T00:00:00Z", "2024-01-22T10:00:00Z"),
        down("2024-01-24T12:00:00Z", "2024-01-24T15:00:00Z"),
        down("2024-01-24T12:00:00Z", "2024-01-24T13:00:00Z"),
        down("2024-01-26T15:00:00Z", "2024-02-24T13:00:00Z"),
    ];
    assert_eq!(share(&overlapping), Some(1.0 - 8.0 / 40.0));
    let weekend = Period { start: at("2024-01-27T00:00:00Z"), end: at("2024-01-28T00:00:00Z") };
    assert_eq!(Availability::over(office.in_zone(Tz::UTC), weekend, &[]).share(), None);
}

#[test]
fn s6_status_follows_the_dates_in_the_tenants_zone() {
    use SlaStatus::{Active, BeingPrepared, Expired, ScheduledForActivation};
    let term = Term {
        start_date: Some(date("2024-03-01")),
        expiry_date: Some(date("2024-03-31")),
        zone: Tz::America__New_York,
    };
    for (now, scheduled, active) in [
        ("2024-03-01T04:59:59Z", ScheduledForActivation, ScheduledForActivation),
        ("2024-03-01T05:00:00Z", Active, Active),
        ("2024-04-01T03:59:59Z", Active, Active),
        ("2024-04-01T04:00:00Z", Expired, Expired),
    ] {
        assert_eq!(term.status(ScheduledForActivation, at(now)), scheduled, "{now}");
        assert_eq!(term.status(Active, at(now)), active, "{now}");
        assert_eq!(term.status(BeingPrepared, at(now)), BeingPrepared, "{now}");
        assert_eq!(term.status(Expired, at(now)), Expired, "{now}");
    }
}

#[test]
fn s6_an_sla_without_dates_stays_what_it_is() {
    let term = Term { start_date: None, expiry_date: None, zone: Tz::UTC };
    for status in SlaStatus::ALL {
        assert_eq!(term.status(*status, at("2024-03-01T00:00:00Z")), *status);
    }
}

#[test]
fn s6_a_start_date_whose_midnight_does_not_exist_begins_with_its_first_instant() {
    let term = Term {
        start_date: Some(date("2018-11-04")),
        expiry_date: Some(date("2018-11-03")),
        zone: Tz::America__Sao_Paulo,
    };
    assert_eq!(term.starts_at(), Some(at("2018-11-04T03:00:00Z")));
    assert_eq!(term.expires_at(), term.starts_at());
}

#[test]
fn words_of_storage_are_read_back_and_unknown_ones_refused() {
    for impact in Impact::ALL {
        assert_eq!(impact.as_str().parse(), Ok(*impact));
    }
    let unknown = "huge".parse::<Impact>().unwrap_err();
    assert_eq!((unknown.expected, unknown.given.as_str()), ("Impact", "huge"));
}
