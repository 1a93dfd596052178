//! A webhook: where records of the breach log are sent, and how far that has come.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text, Uuid as SqlUuid};
use futures_util::FutureExt;
use uuid::Uuid;

use super::noun::{Noun, column, noun, relation};
use super::page::{self, Key, Kind, Under};
use super::sql::{Bind, Sql};
use super::word::{BreachKind, BreachPhase};
use super::write::Draft;
use super::{Conn, PgRow, breach, rows};
use crate::access::{Actor, Permission, Reach};
use crate::error::Error;

noun! {
    /// A webhook: where records of the breach log are sent, and how far that has come.
    webhook as Webhook, "webhook", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::TenantsAdmin), list: Some(Permission::TenantsAdmin),
    relations: [
        relation!("tenant" via tenant_id => tenant),
    ],
    reads: ["nextAttemptAt" of [next_attempt_at, failures, active, disabled_at]],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// Its name.
        name: String,
        /// Where to.
        url: String,
        /// Only these kinds; empty = all.
        kinds: Vec<BreachKind>,
        /// Only these phases; empty = all.
        phases: Vec<BreachPhase>,
        /// Whether anything is sent.
        active: bool,
        /// When a record was last delivered.
        delivered_at: Option<DateTime<Utc>>,
        /// When it was last tried.
        attempted_at: Option<DateTime<Utc>>,
        /// The status of the last answer; null when there was none.
        last_status: Option<i32>,
        /// Why the last attempt failed; null when it did not.
        last_error: Option<String>,
        /// Attempts that failed since the last that did not.
        failures: i32,
        /// When the next attempt is due.
        next_attempt_at: DateTime<Utc>,
        /// When it was given up.
        disabled_at: Option<DateTime<Utc>>,
        /// Why.
        disabled_reason: Option<String>,
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
    /// Where to.
    pub static URL: Key = Key::new("t.url", Kind::Text);
    /// Whether anything is sent.
    pub static ACTIVE: Key = Key::new("t.active", Kind::Bool);
    /// When it was given up.
    pub static DISABLED_AT: Key = Key::nullable("t.disabled_at", Kind::Time);
    /// When it was made.
    pub static CREATED_AT: Key = Key::new("t.created_at", Kind::Time);
    /// When it was last updated.
    pub static UPDATED_AT: Key = Key::new("t.updated_at", Kind::Time);
}

/// Those of a tenant.
pub const UNDER_TENANT: Under = Under::own("webhook t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// 244 random bits, of which Postgres' own source of them makes two halves.
const RANDOM: &str = "uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())";

/// Begins a new webhook at the end of the log, with a secret to sign with.
pub fn begin(draft: &mut Draft) {
    draft.then(Box::new(|conn, permit, id| {
        async move {
            let mut sql =
                Sql::new("INSERT INTO webhook_secret (root_id, tenant_id, webhook_id, secret) VALUES (");
            sql.bind(Bind::Uuid(permit.root_id)).push(", ").bind(Bind::Uuid(permit.tenant_id)).push(", ");
            sql.bind(Bind::Uuid(id)).push(", ").push(RANDOM).push(")");
            rows(conn, sql).await?;
            let mut sql = Sql::new(
                "UPDATE webhook w SET epoch = h.epoch, pos = h.pos FROM breach_log_head h \
                 WHERE h.shard = 0 AND w.root_id = ",
            );
            sql.bind(Bind::Uuid(permit.root_id)).push(" AND w.id = ").bind(Bind::Uuid(id));
            rows(conn, sql).await?;
            Ok(())
        }
        .boxed()
    }));
}

/// Takes the turn from whoever has it and makes the next attempt due, by a webhook that was given up too: what was
/// changed holds at once.
pub fn revive(draft: &mut Draft) {
    draft.set("failures", Some(Bind::Int(0)));
    for emptied in ["failing_since", "disabled_at", "disabled_reason", "lease_id", "leased_until"] {
        draft.set(emptied, None);
    }
    draft.compute("next_attempt_at", Sql::new("now()"));
}

/// Gives a webhook another secret; the one before serves beside it for a day.
pub fn rotate(draft: &mut Draft) {
    draft.then_change(Box::new(|conn, permit, id| {
        async move {
            let mut sql = Sql::new(
                "UPDATE webhook_secret s SET previous = s.secret, previous_until = now() + interval '1 day', secret = ",
            );
            sql.push(RANDOM).push(" WHERE s.root_id = ").bind(Bind::Uuid(permit.root_id));
            sql.push(" AND s.webhook_id = ").bind(Bind::Uuid(id));
            rows(conn, sql).await?;
            Ok(())
        }
        .boxed()
    }));
}

/// A webhook whose turn a replica has.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) root_id: Uuid,
    pub(crate) id: Uuid,
    pub(crate) tenant_id: Uuid,
    pub(crate) url: String,
    /// What its messages are signed with, the current one first.
    pub(crate) secrets: Vec<Vec<u8>>,
    kinds: Vec<String>,
    phases: Vec<String>,
    pos: i64,
    failures: i32,
    lease: Uuid,
}

