//! CPU time of processes, as the kernel accounts for it.

use std::fs;

use crate::Outcome;

/// Clock ticks in a second: what Linux shows to programs is always counted in hundredths.
const TICKS: f64 = 100.0;

/// A process, by what `/proc` says of it.
struct Process {
    parent: u32,
    /// Seconds that it used itself.
    own: f64,
    /// Seconds that its children used which have ended.
    ended: f64,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; the first field after it is the third.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let seconds = |field: usize| Some(fields.get(field - 3)?.parse::<f64>().ok()? / TICKS);
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: seconds(14)? + seconds(15)?,
            ended: seconds(16)? + seconds(17)?,
        })
    }
}

/// Seconds of CPU that a process has used so far.
pub(crate) fn of(pid: u32) -> Outcome<f64> {
    let process =
        Process::read(pid).ok_or_else(|| format!("process {pid} is not in /proc to be measured"))?;
    Ok(process.own)
}

/// All processes of a Postgres.
pub(crate) struct Cluster {
    postmaster: u32,
}

impl Cluster {
    /// The one that a backend belongs to.
    pub(crate) fn of(backend: u32) -> Outcome<Self> {
        let backend = Process::read(backend).ok_or("the processes of Postgres are not in /proc")?;
        Ok(Self { postmaster: backend.parent })
    }

    /// Seconds of CPU that it has used so far, those of backends that have ended too.
    pub(crate) fn used(&self) -> Outcome<f64> {
        let postmaster = Process::read(self.postmaster).ok_or("Postgres has ended")?;
        let processes = fs::read_dir("/proc")?.flatten();
        let processes =
            processes.filter_map(|entry| Process::read(entry.file_name().to_str()?.parse().ok()?));
        let children = processes.filter(|process| process.parent == self.postmaster);
        Ok(postmaster.own + postmaster.ended + children.map(|process| process.own).sum::<f64>())
    }
}
