//! Closed lists of words, stored as text. Those that the rules of time are about are the clock's.

pub use crate::clock::coverage::CoverageKind as Coverage;
pub use crate::clock::events::Status as RequestStatus;
pub use crate::clock::lifecycle::SlaStatus;
pub use crate::clock::limits::LimitPeriod as TimePeriod;
pub use crate::clock::state::{Accountability, BreachKind, BreachPhase, NextTarget, Outcome};
pub use crate::clock::targets::{Effect as RelationEffect, Impact, TargetKind};

/// Declares an enum whose values are stored as fixed words.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        /// The first: what a row holds whose word was not asked for.
        impl Default for $name {
            fn default() -> Self {
                [$(Self::$variant),*][0]
            }
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in the store.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl diesel::deserialize::FromSql<diesel::sql_types::Text, diesel::pg::Pg> for $name {
            fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
                match value.as_bytes() {
                    $(word if word == $word.as_bytes() => Ok(Self::$variant),)*
                    other => Err(format!("{:?} is no {}", String::from_utf8_lossy(other), stringify!($name)).into()),
                }
            }
        }
    )* };
}

/// The same of the clock's words.
macro_rules! clock_words {
    ($($name:ident),*) => { $(
        /// The first: what a row holds whose word was not asked for.
        impl Default for $name {
            fn default() -> Self {
                Self::ALL[0]
            }
        }

        impl $name {
            /// The word in the store.
            pub const fn word(self) -> &'static str {
                self.as_str()
            }
        }

        impl diesel::deserialize::FromSql<diesel::sql_types::Text, diesel::pg::Pg> for $name {
            fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
                let word = std::str::from_utf8(value.as_bytes())?;
                word.parse().map_err(|unknown| format!("{unknown:?}").into())
            }
        }
    )* };
}

clock_words! {
    SlaStatus, Coverage, Impact, TargetKind, RelationEffect, TimePeriod, RequestStatus, Accountability, NextTarget,
    Outcome, BreachKind, BreachPhase
}

words! {
    /// Which world an SLA's terms come from.
    SlaKind {
        /// A service offering with targets.
        Service = "service",
        /// Seconds to answer, abandons.
        Queue = "queue",
        /// Minutes until due.
        Livechat = "livechat",
    }
    /// What an abandoned call counts as (rule S9).
    AbandonType {
        /// Nothing, when abandoned early enough.
        IgnoreAbandons = "ignore-abandons",
        /// A miss.
        CountAgainstSla = "count-against-sla",
    }
    /// The lifecycle of a service offering.
    OfferingStatus {
        /// Not yet to be had.
        Planned = "planned",
        /// To be had.
        Available = "available",
        /// No longer to be had.
        Discontinued = "discontinued",
    }
    /// What became of telling a limit's contact.
    NotificationState {
        /// To be sent.
        Pending = "pending",
        /// Taken by the mail server.
        Sent = "sent",
        /// The limit was put to sleep first (rule L3), or the record retracted.
        Suppressed = "suppressed",
        /// Given up.
        Failed = "failed",
        /// There is no mail server.
        NotConfigured = "not_configured",
    }
    /// How a limit's contact is told.
    ContactType {
        /// By e-mail.
        Email = "email",
    }
    /// What kind of request it is.
    Channel {
        /// A ticket.
        Ticket = "ticket",
        /// A chat.
        Chat = "chat",
        /// A call.
        Call = "call",
    }
}
