//! A request: anything a promise can apply to, in the latest state of its events.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use super::word::{Channel, Impact, RequestStatus};
use crate::access::Permission;

noun! {
    /// A request: anything a promise can apply to, in the latest state of its events.
    request as Request, "request", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::RequestsRead), list: Some(Permission::RequestsRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("requester" via requester_id => person),
        relation!("serviceInstance" via service_instance_id => service_instance),
        relation!("standardServiceRequest" via standard_service_request_id => standard_service_request),
        relation!("team" via team_id => team),
        relation!("sla" via sla_id => sla),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// A ticket, a chat or a call.
        channel: Channel,
        /// What it is about.
        subject: String,
        /// Its status.
        status: RequestStatus,
        /// How bad it is; null when not said.
        impact: Option<Impact>,
        /// Who asked.
        requester_id: Option<Uuid>,
        /// What it is about.
        service_instance_id: Option<Uuid>,
        /// The standard wish it is.
        standard_service_request_id: Option<Uuid>,
        /// The team it is assigned to.
        team_id: Option<Uuid>,
        /// The SLA named when it was registered (rule C13).
        sla_id: Option<Uuid>,
        /// When it is wished to be done.
        desired_completion_at: Option<DateTime<Utc>>,
        /// Since when the instance was down.
        downtime_start_at: Option<DateTime<Utc>>,
        /// Until when it was down.
        downtime_end_at: Option<DateTime<Utc>>,
        /// Whether the provider says not to be accountable now.
        provider_not_accountable: bool,
        /// When it was asked.
        registered_at: DateTime<Utc>,
        /// The system it came from; null when made here.
        source: Option<String>,
        /// Its id in that system; null when made here.
        source_id: Option<String>,
        /// Rises by one with each update.
        revision: i32,
        /// When it was made.
        created_at: DateTime<Utc>,
        /// When it was last updated; `created_at` until then.
        updated_at: DateTime<Utc>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant that owns it.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// What it is about.
    pub static SUBJECT: Key = Key::new("t.subject", Kind::Text);
    /// A ticket, a chat or a call.
    pub static CHANNEL: Key = Key::new("t.channel", Kind::Text);
    /// Its status.
    pub static STATUS: Key = Key::new("t.status", Kind::Text);
    /// How bad it is.
    pub static IMPACT: Key = Key::nullable("t.impact", Kind::Text);
    /// Who asked.
    pub static REQUESTER: Key = Key::nullable("t.requester_id", Kind::Uuid);
    /// What it is about.
    pub static SERVICE_INSTANCE: Key = Key::nullable("t.service_instance_id", Kind::Uuid);
    /// The team it is assigned to.
    pub static TEAM: Key = Key::nullable("t.team_id", Kind::Uuid);
    /// When it was asked.
    pub static REGISTERED_AT: Key = Key::new("t.registered_at", Kind::Time);
    /// The system it came from.
    pub static SOURCE: Key = Key::nullable("t.source", Kind::Text);
    /// Its id in that system.
    pub static SOURCE_ID: Key = Key::nullable("t.source_id", Kind::Text);
    /// When it was made.
    pub static CREATED_AT: Key = Key::new("t.created_at", Kind::Time);
    /// When it was last updated.
    pub static UPDATED_AT: Key = Key::new("t.updated_at", Kind::Time);
}

/// Those of a tenant.
pub const UNDER_TENANT: Under = Under("request t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// Those about an instance.
pub const UNDER_INSTANCE: Under = Under("request t WHERE t.root_id = k.root_id AND t.service_instance_id = k.id");

/// Those a person asked.
pub const UNDER_REQUESTER: Under = Under("request t WHERE t.root_id = k.root_id AND t.requester_id = k.id");
