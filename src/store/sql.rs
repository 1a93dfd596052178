//! SQL put together at run time: which filters, which order, which relations are joined depends on what was asked.
//!
//! Values are always bound, never written into the text; the text is made of constants of this room. The text is
//! the key of the prepared-statement cache, so the same question costs no second parse in Postgres.

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;
use std::sync::{LazyLock, OnceLock, PoisonError, RwLock};

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{Error as Failure, QueryResult};
use diesel::sql_types::{
    Array, BigInt, Binary, Bool, Date, Integer, Jsonb, Text, Timestamptz, Untyped, Uuid as SqlUuid,
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// One bound value.
#[derive(Clone, Debug, PartialEq)]
pub enum Bind {
    /// `uuid`
    Uuid(Uuid),
    /// `uuid[]`
    Uuids(Vec<Uuid>),
    /// `text`
    Text(String),
    /// `text[]`
    Texts(Vec<String>),
    /// `integer`
    Int(i32),
    /// `integer[]`
    Ints(Vec<i32>),
    /// `bigint`
    Long(i64),
    /// `boolean`
    Bool(bool),
    /// `timestamptz`
    Time(DateTime<Utc>),
    /// `timestamptz[]`
    Times(Vec<DateTime<Utc>>),
    /// `date`
    Date(NaiveDate),
    /// `bytea`
    Bytes(Vec<u8>),
    /// `jsonb`: rows of any length in one value, for `jsonb_to_recordset` and the like.
    Json(serde_json::Value),
}

impl Bind {
    /// Rows of a table as one value, for `jsonb_populate_recordset`: fields are named as columns.
    pub fn rows<T: Serialize>(rows: &[T]) -> QueryResult<Self> {
        let json = serde_json::to_value(rows);
        json.map(Self::Json).map_err(|cause| Failure::SerializationError(cause.into()))
    }
}

/// The columns that the fields of a row are named as: what [`Bind::rows`] tells of each row.
pub fn columns_of<T: Serialize>(row: &T) -> QueryResult<Vec<String>> {
    match serde_json::to_value(row).map_err(|cause| Failure::SerializationError(cause.into()))? {
        Value::Object(fields) => Ok(fields.into_iter().map(|(column, _)| column).collect()),
        other => Err(Failure::SerializationError(format!("{other} is no row").into())),
    }
}

/// A statement or a part of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sql {
    text: String,
    /// Values, each with where in the text it stands.
    binds: Vec<(usize, Bind)>,
    /// Whether it is kept prepared: decided once, when it is first sent.
    prepared: OnceLock<bool>,
}

impl Sql {
    /// A statement that begins with `text`.
    pub fn new(text: &'static str) -> Self {
        let mut sql = Self::default();
        sql.push(text);
        sql
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.binds.is_empty()
    }

    /// Appends constant text.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends text made of constants: column lists, aliases, numbers of our own.
    pub fn made(&mut self, text: impl fmt::Display) -> &mut Self {
        let _a_string_takes_everything = write!(self.text, "{text}");
        self
    }

    /// Appends a bound value.
    pub fn bind(&mut self, value: Bind) -> &mut Self {
        self.binds.push((self.text.len(), value));
        self
    }

    /// Appends another part.
    pub fn append(&mut self, part: Sql) -> &mut Self {
        let begin = self.text.len();
        self.text.push_str(&part.text);
        self.binds.extend(part.binds.into_iter().map(|(at, value)| (begin + at, value)));
        self
    }

    /// Ends it after one row more than `most`, by which it is seen that there are more. A constant, since a plan that is kept
    /// for an unknown limit takes it to be a tenth of what there is; none where all may come.
    pub(super) fn one_more_than(&mut self, most: usize) -> &mut Self {
        match most.checked_add(1) {
            Some(limit) => self.push(" LIMIT ").made(limit),
            None => self,
        }
    }

    /// Has it planned anew each time: a plan that was made while a table was empty, and is kept, may look through the
    /// whole of it when it has grown.
    pub(super) fn anew(self) -> Self {
        let _decided_only_here = self.prepared.set(false);
        self
    }

