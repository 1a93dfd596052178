//! Filters and orders: the same operators and the same shape for every noun.

use std::ops::Bound;

use async_graphql::{Enum, ID, InputObject};
use chrono::Utc;

use super::node::{Kind, key_of_any};
use super::scalar::{Date, DateTime};
pub use super::word::*;
use crate::breach::Ids;
use crate::error::Error;
use crate::store::filter::Op;
use crate::store::sql::Bind;

/// The operators of one field of a filter.
pub trait Operators {
    /// What they mean; `kind` is the type that ids must be of, none = any.
    fn ops(self, kind: Option<Kind>) -> Result<Vec<Op>, Error>;
}

/// More values than this in a list make a slow plan, and a mistake likely.
const LONGEST_LIST: usize = 200;

/// Postgres folds the case of a pattern anew for every row that it looks at.
const LONGEST_PATTERN: usize = 500;

fn pattern(text: String) -> Result<String, Error> {
    if text.chars().count() <= LONGEST_PATTERN {
        return Ok(text);
    }
    Err(Error::LimitExceeded(format!(
        "At most {LONGEST_PATTERN} characters to look for in a text: look for fewer."
    )))
}

fn list<T, B>(values: Vec<T>, each: impl Fn(T) -> Result<B, Error>) -> Result<Vec<B>, Error> {
    if values.len() > LONGEST_LIST {
        return Err(Error::LimitExceeded(format!(
            "At most {LONGEST_LIST} values in a list: ask several times."
        )));
    }
    values.into_iter().map(each).collect()
}

/// Conditions on a text. All that are given must hold; none can be null.
#[derive(Clone, Debug, Default, InputObject)]
pub struct StringFilter {
    /// Equal, letter by letter.
    eq: Option<String>,
    /// Equal to one of these, at most 200.
    r#in: Option<Vec<String>>,
    /// Equal to none of these, at most 200; null is equal to none.
    not_in: Option<Vec<String>>,
    /// Contains this text, at most 500 characters, whatever the case of its letters.
    contains: Option<String>,
    /// Begins with this text, at most 500 characters, whatever the case of its letters.
    starts_with: Option<String>,
    /// Is null, or is not.
    is_null: Option<bool>,
}

