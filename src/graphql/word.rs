//! Closed lists of words, as enums of the schema, and the filters over them.

use async_graphql::{Enum, InputObject};

use super::filter::Operators;
use super::node::Kind;
use crate::error::Error;
use crate::store::filter::Op;
use crate::store::sql::Bind;
use crate::store::word;

macro_rules! enums {
    (filter $filter:ident of $name:ident is $word:ident) => {
        #[doc = concat!("Conditions on a `", stringify!($name), "`. All that are given must hold; none can be null.")]
        #[derive(Clone, Debug, Default, InputObject)]
        pub struct $filter {
            /// Equal.
            eq: Option<$name>,
            /// Equal to one of these.
            r#in: Option<Vec<$name>>,
            /// Equal to none of these; null is equal to none.
            not_in: Option<Vec<$name>>,
            /// Is null, or is not.
            is_null: Option<bool>,
        }

        impl Operators for $filter {
            fn ops(self, _: Option<Kind>) -> Result<Vec<Op>, Error> {
                let word = |name: $name| word::$word::from(name).word().to_owned();
                let words = |names: Vec<$name>| Bind::Texts(names.into_iter().map(word).collect());
                let mut ops = Vec::new();
                ops.extend(self.eq.map(|name| Op::Eq(Bind::Text(word(name)))));
                ops.extend(self.r#in.map(|names| Op::In(words(names))));
                ops.extend(self.not_in.map(|names| Op::NotIn(words(names))));
                ops.extend(self.is_null.map(Op::IsNull));
                Ok(ops)
            }
        }
    };
    ($($(#[$doc:meta])* $name:ident is $word:ident $(, $filter:ident)? { $($(#[$vdoc:meta])* $variant:ident),* $(,)? })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl From<word::$word> for $name {
            fn from(word: word::$word) -> Self {
                match word { $(word::$word::$variant => Self::$variant),* }
            }
        }

        impl From<$name> for word::$word {
            fn from(name: $name) -> Self {
                match name { $($name::$variant => Self::$variant),* }
            }
        }

        $(enums!(filter $filter of $name is $word);)?
    )* };
}

enums! {
    /// Which world the terms of an SLA come from.
    SlaKind is SlaKind, SlaKindFilter {
        /// A service offering with response and resolution targets per impact.
        Service,
        /// Calls answered within so many seconds.
        Queue,
        /// Chats taken within so many minutes.
        Livechat,
    }
    /// The lifecycle of an SLA at the moment of reading.
    SlaStatus is SlaStatus, SlaStatusFilter {
        /// Not promised yet.
        BeingPrepared,
        /// Becomes active on its start date.
        ScheduledForActivation,
        /// In force.
        Active,
        /// The day of its expiry date is over, in its tenant's time zone; or it was said to be.
        Expired,
    }
    /// What an abandoned call counts as.
    AbandonType is AbandonType {
        /// Nothing, when abandoned within the abandon threshold; a miss when later.
        IgnoreAbandons,
        /// A miss, whenever abandoned.
        CountAgainstSla,
    }
    /// How the people whom an SLA covers are selected.
    SlaCoverage is Coverage, SlaCoverageFilter {
        /// All people of the customer's account.
        CustomerAccount,
        /// People of the listed organizations and of those below them.
        OrganizationsAndDescendants,
        /// People of the listed organizations.
        Organizations,
        /// People of the listed sites.
        Sites,
        /// People of one of the listed organizations who are at one of the listed sites.
        OrganizationsAndSites,
        /// The listed people.
        People,
        /// People who use configuration items of the SLA's service instance.
        CisOfServiceInstance,
        /// Members of the support teams of the listed service instances.
        ServiceInstances,
    }
    /// How bad it is, and for how many.
    Impact is Impact, ImpactFilter {
        /// Service degraded for one user.
        Low,
        /// Service down for one user.
        Medium,
        /// Service degraded for several users.
        High,
        /// Service down for several users.
        Top,
    }
    /// What a target is measured in.
    TargetKind is TargetKind {
        /// Minutes of support hours.
        Minutes,
        /// Business days: the end of the support hours of the Nth day that has any after the start's day.
        BusinessDays,
        /// As soon as possible: there is no instant to miss.
        BestEffort,
        /// Nothing is promised.
        None,
    }
    /// Whether a service offering can be had.
    ServiceOfferingStatus is OfferingStatus, ServiceOfferingStatusFilter {
        /// Not yet.
        Planned,
        /// Yes.
        Available,
        /// No longer; SLAs made of it go on.
        Discontinued,
    }
    /// What the failure of a used service instance does to its consumer.
    RelationEffect is RelationEffect {
        /// The consumer is down too: it keeps the impact.
        Down,
        /// The consumer is degraded: TOP becomes HIGH, MEDIUM becomes LOW.
        Degraded,
    }
    /// The period of a limit, in its tenant's time zone.
    SlaLimitTimePeriod is TimePeriod, SlaLimitTimePeriodFilter {
        /// The ISO week, from Monday 00:00.
        Weekly,
        /// The month, from the 1st 00:00.
        Monthly,
    }
    /// What became of telling the contact of a limit that it was reached.
    NotificationState is NotificationState, NotificationStateFilter {
        /// It waits to be sent, for the first time or again.
        Pending,
        /// The mail server has taken it.
        Sent,
        /// It was not sent: the limit was deactivated until its next period first, or the record was retracted.
        Suppressed,
        /// It was given up: the mail server refused it for good, or it had been tried for three days.
        Failed,
        /// It was not sent: half a minute later no gateway with a mail server had tried to.
        NotConfigured,
    }
    /// How the contact of a limit is told.
    ContactType is ContactType, ContactTypeFilter {
        /// By e-mail.
        Email,
    }
    /// What kind of request it is.
    RequestChannel is Channel, RequestChannelFilter {
        /// A ticket: promises apply by coverage.
        Ticket,
        /// A chat: its promise is named, or the tenant's default.
        Chat,
        /// A call: its promise is named, or the tenant's default.
        Call,
    }
    /// The status of a request. Becoming one of `IN_PROGRESS`, `WAITING_FOR`, `WAITING_FOR_CUSTOMER`, `WORKFLOW_PENDING` and
    /// `COMPLETED` is the response to a ticket, if none was given before; only `COMPLETED` is its resolution.
    RequestStatus is RequestStatus, RequestStatusFilter {
        /// Refused; of a chat or call: abandoned.
        Declined,
        /// Put off.
        OnBacklog,
        /// Given to a team; of a chat or call: queued.
        Assigned,
        /// Taken on.
        Accepted,
        /// Worked on; of a chat: taken, of a call: answered. Counts as response.
        InProgress,
        /// Waits for somebody. Counts as response.
        WaitingFor,
        /// Waits for the customer: counts as response, then stops the resolution clock.
        WaitingForCustomer,
        /// Waits for a reservation.
        ReservationPending,
        /// Waits for a workflow. Counts as response.
        WorkflowPending,
        /// Waits for a project.
        ProjectPending,
        /// Done. Counts as response where none was given before, and as resolution; a reopening takes the resolution back.
        Completed,
    }
    /// Who answers for an affected SLA.
    Accountability is Accountability, AccountabilityFilter {
        /// The provider of the affected service instance: the request is about that instance.
        Provider,
        /// A supplier: the request is about an instance lower in the graph. Nothing is left to respond to: the response counts as given.
        Supplier,
        /// Nobody: the provider is no longer responsible for completing the request. There is no resolution target; the response target stays. Where what was told late shows that the SLA never applied, there is neither; of a chat that was given another SLA, `supersededAt` says what stays.
        SlaNotAffected,
    }
    /// How a promise has turned out by now.
    PromiseOutcome is Outcome, PromiseOutcomeFilter {
        /// Kept: what was promised was given by the last instant at which it was in time.
        Met,
        /// Not kept, whether it was given later or is still awaited.
        Breached,
        /// Not decided yet: still in time, or standing still.
        Running,
        /// Nothing was promised that could be missed.
        Excluded,
    }
    /// What the clock of an affected SLA runs towards.
    NextTarget is NextTarget, NextTargetFilter {
        /// The response target.
        Response,
        /// The resolution target.
        Resolution,
        /// The desired completion of the request, which is later than the resolution target.
        DesiredCompletion,
        /// Nothing while the clock is stopped.
        ClockStopped,
        /// As soon as possible: no instant.
        BestEffort,
        /// Nothing is promised.
        NoTarget,
        /// Nothing: it is resolved, or not affected.
        None,
    }
    /// What was breached.
    BreachKind is BreachKind {
        /// The response target of service terms.
        Response,
        /// The resolution target of service terms.
        Resolution,
        /// The due time of livechat terms.
        DueTime,
        /// The threshold of queue terms. Told of each call that waits for longer, also of one that is given up later and counts
        /// for nothing then; not of one that is given up before, be it counted against the SLA.
        QueueThreshold,
        /// The hours of a limit.
        Limit,
    }
    /// What a record of the breach log says.
    BreachPhase is BreachPhase {
        /// A share of the time (80 %) is used up.
        Warning,
        /// The target has passed without being met.
        Breached,
        /// An earlier record has turned out wrong, by an event that came late; `retracts` names it.
        Retracted,
    }
}
