//! That a contact is told of a limit that was reached (rule L2): the outbox, and what became of each.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::sql_types::{Bool, Integer, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::Conn;
use super::noun::{column, noun, relation};
use super::page::{Key, Kind, Under};
use super::sql::{Bind, Sql};
use super::word::{NotificationState, TimePeriod};
use crate::access::Permission;
use crate::error::Error;

noun! {
    /// That a contact is told of a limit that was reached.
    limit_notification as LimitNotification, "notification", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::LimitsRead), list: Some(Permission::LimitsRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("slaLimit" via sla_limit_id => sla_limit),
    ],
    reads: ["breach" of [], "nextAttemptAt" of [next_attempt_at, state]],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key: that of the record it tells of.
        id: Uuid,
        /// The tenant of the limit.
        tenant_id: Uuid,
        /// The limit.
        sla_limit_id: Uuid,
        /// When the period began in which it was reached.
        period_start: DateTime<Utc>,
        /// Of what kind the limit's period was then.
        time_period: TimePeriod,
        /// How many hours the limit allowed then.
        hours: i32,
        /// The address, as of then.
        contact: String,
        /// What became of it.
        state: NotificationState,
        /// How often it was tried.
        attempts: i32,
        /// Why the last attempt failed, or why there was none; null when there is nothing to say.
        last_error: Option<String>,
        /// When it is tried next.
        next_attempt_at: DateTime<Utc>,
        /// When its state became final.
        settled_at: Option<DateTime<Utc>>,
        /// When the limit was reached.
        created_at: DateTime<Utc>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant of the limit.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// What became of it.
    pub static STATE: Key = Key::new("t.state", Kind::Text);
    /// When the limit was reached.
    pub static CREATED_AT: Key = Key::new("t.created_at", Kind::Time);
}

/// Those of a limit.
pub const UNDER_LIMIT: Under =
    Under::own("limit_notification t WHERE t.root_id = k.root_id AND t.sla_limit_id = k.id");

/// A message whose turn a replica has.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    root_id: Uuid,
    /// That of the record.
    pub(crate) id: Uuid,
    pub(crate) contact: String,
    pub(crate) project: String,
    /// The limit, as it was reached.
    pub(crate) hours: i32,
    pub(crate) period: TimePeriod,
    /// The day on which the period began, in the tenant's zone.
    pub(crate) since: NaiveDate,
    pub(crate) categories: Vec<String>,
    pub(crate) reached_at: DateTime<Utc>,
    /// How often it was tried, this time included.
    pub(crate) attempts: i32,
    lease: Uuid,
}

