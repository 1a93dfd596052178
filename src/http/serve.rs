//! Connections: accepting them, and letting go of them. They speak HTTP/1.1: of HTTP/2 nothing shows on a connection whose
//! client takes nothing of what waits for it.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{self, Instant},
};
use tokio_util::task::TaskTracker;

use super::{Entrance, patience::Patient};

/// Accepts connections until the entrance has shut down, then waits until those there are have ended.
pub(super) async fn connections(listener: TcpListener, entrance: Arc<Entrance>, routes: Router) {
    let mut builder = Builder::new();
    // Without a timer a client that never finishes its headers would keep its connection for ever.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(entrance.config.header_deadline)
        .max_buf_size(HEADERS);
    let open = TaskTracker::new();
    let mut failure_told = None;
    loop {
        let stream = tokio::select! {
            accepted = accept(&listener, &mut failure_told) => accepted,
            () = entrance.shutdown.cancelled() => break,
        };
        let routes = TowerToHyperService::new(routes.clone());
        let stream = TokioIo::new(Patient::new(stream, entrance.config.read_deadline));
        let connection = builder.serve_connection(stream, routes).with_upgrades();
        let shutdown = entrance.shutdown.clone();
        open.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                biased;
                // A request that has come is answered first.
                ended = connection.as_mut() => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// How long the headers of a request may be, in bytes: what a connection that is not known yet may keep in memory. A query
/// string is the longest of them.
const HEADERS: usize = 96 * 1024;

/// How often it is told that connections cannot be accepted.
const TELLING: Duration = Duration::from_secs(10);

/// The next connection. Failing to accept one is no reason to stop.
async fn accept(listener: &TcpListener, failure_told: &mut Option<Instant>) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are written whole: waiting for more would only delay them.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Most likely the process has no file descriptor left: some will be given back.
                if failure_told.is_none_or(|told| told.elapsed() > TELLING) {
                    tracing::error!(%error, "connections cannot be accepted just now");
                    *failure_told = Some(Instant::now());
                }
                time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}
