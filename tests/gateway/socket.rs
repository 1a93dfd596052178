//! GraphQL over a websocket, spoken by a real client to a real server: each close code, and what must not
//! bring a socket down.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sla_gateway::http::{Backend, HttpConfig, SocketConfig, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::StatusCode},
};
use tokio_util::sync::CancellationToken;

use crate::toy::Toy;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) address: String,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn server_with(config: HttpConfig) -> Server {
    server_over(Toy::new(), config).await
}

/// A server that lets through to `backend`.
pub(crate) async fn server_over(backend: impl Backend, config: HttpConfig) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, backend, config, shutdown.clone()));
    Server { address, shutdown, serving }
}

async fn server() -> Server {
    server_with(HttpConfig::default()).await
}

fn socket_config(change: impl FnOnce(&mut SocketConfig)) -> HttpConfig {
    let mut config = HttpConfig::default();
    change(&mut config.socket);
    config
}

pub(crate) struct Client(WebSocketStream<TcpStream>);

impl Server {
    pub(crate) async fn open(&self, headers: &[(&'static str, &str)]) -> Result<Client, Error> {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(&self.address).await.unwrap();
        client_async(request, stream).await.map(|(socket, _)| Client(socket))
    }

    /// Everything that is answered to a `GET` until the connection ends.
    async fn get(&self, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }

    pub(crate) async fn client(&self) -> Client {
        self.open(&[("sec-websocket-protocol", "graphql-transport-ws")]).await.unwrap()
    }

    /// A client, as soon as there is a place for it.
    async fn let_in(&self) -> Client {
        let begun = Instant::now();
        loop {
            match self.open(&[("sec-websocket-protocol", "graphql-transport-ws")]).await {
                Ok(client) => return client,
                Err(refused) => assert!(begun.elapsed() < PATIENCE, "{refused}"),
            }
        }
    }

    /// A client whose connection is acknowledged.
    pub(crate) async fn acknowledged(&self) -> Client {
        let mut client = self.client().await;
        client.say(json!({ "type": "connection_init" })).await;
        assert_eq!(client.hear().await, json!({ "type": "connection_ack" }));
        client
    }
}

impl Client {
    pub(crate) async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({ "id": id, "type": "subscribe", "payload": { "query": query } })).await;
    }

    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("silence") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Reads whatever still comes until the server closes; its code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("not closed") {
                Some(Ok(Message::Close(Some(frame)))) => {
                    assert!(frame.reason.len() <= 123);
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn queries_mutations_and_subscriptions_run_side_by_side() {
    let server = server().await;
    let mut client = server.acknowledged().await;
    client.subscribe("q", "{ hello }").await;
    assert_eq!(
        client.hear().await,
        json!({ "id": "q", "type": "next", "payload": { "data": { "hello": "world" } } })
    );
    assert_eq!(client.hear().await, json!({ "id": "q", "type": "complete" }));
    client.subscribe("q", "mutation { bump }").await;
    assert_eq!(client.hear().await["payload"]["data"]["bump"], 1);
    assert_eq!(client.hear().await["type"], "complete");
    client.subscribe("s", "subscription { ticks(count: 1000000, every: 20) }").await;
    assert_eq!(client.hear().await["payload"]["data"]["ticks"], "0");
    client.subscribe("q", "{ hello }").await;
    loop {
        let message = client.hear().await;
        if message["id"] == "q" && message["type"] == "complete" {
            break;
        }
    }
    client.say(json!({ "id": "s", "type": "complete" })).await;
    client.subscribe("s", "subscription { ticks(count: 1) }").await;
    loop {
        let message = client.hear().await;
        assert_eq!(message["id"], "s");
        if message["type"] == "complete" {
            break;
        }
    }
}

#[tokio::test]
async fn a_refused_operation_is_an_error_message_and_the_socket_lives_on() {
    let server = server().await;
    let mut client = server.acknowledged().await;
    for (query, code) in [
        ("{", "PARSE_FAILED"),
        ("{ nope }", "VALIDATION_FAILED"),
        ("query A { hello } query B { hello }", "BAD_REQUEST"),
        ("{ boom }", "INTERNAL"),
        ("subscription { bursts }", "INTERNAL"),
    ] {
        client.subscribe("1", query).await;
        let error = client.hear().await;
        assert_eq!((&error["id"], &error["type"]), (&json!("1"), &json!("error")), "{error}");
        assert_eq!(error["payload"][0]["extensions"]["code"], code, "{error}");
    }
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.hear().await["type"], "next");
}

#[tokio::test]
async fn pings_are_answered_both_before_and_after_the_acknowledgement() {
    let server = server().await;
    let mut client = server.client().await;
    client.say(json!({ "type": "ping", "payload": { "any": 1 } })).await;
    assert_eq!(client.hear().await, json!({ "type": "pong" }));
    client.say(json!({ "type": "pong" })).await;
    client.say(json!({ "type": "connection_init", "payload": {} })).await;
    assert_eq!(client.hear().await, json!({ "type": "connection_ack" }));
    client.say(json!({ "type": "ping" })).await;
    assert_eq!(client.hear().await, json!({ "type": "pong" }));
}

#[tokio::test]
async fn a_message_that_is_not_of_the_protocol_closes_with_4400() {
    let server = server().await;
    for text in [
        "hello",
        "{}",
        "[]",
        r#"{"type":"start"}"#,
        r#"{"type":"subscribe"}"#,
        r#"{"type":"subscribe","id":1,"payload":{"query":"{hello}"}}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{hello}"}}"#,
        r#"{"type":"subscribe","id":"1","payload":{}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{hello}","variables":5}}"#,
        r#"{"type":"complete"}"#,
        r#"{"type":"connection_ack"}"#,
    ] {
        let mut client = server.acknowledged().await;
        client.0.send(Message::text(text)).await.unwrap();
        assert_eq!(client.closed().await.0, 4400, "{text}");
    }
    for text in ["nonsense", r#"{"type":"connection_init","payload":5}"#] {
        let mut client = server.client().await;
        client.0.send(Message::text(text)).await.unwrap();
        assert_eq!(client.closed().await.0, 4400, "{text}");
    }
    let mut client = server.acknowledged().await;
    client.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.closed().await.0, 4400);
}

#[tokio::test]
async fn subscribe_before_the_acknowledgement_closes_with_4401() {
    let server = server().await;
    let mut client = server.client().await;
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.closed().await.0, 4401);
}

