//! Connections: `edges`, `nodes`, `pageInfo`, `totalCount`, forward and backward, at the root and nested.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::{Context, Lookahead, Object, OutputType, Result, SimpleObject, TypeName};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::asking::Asking;
use super::document::place;
use super::load::{Counted, Nested, Question};
use super::look_ahead::{columns, joins};
use super::node::Entity;
use crate::access::{Permission, Reach};
use crate::error::Error;
use crate::store::noun::{Noun, Visible};
use crate::store::page::{self, Page, Position, Select, Slice, Sort, Under};
use crate::store::sql::Sql;

/// The most rows of a page.
pub const MAXIMUM: usize = 100;

/// How many rows a page has when nobody says.
pub const DEFAULT: usize = 25;

/// What kind of page is asked for.
#[derive(Default)]
pub struct Args {
    /// How many from the start.
    pub first: Option<i32>,
    /// Only what comes after this cursor.
    pub after: Option<String>,
    /// How many from the end.
    pub last: Option<i32>,
    /// Only what comes before this cursor.
    pub before: Option<String>,
}

/// The filter of a noun's lists.
pub trait Filter {
    /// Appends its conditions.
    fn conditions(self, sql: &mut Sql) -> Result<(), Error>;

    /// The tenants it narrows the list to, if it does: a narrower reach makes a better plan than a condition.
    fn tenants(&mut self) -> Result<Option<Vec<Uuid>>, Error>;
}

/// One part of the order of a noun's lists.
pub trait Order {
    /// The sort it means.
    fn sort(self) -> Sort;
    /// The order when nobody says.
    fn default() -> Vec<Sort>;
}

impl<N> Slice<N> {
    /// A page with nothing on it: what lies on the other side of its cursor is there all the same.
    pub fn empty(page: &Page) -> Self {
        let (has_next, has_previous) = match page.backward {
            true => (page.before.is_some(), false),
            false => (false, page.after.is_some()),
        };
        Self { items: Vec::new(), has_next, has_previous }
    }
}

impl Args {
    fn page(self, list: u32, order: &[Sort]) -> Result<Page, Error> {
        let size = |name: &str, size: i32| {
            usize::try_from(size).ok().filter(|size| *size <= MAXIMUM).ok_or_else(|| {
                Error::BadRequest(format!(
                    "{name} must be from 0 to {MAXIMUM}: ask for several pages if you need more."
                ))
            })
        };
        let (size, backward) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(Error::BadRequest("Pass either first or last, not both.".into()));
            }
            (Some(first), None) => (size("first", first)?, false),
            (None, Some(last)) => (size("last", last)?, true),
            (None, None) => (DEFAULT, false),
        };
        let position = |cursor: Option<String>| cursor.map(|cursor| decode(&cursor, list, order)).transpose();
        Ok(Page { size, after: position(self.after)?, before: position(self.before)?, backward })
    }
}

/// Which part of a list that is computed, not read: how many items to leave out, at most `furthest`, and how many to take
/// then.
pub(super) fn part(first: Option<i32>, skip: Option<i32>, furthest: usize) -> Result<(usize, usize), Error> {
    let size = |name: &str, given: Option<i32>, default: usize, most: usize| match given {
        None => Ok(default),
        Some(given) => usize::try_from(given).ok().filter(|given| *given <= most).ok_or_else(|| {
            Error::BadRequest(format!("{name} must be from 0 to {most}: look at a part at a time."))
        }),
    };
    Ok((size("skip", skip, 0, furthest)?, size("first", first, DEFAULT, MAXIMUM)?))
}

/// What a cursor holds: a checksum, and where in its list a row stands.
#[derive(Serialize, Deserialize)]
struct Cursor(u32, Uuid, Vec<Option<String>>);

/// Cursors mean nothing among the rows of another noun, or in another order.
fn fingerprint<N: Noun>(order: &[Sort]) -> u32 {
    let mut hasher = Sha256::new_with_prefix(N::TARGET.table);
    for sort in order {
        hasher.update([u8::from(sort.descending)]);
        hasher.update(sort.key.expression);
    }
    beginning(hasher)
}