/// What the current secret is and, for a while, the one before.
const SECRETS: &str = "s.secret, CASE WHEN s.previous_until > now() THEN s.previous END";

/// Takes the turn of at most `limit` webhooks that have something to deliver or look at, for `lease`, and of no more than
/// leave `of_root` of one root in turn. One whose holder died is free again when that is over.
pub(crate) async fn take(conn: &Conn, lease: Duration, limit: i64, of_root: i64) -> Result<Vec<Turn>, Error> {
    // A log that has grown by what others record is nothing to look at: else each record of one root has the webhooks of
    // all looked at. One row of a subquery, for a join of the whole log would be planned otherwise.
    const DUE: &str = "h.shard = 0 AND w.active AND w.disabled_at IS NULL AND w.next_attempt_at <= now() \
        AND (w.leased_until IS NULL OR w.leased_until < now()) AND (w.epoch < h.epoch OR w.pos < h.pos AND \
        (SELECT true FROM breach_log l WHERE l.root_id = w.root_id AND l.shard = 0 AND l.pos > w.pos LIMIT 1))";
    let mut sql = Sql::new(
        "WITH held AS MATERIALIZED (SELECT root_id, count(*) AS n FROM webhook WHERE leased_until >= now() \
           GROUP BY root_id), \
         queued AS MATERIALIZED (SELECT w.root_id, w.id, w.next_attempt_at, \
           row_number() OVER (PARTITION BY w.root_id ORDER BY w.next_attempt_at) AS n \
           FROM webhook w, breach_log_head h WHERE ",
    );
    sql.push(DUE).push(
        "), \
         first AS MATERIALIZED (SELECT queued.root_id, queued.id FROM queued LEFT JOIN held USING (root_id) \
           WHERE queued.n + coalesce(held.n, 0) <= ",
    );
    sql.bind(Bind::Long(of_root)).push(
        " ORDER BY queued.next_attempt_at), \
         due AS MATERIALIZED (SELECT d.* FROM first CROSS JOIN LATERAL (SELECT w.root_id, w.id, h.epoch, \
           CASE WHEN w.epoch < h.epoch THEN least(w.pos, h.epoch_start) ELSE greatest(w.pos, h.low_pos) END AS pos \
           FROM webhook w, breach_log_head h WHERE w.root_id = first.root_id AND w.id = first.id AND ",
    );
    sql.push(DUE).push(" FOR UPDATE OF w SKIP LOCKED) d LIMIT ").bind(Bind::Long(limit)).push(
        ") UPDATE webhook w SET epoch = due.epoch, pos = due.pos, lease_id = uuid_v7(), \
         leased_until = now() + ",
    );
    sql.bind(Bind::Text(format!("{} milliseconds", lease.as_millis()))).push("::text::interval");
    sql.push(
        " FROM due JOIN webhook_secret s ON s.root_id = due.root_id AND s.webhook_id = due.id \
         WHERE w.root_id = due.root_id AND w.id = due.id \
         RETURNING w.root_id, w.id, w.tenant_id, w.url, w.kinds, w.phases, w.pos, w.failures, w.lease_id, ",
    );
    sql.push(SECRETS);
    let mut turns = Vec::new();
    for row in &conn.rows(sql).await? {
        let secrets = [Some(column::<Binary, Vec<u8>>(row, 9)?), column::<Nullable<Binary>, _>(row, 10)?];
        turns.push(Turn {
            root_id: column::<SqlUuid, _>(row, 0)?,
            id: column::<SqlUuid, _>(row, 1)?,
            tenant_id: column::<SqlUuid, _>(row, 2)?,
            url: column::<Text, _>(row, 3)?,
            secrets: secrets.into_iter().flatten().collect(),
            kinds: column::<diesel::sql_types::Array<Text>, _>(row, 4)?,
            phases: column::<diesel::sql_types::Array<Text>, _>(row, 5)?,
            pos: column::<BigInt, _>(row, 6)?,
            failures: column::<Integer, _>(row, 7)?,
            lease: column::<SqlUuid, _>(row, 8)?,
        });
    }
    Ok(turns)
}

