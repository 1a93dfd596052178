//! Chats that are given another SLA while they wait (rule S12).

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_postgres::error::SqlState;

use crate::app::App;
use crate::intake::{
    breaches, call, clock, key, mutate, number, pairs, recorded, ticket, with, world, written,
};

/// Ten o'clock and so many minutes.
fn at(minutes: u32) -> String {
    format!("2026-03-02T10:{minutes:02}:00Z")
}

/// The world of intake, whose chats are due within five minutes, with further policies: within 30 minutes and within two.
pub(crate) async fn desk() -> Arc<App> {
    let app = world().await;
    for (number, name, minutes) in [(301, "Patient", 30), (302, "Quick", 2)] {
        let policy = format!(
            "BEGIN; INSERT INTO sla (root_id, id, tenant_id, kind, name, status, active_version_id, livechat_due_minutes)
               VALUES ('{root}', '{id}', '{root}', 'livechat', '{name}', 'active', '{id}', {minutes});
             INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, due_time_in_minutes)
               VALUES ('{root}', '{id}', '{root}', '{id}', 1, 'v1', 'livechat', {minutes}); COMMIT",
            root = key(1),
            id = key(number),
        );
        app.database.client().await.batch_execute(&policy).await.unwrap();
    }
    app
}

const PATIENT: u32 = 301;
const QUICK: u32 = 302;

async fn queued(app: &App) -> Value {
    let chat = json!({ "tenantId": key(1), "channel": "CHAT", "subject": "Hi", "registeredAt": at(0) });
    written(app, "requestRegister", chat).await
}

fn given(request: &Value, sla: u32, minutes: u32) -> Value {
    json!({ "requestId": request["id"], "slaId": key(sla), "occurredAt": at(minutes) })
}

fn taken(request: &Value, minutes: u32) -> Value {
    json!({ "requestId": request["id"], "kind": "TAKEN", "occurredAt": at(minutes) })
}

/// What is told of the clocks of a request, in the order in which they were made.
async fn clocks(app: &App, request: &Value) -> Value {
    let query = "query($id: ID!) { request(id: $id) { affectedSlas(orderBy: [{ field: CREATED_AT }, { field: ID }]) { nodes {
        sla { name } startedAt supersededAt responseTargetAt actualResponseAt nextTarget accountability
        explanation { response { from to } } } } } }";
    app.data("agent", query, json!({ "id": request["id"] })).await["request"]["affectedSlas"]["nodes"].take()
}

