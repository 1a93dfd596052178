//! The offsets of a time zone as a table, so that spans without a change of offset are handled in one step.

use std::sync::{LazyLock, OnceLock};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::calendar::DAY;

/// From this instant on (until the next shift) local time is UTC plus the offset; both in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    pub(super) at: i64,
    pub(super) offset: i64,
}

/// A span of instants, `from` inclusive, `until` exclusive, throughout which the offset is the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) offset: i64,
}

const SECOND: i64 = 1_000_000;
/// Probing every five days finds every change: the two closest ones of the zone database lie 6.9 days apart
/// (checked against the whole database by a test).
const PROBE: i64 = 5 * 86_400;
/// The database begins in 1845 (Manila) and chrono-tz spells its rules out up to 2099.
const FIRST_PROBE: i64 = -4_000_000_000;
const LAST_PROBE: i64 = 4_110_000_000;

/// Every change of offset of the zone, in order. The first entry reaches back without end.
pub(super) fn shifts(zone: Tz) -> &'static [Shift] {
    static TABLES: LazyLock<Vec<OnceLock<Box<[Shift]>>>> =
        LazyLock::new(|| TZ_VARIANTS.iter().map(|_| OnceLock::new()).collect());
    TABLES[zone as usize].get_or_init(|| probe(zone))
}

fn probe(zone: Tz) -> Box<[Shift]> {
    let offset = |second: i64| {
        let utc = DateTime::from_timestamp(second, 0).unwrap_or(DateTime::<Utc>::UNIX_EPOCH).naive_utc();
        i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
    };
    let mut last = offset(FIRST_PROBE);
    let mut table = vec![Shift { at: i64::MIN, offset: last * SECOND }];
    let mut low = FIRST_PROBE;
    while low < LAST_PROBE {
        let high = low + PROBE;
        let next = offset(high);
        if next != last {
            let (mut before, mut after) = (low, high);
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                if offset(middle) == last { before = middle } else { after = middle }
            }
            table.push(Shift { at: after * SECOND, offset: next * SECOND });
        }
        (low, last) = (high, next);
    }
    table.into_boxed_slice()
}

/// The spans of steady offset that make up `from..until`, in order; empty when `until <= from`.
pub(super) fn steady(zone: Tz, from: i64, until: i64) -> impl DoubleEndedIterator<Item = Steady> {
    let table = shifts(zone);
    let first = table.partition_point(|shift| shift.at <= from).saturating_sub(1);
    let end = if from < until { table.partition_point(|shift| shift.at < until) } else { first };
    (first..end).map(move |i| Steady {
        from: table[i].at.max(from),
        until: table.get(i + 1).map_or(until, |next| next.at.min(until)),
        offset: table[i].offset,
    })
}

/// The first instant at which the zone's calendar shows this date or a later one: midnight, or the end of the
/// gap when daylight saving skips midnight.
pub(super) fn start_of_day(zone: Tz, date: NaiveDate) -> i64 {
    first_showing(zone, local_midnight(date))
}

/// The first instant at which the clocks of a zone show this time, or a later one where daylight saving skips it.
pub fn shown_at(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let at = first_showing(zone, local.and_utc().timestamp_micros());
    DateTime::from_timestamp_micros(at).unwrap_or_else(|| local.and_utc())
}

fn first_showing(zone: Tz, local: i64) -> i64 {
    steady(zone, local - 2 * DAY, local + 2 * DAY)
        .find(|span| span.until + span.offset > local)
        .map_or(local, |span| span.from.max(local - span.offset))
}

/// Midnight of a date on the local time line.
pub(super) fn local_midnight(date: NaiveDate) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp_micros()
}

/// The offset in force at an instant.
pub(super) fn offset_at(zone: Tz, at: i64) -> i64 {
    let table = shifts(zone);
    table[table.partition_point(|shift| shift.at <= at).saturating_sub(1)].offset
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step of the probe stands on this: no zone returns to an offset within two steps.
    #[test]
    fn every_zone_has_every_change_of_its_offset_in_the_table() {
        for zone in TZ_VARIANTS {
            let table = shifts(zone);
            for pair in table[1..].windows(2) {
                assert!(pair[1].at - pair[0].at > PROBE * SECOND, "{zone}");
            }
            // A step that is no divisor of a week, over the years in which governments were busiest.
            for second in (0..2_200_000_000).step_by(100_003) {
                let utc = DateTime::from_timestamp(second, 0).unwrap().naive_utc();
                let offset = i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc());
                assert_eq!(offset_at(zone, second * SECOND), offset * SECOND, "{zone} {utc}");
            }
        }
    }

    #[test]
    fn a_day_whose_midnight_is_skipped_begins_at_the_end_of_the_gap() {
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        let begins = |zone, text| {
            DateTime::from_timestamp_micros(start_of_day(zone, date(text))).unwrap().to_rfc3339()
        };
        assert_eq!(begins(Tz::Europe__Berlin, "2024-03-31"), "2024-03-30T23:00:00+00:00");
        assert_eq!(begins(Tz::America__Sao_Paulo, "2018-11-04"), "2018-11-04T03:00:00+00:00");
        assert_eq!(begins(Tz::America__Havana, "2024-11-03"), "2024-11-03T04:00:00+00:00");
        assert_eq!(begins(Tz::Pacific__Apia, "2011-12-30"), begins(Tz::Pacific__Apia, "2011-12-31"));
    }

    #[test]
    fn a_time_that_daylight_saving_skips_or_repeats_is_shown_first_when_the_clocks_are_put_forward_or_before_they_are_put_back()
     {
        for (local, at) in [
            ("2024-03-31T01:59:59", "2024-03-31T00:59:59+00:00"),
            ("2024-03-31T02:00:00", "2024-03-31T01:00:00+00:00"),
            ("2024-03-31T02:31:00", "2024-03-31T01:00:00+00:00"),
            ("2024-03-31T03:00:01", "2024-03-31T01:00:01+00:00"),
            ("2024-10-27T02:30:00", "2024-10-27T00:30:00+00:00"),
        ] {
            assert_eq!(shown_at(Tz::Europe__Berlin, local.parse().unwrap()).to_rfc3339(), at, "{local}");
        }
    }
}
