//! How every noun is written: one statement makes or changes the row, the rows that belong to it, and the audit entry
//! that tells of it (rule P4). A noun says what it writes by filling a [`Draft`].
//!
//! Every write runs in a transaction of its own or, in bulk, as a part of one: see [`one`] and [`many`].

mod mark;
mod statement;

use diesel::result::{DatabaseErrorKind, Error as Failure};
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use uuid::Uuid;

pub use self::mark::{Mark, forget_marks, marking};
pub(super) use self::statement::locked;
use self::statement::{create, delete, update};
use super::noun::{Noun, column};
use super::reference::References;
use super::sql::{Bind, Sql};
use super::{Conn, rows};
use crate::access::Permit;
use crate::error::{Error, InputError, InputErrorCode, Mistakes, WriteError};

/// What is done in the transaction of a write once the row stands.
pub type Then = Box<
    dyn for<'a> FnOnce(&'a mut AsyncPgConnection, &'a Permit, Uuid) -> BoxFuture<'a, Result<(), WriteError>>
        + Send,
>;

/// What is to be written of one object: its columns, the rows that belong to it, what it refers to, and the mistakes
/// found so far. The same for making and for changing: what is not set stays, or takes the table's default.
pub struct Draft {
    /// Proof that it may be written, and where; none where the input does not even name where: then nothing is written, and
    /// only the mistakes count.
    pub permit: Option<Permit>,
    /// What is wrong with the input.
    pub mistakes: Mistakes,
    columns: Vec<(&'static str, Option<Bind>)>,
    /// Columns whose values Postgres knows.
    computed: Vec<(&'static str, Sql)>,
    /// The same where the object is changed.
    changed: Vec<(&'static str, Sql)>,
    parts: Vec<Part>,
    references: References,
    then: Vec<Then>,
    constraints: Vec<Constraint>,
    /// What must not be so of the object as it stands.
    guards: Vec<(Sql, InputError)>,
    /// Whether what is done afterwards changes the object, whatever the columns say.
    moves: bool,
}

/// Rows of another table that belong to an object and are written as a whole, as the hours of a calendar.
struct Part {
    table: &'static str,
    /// The column that names the object.
    owner: &'static str,
    /// The columns of a row, as its fields are named in `rows`.
    columns: &'static [&'static str],
    /// Whether each row has a key of its own, that is made here.
    keyed: bool,
    rows: Value,
}

/// A rule of the table, and the mistake of the input that breaks it.
#[derive(Clone, Copy)]
pub(super) struct Constraint {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) code: InputErrorCode,
    pub(super) message: &'static str,
}

impl Draft {
    /// Nothing yet.
    pub fn new(permit: Option<Permit>) -> Self {
        Self {
            permit,
            mistakes: Mistakes::default(),
            columns: Vec::new(),
            computed: Vec::new(),
            changed: Vec::new(),
            parts: Vec::new(),
            references: References::default(),
            then: Vec::new(),
            constraints: Vec::new(),
            guards: Vec::new(),
            moves: false,
        }
    }

    /// Writes a column; null empties it.
    pub fn set(&mut self, column: &'static str, value: Option<Bind>) {
        self.columns.retain(|(name, _)| *name != column);
        self.columns.push((column, value));
    }

    /// Writes what Postgres makes of an expression, in which the object as it stands is `t` when it is changed. There is none
    /// when it is made.
    pub fn compute(&mut self, column: &'static str, value: Sql) {
        self.changed.retain(|(name, _)| *name != column);
        self.computed.push((column, value));
    }

    /// The same of an expression over the object as it stood: where it is made, the column takes the table's default.
    pub fn compute_change(&mut self, column: &'static str, value: Sql) {
        self.changed.retain(|(name, _)| *name != column);
        self.changed.push((column, value));
    }

    /// Whether a column is written, or emptied.
    pub fn writes(&self, column: &str) -> bool {
        self.columns.iter().any(|(name, _)| *name == column)
    }

    /// Writes a column that refers to an object, which must be one that may be used in the tenant.
    pub fn refer<N: Noun>(&mut self, column: &'static str, path: &str, id: Option<Uuid>) {
        if let Some(permit) = &self.permit {
            self.references.add::<N>(permit, path, id);
        }
        self.set(column, id.map(Bind::Uuid));
    }

