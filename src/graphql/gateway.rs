//! The one way in: every operation of every transport is checked, run, measured and answered here, so that limits,
//! permissions and codes cannot differ between them.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Response, ServerError, Value};
use futures_util::FutureExt;
use futures_util::future::join_all;
use futures_util::stream::{BoxStream, StreamExt, iter, once};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::asking::{Asking, Services};
use super::document::{Ask, Documents, Limits, Operation, refusal};
use super::subscription::{Event, Part};
use super::viewers::Viewers;
use super::{Schema, schema};
use crate::access::Viewer;
use crate::access::token::Verifier;
use crate::breach::Breaches;
use crate::error::Error;
use crate::metrics::{self, Metrics, Outcome, Page};
use crate::store::Store;
use crate::store::deadline::{self, Backlog};
use crate::store::semaphores::Semaphores;

/// The gateway to the schema. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    schema: Schema,
    documents: Documents,
    services: Services,
    started: Instant,
    /// What subscribers were told of late.
    told: Cache<Told, Answer, Weight>,
    /// By viewer and by their trees, the room for what subscribers are about to be told.
    rooms: Semaphores,
    figures: Counted,
    /// Whether operations could be answered when that was last looked at, and when that was.
    looked: Mutex<Option<(Instant, Result<(), String>)>>,
    /// What waits in the store, if that could be told, and when it was counted; held meanwhile.
    counting: Mutex<Option<(Instant, Option<Backlog>)>>,
}

#[derive(Default)]
struct Counted {
    told: AtomicU64,
    answered: AtomicU64,
}

/// Figures of this replica, for its metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Events that subscribers were told since start (`sla_feed_delivered_total`).
    pub told: u64,
    /// Answers that were made for them (`sla_feed_answers_total`): one serves all who ask the same with the same rights.
    pub answered: u64,
}

/// What is asked, with which rights, about which event, and in which second: what is selected of an event may change
/// later, and whoever replays it then is told what holds then.
type Told = ([u8; 32], [u8; 32], Arc<str>, u64);

/// How much of what was told is kept for others who ask the same, in bytes.
const KEPT: u64 = 64 * 1024 * 1024;

/// How often an event is told anew that could not be told whole, and how long the rest before is.
const TRIES: u32 = 4;
const REST: Duration = Duration::from_millis(250);

/// How long it is told anew while the store is away. A client that does not look at errors takes what was told in parts as
/// told, so this is as long as somebody may need to mend a store that lets only the connections in that it has.
const AWAY: Duration = Duration::from_secs(5 * 60);

/// How long the answer to one event may take. What it asks of the store ends with it.
const LONGEST: Duration = Duration::from_secs(15);

/// How long the answer to one event may be, in bytes: several wait for each subscriber who reads slowly.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// How many events of one subscription are answered at once, if so many came. One after the other, all who ask the same
/// would wait for each answer anew, and be woken and write to their sockets for each rather than for all.
const TOGETHER: usize = 16;

/// How much room the subscribers of one tree of tenants have for answers that are made and not yet on their way, in units of
/// so many bytes. One who reads slowly has them wait, and there are a thousand subscriptions on the sockets of one viewer, who
/// leaves half of it to others.
const ROOM: usize = 256 * 1024 * 1024 / UNIT;
const ROOM_OF_ONE: usize = ROOM / 2;
const UNIT: usize = 64 * 1024;

/// How long it is remembered whether operations can be answered.
const LOOK: Duration = Duration::from_millis(250);

/// How long it may take to count what waits in the store: whoever collects figures waits for all of them together, for some
/// seconds.
const COUNTING: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Weight;

impl Weighter<Told, Answer> for Weight {
    fn weight(&self, _: &Told, answer: &Answer) -> u64 {
        256 + answer.json.len() as u64
    }
}

/// One answer of a subscription, written once for all who are sent it.
#[derive(Clone, Debug)]
pub struct Answer {
    json: Arc<str>,
    outcome: Outcome,
    /// Nothing but the store failed, and it may be there in a moment.
    away: bool,
    cursor: Option<Arc<str>>,
    delivery: Option<Delivery>,
}

