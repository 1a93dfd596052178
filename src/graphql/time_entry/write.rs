//! Logging time.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, Result};
use chrono::TimeDelta;
use uuid::Uuid;

use crate::access::{Permission, Permit};
use crate::error::{Error, InputErrorCode, Mistakes, WriteError};
use crate::graphql::TimeEntry;
use crate::graphql::asking::Asking;
use crate::graphql::input::{InputError, refused};
use crate::graphql::node::Kind;
use crate::graphql::request::sourced;
use crate::graphql::scalar::DateTime;
use crate::graphql::told::{Rows, failed};
use crate::graphql::write::{check_count, many, together};
use crate::store::intake::AHEAD;
use crate::store::time_entry::{self, Entry};
use crate::store::write::Together;

/// The longest category.
const CATEGORY: usize = 160;
/// The longest time that one entry may span: a mistaken year would count in the periods of all those between.
const LONGEST: TimeDelta = TimeDelta::days(366);

/// Time that was spent on a project. Needs `requests:write` in the project's tenant.
#[derive(Clone, Debug, InputObject)]
pub struct TimeEntryRecordInput {
    /// The project.
    project_id: ID,
    /// Who spent it: a person of the project's tenant or of one above it; null = not known.
    person_id: Option<ID>,
    /// What it was spent on, 1 to 160 characters: a limit counts only its own categories, letter by letter.
    category: String,
    /// From when.
    started_at: DateTime,
    /// Until when: not before the start, at most a year after it, and at most five minutes ahead of the gateway's clock.
    /// The same instant as the start takes the time of an earlier entry back.
    ended_at: DateTime,
    /// The system it comes from, at most 30 characters; goes with `sourceId`.
    source: Option<String>,
    /// Its id in that system, at most 128 characters; goes with `source`. What the tenant has logged under the two
    /// already is corrected: it becomes what is sent now.
    source_id: Option<String>,
    /// A mark of the client's own, given back with the payload. No retry is known by it: `source` and `sourceId` make one
    /// safe, and without them what is sent twice is logged twice.
    client_mutation_id: Option<String>,
}

/// The time entry as it is now, or what is wrong with the input.
#[derive(async_graphql::SimpleObject)]
pub struct TimeEntryPayload {
    /// The time entry; null when the input was refused.
    time_entry: Option<TimeEntry>,
    /// All that is wrong with the input; empty when it was written.
    errors: Vec<InputError>,
    /// The mark that the client sent along.
    client_mutation_id: Option<String>,
}

many! { TimeEntryRecordManyInput of TimeEntryRecordInput -> TimeEntryRecordManyPayload of TimeEntryPayload }

/// Logging time.
#[derive(Default)]
pub struct TimeEntryMutation;

#[Object]
impl TimeEntryMutation {
    /// Logs time that was spent on a project, or corrects what its source has logged before. A limit of the project that
    /// it reaches is recorded as breached, once in each of its weeks or months, at four fifths as a warning; time logged
    /// late counts where it was spent, and a correction retracts what it proves wrong. Needs `requests:write` in the
    /// project's tenant.
    async fn time_entry_record(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The time.")] input: TimeEntryRecordInput,
    ) -> Result<TimeEntryPayload> {
        let asking = Asking::of(ctx);
        let client_mutation_id = input.client_mutation_id.clone();
        let permits = permits(asking, std::slice::from_ref(&input)).await?;
        match record(asking, &permits, input).await {
            Ok(row) => Ok(TimeEntryPayload::of((row.map(Into::into), Vec::new()), client_mutation_id)),
            Err(error) => Ok(TimeEntryPayload::of((None, refused(error)?), client_mutation_id)),
        }
    }

