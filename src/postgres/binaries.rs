//! The programs of a Postgres server, wherever the machine has them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::Account;
use super::{Error, OLDEST_VERSION, run};

/// The server's programs, all of one version.
pub(super) struct Binaries {
    pub(super) directory: PathBuf,
    pub(super) version: u32,
}

impl Binaries {
    /// The first that fits, in this order: the directory named, `PATH`, `pg_config`, Debian's versioned directories
    /// newest first, Homebrew's. `made_by` is the major version of the existing data, which no other can read.
    pub(super) fn find(named: Option<&Path>, made_by: Option<&str>) -> Result<Self, Error> {
        let fits = |binaries: &Self| match made_by {
            Some(version) => binaries.version.to_string() == version,
            None => binaries.version >= OLDEST_VERSION,
        };
        if let Some(directory) = named {
            return Self::look(directory)
                .filter(fits)
                .ok_or_else(|| Error::NotBinaries(directory.to_owned()));
        }
        let asked = [vec!["sh", "-c", "dirname \"$(command -v initdb)\""], vec!["pg_config", "--bindir"]];
        let answers = asked.iter().filter_map(|words| {
            let answer = Command::new(words[0]).args(&words[1..]).output().ok()?;
            Some(PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim()))
        });
        let installed = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
            .iter()
            .flat_map(|parent| versions_below(Path::new(parent)));
        answers
            .chain(installed)
            // A relative path is what an empty answer looks like.
            .filter(|directory| directory.is_absolute())
            .filter_map(|directory| Self::look(&directory))
            .find(fits)
            .ok_or_else(|| Error::NoBinaries { wanted: made_by.map(str::to_owned) })
    }

    fn look(directory: &Path) -> Option<Self> {
        let complete = ["initdb", "pg_ctl"].iter().all(|program| directory.join(program).is_file());
        let answer =
            complete.then(|| Command::new(directory.join("postgres")).arg("--version").output())?.ok()?;
        // "postgres (PostgreSQL) 15.18 (Debian …)"; a beta says "19beta1".
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let number = text.split_whitespace().nth(2)?;
        let major = number.split(|digit: char| !digit.is_ascii_digit()).next()?.parse().ok()?;
        Some(Self { directory: directory.to_owned(), version: major })
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }

    pub(super) fn initdb(&self, account: &Account, cluster: &Path, more: &[&str]) -> Result<(), Error> {
        let made = |locale: &[&str]| {
            run(
                "creating the Postgres cluster",
                account
                    .command(&self.path("initdb"))
                    .args(["--username=postgres", "--encoding=UTF8", "--locale=C"])
                    .args(locale)
                    // Who may open the socket is decided by its directory; nothing listens on the network.
                    .args(["--auth-local=trust", "--auth-host=reject"])
                    .args(more)
                    .arg("-D")
                    .arg(cluster),
            )
        };
        // Sorted by code points, and yet with letters beyond ASCII that have cases; not every system has that.
        made(&["--lc-ctype=C.UTF-8"]).or_else(|_no_such_locale| made(&[])).map(drop)
    }
}

/// The `bin` directories of everything below `parent` that is named like a Postgres, newest version first.
fn versions_below(parent: &Path) -> Vec<PathBuf> {
    let version = |name: &str| -> Option<u32> {
        let number = name.strip_prefix("postgresql").unwrap_or(name).trim_start_matches('@');
        if number.is_empty() { Some(u32::MAX) } else { number.parse().ok() }
    };
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path().join("bin"))))
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, path)| path).collect()
}
