//! Who a login or a service token is, and what they may do.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{
    Array, BigInt, Bytea, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
};
use uuid::Uuid;

use super::noun::{column, is_null};
use super::sql::{Bind, Sql};
use super::{Conn, PgRow};
use crate::access::{Actor, Permission, Permissions, Place, Viewer};
use crate::error::Error;

/// Everything about a person in one statement: 0 = the person in each root, 1 = what they are granted in each tenant, by however
/// many roles, 2 = the trees.
const PERSON: &str =
    "WITH me AS MATERIALIZED (SELECT root_id, id, first_name, last_name FROM person WHERE login = ";
const PERSON_REST: &str = ") \
    SELECT 0::smallint, root_id, id, NULL::uuid, trim(first_name || ' ' || last_name), NULL::text[] FROM me \
    UNION ALL SELECT 1::smallint, g.root_id, g.tenant_id, NULL, '', array_agg(DISTINCT p.permission) FROM me \
      JOIN role_grant g ON g.root_id = me.root_id AND g.person_id = me.id \
      JOIN role r ON r.root_id = g.root_id AND r.id = g.role_id \
      CROSS JOIN unnest(r.permissions) p (permission) GROUP BY g.root_id, g.tenant_id \
    UNION ALL SELECT 2::smallint, t.root_id, t.id, t.parent_id, t.time_zone, NULL FROM tenant t \
      WHERE t.root_id IN (SELECT root_id FROM me)";

/// The same of a service token.
const TOKEN: &str = "WITH me AS MATERIALIZED (SELECT root_id, id, name, scopes, expires_at FROM service_token \
    WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AND id = ";
const TOKEN_REST: &str = ") \
    SELECT 0::smallint, root_id, id, NULL::uuid, name, scopes, expires_at FROM me \
    UNION ALL SELECT 1::smallint, g.root_id, g.tenant_id, NULL, '', array_agg(DISTINCT p.permission), NULL FROM me \
      JOIN role_grant g ON g.root_id = me.root_id AND g.service_token_id = me.id \
      JOIN role r ON r.root_id = g.root_id AND r.id = g.role_id \
      CROSS JOIN unnest(r.permissions) p (permission) GROUP BY g.root_id, g.tenant_id \
    UNION ALL SELECT 2::smallint, t.root_id, t.id, t.parent_id, t.time_zone, NULL, NULL FROM tenant t \
      WHERE t.root_id IN (SELECT root_id FROM me)";

struct Found {
    people: Vec<(Uuid, Uuid, String)>,
    grants: Vec<(Uuid, Permissions)>,
    places: HashMap<Uuid, Place>,
}

/// The permissions of these wire names; one that this build does not know gives nothing.
pub(super) fn permissions(names: Vec<String>) -> Permissions {
    names.into_iter().filter_map(|name| Permission::from_wire_name(&name)).collect()
}

fn found(rows: &[PgRow]) -> QueryResult<Found> {
    let mut found = Found { people: Vec::new(), grants: Vec::new(), places: HashMap::new() };
    for row in rows {
        let root_id = column::<SqlUuid, Uuid>(row, 1)?;
        let id = column::<SqlUuid, Uuid>(row, 2)?;
        match column::<SmallInt, i16>(row, 0)? {
            0 => found.people.push((root_id, id, column::<Text, String>(row, 4)?)),
            1 => found.grants.push((id, permissions(column::<Array<Text>, _>(row, 5)?))),
            _ => {
                let parent_id = column::<Nullable<SqlUuid>, Option<Uuid>>(row, 3)?;
                let time_zone = column::<Text, String>(row, 4)?.parse().unwrap_or(chrono_tz::UTC);
                found.places.insert(id, Place { root_id, parent_id, time_zone });
            }
        }
    }
    Ok(found)
}

/// The person whom tokens with this subject name, in every root that knows them; none if no root does.
pub async fn by_login(
    conn: &Conn,
    login: &str,
    expires_at: Option<DateTime<Utc>>,
) -> Result<Option<Viewer>, Error> {
    if login.contains('\0') {
        // A text that Postgres does not take: of an issuer that is trusted, so it gets an answer and no error.
        return Ok(None);
    }
    let mut sql = Sql::new(PERSON);
    sql.bind(Bind::Text(login.to_owned())).push(PERSON_REST);
    let mut found = found(&conn.rows(sql).await?)?;
    found.people.sort_unstable();
    let Some((_, _, name)) = found.people.first().cloned() else { return Ok(None) };
    let actor = Actor::Person { login: login.to_owned(), people: found.people };
    Ok(Some(Viewer::new(actor, name, expires_at, found.places, &found.grants)))
}

