//! The schema of the store: what is missing in a database, and how it gets there.

use std::collections::HashSet;
use std::fmt;

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::sql_types::{Bool, Text};
use diesel::{Connection, ConnectionError};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::task::spawn_blocking;

use super::connect::connect;

/// The migrations, part of the binary.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// One gateway migrates at a time; the number is any that nothing else takes.
const LOCK: &str = "SELECT pg_advisory_xact_lock(5120614)";

/// The names of the migrations that the database of `url` lacks, in order. Changes nothing.
///
/// # Errors
/// When the database cannot be reached or refuses to say.
pub async fn missing(url: &str) -> Result<Vec<String>, Error> {
    let mut connection = connect(url).await?;
    let begun: Exists =
        diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS exists")
            .get_result(&mut connection)
            .await?;
    let applied: Vec<Version> = if begun.exists {
        diesel::sql_query("SELECT version::text FROM __diesel_schema_migrations")
            .load(&mut connection)
            .await?
    } else {
        Vec::new()
    };
    let applied: HashSet<String> = applied.into_iter().map(|applied| applied.version).collect();
    let mut missing = MigrationSource::<Pg>::migrations(&MIGRATIONS)?;
    missing.retain(|migration| !applied.contains(&migration.name().version().to_string()));
    missing.sort_unstable_by(|one, other| one.name().version().cmp(&other.name().version()));
    Ok(missing.iter().map(|migration| migration.name().to_string()).collect())
}

/// Runs the missing migrations, all or none of them, and answers their names. Whoever else migrates meanwhile waits.
///
/// # Errors
/// When the database cannot be reached, or refuses a migration; then nothing has changed.
pub async fn run(url: &str) -> Result<Vec<String>, Error> {
    let connection = connect(url).await?;
    // Diesel's migrations are not async; the wrapper blocks this thread, which is made for that.
    let ran = spawn_blocking(move || {
        let mut connection = AsyncConnectionWrapper::<AsyncPgConnection>::from(connection);
        connection.transaction(|connection| {
            diesel::RunQueryDsl::execute(diesel::sql_query(LOCK), connection)?;
            let mut ran = Vec::new();
            for migration in MigrationHarness::<Pg>::pending_migrations(connection, MIGRATIONS)? {
                tracing::info!(name = %migration.name(), "migrating the store");
                connection.run_migration(&migration)?;
                ran.push(migration.name().to_string());
            }
            Ok::<_, Error>(ran)
        })
    });
    ran.await.map_err(|cause| Error(cause.to_string()))?
}

#[derive(diesel::QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    exists: bool,
}

#[derive(diesel::QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Why the schema could not be looked at or changed, in a sentence.
#[derive(Debug)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<ConnectionError> for Error {
    fn from(cause: ConnectionError) -> Self {
        Self(cause.to_string())
    }
}

impl From<diesel::result::Error> for Error {
    fn from(cause: diesel::result::Error) -> Self {
        Self(format!("the database refuses: {cause}"))
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for Error {
    fn from(cause: Box<dyn std::error::Error + Send + Sync>) -> Self {
        let cause = cause.to_string();
        let hint = if cause.starts_with("permission denied for schema") {
            "; the role must own the database (ALTER DATABASE … OWNER TO …) or be granted CREATE in the schema"
        } else {
            ""
        };
        Self(format!("the store could not be migrated, and is as it was: {cause}{hint}"))
    }
}
