//! Partitions made ahead of need: months of what is keyed by time, ranges of positions of the log.
//!
//! Every partitioned table has a default partition, so a row is never refused for want of one; a range of which
//! the default already holds rows is left to it.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use diesel::result::{DatabaseErrorKind, Error as Failure};
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};

use super::noun::column;
use super::rows;
use super::sql::{Bind, Sql};
use crate::error::Error;

/// The tables whose keys begin with the time.
const MONTHLY: [&str; 2] = ["breach", "audit_entry"];

/// How many months after the present one are made ready.
const MONTHS_AHEAD: u32 = 2;

/// How many positions of the log lie in one partition.
const POSITIONS: i64 = 10_000_000;

/// How many positions are forgotten by one statement.
const FORGOTTEN: i64 = 10_000;

/// How many ranges after the present one are made ready: more than are filled in a day.
const RANGES_AHEAD: i64 = 2;

/// A partition that there should be.
struct Wanted {
    table: &'static str,
    name: String,
    column: &'static str,
    from: String,
    to: String,
}

/// Makes the partitions of the near future that are missing, and says how many it made. Any replica may call it at
/// any time: one at a time does the work, the others find nothing to do.
pub(crate) async fn prepare(conn: &mut AsyncPgConnection) -> Result<usize, Error> {
    let told = rows(
        conn,
        Sql::new("SELECT now(), (SELECT pos FROM breach_log_head WHERE shard = 0), current_schema()::text"),
    )
    .await?;
    let row = told.first().ok_or_else(|| Error::internal("the database told no time"))?;
    let now: DateTime<Utc> = column::<Timestamptz, _>(row, 0)?;
    let pos: i64 = column::<BigInt, _>(row, 1)?;
    let schema: String = column::<Text, _>(row, 2)?;
    let mut made = 0;
    for wanted in months(now)?.into_iter().chain(ranges(pos)) {
        // Before the transaction: whoever holds the default and waits for the table stops, for a deadlock, who locks the
        // whole table meanwhile.
        if occupied(conn, &wanted).await? {
            continue;
        }
        // One transaction each: the locks of one are not kept while the next waits for its own.
        let outcome = conn
            .transaction(async |conn| {
                if exists(conn, &schema, &wanted).await? {
                    return Ok(false);
                }
                create(conn, &wanted).await.map(|()| true)
            })
            .await;
        match outcome {
            Ok(created) => made += usize::from(created),
            // A row of the range reached the default partition in this very moment.
            Err(Failure::DatabaseError(DatabaseErrorKind::CheckViolation, _)) => {}
            Err(cause) => return Err(cause.into()),
        }
    }
    Ok(made)
}

/// Forgets the positions of the log that were given out more than `months` ago, and says how many. Readers are told
/// first: a cursor from before has expired. Then whole ranges go with their partition, and what is left of a range that
/// is still needed goes row by row; what a call did not get to, since it was interrupted or others held the table, is
/// left to the next.
pub(crate) async fn forget(conn: &mut AsyncPgConnection, months: u32) -> Result<i64, Error> {
    let mut sql = Sql::new(
        "WITH kept AS MATERIALIZED (SELECT h.low_pos AS low, coalesce((SELECT l.pos - 1 FROM breach_log l \
           WHERE l.shard = 0 AND l.pos > h.low_pos AND l.published_at >= now() - ",
    );
    sql.bind(Bind::Text(format!("{months} months"))).push(
        "::text::interval ORDER BY l.pos LIMIT 1), h.pos) AS upto FROM breach_log_head h WHERE h.shard = 0) \
         UPDATE breach_log_head h SET low_pos = greatest(h.low_pos, kept.upto) FROM kept WHERE h.shard = 0 \
         RETURNING h.low_pos - kept.low, h.low_pos",
    );
    let told = rows(conn, sql).await?;
    let row = told.first().ok_or_else(|| Error::internal("the log has no head"))?;
    let (forgotten, low): (i64, i64) = (column::<BigInt, _>(row, 0)?, column::<BigInt, _>(row, 1)?);
    let ranges = rows(
        conn,
        Sql::new(
            "SELECT substr(c.relname, 12)::bigint FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
             WHERE i.inhparent = 'breach_log'::regclass AND c.relname ~ '^breach_log_[0-9]+$' ORDER BY 1",
        ),
    )
    .await?;
    for row in &ranges {
        let number: i64 = column::<BigInt, _>(row, 0)?;
        if (number + 1) * POSITIONS <= low + 1 {
            conn.batch_execute(&format!("SET lock_timeout = '2s'; DROP TABLE IF EXISTS breach_log_{number}"))
                .await?;
        }
    }
    loop {
        // No more at once than others can wait for.
        let mut sql = Sql::new("DELETE FROM breach_log WHERE shard = 0 AND pos <= ");
        sql.bind(Bind::Long(low)).push(" AND pos IN (SELECT pos FROM breach_log WHERE shard = 0 AND pos <= ");
        sql.bind(Bind::Long(low))
            .push(" ORDER BY pos LIMIT ")
            .bind(Bind::Long(FORGOTTEN))
            .push(") RETURNING 1");
        if rows(conn, sql).await?.is_empty() {
            return Ok(forgotten);
        }
    }
}

