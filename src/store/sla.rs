//! An SLA: a promise of a tenant. What is promised is in its versions.

pub mod change;
pub mod terms;
pub mod write;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use super::word::{SlaKind, SlaStatus};
use crate::access::Permission;
use crate::clock::lifecycle::Term;

noun! {
    /// An SLA: a promise of a tenant. What is promised is in its versions.
    sla as Sla, "SLA", tenant: tenant_id, visible: Shared,
    by_id: Some(Permission::SlasRead), list: Some(Permission::SlasRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("activeVersion" via active_version_id => sla_version, lifted: ["serviceOffering", "serviceInstance", "coverage"]),
        relation!("customer" via customer_id => organization),
        relation!("customerRep" via customer_rep_id => person),
        relation!("serviceLevelManager" via service_level_manager_id => person),
        relation!("createdBy" via created_by => person, lifted: ["createdByName"]),
        relation!("updatedBy" via updated_by => person, lifted: ["updatedByName"]),
    ],
    reads: [
        "status" of [tenant_id, status, start_date, expiry_date],
        "versions" of [], "affectedSlas" of [], "breaches" of [], "versionAt" of [], "diff" of [],
    ],
    parts: ["sla_version" of "sla_id"],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// Which world its terms come from.
        kind: SlaKind,
        /// Its name.
        name: String,
        /// What it is about.
        description: Option<String>,
        /// Whether descendants of the tenant use it too (rule S5).
        shared: bool,
        /// The switch (rule S6).
        active: bool,
        /// The stage of its lifecycle as stored; the dates correct it.
        status: SlaStatus,
        /// The version in force.
        active_version_id: Uuid,
        /// Who pays for it.
        customer_id: Option<Uuid>,
        /// Who speaks for the customer.
        customer_rep_id: Option<Uuid>,
        /// Who manages it for the provider.
        service_level_manager_id: Option<Uuid>,
        /// The first day it is active.
        start_date: Option<NaiveDate>,
        /// The last day on which it can be terminated.
        notice_date: Option<NaiveDate>,
        /// The last day it is active.
        expiry_date: Option<NaiveDate>,
        /// Anything else worth knowing.
        remarks: Option<String>,
        /// Who made it.
        created_by: Option<Uuid>,
        /// Who last updated it.
        updated_by: Option<Uuid>,
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
    /// Its name.
    pub static NAME: Key = Key::new("t.name", Kind::Name);
    /// What it is about.
    pub static DESCRIPTION: Key = Key::nullable("t.description", Kind::Text);
    /// Which world its terms come from.
    pub static KIND: Key = Key::new("t.kind", Kind::Text);
    /// Whether descendants use it too.
    pub static SHARED: Key = Key::new("t.shared", Kind::Bool);
    /// The switch.
    pub static ACTIVE: Key = Key::new("t.active", Kind::Bool);
    /// The offering of its active version.
    pub static SERVICE_OFFERING: Key = Key::nullable(
        "(SELECT v.service_offering_id FROM sla_version v WHERE v.root_id = t.root_id AND v.id = t.active_version_id)",
        Kind::Uuid,
    );
    /// The instance of its active version.
    pub static SERVICE_INSTANCE: Key = Key::nullable(
        "(SELECT v.service_instance_id FROM sla_version v WHERE v.root_id = t.root_id AND v.id = t.active_version_id)",
        Kind::Uuid,
    );
    /// The coverage of its active version.
    pub static COVERAGE: Key = Key::nullable(
        "(SELECT v.coverage FROM sla_version v WHERE v.root_id = t.root_id AND v.id = t.active_version_id)",
        Kind::Text,
    );
    /// The name of the offering of its active version.
    pub static SERVICE_OFFERING_NAME: Key = Key::nullable(
        "(SELECT o.name FROM sla_version v JOIN service_offering o ON o.root_id = v.root_id AND o.id = v.service_offering_id WHERE v.root_id = t.root_id AND v.id = t.active_version_id)",
        Kind::Text,
    );
    /// Who pays for it.
    pub static CUSTOMER: Key = Key::nullable("t.customer_id", Kind::Uuid);
    /// Who manages it for the provider.
    pub static SERVICE_LEVEL_MANAGER: Key = Key::nullable("t.service_level_manager_id", Kind::Uuid);
    /// The first day it is active.
    pub static START_DATE: Key = Key::nullable("t.start_date", Kind::Date);
    /// The last day on which it can be terminated.
    pub static NOTICE_DATE: Key = Key::nullable("t.notice_date", Kind::Date);
    /// The last day it is active.
    pub static EXPIRY_DATE: Key = Key::nullable("t.expiry_date", Kind::Date);
    /// The system it came from.
    pub static SOURCE: Key = Key::nullable("t.source", Kind::Text);
    /// Its id in that system.
    pub static SOURCE_ID: Key = Key::nullable("t.source_id", Kind::Text);
    /// When it was made.
    pub static CREATED_AT: Key = Key::new("t.created_at", Kind::Time);
    /// When it was last updated.
    pub static UPDATED_AT: Key = Key::new("t.updated_at", Kind::Time);
    /// The stage of its lifecycle at the moment of reading (rule S6).
    pub static STATUS: Key = Key::new(
        "(CASE WHEN t.status IN ('scheduled_for_activation', 'active') AND t.expiry_date \
         < (now() AT TIME ZONE (SELECT z.time_zone FROM tenant z WHERE z.root_id = t.root_id AND z.id = t.tenant_id))::date \
         THEN 'expired' \
         WHEN t.status IN ('scheduled_for_activation', 'active') AND t.start_date IS NOT NULL THEN CASE WHEN t.start_date \
         <= (now() AT TIME ZONE (SELECT z.time_zone FROM tenant z WHERE z.root_id = t.root_id AND z.id = t.tenant_id))::date \
         THEN 'active' ELSE 'scheduled_for_activation' END \
         ELSE t.status END)",
        Kind::Text,
    );
}

/// Those of a tenant.
pub const UNDER_TENANT: Under = Under::own("sla t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// Those of a tenant and those it shares in from above (rule S5).
pub const UNDER_TENANT_AND_SHARED: Under = Under::own(
    "sla t WHERE t.root_id = k.root_id AND t.tenant_id IN (SELECT c.ancestor_id FROM tenant_closure c WHERE c.root_id = k.root_id AND c.descendant_id = k.id) AND (t.shared OR t.tenant_id = k.id)",
);

/// Those whose active version is of an offering.
pub const UNDER_OFFERING: Under = Under::with_below(
    "sla_version v JOIN sla t ON t.root_id = v.root_id AND t.id = v.sla_id AND t.active_version_id = v.id WHERE v.root_id = k.root_id AND v.service_offering_id = k.id",
);

/// Those that an organization pays for.
pub const UNDER_CUSTOMER: Under =
    Under::with_below("sla t WHERE t.root_id = k.root_id AND t.customer_id = k.id");

impl Row {
    /// The stage of its lifecycle at an instant, in the zone of its tenant (rule S6).
    pub fn status_at(&self, now: DateTime<Utc>, zone: chrono_tz::Tz) -> SlaStatus {
        Term { start_date: self.start_date, expiry_date: self.expiry_date, zone }.status(self.status, now)
    }
}
