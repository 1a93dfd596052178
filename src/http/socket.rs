//! GraphQL over a websocket: the protocol `graphql-transport-ws`, and no other.
//!
//! | close code | when | clients come back |
//! |---|---|---|
//! | 4400 | a message that is not one of the protocol | no |
//! | 4401 | `subscribe` before the connection was acknowledged | no |
//! | 4403 | the token was refused, has expired or was revoked | yes |
//! | 4406 | the client does not speak the protocol | no |
//! | 4408 | no `connection_init` in time | yes |
//! | 4409 | an operation's id is in use already | no |
//! | 4429 | a second `connection_init` | no |
//! | 1009 | a message longer than the limit | no |
//! | 1012 | the gateway shuts down: resume elsewhere | yes |
//! | 1013 | the client reads too slowly or went silent, has too many sockets, or the gateway cannot tell who it is just now | yes |
//!
//! The reason of 1012 and 1013 ends in `;after=` and the cursor of the last event that was sent, where there was one
//! subscription to the breach log: that is where it resumes.
//!
//! One task reads, keeps the time and writes; operations run in tasks of their own and wait for room in the
//! outbox. So a client that does not read stops its own operations, and nothing else.

mod outbox;

use std::{borrow::Cow, collections::HashMap, panic::AssertUnwindSafe, pin::pin, sync::Arc};

