//! How mutations are declared: the inputs of a noun from one list of fields, each with the rule it is checked by, and
//! the mutations that make, change and delete its objects.

mod declare;

use std::sync::Arc;

use async_graphql::{Context, ID, InputType, Result, Value, indexmap::IndexMap};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::asking::Asking;
use super::input::{Answer, InputError, as_written, refused, stands, written};
use super::node::{Entity, Kind};
use crate::access::{Permission, Permit};
use crate::error::{self, Error, InputErrorCode, Mistakes, WriteError};
use crate::store::noun::Noun;
use crate::store::page::{self, Wanted};
use crate::store::sql::Bind;
use crate::store::write::{self, Draft, Mark, Together};
pub(super) use declare::{inputs, many, mutations};

/// The input that makes an object.
pub(super) trait Create: Send + Sync {
    /// What it makes.
    type Object: Entity;

    /// The tenant that will own it, and the field that names it; the tenant above it, where it is a tenant itself.
    fn owner(&self) -> (Spot, &ID);
    /// What it takes, in that tenant, all of it.
    fn needs(&self) -> Vec<Permission>;
    /// The write.
    fn work(&self, permit: &Permit) -> write::Work<Uuid>;
    /// What is wrong with it wherever it is to be written.
    fn mistakes(&self) -> Mistakes;
}

/// The input that changes an object.
pub(super) trait Update: Clone + Send + Sync {
    /// What it changes.
    type Object: Entity;
    /// The mutation, as the audit log tells it.
    const ACTION: &'static str;
    /// What it takes, in the object's tenant, all of it.
    const NEEDS: &'static [Permission];

    /// Which.
    fn id(&self) -> &ID;
    /// The revision that the client has read.
    fn expected_revision(&self) -> Option<i32>;
    /// Writes the fields that are given.
    fn fill(self, draft: &mut Draft);
}

/// Makes an object.
pub(super) async fn create<I: Create>(ctx: &Context<'_>, input: &I) -> Result<Answer<I::Object>> {
    match permitted(Asking::of(ctx), input)? {
        Ok(permit) => write_one(ctx, &permit, || input.work(&permit)).await,
        Err(mistakes) => Ok((None, refused(WriteError::Input(mistakes))?)),
    }
}

/// Writes an object that may be written, and reads it anew.
pub(super) async fn write_one<T: Entity>(
    ctx: &Context<'_>,
    permit: &Permit,
    work: impl FnMut() -> write::Work<Uuid> + Send,
) -> Result<Answer<T>> {
    let outcome = write::one(&Asking::of(ctx).conn(), work).await;
    written(ctx, permit, outcome).await
}

/// What it takes to write, else the mistakes of the input: all of them, if it does not even name where.
pub(super) type Allowed<T> = std::result::Result<T, Vec<error::InputError>>;

/// The permit to make an object. Who may not is told so, whatever else is wrong (rule P3).
fn permitted<I: Create>(asking: &Asking, input: &I) -> Result<Allowed<Permit>, Error> {
    let (spot, owner) = input.owner();
    let mut mistakes = Mistakes::default();
    let permit = permit_in(asking, (&spot.path(), owner), &input.needs(), &mut mistakes)?;
    Ok(permit.ok_or_else(|| {
        mistakes.append(input.mistakes());
        mistakes.into_vec()
    }))
}

/// The permit to write in the tenant that an id names, refusals at its path; none where it is no id, which is a mistake as
/// others are.
pub(super) fn permit_in(
    asking: &Asking,
    (path, id): (&str, &ID),
    needs: &[Permission],
    mistakes: &mut Mistakes,
) -> Result<Option<Permit>, Error> {
    let viewer = asking.viewer()?;
    let Some(tenant) = Kind::Tenant.key_at(mistakes, path, id) else { return Ok(None) };
    all_of(needs, |needed| viewer.permit(needed, tenant)).map_err(|error| error.at(path))
}

/// The last of several permits, if all are given.
fn all_of(
    needs: &[Permission],
    permit: impl FnMut(Permission) -> Result<Permit, Error>,
) -> Result<Option<Permit>, Error> {
    Ok(needs.iter().copied().map(permit).collect::<Result<Vec<_>, _>>()?.pop())
}

/// The most rows of a bulk mutation.
const ROWS: usize = 1_000;

/// That a bulk mutation has no more rows than it may.
pub(super) fn check_count(rows: usize) -> Result<(), Error> {
    if rows <= ROWS {
        return Ok(());
    }
    Err(Error::LimitExceeded(format!("A call may have {ROWS} rows at the most: send the rest in another.")))
}

