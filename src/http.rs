//! The entrance: everything that speaks HTTP. Requests, sockets and event streams share one [`Backend`], one set
//! of limits and one way to end.
//!
//! | path | what |
//! |---|---|
//! | `/graphql` | GraphQL over HTTP ([`graphql`]), over a websocket ([`socket`]), over server-sent events ([`sse`]) |
//! | `/graphiql/` | the pages for people ([`pages`]) |
//! | `/livez`, `/readyz`, `/version`, `/metrics` | for the machine that runs the gateway |

mod backend;
mod credentials;
mod graphql;
mod metrics;
mod negotiate;
mod pages;
mod patience;
mod places;
mod serve;
mod socket;
mod sse;

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use async_graphql::{Response as Answer, ServerError};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde::Serialize;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, SemaphorePermit},
    time::{self, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::{
    access::Viewer,
    error::Error,
    graphql::{
        document::{Operation, refusal},
        gateway::capped,
    },
};

pub use self::backend::Backend;
use self::places::{Full, Held, Places};

/// How the entrance behaves. The defaults are those of the command line.
#[derive(Clone)]
pub struct HttpConfig {
    /// Origins of web pages on other hosts that may use the gateway, such as `https://board.example.com`; `*`
    /// stands for all. Pages served by the gateway itself always may.
    pub origins: Vec<String>,
    /// Makes what GraphiQL is given to log in with; none but on a developer's machine.
    pub prefill: Option<Prefilling>,
    /// Length of a request's body, in bytes.
    pub body_bytes: usize,
    /// How long a client may take to send a body.
    pub body_deadline: Duration,
    /// How long a query or mutation may run.
    pub execution_deadline: Duration,
    /// Queries and mutations that run at once in this process; more are refused with 503. Those of one viewer take half of
    /// it at the most, and those of all who are not logged in an eighth.
    pub concurrency: usize,
    /// How much of the answers to one viewer may wait to be read, in bytes, besides one answer of any length.
    pub unread_bytes: usize,
    /// How long a client may leave what it is sent unread; it is given more time for as much as it reads.
    pub read_deadline: Duration,
    /// Websockets and event streams open at once in this process; more are refused with 503.
    pub sockets: usize,
    /// The same of one viewer; a socket more is closed with 1013, a stream more refused with 429.
    pub sockets_per_viewer: usize,
    /// Websockets and event streams that may come within a second; more are refused with 503.
    pub accept_rate: u32,
    /// Whether `/metrics` tells the figures of this process to whoever asks.
    pub metrics: bool,
    /// How often the token of an open socket or event stream is looked at again: one that has expired or was
    /// revoked is cut off within this time.
    pub token_interval: Duration,
    /// How each websocket behaves.
    pub socket: SocketConfig,
    /// How long a connection may take to send the headers of its next request, and so rest before it: longer than balancers
    /// keep one that rests, who would otherwise send a request just when it is closed.
    pub header_deadline: Duration,
    /// How long new connections are still taken at shutdown, while `/readyz` says to send no more: a balancer
    /// needs some seconds to notice.
    pub drain_delay: Duration,
    /// How long requests and sockets are waited for after that.
    pub drain_deadline: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            prefill: None,
            body_bytes: 256 * 1024,
            body_deadline: Duration::from_secs(10),
            execution_deadline: Duration::from_secs(10),
            concurrency: 512,
            unread_bytes: 128 * 1024 * 1024,
            read_deadline: Duration::from_secs(30),
            sockets: 10_000,
            sockets_per_viewer: 50,
            accept_rate: 200,
            metrics: false,
            token_interval: Duration::from_secs(1),
            socket: SocketConfig::default(),
            header_deadline: Duration::from_secs(75),
            drain_delay: Duration::ZERO,
            drain_deadline: Duration::from_secs(20),
        }
    }
}

