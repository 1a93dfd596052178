//! Edits of SLAs and of the catalogue beside running clocks: what they do not move, whom they do not make wait, and which
//! of several that overlap is in force.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::app::App;
use crate::database::Database;
use crate::intake::{breaches, clock, fields, key, number, recorded, ticket, with, world, written};

const ROOT: &str = "a0000000-0000-0000-0000-000000000001";

/// The world of intake, with somebody who may edit all of it.
async fn edited() -> Arc<App> {
    let app = world().await;
    let editor = format!(
        "INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login)
           VALUES ('{ROOT}', '{0}', '{ROOT}', 'Eva', 'Editor', 'editor');
         INSERT INTO role (root_id, id, tenant_id, name, permissions)
           VALUES ('{ROOT}', '{0}', '{ROOT}', 'editor', '{{slas:read,slas:write,catalog:read,catalog:write}}');
         INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
           VALUES ('{ROOT}', '{0}', '{ROOT}', '{0}', '{0}');
         INSERT INTO organization (root_id, id, tenant_id, name) VALUES ('{ROOT}', '{0}', '{ROOT}', 'Another customer')",
        key(300)
    );
    app.database.client().await.batch_execute(&editor).await.unwrap();
    app
}

/// Runs a mutation of the editor's; whatever becomes of it.
async fn edit(app: &App, mutation: &str, input: Value) -> Value {
    let kind = format!("{}{}", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {kind}Input!) {{ {mutation}(input: $input) {{ errors {{ code path message }} }} }}"
    );
    app.send("editor", &query, json!({ "input": input })).await.1
}

/// Runs something as soon as a mutation waits for what `client` has locked, and then lets it go on.
pub(crate) async fn while_it_waits(
    database: &Database,
    client: &Client,
    mutation: impl Future<Output = Value>,
    meanwhile: impl Future<Output = ()>,
) -> Value {
    let then = async {
        database.waited_for().await;
        meanwhile.await;
        client.batch_execute("COMMIT").await.unwrap();
    };
    tokio::join!(mutation, then).0
}