/// Takes the turn of a message that is due, of the root whose last one was tried the longest ago: none waits for what
/// another has heaped up. What was put to sleep meanwhile is not sent (rule L3), nor what was retracted (rule X14) and not
/// recorded anew since: of a message that was being sent just then, the key stays that of the first record.
pub(crate) async fn take(conn: &Conn, lease: Duration) -> Result<Option<Letter>, Error> {
    conn.rows(Sql::new(
        "UPDATE limit_notification n SET state = 'suppressed', settled_at = now(), lease_id = NULL, leased_until = NULL, \
           last_error = \
           CASE WHEN k.breach_id IS NULL THEN 'the record was retracted, since the time logged was corrected' \
           ELSE 'the limit was deactivated until its next period' END \
         FROM limit_notification o JOIN sla_limit s ON s.root_id = o.root_id AND s.id = o.sla_limit_id \
         LEFT JOIN breach_key k ON k.root_id = o.root_id AND k.subject_id = o.sla_limit_id AND k.kind = 'limit' \
           AND k.phase = 'breached' AND k.due_at = o.period_start AND k.time_period IN (o.time_period, '') \
         WHERE n.root_id = o.root_id AND n.id = o.id AND n.state = 'pending' AND n.next_attempt_at <= now() \
         AND (n.leased_until IS NULL OR n.leased_until < now()) AND (s.deactivated_until > now() OR k.breach_id IS NULL)",
    ))
    .await?;
    // Roots are found by steps through the index, since there are few of them among many messages.
    let mut sql = Sql::new(
        "WITH RECURSIVE root (id) AS ( \
           (SELECT n.root_id FROM limit_notification n WHERE n.state = 'pending' ORDER BY n.root_id LIMIT 1) \
           UNION ALL SELECT (SELECT n.root_id FROM limit_notification n WHERE n.state = 'pending' \
             AND n.root_id > root.id ORDER BY n.root_id LIMIT 1) FROM root WHERE root.id IS NOT NULL), \
         due AS MATERIALIZED (SELECT first.root_id, first.id FROM root CROSS JOIN LATERAL ( \
             SELECT n.root_id, n.id, n.next_attempt_at FROM limit_notification n WHERE n.root_id = root.id \
               AND n.state = 'pending' AND n.next_attempt_at <= now() AND (n.leased_until IS NULL OR n.leased_until < now()) \
             ORDER BY n.next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED) first \
           ORDER BY (SELECT max(t.last_attempt_at) FROM limit_notification t WHERE t.root_id = first.root_id) NULLS FIRST, \
             first.next_attempt_at LIMIT 1) \
         UPDATE limit_notification n SET lease_id = uuid_v7(), attempts = n.attempts + 1, last_attempt_at = now(), \
         first_attempt_at = coalesce(n.first_attempt_at, now()), leased_until = now() + ",
    );
    sql.bind(interval(lease)).push(
        "::text::interval FROM due JOIN limit_notification o ON o.root_id = due.root_id AND o.id = due.id \
         JOIN sla_limit s ON s.root_id = o.root_id AND s.id = o.sla_limit_id \
         JOIN project p ON p.root_id = s.root_id AND p.id = s.project_id \
         JOIN tenant z ON z.root_id = s.root_id AND z.id = s.tenant_id \
         WHERE n.root_id = due.root_id AND n.id = due.id \
         RETURNING n.root_id, n.id, n.contact, p.name, n.hours, n.time_period, n.period_start, z.time_zone, n.categories, \
           n.created_at, n.attempts, n.lease_id",
    );
    let rows = conn.rows(sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (began, zone) = (column::<Timestamptz, DateTime<Utc>>(row, 6)?, column::<Text, String>(row, 7)?);
    // Not by the database, which may know fewer zones: for one that it does not know nobody would be told of anything.
    let zone = zone.parse().unwrap_or(chrono_tz::UTC);
    Ok(Some(Letter {
        root_id: column::<SqlUuid, _>(row, 0)?,
        id: column::<SqlUuid, _>(row, 1)?,
        contact: column::<Text, _>(row, 2)?,
        project: column::<Text, _>(row, 3)?,
        hours: column::<Integer, _>(row, 4)?,
        period: column::<Text, _>(row, 5)?,
        since: began.with_timezone(&zone).date_naive(),
        categories: column::<diesel::sql_types::Array<Text>, _>(row, 8)?,
        reached_at: column::<Timestamptz, _>(row, 9)?,
        attempts: column::<Integer, _>(row, 10)?,
        lease: column::<SqlUuid, _>(row, 11)?,
    }))
}

fn interval(time: Duration) -> Bind {
    Bind::Text(format!("{} milliseconds", time.as_millis()))
}

impl Letter {
    /// Keeps that it was sent.
    pub(crate) async fn sent(&self, conn: &Conn) -> Result<(), Error> {
        let mut sql = Sql::new(
            "UPDATE limit_notification n SET state = 'sent', settled_at = now(), last_error = NULL, lease_id = NULL, \
             leased_until = NULL",
        );
        self.held(&mut sql);
        conn.rows(sql).await.map(drop)
    }

    /// Keeps that it was not sent, and when the next attempt is due; never again where there is no use in that, or when
    /// it has been tried for as long as `patience`, and then says true.
    pub(crate) async fn failed(
        &self,
        conn: &Conn,
        reason: &str,
        (rest, patience): (Duration, Duration),
        useless: bool,
    ) -> Result<bool, Error> {
        let mut sql = Sql::new("UPDATE limit_notification n SET last_error = ");
        sql.bind(Bind::Text(reason.chars().take(500).collect()));
        sql.push(", lease_id = NULL, leased_until = NULL, next_attempt_at = now() + ").bind(interval(rest));
        sql.push("::text::interval");
        let over = |sql: &mut Sql, then: &'static str| {
            sql.push(" = CASE WHEN ")
                .bind(Bind::Bool(useless))
                .push("::boolean OR n.first_attempt_at <= now() - ");
            sql.bind(interval(patience)).push("::text::interval THEN ").push(then).push(" END");
        };
        sql.push(", state");
        over(&mut sql, "'failed' ELSE n.state");
        sql.push(", settled_at");
        over(&mut sql, "now()");
        self.held(&mut sql);
        sql.push(" RETURNING n.state = 'failed'");
        let rows = conn.rows(sql).await?;
        Ok(rows.first().map(|row| column::<Bool, bool>(row, 0)).transpose()?.unwrap_or(false))
    }

    fn held(&self, sql: &mut Sql) {
        sql.push(" WHERE n.root_id = ").bind(Bind::Uuid(self.root_id)).push(" AND n.id = ");
        sql.bind(Bind::Uuid(self.id)).push(" AND n.lease_id = ").bind(Bind::Uuid(self.lease));
    }
}

/// Keeps of what waits that there is no mail server to send it by; of how many. Another replica may have one: what it has
/// not tried for `rest`, and sends nothing of, is left, and what it gave no news of for `patience`.
pub(crate) async fn leave(conn: &Conn, (rest, patience): (Duration, Duration)) -> Result<usize, Error> {
    let mut sql = Sql::new(
        "UPDATE limit_notification n SET state = 'not_configured', settled_at = now(), \
         last_error = 'the gateway has no mail server' WHERE n.state = 'pending' \
         AND (n.first_attempt_at IS NULL AND n.created_at <= now() - ",
    );
    sql.bind(interval(rest)).push(
        "::text::interval AND NOT EXISTS (SELECT FROM limit_notification t WHERE t.leased_until > now() \
         OR t.last_attempt_at > now() - ",
    );
    sql.bind(interval(rest)).push(
        "::text::interval) OR n.first_attempt_at IS NOT NULL AND coalesce(n.last_attempt_at, n.first_attempt_at) <= now() - ",
    );
    sql.bind(interval(patience)).push("::text::interval) RETURNING 1");
    Ok(conn.rows(sql).await?.len())
}