/// Makes many objects; what became of each.
pub(super) async fn create_many<I: Create>(
    ctx: &Context<'_>,
    inputs: &[I],
    together: Together,
) -> Result<Vec<Answer<I::Object>>> {
    let permits = permits(Asking::of(ctx), inputs)?;
    write_many(ctx, &permits, together, |row, permit| inputs[row].work(permit)).await
}

/// What it takes to make each of many objects. Who may not make one may make others.
fn permits<I: Create>(asking: &Asking, inputs: &[I]) -> Result<Vec<Allowed<Permit>>, Error> {
    asking.viewer()?;
    check_count(inputs.len())?;
    inputs.iter().map(|input| of_row(permitted(asking, input))).collect()
}

/// A refusal as the one mistake of a row.
pub(super) fn of_row<T>(permit: Result<Allowed<T>, Error>) -> Result<Allowed<T>, Error> {
    permit.or_else(|error| Ok(Err(vec![error.of_row()?])))
}

/// Writes rows that may be written, together or each; what became of each. The objects are read only where they were
/// written.
pub(super) async fn write_many<T: Entity>(
    ctx: &Context<'_>,
    permits: &[Allowed<Permit>],
    together: Together,
    work: impl Fn(usize, &Permit) -> write::Work<Uuid> + Sync,
) -> Result<Vec<Answer<T>>> {
    let right: Vec<(usize, &Permit)> =
        permits.iter().enumerate().filter_map(|(row, permit)| Some((row, permit.as_ref().ok()?))).collect();
    // A row that may not be written keeps the others from it; what is wrong with those is told all the same.
    let tried = match together {
        Together::Atomic if right.len() < permits.len() => Together::DryRun,
        together => together,
    };
    let outcomes = match right.len() {
        0 => Vec::new(),
        count => {
            let conn = Asking::of(ctx).conn();
            write::many(&conn, count, tried, |at| work(right[at].0, right[at].1)).await?
        }
    };
    stands::<T>(Asking::of(ctx)).await;
    let stand = match tried {
        Together::Atomic => outcomes.iter().all(std::result::Result::is_ok),
        Together::Each => true,
        Together::DryRun => false,
    };
    let mut outcomes = outcomes.into_iter();
    let told = permits.iter().enumerate().map(|(row, permit)| {
        let outcome = match permit {
            Ok(permit) => outcomes.next().map(|outcome| outcome.map(|id| (permit, id))),
            Err(mistakes) => Some(Err(mistakes.clone())),
        };
        (row, outcome)
    });
    let answers = told.collect::<Vec<_>>().into_iter().map(|(row, outcome)| async move {
        match outcome {
            Some(Ok((permit, id))) if stand => Ok((as_written(ctx, permit, id).await?, Vec::new())),
            Some(Err(mistakes)) => {
                Ok((None, mistakes.into_iter().map(|mistake| in_row(row, mistake)).collect()))
            }
            _ => Ok((None, Vec::new())),
        }
    });
    futures_util::future::try_join_all(answers).await
}

/// A mistake in a row of a bulk input.
fn in_row(row: usize, mut mistake: error::InputError) -> InputError {
    let at = mistake.path.len().min(1);
    mistake.path.splice(at..at, ["rows".to_owned(), row.to_string()]);
    mistake.into()
}

/// How many rows of a bulk mutation are written together.
pub(super) fn together(atomic: bool, dry_run: bool) -> Together {
    match (atomic, dry_run) {
        (_, true) => Together::DryRun,
        (true, false) => Together::Atomic,
        (false, false) => Together::Each,
    }
}

/// How many of the rows of a bulk mutation were written, of which so many have no errors.
pub(super) fn written_of(together: Together, rows: usize, accepted: usize) -> i32 {
    let written = match together {
        Together::DryRun => 0,
        Together::Atomic if accepted < rows => 0,
        Together::Atomic | Together::Each => accepted,
    };
    i32::try_from(written).unwrap_or(i32::MAX)
}

/// The longest mark of a client, in characters.
const MARK: usize = 255;

/// The client's mark with what it was sent for.
pub(super) fn mark(input: &impl InputType, key: Option<&str>, mistakes: &mut Mistakes) -> Option<Mark> {
    let key = key?;
    mistakes.text("input.clientMutationId", key, MARK);
    if key.trim().is_empty() || key.chars().count() > MARK || key.chars().any(char::is_control) {
        // It cannot be kept, and nothing will be written.
        return None;
    }
    let input_hash = Sha256::digest(said(input.to_value()).to_string()).into();
    Some(Mark { key: key.to_owned(), input_hash })
}

