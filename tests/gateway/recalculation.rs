//! Recalculation on purpose (rule C2): what moves, what does not, and what the history remembers of it.

use serde_json::{Value, json};

use crate::app::App;
use crate::edits::while_it_waits;
use crate::intake::{breaches, clock, fields, key, number, pairs, recorded, ticket, with, world, written};

const MOVED: &str =
    "affectedSla { uuid resolutionTargetAt } before { maximumResolutionDuration resolutionTargetAt }
    after { maximumResolutionDuration resolutionTargetAt supportHours { name } }";

async fn recalculate(app: &App, login: &str, input: Value) -> Value {
    let query = format!(
        "mutation($input: AffectedSlasRecalculateInput!) {{ payload: affectedSlasRecalculate(input: $input) {{
           recalculatedCount moved {{ {MOVED} }} errors {{ code path message }} clientMutationId }} }}"
    );
    app.ask(login, &query, json!({ "input": input })).await
}

async fn done(app: &App, input: Value) -> Value {
    let mut answer = recalculate(app, "manager", input).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    let payload = answer["data"]["payload"].take();
    assert_eq!(payload["errors"], json!([]), "{payload}");
    payload
}

/// The world, with a manager who may write SLAs and read clocks.
async fn managed() -> std::sync::Arc<App> {
    let app = world().await;
    let manager = "
        INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login) VALUES
          ('a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000034', 'a0000000-0000-0000-0000-000000000001', 'Max', 'Manager', 'manager');
        INSERT INTO role (root_id, id, tenant_id, name, permissions) VALUES
          ('a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000043', 'a0000000-0000-0000-0000-000000000001',
           'manager', '{slas:read,slas:write,affected-slas:read,catalog:read}');
        INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id) VALUES
          ('a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000048', 'a0000000-0000-0000-0000-000000000001',
           'a0000000-0000-0000-0000-000000000043', 'a0000000-0000-0000-0000-000000000034')";
    app.database.client().await.batch_execute(manager).await.unwrap();
    app
}

/// Tuesday is no working day any more, and an hour is enough.
const EDIT: &str = "UPDATE offering_target SET resolution_amount = 60 WHERE impact = 'high';
    DELETE FROM calendar_hours WHERE weekday = 2";