/// What a webhook is to deliver next.
#[derive(Debug)]
pub(crate) struct Next {
    /// The position up to which the log was looked through.
    pub(crate) upto: i64,
    /// Whether that is its end.
    pub(crate) all: bool,
    /// In order of position.
    pub(crate) records: Vec<(i64, breach::Row)>,
}

/// How many positions are looked through at once.
const STRIDE: i64 = 10_000;

impl Turn {
    /// How often it failed in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures.unsigned_abs()
    }

    /// At most `limit` records that concern it, after those it delivered: of its tenant and of those below.
    pub(crate) async fn next(&self, conn: &Conn, limit: i64) -> Result<Next, Error> {
        let mut sql = Sql::new("SELECT least(h.pos, f.pos + ");
        sql.bind(Bind::Long(STRIDE)).push("), h.pos, l.pos, l.breach_id FROM breach_log_head h ");
        // Of a root that was quiet for long, the first record may lie far from what was delivered.
        sql.push(
            "CROSS JOIN LATERAL (SELECT coalesce((SELECT l.pos - 1 FROM breach_log l WHERE l.root_id = ",
        );
        sql.bind(Bind::Uuid(self.root_id)).push(" AND l.shard = 0 AND l.pos > ").bind(Bind::Long(self.pos));
        sql.push(" ORDER BY l.pos LIMIT 1), h.pos) AS pos) f LEFT JOIN LATERAL (");
        sql.push("SELECT l.pos, l.breach_id FROM breach_log l WHERE l.shard = 0 AND l.root_id = ");
        sql.bind(Bind::Uuid(self.root_id)).push(" AND l.pos > f.pos AND l.pos <= f.pos + ");
        sql.bind(Bind::Long(STRIDE)).push(" AND l.tenant_id IN (WITH RECURSIVE below AS (SELECT ");
        sql.bind(Bind::Uuid(self.tenant_id))
            .push("::uuid AS id UNION ALL SELECT t.id FROM tenant t JOIN below b ON ");
        sql.push("t.parent_id = b.id WHERE t.root_id = ").bind(Bind::Uuid(self.root_id));
        sql.push(") SELECT id FROM below) ORDER BY l.pos LIMIT ").bind(Bind::Long(STRIDE));
        sql.push(") l ON true WHERE h.shard = 0 ORDER BY l.pos");
        let found = conn.rows(sql).await?;
        let first = found.first().ok_or_else(|| Error::internal("the log has no head"))?;
        let (upto, head) = (column::<BigInt, i64>(first, 0)?, column::<BigInt, i64>(first, 1)?);
        let mut positions = Vec::new();
        for row in &found {
            if let Some(pos) = column::<Nullable<BigInt>, Option<i64>>(row, 2)? {
                positions.push((pos, column::<SqlUuid, Uuid>(row, 3)?));
            }
        }
        let mut records = Vec::new();
        let mut looked_through = 0;
        for part in positions.chunks(500) {
            let ids = part.iter().map(|(_, id)| *id).collect();
            let mut of_this_part = self.records(conn, ids).await?;
            looked_through += part.len();
            for (pos, id) in part {
                if let Some(at) = of_this_part.iter().position(|record| record.id == *id) {
                    records.push((*pos, of_this_part.swap_remove(at)));
                }
            }
            if records.len() as i64 >= limit {
                break;
            }
        }
        let upto = if looked_through < positions.len() { positions[looked_through - 1].0 } else { upto };
        Ok(Next { upto, all: upto == head, records })
    }

    async fn records(&self, conn: &Conn, ids: Vec<Uuid>) -> Result<Vec<breach::Row>, Error> {
        let mut sql = Sql::new("SELECT ");
        page::columns(&mut sql, "b", breach::Row::TARGET);
        sql.push(" FROM breach b WHERE b.root_id = ").bind(Bind::Uuid(self.root_id));
        sql.push(" AND b.id = ANY(").bind(Bind::Uuids(ids)).push(")");
        for (name, words) in [("kind", &self.kinds), ("phase", &self.phases)] {
            if !words.is_empty() {
                sql.made(format!(" AND b.{name} = ANY(")).bind(Bind::Texts(words.clone())).push(")");
            }
        }
        let mut records = Vec::new();
        for row in &conn.rows(sql.anew()).await? {
            let loaded = (breach::Row::TARGET.decode)(row, 0, breach::Row::TARGET.all())?;
            records.extend(loaded.as_ref().and_then(breach::Row::from_loaded).map(|row| (**row).clone()));
        }
        Ok(records)
    }

    /// Keeps that everything up to a position is done, and the turn for another while; false when the turn was lost.
    pub(crate) async fn delivered(
        &mut self,
        conn: &Conn,
        pos: i64,
        status: Option<u16>,
        lease: Duration,
    ) -> Result<bool, Error> {
        self.pos = pos;
        let mut sql = Sql::new("UPDATE webhook w SET pos = ");
        sql.bind(Bind::Long(pos)).push(", leased_until = now() + ");
        sql.bind(Bind::Text(format!("{} milliseconds", lease.as_millis()))).push("::text::interval");
        if let Some(status) = status {
            self.failures = 0;
            sql.push(", delivered_at = now(), attempted_at = now(), failures = 0, failing_since = NULL, ");
            sql.push("last_error = NULL, last_status = ").bind(Bind::Int(i32::from(status)));
        }
        Ok(self.held(conn, sql).await?.is_some())
    }

    /// Keeps that an attempt failed, when the next is due, and gives the turn back. Gives the webhook up when it has
    /// failed for as long as `patience`, or when the receiver wants no more, and then says true.
    pub(crate) async fn failed(
        &self,
        conn: &Conn,
        (status, reason): (Option<u16>, &str),
        (rest, patience): (Duration, Duration),
        unwanted: bool,
    ) -> Result<bool, Error> {
        let mut sql =
            Sql::new("UPDATE webhook w SET attempted_at = now(), failures = w.failures + 1, last_status = ");
        match status {
            Some(status) => sql.bind(Bind::Int(i32::from(status))),
            None => sql.push("NULL"),
        };
        sql.push(", last_error = ").bind(Bind::Text(reason.to_owned()));
        sql.push(", failing_since = coalesce(w.failing_since, now()), next_attempt_at = now() + ");
        sql.bind(Bind::Text(format!("{} milliseconds", rest.as_millis()))).push("::text::interval");
        sql.push(", lease_id = NULL, leased_until = NULL");
        let given_up = |sql: &mut Sql, then: &'static str| {
            sql.push("CASE WHEN ")
                .bind(Bind::Bool(unwanted))
                .push("::boolean OR w.failing_since <= now() - ");
            sql.bind(Bind::Text(format!("{} milliseconds", patience.as_millis())));
            sql.push("::text::interval THEN ").push(then).push(" END");
        };
        sql.push(", disabled_at = ");
        given_up(&mut sql, "now()");
        sql.push(", disabled_reason = ");
        given_up(
            &mut sql,
            if unwanted {
                "'the receiver answered that it wants no more (410)'"
            } else {
                "'it failed for too long'"
            },
        );
        Ok(self.held(conn, sql).await?.unwrap_or(false))
    }

    /// Gives the turn back, to those who have waited longer.
    pub(crate) async fn done(&self, conn: &Conn) -> Result<(), Error> {
        let done = "UPDATE webhook w SET lease_id = NULL, leased_until = NULL, next_attempt_at = now()";
        self.held(conn, Sql::new(done)).await?;
        Ok(())
    }

    /// Runs a change if the turn is still this replica's; whether the webhook is given up, none when the turn was lost.
    async fn held(&self, conn: &Conn, mut sql: Sql) -> Result<Option<bool>, Error> {
        sql.push(" WHERE w.root_id = ").bind(Bind::Uuid(self.root_id)).push(" AND w.id = ");
        sql.bind(Bind::Uuid(self.id))
            .push(" AND w.lease_id = ")
            .bind(Bind::Uuid(self.lease))
            .push(" RETURNING w.disabled_at IS NOT NULL");
        let rows = conn.rows(sql).await?;
        Ok(rows.first().map(|row| column::<Bool, bool>(row, 0)).transpose()?)
    }
}

