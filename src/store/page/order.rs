//! Orders: what rows can be sorted by, where a row stands in an order, and how a page finds its rows by that.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::Page;
use crate::access::Permission;
use crate::error::Error;
use crate::store::PgRow;
use crate::store::noun::column;
use crate::store::sql::{Bind, Sql};

/// The type of a sort column: how a cursor's text becomes a bound value again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `text`
    Text,
    /// `text` as [`crate::error::name`] has it
    Name,
    /// `integer`
    Int,
    /// `bigint`
    Long,
    /// `boolean`
    Bool,
    /// `timestamptz`
    Time,
    /// `date`
    Date,
    /// `uuid`
    Uuid,
}

impl Kind {
    fn parse(self, text: &str) -> Option<Bind> {
        Some(match self {
            Self::Text | Self::Name => Bind::Text(text.to_owned()),
            Self::Int => Bind::Int(text.parse().ok()?),
            Self::Long => Bind::Long(text.parse().ok()?),
            Self::Bool => Bind::Bool(text.parse().ok()?),
            // What rows hold is of the years that are written with four digits; Postgres refuses some others.
            Self::Time => {
                Bind::Time(text.parse::<DateTime<Utc>>().ok().filter(|at| (1..=9999).contains(&at.year()))?)
            }
            Self::Date => {
                Bind::Date(text.parse::<NaiveDate>().ok().filter(|day| (1..=9999).contains(&day.year()))?)
            }
            Self::Uuid => Bind::Uuid(text.parse().ok()?),
        })
    }

    /// The value of a column as a cursor tells it.
    ///
    /// # Errors
    /// When the column is of another type.
    pub(super) fn read(self, row: &PgRow, at: usize) -> QueryResult<Option<String>> {
        Ok(match self {
            Self::Text | Self::Name => column::<Nullable<Text>, _>(row, at)?,
            Self::Int => column::<Nullable<Integer>, Option<i32>>(row, at)?.map(|v| v.to_string()),
            Self::Long => column::<Nullable<BigInt>, Option<i64>>(row, at)?.map(|v| v.to_string()),
            Self::Bool => column::<Nullable<Bool>, Option<bool>>(row, at)?.map(|v| v.to_string()),
            Self::Time => column::<Nullable<Timestamptz>, Option<DateTime<Utc>>>(row, at)?
                .map(|v| v.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)),
            Self::Date => column::<Nullable<Date>, Option<NaiveDate>>(row, at)?.map(|v| v.to_string()),
            Self::Uuid => column::<Nullable<SqlUuid>, Option<Uuid>>(row, at)?.map(|v| v.to_string()),
        })
    }
}

/// What rows can be sorted and filtered by.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// The expression over the row `t`.
    pub expression: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether it can be null. Nulls are last ascending and first descending.
    pub nullable: bool,
    /// What it takes to sort by it, where that tells more than a row does.
    pub needs: Option<Permission>,
}

/// One part of an order.
#[derive(Clone, Copy, Debug)]
pub struct Sort {
    /// By what.
    pub key: &'static Key,
    /// From the greatest to the least.
    pub descending: bool,
}

/// Where a row stands in an order: the values it is sorted by, as text, and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// One for each part of the order.
    pub values: Vec<Option<String>>,
    /// The last resort of every order.
    pub id: Uuid,
}

/// An order as a page walks it: backward, each part is turned round.
pub(super) struct Walk<'a> {
    pub(super) sorts: &'a [Sort],
    pub(super) page: &'a Page,
}

