//! Which column holds what, and what the words and times of a file mean.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::format::{Fixed, Item, StrftimeItems};
use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use serde::Deserialize;

use super::Error;
use crate::clock::zone::shown_at;

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $name:literal),* $(,)?) => {
        /// What a row of a file can tell of a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub enum Field { $($(#[$doc])* $field),* }

        impl Field {
            /// Every field, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$field),*];

            /// Its name in a mapping; also the column it is read from where no mapping names another.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$field => $name),* }
            }
        }
    };
}

fields! {
    /// The id of the request in its system; required.
    SourceId = "sourceId",
    /// When what the row tells happened; required.
    OccurredAt = "occurredAt",
    /// When the request was asked; else when the first thing happened to it.
    RegisteredAt = "registeredAt",
    /// The system's name of the event; else the row itself, so that a row told twice is one event.
    EventKey = "eventKey",
    /// Orders what happened at the same instant.
    Sequence = "sequence",
    /// TICKET, CHAT or CALL; else a ticket.
    Channel = "channel",
    /// What the request is about; else its id in its system.
    Subject = "subject",
    /// The status from here on.
    Status = "status",
    /// The impact from here on.
    Impact = "impact",
    /// Who asks, from here on.
    Requester = "requester",
    /// The service instance from here on.
    ServiceInstance = "serviceInstance",
    /// The team from here on.
    Team = "team",
    /// When it is wished to be done, from here on.
    DesiredCompletionAt = "desiredCompletionAt",
    /// Since when the instance has been down.
    DowntimeStartAt = "downtimeStartAt",
    /// Until when it was down.
    DowntimeEndAt = "downtimeEndAt",
    /// Whether the provider says not to be accountable, from here on.
    ProviderNotAccountable = "providerNotAccountable",
    /// The standard service request it was made from.
    StandardServiceRequest = "standardServiceRequest",
    /// An SLA that applies whatever it covers.
    Sla = "sla",
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Field {
    fn named(name: &str) -> Result<Self, Error> {
        Self::ALL.iter().copied().find(|field| field.name() == name).ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|field| field.name()).collect();
            Error::Settings(format!("there is no field {name:?} to map to; there are: {}", all.join(", ")))
        })
    }
}

/// Which column holds what, and what the words and times of a file mean. What it leaves out is as it is named here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Mapping {
    /// The column of each field.
    columns: BTreeMap<Field, String>,
    /// The fields whose column a person named, and means to be there.
    #[serde(skip)]
    chosen: BTreeSet<Field>,
    /// What a text in a column stands for.
    values: BTreeMap<Field, BTreeMap<String, String>>,
    /// Texts that stand for nothing, besides the empty one.
    missing: BTreeSet<String>,
    /// How instants are written, in the letters of `strftime`; else RFC 3339.
    time_format: Option<String>,
    /// The zone of instants that name none; else that of the tenant.
    time_zone: Option<Tz>,
}

/// The update log of ServiceNow incidents, one row for each update.
const SERVICENOW: &str = include_str!("servicenow.json");

impl Mapping {
    /// One that comes with the gateway.
    pub fn known(name: &str) -> Option<Result<Self, Error>> {
        // It names columns that not every log of its form has; but without these two no clock would have anything to run by.
        let lenient = |mapping| Self { chosen: BTreeSet::from([Field::Status, Field::Impact]), ..mapping };
        (name == "servicenow").then(|| Self::read(SERVICENOW).map(lenient))
    }

    /// Reads one from JSON.
    ///
    /// # Errors
    /// [`Error::Settings`] with what is wrong and where.
    pub fn read(text: &str) -> Result<Self, Error> {
        let read: Result<Self, _> = serde_json::from_str(text);
        let mut mapping =
            read.map_err(|cause| Error::Settings(format!("the mapping cannot be read: {cause}")))?;
        mapping.chosen = mapping.columns.keys().copied().collect();
        Ok(mapping)
    }

