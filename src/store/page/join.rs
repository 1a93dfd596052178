//! The to-one relations that come along with a page.

use diesel::result::QueryResult;

use super::{Beside, some_columns};
use crate::access::Reach;
use crate::store::PgRow;
use crate::store::noun::{Join, Visible};
use crate::store::sql::{Bind, Sql};

/// The joins of one query, flat: each with its alias and that of the row it hangs on.
pub(super) struct Plan<'a>(Vec<(&'a Join, String, String)>);

impl<'a> Plan<'a> {
    pub(super) fn new(joins: &'a [Join]) -> Self {
        let mut flat = Vec::new();
        Self::add(joins, "t", &mut flat);
        Self(flat)
    }

    fn add(joins: &'a [Join], parent: &str, flat: &mut Vec<(&'a Join, String, String)>) {
        for join in joins {
            let alias = format!("j{}", flat.len());
            flat.push((join, alias.clone(), parent.to_owned()));
            Self::add(&join.children, &alias, flat);
        }
    }

    pub(super) fn columns(&self, sql: &mut Sql) {
        for (join, alias, _) in &self.0 {
            sql.push(", ");
            some_columns(sql, alias, (join.relation.target)(), join.columns);
        }
    }

    /// A related row is joined where its own loader would let it through: what is left out here, the loader finds
    /// or refuses.
    pub(super) fn joins(&self, sql: &mut Sql, page: &Reach) {
        for (join, alias, parent) in &self.0 {
            let target = (join.relation.target)();
            let (table, column) = (target.table, join.relation.column);
            sql.made(format_args!(
                " LEFT JOIN {table} {alias} ON {alias}.root_id = {parent}.root_id AND {alias}.id = {parent}.{column}"
            ));
            if !(join.reach.complete && page.roots.iter().all(|root| join.reach.roots.contains(root))) {
                sql.made(format_args!(" AND {alias}.{} = ANY(", target.tenant));
                sql.bind(Bind::Uuids(match target.visible {
                    Visible::Upward => join.reach.visible.clone(),
                    _ => join.reach.tenants.clone(),
                }));
                sql.push(")");
            }
        }
    }

    pub(super) fn decode(&self, row: &PgRow, mut at: usize, loaded: &mut Vec<Beside>) -> QueryResult<()> {
        for (join, _, _) in &self.0 {
            let target = (join.relation.target)();
            if let Some(found) = (target.decode)(row, at, join.columns)? {
                loaded.extend(join.wanted.iter().map(|wanted| (*wanted, found.clone())));
            }
            at += join.columns.len();
        }
        Ok(())
    }
}
