//! A calendar: hours of the week and holidays, in no zone of its own (rule O3).

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc, Weekday};
use diesel::sql_types::{Nullable, SmallInt, Text, Timestamp, Uuid as SqlUuid};
use serde_json::json;
use uuid::Uuid;

use super::Conn;
use super::noun::{Noun, column, noun, relation};
use super::page::{Key, Kind, Under, within};
use super::promise;
use super::sql::{Bind, Sql};
use super::write::Draft;
use crate::access::{Permission, Reach};
use crate::clock::calendar;
use crate::error::Error;

noun! {
    /// A calendar: hours of the week and holidays, in no zone of its own (rule O3).
    calendar as Calendar, "calendar", tenant: tenant_id, visible: Upward,
    by_id: None, list: Some(Permission::CatalogRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
    ],
    parts: ["calendar_hours" of "calendar_id", "calendar_holiday" of "calendar_id"],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// Its name.
        name: String,
        /// The system it came from; null when made here.
        source: Option<String>,
        /// Its id in that system; null when made here.
        source_id: Option<String>,
        /// Rises by one with each update.
        revision: i32,
        /// When it was made.
        created_at: DateTime<Utc>,
        /// When it was last updated; `created_at` until then.
        updated_at: DateTime<Utc>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant that owns it.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// Its name.
    pub static NAME: Key = Key::new("t.name", Kind::Name);
    /// The system it came from.
    pub static SOURCE: Key = Key::nullable("t.source", Kind::Text);
    /// Its id in that system.
    pub static SOURCE_ID: Key = Key::nullable("t.source_id", Kind::Text);
    /// When it was made.
    pub static CREATED_AT: Key = Key::new("t.created_at", Kind::Time);
    /// When it was last updated.
    pub static UPDATED_AT: Key = Key::new("t.updated_at", Kind::Time);
}

/// Those of a tenant.
pub const UNDER_TENANT: Under = Under::own("calendar t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// Hours of one weekday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoursRow {
    /// 1 = Monday to 7 = Sunday.
    pub weekday: i16,
    /// Minutes since midnight, 0 to 1439.
    pub from_minute: i16,
    /// Minutes since midnight, 1 to 1440.
    pub until_minute: i16,
}

/// When the hours do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolidayRow {
    /// Its name.
    pub name: String,
    /// From when, on the wall.
    pub starts_at: NaiveDateTime,
    /// Until when.
    pub ends_at: NaiveDateTime,
}

/// The hours of a calendar: by weekday and time, and its holidays by time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    /// What counts.
    pub hours: Vec<HoursRow>,
    /// When it does not.
    pub holidays: Vec<HolidayRow>,
}

impl Hours {
    /// The same as the rules of time read them.
    ///
    /// # Errors
    /// What makes the rows no calendar; the writes see to it that there is nothing.
    pub fn rules(&self) -> Result<calendar::Calendar, calendar::CalendarError> {
        let hours = self.hours.iter().map(|row| calendar::WeeklyHours {
            weekday: Weekday::try_from(u8::try_from(row.weekday - 1).unwrap_or_default())
                .unwrap_or(Weekday::Mon),
            from: u16::try_from(row.from_minute).unwrap_or_default(),
            until: u16::try_from(row.until_minute).unwrap_or_default(),
        });
        let holidays = self.holidays.iter().map(|row| calendar::Holiday {
            name: row.name.clone(),
            starts_at: row.starts_at,
            ends_at: row.ends_at,
        });
        calendar::Calendar::new(hours, holidays)
    }
}

/// The hours of many calendars, in one statement.
pub async fn hours(conn: &Conn, reach: &Reach, ids: &[Uuid]) -> Result<HashMap<Uuid, Hours>, Error> {
    let mut sql = Sql::new("WITH c AS (SELECT t.root_id, t.id FROM calendar t WHERE t.id = ANY(");
    sql.bind(Bind::Uuids(ids.to_vec())).push(")");
    within(Row::TARGET, "t", reach, true, &mut sql);
    sql.push(
        ") SELECT c.id, h.weekday, h.from_minute, h.until_minute, NULL::text, NULL::timestamp AS s, NULL::timestamp FROM c \
         JOIN calendar_hours h ON h.root_id = c.root_id AND h.calendar_id = c.id \
         UNION ALL SELECT c.id, NULL, NULL, NULL, d.name, d.starts_at, d.ends_at FROM c \
         JOIN calendar_holiday d ON d.root_id = c.root_id AND d.calendar_id = c.id ORDER BY 2, 3, 6",
    );
    let mut found: HashMap<Uuid, Hours> = HashMap::new();
    for row in &conn.rows(sql).await? {
        let hours = found.entry(column::<SqlUuid, Uuid>(row, 0)?).or_default();
        match column::<Nullable<SmallInt>, Option<i16>>(row, 1)? {
            Some(weekday) => hours.hours.push(HoursRow {
                weekday,
                from_minute: column::<SmallInt, _>(row, 2)?,
                until_minute: column::<SmallInt, _>(row, 3)?,
            }),
            None => hours.holidays.push(HolidayRow {
                name: column::<Text, _>(row, 4)?,
                starts_at: column::<Timestamp, _>(row, 5)?,
                ends_at: column::<Timestamp, _>(row, 6)?,
            }),
        }
    }
    Ok(found)
}

/// Writes the hours, all of them.
pub fn set_hours(draft: &mut Draft, hours: &[HoursRow]) {
    let row = |row: &HoursRow| json!({ "weekday": row.weekday, "from_minute": row.from_minute, "until_minute": row.until_minute });
    let columns = &["weekday", "from_minute", "until_minute"];
    draft.part("calendar_hours", "calendar_id", columns, hours.iter().map(row).collect());
}

/// Writes the holidays, all of them.
pub fn set_holidays(draft: &mut Draft, holidays: &[HolidayRow]) {
    let row =
        |row: &HolidayRow| json!({ "name": row.name, "starts_at": row.starts_at, "ends_at": row.ends_at });
    let columns = &["name", "starts_at", "ends_at"];
    draft.keyed_part("calendar_holiday", "calendar_id", columns, holidays.iter().map(row).collect());
}

/// Remembers from when on the offerings that apply it promise something else (rule C2).
pub fn promised_anew(draft: &mut Draft) {
    draft.then(promise::remember(promise::By::Calendar));
}