/// That a record is on its way to a subscriber.
#[derive(Clone, Debug)]
pub struct Delivery {
    metrics: Metrics,
    /// How long ago it was recorded, and when that was asked.
    age: Duration,
    asked_at: Instant,
}

impl Delivery {
    /// It was sent.
    pub fn sent(self) {
        self.metrics.delivered(self.age + self.asked_at.elapsed());
    }
}

impl Answer {
    /// The answer as JSON, on one line.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Where a subscription to the breach log resumes after it; null for any other, and for one that failed.
    pub fn cursor(&self) -> Option<&Arc<str>> {
        self.cursor.as_ref()
    }

    /// To be told when it was sent; null for what did not just happen.
    pub fn delivery(&self) -> Option<&Delivery> {
        self.delivery.as_ref()
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let outcome = outcome(&response);
        let away = failures(&response).any(|code| code == "UNAVAILABLE")
            && failures(&response).all(|code| code == "UNAVAILABLE");
        // Answers are made of JSON's own types, so this cannot fail.
        let json = serde_json::to_string(&capped(response)).unwrap_or_default().into();
        Self { json, outcome, away, cursor: None, delivery: None }
    }
}

/// The codes of what failed of an answer, rather than being refused.
fn failures(answer: &Response) -> impl Iterator<Item = &str> {
    answer.errors.iter().filter_map(|error| match error.extensions.as_ref()?.get("code")? {
        Value::String(code) if matches!(code.as_str(), "INTERNAL" | "TIMEOUT" | "UNAVAILABLE") => {
            Some(code.as_str())
        }
        _ => None,
    })
}

/// How an operation ended that was answered so.
fn outcome(answer: &Response) -> Outcome {
    if answer.errors.is_empty() {
        Outcome::Ok
    } else if failures(answer).next().is_some() {
        Outcome::Failed
    } else {
        Outcome::Refused
    }
}

/// An operation that is measured until this is dropped.
struct Measured {
    metrics: Metrics,
    kind: metrics::Operation,
    begun: Instant,
    outcome: Outcome,
}

impl Measured {
    fn ended(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.metrics.operation(self.kind, self.outcome, self.begun.elapsed());
    }
}

/// Errors in one answer.
const MOST_ERRORS: usize = 20;

/// The answer with no more errors than a client can use, and a count of the rest.
pub fn capped(mut answer: Response) -> Response {
    let more = answer.errors.len().saturating_sub(MOST_ERRORS);
    if more > 0 {
        answer.errors.truncate(MOST_ERRORS);
        answer.extensions.insert("errorsOmitted".to_owned(), more.into());
    }
    answer
}

impl Gateway {
    /// Puts the schema before a store, and watches rights until `shutdown`.
    ///
    /// # Errors
    /// Says what is wrong with the schema: a mistake of the build.
    pub fn start(
        store: Store,
        breaches: Breaches,
        verifier: impl Into<Verifier>,
        limits: Limits,
        shutdown: CancellationToken,
    ) -> Result<Self, String> {
        let schema = schema();
        let documents = Documents::new(&super::sdl(), limits)?;
        let viewers = Viewers::start(store.clone(), verifier.into(), shutdown);
        let services = Services { store, breaches, viewers };
        let told = Cache::with_weighter(100_000, KEPT, Weight);
        Ok(Self(Arc::new(Inner {
            schema,
            documents,
            services,
            started: Instant::now(),
            told,
            rooms: Semaphores::default(),
            figures: Counted::default(),
            looked: Mutex::default(),
            counting: Mutex::default(),
        })))
    }

    /// A checked operation, ready to run; or the request errors, each with its code.
    pub fn prepare(&self, ask: Ask) -> Result<Operation, Vec<ServerError>> {
        self.0.documents.prepare(ask)
    }

    /// Whom a bearer token stands for; nobody when there is none.
    pub async fn viewer(&self, bearer: Option<&str>) -> Result<Option<Arc<Viewer>>, ServerError> {
        match bearer {
            None => Ok(None),
            Some(token) => match self.0.services.viewers.of_token(token).await {
                Ok(viewer) => Ok(Some(viewer)),
                Err(error) => Err(refusal(error.code(), error.message(), None)),
            },
        }
    }