impl Operators for StringFilter {
    fn ops(self, _: Option<Kind>) -> Result<Vec<Op>, Error> {
        let mut ops = Vec::new();
        ops.extend(self.eq.map(|v| Op::Eq(Bind::Text(v))));
        ops.extend(self.r#in.map(|v| list(v, Ok)).transpose()?.map(|v| Op::In(Bind::Texts(v))));
        ops.extend(self.not_in.map(|v| list(v, Ok)).transpose()?.map(|v| Op::NotIn(Bind::Texts(v))));
        ops.extend(self.contains.map(pattern).transpose()?.map(Op::Contains));
        ops.extend(self.starts_with.map(pattern).transpose()?.map(Op::StartsWith));
        ops.extend(self.is_null.map(Op::IsNull));
        Ok(ops)
    }
}

/// Conditions on a reference, or on an object's own id. All that are given must hold; none can be null.
#[derive(Clone, Debug, Default, InputObject)]
#[graphql(name = "IDFilter")]
pub struct IdFilter {
    /// Refers to this object.
    pub(super) eq: Option<ID>,
    /// Refers to one of these, at most 200.
    pub(super) r#in: Option<Vec<ID>>,
    /// Refers to none of these, at most 200; null refers to none.
    not_in: Option<Vec<ID>>,
    /// Is null, or is not.
    is_null: Option<bool>,
}

impl Operators for IdFilter {
    fn ops(self, kind: Option<Kind>) -> Result<Vec<Op>, Error> {
        let key = |id: ID| kind.map_or_else(|| key_of_any(&id), |kind| kind.key(&id));
        let mut ops = Vec::new();
        ops.extend(self.eq.map(key).transpose()?.map(|v| Op::Eq(Bind::Uuid(v))));
        ops.extend(self.r#in.map(|v| list(v, key)).transpose()?.map(|v| Op::In(Bind::Uuids(v))));
        ops.extend(self.not_in.map(|v| list(v, key)).transpose()?.map(|v| Op::NotIn(Bind::Uuids(v))));
        ops.extend(self.is_null.map(Op::IsNull));
        Ok(ops)
    }
}

impl IdFilter {
    /// The same for the feed.
    pub(super) fn feed(self, kind: Kind) -> Result<Vec<Ids>, Error> {
        let key = |id: ID| kind.key(&id);
        let mut all = Vec::new();
        all.extend(self.eq.map(key).transpose()?.map(|key| Ids::In(vec![key])));
        all.extend(self.r#in.map(|v| list(v, key)).transpose()?.map(Ids::In));
        all.extend(self.not_in.map(|v| list(v, key)).transpose()?.map(Ids::NotIn));
        all.extend(self.is_null.map(Ids::Null));
        Ok(all)
    }
}

/// Conditions on a number. All that are given must hold; none can be null.
#[derive(Clone, Debug, Default, InputObject)]
pub struct IntFilter {
    /// Equal.
    eq: Option<i32>,
    /// Equal to one of these, at most 200.
    r#in: Option<Vec<i32>>,
    /// Greater.
    gt: Option<i32>,
    /// Greater or equal.
    gte: Option<i32>,
    /// Less.
    lt: Option<i32>,
    /// Less or equal.
    lte: Option<i32>,
    /// Is null, or is not.
    is_null: Option<bool>,
}

impl Operators for IntFilter {
    fn ops(self, _: Option<Kind>) -> Result<Vec<Op>, Error> {
        let mut ops = Vec::new();
        ops.extend(self.eq.map(|v| Op::Eq(Bind::Int(v))));
        ops.extend(self.r#in.map(|v| list(v, Ok)).transpose()?.map(|v| Op::In(Bind::Ints(v))));
        ops.extend(self.gt.map(|v| Op::Gt(Bind::Int(v))));
        ops.extend(self.gte.map(|v| Op::Gte(Bind::Int(v))));
        ops.extend(self.lt.map(|v| Op::Lt(Bind::Int(v))));
        ops.extend(self.lte.map(|v| Op::Lte(Bind::Int(v))));
        ops.extend(self.is_null.map(Op::IsNull));
        Ok(ops)
    }
}

macro_rules! ranges {
    ($($(#[$doc:meta])* $name:ident of $scalar:ident as $bind:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, InputObject)]
        pub struct $name {
            /// Equal.
            eq: Option<$scalar>,
            /// Later.
            gt: Option<$scalar>,
            /// Later or equal.
            gte: Option<$scalar>,
            /// Earlier.
            lt: Option<$scalar>,
            /// Earlier or equal.
            lte: Option<$scalar>,
            /// Is null, or is not.
            is_null: Option<bool>,
        }

        impl Operators for $name {
            fn ops(self, _: Option<Kind>) -> Result<Vec<Op>, Error> {
                let mut ops = Vec::new();
                ops.extend(self.eq.map(|v| Op::Eq(Bind::$bind(v.0))));
                ops.extend(self.gt.map(|v| Op::Gt(Bind::$bind(v.0))));
                ops.extend(self.gte.map(|v| Op::Gte(Bind::$bind(v.0))));
                ops.extend(self.lt.map(|v| Op::Lt(Bind::$bind(v.0))));
                ops.extend(self.lte.map(|v| Op::Lte(Bind::$bind(v.0))));
                ops.extend(self.is_null.map(Op::IsNull));
                Ok(ops)
            }
        }
    )* };
}

ranges! {
    /// Conditions on an instant. All that are given must hold; none can be null.
    DateTimeFilter of DateTime as Time;
    /// Conditions on a day. All that are given must hold; none can be null.
    DateFilter of Date as Date;
}

impl DateTimeFilter {
    /// The range that all its bounds leave; the feed has no nulls, and nothing after the end of time.
    pub(super) fn bounds(self) -> (Bound<chrono::DateTime<Utc>>, Bound<chrono::DateTime<Utc>>) {
        if self.is_null == Some(true) {
            return (Bound::Excluded(chrono::DateTime::<Utc>::MAX_UTC), Bound::Unbounded);
        }
        let lower = [
            self.eq.map(|at| (at.0, false)),
            self.gt.map(|at| (at.0, true)),
            self.gte.map(|at| (at.0, false)),
        ];
        let upper = [
            self.eq.map(|at| (at.0, true)),
            self.lt.map(|at| (at.0, false)),
            self.lte.map(|at| (at.0, true)),
        ];
        let lower = lower.into_iter().flatten().max().map_or(Bound::Unbounded, |(at, excluded)| {
            if excluded { Bound::Excluded(at) } else { Bound::Included(at) }
        });
        let upper = upper.into_iter().flatten().min().map_or(Bound::Unbounded, |(at, included)| {
            if included { Bound::Included(at) } else { Bound::Excluded(at) }
        });
        (lower, upper)
    }
}

/// Conditions on a yes or no.
#[derive(Clone, Debug, Default, InputObject)]
pub struct BooleanFilter {
    /// Equal.
    eq: Option<bool>,
}

impl Operators for BooleanFilter {
    fn ops(self, _: Option<Kind>) -> Result<Vec<Op>, Error> {
        Ok(self.eq.map(|v| Op::Eq(Bind::Bool(v))).into_iter().collect())
    }
}

/// Up or down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum OrderDirection {
    /// From the least to the greatest; nulls last.
    #[default]
    Asc,
    /// From the greatest to the least; nulls first.
    Desc,
}

/// Declares the filter of a noun's lists.
macro_rules! filter {
    ($(#[$doc:meta])* $name:ident over $noun:ident {
        $($(#[$fdoc:meta])* $field:ident: $ty:ident $(($kind:ident))? => $key:ident),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, async_graphql::InputObject)]
        pub struct $name {
            $($(#[$fdoc])* $field: Option<$crate::graphql::filter::$ty>),*
        }

        impl $crate::graphql::page::Filter for $name {
            fn conditions(self, sql: &mut $crate::store::sql::Sql) -> Result<(), $crate::error::Error> {
                $(
                    if let Some(given) = self.$field {
                        let kind = [$($crate::graphql::node::Kind::$kind)?].first().copied();
                        for op in $crate::graphql::filter::Operators::ops(given, kind)? {
                            $crate::store::filter::condition(sql, &$crate::store::$noun::key::$key, op);
                        }
                    }
                )*
                Ok(())
            }

            fn tenants(&mut self) -> Result<Option<Vec<uuid::Uuid>>, $crate::error::Error> {
                $crate::graphql::filter::tenants(&mut self.tenant)
            }
        }
    };
}
pub(super) use filter;

/// Takes `eq` and `in` out of a tenant's conditions: the reach answers them.
pub(super) fn tenants(filter: &mut Option<IdFilter>) -> Result<Option<Vec<uuid::Uuid>>, Error> {
    let Some(given) = filter else { return Ok(None) };
    let key = |id: ID| Kind::Tenant.key(&id);
    let eq = given.eq.take().map(key).transpose()?;
    let listed = given.r#in.take().map(|v| list(v, key)).transpose()?;
    Ok(match (eq, listed) {
        (None, None) => None,
        (Some(one), None) => Some(vec![one]),
        (None, Some(some)) => Some(some),
        (Some(one), Some(some)) => Some(some.into_iter().filter(|id| *id == one).collect()),
    })
}

/// Declares the order of a noun's lists.
macro_rules! order {
    ($(#[$doc:meta])* $name:ident by $field:ident over $noun:ident {
        $($(#[$vdoc:meta])* $variant:ident => $key:ident),* $(,)?
    } default: $($default:ident $direction:ident),*) => {
        #[doc = concat!("What a `", stringify!($name), "` sorts by.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
        pub enum $field { $($(#[$vdoc])* $variant),* }

        $(#[$doc])*
        #[derive(Clone, Copy, Debug, async_graphql::InputObject)]
        pub struct $name {
            /// By what.
            field: $field,
            /// Up or down.
            #[graphql(default)]
            direction: $crate::graphql::filter::OrderDirection,
        }

        impl $crate::graphql::page::Order for $name {
            fn sort(self) -> $crate::store::page::Sort {
                let key = match self.field { $($field::$variant => &$crate::store::$noun::key::$key),* };
                let descending = self.direction == $crate::graphql::filter::OrderDirection::Desc;
                $crate::store::page::Sort { key, descending }
            }

            fn default() -> Vec<$crate::store::page::Sort> {
                vec![$($crate::store::page::Sort {
                    key: &$crate::store::$noun::key::$default,
                    descending: $crate::graphql::filter::OrderDirection::$direction
                        == $crate::graphql::filter::OrderDirection::Desc,
                }),*]
            }
        }
    };
}
pub(super) use order;