    /// The same, of one that the tenant itself owns.
    pub fn refer_own<N: Noun>(&mut self, column: &'static str, path: &str, id: Option<Uuid>) {
        if let Some(permit) = &self.permit {
            let own = |sql: &mut Sql| {
                sql.bind(Bind::Uuid(permit.tenant_id));
            };
            self.references.add_if::<N>(permit, path, id, " AND t.tenant_id = ", own);
        }
        self.set(column, id.map(Bind::Uuid));
    }

    /// That an id in one of its parts names an object that may be used in the tenant.
    pub fn uses<N: Noun>(&mut self, path: &str, id: Uuid) {
        self.uses_if::<N>(path, id, "");
    }

    /// The same on a further condition on the object `t`, which begins with ` AND `.
    pub fn uses_if<N: Noun>(&mut self, path: &str, id: Uuid, condition: &'static str) {
        if let Some(permit) = &self.permit {
            self.references.add_if::<N>(permit, path, Some(id), condition, |_| {});
        }
    }

    /// Writes who made it, if it is a person.
    pub fn set_author(&mut self) {
        let person = self.permit.as_ref().and_then(|permit| permit.person_id);
        self.set("created_by", person.map(Bind::Uuid));
    }

    /// That it can be found again by its source.
    pub fn needs_source(&mut self) {
        if self.source().is_none() {
            let message = "An upsert needs source and sourceId.";
            self.mistakes.add("input.sourceId", InputErrorCode::Required, message);
        }
    }

    /// Its source, and its id there.
    fn source(&self) -> Option<(String, String)> {
        let text = |column| self.text(column).map(str::to_owned);
        text("source").zip(text("source_id"))
    }

    /// Writes all rows of `table` that belong to the object by the column `owner`, instead of those there were.
    /// Fields of `rows` are named as `columns`.
    pub fn part(
        &mut self,
        table: &'static str,
        owner: &'static str,
        columns: &'static [&'static str],
        rows: Vec<Value>,
    ) {
        self.parts.push(Part { table, owner, columns, keyed: false, rows: Value::Array(rows) });
    }

    /// The same for rows with a key of their own.
    pub fn keyed_part(
        &mut self,
        table: &'static str,
        owner: &'static str,
        columns: &'static [&'static str],
        rows: Vec<Value>,
    ) {
        self.parts.push(Part { table, owner, columns, keyed: true, rows: Value::Array(rows) });
    }

    /// Does something more in the same transaction, once the row stands.
    pub fn then(&mut self, then: Then) {
        self.then.push(then);
    }

    /// The same, where it changes the object.
    pub fn then_change(&mut self, then: Then) {
        self.moves = true;
        self.then.push(then);
    }

    /// Refuses to change an object `t` of which a condition holds as it stands.
    pub fn guard(&mut self, condition: Sql, mistake: InputError) {
        self.guards.push((condition, mistake));
    }

    /// Tells what it means when a constraint of the table is broken.
    pub fn constraint(
        &mut self,
        name: &'static str,
        path: &'static str,
        code: InputErrorCode,
        message: &'static str,
    ) {
        self.constraints.push(Constraint { name, path, code, message });
    }

    /// The text that is written into a column, if one is.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.columns.iter().find_map(|(name, value)| match value {
            Some(Bind::Text(text)) if *name == column => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Which mistake of the input a broken constraint is. The constraints have the last word: of two racing writes only one
/// wins.
pub(super) fn mistaken(constraints: &[Constraint], failure: Failure) -> WriteError {
    let Failure::DatabaseError(kind, about) = &failure else { return failure.into() };
    let broken = about.constraint_name().unwrap_or_default();
    if let Some(rule) = constraints.iter().find(|rule| rule.name == broken) {
        return InputError::at(rule.path, rule.code, rule.message).into();
    }
    match kind {
        DatabaseErrorKind::UniqueViolation if broken.ends_with(SOURCE_KEY) => InputError::at(
            "input.sourceId",
            InputErrorCode::Duplicate,
            "Another one of this tenant has this source and sourceId: send upsert: true to change that one.",
        )
        .into(),
        DatabaseErrorKind::ForeignKeyViolation => InputError::at(
            "input",
            InputErrorCode::NotFound,
            "Something that the input refers to was deleted meanwhile: read it again.",
        )
        .into(),
        _ => failure.into(),
    }
}

