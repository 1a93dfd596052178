//! GraphQL over HTTP: what the specification of that name says, and where it leaves a choice:
//!
//! - No `Accept`, and `*/*`, mean `application/json`.
//! - A malformed request (not JSON, a parameter of the wrong kind) is 400 in every media type; a document that
//!   is refused is 400 in `application/graphql-response+json` and 200 in `application/json`.
//! - A token that is refused is 401 in every media type: it is looked at before there is anything of GraphQL to
//!   answer. No token at all is nobody's mistake: fields that need a viewer say so.
//! - `GET` runs queries only. Arrays of operations are refused.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{Extensions, Response as Answer, ServerError, Variables, parser::types::OperationType};
use async_graphql_axum::GraphQLResponse;
use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::{Query, Request, State},
    http::{self, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, StreamExt};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::error::Category;
use tokio::time;

use super::{
    Entrance, RequestErrors, Unanswered, credentials, is_refusal,
    negotiate::{Accepted, Media, negotiate},
    places::Held,
    socket, sse,
};
use crate::graphql::document::{Ask, refusal};

/// The parameters of a request, in a body or in the payload of a socket's `subscribe`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    #[serde(default)]
    variables: Variables,
    #[serde(default)]
    extensions: Extensions,
}

impl Parameters {
    pub(super) fn ask(self) -> Option<Ask> {
        let Self { query, operation_name, variables, extensions } = self;
        query.is_some().then_some(Ask { query, operation_name, variables, extensions })
    }
}

/// Anything on `/graphql`.
pub(super) async fn handle(State(entrance): State<Arc<Entrance>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if socket::is_wanted(&parts) {
        return socket::upgrade(entrance, &mut parts).await;
    }
    let Some(accepted) = negotiate(&parts.headers) else {
        let message = "No media type of Accept can be served: accept application/graphql-response+json, \
                       application/json or text/event-stream.";
        return Refused::new(StatusCode::NOT_ACCEPTABLE, "BAD_REQUEST", message).answer(Media::Json);
    };
    let answer = respond(&entrance, accepted, parts.method, &parts.uri, &parts.headers, body);
    let answer = AssertUnwindSafe(answer).catch_unwind().await;
    let answer = answer.unwrap_or_else(|_panic| Err(Unanswered::broken().into()));
    answer.unwrap_or_else(|refused| refused.answer(accepted.best))
}

async fn respond(
    entrance: &Arc<Entrance>,
    accepted: Accepted,
    method: Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let ask = match method {
        Method::GET => in_query_string(uri)?,
        Method::POST => in_body(entrance, headers, body).await?,
        _ => return Err(not_allowed("GET, POST", "Use POST, or GET for queries.")),
    };
    let token = credentials::of_headers(headers).map_err(unauthenticated)?;
    let viewer = entrance.backend.viewer(token.as_deref());
    let viewer = time::timeout(entrance.config.execution_deadline, viewer).await;
    let viewer = viewer.map_err(|_elapsed| Unanswered::Late)?.map_err(unauthenticated)?;
    let media = accepted.best;
    let operation = match entrance.backend.prepare(ask) {
        Ok(operation) => operation,
        Err(errors) if media == Media::Events => return Ok(sse::refused(errors)),
        Err(errors) => return Err(Refused { status: None, errors, header: None }),
    };
    match operation.kind() {
        OperationType::Mutation if method == Method::GET => {
            return Err(not_allowed("POST", "A mutation is not run by GET: use POST."));
        }
        OperationType::Subscription if accepted.events => {
            return sse::subscribe(entrance, operation, viewer, token);
        }
        OperationType::Subscription => {
            let message = "A subscription is delivered over a websocket (graphql-transport-ws) on this path, or \
                           as server-sent events with Accept: text/event-stream.";
            return Err(Refused::new(StatusCode::NOT_ACCEPTABLE, "BAD_REQUEST", message));
        }
        OperationType::Query | OperationType::Mutation => {}
    }
    let answer = entrance.run(operation, viewer.clone()).await?;
    let (mut head, body) = answered(answer, media).await?.into_parts();
    let room = entrance.places.unread(viewer.as_deref(), body.len()).map_err(|_full| Unanswered::Unread)?;
    let unread = Unread { text: body, _room: room };
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    Ok(Response::from_parts(head, Body::from(Bytes::from_owner(unread))))
}

