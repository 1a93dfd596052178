//! What happened to a request, as it is read: under its sender's name, in its place, in the words of chats and calls.

use serde_json::{Value, json};

use crate::app::App;
use crate::intake::{call, key, mutate, ticket, with, world, written};

const AT: &str = "2026-03-02T10:05:00Z";

/// The events of a request under an argument that filters or orders them.
async fn events(app: &App, request: &Value, argument: &str) -> Vec<Value> {
    let query = format!(
        "query($id: ID!) {{ request(id: $id) {{ events{argument} {{
           nodes {{ id uuid eventKey sequence kind status request {{ id }} }} }} }} }}"
    );
    let mut data = app.data("agent", &query, json!({ "id": request["id"] })).await;
    serde_json::from_value(data["request"]["events"]["nodes"].take()).unwrap()
}

fn told<'a>(events: &'a [Value], field: &str) -> Vec<&'a Value> {
    events.iter().map(|event| &event[field]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_tells_its_request_its_key_and_what_it_is_in_the_words_of_chats_and_calls() {
    let app = world().await;
    let chat = with(call(), json!({ "channel": "CHAT", "slaId": null }));
    for (request, kind, read) in [(call(), "ANSWERED", "ANSWERED"), (chat, "TAKEN", "TAKEN")] {
        let request = written(&app, "requestRegister", request).await;
        let event = |kind: &str, key: &str, at: &str| json!({ "requestId": request["id"], "kind": kind, "eventKey": key, "occurredAt": at });
        written(&app, "requestRecord", event(kind, "one", AT)).await;
        written(&app, "requestRecord", event("ABANDONED", "two", "2026-03-02T10:06:00Z")).await;
        let all = events(&app, &request, "").await;
        assert_eq!(told(&all, "kind"), [&Value::Null, &json!(read), &json!("ABANDONED")]);
        assert!(all.iter().all(|event| event["request"]["id"] == request["id"]));
        let one = events(&app, &request, "(filter: { eventKey: { eq: \"one\" } })").await;
        assert_eq!(one, all[1..2]);
        let others = events(&app, &request, "(filter: { eventKey: { notIn: [\"one\", \"two\"] } })").await;
        assert_eq!(told(&others, "eventKey"), ["registered"]);
        // Alone, too, by either of its ids.
        for id in ["id", "uuid"] {
            let query = "query($id: ID!) { node(id: $id) { ... on RequestEvent { kind } } }";
            let data = app.data("agent", query, json!({ "id": one[0][id] })).await;
            assert_eq!(data["node"]["kind"], read);
        }
    }
    // A ticket is in none of these words.
    let request = written(&app, "requestRegister", ticket()).await;
    let event = json!({ "requestId": request["id"], "status": "IN_PROGRESS", "occurredAt": AT });
    written(&app, "requestRecord", event).await;
    assert_eq!(told(&events(&app, &request, "").await, "kind"), [&Value::Null; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_events_of_one_instant_are_read_in_their_sequence_however_they_were_told() {
    let app = world().await;
    let request = written(&app, "requestRegister", ticket()).await;
    for (sequence, status) in [(3, "COMPLETED"), (1, "ACCEPTED"), (2, "IN_PROGRESS")] {
        let event =
            json!({ "requestId": request["id"], "status": status, "sequence": sequence, "occurredAt": AT });
        written(&app, "requestRecord", event).await;
    }
    for (argument, expected) in
        [("", [0, 1, 2, 3]), ("(orderBy: [{ field: SEQUENCE, direction: DESC }])", [3, 2, 1, 0])]
    {
        let all = events(&app, &request, argument).await;
        assert_eq!(told(&all, "sequence"), expected, "{argument}");
    }
    // Page by page they are the same.
    let mut after = Value::Null;
    for expected in 0..4 {
        let query = "query($id: ID!, $after: String) { request(id: $id) { events(first: 1, after: $after) {
            nodes { sequence } pageInfo { endCursor } } } }";
        let data = app.data("agent", query, json!({ "id": request["id"], "after": after })).await;
        let page = &data["request"]["events"];
        assert_eq!(page["nodes"], json!([{ "sequence": expected }]));
        after = page["pageInfo"]["endCursor"].clone();
    }
    let none = format!("(filter: {{ tenant: {{ notIn: [\"{}\"] }} }})", key(1));
    assert_eq!(events(&app, &request, &none).await, [Value::Null; 0], "its tenant is that of the request");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_before_the_registration_tells_how_things_stood_when_the_clocks_started() {
    let app = world().await;
    let input = with(ticket(), json!({ "impact": null }));
    let request = written(&app, "requestRegister", input).await;
    let early = json!({
        "requestId": request["id"], "impact": "TOP", "status": "COMPLETED", "occurredAt": "2026-03-02T09:00:00Z",
    });
    let request = written(&app, "requestRecord", early).await;
    // The registration says the status, and nothing of the impact.
    assert_eq!((&request["impact"], &request["status"]), (&json!("TOP"), &json!("ASSIGNED")));
    let clock = crate::intake::clock(&request, "Mail server");
    assert_eq!(clock["startedAt"], "2026-03-02T10:00:00Z");
    assert_eq!(clock["responseTargetAt"], "2026-03-02T10:30:00Z");
    assert_eq!(clock["actualResponseAt"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_key_is_called_by_its_number_zero_is_none_and_the_registrations_name_is_refused() {
    let app = world().await;
    let request = written(&app, "requestRegister", ticket()).await;
    let event = |number: u32, status: &str, at: &str| {
        json!({
            "requestId": request["id"], "sequence": number, "status": status, "occurredAt": format!("2026-03-02T{at}:00Z"),
        })
    };
    written(&app, "requestRecord", event(0, "IN_PROGRESS", "10:05")).await;
    written(&app, "requestRecord", event(7, "ACCEPTED", "10:06")).await;
    written(&app, "requestRecord", event(7, "DECLINED", "10:07")).await;
    let done = written(&app, "requestRecord", event(0, "COMPLETED", "10:08")).await;
    assert_eq!(done["status"], "COMPLETED");
    let all = events(&app, &request, "").await;
    let statuses = ["ASSIGNED", "IN_PROGRESS", "ACCEPTED", "COMPLETED"];
    assert_eq!(told(&all, "status"), statuses);
    assert_eq!(all[2]["eventKey"], "7");

    let reserved = with(event(1, "ACCEPTED", "10:09"), json!({ "eventKey": "registered" }));
    let refused = mutate(&app, "agent", "requestRecord", reserved).await;
    assert_eq!(refused["errors"][0]["path"], json!(["input", "eventKey"]), "{refused}");
    assert_eq!((&refused["errors"][0]["code"], &refused["request"]), (&json!("INVALID"), &Value::Null));
}
