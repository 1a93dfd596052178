//! Pages: keyset in both directions on any order, at the root or nested under many parents at once.
//!
//! One statement reads a page, or the same page of every parent; the to-one relations that look-ahead asked for
//! are joined to it. One row more than asked tells whether there are more.

mod join;
mod order;

use std::collections::HashMap;
use std::sync::Arc;

use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use uuid::Uuid;

use self::join::Plan;
use self::order::Walk;
pub use self::order::{Key, Kind, Position, Sort};

use super::noun::{Columns, Join, Loaded, Noun, Target, Visible, column};
use super::sql::{Bind, Sql};
use super::{Conn, PgRow, tenant};
use crate::access::Reach;
use crate::error::Error;

/// Which page.
#[derive(Clone, Debug)]
pub struct Page {
    /// How many rows, 0 to 100.
    pub size: usize,
    /// Only rows after this one.
    pub after: Option<Position>,
    /// Only rows before this one.
    pub before: Option<Position>,
    /// The last rows instead of the first.
    pub backward: bool,
}

/// A row of a page.
#[derive(Clone, Debug)]
pub struct Item<N> {
    /// The row.
    pub row: Arc<N>,
    /// Where it stands; null unless [`Select::positions`] were asked for.
    pub position: Option<Position>,
}

/// A page of rows.
#[derive(Clone, Debug)]
pub struct Slice<N> {
    /// In the order asked for.
    pub items: Vec<Item<N>>,
    /// Whether there are rows after the last.
    pub has_next: bool,
    /// Whether there are rows before the first.
    pub has_previous: bool,
}

/// A row that came along, and the columns of it that may be read.
pub type Beside = (Columns, Loaded);

/// How rows hang under a parent `k(root_id, id)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Under {
    /// What follows `FROM`, the row being `t`.
    from: &'static str,
    /// Whether rows of the tenants below that of the parent are among them: objects are referred to from below.
    pub below: bool,
}

impl Under {
    /// Rows of the tenant of the parent, or of those above it.
    pub const fn own(from: &'static str) -> Self {
        Self { from, below: false }
    }

    /// The same, and rows of the tenants below that of the parent.
    pub const fn with_below(from: &'static str) -> Self {
        Self { from, below: true }
    }
}

/// Where the rows of a page are taken from.
#[derive(Clone, Copy)]
enum Origin {
    /// All that is within reach.
    Reach,
    /// What hangs under a parent `k`.
    Under(Under),
    /// What a tenant `k` has, which is within reach.
    Tenant,
}

/// A question for rows: which, in what order, with what beside them.
#[derive(Clone)]
pub struct Select {
    /// What the viewer may see.
    pub reach: Arc<Reach>,
    /// Further conditions on `t`, each beginning with ` AND `.
    pub filter: Sql,
    /// The order; the id is its last part.
    pub order: Vec<Sort>,
    /// The columns of the rows that will be read.
    pub columns: Columns,
    /// The relations to bring along.
    pub joins: Vec<Join>,
    /// Whether to tell where each row stands: what cursors are made of.
    pub positions: bool,
    /// Whether what refers to the rows names each of them: they are seen as one that is looked up by its id.
    pub by_id: bool,
}

/// The condition by which `alias` is within `reach`, beginning with ` AND `. Every statement that reads a noun
/// goes through here.
pub(super) fn within(target: &Target, alias: &str, reach: &Reach, by_id: bool, sql: &mut Sql) {
    sql.made(format_args!(" AND {alias}.root_id"));
    match reach.roots.as_slice() {
        [root] => sql.push(" = ").bind(Bind::Uuid(*root)),
        roots => sql.push(" = ANY(").bind(Bind::Uuids(roots.to_vec())).push(")"),
    };
    if reach.complete {
        return;
    }
    let tenants = |sql: &mut Sql, tenants: &[Uuid]| {
        sql.made(format_args!("{alias}.{}", target.tenant));
        match tenants {
            [tenant] => sql.push(" = ").bind(Bind::Uuid(*tenant)),
            tenants => sql.push(" = ANY(").bind(Bind::Uuids(tenants.to_vec())).push(")"),
        };
    };
    sql.push(" AND ");
    match (target.visible, by_id) {
        (Visible::Upward, true) => tenants(sql, &reach.visible),
        (Visible::Shared | Visible::WithSla, _) if reach.visible.len() > reach.tenants.len() => {
            sql.push("(");
            tenants(sql, &reach.tenants);
            sql.push(" OR ");
            tenants(sql, &reach.visible);
            sql.made(match target.visible {
                Visible::Shared => format!(" AND {alias}.shared)"),
                _ => format!(
                    " AND EXISTS (SELECT FROM sla s WHERE s.root_id = {alias}.root_id AND s.id = {alias}.sla_id AND s.shared))"
                ),
            });
        }
        _ => tenants(sql, &reach.tenants),
    }
}

