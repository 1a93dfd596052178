//! A private Postgres: a server of the gateway's own for `run` and for tests, from the binaries of the machine.
//!
//! It listens on a unix socket in a directory that only its owner may enter, so it needs neither port nor password,
//! and it never touches another cluster of the machine. A small shell stands between the gateway and the server and
//! waits for the end of a pipe that the gateway holds: whatever ends the gateway, `kill -9` included, closes the pipe
//! and stops the server. Everything here blocks; from async code call it through `spawn_blocking`.

mod account;
mod binaries;

use std::fmt;
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use self::account::Account;
use self::binaries::Binaries;

/// The oldest major version whose SQL the migrations may use.
pub const OLDEST_VERSION: u32 = 15;

/// Where the cluster goes when the account that runs it cannot enter the data directory (a checkout below `/root`).
const ELSEWHERE: &str = "/var/lib/sla-gateway";

/// Where the directories of the sockets are made; not in the data directory, since a socket's path has 107 bytes.
const SCRATCH: &str = "/tmp";

/// How long a start may take: replaying the log after a crash is the slow case.
const START_LIMIT: Duration = Duration::from_secs(300);

/// How long a stop may take: a checkpoint of everything in memory is the slow case.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// The shell between the gateway and its server. `$1` is the directory to remove at the end, the rest is the server's
/// command. SIGINT asks for a fast shutdown; it is repeated because one that arrives before the server has installed
/// its handlers is lost.
const WATCHER: &str = r#"
scratch=$1; shift
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
(cat <&3 >/dev/null; while kill -INT $server 2>/dev/null; do sleep 1; done) &
guard=$!
wait $server
status=$?
kill $guard 2>/dev/null
rm -rf -- "$scratch"
exit $status
"#;

/// A running private Postgres. Dropping it stops the server too, without waiting for it.
#[derive(Debug)]
pub struct Postgres {
    watcher: Child,
    sockets: PathBuf,
    log: PathBuf,
    /// Held as long as the server runs: two gateways on one data directory, or on two that lead to one cluster, would stop each
    /// other's server.
    _locks: Vec<File>,
}

impl Postgres {
    /// Starts the server whose data lives in `data`/postgres, made on the first start, and waits until it answers.
    /// A server that crashed recovers; one left behind by a gateway that was killed is stopped first.
    /// `binaries` names the directory of `postgres` and `initdb`; without it they are looked for.
    ///
    /// # Errors
    /// Every [`Error`]; each says in one sentence what to do.
    pub fn start(binaries: Option<&Path>, data: &Path) -> Result<Self, Error> {
        fs::create_dir_all(data).map_err(|cause| Error::unwritable(data, cause))?;
        let data = data.canonicalize().map_err(|cause| Error::unwritable(data, cause))?;
        let mut locks = vec![lock(&data)?];
        let (home, account) = home(&data)?;
        // A copy of a data directory may lead to the cluster of its original.
        locks.push(lock(&home)?);
        let cluster = home.join("cluster");

        let binaries = if cluster.exists() {
            let made_by = fs::read_to_string(cluster.join("PG_VERSION"))
                .map_err(|cause| Error::unwritable(&cluster, cause))?;
            Binaries::find(binaries, Some(made_by.trim()))?
        } else {
            let binaries = Binaries::find(binaries, None)?;
            tracing::info!(directory = %cluster.display(), version = binaries.version, "creating a private Postgres");
            // Under another name until it is whole: an interrupted initdb leaves nothing that looks like a cluster.
            let unfinished = home.join("unfinished");
            remove(&unfinished)?;
            binaries.initdb(&account, &unfinished, &[])?;
            fs::rename(&unfinished, &cluster).map_err(|cause| Error::unwritable(&cluster, cause))?;
            binaries
        };
        clear_leftover(&binaries, &account, &cluster)?;

        let log = data.join("postgres.log");
        if log.exists() {
            fs::rename(&log, data.join("postgres.log.old"))
                .map_err(|cause| Error::unwritable(&log, cause))?;
        }
        let sockets = account.scratch()?;
        launch(&binaries, &account, &cluster, sockets, log, DURABLE, locks)
    }

    /// Starts an empty server for tests: its data is gone when it stops, so it never waits for a disk.
    /// `settings` are more of its own, `name=value`.
    ///
    /// # Errors
    /// [`Error::NoBinaries`], [`Error::NoAccount`], [`Error::Failed`].
    pub fn start_ephemeral(binaries: Option<&Path>, settings: &[&str]) -> Result<Self, Error> {
        let account = Account::of_new_files()?;
        let binaries = Binaries::find(binaries, None)?;
        let scratch = account.scratch()?;
        let cluster = scratch.join("cluster");
        binaries.initdb(&account, &cluster, &["--no-sync"])?;
        let log = scratch.join("postgres.log");
        launch(&binaries, &account, &cluster, scratch, log, &[EPHEMERAL, settings].concat(), Vec::new())
    }

