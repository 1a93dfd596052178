//! A version of an SLA: its terms, never changed once made (rule S2).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use super::word::{AbandonType, Coverage, SlaKind};
use crate::access::Permission;

noun! {
    /// A version of an SLA: its terms, never changed once made (rule S2).
    sla_version as SlaVersion, "SLA version", tenant: tenant_id, visible: WithSla,
    by_id: Some(Permission::SlasRead), list: SlasRead,
    relations: [
        relation!("terms"."serviceOffering" via service_offering_id => service_offering),
        relation!("terms"."serviceInstance" via service_instance_id => service_instance),
        relation!("createdBy" via created_by => person, lifted: ["createdByName"]),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// The SLA it is a version of.
        sla_id: Uuid,
        /// 1, 2, 3… within the SLA.
        number: i32,
        /// Its name.
        version_name: String,
        /// What is new in it.
        description: Option<String>,
        /// Which of the terms below it has.
        kind: SlaKind,
        /// Queue: answered within so many seconds.
        sla_threshold: Option<i32>,
        /// Queue: what abandons count as.
        abandon_type: Option<AbandonType>,
        /// Queue: abandons within so many seconds are ignored.
        abandon_threshold: Option<i32>,
        /// Livechat: due after so many minutes.
        due_time_in_minutes: Option<i32>,
        /// Service: the offering.
        service_offering_id: Option<Uuid>,
        /// Service: the instance.
        service_instance_id: Option<Uuid>,
        /// Service: how the people covered are selected.
        coverage: Option<Coverage>,
        /// When it was made.
        created_at: DateTime<Utc>,
        /// Who made it.
        created_by: Option<Uuid>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant that owns it.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// Its number within the SLA.
    pub static NUMBER: Key = Key::new("t.number", Kind::Int);
    /// When it was made.
    pub static CREATED_AT: Key = Key::new("t.created_at", Kind::Time);
}

/// The versions of an SLA.
pub const UNDER_SLA: Under = Under("sla_version t WHERE t.root_id = k.root_id AND t.sla_id = k.id");