/// Rows by their ids, in one statement.
pub async fn by_ids<N: Noun>(conn: &Conn, reach: &Reach, ids: &[Uuid]) -> Result<Vec<Arc<N>>, Error> {
    let mut sql = Sql::new("SELECT ");
    columns(&mut sql, "t", N::TARGET);
    sql.made(format_args!(" FROM {} t WHERE t.id", N::TARGET.table));
    match ids {
        [id] => sql.push(" = ").bind(Bind::Uuid(*id)),
        ids => sql.push(" = ANY(").bind(Bind::Uuids(ids.to_vec())).push(")"),
    };
    within(N::TARGET, "t", reach, true, &mut sql);
    let rows = conn.rows(sql).await?;
    rows.iter().map(|row| decoded(row, 0)).collect::<QueryResult<_>>().map_err(Error::internal)
}

/// Which one row: by its id, or by whatever else tells it.
pub struct Wanted {
    /// Conditions on `t`, each beginning with ` AND `.
    pub condition: Sql,
    /// Which comes first where several fit; empty where only one can.
    pub order: &'static str,
}

impl Wanted {
    /// The row of an id.
    pub fn id(id: Uuid) -> Self {
        let mut condition = Sql::new(" AND t.id = ");
        condition.bind(Bind::Uuid(id));
        Self { condition, order: "" }
    }
}

/// Some columns of one row, with the relations that look-ahead asked for.
pub async fn one<N: Noun>(
    conn: &Conn,
    reach: &Reach,
    wanted: Wanted,
    some: Columns,
    joins: &[Join],
) -> Result<(Option<Arc<N>>, Vec<Beside>), Error> {
    let mut sql = Sql::new("SELECT ");
    some_columns(&mut sql, "t", N::TARGET, some);
    let plan = Plan::new(joins);
    plan.columns(&mut sql);
    sql.made(format_args!(" FROM {} t", N::TARGET.table));
    plan.joins(&mut sql, reach);
    sql.push(" WHERE true");
    within(N::TARGET, "t", reach, true, &mut sql);
    sql.append(wanted.condition).push(wanted.order);
    let rows = conn.rows(sql).await?;
    let mut loaded = Vec::new();
    let found = match rows.first() {
        None => None,
        Some(row) => {
            plan.decode(row, some.len(), &mut loaded).map_err(Error::internal)?;
            Some(partly_decoded(row, 0, some).map_err(Error::internal)?)
        }
    };
    Ok((found, loaded))
}

/// A page over all tenants within reach.
pub async fn page<N: Noun>(
    conn: &Conn,
    select: &Select,
    page: &Page,
) -> Result<(Slice<N>, Vec<Beside>), Error> {
    if select.reach.visible.is_empty() {
        return Ok((slice(Vec::new(), page), Vec::new()));
    }
    let mut sql = Sql::new("SELECT ");
    let plan = select.head::<N>(&mut sql);
    sql.push(" FROM (");
    if select.is_of_tenants(N::TARGET) {
        // Keys and indexes begin with root and tenant: the first rows of each are found at once, those of all would
        // have to be sorted.
        sql.push("SELECT t.* FROM tenant k CROSS JOIN LATERAL (");
        sql.append(select.rows::<N>(Origin::Tenant, page)?);
        sql.push(") t WHERE true");
        within(tenant::Row::TARGET, "k", &select.reach, false, &mut sql);
        select.order_by(&mut sql, page, " ORDER BY ");
        sql.made(format_args!(" LIMIT {}", page.size + 1));
    } else {
        sql.append(select.rows::<N>(Origin::Reach, page)?);
    }
    sql.push(") t");
    plan.joins(&mut sql, &select.reach);
    select.order_by(&mut sql, page, " ORDER BY ");
    let rows = conn.rows(sql).await?;
    let mut loaded = Vec::new();
    let items = rows.iter().map(|row| select.item(row, 0, &plan, &mut loaded)).collect::<QueryResult<_>>();
    Ok((slice(items.map_err(Error::internal)?, page), loaded))
}

