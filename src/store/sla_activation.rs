//! An activation: that a version of an SLA was put in force (rule S2).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use crate::access::Permission;

noun! {
    /// An activation: that a version of an SLA was put in force (rule S2).
    sla_activation as SlaActivation, "activation", tenant: tenant_id, visible: WithSla,
    by_id: Some(Permission::SlasRead), list: Some(Permission::SlasRead),
    relations: [
        relation!("sla" via sla_id => sla),
        relation!("slaVersion" via sla_version_id => sla_version),
        relation!("activatedBy" via activated_by => person),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant of the SLA.
        tenant_id: Uuid,
        /// The SLA.
        sla_id: Uuid,
        /// The version that was put in force.
        sla_version_id: Uuid,
        /// From when on.
        activated_at: DateTime<Utc>,
        /// Who did it; null for an integration.
        activated_by: Option<Uuid>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant of the SLA.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// The version.
    pub static VERSION: Key = Key::new("t.sla_version_id", Kind::Uuid);
    /// From when on.
    pub static ACTIVATED_AT: Key = Key::new("t.activated_at", Kind::Time);
    /// Who did it.
    pub static ACTIVATED_BY: Key = Key::nullable("t.activated_by", Kind::Uuid);
}

/// Those of an SLA.
pub const UNDER_SLA: Under = Under::own("sla_activation t WHERE t.root_id = k.root_id AND t.sla_id = k.id");
