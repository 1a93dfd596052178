//! What one client can take from all others: connections to the store, places, memory.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::StreamExt;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sla_gateway::access::service_token::ServiceToken;
use sla_gateway::graphql::document::Ask;
use sla_gateway::http::{HttpConfig, router};
use sla_gateway::store::id;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use crate::app::App;
use crate::following::{follow, person};
use crate::introspection::refusal;
use crate::socket::server_over;
use crate::toy::Toy;

const READER: &str = "reader@wna.example.com";
const MANAGER: &str = "manager@wna.example.com";
const OPERATOR: &str = "operator@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operation_was_given_up_with_is_not_waited_for_by_others() {
    let app = App::sampled().await;
    let mut client = app.database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE site IN ACCESS EXCLUSIVE MODE").await.unwrap();
    // More of them than there are connections, each with statements that wait behind another.
    let query = "{ a: sites { nodes { name } } b: sites(first: 1) { totalCount } }";
    for _ in 0..2 {
        let stuck = (0..8).map(|_| timeout(Duration::from_millis(300), app.ask(READER, query, json!({}))));
        assert!(join_all(stuck).await.iter().all(Result::is_err), "nothing was locked");
    }
    let begun = Instant::now();
    let others = (0..16).map(|_| app.data(READER, "{ teams { nodes { name } } }", json!({})));
    timeout(Duration::from_secs(20), join_all(others)).await.expect("others wait for what was given up");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // Nor does Postgres go on with it.
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for tries in 0.. {
        match lock.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) {
            0 => break,
            left => assert!(tries < 50, "{left} statements still wait"),
        }
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_viewer_does_not_take_the_connections_of_others() {
    let app = App::sampled().await;
    let mut client = app.database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE site IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let stuck = (0..24).map(|_| app.ask(READER, "{ sites { nodes { name } } }", json!({})));
    let others = async {
        sleep(Duration::from_millis(500)).await;
        let others = (0..8).map(|_| app.data(MANAGER, "{ teams { nodes { name } } }", json!({})));
        timeout(Duration::from_secs(5), join_all(others)).await.expect("others wait for one viewer");
        lock.rollback().await.unwrap();
    };
    let (answers, ()) = tokio::join!(join_all(stuck), others);
    assert!(answers.iter().all(|answer| answer["errors"] == Value::Null), "none of them is refused");
}

