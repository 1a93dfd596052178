//! The private Postgres: kept between starts, recovered after crashes, one per data directory, gone with the gateway.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use sla_gateway::postgres::{Error, Postgres};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_keeps_the_data() {
    let data = data_directory();
    let first = Postgres::start(None, data.path()).unwrap();
    client(&first).await.batch_execute("CREATE TABLE kept AS SELECT 7 AS number").await.unwrap();
    first.stop().unwrap();

    let second = Postgres::start(None, data.path()).unwrap();
    assert_eq!(kept(&second).await, 7);
    second.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_committed_data_is_there() {
    let data = data_directory();
    let mut crashed = Postgres::start(None, data.path()).unwrap();
    client(&crashed).await.batch_execute("CREATE TABLE kept AS SELECT 7 AS number").await.unwrap();
    kill(server_process(data.path()));
    while crashed.is_running().unwrap() {
        sleep(Duration::from_millis(10));
    }
    assert!(crashed.stop().is_err());

    let recovered = Postgres::start(None, data.path()).unwrap();
    assert_eq!(kept(&recovered).await, 7);
    recovered.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_id_that_passed_to_another_process_does_not_prevent_a_start() {
    let data = data_directory();
    Postgres::start(None, data.path()).unwrap().stop().unwrap();
    let cluster = data.path().join("postgres/cluster");
    // Of the same account: Postgres ignores processes that it could not have started.
    let account = fs::metadata(&cluster).unwrap();
    let mut innocent = Command::new("sleep")
        .arg("600")
        .stdout(Stdio::null())
        .uid(account.uid())
        .gid(account.gid())
        .spawn()
        .unwrap();
    let stale = format!("{}\n{}\n0\n5432\n/nowhere\n\n0 0\nready\n", innocent.id(), cluster.display());
    fs::write(cluster.join("postmaster.pid"), stale).unwrap();

    Postgres::start(None, data.path()).unwrap().stop().unwrap();
    assert!(innocent.try_wait().unwrap().is_none());
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_left_behind_is_stopped_before_the_next_start() {
    let data = data_directory();
    let first = Postgres::start(None, data.path()).unwrap();
    let server = server_process(data.path());
    let shell = parent(server).unwrap();
    let left = sockets(&first);
    let guard = children(shell).into_iter().find(|child| *child != server).unwrap();
    let pipe = children(guard);
    for process in [guard, shell].into_iter().chain(pipe) {
        kill(process);
    }
    drop(first);
    assert!(Path::new("/proc").join(server.to_string()).exists());

    let second = Postgres::start(None, data.path()).unwrap();
    assert_ne!(server_process(data.path()), server);
    assert!(!left.exists());
    second.stop().unwrap();
}

#[test]
fn two_at_once_on_one_data_directory_are_refused() {
    let data = data_directory();
    let running = Postgres::start(None, data.path()).unwrap();
    let refused = Postgres::start(None, data.path()).unwrap_err();
    assert!(
        matches!(&refused, Error::InUse { by, .. } if *by == std::process::id().to_string()),
        "{refused}"
    );
    running.stop().unwrap();
    Postgres::start(None, data.path()).unwrap().stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_data_directory_leaves_the_server_of_its_original_alone() {
    let data = data_directory();
    let mut original = Postgres::start(None, data.path()).unwrap();
    client(&original)
        .await
        .batch_execute("CREATE TABLE kept AS SELECT 7 AS number; CHECKPOINT")
        .await
        .unwrap();
    let beside = data_directory();
    let copy = beside.path().join("copy");
    assert!(Command::new("cp").arg("-a").args([data.path(), &copy]).status().unwrap().success());
    let copied = Postgres::start(None, &copy).unwrap();
    assert_eq!(kept(&copied).await, 7);
    assert_ne!(sockets(&copied), sockets(&original));
    assert!(original.is_running().unwrap() && kept(&original).await == 7);
    copied.stop().unwrap();

    // So where the copy leads to the cluster of the original.
    let linked = beside.path().join("linked");
    fs::create_dir(&linked).unwrap();
    std::os::unix::fs::symlink(data.path().join("postgres"), linked.join("postgres")).unwrap();
    let refused = Postgres::start(None, &linked).unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
    assert_eq!(kept(&original).await, 7);
    original.stop().unwrap();
}

#[test]
fn nothing_is_left_when_the_server_stops_but_its_data() {
    let data = data_directory();
    let running = Postgres::start(None, data.path()).unwrap();
    let sockets = sockets(&running);
    assert!(sockets.join(".s.PGSQL.5432").exists());
    running.stop().unwrap();
    assert!(!sockets.exists());
    // Which is not for every account of the machine, nor is what the log quotes of it.
    let log = fs::metadata(data.path().join("postgres.log")).unwrap();
    assert_eq!(log.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_data_directory_that_the_server_cannot_enter_leads_to_one_that_it_can() {
    let data = data_directory();
    fs::set_permissions(data.path(), Permissions::from_mode(0o700)).unwrap();
    Postgres::start(None, data.path()).unwrap().stop().unwrap();
    let home = data.path().join("postgres");
    if home.is_symlink() {
        let place = home.canonicalize().unwrap();
        Postgres::start(None, data.path()).unwrap().stop().unwrap();
        assert_eq!(home.canonicalize().unwrap(), place);
        fs::remove_dir_all(place).unwrap();
    }
}

#[test]
fn a_failure_to_start_says_what_to_do() {
    let data = data_directory();
    let refusal = Postgres::start(Some(Path::new("/nowhere")), data.path()).unwrap_err().to_string();
    assert!(refusal.contains("/nowhere") && refusal.contains("--postgres-bin"), "{refusal}");

    let file = data.path().join("file");
    fs::write(&file, "").unwrap();
    let refusal = Postgres::start(None, &file).unwrap_err().to_string();
    assert!(refusal.contains("cannot use") && refusal.contains("--data-dir"), "{refusal}");

    Postgres::start(None, data.path()).unwrap().stop().unwrap();
    let version = data.path().join("postgres/cluster/PG_VERSION");
    let own = fs::read_to_string(&version).unwrap();
    fs::write(&version, "9\n").unwrap();
    let refusal = Postgres::start(None, data.path()).unwrap_err().to_string();
    assert!(refusal.contains("no Postgres 9 found") && refusal.contains("apt-get install"), "{refusal}");

    fs::write(&version, own).unwrap();
    fs::write(data.path().join("postgres/cluster/postgresql.conf"), "nonsense = 1\n").unwrap();
    let refusal = Postgres::start(None, data.path()).unwrap_err().to_string();
    assert!(refusal.contains("starting Postgres failed") && refusal.contains("postgres.log"), "{refusal}");
}

/// A data directory that the account `postgres` can enter when the tests run as root.
pub(crate) fn data_directory() -> TempDir {
    let data = TempDir::with_prefix_in("sla-gateway-data.", "/tmp").unwrap();
    fs::set_permissions(data.path(), Permissions::from_mode(0o755)).unwrap();
    data
}

async fn client(postgres: &Postgres) -> Client {
    let (client, connection) = tokio_postgres::connect(&postgres.url("postgres"), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn kept(postgres: &Postgres) -> i32 {
    client(postgres).await.query_one("SELECT number FROM kept", &[]).await.unwrap().get(0)
}

fn sockets(postgres: &Postgres) -> PathBuf {
    let url = postgres.url("postgres");
    let host = url.split('@').nth(1).unwrap().split('/').next().unwrap();
    PathBuf::from(host.replace("%2F", "/"))
}

fn server_process(data: &Path) -> u32 {
    let file = fs::read_to_string(data.join("postgres/cluster/postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

fn kill(process: u32) {
    assert!(Command::new("kill").args(["-9", &process.to_string()]).status().unwrap().success());
}

fn parent(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn children(process: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|candidate| parent(*candidate) == Some(process))
        .collect()
}
