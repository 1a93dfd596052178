//! The sample: the worlds that the five seeds describe, with sixty days of history that end now, and targets that
//! fall due in the minutes to come; and a store of any size for measuring.
//!
//! Both write whole rows, as a copy from another system would: history is loaded, not lived through. What follows
//! from history (targets, breaches, deadlines) is computed by [`crate::clock`]. The same `now` gives the same rows,
//! keys included; objects that a seed shows have keys that do not depend on `now` at all.

mod chats;
mod copy;
mod history;
mod itrp;
mod limits;
mod queues;
mod random;
mod rows;
mod scale;
mod shelf;
mod slas;
mod tickets;
mod widget;
mod world;

use std::fmt;

use chrono::{DateTime, SubsecRound, Utc};
use tokio_postgres::Client;

use crate::store::promise;
pub use scale::scale;
use world::World;

/// Is told how a load proceeds: what is being loaded, and how many of how many rows or steps are done.
pub type Progress<'a> = &'a (dyn Fn(&str, u64, u64) + Send + Sync);

/// What a load did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// False when everything was there already, and nothing was changed.
    pub loaded: bool,
    /// How many rows each table got, in the order in which they were filled.
    pub rows: Vec<(&'static str, u64)>,
}

/// Why nothing was loaded.
#[derive(Debug)]
pub enum Error {
    /// The database failed or refused; it holds what it held before.
    Database(tokio_postgres::Error),
    /// The scale asked for is not between 0.01 and 100.
    Scale,
    /// The sample contradicts itself: a fault of ours.
    Sample(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(cause) => {
                let said = cause.as_db_error().map_or_else(|| cause.to_string(), ToString::to_string);
                write!(f, "the sample could not be loaded: {said}")
            }
            Self::Scale => write!(f, "the scale must be between 0.01 and 100; 1 is 500 000 requests"),
            Self::Sample(cause) => write!(f, "the sample contradicts itself: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<tokio_postgres::Error> for Error {
    fn from(cause: tokio_postgres::Error) -> Self {
        Self::Database(cause)
    }
}

/// Loads the small worlds into a migrated database, in one transaction. Does nothing when they are there.
///
/// # Errors
/// When the database fails or is not migrated; then nothing was loaded.
pub async fn load(client: &mut Client, now: DateTime<Utc>, progress: Progress<'_>) -> Result<Summary, Error> {
    let now = now.trunc_subsecs(6);
    let transaction = client.transaction().await?;
    // Taken first: two loads at once wait for each other here, and so does whoever appends to the log.
    let head = "SELECT pos FROM breach_log_head WHERE shard = 0 FOR UPDATE";
    let head: i64 = transaction.query_one(head, &[]).await?.get(0);
    let there = "SELECT EXISTS (SELECT FROM tenant WHERE root_id = $1::text::uuid)";
    if transaction.query_one(there, &[&widget::root().id.to_string()]).await?.get(0) {
        return Ok(Summary { loaded: false, rows: Vec::new() });
    }

    let mut world = World::new(now);
    widget::add(&mut world)?;
    itrp::add(&mut world)?;
    queues::add(&mut world);
    chats::add(&mut world);
    limits::add(&mut world)?;
    let head = world.publish(head);

    let rows = world.rows.insert(&transaction, progress).await?;
    for (root, tenant, sla) in &world.defaults {
        let set = "UPDATE tenant SET default_sla_id = $3::text::uuid \
                   WHERE root_id = $1::text::uuid AND id = $2::text::uuid";
        transaction.execute(set, &[&root.to_string(), &tenant.to_string(), &sla.to_string()]).await?;
    }
    transaction.execute(&promise::remember_all(), &[&now.to_rfc3339()]).await?;
    transaction.execute("UPDATE breach_log_head SET pos = $1 WHERE shard = 0", &[&head]).await?;
    transaction.commit().await?;
    // Of the server's own tables, it would be told of each that only a superuser may analyze them.
    client.batch_execute("SET client_min_messages = error; ANALYZE; RESET client_min_messages").await?;
    Ok(Summary { loaded: true, rows })
}
