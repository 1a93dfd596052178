//! Figures for a Prometheus server: those of what is behind the entrance, and those of the entrance itself.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::Entrance;
use crate::metrics::MEDIA_TYPE;

pub(super) async fn answer(State(entrance): State<Arc<Entrance>>) -> Response {
    let mut page = entrance.backend.metrics().await;
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let open = count(entrance.places.taken());
    page.gauge("sla_ws_connections", "Websockets and event streams that are open", open);
    let running = entrance.config.concurrency - entrance.running.available_permits();
    page.gauge("sla_http_running", "Queries and mutations that run", count(running));
    let closed = entrance.places.all_closed();
    page.counters("sla_ws_closed", "Websockets that the gateway closed, by code", "code", closed);
    ([(CONTENT_TYPE, MEDIA_TYPE)], page.text()).into_response()
}
