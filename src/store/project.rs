//! A project that hours are spent on.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use crate::access::Permission;

noun! {
    /// A project that hours are spent on.
    project as Project, "project", tenant: tenant_id, visible: Upward,
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
pub const UNDER_TENANT: Under = Under::own("project t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");
