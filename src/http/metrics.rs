//! Figures for a Prometheus server, in its text format: those of the gateway and those of the entrance.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::Entrance;
use crate::graphql::gateway::{Metric, MetricKind};

pub(super) async fn answer(State(entrance): State<Arc<Entrance>>) -> Response {
    let mut text = String::new();
    let mut metrics = entrance.backend.metrics().await;
    let own = |name, kind, help, value: usize| Metric { name, kind, help, value: value as f64 };
    metrics.push(own(
        "sla_ws_connections",
        MetricKind::Gauge,
        "Websockets and event streams that are open.",
        entrance.places.taken(),
    ));
    metrics.push(own(
        "sla_http_running",
        MetricKind::Gauge,
        "Queries and mutations that run.",
        entrance.config.concurrency - entrance.running.available_permits(),
    ));
    // Writing to a string cannot fail.
    for Metric { name, kind, help, value } in metrics {
        let _infallible =
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}\n{name} {value}", kind.word());
    }
    let name = "sla_ws_closed_total";
    let _infallible =
        writeln!(text, "# HELP {name} Websockets that the gateway closed, by code.\n# TYPE {name} counter");
    for (code, count) in entrance.places.all_closed() {
        let _infallible = writeln!(text, "{name}{{code=\"{code}\"}} {count}");
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
