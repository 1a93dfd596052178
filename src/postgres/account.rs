//! The account of a Postgres server, which refuses to run as root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Error, SCRATCH, mktemp, run};

/// The account that runs the server and owns its files: the gateway's own, or `postgres` when that is root.
#[derive(Clone, Copy, Debug)]
pub(super) enum Account {
    Own,
    Other { user: u32, group: u32 },
}

impl Account {
    pub(super) fn of_new_files() -> Result<Self, Error> {
        if !is_root()? {
            return Ok(Self::Own);
        }
        match (id(&["-u", "postgres"]), id(&["-g", "postgres"])) {
            (Ok(user), Ok(group)) => Ok(Self::Other { user, group }),
            _ => Err(Error::NoAccount),
        }
    }

    /// Files that are there already keep their owner: a checkout may be used by its owner first and by root later.
    pub(super) fn of_owner(existing: &fs::Metadata) -> Result<Self, Error> {
        match (is_root()?, existing.uid()) {
            (false, _) => Ok(Self::Own),
            (true, 0) => Err(Error::NoAccount),
            (true, user) => Ok(Self::Other { user, group: existing.gid() }),
        }
    }

    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        match *self {
            Self::Own => Ok(()),
            Self::Other { user, group } => chown(path, Some(user), Some(group)),
        }
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // The gateway's own working directory may be closed to this account, which makes Postgres complain.
        command.current_dir("/").stdin(Stdio::null());
        if let Self::Other { user, group } = *self {
            command.uid(user).gid(group);
        }
        command
    }

    pub(super) fn may_write(&self, directory: &Path) -> Result<bool, Error> {
        self.command(Path::new("/bin/sh"))
            .args(["-c", r#"test -w "$1" && test -x "$1""#, "may-write"])
            .arg(directory)
            .status()
            .map(|status| status.success())
            .map_err(|cause| Error::failed("looking at the data directory", cause))
    }

    /// A new directory that only this account may enter.
    pub(super) fn scratch(&self) -> Result<PathBuf, Error> {
        mktemp(self.command(Path::new("mktemp")), Path::new(SCRATCH))
    }
}

fn is_root() -> Result<bool, Error> {
    Ok(id(&["-u"])? == 0)
}

fn id(arguments: &[&str]) -> Result<u32, Error> {
    let answer = run("asking `id` for the account", Command::new("id").args(arguments))?;
    let number = String::from_utf8_lossy(&answer.stdout).trim().parse();
    number.map_err(|cause| Error::failed("asking `id` for the account", cause))
}
