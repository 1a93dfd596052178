//! How every noun is written: one statement makes or changes the row, the rows that belong to it, and the audit entry
//! that tells of it (rule P4). A noun says what it writes by filling a [`Draft`].
//!
//! Every write runs in a transaction of its own or, in bulk, as a part of one: see [`one`] and [`many`].

use diesel::result::{DatabaseErrorKind, Error as Failure};
use diesel::sql_types::{Binary, Integer, Jsonb, Nullable, Uuid as SqlUuid};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use uuid::Uuid;

use super::audit_entry::append;
use super::noun::{Noun, column};
use super::reference::References;
use super::sql::{Bind, Sql};
use super::{Conn, id, rows};
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
    /// Proof that it may be written, and where.
    pub permit: Permit,
    /// What is wrong with the input.
    pub mistakes: Mistakes,
    columns: Vec<(&'static str, Option<Bind>)>,
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
struct Constraint {
    name: &'static str,
    path: &'static str,
    code: InputErrorCode,
    message: &'static str,
}

impl Draft {
    /// Nothing yet.
    pub fn new(permit: Permit) -> Self {
        Self {
            permit,
            mistakes: Mistakes::default(),
            columns: Vec::new(),
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

    /// Whether a column is written, or emptied.
    pub fn writes(&self, column: &str) -> bool {
        self.columns.iter().any(|(name, _)| *name == column)
    }

    /// Writes a column that refers to an object, which must be one that may be used in the tenant.
    pub fn refer<N: Noun>(&mut self, column: &'static str, path: &str, id: Option<Uuid>) {
        self.references.add::<N>(&self.permit, path, id);
        self.set(column, id.map(Bind::Uuid));
    }

    /// That an id in one of its parts names an object that may be used in the tenant.
    pub fn uses<N: Noun>(&mut self, path: &str, id: Uuid) {
        self.references.add::<N>(&self.permit, path, Some(id));
    }

    /// The same on a further condition on the object `t`, which begins with ` AND `.
    pub fn uses_if<N: Noun>(&mut self, path: &str, id: Uuid, condition: &'static str) {
        self.references.add_if::<N>(&self.permit, path, Some(id), condition, |_| {});
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

    fn text(&self, column: &str) -> Option<&str> {
        self.columns.iter().find_map(|(name, value)| match value {
            Some(Bind::Text(text)) if *name == column => Some(text.as_str()),
            _ => None,
        })
    }

    /// Which mistake of the input a broken constraint is. The constraints have the last word: of two racing writes
    /// only one wins.
    fn mistaken(constraints: &[Constraint], failure: Failure) -> WriteError {
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
}

/// How the unique constraints over tenant, source and sourceId end.
const SOURCE_KEY: &str = "_root_id_tenant_id_source_source_id_key";

/// A client's own mark on a write, under which a retry finds the first result (kept for a day).
#[derive(Clone, Debug)]
pub struct Mark {
    /// What the client sent, 1 to 255 characters.
    pub key: String,
    /// SHA-256 of the input it was sent with.
    pub input_hash: [u8; 32],
}

/// Makes an object, or, with `upsert`, changes the one of its source and sourceId; gives its id.
async fn create<N: Noun>(
    conn: &mut AsyncPgConnection,
    action: &'static str,
    upsert: bool,
    mut draft: Draft,
) -> Result<Uuid, WriteError> {
    if upsert {
        let (source, source_id) =
            (draft.text("source").map(str::to_owned), draft.text("source_id").map(str::to_owned));
        let (Some(source), Some(source_id)) = (source, source_id) else {
            draft.mistakes.add(
                "input.sourceId",
                InputErrorCode::Required,
                "An upsert needs source and sourceId.",
            );
            return Err(draft.mistakes.into());
        };
        if let Some(id) = sourced::<N>(conn, &draft.permit, &source, &source_id).await? {
            return update::<N>(conn, action, id, None, draft).await;
        }
    }
    let new = id::new();
    let Draft { permit, mut mistakes, columns, parts, references, then, constraints, guards: _, moves: _ } =
        draft;
    references.check(conn, &mut mistakes).await?;
    mistakes.none()?;
    let table = N::TARGET.table;
    let mut sql = Sql::new("WITH s AS (INSERT INTO ");
    let mut pairs = vec![("root_id", Some(Bind::Uuid(permit.root_id))), ("id", Some(Bind::Uuid(new)))];
    if N::TARGET.tenant != "id" {
        pairs.push((N::TARGET.tenant, Some(Bind::Uuid(permit.tenant_id))));
    }
    pairs.extend(columns);
    sql.push(table).values(pairs).push(" RETURNING to_jsonb(").push(table).push(".*) AS after)");
    let mut after = Sql::new(", w AS (SELECT s.after");
    for (number, part) in parts.into_iter().enumerate() {
        insert_part(&mut sql, &permit, new, number, &mut after, part);
    }
    sql.append(after).push(" AS after FROM s)");
    append(&mut sql, &permit, action, N::TYPE, new, "NULL", "(SELECT after FROM w)");
    sql.push(" SELECT 1");
    rows(conn, sql).await.map_err(|failure| Draft::mistaken(&constraints, failure))?;
    for then in then {
        then(conn, &permit, new).await?;
    }
    Ok(new)
}

/// Changes an object, if it still has the revision that the client expects; gives its id.
async fn update<N: Noun>(
    conn: &mut AsyncPgConnection,
    action: &'static str,
    id: Uuid,
    expected_revision: Option<i32>,
    draft: Draft,
) -> Result<Uuid, WriteError> {
    let Draft { permit, mut mistakes, columns, parts, references, then, constraints, guards, moves } = draft;
    locked::<N>(conn, &permit, id, expected_revision).await?;
    for (condition, mistake) in guards {
        let mut sql = Sql::new("SELECT 1 FROM ");
        sql.push(N::TARGET.table)
            .push(" t WHERE t.root_id = ")
            .bind(Bind::Uuid(permit.root_id))
            .push(" AND t.id = ");
        sql.bind(Bind::Uuid(id)).push(" AND ").append(condition);
        if !rows(conn, sql).await?.is_empty() {
            return Err(mistake.into());
        }
    }
    references.check(conn, &mut mistakes).await?;
    mistakes.none()?;
    if !moves && !differs::<N>(conn, &permit, id, &columns, &parts).await? {
        return Ok(id);
    }
    let table = N::TARGET.table;
    let mut before = Sql::new(", w AS (SELECT s.before");
    let mut after = Sql::new(", s.after");
    let mut inserts = Sql::default();
    for (number, part) in parts.into_iter().enumerate() {
        // A statement of its own: within one, the old rows would still stand in the way of the new.
        let was = delete_part(conn, &permit, id, &part).await?;
        before.made(format!(" || jsonb_build_object('{}', ", part.table)).bind(Bind::Json(was)).push(")");
        insert_part(&mut inserts, &permit, id, number, &mut after, part);
    }
    let mut sql = Sql::new("WITH s AS (UPDATE ");
    sql.push(table).push(" t SET revision = t.revision + 1, updated_at = now()");
    for (column, value) in columns {
        sql.push(", ").assignments(vec![(column, value)]);
    }
    sql.push(" FROM (SELECT b.id, to_jsonb(b.*) AS before FROM ").push(table).push(" b WHERE b.root_id = ");
    sql.bind(Bind::Uuid(permit.root_id))
        .push(" AND b.id = ")
        .bind(Bind::Uuid(id))
        .push(") old WHERE t.root_id = ");
    sql.bind(Bind::Uuid(permit.root_id))
        .push(" AND t.id = old.id RETURNING old.before, to_jsonb(t.*) AS after)");
    sql.append(inserts).append(before).push(" AS before").append(after).push(" AS after FROM s)");
    append(&mut sql, &permit, action, N::TYPE, id, "(SELECT before FROM w)", "(SELECT after FROM w)");
    sql.push(" SELECT 1");
    rows(conn, sql).await.map_err(|failure| Draft::mistaken(&constraints, failure))?;
    for then in then {
        then(conn, &permit, id).await?;
    }
    Ok(id)
}

/// Deletes an object, where nothing refers to it any more.
async fn delete<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    action: &'static str,
    id: Uuid,
    expected_revision: Option<i32>,
) -> Result<(), WriteError> {
    locked::<N>(conn, permit, id, expected_revision).await?;
    let mut sql = Sql::new("WITH s AS (DELETE FROM ");
    sql.push(N::TARGET.table).push(" t WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" AND t.id = ").bind(Bind::Uuid(id)).push(" RETURNING to_jsonb(t.*) AS before)");
    append(&mut sql, permit, action, N::TYPE, id, "(SELECT before FROM s)", "NULL");
    sql.push(" SELECT 1");
    match rows(conn, sql).await {
        Ok(_) => Ok(()),
        Err(Failure::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, about)) => {
            let others = about.table_name().unwrap_or("object").replace('_', " ");
            let message = format!("At least one {others} still refers to it: change or delete that first.");
            Err(InputError::at("input.id", InputErrorCode::InUse, message).into())
        }
        Err(failure) => Err(failure.into()),
    }
}

/// What was written under a client's mark before, with the same input; none when this is the first time.
async fn marked(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    action: &'static str,
    mark: &Mark,
) -> Result<Option<Uuid>, WriteError> {
    let mut claim = Sql::new("INSERT INTO idempotency_key");
    claim.values(vec![
        ("root_id", Some(Bind::Uuid(permit.root_id))),
        ("tenant_id", Some(Bind::Uuid(permit.tenant_id))),
        ("actor_id", permit.actor_id().map(Bind::Uuid)),
        ("action", Some(Bind::Text(action.to_owned()))),
        ("key", Some(Bind::Text(mark.key.clone()))),
        ("input_hash", Some(Bind::Bytes(mark.input_hash.to_vec()))),
    ]);
    // Waits for a rival under the same mark, and then does nothing.
    claim.push(" ON CONFLICT DO NOTHING RETURNING 1");
    if !rows(conn, claim).await?.is_empty() {
        return Ok(None);
    }
    let mut known = Sql::new("SELECT k.input_hash, k.object_id FROM idempotency_key k");
    same_mark(&mut known, permit, action, mark);
    let known = rows(conn, known).await?;
    let Some(known) = known.first() else { return Err(WriteError::Again) };
    if column::<Binary, Vec<u8>>(known, 0)? != mark.input_hash {
        let message = "This mark was sent with another input before: send a new one, such as a UUID.";
        return Err(InputError::at("input.clientMutationId", InputErrorCode::Conflict, message).into());
    }
    Ok(column::<Nullable<SqlUuid>, Option<Uuid>>(known, 1)?)
}

async fn keep_mark(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    action: &'static str,
    mark: &Mark,
    made: Uuid,
) -> Result<(), WriteError> {
    let mut keep = Sql::new("UPDATE idempotency_key k SET object_id = ");
    keep.bind(Bind::Uuid(made));
    same_mark(&mut keep, permit, action, mark);
    rows(conn, keep).await?;
    Ok(())
}

fn same_mark(sql: &mut Sql, permit: &Permit, action: &'static str, mark: &Mark) {
    sql.push(" WHERE k.root_id = ").bind(Bind::Uuid(permit.root_id)).push(" AND k.actor_id = ");
    match permit.actor_id() {
        Some(actor) => sql.bind(Bind::Uuid(actor)),
        None => sql.push("NULL"),
    };
    sql.push(" AND k.action = ").bind(Bind::Text(action.to_owned()));
    sql.push(" AND k.key = ").bind(Bind::Text(mark.key.clone()));
}

/// Forgets the marks of more than a day ago.
pub async fn forget_marks(conn: &Conn) -> Result<(), Error> {
    conn.rows(Sql::new("DELETE FROM idempotency_key WHERE created_at < now() - interval '1 day'")).await?;
    Ok(())
}

/// A write that waits for its transaction.
pub type Work<T> =
    Box<dyn for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, WriteError>> + Send>;

/// To make an object, or, with `upsert`, to change the one of its source and sourceId; gives its id. Under a mark that
/// was used before with the same input, it gives what was made then.
pub fn creation<N: Noun>(action: &'static str, upsert: bool, mark: Option<Mark>, draft: Draft) -> Work<Uuid> {
    let permit = draft.permit.clone();
    marking(permit, action, mark, Box::new(move |conn| create::<N>(conn, action, upsert, draft).boxed()))
}

/// A write that is done only once under a client's mark.
pub fn marking(permit: Permit, action: &'static str, mark: Option<Mark>, work: Work<Uuid>) -> Work<Uuid> {
    let Some(mark) = mark else { return work };
    Box::new(move |conn| {
        async move {
            if let Some(known) = marked(conn, &permit, action, &mark).await? {
                return Ok(known);
            }
            let made = work(conn).await?;
            keep_mark(conn, &permit, action, &mark, made).await?;
            Ok(made)
        }
        .boxed()
    })
}

/// To change an object, if it still has the revision that the client expects; gives its id.
pub fn change<N: Noun>(
    action: &'static str,
    id: Uuid,
    expected_revision: Option<i32>,
    draft: Draft,
) -> Work<Uuid> {
    Box::new(move |conn| update::<N>(conn, action, id, expected_revision, draft).boxed())
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

/// How often a transaction is tried that lost against another.
const TRIES: usize = 5;

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
        Err(WriteError::Refused(error)) => Err(error),
        Err(error) => Err(Error::internal(error)),
    }
}

/// Waits until nobody else changes what must stay a tree or free of cycles in the same root: two changes, each right
/// alone, could close a circle together.
pub(super) async fn one_at_a_time(conn: &mut AsyncPgConnection, permit: &Permit) -> Result<(), WriteError> {
    let mut sql = Sql::new("SELECT 1 FROM tenant t WHERE t.root_id = ");
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND t.id = ").bind(Bind::Uuid(permit.root_id));
    sql.push(" FOR NO KEY UPDATE");
    rows(conn, sql).await?;
    Ok(())
}

/// The object of a source. Two that ask for the same wait for each other: else one of them would be told of the
/// constraint, which alone decides, that the other has just made it.
pub(super) async fn sourced<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    source: &str,
    source_id: &str,
) -> Result<Option<Uuid>, WriteError> {
    let mut wait = Sql::new("SELECT 1 FROM pg_advisory_xact_lock(hashtextextended(");
    let named = format!("{}/{}/{source}/{source_id}", permit.tenant_id, N::TARGET.table);
    wait.bind(Bind::Text(named)).push(", 0))");
    rows(conn, wait).await?;
    let mut sql = Sql::new("SELECT t.id FROM ");
    sql.push(N::TARGET.table).push(" t WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id)).push(" AND t.");
    sql.push(N::TARGET.tenant).push(" = ").bind(Bind::Uuid(permit.tenant_id)).push(" AND t.source = ");
    sql.bind(Bind::Text(source.to_owned()))
        .push(" AND t.source_id = ")
        .bind(Bind::Text(source_id.to_owned()));
    let found = rows(conn, sql).await?;
    Ok(found.first().map(|row| column::<SqlUuid, Uuid>(row, 0)).transpose()?)
}

/// Locks an object that stays as it is until the transaction ends, and compares its revision.
async fn locked<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    id: Uuid,
    expected_revision: Option<i32>,
) -> Result<(), WriteError> {
    let mut sql = Sql::new("SELECT ");
    sql.push(if N::TARGET.columns.contains(&"revision") { "t.revision" } else { "0" }).push(" FROM ");
    sql.push(N::TARGET.table).push(" t WHERE t.root_id = ").bind(Bind::Uuid(permit.root_id)).push(" AND t.");
    sql.push(N::TARGET.tenant).push(" = ").bind(Bind::Uuid(permit.tenant_id)).push(" AND t.id = ");
    sql.bind(Bind::Uuid(id)).push(" FOR UPDATE");
    let found = rows(conn, sql).await?;
    let revision = found.first().map(|row| column::<Integer, i32>(row, 0)).transpose()?;
    let revision = revision.ok_or(Error::NotFound(N::NAME))?;
    if expected_revision.is_some_and(|expected| expected != revision) {
        return Err(WriteError::Conflict(id));
    }
    Ok(())
}

/// Whether a change changes anything: what is sent again as it stands leaves the revision that others have read.
async fn differs<N: Noun>(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    id: Uuid,
    columns: &[(&'static str, Option<Bind>)],
    parts: &[Part],
) -> Result<bool, WriteError> {
    let mut sql = Sql::new("SELECT 1 FROM ");
    sql.push(N::TARGET.table)
        .push(" t WHERE t.root_id = ")
        .bind(Bind::Uuid(permit.root_id))
        .push(" AND t.id = ");
    sql.bind(Bind::Uuid(id)).push(" AND (false");
    for (column, value) in columns {
        sql.push(" OR t.").push(column);
        match value {
            Some(value) => sql.push(" IS DISTINCT FROM ").bind(value.clone()),
            None => sql.push(" IS NOT NULL"),
        };
    }
    for part in parts {
        let names = part.columns.join(", ");
        let mut stored = Sql::default();
        stored.made(format!(
            "SELECT {names} FROM {} WHERE root_id = t.root_id AND {} = t.id",
            part.table, part.owner
        ));
        let mut said = Sql::default();
        said.made(format!("SELECT {names} FROM jsonb_populate_recordset(NULL::{}, ", part.table));
        said.bind(Bind::Json(part.rows.clone())).push(")");
        for (one, other) in [(stored.clone(), said.clone()), (said, stored)] {
            sql.push(" OR EXISTS (").append(one).push(" EXCEPT ").append(other).push(")");
        }
    }
    sql.push(")");
    Ok(!rows(conn, sql).await?.is_empty())
}

async fn delete_part(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    owner: Uuid,
    part: &Part,
) -> Result<Value, WriteError> {
    let mut sql = Sql::new("WITH d AS (DELETE FROM ");
    sql.push(part.table).push(" p WHERE p.root_id = ").bind(Bind::Uuid(permit.root_id)).push(" AND p.");
    sql.push(part.owner).push(" = ").bind(Bind::Uuid(owner)).push(" RETURNING jsonb_build_object(");
    sql.made(part.columns.iter().map(|name| format!("'{name}', p.{name}")).collect::<Vec<_>>().join(", "));
    sql.push(") AS was) SELECT coalesce(jsonb_agg(d.was), '[]') FROM d");
    let was = rows(conn, sql).await?;
    Ok(was.first().map(|row| column::<Jsonb, Value>(row, 0)).transpose()?.unwrap_or_default())
}

/// The rows of a part, as a member `p…` of the statement; `after` tells the audit log of them.
fn insert_part(sql: &mut Sql, permit: &Permit, owner: Uuid, number: usize, after: &mut Sql, part: Part) {
    let Part { table, owner: named, columns, keyed, rows } = part;
    let own = |prefix: &str| columns.iter().map(|name| format!(", {prefix}{name}")).collect::<String>();
    sql.made(format!(", p{number} AS (INSERT INTO {table} (root_id, tenant_id, {named}"));
    sql.push(if keyed { ", id" } else { "" })
        .made(own(""))
        .push(") SELECT ")
        .bind(Bind::Uuid(permit.root_id));
    sql.push(", ").bind(Bind::Uuid(permit.tenant_id)).push(", ").bind(Bind::Uuid(owner));
    sql.push(if keyed { ", uuid_v7()" } else { "" }).made(own("r."));
    sql.made(format!(" FROM jsonb_populate_recordset(NULL::{table}, "))
        .bind(Bind::Json(rows.clone()))
        .push(") r)");
    after.made(format!(" || jsonb_build_object('{table}', ")).bind(Bind::Json(rows)).push(")");
}
