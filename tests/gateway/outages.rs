//! The store is away for a while, or takes no writes: what clients are told, and that all comes back by itself.

use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::StreamExt;
use serde_json::json;
use sla_gateway::error::Error;
use sla_gateway::graphql::document::Ask;
use sla_gateway::store::connect::pool;
use tokio::time::{Instant, sleep, timeout};

use crate::app::App;
use crate::breaches::{SLA, chats};
use crate::database::Database;
use crate::following::{FEED, follow, records, world};
use crate::introspection::refusal;

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_store_is_told_as_such_and_over_by_itself() {
    let app = world().await;
    let client = app.database.client().await;
    let mut feed = follow(&app, "all", FEED, json!({ "from": "0" })).await;
    client.batch_execute(&chats(SLA, 1, "now() - interval '1 hour'")).await.unwrap();
    records(&mut feed, 1).await;
    let query = "{ breaches { totalCount } }";
    // One who is known already, and one whose token has to be looked up.
    let known = app.gateway.viewer(Some(&app.token("all"))).await.unwrap();
    let prepare =
        |query: &str| app.gateway.prepare(Ask { query: Some(query.into()), ..Ask::default() }).unwrap();
    let operation = prepare(query);
    // One who resumes from where this replica has not read yet, so that the store must say what that is.
    let cursor =
        app.data("all", "{ feedCursor }", json!({})).await["feedCursor"].as_str().unwrap().to_owned();
    let mut bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap();
    bytes[14] = 1;
    let ahead =
        format!("subscription {{ breaches(after: \"{}\") {{ cursor }} }}", URL_SAFE_NO_PAD.encode(bytes));
    let ahead = prepare(&ahead);
    // They fall due while it is away.
    client.batch_execute(&chats(SLA, 3, "now() + interval '1 second'")).await.unwrap();
    app.database.admit(false).await;
    let told = Some((
        "UNAVAILABLE",
        "The store cannot do this just now, being away, full, or closed to writes: try again in a moment. If it was to \
         write, nobody can tell whether that was done: its clientMutationId says what makes it safe to send again.",
    ));
    for _ in 0..3 {
        let answer = app.gateway.execute(operation.clone(), known.clone()).await;
        assert_eq!(refusal(&serde_json::to_value(&answer).unwrap()), told, "{answer:?}");
        let (status, answer) = app.send("same", query, json!({})).await;
        assert_eq!((status, refusal(&answer)), (StatusCode::SERVICE_UNAVAILABLE, told), "{answer}");
        sleep(Duration::from_millis(500)).await;
    }
    assert!(app.gateway.ready().await.is_err());
    let mut resumed = app.gateway.subscribe(ahead, known.clone());
    let early = timeout(Duration::from_millis(700), resumed.next()).await;
    assert!(early.is_err(), "it waits for the store, but {early:?}");
    app.database.admit(true).await;
    let answer = resumed.next().await.unwrap();
    assert!(answer.json().contains("CURSOR_INVALID"), "{}", answer.json());
    let begun = Instant::now();
    while app.gateway.ready().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not come back");
        sleep(Duration::from_millis(50)).await;
    }
    // The subscription that was open all the while goes on.
    records(&mut feed, 3).await;
    assert_eq!(app.data("all", query, json!({})).await["breaches"]["totalCount"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_told_whole_just_then_is_told_when_it_can() {
    let app = world().await;
    let client = app.database.client().await;
    let mut feed = follow(&app, "all", FEED, json!({ "from": "0" })).await;
    // The log is read, but what is selected of a record is not: as where no new connections are let in.
    let away = "BEGIN;
        ALTER TABLE sla RENAME TO sla_behind;
        CREATE FUNCTION reached() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'No space left on device'; END $$;
        CREATE VIEW sla AS SELECT * FROM sla_behind WHERE reached();
        COMMIT";
    client.batch_execute(&chats(SLA, 2, "now() + interval '1 second'")).await.unwrap();
    client.batch_execute(away).await.unwrap();
    let recorded =
        async || -> i64 { client.query_one("SELECT count(*) FROM breach_log", &[]).await.unwrap().get(0) };
    let begun = Instant::now();
    while recorded().await < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing is recorded");
        sleep(Duration::from_millis(50)).await;
    }
    let begun = Instant::now();
    while let Ok(event) = timeout(Duration::from_secs(4).saturating_sub(begun.elapsed()), feed.next()).await {
        let event = event.unwrap();
        assert_eq!(event["data"]["breaches"]["breach"], serde_json::Value::Null, "{event}");
        assert_eq!(event["errors"], serde_json::Value::Null, "{event}");
    }
    let back = "CREATE OR REPLACE FUNCTION reached() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$";
    client.batch_execute(back).await.unwrap();
    for record in records(&mut feed, 2).await {
        assert_ne!(record["breach"]["sla"]["name"], serde_json::Value::Null, "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_role_gives_no_more_time_for_is_a_timeout_and_no_failure_of_ours() {
    let database = Database::new().await;
    let holder = database.client().await;
    holder.batch_execute("BEGIN; LOCK TABLE tenant").await.unwrap();
    let mut conn = AsyncPgConnection::establish(&database.url).await.unwrap();
    for limit in ["lock_timeout", "statement_timeout"] {
        let late =
            conn.batch_execute(&format!("SET {limit} = '50ms'; SELECT FROM tenant")).await.unwrap_err();
        assert_eq!(Error::from(late).code(), "TIMEOUT", "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_sees_what_was_committed_before_it_whatever_the_database_is_set_to() {
    let database = Database::new().await;
    let name = database.url.rsplit('/').next().unwrap();
    let set = format!("ALTER DATABASE {name} SET default_transaction_isolation = serializable");
    database.client().await.batch_execute(&set).await.unwrap();
    let pool = pool(&database.url, 1).unwrap();
    let seen = "DO $$ BEGIN ASSERT current_setting('transaction_isolation') = 'read committed'; END $$";
    pool.get().await.unwrap().batch_execute(seen).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_nobody_goes_on_with_is_ended_and_gives_its_locks_back() {
    let database = Database::new().await;
    let mut left = pool(&database.url, 1).unwrap().get().await.unwrap();
    let set = "DO $$ BEGIN ASSERT current_setting('idle_in_transaction_session_timeout') = '30s'; END $$";
    left.batch_execute(set).await.unwrap();
    // Shorter than it is, for the test's sake.
    let leave = "SET idle_in_transaction_session_timeout = '50ms'; BEGIN; LOCK TABLE tenant";
    left.batch_execute(leave).await.unwrap();
    let client = database.client().await;
    let free = client.batch_execute("BEGIN; LOCK TABLE tenant; COMMIT");
    timeout(Duration::from_secs(20), free).await.expect("the lock is given back").unwrap();
    let lost = left.batch_execute("SELECT 1").await.unwrap_err();
    assert_eq!(Error::from(lost).code(), "UNAVAILABLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_no_writes_is_read_and_comes_back_by_itself() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    let manager = "manager@wna.example.com";
    let tenant =
        app.data(manager, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let make =
        "mutation($t: ID!) { teamCreate(input: { tenantId: $t, name: \"Late\", clientMutationId: \"1\" }) {
        team { name } errors { message } } }";
    let database = app.database.name();
    let frozen = |on: &str| format!("ALTER DATABASE {database} SET default_transaction_read_only = {on}");
    client.batch_execute(&frozen("on")).await.unwrap();
    // New connections are like that: as those that lead to a standby since another server took over.
    app.database.admit(false).await;
    app.database.admit(true).await;
    let read = async || app.send(manager, "{ tenant(slug: \"wna\") { name } }", json!({})).await.1;
    let write = async || app.send(manager, make, json!({ "t": tenant })).await.1;
    let begun = Instant::now();
    while read().await["data"]["tenant"]["name"] != "Widget North America" {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not read either");
    }
    let refused = write().await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{refused}");
    let client = app.database.client().await;
    client.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    client.batch_execute(&frozen("off")).await.unwrap();
    let begun = Instant::now();
    loop {
        let answer = write().await;
        if answer["data"]["teamCreate"]["team"]["name"] == "Late" {
            break;
        }
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(60), "its connections stay as they were");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_never_answered_is_given_up_with_its_connection() {
    let app = App::new().await;
    let mut client = app.database.client().await;
    let other = app.database.client().await;
    // What is looked at again and again for changes of rights.
    let held = client.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE authorization_epoch IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let waiting = async || -> Vec<i32> {
        let pids =
            "SELECT pid FROM pg_locks WHERE relation = 'authorization_epoch'::regclass AND NOT granted";
        other.query(pids, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    let begun = Instant::now();
    let mut first = Vec::new();
    while first.is_empty() {
        first = waiting().await;
        sleep(Duration::from_millis(50)).await;
    }
    while waiting().await.contains(&first[0]) {
        assert!(begun.elapsed() < Duration::from_secs(90), "it waits for ever");
        sleep(Duration::from_millis(500)).await;
    }
    drop(held);
}