    /// Takes `FIELD=COLUMN` in besides.
    ///
    /// # Errors
    /// [`Error::Settings`] when it is not of that form or there is no such field.
    pub fn map(&mut self, text: &str) -> Result<(), Error> {
        let Some((field, column)) = text.split_once('=') else {
            return Err(Error::Settings(format!("{text:?} is not of the form FIELD=COLUMN")));
        };
        let field = Field::named(field)?;
        self.chosen.insert(field);
        self.columns.insert(field, column.to_owned());
        Ok(())
    }

    /// Takes `FIELD:TEXT=VALUE` in besides.
    ///
    /// # Errors
    /// [`Error::Settings`] when it is not of that form or there is no such field.
    pub fn value(&mut self, text: &str) -> Result<(), Error> {
        let parts = text.split_once(':').and_then(|(field, rest)| Some((field, rest.split_once('=')?)));
        let Some((field, (from, to))) = parts else {
            return Err(Error::Settings(format!("{text:?} is not of the form FIELD:TEXT=VALUE")));
        };
        self.values.entry(Field::named(field)?).or_default().insert(from.to_owned(), to.to_owned());
        Ok(())
    }

    /// Takes in how instants are written, and in which zone where they name none.
    ///
    /// # Errors
    /// [`Error::Settings`] where they name one in a way that says too little.
    pub fn times(&mut self, format: Option<String>, zone: Option<Tz>) -> Result<(), Error> {
        self.time_format = format.or(self.time_format.take());
        self.time_zone = zone.or(self.time_zone);
        if let (Some(format), None) = (&self.time_format, self.time_zone) {
            self.time_zone = named_by(format)?;
        }
        Ok(())
    }

    /// The column of a field.
    pub(super) fn column(&self, field: Field) -> &str {
        self.columns.get(&field).map_or(field.name(), String::as_str)
    }

    /// Whether a table without the column of a field cannot be what was meant.
    pub(super) fn needs(&self, field: Field) -> bool {
        matches!(field, Field::SourceId | Field::OccurredAt) || self.chosen.contains(&field)
    }

    /// What a cell says; none where it says nothing.
    pub(super) fn said<'a>(&'a self, field: Field, cell: &'a str) -> Option<&'a str> {
        let cell = cell.trim();
        let said = self.values.get(&field).and_then(|values| values.get(cell)).map_or(cell, String::as_str);
        (!said.is_empty() && !self.missing.contains(said)).then_some(said)
    }

    /// An instant, in `zone` where neither it nor the mapping names one.
    pub(super) fn instant(&self, zone: Tz, text: &str) -> Result<DateTime<Utc>, String> {
        let zone = self.time_zone.unwrap_or(zone);
        let Some(format) = &self.time_format else {
            if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
                return Ok(instant.to_utc());
            }
            let local: Result<NaiveDateTime, _> = text.replacen(' ', "T", 1).parse();
            return local.map(|local| shown_at(zone, local)).map_err(|_| {
                format!("{text:?} is no instant like 2026-03-02T10:00:00Z or 2026-03-02T10:00:00; --time-format names another form")
            });
        };
        if let Ok(instant) = DateTime::parse_from_str(text, format) {
            return Ok(instant.to_utc());
        }
        let local = NaiveDateTime::parse_from_str(text, format);
        local
            .map(|local| shown_at(zone, local))
            .map_err(|_| format!("{text:?} is not of the form {format:?}"))
    }
}

/// The zone that all instants of a form name in plain letters.
fn named_by(format: &str) -> Result<Option<Tz>, Error> {
    let items: Vec<Item<'_>> = StrftimeItems::new(format).collect();
    let offset = ["%z", "%:z", "%::z", "%:::z", "%#z", "%+"].iter().any(|offset| format.contains(offset));
    if items.contains(&Item::Fixed(Fixed::TimezoneName)) && !offset {
        return Err(Error::Settings(format!(
            "the times of the form {format:?} name their zone by letters, of which %Z does not tell which one is meant: \
             --time-zone names it, or %z reads an offset"
        )));
    }
    let Some(Item::Literal(last)) = items.last() else { return Ok(None) };
    let word = last.rsplit(|letter: char| !letter.is_alphabetic()).next();
    Ok(matches!(word, Some("Z" | "UTC" | "GMT")).then_some(Tz::UTC))
}