#[tokio::test(flavor = "multi_thread")]
async fn c2_a_recalculation_freezes_running_targets_anew_and_tells_what_moved() {
    let app = managed().await;
    let running = written(&app, "requestRegister", ticket()).await;
    let resolved = written(&app, "requestRegister", with(ticket(), json!({ "status": "COMPLETED" }))).await;
    let call = json!({ "tenantId": key(1), "channel": "CALL", "subject": "Hi", "slaId": key(82) });
    written(&app, "requestRegister", call).await;
    let sla = json!({ "slaId": key(80), "clientMutationId": "mine" });
    let same = done(&app, sla.clone()).await;
    assert_eq!(
        (&same["recalculatedCount"], &same["moved"]),
        (&json!(1), &json!([])),
        "nothing was edited yet"
    );

    app.database.client().await.batch_execute(EDIT).await.unwrap();
    let expected = json!({
        "before": { "maximumResolutionDuration": 480, "resolutionTargetAt": "2026-03-03T10:00:00Z" },
        "after": { "maximumResolutionDuration": 60, "resolutionTargetAt": "2026-03-02T11:00:00Z", "supportHours": { "name": "Office" } },
    });
    let dry = done(&app, with(sla.clone(), json!({ "dryRun": true }))).await;
    assert_eq!(fields(&dry["moved"][0], &["before", "after"]), expected);
    let at = |request: &Value| clock(request, "Mail server")["resolutionTargetAt"].clone();
    let event =
        json!({ "requestId": running["id"], "status": "ACCEPTED", "occurredAt": "2026-03-02T10:05:00Z" });
    assert_eq!(
        at(&written(&app, "requestRecord", event).await),
        "2026-03-03T10:00:00Z",
        "a dry run changes nothing"
    );

    let wet = done(&app, sla).await;
    assert_eq!(fields(&wet["moved"][0], &["before", "after"]), expected);
    assert_eq!(wet["moved"][0]["affectedSla"]["resolutionTargetAt"], "2026-03-02T11:00:00Z");
    assert_eq!((&wet["recalculatedCount"], &wet["clientMutationId"]), (&json!(1), &json!("mine")));
    // It is a part of the history: what is told late comes out as if it had been told in time (X14).
    let late = json!({ "requestId": running["id"], "status": "WAITING_FOR_CUSTOMER", "occurredAt": "2026-03-02T10:30:00Z" });
    written(&app, "requestRecord", late).await;
    let later =
        json!({ "requestId": running["id"], "status": "IN_PROGRESS", "occurredAt": "2026-03-02T10:40:00Z" });
    let request = written(&app, "requestRecord", later).await;
    assert_eq!(at(&request), "2026-03-02T11:10:00Z", "the pause counts under the new terms too (X12)");
    // The explanation knows it too.
    let query =
        "query($id: ID!) { request(id: $id) { affectedSlas { nodes { sla { name } explanation { frozenAt
        resolution { allowanceSeconds pausedMinutes } } } } } }";
    let explained = app.data("agent", query, json!({ "id": running["id"] })).await["request"].take();
    let explanation = &clock(&explained, "Mail server")["explanation"];
    assert_eq!(explanation["resolution"], json!({ "allowanceSeconds": 3600.0, "pausedMinutes": 10 }));
    assert!(explanation["frozenAt"].as_str().unwrap() > "2026-03-03");
    let event = json!({ "requestId": resolved["id"], "teamId": key(22) });
    assert_eq!(
        at(&written(&app, "requestRecord", event).await),
        "2026-03-03T10:00:00Z",
        "what has ended stays"
    );
    assert_eq!(
        number(&app, "SELECT count(*) FROM audit_entry WHERE action = 'affectedSlasRecalculate'").await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_is_told_as_moved_where_its_service_hours_alone_are_others() {
    let app = managed().await;
    written(&app, "requestRegister", with(ticket(), json!({ "impact": "TOP" }))).await;
    let edit = "UPDATE service_offering SET service_hours_id = NULL";
    app.database.client().await.batch_execute(edit).await.unwrap();
    let query = "mutation($id: ID!) { payload: affectedSlasRecalculate(input: { slaId: $id }) { moved {
        before { serviceHours { name } resolutionTargetAt } after { serviceHours { name } resolutionTargetAt } } } }";
    let moved = app.data("manager", query, json!({ "id": key(80) })).await["payload"]["moved"].take();
    let targets =
        |hours: Value| json!({ "serviceHours": hours, "resolutionTargetAt": "2026-03-02T14:00:00Z" });
    let expected = json!([{ "before": targets(json!({ "name": "Office" })), "after": targets(Value::Null) }]);
    assert_eq!(moved, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_a_recalculation_takes_no_breach_back_and_the_new_target_breaches_under_its_own_instant() {
    let app = managed().await;
    let request = written(&app, "requestRegister", with(ticket(), json!({ "requesterId": key(31) }))).await;
    let four = [
        ("RESOLUTION", "BREACHED"),
        ("RESOLUTION", "WARNING"),
        ("RESPONSE", "BREACHED"),
        ("RESPONSE", "WARNING"),
    ];
    assert_eq!(recorded(&app, 4).await, pairs(&four));
    // More time, all of it over long since.
    let more = "UPDATE offering_target SET resolution_amount = 960 WHERE impact = 'high'";
    app.database.client().await.batch_execute(more).await.unwrap();
    let payload = done(&app, json!({ "requestId": request["id"] })).await;
    assert_eq!(payload["moved"][0]["after"]["resolutionTargetAt"], "2026-03-04T10:00:00Z");
    let mut six = pairs(&four);
    six.extend(pairs(&[("RESOLUTION", "BREACHED"), ("RESOLUTION", "WARNING")]));
    six.sort();
    assert_eq!(recorded(&app, 6).await, six);
    // As much time as would never be over: what was recorded was true.
    let most = "UPDATE offering_target SET resolution_amount = 9600000 WHERE impact = 'high'";
    app.database.client().await.batch_execute(most).await.unwrap();
    let clocks = app.data("agent", "{ affectedSlas { nodes { id } } }", json!({})).await;
    done(&app, json!({ "affectedSlaIds": [clocks["affectedSlas"]["nodes"][0]["id"]] })).await;
    assert_eq!(breaches(&app).await, six);
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_a_clock_that_is_resolved_while_a_recalculation_waits_for_it_stays_as_it_was_measured() {
    let app = managed().await;
    let request = written(&app, "requestRegister", ticket()).await;
    let client = app.database.client().await;
    client.batch_execute(EDIT).await.unwrap();
    client.batch_execute("BEGIN; SELECT FROM request FOR UPDATE").await.unwrap();
    let recalculation = done(&app, json!({ "requestId": request["id"] }));
    let resolved = async {
        let resolved = "UPDATE affected_sla SET actual_resolution_at = '2026-03-02T11:00:00Z'";
        client.batch_execute(resolved).await.unwrap();
    };
    let payload = while_it_waits(&app.database, &client, recalculation, resolved).await;
    assert_eq!(payload["moved"], json!([]));
    assert_eq!(number(&app, "SELECT count(*) FROM affected_sla_recalculation").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_after_a_recalculation_late_news_retract_only_what_they_tell_otherwise() {
    let app = managed().await;
    let request = written(&app, "requestRegister", ticket()).await;
    // On the mail server all four; on webmail, which it takes down, no response is awaited.
    let before = recorded(&app, 6).await;
    let gone = "DELETE FROM service_instance_relation";
    app.database.client().await.batch_execute(gone).await.unwrap();
    done(&app, json!({ "requestId": request["id"] })).await;
    assert_eq!(breaches(&app).await, before);
    let event = |what: Value| {
        let early = json!({ "requestId": request["id"], "occurredAt": "2026-03-02T10:01:00Z" });
        with(early, what)
    };
    let wished = event(json!({ "desiredCompletionAt": "2026-03-09T10:00:00Z" }));
    let after = written(&app, "requestRecord", wished).await;
    assert_eq!(clock(&after, "Webmail")["accountability"], "SLA_NOT_AFFECTED");
    assert_eq!(breaches(&app).await, before, "they were true");
    // That somebody had begun proves the response's wrong, and nothing else.
    written(&app, "requestRecord", event(json!({ "status": "IN_PROGRESS" }))).await;
    let mut after = before;
    after.extend(pairs(&[("RESPONSE", "RETRACTED BREACHED"), ("RESPONSE", "RETRACTED WARNING")]));
    after.sort();
    assert_eq!(breaches(&app).await, after);
    let count = "query($retracted: Boolean) { breaches(filter: { retracted: { eq: $retracted }, phase: [WARNING, BREACHED] }) {
        totalCount nodes { retractedBy { phase } } } }";
    for (retracted, count_of) in [(true, 2), (false, 4)] {
        let found = app.data("agent", count, json!({ "retracted": retracted })).await["breaches"].take();
        assert_eq!(found["totalCount"], count_of);
        let told = found["nodes"].as_array().unwrap();
        assert!(told.iter().all(|record| record["retractedBy"].is_object() == retracted), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_recalculation_needs_the_right_to_write_slas_and_says_which_clocks() {
    let app = managed().await;
    let request = written(&app, "requestRegister", ticket()).await;
    let clocks = app.data("agent", "{ affectedSlas { nodes { id } } }", json!({})).await;
    let id = &clocks["affectedSlas"]["nodes"][0]["id"];
    for input in [
        json!({ "slaId": key(80) }),
        json!({ "requestId": request["id"] }),
        json!({ "affectedSlaIds": [id] }),
    ] {
        for (login, code) in [("", "UNAUTHENTICATED"), ("agent", "FORBIDDEN"), ("stranger", "NOT_FOUND")] {
            let answer = recalculate(&app, login, input.clone()).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{login} {input}: {answer}");
        }
    }
    for input in [json!({}), json!({ "slaId": key(80), "requestId": request["id"] })] {
        let refused = recalculate(&app, "manager", input).await;
        assert_eq!(refused["data"]["payload"]["errors"][0]["code"], "REQUIRED", "{refused}");
    }
    for input in [
        json!({ "slaId": key(999) }),
        json!({ "requestId": key(999) }),
        json!({ "affectedSlaIds": [id, key(999)] }),
    ] {
        assert_eq!(recalculate(&app, "manager", input).await["errors"][0]["extensions"]["code"], "NOT_FOUND");
    }
    assert_eq!(done(&app, json!({ "affectedSlaIds": [] })).await["recalculatedCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_who_recalculates_need_not_read() {
    let app = managed().await;
    let request = written(&app, "requestRegister", ticket()).await;
    let alone = "UPDATE role SET permissions = '{slas:write}' WHERE name = 'manager'";
    app.database.client().await.batch_execute(alone).await.unwrap();
    for input in [json!({ "slaId": key(80) }), json!({ "requestId": request["id"] })] {
        done(&app, input).await;
    }
    let read = app.ask("manager", "{ slas { totalCount } }", json!({})).await;
    assert_eq!(read["errors"][0]["extensions"]["code"], "FORBIDDEN", "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_a_recalculation_starts_no_clock_of_an_sla_that_applies_only_now() {
    let app = managed().await;
    written(&app, "requestRegister", ticket()).await;
    let clocks = "SELECT count(*) FROM affected_sla";
    let before = number(&app, clocks).await;
    let edit = "UPDATE sla SET status = 'active' WHERE name = 'Draft'";
    app.database.client().await.batch_execute(edit).await.unwrap();
    done(&app, json!({ "slaId": key(80) })).await;
    assert_eq!(number(&app, clocks).await, before);
}
