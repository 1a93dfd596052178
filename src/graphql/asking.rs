//! One operation: who asks, when, over which connection, with which loaders.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{self, Poll, Wake, Waker};
use std::time::Duration;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use async_graphql::{Context, Pos};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::task::AtomicWaker;
use tokio::task::yield_now;
use uuid::Uuid;

use super::document::{Lists, place};
use super::load::{Loaders, Question};
use super::look_ahead::columns;
use super::viewers::Viewers;
use crate::access::{Permission, Permit, Reach, Viewer};
use crate::breach::{Breaches, Cursor, EVERYTHING};
use crate::error::Error;
use crate::store::noun::{Columns, Loaded, Noun};
use crate::store::page::{Beside, Under};
use crate::store::{Conn, Store};

/// What every resolver finds in its context.
#[derive(Clone)]
pub struct Asking(Arc<Inner>);

struct Inner {
    viewer: Option<Arc<Viewer>>,
    /// The question of all who are told of an event, where not the viewer alone is answered.
    tells: Option<[u8; 32]>,
    /// Up to where this gateway had read the breach log before anything of the operation was read.
    cursor: Option<Cursor>,
    services: Services,
    turn: RwLock<Arc<Turn>>,
    batches: Batches,
    /// Statements of turns that are over.
    statements: AtomicU32,
    /// How much the long texts of the answer take so far, in bytes.
    told: AtomicUsize,
    /// How much the items of lists that are no pages count so far.
    listed: AtomicU64,
    /// Held by what computes.
    computing: tokio::sync::Mutex<()>,
}

/// How much the long texts of one answer may take, in bytes: the same one may be selected under many names, and of each
/// object that refers to the one that has it.
const MOST_TOLD: usize = 32 * 1024 * 1024;

/// How many values the lists of one answer may hold that are no pages: such a list is seldom long, but one in another, as
/// what uses a service instance in what that uses, is as long as both together.
const MOST_LISTED: u64 = 250_000;

/// What the operations of a gateway share.
#[derive(Clone)]
pub struct Services {
    /// Where rows are.
    pub store: Store,
    /// The breach log and its feed.
    pub breaches: Breaches,
    /// Who has which rights.
    pub viewers: Arc<Viewers>,
}

/// What is remembered while one answer is made: a query has one turn, a mutation one more per write.
pub(super) struct Turn {
    /// When it began, by the database's clock.
    now: DateTime<Utc>,
    pub(super) conn: Arc<Conn>,
    pub(super) loader: DataLoader<Loaders, HashMapCache>,
    /// Rows that a page brought along by look-ahead.
    primed: Mutex<Primed>,
    /// What a field at a place of the document asks under each of its parents, by how they hang there.
    questions: Mutex<HashMap<(Pos, Under), Arc<Question>>>,
}

#[derive(Default)]
struct Primed {
    /// By what may be read of them: a row that was joined for one field does not answer another that reads more.
    rows: HashMap<(Uuid, Columns), Loaded>,
    /// The shared lots that are in `rows` already, kept alive so that no other takes their address.
    lots: Vec<Arc<Vec<Beside>>>,
    /// What the field at a place of the document reads of the row that it leads to.
    reads: HashMap<Pos, Columns>,
}

/// The batches that loaders have begun to fill and nobody has started yet.
type Batches = Arc<Mutex<Vec<BoxFuture<'static, ()>>>>;

impl Turn {
    fn new(store: &Store, viewer: Option<&Arc<Viewer>>, tells: Option<[u8; 32]>, batches: &Batches) -> Self {
        let now = store.now();
        let conn = match (viewer, tells) {
            (None, _) => store.conn(),
            (Some(viewer), Some(question)) => store.conn_of_followers(&question, viewer),
            (Some(viewer), None) => store.conn_of(viewer),
        };
        let conn = Arc::new(conn);
        let queue = batches.clone();
        let loader = DataLoader::with_cache(
            Loaders { conn: conn.clone(), viewer: viewer.cloned(), now },
            move |batch| queue.lock().unwrap_or_else(PoisonError::into_inner).push(batch),
            HashMapCache::default(),
        )
        // The driver below starts a batch when no resolver can go on: waiting longer brings no further key.
        .delay(Duration::ZERO)
        .max_batch_size(usize::MAX);
        Self { now, conn, loader, primed: Mutex::default(), questions: Mutex::default() }
    }

