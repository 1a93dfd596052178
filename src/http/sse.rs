//! GraphQL over server-sent events, in distinct connections mode: one request, one operation, its results as
//! `next` events and then `complete`. Closing the connection ends the operation.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_graphql::{Response as Answer, ServerError};
use axum::{
    body::Body,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, stream};
use tokio::time;

use super::{Entrance, RequestErrors, Unanswered, graphql::Refused, negotiate::Media};
use crate::{access::Viewer, graphql::document::Operation};

/// How often a comment is sent while there is no event, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// What is sent then.
const COMMENT: &str = ":\n\n";

/// The end of an operation. Without `data` a browser would not report it at all; there is nothing in them, for clients that
/// take whatever has data for a result.
const COMPLETE: &str = "event: complete\ndata:\n\n";

/// Streams a subscription until it ends, the token expires or is revoked, or the gateway shuts down. The stream of the last
/// two just breaks off, without `complete`: the client comes back.
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
    let leaving = {
        let entrance = entrance.clone();
        async move {
            entrance.shutdown.cancelled().await;
            time::sleep(entrance.turn()).await;
        }
    };
    let events = answers.chain(stream::iter([COMPLETE.to_owned()])).take_until(async move {
        tokio::select! {
            () = leaving => {}
            () = refused => {}
        }
    });
    let events = stream::unfold(Box::pin(events), async |mut events| {
        let event = time::timeout(KEEP_ALIVE, events.next()).await;
        Some((event.unwrap_or_else(|_silence| Some(COMMENT.to_owned()))?, events))
    });
    Ok(streamed(events.inspect(move |_| {
        let _held_as_long_as_the_stream = &place;
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