use async_graphql::{ServerError, parser::types::OperationType};
use axum::{
    extract::{
        FromRequestParts, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::{header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{self, Instant, MissedTickBehavior},
};

use self::outbox::{Along, Mark, Outbox, write};
use super::{
    Entrance, THROTTLED, Unanswered, credentials,
    graphql::Parameters,
    graphql::Refused,
    is_refusal, origin_allowed, other_origin,
    places::{Full, Held},
    until,
};
use crate::{
    access::Viewer,
    graphql::document::{Operation, refusal},
    http::negotiate::Media,
};

const PROTOCOL: &str = "graphql-transport-ws";
/// Room in the outbox that is set aside before a message is read, for its answer.
const ANSWER_BYTES: u32 = 4096;

/// Why the server closes a socket.
type Close = (u16, Cow<'static, str>);
/// The longest reason that a close frame has room for, in bytes.
const REASON_BYTES: usize = 123;

const INVALID: Close = (4400, Cow::Borrowed("Invalid message: see the protocol graphql-transport-ws"));
const UNACKNOWLEDGED: Close =
    (4401, Cow::Borrowed("Unauthorized: send connection_init and wait for connection_ack"));
const REVOKED: Close = (4403, Cow::Borrowed("Forbidden: the token has expired or was revoked"));
const OTHER_PROTOCOL: Close = (4406, Cow::Borrowed("Subprotocol not acceptable: use graphql-transport-ws"));
const INIT_TIMEOUT: Close = (4408, Cow::Borrowed("Connection initialisation timeout"));
const DUPLICATE_ID: Close = (4409, Cow::Borrowed("Subscriber for this id already exists"));
const SECOND_INIT: Close = (4429, Cow::Borrowed("Too many initialisation requests"));
const RESTART: Close = (1012, Cow::Borrowed("The gateway shuts down: resume elsewhere"));
const SLOW: Close = (1013, Cow::Borrowed("slow"));
const SILENT: Close = (1013, Cow::Borrowed("silent"));
const UNAVAILABLE: Close = (1013, Cow::Borrowed("try again later"));

/// Whether a request asks for a websocket.
pub(super) fn is_wanted(parts: &Parts) -> bool {
    let upgrade = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    parts.headers.get(header::UPGRADE).is_some_and(upgrade)
}

pub(super) async fn upgrade(entrance: Arc<Entrance>, parts: &mut Parts) -> Response {
    if !origin_allowed(&parts.headers, &entrance.config.origins) {
        return other_origin();
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(parts, &()).await {
        Ok(upgrade) => upgrade.protocols([PROTOCOL]),
        Err(rejection) => return rejection.into_response(),
    };
    let Some(place) = entrance.places.enter() else {
        return Refused::from(Unanswered::Busy).answer(Media::Json);
    };
    let spoken = upgrade.selected_protocol().is_some();
    let header = credentials::of_headers(&parts.headers);
    let most = entrance.config.socket.message_bytes;
    // Tungstenite clears its read buffer for every message: with a small one a message costs a quarter.
    let upgrade = upgrade.read_buffer_size(4096).write_buffer_size(4096);
    upgrade.max_message_size(most).max_frame_size(most).on_upgrade(move |socket| {
        let tasks = entrance.tasks.clone();
        tasks.track_future(async move {
            converse(socket, entrance, header, spoken).await;
            drop(place);
        })
    })
}

async fn converse(
    socket: WebSocket,
    entrance: Arc<Entrance>,
    header: Result<Option<String>, ServerError>,
    spoken: bool,
) {
    let close_deadline = entrance.config.socket.close_deadline;
    let (sink, mut stream) = socket.split();
    let (outbox, queue) = Outbox::new(&entrance);
    let mut writing = pin!(write(sink, queue, outbox.closing.clone()));
    let places = entrance.places.clone();
    let slow_deadline = entrance.config.socket.slow_deadline.max(close_deadline);
    let mut session = Session::new(entrance, outbox.clone(), header);
    let close = tokio::select! {
        close = async { if spoken { session.serve(&mut stream).await } else { Some(OTHER_PROTOCOL) } } => close,
        () = &mut writing => return,
    };
    // Ends its operations.
    drop(session);
    // One that reads slowly is given as long again to read why it was cut off.
    let close_deadline = if close == Some(SLOW) { slow_deadline } else { close_deadline };
    if let Some(close) = close {
        places.closed(close.0);
        outbox.close(close);
    }
    drop(outbox);
    // The client's own close is awaited: dropping the connection with anything unread would take the frame back.
    let farewell = async {
        writing.await;
        while let Some(Ok(_)) = stream.next().await {}
    };
    let _ = time::timeout(close_deadline, farewell).await;
}

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    ConnectionInit { payload: Option<HashMap<String, serde_json::Value>> },
    Subscribe { id: String, payload: Parameters },
    Complete { id: String },
    Ping {},
    Pong {},
}

/// What it is told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told<'a> {
    ConnectionAck,
    Pong,
    Next { id: &'a str, payload: &'a async_graphql::Response },
    Error { id: &'a str, payload: &'a [ServerError] },
    Complete { id: &'a str },
}

/// The close of a client whose token was refused, with the reason.
fn forbidden(error: ServerError) -> Close {
    let mut reason = format!("Forbidden: {}", error.message);
    while reason.len() > REASON_BYTES {
        reason.pop();
    }
    (4403, reason.into())
}

/// The close of a client that sent a message longer than this. Its other operations end with the socket, so it says where
/// such a message belongs.
fn too_long(most: usize) -> Close {
    (1009, format!("The message is longer than {most} bytes: send it by POST").into())
}

/// One socket.
struct Session {
    entrance: Arc<Entrance>,
    outbox: Outbox,
    /// The token of the upgrade request.
    header: Result<Option<String>, ServerError>,
    /// None until the connection is acknowledged.
    login: Option<Login>,
    running: HashMap<String, Running>,
    tasks: JoinSet<(String, Outcome)>,
}

/// Who asks, if anybody.
struct Login {
    token: Option<String>,
    viewer: Option<Arc<Viewer>>,
    /// One of those that the viewer may have.
    _place: Held,
}

/// An operation, with the room for its last message.
struct Running {
    task: AbortHandle,
    room: OwnedSemaphorePermit,
}

/// How an operation ended.
enum Outcome {
    Complete,
    Failed(Vec<ServerError>),
    Slow,
}

impl Session {
    fn new(entrance: Arc<Entrance>, outbox: Outbox, header: Result<Option<String>, ServerError>) -> Self {
        Self { entrance, outbox, header, login: None, running: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Listens until the socket has to be closed; None when the client has gone.
    async fn serve(
        &mut self,
        stream: &mut (impl Stream<Item = Result<Message, axum::Error>> + Unpin),
    ) -> Option<Close> {
        let config = self.entrance.config.socket.clone();
        let init_by = Instant::now() + config.init_deadline;
        let mut ping = time::interval_at(Instant::now() + config.ping_interval, config.ping_interval);
        let mut look = time::interval(self.entrance.config.token_interval);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut room = None;
        loop {
            let due = if self.login.is_none() { Some(init_by) } else { None };
            tokio::select! {
                () = self.entrance.shutdown.cancelled() => {
                    time::sleep(self.entrance.turn()).await;
                    return Some(RESTART);
                }
                () = until(due) => return Some(INIT_TIMEOUT),
                _ = look.tick() => {
                    if let Err(close) = self.renew(false).await {
                        return Some(close);
                    }
                }
                // While there is no room the client's pongs go unread, and slowness is judged by its operations.
                _ = ping.tick(), if room.is_some() => {
                    if heard.elapsed() > config.ping_interval * 2 {
                        return Some(SILENT);
                    }
                    self.outbox.put(Message::Ping(Default::default()), None);
                }
                Some(ended) = self.tasks.join_next_with_id() => {
                    if let Some(close) = self.ended(ended) {
                        return Some(close);
                    }
                }
                taken = self.outbox.room(ANSWER_BYTES), if room.is_none() => room = taken,
                message = stream.next(), if room.is_some() => {
                    heard = Instant::now();
                    let text = match message? {
                        Ok(Message::Text(text)) => text,
                        Ok(Message::Binary(_)) => return Some(INVALID),
                        Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                        Ok(Message::Close(_)) => return None,
                        // The library's own error is of a version that only axum knows.
                        Err(error) if error.to_string().starts_with("Space limit exceeded") => {
                            return Some(too_long(config.message_bytes));
                        }
                        Err(_) => return None,
                    };
                    if let Some(room) = room.take()
                        && let Err(close) = self.hear(&text, room, init_by).await
                    {
                        return Some(close);
                    }
                }
            }
        }
    }

    /// Answers one message, in the room set aside for it.
    async fn hear(&mut self, text: &str, room: OwnedSemaphorePermit, init_by: Instant) -> Result<(), Close> {
        let said = serde_json::from_str(text).map_err(|_| INVALID)?;
        match (said, &self.login) {
            (Said::Ping {}, _) => self.outbox.tell(&Told::Pong, Some(room)),
            (Said::Pong {}, _) => {}
            (Said::ConnectionInit { payload }, None) => {
                let login = self.log_in(payload.unwrap_or_default());
                let login = time::timeout_at(init_by, login).await.map_err(|_| INIT_TIMEOUT)??;
                self.login = Some(login);
                self.outbox.tell(&Told::ConnectionAck, Some(room));
            }
            (Said::ConnectionInit { .. }, Some(_)) => return Err(SECOND_INIT),
            (Said::Subscribe { id, .. }, _) if id.is_empty() => return Err(INVALID),
            (Said::Subscribe { .. }, None) => return Err(UNACKNOWLEDGED),
            (Said::Subscribe { id, .. }, Some(_)) if self.running.contains_key(&id) => {
                return Err(DUPLICATE_ID);
            }
            (Said::Subscribe { id, payload }, Some(_)) => {
                self.renew(true).await?;
                let viewer = self.login.as_ref().and_then(|login| login.viewer.clone());
                let ask = payload.ask().ok_or(INVALID)?;
                match self.admit().and_then(|()| self.entrance.backend.prepare(ask)) {
                    Ok(operation) => self.start(id, operation, viewer, room),
                    Err(errors) => self.outbox.tell(&Told::Error { id: &id, payload: &errors }, Some(room)),
                }
            }
            (Said::Complete { id }, _) => {
                if let Some(running) = self.running.remove(&id) {
                    running.task.abort();
                }
            }
        }
        Ok(())
    }

    /// The token comes in the payload, or came with the upgrade request.
    async fn log_in(&self, payload: HashMap<String, serde_json::Value>) -> Result<Login, Close> {
        let token = match credentials::of_payload(&payload) {
            Ok(None) => self.header.clone(),
            given => given,
        };
        let token = token.map_err(forbidden)?;
        match self.entrance.backend.viewer(token.as_deref()).await {
            Ok(viewer) => {
                let crowded = |full: Full| (1013, format!("too many sockets of {}", full.of).into());
                let place = self.entrance.places.open(viewer.as_deref()).map_err(crowded)?;
                Ok(Login { token, viewer, _place: place })
            }
            Err(error) if is_refusal(&error) => Err(forbidden(error)),
            Err(_) => Err(UNAVAILABLE),
        }
    }

    /// Looks at the token again, so that what `starts` now has the rights of now.
    async fn renew(&mut self, starts: bool) -> Result<(), Close> {
        let Some(Login { token: Some(token), viewer, .. }) = &mut self.login else { return Ok(()) };
        let backend = &self.entrance.backend;
        let anew = if starts { backend.viewer(Some(token)) } else { backend.still(token) };
        match time::timeout(self.entrance.config.token_interval, anew).await {
            Ok(Ok(anew)) => *viewer = anew,
            Ok(Err(error)) if is_refusal(&error) => return Err(REVOKED),
            // The store cannot be asked: what was allowed stays so.
            Ok(Err(_)) | Err(_) => {}
        }
        Ok(())
    }

    fn admit(&self) -> Result<(), Vec<ServerError>> {
        let most = self.entrance.config.socket.operations;
        if self.running.len() < most {
            return Ok(());
        }
        let message =
            format!("At most {most} operations may run on one socket: complete one, or open another.");
        Err(vec![refusal(THROTTLED, message, None)])
    }

    fn start(
        &mut self,
        id: String,
        operation: Operation,
        viewer: Option<Arc<Viewer>>,
        room: OwnedSemaphorePermit,
    ) {
        let (entrance, outbox, name) = (self.entrance.clone(), self.outbox.clone(), id.clone());
        let task = self.tasks.spawn(async move {
            let outcome =
                AssertUnwindSafe(operate(entrance, outbox, &name, operation, viewer)).catch_unwind().await;
            let outcome =
                outcome.unwrap_or_else(|_panic| Outcome::Failed(vec![Unanswered::broken().error()]));
            (name, outcome)
        });
        self.running.insert(id, Running { task, room });
    }

    /// Tells the end of an operation. Its id is free from here on, so it is told no earlier.
    fn ended(&mut self, ended: Result<(Id, (String, Outcome)), JoinError>) -> Option<Close> {
        // An error is one that the client completed.
        let (task, (id, outcome)) = ended.ok()?;
        if self.running.get(&id).is_none_or(|running| running.task.id() != task) {
            return None;
        }
        let room = self.running.remove(&id).map(|running| running.room);
        match outcome {
            Outcome::Complete => self.outbox.tell(&Told::Complete { id: &id }, room),
            Outcome::Failed(errors) => self.outbox.tell(&Told::Error { id: &id, payload: &errors }, room),
            Outcome::Slow => return Some(SLOW),
        }
        None
    }
}

async fn operate(
    entrance: Arc<Entrance>,
    outbox: Outbox,
    id: &str,
    operation: Operation,
    viewer: Option<Arc<Viewer>>,
) -> Outcome {
    if operation.kind() == OperationType::Subscription {
        let mut answers = entrance.backend.subscribe(operation, viewer);
        while let Some(answer) = answers.next().await {
            let mark = answer.cursor().map(|cursor| Mark { id: id.into(), cursor: cursor.clone() });
            let along = Along { mark, delivery: answer.delivery().cloned(), unread: None };
            // Of an answer that many are sent there is one text, and a copy for each who has room for it.
            let bytes = id.len() + answer.json().len();
            if outbox.deliver(bytes, || next(id, answer.json()), along).await.is_err() {
                return Outcome::Slow;
            }
        }
        return Outcome::Complete;
    }
    let answer = match entrance.run(operation, viewer.clone()).await {
        Ok(answer) => written(&Told::Next { id, payload: &answer }),
        Err(unanswered) => return Outcome::Failed(vec![unanswered.error()]),
    };
    let Ok(unread) = entrance.places.unread(viewer.as_deref(), answer.len()) else {
        return Outcome::Failed(vec![Unanswered::Unread.error()]);
    };
    match outbox.deliver(answer.len(), || answer, Along { unread: Some(unread), ..Along::default() }).await {
        Ok(()) => Outcome::Complete,
        Err(_) => Outcome::Slow,
    }
}

fn written(told: &Told<'_>) -> String {
    // Answers are made of JSON's own types, so this cannot fail; a client could do nothing with an empty message.
    serde_json::to_string(told).unwrap_or_default()
}

/// [`Told::Next`] with an answer that was written for all who are sent it.
fn next(id: &str, payload: &str) -> String {
    let id = serde_json::to_string(id).unwrap_or_default();
    format!(r#"{{"type":"next","id":{id},"payload":{payload}}}"#)
}
