//! Rows of a file, as what they tell of a request.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::mapping::{Field, Mapping};
use super::{Bad, Error, Format};
use crate::error::name;
use crate::store::intake::{AHEAD, CENTURY, REGISTERED};
use crate::store::word::{Channel, Impact, RequestStatus};

/// The cells of a row, by field.
type Cells = [Option<String>; Field::ALL.len()];

/// What a row tells. People, teams and other objects are called as the file calls them.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) source_id: String,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) registered_at: Option<DateTime<Utc>>,
    pub(super) event_key: String,
    pub(super) sequence: i64,
    pub(super) channel: Option<Channel>,
    pub(super) subject: Option<String>,
    pub(super) status: Option<RequestStatus>,
    pub(super) impact: Option<Impact>,
    pub(super) requester: Option<String>,
    pub(super) instance: Option<String>,
    pub(super) team: Option<String>,
    pub(super) desired_completion_at: Option<DateTime<Utc>>,
    pub(super) downtime_start_at: Option<DateTime<Utc>>,
    pub(super) downtime_end_at: Option<DateTime<Utc>>,
    pub(super) provider_not_accountable: Option<bool>,
    pub(super) standard: Option<String>,
    pub(super) sla: Option<String>,
}

/// The most bytes of the names of columns.
const HEADER: u64 = 1 << 20;

/// How rows are read.
pub(super) struct Reader {
    pub(super) mapping: Mapping,
    /// The zone of instants that name none.
    pub(super) zone: Tz,
    /// The present: what happened lies before it.
    pub(super) now: DateTime<Utc>,
}

