//! Following over the whole gateway: clocks as they change, and one answer for all who ask the same.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use sla_gateway::graphql::document::Ask;
use sla_gateway::http::{HttpConfig, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::breaches::{OTHER, OTHER_SLA, ROOT, SLA, chats, setting};
use crate::database::Database;
use crate::socket::server_over;

/// Who may read what: everybody in the tree of [`setting`].
const PEOPLE: &[(&str, &str, &str)] = &[
    ("all", "root", "breaches:read,slas:read,affected-slas:read"),
    ("same", "root", "breaches:read,slas:read,affected-slas:read"),
    ("other", "other", "breaches:read,slas:read,affected-slas:read"),
    ("blind", "root", "breaches:read"),
];

pub(crate) async fn world() -> Arc<App> {
    // Before the gateway starts: it makes partitions of tables that are filled here.
    let database = Database::new().await;
    let client = database.client().await;
    client.batch_execute(&setting()).await.unwrap();
    for (login, tenant, permissions) in PEOPLE {
        person(&client, login, tenant, permissions).await;
    }
    App::over(database).await
}

/// Somebody with rights in a tenant.
pub(crate) async fn person(client: &tokio_postgres::Client, login: &str, tenant: &str, permissions: &str) {
    client
        .batch_execute(&format!(
            "WITH t AS (SELECT root_id, id FROM tenant WHERE slug = '{tenant}'),
                   p AS (INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login)
                     SELECT root_id, uuid_v7(), id, '{login}', '', '{login}' FROM t RETURNING id),
                   r AS (INSERT INTO role (root_id, id, tenant_id, name, permissions)
                     SELECT root_id, uuid_v7(), id, '{login}', '{{{permissions}}}' FROM t RETURNING id)
                 INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
                 SELECT t.root_id, uuid_v7(), t.id, r.id, p.id FROM t, p, r"
        ))
        .await
        .unwrap();
}

pub(crate) type Told = Pin<Box<dyn Stream<Item = Value> + Send>>;

pub(crate) async fn follow(app: &App, login: &str, query: &str, variables: Value) -> Told {
    let variables = serde_json::from_value(variables).unwrap();
    let ask = Ask { query: Some(query.into()), variables, ..Ask::default() };
    let operation = app.gateway.prepare(ask).unwrap();
    let viewer = app.gateway.viewer(Some(&app.token(login))).await.unwrap();
    Box::pin(
        app.gateway.subscribe(operation, viewer).map(|answer| serde_json::from_str(answer.json()).unwrap()),
    )
}

async fn told(told: &mut Told) -> Value {
    timeout(Duration::from_secs(60), told.next()).await.expect("in time").expect("no end")
}

async fn silent(told: &mut Told) {
    let more = timeout(Duration::from_millis(700), told.next()).await;
    assert!(more.is_err(), "nothing was to come, but {more:?}");
}

/// The records that are told next.
pub(crate) async fn records(from: &mut Told, count: usize) -> Vec<Value> {
    let mut records = Vec::new();
    while records.len() < count {
        let event = told(from).await;
        assert_ne!(event["data"], Value::Null, "{event}");
        if !event["data"]["breaches"]["breach"].is_null() {
            records.push(event["data"]["breaches"].clone());
        }
    }
    records
}

const CLOCK: &str = "subscription($id: ID!) { affectedSlaChanged(id: $id) { uuid nextTarget sla { name } breaches { kind } } }";