#[tokio::test]
async fn the_token_comes_in_the_payload_or_the_header_and_a_bad_one_closes_with_4403() {
    let server = server().await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    for (header, payload, outcome) in [
        (None, json!({ "Authorization": "Bearer good" }), Ok(true)),
        (None, json!({ "authorization": "bearer good" }), Ok(true)),
        (None, json!({ "token": "good" }), Ok(true)),
        (None, json!({ "token": null }), Ok(false)),
        (None, json!({}), Ok(false)),
        (Some("Bearer good"), json!({}), Ok(true)),
        (Some("Bearer wrong"), json!({ "Authorization": "Bearer good" }), Ok(true)),
        (Some("Bearer wrong"), json!({}), Err(4403)),
        (None, json!({ "Authorization": "good" }), Err(4403)),
        (None, json!({ "Authorization": 5 }), Err(4403)),
        (None, json!({ "token": "wrong" }), Err(4403)),
        (None, json!({ "token": "down" }), Err(1013)),
    ] {
        let mut headers = vec![protocol];
        headers.extend(header.map(|header| ("authorization", header)));
        let mut client = server.open(&headers).await.unwrap();
        client.say(json!({ "type": "connection_init", "payload": payload })).await;
        match outcome {
            Ok(known) => {
                assert_eq!(client.hear().await["type"], "connection_ack", "{header:?} {payload}");
                client.subscribe("1", "{ known }").await;
                assert_eq!(client.hear().await["payload"]["data"]["known"], known, "{header:?} {payload}");
            }
            Err(code) => assert_eq!(client.closed().await.0, code, "{header:?} {payload}"),
        }
    }
}

