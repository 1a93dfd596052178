//! The pure rules of time: from terms, calendars and history to what is due when, and why.
//!
//! Nothing here reads a clock, a file or a socket; every `now` is an argument (rule X13). Zones come from
//! [`chrono_tz`]; the arithmetic of service levels is all that is ours.
//!
//! | Question | Answered in |
//! |---|---|
//! | Which instants are active, and what elapses between two of them? | [`calendar`], [`schedule`] |
//! | When is a pausable clock used up? | [`stopwatch`] |
//! | What is promised, per impact? | [`targets`] |
//! | What is the state of an affected SLA after these events? | [`events`], [`fold`](mod@fold), [`state`] |
//! | Why is the duration what it is? | [`explain`] |
//! | When is a chat or a call late? | [`waiting`] |
//! | Which SLAs does a request fall under? | [`coverage`] |
//! | How much of a budget of hours is used? | [`limits`] |
//! | How many promises were kept, by day, week or month? | [`attainment`] |
//! | Is an SLA active on this day, a service available in this month? | [`lifecycle`], [`availability`] |

/// Declares an enum together with the words that storage and wire formats use for its values.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that storage uses, in lowercase snake case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::clock::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::clock::UnknownWord { expected: stringify!($name), given: word.to_owned() }),
                }
            }
        }
    };
}

pub mod attainment;
pub mod availability;
pub mod calendar;
pub mod coverage;
pub mod events;
pub mod explain;
pub mod fold;
pub mod lifecycle;
pub mod limits;
pub mod schedule;
pub mod state;
pub mod stopwatch;
pub mod targets;
pub mod waiting;
pub mod zone;

use chrono::{DateTime, TimeDelta, Utc};

/// A word that names no value of the enum it was read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    /// The Rust name of the enum.
    pub expected: &'static str,
    /// The word that was read.
    pub given: String,
}

/// Whole minutes of a duration, floored: for display only, never for comparing (rule X6).
pub fn whole_minutes(duration: TimeDelta) -> i64 {
    duration.num_microseconds().map_or(i64::MAX, |micros| micros.div_euclid(60_000_000))
}

/// Microseconds since 1970-01-01T00:00Z, finer digits dropped: the grain in which instants are stored (rule X6).
fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

/// The instant of a number of microseconds; `None` outside the years that chrono knows.
fn instant(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
}