/// How the unique constraints over tenant, source and sourceId end.
const SOURCE_KEY: &str = "_root_id_tenant_id_source_source_id_key";

/// A write that waits for its transaction.
pub type Work<T> =
    Box<dyn for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, WriteError>> + Send>;

/// To make an object, or, with `upsert`, to change the one of its source and sourceId; gives its id. Under a mark that
/// was used before with the same input, it gives what was made then.
pub fn creation<N: Noun>(
    permit: Permit,
    action: &'static str,
    upsert: bool,
    mark: Option<Mark>,
    draft: Draft,
) -> Work<Uuid> {
    let held = permit.clone();
    let work: Work<Uuid> =
        Box::new(move |conn| async move { create::<N>(conn, &held, action, upsert, draft).await }.boxed());
    marking(permit, action, mark, work)
}

/// To change an object, if it still has the revision that the client expects; gives its id.
pub fn change<N: Noun>(
    permit: Permit,
    action: &'static str,
    id: Uuid,
    expected_revision: Option<i32>,
    draft: Draft,
) -> Work<Uuid> {
    Box::new(move |conn| {
        async move { update::<N>(conn, &permit, action, id, expected_revision, draft).await }.boxed()
    })
}

/// To delete an object, where nothing refers to it any more.
pub fn deletion<N: Noun>(
    permit: Permit,
    action: &'static str,
    id: Uuid,
    expected_revision: Option<i32>,
) -> Work<()> {
    Box::new(move |conn| {
        async move { delete::<N>(conn, &permit, action, id, expected_revision).await }.boxed()
    })
}

/// How a row is locked that is to be written: its writers come one after the other, and those who only refer to it do not
/// wait for them. A write of many rows may last for seconds: nothing would be recorded or taken in meanwhile of whatever
/// refers to one of them.
pub(super) const LOCK: &str = " FOR NO KEY UPDATE";

/// How often a transaction is tried that lost against another.
pub(super) const TRIES: usize = 5;

/// One write, in a transaction of its own; made and done again when it lost against another.
pub async fn one<T: Send>(conn: &Conn, mut work: impl FnMut() -> Work<T> + Send) -> Result<T, WriteError> {
    let mut conn = conn.exclusive().await?;
    transaction(&mut conn, &mut work).await
}

async fn transaction<T: Send>(
    conn: &mut AsyncPgConnection,
    work: &mut (impl FnMut() -> Work<T> + Send),
) -> Result<T, WriteError> {
    for _ in 0..TRIES {
        let work = work();
        match conn.transaction(async move |conn| work(conn).await).await {
            Err(WriteError::Again) => {}
            done => return done,
        }
    }
    Err(Error::internal("a write lost against others every time").into())
}

/// How many rows are written together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// All or none.
    Atomic,
    /// Each that is right.
    Each,
    /// None: what would become of them is told.
    DryRun,
}

/// What became of a row: its object, or its mistakes.
pub type Outcome = Result<Uuid, Vec<InputError>>;

/// Many writes, and what became of each. A refusal that no input can mend ends them all.
pub async fn many(
    conn: &Conn,
    count: usize,
    together: Together,
    mut work: impl FnMut(usize) -> Work<Uuid> + Send,
) -> Result<Vec<Outcome>, Error> {
    let mut conn = conn.exclusive().await?;
    let mut outcomes = Vec::with_capacity(count);
    if together == Together::Each {
        for row in 0..count {
            outcomes.push(told(transaction(&mut conn, &mut || work(row)).await)?);
        }
        return Ok(outcomes);
    }
    for _ in 0..TRIES {
        let works: Vec<Work<Uuid>> = (0..count).map(&mut work).collect();
        let done = conn.transaction(async move |conn| all_of(conn, works, together).await).await;
        match done {
            Ok(outcomes) | Err(Rollback::Wanted(outcomes)) => return Ok(outcomes),
            Err(Rollback::Again) => {}
            Err(Rollback::Refused(error)) => return Err(error),
        }
    }
    Err(Error::internal("a bulk write lost against others every time"))
}