/// Covers the list and the position, so that a cursor of another list or one that was damaged is told apart.
fn checksum(list: u32, position: &Position) -> u32 {
    let mut hasher = Sha256::new_with_prefix(list.to_be_bytes());
    hasher.update(position.id);
    for value in &position.values {
        let value = value.as_deref().unwrap_or_default();
        hasher.update(value.len().to_be_bytes());
        hasher.update(value);
    }
    beginning(hasher)
}

/// The same in every release and replica: clients keep cursors.
fn beginning(hasher: Sha256) -> u32 {
    hasher.finalize().into_iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(byte))
}

fn encode(position: &Position, list: u32) -> String {
    let cursor = Cursor(checksum(list, position), position.id, position.values.clone());
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
}

fn decode(cursor: &str, list: u32, order: &[Sort]) -> Result<Position, Error> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Error::CursorInvalid)?;
    let Cursor(_, id, values) = serde_json::from_slice(&bytes).map_err(|_| Error::CursorInvalid)?;
    let position = Position { values, id };
    let storable = position.values.iter().flatten().all(|value| !value.contains('\0'));
    // What reads the same may be written otherwise: a cursor is passed exactly as it was given.
    if encode(&position, list) != cursor || position.values.len() != order.len() || !storable {
        return Err(Error::CursorInvalid);
    }
    Ok(position)
}

/// Where a page lies within its list.
#[derive(SimpleObject)]
pub struct PageInfo {
    /// Whether there is more after this page. Paging backward: whether a `before` was given.
    has_next_page: bool,
    /// Whether there is more before this page. Paging forward: whether an `after` was given.
    has_previous_page: bool,
    /// The cursor of the first row; null on an empty page.
    start_cursor: Option<String>,
    /// The cursor of the last row; null on an empty page.
    end_cursor: Option<String>,
}

/// A row and where it stands.
pub struct Edge<T> {
    node: T,
    position: Option<Position>,
    fingerprint: u32,
}

impl<T: OutputType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

/// A row of a page, with its cursor.
#[Object(name_type)]
impl<T: Entity> Edge<T> {
    /// Where the row stands in this list's order: pass it as `after` or `before` with the same `orderBy`.
    async fn cursor(&self) -> Result<String> {
        let position =
            self.position.as_ref().ok_or_else(|| Error::internal("a cursor that look-ahead missed"))?;
        Ok(encode(position, self.fingerprint))
    }

    /// The row.
    async fn node(&self) -> &T {
        &self.node
    }
}

/// A page of a list.
pub struct Connection<T: Entity> {
    slice: Arc<Slice<T::Row>>,
    fingerprint: u32,
    total: Total<T::Row>,
}

enum Total<N> {
    /// Of all tenants within reach.
    Root(Box<Select>),
    /// Of what hangs under a parent.
    Under(Nested<N>),
}

impl<T: Entity> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

/// A page of a list, as the Relay cursor connections specification has it.
#[Object(name_type)]
impl<T: Entity> Connection<T> {
    /// The rows with their cursors.
    async fn edges(&self) -> Vec<Edge<T>> {
        let edge = |item: &page::Item<T::Row>| Edge {
            node: item.row.clone().into(),
            position: item.position.clone(),
            fingerprint: self.fingerprint,
        };
        self.slice.items.iter().map(edge).collect()
    }

    /// The rows alone, for those who page by `pageInfo`.
    async fn nodes(&self) -> Vec<T> {
        self.slice.items.iter().map(|item| item.row.clone().into()).collect()
    }

    /// Where the page lies within the list.
    async fn page_info(&self) -> PageInfo {
        // Rows have no positions when no cursor is selected.
        let cursor = |item: Option<&page::Item<T::Row>>| {
            item.and_then(|item| item.position.as_ref()).map(|position| encode(position, self.fingerprint))
        };
        PageInfo {
            has_next_page: self.slice.has_next,
            has_previous_page: self.slice.has_previous,
            start_cursor: cursor(self.slice.items.first()),
            end_cursor: cursor(self.slice.items.last()),
        }
    }

