//! A tenant: a node of the tree that owns everything.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use diesel::result::{DatabaseErrorKind, Error as Failure, QueryResult};
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::AsyncPgConnection;
use futures_util::FutureExt;
use uuid::Uuid;

use super::noun::{column, noun, relation};
use super::page::{Key, Kind, Under, Wanted};
use super::rows;
use super::sql::{Bind, Sql};
use super::write::Draft;
use crate::access::Permit;
use crate::error::{InputError, InputErrorCode, WriteError};

noun! {
    /// A tenant: a node of the tree that owns everything.
    tenant as Tenant, "tenant", tenant: id, visible: Upward,
    by_id: None, list: None,
    relations: [
        relation!("parent" via parent_id => tenant),
        relation!("defaultSla" via default_sla_id => sla),
    ],
    {
        /// The root of its tree; its own key for a root.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant above it; null for a root.
        parent_id: Option<Uuid>,
        /// A short name, unique within the root.
        slug: String,
        /// Its name.
        name: String,
        /// The IANA zone its days and periods are in.
        time_zone: String,
        /// The SLA for chats and calls that name none (rule C13).
        default_sla_id: Option<Uuid>,
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
    /// Its name.
    pub static NAME: Key = Key::new("t.name", Kind::Name);
    /// Its short name.
    pub static SLUG: Key = Key::new("t.slug", Kind::Text);
    /// The tenant above it.
    pub static PARENT: Key = Key::nullable("t.parent_id", Kind::Uuid);
    /// When it was made.
    pub static CREATED_AT: Key = Key::new("t.created_at", Kind::Time);
    /// When it was last updated.
    pub static UPDATED_AT: Key = Key::new("t.updated_at", Kind::Time);
}

/// Those right below a tenant.
pub const UNDER_PARENT: Under =
    Under::with_below("tenant t WHERE t.root_id = k.root_id AND t.parent_id = k.id");

/// The tenant of a slug: of several that the viewer knows, the one nearest to a root, then the oldest.
pub fn of_slug(slug: String) -> Wanted {
    let mut condition = Sql::new(" AND t.slug = ");
    condition.bind(Bind::Text(slug));
    let order = " ORDER BY (SELECT max(c.depth) FROM tenant_closure c WHERE c.root_id = t.root_id \
        AND c.descendant_id = t.id), t.created_at, t.id LIMIT 1";
    Wanted { condition, order }
}

/// What to do about a zone that Postgres does not know: which ones it knows depends on how it was built.
pub(super) const UNKNOWN_ZONE: &str = "The store does not know this time zone: write its present name, such as Asia/Kolkata instead of Asia/Calcutta.";

/// Refuses a zone, given at a path, that Postgres does not know: it counts the tenant's days and periods in it.
pub fn knows_zone(draft: &mut Draft, path: String, zone: Tz) {
    draft.then(Box::new(move |conn, _permit, _id| {
        async move {
            let mut sql = Sql::new("SELECT now() AT TIME ZONE ");
            sql.bind(Bind::Text(zone.name().to_owned())).push("::text");
            match rows(conn, sql).await {
                Ok(_) => Ok(()),
                // This one has no kind of its own.
                Err(Failure::DatabaseError(DatabaseErrorKind::Unknown, about))
                    if about.message().contains(zone.name()) =>
                {
                    Err(InputError::at(&path, InputErrorCode::Invalid, UNKNOWN_ZONE).into())
                }
                Err(failure) => Err(failure.into()),
            }
        }
        .boxed()
    }));
}

/// Puts a new tenant below the one that the permit is for.
pub fn goes_below(draft: &mut Draft) {
    let parent = draft.permit.as_ref().map(|permit| permit.tenant_id);
    draft.set("parent_id", parent.map(Bind::Uuid));
    draft.then(Box::new(|conn, permit, id| {
        async move {
            let mut sql = Sql::new(
                "INSERT INTO tenant_closure (root_id, ancestor_id, descendant_id, depth) \
                 SELECT c.root_id, c.ancestor_id, ",
            );
            sql.bind(Bind::Uuid(id)).push(", c.depth + 1 FROM tenant_closure c WHERE c.root_id = ");
            sql.bind(Bind::Uuid(permit.root_id))
                .push(" AND c.descendant_id = ")
                .bind(Bind::Uuid(permit.tenant_id));
            sql.push(" UNION ALL SELECT ").bind(Bind::Uuid(permit.root_id)).push(", ").bind(Bind::Uuid(id));
            sql.push(", ").bind(Bind::Uuid(id)).push(", 0");
            match rows(conn, sql).await {
                Ok(_) => shares_default(conn, permit, id).await,
                Err(Failure::DatabaseError(DatabaseErrorKind::CheckViolation, _)) => {
                    let message = "Tenants can be 16 levels deep at the most: choose one further up.";
                    Err(InputError::at("input.parentId", InputErrorCode::Invalid, message).into())
                }
                Err(failure) => Err(failure.into()),
            }
        }
        .boxed()
    }));
}

/// The tenant above that of a permit; a root itself.
pub(super) async fn above(conn: &mut AsyncPgConnection, permit: &Permit) -> QueryResult<Uuid> {
    let mut sql = Sql::new("SELECT coalesce(t.parent_id, t.id) FROM tenant t WHERE t.root_id = ");
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND t.id = ").bind(Bind::Uuid(permit.tenant_id));
    let found = rows(conn, sql).await?;
    column::<SqlUuid, _>(found.first().ok_or(Failure::NotFound)?, 0)
}

/// Rule S5: the default of a tenant that was just made is one that those above it share.
async fn shares_default(conn: &mut AsyncPgConnection, permit: &Permit, id: Uuid) -> Result<(), WriteError> {
    let mut sql = Sql::new(
        "SELECT FROM tenant t JOIN sla s ON s.root_id = t.root_id AND s.id = t.default_sla_id \
         WHERE NOT s.shared AND t.root_id = ",
    );
    sql.bind(Bind::Uuid(permit.root_id)).push(" AND t.id = ").bind(Bind::Uuid(id));
    if rows(conn, sql).await?.is_empty() {
        return Ok(());
    }
    let message =
        "This SLA is not shared, so no tenant below can have it: share it first, or choose another.";
    Err(InputError::at("input.defaultSlaId", InputErrorCode::NotFound, message).into())
}