#[tokio::test]
async fn an_expired_token_closes_with_4403_while_an_operation_runs() {
    let server = server().await;
    let mut client = server.client().await;
    client.say(json!({ "type": "connection_init", "payload": { "token": "brief" } })).await;
    assert_eq!(client.hear().await["type"], "connection_ack");
    client.subscribe("1", "subscription { ticks(count: 1000000, every: 10) }").await;
    let begun = Instant::now();
    assert_eq!(client.closed().await, (4403, "Forbidden: the token has expired or was revoked".to_owned()));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_operation_is_not_begun_with_the_rights_of_yesterday() {
    let config = HttpConfig { token_interval: Duration::from_secs(60), ..HttpConfig::default() };
    let server = server_with(config).await;
    let mut client = server.client().await;
    client.say(json!({ "type": "connection_init", "payload": { "token": "brief" } })).await;
    assert_eq!(client.hear().await["type"], "connection_ack");
    tokio::time::sleep(Duration::from_millis(400)).await;
    client.subscribe("1", "{ known }").await;
    assert_eq!(client.closed().await.0, 4403);
}

#[tokio::test]
async fn another_protocol_closes_with_4406() {
    let server = server().await;
    let mut client = server.open(&[]).await.unwrap();
    assert_eq!(client.closed().await.0, 4406);
    // A client that insists on another protocol gives up by itself when none is chosen.
    let refused = server.open(&[("sec-websocket-protocol", "graphql-ws")]).await.err();
    assert!(refused.is_some());
}

#[tokio::test]
async fn silence_before_connection_init_closes_with_4408() {
    let server = server_with(socket_config(|socket| socket.init_deadline = Duration::from_millis(100))).await;
    let mut client = server.client().await;
    assert_eq!(client.closed().await.0, 4408);
}

#[tokio::test]
async fn an_id_in_use_closes_with_4409() {
    let server = server().await;
    let mut client = server.acknowledged().await;
    client.subscribe("1", "subscription { ticks(count: 1000000, every: 1000) }").await;
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.closed().await.0, 4409);
}

#[tokio::test]
async fn a_second_connection_init_closes_with_4429() {
    let server = server().await;
    let mut client = server.acknowledged().await;
    client.say(json!({ "type": "connection_init" })).await;
    assert_eq!(client.closed().await.0, 4429);
}

#[tokio::test]
async fn a_message_that_is_too_long_closes_with_1009() {
    let server = server().await;
    let mut client = server.acknowledged().await;
    client.subscribe("1", &"#".repeat(100 * 1024)).await;
    let why = "The message is longer than 65536 bytes: send it by POST".to_owned();
    assert_eq!(client.closed().await, (1009, why));
}

#[tokio::test]
async fn shutdown_closes_sockets_with_1012_and_waits_for_them() {
    let mut server = server().await;
    let mut clients = vec![server.acknowledged().await, server.client().await];
    clients[0].subscribe("1", "subscription { ticks(count: 1000000, every: 10) }").await;
    clients[0].hear().await;
    server.shutdown.cancel();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!server.serving.is_finished(), "the clients had no time to read why");
    for client in &mut clients {
        assert_eq!(client.closed().await.0, 1012);
    }
    drop(clients);
    timeout(PATIENCE, &mut server.serving).await.expect("still serving").unwrap();
    assert!(TcpStream::connect(&server.address).await.is_err());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_with_1013_and_only_its_own_operations_wait() {
    let mut config = socket_config(|socket| {
        socket.slow_deadline = Duration::from_millis(500);
        socket.queue_bytes = 64 * 1024;
    });
    config.metrics = true;
    let server = server_with(config).await;
    let mut slow = server.acknowledged().await;
    slow.subscribe("1", "subscription { ticks(count: 1000000, bytes: 50000) }").await;
    let mut quick = server.acknowledged().await;
    quick.subscribe("1", "{ hello }").await;
    assert_eq!(quick.hear().await["payload"]["data"]["hello"], "world");
    // Once it is cut off, everything the kernel had room for, up to the close frame.
    let begun = Instant::now();
    while !server.get("/metrics", "").await.contains("sla_ws_closed_total{code=\"1013\"} 1") {
        assert!(begun.elapsed() < PATIENCE, "it is not cut off");
    }
    assert_eq!(slow.closed().await, (1013, "slow".to_owned()));
}

