//! The first tenant of a tree and the person who may do everything in it. Nobody's rights reach a tree that is not
//! there yet, so this alone takes no permit: it is for whoever may open the database itself.

use std::fmt;

use serde_json::json;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::tenant::UNKNOWN_ZONE;
use super::{connect, id};
use crate::access::Permission;
use crate::error::{Mistakes, WriteError};

/// A tree to be begun.
#[derive(Clone, Debug)]
pub struct Root<'a> {
    /// Its name in addresses, unique among roots.
    pub slug: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The zone of its days.
    pub time_zone: chrono_tz::Tz,
    /// What its administrator signs in with.
    pub administrator: &'a str,
}

/// Why no tree was begun.
#[derive(Debug)]
pub enum RootError {
    /// Another root has the slug.
    Taken,
    /// The slug, or what of the login becomes a name, breaks a rule of the table.
    Refused,
    /// The name or the login is none, or the store does not know the zone: what each mistake is about, and the sentence that
    /// says what to do.
    Mistaken(Vec<(String, String)>),
    /// The database failed.
    Database(tokio_postgres::Error),
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => write!(f, "another tenant has this slug; choose another with --slug"),
            Self::Refused => write!(
                f,
                "the slug takes small letters, digits and hyphens, at most 63; the administrator 1 to 80 before the @"
            ),
            Self::Mistaken(mistakes) => {
                let told = mistakes.iter().map(|(what, why)| format!("--{what}: {why}"));
                write!(f, "{}", told.collect::<Vec<_>>().join(" "))
            }
            Self::Database(cause) => match cause.as_db_error() {
                Some(said) => write!(f, "the tenant could not be made: {said}"),
                None => write!(f, "the tenant could not be made: {cause}"),
            },
        }
    }
}

impl std::error::Error for RootError {}

impl From<tokio_postgres::Error> for RootError {
    fn from(cause: tokio_postgres::Error) -> Self {
        match cause.code() {
            Some(code) if *code == SqlState::CHECK_VIOLATION => Self::Refused,
            // Of all values only the zone is read by Postgres.
            Some(code) if *code == SqlState::INVALID_PARAMETER_VALUE => {
                Self::Mistaken(vec![("time-zone".to_owned(), UNKNOWN_ZONE.to_owned())])
            }
            _ => Self::Database(cause),
        }
    }
}

/// Begins a tree: a root tenant, a role of all permissions, and a person who holds it there.
///
/// # Errors
/// When the slug is taken or a value is refused, and when the database fails; then nothing was made.
pub async fn begin(client: &mut Client, root: &Root<'_>) -> Result<(), RootError> {
    let [tenant, role, person, grant, audit] = [(); 5].map(|()| id::new().to_string());
    let permissions: Vec<&str> = Permission::ALL.iter().map(|permission| permission.wire_name()).collect();
    let zone = root.time_zone.name();
    let mut mistakes = Mistakes::default();
    let called = mistakes.name("name", root.name, 160);
    mistakes.text("administrator", root.administrator, 254);
    if let Err(WriteError::Input(found)) = mistakes.none() {
        let told = found.into_iter().map(|mistake| (mistake.path.join("."), mistake.message));
        return Err(RootError::Mistaken(told.collect()));
    }
    let name = root.administrator.split('@').next().unwrap_or_default();
    let transaction = client.transaction().await?;
    // Two that begin at once wait for each other here.
    transaction.execute("SELECT pg_advisory_xact_lock(hashtextextended('tenant roots', 0))", &[]).await?;
    // Postgres counts the tenant's days and periods, and may know other zones.
    transaction.execute("SELECT now() AT TIME ZONE $1::text", &[&zone]).await?;
    let taken = "SELECT EXISTS (SELECT FROM tenant WHERE parent_id IS NULL AND slug = $1)";
    if transaction.query_one(taken, &[&root.slug]).await?.get(0) {
        return Err(RootError::Taken);
    }
    transaction
        .execute(
            "INSERT INTO tenant (root_id, id, slug, name, time_zone) \
             VALUES ($1::text::uuid, $1::text::uuid, $2, $3, $4)",
            &[&tenant, &root.slug, &called, &zone],
        )
        .await?;
    transaction
        .execute(
            "INSERT INTO tenant_closure (root_id, ancestor_id, descendant_id, depth) \
             VALUES ($1::text::uuid, $1::text::uuid, $1::text::uuid, 0)",
            &[&tenant],
        )
        .await?;
    transaction
        .execute(
            "INSERT INTO role (root_id, id, tenant_id, name, permissions) \
             VALUES ($1::text::uuid, $2::text::uuid, $1::text::uuid, 'Administrator', $3)",
            &[&tenant, &role, &permissions],
        )
        .await?;
    transaction
        .execute(
            "INSERT INTO person (root_id, id, tenant_id, first_name, last_name, email, login) \
             VALUES ($1::text::uuid, $2::text::uuid, $1::text::uuid, '', $3, $4, $4)",
            &[&tenant, &person, &name, &root.administrator],
        )
        .await?;
    transaction
        .execute(
            "INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id) \
             VALUES ($1::text::uuid, $2::text::uuid, $1::text::uuid, $3::text::uuid, $4::text::uuid)",
            &[&tenant, &grant, &role, &person],
        )
        .await?;
    let after =
        json!({ "slug": root.slug, "name": called, "time_zone": zone, "administrator": root.administrator });
    transaction
        .execute(
            "INSERT INTO audit_entry (root_id, id, tenant_id, actor_name, action, object_type, object_id, after) \
             VALUES ($1::text::uuid, $2::text::uuid, $1::text::uuid, 'sla-gateway tenant', 'tenantCreate', 'Tenant', \
             $1::text::uuid, $3::text::jsonb)",
            &[&tenant, &audit, &after.to_string()],
        )
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Whether somebody of any tree signs in so.
///
/// # Errors
/// When the store cannot be asked.
pub async fn is_known(url: &str, login: &str) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let client = connect::client(url).await?;
    Ok(client.query_one("SELECT EXISTS (SELECT FROM person WHERE login = $1)", &[&login]).await?.get(0))
}