    /// The same of a token that something is open with, which is asked about again and again.
    pub async fn still(&self, bearer: &str) -> Result<Arc<Viewer>, ServerError> {
        let viewer = self.0.services.viewers.still(bearer).await;
        viewer.map_err(|error| refusal(error.code(), error.message(), None))
    }

    /// Runs a query or a mutation.
    pub async fn execute(&self, operation: Operation, viewer: Option<Arc<Viewer>>) -> Response {
        let measured = self.measure(match operation.kind() {
            OperationType::Mutation => metrics::Operation::Mutation,
            OperationType::Query | OperationType::Subscription => metrics::Operation::Query,
        });
        let counted = operation.wants_statements();
        let asking = Asking::new(self.0.services.clone(), viewer);
        let answered = operation.answered();
        let request = operation.into_request().data(asking.clone());
        let answer = AssertUnwindSafe(asking.drive(self.0.schema.execute(request))).catch_unwind().await;
        let mut answer = answer.unwrap_or_else(|_| fault());
        answered.complete(&mut answer);
        if counted {
            answer.extensions.insert("statements".into(), Value::from(asking.statements()));
        }
        let answer = coded(answer);
        measured.ended(outcome(&answer));
        answer
    }

    /// Begins to measure an operation: one that is never answered counts as cancelled.
    fn measure(&self, kind: metrics::Operation) -> Measured {
        let metrics = self.0.services.store.metrics().clone();
        Measured { metrics, kind, begun: Instant::now(), outcome: Outcome::Cancelled }
    }

