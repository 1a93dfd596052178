//! Conditions on rows: a key and an operator.

use super::page::{Key, Kind};
use super::sql::{Bind, Sql};

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

/// Appends ` AND key op value`.
pub fn condition(sql: &mut Sql, key: &'static Key, op: Op) {
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
        Self { expression, kind, nullable: false }
    }

    /// A key that can be null.
    pub const fn nullable(expression: &'static str, kind: Kind) -> Self {
        Self { expression, kind, nullable: true }
    }
}
