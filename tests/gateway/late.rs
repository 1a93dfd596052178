//! Which SLAs apply to a request, and in which version, when what had happened is told late (rule X14); what is edited
//! later moves no clock that runs (rule C2).

use serde_json::{Value, json};

use crate::app::App;
use crate::intake::{clock, fields, key, number, recorded, ticket, with, world, written};

const AGENT: u32 = 30;
const READER: u32 = 31;
const STANDARD: u32 = 62;
const MAIL_SERVER: u32 = 70;
const WEBMAIL: u32 = 71;

/// The ticket of which nobody knows yet what it is about.
async fn registered(app: &App) -> Value {
    written(app, "requestRegister", with(ticket(), json!({ "serviceInstanceId": null }))).await
}

async fn told(app: &App, request: &Value, at: &str, what: Value) -> Value {
    let event = json!({ "requestId": request["id"], "occurredAt": format!("2026-03-02T{at}:00Z") });
    written(app, "requestRecord", with(event, what)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_a_clock_that_an_event_told_late_unmakes_promises_nothing_and_its_records_are_retracted() {
    let app = world().await;
    let request = registered(&app).await;
    let about = json!({ "serviceInstanceId": key(WEBMAIL) });
    let made = told(&app, &request, "11:00", about).await;
    let target = json!({ "accountability": "PROVIDER", "nextTarget": "RESPONSE", "responseTargetAt": "2026-03-02T12:00:00Z" });
    let names = ["accountability", "nextTarget", "responseTargetAt"];
    assert_eq!(fields(clock(&made, "Webmail"), &names), target);
    recorded(&app, 4).await;

    let unmade = told(&app, &request, "10:30", json!({ "requesterId": key(READER) })).await;
    let nothing =
        json!({ "accountability": "SLA_NOT_AFFECTED", "nextTarget": "NONE", "responseTargetAt": null });
    assert_eq!(fields(clock(&unmade, "Webmail"), &names), nothing, "it covers the agent only");
    let records = recorded(&app, 8).await;
    let retracted = records.iter().filter(|(_, phase)| phase.starts_with("RETRACTED")).count();
    assert_eq!((records.len(), retracted), (8, 4), "{records:?}");
    let query = "query($id: ID!) { request(id: $id) { affectedSlas { nodes {
        explanation { response { allowanceSeconds countedSeconds } } } } } }";
    let data = app.data("agent", query, json!({ "id": request["id"] })).await;
    let explained = &data["request"]["affectedSlas"]["nodes"][0]["explanation"]["response"];
    assert_eq!(explained, &json!({ "allowanceSeconds": null, "countedSeconds": null }));

    let remade = told(&app, &request, "10:45", json!({ "requesterId": key(AGENT) })).await;
    assert_eq!(fields(clock(&remade, "Webmail"), &names), target);
    assert_eq!(recorded(&app, 12).await.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_a_clock_that_an_event_told_late_lets_begin_earlier_has_the_version_of_that_time() {
    let app = world().await;
    activate(&app, "2026-01-01Z", "2026-03-02T10:30Z").await;
    let request = registered(&app).await;
    let about = json!({ "serviceInstanceId": key(MAIL_SERVER) });
    for (at, number_in_force) in [("11:00", 2), ("10:15", 1)] {
        let request = told(&app, &request, at, about.clone()).await;
        assert_eq!(clock(&request, "Mail server")["startedAt"], format!("2026-03-02T{at}:00Z"));
        assert_eq!(number(&app, VERSION).await, number_in_force, "{at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_before_the_first_activation_that_is_known_the_version_of_that_one_is_in_force() {
    let app = world().await;
    activate(&app, "2026-03-03Z", "2026-03-04Z").await;
    written(&app, "requestRegister", ticket()).await;
    assert_eq!(number(&app, VERSION).await, 1);
}

/// Of the clock on the mail server.
const VERSION: &str = "SELECT v.number::bigint FROM affected_sla a JOIN sla_version v ON v.root_id = a.root_id
    AND v.id = a.sla_version_id JOIN sla s ON s.root_id = a.root_id AND s.id = a.sla_id WHERE s.name = 'Mail server'";

/// Gives the SLA on the mail server a second version, and says when the two were activated.
async fn activate(app: &App, first: &str, second: &str) {
    let versions = format!("
        INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, service_offering_id, service_instance_id, coverage)
          SELECT root_id, 'a0000000-0000-0000-0000-000000000190', tenant_id, sla_id, 2, 'v2', kind, service_offering_id,
            service_instance_id, coverage FROM sla_version WHERE id = 'a0000000-0000-0000-0000-000000000090';
        INSERT INTO sla_activation (root_id, id, tenant_id, sla_id, sla_version_id, activated_at)
          SELECT root_id, uuid_v7(), tenant_id, sla_id, id, CASE number WHEN 1 THEN timestamptz '{first}' ELSE '{second}' END
          FROM sla_version WHERE sla_id = 'a0000000-0000-0000-0000-000000000080';
        UPDATE sla SET active_version_id = 'a0000000-0000-0000-0000-000000000190' WHERE id = 'a0000000-0000-0000-0000-000000000080'");
    app.database.client().await.batch_execute(&versions).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_what_the_catalogue_says_by_now_moves_the_start_of_no_clock() {
    let app = world().await;
    let request = written(&app, "requestRegister", ticket()).await;
    assert_eq!(clock(&request, "Webmail")["startedAt"], "2026-03-02T10:00:00Z");
    let edit = "DELETE FROM service_instance_relation";
    app.database.client().await.batch_execute(edit).await.unwrap();
    let request = told(&app, &request, "12:00", json!({ "serviceInstanceId": key(WEBMAIL) })).await;
    assert_eq!(clock(&request, "Webmail")["startedAt"], "2026-03-02T10:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_a_request_that_is_told_late_is_measured_in_the_zone_that_its_offering_had_then() {
    let app = world().await;
    written(&app, "requestRegister", ticket()).await;
    let edit = "UPDATE offering_promise SET since = '2026-01-01Z';
        UPDATE service_offering SET time_zone = 'Asia/Kathmandu'";
    app.database.client().await.batch_execute(edit).await.unwrap();
    let zone = |request: &Value| clock(request, "Mail server")["timeZone"].clone();
    let late = written(&app, "requestRegister", ticket()).await;
    assert_eq!(zone(&late), "UTC");
    let now = written(&app, "requestRegister", with(ticket(), json!({ "registeredAt": null }))).await;
    assert_eq!(zone(&now), "Asia/Kathmandu");
}

/// How many records of a kind stand, not retracted, of the SLA on the instance of that number.
async fn standing(app: &App, kind: &str, instance: u32) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM breach b JOIN affected_sla a ON a.root_id = b.root_id AND a.id = b.affected_sla_id
           AND a.service_instance_id = '{}' WHERE b.kind = '{kind}' AND b.phase <> 'retracted'
           AND NOT EXISTS (SELECT FROM breach r WHERE r.root_id = b.root_id AND r.retracts_id = b.id)",
        key(instance)
    );
    number(app, &sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_a_target_that_a_later_impact_put_before_itself_is_retracted_by_what_was_between_the_two() {
    let app = world().await;
    let webmail = with(ticket(), json!({ "serviceInstanceId": key(WEBMAIL) }));
    let request = written(&app, "requestRegister", webmail).await;
    let worse = told(&app, &request, "10:45", json!({ "impact": "TOP" })).await;
    assert_eq!(clock(&worse, "Webmail")["responseTargetAt"], "2026-03-02T10:30:00Z");
    recorded(&app, 4).await;
    assert_eq!(standing(&app, "response", WEBMAIL).await, 2);
    // It was about the mail server by then, whose failure only degrades the webmail: that never had the impact TOP.
    let moved = told(&app, &request, "10:40", json!({ "serviceInstanceId": key(MAIL_SERVER) })).await;
    assert_eq!(
        fields(clock(&moved, "Webmail"), &["impact", "responseTargetAt", "actualResponseAt"]),
        json!({ "impact": "HIGH", "responseTargetAt": "2026-03-02T11:00:00Z", "actualResponseAt": "2026-03-02T10:40:00Z" })
    );
    assert_eq!(standing(&app, "response", WEBMAIL).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn x1_x14_a_record_is_retracted_by_what_was_in_time_only_because_of_a_pause_told_late() {
    let app = world().await;
    let wish = with(ticket(), json!({ "standardServiceRequestId": key(STANDARD) }));
    let request = written(&app, "requestRegister", wish).await;
    // The second business day ends at 17:00; what is done by the next opening, 09:00 of the 5th, is in time.
    assert_eq!(clock(&request, "Mail server")["resolutionTargetAt"], "2026-03-04T17:00:00Z");
    recorded(&app, 2).await;
    assert_eq!(standing(&app, "resolution", MAIL_SERVER).await, 2);
    let event = |at: &str, what: Value| with(json!({ "requestId": request["id"], "occurredAt": at }), what);
    let accountable = event("2026-03-06T10:00:00Z", json!({ "providerNotAccountable": false }));
    let excused = event("2026-03-04T18:00:00Z", json!({ "providerNotAccountable": true }));
    for late in [accountable, excused] {
        written(&app, "requestRecord", late).await;
    }
    assert_eq!(standing(&app, "resolution", MAIL_SERVER).await, 2, "still missed, when the clock went on");
    let done = event("2026-03-05T12:00:00Z", json!({ "status": "COMPLETED" }));
    written(&app, "requestRecord", done).await;
    assert_eq!(standing(&app, "resolution", MAIL_SERVER).await, 1, "the warning was true");
}

#[tokio::test(flavor = "multi_thread")]
async fn o2_a_request_asked_before_the_catalogue_told_what_it_is_made_from_has_the_targets_of_that() {
    let app = world().await;
    written(&app, "requestRegister", ticket()).await;
    let unknown =
        "UPDATE offering_promise SET since = '2026-01-01Z', content = jsonb_set(content, '{standard}', '{}')";
    app.database.client().await.batch_execute(unknown).await.unwrap();
    let wish = with(ticket(), json!({ "standardServiceRequestId": key(STANDARD) }));
    let request = written(&app, "requestRegister", wish).await;
    let names = ["standardServiceRequest", "responseTargetAt", "resolutionTargetAt"];
    let own = json!({
        "standardServiceRequest": { "name": "New mailbox" }, "responseTargetAt": null, "resolutionTargetAt": "2026-03-04T17:00:00Z",
    });
    assert_eq!(fields(clock(&request, "Mail server"), &names), own);
}
