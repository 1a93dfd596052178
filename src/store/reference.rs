//! What an input refers to: objects of the tenant that is written in, or of those above it.

use diesel::sql_types::Integer;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::noun::{Noun, Visible, column};
use super::rows;
use super::sql::{Bind, Sql};
use crate::access::Permit;
use crate::error::{InputErrorCode, Mistakes};

/// The references of one input, to be checked in one statement.
#[derive(Default)]
pub struct References {
    sql: Sql,
    paths: Vec<(String, &'static str)>,
}

impl References {
    /// That the id at `path` names an object that may be used in the permit's tenant.
    pub fn add<N: Noun>(&mut self, permit: &Permit, path: impl Into<String>, id: Option<Uuid>) {
        self.add_if::<N>(permit, path, id, "", |_| {});
    }

    /// The same, on a further condition on the object `t`, which begins with ` AND `.
    pub fn add_if<N: Noun>(
        &mut self,
        permit: &Permit,
        path: impl Into<String>,
        id: Option<Uuid>,
        condition: &'static str,
        binds: impl FnOnce(&mut Sql),
    ) {
        let Some(id) = id else { return };
        let index = self.paths.len();
        self.paths.push((path.into(), N::NAME));
        if index > 0 {
            self.sql.push(" UNION ALL ");
        }
        self.sql.made(format!(
            "SELECT {index} WHERE NOT EXISTS (SELECT FROM {} t WHERE t.root_id = ",
            N::TARGET.table
        ));
        self.sql.bind(Bind::Uuid(permit.root_id)).push(" AND t.id = ").bind(Bind::Uuid(id));
        match N::TARGET.visible {
            Visible::Own => {
                self.sql.made(format!(" AND t.{} = ", N::TARGET.tenant)).bind(Bind::Uuid(permit.tenant_id))
            }
            _ => self
                .sql
                .made(format!(
                    " AND t.{} IN (SELECT c.ancestor_id FROM tenant_closure c WHERE c.root_id = t.root_id \
                     AND c.descendant_id = ",
                    N::TARGET.tenant
                ))
                .bind(Bind::Uuid(permit.tenant_id))
                .push(")"),
        };
        self.sql.push(condition);
        binds(&mut self.sql);
        self.sql.push(")");
    }

    /// Adds a mistake for each reference that leads nowhere.
    pub(super) async fn check(
        self,
        conn: &mut AsyncPgConnection,
        mistakes: &mut Mistakes,
    ) -> Result<(), diesel::result::Error> {
        if self.paths.is_empty() {
            return Ok(());
        }
        for row in &rows(conn, self.sql).await? {
            let index = usize::try_from(column::<Integer, i32>(row, 0)?).unwrap_or_default();
            if let Some((path, noun)) = self.paths.get(index) {
                let message = format!("There is no {noun} of this id that may be used here.");
                mistakes.add(path, InputErrorCode::NotFound, message);
            }
        }
        Ok(())
    }
}