/// Of each clock: its SLA, when it was superseded, until when the chat is to be taken and whether somebody is still to do that.
fn told(clocks: &Value) -> Vec<[Value; 4]> {
    let told = |clock: &Value| {
        [&clock["sla"]["name"], &clock["supersededAt"], &clock["responseTargetAt"], &clock["nextTarget"]]
            .map(Value::clone)
    };
    clocks.as_array().unwrap().iter().map(told).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_a_chat_that_waits_is_due_by_the_sla_that_it_is_given_in_whatever_order_that_is_told() {
    let app = desk().await;
    let expected = [
        [json!("Chats"), json!(at(3)), Value::Null, json!("NONE")],
        [json!("Patient"), Value::Null, json!(at(30)), json!("NONE")],
    ];
    let mut all = Vec::new();
    for order in [[0, 1], [1, 0]] {
        let request = queued(&app).await;
        let events = [given(&request, PATIENT, 3), taken(&request, 20)];
        for event in order {
            written(&app, "requestRecord", events[event].clone()).await;
        }
        all.push(clocks(&app, &request).await);
    }
    let request = queued(&app).await;
    let rows = json!({ "rows": [taken(&request, 20), given(&request, PATIENT, 3)] });
    let many = "mutation($input: RequestRecordManyInput!) { requestRecordMany(input: $input) {
        results { errors { message } } } }";
    let results =
        app.data("agent", many, json!({ "input": rows })).await["requestRecordMany"]["results"].take();
    assert_eq!(results, json!([{ "errors": [] }, { "errors": [] }]));
    all.push(clocks(&app, &request).await);
    for clocks in &all {
        assert_eq!(told(clocks), expected);
        assert_eq!(clocks, &all[0]);
    }
    let superseded = &all[0][0];
    assert_eq!(
        (
            &superseded["actualResponseAt"],
            &superseded["accountability"],
            &superseded["explanation"]["response"]["to"]
        ),
        (&Value::Null, &json!("SLA_NOT_AFFECTED"), &json!(at(3))),
        "the response is the other's"
    );
    let patient = &all[0][1];
    assert_eq!(
        (&patient["startedAt"], &patient["explanation"]["response"]["from"]),
        (&json!(at(0)), &json!(at(0))),
        "it is due so long after it was queued"
    );
    assert_eq!(number(&app, "SELECT count(*) FROM deadline").await, 0);
    let told = breaches(&app).await;
    let count = |phase: &str| told.iter().filter(|(_, told)| told == phase).count();
    assert_eq!(
        count("BREACHED"),
        count("RETRACTED BREACHED"),
        "neither was due while it was in force (rule X14)"
    );
    let level = "query($id: ID!) { sla(id: $id) { attainment(from: \"2026-03-01T00:00:00Z\", to: \"2026-04-01T00:00:00Z\") {
        total { response { met excluded } livechat { entered answeredWithin ignoredAbandons } } } } }";
    let all_three = json!({ "response": { "met": 3, "excluded": 0 },
        "livechat": { "entered": 3, "answeredWithin": 3, "ignoredAbandons": 0 } });
    let none = json!({ "response": { "met": 0, "excluded": 3 }, "livechat": null });
    for (sla, expected) in [(83, none), (PATIENT, all_three)] {
        let data = app.data("agent", level, json!({ "id": key(sla) })).await;
        assert_eq!(
            data["sla"]["attainment"]["total"], expected,
            "a chat counts for the SLA that it was given last"
        );
    }
    let replay = "query($id: ID!) { simulateSlaTerms(slaId: $id, terms: { livechat: { dueTimeInMinutes: 1 } },
        from: \"2026-03-01T00:00:00Z\", to: \"2026-04-01T00:00:00Z\") { replayed after { livechat { answeredWithin } } } }";
    for sla in [83, PATIENT] {
        let data = app.data("agent", replay, json!({ "id": key(sla) })).await;
        let expected = json!({ "replayed": 3, "after": { "livechat": { "answeredWithin": 0 } } });
        assert_eq!(
            data["simulateSlaTerms"], expected,
            "that would have been over before the chat was given another SLA"
        );
    }
    let event = "query($id: ID!) { request(id: $id) { events { nodes { sla { name } } } } }";
    let data = app.data("agent", event, json!({ "id": request["id"] })).await;
    assert_eq!(
        data["request"]["events"]["nodes"],
        json!([{ "sla": null }, { "sla": { "name": "Patient" } }, { "sla": null }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_once_it_is_taken_or_given_up_a_chat_keeps_its_sla_however_late_that_is_told() {
    let app = desk().await;
    let request = queued(&app).await;
    written(&app, "requestRecord", given(&request, PATIENT, 4)).await;
    assert_eq!(
        told(&clocks(&app, &request).await)[1],
        [json!("Patient"), Value::Null, json!(at(30)), json!("RESPONSE")]
    );
    written(&app, "requestRecord", taken(&request, 3)).await;
    assert_eq!(
        told(&clocks(&app, &request).await),
        [
            [json!("Chats"), Value::Null, json!(at(5)), json!("NONE")],
            [json!("Patient"), Value::Null, Value::Null, json!("NONE")],
        ]
    );
    let lists = "query($id: ID!) { affectedSlas(filter: { request: { in: [$id] } }) { totalCount } }";
    let listed = app.data("agent", lists, json!({ "id": request["id"] })).await;
    assert_eq!(listed["affectedSlas"]["totalCount"], 2);
    let another = queued(&app).await;
    written(&app, "requestRecord", given(&another, PATIENT, 3)).await;
    let superseded = "{ affectedSlas(filter: { supersededAt: { isNull: false } }) { nodes { sla { name } supersededAt } } }";
    let listed = app.data("agent", superseded, json!({})).await;
    let expected = json!([{ "sla": { "name": "Chats" }, "supersededAt": at(3) }]);
    assert_eq!(listed["affectedSlas"]["nodes"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_b5_what_was_breached_before_stays_and_the_new_term_may_be_breached_at_once() {
    let app = desk().await;
    let request = queued(&app).await;
    let before = recorded(&app, 2).await;
    assert_eq!(before, pairs(&[("DUE_TIME", "BREACHED"), ("DUE_TIME", "WARNING")]));
    // By then the first was due, and it was true.
    written(&app, "requestRecord", given(&request, QUICK, 10)).await;
    let twice = pairs(&[
        ("DUE_TIME", "BREACHED"),
        ("DUE_TIME", "BREACHED"),
        ("DUE_TIME", "WARNING"),
        ("DUE_TIME", "WARNING"),
    ]);
    assert_eq!(recorded(&app, 4).await, twice);
    assert_eq!(
        told(&clocks(&app, &request).await),
        [
            [json!("Chats"), json!(at(10)), json!(at(5)), json!("NONE")],
            [json!("Quick"), Value::Null, json!(at(2)), json!("RESPONSE")],
        ]
    );
    let level = "query($id: ID!) {
        sla(id: $id) { attainment(from: \"2026-03-01T00:00:00Z\", to: \"2026-04-01T00:00:00Z\") {
          total { response { breached } livechat { entered } } } }
        simulateSlaTerms(slaId: $id, terms: { livechat: { dueTimeInMinutes: 20 } },
            from: \"2026-03-01T00:00:00Z\", to: \"2026-04-01T00:00:00Z\") {
          before { response { breached } livechat { entered } } after { response { breached excluded } livechat { entered } } } }";
    let data = app.data("agent", level, json!({ "id": key(83) })).await;
    let breached = json!({ "response": { "breached": 1 }, "livechat": { "entered": 1 } });
    assert_eq!(data["sla"]["attainment"]["total"], breached, "who gives it another makes no promise kept");
    assert_eq!(
        data["simulateSlaTerms"],
        json!({ "before": breached, "after": { "response": { "breached": 0, "excluded": 1 }, "livechat": null } })
    );
    // Told late that it was given another before it was due: that proves the first records wrong (rule X14).
    written(&app, "requestRecord", given(&request, PATIENT, 3)).await;
    let retracted =
        breaches(&app).await.into_iter().filter(|(_, phase)| phase.starts_with("RETRACTED")).count();
    assert_eq!(retracted, 2, "{:?}", breaches(&app).await);
    // Back to the first: it is in force, and was due.
    written(&app, "requestRecord", given(&request, 83, 40)).await;
    let clocks = clocks(&app, &request).await;
    let superseded: Vec<&Value> =
        clocks.as_array().unwrap().iter().map(|clock| &clock["supersededAt"]).collect();
    assert_eq!(superseded, [&Value::Null, &json!(at(40)), &json!(at(10))]);
    assert_eq!(told(&clocks)[0], [json!("Chats"), Value::Null, json!(at(5)), json!("RESPONSE")]);
}

/// What the log says of a clock of a request, by its SLA.
async fn logged(app: &App, request: &Value, sla: &str) -> Vec<String> {
    let query =
        "query($id: ID!) { request(id: $id) { affectedSlas { nodes { sla { name } breaches { phase } } } } }";
    let request = app.data("agent", query, json!({ "id": request["id"] })).await["request"].take();
    let records = clock(&request, sla)["breaches"].as_array().unwrap();
    let mut phases: Vec<String> =
        records.iter().map(|record| record["phase"].as_str().unwrap().to_owned()).collect();
    phases.sort();
    phases
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_what_a_chat_was_given_too_late_is_taken_back_once_it_is_told_that_it_had_been_taken() {
    let app = desk().await;
    // The last is given at once overdue; before it, the chat had another, or had had the last one itself.
    for (steps, last) in [([(PATIENT, 1), (QUICK, 8)], "Quick"), ([(PATIENT, 3), (83, 8)], "Chats")] {
        let request = queued(&app).await;
        for (sla, minutes) in steps {
            written(&app, "requestRecord", given(&request, sla, minutes)).await;
        }
        let begun = Instant::now();
        // A warning and a breach stand; of the SLA that it had at first, two more were taken back.
        while logged(&app, &request, last).await.len() % 4 != 2 {
            assert!(begun.elapsed() < Duration::from_secs(30), "{last} is not breached");
            sleep(Duration::from_millis(50)).await;
        }
        written(&app, "requestRecord", taken(&request, 7)).await;
        let phases = logged(&app, &request, last).await;
        let retracted = phases.iter().filter(|phase| *phase == "RETRACTED").count();
        assert_eq!(2 * retracted, phases.len(), "{last}: {phases:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_an_sla_that_never_measured_a_chat_tells_no_response_and_none_is_made_after_the_wait() {
    let app = desk().await;
    let query = "query($id: ID!) { request(id: $id) { affectedSlas { nodes { sla { name } actualResponseAt nextTarget
        accountability supersededAt maximumResponseDuration
        explanation { timeZone response { from to countedMinutes allowanceSeconds } resolution { to } } } } } }";
    // In one event with its taking, after it, and before the chat was there.
    let too_late = [
        with(taken(&json!({ "id": null }), 4), json!({ "slaId": key(PATIENT) })),
        given(&json!({ "id": null }), PATIENT, 5),
        with(given(&json!({ "id": null }), PATIENT, 0), json!({ "occurredAt": "2026-03-02T09:59:00Z" })),
    ];
    for event in too_late {
        let request = queued(&app).await;
        if event["kind"].is_null() {
            written(&app, "requestRecord", taken(&request, 4)).await;
        }
        let event = with(event, json!({ "requestId": request["id"] }));
        let request = written(&app, "requestRecord", event).await;
        let names: Vec<&Value> = request["affectedSlas"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|clock| &clock["sla"]["name"])
            .collect();
        assert_eq!(names, ["Chats"]);
        assert_eq!(clock(&request, "Chats")["actualResponseAt"], at(4));
    }
    let request = queued(&app).await;
    written(&app, "requestRecord", given(&request, PATIENT, 4)).await;
    written(&app, "requestRecord", taken(&request, 3)).await;
    let data = app.data("agent", query, json!({ "id": request["id"] })).await;
    assert_eq!(
        clock(&data["request"], "Patient"),
        &json!({ "sla": { "name": "Patient" }, "actualResponseAt": null, "nextTarget": "NONE", "supersededAt": null,
            "accountability": "SLA_NOT_AFFECTED", "maximumResponseDuration": null,
            "explanation": { "timeZone": null, "resolution": null,
                "response": { "from": at(0), "to": at(0), "countedMinutes": 0, "allowanceSeconds": null } } })
    );
}

/// Switches an SLA on or off.
async fn switch(app: &App, sla: u32, active: bool) {
    let update = format!("UPDATE sla SET active = {active} WHERE id = '{}'", key(sla));
    app.database.client().await.batch_execute(&update).await.unwrap();
}

async fn record_many(app: &App, rows: &[Value]) {
    let many = "mutation($input: RequestRecordManyInput!) { requestRecordMany(input: $input) { written } }";
    let data = app.data("agent", many, json!({ "input": { "rows": rows } })).await;
    assert_eq!(data["requestRecordMany"]["written"], rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_what_is_not_active_is_given_to_no_chat_be_it_one_that_it_measured_before() {
    let app = desk().await;
    let request = queued(&app).await;
    written(&app, "requestRecord", given(&request, PATIENT, 1)).await;
    switch(&app, 83, false).await;
    written(&app, "requestRecord", given(&request, 83, 2)).await;
    let expected = [
        [json!("Chats"), json!(at(1)), Value::Null, json!("NONE")],
        [json!("Patient"), Value::Null, json!(at(30)), json!("RESPONSE")],
    ];
    assert_eq!(told(&clocks(&app, &request).await), expected);
    // Once told it stays so: what is told later does not ask again.
    switch(&app, 83, true).await;
    written(
        &app,
        "requestRecord",
        json!({ "requestId": request["id"], "impact": "LOW", "occurredAt": at(3) }),
    )
    .await;
    assert_eq!(told(&clocks(&app, &request).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_x14_of_two_that_are_given_at_once_the_active_one_measures_in_whatever_order_they_are_told() {
    let app = desk().await;
    switch(&app, QUICK, false).await;
    for order in [&[0, 1][..], &[1, 0], &[]] {
        let request = queued(&app).await;
        let events = [(PATIENT, 1), (QUICK, 2)]
            .map(|(sla, sequence)| with(given(&request, sla, 3), json!({ "sequence": sequence })));
        for event in order {
            written(&app, "requestRecord", events[*event].clone()).await;
        }
        if order.is_empty() {
            record_many(&app, &events).await;
        }
        let expected = [
            [json!("Chats"), json!(at(3)), Value::Null, json!("NONE")],
            [json!("Patient"), Value::Null, json!(at(30)), json!("RESPONSE")],
        ];
        assert_eq!(told(&clocks(&app, &request).await), expected, "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_x14_what_was_given_before_it_was_active_measures_from_when_it_is_given_again() {
    let app = desk().await;
    for order in [[0, 1], [1, 0]] {
        let request = queued(&app).await;
        // The first while it is switched off, the second while it is not.
        for event in order {
            switch(&app, PATIENT, event == 1).await;
            written(&app, "requestRecord", given(&request, PATIENT, [1, 4][event])).await;
        }
        let expected = [
            [json!("Chats"), json!(at(4)), Value::Null, json!("NONE")],
            [json!("Patient"), Value::Null, json!(at(30)), json!("RESPONSE")],
        ];
        assert_eq!(told(&clocks(&app, &request).await), expected, "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_x14_an_sla_that_a_chat_was_registered_under_before_it_was_active_measures_only_what_it_is_given()
{
    let app = desk().await;
    let starts = format!("UPDATE sla SET start_date = '2026-03-03' WHERE id = '{}'", key(QUICK));
    app.database.client().await.batch_execute(&starts).await.unwrap();
    let events = |request: &Value| {
        let id = &request["id"];
        [
            json!({ "requestId": id, "slaId": key(PATIENT), "occurredAt": "2026-03-02T23:55:00Z" }),
            json!({ "requestId": id, "slaId": key(QUICK), "occurredAt": "2026-03-03T00:10:00Z" }),
            json!({ "requestId": id, "kind": "TAKEN", "occurredAt": "2026-03-03T00:05:00Z" }),
        ]
    };
    for order in [[0, 2, 1], [0, 1, 2], [1, 0, 2]] {
        let chat = json!({ "tenantId": key(1), "channel": "CHAT", "subject": "Hi", "slaId": key(QUICK),
            "registeredAt": "2026-03-02T23:50:00Z" });
        let request = written(&app, "requestRegister", chat).await;
        for event in order {
            written(&app, "requestRecord", events(&request)[event].clone()).await;
        }
        let told = told(&clocks(&app, &request).await);
        let due = |name: &str| told.iter().find(|clock| clock[0] == name).map(|clock| clock[2].clone());
        assert_eq!(due("Patient"), Some(json!("2026-03-03T00:20:00Z")), "{order:?}");
        assert_eq!(due("Quick").unwrap_or_default(), Value::Null, "{order:?}: it never measured this chat");
    }
    let level = "query($id: ID!) { sla(id: $id) { attainment(from: \"2026-03-01T00:00:00Z\", to: \"2026-04-01T00:00:00Z\") {
        total { response { met breached running } } } } }";
    let data = app.data("agent", level, json!({ "id": key(QUICK) })).await;
    let none = json!({ "response": { "met": 0, "breached": 0, "running": 0 } });
    assert_eq!(data["sla"]["attainment"]["total"], none);
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_the_store_lets_nobody_put_back_a_clock_whose_sla_was_superseded() {
    let app = desk().await;
    let request = queued(&app).await;
    written(&app, "requestRecord", given(&request, PATIENT, 3)).await;
    // As a release would that knows nothing of it.
    let client = app.database.client().await;
    for put_back in [
        "response_target_at = '2026-03-02T10:05:00Z'",
        "next_target = 'response'",
        "actual_response_at = '2026-03-02T10:04:00Z'",
    ] {
        let update = format!("UPDATE affected_sla SET {put_back} WHERE superseded_at IS NOT NULL");
        let refused = client.batch_execute(&update).await.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::CHECK_VIOLATION), "{put_back}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_only_a_chat_is_given_an_sla_and_only_one_of_livechat_that_its_tenant_may_use() {
    let app = desk().await;
    let below = json!({ "tenantId": key(2), "channel": "CHAT", "subject": "Hi", "registeredAt": at(0) });
    let below = written(&app, "requestRegister", below).await;
    let chat = queued(&app).await;
    let ticket = written(&app, "requestRegister", ticket()).await;
    let call = written(&app, "requestRegister", call()).await;
    let cases = [
        (&chat, json!(key(82)), "INVALID"),
        (&chat, json!(key(80)), "INVALID"),
        (&chat, json!(key(999)), "NOT_FOUND"),
        (&chat, json!("nonsense"), "INVALID"),
        (&ticket, json!(key(PATIENT)), "INVALID"),
        (&call, json!(key(PATIENT)), "INVALID"),
        // It is not shared (rule S5).
        (&below, json!(key(PATIENT)), "NOT_FOUND"),
    ];
    for (request, sla, code) in cases {
        let input = json!({ "requestId": request["id"], "slaId": sla, "occurredAt": at(1) });
        let payload = mutate(&app, "agent", "requestRecord", input).await;
        let errors = payload["errors"].as_array().unwrap();
        let told: Vec<_> = errors.iter().map(|error| (&error["code"], &error["path"])).collect();
        assert_eq!(told, [(&json!(code), &json!(["input", "slaId"]))], "{sla}: {payload}");
    }
    // One that is not active then changes nothing.
    let prepared =
        format!("UPDATE sla SET status = 'being_prepared', active = false WHERE id = '{}'", key(QUICK));
    app.database.client().await.batch_execute(&prepared).await.unwrap();
    let unchanged = written(&app, "requestRecord", given(&chat, QUICK, 1)).await;
    assert_eq!(unchanged["affectedSlas"]["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(clock(&unchanged, "Chats")["responseTargetAt"], at(5));
    let named = with(
        json!({ "tenantId": key(1), "channel": "CHAT", "subject": "Hi", "registeredAt": at(0) }),
        json!({ "slaId": key(PATIENT) }),
    );
    let named = written(&app, "requestRegister", named).await;
    written(&app, "requestRecord", given(&named, 83, 1)).await;
    assert_eq!(
        told(&clocks(&app, &named).await),
        [
            [json!("Patient"), json!(at(1)), Value::Null, json!("NONE")],
            [json!("Chats"), Value::Null, json!(at(5)), json!("RESPONSE")],
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c13_a_chat_falls_under_the_default_of_the_nearest_tenant_that_shares_its_own() {
    let app = desk().await;
    // The tenant between has a default that it keeps for itself.
    let between = format!(
        "BEGIN;
         INSERT INTO tenant (root_id, id, parent_id, slug, name, time_zone) VALUES ('{root}', '{lowest}', '{below}', 'lowest', 'Lowest', 'UTC');
         INSERT INTO tenant_closure (root_id, ancestor_id, descendant_id, depth) VALUES
           ('{root}', '{lowest}', '{lowest}', 0), ('{root}', '{below}', '{lowest}', 1), ('{root}', '{root}', '{lowest}', 2);
         INSERT INTO sla (root_id, id, tenant_id, kind, name, status, active_version_id, livechat_due_minutes)
           VALUES ('{root}', '{own}', '{below}', 'livechat', 'Own', 'active', '{own}', 7);
         INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, due_time_in_minutes)
           VALUES ('{root}', '{own}', '{below}', '{own}', 1, 'v1', 'livechat', 7);
         UPDATE tenant SET default_sla_id = '{own}' WHERE id = '{below}';
         COMMIT",
        root = key(1),
        below = key(2),
        lowest = key(3),
        own = key(303),
    );
    app.database.client().await.batch_execute(&between).await.unwrap();
    for (tenant, sla, due_at) in [(2, "Own", at(7)), (3, "Chats", at(5))] {
        let chat =
            json!({ "tenantId": key(tenant), "channel": "CHAT", "subject": "Hi", "registeredAt": at(0) });
        let chat = written(&app, "requestRegister", chat).await;
        assert_eq!(clock(&chat, sla)["responseTargetAt"], due_at);
        assert_eq!(chat["affectedSlas"]["nodes"].as_array().unwrap().len(), 1);
    }
}