async fn exists(conn: &mut AsyncPgConnection, schema: &str, wanted: &Wanted) -> Result<bool, Failure> {
    // Waited for, and held to the end of the transaction: a rival that made it meanwhile is seen.
    let mut lock = Sql::new("SELECT pg_advisory_xact_lock(4713, hashtext(");
    lock.bind(Bind::Text(wanted.name.clone())).push("))::text");
    rows(conn, lock).await?;
    let mut sql = Sql::new("SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = ");
    sql.bind(Bind::Text(schema.to_owned())).push(" AND tablename = ");
    sql.bind(Bind::Text(wanted.name.clone())).push(")");
    truth(conn, sql).await
}

async fn occupied(conn: &mut AsyncPgConnection, wanted: &Wanted) -> Result<bool, Failure> {
    let Wanted { table, column, from, to, .. } = wanted;
    let mut sql = Sql::default();
    sql.made(format!(
        "SELECT EXISTS (SELECT FROM {table}_default WHERE {column} >= '{from}' AND {column} < '{to}')"
    ));
    truth(conn, sql).await
}

async fn create(conn: &mut AsyncPgConnection, wanted: &Wanted) -> Result<(), Failure> {
    let Wanted { table, name, from, to, .. } = wanted;
    // The table is locked for the moment it takes; a writer that holds it longer wins, and tomorrow is a day too.
    conn.batch_execute(&format!(
        "SET LOCAL lock_timeout = '2s'; CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{from}') TO ('{to}')"
    ))
    .await
}

async fn truth(conn: &mut AsyncPgConnection, sql: Sql) -> Result<bool, Failure> {
    rows(conn, sql).await?.first().map_or(Ok(false), |row| column::<Bool, bool>(row, 0))
}

fn months(now: DateTime<Utc>) -> Result<Vec<Wanted>, Error> {
    let mut wanted = Vec::new();
    for ahead in 0..=MONTHS_AHEAD {
        let first = month(now, ahead).ok_or_else(|| Error::internal("the calendar has no such month"))?;
        let next = month(now, ahead + 1).ok_or_else(|| Error::internal("the calendar has no such month"))?;
        wanted.extend(MONTHLY.map(|table| Wanted {
            table,
            name: format!("{table}_{}_{:02}", first.year(), first.month()),
            column: "id",
            from: least_key(first),
            to: least_key(next),
        }));
    }
    Ok(wanted)
}

fn month(now: DateTime<Utc>, ahead: u32) -> Option<NaiveDate> {
    now.date_naive().with_day(1)?.checked_add_months(Months::new(ahead))
}

/// No UUIDv7 made on this day or later sorts before it: its first 48 bits are the milliseconds since 1970.
fn least_key(day: NaiveDate) -> String {
    let millis = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
    uuid::Uuid::from_u128((millis.max(0).unsigned_abs() as u128) << 80).to_string()
}

fn ranges(pos: i64) -> impl Iterator<Item = Wanted> {
    (0..=RANGES_AHEAD).map(move |ahead| {
        let number = pos / POSITIONS + ahead;
        Wanted {
            table: "breach_log",
            name: format!("breach_log_{number}"),
            column: "pos",
            from: (number * POSITIONS).to_string(),
            to: ((number + 1) * POSITIONS).to_string(),
        }
    })
}