/// What an input says, whatever else it could say, and in whatever order: a retry may come to the release before or after.
/// (Where a release gives a field with a default of its own, all say that: those retries are refused.)
fn said(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut said: IndexMap<_, _> = fields
                .into_iter()
                .filter(|(_, value)| *value != Value::Null)
                .map(|(name, value)| (name, self::said(value)))
                .collect();
            said.sort_unstable_keys();
            Value::Object(said)
        }
        Value::List(items) => Value::List(items.into_iter().map(said).collect()),
        other => other,
    }
}

/// Changes an object.
pub(super) async fn update<I: Update>(ctx: &Context<'_>, input: I) -> Result<Answer<I::Object>> {
    let asking = Asking::of(ctx);
    let mut mistakes = Mistakes::default();
    let found = permit_on::<I::Object>(asking, ("input.id", input.id()), I::NEEDS, &mut mistakes).await?;
    let Some((id, permit)) = found else {
        let mut draft = Draft::new(None);
        input.fill(&mut draft);
        mistakes.append(draft.mistakes);
        return Ok((None, refused(mistakes.into())?));
    };
    let work = || {
        let mut draft = Draft::new(Some(permit.clone()));
        input.clone().fill(&mut draft);
        write::change::<<I::Object as Entity>::Row>(
            permit.clone(),
            I::ACTION,
            id,
            input.expected_revision(),
            draft,
        )
    };
    write_one(ctx, &permit, work).await
}

/// Deletes an object; gives the id it had.
pub(super) async fn delete<T: Entity>(
    ctx: &Context<'_>,
    id: &ID,
    expected_revision: Option<i32>,
    action: &'static str,
    needs: &[Permission],
) -> Result<std::result::Result<ID, WriteError>> {
    let asking = Asking::of(ctx);
    let mut mistakes = Mistakes::default();
    let Some((id, permit)) = permit_on::<T>(asking, ("input.id", id), needs, &mut mistakes).await? else {
        return Ok(Err(mistakes.into()));
    };
    let work = || write::deletion::<T::Row>(permit.clone(), action, id, expected_revision);
    let outcome = write::one(&asking.conn(), work).await;
    stands::<T>(asking).await;
    Ok(outcome.map(|()| T::KIND.id(id)))
}

/// The object that an id names and the permit to write it, refusals at its path: it must be visible, and the rights be held
/// in its own tenant (rule P2). None where it is no id, which is a mistake as others are.
pub(super) async fn permit_on<T: Entity>(
    asking: &Asking,
    (path, id): (&str, &ID),
    needs: &[Permission],
    mistakes: &mut Mistakes,
) -> Result<Option<(Uuid, Permit)>, Error> {
    let viewer = asking.viewer()?;
    let Some(key) = T::KIND.key_at(mistakes, path, id) else { return Ok(None) };
    let row = seen::<T>(asking, key).await.map_err(|error| error.at(path))?;
    let permit = all_of(needs, |needed| viewer.permit_seen(needed, row.tenant_id()));
    Ok(permit.map_err(|error| error.at(path))?.map(|permit| (key, permit)))
}

/// The row of an object that is to be written: who may write it need not have the right to read it.
pub(super) async fn seen<T: Entity>(asking: &Asking, id: Uuid) -> Result<Arc<T::Row>, Error> {
    let reach = asking.viewer()?.reach_any();
    let (row, _) =
        page::one::<T::Row>(&asking.conn(), &reach, Wanted::id(id), T::Row::TARGET.all(), &[]).await?;
    row.ok_or(Error::NotFound(T::Row::NAME))
}

