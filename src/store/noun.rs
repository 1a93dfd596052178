//! What every noun has in common: rows that are read one by one, in pages, and joined to others.

use std::sync::Arc;

use diesel::deserialize::FromSql;
use diesel::pg::Pg;
use diesel::result::{Error::DeserializationError, QueryResult};
use diesel::row::{Field, Row as _};
use uuid::Uuid;

use super::PgRow;
use crate::access::{Permission, Reach};

/// Rows of one table, as plain structs.
pub trait Noun: Clone + Send + Sync + 'static {
    /// What it is called in a sentence.
    const NAME: &'static str;
    /// The name of its type, as the audit log tells it.
    const TYPE: &'static str;
    /// How it is read from a joined query.
    const TARGET: &'static Target;
    /// What it takes to read one by its id. None: any right in its tenant, or in one below it; so a reference
    /// can be followed by whoever may read what refers.
    const BY_ID: Option<Permission>;
    /// What it takes to list them. None: any right in their tenant.
    const LIST: Option<Permission>;

    /// Its key.
    fn id(&self) -> Uuid;
    /// The root of its tenant.
    fn root_id(&self) -> Uuid;
    /// The tenant that owns it; its own key, if it is a tenant.
    fn tenant_id(&self) -> Uuid;
    /// The row out of what a joined query brought.
    fn from_loaded(loaded: &Loaded) -> Option<&Arc<Self>>;
}

/// A table as the composer of queries sees it.
pub struct Target {
    /// Its name.
    pub table: &'static str,
    /// The columns of a row, in the order in which it is decoded.
    pub columns: &'static [&'static str],
    /// The column that holds the tenant.
    pub tenant: &'static str,
    /// Who sees rows of which tenants.
    pub visible: Visible,
    /// What it takes to read one by its id, as [`Noun::BY_ID`].
    pub by_id: Option<Permission>,
    /// Reads a row, of which these columns were asked for, that begins at a column of the answer; none where an outer
    /// join found nothing.
    pub decode: fn(&PgRow, usize, Columns) -> QueryResult<Option<Loaded>>,
    /// What fields of the object read, where that is not the column of their name: field and columns.
    pub reads: &'static [(&'static str, &'static [&'static str])],
    /// The to-one relations that look-ahead may join.
    pub relations: &'static [Relation],
    /// The tables whose rows belong to an object and go with it, each with the column that names the object.
    pub parts: &'static [(&'static str, &'static str)],
}

/// Some columns of a table. A row holds a default where a column was not asked for, so it must only be shown to those
/// who said which columns they read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Columns(u64);