/// The service token of this id, for whoever has proved its secret; none if there is no such token, or it has ended.
pub async fn by_service_token(conn: &Conn, id: Uuid) -> Result<Option<Viewer>, Error> {
    let mut sql = Sql::new(TOKEN);
    sql.bind(Bind::Uuid(id)).push(TOKEN_REST);
    let rows = conn.rows(sql).await?;
    let found = found(&rows)?;
    let Some((root_id, id, name)) = found.people.first().cloned() else { return Ok(None) };
    let mut grants = found.grants;
    let mut expires_at = None;
    for row in &rows {
        if column::<SmallInt, i16>(row, 0)? == 0 {
            expires_at = column::<Nullable<Timestamptz>, Option<DateTime<Utc>>>(row, 6)?;
            if !is_null(row, 5) {
                let scopes = permissions(column::<Array<Text>, _>(row, 5)?);
                for (_, granted) in &mut grants {
                    *granted = granted.intersection(scopes);
                }
            }
        }
    }
    Ok(Some(Viewer::new(Actor::ServiceToken(root_id, id), name, expires_at, found.places, &grants)))
}

/// The SHA-256 of the secret of the service token of this id; none if there is no such token, or it has ended. To be looked
/// at before anything else is read of it: anybody can send an id, and its tree may be large.
pub async fn secret_hash(conn: &Conn, id: Uuid) -> Result<Option<Vec<u8>>, Error> {
    let mut sql = Sql::new(
        "SELECT secret_hash FROM service_token WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AND id = ",
    );
    sql.bind(Bind::Uuid(id));
    Ok(conn.rows(sql).await?.first().map(|row| column::<Bytea, Vec<u8>>(row, 0)).transpose()?)
}

/// Whoever works on the database itself, by a command: may do everything in the tenants of this slug or id, which are
/// given too, and below them. No request is answered to this viewer.
pub async fn operator(conn: &Conn, tenant: &str, name: &str) -> Result<(Viewer, Vec<Uuid>), Error> {
    let mut sql = Sql::new("WITH k AS (SELECT root_id, id FROM tenant WHERE slug = ");
    sql.bind(Bind::Text(tenant.to_owned())).push(" OR id::text = lower(").bind(Bind::Text(tenant.to_owned()));
    sql.push(
        ")) SELECT 1::smallint, root_id, id, NULL::uuid, '', '{}'::text[] FROM k \
         UNION ALL SELECT 2::smallint, t.root_id, t.id, t.parent_id, t.time_zone, NULL FROM tenant t \
           WHERE t.root_id IN (SELECT root_id FROM k)",
    );
    let found = found(&conn.rows(sql).await?)?;
    let tenants: Vec<Uuid> = found.grants.iter().map(|(tenant, _)| *tenant).collect();
    let everything: Permissions = Permission::ALL.iter().copied().collect();
    let grants: Vec<(Uuid, Permissions)> = tenants.iter().map(|tenant| (*tenant, everything)).collect();
    let actor = Actor::Person { login: String::new(), people: Vec::new() };
    Ok((Viewer::new(actor, name.to_owned(), None, found.places, &grants), tenants))
}

/// The epoch of rights, which rises with every change of them, and that of the breach log, which is another in each life of the
/// database: a standby that took over may have come to the same number of changes by others. What is remembered of viewers is
/// forgotten when either is another.
pub async fn epoch(conn: &Conn) -> Result<(i64, i32), Error> {
    let epochs = "SELECT a.epoch, h.epoch FROM authorization_epoch a JOIN breach_log_head h ON h.shard = 0";
    let rows = conn.rows(Sql::new(epochs)).await?;
    let Some(row) = rows.first() else { return Ok(Default::default()) };
    Ok((column::<BigInt, i64>(row, 0)?, column::<Integer, i32>(row, 1)?))
}
