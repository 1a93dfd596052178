//! The store is away for a while: what clients are told, and that all comes back by itself.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use sla_gateway::graphql::document::Ask;
use tokio::time::{Instant, sleep};

use crate::breaches::{SLA, chats};
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
    let operation = app.gateway.prepare(Ask { query: Some(query.into()), ..Ask::default() }).unwrap();
    // They fall due while it is away.
    client.batch_execute(&chats(SLA, 3, "now() + interval '1 second'")).await.unwrap();
    app.database.admit(false).await;
    let told = Some((
        "UNAVAILABLE",
        "The store cannot be reached just now: try again in a moment, a write under the same clientMutationId.",
    ));
    for _ in 0..3 {
        let answer = app.gateway.execute(operation.clone(), known.clone()).await;
        assert_eq!(refusal(&serde_json::to_value(&answer).unwrap()), told, "{answer:?}");
        let (status, answer) = app.send("same", query, json!({})).await;
        assert_eq!((status, refusal(&answer)), (StatusCode::SERVICE_UNAVAILABLE, told), "{answer}");
        sleep(Duration::from_millis(500)).await;
    }
    assert!(app.gateway.ready().await.is_err());
    app.database.admit(true).await;
    let begun = Instant::now();
    while app.gateway.ready().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(5), "it does not come back");
        sleep(Duration::from_millis(50)).await;
    }
    // The subscription that was open all the while goes on.
    records(&mut feed, 3).await;
    assert_eq!(app.data("all", query, json!({})).await["breaches"]["totalCount"], 4);
}
