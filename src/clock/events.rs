//! The history of a request: what happened, when it happened, in which order it was told.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::targets::Impact;

words! {
    /// Where a request stands. A chat or call uses ASSIGNED (queued), IN_PROGRESS (taken, answered),
    /// COMPLETED and DECLINED (abandoned).
    pub enum Status {
        /// The team sent it back; a chat or call was abandoned.
        Declined = "declined",
        /// Put off.
        OnBacklog = "on_backlog",
        /// With a team, not yet accepted; a chat or call waits in its queue.
        Assigned = "assigned",
        /// Accepted by a person.
        Accepted = "accepted",
        /// Being worked on; a chat or call was taken.
        InProgress = "in_progress",
        /// Waits for a third party.
        WaitingFor = "waiting_for",
        /// Waits for the requester: stops the resolution clock (rule X9).
        WaitingForCustomer = "waiting_for_customer",
        /// Waits for a reservation.
        ReservationPending = "reservation_pending",
        /// Waits for a workflow.
        WorkflowPending = "workflow_pending",
        /// Waits for a project.
        ProjectPending = "project_pending",
        /// Done: the resolution (rule C6).
        Completed = "completed",
    }
}

/// One thing that happened to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Identifies the event: a second one with the same id and the same kind of change is the same event. What was
    /// told at once, as a new status and a new team, has one id.
    pub id: Uuid,
    /// When it happened, whenever it was told (rule X14).
    pub occurred_at: DateTime<Utc>,
    /// Orders what happened at the same instant: the source's own number, else the order of receipt.
    pub sequence: i64,
    /// When it was told, by the one clock of the store.
    pub received_at: DateTime<Utc>,
    /// What happened.
    pub change: Change,
}

/// What an event changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The status became this.
    Status(Status),
    /// The impact became this; `None` when it was cleared.
    Impact(Option<Impact>),
    /// The request's service instance became this.
    Instance(Option<Uuid>),
    /// The request was assigned to this team.
    Team(Option<Uuid>),
    /// A chat that waits is given this SLA in the place of the one that measures it (rule S12).
    Sla(Uuid),
    /// The request is now for this person. Matters for coverage, not for a running clock.
    Requester(Option<Uuid>),
    /// The requester wants it done by then.
    DesiredCompletion(Option<DateTime<Utc>>),
    /// Downtime of the request as known from here on.
    Downtime {
        /// When the service went down.
        start: Option<DateTime<Utc>>,
        /// When it was up again.
        end: Option<DateTime<Utc>>,
    },
    /// The provider says that it is (`true`) or is no longer (`false`) not accountable: stops both clocks (rule X9).
    ProviderNotAccountable(bool),
    /// The targets were recalculated on purpose: frozen anew from what is promised at this instant (rule C2).
    Recalculated,
}

impl Status {
    /// Whether becoming this is a response (rule C5).
    pub fn is_response(self) -> bool {
        matches!(
            self,
            Self::InProgress
                | Self::WaitingFor
                | Self::WaitingForCustomer
                | Self::WorkflowPending
                | Self::Completed
        )
    }
}

impl Change {
    /// The status that this change gives the request, if it is about status.
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Status(status) => Some(*status),
            _ => None,
        }
    }
}

/// The events as history: sorted by (instant, sequence, receipt, id), each change once. Any order of arrival gives the same
/// history (rule X14).
pub fn in_order(events: &[Event]) -> Vec<&Event> {
    let mut history: Vec<&Event> = events.iter().collect();
    history.sort_by_key(|event| (event.occurred_at, event.sequence, event.received_at, event.id));
    let mut seen = std::collections::HashSet::with_capacity(history.len());
    history.retain(|event| seen.insert((event.id, std::mem::discriminant(&event.change))));
    history
}