async fn all_of(
    conn: &mut AsyncPgConnection,
    works: Vec<Work<Uuid>>,
    together: Together,
) -> Result<Vec<Outcome>, Rollback> {
    let mut outcomes = Vec::with_capacity(works.len());
    for work in works {
        // A savepoint each: a row that is refused leaves the rest as it was.
        match conn.transaction(async move |conn| work(conn).await).await {
            Err(WriteError::Again) => return Err(Rollback::Again),
            outcome => outcomes.push(told(outcome).map_err(Rollback::Refused)?),
        }
    }
    if together == Together::Atomic && outcomes.iter().all(Result::is_ok) {
        Ok(outcomes)
    } else {
        Err(Rollback::Wanted(outcomes))
    }
}

/// Why a transaction of many rows is taken back.
enum Rollback {
    Wanted(Vec<Outcome>),
    Again,
    Refused(Error),
}

impl From<Failure> for Rollback {
    fn from(failure: Failure) -> Self {
        match WriteError::from(failure) {
            WriteError::Refused(error) => Self::Refused(error),
            _ => Self::Again,
        }
    }
}

/// A row's outcome, where it can be told as that of the row.
fn told(outcome: Result<Uuid, WriteError>) -> Result<Outcome, Error> {
    match outcome {
        Ok(id) => Ok(Ok(id)),
        Err(WriteError::Input(mistakes)) => Ok(Err(mistakes)),
        Err(WriteError::Conflict(_)) => Ok(Err(vec![InputError::conflict()])),
        Err(WriteError::Refused(error)) => Ok(Err(vec![error.of_row()?])),
        Err(WriteError::Again) => {
            Err(Error::internal("a row of a bulk write lost against others every time"))
        }
    }
}

/// Waits until nobody else changes what must stay a tree or free of cycles in the same root: two changes, each right
/// alone, could close a circle together.
pub(super) async fn one_at_a_time(conn: &mut AsyncPgConnection, permit: &Permit) -> Result<(), WriteError> {
    let mut sql = Sql::new("SELECT 1 FROM tenant t WHERE t.root_id = ");
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND t.id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(LOCK);
    rows(conn, sql).await?;
    Ok(())
}

/// That a statement waited for a row which a rival made, and which it does not see. Run again, its transaction does.
pub(super) fn overtaken_unseen() -> Failure {
    Failure::DatabaseError(
        DatabaseErrorKind::SerializationFailure,
        Box::new("a rival made the row".to_owned()),
    )
}

/// The object of a source, which stays until the transaction ends.
pub(super) async fn sourced<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    source: &str,
    source_id: &str,
) -> Result<Option<Uuid>, WriteError> {
    // No text that is stored holds it; that it was sent is a mistake which is told with all others.
    if source.contains('\0') || source_id.contains('\0') {
        return Ok(None);
    }
    let mut sql = Sql::new("SELECT t.id FROM ");
    sql.push(N::TARGET.table).push(" t WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id)).push(" AND t.");
    sql.push(N::TARGET.tenant).push(" = ").bind(Bind::Uuid(permit.tenant_id)).push(" AND t.source = ");
    sql.bind(Bind::Text(source.to_owned()))
        .push(" AND t.source_id = ")
        .bind(Bind::Text(source_id.to_owned()))
        .push(LOCK);
    let found = rows(conn, sql).await?;
    Ok(found.first().map(|row| column::<SqlUuid, Uuid>(row, 0)).transpose()?)
}

/// What became of making the object of a source that was not there, in a savepoint. Of two that ask for the same, the
/// constraints let one make it; the other was wrong only in that it tried to.
pub(super) async fn overtaken<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    source: &str,
    source_id: &str,
    made: Result<Uuid, WriteError>,
) -> Result<Uuid, WriteError> {
    if matches!(made, Err(WriteError::Input(_)))
        && sourced::<N>(conn, permit, source, source_id).await?.is_some()
    {
        return Err(WriteError::Again);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_refers_to_and_is_gone_is_a_mistake_of_that_row() {
        let gone = Error::NotFound("SLA").at("input.slaId");
        let outcome = told(Err(gone.into())).expect("it ends the rows after it");
        assert_eq!(outcome.unwrap_err()[0].path, ["input", "slaId"]);
        assert!(told(Err(Error::Unavailable.into())).is_err(), "no row can do anything about it");
    }
}
