//! A person: a customer, an agent, someone who logs in.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use futures_util::FutureExt;
use uuid::Uuid;

use super::noun::{column, noun, relation};
use super::page::{Key, Kind, Under};
use super::sql::{Bind, Sql};
use super::write::Draft;
use super::{rows, viewer};
use crate::access::{Permission, Permissions};
use crate::error::{InputError, InputErrorCode};

noun! {
    /// A person: a customer, an agent, someone who logs in.
    person as Person, "person", tenant: tenant_id, visible: Upward,
    by_id: None, list: Some(Permission::CatalogRead),
    relations: [
        relation!("tenant" via tenant_id => tenant),
        relation!("organization" via organization_id => organization),
        relation!("site" via site_id => site),
    ],
    parts: ["team_member" of "person_id", "service_instance_user" of "person_id"],
    {
        /// The root of its tenant.
        root_id: Uuid,
        /// Its key.
        id: Uuid,
        /// The tenant that owns it.
        tenant_id: Uuid,
        /// Their first name; may be empty.
        first_name: String,
        /// Their last name; may be empty.
        last_name: String,
        /// Their e-mail address; null when not known.
        email: Option<String>,
        /// The subject of the tokens they log in with; null when they do not.
        login: Option<String>,
        /// The organization they belong to.
        organization_id: Option<Uuid>,
        /// The site they work at.
        site_id: Option<Uuid>,
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
    /// Their first and last name, as [`Row::name`](super::Row::name) has them.
    pub static NAME: Key = Key::new("btrim(t.first_name || ' ' || t.last_name)", Kind::Name);
    /// Their last name.
    pub static LAST_NAME: Key = Key::new("t.last_name", Kind::Name);
    /// Their first name.
    pub static FIRST_NAME: Key = Key::new("t.first_name", Kind::Name);
    /// Their e-mail address.
    pub static EMAIL: Key = Key::nullable("t.email", Kind::Text);
    /// The organization they belong to.
    pub static ORGANIZATION: Key = Key::nullable("t.organization_id", Kind::Uuid);
    /// The site they work at.
    pub static SITE: Key = Key::nullable("t.site_id", Kind::Uuid);
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
pub const UNDER_TENANT: Under = Under::own("person t WHERE t.root_id = k.root_id AND t.tenant_id = k.id");

/// The people of an organization.
pub const UNDER_ORGANIZATION: Under =
    Under::with_below("person t WHERE t.root_id = k.root_id AND t.organization_id = k.id");

/// The members of a team.
pub const UNDER_TEAM: Under = Under::own(
    "team_member l JOIN person t ON t.root_id = l.root_id AND t.id = l.person_id WHERE l.root_id = k.root_id AND l.team_id = k.id",
);

/// Those who use the configuration items of a service instance.
pub const UNDER_INSTANCE: Under = Under::own(
    "service_instance_user l JOIN person t ON t.root_id = l.root_id AND t.id = l.person_id WHERE l.root_id = k.root_id AND l.service_instance_id = k.id",
);

/// Those that a version of an SLA covers by name.
pub const UNDER_VERSION: Under = Under::own(
    "sla_version_person l JOIN person t ON t.root_id = l.root_id AND t.id = l.person_id WHERE l.root_id = k.root_id AND l.sla_version_id = k.id",
);

impl Row {
    /// "First Last" (rule S13).
    pub fn name(&self) -> String {
        [self.first_name.as_str(), self.last_name.as_str()].join(" ").trim().to_owned()
    }
}

/// That nobody gets another's rights by changing how that one signs in: whoever writes it must hold, wherever the person
/// holds a right, the same right. And that no login of another tree is claimed, whose holder would be a stranger's
/// person from then on.
pub fn stays_within_rights(draft: &mut Draft) {
    if !draft.writes("login") {
        return;
    }
    draft.then(Box::new(|conn, permit, id| {
        async move {
            // Who claims it in another tree at the same time cannot be seen: one of the two waits until the other is done.
            let mut claim = Sql::new(
                "INSERT INTO login_claim AS c (login_hash) SELECT hashtextextended(lower(p.login), 0) FROM person p \
                 WHERE p.login IS NOT NULL AND p.root_id = ",
            );
            claim.bind(Bind::Uuid(permit.root_id)).push(" AND p.id = ").bind(Bind::Uuid(id));
            claim.push(" ON CONFLICT (login_hash) DO UPDATE SET login_hash = c.login_hash RETURNING 1");
            rows(conn, claim).await?;
            let mut sql = Sql::new(
                "SELECT 1 FROM person p JOIN person o ON lower(o.login) = lower(p.login) AND o.root_id <> p.root_id \
                 WHERE p.root_id = ",
            );
            sql.bind(Bind::Uuid(permit.root_id)).push(" AND p.id = ").bind(Bind::Uuid(id)).push(" LIMIT 1");
            if !rows(conn, sql).await?.is_empty() {
                let message = "This login cannot be used here: choose another, or ask who runs the gateway.";
                return Err(InputError::at("input.login", InputErrorCode::Invalid, message).into());
            }
            let mut sql = Sql::new(
                "SELECT g.tenant_id, r.permissions FROM role_grant g JOIN role r ON r.root_id = g.root_id \
                 AND r.id = g.role_id WHERE g.root_id = ",
            );
            sql.bind(Bind::Uuid(permit.root_id)).push(" AND g.person_id = ").bind(Bind::Uuid(id));
            let mut beyond = Permissions::default();
            for row in &rows(conn, sql).await? {
                let granted = viewer::permissions(column::<Array<Text>, Vec<String>>(row, 1)?);
                beyond = beyond.union(granted.without(permit.held_in(column::<SqlUuid, Uuid>(row, 0)?)));
            }
            if beyond.is_empty() {
                return Ok(());
            }
            let message = "This person holds rights that you do not: ask somebody who holds them.";
            Err(InputError::at("input.login", InputErrorCode::Forbidden, message).into())
        }
        .boxed()
    }));
}