    /// How many rows fit the filter, over all pages. Counted only when selected: it costs a statement of its own.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i64> {
        let asking = Asking::of(ctx);
        Ok(match &self.total {
            Total::Root(select) => page::count::<T::Row>(&asking.conn(), select).await?,
            Total::Under(key) => asking.turn().loader.load_one(Counted(key.clone())).await?.unwrap_or(0),
        })
    }
}

fn select<T: Entity, F: Filter, O: Order>(
    ctx: &Context<'_>,
    filter: Option<Box<F>>,
    order: Option<Vec<O>>,
) -> Result<Select, Error> {
    let asking = Asking::of(ctx);
    let reach = match T::Row::LIST {
        Some(permission) => asking.reach(permission)?,
        None => asking.viewer()?.reach_any(),
    };
    let mut conditions = Sql::default();
    let reach = match filter {
        None => reach,
        Some(mut filter) => {
            let narrowed = filter.tenants()?.map(|tenants| narrow::<T::Row>(asking, &reach, &tenants));
            filter.conditions(&mut conditions)?;
            narrowed.transpose()?.unwrap_or(reach)
        }
    };
    let order = match order {
        None => O::default(),
        Some(order) => distinct(order.into_iter().map(O::sort)),
    };
    for needed in order.iter().filter_map(|sort| sort.key.needs) {
        // Where rows stand, and their cursors, tell what they are sorted by.
        let shown = asking.reach(needed)?;
        if !reach.tenants.iter().all(|tenant| shown.contains(*tenant)) {
            return Err(Error::Forbidden(needed));
        }
    }
    let look = ctx.look_ahead();
    let looks: Vec<_> = [look.field("nodes"), look.field("edges").field("node")]
        .into_iter()
        .filter(|look| look.exists())
        .collect();
    let joins = joins(asking, T::Row::TARGET, &looks)?;
    // A page of which cursors alone are selected needs no more than keys.
    let columns = if looks.is_empty() { T::Row::TARGET.keys() } else { columns(T::Row::TARGET, &looks) };
    let (edges, info) = (look.field("edges"), look.field("pageInfo"));
    let cursors = [edges.field("cursor"), info.field("startCursor"), info.field("endCursor")];
    let positions = cursors.iter().any(Lookahead::exists);
    Ok(Select { reach, filter: conditions, order, columns, joins, positions, by_id: false })
}

/// Rows that are equal in one part of an order are not told apart by the same part once more; a statement with hundreds
/// of parts would be long in planning.
fn distinct(order: impl Iterator<Item = Sort>) -> Vec<Sort> {
    let mut distinct: Vec<Sort> = Vec::new();
    for sort in order {
        if distinct.iter().all(|known| known.key != sort.key) {
            distinct.push(sort);
        }
    }
    distinct
}

/// A tenant that the viewer does not know is not found; one where the permission is missing says so. Of what may be shared,
/// those above are known too, with what they share.
fn narrow<N: Noun>(asking: &Asking, reach: &Reach, tenants: &[Uuid]) -> Result<Arc<Reach>, Error> {
    let viewer = asking.viewer()?;
    let any = viewer.reach_any();
    let from_above = matches!(N::TARGET.visible, Visible::Shared | Visible::WithSla);
    let (known, listed) =
        if from_above { (&any.visible, &reach.visible) } else { (&any.tenants, &reach.tenants) };
    for tenant in tenants {
        if known.binary_search(tenant).is_err() {
            return Err(Error::NotFound("tenant"));
        }
        if listed.binary_search(tenant).is_err() {
            return Err(N::LIST.map_or(Error::NotFound("tenant"), Error::Forbidden));
        }
    }
    Ok(Arc::new(viewer.narrow(reach, tenants)))
}

/// Whether any row of the page is looked at, or only how many there are.
fn looks_at_rows(ctx: &Context<'_>) -> bool {
    let look = ctx.look_ahead();
    ["nodes", "edges", "pageInfo"].iter().any(|field| look.field(field).exists())
}