/// Waits until as many connections as all of a test may hold wait for the lock, and has somebody answered before it goes.
async fn answered_beside(app: &App, lock: tokio_postgres::Transaction<'_>, login: &str) {
    let watch = app.database.client().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let held = async || watch.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0);
    let begun = Instant::now();
    while held().await < 6 {
        assert!(begun.elapsed() < Duration::from_secs(30), "they do not take what they may");
        sleep(Duration::from_millis(20)).await;
    }
    let asked = (0..3).map(|_| app.data(login, "{ teams { nodes { name } } }", json!({})));
    join_all(asked).await;
    assert_eq!(held().await, 6, "the next is answered only when the others are given up");
    lock.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn several_viewers_together_leave_connections_to_whoever_comes_next() {
    let app = App::sampled().await;
    let mut client = app.database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE site IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let query = "{ sites { nodes { name } } }";
    let asked = |login: &'static str| {
        let app = app.clone();
        (0..24).map(move |_| {
            let app = app.clone();
            async move { app.send(login, query, json!({})).await }
        })
    };
    let stuck = join_all(asked(READER).chain(asked(MANAGER)));
    // Each holds its first connection, and together they hold half of all besides.
    let others = answered_beside(&app, lock, OPERATOR);
    tokio::join!(stuck, others);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_viewers_of_one_tree_leave_connections_to_those_of_others() {
    let app = App::sampled().await;
    let mut client = app.database.client().await;
    // Whoever administers a tenant makes as many tokens as they like.
    let logins: Vec<String> = (0..12).map(|n| format!("reader{n}")).collect();
    for login in &logins {
        person(&client, login, "wna", "catalog:read").await;
    }
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE site IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let stuck =
        join_all(logins.iter().map(|login| app.send(login, "{ sites { nodes { name } } }", json!({}))));
    let others = answered_beside(&app, lock, "manager@itrp.example.com");
    tokio::join!(stuck, others);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_breaks_off_costs_no_connection() {
    let app = App::sampled().await;
    let watch = app.database.client().await;
    let pids = async || {
        let all =
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let rows = watch.query(all, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, i32>(0)).collect::<HashSet<_>>()
    };
    let query = "{ sites(first: 100) { nodes { name } } people(first: 100) { nodes { name } } }";
    // On a machine that is busy enough even a short statement may take its time.
    for tries in 0.. {
        join_all((0..8).map(|_| app.data(READER, query, json!({})))).await;
        let before = pids().await;
        let mut broken_off = 0;
        for patience in (0..40).map(|n| Duration::from_micros(250 * n)) {
            broken_off += u32::from(timeout(patience, app.ask(READER, query, json!({}))).await.is_err());
        }
        assert!(broken_off > 0);
        join_all((0..8).map(|_| app.data(READER, query, json!({})))).await;
        let fresh = pids().await.difference(&before).count();
        if fresh == 0 {
            break;
        }
        assert!(
            tries < 5,
            "{fresh} connections were made anew for {broken_off} operations that were broken off"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_not_answered_for_longer_than_it_may() {
    let app = App::sampled().await;
    let server = server_over(app.gateway.clone(), HttpConfig::default()).await;
    let mut socket = server.client().await;
    socket.say(json!({ "type": "connection_init", "payload": { "token": app.token(READER) } })).await;
    assert_eq!(socket.hear().await["type"], "connection_ack");
    let mut client = app.database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE sla IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let query = "subscription { breaches(after: \"0\") { breach { sla { name } } } }";
    socket.subscribe("1", query).await;
    let operation = app.gateway.prepare(Ask { query: Some(query.into()), ..Ask::default() }).unwrap();
    let viewer = app.gateway.viewer(Some(&app.token(READER))).await.unwrap();
    let mut beside = app.gateway.subscribe(operation, viewer);
    let told = timeout(Duration::from_secs(40), async {
        loop {
            match timeout(Duration::from_secs(9), socket.hear()).await {
                Ok(told) => break told,
                Err(_silent) => {}
            }
        }
    });
    let (told, beside) = tokio::join!(told, beside.next());
    let told = told.expect("it is answered for ever");
    assert_eq!(told["payload"]["errors"][0]["extensions"]["code"], "TIMEOUT", "{told}");
    // Whoever resumed after it would never be told the record.
    let beside = beside.unwrap();
    assert!(beside.json().contains("TIMEOUT") && beside.cursor().is_none(), "{beside:?}");
}

/// The request for a query of whoever holds a token.
fn posted(token: &str, query: &str) -> Request<Body> {
    Request::post("/graphql")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(json!({ "query": query }).to_string()))
        .unwrap()
}

/// Why a query is refused that does much before it is, however long a slow machine takes for it.
async fn refused_at_last(app: &App, query: &str) -> (String, String) {
    let config = HttpConfig { execution_deadline: Duration::from_secs(300), ..HttpConfig::default() };
    let request = posted(&app.token(MANAGER), query);
    let answer = router(app.gateway.clone(), config).oneshot(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let (code, message) = refusal(&answer).unwrap();
    (code.to_owned(), message.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_only_computes_is_stopped_at_its_deadline_too() {
    let app = App::sampled().await;
    // In office hours: a day has several stretches.
    let query =
        "{ tenant(slug: \"wna\") { id } slas(first: 1, filter: { name: { startsWith: \"BlackBerry\" },
        kind: { eq: SERVICE }, status: { eq: ACTIVE } }) { nodes { id } } }";
    let data = app.data(MANAGER, query, json!({})).await;
    let register = "mutation($input: RequestRegisterInput!) { requestRegister(input: $input) {
        request { affectedSlas { nodes { id } } } errors { message } } }";
    let input = json!({ "tenantId": data["tenant"]["id"], "slaId": data["slas"]["nodes"][0]["id"], "subject": "old",
        "impact": "TOP", "registeredAt": "1950-01-01T00:00:00Z" });
    let made = app.data(MANAGER, register, json!({ "input": input })).await;
    let clock = &made["requestRegister"]["request"]["affectedSlas"]["nodes"][0]["id"];
    let names = (0..190)
        .map(|n| format!("e{n}: explanation {{ resolution {{ intervals(skip: 10000) {{ from }} }} }} "));
    let query = format!("{{ affectedSla(id: {clock}) {{ {} }} }}", names.collect::<String>());
    let config = HttpConfig { execution_deadline: Duration::from_millis(200), ..HttpConfig::default() };
    let answer =
        router(app.gateway.clone(), config).oneshot(posted(&app.token(MANAGER), &query)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_bulk_mutation_cost_what_is_asked_of_each() {
    let app = App::sampled().await;
    let tenant = app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await;
    let tenant = &tenant["tenant"]["id"];
    let row = |n: usize| json!({ "tenantId": tenant, "name": format!("Team {n}") });
    let selection = "{ accepted results { team { members(first: 100) { nodes { id } } } } }";
    let queries = [
        (
            format!("mutation($input: TeamCreateManyInput!) {{ teamCreateMany(input: $input) {selection} }}"),
            "input",
        ),
        (
            format!(
                "mutation($rows: [TeamCreateInput!]!) {{ teamCreateMany(input: {{ rows: $rows, dryRun: true }}) {selection} }}"
            ),
            "rows",
        ),
    ];
    for (query, variable) in queries {
        for (rows, accepted) in [(10, true), (1_000, false)] {
            let rows = (0..rows).map(row).collect::<Value>();
            let given = if variable == "rows" { rows } else { json!({ "rows": rows, "dryRun": true }) };
            let answer = app.ask(MANAGER, &query, json!({ (variable): given })).await;
            match accepted {
                true => assert_eq!(answer["data"]["teamCreateMany"]["accepted"], 10, "{answer}"),
                false => assert_eq!(refusal(&answer).unwrap().0, "LIMIT_EXCEEDED", "{answer}"),
            }
        }
    }
    let rows = (0..1_000).map(|n| format!("{{ tenantId: \"x\", name: \"{n}\" }}"));
    let page = |n| format!("m{n}: members(first: 100) {{ nodes {{ id }} }} ");
    let query = format!(
        "mutation {{ teamCreateMany(input: {{ rows: [{}] }}) {{ results {{ team {{ {} }} }} }} }}",
        rows.take(200).collect::<String>(),
        (0..4).map(page).collect::<String>()
    );
    assert_eq!(refusal(&app.ask(MANAGER, &query, json!({})).await).unwrap().0, "LIMIT_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_values_come_back_than_memory_has_room_for_and_no_more_errors() {
    let app = App::sampled().await;
    // Each of them fails: a reader is not told anybody's login.
    let logins = (0..190).map(|n| format!("l{n}: login ")).collect::<String>();
    let query = |first: u32, pages: u32| {
        let page = |n| format!("p{n}: people(first: {first}) {{ nodes {{ ...L }} }} ");
        format!("{{ {} }} fragment L on Person {{ {logins} }}", (0..pages).map(page).collect::<String>())
    };
    // Of one page as many fields as there may be aliases.
    let aliased = format!("{{ people(first: 100) {{ nodes {{ {logins} }} }} }}");
    let answer = app.ask(READER, &aliased, json!({})).await;
    assert_eq!(answer["errors"].as_array().unwrap().len(), 20);
    assert!(answer["extensions"]["errorsOmitted"].as_u64().unwrap() > 3_000, "{}", answer["extensions"]);
    assert_eq!(
        refusal(&app.ask(READER, &query(100, 1), json!({})).await).map(|(code, _)| code),
        Some("FORBIDDEN")
    );
    let wide = "{ tenants(first: 100) { nodes { people(first: 100) { nodes {
        id uuid firstName lastName name email login source sourceId createdAt updatedAt revision
        organization { id } site { id } a: id b: id c: id d: id e: id f: id g: id h: id } } } } }";
    let answer = app.ask(READER, wide, json!({})).await;
    let (code, message) = refusal(&answer).unwrap();
    assert_eq!(code, "LIMIT_EXCEEDED");
    assert!(message.contains("values, at most 250000"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_in_lists_hold_no_more_values_than_pages_do() {
    let app = App::sampled().await;
    let query = "{ tenant(slug: \"wna\") { id } services(first: 1, filter: { name: { isNull: false } }) { nodes { id } } }";
    let data = app.data(MANAGER, query, json!({})).await;
    let (tenant, service) = (&data["tenant"]["id"], &data["services"]["nodes"][0]["id"]);
    let create =
        "mutation($input: ServiceInstanceCreateManyInput!) { serviceInstanceCreateMany(input: $input) {
        results { serviceInstance { id } errors { message } } } }";
    let made = async |layer: &str, uses: Value| {
        let row = |n| json!({ "tenantId": tenant, "serviceId": service, "name": format!("{layer} {n}"), "uses": uses });
        let rows = (0..20).map(row).collect::<Value>();
        let made = app.data(MANAGER, create, json!({ "input": { "rows": rows } })).await;
        let results = made["serviceInstanceCreateMany"]["results"].as_array().unwrap().clone();
        results.into_iter().map(|made| made["serviceInstance"]["id"].clone()).collect::<Vec<_>>()
    };
    let lower = made("lower", json!([])).await;
    let uses = lower.iter().map(|id| json!({ "serviceInstanceId": id, "effect": "DOWN" })).collect();
    let upper = made("upper", uses).await;
    let nested = |levels: usize| {
        let level = |inner: String, level: usize| {
            let field = if (levels - level).is_multiple_of(2) { "usedBy" } else { "uses" };
            format!("{field} {{ serviceInstance {{ {inner} }} }}")
        };
        let inner = (0..levels).fold("name".to_owned(), level);
        format!("{{ serviceInstance(id: {}) {{ {inner} }} }}", upper[0])
    };
    assert_eq!(app.ask(MANAGER, &nested(2), json!({})).await["errors"], Value::Null);
    let (code, message) = refused_at_last(&app, &nested(4)).await;
    assert!(code == "LIMIT_EXCEEDED" && message.contains("250000 values"), "{message}");
    // The parts of a period are such a list, too.
    let names = (0..190).map(|n| format!("n{n}: from ")).collect::<String>();
    let parts = format!(
        "{{ slas(first: 4) {{ nodes {{ attainment(from: \"2025-01-01T00:00:00Z\", to: \"2026-01-30T00:00:00Z\", by: DAY) {{
            buckets {{ {names} }} }} }} }} }}"
    );
    assert_eq!(refused_at_last(&app, &parts).await.0, "LIMIT_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_calendars_compute_lets_others_be_answered_meanwhile() {
    let app = App::sampled().await;
    let target = "targetAt(start: \"2026-01-01T00:00:00Z\", businessDays: 360, timeZone: \"America/New_York\") { targetAt }";
    let names = (0..190).map(|n| format!("n{n}: {target} ")).collect::<String>();
    let query = format!("{{ calendars(first: 100) {{ nodes {{ {names} }} }} }}");
    let pauses = pauses(&app, posted(&app.token(MANAGER), &query)).await;
    assert!(pauses > 1_000, "{pauses} pauses");
}