#[tokio::test]
async fn timers_run_while_a_client_does_not_read() {
    let mut config = socket_config(|socket| socket.queue_bytes = 64 * 1024);
    config.socket.slow_deadline = Duration::from_secs(60);
    config.token_interval = Duration::from_millis(100);
    config.socket.close_deadline = Duration::from_millis(200);
    config.sockets = 1;
    let server = server_with(config).await;
    let mut client = server.client().await;
    client.say(json!({ "type": "connection_init", "payload": { "token": "brief" } })).await;
    assert_eq!(client.hear().await["type"], "connection_ack");
    client.subscribe("1", "subscription { ticks(count: 1000000, bytes: 50000) }").await;
    // The token expires after 300 ms, though nothing can be written; then the only place is free again.
    server.let_in().await;
}

#[tokio::test]
async fn a_flood_of_pings_from_a_client_that_does_not_read_stops_being_read() {
    let server = server_with(socket_config(|socket| socket.queue_bytes = 64 * 1024)).await;
    let mut client = server.acknowledged().await;
    // What the server does not read piles up here, until nothing can be sent for a while.
    let stalled = async {
        let ping = || Message::text(r#"{"type":"ping"}"#);
        while timeout(Duration::from_secs(2), client.0.feed(ping())).await.is_ok() {}
    };
    timeout(Duration::from_secs(30), stalled).await.expect("the server reads on for ever");
    let mut other = server.acknowledged().await;
    other.subscribe("1", "{ hello }").await;
    assert_eq!(other.hear().await["type"], "next");
}

#[tokio::test]
async fn a_client_that_is_silent_is_pinged_and_then_closed_with_1013() {
    let server = server_with(socket_config(|socket| socket.ping_interval = Duration::from_millis(500))).await;
    let mut client = server.acknowledged().await;
    // A client that answers pings, as every library does while it is polled, stays.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        let told = timeout(PATIENCE, client.0.next()).await.expect("it is not pinged");
        assert!(matches!(told, Some(Ok(Message::Ping(_)))));
    }
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.hear().await["type"], "next");
    // One that does not, does not.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(client.closed().await, (1013, "silent".to_owned()));
}

#[tokio::test]
async fn a_socket_runs_so_many_operations_at_once_and_no_more() {
    let server = server_with(socket_config(|socket| socket.operations = 2)).await;
    let mut client = server.acknowledged().await;
    for id in ["1", "2", "3"] {
        client.subscribe(id, "subscription { ticks(count: 1000000, every: 60000) }").await;
    }
    let error = client.hear().await;
    assert_eq!((&error["id"], &error["type"]), (&json!("3"), &json!("error")));
    assert_eq!(error["payload"][0]["extensions"]["code"], "THROTTLED");
    client.say(json!({ "id": "1", "type": "complete" })).await;
    client.subscribe("3", "{ hello }").await;
    assert_eq!(client.hear().await["type"], "next");
}

#[tokio::test]
async fn a_process_holds_so_many_sockets_and_no_more() {
    let server = server_with(HttpConfig { sockets: 1, ..HttpConfig::default() }).await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let first = server.acknowledged().await;
    match server.open(&[protocol]).await.err() {
        Some(Error::Http(response)) => assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE),
        other => panic!("{other:?}"),
    }
    drop(first);
    server.let_in().await;
}

#[tokio::test]
async fn a_viewer_holds_so_many_sockets_and_no_more() {
    let server = server_with(HttpConfig { sockets_per_viewer: 2, ..HttpConfig::default() }).await;
    let log_in = async || {
        let mut client = server.client().await;
        client.say(json!({ "type": "connection_init", "payload": { "token": "good" } })).await;
        client
    };
    let mut first = log_in().await;
    assert_eq!(first.hear().await["type"], "connection_ack");
    let mut second = log_in().await;
    assert_eq!(second.hear().await["type"], "connection_ack");
    assert_eq!(log_in().await.closed().await, (1013, "too many sockets of one viewer".to_owned()));
    let query = "/graphql?query=subscription%7Bticks(count:1)%7D";
    let stream = server.get(query, "accept: text/event-stream\r\nauthorization: Bearer good\r\n").await;
    assert!(stream.starts_with("HTTP/1.1 429") && stream.contains("THROTTLED"), "{stream}");
    assert!(stream.contains("retry-after: 1"), "{stream}");
    // Others are not concerned, nor is the viewer once a socket is closed.
    server.acknowledged().await;
    drop(first);
    let begun = Instant::now();
    while !matches!(log_in().await.0.next().await, Some(Ok(Message::Text(_)))) {
        assert!(begun.elapsed() < PATIENCE, "the place is not free again");
    }
}