/// A field of an input: the column it is written to, and where a client finds it.
#[derive(Clone, Copy)]
pub(super) struct Spot(pub(super) &'static str);

impl Spot {
    /// `input.timeZone` of the column `time_zone`.
    pub(super) fn path(self) -> String {
        let mut parts = self.0.split('_');
        let first = parts.next().unwrap_or_default();
        let rest = parts.map(|part| {
            let (head, tail) = part.split_at(part.len().min(1));
            head.to_ascii_uppercase() + tail
        });
        format!("input.{first}{}", rest.collect::<String>())
    }

    /// The mistake of a null where there must be a value.
    pub(super) fn cannot_be_empty(self, mistakes: &mut Mistakes) {
        let message = "This cannot be null: leave it out, and it stays as it is.";
        mistakes.add(&self.path(), InputErrorCode::Required, message);
    }
}

/// The rule of what something is called, in at most so many characters.
pub(super) fn name(longest: usize) -> impl FnOnce(&mut Draft, Spot, String) {
    move |draft, spot, value| {
        let kept = draft.mistakes.name(&spot.path(), &value, longest);
        draft.set(spot.0, Some(Bind::Text(kept)));
    }
}

/// The rule of a text that is kept as it is given, such as the key of another system: one line that says something, of at
/// most so many characters.
pub(super) fn text(longest: usize) -> impl FnOnce(&mut Draft, Spot, String) {
    move |draft, spot, value| {
        draft.mistakes.text(&spot.path(), &value, longest);
        draft.set(spot.0, Some(Bind::Text(value)));
    }
}

/// The rule of a yes or no.
pub(super) fn flag(draft: &mut Draft, spot: Spot, value: bool) {
    draft.set(spot.0, Some(Bind::Bool(value)));
}

/// The rule of a whole number of at least so many.
pub(super) fn at_least(least: i32) -> impl FnOnce(&mut Draft, Spot, i32) {
    move |draft, spot, value| {
        if value < least {
            draft.mistakes.add(
                &spot.path(),
                InputErrorCode::Invalid,
                format!("This must be {least} or more."),
            );
        }
        draft.set(spot.0, Some(Bind::Int(value)));
    }
}

/// The rule of a zone.
pub(super) fn zone(draft: &mut Draft, spot: Spot, value: super::scalar::TimeZone) {
    draft.set(spot.0, Some(Bind::Text(value.0.name().to_owned())));
}

/// The rule of one of a closed list of words.
pub(super) fn word<T>(word: impl FnOnce(T) -> &'static str) -> impl FnOnce(&mut Draft, Spot, T) {
    move |draft, spot, value| draft.set(spot.0, Some(Bind::Text(word(value).to_owned())))
}

/// The rule of an id: it names an object that may be used in the tenant.
pub(super) fn refers<T: Entity>(draft: &mut Draft, spot: Spot, id: ID) {
    if let Some(key) = key::<T>(draft, &spot.path(), &id) {
        draft.refer::<T::Row>(spot.0, &spot.path(), Some(key));
    }
}

/// The key that an id at a path names; else a mistake.
pub(super) fn key<T: Entity>(draft: &mut Draft, path: &str, id: &ID) -> Option<Uuid> {
    T::KIND.key_at(&mut draft.mistakes, path, id)
}

/// The keys of a list, each once and each that of an object that may be used in the tenant.
pub(super) fn keys<T: Entity>(draft: &mut Draft, spot: Spot, ids: &[ID]) -> Vec<Uuid> {
    let mut keys = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let path = format!("{}.{index}", spot.path());
        if let Some(key) = key::<T>(draft, &path, id)
            && !keys.contains(&key)
        {
            draft.uses::<T::Row>(&path, key);
            keys.push(key);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use async_graphql::InputObject;

    use super::*;

    #[derive(InputObject)]
    struct Part {
        amount: i32,
        unit: Option<String>,
    }

    #[derive(InputObject)]
    struct Before {
        name: String,
        parts: Vec<Part>,
        code: Option<String>,
    }

    /// The same with fields of the next release, and in another order.
    #[derive(InputObject)]
    struct After {
        color: Option<String>,
        code: Option<String>,
        name: String,
        parts: Vec<Part>,
    }

    fn hash(input: &impl InputType) -> [u8; 32] {
        mark(input, Some("1"), &mut Mistakes::default()).unwrap().input_hash
    }

    #[test]
    fn a_retry_is_known_by_what_its_input_says_whatever_release_reads_it() {
        let (name, code) = ("Hotline".to_owned(), Some("A".to_owned()));
        let parts = || vec![Part { amount: 1, unit: None }, Part { amount: 2, unit: Some("h".to_owned()) }];
        let before = Before { name: name.clone(), parts: parts(), code: code.clone() };
        let after = |code: Option<String>, parts| After { color: None, code, name: name.clone(), parts };
        assert_eq!(hash(&before), hash(&after(code.clone(), parts())));
        assert_ne!(hash(&before), hash(&after(None, parts())));
        assert_ne!(hash(&before), hash(&after(code, parts().into_iter().rev().collect())));
    }
}
