//! A client's marks: a write that is sent again under the same mark is not done again.

use diesel::sql_types::{Binary, Nullable, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use futures_util::FutureExt;
use uuid::Uuid;

use super::Work;
use crate::access::Permit;
use crate::error::{Error, InputError, InputErrorCode, WriteError};
use crate::store::noun::column;
use crate::store::sql::{Bind, Sql};
use crate::store::{Conn, rows};

/// A client's own mark on a write, under which a retry finds the first result (kept for a day).
#[derive(Clone, Debug)]
pub struct Mark {
    /// What the client sent, 1 to 255 characters.
    pub key: String,
    /// SHA-256 of the input it was sent with.
    pub input_hash: [u8; 32],
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

/// How many marks one statement forgets: no more than it has time for.
const FORGOTTEN: usize = 10_000;

/// Forgets the marks of more than a day ago.
pub async fn forget_marks(conn: &Conn) -> Result<(), Error> {
    loop {
        let mut sql = Sql::default();
        sql.made(format!(
            "DELETE FROM idempotency_key WHERE ctid = ANY(ARRAY(SELECT ctid FROM idempotency_key \
             WHERE created_at < now() - interval '1 day' LIMIT {FORGOTTEN})) RETURNING 1"
        ));
        if conn.rows(sql).await?.len() < FORGOTTEN {
            return Ok(());
        }
    }
}