    /// The connection URL of a database of this server; the database need not exist yet.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        url(&self.sockets, database)
    }

    /// The same of the server that another gateway runs on `data`; none where it does not answer.
    #[must_use]
    pub fn url_of_running(data: &Path, database: &str) -> Option<String> {
        let sockets = PidFile::read(&data.join("postgres/cluster"))?.sockets;
        answers(&sockets).then(|| url(&sockets, database))
    }

    /// False once the server has ended, whoever ended it.
    ///
    /// # Errors
    /// What the operating system answers about the child process.
    pub fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.watcher.try_wait()?.is_none())
    }

    /// Stops the server: running statements are rolled back, connections are closed, everything is on disk.
    ///
    /// # Errors
    /// [`Error::Failed`] when it does not stop in time or reports a failure of its own.
    pub fn stop(mut self) -> Result<(), Error> {
        drop(self.watcher.stdin.take());
        let asked = Instant::now();
        let status = loop {
            match self.watcher.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if asked.elapsed() < STOP_LIMIT => sleep(Duration::from_millis(10)),
                Ok(None) => {
                    return Err(Error::failed("stopping Postgres", "it still runs after a minute"));
                }
                Err(cause) => return Err(Error::failed("stopping Postgres", cause)),
            }
        };
        if status.success() { Ok(()) } else { Err(Error::failed("stopping Postgres", last_words(&self.log))) }
    }
}

fn url(sockets: &Path, database: &str) -> String {
    // The host of the URL is the socket's directory; its slashes must not end the host.
    let host = sockets.display().to_string().replace('/', "%2F");
    format!("postgres://postgres@{host}/{database}")
}

/// Whether a server listens. A socket, unlike a process id, cannot belong to something else by now.
fn answers(sockets: &Path) -> bool {
    UnixStream::connect(sockets.join(".s.PGSQL.5432")).is_ok()
}

/// Why a private Postgres does not start or stop. The text of each is one sentence that says what to do.
#[derive(Debug)]
pub enum Error {
    /// No server binaries of a version that fits; `wanted` is the version of the existing data, if there is any.
    NoBinaries {
        /// Major version of the existing cluster, or none before the first start.
        wanted: Option<String>,
    },
    /// The directory given for the binaries does not hold them.
    NotBinaries(PathBuf),
    /// Root may not run Postgres, and there is no account `postgres` to run it.
    NoAccount,
    /// A directory or file of the data directory cannot be used.
    Unwritable {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system answers.
        cause: String,
    },
    /// Another gateway runs on this data directory.
    InUse {
        /// The data directory.
        data: PathBuf,
        /// What the other one wrote into the lock file: its process id.
        by: String,
    },
    /// A command of Postgres failed.
    Failed {
        /// What was being done.
        doing: &'static str,
        /// What Postgres or the operating system said.
        cause: String,
    },
}

impl Error {
    fn unwritable(path: &Path, cause: impl fmt::Display) -> Self {
        Self::Unwritable { path: path.to_owned(), cause: cause.to_string() }
    }

