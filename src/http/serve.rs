//! Connections: accepting them, and letting go of them.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{self, Instant},
};

use super::{Entrance, patience::Patient};

/// Accepts connections until the entrance has shut down, then waits until those there are have ended.
pub(super) async fn connections(listener: TcpListener, entrance: Arc<Entrance>, routes: Router) {
    let mut builder = Builder::new(TokioExecutor::new());
    // Without a timer a client that never finishes its headers would keep its connection for ever.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(entrance.config.header_deadline);
    builder.http1().max_buf_size(HEADERS);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(entrance.config.socket.ping_interval);
    builder.http2().max_concurrent_streams(100).enable_connect_protocol();
    let open = GracefulShutdown::new();
    let mut failure_told = None;
    loop {
        let stream = tokio::select! {
            accepted = accept(&listener, &mut failure_told) => accepted,
            () = entrance.shutdown.cancelled() => break,
        };
        let routes = TowerToHyperService::new(routes.clone());
        let (builder, open, entrance) = (builder.clone(), open.watcher(), entrance.clone());
        tokio::spawn(async move {
            // The builder waits for ever for the bytes by which it tells HTTP/1 from HTTP/2.
            let told = tokio::select! {
                told = time::timeout(entrance.config.header_deadline, version_told(&stream)) => told == Ok(true),
                () = entrance.shutdown.cancelled() => false,
            };
            if !told {
                return;
            }
            let stream = TokioIo::new(Patient::new(stream, entrance.config.read_deadline));
            let connection = builder.serve_connection_with_upgrades(stream, routes).into_owned();
            if let Err(error) = open.watch(connection).await {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }
    drop(listener);
    open.shutdown().await;
}

/// How long the headers of a request may be, in bytes: what a connection that is not known yet may keep in memory. A query
/// string is the longest of them.
const HEADERS: usize = 96 * 1024;

/// How an HTTP/2 connection begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How often it is looked whether a client that has begun so goes on.
const LOOKS: u32 = 10;

/// Waits until a client has said enough to tell its version of HTTP, or nothing more; false for one that has begun and does
/// not go on, for some five seconds. What it says stays unread.
async fn version_told(stream: &TcpStream) -> bool {
    let mut said = [0; PREFACE.len()];
    for look in 0..LOOKS {
        // What is peeked at is there at once: only time brings more of it. Each rest is twice as long as the one before, for
        // thousands may have begun and leave it at that.
        if look > 0 {
            time::sleep(Duration::from_millis(5) * 2_u32.pow(look)).await;
        }
        let Ok(bytes) = stream.peek(&mut said).await else { return true };
        if bytes == 0 || bytes == PREFACE.len() || !PREFACE.starts_with(&said[..bytes]) {
            return true;
        }
    }
    false
}

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