/// The same page under each of many parents, in one statement: (root, parent) to its page.
pub async fn pages_under<N: Noun>(
    conn: &Conn,
    select: &Select,
    under: Under,
    parents: &[(Uuid, Uuid)],
    page: &Page,
) -> Result<(HashMap<Uuid, Slice<N>>, Vec<Beside>), Error> {
    if select.reach.visible.is_empty() {
        return Ok(Default::default());
    }
    let mut sql = Sql::new("SELECT k.id AS parent, ");
    let plan = select.head::<N>(&mut sql);
    sql.push(" FROM ");
    keys(&mut sql, parents);
    sql.push(" CROSS JOIN LATERAL (");
    sql.append(select.rows::<N>(Origin::Under(under), page)?);
    sql.push(") t");
    plan.joins(&mut sql, &select.reach);
    select.order_by(&mut sql, page, " ORDER BY k.id, ");
    let rows = conn.rows(sql).await?;
    let mut loaded = Vec::new();
    let mut groups: HashMap<Uuid, Vec<Item<N>>> = HashMap::new();
    for row in &rows {
        let parent = column::<SqlUuid, Uuid>(row, 0).map_err(Error::internal)?;
        let item = select.item(row, 1, &plan, &mut loaded).map_err(Error::internal)?;
        groups.entry(parent).or_default().push(item);
    }
    Ok((groups.into_iter().map(|(parent, items)| (parent, slice(items, page))).collect(), loaded))
}

/// How many rows there are over all tenants within reach.
pub async fn count<N: Noun>(conn: &Conn, select: &Select) -> Result<i64, Error> {
    if select.reach.visible.is_empty() {
        return Ok(0);
    }
    let mut sql = Sql::default();
    sql.made(format_args!("SELECT count(*) FROM {} t WHERE true", N::TARGET.table));
    within(N::TARGET, "t", &select.reach, false, &mut sql);
    sql.append(select.filter.clone());
    let rows = conn.rows(sql).await?;
    rows.first().map_or(Ok(0), |row| column::<BigInt, i64>(row, 0)).map_err(Error::internal)
}

/// How many rows there are under each of many parents, in one statement. Parents without any are left out.
pub async fn counts_under<N: Noun>(
    conn: &Conn,
    select: &Select,
    under: Under,
    parents: &[(Uuid, Uuid)],
) -> Result<HashMap<Uuid, i64>, Error> {
    if select.reach.visible.is_empty() {
        return Ok(HashMap::new());
    }
    let mut sql = Sql::new("SELECT k.id, c.n FROM ");
    keys(&mut sql, parents);
    sql.push(" CROSS JOIN LATERAL (SELECT count(*) AS n FROM ").push(under.from);
    within(N::TARGET, "t", &select.reach, false, &mut sql);
    sql.append(select.filter.clone());
    sql.push(") c");
    let rows = conn.rows(sql).await?;
    rows.iter()
        .map(|row| Ok((column::<SqlUuid, Uuid>(row, 0)?, column::<BigInt, i64>(row, 1)?)))
        .collect::<QueryResult<_>>()
        .map_err(Error::internal)
}

/// Parents as `FROM` takes them: `k(root_id, id)`.
pub(super) fn keys(sql: &mut Sql, parents: &[(Uuid, Uuid)]) {
    let (roots, ids) = parents.iter().copied().unzip();
    sql.push("unnest(").bind(Bind::Uuids(roots)).push(", ").bind(Bind::Uuids(ids)).push(") k(root_id, id)");
}

/// Appends the columns of a row, in the order in which it is decoded.
pub(super) fn columns(sql: &mut Sql, alias: &str, target: &Target) {
    some_columns(sql, alias, target, target.all());
}

fn some_columns(sql: &mut Sql, alias: &str, target: &Target, some: Columns) {
    let some = target.columns.iter().enumerate().filter(|(number, _)| some.contains(*number));
    for (index, (_, column)) in some.enumerate() {
        sql.push(if index == 0 { "" } else { ", " }).made(alias).push(".").push(column);
    }
}

/// Reads a row of which all columns were asked for.
pub(super) fn decoded<N: Noun>(row: &PgRow, at: usize) -> QueryResult<Arc<N>> {
    partly_decoded(row, at, N::TARGET.all())
}

fn partly_decoded<N: Noun>(row: &PgRow, at: usize, columns: Columns) -> QueryResult<Arc<N>> {
    (N::TARGET.decode)(row, at, columns)?
        .as_ref()
        .and_then(N::from_loaded)
        .cloned()
        .ok_or(diesel::result::Error::NotFound)
}

