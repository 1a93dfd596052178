//! A time entry: hours spent on a project.

mod write;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use crate::access::Permission;
pub use write::{Entry, check, project_tenants, record};

noun! {
    /// A time entry: hours spent on a project.
    time_entry as TimeEntry, "time entry", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::LimitsAccess), list: Some(Permission::LimitsAccess),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("project" via project_id => project),
        relation!("person" via person_id => person),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// The project.
        project_id: Uuid,
        /// Who spent them; null when not known.
        person_id: Option<Uuid>,
        /// What they were spent on.
        category: String,
        /// From when.
        started_at: DateTime<Utc>,
        /// Until when.
        ended_at: DateTime<Utc>,
        /// When it was logged.
        created_at: DateTime<Utc>,
        /// When it was last corrected; `created_at` until then.
        updated_at: DateTime<Utc>,
        /// The system it came from; null when made here.
        source: Option<String>,
        /// Its id in that system; null when made here.
        source_id: Option<String>,
    }
}

/// What its lists are sorted and filtered by.
pub mod key {
    use super::{Key, Kind};

    /// Its key.
    pub static ID: Key = Key::new("t.id", Kind::Uuid);
    /// The tenant that owns it.
    pub static TENANT: Key = Key::new("t.tenant_id", Kind::Uuid);
    /// The project.
    pub static PROJECT: Key = Key::new("t.project_id", Kind::Uuid);
    /// Who spent them.
    pub static PERSON: Key = Key::nullable("t.person_id", Kind::Uuid);
    /// What the hours were spent on.
    pub static CATEGORY: Key = Key::new("t.category", Kind::Name);
    /// From when.
    pub static STARTED_AT: Key = Key::new("t.started_at", Kind::Time);
    /// Until when.
    pub static ENDED_AT: Key = Key::new("t.ended_at", Kind::Time);
    /// The system it came from.
    pub static SOURCE: Key = Key::nullable("t.source", Kind::Text);
    /// Its id in that system.
    pub static SOURCE_ID: Key = Key::nullable("t.source_id", Kind::Text);
    /// When it was logged.
    pub static CREATED_AT: Key = Key::new("t.created_at", Kind::Time);
    /// When it was last corrected.
    pub static UPDATED_AT: Key = Key::new("t.updated_at", Kind::Time);
}

/// The entries of a project.
pub const UNDER_PROJECT: Under =
    Under::own("time_entry t WHERE t.root_id = k.root_id AND t.project_id = k.id");
