//! Databases for tests: one private server for the whole run, one migrated template, a copy of it per test.
//!
//! A database per test, not a schema: LISTEN/NOTIFY is per database, and parallel tests must not hear each other.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use sla_gateway::postgres::Postgres;
use sla_gateway::sample;
use tokio::runtime::Builder;
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;

/// A database of one test's own, migrated and empty; gone when this is dropped.
pub(crate) struct Database {
    name: String,
    pub(crate) url: String,
}

impl Database {
    /// A copy of the migrated template.
    pub(crate) async fn new() -> Self {
        Self::copy_of("migrated").await
    }

    /// A copy of a template that holds the sample. Its present is the first Wednesday afternoon that is at least a day
    /// ahead: nothing falls due while a test runs, and whenever that is the sample is the same, in its hour of the week.
    /// What depends on the moment of asking, such as a clock that runs, is of the present of the test.
    pub(crate) async fn sampled() -> Self {
        static TEMPLATE: OnceCell<()> = OnceCell::const_new();
        TEMPLATE
            .get_or_init(|| async {
                let server = server();
                server.run("DROP DATABASE IF EXISTS sampled".into()).await;
                server.run("CREATE DATABASE sampled TEMPLATE migrated".into()).await;
                let mut client = connect(&server.postgres.url("sampled")).await;
                let wednesday = "date_trunc('week', now() + '5 days 9 hours', 'UTC') + '2 days 15 hours'";
                let wednesday = format!(
                    "SELECT to_char(({wednesday}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
                );
                let wednesday: String = client.query_one(&wednesday, &[]).await.unwrap().get(0);
                sample::load(&mut client, wednesday.parse().unwrap(), &|_, _, _| ()).await.unwrap();
            })
            .await;
        Self::copy_of("sampled").await
    }

    /// A database in which no migration has run.
    pub(crate) async fn unmigrated() -> Self {
        Self::copy_of("template0").await
    }

    /// The same in an encoding other than UTF-8.
    pub(crate) async fn encoded(encoding: &str) -> Self {
        Self::made(&format!("ENCODING '{encoding}' LC_CTYPE 'C'")).await
    }

    /// The same with other options.
    pub(crate) async fn made(options: &str) -> Self {
        Self::copy_of(&format!("template0 {options}")).await
    }

    async fn copy_of(template: &str) -> Self {
        let server = server();
        let name = format!("test_{}", server.made.fetch_add(1, Ordering::Relaxed));
        server.run(format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        let url = server.postgres.url(&name);
        Self { name, url }
    }

    /// Throws everybody out and lets nobody in, or lets them in again.
    pub(crate) async fn admit(&self, anybody: bool) {
        let server = server();
        server.run(format!("ALTER DATABASE {} ALLOW_CONNECTIONS {anybody}", self.name)).await;
        if !anybody {
            let everybody = format!("FROM pg_stat_activity WHERE datname = '{}'", self.name);
            server.run(format!("SELECT pg_terminate_backend(pid) {everybody}")).await;
        }
    }

    /// Waits until a statement waits for what another has locked.
    pub(crate) async fn waited_for(&self) {
        let (client, begun) = (self.client().await, Instant::now());
        let waiting =
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while client.query(waiting, &[]).await.unwrap().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(30), "nothing waits for a lock");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A plain client, for statements that are the test's own.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        connect(&self.url).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Nobody waits for it: what is left at the end goes with the server.
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let _ = server().statements.send((statement, oneshot::channel().0));
    }
}

/// The server lives as long as the test process, however that ends.
struct Server {
    postgres: Postgres,
    statements: mpsc::UnboundedSender<(String, oneshot::Sender<()>)>,
    made: AtomicU32,
}

impl Server {
    async fn run(&self, statement: String) {
        let (done, ran) = oneshot::channel();
        self.statements.send((statement, done)).expect("the administrator's thread runs");
        ran.await.expect("the administrator's statement succeeds");
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let postgres = Postgres::start_ephemeral(None, &[]).expect("a private Postgres starts");
        let administration = postgres.url("postgres");
        let template = postgres.url("migrated");
        let (statements, mut queue) = mpsc::unbounded_channel::<(String, oneshot::Sender<()>)>();
        let (ready, prepared) = std::sync::mpsc::channel();
        // Each test has a runtime of its own that ends with it; this connection outlives them all.
        thread::spawn(move || {
            Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(async {
                let client = connect(&administration).await;
                client.batch_execute("CREATE DATABASE migrated TEMPLATE template0").await.unwrap();
                migrate(&template).await;
                // A template with a connection open cannot be copied.
                client.batch_execute("ALTER DATABASE migrated ALLOW_CONNECTIONS false").await.unwrap();
                ready.send(()).unwrap();
                while let Some((statement, done)) = queue.recv().await {
                    client.batch_execute(&statement).await.expect(&statement);
                    let _ = done.send(());
                }
            });
        });
        prepared.recv().expect("the template database is migrated");
        Server { postgres, statements, made: AtomicU32::new(0) }
    })
}

/// Runs all pending migrations of the directory.
pub(crate) async fn migrate(url: &str) {
    migrations(url, |harness, migrations| harness.run_pending_migrations(migrations).map(drop)).await;
}

/// Reverts all migrations, newest first.
pub(crate) async fn revert(url: &str) {
    migrations(url, |harness, migrations| harness.revert_all_migrations(migrations).map(drop)).await;
}

async fn migrations(
    url: &str,
    work: impl FnOnce(
        &mut AsyncMigrationHarness<AsyncPgConnection>,
        FileBasedMigrations,
    ) -> diesel::migration::Result<()>,
) {
    // Read from the directory, not from the binary: a new migration needs no new build.
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let migrations = FileBasedMigrations::from_path(directory).unwrap();
    assert!(!MigrationSource::<Pg>::migrations(&migrations).unwrap().is_empty());
    let connection = AsyncPgConnection::establish(url).await.unwrap();
    work(&mut AsyncMigrationHarness::new(connection), migrations).unwrap();
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
