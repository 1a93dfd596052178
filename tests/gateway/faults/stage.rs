//! What faults are done to: a durable Postgres at an address that outlives it, and replicas that are processes.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use sla_gateway::access::token::Key;
use sla_gateway::postgres::Postgres;
use sla_gateway::store::migrations;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::breaches::{self, ROOT, SLA};
use crate::postgres::data_directory;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const LOGIN: &str = "board@example.com";

/// Where the library lies that gives a process another clock.
const FAKETIME: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

pub(super) struct Stage {
    data: TempDir,
    postgres: Option<Postgres>,
    pub(super) url: String,
    client: Client,
}

/// What was recorded of what was due.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) recorded: i64,
    pub(super) lost: i64,
    pub(super) twice: i64,
    /// Recorded before its time was over.
    pub(super) early: i64,
    pub(super) late: Late,
}

/// How long after its time a record was written, in milliseconds.
#[derive(Debug)]
pub(super) struct Late {
    p50: i64,
    p99: i64,
    pub(super) max: i64,
}

impl fmt::Display for Late {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} / {} / {} ms", self.p50, self.p99, self.max)
    }
}

impl Stage {
    pub(super) async fn open() -> Self {
        let data = data_directory();
        let postgres = start(data.path()).await;
        // The socket of a server that was started again lies elsewhere; clients are told of a door that stays.
        let door = data.path().join("door");
        lead(&door, &postgres);
        let host = door.display().to_string().replace('/', "%2F");
        let url = format!("postgres://postgres@{host}/postgres");
        migrations::run(&url).await.unwrap();
        let client = connect(&url).await;
        client.batch_execute(&breaches::setting()).await.unwrap();
        let rights = format!(
            "INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login)
             VALUES ('{ROOT}', '{ROOT}', '{ROOT}', 'Wall', 'Board', '{LOGIN}');
             INSERT INTO role (root_id, id, tenant_id, name, permissions)
             VALUES ('{ROOT}', '{ROOT}', '{ROOT}', 'board', ARRAY['breaches:read', 'slas:read', 'affected-slas:read']);
             INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id) VALUES ('{ROOT}', '{ROOT}', '{ROOT}', '{ROOT}', '{ROOT}')"
        );
        client.batch_execute(&rights).await.unwrap();
        Self { data, postgres: Some(postgres), url, client }
    }

    /// A token of whoever watches the board.
    pub(super) fn token(&self) -> String {
        let now = DateTime::UNIX_EPOCH + std::time::UNIX_EPOCH.elapsed().unwrap();
        Key::from_secret(SECRET).unwrap().issue(LOGIN, now, TimeDelta::hours(1)).unwrap()
    }

    /// Starts a replica, on the port of one that was killed or on another.
    pub(super) fn replica(&self, port: Option<u16>) -> Replica {
        self.spawn(port, None)
    }

    pub(super) fn replica_with_clock(&self, offset: &str) -> Replica {
        self.spawn(None, Some(offset))
    }

    fn spawn(&self, port: Option<u16>, clock: Option<&str>) -> Replica {
        let port =
            port.unwrap_or_else(|| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        // It is not to outlive this process, whatever ends that.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_sla-gateway")])
            .args(["serve", "--log=warn", "--pool-size=4", &format!("--listen=127.0.0.1:{port}")])
            .env("DATABASE_URL", &self.url)
            .env("SLA_GATEWAY_TOKEN_SECRET", SECRET)
            .stdout(Stdio::null())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(self.data.path().join("replicas.log"))
                    .unwrap(),
            );
        if let Some(offset) = clock {
            let library = FAKETIME.iter().find(|path| Path::new(path).exists());
            let library =
                library.expect("libfaketime gives a process another clock: apt-get install faketime");
            command
                .env("LD_PRELOAD", library)
                .env("FAKETIME", offset)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            is_told(library, offset);
        }
        Replica { process: command.spawn().unwrap(), port }
    }

    /// `count` deadlines that fall due at `due`, an expression of SQL.
    pub(super) async fn due(&mut self, count: i32, due: &str) {
        self.client.batch_execute(&breaches::chats(SLA, count, due)).await.unwrap();
    }

    async fn number(&self, query: &str) -> i64 {
        self.client.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Waits until another record has been written.
    pub(super) async fn moves(&self) {
        let written = "SELECT coalesce(pg_sequence_last_value('breach_pending_seq_seq'), 0)";
        let (before, begun) = (self.number(written).await, Instant::now());
        while self.number(written).await == before {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing is recorded");
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Whether something is due that was not recorded, or recorded and not logged.
    pub(super) async fn open_work(&self) -> bool {
        self.number(
            "SELECT (SELECT count(*) FROM (SELECT FROM deadline WHERE due_at < now() LIMIT 1) d) \
            + (SELECT count(*) FROM (SELECT FROM breach_pending LIMIT 1) p)",
        )
        .await
            > 0
    }

    /// Waits until all that was due is recorded and logged.
    pub(super) async fn settled(&self, count: i64) {
        let begun = Instant::now();
        loop {
            let logged = self.number("SELECT count(*) FROM breach_log").await;
            if logged >= count {
                return;
            }
            if begun.elapsed() > Duration::from_secs(180) {
                let left = self.number("SELECT count(*) FROM deadline").await;
                let pending = self.number("SELECT count(*) FROM breach_pending").await;
                let said = fs::read_to_string(self.data.path().join("replicas.log")).unwrap_or_default();
                let said: Vec<&str> = said.lines().rev().take(20).collect();
                panic!(
                    "{logged} of {count} are logged, {left} deadlines and {pending} records wait: {said:#?}"
                );
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The records in the order of the log.
    pub(super) async fn log(&self) -> Vec<Uuid> {
        let rows =
            self.client.query("SELECT breach_id::text FROM breach_log ORDER BY pos", &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, &str>(0).parse().unwrap()).collect()
    }

    pub(super) async fn figures(&self, due: i64) -> Figures {
        let recorded = self.number("SELECT count(*) FROM breach").await;
        let distinct =
            self.number("SELECT count(DISTINCT (affected_sla_id, kind, phase, target_at)) FROM breach").await;
        let late = async |share: &str| {
            self.number(&format!(
                "SELECT (1000 * extract(epoch FROM percentile_disc({share}) WITHIN GROUP \
                   (ORDER BY detected_at - greatest(target_at, s.written))))::bigint \
                 FROM breach b JOIN (SELECT root_id, id, created_at AS written FROM affected_sla) s \
                   ON s.root_id = b.root_id AND s.id = b.affected_sla_id"
            ))
            .await
        };
        Figures {
            recorded,
            lost: due - distinct,
            twice: recorded - distinct,
            early: self.number("SELECT count(*) FROM breach WHERE detected_at <= target_at").await,
            late: Late { p50: late("0.5").await, p99: late("0.99").await, max: late("1").await },
        }
    }

    pub(super) async fn is_whole(&self, count: i64) {
        breaches::is_whole(&self.client, count).await;
    }

    /// Cuts connections of the replicas; how many.
    pub(super) async fn cut(&self, which: &str) -> i64 {
        self.number(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE application_name = 'sla-gateway' AND ({which})"
        ))
        .await
    }

    /// Ends the whole server as a failure of the machine would, and starts it again.
    pub(super) async fn crash(&mut self) {
        let mut postgres = self.postgres.take().unwrap();
        let file = fs::read_to_string(self.data.path().join("postgres/cluster/postmaster.pid")).unwrap();
        signal("-QUIT", file.lines().next().unwrap());
        while postgres.is_running().unwrap() {
            sleep(Duration::from_millis(5)).await;
        }
        drop(postgres);
        let postgres = start(self.data.path()).await;
        lead(&self.data.path().join("door"), &postgres);
        self.postgres = Some(postgres);
        self.client = connect(&self.url).await;
    }

    /// Kills one backend: the server then throws everything in memory away and recovers from its log.
    pub(super) async fn crash_a_backend(&mut self) {
        let any = "SELECT pid::bigint FROM pg_stat_activity WHERE application_name = 'sla-gateway' ORDER BY random() LIMIT 1";
        let victim = self.client.query_opt(any, &[]).await.unwrap();
        let victim = match victim {
            Some(row) => row.get::<_, i64>(0),
            None => self.number("SELECT pg_backend_pid()::bigint").await,
        };
        signal("-KILL", &victim.to_string());
        sleep(Duration::from_millis(100)).await;
        self.client = connect(&self.url).await;
    }
}

/// A process of the gateway.
pub(super) struct Replica {
    process: Child,
    pub(super) port: u16,
}

impl Replica {
    pub(super) fn signal(&self, name: &str) {
        signal(name, &self.process.id().to_string());
    }

    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(super) fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Waits until it takes connections.
    pub(super) async fn serves(&self) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not start");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn signal(name: &str, process: &str) {
    assert!(Command::new("kill").args([name, process]).status().unwrap().success(), "{name} {process}");
}

/// That the library does what is asked of it.
fn is_told(library: &str, offset: &str) {
    let mut date = Command::new("date");
    let told = date.arg("+%s").env("LD_PRELOAD", library).env("FAKETIME", offset).output().unwrap();
    let told: i64 = String::from_utf8(told.stdout).unwrap().trim().parse().unwrap();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let expected = match offset {
        "+1h" => 3_600,
        "-1h" => -3_600,
        _ => 0,
    };
    assert!((told - now - expected).abs() < 60, "{offset}: told {told} at {now}");
}

async fn start(data: &Path) -> Postgres {
    let data = data.to_owned();
    spawn_blocking(move || Postgres::start(None, &data)).await.unwrap().unwrap()
}

fn lead(door: &Path, postgres: &Postgres) {
    let url = postgres.url("postgres");
    let sockets = PathBuf::from(url.split(['@', '/']).nth(3).unwrap().replace("%2F", "/"));
    let next = door.with_extension("next");
    symlink(sockets, &next).unwrap();
    fs::rename(next, door).unwrap();
}

async fn connect(url: &str) -> Client {
    let begun = Instant::now();
    loop {
        match tokio_postgres::connect(url, NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                return client;
            }
            Err(cause) => assert!(begun.elapsed() < Duration::from_secs(60), "{cause}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Less than `most`, by chance.
pub(super) fn chance(most: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(()) % most
}

/// Keeps a row for the table at the end of `make faults`.
pub(super) fn keep(row: &str) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.md");
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    writeln!(file, "{row}").unwrap();
}
