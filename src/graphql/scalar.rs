//! Scalars: how instants, days and local times are written.

use async_graphql::{InputType, InputValueError, InputValueResult, Pos, Scalar, ScalarType, Value};
use chrono::{Datelike, NaiveDate, NaiveDateTime, SecondsFormat, Timelike, Utc};

/// Reads a value of a scalar of ours as the engine will when the field is resolved.
///
/// # Errors
/// A sentence that says how it is written; none where the value is of another kind altogether.
pub(super) fn read(name: &str, value: &Value) -> Result<(), Option<String>> {
    match name {
        "DateTime" => reads::<DateTime>(name, value),
        "Date" => reads::<Date>(name, value),
        "LocalDateTime" => reads::<LocalDateTime>(name, value),
        "LocalTime" => reads::<LocalTime>(name, value),
        "TimeZone" => reads::<TimeZone>(name, value),
        _ => Ok(()),
    }
}

fn reads<T: ScalarType + InputType>(name: &str, value: &Value) -> Result<(), Option<String>> {
    let Err(refused) = <T as ScalarType>::parse(value.clone()) else { return Ok(()) };
    let message = refused.into_server_error(Pos::default()).message;
    // The engine's other sentence repeats the value.
    let why = message.strip_prefix("Failed to parse ").and_then(|rest| rest.split_once(": "));
    Err(why.map(|(_, why)| format!("This is no {name}: {why}.")))
}

/// Whether a year is one of the four digits that it is written with, here as in Postgres: it knows no year 0, and chrono
/// reads years that it does not hold.
fn is_written(year: i32) -> bool {
    (1..=9999).contains(&year)
}

/// An instant that was computed, where it can be written.
pub(super) fn written(instant: chrono::DateTime<Utc>) -> Option<DateTime> {
    is_written(instant.year()).then_some(DateTime(instant))
}

/// An instant, RFC 3339: any offset in, UTC out. Precise to the microsecond: `2026-03-29T02:30:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub chrono::DateTime<Utc>);

/// An instant, RFC 3339: any offset in, UTC out. Precise to the microsecond: `2026-03-29T02:30:00Z`.
#[Scalar(name = "DateTime", specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        let instant = chrono::DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|instant| instant.with_timezone(&Utc))
            .filter(|instant| is_written(instant.year()))
            .ok_or_else(|| match text.parse::<NaiveDate>() {
                // Which instant is meant only its sender knows: a day begins at another one in every zone.
                Ok(_) => InputValueError::custom(
                    "a day alone is no instant: write when it begins, with the offset, as 2026-03-29T00:00:00+02:00",
                ),
                Err(_) => InputValueError::custom("write an instant as 2026-03-29T02:30:00Z"),
            })?;
        // Less than a microsecond Postgres does not hold (rule X6).
        Ok(Self(instant.with_nanosecond(instant.nanosecond() / 1_000 * 1_000).unwrap_or(instant)))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(instant: chrono::DateTime<Utc>) -> Self {
        Self(instant)
    }
}

/// A day: `2026-03-29`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub NaiveDate);

/// A day: `2026-03-29`.
#[Scalar(name = "Date")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()
            .filter(|day| {
                is_written(day.year()) && day.format("%Y-%m-%d").to_string() == *text && text.len() == 10
            })
            .map(Self)
            .ok_or_else(|| InputValueError::custom("write a day as 2026-03-29"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.format("%Y-%m-%d").to_string())
    }
}

impl From<NaiveDate> for Date {
    fn from(day: NaiveDate) -> Self {
        Self(day)
    }
}

/// A day and a time on the wall, in no zone: `2026-03-29T02:30`, with seconds if need be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalDateTime(pub NaiveDateTime);

/// A day and a time on the wall, in no zone: `2026-03-29T02:30`, with seconds if need be.
#[Scalar(name = "LocalDateTime")]
impl ScalarType for LocalDateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
            .iter()
            .find_map(|format| {
                let at = NaiveDateTime::parse_from_str(text, format).ok()?;
                let exact = at.nanosecond() == 0 && at.format(format).to_string() == *text;
                (is_written(at.year()) && exact).then_some(Self(at))
            })
            .ok_or_else(|| {
                InputValueError::custom("write a local date and time as 2026-03-29T02:30, without a zone")
            })
    }

    fn to_value(&self) -> Value {
        let format = if self.0.second() == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
        Value::String(self.0.format(format).to_string())
    }
}

/// A time of the day on the wall, to the minute: `09:00`; `24:00` is the end of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime(
    /// Minutes since midnight, 0 to 1440.
    pub i16,
);

/// A time of the day on the wall, to the minute: `09:00`; `24:00` is the end of the day.
#[Scalar(name = "LocalTime")]
impl ScalarType for LocalTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        let minutes = text.split_once(':').and_then(|(hours, minutes)| {
            let (hours, minutes) = (hours.parse::<i16>().ok()?, minutes.parse::<i16>().ok()?);
            ((0..=24).contains(&hours) && (0..60).contains(&minutes)).then(|| Self(hours * 60 + minutes))
        });
        minutes
            .filter(|time| time.0 <= 24 * 60 && ScalarType::to_value(time) == value)
            .ok_or_else(|| InputValueError::custom("write a time of the day as 09:00, at most 24:00"))
    }

    fn to_value(&self) -> Value {
        Value::String(format!("{:02}:{:02}", self.0 / 60, self.0 % 60))
    }
}

/// A time zone by its IANA name: `Europe/Berlin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(pub chrono_tz::Tz);

/// A time zone by its IANA name: `Europe/Berlin`.
#[Scalar(name = "TimeZone", specified_by_url = "https://www.iana.org/time-zones")]
impl ScalarType for TimeZone {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        text.parse()
            .map(Self)
            .map_err(|_| InputValueError::custom("write a time zone by its IANA name, as Europe/Berlin"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.name().to_owned())
    }
}

impl TimeZone {
    /// A zone as stored; a name that this build does not know reads as UTC.
    pub fn stored(name: &str) -> Self {
        Self(name.parse().unwrap_or(chrono_tz::UTC))
    }
}
