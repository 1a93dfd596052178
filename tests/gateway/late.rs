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
async fn s3_before_the_first_activation_the_version_is_in_force_that_is_when_the_request_comes_in() {
    for (first, second, in_force) in [
        ("2026-03-03Z", "2026-03-04Z", 2),
        ("2026-03-03Z", "2999-01-01Z", 1),
        ("2999-01-01Z", "2999-01-02Z", 1),
    ] {
        let app = world().await;
        activate(&app, first, second).await;
        written(&app, "requestRegister", ticket()).await;
        assert_eq!(number(&app, VERSION).await, in_force, "{first} {second}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_before_the_catalogue_was_written_holds_what_it_says_when_the_request_comes_in_and_from_then_on() {
    let app = world().await;
    written(&app, "requestRegister", ticket()).await;
    let edit = async |sql: &str| app.database.client().await.batch_execute(sql).await.unwrap();
    // Its first draft had no targets yet, and another zone.
    edit(
        "UPDATE offering_promise SET since = '2026-03-04Z';
          INSERT INTO offering_promise (root_id, tenant_id, service_offering_id, since, content)
          SELECT root_id, tenant_id, service_offering_id, '2026-03-03Z',
            content || '{\"targets\": {}, \"time_zone\": \"Asia/Kathmandu\"}' FROM offering_promise",
    )
    .await;
    let request = written(&app, "requestRegister", ticket()).await;
    let promised = json!({ "responseTargetAt": "2026-03-02T11:00:00Z", "timeZone": "UTC" });
    let names = ["responseTargetAt", "timeZone"];
    assert_eq!(fields(clock(&request, "Mail server"), &names), promised);
    edit("UPDATE offering_target SET response_amount = 5 WHERE response_kind = 'minutes'; UPDATE service_offering SET time_zone = 'Asia/Tokyo'").await;
    let same = told(&app, &request, "10:00", json!({ "requesterId": key(READER) })).await;
    assert_eq!(fields(clock(&same, "Mail server"), &names), promised);
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

#[tokio::test(flavor = "multi_thread")]
async fn x14_c2_what_is_told_of_the_start_retracts_nothing_of_an_sla_that_was_switched_off_since() {
    for off in ["active = false", "status = 'being_prepared'", "expiry_date = '2026-03-01'"] {
        let app = world().await;
        let request = written(&app, "requestRegister", ticket()).await;
        recorded(&app, 6).await;
        app.database.client().await.batch_execute(&format!("UPDATE sla SET {off}")).await.unwrap();
        let same = told(&app, &request, "10:00", json!({ "requesterId": key(READER) })).await;
        // She is covered as well.
        let name = "Mail server";
        assert_eq!(clock(&same, name)["accountability"], clock(&request, name)["accountability"], "{off}");
        for kind in ["response", "resolution"] {
            assert_ne!(standing(&app, kind, MAIL_SERVER).await, 0, "{kind}, {off}");
        }
        // It begins no other.
        let other = written(&app, "requestRegister", ticket()).await;
        assert_eq!(other["affectedSlas"]["nodes"], json!([]), "{off}");
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn b2_what_is_recorded_at_once_is_listed_in_the_order_in_which_it_was_due() {
    let app = world().await;
    let rows: Vec<Value> = (0..20).map(|_| ticket()).collect();
    let query = "mutation($rows: [RequestRegisterInput!]!) { requestRegisterMany(input: { rows: $rows }) { written } }";
    app.data("agent", query, json!({ "rows": rows })).await;
    recorded(&app, 100).await;
    let query = "{ affectedSlas(first: 100) { nodes { breaches { kind phase } } } }";
    let data = app.data("agent", query, json!({})).await;
    let mut both = 0;
    for node in data["affectedSlas"]["nodes"].as_array().unwrap() {
        for kind in ["RESPONSE", "RESOLUTION"] {
            let records = node["breaches"].as_array().unwrap().iter();
            let phases: Vec<&Value> =
                records.filter(|record| record["kind"] == kind).map(|record| &record["phase"]).collect();
            both += usize::from(phases.len() == 2);
            assert!(phases != ["BREACHED", "WARNING"], "{node}");
        }
    }
    assert!(both >= 20, "{data}");
    // And so does the feed tell it.
    let others = "SELECT count(*) FROM (SELECT breach_id, lag(breach_id) OVER (ORDER BY pos) AS before, \
        b.detected_at, lag(b.detected_at) OVER (ORDER BY pos) AS then FROM breach_log l JOIN breach b ON b.id = l.breach_id) f \
        WHERE f.before > f.breach_id AND f.then = f.detected_at";
    assert_eq!(number(&app, others).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_x14_what_is_told_late_is_measured_by_a_calendar_that_was_replaced_and_deleted_since() {
    let app = world().await;
    let before = written(&app, "requestRegister", with(ticket(), json!({ "impact": null }))).await;
    let replaced = format!(
        "UPDATE offering_promise SET since = '2026-01-01Z';
         INSERT INTO calendar (root_id, id, tenant_id, name) SELECT root_id, '{other}', tenant_id, 'Never' FROM calendar;
         UPDATE offering_target SET support_hours_id = '{other}'; UPDATE service_offering SET service_hours_id = '{other}';
         DELETE FROM calendar_hours WHERE calendar_id = '{office}'; DELETE FROM calendar WHERE id = '{office}'",
        office = key(50),
        other = key(51)
    );
    app.database.client().await.batch_execute(&replaced).await.unwrap();
    let late = written(&app, "requestRegister", with(ticket(), json!({ "impact": "TOP" }))).await;
    let told = told(&app, &before, "10:00", json!({ "impact": "TOP" })).await;
    for request in [late, told] {
        assert_eq!(clock(&request, "Mail server")["responseTargetAt"], "2026-03-02T10:30:00Z");
        assert_eq!(clock(&request, "Webmail")["resolutionTargetAt"], "2026-03-03T10:00:00Z");
    }
    let links = "SELECT count(*) FROM affected_sla WHERE support_hours_id IS NOT NULL OR service_hours_id IS NOT NULL";
    assert_eq!(number(&app, links).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_an_sla_on_a_service_as_a_whole_goes_on_with_another_instance_of_that_service() {
    let app = world().await;
    let whole = "
        INSERT INTO service (root_id, id, tenant_id, name, provider_id)
          SELECT root_id, 'a0000000-0000-0000-0000-000000000063', tenant_id, 'Other', provider_id FROM service WHERE id = 'a0000000-0000-0000-0000-000000000060';
        INSERT INTO service_instance (root_id, id, tenant_id, service_id, name)
          SELECT s.root_id, ('a0000000-0000-0000-0000-000000000' || i.number)::uuid, s.tenant_id, s.id, i.number FROM service s
          JOIN (VALUES ('172', 'Mail'), ('173', 'Other'), ('174', 'Other')) i(number, service) ON i.service = s.name;
        UPDATE service_instance SET support_team_id = 'a0000000-0000-0000-0000-000000000022' WHERE name = '172';
        INSERT INTO service_instance_relation (root_id, tenant_id, consumer_id, used_id, effect) SELECT root_id, tenant_id, id,
          'a0000000-0000-0000-0000-000000000173', 'down' FROM service_instance WHERE name = '172';
        INSERT INTO sla (root_id, id, tenant_id, kind, name, status, active_version_id, customer_id)
          SELECT root_id, 'a0000000-0000-0000-0000-000000000085', tenant_id, kind, 'Mail', status,
            'a0000000-0000-0000-0000-000000000095', customer_id FROM sla WHERE name = 'Mail server';
        INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, service_offering_id, coverage)
          SELECT root_id, 'a0000000-0000-0000-0000-000000000095', tenant_id, 'a0000000-0000-0000-0000-000000000085', 1, 'v1', kind,
            service_offering_id, coverage FROM sla_version WHERE id = 'a0000000-0000-0000-0000-000000000090'";
    app.database.client().await.batch_execute(whole).await.unwrap();
    let request = written(&app, "requestRegister", ticket()).await;
    let names = ["accountability", "actualResponseAt", "resolutionTargetAt"];
    let due = "2026-03-03T10:00:00Z";
    for (at, instance, expected) in [
        ("10:10", 172, json!(["PROVIDER", null, due])),
        ("10:20", MAIL_SERVER, json!(["PROVIDER", null, due])),
        // The first is used by an instance of the service, the other by none.
        ("10:30", 173, json!(["SUPPLIER", "2026-03-02T10:30:00Z", due])),
        ("10:40", 174, json!(["SLA_NOT_AFFECTED", "2026-03-02T10:30:00Z", null])),
    ] {
        // Assigned to who supports the instance, as is right; from then on it stays with them.
        let team = (instance == 172).then(|| key(22));
        let about = json!({ "serviceInstanceId": key(instance) });
        let about = team.map_or(about.clone(), |team| with(about, json!({ "teamId": team })));
        let moved = told(&app, &request, at, about).await;
        let clock = clock(&moved, "Mail");
        let found: Value = names.iter().map(|name| clock[*name].clone()).collect();
        assert_eq!(found, expected, "{instance}");
        let query = "query($id: ID!) { request(id: $id) { affectedSlas { nodes { sla { name }
            explanation { response { to intervals { counted } } } } } } }";
        let data = app.data("agent", query, json!({ "id": request["id"] })).await;
        let nodes = data["request"]["affectedSlas"]["nodes"].as_array().unwrap();
        let replayed = nodes.iter().find(|node| node["sla"]["name"] == "Mail").unwrap();
        let given = replayed["explanation"]["response"]["to"] == "2026-03-02T10:30:00Z";
        assert_eq!(given, !expected[1].is_null(), "{instance}: {replayed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_a_correction_at_the_start_of_a_clock_leaves_it_the_teams_that_it_was_made_with() {
    let app = world().await;
    let request = written(&app, "requestRegister", ticket()).await;
    told(&app, &request, "10:05", json!({ "teamId": key(20) })).await;
    let edit = format!("UPDATE service_instance SET support_team_id = '{}'", key(22));
    app.database.client().await.batch_execute(&edit).await.unwrap();
    let corrected = told(&app, &request, "10:00", json!({ "requesterId": key(READER) })).await;
    let clock = clock(&corrected, "Mail server");
    assert_eq!(clock["supportTeam"]["name"], "Support");
    assert_eq!(clock["actualResponseAt"], Value::Null, "it is with the team that supported it then");
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_a_clock_that_begins_earlier_than_was_told_has_the_teams_that_it_was_made_with() {
    let app = world().await;
    let request = registered(&app).await;
    let about = json!({ "serviceInstanceId": key(MAIL_SERVER) });
    told(&app, &request, "11:00", about.clone()).await;
    told(&app, &request, "11:05", json!({ "teamId": key(20) })).await;
    let edit = format!("UPDATE service_instance SET support_team_id = '{}'", key(22));
    app.database.client().await.batch_execute(&edit).await.unwrap();
    let earlier = told(&app, &request, "10:30", about).await;
    let names = ["startedAt", "supportTeam", "actualResponseAt"];
    let same = json!({ "startedAt": "2026-03-02T10:30:00Z", "supportTeam": { "name": "Support" }, "actualResponseAt": null });
    assert_eq!(fields(clock(&earlier, "Mail server"), &names), same);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_at_one_instant_is_in_the_order_of_receipt_whatever_the_clocks_of_replicas_say() {
    let app = world().await;
    let request = written(&app, "requestRegister", ticket()).await;
    told(&app, &request, "12:00", json!({ "status": "IN_PROGRESS" })).await;
    // As a replica names it whose clock is ahead.
    let ahead =
        "UPDATE request_event SET id = 'ffffffff-ffff-7fff-bfff-ffffffffffff' WHERE status = 'in_progress'";
    app.database.client().await.batch_execute(ahead).await.unwrap();
    let done = told(&app, &request, "12:00", json!({ "status": "COMPLETED" })).await;
    assert_eq!(
        (&done["status"], &clock(&done, "Mail server")["nextTarget"]),
        (&json!("COMPLETED"), &json!("NONE"))
    );
    assert_eq!(done["events"]["nodes"][2]["status"], "COMPLETED");
    let query = "query($id: ID!) { request(id: $id) { affectedSlas { nodes { explanation { resolution { to } } } } } }";
    let data = app.data("agent", query, json!({ "id": request["id"] })).await;
    let to = &data["request"]["affectedSlas"]["nodes"][0]["explanation"]["resolution"]["to"];
    assert_eq!(to, "2026-03-02T12:00:00Z");
}
