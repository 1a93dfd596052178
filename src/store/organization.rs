//! An organization: a customer, a provider, a part of one.

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use uuid::Uuid;

use super::noun::{noun, relation};
use super::page::{Key, Kind, Under};
use super::rows;
use super::sql::{Bind, Sql};
use super::write::{Draft, one_at_a_time};
use crate::access::Permission;
use crate::error::{InputError, InputErrorCode};

noun! {
    /// An organization: a customer, a provider, a part of one.
    organization as Organization, "organization", tenant: tenant_id, visible: Upward,
    by_id: None, list: Some(Permission::CatalogRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("parent" via parent_id => organization),
    ],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// The organization it is part of; null when of none.
        parent_id: Option<Uuid>,
        /// Its name.
        name: String,
        /// Whether it is another company: only such a provider is shown as supplier (rule C2).
        external: bool,
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
    /// The organization it is part of.
    pub static PARENT: Key = Key::nullable("t.parent_id", Kind::Uuid);
    /// Whether it is another company.
    pub static EXTERNAL: Key = Key::new("t.external", Kind::Bool);
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
pub const UNDER_TENANT: Under =
    Under::own("organization t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// The parts of an organization.
pub const UNDER_PARENT: Under =
    Under::with_below("organization t WHERE t.root_id = k.root_id AND t.parent_id = k.id");

/// Those that a version of an SLA covers.
pub const UNDER_VERSION: Under = Under::own(
    "sla_version_organization l JOIN organization t ON t.root_id = l.root_id AND t.id = l.organization_id WHERE l.root_id = k.root_id AND l.sla_version_id = k.id",
);

/// That no organization is a part of itself, however far above.
pub fn stays_a_tree(draft: &mut Draft) {
    draft.then(Box::new(|conn, permit, id| {
        async move {
            one_at_a_time(conn, permit).await?;
            let mut sql = Sql::new(
                "WITH RECURSIVE above (id) AS (SELECT o.parent_id FROM organization o WHERE o.root_id = ",
            );
            sql.bind(Bind::Uuid(permit.root_id)).push(" AND o.id = ").bind(Bind::Uuid(id));
            sql.push(" UNION SELECT o.parent_id FROM organization o JOIN above a ON o.id = a.id WHERE o.root_id = ");
            sql.bind(Bind::Uuid(permit.root_id)).push(") SELECT 1 FROM above a WHERE a.id = ").bind(Bind::Uuid(id));
            if rows(conn, sql).await?.is_empty() {
                return Ok(());
            }
            let message = "This organization is a part of that one already: choose one that is not.";
            Err(InputError::at("input.parentId", InputErrorCode::Invalid, message).into())
        }
        .boxed()
    }));
}
