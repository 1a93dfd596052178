//! GraphQL over HTTP and server-sent events, and the pages: each through the router, as a client meets it.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sla_gateway::http::{HttpConfig, Person, Prefill, Prefilling, router};
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::toy::Toy;

const RESPONSE: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

fn door() -> Router {
    router(Toy::new(), HttpConfig::default())
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.body))
    }

    /// The code of the only error of a request that was not executed.
    fn code(&self) -> String {
        let body = self.json();
        assert_eq!(body.get("data"), None, "{body}");
        assert!(body["errors"][0]["message"].as_str().is_some_and(|text| text.len() > 10), "{body}");
        body["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn send(door: Router, request: Request<Body>) -> Answer {
    let (parts, body) = door.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(parts.headers.get(header::X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

fn post(accept: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/graphql").header(header::CONTENT_TYPE, JSON).header(header::ACCEPT, accept);
    request.body(body.into()).unwrap()
}

fn get(query: &str) -> Request<Body> {
    Request::get(format!("/graphql?{query}")).body(Body::empty()).unwrap()
}

async fn ask(accept: &str, body: Value) -> Answer {
    send(door(), post(accept, body.to_string())).await
}

#[tokio::test]
async fn a_query_is_answered_in_the_media_type_that_is_accepted() {
    for (accept, media) in [
        (RESPONSE, "application/graphql-response+json; charset=utf-8"),
        (JSON, "application/json; charset=utf-8"),
        ("*/*", "application/json; charset=utf-8"),
        (
            "application/json;q=0.5, application/graphql-response+json",
            "application/graphql-response+json; charset=utf-8",
        ),
    ] {
        let answer = ask(accept, json!({ "query": "{ hello }" })).await;
        assert_eq!((answer.status, answer.header(header::CONTENT_TYPE)), (StatusCode::OK, media));
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        assert_eq!(answer.json(), json!({ "data": { "hello": "world" } }));
    }
    let answer = ask("text/html", json!({ "query": "{ hello }" })).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_ACCEPTABLE, "BAD_REQUEST"));
}

#[tokio::test]
async fn a_refused_document_is_400_in_graphqls_own_media_type_and_200_in_json_and_never_has_data() {
    for (body, code) in [
        (json!({ "query": "{" }), "PARSE_FAILED"),
        (json!({ "query": "{ nope }" }), "VALIDATION_FAILED"),
        (json!({ "query": "query($n: Int!) { number(n: $n) }" }), "VALIDATION_FAILED"),
        (
            json!({ "query": "query($n: Int!) { number(n: $n) }", "variables": { "n": "x" } }),
            "VALIDATION_FAILED",
        ),
        (json!({ "query": "query A { hello } query B { hello }" }), "BAD_REQUEST"),
        (json!({ "query": "{ hello }", "operationName": "B" }), "BAD_REQUEST"),
        (json!({ "query": "{ node ".repeat(2_000) }), "LIMIT_EXCEEDED"),
        (json!({ "extensions": { "persistedQuery": { "version": 1 } } }), "PERSISTED_QUERY_NOT_SUPPORTED"),
    ] {
        for (accept, status) in [(RESPONSE, StatusCode::BAD_REQUEST), (JSON, StatusCode::OK)] {
            let answer = ask(accept, body.clone()).await;
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
        }
    }
}

#[tokio::test]
async fn a_malformed_request_is_400_in_every_media_type_and_not_echoed() {
    for body in [
        "",
        "hunter2",
        "{",
        "5",
        "null",
        "\"hunter2\"",
        "{}",
        r#"{"query":null}"#,
        r#"{"query":5}"#,
        r#"{"query":["hunter2"]}"#,
        r#"{"query":"{ hello }","operationName":5}"#,
        r#"{"query":"{ hello }","variables":"hunter2"}"#,
        r#"{"query":"{ hello }","variables":[1]}"#,
        r#"{"query":"{ hello }","extensions":7}"#,
        r#"{"query":"{ hello }","query":"{ hello }"}"#,
        r#"[{"query":"{ hello }"},{"query":"{ hello }"}]"#,
        " []",
        r#"["{ hello }",null,{},{}]"#,
    ] {
        for accept in [RESPONSE, JSON] {
            let answer = send(door(), post(accept, body)).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
                "{body}"
            );
            assert!(!answer.body.contains("hunter2"), "{}", answer.body);
        }
    }
    let answer = send(
        door(),
        post(JSON, r#"{"query":"{ hello }","operationName":null,"variables":null,"extensions":null}"#),
    )
    .await;
    assert_eq!(answer.json(), json!({ "data": { "hello": "world" } }));
    let nested = format!(
        r#"{{"query":"{{ hello }}","variables":{{"v":{}{}}}}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    assert_eq!(send(door(), post(JSON, nested)).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn only_json_in_utf_8_is_read_so_that_no_page_can_post_without_being_asked() {
    for (kind, status) in [
        (Some("application/json"), StatusCode::OK),
        (Some("Application/JSON; charset=UTF-8"), StatusCode::OK),
        (Some("application/json; charset=\"utf-8\""), StatusCode::OK),
        (Some("application/json; charset=iso-8859-1"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some("text/plain"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some("application/x-www-form-urlencoded"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some("multipart/form-data; boundary=x"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some("application/graphql"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (None, StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let mut request = post(JSON, r#"{"query":"{ hello }"}"#);
        request.headers_mut().remove(header::CONTENT_TYPE);
        if let Some(kind) = kind {
            request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
        }
        assert_eq!(send(door(), request).await.status, status, "{kind:?}");
    }
}

#[tokio::test]
async fn get_runs_queries_only() {
    let answer = send(door(), get("query=query%20A%20%7B%20hello%20%7D%20query%20B($n:Int!)%20%7B%20number(n:$n)%20%7D&operationName=B&variables=%7B%22n%22:7%7D&extensions=")).await;
    assert_eq!(answer.json(), json!({ "data": { "number": 7 } }));
    let answer = send(door(), get("query=mutation%20%7B%20bump%20%7D")).await;
    assert_eq!((answer.status, answer.header(header::ALLOW)), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    for query in [
        "",
        "variables=%7B%7D",
        "query=%7Bhello%7D&variables=5",
        "query=%7Bhello%7D&variables=%7B",
        "query=a&query=b",
    ] {
        let answer = send(door(), get(query)).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
            "{query}"
        );
    }
    let answer = ask(RESPONSE, json!({ "query": "mutation { bump }" })).await;
    assert_eq!(answer.json(), json!({ "data": { "bump": 1 } }));
}

#[tokio::test]
async fn other_methods_are_told_which_are_allowed() {
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::HEAD] {
        let request = Request::builder().method(method.clone()).uri("/graphql").body(Body::empty()).unwrap();
        let answer = send(door(), request).await;
        let allowed = answer.header(header::ALLOW);
        assert_eq!((answer.status, allowed), (StatusCode::METHOD_NOT_ALLOWED, "GET, POST"), "{method}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_401_and_no_token_is_nobodys_mistake() {
    for accept in [RESPONSE, JSON, "text/event-stream"] {
        for authorization in ["Bearer wrong", "Basic Zm9v", "Bearer", "Bearer ", "wrong"] {
            let mut request = post(accept, r#"{"query":"{ known }"}"#);
            request.headers_mut().insert(header::AUTHORIZATION, authorization.parse().unwrap());
            let answer = send(door(), request).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED")
            );
            assert!(answer.header(header::WWW_AUTHENTICATE).starts_with("Bearer"));
        }
    }
    let mut request = post(JSON, r#"{"query":"{ known }"}"#);
    request.headers_mut().insert(header::AUTHORIZATION, "Bearer down".parse().unwrap());
    let answer = send(door(), request).await;
    assert_eq!((answer.status, answer.header(header::RETRY_AFTER)), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    for (authorization, known) in [(Some("Bearer good"), true), (Some("bearer  good"), true), (None, false)] {
        let mut request = post(JSON, r#"{"query":"{ known }"}"#);
        if let Some(authorization) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.parse().unwrap());
        }
        assert_eq!(send(door(), request).await.json(), json!({ "data": { "known": known } }));
    }
}

#[tokio::test]
async fn a_body_is_neither_longer_nor_slower_than_it_may_be() {
    let answer = ask(JSON, json!({ "query": "{ hello }", "variables": { "v": "x".repeat(300_000) } })).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "LIMIT_EXCEEDED"));

    let config = HttpConfig { body_deadline: Duration::from_millis(50), ..HttpConfig::default() };
    let dribble = stream::iter(["{", "\"query\""]).map(|part| Ok::<_, Infallible>(Bytes::from(part)));
    let body = Body::from_stream(dribble.chain(stream::pending()));
    let answer = send(router(Toy::new(), config), post(JSON, body)).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::REQUEST_TIMEOUT, "TIMEOUT"));
    assert_eq!(answer.header(header::CONNECTION), "close");
}

#[tokio::test]
async fn an_operation_is_stopped_at_the_deadline() {
    let config = HttpConfig { execution_deadline: Duration::from_millis(50), ..HttpConfig::default() };
    let answer = send(router(Toy::new(), config), post(RESPONSE, r#"{"query":"{ slow(ms: 60000) }"}"#)).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::GATEWAY_TIMEOUT, "TIMEOUT"));
}

#[tokio::test]
async fn too_many_operations_at_once_are_sent_away_with_a_time_to_come_back() {
    let config = HttpConfig { concurrency: 1, ..HttpConfig::default() };
    let door = router(Toy::new(), config);
    let first = tokio::spawn(send(door.clone(), post(JSON, r#"{"query":"{ slow(ms: 3000) }"}"#)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = send(door.clone(), post(JSON, r#"{"query":"{ hello }"}"#)).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED"));
    assert_eq!(answer.header(header::RETRY_AFTER), "1");
    assert_eq!(first.await.unwrap().status, StatusCode::OK);
    assert_eq!(send(door, post(JSON, r#"{"query":"{ hello }"}"#)).await.status, StatusCode::OK);
}

/// The same request of somebody who is logged in.
fn of_viewer(mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert(header::AUTHORIZATION, "Bearer good".parse().unwrap());
    request
}

#[tokio::test]
async fn one_viewer_leaves_half_of_the_places_for_operations_to_others() {
    let door = router(Toy::new(), HttpConfig { concurrency: 4, ..HttpConfig::default() });
    let hello = || post(JSON, r#"{"query":"{ hello }"}"#);
    let slow = || of_viewer(post(JSON, r#"{"query":"{ slow(ms: 60000) }"}"#));
    let running = [slow(), slow()].map(|request| tokio::spawn(send(door.clone(), request)));
    let refused = loop {
        tokio::task::yield_now().await;
        let answer = send(door.clone(), of_viewer(hello())).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
    };
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "THROTTLED"));
    assert_eq!(refused.header(header::RETRY_AFTER), "1");
    assert_eq!(send(door, hello()).await.status, StatusCode::OK);
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn the_viewers_of_one_tree_leave_a_quarter_of_the_places_for_operations_to_others() {
    let door = router(Toy::new(), HttpConfig { concurrency: 8, ..HttpConfig::default() });
    let of = |token: &str, query: &str| {
        let mut request = post(JSON, json!({ "query": query }).to_string());
        request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        request
    };
    let running = ["good1", "good1", "good1", "good2", "good2", "good2"]
        .map(|token| tokio::spawn(send(door.clone(), of(token, "{ slow(ms: 60000) }"))));
    let refused = loop {
        tokio::task::yield_now().await;
        let answer = send(door.clone(), of("good3", "{ hello }")).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
    };
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "THROTTLED"));
    assert!(refused.body.contains("one tree of tenants"), "{}", refused.body);
    assert_eq!(send(door, post(JSON, r#"{"query":"{ hello }"}"#)).await.status, StatusCode::OK);
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn answers_that_one_viewer_does_not_read_are_no_more_than_there_is_room_for() {
    let door = router(Toy::new(), HttpConfig { unread_bytes: 10_000, ..HttpConfig::default() });
    let long = |bytes| post(JSON, json!({ "query": format!("{{ long(bytes: {bytes}) }}") }).to_string());
    let unread = door.clone().oneshot(long(6_000)).await.unwrap();
    let refused = send(door.clone(), long(6_000)).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "THROTTLED"));
    assert_eq!(send(door.clone(), of_viewer(long(6_000))).await.status, StatusCode::OK);
    drop(unread);
    assert_eq!(send(door.clone(), long(6_000)).await.status, StatusCode::OK);
    // One alone may be longer than that.
    assert_eq!(send(door, long(20_000)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn answers_about_the_schema_are_made_one_at_a_time() {
    let door = door();
    let ask = || {
        // As long as a turn may be, nearly.
        let query = "{ slow(ms: 80) ... on Query { __schema { queryType { name } } } }";
        send(door.clone(), post(JSON, json!({ "query": query }).to_string()))
    };
    let begun = Instant::now();
    let (one, other) = tokio::join!(ask(), ask());
    assert_eq!((one.status, other.status), (StatusCode::OK, StatusCode::OK));
    assert!(begun.elapsed() >= Duration::from_millis(160), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_panic_is_an_answer_without_its_text() {
    let answer = ask(RESPONSE, json!({ "query": "{ boom }" })).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"));
    assert!(!answer.body.contains("boom"), "{}", answer.body);
    let answer = ask("text/event-stream", json!({ "query": "subscription { bursts }" })).await;
    assert!(answer.body.contains("INTERNAL") && answer.body.contains("complete"), "{}", answer.body);
    assert!(!answer.body.contains("boom"), "{}", answer.body);
}

#[tokio::test]
async fn no_more_than_twenty_errors_come_back_and_the_rest_are_counted() {
    let answer = ask(RESPONSE, json!({ "query": "{ fails(times: 50) }" })).await.json();
    assert_eq!(answer["errors"].as_array().unwrap().len(), 20);
    assert_eq!(answer["extensions"], json!({ "errorsOmitted": 30 }));
    let unknown = (0..50).map(|n| format!("x{n} ")).collect::<String>();
    let answer = ask(RESPONSE, json!({ "query": format!("{{ {unknown} }}") })).await.json();
    assert_eq!(answer["errors"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn events_are_streamed_to_whoever_accepts_them_and_then_complete() {
    for (query, body) in [
        (
            "subscription { ticks(count: 2) }",
            "event: next\ndata: {\"data\":{\"ticks\":\"0\"}}\n\nevent: next\ndata: {\"data\":{\"ticks\":\"1\"}}\n\nevent: complete\ndata:\n\n",
        ),
        ("{ hello }", "event: next\ndata: {\"data\":{\"hello\":\"world\"}}\n\nevent: complete\ndata:\n\n"),
    ] {
        let answer = ask("text/event-stream", json!({ "query": query })).await;
        assert_eq!(
            (answer.status, answer.header(header::CONTENT_TYPE)),
            (StatusCode::OK, "text/event-stream")
        );
        assert_eq!(answer.body, body);
    }
    let answer = ask("text/event-stream", json!({ "query": "{ nope }" })).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.starts_with("event: next\ndata: {\"errors\":["), "{}", answer.body);
    assert!(answer.body.ends_with("event: complete\ndata:\n\n"), "{}", answer.body);

    let answer = ask(RESPONSE, json!({ "query": "subscription { ticks(count: 2) }" })).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_ACCEPTABLE, "BAD_REQUEST"));
}

#[tokio::test]
async fn a_stream_of_events_ends_when_the_token_does() {
    let mut request =
        post("text/event-stream", r#"{"query":"subscription { ticks(count: 100000, every: 50) }"}"#);
    request.headers_mut().insert(header::AUTHORIZATION, "Bearer brief".parse().unwrap());
    let answer = tokio::time::timeout(Duration::from_secs(5), send(door(), request)).await.unwrap();
    assert!(answer.body.starts_with("event: next"), "{}", answer.body);
    assert!(!answer.body.contains("complete"), "{}", answer.body);
    // Or else nginx keeps what comes until there is more of it.
    assert_eq!(answer.headers["x-accel-buffering"], "no");
}

#[tokio::test]
async fn pages_of_other_origins_are_let_in_by_configuration_only() {
    // The last one is of a page whose requests are traced.
    const HEADERS: &str = "authorization,content-type,traceparent";
    let preflight = || {
        let request = Request::builder().method(Method::OPTIONS).uri("/graphql");
        let request = request.header(header::ORIGIN, "https://board.example.com");
        let request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
        request.header(header::ACCESS_CONTROL_REQUEST_HEADERS, HEADERS).body(Body::empty()).unwrap()
    };
    let answer = send(door(), preflight()).await;
    assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
    assert!(answer.status == StatusCode::FORBIDDEN && answer.body.contains("--origin"), "{}", answer.body);
    for (origins, allowed) in [
        ("https://board.example.com", "https://board.example.com"),
        ("*", "*"),
        ("https://other.example.com", ""),
    ] {
        let config = HttpConfig { origins: vec![origins.into()], ..HttpConfig::default() };
        let answer = send(router(Toy::new(), config), preflight()).await;
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), allowed);
        let headers = if allowed.is_empty() { "" } else { HEADERS };
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_HEADERS), headers);
        assert_eq!(answer.body.contains("--origin"), allowed.is_empty(), "{}", answer.body);
    }
}

#[tokio::test]
async fn what_graphiql_logs_in_with_is_for_no_page_of_another_origin() {
    let prefill = Prefill { token: Some("secret".into()), people: Vec::new() };
    let prefill: Prefilling = Arc::new(move || prefill.clone());
    let config = HttpConfig { origins: vec!["*".into()], prefill: Some(prefill), ..HttpConfig::default() };
    let request = Request::get("/graphiql/config.json").header(header::HOST, "localhost:8080");
    let request = request.header(header::ORIGIN, "https://evil.example.com").body(Body::empty()).unwrap();
    let answer = send(router(Toy::new(), config), request).await;
    assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
}

#[tokio::test]
async fn health_and_version_answer() {
    for (path, body) in [("/livez", "alive\n"), ("/readyz", "ready\n")] {
        let answer = send(door(), Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, body));
    }
    let answer = send(door(), Request::get("/version").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.json()["name"], "sla-gateway");
    assert_eq!(
        send(door(), Request::get("/nope").body(Body::empty()).unwrap()).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_page_is_there_whether_built_or_not_and_loads_nothing_from_elsewhere() {
    let page = send(door(), Request::get("/graphiql/").body(Body::empty()).unwrap()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header(header::CONTENT_TYPE).starts_with("text/html"));
    assert!(
        page.header(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'; script-src 'self';")
    );
    for from in ["/", "/graphiql"] {
        let answer = send(door(), Request::get(from).body(Body::empty()).unwrap()).await;
        assert!(answer.status.is_redirection());
        // Wherever a proxy serves it from.
        assert_eq!(answer.header(header::LOCATION), "graphiql/");
    }
    for path in [
        "/graphiql/nope.js",
        "/graphiql/../Cargo.toml",
        "/graphiql/%2e%2e/Cargo.toml",
        "/graphiql/..%2f..%2fCargo.toml",
    ] {
        let answer = send(door(), Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_token_of_graphiql_is_told_on_this_machine_only() {
    let person = Person { name: "Ann".into(), email: "ann@example.com".into(), token: "secret".into() };
    let prefill = Prefill { token: Some("secret".into()), people: vec![person] };
    let prefill: Prefilling = Arc::new(move || prefill.clone());
    let config = HttpConfig { prefill: Some(prefill), ..HttpConfig::default() };
    for (host, told) in [
        (Some("localhost:8080"), true),
        (Some("127.0.0.1:8080"), true),
        (Some("[::1]:8080"), true),
        (Some("localhost"), true),
        (Some("[::1]"), true),
        (Some("127.0.0.1.evil.example:8080"), false),
        (Some("evil.example"), false),
        (Some("localhost.evil.example"), false),
        (None, false),
    ] {
        let mut request = Request::get("/graphiql/config.json");
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        let answer = send(router(Toy::new(), config.clone()), request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        let wanted = if told {
            json!({ "token": "secret", "people": [{ "name": "Ann", "email": "ann@example.com", "token": "secret" }] })
        } else {
            json!({ "token": null, "people": [] })
        };
        assert_eq!(answer.json(), wanted, "{host:?}");
    }
}

#[tokio::test]
async fn a_page_that_is_opened_later_is_given_tokens_of_its_own() {
    let opened = Arc::new(AtomicUsize::new(0));
    let prefill: Prefilling = Arc::new(move || {
        let token = format!("token {}", opened.fetch_add(1, Ordering::Relaxed));
        Prefill { token: Some(token), people: Vec::new() }
    });
    let door = router(Toy::new(), HttpConfig { prefill: Some(prefill), ..HttpConfig::default() });
    for token in ["token 0", "token 1"] {
        let request = Request::get("/graphiql/config.json").header(header::HOST, "localhost");
        let answer = send(door.clone(), request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.json()["token"], token);
    }
}

/// So many requests at once of who has this token, or none.
fn spawned(door: &Router, token: Option<&str>, query: &str, times: usize) -> Vec<JoinHandle<Answer>> {
    let asked = || {
        let mut request = post(JSON, json!({ "query": query }).to_string());
        if let Some(token) = token {
            request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        tokio::spawn(send(door.clone(), request))
    };
    (0..times).map(|_| asked()).collect()
}

/// The first of them that is answered, which is taken out.
async fn first(asked: &mut Vec<JoinHandle<Answer>>) -> Answer {
    loop {
        tokio::task::yield_now().await;
        if let Some(nth) = asked.iter().position(JoinHandle::is_finished) {
            return asked.remove(nth).await.unwrap();
        }
    }
}

#[tokio::test]
async fn one_viewer_and_whoever_is_not_logged_in_leave_places_to_others_between_them() {
    let door = router(Toy::new(), HttpConfig { concurrency: 16, ..HttpConfig::default() });
    let mut viewer = spawned(&door, Some("good1"), "{ slow(ms: 60000) }", 9);
    let refused = first(&mut viewer).await;
    assert!(refused.body.contains("At most 8 operations of one viewer may run"), "{}", refused.body);
    let mut nobody = spawned(&door, None, "{ slow(ms: 60000) }", 9);
    let refused = first(&mut nobody).await;
    let other = first(&mut spawned(&door, Some("good2"), "{ hello }", 1)).await;
    assert_eq!(other.status, StatusCode::OK, "{}", other.body);
    assert!(refused.body.contains("At most 2 operations of all who are not"), "{}", refused.body);
    viewer.iter().chain(&nobody).for_each(JoinHandle::abort);
}

#[tokio::test]
async fn who_waits_for_the_schema_takes_no_place_of_what_runs() {
    let door = router(Toy::new(), HttpConfig { concurrency: 4, ..HttpConfig::default() });
    let schema = "{ slow(ms: 60000) ... on Query { __schema { queryType { name } } } }";
    let mut waiting = spawned(&door, Some("good"), schema, 18);
    let refused = first(&mut waiting).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "THROTTLED"));
    assert!(refused.body.contains("16 operations of one viewer may ask for the schema"), "{}", refused.body);
    let other = first(&mut spawned(&door, Some("good"), "{ hello }", 1)).await;
    assert_eq!(other.status, StatusCode::OK, "{}", other.body);
    waiting.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_turn_to_ask_for_the_schema_is_as_long_as_that_takes_and_not_what_else_is_asked_for() {
    let door = router(Toy::new(), HttpConfig { concurrency: 8, ..HttpConfig::default() });
    let slow = "{ slow(ms: 60000) ... on Query { __schema { queryType { name } } } }";
    let slow = spawned(&door, Some("good1"), slow, 4);
    let mut schema = spawned(&door, Some("good2"), "{ __schema { queryType { name } } }", 1);
    let answer = tokio::time::timeout(Duration::from_secs(8), first(&mut schema))
        .await
        .expect("it waits for what is slow");
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    slow.iter().for_each(JoinHandle::abort);
}
