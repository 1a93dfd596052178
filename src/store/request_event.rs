//! An event of a request: what changed, and when it happened (rule X14).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use super::word::{Impact, RequestStatus};
use crate::access::Permission;

noun! {
    /// An event of a request: what changed, and when it happened (rule X14).
    request_event as RequestEvent, "request event", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::RequestsRead), list: Some(Permission::RequestsRead),
    relations: [
        relation!("serviceInstance" via service_instance_id => service_instance),
        relation!("team" via team_id => team),
        relation!("requester" via requester_id => person),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// The request.
        request_id: Uuid,
        /// When it happened.
        occurred_at: DateTime<Utc>,
        /// When it came here.
        received_at: DateTime<Utc>,
        /// The sender's name of it.
        event_key: String,
        /// The new status; null = unchanged, as for all below.
        status: Option<RequestStatus>,
        /// The new impact.
        impact: Option<Impact>,
        /// The new instance.
        service_instance_id: Option<Uuid>,
        /// The new team.
        team_id: Option<Uuid>,
        /// The new requester.
        requester_id: Option<Uuid>,
        /// The new desired completion.
        desired_completion_at: Option<DateTime<Utc>>,
        /// Since when down.
        downtime_start_at: Option<DateTime<Utc>>,
        /// Until when down.
        downtime_end_at: Option<DateTime<Utc>>,
        /// Whether the provider says not to be accountable.
        provider_not_accountable: Option<bool>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// When it happened.
    pub static OCCURRED_AT: Key = Key::new("t.occurred_at", Kind::Time);
}

/// The history of a request.
pub const UNDER_REQUEST: Under = Under("request_event t WHERE t.root_id = k.root_id AND t.request_id = k.id");
