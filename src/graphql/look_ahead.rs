//! What a selection will need beside the rows themselves, joined to them before anybody asks.

use std::sync::Arc;

use async_graphql::{Lookahead, SelectionField};

use super::asking::Asking;
use crate::access::Reach;
use crate::error::Error;
use crate::store::noun::{Columns, Join, Relation, Target};

/// More joins than these make Postgres plan longer than a loader would take; the rest is left to the loaders.
const MOST_JOINS: usize = 8;

/// The relations of `target` that the selections need, and theirs in turn.
pub(super) fn joins(
    asking: &Asking,
    target: &'static Target,
    looks: &[Lookahead<'_>],
) -> Result<Vec<Join>, Error> {
    let mut left = MOST_JOINS;
    descend(asking, target, looks, &mut left)
}

fn descend(
    asking: &Asking,
    target: &'static Target,
    looks: &[Lookahead<'_>],
    left: &mut usize,
) -> Result<Vec<Join>, Error> {
    let mut joins = Vec::new();
    for relation in target.relations {
        let own = along(looks, relation.path);
        let lifted: Vec<&str> =
            relation.lifted.iter().copied().filter(|field| selects(looks, field)).collect();
        if (own.is_empty() && lifted.is_empty()) || *left == 0 {
            continue;
        }
        let target = (relation.target)();
        let Some(reach) = readable(asking, target)? else { continue };
        *left -= 1;
        let mut children = descend(asking, target, &own, left)?;
        for field in &lifted {
            descend_lifted(asking, relation, field, looks, left, &mut children)?;
        }
        let own = own.iter().map(|look| columns(target, std::slice::from_ref(look)));
        let wanted = own.chain(lifted.iter().map(|field| target.lifted(field)));
        joins.push(join(relation, reach, wanted.collect(), children));
    }
    Ok(joins)
}

/// A field of the object itself that leads to a relation of the related row.
fn descend_lifted(
    asking: &Asking,
    through: &'static Relation,
    field: &str,
    looks: &[Lookahead<'_>],
    left: &mut usize,
    children: &mut Vec<Join>,
) -> Result<(), Error> {
    let found = (through.target)().relations.iter().find(|relation| relation.path.last() == Some(&field));
    let Some(relation) = found else { return Ok(()) };
    if *left == 0 || children.iter().any(|join| std::ptr::eq(join.relation, relation)) {
        return Ok(());
    }
    let target = (relation.target)();
    let Some(reach) = readable(asking, target)? else { return Ok(()) };
    *left -= 1;
    let own = along(looks, &[field]);
    let below = descend(asking, target, &own, left)?;
    let wanted = own.iter().map(|look| columns(target, std::slice::from_ref(look)));
    children.push(join(relation, reach, wanted.collect(), below));
    Ok(())
}

fn join(
    relation: &'static Relation,
    reach: Arc<Reach>,
    mut wanted: Vec<Columns>,
    children: Vec<Join>,
) -> Join {
    wanted.sort_unstable();
    wanted.dedup();
    let columns = wanted.iter().copied().reduce(Columns::union).unwrap_or((relation.target)().all());
    Join { relation, reach, columns, wanted, children }
}

/// The columns that selections read of a row; of a row that is read without any, as a name may be, all.
pub(super) fn columns(target: &'static Target, looks: &[Lookahead<'_>]) -> Columns {
    let fields: Vec<_> = looks.iter().flat_map(Lookahead::selection_fields).collect();
    let selected = fields.iter().flat_map(SelectionField::selection_set);
    selected.map(|field| target.read_by(field.name())).reduce(Columns::union).unwrap_or(target.all())
}

/// Where a related row may be read: a join must not show what its loader would refuse. Nowhere is left to the loader,
/// which says so.
fn readable(asking: &Asking, target: &'static Target) -> Result<Option<Arc<Reach>>, Error> {
    let Some(permission) = target.by_id else { return Ok(Some(asking.viewer()?.reach_any())) };
    match asking.reach(permission) {
        Ok(reach) => Ok(Some(reach)),
        Err(Error::Forbidden(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn along<'a>(looks: &[Lookahead<'a>], path: &[&str]) -> Vec<Lookahead<'a>> {
    looks
        .iter()
        .filter_map(|look| {
            let (first, rest) = path.split_first()?;
            let found = rest.iter().fold(look.field(first), |look, field| look.field(field));
            found.exists().then_some(found)
        })
        .collect()
}

fn selects(looks: &[Lookahead<'_>], field: &str) -> bool {
    looks.iter().any(|look| look.field(field).exists())
}