#[tokio::test]
async fn sockets_that_come_too_fast_are_asked_to_come_later() {
    let server = server_with(HttpConfig { accept_rate: 5, ..HttpConfig::default() }).await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let (mut refused, begun) = (0, Instant::now());
    for _ in 0..10 {
        match server.open(&[protocol]).await.err() {
            None => {}
            Some(Error::Http(response)) => {
                assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
                refused += 1;
            }
            Some(other) => panic!("{other:?}"),
        }
    }
    let since = (5.0 * begun.elapsed().as_secs_f64()).ceil() as u32;
    let least = 5_u32.saturating_sub(since);
    assert!((least..=5).contains(&refused), "{refused} of 10 at once, where 5 a second may come");
    server.let_in().await;
}

#[tokio::test]
async fn figures_are_told_where_that_is_switched_on() {
    let server = server_with(HttpConfig { metrics: true, ..HttpConfig::default() }).await;
    let _open = server.acknowledged().await;
    let mut early = server.client().await;
    early.subscribe("1", "{ hello }").await;
    assert_eq!(early.closed().await.0, 4401);
    let told = server.get("/metrics", "").await;
    assert!(told.contains("application/openmetrics-text; version=1.0.0"), "{told}");
    for line in
        ["# TYPE sla_ws_connections gauge", "sla_ws_connections ", "sla_ws_closed_total{code=\"4401\"} 1"]
    {
        assert!(told.contains(line), "{line} is not in {told}");
    }
    assert!(self::server().await.get("/metrics", "").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_page_of_another_origin_may_not_open_a_socket_unless_it_is_allowed() {
    let config = HttpConfig { origins: vec!["https://board.example.com".into()], ..HttpConfig::default() };
    let server = server_with(config).await;
    let own = format!("http://{}", server.address);
    for (origin, let_in) in [
        (own.as_str(), true),
        ("https://board.example.com", true),
        ("https://evil.example.com", false),
        ("https://board.example.com.evil.example", false),
        ("null", false),
    ] {
        let headers = [("sec-websocket-protocol", "graphql-transport-ws"), ("origin", origin)];
        match server.open(&headers).await {
            Ok(_) => assert!(let_in, "{origin}"),
            Err(Error::Http(response)) => {
                assert_eq!((response.status(), let_in), (StatusCode::FORBIDDEN, false), "{origin}");
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn headers_that_never_end_are_not_waited_for() {
    let config = HttpConfig { header_deadline: Duration::from_millis(100), ..HttpConfig::default() };
    let server = server_with(config).await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.write_all(b"POST /graphql HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let mut rest = Vec::new();
    let closed = timeout(Duration::from_secs(3), stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "still open");
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_ever_said_is_let_go() {
    let config = HttpConfig { header_deadline: Duration::from_millis(100), ..HttpConfig::default() };
    let server = server_with(config).await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let closed = timeout(Duration::from_secs(3), stream.read_to_end(&mut Vec::new())).await;
    assert!(closed.is_ok(), "still open");
}

#[tokio::test]
async fn a_beginning_of_no_request_over_http_1_is_not_waited_for() {
    let config = HttpConfig { header_deadline: Duration::from_millis(200), ..HttpConfig::default() };
    let server = server_with(config).await;
    for begun in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let closed = timeout(Duration::from_secs(3), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{begun:?} is still open");
    }
    // One that comes in pieces is waited for.
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for part in ["P", "OST /graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"] {
        stream.write_all(part.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
}

#[tokio::test]
async fn headers_are_no_longer_than_they_may_be() {
    let server = server().await;
    for (length, status) in [(60_000, "200"), (200_000, "431")] {
        let answer = server.get("/livez", &format!("x-long: {}\r\n", "x".repeat(length))).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_long_is_not_waited_for() {
    let server = server().await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(3), stream.read_to_string(&mut answer))
        .await
        .expect("it is waited for")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("LIMIT_EXCEEDED"), "{answer}");
}

#[tokio::test]
async fn who_looks_for_the_answer_only_when_all_is_sent_finds_why_the_body_was_refused() {
    let server = server().await;
    for (kind, status) in [("application/json", "413"), ("text/plain", "415")] {
        let body = "x".repeat(12 * 1024 * 1024);
        let length = body.len();
        let announced = format!("content-length: {length}");
        // As a whole, or in chunks of which nobody knows how many come.
        for (how, body) in [
            (&*announced, body.clone()),
            ("transfer-encoding: chunked", format!("{length:x}\r\n{body}\r\n0\r\n\r\n")),
        ] {
            let mut stream = TcpStream::connect(&server.address).await.unwrap();
            let head = format!(
                "POST /graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\n{how}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{how}: {answer}");
        }
    }
}

#[tokio::test]
async fn while_draining_new_connections_are_served_but_told_that_it_is_not_ready() {
    let config = HttpConfig { drain_delay: Duration::from_secs(3), ..HttpConfig::default() };
    let mut server = server_with(config).await;
    let mut client = server.acknowledged().await;
    server.shutdown.cancel();
    let ready = server.get("/readyz", "").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("shutting down\n"), "{ready}");
    assert!(server.get("/livez", "").await.starts_with("HTTP/1.1 200"));
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.hear().await["type"], "next");
    assert_eq!(client.closed().await.0, 1012);
    timeout(PATIENCE, &mut server.serving).await.expect("still serving").unwrap();
}

#[tokio::test]
async fn while_draining_a_kept_connection_ends_with_its_next_answer() {
    let config = HttpConfig { drain_delay: Duration::from_secs(5), ..HttpConfig::default() };
    let server = server_with(config).await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut first = [0; 17];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK\r\n");
    server.shutdown.cancel();
    stream.write_all(request).await.unwrap();
    let mut rest = String::new();
    let ended = timeout(Duration::from_secs(2), stream.read_to_string(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is kept");
    assert_eq!(rest.matches("connection: close\r\n").count(), 1, "only the second says so: {rest}");
}

#[tokio::test]
async fn a_stream_of_events_breaks_off_at_shutdown() {
    let mut server = server().await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let query = "/graphql?query=subscription%7Bticks(count:1000000,every:20)%7D";
    let request = format!("GET {query} HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut events = String::new();
    while !events.contains("event: next") {
        let mut part = [0; 1_024];
        let read = timeout(PATIENCE, stream.read(&mut part)).await.unwrap().unwrap();
        events += std::str::from_utf8(&part[..read]).unwrap();
    }
    server.shutdown.cancel();
    timeout(PATIENCE, stream.read_to_string(&mut events)).await.unwrap().unwrap();
    assert!(events.contains("event: next") && !events.contains("event: complete"), "{events}");
    timeout(PATIENCE, &mut server.serving).await.expect("still serving").unwrap();
}

#[tokio::test]
async fn a_request_in_flight_is_finished_at_shutdown() {
    let mut server = server().await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let body = r#"{"query":"{ slow(ms: 2000) }"}"#;
    let length = body.len();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.shutdown.cancel();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(r#"{"data":{"slow":true}}"#),
        "{answer}"
    );
    timeout(PATIENCE, &mut server.serving).await.expect("still serving").unwrap();
}

#[tokio::test]
async fn an_answer_of_any_length_is_sent_whatever_runs_beside_it() {
    let server = server().await;
    let mut client = server.acknowledged().await;
    client.subscribe("1", "{ long(bytes: 3000000) }").await;
    assert_eq!(client.hear().await["type"], "next");
    // As long as all that may wait, beside the room that is set aside for the end of another.
    let server = server_with(socket_config(|socket| socket.queue_bytes = 64 * 1024)).await;
    let mut client = server.acknowledged().await;
    client.subscribe("other", "subscription { ticks(count: 1, every: 600000) }").await;
    client.subscribe("1", "subscription { ticks(count: 3, bytes: 65000) }").await;
    for _ in 0..3 {
        assert_eq!(client.hear().await["type"], "next");
    }
}