/// A page over all tenants within reach.
///
/// This and the following are boxed: a field's future is as large as that of the largest field of its object, and one
/// is made for each field of each row.
pub(super) fn root<'a, T: Entity + 'a, F: Filter + Send + 'a, O: Order + Send + 'a>(
    ctx: &'a Context<'_>,
    args: Args,
    filter: Option<Box<F>>,
    order: Option<Vec<O>>,
) -> BoxFuture<'a, Result<Connection<T>>> {
    async move {
        let asking = Asking::of(ctx);
        let select = select::<T, F, O>(ctx, filter, order)?;
        let fingerprint = fingerprint::<T::Row>(&select.order);
        let wanted = args.page(fingerprint, &select.order)?;
        let slice = if looks_at_rows(ctx) {
            let (slice, loaded) = page::page::<T::Row>(&asking.conn(), &select, &wanted).await?;
            asking.prime(loaded);
            slice
        } else {
            Slice::empty(&wanted)
        };
        Ok(Connection { slice: Arc::new(slice), fingerprint, total: Total::Root(Box::new(select)) })
    }
    .boxed()
}

/// An object under which something hangs.
pub struct Parent {
    /// Its root and its id.
    pub(super) key: (Uuid, Uuid),
    /// Its tenant.
    pub(super) tenant: Uuid,
}

impl Parent {
    /// That of a row.
    pub(super) fn of<N: Noun>(row: &N) -> Self {
        Self { key: (row.root_id(), row.id()), tenant: row.tenant_id() }
    }

    /// That rows which take `permission` may be looked at here.
    fn shows<N: Noun>(
        &self,
        asking: &Asking,
        permission: Option<Permission>,
        under: Under,
    ) -> Result<(), Error> {
        let Some(permission) = permission else { return Ok(()) };
        let below = under.below || matches!(N::TARGET.visible, Visible::Shared | Visible::WithSla);
        asking.held(permission, self.tenant, below)
    }
}

/// A page of what hangs under a parent; the pages of all parents of a level are one statement.
pub(super) fn under<'a, T: Entity + 'a, F: Filter + Send + 'a, O: Order + Send + 'a>(
    ctx: &'a Context<'_>,
    parent: Parent,
    under: Under,
    args: Args,
    filter: Option<Box<F>>,
    order: Option<Vec<O>>,
) -> BoxFuture<'a, Result<Connection<T>>> {
    async move {
        let asking = Asking::of(ctx);
        parent.shows::<T::Row>(asking, T::Row::LIST, under)?;
        let turn = asking.turn();
        let question = turn.question((place(ctx), under), || {
            let select = select::<T, F, O>(ctx, filter, order)?;
            let fingerprint = fingerprint::<T::Row>(&select.order);
            let page = args.page(fingerprint, &select.order)?;
            Ok(Question { select, under, page, fingerprint, rows: looks_at_rows(ctx) })
        })?;
        let fingerprint = question.fingerprint;
        let key = Nested::<T::Row>::new(parent.key, question);
        let loaded = if key.question.rows { turn.loader.load_one(key.clone()).await? } else { None };
        let slice = match loaded {
            Some((slice, loaded)) => {
                turn.prime_shared(&loaded);
                slice
            }
            None => Arc::new(Slice::empty(&key.question.page)),
        };
        Ok(Connection { slice, fingerprint, total: Total::Under(key) })
    }
    .boxed()
}

/// The most objects of a list that is no page.
const MOST: usize = 10_000;