    /// Logs many times at once, as `timeEntryRecord` does one: all or none, each that is right, or, to see what would be
    /// refused, none. Of what one source logs twice, the last counts. Needs `requests:write` in the tenant of each
    /// project.
    async fn time_entry_record_many(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The times.")] input: TimeEntryRecordManyInput,
    ) -> Result<TimeEntryRecordManyPayload> {
        let asking = Asking::of(ctx);
        let together = together(input.atomic, input.dry_run);
        let permits = permits(asking, &input.rows).await?;
        let marks: Vec<Option<String>> =
            input.rows.iter().map(|row| row.client_mutation_id.clone()).collect();
        let mut rows = Rows::read(input.rows, |row, mistakes| {
            let permit = permit_on(&permits, &row.project_id)?;
            Ok(permit.zip(row.entry(asking, mistakes)))
        })?;
        let mut mistakes = Mistakes::default();
        let at = |row| format!("input.rows.{row}");
        time_entry::check(&asking.conn(), rows.read_rows(), at, &mut mistakes).await.map_err(failed)?;
        rows.add(mistakes);
        let (entries, results) = rows.write(together);
        let dry_run = together == Together::DryRun;
        let written = time_entry::record(&asking.conn(), entries, dry_run).await;
        asking.renew();
        asking.services().breaches.wake();
        let written = written.map(|rows| if dry_run { rows.iter().map(|_| None).collect() } else { rows });
        let answers = results.told(written)?.into_iter().zip(marks);
        let results =
            answers.map(|((row, errors), mark)| TimeEntryPayload::of((row.map(Into::into), errors), mark));
        Ok(TimeEntryRecordManyPayload::of(results.collect(), together, input.client_mutation_id))
    }
}

impl TimeEntryPayload {
    fn of(
        (time_entry, errors): (Option<TimeEntry>, Vec<InputError>),
        client_mutation_id: Option<String>,
    ) -> Self {
        Self { time_entry, errors, client_mutation_id }
    }
}

/// Whether time may be logged on each project that there is (rule P2).
type Permits = HashMap<Uuid, Result<Permit, Error>>;

async fn permits(asking: &Asking, inputs: &[TimeEntryRecordInput]) -> Result<Permits, Error> {
    let viewer = asking.viewer()?;
    let reach = viewer.reach_any();
    check_count(inputs.len())?;
    let projects: Vec<Uuid> =
        inputs.iter().filter_map(|input| Kind::Project.key(&input.project_id).ok()).collect();
    let tenants = time_entry::project_tenants(&asking.conn(), &reach, &projects).await?;
    let permit = |(project, tenant)| (project, viewer.permit_seen(Permission::RequestsWrite, tenant));
    Ok(tenants.into_iter().map(permit).collect())
}

/// The permit to log time on a project; none where it is no id, which is a mistake of the entry.
fn permit_on(permits: &Permits, project: &ID) -> Result<Option<Permit>, Error> {
    let Ok(project) = Kind::Project.key(project) else { return Ok(None) };
    let permit = permits.get(&project).cloned().unwrap_or(Err(Error::NotFound("project")));
    permit.map(Some).map_err(|error| error.at("input.projectId"))
}

async fn record(
    asking: &Asking,
    permits: &Permits,
    input: TimeEntryRecordInput,
) -> Result<Option<Arc<time_entry::Row>>, WriteError> {
    let mut mistakes = Mistakes::default();
    let permit = permit_on(permits, &input.project_id)?;
    let entry = permit.zip(input.entry(asking, &mut mistakes));
    let entries: Vec<_> = entry.map(|entry| (0, entry)).into_iter().collect();
    time_entry::check(&asking.conn(), &entries, |_| "input".to_owned(), &mut mistakes).await?;
    mistakes.none()?;
    let entries = entries.into_iter().map(|(_, entry)| entry).collect();
    let written = time_entry::record(&asking.conn(), entries, false).await?.pop().flatten();
    asking.renew();
    asking.services().breaches.wake();
    Ok(written)
}

impl TimeEntryRecordInput {
    /// The entry; none where its ids are none, which are mistakes.
    fn entry(self, asking: &Asking, mistakes: &mut Mistakes) -> Option<Entry> {
        let category = mistakes.name("input.category", &self.category, CATEGORY);
        sourced(mistakes, self.source.as_deref(), self.source_id.as_deref());
        let (started_at, ended_at) = (self.started_at.0, self.ended_at.0);
        if ended_at < started_at {
            mistakes.add("input.endedAt", InputErrorCode::Invalid, "This must not be before the start.");
        }
        if ended_at - started_at > LONGEST {
            let message = "An entry spans a year at the most: log what is longer in parts.";
            mistakes.add("input.endedAt", InputErrorCode::Invalid, message);
        }
        if ended_at > asking.now() + AHEAD {
            let message =
                "This lies in the future: log time that was spent, by a clock that is right to five minutes.";
            mistakes.add("input.endedAt", InputErrorCode::Invalid, message);
        }
        let person_id = self.person_id.and_then(|id| Kind::Person.key_at(mistakes, "input.personId", &id));
        Some(Entry {
            project_id: Kind::Project.key_at(mistakes, "input.projectId", &self.project_id)?,
            person_id,
            category,
            started_at,
            ended_at,
            source: self.source,
            source_id: self.source_id,
        })
    }
}