    /// Postgres has no text with U+0000: a value that holds it can match nothing and be stored nowhere.
    pub(super) fn holds_nul(&self) -> bool {
        self.binds.iter().any(|(_, bind)| match bind {
            Bind::Text(text) => text.contains('\0'),
            Bind::Texts(texts) => texts.iter().any(|text| text.contains('\0')),
            _ => false,
        })
    }

    fn shape(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        for (at, bind) in &self.binds {
            (at, discriminant(bind)).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// How many different statements may be kept prepared on a connection. A client that combines filters at will
/// could otherwise fill Postgres' memory; statements after these still run, unprepared.
const PREPARED_SHAPES: usize = 1_000;

fn may_be_prepared(shape: u64) -> bool {
    static SHAPES: LazyLock<RwLock<HashSet<u64>>> = LazyLock::new(RwLock::default);
    if SHAPES.read().unwrap_or_else(PoisonError::into_inner).contains(&shape) {
        return true;
    }
    let mut shapes = SHAPES.write().unwrap_or_else(PoisonError::into_inner);
    shapes.contains(&shape) || (shapes.len() < PREPARED_SHAPES && shapes.insert(shape))
}

impl QueryFragment<Pg> for Sql {
    // Sending a statement walks it several times: for its values, for its text, for what is asked here first.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if !self.prepared.get_or_init(|| may_be_prepared(self.shape())) {
            out.unsafe_to_cache_prepared();
        }
        let mut written = 0;
        for (at, bind) in &self.binds {
            out.push_sql(&self.text[written..*at]);
            written = *at;
            match bind {
                Bind::Uuid(v) => out.push_bind_param::<SqlUuid, _>(v)?,
                Bind::Uuids(v) => out.push_bind_param::<Array<SqlUuid>, _>(v)?,
                Bind::Text(v) => out.push_bind_param::<Text, _>(v)?,
                Bind::Texts(v) => out.push_bind_param::<Array<Text>, _>(v)?,
                Bind::Int(v) => out.push_bind_param::<Integer, _>(v)?,
                Bind::Ints(v) => out.push_bind_param::<Array<Integer>, _>(v)?,
                Bind::Long(v) => out.push_bind_param::<BigInt, _>(v)?,
                Bind::Bool(v) => out.push_bind_param::<Bool, _>(v)?,
                Bind::Time(v) => out.push_bind_param::<Timestamptz, _>(v)?,
                Bind::Times(v) => out.push_bind_param::<Array<Timestamptz>, _>(v)?,
                Bind::Date(v) => out.push_bind_param::<Date, _>(v)?,
                Bind::Bytes(v) => out.push_bind_param::<Binary, _>(v)?,
                Bind::Json(v) => out.push_bind_param::<Jsonb, _>(v)?,
            }
        }
        out.push_sql(&self.text[written..]);
        Ok(())
    }
}

/// A bound value; null as such.
impl From<Option<Bind>> for Sql {
    fn from(value: Option<Bind>) -> Self {
        let mut sql = Self::default();
        match value {
            Some(value) => sql.bind(value),
            None => sql.push("NULL"),
        };
        sql
    }
}

impl QueryId for Sql {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql {
    type SqlType = Untyped;
}

impl Sql {
    /// Appends `name = value` pairs of an update.
    pub fn assignments(&mut self, pairs: Vec<(&'static str, impl Into<Sql>)>) -> &mut Self {
        for (index, (column, value)) in pairs.into_iter().enumerate() {
            self.push(if index > 0 { ", " } else { "" }).push(column).push(" = ").append(value.into());
        }
        self
    }

    /// Appends ` name = value` pairs as `(columns) VALUES (values)` of an insert; a null value is written as such.
    pub fn values(&mut self, pairs: Vec<(&'static str, impl Into<Sql>)>) -> &mut Self {
        let columns: Vec<&str> = pairs.iter().map(|(column, _)| *column).collect();
        self.made(format!(" ({}) VALUES (", columns.join(", ")));
        for (index, (_, value)) in pairs.into_iter().enumerate() {
            self.push(if index > 0 { ", " } else { "" }).append(value.into());
        }
        self.push(")")
    }
}
