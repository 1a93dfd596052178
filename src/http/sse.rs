//! GraphQL over server-sent events, in distinct connections mode: one request, one operation, its results as
//! `next` events and then `complete`. Closing the connection ends the operation.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Poll,
    time::Duration,
};

use async_graphql::{Response as Answer, ServerError};
use axum::{
    body::Body,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use super::{
    Entrance, RequestErrors, Unanswered, graphql::Refused, negotiate::Media, patience::reading_time,
    places::Held,
};
use crate::{access::Viewer, graphql::document::Operation};

/// How often a comment is sent while there is no event, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// What is sent then.
const COMMENT: &str = ":\n\n";

/// The end of an operation. Without `data` a browser would not report it at all; there is nothing in them, for clients that
/// take whatever has data for a result.
const COMPLETE: &str = "event: complete\ndata:\n\n";

/// A stream that is open: nobody polls it while its client reads nothing, and over HTTP/2 that need not show on the connection.
struct Open {
    events: BoxStream<'static, String>,
    /// Until when the client may take to come for more.
    unread_until: Instant,
    _place: (OwnedSemaphorePermit, Held),
}

/// None once it was cut off.
type MaybeOpen = Mutex<Option<Open>>;

fn held(open: &MaybeOpen) -> MutexGuard<'_, Option<Open>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until a client has left what it is sent unread for too long.
async fn unread(open: &Weak<MaybeOpen>, deadline: Duration) {
    let until = || open.upgrade().and_then(|open| Some(held(&open).as_ref()?.unread_until));
    while let Some(until) = until().filter(|until| *until > Instant::now()) {
        // What is set meanwhile is no earlier than the deadline from now.
        time::sleep_until(until.min(Instant::now() + deadline)).await;
    }
}

/// Streams a subscription until it ends, the token expires or is revoked, the client reads nothing for too long, or the
/// gateway shuts down. The stream of all but the first just breaks off, without `complete`: the client comes back.
pub(super) fn subscribe(
    entrance: &Arc<Entrance>,
    operation: Operation,
    viewer: Option<Arc<Viewer>>,
    token: Option<String>,
) -> Result<Response, Refused> {
    // First the viewer's own: who has no more of those takes nothing from how many may come.
    let own = entrance.places.open(viewer.as_deref()).map_err(Unanswered::TooManyOpen)?;
    let place = entrance.places.enter().ok_or(Unanswered::Busy)?;
    let place = (place, own);
    let over = CancellationToken::new();
    let deadline = entrance.config.read_deadline;
    let refused = entrance.clone().refused(token);
    let answers = AssertUnwindSafe(entrance.backend.subscribe(operation, viewer)).catch_unwind();
    let answers = answers.map(move |answer| {
        let broken = |_panic| Answer::from_errors(vec![Unanswered::broken().error()]).into();
        let answer = answer.unwrap_or_else(broken);
        if let Some(delivery) = answer.delivery() {
            delivery.clone().sent();
        }
        next(answer.json())
    });
    let events = answers.chain(stream::iter([COMPLETE.to_owned()]));
    let events = events.take_until(over.clone().cancelled_owned());
    let events = stream::unfold(Box::pin(events), async |mut events| {
        let event = time::timeout(KEEP_ALIVE, events.next()).await;
        Some((event.unwrap_or_else(|_silence| Some(COMMENT.to_owned()))?, events))
    });
    let unread_until = Instant::now() + deadline;
    let open = Arc::new(Mutex::new(Some(Open { events: events.boxed(), unread_until, _place: place })));
    let (watched, ended, entrance) = (Arc::downgrade(&open), over.clone(), entrance.clone());
    let leaving = async move {
        entrance.shutdown.cancelled().await;
        time::sleep(entrance.turn()).await;
    };
    tokio::spawn(async move {
        tokio::select! {
            () = ended.cancelled() => {}
            () = leaving => {}
            () = refused => {}
            () = unread(&watched, deadline) => {}
        }
        ended.cancel();
        drop(watched.upgrade().and_then(|open| held(&open).take()));
    });
    let over = over.drop_guard();
    Ok(streamed(stream::poll_fn(move |context| {
        let _cancelled_with_the_body = &over;
        let mut open = held(&open);
        let Some(Open { events, unread_until, .. }) = &mut *open else { return Poll::Ready(None) };
        let event = events.poll_next_unpin(context);
        let meanwhile = match &event {
            Poll::Ready(event) => reading_time(event.as_ref().map_or(0, String::len)),
            // By then there is a comment.
            Poll::Pending => KEEP_ALIVE,
        };
        *unread_until = Instant::now() + meanwhile + deadline;
        event
    })))
}

/// The events of the one result of a query or a mutation, of which the JSON is given.
pub(super) fn single(answer: &str) -> String {
    next(answer) + COMPLETE
}

/// The errors of a document that was refused: the protocol wants them as an event, for a browser's `EventSource`
/// shows nothing of another answer.
pub(super) fn refused(errors: Vec<ServerError>) -> Response {
    streamed(stream::iter([single(&RequestErrors::json(errors))]))
}

/// A result; JSON as it is written here has no line breaks.
fn next(answer: &str) -> String {
    format!("event: next\ndata: {answer}\n\n")
}

fn streamed(events: impl Stream<Item = String> + Send + 'static) -> Response {
    let head = [
        (header::CONTENT_TYPE.as_str(), Media::Events.content_type()),
        (header::CACHE_CONTROL.as_str(), "no-cache"),
        // A proxy is to pass each event on as it comes: nginx, which speaks HTTP/1.0 to servers unless told otherwise, would
        // keep them until there are more.
        ("x-accel-buffering", "no"),
    ];
    (head, Body::from_stream(events.map(Ok::<_, Infallible>))).into_response()
}
