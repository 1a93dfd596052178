//! Conditions on rows: a key and an operator.

use unicode_normalization::UnicodeNormalization;

use super::page::{Key, Kind};
use super::sql::{Bind, Sql};
use crate::access::Permission;

/// What a value is compared by. Null equals nothing and is in no list; only [`Op::IsNull`] finds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Equal.
    Eq(Bind),
    /// Equal to one of a list.
    In(Bind),
    /// Not equal to any of a list; null is not in the list.
    NotIn(Bind),
    /// Greater.
    Gt(Bind),
    /// Greater or equal.
    Gte(Bind),
    /// Less.
    Lt(Bind),
    /// Less or equal.
    Lte(Bind),
    /// Contains a text, whatever the case of its letters.
    Contains(String),
    /// Begins with a text, whatever the case of its letters.
    StartsWith(String),
    /// Is null, or is not.
    IsNull(bool),
}

impl Op {
    /// The same with its texts in Unicode's normal form C, as names are kept.
    fn in_form_c(self) -> Self {
        let text = |text: String| text.nfc().collect::<String>();
        let bind = |bind| match bind {
            Bind::Text(one) => Bind::Text(text(one)),
            Bind::Texts(some) => Bind::Texts(some.into_iter().map(text).collect()),
            other => other,
        };
        match self {
            Self::Eq(one) => Self::Eq(bind(one)),
            Self::In(some) => Self::In(bind(some)),
            Self::NotIn(some) => Self::NotIn(bind(some)),
            Self::Contains(part) => Self::Contains(text(part)),
            Self::StartsWith(part) => Self::StartsWith(text(part)),
            other => other,
        }
    }
}

/// Appends ` AND key op value`.
pub fn condition(sql: &mut Sql, key: &'static Key, op: Op) {
    let op = if key.kind == Kind::Name { op.in_form_c() } else { op };
    let expression = key.expression;
    sql.push(" AND ");
    let mut compare = |before: &'static str, value: Bind, after: &'static str| {
        sql.push(expression).push(before).bind(value).push(after);
    };
    match op {
        Op::Eq(value) => compare(" = ", value, ""),
        Op::In(values) => compare(" = ANY(", values, ")"),
        Op::NotIn(values) => {
            sql.push("(").push(expression).push(" <> ALL(").bind(values).push(")");
            sql.push(if key.nullable { " OR " } else { "" });
            if key.nullable {
                sql.push(expression).push(" IS NULL");
            }
            sql.push(")");
        }
        Op::Gt(value) => compare(" > ", value, ""),
        Op::Gte(value) => compare(" >= ", value, ""),
        Op::Lt(value) => compare(" < ", value, ""),
        Op::Lte(value) => compare(" <= ", value, ""),
        Op::Contains(text) => compare(" ILIKE ", Bind::Text(format!("%{}%", literal(&text))), ""),
        Op::StartsWith(text) => compare(" ILIKE ", Bind::Text(format!("{}%", literal(&text))), ""),
        Op::IsNull(true) => {
            sql.push(expression).push(" IS NULL");
        }
        Op::IsNull(false) => {
            sql.push(expression).push(" IS NOT NULL");
        }
    }
}

fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

impl Key {
    /// A key that is never null.
    pub const fn new(expression: &'static str, kind: Kind) -> Self {
        Self { expression, kind, nullable: false, needs: None }
    }

    /// A key that can be null.
    pub const fn nullable(expression: &'static str, kind: Kind) -> Self {
        Self { expression, kind, nullable: true, needs: None }
    }

    /// The same, to be sorted by with this permission only.
    pub const fn needing(self, permission: Permission) -> Self {
        Self { needs: Some(permission), ..self }
    }
}