/// How one websocket behaves.
#[derive(Clone, Debug)]
pub struct SocketConfig {
    /// Length of a message from the client, in bytes.
    pub message_bytes: usize,
    /// What waits to be sent to a client that reads slowly, in bytes; operations pause when it is full.
    pub queue_bytes: usize,
    /// How long an operation may be paused before the client is cut off as too slow (1013).
    pub slow_deadline: Duration,
    /// Operations that run at once on one socket; more are refused with an `error` message.
    pub operations: usize,
    /// How long a client may take to send `connection_init` (4408).
    pub init_deadline: Duration,
    /// How often the client is pinged; one that is silent for two such periods is cut off (1013).
    pub ping_interval: Duration,
    /// How long a client may take to acknowledge that the socket is closed.
    pub close_deadline: Duration,
}

impl Default for SocketConfig {
    fn default() -> Self {
        Self {
            message_bytes: 64 * 1024,
            queue_bytes: 1024 * 1024,
            slow_deadline: Duration::from_secs(10),
            operations: 20,
            init_deadline: Duration::from_secs(5),
            ping_interval: Duration::from_secs(20),
            close_deadline: Duration::from_secs(2),
        }
    }
}

/// Makes a [`Prefill`], anew for each page that is opened: a gateway may run for longer than a token lasts.
pub type Prefilling = Arc<dyn Fn() -> Prefill + Send + Sync>;

/// What GraphiQL is given to log in with.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Prefill {
    /// The bearer token it starts with.
    pub token: Option<String>,
    /// Whom one can try the gateway as.
    pub people: Vec<Person>,
}

/// Somebody whom one can try the gateway as.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    /// Their name.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// A bearer token of theirs.
    pub token: String,
}

/// What every handler shares.
struct Entrance {
    backend: Box<dyn Backend>,
    config: HttpConfig,
    running: Semaphore,
    /// Answers about the schema take long to make, and anybody may ask for one: one is made at a time.
    introspecting: Semaphore,
    places: Arc<Places>,
    /// Cancelled when the process is to end: nobody new should come.
    leaving: CancellationToken,
    /// Cancelled when those who are here have to go.
    shutdown: CancellationToken,
    /// The tasks of sockets, which the HTTP server knows nothing of once they are upgraded.
    tasks: TaskTracker,
}

/// The routes, without a server around them: what tests speak to.
pub fn router(backend: impl Backend, config: HttpConfig) -> Router {
    Entrance::new(backend, config, CancellationToken::new()).router()
}

/// Serves until `shutdown` is cancelled, then drains: `/readyz` says so for [`HttpConfig::drain_delay`], then no
/// new connections, sockets closed with 1012 ("resume elsewhere"), requests finished, for no longer than
/// [`HttpConfig::drain_deadline`].
pub async fn serve(
    listener: TcpListener,
    backend: impl Backend,
    config: HttpConfig,
    shutdown: CancellationToken,
) {
    let HttpConfig { drain_delay, drain_deadline, .. } = config;
    let entrance = Entrance::new(backend, config, shutdown.clone());
    let served = async {
        serve::connections(listener, entrance.clone(), entrance.clone().router()).await;
        entrance.tasks.close();
        entrance.tasks.wait().await;
    };
    let late = async {
        shutdown.cancelled().await;
        time::sleep(drain_delay).await;
        entrance.shutdown.cancel();
        time::sleep(drain_deadline).await;
    };
    tokio::select! {
        () = served => {}
        () = late => tracing::warn!(sockets = entrance.tasks.len(), "not everything ended before the drain deadline"),
    }
}