impl Columns {
    /// Whether the column of this number is among them.
    pub fn contains(self, number: usize) -> bool {
        self.0 & (1 << number) != 0
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Target {
    /// Every column.
    pub fn all(&self) -> Columns {
        Columns(u64::MAX >> (64 - self.columns.len()))
    }

    /// What every row has: its key and its tenant.
    pub fn keys(&self) -> Columns {
        ["root_id", "id", self.tenant].iter().fold(Columns(0), |all, name| all.union(self.named(name)))
    }

    /// The column of this name; every column if there is none.
    pub fn named(&self, name: &str) -> Columns {
        self.number(|column| column == name)
    }

    /// What a field of the object reads: the column of its name, what was declared, or, of a field that nothing is
    /// known about, everything.
    pub fn read_by(&self, field: &str) -> Columns {
        if matches!(field, "id" | "uuid" | "attainment" | "auditLog" | "__typename") {
            return self.keys();
        }
        if let Some((_, columns)) = self.reads.iter().find(|(name, _)| *name == field) {
            return columns.iter().fold(self.keys(), |all, name| all.union(self.named(name)));
        }
        let relation = self.relations.iter().find(|r| *r.path == [field] || r.lifted.contains(&field));
        match relation {
            Some(relation) => self.keys().union(self.named(relation.column)),
            None => self.keys().union(self.number(|column| is_field_of(column, field))),
        }
    }

    /// What is read of a row by a field of another object, which is answered through it: the reference or the column
    /// of that name; everything if there is neither.
    pub fn lifted(&self, field: &str) -> Columns {
        match self.relations.iter().find(|relation| relation.path.last() == Some(&field)) {
            Some(relation) => self.keys().union(self.named(relation.column)),
            None => self.keys().union(self.number(|column| is_field_of(column, field))),
        }
    }

    fn number(&self, is: impl Fn(&str) -> bool) -> Columns {
        self.columns.iter().position(|column| is(column)).map_or(self.all(), |number| Columns(1 << number))
    }
}

/// Whether a field is named after a column: `createdAt` after `created_at`.
fn is_field_of(column: &str, field: &str) -> bool {
    let mut letters = field.bytes();
    let mut begins = false;
    column.bytes().all(|letter| match letter {
        b'_' => {
            begins = true;
            true
        }
        _ if std::mem::take(&mut begins) => letters.next() == Some(letter.to_ascii_uppercase()),
        _ => letters.next() == Some(letter),
    }) && letters.next().is_none()
}

/// Which rows a reach lets through, by their tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Rows of the tenants within reach.
    Own,
    /// And, when looked up by id, rows of the tenants above them: what a row may refer to.
    Upward,
    /// Rows of the tenants within reach, and those of the tenants above that are shared (rule S5).
    Shared,
    /// Rows that belong to an SLA and are seen with it.
    WithSla,
}

/// A to-one relation, said once: how look-ahead joins it. The loader by id loads the same rows.
pub struct Relation {
    /// The fields, from the object's own on, whose selection needs the related row.
    pub path: &'static [&'static str],
    /// The column that refers to it.
    pub column: &'static str,
    /// What it refers to.
    pub target: fn() -> &'static Target,
    /// Fields of the object itself that are answered through this relation: the related row is needed for them,
    /// and its own relation of that field is found under the object.
    pub lifted: &'static [&'static str],
}

/// A relation that was asked for, with those asked for beneath it.
#[derive(Clone)]
pub struct Join {
    /// Which.
    pub relation: &'static Relation,
    /// Where the viewer may read the related row by its id.
    pub reach: Arc<Reach>,
    /// The columns that come along.
    pub columns: Columns,
    /// Those that each of the fields reads which the row is joined for.
    pub wanted: Vec<Columns>,
    /// What is joined to the related row.
    pub children: Vec<Join>,
}

/// Reads one column; the types are checked against the table at compile time.
pub(super) fn column<S, T: FromSql<S, Pg>>(row: &PgRow, at: usize) -> QueryResult<T> {
    let field = row.get(at).ok_or(diesel::result::Error::NotFound)?;
    T::from_nullable_sql(field.value()).map_err(DeserializationError)
}

/// How long a row is, in bytes.
pub(super) fn bytes(row: &PgRow) -> usize {
    let length = |at| row.get(at).and_then(|field| field.value().map(|value| value.as_bytes().len()));
    (0..row.field_count()).filter_map(length).sum()
}

pub(super) fn is_null(row: &PgRow, at: usize) -> bool {
    row.get(at).is_none_or(|field| field.is_null())
}