/// A chat's clock.
async fn clock(app: &App, sla: uuid::Uuid) -> String {
    let client = app.database.client().await;
    client.batch_execute(&chats(sla, 1, "now() + interval '1 day'")).await.unwrap();
    let newest = "SELECT id::text FROM affected_sla ORDER BY id DESC LIMIT 1";
    client.query_one(newest, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_is_told_at_once_and_whenever_it_changes_whoever_changed_it() {
    let app = world().await;
    let id = clock(&app, SLA).await;
    let mut following = follow(&app, "all", CLOCK, json!({ "id": id })).await;
    let first = told(&mut following).await;
    assert_eq!(
        first,
        json!({ "data": { "affectedSlaChanged": { "uuid": id, "nextTarget": "NONE", "sla": { "name": "a" }, "breaches": [] } } })
    );
    silent(&mut following).await;

    // Nothing tells this gateway: so it is when another one writes.
    let client = app.database.client().await;
    let begun = Instant::now();
    client
        .execute("UPDATE affected_sla SET next_target = 'clock_stopped' WHERE id = $1::text::uuid", &[&id])
        .await
        .unwrap();
    assert_eq!(told(&mut following).await["data"]["affectedSlaChanged"]["nextTarget"], "CLOCK_STOPPED");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    silent(&mut following).await;

    client.batch_execute("UPDATE deadline SET due_at = now() - interval '1 second'").await.unwrap();
    let breached = told(&mut following).await;
    assert_eq!(breached["data"]["affectedSlaChanged"]["breaches"], json!([{ "kind": "DUE_TIME" }]));
    silent(&mut following).await;

    // Another clock is none of its business.
    clock(&app, SLA).await;
    silent(&mut following).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_clock_out_of_sight_is_not_found_at_first_and_once_the_right_is_gone() {
    let app = world().await;
    let id = clock(&app, SLA).await;
    let refusal = |code: &str| json!([code]);
    let codes = |answer: &Value| -> Value {
        answer["errors"].as_array().unwrap().iter().map(|error| error["extensions"]["code"].clone()).collect()
    };
    let unknown = uuid::Uuid::from_u128(99).to_string();
    let mut answers = Vec::new();
    for (login, id, code) in
        [("other", &id, "NOT_FOUND"), ("other", &unknown, "NOT_FOUND"), ("blind", &id, "FORBIDDEN")]
    {
        let mut following = follow(&app, login, CLOCK, json!({ "id": id })).await;
        let answer = told(&mut following).await;
        assert_eq!(codes(&answer), refusal(code), "{login}: {answer}");
        assert!(following.next().await.is_none());
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1], "what may not be seen is as what is not there");

    let mut following = follow(&app, "all", CLOCK, json!({ "id": id })).await;
    told(&mut following).await;
    let client = app.database.client().await;
    client.batch_execute("UPDATE role SET permissions = '{breaches:read}' WHERE name = 'all'").await.unwrap();
    assert_eq!(codes(&told(&mut following).await), refusal("NOT_FOUND"));
    assert!(following.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_feed_of_a_tenant_takes_the_right_there_and_ends_when_it_is_taken_away() {
    let app = world().await;
    let client = app.database.client().await;
    // Everything may be read above but breaches, which may below.
    person(&client, "both", "root", "catalog:read").await;
    let grant = "INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
        SELECT p.root_id, uuid_v7(), t.id, r.id, p.id FROM person p, tenant t, role r
        WHERE p.login = 'both' AND t.slug = 'other' AND r.name = 'blind'";
    client.batch_execute(grant).await.unwrap();
    let feed = "subscription($t: [ID!]) { breaches(filter: { tenant: { in: $t } }) { cursor } }";
    let (root, other) = (ROOT.to_string(), OTHER.to_string());
    let forbidden = |answer: &Value| {
        let missing = &answer["errors"][0]["extensions"];
        assert_eq!(
            (&missing["code"], &missing["permission"]),
            (&json!("FORBIDDEN"), &json!("breaches:read")),
            "{answer}"
        );
    };
    for tenants in [json!([root]), json!([other, root])] {
        let mut refused = follow(&app, "both", feed, json!({ "t": tenants })).await;
        forbidden(&told(&mut refused).await);
        assert!(refused.next().await.is_none());
    }
    let mut following = follow(&app, "both", feed, json!({ "t": [other] })).await;
    assert!(told(&mut following).await["data"]["breaches"]["cursor"].is_string());
    // It is taken away there, and given elsewhere.
    let moved = format!(
        "INSERT INTO tenant (root_id, id, parent_id, slug, name, time_zone)
           VALUES ('{ROOT}', uuid_v7(), '{ROOT}', 'third', 'Third', 'UTC');
         UPDATE role_grant SET tenant_id = (SELECT id FROM tenant WHERE slug = 'third')
           WHERE person_id = (SELECT id FROM person WHERE login = 'both') AND tenant_id = '{OTHER}'"
    );
    client.batch_execute(&moved).await.unwrap();
    let end = loop {
        match told(&mut following).await {
            event if event["data"]["breaches"]["cursor"].is_string() => {}
            end => break end,
        }
    };
    forbidden(&end);
    assert!(following.next().await.is_none());
}

pub(crate) const FEED: &str =
    "subscription($from: String, $kind: [BreachKind!]) { breaches(after: $from, filter: { kind: $kind }) {
    cursor breach { uuid tenant { slug } sla { name } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_answered_once_for_all_who_ask_the_same_with_the_same_rights() {
    let app = world().await;
    let client = app.database.client().await;
    client.batch_execute(&chats(SLA, 10, "now() - interval '1 day'")).await.unwrap();
    let mut first = follow(&app, "all", FEED, json!({ "from": "0" })).await;
    let begun = records(&mut first, 10).await;
    // Each has come to another place.
    let mut followers = Vec::new();
    for event in &begun {
        for login in ["all", "same"] {
            followers.push(follow(&app, login, FEED, json!({ "from": event["cursor"] })).await);
        }
    }
    for (nth, follower) in followers.iter_mut().enumerate() {
        assert_eq!(records(follower, 9 - nth / 2).await, begun[nth / 2 + 1..]);
    }
    let (before, told_from) = (app.gateway.figures(), Instant::now());
    client.batch_execute(&chats(SLA, 50, "now() - interval '1 hour'")).await.unwrap();
    let mut readers = tokio::task::JoinSet::new();
    for mut follower in followers {
        readers.spawn(async move { records(&mut follower, 50).await });
    }
    let all = records(&mut first, 50).await;
    while let Some(read) = readers.join_next().await {
        assert_eq!(read.unwrap(), all);
    }
    let after = app.gateway.figures();
    assert_eq!(after.told - before.told, 21 * 50);
    // A second may begin while they are told, and then an event is answered anew.
    let answered = after.answered - before.answered;
    let most = 50 * (2 + told_from.elapsed().as_secs());
    assert!((50..=most).contains(&answered), "{answered} answers for 21 times 50 events");
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_who_has_other_rights_or_other_variables_is_answered_apart() {
    let app = world().await;
    let client = app.database.client().await;
    let mut all = follow(&app, "all", FEED, json!({ "from": "0" })).await;
    let mut other = follow(&app, "other", FEED, json!({ "from": "0" })).await;
    let mut blind = follow(&app, "blind", FEED, json!({ "from": "0" })).await;
    let mut limits = follow(&app, "all", FEED, json!({ "from": "0", "kind": ["LIMIT"] })).await;
    for sla in [SLA, OTHER_SLA] {
        client.batch_execute(&chats(sla, 1, "now() - interval '1 day'")).await.unwrap();
        app.store.synchronize().await.unwrap();
        sleep(Duration::from_millis(1_200)).await;
    }
    let seen = records(&mut all, 2).await;
    let slugs: Vec<_> = seen.iter().map(|event| event["breach"]["tenant"]["slug"].clone()).collect();
    assert_eq!(slugs, ["root", "other"], "{ROOT} and {OTHER}");
    let seen = records(&mut other, 1).await;
    assert_eq!(seen[0]["breach"]["tenant"]["slug"], "other");
    let seen = records(&mut blind, 2).await;
    assert!(seen.iter().all(|event| event["breach"]["sla"].is_null()), "{seen:?}");
    silent(&mut limits).await;

    // From the next event on, what is selected of it is what may be read now.
    client.batch_execute("UPDATE role SET permissions = '{breaches:read}' WHERE name = 'all'").await.unwrap();
    let begun = Instant::now();
    loop {
        client.batch_execute(&chats(SLA, 1, "now() - interval '1 day'")).await.unwrap();
        if records(&mut all, 1).await[0]["breach"]["sla"].is_null() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "what may not be read any more is told");
    }
}

/// All pages of the list, with the cursor that was read beside the first.
async fn listed(app: &App, login: &str) -> (Value, HashSet<String>) {
    let query = "query ($after: String) { breaches(first: 100, after: $after) { nodes { uuid }
        pageInfo { endCursor hasNextPage } } feedCursor }";
    let (mut cursor, mut listed, mut after) = (Value::Null, HashSet::new(), Value::Null);
    loop {
        let data = app.data(login, query, json!({ "after": after })).await;
        if after.is_null() {
            cursor = data["feedCursor"].clone();
        }
        let nodes = data["breaches"]["nodes"].as_array().unwrap();
        listed.extend(nodes.iter().map(|node| node["uuid"].as_str().unwrap().to_owned()));
        after = data["breaches"]["pageInfo"]["endCursor"].clone();
        if data["breaches"]["pageInfo"]["hasNextPage"] == false {
            return (cursor, listed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_list_and_the_feed_from_the_cursor_beside_it_leave_nothing_out() {
    const MORE: usize = 200;
    let app = world().await;
    // Recorded while each list is read, in transactions that overlap, and no more than can be read.
    let (writing, wanted) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (url, writing, wanted) = (app.database.url.clone(), writing.clone(), wanted.clone());
            tokio::spawn(async move {
                let (client, connection) =
                    tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                let mut written = 0;
                loop {
                    // Each writes once more after the last list was read: no list has everything.
                    let last = !writing.load(Ordering::Acquire);
                    if last || written < wanted.load(Ordering::Acquire) / 4 {
                        client.batch_execute(&chats(SLA, 5, "now() - interval '1 hour'")).await.unwrap();
                        written += 5;
                    }
                    if last {
                        return written;
                    }
                    sleep(Duration::from_millis(15)).await;
                }
            })
        })
        .collect();
    let mut boards = tokio::task::JoinSet::new();
    while boards.len() < 8 {
        // Not more for a list that is still empty: a slow machine would never read to the end.
        wanted.store(MORE * (boards.len() + 1), Ordering::Release);
        let (cursor, mut seen) = listed(&app, "all").await;
        if seen.is_empty() {
            continue;
        }
        let mut feed = follow(&app, "all", FEED, json!({ "from": cursor })).await;
        boards.spawn(async move {
            let listed = seen.len();
            loop {
                let breach = &records(&mut feed, 1).await[0]["breach"];
                if breach["tenant"]["slug"] == "other" {
                    return (listed, seen.len());
                }
                seen.insert(breach["uuid"].as_str().unwrap().to_owned());
            }
        });
    }
    writing.store(false, Ordering::Release);
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    // Everything is in the log before the record that ends it.
    while listed(&app, "all").await.1.len() < written {}
    let client = app.database.client().await;
    client.batch_execute(&chats(OTHER_SLA, 1, "now() - interval '1 hour'")).await.unwrap();
    while let Some(board) = boards.join_next().await {
        let (listed, seen) = board.unwrap();
        assert!(listed < written, "{listed} of {written} were in the list");
        assert_eq!(seen, written);
    }

    // What a list gave out is not what a feed is resumed from, nor the other way round, and both say so.
    let data = app.data("all", "{ feedCursor breaches(first: 1) { edges { cursor } } }", json!({})).await;
    let (own, others) = (&data["feedCursor"], &data["breaches"]["edges"][0]["cursor"]);
    let refused = told(&mut follow(&app, "all", FEED, json!({ "from": others })).await).await;
    let [error] = refused["errors"].as_array().unwrap().as_slice() else { panic!("{refused}") };
    assert_eq!(error["extensions"]["code"], "CURSOR_INVALID");
    assert!(
        error["message"].as_str().unwrap().contains("pass the cursor of an event, or the feedCursor"),
        "{error}"
    );
    let query = "query ($after: String) { breaches(after: $after) { nodes { uuid } } }";
    let refused = app.ask("all", query, json!({ "after": own })).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "CURSOR_INVALID", "{refused}");
    // It is for those who may follow.
    let refused = app.ask("", "{ feedCursor }", json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_closed_at_shutdown_is_told_where_to_resume() {
    let app = world().await;
    let client = app.database.client().await;
    client.batch_execute(&chats(SLA, 3, "now() - interval '1 day'")).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let config = HttpConfig { metrics: true, ..HttpConfig::default() };
    let serving = tokio::spawn(serve(listener, app.gateway.clone(), config, shutdown.clone()));
    let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    let query = "subscription { breaches(after: \"0\") { cursor breach { uuid } } }";
    for said in [
        json!({ "type": "connection_init", "payload": { "token": app.token("all") } }),
        json!({ "type": "subscribe", "id": "1", "payload": { "query": query } }),
    ] {
        socket.send(Message::text(said.to_string())).await.unwrap();
        // The acknowledgement must be there before the subscription.
        if said["type"] == "connection_init" {
            socket.next().await.unwrap().unwrap();
        }
    }
    let mut cursor = Value::Null;
    for _ in 0..3 {
        let Some(Ok(Message::Text(text))) = socket.next().await else { panic!("an event was to come") };
        let event: Value = serde_json::from_str(&text).unwrap();
        cursor = event["payload"]["data"]["breaches"]["cursor"].clone();
    }
    let mut figures = TcpStream::connect(address).await.unwrap();
    figures.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut told = String::new();
    figures.read_to_string(&mut told).await.unwrap();
    for line in [
        "sla_feed_head_position 3",
        "sla_feed_delivered_total 3",
        "sla_ws_subscriptions 1",
        "sla_scheduler_overdue_rows 0",
    ] {
        assert!(told.contains(&format!("\n{line}\n")), "{line} is not in {told}");
    }
    shutdown.cancel();
    let closed = loop {
        match timeout(Duration::from_secs(10), socket.next()).await.expect("in time") {
            Some(Ok(Message::Close(Some(frame)))) => break frame,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    let reason = format!("The gateway shuts down: resume elsewhere;after={}", cursor.as_str().unwrap());
    assert_eq!((u16::from(closed.code), closed.reason.as_str()), (1012, reason.as_str()));
    drop(socket);
    timeout(Duration::from_secs(10), serving).await.expect("it ends").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_of_open_sockets_are_looked_at_in_turn_after_a_change_of_rights() {
    let app = App::sampled().await;
    let mut client = app.database.client().await;
    let token_interval = Duration::from_secs(3);
    let config = HttpConfig { token_interval, ..HttpConfig::default() };
    let server = server_over(app.gateway.clone(), config).await;
    let mut sockets = Vec::new();
    for nth in 0..16 {
        let login = format!("board{nth}");
        person(&client, &login, "wna", "breaches:read").await;
        let mut socket = server.open(&[("sec-websocket-protocol", "graphql-transport-ws")]).await.unwrap();
        socket.say(json!({ "type": "connection_init", "payload": { "token": app.token(&login) } })).await;
        assert_eq!(socket.hear().await["type"], "connection_ack");
        sockets.push(socket);
    }
    let watch = app.database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE role_grant IN ACCESS EXCLUSIVE MODE").await.unwrap();
    watch.batch_execute("UPDATE authorization_epoch SET epoch = epoch + 1").await.unwrap();
    app.database.waited_for().await;
    // All of them are looked at by then.
    let begun = Instant::now();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while begun.elapsed() < token_interval {
        let held: i64 = watch.query_one(waiting, &[]).await.unwrap().get(0);
        assert!(held <= 4, "{held} of 8 connections");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lock.rollback().await.unwrap();
    // Who is found to be nobody any more is cut off.
    let gone = "UPDATE person SET login = NULL WHERE login = 'board0'";
    watch.batch_execute(gone).await.unwrap();
    assert_eq!(sockets[0].closed().await.0, 4403);
    sockets[1].subscribe("1", "{ viewer { name } }").await;
    assert_eq!(sockets[1].hear().await["payload"]["data"]["viewer"]["name"], "board1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_in_a_fragment_is_followed() {
    let app = world().await;
    let live = "subscription { ... { ...Live } } fragment Live on Subscription { breaches { cursor } }";
    let mut following = follow(&app, "all", live, json!({})).await;
    assert!(told(&mut following).await["data"]["breaches"]["cursor"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_recorded_was_recorded_at_no_time() {
    let app = world().await;
    let client = app.database.client().await;
    let never = "subscription { breaches(after: \"0\", filter: { detectedAt: { isNull: true } }) { breach { uuid } } }";
    let mut none = follow(&app, "all", never, json!({})).await;
    let mut all = follow(&app, "all", &never.replace("true", "false"), json!({})).await;
    client.batch_execute(&chats(SLA, 1, "now() - interval '1 hour'")).await.unwrap();
    while told(&mut all).await["data"]["breaches"]["breach"].is_null() {}
    let deadline = Instant::now() + Duration::from_millis(700);
    while let Ok(event) = timeout_at(deadline, none.next()).await {
        assert_eq!(event.unwrap()["data"]["breaches"], json!({ "breach": null }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_what_is_told_waits_for_nothing_that_the_one_who_is_told_asks_besides() {
    let app = world().await;
    let mut client = app.database.client().await;
    person(&client, "busy", "root", "breaches:read,slas:read,catalog:read").await;
    let mut following = follow(&app, "busy", FEED, json!({})).await;
    assert!(told(&mut following).await["data"]["breaches"]["breach"].is_null());
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE site IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let slow = (0..8).map(|_| app.send("busy", "{ sites { nodes { name } } }", json!({})));
    let meanwhile = async {
        let watch = app.database.client().await;
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        // As many as one viewer may have of the eight connections.
        while watch.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < 4 {
            sleep(Duration::from_millis(20)).await;
        }
        watch.batch_execute(&chats(SLA, 1, "now() - interval '1 hour'")).await.unwrap();
        let told = timeout(Duration::from_secs(8), records(&mut following, 1)).await;
        lock.rollback().await.unwrap();
        told
    };
    let (_, told) = tokio::join!(join_all(slow), meanwhile);
    assert_eq!(told.expect("it waits for the queries")[0]["breach"]["sla"]["name"], "a");
}