impl Entrance {
    fn new(backend: impl Backend, config: HttpConfig, leaving: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            running: Semaphore::new(config.concurrency),
            introspecting: Semaphore::new(1),
            places: Places::new(&config),
            tasks: TaskTracker::new(),
            backend: Box::new(backend),
            config,
            leaving,
            shutdown: CancellationToken::new(),
        })
    }

    fn router(self: Arc<Self>) -> Router {
        let graphql = Router::new().route("/graphql", any(graphql::handle));
        // Nothing else is for pages of other origins, least of all what GraphiQL logs in with.
        let graphql = match cross_origin(&self.config.origins) {
            Some(layer) => graphql.layer(layer),
            None => graphql,
        };
        let graphql = graphql.layer(middleware::from_fn_with_state(self.clone(), preflight));
        let routes = Router::new()
            .merge(graphql)
            .route("/livez", get(|| async { "alive\n" }))
            .route("/readyz", get(ready))
            .route("/version", get(version))
            .merge(if self.config.metrics {
                Router::new().route("/metrics", get(metrics::answer))
            } else {
                Router::new()
            })
            .merge(pages::routes())
            .layer(middleware::from_fn_with_state(self.clone(), harden));
        routes.with_state(self)
    }

    /// Waits until a token stands for nobody any more. While the store cannot be asked, what was allowed stays so.
    async fn refused(self: Arc<Self>, token: Option<String>) {
        let Some(token) = token else { return std::future::pending().await };
        loop {
            time::sleep(self.config.token_interval).await;
            if self.backend.still(&token).await.is_err_and(|error| is_refusal(&error)) {
                return;
            }
        }
    }

    /// After how long one of the sockets and streams has to go at shutdown: many are spread out, so that their clients do not
    /// all come back at once; one or two need not wait.
    fn turn(&self) -> Duration {
        let open = u32::try_from(self.places.taken()).unwrap_or(u32::MAX);
        let window = (Duration::from_millis(1) * open).min(self.config.drain_deadline / 2);
        let draw = RandomState::new().hash_one(()) as u32;
        window.mul_f64(f64::from(draw) / f64::from(u32::MAX))
    }

    /// Runs a query or a mutation within the limits of this process.
    async fn run(&self, operation: Operation, viewer: Option<Arc<Viewer>>) -> Result<Answer, Unanswered> {
        let execution = async {
            // Whoever waits for a turn takes no place among those that run.
            let turn = match operation.introspects() {
                true => Some(self.turn_to_introspect(viewer.as_deref()).await?),
                false => None,
            };
            let _running = self.running.try_acquire().map_err(|_| Unanswered::Busy)?;
            let _own = self.places.run(viewer.as_deref()).map_err(Unanswered::TooMany)?;
            let mut answer = self.backend.execute(operation, viewer);
            if turn.is_some()
                && let Ok(answer) = time::timeout(TURN, &mut answer).await
            {
                return Ok(capped(answer));
            }
            drop(turn);
            Ok::<_, Unanswered>(capped(answer.await))
        };
        let answer = time::timeout(self.config.execution_deadline, execution).await;
        answer.unwrap_or(Err(Unanswered::Late))
    }

    async fn turn_to_introspect(
        &self,
        viewer: Option<&Viewer>,
    ) -> Result<(Held, Option<SemaphorePermit<'_>>), Unanswered> {
        let waiting = self.places.introspect(viewer).map_err(Unanswered::TooManyIntrospecting)?;
        Ok((waiting, self.introspecting.acquire().await.ok()))
    }
}

/// How long a turn to ask for the schema lasts: it is for the processor, which the schema takes without a pause. What is not
/// done by then waits for the store, for other things that it asks for.
const TURN: Duration = Duration::from_millis(100);

/// There is too much at once for one client, or for those of one tree: later the same is answered.
const THROTTLED: &str = "THROTTLED";

/// Why an operation has no answer.
enum Unanswered {
    /// Too many run already; this one did not start.
    Busy,
    /// So many of the same viewer, or of those of the same tree, run already; this one did not start.
    TooMany(Full),
    /// So many of theirs ask for the schema already; this one did not start.
    TooManyIntrospecting(Full),
    /// So many sockets and streams of theirs are open already; this one was not opened.
    TooManyOpen(Full),
    /// It was done, but too many answers wait for the same viewer to read them.
    Unread,
    /// It ran for too long and was stopped.
    Late,
    /// It panicked.
    Broken(Error),
}

