//! Chance that is the same on every run, and keys that are the same on every machine.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// A sequence of numbers that its seed decides (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// A number from 0 to `bound` − 1; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.number().checked_rem(bound).unwrap_or_default()
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the choices, of which there must be one.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// A wait as waits are: mostly short, sometimes many times the mean, never none, which would leave open which of two
    /// things came first.
    pub(super) fn wait(&mut self, mean: TimeDelta) -> TimeDelta {
        let share = (self.number() >> 11) as f64 / (1_u64 << 53) as f64;
        (mean * (-(1.0 - share).ln() * 1_000.0) as i32 / 1_000).max(TimeDelta::seconds(1))
    }
}

/// A number that looks nothing like the one it comes from.
pub(super) fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The key of what was made at `at` and is called `name`: a UUIDv7 whose random part is a hash of the name, so that
/// it can be quoted in documentation.
pub(super) fn key(at: DateTime<Utc>, name: &str) -> Uuid {
    let hash = Sha256::digest(name);
    let mut tail = [0; 10];
    tail.copy_from_slice(&hash[..10]);
    key_with(at, tail)
}

/// A UUIDv7 of an instant and ten more bytes.
pub(super) fn key_with(at: DateTime<Utc>, tail: [u8; 10]) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}