#[tokio::test(flavor = "multi_thread")]
async fn x12_a_clock_keeps_its_start_when_an_edit_would_have_brought_its_sla_in_later() {
    let app = world().await;
    let request = written(&app, "requestRegister", ticket()).await;
    let before = recorded(&app, 6).await;
    let client = app.database.client().await;
    client.batch_execute("UPDATE sla SET start_date = '2026-03-03'").await.unwrap();
    let other =
        json!({ "requestId": request["id"], "requesterId": key(31), "occurredAt": "2026-03-04T10:00:00Z" });
    let after = written(&app, "requestRecord", other).await;
    let same = ["startedAt", "responseTargetAt", "resolutionTargetAt"];
    assert_eq!(
        fields(clock(&after, "Mail server"), &same),
        fields(clock(&request, "Mail server"), &same),
        "C2: the running clock stays"
    );
    assert_eq!(breaches(&app).await, before, "B5: what was true stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn x12_a_clock_keeps_its_start_when_an_edit_would_have_brought_its_sla_in_earlier() {
    let app = world().await;
    let client = app.database.client().await;
    client.batch_execute("UPDATE sla SET start_date = '2026-03-03'").await.unwrap();
    let request = written(&app, "requestRegister", ticket()).await;
    assert_eq!(request["affectedSlas"]["nodes"], json!([]));
    let event = |what: Value, at: &str| {
        with(json!({ "requestId": request["id"], "occurredAt": format!("2026-03-{at}T10:00:00Z") }), what)
    };
    let covered = event(json!({ "requesterId": key(31) }), "04");
    let covered = written(&app, "requestRecord", covered).await;
    assert_eq!(clock(&covered, "Mail server")["startedAt"], "2026-03-04T10:00:00Z");
    // That it was about her from the start brings it in no earlier than it began.
    let early = event(json!({ "requesterId": key(31) }), "02");
    let early = written(&app, "requestRecord", early).await;
    assert_eq!(clock(&early, "Mail server")["startedAt"], "2026-03-04T10:00:00Z");
    let unsaid = "DELETE FROM request_event WHERE id = (SELECT id FROM request_event ORDER BY received_at DESC LIMIT 1)";
    client.batch_execute(unsaid).await.unwrap();
    client.batch_execute("UPDATE sla SET start_date = NULL").await.unwrap();
    let accepted = event(json!({ "status": "ACCEPTED" }), "05");
    let accepted = written(&app, "requestRecord", accepted).await;
    assert_eq!(clock(&accepted, "Mail server")["startedAt"], "2026-03-04T10:00:00Z");
    // Nor does what is told of the time before it, if that says nothing about whom it covers.
    let between = event(json!({ "status": "ACCEPTED" }), "03");
    let between = written(&app, "requestRecord", between).await;
    assert_eq!(clock(&between, "Mail server")["startedAt"], "2026-03-04T10:00:00Z");
    // Told late, that it was about her from the start brings it in then (rule X14).
    let late = event(json!({ "requesterId": key(31) }), "02");
    let late = written(&app, "requestRecord", late).await;
    assert_eq!(clock(&late, "Mail server")["startedAt"], "2026-03-02T10:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_what_an_instance_uses_moves_no_clock_when_it_is_edited_until_it_is_recalculated_on_purpose() {
    let app = edited().await;
    let client = app.database.client().await;
    let rights = "UPDATE role SET permissions = permissions || '{requests:read,affected-slas:read}' WHERE name = 'editor'";
    client.batch_execute(rights).await.unwrap();
    let told = [
        (None, "SUPPLIER"),
        (Some(json!({ "status": "COMPLETED", "occurredAt": "2026-03-02T11:00:00Z" })), "SUPPLIER"),
        (Some(json!({ "serviceInstanceId": null, "occurredAt": "2026-03-02T11:00:00Z" })), "PROVIDER"),
    ];
    let mut requests = Vec::new();
    for (event, accountability) in told {
        let mut request = written(&app, "requestRegister", ticket()).await;
        if let Some(event) = event {
            let event = with(json!({ "requestId": request["id"] }), event);
            request = written(&app, "requestRecord", event).await;
        }
        assert_eq!(clock(&request, "Webmail")["accountability"], accountability);
        requests.push(request);
    }
    let records = recorded(&app, 1).await;
    let uses = |effect: &[&str]| -> Value {
        effect.iter().map(|effect| json!({ "serviceInstanceId": key(70), "effect": effect })).collect()
    };
    for edited in [uses(&["DOWN"]), uses(&[])] {
        let answer = edit(&app, "serviceInstanceUpdate", json!({ "id": key(71), "uses": edited })).await;
        assert_eq!(answer["data"]["serviceInstanceUpdate"]["errors"], json!([]), "{answer}");
        for request in &requests {
            let event = json!({ "requestId": request["id"], "impact": request["impact"] });
            let after = written(&app, "requestRecord", event).await;
            assert_eq!(after["affectedSlas"], request["affectedSlas"], "{edited}");
        }
    }
    assert!(
        breaches(&app)
            .await
            .iter()
            .filter(|record| !records.contains(record))
            .all(|(_, phase)| !phase.starts_with("RETRACTED"))
    );
    // Where it runs still.
    let anew = json!({ "requestId": requests[0]["id"] });
    let answer = edit(&app, "affectedSlasRecalculate", anew).await;
    assert_eq!(answer["data"]["affectedSlasRecalculate"]["errors"], json!([]), "{answer}");
    let query =
        "query($id: ID!) { request(id: $id) { affectedSlas { nodes { sla { name } accountability } } } }";
    let now = app.data("agent", query, json!({ "id": requests[0]["id"] })).await["request"].take();
    assert_eq!(clock(&now, "Webmail")["accountability"], "SLA_NOT_AFFECTED");
    assert_eq!(clock(&now, "Mail server")["accountability"], "PROVIDER");
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_an_instance_that_was_unrelated_when_the_request_came_to_it_stays_so_for_its_clock() {
    let app = edited().await;
    let client = app.database.client().await;
    let elsewhere = format!(
        "UPDATE role SET permissions = permissions || '{{requests:read,affected-slas:read}}' WHERE name = 'editor';
         INSERT INTO service_instance (root_id, id, tenant_id, service_id, name) VALUES ('{0}', '{1}', '{0}', '{2}', 'Elsewhere')",
        key(1),
        key(72),
        key(60),
    );
    client.batch_execute(&elsewhere).await.unwrap();
    let request = written(&app, "requestRegister", ticket()).await;
    let moved = json!({ "requestId": request["id"], "serviceInstanceId": key(72), "occurredAt": "2026-03-02T10:10:00Z" });
    let request = written(&app, "requestRecord", moved).await;
    assert_eq!(clock(&request, "Mail server")["accountability"], "SLA_NOT_AFFECTED");
    let uses = json!({ "id": key(70), "uses": [{ "serviceInstanceId": key(72), "effect": "DOWN" }] });
    let answer = edit(&app, "serviceInstanceUpdate", uses).await;
    assert_eq!(answer["data"]["serviceInstanceUpdate"]["errors"], json!([]), "{answer}");
    let event =
        json!({ "requestId": request["id"], "status": "ACCEPTED", "occurredAt": "2026-03-02T10:20:00Z" });
    let after = written(&app, "requestRecord", event).await;
    assert_eq!(
        fields(clock(&after, "Mail server"), &["accountability", "resolutionTargetAt"]),
        json!({ "accountability": "SLA_NOT_AFFECTED", "resolutionTargetAt": null })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_a_clock_that_is_told_late_of_its_beginning_keeps_how_its_instance_hung_together_with_the_requests()
 {
    let app = world().await;
    let client = app.database.client().await;
    let two = format!(
        "INSERT INTO sla_version_person (root_id, tenant_id, sla_version_id, person_id) VALUES ('{0}', '{0}', '{1}', '{2}')",
        key(1),
        key(91),
        key(31),
    );
    client.batch_execute(&two).await.unwrap();
    let request = written(&app, "requestRegister", with(ticket(), json!({ "impact": "TOP" }))).await;
    assert_eq!(clock(&request, "Webmail")["impact"], "HIGH", "it is no more than degraded");
    client.batch_execute("UPDATE service_instance_relation SET effect = 'down'").await.unwrap();
    let other =
        json!({ "requestId": request["id"], "requesterId": key(31), "occurredAt": "2026-03-02T10:00:00Z" });
    let after = written(&app, "requestRecord", other).await;
    assert_eq!(clock(&after, "Webmail"), clock(&request, "Webmail"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_what_people_and_the_catalogue_bring_in_meanwhile_begins_with_the_next_event() {
    let app = world().await;
    let client = app.database.client().await;
    client.batch_execute("UPDATE sla SET active = false").await.unwrap();
    let accepted = |request: &Value, at: &str| json!({ "requestId": request["id"], "status": "ACCEPTED", "occurredAt": at });
    let mut requests = Vec::new();
    for _ in 0..2 {
        let request = written(&app, "requestRegister", ticket()).await;
        assert_eq!(request["affectedSlas"]["nodes"], json!([]));
        requests.push(request);
    }
    client.batch_execute("UPDATE sla SET active = true").await.unwrap();
    // What is told of the time before the request says nothing of whom it is for.
    let before = accepted(&requests[0], "2026-03-01T10:00:00Z");
    assert_eq!(written(&app, "requestRecord", before).await["affectedSlas"]["nodes"], json!([]));
    let next = accepted(&requests[0], "2026-03-04T10:00:00Z");
    let request = written(&app, "requestRecord", next).await;
    let begun = fields(clock(&request, "Mail server"), &["startedAt", "responseTargetAt"]);
    let expected = json!({ "startedAt": "2026-03-04T10:00:00Z", "responseTargetAt": "2026-03-04T11:00:00Z" });
    assert_eq!(begun, expected);
    // What is told late of the time before moves it no more than that of any clock; who asked first was there from the start.
    let late = accepted(&request, "2026-03-03T10:00:00Z");
    let request = written(&app, "requestRecord", late).await;
    assert_eq!(fields(clock(&request, "Mail server"), &["startedAt", "responseTargetAt"]), expected);
    let fresh = written(&app, "requestRegister", ticket()).await;
    assert_eq!(clock(&fresh, "Mail server")["startedAt"], "2026-03-02T10:00:00Z");
    // By then the SLA must be active too.
    client.batch_execute("UPDATE sla SET expiry_date = '2026-03-03'").await.unwrap();
    let next = accepted(&requests[1], "2026-03-04T10:00:00Z");
    assert_eq!(written(&app, "requestRecord", next).await["affectedSlas"]["nodes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_what_is_brought_in_meanwhile_is_measured_by_the_version_in_force_when_it_begins_if_that_covers_it()
 {
    let app = edited().await;
    let client = app.database.client().await;
    let offering = format!(
        "INSERT INTO service_offering (root_id, id, tenant_id, service_id, name, time_zone) VALUES ('{0}', '{1}', '{0}', '{2}', 'Slow', 'UTC');
         INSERT INTO offering_target (root_id, tenant_id, service_offering_id, impact, response_kind, response_amount, resolution_kind, resolution_amount, support_hours_id)
           VALUES ('{0}', '{0}', '{1}', 'high', 'minutes', 90, 'minutes', 900, '{3}');
         UPDATE sla SET active = false",
        key(1),
        key(64),
        key(60),
        key(50),
    );
    client.batch_execute(&offering).await.unwrap();
    let tickets = [
        ticket(),
        with(ticket(), json!({ "slaId": key(80), "requesterId": null })),
        with(ticket(), json!({ "slaId": key(81) })),
    ];
    let mut requests = Vec::new();
    for ticket in tickets {
        let request = written(&app, "requestRegister", ticket).await;
        assert_eq!(request["affectedSlas"]["nodes"], json!([]));
        requests.push(request);
    }
    // The second no longer covers the agent.
    for (sla, instance, person) in [(80, 70, 30), (81, 71, 31)] {
        let terms = json!({ "service": { "serviceOfferingId": key(64), "serviceInstanceId": key(instance),
            "coverage": "PEOPLE", "personIds": [key(person)] } });
        let version = json!({ "slaId": key(sla), "version": { "versionName": "v2", "terms": terms } });
        let answer = edit(&app, "slaVersionCreate", version).await;
        assert_eq!(answer["data"]["slaVersionCreate"]["errors"], json!([]), "{answer}");
    }
    client.batch_execute("UPDATE sla SET active = true").await.unwrap();
    let expected = [json!(["Mail server"]), json!(["Mail server"]), json!(["Mail server", "Webmail"])];
    for (request, expected) in requests.iter().zip(expected) {
        let accepted = json!({ "requestId": request["id"], "status": "ACCEPTED" });
        written(&app, "requestRecord", accepted).await;
        let query = "query($id: ID!) { request(id: $id) { affectedSlas(orderBy: [{ field: SLA }]) { nodes {
            sla { name } slaVersion { number } maximumResponseDuration explanation { slaVersion { number } } } } } }";
        let data = app.data("agent", query, json!({ "id": request["id"] })).await;
        let clocks = data["request"]["affectedSlas"]["nodes"].as_array().unwrap();
        let names: Value = clocks.iter().map(|clock| clock["sla"]["name"].clone()).collect();
        assert_eq!(names, expected, "a ticket is measured by what it names, whatever that covers");
        for clock in clocks {
            let two = json!({ "number": 2 });
            assert_eq!((&clock["slaVersion"], &clock["explanation"]["slaVersion"]), (&two, &two));
            assert_eq!(clock["maximumResponseDuration"], 90);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c13_a_chat_that_had_no_sla_when_it_was_registered_has_none_later() {
    let app = world().await;
    let client = app.database.client().await;
    client.batch_execute("UPDATE tenant SET default_sla_id = NULL").await.unwrap();
    let chat = json!({ "tenantId": ROOT, "channel": "CHAT", "subject": "Hi", "registeredAt": "2026-03-02T10:00:00Z" });
    let request = written(&app, "requestRegister", chat).await;
    let default = format!("UPDATE tenant SET default_sla_id = '{}'", key(83));
    client.batch_execute(&default).await.unwrap();
    let taken = json!({ "requestId": request["id"], "kind": "TAKEN", "occurredAt": "2026-03-02T10:20:00Z" });
    let request = written(&app, "requestRecord", taken).await;
    assert_eq!(request["affectedSlas"]["nodes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_a_relation_that_is_taken_away_retracts_nothing_that_was_recorded_before() {
    let app = world().await;
    let request = written(&app, "requestRegister", ticket()).await;
    let before = recorded(&app, 6).await;
    let client = app.database.client().await;
    client.batch_execute("DELETE FROM service_instance_relation").await.unwrap();
    let event =
        json!({ "requestId": request["id"], "status": "ACCEPTED", "occurredAt": "2026-03-04T10:00:00Z" });
    written(&app, "requestRecord", event).await;
    assert_eq!(breaches(&app).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn c13_a_chat_keeps_the_default_that_it_was_registered_under() {
    let app = world().await;
    let chat = json!({ "tenantId": ROOT, "channel": "CHAT", "subject": "Hi", "registeredAt": "2026-03-02T10:00:00Z" });
    let request = written(&app, "requestRegister", chat).await;
    let taken = json!({ "requestId": request["id"], "kind": "TAKEN", "occurredAt": "2026-03-02T10:03:00Z" });
    written(&app, "requestRecord", taken).await;
    let quicker = format!(
        "BEGIN; INSERT INTO sla (root_id, id, tenant_id, kind, name, status, active_version_id, livechat_due_minutes)
           VALUES ('{ROOT}', '{0}', '{ROOT}', 'livechat', 'Quicker', 'active', '{0}', 2);
         INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, due_time_in_minutes)
           VALUES ('{ROOT}', '{0}', '{ROOT}', '{0}', 1, 'v1', 'livechat', 2);
         UPDATE tenant SET default_sla_id = '{0}'; COMMIT",
        key(301)
    );
    app.database.client().await.batch_execute(&quicker).await.unwrap();
    let over =
        json!({ "requestId": request["id"], "status": "COMPLETED", "occurredAt": "2026-03-02T10:20:00Z" });
    let request = written(&app, "requestRecord", over).await;
    let clocks = request["affectedSlas"]["nodes"].as_array().unwrap();
    assert_eq!(clocks.iter().map(|clock| &clock["sla"]["name"]).collect::<Vec<_>>(), ["Chats"], "{request}");
    // What fell due before it was told that it was taken is retracted, and nothing else is to fall due.
    assert_eq!(
        number(&app, "SELECT (SELECT count(*) FROM deadline) + (SELECT count(*) FROM breach_key)").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_nobody_waits_to_take_in_and_to_record_until_an_edit_of_what_is_referred_to_is_over() {
    let app = edited().await;
    let edits = [
        ("slaUpdate", json!({ "id": key(80), "customerId": key(300) }), "organization", 300),
        ("slaUpdate", json!({ "id": key(80), "customerRepId": key(31) }), "person", 31),
        ("serviceInstanceUpdate", json!({ "id": key(70), "supportTeamId": key(22) }), "team", 22),
    ];
    for (round, (mutation, input, table, locked)) in edits.into_iter().enumerate() {
        // What the edit refers to anew is held, so that it waits in the middle of its transaction.
        let client = app.database.client().await;
        let hold = format!("BEGIN; SELECT 1 FROM {table} WHERE id = '{}' FOR UPDATE", key(locked));
        client.batch_execute(&hold).await.unwrap();
        let meanwhile = async {
            written(&app, "requestRegister", ticket()).await;
            recorded(&app, 6 * (round + 1)).await;
        };
        while_it_waits(&app.database, &client, edit(&app, mutation, input), meanwhile).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_the_version_that_was_activated_last_is_in_force_however_long_its_transaction_waited() {
    let app = edited().await;
    let client = app.database.client().await;
    for version in [2, 3] {
        let made = format!(
            "INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, service_offering_id,
               service_instance_id, coverage) SELECT root_id, '{}', tenant_id, sla_id, {version}, 'v{version}', kind,
               service_offering_id, service_instance_id, coverage FROM sla_version WHERE id = '{}'",
            key(100 + version),
            key(90)
        );
        client.batch_execute(&made).await.unwrap();
    }
    let sla = key(80);
    client.batch_execute(&format!("BEGIN; SELECT 1 FROM sla WHERE id = '{sla}' FOR UPDATE")).await.unwrap();
    let other = format!(
        "UPDATE sla SET active_version_id = '{0}' WHERE id = '{sla}';
         INSERT INTO sla_activation (root_id, id, tenant_id, sla_id, sla_version_id, activated_at)
         VALUES ('{ROOT}', '{0}', '{ROOT}', '{sla}', '{0}', clock_timestamp())",
        key(102)
    );
    let meanwhile = async { client.batch_execute(&other).await.unwrap() };
    let last = edit(&app, "slaVersionActivate", json!({ "slaVersionId": key(103) }));
    let answer = while_it_waits(&app.database, &client, last, meanwhile).await;
    assert!(answer["errors"].is_null(), "{answer}");
    let query = "query($id: ID!, $at: DateTime!) { sla(id: $id) {
        activeVersion { versionName } versionAt(at: $at) { versionName } } }";
    let now = app.store.now() + chrono::TimeDelta::minutes(1);
    let told = app.data("editor", query, json!({ "id": sla, "at": now.to_rfc3339() })).await;
    assert_eq!(
        told["sla"],
        json!({ "activeVersion": { "versionName": "v3" }, "versionAt": { "versionName": "v3" } })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_what_an_offering_was_changed_to_last_is_promised_however_long_its_transaction_waited() {
    let app = edited().await;
    // What is promised is remembered from the first request on.
    written(&app, "requestRegister", ticket()).await;
    let client = app.database.client().await;
    let offering = key(61);
    let hold = format!("BEGIN; SELECT 1 FROM service_offering WHERE id = '{offering}' FOR UPDATE");
    client.batch_execute(&hold).await.unwrap();
    let other = "INSERT INTO offering_promise (root_id, tenant_id, service_offering_id, since, content)
        SELECT root_id, tenant_id, service_offering_id, clock_timestamp(),
          jsonb_set(content, '{targets,high,resolution}', '[\"minutes\", 30]') FROM offering_promise";
    let meanwhile = async { client.batch_execute(other).await.unwrap() };
    let minutes = |minutes: i32| json!({ "kind": "MINUTES", "minutes": minutes });
    let target = json!({ "impact": "HIGH", "response": minutes(20), "resolution": minutes(40), "supportHoursId": key(50) });
    let last = edit(&app, "serviceOfferingUpdate", json!({ "id": offering, "targets": [target] }));
    let answer = while_it_waits(&app.database, &client, last, meanwhile).await;
    assert!(answer["errors"].is_null(), "{answer}");
    let micros = "SELECT (extract(epoch FROM max(since)) * 1000000)::bigint FROM offering_promise";
    let since = chrono::DateTime::from_timestamp_micros(number(&app, micros).await).unwrap();
    let fresh = with(ticket(), json!({ "registeredAt": since.to_rfc3339() }));
    let fresh = written(&app, "requestRegister", fresh).await;
    assert_eq!(clock(&fresh, "Mail server")["maximumResolutionDuration"], 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_of_two_edits_of_one_offering_at_once_the_second_promises_what_the_first_has_written_too() {
    let app = edited().await;
    let client = app.database.client().await;
    // Another writer of the offering has not committed yet that its service hours know a holiday.
    let hours = format!(
        "INSERT INTO calendar (root_id, id, tenant_id, name) VALUES ('{ROOT}', '{0}', '{ROOT}', 'Service');
         UPDATE service_offering SET service_hours_id = '{0}'",
        key(51)
    );
    client.batch_execute(&hours).await.unwrap();
    let other = format!(
        "BEGIN; SELECT 1 FROM service_offering FOR NO KEY UPDATE;
         INSERT INTO calendar_holiday (root_id, id, tenant_id, calendar_id, name, starts_at, ends_at)
           VALUES ('{ROOT}', '{0}', '{ROOT}', '{0}', 'Easter', '2026-04-05', '2026-04-07')",
        key(51)
    );
    client.batch_execute(&other).await.unwrap();
    let office =
        json!({ "id": key(50), "hours": [{ "weekday": "MONDAY", "from": "09:00", "until": "12:00" }] });
    let last = edit(&app, "calendarUpdate", office);
    let answer = while_it_waits(&app.database, &client, last, async {}).await;
    assert_eq!(answer["data"]["calendarUpdate"]["errors"], json!([]), "{answer}");
    let promised = format!(
        "SELECT count(*) FROM (SELECT content FROM offering_promise ORDER BY since DESC LIMIT 1) last
         WHERE content #>> '{{calendars,{},holidays,0,0}}' = 'Easter' AND content #>> '{{calendars,{},hours,0,2}}' = '720'",
        key(51),
        key(50)
    );
    assert_eq!(number(&app, &promised).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_no_page_is_whole_or_refused() {
    let app = edited().await;
    let client = app.database.client().await;
    let more = |from: u32, until: u32| {
        format!(
            "INSERT INTO standard_service_request (root_id, id, tenant_id, service_offering_id, name, response_kind, resolution_kind)
             SELECT '{ROOT}', gen_random_uuid(), '{ROOT}', '{}', 'Wish ' || n, 'none', 'none' FROM generate_series({from}, {until}) n",
            key(61)
        )
    };
    let query = "query($id: ID!) { serviceOffering(id: $id) { standardServiceRequests { name } } }";
    let ask = async || app.ask("editor", query, json!({ "id": key(61) })).await;
    // One was there.
    client.batch_execute(&more(2, 1_001)).await.unwrap();
    let told = ask().await;
    let list = &told["data"]["serviceOffering"]["standardServiceRequests"];
    assert_eq!(list.as_array().map(Vec::len), Some(1_001), "{}", told["errors"]);
    client.batch_execute(&more(1_002, 10_001)).await.unwrap();
    assert_eq!(ask().await["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_of_a_mutation_has_its_own_present_so_that_what_one_put_in_force_holds_for_the_next() {
    let app = world().await;
    let query = "mutation($input: RequestRegisterInput!) { a: requestRegister(input: $input) { request { registeredAt } }
        b: requestRegister(input: $input) { request { registeredAt } } }";
    let now = with(ticket(), json!({ "registeredAt": null }));
    let data = app.data("agent", query, json!({ "input": now })).await;
    assert_ne!(data["a"]["request"]["registeredAt"], data["b"]["request"]["registeredAt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_an_edit_is_in_force_from_its_commit_on_and_moves_nothing_that_was_taken_in_while_it_was_written()
{
    let app = edited().await;
    // What is promised is remembered from the first request on.
    written(&app, "requestRegister", ticket()).await;
    let client = app.database.client().await;
    let offering = key(61);
    let hold = format!("BEGIN; SELECT 1 FROM service_offering WHERE id = '{offering}' FOR NO KEY UPDATE");
    client.batch_execute(&hold).await.unwrap();
    let minutes = |minutes: i32| json!({ "kind": "MINUTES", "minutes": minutes });
    let target = json!({ "impact": "HIGH", "response": minutes(20), "resolution": minutes(40), "supportHoursId": key(50) });
    let last = edit(&app, "serviceOfferingUpdate", json!({ "id": offering, "targets": [target] }));
    let mut request = Value::Null;
    let meanwhile = async {
        let now = json!({ "registeredAt": app.store.now().to_rfc3339() });
        request = written(&app, "requestRegister", with(ticket(), now)).await;
    };
    let answer = while_it_waits(&app.database, &client, last, meanwhile).await;
    assert!(answer["errors"].is_null(), "{answer}");
    assert_eq!(clock(&request, "Mail server")["maximumResolutionDuration"], 480);
    let event = json!({ "requestId": request["id"], "status": "ACCEPTED" });
    let after = written(&app, "requestRecord", event).await;
    let same = ["maximumResponseDuration", "maximumResolutionDuration", "resolutionTargetAt"];
    assert_eq!(fields(clock(&after, "Mail server"), &same), fields(clock(&request, "Mail server"), &same));
    let since = "SELECT to_json(max(since)) #>> '{}' FROM offering_promise";
    let since: String = client.query_one(since, &[]).await.unwrap().get(0);
    let fresh = with(ticket(), json!({ "registeredAt": since }));
    let fresh = written(&app, "requestRegister", fresh).await;
    assert_eq!(clock(&fresh, "Mail server")["maximumResolutionDuration"], 40);
    assert_eq!(number(&app, "SELECT count(*) FROM offering_promise WHERE since = 'infinity'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_an_edit_of_an_offering_of_the_sample_moves_none_of_its_targets() {
    let app = App::sampled().await;
    let operator = "operator@example.com";
    let running = "{ affectedSlas(filter: { nextTarget: { eq: RESOLUTION } }) { nodes {
        uuid resolutionTargetAt request { uuid } sla { serviceOffering { uuid targets { supportHours { uuid } } } } } } }";
    let running = app.data(operator, running, json!({})).await;
    let before = &running["affectedSlas"]["nodes"][0];
    let offering = &before["sla"]["serviceOffering"];
    let minute = json!({ "kind": "MINUTES", "minutes": 1 });
    let hours = &offering["targets"][0]["supportHours"]["uuid"];
    let targets = ["LOW", "MEDIUM", "HIGH", "TOP"].map(
        |impact| json!({ "impact": impact, "response": minute, "resolution": minute, "supportHoursId": hours }),
    );
    let edit = "mutation($edit: ServiceOfferingUpdateInput!, $event: RequestRecordInput!, $clock: ID!) {
        serviceOfferingUpdate(input: $edit) { errors { message } }
        requestRecord(input: $event) { errors { message } request { affectedSlas(filter: { id: { eq: $clock } }) {
          nodes { resolutionTargetAt } } } } }";
    let told = json!({
        "edit": { "id": offering["uuid"], "targets": targets },
        "event": { "requestId": before["request"]["uuid"], "eventKey": "told", "desiredCompletionAt": "2027-03-01T12:00:00Z" },
        "clock": before["uuid"],
    });
    let after = app.data(operator, edit, told).await;
    assert_eq!(after["serviceOfferingUpdate"]["errors"], json!([]));
    let after = &after["requestRecord"]["request"]["affectedSlas"]["nodes"][0];
    assert_eq!(after["resolutionTargetAt"], before["resolutionTargetAt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_o2_hours_that_a_standard_service_request_alone_is_measured_in_are_in_force_from_their_edit_on() {
    let app = edited().await;
    let own = format!(
        "INSERT INTO calendar (root_id, id, tenant_id, name) VALUES ('{ROOT}', '{0}', '{ROOT}', 'Of the wish');
         INSERT INTO calendar_hours (root_id, tenant_id, calendar_id, weekday, from_minute, until_minute)
           SELECT '{ROOT}', '{ROOT}', '{0}', day, 0, 1440 FROM generate_series(1, 7) day;
         UPDATE standard_service_request SET support_hours_id = '{0}', resolution_kind = 'minutes', resolution_amount = 480",
        key(302)
    );
    app.database.client().await.batch_execute(&own).await.unwrap();
    let wish = |at: DateTime<Utc>| {
        let wish = json!({ "standardServiceRequestId": key(62), "registeredAt": at.to_rfc3339() });
        written(&app, "requestRegister", with(ticket(), wish))
    };
    let target = |request: &Value| -> DateTime<Utc> {
        clock(request, "Mail server")["resolutionTargetAt"].as_str().unwrap().parse().unwrap()
    };
    let eight_hours = chrono::TimeDelta::hours(8);
    let first = app.store.now();
    assert_eq!(target(&wish(first).await), first + eight_hours);
    let before = app.store.now();
    let shut =
        json!({ "id": key(302), "hours": [{ "weekday": "MONDAY", "from": "00:00", "until": "01:00" }] });
    let answer = edit(&app, "calendarUpdate", shut).await;
    assert_eq!(answer["data"]["calendarUpdate"]["errors"], json!([]), "{answer}");
    let after = app.store.now();
    assert_eq!(target(&wish(before).await), before + eight_hours, "of before the edit, told after it");
    assert!(target(&wish(after).await) > after + chrono::TimeDelta::weeks(6), "of after the edit");
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_what_a_rival_registers_first_is_renamed_with_an_entry_in_the_audit_log() {
    let app = edited().await;
    let client = app.database.client().await;
    let rival = format!(
        "BEGIN; INSERT INTO request (root_id, id, tenant_id, channel, subject, status, registered_at, source, source_id)
           VALUES ('{ROOT}', uuid_v7(), '{ROOT}', 'ticket', 'Of the rival', 'assigned', now(), 'desk', '1')"
    );
    client.batch_execute(&rival).await.unwrap();
    let own = written(&app, "requestRegister", with(ticket(), json!({ "source": "desk", "sourceId": "1" })));
    let committing = async {
        app.database.waited_for().await;
        client.batch_execute("COMMIT").await.unwrap();
    };
    tokio::join!(own, committing);
    let told = "SELECT count(*) FROM audit_entry WHERE action = 'requestRegister' AND before ->> 'subject' = 'Of the rival'
        AND after ->> 'subject' = 'No mail'";
    assert_eq!(number(&app, told).await, 1);
}