    /// What a field asks under its parents: made once, since its arguments are the same for every parent.
    pub(super) fn question(
        &self,
        place: (Pos, Under),
        make: impl FnOnce() -> Result<Question, Error>,
    ) -> Result<Arc<Question>, Error> {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = questions.get(&place) {
            return Ok(known.clone());
        }
        let made = Arc::new(make()?);
        questions.insert(place, made.clone());
        Ok(made)
    }

    /// Keeps rows that came with the pages of a whole level: told once, however many parents there are.
    pub(super) fn prime_shared(&self, loaded: &Arc<Vec<Beside>>) {
        let mut primed = self.primed.lock().unwrap_or_else(PoisonError::into_inner);
        if !loaded.is_empty() && !primed.lots.iter().any(|lot| Arc::ptr_eq(lot, loaded)) {
            primed.rows.extend(loaded.iter().map(|(columns, row)| ((row.id(), *columns), row.clone())));
            primed.lots.push(loaded.clone());
        }
    }
}

impl Asking {
    /// The context of one operation.
    pub(super) fn new(services: Services, viewer: Option<Arc<Viewer>>) -> Self {
        Self::make(services, viewer, None)
    }

    /// The context of what is told of an event to all who follow by the same question with the viewer's rights.
    pub(super) fn telling(services: Services, viewer: Option<Arc<Viewer>>, question: [u8; 32]) -> Self {
        Self::make(services, viewer, Some(question))
    }

    fn make(services: Services, viewer: Option<Arc<Viewer>>, tells: Option<[u8; 32]>) -> Self {
        let batches = Batches::default();
        let cursor = services.breaches.cursor();
        let turn = RwLock::new(Arc::new(Turn::new(&services.store, viewer.as_ref(), tells, &batches)));
        let statements = AtomicU32::new(0);
        let (told, listed) = (AtomicUsize::new(0), AtomicU64::new(0));
        let computing = tokio::sync::Mutex::default();
        Self(Arc::new(Inner {
            viewer,
            tells,
            cursor,
            services,
            turn,
            batches,
            statements,
            told,
            listed,
            computing,
        }))
    }