/// A webhook whose secret an answer may show, with the actor's mark of the write that made it, if there was one.
pub type Made = (Uuid, Option<String>);

/// What messages of webhooks are signed with, for whoever has just made it. A retry finds what its own first try made, and
/// nothing that another has put in its place: the time of a mark is that of its transaction, and so is a secret's.
pub async fn secrets(
    conn: &Conn,
    reach: &Reach,
    actor: &Actor,
    action: &'static str,
    made: Vec<Made>,
) -> Result<HashMap<Uuid, Vec<u8>>, Error> {
    let (marked, fresh): (Vec<_>, Vec<_>) = made.into_iter().partition(|(_, mark)| mark.is_some());
    let ids = |made: &[Made]| Bind::Uuids(made.iter().map(|(id, _)| *id).collect());
    let mut sql = Sql::new("SELECT t.webhook_id, t.secret FROM webhook_secret t JOIN webhook w");
    sql.push(" ON w.root_id = t.root_id AND w.id = t.webhook_id WHERE (t.webhook_id = ANY(")
        .bind(ids(&fresh));
    sql.push(") OR t.webhook_id = ANY(").bind(ids(&marked));
    sql.push(") AND EXISTS (SELECT FROM idempotency_key k WHERE k.root_id = t.root_id AND k.actor_id = ANY(");
    sql.bind(Bind::Uuids(actor.ids())).push(") AND k.action = ");
    sql.bind(Bind::Text(action.to_owned())).push(" AND k.key = ANY(");
    sql.bind(Bind::Texts(marked.into_iter().filter_map(|(_, mark)| mark).collect()));
    sql.push(") AND k.object_id = t.webhook_id AND k.created_at = ").push(MADE_AT).push("))");
    page::within(Row::TARGET, "t", reach, true, &mut sql);
    let secret = |row: &PgRow| Ok((column::<SqlUuid, _>(row, 0)?, column::<Binary, _>(row, 1)?));
    Ok(conn.rows(sql).await?.iter().map(secret).collect::<QueryResult<_>>()?)
}

/// When the current secret was made.
const MADE_AT: &str = "coalesce(t.previous_until - interval '1 day', w.created_at)";
