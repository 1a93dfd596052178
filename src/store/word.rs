//! Closed lists of words, stored as text.

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
    /// The lifecycle of an SLA (rule S6).
    SlaStatus {
        /// Not yet promised.
        BeingPrepared = "being_prepared",
        /// Becomes active on its start date.
        ScheduledForActivation = "scheduled_for_activation",
        /// In force.
        Active = "active",
        /// Its expiry date is over.
        Expired = "expired",
    }
    /// What an abandoned call counts as (rule S9).
    AbandonType {
        /// Nothing, when abandoned early enough.
        IgnoreAbandons = "ignore-abandons",
        /// A miss.
        CountAgainstSla = "count-against-sla",
    }
    /// How the people whom an SLA covers are selected (rule S8).
    Coverage {
        /// All people of the customer's account.
        CustomerAccount = "customer_account",
        /// People of organizations and of those below them.
        OrganizationsAndDescendants = "organizations_and_descendants",
        /// People of organizations.
        Organizations = "organizations",
        /// People of sites.
        Sites = "sites",
        /// People of one of the organizations at one of the sites.
        OrganizationsAndSites = "organizations_and_sites",
        /// Named people.
        People = "people",
        /// People who use configuration items of the instance.
        CisOfServiceInstance = "cis_of_service_instance",
        /// Members of the support teams of instances.
        ServiceInstances = "service_instances",
    }
    /// How much is broken for how many.
    Impact {
        /// Degraded for one user.
        Low = "low",
        /// Down for one user.
        Medium = "medium",
        /// Degraded for several users.
        High = "high",
        /// Down for several users.
        Top = "top",
    }
    /// What a target is measured in (rule O1).
    TargetKind {
        /// Minutes of support hours.
        Minutes = "minutes",
        /// Business days (rule X8).
        BusinessDays = "business_days",
        /// As soon as possible: no instant.
        BestEffort = "best_effort",
        /// Nothing is promised.
        None = "none",
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
    /// What the failure of a used instance does to its consumer (rule O4).
    RelationEffect {
        /// The consumer is down too.
        Down = "down",
        /// The consumer is degraded.
        Degraded = "degraded",
    }
    /// The period of a limit (rule L1).
    TimePeriod {
        /// ISO week.
        Weekly = "weekly",
        /// Month.
        Monthly = "monthly",
    }
    /// What became of telling a limit's contact.
    NotificationState {
        /// To be sent.
        Pending = "pending",
        /// Taken by the mail server.
        Sent = "sent",
        /// The limit was put to sleep first (rule L3).
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
    /// The status of a request (domain §5).
    RequestStatus {
        /// Refused, or abandoned by the caller.
        Declined = "declined",
        /// Put off.
        OnBacklog = "on_backlog",
        /// Given to a team, or queued.
        Assigned = "assigned",
        /// Taken on.
        Accepted = "accepted",
        /// Worked on, taken or answered.
        InProgress = "in_progress",
        /// Waits for somebody.
        WaitingFor = "waiting_for",
        /// Waits for the customer: the clock stops.
        WaitingForCustomer = "waiting_for_customer",
        /// Waits for a reservation.
        ReservationPending = "reservation_pending",
        /// Waits for a workflow.
        WorkflowPending = "workflow_pending",
        /// Waits for a project.
        ProjectPending = "project_pending",
        /// Done.
        Completed = "completed",
    }
    /// Who answers for an affected SLA (rule C4).
    Accountability {
        /// The provider of the affected instance.
        Provider = "provider",
        /// A supplier lower in the graph.
        Supplier = "supplier",
        /// Nobody any more.
        SlaNotAffected = "sla_not_affected",
    }
    /// What an affected SLA's clock runs towards (rule C8).
    NextTarget {
        /// The response target.
        Response = "response",
        /// The resolution target.
        Resolution = "resolution",
        /// The desired completion.
        DesiredCompletion = "desired_completion",
        /// The clock is stopped.
        ClockStopped = "clock_stopped",
        /// As soon as possible.
        BestEffort = "best_effort",
        /// Nothing is promised.
        NoTarget = "no_target",
        /// Resolved, or not affected.
        None = "none",
    }
    /// What was breached.
    BreachKind {
        /// The response target.
        Response = "response",
        /// The resolution target.
        Resolution = "resolution",
        /// The due time of a chat.
        DueTime = "due_time",
        /// The answer threshold of a queue.
        QueueThreshold = "queue_threshold",
        /// The hours of a limit.
        Limit = "limit",
    }
    /// What a record of the breach log says.
    BreachPhase {
        /// The target comes near.
        Warning = "warning",
        /// The target has passed.
        Breached = "breached",
        /// An earlier record was wrong (rule X14).
        Retracted = "retracted",
    }
}