    fn failed(doing: &'static str, cause: impl fmt::Display) -> Self {
        Self::Failed { doing, cause: cause.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBinaries { wanted } => {
                match wanted {
                    Some(version) => {
                        write!(out, "no Postgres {version} found, which made this data directory")?
                    }
                    None => write!(out, "no Postgres server of version {OLDEST_VERSION} or newer found")?,
                }
                write!(
                    out,
                    "; install one (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql) \
                     or name its bin directory with --postgres-bin"
                )
            }
            Self::NotBinaries(path) => write!(
                out,
                "{} does not hold `postgres` and `initdb` of one version that fits; name their directory with \
                 --postgres-bin",
                path.display()
            ),
            Self::NoAccount => write!(
                out,
                "Postgres refuses to run as root and there is no account `postgres` to run it; create one (useradd \
                 --system postgres) or start the gateway as another user"
            ),
            Self::Unwritable { path, cause } => write!(
                out,
                "cannot use {} ({cause}); make it writable or choose another directory with --data-dir",
                path.display()
            ),
            Self::InUse { data, by } => write!(
                out,
                "another gateway (process {by}) runs on {}; stop it or choose another directory with --data-dir",
                data.display()
            ),
            Self::Failed { doing, cause } => write!(out, "{doing} failed: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

/// Settings of a server on a developer's machine; what is not named keeps Postgres' default.
const COMMON: &[&str] = &[
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    // No standby ever reads this log, and loading the large sample by COPY may then skip it.
    "wal_level=minimal",
    "max_wal_senders=0",
    "random_page_cost=1.1",
    // Pages of rows gain nothing from either, and parallel plans need more /dev/shm than containers have.
    "jit=off",
    "max_parallel_workers_per_gather=0",
];

const DURABLE: &[&str] = &["max_connections=100"];

const EPHEMERAL: &[&str] =
    &["max_connections=400", "fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off"];

fn launch(
    binaries: &Binaries,
    account: &Account,
    cluster: &Path,
    sockets: PathBuf,
    log: PathBuf,
    settings: &[&str],
    locks: Vec<File>,
) -> Result<Postgres, Error> {
    // It quotes what failed, with the values.
    let output = File::options().write(true).create(true).truncate(true).mode(0o600).open(&log);
    // One that was made before may be for everybody.
    let output = output.and_then(|file| file.set_permissions(Permissions::from_mode(0o600)).map(|()| file));
    let output = output.map_err(|cause| Error::unwritable(&log, cause))?;
    let errors = output.try_clone().map_err(|cause| Error::unwritable(&log, cause))?;
    let watcher = account
        .command(Path::new("/bin/sh"))
        .args(["-c", WATCHER, "watcher"])
        .arg(&sockets)
        .arg(binaries.path("postgres"))
        .arg("-D")
        .arg(cluster)
        .args(COMMON.iter().chain(settings).flat_map(|setting| ["-c", setting]))
        .arg("-c")
        .arg(format!("unix_socket_directories={}", sockets.display()))
        // Ctrl-C on the terminal is for the gateway, which finishes its requests before it lets the server go.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|cause| Error::failed("starting Postgres", cause))?;
    let mut postgres = Postgres { watcher, sockets, log, _locks: locks };

    let started = Instant::now();
    let mut patience = Duration::from_secs(10);
    loop {
        if PidFile::read(cluster).is_some_and(|file| file.sockets == postgres.sockets && file.ready) {
            return Ok(postgres);
        }
        if !postgres.is_running().map_err(|cause| Error::failed("starting Postgres", cause))? {
            return Err(Error::failed("starting Postgres", last_words(&postgres.log)));
        }
        if started.elapsed() > START_LIMIT {
            return Err(Error::failed("starting Postgres", "it does not become ready"));
        }
        if started.elapsed() > patience {
            tracing::info!(log = %postgres.log.display(), "Postgres is still starting (recovery after a crash?)");
            patience *= 2;
        }
        sleep(Duration::from_millis(10));
    }
}

/// What the server wrote last, the reason of a failure before anything else.
fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut lines = text.lines().rev().filter(|line| !line.trim().is_empty());
    let reason = lines.clone().find(|line| ["FATAL:", "PANIC:"].iter().any(|mark| line.contains(mark)));
    match reason.or_else(|| lines.next()) {
        Some(line) => format!("{} (all of it: {})", line.trim(), log.display()),
        None => "it said nothing".to_owned(),
    }
}

fn lock(data: &Path) -> Result<File, Error> {
    let path = data.join("lock");
    let unusable = |cause: io::Error| Error::unwritable(&path, cause);
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|cause| Error::unwritable(data, cause))?;
    match patient_lock(&file) {
        Ok(()) => {
            file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(unusable)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut by = String::new();
            file.rewind().and_then(|()| file.read_to_string(&mut by)).map_err(unusable)?;
            Err(Error::InUse { data: data.to_owned(), by })
        }
        Err(TryLockError::Error(cause)) => Err(unusable(cause)),
    }
}

/// Locks a file, or says that another holds it. A program that is just being started holds copies of our files for a
/// moment, until it has become that program: one that was let go a moment ago is asked for again.
fn patient_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..50 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(10)),
            locked => return locked,
        }
    }
    file.try_lock()
}

