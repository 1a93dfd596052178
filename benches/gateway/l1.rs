//! L1: one statement for each query, prepared once on every connection; Postgres builds the answer, and the handler
//! passes it on. No token, no limits, no validation: what nobody could ship, and nobody's JSON comes cheaper.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use sla_gateway::store::connect;
use tokio::net::TcpListener;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use crate::servers::POOL;
use crate::{Outcome, queries};

struct Connection {
    client: Client,
    statements: Vec<Statement>,
}

struct Pool {
    connections: Vec<Connection>,
    next: AtomicUsize,
}

/// Serves until it is killed; tells its address on standard output.
pub(crate) async fn serve(url: &str) -> Outcome {
    let mut connections = Vec::new();
    for _ in 0..POOL {
        let client = connect::client(url).await?;
        let mut statements = Vec::new();
        for query in queries::ALL {
            statements.push(client.prepare(query.sql).await?);
        }
        connections.push(Connection { client, statements });
    }
    let pool = Arc::new(Pool { connections, next: AtomicUsize::new(0) });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let listener = listener.tap_io(|stream| {
        let _best_effort = stream.set_nodelay(true);
    });
    let routes = Router::new().route("/{query}/{*keys}", get(answer)).with_state(pool);
    Ok(axum::serve(listener, routes).await?)
}

async fn answer(State(pool): State<Arc<Pool>>, Path((query, keys)): Path<(usize, String)>) -> Response {
    // Statements of several requests are pipelined on a connection: none waits for a free one.
    let turn = pool.next.fetch_add(1, Ordering::Relaxed) % pool.connections.len();
    let connection = &pool.connections[turn];
    let Some(statement) = connection.statements.get(query) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let keys: Vec<&str> = keys.split('/').collect();
    let keys: Vec<&(dyn ToSql + Sync)> = keys.iter().map(|key| key as _).collect();
    match connection.client.query_one(statement, &keys).await {
        Ok(row) => {
            let json: String = row.get(0);
            ([(header::CONTENT_TYPE, "application/json")], json).into_response()
        }
        Err(cause) => (StatusCode::INTERNAL_SERVER_ERROR, cause.to_string()).into_response(),
    }
}
