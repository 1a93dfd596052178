//! What a selection will need beside the rows themselves, joined to them before anybody asks.

use async_graphql::Lookahead;

use super::asking::Asking;
use crate::access::Reach;
use crate::error::Error;
use crate::store::noun::{Join, Relation, Target};

/// More joins than these make Postgres plan longer than a loader would take; the rest is left to the loaders.
const MOST_JOINS: usize = 8;

/// The relations of `target` that the selections need, and theirs in turn.
pub(super) fn joins(
    asking: &Asking,
    reach: &Reach,
    target: &'static Target,
    looks: &[Lookahead<'_>],
) -> Result<Vec<Join>, Error> {
    let mut left = MOST_JOINS;
    descend(asking, reach, target, looks, &mut left)
}

fn descend(
    asking: &Asking,
    reach: &Reach,
    target: &'static Target,
    looks: &[Lookahead<'_>],
    left: &mut usize,
) -> Result<Vec<Join>, Error> {
    let mut joins = Vec::new();
    for relation in target.relations {
        let own = along(looks, relation.path);
        let lifted: Vec<&str> =
            relation.lifted.iter().copied().filter(|field| selects(looks, field)).collect();
        let needed = !own.is_empty() || !lifted.is_empty();
        if !needed || *left == 0 || !readable(asking, reach, (relation.target)())? {
            continue;
        }
        *left -= 1;
        let mut children = descend(asking, reach, (relation.target)(), &own, left)?;
        for field in lifted {
            descend_lifted(asking, reach, relation, field, looks, left, &mut children)?;
        }
        joins.push(Join { relation, children });
    }
    Ok(joins)
}

/// A field of the object itself that leads to a relation of the related row.
fn descend_lifted(
    asking: &Asking,
    reach: &Reach,
    through: &'static Relation,
    field: &str,
    looks: &[Lookahead<'_>],
    left: &mut usize,
    children: &mut Vec<Join>,
) -> Result<(), Error> {
    let found = (through.target)().relations.iter().find(|relation| relation.path.last() == Some(&field));
    let Some(relation) = found else { return Ok(()) };
    let known = children.iter().any(|join| std::ptr::eq(join.relation, relation));
    if known || *left == 0 || !readable(asking, reach, (relation.target)())? {
        return Ok(());
    }
    *left -= 1;
    let own = along(looks, &[relation.path[relation.path.len() - 1]]);
    let below = descend(asking, reach, (relation.target)(), &own, left)?;
    children.push(Join { relation, children: below });
    Ok(())
}

/// A join reads with the page's reach: it must not show what a loader would refuse.
fn readable(asking: &Asking, reach: &Reach, target: &'static Target) -> Result<bool, Error> {
    let Some(permission) = target.by_id else { return Ok(true) };
    match asking.reach(permission) {
        Ok(own) => Ok(reach.tenants.iter().all(|tenant| own.contains(*tenant))),
        Err(Error::Forbidden(_)) => Ok(false),
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
