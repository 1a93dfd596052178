//! A site: where people work.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use crate::access::Permission;

noun! {
    /// A site: where people work.
    site as Site, "site", tenant: tenant_id, visible: Upward,
    by_id: None, list: Some(Permission::CatalogRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// Its name.
        name: String,
        /// Its IANA zone; null when not known.
        time_zone: Option<String>,
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
pub const UNDER_TENANT: Under = Under::own("site t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// Those that a version of an SLA covers.
pub const UNDER_VERSION: Under = Under::own(
    "sla_version_site l JOIN site t ON t.root_id = l.root_id AND t.id = l.site_id WHERE l.root_id = k.root_id AND l.sla_version_id = k.id",
);