fn slice<N>(mut items: Vec<Item<N>>, page: &Page) -> Slice<N> {
    let more = items.len() > page.size;
    items.truncate(page.size);
    if page.backward {
        items.reverse();
        Slice { items, has_next: page.before.is_some(), has_previous: more }
    } else {
        Slice { items, has_next: more, has_previous: page.after.is_some() }
    }
}

impl Select {
    /// The columns of a page: the row, what it is sorted by, the joined rows.
    fn head<N: Noun>(&self, sql: &mut Sql) -> Plan<'_> {
        some_columns(sql, "t", N::TARGET, self.columns);
        for index in 0..self.told() {
            sql.made(format_args!(", t.s{index}"));
        }
        let plan = Plan::new(&self.joins);
        plan.columns(sql);
        plan
    }

    /// How many of the values by which rows are sorted come with them.
    fn told(&self) -> usize {
        if self.positions { self.order.len() } else { 0 }
    }

    fn item<N: Noun>(
        &self,
        row: &PgRow,
        at: usize,
        plan: &Plan<'_>,
        loaded: &mut Vec<Beside>,
    ) -> QueryResult<Item<N>> {
        let noun = partly_decoded::<N>(row, at, self.columns)?;
        let at = at + self.columns.len();
        plan.decode(row, at + self.told(), loaded)?;
        let position = self.positions.then(|| {
            let values = self.order.iter().enumerate().map(|(i, sort)| sort.key.kind.read(row, at + i));
            QueryResult::Ok(Position { values: values.collect::<QueryResult<_>>()?, id: noun.id() })
        });
        let position = position.transpose()?;
        Ok(Item { row: noun, position })
    }

    /// Whether the rows within reach are just those of the tenants within reach, of which there are several.
    fn is_of_tenants(&self, target: &Target) -> bool {
        let own = match target.visible {
            Visible::Own | Visible::Upward => true,
            Visible::Shared | Visible::WithSla => {
                self.reach.complete || self.reach.visible.len() == self.reach.tenants.len()
            }
        };
        own && target.tenant != "id" && self.reach.tenants.len() > 1
    }

    /// The rows themselves: one branch, or two where nulls follow the page's start, so that each can use its index.
    fn rows<N: Noun>(&self, from: Origin, page: &Page) -> Result<Sql, Error> {
        // The joins are to the rows of the page, outside.
        let referring = self.joins.iter().map(|join| N::TARGET.named(join.relation.column));
        let referring = referring.fold(N::TARGET.keys(), Columns::union);
        let branches = self.walk(page).keyset()?;
        let several = branches.len() > 1;
        let mut sql = Sql::default();
        for (number, keyset) in branches.into_iter().enumerate() {
            sql.push(match (several, number) {
                (false, _) => "",
                (true, 0) => "SELECT * FROM ((",
                (true, _) => ") UNION ALL (",
            });
            sql.push("SELECT ");
            some_columns(&mut sql, "t", N::TARGET, self.columns.union(referring));
            for (index, sort) in self.order.iter().enumerate() {
                sql.made(format_args!(", {} AS s{index}", sort.key.expression));
            }
            sql.push(" FROM ");
            let Target { table, tenant, .. } = N::TARGET;
            match from {
                Origin::Reach => sql.made(format_args!("{table} t WHERE true")),
                Origin::Under(under) => sql.push(under.from),
                Origin::Tenant => {
                    sql.made(format_args!("{table} t WHERE t.root_id = k.root_id AND t.{tenant} = k.id"))
                }
            };
            if !matches!(from, Origin::Tenant) {
                within(N::TARGET, "t", &self.reach, self.by_id, &mut sql);
            }
            sql.append(self.filter.clone());
            sql.append(keyset);
            sql.push(" ORDER BY ");
            self.walk(page).by(&mut sql, |_, sort| sort.key.expression.into());
            sql.made(format_args!(" LIMIT {}", page.size + 1));
        }
        if several {
            sql.made(format_args!(")) u LIMIT {}", page.size + 1));
        }
        Ok(sql)
    }

    fn order_by(&self, sql: &mut Sql, page: &Page, begin: &'static str) {
        sql.push(begin);
        self.walk(page).by(sql, |index, _| format!("t.s{index}").into());
    }

    fn walk<'a>(&'a self, page: &'a Page) -> Walk<'a> {
        Walk { sorts: &self.order, page }
    }
}