impl Reader {
    /// Reads a file to its end, or until `each` wants no more.
    pub(super) fn read(
        &self,
        mut input: impl BufRead,
        format: Option<Format>,
        each: impl FnMut(Result<Row, Bad>) -> bool,
    ) -> Result<(), Error> {
        let begin = input.fill_buf()?;
        if begin.starts_with(&[0xfd, b'7', b'z', b'X', b'Z']) || begin.starts_with(&[0x1f, 0x8b]) {
            let message =
                "the file is compressed: pass it on with xzcat FILE | or zcat FILE |, and - as the file";
            return Err(Error::File(message.into()));
        }
        if begin.starts_with(&[0xff, 0xfe]) || begin.starts_with(&[0xfe, 0xff]) {
            let message =
                "the file is UTF-16: pass it on with iconv -f UTF-16 -t UTF-8 FILE |, and - as the file";
            return Err(Error::File(message.into()));
        }
        // A table begins with the names of its columns, which are no JSON object.
        let json = begin.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'{');
        match format.unwrap_or(if json { Format::Ndjson } else { Format::Csv }) {
            Format::Csv => self.csv(input, each),
            Format::Ndjson => self.ndjson(input, each),
        }
    }

    fn csv(
        &self,
        mut input: impl BufRead,
        mut each: impl FnMut(Result<Row, Bad>) -> bool,
    ) -> Result<(), Error> {
        let mut begin = Vec::new();
        input.by_ref().take(HEADER).read_until(b'\n', &mut begin)?;
        // Spreadsheets separate by what decimals are not written with where they are used.
        let times = |separator: &u8| begin.iter().filter(|byte| *byte == separator).count();
        let separator = [b'\t', b';', b','].into_iter().max_by_key(times).unwrap_or(b',');
        let odd = Cell::new(false);
        let input = Quotes { input: begin.chain(input), odd: &odd };
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(input);
        let headers = reader.headers().map_err(|cause| Error::File(unreadable(&cause)))?.clone();
        let mut columns = [None; Field::ALL.len()];
        for (field, at) in Field::ALL.iter().zip(&mut columns) {
            let name = self.mapping.column(*field);
            *at = headers.iter().position(|header| header.trim_start_matches('\u{feff}').trim() == name);
            if at.is_none() && self.mapping.needs(*field) {
                // As many as somebody reads.
                let all: Vec<String> =
                    headers.iter().take(100).map(|name| name.chars().take(100).collect()).collect();
                return Err(Error::File(format!(
                    "there is no column {name:?} for {field}: name it with --map {field}=COLUMN; there are: {}",
                    all.join(", ")
                )));
            }
        }
        let mut record = csv::StringRecord::new();
        // The last row is known to be one only when nothing comes after it.
        let mut held: Option<(u64, Result<Row, Bad>)> = None;
        loop {
            let line = reader.position().line();
            let read = match reader.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {
                    let line = record.position().map_or(line, csv::Position::line);
                    let cell = |at: &Option<usize>| at.and_then(|at| record.get(at)).map(str::to_owned);
                    self.row(line, columns.each_ref().map(cell))
                }
                Err(cause) if cause.is_io_error() => return Err(Error::File(cause.to_string())),
                Err(cause) => Err(Bad { line, why: unreadable(&cause) }),
            };
            if let Some((_, before)) = held.replace((line, read))
                && !each(before)
            {
                return Ok(());
            }
        }
        if let Some((line, last)) = held {
            let lines = reader.position().line() - line;
            // A quote that nothing closes makes one cell of all that follows.
            let swallows = odd.get() && lines > 1;
            let why =
                || format!("a quote that is opened here is not closed in the {lines} lines that are left");
            each(if swallows { Err(Bad { line, why: why() }) } else { last });
        }
        Ok(())
    }

    fn ndjson(
        &self,
        mut input: impl BufRead,
        mut each: impl FnMut(Result<Row, Bad>) -> bool,
    ) -> Result<(), Error> {
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            if input.read_until(b'\n', &mut text)? == 0 {
                break;
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            let read = match serde_json::from_slice::<Value>(&text) {
                Ok(object @ Value::Object(_)) => self
                    .row(line, std::array::from_fn(|at| cell(&object, self.mapping.column(Field::ALL[at])))),
                Ok(_) => Err(Bad { line, why: "this is no JSON object".into() }),
                Err(cause) => Err(Bad { line, why: format!("this is no JSON: {cause}") }),
            };
            if !each(read) {
                break;
            }
        }
        Ok(())
    }

    fn row(&self, line: u64, cells: Cells) -> Result<Row, Bad> {
        self.told(line, &cells).map_err(|why| Bad { line, why })
    }

    fn told(&self, line: u64, cells: &Cells) -> Result<Row, String> {
        let said = |field: Field| {
            let cell = cells.get(field as usize)?.as_deref()?;
            self.mapping.said(field, cell)
        };
        let required = |field: Field| said(field).ok_or_else(|| format!("{field} is missing"));
        let instant = |field: Field| {
            let at = said(field).map(|text| self.mapping.instant(self.zone, text));
            match at.transpose().map_err(|why| format!("{field}: {why}"))? {
                // What others write where they know of none; in their zone it may be another year yet.
                Some(at) if !(1..=9999).contains(&at.year()) => {
                    Err(format!("{field} is of no year from 1 to 9999"))
                }
                at => Ok(at),
            }
        };
        let near = |field: Field| match instant(field)? {
            Some(at) if (at - self.now).abs() > CENTURY => {
                Err(format!("{field} is more than a century away"))
            }
            at => Ok(at),
        };
        let past = |field: Field| match instant(field)? {
            Some(at) if at > self.now + AHEAD => Err(format!("{field} lies in the future")),
            at => Ok(at),
        };
        let text = |field: Field, longest: usize| match said(field) {
            Some(text) if text.chars().count() > longest => {
                Err(format!("{field} may have at most {longest} characters"))
            }
            Some(text) if text.contains('\0') => Err(format!("{field} holds the character U+0000")),
            text => Ok(text.map(str::to_owned)),
        };
        let named = |field: Field, longest: usize| match text(field, longest)? {
            Some(called) if called.chars().any(char::is_control) => {
                Err(format!("{field} holds a control character"))
            }
            called => Ok(called.map(|called| name(&called))),
        };
        let sequence = said(Field::Sequence).map(|text| {
            text.parse()
                .ok()
                .filter(|number: &i32| *number >= 0)
                .ok_or_else(|| format!("sequence: {text:?} is no whole number from 0 to {}", i32::MAX))
        });
        let yes = said(Field::ProviderNotAccountable).map(|text| match text.to_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            _ => Err(format!("providerNotAccountable: {text:?} is neither true nor false")),
        });
        required(Field::SourceId)?;
        required(Field::OccurredAt)?;
        let row = Row {
            line,
            source_id: text(Field::SourceId, 128)?.unwrap_or_default(),
            occurred_at: past(Field::OccurredAt)?.unwrap_or_default(),
            registered_at: past(Field::RegisteredAt)?,
            event_key: text(Field::EventKey, 128)?.unwrap_or_else(|| self.digest(cells)),
            sequence: sequence.transpose()?.unwrap_or_default().into(),
            channel: word(Field::Channel, said(Field::Channel), Channel::ALL, Channel::word)?,
            subject: said(Field::Subject).map(subject),
            status: word(Field::Status, said(Field::Status), RequestStatus::ALL, RequestStatus::word)?,
            impact: word(Field::Impact, said(Field::Impact), Impact::ALL, Impact::word)?,
            requester: named(Field::Requester, 128)?,
            instance: named(Field::ServiceInstance, 160)?,
            team: named(Field::Team, 128)?,
            desired_completion_at: instant(Field::DesiredCompletionAt)?,
            downtime_start_at: near(Field::DowntimeStartAt)?,
            downtime_end_at: near(Field::DowntimeEndAt)?,
            provider_not_accountable: yes.transpose()?,
            standard: named(Field::StandardServiceRequest, 160)?,
            sla: named(Field::Sla, 160)?,
        };
        if row.event_key == REGISTERED {
            return Err(format!("eventKey: {:?} is the gateway's own", row.event_key));
        }
        if matches!((row.downtime_start_at, row.downtime_end_at), (Some(start), Some(end)) if end < start) {
            return Err("the downtime ends before it starts".into());
        }
        Ok(row)
    }

    /// The name of an event that has none: what it says.
    fn digest(&self, cells: &Cells) -> String {
        let mut hasher = Sha256::new();
        for (field, cell) in Field::ALL.iter().zip(cells) {
            // What belongs to the request as a whole makes no other event.
            let whole = matches!(
                field,
                Field::SourceId
                    | Field::RegisteredAt
                    | Field::Channel
                    | Field::Subject
                    | Field::StandardServiceRequest
                    | Field::Sla
            );
            if let Some(said) =
                cell.as_deref().filter(|_| !whole).and_then(|cell| self.mapping.said(*field, cell))
            {
                hasher.update(field.name());
                hasher.update([0]);
                hasher.update(said);
                hasher.update([0]);
            }
        }
        hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A value of a JSON object, by its key or by a path of keys with dots between.
fn cell(object: &Value, name: &str) -> Option<String> {
    let value =
        object.get(name).or_else(|| name.split('.').try_fold(object, |object, key| object.get(key)))?;
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The subject of a request, on one line and no longer than it may be: logs have what somebody pasted.
fn subject(said: &str) -> String {
    let line: String = said.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    name(&line).chars().take(500).collect::<String>().trim_end().to_owned()
}

/// A word of a closed list, whatever the case of its letters and whatever stands between its parts.
fn word<T: Copy>(
    field: Field,
    said: Option<&str>,
    all: &[T],
    of: impl Fn(T) -> &'static str,
) -> Result<Option<T>, String> {
    let Some(said) = said else { return Ok(None) };
    let plain = said.to_lowercase().replace([' ', '-'], "_");
    let found = all.iter().copied().find(|value| of(*value) == plain);
    found.map(Some).ok_or_else(|| {
        let all: Vec<String> = all.iter().map(|value| of(*value).to_uppercase()).collect();
        format!(
            "{field}: {said:?} is none of {}; --value {field}:{said}=… says what it stands for",
            all.join(", ")
        )
    })
}

/// Tells whether the quotes that were read so far are paired.
struct Quotes<'a, R> {
    input: R,
    odd: &'a Cell<bool>,
}

impl<R: Read> Read for Quotes<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        let quotes = into.iter().take(read).filter(|byte| **byte == b'"').count();
        self.odd.set(self.odd.get() ^ (quotes % 2 == 1));
        Ok(read)
    }
}

fn unreadable(cause: &csv::Error) -> String {
    match cause.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("this row has {len} cells, the header {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "this row is not UTF-8".into(),
        _ => cause.to_string(),
    }
}
