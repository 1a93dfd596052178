//! The schema of the store: what is missing in a database, and how it gets there.

use std::collections::HashSet;
use std::fmt;

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::sql_types::{Bool, Integer, Text};
use diesel::{Connection, ConnectionError};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
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
    let mut connection = opened(url).await?;
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
    let connection = opened(url).await?;
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

/// Makes a mistake, and keeps what the server says of it.
const MISTAKE: &str = "DO $$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN
    PERFORM set_config('sla_gateway.mistake', SQLERRM, false); END $$";

/// What it says where it speaks English.
const ENGLISH: &str = "division by zero";

/// A connection to a database that suits the store.
async fn opened(url: &str) -> Result<AsyncPgConnection, Error> {
    let mut connection = connect(url).await?;
    connection.batch_execute(MISTAKE).await?;
    let server: Server = diesel::sql_query(
        "SELECT current_setting('server_version_num')::int AS version, current_setting('sla_gateway.mistake') AS mistake, \
         pg_encoding_to_char(encoding)::text AS encoding, lower('Ä') = 'ä' AS cases, \
         'Z'::text < 'a' AS code_points FROM pg_database WHERE datname = current_database()",
    )
    .get_result(&mut connection)
    .await?;
    server.suits()?;
    Ok(connection)
}

/// What the store rests on, of a server and its database.
#[derive(diesel::QueryableByName)]
struct Server {
    /// As 150002.
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    mistake: String,
    #[diesel(sql_type = Text)]
    encoding: String,
    /// Whether it knows that of letters beyond ASCII.
    #[diesel(sql_type = Bool)]
    cases: bool,
    /// Whether texts are in the order of their code points.
    #[diesel(sql_type = Bool)]
    code_points: bool,
}

impl Server {
    /// Refuses a server that is too old or whose messages we would not understand, and a database that cannot hold every
    /// text; warns of one that does not know the case of every letter (rule S11), or sorts by the rules of a language.
    fn suits(&self) -> Result<(), Error> {
        if self.version < 150_000 {
            let version = self.version / 10_000;
            return Err(Error(format!("the server is Postgres {version}; Postgres 15 or newer is needed")));
        }
        // What became of a statement, as whether it is to be tried again, is known by these words alone.
        if self.mistake != ENGLISH {
            return Err(Error(format!(
                "the server speaks another language than English (\"{}\"), so that what it says is not understood; have a \
                 superuser say: ALTER ROLE … SET lc_messages = 'C', with the role of the URL",
                self.mistake
            )));
        }
        if self.encoding != "UTF8" {
            return Err(Error(format!(
                "the database has the encoding {}, which cannot hold every text; create it with ENCODING 'UTF8' TEMPLATE template0",
                self.encoding
            )));
        }
        if !self.cases {
            tracing::warn!(
                "the database knows the case of no letter beyond ASCII, so that names like Ärger and ärger are different; \
                 create it with LC_CTYPE 'C.UTF-8' TEMPLATE template0"
            );
        }
        if !self.code_points {
            tracing::warn!(
                "the database sorts by the rules of a language, so that names are in another order than documented, and may be \
                 out of order after an upgrade of the system; create it with LC_COLLATE 'C' TEMPLATE template0"
            );
        }
        Ok(())
    }
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
        } else if cause == "deadlock detected" {
            "; somebody was in the way: try again"
        } else {
            ""
        };
        Self(format!("the store could not be migrated, and is as it was: {cause}{hint}"))
    }
}