    /// Runs a subscription. What it follows is each subscriber's own; the answer to an event is made once for all who
    /// ask the same with the same rights.
    pub fn subscribe(&self, operation: Operation, viewer: Option<Arc<Viewer>>) -> BoxStream<'static, Answer> {
        once(self.clone().open(operation, viewer)).flatten().boxed()
    }

    /// Runs the root field to find out what is followed.
    async fn open(self, operation: Operation, viewer: Option<Arc<Viewer>>) -> BoxStream<'static, Answer> {
        let part = Part::opening();
        let refused = self.run(&operation, viewer.clone(), part.clone()).await;
        let Some(events) = part.opened() else { return iter(refused).boxed() };
        let asked = operation.digest();
        let operation = Arc::new(operation);
        events
            .ready_chunks(TOGETHER)
            .then(move |events| {
                let (gateway, operation, viewer) = (self.clone(), operation.clone(), viewer.clone());
                async move {
                    // For the longest that they can be, and all at once: who waits for room has taken none.
                    let mut room = gateway.room(viewer.as_deref(), events.len()).await;
                    let answers = join_all(events.into_iter().map(async |event| match event {
                        Ok(event) => gateway.answer(&operation, asked, &event).await,
                        Err(error) => {
                            gateway.run(&operation, viewer.clone(), Part::telling(Err(error))).boxed().await
                        }
                    }))
                    .await;
                    let bytes: usize = answers.iter().flatten().map(|answer| answer.json.len()).sum();
                    (answers, room.as_mut().map(|room| room.each_mut().map(|room| room.split(bytes / UNIT))))
                }
            })
            .flat_map(|(answers, room)| {
                iter(answers.into_iter().flatten()).inspect(move |_| {
                    let _held_until_the_last_is_taken = &room;
                })
            })
            .boxed()
    }

    /// Room for the answers to so many events, of the viewer and of their trees, once it was left. Nobody but a viewer has
    /// anything to follow.
    async fn room(&self, viewer: Option<&Viewer>, events: usize) -> Option<[OwnedSemaphorePermit; 2]> {
        let viewer = viewer?;
        let units = u32::try_from(events * LONGEST_ANSWER / UNIT).unwrap_or(u32::MAX);
        // Whoever has room of their trees waits for no other.
        let own = self.0.rooms.of(&viewer.actor.name(), ROOM_OF_ONE).acquire_many_owned(units).await.ok()?;
        let of_trees = self.0.rooms.of(viewer.trees(), ROOM).acquire_many_owned(units).await.ok()?;
        Some([own, of_trees])
    }

    /// The answer to an event: one that was made within this second serves everybody.
    async fn answer(&self, operation: &Operation, asked: [u8; 32], event: &Event) -> Option<Answer> {
        self.0.figures.told.fetch_add(1, Ordering::Relaxed);
        let second = self.0.started.elapsed().as_secs();
        let key = (asked, event.viewer.rights_digest(), event.name.clone(), second);
        let answer = match self.0.told.get_value_or_guard_async(&key).await {
            Ok(answer) => answer,
            Err(told) => {
                // In a box, since it is large, and most who ask find the answer made.
                let answer = self.tell(operation, event).boxed().await?;
                // Of what failed it was not told: who resumes there would never be.
                let cursor = event.cursor.clone().filter(|_| answer.outcome != Outcome::Failed);
                let answer = Answer { cursor, ..answer };
                // An error says that another has taken its place.
                let _ = told.insert(answer.clone());
                answer
            }
        };
        let delivery = event.recorded_at.map(|recorded_at| Delivery {
            metrics: self.0.services.store.metrics().clone(),
            age: (self.0.services.store.now() - recorded_at).to_std().unwrap_or_default(),
            asked_at: Instant::now(),
        });
        Some(Answer { delivery, ..answer })
    }

    /// Makes the answer to an event. The store may be away for a while: it is told whole if that is possible at all,
    /// and not tried again where it takes too long, or where the viewer's rights are others by then.
    async fn tell(&self, operation: &Operation, event: &Event) -> Option<Answer> {
        let mut tries = 0_u32;
        let begun = Instant::now();
        loop {
            let viewer = Some(event.viewer.clone());
            self.0.figures.answered.fetch_add(1, Ordering::Relaxed);
            let measured = self.measure(metrics::Operation::Event);
            let answer = self.run(operation, viewer, Part::telling(Ok(event))).await;
            measured.ended(answer.as_ref().map_or(Outcome::Failed, |answer| answer.outcome));
            tries += 1;
            let over = answer.as_ref().is_none_or(|answer| match answer.outcome {
                Outcome::Failed if answer.away => begun.elapsed() >= AWAY || !event.stands(),
                Outcome::Failed => tries >= TRIES || begun.elapsed() >= LONGEST,
                _ => true,
            });
            if over {
                return answer;
            }
            sleep(REST * tries.min(TRIES)).await;
        }
    }

    /// Runs the root field of a subscription for its part; what it answers, if anything.
    async fn run(&self, operation: &Operation, viewer: Option<Arc<Viewer>>, part: Part) -> Option<Answer> {
        let services = self.0.services.clone();
        let asking = match part {
            Part::Telling(_) => Asking::telling(services, viewer, operation.digest()),
            Part::Opening(_) => Asking::new(services, viewer),
        };
        let request = operation.clone().into_request().data(asking.clone()).data(part);
        let mut answers = pin!(self.0.schema.execute_stream(request));
        let answer = AssertUnwindSafe(asking.drive(answers.next())).catch_unwind();
        let answer = timeout(LONGEST, answer).await.unwrap_or_else(|_late| Ok(Some(failed(&Error::Timeout))));
        answer.unwrap_or_else(|_| Some(fault())).map(|mut answer| {
            operation.answered().complete(&mut answer);
            let answer = Answer::from(coded(answer));
            if answer.json.len() <= LONGEST_ANSWER { answer } else { failed(&too_long()).into() }
        })
    }

    /// What this replica has told its subscribers.
    pub fn figures(&self) -> Figures {
        let Counted { told, answered } = &self.0.figures;
        Figures { told: told.load(Ordering::Relaxed), answered: answered.load(Ordering::Relaxed) }
    }

    /// Figures of this replica and of what waits in the store; those of the store are missing while it is away, or slow:
    /// just then the others are asked for.
    pub async fn metrics(&self) -> Page {
        let Services { store, breaches, .. } = &self.0.services;
        let (feed, told) = (breaches.figures(), self.figures());
        let mut page = store.metrics().page();
        page.counter("sla_breach_recorded", "Records that this process wrote", feed.recorded);
        page.counter("sla_feed_hole", "How often the log was found to have a hole", feed.holes);
        page.counter("sla_feed_delivered", "Events that subscribers were told", told.told);
        page.counter("sla_feed_answers", "Answers that were made for them", told.answered);
        page.gauge("sla_feed_tail_position", "Up to where this process has read the log", feed.position);
        let subscriptions = i64::try_from(feed.subscriptions).unwrap_or(i64::MAX);
        page.gauge("sla_ws_subscriptions", "Subscriptions to the breach log", subscriptions);
        let skew = store.skew_seconds();
        page.gauge(
            "sla_db_clock_skew_seconds",
            "How far the database's clock is ahead of this machine's",
            skew,
        );
        let backlog = {
            // Anybody may ask, and again before there is an answer: what was counted since serves all who waited.
            let asked_at = Instant::now();
            let mut counted = self.0.counting.lock().await;
            match *counted {
                Some((at, backlog)) if at >= asked_at => backlog,
                _ => {
                    let backlog = timeout(COUNTING, deadline::backlog(&store.conn())).await;
                    let backlog = backlog.ok().and_then(Result::ok);
                    *counted = Some((Instant::now(), backlog));
                    backlog
                }
            }
        };
        let help = "1 if the store has told the figures of what waits in it, which are missing otherwise";
        page.gauge("sla_store_answers", help, i64::from(backlog.is_some()));
        if let Some(Backlog { overdue, oldest, pending, head }) = backlog {
            page.gauge("sla_scheduler_overdue_rows", "Deadlines that are due and not recorded", overdue);
            let help = "For how long the oldest of them has been due";
            page.gauge("sla_scheduler_oldest_overdue_seconds", help, oldest.as_secs_f64());
            page.gauge("sla_feed_pending_rows", "Records without a position", pending);
            page.gauge("sla_feed_head_position", "The last position of the log", head);
            let lag = (head - feed.position).max(0);
            page.gauge("sla_feed_lag_positions", "Positions of the log that this process has not read", lag);
        }
        page
    }

    /// Whether operations can be answered just now, or why not. One look serves all who ask at that time: anybody may, as
    /// often as they like.
    pub async fn ready(&self) -> Result<(), String> {
        let mut looked = self.0.looked.lock().await;
        if let Some((at, ready)) = &*looked
            && at.elapsed() < LOOK
        {
            return ready.clone();
        }
        let ready = self.0.services.store.synchronize().await;
        let ready = ready.map_err(|_| "the store does not answer".to_owned());
        *looked = Some((Instant::now(), ready.clone()));
        ready
    }
}

