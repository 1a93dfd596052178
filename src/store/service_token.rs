//! A service token: how an integration logs in. The secret is not here.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{Binary, Uuid as SqlUuid};
use uuid::Uuid;

use super::noun::{Noun, column, noun, relation};
use super::page::{Key, Kind, Under, within};
use super::sql::{Bind, Sql};
use super::{Conn, PgRow};
use crate::access::{Permission, Reach};
use crate::error::Error;

noun! {
    /// A service token: how an integration logs in. The secret is not here.
    service_token as ServiceToken, "service token", tenant: tenant_id, visible: Own,
    by_id: Some(Permission::TenantsAdmin), list: Some(Permission::TenantsAdmin),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("createdBy" via created_by => person),
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
        /// The wire names of the permissions it is narrowed to; null = all its grants give.
        scopes: Option<Vec<String>>,
        /// When it ends; null = never.
        expires_at: Option<DateTime<Utc>>,
        /// When it was revoked; null = not.
        revoked_at: Option<DateTime<Utc>>,
        /// When it was last used, to the minute; null = never.
        last_used_at: Option<DateTime<Utc>>,
        /// Rises by one with each update.
        revision: i32,
        /// When it was made.
        created_at: DateTime<Utc>,
        /// When it was last updated; `created_at` until then.
        updated_at: DateTime<Utc>,
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
    /// Its name.
    pub static NAME: Key = Key::new("t.name", Kind::Name);
}

/// Keeps that tokens were used just now: once a minute at most, whichever replica says so first. A row that another holds
/// is left to it.
pub(crate) async fn used(conn: &Conn, ids: Vec<Uuid>) -> Result<(), Error> {
    let mut sql = Sql::new(
        "WITH due AS MATERIALIZED (SELECT s.root_id, s.id FROM service_token s \
           WHERE (s.last_used_at IS NULL OR s.last_used_at <= now() - interval '1 minute') AND s.id = ANY(",
    );
    sql.bind(Bind::Uuids(ids)).push(
        ") FOR UPDATE SKIP LOCKED) UPDATE service_token s SET last_used_at = now() FROM due \
         WHERE s.root_id = due.root_id AND s.id = due.id",
    );
    conn.rows(sql).await.map(drop)
}

/// The SHA-256 of the secrets of tokens: for whoever has just made them.
pub async fn hashes(conn: &Conn, reach: &Reach, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Vec<u8>>, Error> {
    let mut sql = Sql::new("SELECT t.id, t.secret_hash FROM service_token t WHERE t.id = ANY(");
    sql.bind(Bind::Uuids(ids)).push(")");
    within(Row::TARGET, "t", reach, true, &mut sql);
    let hash = |row: &PgRow| Ok((column::<SqlUuid, _>(row, 0)?, column::<Binary, _>(row, 1)?));
    Ok(conn.rows(sql).await?.iter().map(hash).collect::<QueryResult<_>>()?)
}

/// Those of a tenant.
pub const UNDER_TENANT: Under =
    Under::own("service_token t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");