impl Walk<'_> {
    /// What follows `ORDER BY`; `told` names the value of a part.
    pub(super) fn by<'s>(&self, sql: &mut Sql, told: impl Fn(usize, &Sort) -> std::borrow::Cow<'s, str>) {
        for (index, sort) in self.sorts.iter().enumerate() {
            let descending = sort.descending != self.page.backward;
            sql.made(told(index, sort)).push(if descending { " DESC, " } else { ", " });
        }
        sql.push(if self.id_descends(self.page.backward) { "t.id DESC" } else { "t.id" });
    }

    /// The id follows the last part of the order, so that one index serves both directions.
    fn id_descends(&self, flipped: bool) -> bool {
        self.sorts.last().is_some_and(|sort| sort.descending) != flipped
    }

    /// The conditions by which rows lie after `after` and before `before`: one for each branch.
    pub(super) fn keyset(&self) -> Result<Vec<Sql>, Error> {
        let page = self.page;
        let (start, end) =
            if page.backward { (&page.before, &page.after) } else { (&page.after, &page.before) };
        let mut rest = Sql::default();
        if let Some(end) = end {
            let key = self.key(end)?;
            rest.push(" AND ").append(self.beyond(&key, end.id, !page.backward));
        }
        let Some(start) = start else { return Ok(vec![rest]) };
        let key = self.key(start)?;
        // Ascending with nulls last: past a value, the nulls are a range of their own.
        if let ([sort], [Some(value)]) = (self.sorts, key.as_slice())
            && sort.key.nullable
            && sort.descending == page.backward
        {
            let mut values = Sql::default();
            values.made(format_args!(" AND ({}, t.id) > (", sort.key.expression));
            values.bind(value.clone()).push(", ").bind(Bind::Uuid(start.id)).push(")").append(rest.clone());
            let mut nulls = Sql::default();
            nulls.made(format_args!(" AND {} IS NULL", sort.key.expression)).append(rest);
            return Ok(vec![values, nulls]);
        }
        let mut condition = Sql::new(" AND ");
        condition.append(self.beyond(&key, start.id, page.backward)).append(rest);
        Ok(vec![condition])
    }

    fn key(&self, position: &Position) -> Result<Vec<Option<Bind>>, Error> {
        if position.values.len() != self.sorts.len() {
            return Err(Error::CursorInvalid);
        }
        self.sorts
            .iter()
            .zip(&position.values)
            .map(|(sort, value)| match value {
                None if sort.key.nullable => Ok(None),
                None => Err(Error::CursorInvalid),
                Some(text) => sort.key.kind.parse(text).map(Some).ok_or(Error::CursorInvalid),
            })
            .collect()
    }

    /// Rows that come after a key in the order, or, `flipped`, before it.
    fn beyond(&self, key: &[Option<Bind>], id: Uuid, flipped: bool) -> Sql {
        let mut sql = Sql::default();
        let id_descending = self.id_descends(flipped);
        if let ([sort], [Some(value)]) = (self.sorts, key)
            && !sort.key.nullable
        {
            sql.made(format_args!(
                "({}, t.id) {} (",
                sort.key.expression,
                if id_descending { "<" } else { ">" }
            ));
            sql.bind(value.clone()).push(", ").bind(Bind::Uuid(id)).push(")");
            return sql;
        }
        sql.push("(");
        let mut equal = Sql::default();
        for (sort, value) in self.sorts.iter().zip(key) {
            let expression = sort.key.expression;
            let mut past = Sql::default();
            match (value, sort.descending != flipped) {
                (Some(value), false) => {
                    past.made(format_args!("({expression} > ")).bind(value.clone());
                    past.made(if sort.key.nullable {
                        format!(" OR {expression} IS NULL)")
                    } else {
                        ")".into()
                    });
                }
                (Some(value), true) => {
                    past.made(format_args!("({expression} < ")).bind(value.clone()).push(")");
                }
                (None, false) => {
                    past.push("false");
                }
                (None, true) => {
                    past.made(format_args!("{expression} IS NOT NULL"));
                }
            }
            sql.append(equal.clone()).append(past).push(" OR ");
            match value {
                Some(value) => equal.made(format_args!("{expression} = ")).bind(value.clone()).push(" AND "),
                None => equal.made(format_args!("{expression} IS NULL AND ")),
            };
        }
        sql.append(equal)
            .push(if id_descending { "t.id < " } else { "t.id > " })
            .bind(Bind::Uuid(id))
            .push(")");
        sql
    }
}
