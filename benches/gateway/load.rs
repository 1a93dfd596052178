//! Asking over HTTP: keep-alive connections, each with one request under way at a time.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, Method, Uri};
use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::queries::{Query, Requests};
use crate::servers::{Gateway, HandWritten};
use crate::{Outcome, cpu};

/// One request, ready to be sent many times.
#[derive(Clone)]
pub(crate) struct Request {
    method: Method,
    uri: Uri,
    token: Option<HeaderValue>,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        let uri = path.parse().unwrap_or_default();
        Self { method: Method::GET, uri, token: None, body: Bytes::new() }
    }

    pub(crate) fn post(path: &'static str, token: &str, body: String) -> Self {
        let token = HeaderValue::from_str(&format!("Bearer {token}")).ok();
        Self { method: Method::POST, uri: Uri::from_static(path), token, body: body.into() }
    }

    pub(crate) fn with_body(&self, body: String) -> Self {
        Self { body: body.into(), ..self.clone() }
    }
}

/// A connection.
pub(crate) struct Asker(SendRequest<Full<Bytes>>);

impl Asker {
    pub(crate) async fn connect(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    async fn ask(&mut self, request: &Request) -> Outcome<Bytes> {
        let mut built = hyper::Request::new(Full::new(request.body.clone()));
        *built.method_mut() = request.method.clone();
        *built.uri_mut() = request.uri.clone();
        let headers = built.headers_mut();
        headers.insert(HOST, HeaderValue::from_static("127.0.0.1"));
        if let Some(token) = &request.token {
            headers.insert(AUTHORIZATION, token.clone());
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        self.0.ready().await?;
        let response = self.0.send_request(built).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status.is_success() {
            Ok(body)
        } else {
            Err(format!("{} answered {status}: {}", request.uri, String::from_utf8_lossy(&body)).into())
        }
    }

    pub(crate) async fn json(&mut self, request: &Request) -> Outcome<Value> {
        Ok(serde_json::from_slice(&self.ask(request).await?)?)
    }
}

/// Asks both everything once; they must give the same values. Gives how many statements the gateway needs.
pub(crate) async fn compare(
    query: &Query,
    requests: &Requests,
    gateway: &Gateway,
    hand_written: &HandWritten,
) -> Outcome<u64> {
    let mut ours = Asker::connect(gateway.address).await?;
    let mut theirs = Asker::connect(hand_written.address).await?;
    for (one, other) in requests.gateway.iter().zip(&requests.hand_written) {
        let (answer, expected) = (ours.json(one).await?, theirs.json(other).await?);
        if let Some(place) = difference(&answer, &expected) {
            return Err(format!("{}: the answers differ at {place}", query.name).into());
        }
    }
    let counting = query.counting(&requests.gateway[0])?;
    let answer = ours.json(&counting).await?;
    Ok(answer["extensions"]["statements"].as_u64().ok_or("the gateway does not count its statements")?)
}

/// Where two answers differ. Instants are equal however they are written.
fn difference(one: &Value, other: &Value) -> Option<String> {
    let instant = |text: &str| text.parse::<DateTime<Utc>>().ok();
    match (one, other) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => a.iter().find_map(|(name, value)| {
            difference(value, b.get(name).unwrap_or(&Value::Null)).map(|place| format!(".{name}{place}"))
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(index, (a, b))| difference(a, b).map(|place| format!("[{index}]{place}"))),
        (Value::String(a), Value::String(b))
            if a == b || instant(a).is_some_and(|a| Some(a) == instant(b)) =>
        {
            None
        }
        (a, b) if a == b => None,
        (a, b) => {
            let cut = |value: &Value| value.to_string().chars().take(300).collect::<String>();
            Some(format!(": {} is not {}", cut(a), cut(b)))
        }
    }
}

/// Whom a load is put on, and the Postgres behind.
pub(crate) struct Target<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) process: u32,
    pub(crate) cluster: &'a cpu::Cluster,
}

/// What one turn came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// CPU of the server per request, in microseconds.
    pub(crate) server: f64,
    /// CPU of Postgres per request, in microseconds.
    pub(crate) postgres: f64,
    pub(crate) per_second: f64,
    /// Latency, in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// How much of one processor the load itself took.
    pub(crate) client: f64,
}

impl Measured {
    pub(crate) fn total(&self) -> f64 {
        self.server + self.postgres
    }
}

impl Target<'_> {
    /// Asks over so many connections for so long, one request after the other from the start of the list.
    pub(crate) async fn measure(
        &self,
        requests: &[Request],
        connections: usize,
        time: Duration,
    ) -> Outcome<Measured> {
        let askers = try_join_all((0..connections).map(|_| Asker::connect(self.address))).await?;
        let next = Cell::new(0);
        let latencies = RefCell::new(Vec::new());
        let used =
            || Outcome::Ok((cpu::of(self.process)?, self.cluster.used()?, cpu::of(std::process::id())?));
        let before = used()?;
        let begun = Instant::now();
        let (next, latencies_of) = (&next, &latencies);
        try_join_all(askers.into_iter().map(|mut asker| async move {
            while begun.elapsed() < time {
                let asked = Instant::now();
                let turn = next.replace(next.get() + 1);
                asker.ask(&requests[turn % requests.len()]).await?;
                latencies_of.borrow_mut().push(asked.elapsed());
            }
            Outcome::Ok(())
        }))
        .await?;
        let elapsed = begun.elapsed().as_secs_f64();
        let after = used()?;
        let mut latencies = latencies.into_inner();
        latencies.sort_unstable();
        let count = latencies.len();
        let each = |before: f64, after: f64| (after - before) * 1e6 / count as f64;
        let at = |percent: usize| latencies[(count * percent / 100).min(count - 1)].as_secs_f64() * 1e3;
        Ok(Measured {
            server: each(before.0, after.0),
            postgres: each(before.1, after.1),
            per_second: count as f64 / elapsed,
            p50: at(50),
            p99: at(99),
            client: (after.2 - before.2) / elapsed,
        })
    }
}
