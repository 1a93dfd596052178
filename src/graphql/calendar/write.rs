//! Writing calendars.

use async_graphql::InputObject;

use crate::error::InputErrorCode;
use crate::graphql::scalar::{LocalDateTime, LocalTime};
use crate::graphql::write::{Spot, inputs, mutations, name, text};
use crate::graphql::{Calendar, Weekday};
use crate::store::calendar::{self, HolidayRow, HoursRow};
use crate::store::write::Draft;

/// Hours of one weekday that count. Through midnight is two rows: until `24:00`, and from `00:00` of the next day.
#[derive(Clone, Debug, InputObject)]
pub struct CalendarHoursInput {
    /// The day.
    weekday: Weekday,
    /// From when.
    from: LocalTime,
    /// Until when, later than `from`; `24:00` is the end of the day. Hours of a day must not overlap.
    until: LocalTime,
}

/// When the hours of a calendar do not count: a day, a part of one, or several.
#[derive(Clone, Debug, InputObject)]
pub struct HolidayInput {
    /// Its name, 1 to 160 characters.
    name: String,
    /// From when, on the wall of whoever applies the calendar.
    starts_at: LocalDateTime,
    /// Until when, later than `startsAt`.
    ends_at: LocalDateTime,
}

inputs! {
    Calendar needs CatalogWrite;
    /// To make a calendar.
    create CalendarCreateInput as "calendarCreate" owned by {
        /// The tenant that will own it.
        tenant_id
    };
    /// Changes of a calendar. What is left out stays; null empties what can be empty.
    update CalendarUpdateInput as "calendarUpdate";
    required {
        /// Its name, 1 to 160 characters.
        name: String => name(160),
        /// The hours that count, all of them. A calendar without any can be made, but not be chosen for an offering; where
        /// one that is used is emptied, clocks that start from then on have no target in minutes or business days.
        hours: Vec<CalendarHoursInput> => hours,
    }
    defaulted {
        /// When they do not count, all of them; left out in a create = never.
        holidays: Vec<HolidayInput> => holidays,
    }
    optional {
        /// The system it comes from, at most 30 characters.
        source: String => text(30),
        /// Its id in that system, at most 128 characters; unique within the tenant and source.
        source_id: String => text(128),
    }
    sourced {
        /// True: when the tenant has one of this `source` and `sourceId` already, that one is changed to what is given
        /// here, as by the update; what is left out or null stays as it is. False: that is the mistake `DUPLICATE`.
        upsert
    }
    then calendar::promised_anew;
}

fn hours(draft: &mut Draft, spot: Spot, hours: Vec<CalendarHoursInput>) {
    let rows: Vec<HoursRow> = hours
        .iter()
        .map(|row| HoursRow {
            weekday: row.weekday.number(),
            from_minute: row.from.0,
            until_minute: row.until.0,
        })
        .collect();
    for (index, row) in rows.iter().enumerate() {
        if row.from_minute >= row.until_minute {
            let path = format!("{}.{index}.until", spot.path());
            draft.mistakes.add(&path, InputErrorCode::Invalid, "This must be later than `from`.");
        }
        let overlaps = |other: &HoursRow| {
            other.weekday == row.weekday
                && other.from_minute < row.until_minute
                && row.from_minute < other.until_minute
        };
        if rows[..index].iter().any(overlaps) {
            let path = format!("{}.{index}", spot.path());
            draft.mistakes.add(&path, InputErrorCode::Invalid, "These hours overlap others of the same day.");
        }
    }
    calendar::set_hours(draft, &rows);
}

fn holidays(draft: &mut Draft, spot: Spot, holidays: Vec<HolidayInput>) {
    let mut rows = Vec::with_capacity(holidays.len());
    for (index, holiday) in holidays.into_iter().enumerate() {
        let name = draft.mistakes.name(&format!("{}.{index}.name", spot.path()), &holiday.name, 160);
        if holiday.starts_at >= holiday.ends_at {
            let path = format!("{}.{index}.endsAt", spot.path());
            draft.mistakes.add(&path, InputErrorCode::Invalid, "This must be later than `startsAt`.");
        }
        rows.push(HolidayRow { name, starts_at: holiday.starts_at.0, ends_at: holiday.ends_at.0 });
    }
    calendar::set_holidays(draft, &rows);
}

mutations! {
    /// Writing calendars.
    CalendarMutation over Calendar as calendar;
    /// Makes a calendar. Needs `catalog:write` in its tenant.
    create calendar_create(CalendarCreateInput) -> CalendarPayload;
    /// Makes many calendars: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `catalog:write` in the tenant of each.
    many calendar_create_many(CalendarCreateManyInput) -> CalendarCreateManyPayload;
    /// Changes a calendar. What is left out stays; null empties what can be empty.
    /// Needs `catalog:write` in its tenant.
    update calendar_update(CalendarUpdateInput);
    /// Deletes a calendar. Refused with `IN_USE` while anything refers to it. Needs `catalog:write` in its tenant.
    delete calendar_delete(CalendarDeleteInput) -> CalendarDeletePayload as "calendarDelete" needs CatalogWrite;
}