/// Declares the row of a noun and how it is read.
macro_rules! noun {
    (
        $(#[$doc:meta])*
        $table:ident as $variant:ident, $name:literal, tenant: $tenant:ident, visible: $visible:ident,
        by_id: $by_id:expr, list: $list:expr,
        relations: [$($relation:expr),* $(,)?],
        $(reads: [$($rfield:literal of [$($rcolumn:ident),* $(,)?]),* $(,)?],)?
        $(parts: [$($part:literal of $owner:literal),* $(,)?],)?
        { $($(#[$fdoc:meta])* $field:ident: $ty:ty),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct Row { $($(#[$fdoc])* pub $field: $ty),* }

        impl Row {
            fn decode(
                row: &$crate::store::PgRow,
                mut at: usize,
                columns: $crate::store::noun::Columns,
            ) -> diesel::result::QueryResult<Option<Self>> {
                use diesel::expression::Expression;
                use $crate::store::schema::$table;
                if $crate::store::noun::is_null(row, at) {
                    return Ok(None);
                }
                let mut number = 0;
                let decoded = Self {
                    $($field: {
                        number += 1;
                        if columns.contains(number - 1) {
                            at += 1;
                            $crate::store::noun::column::<<$table::$field as Expression>::SqlType, _>(row, at - 1)?
                        } else {
                            Default::default()
                        }
                    }),*
                };
                Ok(Some(decoded))
            }
        }

        impl $crate::store::noun::Noun for Row {
            const NAME: &'static str = $name;
            const TYPE: &'static str = stringify!($variant);
            const TARGET: &'static $crate::store::noun::Target = &$crate::store::noun::Target {
                table: stringify!($table),
                columns: &[$(stringify!($field)),*],
                tenant: stringify!($tenant),
                visible: $crate::store::noun::Visible::$visible,
                by_id: $by_id,
                reads: &[$($(($rfield, &[$(stringify!($rcolumn)),*])),*)?],
                decode: |row, at, columns| Ok(Row::decode(row, at, columns)?.map(|row| {
                    $crate::store::noun::Loaded::$variant(std::sync::Arc::new(row))
                })),
                relations: &[$($relation),*],
                parts: &[$($(($part, $owner)),*)?],
            };
            const BY_ID: Option<$crate::access::Permission> = $by_id;
            const LIST: Option<$crate::access::Permission> = $list;

            fn id(&self) -> uuid::Uuid {
                self.id
            }

            fn root_id(&self) -> uuid::Uuid {
                self.root_id
            }

            fn tenant_id(&self) -> uuid::Uuid {
                self.$tenant
            }

            fn from_loaded(loaded: &$crate::store::noun::Loaded) -> Option<&std::sync::Arc<Self>> {
                match loaded {
                    $crate::store::noun::Loaded::$variant(row) => Some(row),
                    _ => None,
                }
            }
        }
    };
}
pub(super) use noun;

/// `relation!("field" via column => noun)`, with the path of a field that lies deeper and the fields it is
/// lifted to where there are any.
macro_rules! relation {
    ($($path:literal).+ via $column:ident => $noun:ident $(, lifted: [$($lifted:literal),*])?) => {
        $crate::store::noun::Relation {
            path: &[$($path),+],
            column: stringify!($column),
            target: || <$crate::store::$noun::Row as $crate::store::noun::Noun>::TARGET,
            lifted: &[$($($lifted),*)?],
        }
    };
}
pub(super) use relation;

macro_rules! loaded {
    ($($(#[$doc:meta])* $variant:ident($noun:ident)),* $(,)?) => {
        /// A row of any noun, by its kind: what joins bring along, and what an id of unknown kind leads to.
        #[derive(Clone, Debug)]
        pub enum Loaded { $($(#[$doc])* $variant(Arc<super::$noun::Row>)),* }

        impl Loaded {
            /// The key of the row.
            pub fn id(&self) -> Uuid {
                match self { $(Self::$variant(row) => row.id),* }
            }
        }
    };
}

loaded! {
    /// A tenant.
    Tenant(tenant),
    /// An organization.
    Organization(organization),
    /// A site.
    Site(site),
    /// A team.
    Team(team),
    /// A person.
    Person(person),
    /// A calendar.
    Calendar(calendar),
    /// A service.
    Service(service),
    /// A service offering.
    ServiceOffering(service_offering),
    /// A standard service request.
    StandardServiceRequest(standard_service_request),
    /// A service instance.
    ServiceInstance(service_instance),
    /// An SLA.
    Sla(sla),
    /// A version of an SLA.
    SlaVersion(sla_version),
    /// That a version of an SLA was put in force.
    SlaActivation(sla_activation),
    /// A project.
    Project(project),
    /// A limit.
    SlaLimit(sla_limit),
    /// A time entry.
    TimeEntry(time_entry),
    /// A request.
    Request(request),
    /// An event of a request.
    RequestEvent(request_event),
    /// An affected SLA.
    AffectedSla(affected_sla),
    /// A breach.
    Breach(breach),
    /// A role.
    Role(role),
    /// A grant.
    RoleGrant(role_grant),
    /// A service token.
    ServiceToken(service_token),
    /// A webhook.
    Webhook(webhook),
    /// That a contact is told of a limit.
    LimitNotification(limit_notification),
    /// An entry of the audit log.
    AuditEntry(audit_entry),
}
