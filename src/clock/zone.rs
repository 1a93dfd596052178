//! The offsets of a time zone as a table, so that spans without a change of offset are handled in one step.

use std::sync::{LazyLock, OnceLock};

use chrono::{DateTime, NaiveDate, NaiveTime, Offset, TimeZone, Utc};
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
    let midnight = local_midnight(date);
    steady(zone, midnight - 2 * DAY, midnight + 2 * DAY)
        .find(|span| span.until + span.offset > midnight)
        .map_or(midnight, |span| span.from.max(midnight - span.offset))
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
