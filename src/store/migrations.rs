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

/// How long a migration waits for a table that somebody holds, such as a dump: whoever comes after it waits behind it.
const PATIENCE: &str = "SET LOCAL lock_timeout = '3s'";

/// The names of the migrations that the database of `url` lacks, in order. Changes nothing.
///
/// # Errors
/// When the database cannot be reached or refuses to say.
pub async fn missing(url: &str) -> Result<Vec<String>, Error> {
    let mut connection = connect(url).await?;
    let applied: Vec<Version> = if begun(&mut connection).await? {
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
    let mut connection = connect(url).await?;
    if !begun(&mut connection).await? {
        suits(&mut connection).await?;
    }
    // Diesel's migrations are not async; the wrapper blocks this thread, which is made for that.
    let ran = spawn_blocking(move || {
        let mut connection = AsyncConnectionWrapper::<AsyncPgConnection>::from(connection);
        connection.transaction(|connection| {
            diesel::RunQueryDsl::execute(diesel::sql_query(LOCK), connection)?;
            diesel::RunQueryDsl::execute(diesel::sql_query(PATIENCE), connection)?;
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

/// Whether any migration ran in a database.
async fn begun(connection: &mut AsyncPgConnection) -> Result<bool, Error> {
    let begun: Exists =
        diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS exists")
            .get_result(connection)
            .await?;
    Ok(begun.exists)
}

/// Refuses a database that cannot hold every text, and warns of one that does not know the case of every letter (rule S11).
async fn suits(connection: &mut AsyncPgConnection) -> Result<(), Error> {
    let texts: Texts = diesel::sql_query(
        "SELECT pg_encoding_to_char(encoding)::text AS encoding, lower('Ä') = 'ä' AS cases \
         FROM pg_database WHERE datname = current_database()",
    )
    .get_result(connection)
    .await?;
    if texts.encoding != "UTF8" {
        return Err(Error(format!(
            "the database has the encoding {}, which cannot hold every text; create it with ENCODING 'UTF8' TEMPLATE template0",
            texts.encoding
        )));
    }
    if !texts.cases {
        tracing::warn!(
            "the database knows the case of no letter beyond ASCII, so that names like Ärger and ärger are different; \
             create it with LC_CTYPE 'C.UTF-8' TEMPLATE template0"
        );
    }
    Ok(())
}

#[derive(diesel::QueryableByName)]
struct Texts {
    #[diesel(sql_type = Text)]
    encoding: String,
    #[diesel(sql_type = Bool)]
    cases: bool,
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
        let cause = cause.to_string();
        let hint = if cause.starts_with("prepared statement") {
            "; a pooler in between must give each client a session (pgbouncer: pool_mode = session)"
        } else {
            ""
        };
        Self(format!("the database refuses: {cause}{hint}"))
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for Error {
    fn from(cause: Box<dyn std::error::Error + Send + Sync>) -> Self {
        let cause = cause.to_string();
        let hint = if cause.starts_with("permission denied for schema") {
            "; the role must own the database (ALTER DATABASE … OWNER TO …) or be granted CREATE in the schema"
        } else if cause.ends_with("due to lock timeout") {
            "; somebody holds a table for long, such as a dump: try again when they are done"
        } else {
            ""
        };
        Self(format!("the store could not be migrated, and is as it was: {cause}{hint}"))
    }
}