/// An answer that waits to be read, with its room among those that wait for the same reader.
struct Unread {
    text: Bytes,
    _room: Held,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// The body and headers as async-graphql-axum has them; as events, if those are wanted.
async fn answered(answer: Answer, media: Media) -> Result<http::Response<Bytes>, Refused> {
    let (head, body) = GraphQLResponse::from(answer).into_response().into_parts();
    let body = body.collect().await.map_err(|_| Refused::from(Unanswered::broken()))?.to_bytes();
    let body = match media {
        Media::Events => sse::single(&String::from_utf8_lossy(&body)).into(),
        Media::Json | Media::Response => body,
    };
    Ok(http::Response::from_parts(head, body))
}

/// The operation in the query string of a `GET`.
fn in_query_string(uri: &Uri) -> Result<Ask, Refused> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Text {
        query: Option<String>,
        operation_name: Option<String>,
        variables: Option<String>,
        extensions: Option<String>,
    }
    let malformed = |_| {
        Refused::bad_request(
            "The query string is malformed: send query and operationName, and variables and extensions as JSON \
             objects, each once and URL-encoded.",
        )
    };
    let Query(text) = Query::<Text>::try_from_uri(uri).map_err(|_| malformed(()))?;
    let json = |text: Option<String>| text.filter(|text| !text.is_empty());
    let variables = json(text.variables).map(|text| serde_json::from_str(&text)).transpose();
    let extensions = json(text.extensions).map(|text| serde_json::from_str(&text)).transpose();
    let parameters = Parameters {
        query: text.query,
        operation_name: text.operation_name,
        variables: variables.map_err(|_| malformed(()))?.unwrap_or_default(),
        extensions: extensions.map_err(|_| malformed(()))?.unwrap_or_default(),
    };
    required(parameters)
}

/// The operation in the body of a `POST`.
async fn in_body(entrance: &Entrance, headers: &HeaderMap, body: Body) -> Result<Ask, Refused> {
    let config = &entrance.config;
    let mut chunks = body.into_data_stream();
    let read = read(headers, &mut chunks, config.body_bytes);
    let body = match time::timeout(config.body_deadline, read).await {
        Ok(Ok(body)) => body,
        Ok(Err(refused)) => {
            // Whether that comes to its end or not, the answer is the same.
            let _ended = time::timeout(config.body_deadline, drain(headers, &mut chunks)).await;
            return Err(refused);
        }
        Err(_elapsed) => {
            let message = "The body did not arrive in time: send it without pause.";
            let mut refused = Refused::new(StatusCode::REQUEST_TIMEOUT, "TIMEOUT", message);
            refused.header = Some((header::CONNECTION, HeaderValue::from_static("close")));
            return Err(refused);
        }
    };
    if body.trim_ascii_start().starts_with(b"[") {
        let message = "The body is an array: send one operation per request, as a JSON object.";
        return Err(Refused::bad_request(message));
    }
    let parameters = serde_json::from_slice(&body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Refused::bad_request(match error.classify() {
            Category::Data => format!(
                "The body has a member of the wrong kind at line {line}, column {column}: query and operationName \
                 are strings, variables and extensions objects, each at most once."
            ),
            _ => format!("The body is not JSON in UTF-8: look at line {line}, column {column}."),
        })
    })?;
    required(parameters)
}