/// The directory of the cluster and the account that runs it.
fn home(data: &Path) -> Result<(PathBuf, Account), Error> {
    let home = data.join("postgres");
    let unusable = |cause: io::Error| Error::unwritable(&home, cause);
    if let Ok(existing) = fs::metadata(&home) {
        let account = Account::of_owner(&existing)?;
        let home = home.canonicalize().map_err(unusable)?;
        if !account.may_write(&home)? {
            return Err(Error::unwritable(&home, "the account that owns it cannot reach it any more"));
        }
        return Ok((home, account));
    }
    if home.is_symlink() {
        return Err(Error::unwritable(
            &home,
            "it leads to a directory that is gone; remove it to start anew",
        ));
    }

    let account = Account::of_new_files()?;
    fs::create_dir(&home).and_then(|()| account.own(&home)).map_err(unusable)?;
    if account.may_write(&home)? {
        return Ok((home, account));
    }
    // The link remembers the place: `.data` stays the one thing to keep, move or delete.
    let elsewhere = Path::new(ELSEWHERE);
    fs::create_dir_all(elsewhere).map_err(|cause| Error::unwritable(elsewhere, cause))?;
    let place = mktemp(Command::new("mktemp"), elsewhere)?;
    account.own(&place).map_err(|cause| Error::unwritable(&place, cause))?;
    if !account.may_write(&place)? {
        return Err(Error::unwritable(&home, "the account `postgres` cannot reach it"));
    }
    fs::remove_dir(&home).and_then(|()| symlink(&place, &home)).map_err(unusable)?;
    tracing::info!(
        place = %place.display(),
        "the account `postgres` cannot enter {}, so the cluster lives elsewhere", data.display()
    );
    Ok((place, account))
}

/// What a server that ended badly, or a gateway that was killed, may have left in the cluster.
fn clear_leftover(binaries: &Binaries, account: &Account, cluster: &Path) -> Result<(), Error> {
    let Some(left) = PidFile::read(cluster) else { return Ok(()) };
    let own = cluster.canonicalize().unwrap_or_else(|_| cluster.to_owned());
    if left.cluster.canonicalize().is_ok_and(|of| of != own) {
        // The cluster was copied while a server ran on the original, which is none of ours.
        return remove(&cluster.join("postmaster.pid"));
    }
    if answers(&left.sockets) {
        tracing::info!("stopping the Postgres that a killed gateway left behind");
        let stop = |mode: &str| {
            run(
                "stopping the Postgres that was left behind",
                account.command(&binaries.path("pg_ctl")).args(["stop", "-w", "-m", mode, "-D"]).arg(cluster),
            )
        };
        // It may have been on its way out already and be gone before pg_ctl looks.
        if stop("fast").is_err() && PidFile::read(cluster).is_some() {
            stop("immediate")?;
        }
    } else {
        // After a crash the id may have passed to an innocent process of the same account, as happens in containers
        // where ids start anew; Postgres would take it for a server and refuse to start.
        let name = fs::read_to_string(format!("/proc/{}/comm", left.process)).unwrap_or_default();
        if !name.is_empty() && name.trim() != "postgres" {
            remove(&cluster.join("postmaster.pid"))?;
        }
    }
    if left.sockets.starts_with(SCRATCH) && left.sockets != Path::new(SCRATCH) {
        // As that account: whoever could write the file may have named any directory.
        run("removing what was left behind", account.command(Path::new("rm")).arg("-rf").arg(&left.sockets))?;
    }
    Ok(())
}

/// The parts of `postmaster.pid` that matter here: its first line, its second, its fifth and its eighth.
struct PidFile {
    process: String,
    cluster: PathBuf,
    sockets: PathBuf,
    ready: bool,
}

impl PidFile {
    fn read(cluster: &Path) -> Option<Self> {
        let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
        let mut lines = text.lines();
        Some(Self {
            process: lines.next()?.trim().to_owned(),
            cluster: PathBuf::from(lines.next()?),
            sockets: PathBuf::from(lines.nth(2)?),
            ready: lines.nth(2).is_some_and(|line| line.trim() == "ready"),
        })
    }
}

fn mktemp(mut command: Command, parent: &Path) -> Result<PathBuf, Error> {
    let made = run("making a directory", command.arg("-d").arg(parent.join("sla-gateway.XXXXXXXX")))?;
    Ok(PathBuf::from(String::from_utf8_lossy(&made.stdout).trim()))
}

fn remove(path: &Path) -> Result<(), Error> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::unwritable(path, cause)),
        _ => Ok(()),
    }
}

/// Runs a command to its end; on failure the error carries the last line of what it said.
fn run(doing: &'static str, command: &mut Command) -> Result<Output, Error> {
    let output = command.output().map_err(|cause| Error::failed(doing, cause))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let marks = ["error:", "ERROR:", "FATAL:", "PANIC:"];
    let reason = said.lines().find(|line| marks.iter().any(|mark| line.contains(mark)));
    let reason = reason.or_else(|| said.lines().last());
    Err(Error::failed(doing, reason.unwrap_or("it said nothing")))
}