    /// The context of the operation that `ctx` belongs to.
    pub fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked()
    }

    /// Who asks; [`Error::Unauthenticated`] when nobody is logged in.
    pub fn viewer(&self) -> Result<&Arc<Viewer>, Error> {
        self.0.viewer.as_ref().ok_or(Error::Unauthenticated)
    }

    /// Who asks, if anybody is logged in.
    pub fn viewer_if_any(&self) -> Option<&Arc<Viewer>> {
        self.0.viewer.as_ref()
    }

    /// When the operation began, or the last write in it was over, by the database's clock: what one field of a mutation
    /// put in force is in force for the next.
    pub fn now(&self) -> DateTime<Utc> {
        self.turn().now
    }

    /// From where to follow the breach log so that nothing is missed of what the operation does not see.
    pub fn feed_cursor(&self) -> String {
        self.0.cursor.map_or_else(|| EVERYTHING.to_owned(), Cursor::encode)
    }

    /// What all operations share.
    pub fn services(&self) -> &Services {
        &self.0.services
    }

    /// Where the viewer may read with `permission`.
    pub fn reach(&self, permission: Permission) -> Result<Arc<Reach>, Error> {
        self.viewer()?.reach(permission)
    }

    /// Where the viewer may read rows of a noun by their id.
    pub fn reach_by_id<N: Noun>(&self) -> Result<Arc<Reach>, Error> {
        reach_by_id::<N>(self.viewer()?)
    }

    /// That the viewer holds `permission` where what hangs under an object may be: in the tenant of the object, or, with
    /// `below`, in one below it. Else the object would look as if it had none.
    pub(super) fn held(&self, permission: Permission, tenant: Uuid, below: bool) -> Result<(), Error> {
        let viewer = self.viewer()?;
        let reach = viewer.reach(permission)?;
        let held = if below { &reach.visible } else { &reach.tenants };
        // A tenant that was made since the rights were read has nothing yet.
        if held.binary_search(&tenant).is_ok() || viewer.place(tenant).is_none() {
            return Ok(());
        }
        Err(Error::Forbidden(permission))
    }

    /// Proof that the viewer may write in a tenant.
    pub fn permit(&self, permission: Permission, tenant_id: Uuid) -> Result<Permit, Error> {
        self.viewer()?.permit(permission, tenant_id)
    }

    /// Computes something that may take milliseconds, one at a time and with a pause before each: others go on meanwhile, and
    /// an operation that has many of them is stopped at its deadline.
    pub(super) async fn compute<T>(&self, work: impl FnOnce() -> T) -> T {
        let _one_at_a_time = self.0.computing.lock().await;
        yield_now().await;
        work()
    }

    /// Whether something is computed: what paused for it wakes the answer only later.
    fn computes(&self) -> bool {
        self.0.computing.try_lock().is_err()
    }

    /// Has a value that may be long put into the answer, if there is room for so many bytes.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] when there is not.
    pub(super) fn tell_long(&self, bytes: usize) -> Result<(), Error> {
        if self.0.told.fetch_add(bytes, Ordering::Relaxed) + bytes <= MOST_TOLD {
            return Ok(());
        }
        let most = MOST_TOLD / 1024 / 1024;
        Err(Error::LimitExceeded(format!(
            "The long texts of the answer take more than {most} MiB: ask for smaller pages, or leave some out."
        )))
    }

    /// A text that may be long, for the answer.
    ///
    /// # Errors
    /// Those of [`Self::tell_long`].
    pub(super) fn long<'a>(&self, text: Option<&'a str>) -> Result<Option<&'a str>, Error> {
        self.tell_long(text.map_or(0, str::len))?;
        Ok(text)
    }

    /// Has the items of a list that is no page put into the answer, if there is room for what is selected of them.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] when there is not.
    pub(super) fn tell_items(&self, ctx: &Context<'_>, items: usize) -> Result<(), Error> {
        let of_each = ctx.data_unchecked::<Arc<Lists>>().get(&place(ctx)).copied().unwrap_or(1);
        let values = of_each.saturating_mul(items as u64);
        if self.0.listed.fetch_add(values, Ordering::Relaxed).saturating_add(values) <= MOST_LISTED {
            return Ok(());
        }
        Err(Error::LimitExceeded(format!(
            "The lists of the answer that are no pages hold more than {MOST_LISTED} values: ask for fewer objects, or for the \
             inner ones separately."
        )))
    }

    pub(super) fn turn(&self) -> Arc<Turn> {
        self.0.turn.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The operation's connection.
    pub fn conn(&self) -> Arc<Conn> {
        self.turn().conn.clone()
    }

    /// How many statements the operation has sent so far.
    pub fn statements(&self) -> u32 {
        self.0.statements.load(Ordering::Relaxed) + self.turn().conn.statements()
    }

    /// Forgets everything loaded and gives the connection back. A mutation calls it after its write: what
    /// is read next is read anew.
    pub fn renew(&self) {
        let Inner { services, viewer, tells, batches, .. } = &*self.0;
        let next = Arc::new(Turn::new(&services.store, viewer.as_ref(), *tells, batches));
        let last = std::mem::replace(&mut *self.0.turn.write().unwrap_or_else(PoisonError::into_inner), next);
        self.0.statements.fetch_add(last.conn.statements(), Ordering::Relaxed);
    }

    /// Keeps rows that came along, so that resolvers find them without a statement.
    pub fn prime(&self, loaded: Vec<Beside>) {
        if loaded.is_empty() {
            return;
        }
        let turn = self.turn();
        let mut primed = turn.primed.lock().unwrap_or_else(PoisonError::into_inner);
        primed.rows.extend(loaded.into_iter().map(|(columns, row)| ((row.id(), columns), row)));
    }

    /// A whole row by its id, which the loader fetches together with others.
    pub async fn row<N: Noun>(&self, id: Uuid) -> Result<Option<Arc<N>>, Error> {
        self.turn().loader.load_one(super::load::Id::<N>::new(id)).await
    }

    /// The row that a field leads to, with what the field's selection reads of it.
    pub(super) async fn row_for<N: Noun>(
        &self,
        ctx: &Context<'_>,
        id: Uuid,
    ) -> Result<Option<Arc<N>>, Error> {
        let columns = {
            let turn = self.turn();
            let mut primed = turn.primed.lock().unwrap_or_else(PoisonError::into_inner);
            *primed.reads.entry(place(ctx)).or_insert_with(|| columns(N::TARGET, &[ctx.look_ahead()]))
        };
        self.row_with(id, columns).await
    }

    /// A row with these columns at least: one that came along for them, or one that the loader fetches.
    pub(super) async fn row_with<N: Noun>(
        &self,
        id: Uuid,
        columns: Columns,
    ) -> Result<Option<Arc<N>>, Error> {
        let turn = self.turn();
        let primed = {
            let primed = turn.primed.lock().unwrap_or_else(PoisonError::into_inner);
            let whole = || primed.rows.get(&(id, N::TARGET.all()));
            primed.rows.get(&(id, columns)).or_else(whole).and_then(N::from_loaded).cloned()
        };
        match primed {
            Some(row) => Ok(Some(row)),
            // Boxed: most rows came along, and no field's future need be as large as this.
            None => self.row(id).boxed().await,
        }
    }

    /// The answer to a question that is no row: loaded together with the same question of others.
    pub(super) async fn load<K>(&self, key: K) -> Result<Option<<Loaders as Loader<K>>::Value>, Error>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        Loaders: Loader<K, Error = Error>,
    {
        self.turn().loader.load_one(key).await
    }

    /// Drives an answer: whenever no resolver can go on, all batches that were filled meanwhile are sent together,
    /// pipelined on the operation's connection; the next ones are sent when all of these have come back, and what
    /// resolvers ask for themselves. So a level of the answer costs one statement per kind of object, however long its
    /// lists are and however the machine schedules us.
    pub async fn drive<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        let mut running = FuturesUnordered::new();
        let woken = Arc::new(Woken { answer: AtomicBool::new(true), task: AtomicWaker::new() });
        let waker = Waker::from(woken.clone());
        std::future::poll_fn(move |cx| {
            woken.task.register(cx.waker());
            loop {
                while let Poll::Ready(Some(())) = running.poll_next_unpin(cx) {}
                // Resolvers run while batches are under way: a batch may wait for the connection that one of them takes.
                if woken.answer.swap(false, Ordering::AcqRel)
                    && let Poll::Ready(done) = answer.as_mut().poll(&mut task::Context::from_waker(&waker))
                {
                    return Poll::Ready(done);
                }
                // The items of a long list are not all asked at once: the list wakes itself to go on with the rest.
                let goes_on = woken.answer.load(Ordering::Acquire);
                if goes_on || !running.is_empty() || self.conn().busy() || self.computes() {
                    return Poll::Pending;
                }
                let filled =
                    std::mem::take(&mut *self.0.batches.lock().unwrap_or_else(PoisonError::into_inner));
                if filled.is_empty() {
                    return Poll::Pending;
                }
                running.extend(filled);
            }
        })
        .await
    }
}

/// Tells a driver that its answer can go on, apart from the batches that it drives as well.
struct Woken {
    answer: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.answer.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// Where a viewer may read rows of a noun by their id.
pub(super) fn reach_by_id<N: Noun>(viewer: &Viewer) -> Result<Arc<Reach>, Error> {
    match N::BY_ID {
        None => Ok(viewer.reach_any()),
        Some(permission) => viewer.reach(permission),
    }
}
