//! GraphQL over server-sent events, in distinct connections mode: one request, one operation, its results as
//! `next` events and then `complete`. Closing the connection ends the operation.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_graphql::{Response as Answer, ServerError};
use axum::{
    http::StatusCode,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{StreamExt, stream};

use super::{Entrance, RequestErrors, Unanswered, graphql::Refused, places::Full};
use crate::{access::Viewer, graphql::document::Operation};

/// How often a comment is sent while there is no event, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// Streams a subscription until it ends, the token expires or is revoked, or the gateway shuts down. The stream of the
/// last two just breaks off, without `complete`: the client comes back.
pub(super) fn subscribe(
    entrance: &Arc<Entrance>,
    operation: Operation,
    viewer: Option<Arc<Viewer>>,
    token: Option<String>,
) -> Result<Response, Refused> {
    let place = entrance.places.enter().ok_or(Unanswered::Busy)?;
    let own = entrance.places.open(viewer.as_deref()).map_err(|full| {
        let Full { most, of } = full;
        let message = format!("At most {most} sockets and streams may be open for {of}: close one first.");
        Refused::new(StatusCode::TOO_MANY_REQUESTS, "LIMIT_EXCEEDED", message)
    })?;
    let place = (place, own);
    let over = entrance.shutdown.clone().cancelled_owned();
    let refused = entrance.clone().refused(token);
    let answers = AssertUnwindSafe(entrance.backend.subscribe(operation, viewer)).catch_unwind();
    let answers = answers.map(move |answer| {
        let _held_as_long_as_the_stream = &place;
        let broken = |_panic| Answer::from_errors(vec![Unanswered::broken().error()]).into();
        let answer = answer.unwrap_or_else(broken);
        if let Some(delivery) = answer.delivery() {
            delivery.clone().sent();
        }
        Event::default().event("next").data(answer.json())
    });
    let events = answers.chain(stream::iter([complete()])).map(Ok::<_, Infallible>);
    let events = events.take_until(async move {
        tokio::select! {
            () = over => {}
            () = refused => {}
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// The events of the one result of a query or a mutation, of which the JSON is given.
pub(super) fn single(answer: &str) -> String {
    format!("event: next\ndata: {answer}\n\nevent: complete\ndata: null\n\n")
}

/// The errors of a document that was refused: the protocol wants them as an event, for a browser's `EventSource`
/// shows nothing of another answer.
pub(super) fn refused(errors: Vec<ServerError>) -> Response {
    let body = RequestErrors::json(errors);
    events([Event::default().event("next").data(body), complete()])
}

fn events(events: [Event; 2]) -> Response {
    Sse::new(stream::iter(events.map(Ok::<_, Infallible>))).into_response()
}

fn complete() -> Event {
    // Without data a browser would not report the event at all, and axum writes none for an empty text.
    Event::default().event("complete").data("null")
}
