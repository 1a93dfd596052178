//! What an input refers to: objects of the tenant that is written in, or of those above it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use diesel::sql_types::{Integer, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::noun::{Noun, Visible, column};
use super::rows;
use super::sql::{Bind, Sql};
use crate::access::Permit;
use crate::error::{InputErrorCode, Mistakes};

/// The references of an input, or of many rows of one, to be checked in one statement.
#[derive(Default)]
pub struct References(Vec<Group>);

/// References to objects of one kind that may be used on the same conditions.
struct Group {
    code: InputErrorCode,
    message: Cow<'static, str>,
    /// What an object `t` of key `k.id` must be.
    rule: Sql,
    paths: Vec<(String, Uuid)>,
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
        let mut rule = Self::usable::<N>(permit);
        rule.push(condition);
        binds(&mut rule);
        let message = format!("There is no {} of this id that may be used here.", N::NAME);
        self.hold(path.into(), id, InputErrorCode::NotFound, message.into(), rule);
    }

    /// That an object, if it may be used, fulfills a condition on `t`; else the value at `path` is a mistake.
    pub fn must_be<N: Noun>(
        &mut self,
        permit: &Permit,
        path: impl Into<String>,
        id: Uuid,
        condition: &'static str,
        message: &'static str,
    ) {
        let mut rule = Sql::new("SELECT WHERE NOT EXISTS (");
        rule.append(Self::usable::<N>(permit)).push(" AND NOT (").push(condition).push("))");
        self.hold(path.into(), id, InputErrorCode::Invalid, message.into(), rule);
    }

    /// What says that the object of key `k.id` may be used in the permit's tenant.
    fn usable<N: Noun>(permit: &Permit) -> Sql {
        let mut rule = Sql::default();
        rule.made(format!("SELECT FROM {} t WHERE t.root_id = ", N::TARGET.table));
        rule.bind(Bind::Uuid(permit.root_id)).push(" AND t.id = k.id");
        match N::TARGET.visible {
            Visible::Own => {
                rule.made(format!(" AND t.{} = ", N::TARGET.tenant)).bind(Bind::Uuid(permit.tenant_id))
            }
            _ => rule
                .made(format!(
                    " AND t.{} IN (SELECT c.ancestor_id FROM tenant_closure c WHERE c.root_id = t.root_id \
                     AND c.descendant_id = ",
                    N::TARGET.tenant
                ))
                .bind(Bind::Uuid(permit.tenant_id))
                .push(")"),
        };
        if N::TARGET.visible == Visible::Shared {
            // Of what is above, only what is shared can be used (rule S5).
            rule.push(" AND (t.shared OR t.tenant_id = ").bind(Bind::Uuid(permit.tenant_id)).push(")");
        }
        rule
    }

    fn hold(&mut self, path: String, id: Uuid, code: InputErrorCode, message: Cow<'static, str>, rule: Sql) {
        match self.0.iter_mut().find(|group| group.rule == rule) {
            Some(group) => group.paths.push((path, id)),
            None => self.0.push(Group { code, message, rule, paths: vec![(path, id)] }),
        }
    }

    /// Adds a mistake for each reference that leads nowhere.
    pub(super) async fn check(
        self,
        conn: &mut AsyncPgConnection,
        mistakes: &mut Mistakes,
    ) -> Result<(), diesel::result::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut sql = Sql::default();
        let mut groups = Vec::with_capacity(self.0.len());
        for (number, Group { code, message, rule, paths }) in self.0.into_iter().enumerate() {
            sql.push(if number > 0 { " UNION ALL " } else { "" });
            let ids: BTreeSet<Uuid> = paths.iter().map(|(_, id)| *id).collect();
            sql.made(format!("SELECT {number}, k.id FROM unnest("))
                .bind(Bind::Uuids(ids.into_iter().collect()));
            sql.push(") k(id) WHERE NOT EXISTS (").append(rule).push(")");
            groups.push((code, message, paths));
        }
        for row in &rows(conn, sql).await? {
            let number = usize::try_from(column::<Integer, i32>(row, 0)?).unwrap_or_default();
            let id: Uuid = column::<SqlUuid, _>(row, 1)?;
            let Some((code, message, paths)) = groups.get(number) else { continue };
            for (path, _) in paths.iter().filter(|(_, named)| *named == id) {
                mistakes.add(path, *code, message.to_string());
            }
        }
        Ok(())
    }
}