fn required(parameters: Parameters) -> Result<Ask, Refused> {
    if parameters.query.is_none() && parameters.extensions.0.contains_key("persistedQuery") {
        // Clients that try a hash first know this message, and send the text next.
        return Err(Refused {
            status: None,
            errors: vec![refusal("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported", None)],
            header: None,
        });
    }
    let message =
        "The parameter query is missing: send the text of an operation. To explore, open /graphiql/.";
    parameters.ask().ok_or_else(|| Refused::bad_request(message))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(text)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    let mut parts = text.split(';').map(str::trim);
    let json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let charset = parts
        .find_map(|part| Some(part.split_once('=').filter(|(n, _)| n.eq_ignore_ascii_case("charset"))?.1));
    json && charset.is_none_or(|charset| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"))
}

async fn read(headers: &HeaderMap, chunks: &mut BodyDataStream, most: usize) -> Result<Vec<u8>, Refused> {
    if !is_json(headers) {
        // Any other type could be sent by a page of another origin without asking first.
        let message = "The Content-Type must be application/json, in UTF-8.";
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_REQUEST", message));
    }
    if announced(headers).is_some_and(|length| length > most as u64) {
        return Err(too_long(most));
    }
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk: Bytes = chunk.map_err(|_| Refused::bad_request("The body broke off."))?;
        if whole.len() + chunk.len() > most {
            return Err(too_long(most));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The longest body that is read although it was refused.
const DRAINED: u64 = 16 * 1024 * 1024;

/// Reads on to the end of a body that was refused: many clients look for the answer only when all is sent, and find the
/// connection broken instead if nobody reads it. Not one that is far too long, nor one that waits to be asked for.
async fn drain(headers: &HeaderMap, chunks: &mut BodyDataStream) {
    if headers.contains_key(header::EXPECT) || announced(headers).is_some_and(|length| length > DRAINED) {
        return;
    }
    let mut left = DRAINED;
    while let Some(Ok(chunk)) = chunks.next().await {
        let Some(rest) = left.checked_sub(chunk.len() as u64) else { return };
        left = rest;
    }
}

fn too_long(most: usize) -> Refused {
    let message = format!("The body is longer than {most} bytes: split the request.");
    let mut refused = Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "LIMIT_EXCEEDED", message);
    // What is not drained is not waited for either.
    refused.header = Some((header::CONNECTION, HeaderValue::from_static("close")));
    refused
}

/// A request that was not executed: its answer has errors and no `data`.
pub(super) struct Refused {
    /// None for a request that HTTP has nothing against.
    status: Option<StatusCode>,
    errors: Vec<ServerError>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status: Some(status), errors: vec![refusal(code, message, None)], header: None }
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    /// The answer, in JSON of some kind: there is no event in it.
    pub(super) fn answer(self, media: Media) -> Response {
        let media = if media == Media::Events { Media::Json } else { media };
        let body = RequestErrors::json(self.errors);
        let status = self.status.unwrap_or(match media {
            Media::Json => StatusCode::OK,
            Media::Response | Media::Events => StatusCode::BAD_REQUEST,
        });
        let mut response = (status, [(header::CONTENT_TYPE, media.content_type())], body).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<Unanswered> for Refused {
    fn from(unanswered: Unanswered) -> Self {
        let status = unanswered.status();
        let retry = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
            .then(|| (header::RETRY_AFTER, HeaderValue::from_static("1")));
        Self { status: Some(status), errors: vec![unanswered.error()], header: retry }
    }
}

fn not_allowed(methods: &'static str, message: &str) -> Refused {
    let mut refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST", message);
    refused.header = Some((header::ALLOW, HeaderValue::from_static(methods)));
    refused
}

/// The answer to a token that was refused, or that could not be looked up.
fn unauthenticated(error: ServerError) -> Refused {
    let (status, header) = if is_refusal(&error) {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        (StatusCode::UNAUTHORIZED, (header::WWW_AUTHENTICATE, challenge))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, (header::RETRY_AFTER, HeaderValue::from_static("1")))
    };
    Refused { status: Some(status), errors: vec![error], header: Some(header) }
}