/// How often what is asked is pending until it is answered, and whoever waits is polled. Counted, not timed: it depends on no
/// machine.
async fn pauses(app: &App, request: Request<Body>) -> usize {
    let config = HttpConfig { execution_deadline: Duration::from_secs(300), ..HttpConfig::default() };
    let answer = router(app.gateway.clone(), config).oneshot(request);
    let counted = tokio::spawn(async move {
        let (mut answer, mut pauses) = (pin!(answer), 0);
        let answered = poll_fn(|context| {
            let polled = answer.as_mut().poll(context);
            pauses += usize::from(polled.is_pending());
            polled
        });
        (answered.await.unwrap().status(), pauses)
    });
    let (status, pauses) = counted.await.unwrap();
    assert_eq!(status, StatusCode::OK);
    pauses
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_intake_computes_lets_others_be_answered_meanwhile() {
    let app = App::sampled().await;
    let query = "{ tenant(slug: \"wna\") { id } affectedSlas(first: 1, filter: { serviceInstance: { isNull: false } }) { nodes {
        serviceInstance { id } request { requester { id } } } } }";
    let data = app.data(MANAGER, query, json!({})).await;
    let clock = &data["affectedSlas"]["nodes"][0];
    let row = json!({ "tenantId": data["tenant"]["id"], "subject": "x", "impact": "TOP",
        "serviceInstanceId": clock["serviceInstance"]["id"], "requesterId": clock["request"]["requester"]["id"] });
    let told = |rows: usize| {
        let query =
            "mutation($input: RequestRegisterManyInput!) { requestRegisterMany(input: $input) { accepted } }";
        let input = json!({ "rows": vec![&row; rows], "dryRun": true });
        let body = json!({ "query": query, "variables": { "input": input } }).to_string();
        posted(&app.token(MANAGER), query).map(|_| Body::from(body))
    };
    let one = pauses(&app, told(1)).await;
    let many = pauses(&app, told(100)).await;
    // Once for what each asks, and for each clock.
    assert!(many >= one + 150, "{one} pauses for one row, {many} for a hundred");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_an_event_is_no_longer_than_what_waits_for_a_slow_reader() {
    let app = App::sampled().await;
    app.database.client().await.batch_execute("UPDATE sla SET remarks = repeat('x', 65536)").await.unwrap();
    let server = server_over(app.gateway.clone(), HttpConfig::default()).await;
    let mut socket = server.client().await;
    socket.say(json!({ "type": "connection_init", "payload": { "token": app.token(READER) } })).await;
    assert_eq!(socket.hear().await["type"], "connection_ack");
    let names = (0..17).map(|n| format!("r{n}: remarks ")).collect::<String>();
    let query = format!("subscription {{ breaches(after: \"0\") {{ breach {{ sla {{ {names} }} }} }} }}");
    socket.subscribe("1", &query).await;
    let told = socket.hear().await;
    assert_eq!(told["payload"]["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_of_one_tree_wait_for_room_for_what_they_do_not_take() {
    let app = App::sampled().await;
    app.database.client().await.batch_execute("UPDATE sla SET remarks = repeat('x', 65536)").await.unwrap();
    let viewer = app.gateway.viewer(Some(&app.token(READER))).await.unwrap();
    // Each asks for something else, so that no answer serves two; all are asked for at once, and none goes on.
    let answers = |nth: usize| {
        let names = (0..14).map(|n| format!("r{nth}x{n}: remarks ")).collect::<String>();
        let query = format!("subscription {{ breaches(after: \"0\") {{ breach {{ sla {{ {names} }} }} }} }}");
        let ask = Ask { query: Some(query), ..Ask::default() };
        app.gateway.subscribe(app.gateway.prepare(ask).unwrap(), viewer.clone())
    };
    let mut deaf = Vec::new();
    let begun = loop {
        let mut next = answers(deaf.len());
        match timeout(Duration::from_secs(5), next.next()).await {
            Ok(answer) => assert!(answer.unwrap().json().len() > 900_000),
            Err(_waits) => break next,
        }
        deaf.push(next);
        assert!(deaf.len() < 60, "all of them are made");
    };
    assert!(deaf.len() > 4, "{} answers have no room", deaf.len());
    // Another of the tree need not wait for them.
    let other = "subscription { breaches(after: \"0\") { cursor } }";
    let mut other = follow(&app, MANAGER, other, json!({})).await;
    let told = timeout(Duration::from_secs(20), other.next()).await.expect("one viewer has all the room");
    assert!(told.unwrap()["data"]["breaches"]["cursor"].is_string());
    // What one leaves is for the next.
    let (mut waits, left) = (begun, deaf.pop());
    drop(left);
    assert!(timeout(Duration::from_secs(20), waits.next()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_what_they_asked_for_is_cut_off() {
    let config = HttpConfig { read_deadline: Duration::from_secs(1), ..HttpConfig::default() };
    let server = server_over(Toy::new(), config).await;
    let ask = async || {
        let body = json!({ "query": "{ long(bytes: 30000000) }" }).to_string();
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let request = format!(
            "POST /graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    };
    let mut deaf = ask().await;
    // Nothing can be written any more once the connection is gone.
    let gone = async {
        while deaf.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), gone).await.expect("the answer is kept for ever");
    let mut heard = Vec::new();
    ask().await.read_to_end(&mut heard).await.unwrap();
    assert!(heard.len() > 30_000_000, "{} bytes", heard.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_the_events_that_they_asked_for_is_cut_off() {
    let read_deadline = Duration::from_secs(3);
    let config = HttpConfig { read_deadline, sockets_per_viewer: 1, ..HttpConfig::default() };
    let server = server_over(Toy::new(), config).await;
    let ask = async || {
        let query = "subscription { ticks(count: 100000000, every: 0, bytes: 100000) }";
        let body = json!({ "query": query }).to_string();
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let request = format!(
            "POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer good\r\naccept: text/event-stream\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 15];
        stream.read_exact(&mut status).await.unwrap();
        (stream, status == *b"HTTP/1.1 200 OK")
    };
    let (_deaf, answered) = ask().await;
    assert!(answered);
    assert!(!ask().await.1, "there is a place for another");
    let again = async {
        while !ask().await.1 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(60), again).await.expect("its place is held for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_texts_take_no_more_memory_than_there_is() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    client.batch_execute("UPDATE sla SET remarks = repeat('x', 65536)").await.unwrap();
    let one = "{ slas(first: 100) { nodes { id remarks } } }";
    assert_eq!(app.ask(READER, one, json!({})).await["errors"], Value::Null);
    let names = (0..200).map(|n| format!("r{n}: remarks ")).collect::<String>();
    let (code, message) =
        refused_at_last(&app, &format!("{{ slas(first: 100) {{ nodes {{ {names} }} }} }}")).await;
    assert!(code == "LIMIT_EXCEEDED" && message.contains("more than 32 MiB"), "{message}");
    // What is read for the answer has a bound of its own: an SLA comes with each clock of it.
    let pages =
        (0..45).map(|n| format!("p{n}: affectedSlas(first: 100) {{ nodes {{ sla {{ remarks }} }} }} "));
    let (code, message) = refused_at_last(&app, &format!("{{ {} }}", pages.collect::<String>())).await;
    assert!(code == "LIMIT_EXCEEDED" && message.contains(" MiB"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_repeats_itself_is_the_same_order() {
    let app = App::sampled().await;
    let query = "query($order: [PersonOrder!]) { people(first: 5, orderBy: $order) { edges { cursor node { name } } } }";
    let name = json!({ "field": "LAST_NAME" });
    let once = app.data(READER, query, json!({ "order": [name] })).await;
    let again = json!({ "field": "LAST_NAME", "direction": "DESC" });
    let many: Vec<Value> = std::iter::once(name).chain(std::iter::repeat_n(again, 199)).collect();
    let often = app.data(READER, query, json!({ "order": many })).await;
    assert_eq!(once, often);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_is_no_longer_than_what_it_is_looked_for_in() {
    let app = App::sampled().await;
    let query = "query($text: String) { slas(filter: { name: { contains: $text } }) { totalCount }
        more: requests(filter: { subject: { startsWith: $text } }) { totalCount } }";
    app.data(READER, query, json!({ "text": "é".repeat(500) })).await;
    let answer = app.ask(READER, query, json!({ "text": "x".repeat(501) })).await;
    assert_eq!(refusal(&answer).unwrap().0, "LIMIT_EXCEEDED", "{answer}");
}

#[tokio::test]
async fn those_who_are_not_logged_in_hold_no_more_sockets_than_one_viewer() {
    let config = HttpConfig { sockets_per_viewer: 2, ..HttpConfig::default() };
    let server = server_over(Toy::new(), config).await;
    let _first = server.acknowledged().await;
    let _second = server.acknowledged().await;
    let mut third = server.client().await;
    third.say(json!({ "type": "connection_init" })).await;
    assert_eq!(third.closed().await, (1013, "too many sockets of all who are not logged in".to_owned()));
    let mut viewer = server.client().await;
    viewer.say(json!({ "type": "connection_init", "payload": { "token": "good" } })).await;
    assert_eq!(viewer.hear().await["type"], "connection_ack");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_a_mistake_of_its_row_and_no_fault() {
    let app = App::sampled().await;
    let tenant = app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"].take();
    let nul =
        json!({ "tenantId": tenant["id"], "name": "x", "source": "a\0b", "sourceId": "\0", "upsert": true });
    let terms = json!({ "queue": { "slaThreshold": 1, "abandonType": "COUNT_AGAINST_SLA" } });
    let version = json!({ "versionName": "\0", "terms": terms });
    let with_version = |mut input: Value| {
        input["version"] = version.clone();
        input
    };
    let named = json!({ "tenantId": tenant["id"], "name": "x", "source": "a", "sourceId": "b", "upsert": true,
        "version": { "versionName": "1", "terms": terms } });
    let query = "mutation($input: SlaCreateInput!) { slaCreate(input: $input) { sla { id } } }";
    let made = app.data(MANAGER, query, json!({ "input": named })).await;
    let sla = &made["slaCreate"]["sla"]["id"];
    let errors = "errors { code path }";
    for (mutation, input, code) in [
        (format!("siteCreate(input: $input) {{ {errors} }}"), nul.clone(), "INVALID"),
        (format!("slaCreate(input: $input) {{ {errors} }}"), with_version(nul), "INVALID"),
        (format!("slaCreate(input: $input) {{ {errors} }}"), named.clone(), ""),
        (format!("slaCreate(input: $input) {{ {errors} }}"), with_version(named), "INVALID"),
        (
            format!("slaVersionCreateMany(input: $input) {{ results {{ {errors} }} }}"),
            json!({ "rows": [{ "slaId": sla, "expectedRevision": 1_000,
                "version": { "versionName": "2", "terms": terms } }] }),
            "CONFLICT",
        ),
        (
            format!("calendarCreate(input: $input) {{ {errors} }}"),
            json!({ "tenantId": tenant["id"], "name": "x", "hours": [],
                "holidays": [{ "name": "x", "startsAt": "-4800-01-01T00:00", "endsAt": "2026-01-01T00:00" }] }),
            "VALIDATION_FAILED",
        ),
    ] {
        let name = mutation.split('(').next().unwrap();
        let ty = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let query = format!("mutation($input: {ty}!) {{ {mutation} }}");
        let answer = app.ask(MANAGER, &query, json!({ "input": input })).await;
        let told = match refusal(&answer) {
            Some((code, _)) => code,
            None => {
                let payload = &answer["data"][name];
                let row = if payload["results"].is_array() { &payload["results"][0] } else { payload };
                row["errors"][0]["code"].as_str().unwrap_or_default()
            }
        };
        assert_eq!(told, code, "{mutation}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_the_gateway_is_ready_is_looked_at_once_for_all_who_ask_at_a_time() {
    let app = App::sampled().await;
    let door = router(app.gateway.clone(), HttpConfig::default());
    let taken = async || {
        let told = app.gateway.metrics().await.text();
        let count = told.lines().find_map(|line| line.strip_prefix("sla_sql_pool_wait_seconds_count "));
        count.unwrap().parse::<f64>().unwrap()
    };
    let before = taken().await;
    let asked =
        (0..1_000).map(|_| door.clone().oneshot(Request::get("/readyz").body(Body::empty()).unwrap()));
    // On a busy machine it may take too long to say yes.
    join_all(asked).await;
    // What goes on by itself takes some as well.
    let taken = taken().await - before;
    assert!(taken < 250.0, "{taken} connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_made_up_take_few_connections() {
    let app = App::sampled().await;
    let mut client = app.database.client().await;
    let watch = app.database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE service_token IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let made_up = (0..100).map(|_| {
        let gateway = app.gateway.clone();
        tokio::spawn(async move { gateway.viewer(Some(&ServiceToken::new(id::new(), "x").text())).await })
    });
    let made_up: Vec<_> = made_up.collect();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = Instant::now();
    while watch.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < 2 {
        assert!(begun.elapsed() < Duration::from_secs(30), "they are not looked up");
        sleep(Duration::from_millis(20)).await;
    }
    let others = async {
        for _ in 0..50 {
            app.data(READER, "{ teams { nodes { name } } }", json!({})).await;
        }
    };
    timeout(Duration::from_secs(20), others).await.expect("others wait for tokens that are none");
    lock.rollback().await.unwrap();
    for refused in join_all(made_up).await {
        assert!(refused.unwrap().is_err_and(|error| error.message.contains("not one of ours")));
    }
}