/// All that hangs under a parent where that is never many: a list, not a page.
pub(super) fn all_under<'a, T: Entity + 'a>(
    ctx: &'a Context<'_>,
    parent: Parent,
    under: Under,
    order: Vec<Sort>,
) -> BoxFuture<'a, Result<Vec<T>>> {
    async move {
        let asking = Asking::of(ctx);
        parent.shows::<T::Row>(asking, T::Row::BY_ID, under)?;
        let turn = asking.turn();
        let question = turn.question((place(ctx), under), || {
            let reach = asking.reach_by_id::<T::Row>()?;
            let looks = [ctx.look_ahead()];
            let joins = joins(asking, T::Row::TARGET, &looks)?;
            let columns = columns(T::Row::TARGET, &looks);
            let filter = Sql::default();
            let select = Select { reach, filter, order, columns, joins, positions: false, by_id: true };
            let page = Page { size: MOST, after: None, before: None, backward: false };
            Ok(Question { select, under, page, fingerprint: 0, rows: true })
        })?;
        let key = Nested::<T::Row>::new(parent.key, question);
        let Some((slice, loaded)) = turn.loader.load_one(key).await? else { return Ok(Vec::new()) };
        if slice.has_next {
            let message = format!("This list has more than {MOST} objects: ask for them by a page.");
            return Err(Error::LimitExceeded(message).into());
        }
        turn.prime_shared(&loaded);
        asking.tell_items(ctx, slice.items.len())?;
        Ok(slice.items.iter().map(|item| item.row.clone().into()).collect())
    }
    .boxed()
}

/// Declares an object type: its own fields, and the connections that hang under it. Those can be null: one that its reader
/// has no right to, or whose arguments are wrong, leaves the object and the rest of it.
macro_rules! object {
    (
        $(#[$tdoc:meta])*
        impl $name:ident {
            $($(#[$doc:meta])* $field:ident: $node:ident [$filter:ident, $order:ident] under $under:expr;)*
        }
        $($own:tt)*
    ) => {
        $(#[$tdoc])*
        #[async_graphql::Object]
        impl $name {
            $($own)*

            $(
                $(#[$doc])*
                #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
                async fn $field(
                    &self,
                    ctx: &async_graphql::Context<'_>,
                    #[graphql(desc = "How many rows from the start, 0 to 100; 25 when neither `first` nor `last` is given.")]
                    first: Option<i32>,
                    #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
                    #[graphql(desc = "How many rows from the end, 0 to 100.")] last: Option<i32>,
                    #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
                    #[graphql(desc = "Only rows that fit all conditions.")] filter: Option<Box<$filter>>,
                    #[graphql(desc = "The order, part by part; null = the order documented with the type.")]
                    order_by: Option<Vec<$order>>,
                ) -> async_graphql::Result<Option<$crate::graphql::page::Connection<$node>>> {
                    let args = $crate::graphql::page::Args { first, after, last, before };
                    let parent = $crate::graphql::node::Entity::parent(self);
                    Ok(Some($crate::graphql::page::under(ctx, parent, $under, args, filter, order_by).await?))
                }
            )*
        }
    };
}
pub(super) use object;

/// Declares root fields: connections over every tenant within reach, and whatever else is asked of a noun.
macro_rules! root_fields {
    (
        impl $name:ident {
            $($(#[$doc:meta])* $field:ident: $node:ident [$filter:ident, $order:ident];)*
        }
        $($own:tt)*
    ) => {
        #[async_graphql::Object]
        impl $name {
            $($own)*

            $(
                $(#[$doc])*
                #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
                async fn $field(
                    &self,
                    ctx: &async_graphql::Context<'_>,
                    #[graphql(desc = "How many rows from the start, 0 to 100; 25 when neither `first` nor `last` is given.")]
                    first: Option<i32>,
                    #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
                    #[graphql(desc = "How many rows from the end, 0 to 100.")] last: Option<i32>,
                    #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
                    #[graphql(desc = "Only rows that fit all conditions.")] filter: Option<Box<$filter>>,
                    #[graphql(desc = "The order, part by part; null = the order documented with the type.")]
                    order_by: Option<Vec<$order>>,
                ) -> async_graphql::Result<$crate::graphql::page::Connection<$node>> {
                    let args = $crate::graphql::page::Args { first, after, last, before };
                    $crate::graphql::page::root(ctx, args, filter, order_by).await
                }
            )*
        }
    };
}
pub(super) use root_fields;