/// A panic is our fault; its text was logged where it happened.
fn fault() -> Response {
    failed(&Error::internal("a resolver panicked"))
}

fn too_long() -> Error {
    let most = LONGEST_ANSWER / 1024 / 1024;
    let sentence = format!(
        "What is selected of an event takes more than {most} MiB: select less, and read the rest by a query."
    );
    Error::LimitExceeded(sentence)
}

fn failed(error: &Error) -> Response {
    Response::from_errors(vec![refusal(error.code(), error.message(), None)])
}

/// Every error has a code. Those that the engine makes itself are about values it could not read, which the guard before
/// it knows of no more than that their kind is right.
fn coded(mut answer: Response) -> Response {
    for error in &mut answer.errors {
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", "BAD_REQUEST");
            error.message = sentence(&error.message);
        }
    }
    answer
}

/// The engine says which value of which type it could not read, and in which types that lay. The value is left out: it
/// may be a secret.
fn sentence(message: &str) -> String {
    let message = message.split(" (occurred while parsing").next().unwrap_or_default();
    let message = message.split(", found ").next().unwrap_or_default();
    match message.strip_prefix("Failed to parse \"").and_then(|rest| rest.split_once("\": ")) {
        Some((ty, why)) => format!("This is no {ty}: {}.", why.trim_end_matches('.')),
        None => format!("{}.", message.trim_end_matches('.')),
    }
}
