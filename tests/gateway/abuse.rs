//! What one client can take from all others: connections to the store, places, memory.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use sla_gateway::http::HttpConfig;
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::introspection::refusal;
use crate::socket::server_over;
use crate::toy::Toy;

const READER: &str = "reader@wna.example.com";
const MANAGER: &str = "manager@wna.example.com";

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
    socket.subscribe("1", "subscription { breaches(after: \"0\") { breach { sla { name } } } }").await;
    let told = timeout(Duration::from_secs(40), async {
        loop {
            match timeout(Duration::from_secs(9), socket.hear()).await {
                Ok(told) => break told,
                Err(_silent) => {}
            }
        }
    });
    let told = told.await.expect("it is answered for ever");
    assert_eq!(told["payload"]["errors"][0]["extensions"]["code"], "TIMEOUT", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_texts_take_no_more_memory_than_there_is() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    client.batch_execute("UPDATE sla SET remarks = repeat('x', 65536)").await.unwrap();
    let one = "{ slas(first: 100) { nodes { id remarks } } }";
    assert_eq!(app.ask(READER, one, json!({})).await["errors"], Value::Null);
    let names = (0..200).map(|n| format!("r{n}: remarks ")).collect::<String>();
    let answer =
        app.ask(READER, &format!("{{ slas(first: 100) {{ nodes {{ {names} }} }} }}"), json!({})).await;
    let (code, message) = refusal(&answer).unwrap();
    assert!(code == "LIMIT_EXCEEDED" && message.contains("more than 32 MiB"), "{message}");
    // What is read for the answer has a bound of its own: an SLA comes with each clock of it.
    let pages =
        (0..45).map(|n| format!("p{n}: affectedSlas(first: 100) {{ nodes {{ sla {{ remarks }} }} }} "));
    let answer = app.ask(READER, &format!("{{ {} }}", pages.collect::<String>()), json!({})).await;
    let (code, message) = refusal(&answer).unwrap();
    assert!(code == "LIMIT_EXCEEDED" && message.contains(" MiB"), "{message}");
}