impl Unanswered {
    fn broken() -> Self {
        // The panic itself, with its place, was written by the panic hook just before.
        Self::Broken(Error::internal("an operation panicked"))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany(_) | Self::TooManyIntrospecting(_) | Self::TooManyOpen(_) | Self::Unread => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error(&self) -> ServerError {
        let of = |error: &Error| refusal(error.code(), error.message(), None);
        match self {
            Self::Busy => {
                refusal("OVERLOADED", "The gateway is busy and did not start the operation: try again.", None)
            }
            Self::TooMany(Full { most, of }) => {
                let message = format!("At most {most} operations of {of} may run at once: try again.");
                refusal(THROTTLED, message, None)
            }
            Self::TooManyIntrospecting(Full { most, of }) => {
                let message =
                    format!("At most {most} operations of {of} may ask for the schema at once: try again.");
                refusal(THROTTLED, message, None)
            }
            Self::TooManyOpen(Full { most, of }) => {
                let message = format!(
                    "At most {most} sockets and streams may be open for {of}: close one, and try again."
                );
                refusal(THROTTLED, message, None)
            }
            Self::Unread => {
                let message = "The answers that wait for you are too long together: read those, and try again. What was \
                               to be written is written.";
                refusal(THROTTLED, message, None)
            }
            Self::Late => of(&Error::Timeout),
            Self::Broken(error) => of(error),
        }
    }
}

/// The body of an answer to a request that was not executed.
#[derive(Serialize)]
struct RequestErrors {
    errors: Vec<ServerError>,
}

impl RequestErrors {
    fn json(errors: Vec<ServerError>) -> String {
        // Errors are made of JSON's own types, so this cannot fail.
        serde_json::to_string(&Self { errors }).unwrap_or_default()
    }
}

/// Whether a page of this request's `Origin` may use the gateway. Programs other than browsers send none.
fn origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else { return !headers.contains_key(header::ORIGIN) };
    let host = origin.split_once("://").map(|(_, host)| host);
    allowed.iter().any(|allowed| allowed == "*" || allowed == origin)
        || host.is_some() && host == text(header::HOST)
}

fn other_origin() -> Response {
    let message = "Pages of this origin may not use the gateway: start it with --origin and the origin, as in \
                   --origin https://board.example.com.";
    graphql::Refused::new(StatusCode::FORBIDDEN, "FORBIDDEN", message).answer(negotiate::Media::Json)
}

/// Tells a developer why a browser does not let a page in: nothing else would say it.
async fn preflight(State(entrance): State<Arc<Entrance>>, request: Request, next: Next) -> Response {
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if asks && !origin_allowed(request.headers(), &entrance.config.origins) {
        return other_origin();
    }
    next.run(request).await
}

fn cross_origin(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok()))
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        // Whatever a page sends along, as those do that are traced (`traceparent`): its origin is what counts, and a browser
        // adds no cookie that could speak for somebody.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(3600));
    Some(layer)
}

/// What every answer carries unless its handler said otherwise.
async fn harden(State(entrance): State<Arc<Entrance>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    // Whoever keeps the connection would send the next request just when it is closed.
    if entrance.leaving.is_cancelled() && !upgraded {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// How long the gateway may take to say that it is ready.
const READY: Duration = Duration::from_secs(2);

/// Whether requests should be sent here: not while draining, nor while the gateway cannot answer.
async fn ready(State(entrance): State<Arc<Entrance>>) -> Response {
    let ready = if entrance.leaving.is_cancelled() {
        Err("shutting down".to_owned())
    } else {
        let ready = entrance.backend.ready();
        time::timeout(READY, ready)
            .await
            .unwrap_or_else(|_| Err("the store does not answer in time".to_owned()))
    };
    match ready {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

/// Whether an error says that a token stands for nobody, and not that nobody could be asked.
fn is_refusal(error: &ServerError) -> bool {
    let code = error.extensions.as_ref().and_then(|values| values.get("code"));
    code.is_some_and(|code| *code == async_graphql::Value::from("UNAUTHENTICATED"))
}

/// Waits for a moment that may never come.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn version() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") }))
}
