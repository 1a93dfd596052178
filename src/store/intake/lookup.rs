//! What other systems' names stand for: objects found by their id, their id in their source, or their name.

use std::collections::HashMap;

use diesel::result::QueryResult;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::access::Permit;
use crate::error::Error;
use crate::store::noun::column;
use crate::store::sql::{Bind, Sql};
use crate::store::{PgRow, audit_entry, rows};

/// The connection of a long import.
pub(crate) type Connection = AsyncPgConnection;

/// What can be called by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Named {
    /// A team.
    Team,
    /// A person; their name is their login.
    Person,
    /// A service instance.
    ServiceInstance,
    /// A standard service request.
    StandardServiceRequest,
    /// An SLA.
    Sla,
}

impl Named {
    /// All of them.
    pub(crate) const ALL: &'static [Self] =
        &[Self::Team, Self::Person, Self::ServiceInstance, Self::StandardServiceRequest, Self::Sla];

    /// What it is called in a sentence.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Person => "person",
            Self::ServiceInstance => "service instance",
            Self::StandardServiceRequest => "standard service request",
            Self::Sla => "SLA",
        }
    }

    /// Whether a name is all it takes to make one.
    pub(crate) fn is_made(self) -> bool {
        matches!(self, Self::Team | Self::Person)
    }

    /// The table, the column of its name, and a further condition on who may use it.
    fn table(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Team => ("team", "name", ""),
            Self::Person => ("person", "login", ""),
            Self::ServiceInstance => ("service_instance", "name", ""),
            Self::StandardServiceRequest => ("standard_service_request", "name", ""),
            // Rule S5.
            Self::Sla => ("sla", "name", " AND (t.shared OR c.depth = 0)"),
        }
    }
}

/// What names stand for, of the permit's tenant and those above it: the nearest; by id, by the id in `source`, by name.
pub(crate) async fn find(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    kind: Named,
    source: &str,
    names: &[String],
) -> Result<HashMap<String, Uuid>, Error> {
    let (table, name, usable) = kind.table();
    let mut sql = Sql::new("WITH k AS MATERIALIZED (SELECT ");
    sql.bind(Bind::Uuid(permit.root_id)).push("::uuid AS root_id, ").bind(Bind::Uuid(permit.tenant_id));
    sql.push("::uuid AS tenant_id, name FROM unnest(")
        .bind(Bind::Texts(names.to_vec()))
        .push(") AS name), f AS (SELECT k.*, t.id, 0 AS rank FROM k JOIN ");
    sql.push(table);
    // A text that is no UUID is no mistake: it is only no id.
    sql.push(
        " t ON t.root_id = k.root_id AND t.id = CASE WHEN k.name ~* \
         '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN k.name::uuid END UNION ALL SELECT k.*, t.id, 1 FROM k \
         JOIN tenant_closure c ON c.root_id = k.root_id AND c.descendant_id = k.tenant_id JOIN ",
    );
    sql.push(table);
    sql.push(" t ON t.root_id = c.root_id AND t.tenant_id = c.ancestor_id AND t.source = ");
    sql.bind(Bind::Text(source.to_owned())).push(
        " AND t.source_id = k.name UNION ALL SELECT k.*, t.id, 2 FROM k \
         JOIN tenant_closure c ON c.root_id = k.root_id AND c.descendant_id = k.tenant_id JOIN ",
    );
    sql.push(table).push(" t ON t.root_id = c.root_id AND t.tenant_id = c.ancestor_id AND t.").push(name);
    sql.push(" = k.name) SELECT DISTINCT ON (f.name) f.name, t.id FROM f JOIN ").push(table);
    sql.push(
        " t ON t.root_id = f.root_id AND t.id = f.id JOIN tenant_closure c ON c.root_id = t.root_id \
         AND c.ancestor_id = t.tenant_id AND c.descendant_id = f.tenant_id",
    );
    sql.push(usable).push(" ORDER BY f.name, f.rank, c.depth, t.id");
    named(&rows(conn, sql).await?).map_err(Into::into)
}

/// Makes what a name is enough for, known by it in `source` from now on.
pub(crate) async fn make(
    conn: &mut AsyncPgConnection,
    permit: &Permit,
    kind: Named,
    source: &str,
    names: &[String],
) -> Result<HashMap<String, Uuid>, Error> {
    let (table, columns, values, longest) = match kind {
        Named::Team => ("team", "name", "name", 128),
        Named::Person => ("person", "first_name, last_name", "'', name", 80),
        _ => return Ok(HashMap::new()),
    };
    let names: Vec<String> = names.iter().filter(|name| name.chars().count() <= longest).cloned().collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let mut sql = Sql::new("WITH fresh AS (INSERT INTO ");
    sql.push(table).push(" (root_id, id, tenant_id, source, source_id, ").push(columns).push(") SELECT ");
    sql.bind(Bind::Uuid(permit.root_id)).push(", uuid_v7(), ").bind(Bind::Uuid(permit.tenant_id)).push(", ");
    sql.bind(Bind::Text(source.to_owned())).push(", name, ").push(values).push(" FROM unnest(");
    sql.bind(Bind::Texts(names)).push(
        ") AS name ORDER BY name ON CONFLICT (root_id, tenant_id, source, source_id) \
         DO UPDATE SET source_id = excluded.source_id RETURNING *)",
    );
    let tell = audit_entry::Each {
        of: "fresh",
        action: "'import'",
        object_type: if kind == Named::Team { "Team" } else { "Person" },
        object_id: "r.id",
        before: "NULL",
        after: "to_jsonb(r)",
    };
    audit_entry::append_each(&mut sql, permit, &tell);
    sql.push(" SELECT source_id, id FROM fresh");
    named(&rows(conn, sql).await?).map_err(Into::into)
}

fn named(rows: &[PgRow]) -> QueryResult<HashMap<String, Uuid>> {
    rows.iter().map(|row| Ok((column::<Text, _>(row, 0)?, column::<SqlUuid, _>(row, 1)?))).collect()
}
