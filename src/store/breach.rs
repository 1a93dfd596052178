//! A record of the breach log: a warning, a breach, a retraction.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use super::word::{BreachKind, BreachPhase};
use crate::access::Permission;

noun! {
    /// A record of the breach log: a warning, a breach, a retraction.
    breach as Breach, "breach", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::BreachesRead), list: Some(Permission::BreachesRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("sla" via sla_id => sla),
        relation!("affectedSla" via affected_sla_id => affected_sla),
        relation!("slaLimit" via sla_limit_id => sla_limit),
        relation!("retracts" via retracts_id => breach),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// What was breached.
        kind: BreachKind,
        /// What the record says.
        phase: BreachPhase,
        /// The SLA; null for a limit.
        sla_id: Option<Uuid>,
        /// The clock; null for a limit.
        affected_sla_id: Option<Uuid>,
        /// The limit; null for a clock.
        sla_limit_id: Option<Uuid>,
        /// The target that was missed, or the start of the limit's period.
        target_at: DateTime<Utc>,
        /// When it was recorded.
        detected_at: DateTime<Utc>,
        /// The record this one proves wrong.
        retracts_id: Option<Uuid>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant that owns it.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// The SLA.
    pub static SLA: Key = Key::nullable("t.sla_id", Kind::Uuid);
    /// The clock.
    pub static AFFECTED_SLA: Key = Key::nullable("t.affected_sla_id", Kind::Uuid);
    /// The limit.
    pub static SLA_LIMIT: Key = Key::nullable("t.sla_limit_id", Kind::Uuid);
    /// What was breached.
    pub static KIND: Key = Key::new("t.kind", Kind::Text);
    /// What the record says.
    pub static PHASE: Key = Key::new("t.phase", Kind::Text);
    /// The target that was missed.
    pub static TARGET_AT: Key = Key::new("t.target_at", Kind::Time);
    /// When it was recorded.
    pub static DETECTED_AT: Key = Key::new("t.detected_at", Kind::Time);
}

/// Those of a tenant.
pub const UNDER_TENANT: Under = Under("breach t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// Those of an SLA.
pub const UNDER_SLA: Under = Under("breach t WHERE t.root_id = k.root_id AND t.sla_id = k.id");

/// Those of an affected SLA.
pub const UNDER_AFFECTED_SLA: Under = Under("breach t WHERE t.root_id = k.root_id AND t.affected_sla_id = k.id");

/// Those of a limit.
pub const UNDER_LIMIT: Under = Under("breach t WHERE t.root_id = k.root_id AND t.sla_limit_id = k.id");

/// What retracts a record.
pub const UNDER_RETRACTED: Under = Under("breach t WHERE t.root_id = k.root_id AND t.retracts_id = k.id");
