//! Intake: from `requestRegister` and `requestRecord` to affected SLAs, deadlines, breaches and retractions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::app::App;
use crate::database::Database;

/// A root with a tenant below it; a service with two instances, one of which the other uses; SLAs of all three kinds.
const WORLD: &str = "
    BEGIN;
    INSERT INTO tenant (root_id, id, parent_id, slug, name, time_zone) VALUES
      ('a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', NULL, 'acme', 'Acme', 'UTC'),
      ('a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000002',
        'a0000000-0000-0000-0000-000000000001', 'below', 'Below', 'UTC');
    INSERT INTO tenant_closure (root_id, ancestor_id, descendant_id, depth) VALUES
      ('a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', 0),
      ('a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000002', 'a0000000-0000-0000-0000-000000000002', 0),
      ('a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000002', 1);
    CREATE FUNCTION pg_temp.k(n integer) RETURNS uuid LANGUAGE sql AS
      $$ SELECT ('a0000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
    INSERT INTO organization (root_id, id, tenant_id, name, external) VALUES
      (pg_temp.k(1), pg_temp.k(10), pg_temp.k(1), 'Provider', true), (pg_temp.k(1), pg_temp.k(11), pg_temp.k(1), 'Customer', false);
    INSERT INTO team (root_id, id, tenant_id, name) VALUES
      (pg_temp.k(1), pg_temp.k(20), pg_temp.k(1), 'Support'), (pg_temp.k(1), pg_temp.k(21), pg_temp.k(1), 'First line'),
      (pg_temp.k(1), pg_temp.k(22), pg_temp.k(1), 'Others');
    INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login, organization_id) VALUES
      (pg_temp.k(1), pg_temp.k(30), pg_temp.k(1), 'Ann', 'Agent', 'agent', pg_temp.k(11)),
      (pg_temp.k(1), pg_temp.k(31), pg_temp.k(1), 'Rea', 'Reader', 'reader', NULL),
      (pg_temp.k(1), pg_temp.k(32), pg_temp.k(1), 'Wim', 'Writer', 'writer', NULL),
      (pg_temp.k(1), pg_temp.k(33), pg_temp.k(1), 'Sam', 'Stranger', 'stranger', NULL);
    INSERT INTO role (root_id, id, tenant_id, name, permissions) VALUES
      (pg_temp.k(1), pg_temp.k(40), pg_temp.k(1), 'agent', '{requests:read,requests:write,affected-slas:read,breaches:read,slas:read,tenants:admin}'),
      (pg_temp.k(1), pg_temp.k(41), pg_temp.k(1), 'reader', '{requests:read}'),
      (pg_temp.k(1), pg_temp.k(42), pg_temp.k(1), 'writer', '{requests:write}');
    INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id) VALUES
      (pg_temp.k(1), pg_temp.k(45), pg_temp.k(1), pg_temp.k(40), pg_temp.k(30)),
      (pg_temp.k(1), pg_temp.k(46), pg_temp.k(1), pg_temp.k(41), pg_temp.k(31)),
      (pg_temp.k(1), pg_temp.k(47), pg_temp.k(1), pg_temp.k(42), pg_temp.k(32));
    INSERT INTO calendar (root_id, id, tenant_id, name) VALUES (pg_temp.k(1), pg_temp.k(50), pg_temp.k(1), 'Office');
    INSERT INTO calendar_hours (root_id, tenant_id, calendar_id, weekday, from_minute, until_minute)
      SELECT pg_temp.k(1), pg_temp.k(1), pg_temp.k(50), day, 540, 1020 FROM generate_series(1, 5) day;
    INSERT INTO service (root_id, id, tenant_id, name, provider_id) VALUES
      (pg_temp.k(1), pg_temp.k(60), pg_temp.k(1), 'Mail', pg_temp.k(10));
    INSERT INTO service_offering (root_id, id, tenant_id, service_id, name, time_zone, service_hours_id) VALUES
      (pg_temp.k(1), pg_temp.k(61), pg_temp.k(1), pg_temp.k(60), 'Gold', 'UTC', pg_temp.k(50));
    INSERT INTO offering_target (root_id, tenant_id, service_offering_id, impact, response_kind, response_amount,
        resolution_kind, resolution_amount, support_hours_id) VALUES
      (pg_temp.k(1), pg_temp.k(1), pg_temp.k(61), 'low', 'best_effort', NULL, 'none', NULL, pg_temp.k(50)),
      (pg_temp.k(1), pg_temp.k(1), pg_temp.k(61), 'high', 'minutes', 60, 'minutes', 480, pg_temp.k(50)),
      (pg_temp.k(1), pg_temp.k(1), pg_temp.k(61), 'top', 'minutes', 30, 'minutes', 240, pg_temp.k(50));
    INSERT INTO standard_service_request (root_id, id, tenant_id, service_offering_id, name, response_kind, response_amount,
        resolution_kind, resolution_amount) VALUES
      (pg_temp.k(1), pg_temp.k(62), pg_temp.k(1), pg_temp.k(61), 'New mailbox', 'none', NULL, 'business_days', 2);
    INSERT INTO service_instance (root_id, id, tenant_id, service_id, name, support_team_id, first_line_team_id) VALUES
      (pg_temp.k(1), pg_temp.k(70), pg_temp.k(1), pg_temp.k(60), 'Mail server', pg_temp.k(20), pg_temp.k(21)),
      (pg_temp.k(1), pg_temp.k(71), pg_temp.k(1), pg_temp.k(60), 'Webmail', pg_temp.k(20), pg_temp.k(21));
    INSERT INTO service_instance_relation (root_id, tenant_id, consumer_id, used_id, effect) VALUES
      (pg_temp.k(1), pg_temp.k(1), pg_temp.k(71), pg_temp.k(70), 'degraded');
    INSERT INTO sla (root_id, id, tenant_id, kind, name, status, shared, active_version_id, livechat_due_minutes, customer_id) VALUES
      (pg_temp.k(1), pg_temp.k(80), pg_temp.k(1), 'service', 'Mail server', 'active', false, pg_temp.k(90), NULL, pg_temp.k(11)),
      (pg_temp.k(1), pg_temp.k(81), pg_temp.k(1), 'service', 'Webmail', 'active', false, pg_temp.k(91), NULL, pg_temp.k(11)),
      (pg_temp.k(1), pg_temp.k(82), pg_temp.k(1), 'queue', 'Calls', 'active', false, pg_temp.k(92), NULL, NULL),
      (pg_temp.k(1), pg_temp.k(83), pg_temp.k(1), 'livechat', 'Chats', 'active', true, pg_temp.k(93), 5, NULL),
      (pg_temp.k(1), pg_temp.k(84), pg_temp.k(1), 'service', 'Draft', 'being_prepared', false, pg_temp.k(94), NULL, pg_temp.k(11));
    INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, sla_threshold, abandon_type,
        abandon_threshold, due_time_in_minutes, service_offering_id, service_instance_id, coverage) VALUES
      (pg_temp.k(1), pg_temp.k(90), pg_temp.k(1), pg_temp.k(80), 1, 'v1', 'service', NULL, NULL, NULL, NULL, pg_temp.k(61), pg_temp.k(70), 'customer_account'),
      (pg_temp.k(1), pg_temp.k(91), pg_temp.k(1), pg_temp.k(81), 1, 'v1', 'service', NULL, NULL, NULL, NULL, pg_temp.k(61), pg_temp.k(71), 'people'),
      (pg_temp.k(1), pg_temp.k(92), pg_temp.k(1), pg_temp.k(82), 1, 'v1', 'queue', 20, 'ignore-abandons', 10, NULL, NULL, NULL, NULL),
      (pg_temp.k(1), pg_temp.k(93), pg_temp.k(1), pg_temp.k(83), 1, 'v1', 'livechat', NULL, NULL, NULL, 5, NULL, NULL, NULL),
      (pg_temp.k(1), pg_temp.k(94), pg_temp.k(1), pg_temp.k(84), 1, 'v1', 'service', NULL, NULL, NULL, NULL, pg_temp.k(61), pg_temp.k(70), 'customer_account');
    INSERT INTO sla_version_person (root_id, tenant_id, sla_version_id, person_id) VALUES
      (pg_temp.k(1), pg_temp.k(1), pg_temp.k(91), pg_temp.k(30));
    UPDATE tenant SET default_sla_id = pg_temp.k(83) WHERE id = pg_temp.k(1);
    COMMIT";

const TENANT: u32 = 1;
const BELOW: u32 = 2;
const CUSTOMER: u32 = 11;
const OTHER_TEAM: u32 = 22;
const AGENT: u32 = 30;
const READER: u32 = 31;
const STANDARD: u32 = 62;
const MAIL_SERVER: u32 = 70;
const CALLS: u32 = 82;

pub(crate) fn key(number: u32) -> String {
    format!("a0000000-0000-0000-0000-{number:012}")
}

pub(crate) async fn world() -> Arc<App> {
    // Before the gateway starts: it makes partitions of tables that are filled here.
    let database = Database::new().await;
    database.client().await.batch_execute(WORLD).await.unwrap();
    App::over(database).await
}

const REQUEST: &str = "id uuid status impact revision registeredAt events { nodes { eventKey status occurredAt } }
    affectedSlas(orderBy: [{ field: ID }]) { nodes {
      sla { name } impact accountability startedAt responseTargetAt responseBreachesAt resolutionTargetAt nextTarget nextTargetAt
      maximumResponseDuration maximumResolutionDuration maximumResolutionDurationInDays actualResponseAt actualResponseDuration
      actualResolutionAt actualResolutionDuration stoppedClockAt stoppedClockDuration timeZone providerNotAccountable
      supplier { name } supportTeam { name } standardServiceRequest { name }
    } }";

/// The payload of a mutation, asked by `login`.
pub(crate) async fn mutate(app: &App, login: &str, mutation: &str, input: Value) -> Value {
    let kind = format!("{}{}", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {kind}Input!) {{ payload: {mutation}(input: $input) {{
           request {{ {REQUEST} }} errors {{ code path message }} clientMutationId }} }}"
    );
    app.data(login, &query, json!({ "input": input })).await["payload"].take()
}

/// The request that a mutation wrote.
pub(crate) async fn written(app: &App, mutation: &str, input: Value) -> Value {
    let mut payload = mutate(app, "agent", mutation, input).await;
    assert_eq!(payload["errors"], json!([]), "{payload}");
    payload["request"].take()
}

pub(crate) fn with(mut base: Value, more: Value) -> Value {
    let more: Map<String, Value> = serde_json::from_value(more).unwrap();
    base.as_object_mut().unwrap().extend(more);
    base
}

/// A ticket of the agent about the mail server, of impact HIGH, on Monday at ten.
pub(crate) fn ticket() -> Value {
    json!({
        "tenantId": key(TENANT), "subject": "No mail", "impact": "HIGH", "requesterId": key(AGENT),
        "serviceInstanceId": key(MAIL_SERVER), "registeredAt": "2026-03-02T10:00:00Z",
    })
}

pub(crate) fn call() -> Value {
    json!({
        "tenantId": key(TENANT), "channel": "CALL", "subject": "Hello", "slaId": key(CALLS),
        "registeredAt": "2026-03-02T10:00:00Z",
    })
}

pub(crate) fn clock<'a>(request: &'a Value, sla: &str) -> &'a Value {
    let clocks = request["affectedSlas"]["nodes"].as_array().unwrap();
    clocks.iter().find(|clock| clock["sla"]["name"] == sla).unwrap_or_else(|| panic!("{sla}: {request}"))
}

pub(crate) fn fields(clock: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), clock[name].clone())).collect()
}

/// What the breach log says of a request: kind and phase of each record, in order.
pub(crate) async fn breaches(app: &App) -> Vec<(String, String)> {
    let query =
        "{ breaches(orderBy: [{ field: ID }], first: 100) { nodes { kind phase retracts { kind phase } } } }";
    let data = app.data("agent", query, json!({})).await;
    let nodes = data["breaches"]["nodes"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> = nodes
        .iter()
        .map(|node| match &node["retracts"] {
            Value::Null => (text(&node["kind"]), text(&node["phase"])),
            retracted => {
                (text(&retracted["kind"]), format!("{} {}", text(&node["phase"]), text(&retracted["phase"])))
            }
        })
        .collect();
    found.sort();
    found
}

/// Waits until as many records are in the log.
pub(crate) async fn recorded(app: &App, count: usize) -> Vec<(String, String)> {
    let begun = Instant::now();
    loop {
        let found = breaches(app).await;
        if found.len() >= count {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "only {found:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(kind, phase)| ((*kind).to_owned(), (*phase).to_owned())).collect()
}

pub(crate) async fn number(app: &App, sql: &str) -> i64 {
    app.database.client().await.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_c3_c4_a_ticket_falls_under_the_slas_on_its_instance_and_on_those_above_that_cover_its_requester()
{
    let app = world().await;
    let request = written(&app, "requestRegister", with(ticket(), json!({ "impact": "TOP" }))).await;
    assert_eq!(request["affectedSlas"]["nodes"].as_array().unwrap().len(), 2, "a draft starts no clock (S6)");
    let own = clock(&request, "Mail server");
    let names = [
        "impact",
        "accountability",
        "startedAt",
        "responseTargetAt",
        "responseBreachesAt",
        "resolutionTargetAt",
        "nextTarget",
        "nextTargetAt",
        "maximumResponseDuration",
        "maximumResolutionDuration",
        "actualResponseAt",
        "timeZone",
    ];
    assert_eq!(
        fields(own, &names),
        json!({
            "impact": "TOP", "accountability": "PROVIDER", "startedAt": "2026-03-02T10:00:00Z",
            "responseTargetAt": "2026-03-02T10:30:00Z", "responseBreachesAt": "2026-03-02T10:30:00Z",
            "resolutionTargetAt": "2026-03-02T14:00:00Z", "nextTarget": "RESPONSE",
            "nextTargetAt": "2026-03-02T10:30:00Z", "maximumResponseDuration": 30, "maximumResolutionDuration": 240,
            "actualResponseAt": null, "timeZone": "UTC",
        })
    );
    assert_eq!(own["supplier"]["name"], "Provider", "the service's provider is external (C2)");
    assert_eq!(own["supportTeam"]["name"], "Support");
    let above = clock(&request, "Webmail");
    assert_eq!(
        fields(above, &names),
        json!({
            "impact": "HIGH", "accountability": "SUPPLIER", "startedAt": "2026-03-02T10:00:00Z",
            "responseTargetAt": "2026-03-02T11:00:00Z", "responseBreachesAt": "2026-03-02T11:00:00Z",
            "resolutionTargetAt": "2026-03-03T10:00:00Z", "nextTarget": "RESOLUTION",
            "nextTargetAt": "2026-03-03T10:00:00Z", "maximumResponseDuration": 60, "maximumResolutionDuration": 480,
            "actualResponseAt": "2026-03-02T10:00:00Z", "timeZone": "UTC",
        })
    );
    // Covered by the account, but not listed for the SLA above.
    let other = written(&app, "requestRegister", with(ticket(), json!({ "requesterId": key(READER) }))).await;
    assert_eq!(other["affectedSlas"]["nodes"].as_array().unwrap().len(), 1);
    // Nobody asked: nobody is covered.
    let nobody = written(&app, "requestRegister", with(ticket(), json!({ "requesterId": null }))).await;
    assert_eq!(nobody["affectedSlas"]["nodes"], json!([]));
    let of_team =
        "query($id: ID!) { affectedSlas(filter: { supportTeam: { eq: $id }, nextTarget: { eq: RESPONSE } }) {
        nodes { sla { name } supportTeam { name } } } }";
    for (team, count) in [(20, 2), (OTHER_TEAM, 0)] {
        let found =
            app.data("agent", of_team, json!({ "id": key(team) })).await["affectedSlas"]["nodes"].take();
        let own = json!({ "sla": { "name": "Mail server" }, "supportTeam": { "name": "Support" } });
        assert_eq!(found, json!(vec![own; count]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c13_a_call_is_measured_by_the_sla_it_names_and_answered_within_its_seconds() {
    let app = world().await;
    let request = written(&app, "requestRegister", call()).await;
    let names =
        ["nextTarget", "nextTargetAt", "responseBreachesAt", "actualResponseAt", "actualResponseDuration"];
    assert_eq!(
        fields(clock(&request, "Calls"), &names),
        json!({
            "nextTarget": "RESPONSE", "nextTargetAt": "2026-03-02T10:00:20Z", "responseBreachesAt": "2026-03-02T10:00:20Z",
            "actualResponseAt": null, "actualResponseDuration": null,
        })
    );
    let answered =
        json!({ "requestId": request["id"], "kind": "ANSWERED", "occurredAt": "2026-03-02T10:00:20Z" });
    let request = written(&app, "requestRecord", answered).await;
    assert_eq!(request["status"], "IN_PROGRESS");
    assert_eq!(
        fields(clock(&request, "Calls"), &names),
        json!({
            "nextTarget": "NONE", "nextTargetAt": null, "responseBreachesAt": "2026-03-02T10:00:20Z",
            "actualResponseAt": "2026-03-02T10:00:20Z", "actualResponseDuration": 0,
        })
    );
    // Rule X7: the clock of who answered is behind that of who registered it.
    let request = written(&app, "requestRegister", call()).await;
    let answered =
        json!({ "requestId": request["id"], "kind": "ANSWERED", "occurredAt": "2026-03-02T09:59:59Z" });
    let request = written(&app, "requestRecord", answered).await;
    assert_eq!(clock(&request, "Calls")["actualResponseDuration"], 0);
    // Rule S10: given up within the threshold, it counts for nothing.
    let request = written(&app, "requestRegister", call()).await;
    let given_up =
        json!({ "requestId": request["id"], "kind": "ABANDONED", "occurredAt": "2026-03-02T10:00:10Z" });
    let request = written(&app, "requestRecord", given_up).await;
    assert_eq!(request["status"], "DECLINED");
    assert_eq!(clock(&request, "Calls")["responseTargetAt"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn c13_s12_a_chat_without_a_name_is_measured_by_the_default_that_a_tenant_above_shares() {
    let app = world().await;
    let chat = json!({ "tenantId": key(BELOW), "channel": "CHAT", "subject": "Hi", "registeredAt": "2026-03-01T23:58:00Z" });
    let request = written(&app, "requestRegister", chat).await;
    let clock = clock(&request, "Chats");
    assert_eq!(
        (&clock["nextTargetAt"], &clock["maximumResponseDuration"]),
        (&json!("2026-03-02T00:03:00Z"), &json!(5))
    );
    // A ticket is measured by coverage, and a default covers nobody.
    let ticket = json!({ "tenantId": key(BELOW), "subject": "Hi" });
    assert_eq!(written(&app, "requestRegister", ticket).await["affectedSlas"]["nodes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn o2_a_standard_service_request_brings_its_own_targets_and_keeps_the_hours_of_the_offering() {
    let app = world().await;
    let wish = with(ticket(), json!({ "standardServiceRequestId": key(STANDARD) }));
    let request = written(&app, "requestRegister", wish).await;
    let clock = clock(&request, "Mail server");
    assert_eq!(clock["standardServiceRequest"]["name"], "New mailbox");
    assert_eq!(
        fields(
            clock,
            &[
                "nextTarget",
                "nextTargetAt",
                "responseTargetAt",
                "maximumResolutionDuration",
                "maximumResolutionDurationInDays"
            ]
        ),
        json!({
            "nextTarget": "RESOLUTION", "nextTargetAt": "2026-03-04T17:00:00Z", "responseTargetAt": null,
            "maximumResolutionDuration": null, "maximumResolutionDurationInDays": 2,
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn x9_c7_waiting_for_the_customer_is_the_response_and_stops_the_clock_in_its_own_hours() {
    let app = world().await;
    let request = written(&app, "requestRegister", ticket()).await;
    assert_eq!(clock(&request, "Mail server")["resolutionTargetAt"], "2026-03-03T10:00:00Z");
    let waits = json!({ "requestId": request["id"], "status": "WAITING_FOR_CUSTOMER", "occurredAt": "2026-03-02T16:00:00Z" });
    let request = written(&app, "requestRecord", waits).await;
    let names = [
        "nextTarget",
        "nextTargetAt",
        "stoppedClockAt",
        "stoppedClockDuration",
        "actualResponseAt",
        "actualResponseDuration",
    ];
    assert_eq!(
        fields(clock(&request, "Mail server"), &names),
        json!({
            "nextTarget": "CLOCK_STOPPED", "nextTargetAt": null, "stoppedClockAt": "2026-03-02T16:00:00Z",
            "stoppedClockDuration": 0, "actualResponseAt": "2026-03-02T16:00:00Z", "actualResponseDuration": 360,
        })
    );
    assert_eq!(
        number(&app, "SELECT count(*) FROM deadline WHERE kind = 'resolution' AND phase = 'breached'").await,
        0
    );
    let goes_on = json!({ "requestId": request["uuid"], "status": "IN_PROGRESS", "occurredAt": "2026-03-03T09:30:00Z" });
    let request = written(&app, "requestRecord", goes_on).await;
    // One hour of Monday and half an hour of Tuesday.
    assert_eq!(
        fields(clock(&request, "Mail server"), &names[..4]),
        json!({
            "nextTarget": "RESOLUTION", "nextTargetAt": "2026-03-03T11:30:00Z", "stoppedClockAt": null,
            "stoppedClockDuration": 90,
        })
    );
    let done =
        json!({ "requestId": request["id"], "status": "COMPLETED", "occurredAt": "2026-03-03T11:00:00Z" });
    let request = written(&app, "requestRecord", done).await;
    assert_eq!(clock(&request, "Mail server")["actualResolutionDuration"], 450);
    assert_eq!(clock(&request, "Mail server")["nextTarget"], "NONE");
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_a_late_event_retracts_what_it_proves_wrong_and_only_that() {
    let app = world().await;
    let input = with(ticket(), json!({ "requesterId": key(READER) }));
    let request = written(&app, "requestRegister", input).await;
    let four = [
        ("RESOLUTION", "BREACHED"),
        ("RESOLUTION", "WARNING"),
        ("RESPONSE", "BREACHED"),
        ("RESPONSE", "WARNING"),
    ];
    assert_eq!(recorded(&app, 4).await, pairs(&four));
    let late = json!({ "requestId": request["id"], "status": "IN_PROGRESS", "occurredAt": "2026-03-02T10:55:00Z", "eventKey": "late" });
    written(&app, "requestRecord", late).await;
    let five = [
        ("RESOLUTION", "BREACHED"),
        ("RESOLUTION", "WARNING"),
        ("RESPONSE", "BREACHED"),
        ("RESPONSE", "RETRACTED BREACHED"),
        ("RESPONSE", "WARNING"),
    ];
    assert_eq!(recorded(&app, 5).await, pairs(&five), "the warning at 10:48 was true");
    assert_eq!(number(&app, "SELECT count(*) FROM deadline").await, 0);
    // Rule B5: an impact lowered in order takes nothing back.
    let lower = json!({ "requestId": request["id"], "impact": "LOW", "occurredAt": "2026-03-04T10:00:00Z" });
    written(&app, "requestRecord", lower).await;
    // A still later word that proves the first one right after all is recorded anew.
    let mistaken = json!({ "requestId": request["id"], "providerNotAccountable": true, "occurredAt": "2026-03-02T10:30:00Z" });
    written(&app, "requestRecord", mistaken).await;
    let seven = [
        ("RESOLUTION", "BREACHED"),
        ("RESOLUTION", "RETRACTED BREACHED"),
        ("RESOLUTION", "RETRACTED WARNING"),
        ("RESOLUTION", "WARNING"),
        ("RESPONSE", "BREACHED"),
        ("RESPONSE", "RETRACTED BREACHED"),
        ("RESPONSE", "RETRACTED WARNING"),
        ("RESPONSE", "WARNING"),
    ];
    assert_eq!(recorded(&app, 8).await, pairs(&seven));
    let accountable = json!({ "requestId": request["id"], "providerNotAccountable": false, "occurredAt": "2026-03-02T10:30:00Z" });
    written(&app, "requestRecord", accountable).await;
    let mut eleven = pairs(&seven);
    eleven.extend(pairs(&[("RESOLUTION", "BREACHED"), ("RESOLUTION", "WARNING"), ("RESPONSE", "WARNING")]));
    eleven.sort();
    assert_eq!(recorded(&app, 11).await, eleven);
    assert_eq!(number(&app, "SELECT count(*) FROM breach_log").await, 11, "each has its position in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_events_in_any_order_lead_to_the_same_clock() {
    let app = world().await;
    let events = [
        json!({ "status": "ACCEPTED", "occurredAt": "2026-03-02T10:10:00Z", "sequence": 1 }),
        json!({ "status": "WAITING_FOR_CUSTOMER", "occurredAt": "2026-03-02T11:00:00Z", "sequence": 2 }),
        // The same instant: the sender's number decides.
        json!({ "status": "IN_PROGRESS", "occurredAt": "2026-03-02T12:00:00Z", "sequence": 3, "teamId": key(OTHER_TEAM) }),
        json!({ "status": "WAITING_FOR", "occurredAt": "2026-03-02T12:00:00Z", "sequence": 4 }),
        json!({ "impact": "TOP", "occurredAt": "2026-03-02T14:00:00Z", "sequence": 5 }),
    ];
    let mut seen = Vec::new();
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]] {
        let mut request = written(&app, "requestRegister", ticket()).await;
        for index in order {
            let event = with(events[index].clone(), json!({ "requestId": request["id"] }));
            request = written(&app, "requestRecord", event).await;
        }
        assert_eq!((&request["status"], &request["impact"]), (&json!("WAITING_FOR"), &json!("TOP")));
        seen.push(request["affectedSlas"]["nodes"].clone());
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    assert_eq!(seen[0][0]["resolutionTargetAt"], "2026-03-02T15:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_a_clock_that_late_news_disprove_begins_where_what_was_told_before_brings_its_sla_in_again() {
    let app = world().await;
    let elsewhere = format!(
        "INSERT INTO service_instance (root_id, id, tenant_id, service_id, name) VALUES ('{0}', '{1}', '{0}', '{2}', 'Elsewhere')",
        key(TENANT),
        key(72),
        key(60),
    );
    app.database.client().await.batch_execute(&elsewhere).await.unwrap();
    // The agent is whom the SLA on webmail covers, the reader is not.
    let events = [
        json!({ "requesterId": key(READER), "occurredAt": "2026-03-02T11:00:00Z" }),
        json!({ "serviceInstanceId": key(71), "occurredAt": "2026-03-02T12:00:00Z" }),
        json!({ "requesterId": key(AGENT), "occurredAt": "2026-03-02T13:00:00Z" }),
        json!({ "status": "IN_PROGRESS", "occurredAt": "2026-03-02T15:00:00Z" }),
    ];
    for order in
        [[0, 1, 2, 3], [1, 0, 2, 3], [1, 2, 0, 3], [1, 2, 3, 0], [3, 2, 1, 0], [2, 3, 1, 0], [3, 1, 2, 0]]
    {
        let registered = with(ticket(), json!({ "serviceInstanceId": key(72) }));
        let mut request = written(&app, "requestRegister", registered).await;
        for event in order {
            let event = with(events[event].clone(), json!({ "requestId": request["id"] }));
            request = written(&app, "requestRecord", event).await;
        }
        assert_eq!(
            fields(
                clock(&request, "Webmail"),
                &["startedAt", "accountability", "responseTargetAt", "actualResponseAt"]
            ),
            json!({ "startedAt": "2026-03-02T13:00:00Z", "accountability": "PROVIDER",
                "responseTargetAt": "2026-03-02T14:00:00Z", "actualResponseAt": "2026-03-02T15:00:00Z" }),
            "{order:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c13_x14_an_sla_that_is_switched_on_after_a_ticket_named_it_applies_whatever_is_told_late_of_who_it_is_for()
 {
    let app = world().await;
    let client = app.database.client().await;
    let switch = async |active: bool| {
        let switch = format!("UPDATE sla SET active = {active} WHERE id = '{}'", key(81));
        client.batch_execute(&switch).await.unwrap();
    };
    switch(false).await;
    // For people whom it does not cover.
    let named = json!({ "serviceInstanceId": key(71), "requesterId": key(READER), "slaId": key(81),
        "registeredAt": "2026-03-02T10:00:00Z" });
    let request = written(&app, "requestRegister", with(ticket(), named)).await;
    let id = request["id"].clone();
    switch(true).await;
    let told = json!({ "requestId": id, "impact": "LOW", "occurredAt": "2026-03-02T11:00:00Z" });
    let begun = fields(
        clock(&written(&app, "requestRecord", told).await, "Webmail"),
        &["startedAt", "accountability"],
    );
    assert_eq!(begun, json!({ "startedAt": "2026-03-02T11:00:00Z", "accountability": "PROVIDER" }));
    for (at, active) in [("10:30", true), ("10:45", false)] {
        switch(active).await;
        let late =
            json!({ "requestId": id, "requesterId": key(32), "occurredAt": format!("2026-03-02T{at}:00Z") });
        let request = written(&app, "requestRecord", late).await;
        assert_eq!(clock(&request, "Webmail")["accountability"], "PROVIDER", "{at}: {request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_an_sla_that_was_not_active_when_a_ticket_named_it_applies_no_longer_than_it_covers() {
    let app = world().await;
    let made = format!(
        "INSERT INTO service_instance (root_id, id, tenant_id, service_id, name) VALUES ('{0}', '{1}', '{0}', '{2}', 'Elsewhere');
         UPDATE sla SET start_date = '2026-03-02' WHERE id = '{3}'",
        key(TENANT),
        key(72),
        key(60),
        key(81),
    );
    app.database.client().await.batch_execute(&made).await.unwrap();
    for named in [json!(null), json!(key(81))] {
        let registered = with(
            ticket(),
            json!({ "serviceInstanceId": key(72), "registeredAt": "2026-03-01T10:00:00Z", "slaId": named }),
        );
        let request = written(&app, "requestRegister", registered).await;
        let id = &request["id"];
        let covered =
            json!({ "requestId": id, "serviceInstanceId": key(71), "occurredAt": "2026-03-02T12:00:00Z" });
        let request = written(&app, "requestRecord", covered).await;
        let begun = fields(clock(&request, "Webmail"), &["startedAt", "accountability"]);
        assert_eq!(begun, json!({ "startedAt": "2026-03-02T12:00:00Z", "accountability": "PROVIDER" }));
        // Of somebody whom it does not cover.
        let late =
            json!({ "requestId": id, "requesterId": key(READER), "occurredAt": "2026-03-02T11:00:00Z" });
        let request = written(&app, "requestRecord", late).await;
        assert_eq!(clock(&request, "Webmail")["accountability"], "SLA_NOT_AFFECTED", "{named}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_event_empties_is_empty_from_then_on_and_what_it_leaves_out_is_unchanged() {
    let app = world().await;
    let input = json!({
        "teamId": key(OTHER_TEAM), "desiredCompletionAt": "2026-03-05T00:00:00Z", "downtimeStartAt": "2026-03-02T09:00:00Z",
    });
    let request = written(&app, "requestRegister", with(ticket(), input)).await;
    let emptied = json!({
        "requestId": request["id"], "occurredAt": "2026-03-02T11:00:00Z", "impact": null, "teamId": null,
        "desiredCompletionAt": null, "downtimeStartAt": null, "downtimeEndAt": null, "serviceInstanceId": null, "requesterId": null,
    });
    let left = json!({ "requestId": request["id"], "occurredAt": "2026-03-02T12:00:00Z", "status": "ACCEPTED", "sequence": 7 });
    written(&app, "requestRecord", emptied).await;
    let request = written(&app, "requestRecord", left).await;
    let own = clock(&request, "Mail server");
    assert_eq!(
        fields(own, &["impact", "nextTarget", "responseTargetAt", "resolutionTargetAt", "accountability"]),
        json!({
            "impact": null, "nextTarget": "NO_TARGET", "responseTargetAt": null, "resolutionTargetAt": null,
            "accountability": "PROVIDER",
        })
    );
    // Late, of the time before: what was emptied after it stays empty (X14).
    let late = json!({ "requestId": request["id"], "occurredAt": "2026-03-02T10:30:00Z", "impact": "TOP" });
    written(&app, "requestRecord", late).await;
    let query = "query($id: ID!) { request(id: $id) { impact requester { name } serviceInstance { name } team { name }
        desiredCompletionAt downtimeStartAt downtimeEndAt events { nodes { cleared impact } }
        affectedSlas { nodes { sla { name } impact desiredCompletionAt downtimeStartAt } } } }";
    let found = app.data("agent", query, json!({ "id": request["id"] })).await["request"].take();
    for field in [
        "impact",
        "requester",
        "serviceInstance",
        "team",
        "desiredCompletionAt",
        "downtimeStartAt",
        "downtimeEndAt",
    ] {
        assert_eq!(found[field], Value::Null, "{field}");
    }
    let cleared: Vec<&Value> =
        found["events"]["nodes"].as_array().unwrap().iter().map(|event| &event["cleared"]).collect();
    let all = json!([
        "IMPACT",
        "SERVICE_INSTANCE",
        "TEAM",
        "REQUESTER",
        "DESIRED_COMPLETION_AT",
        "DOWNTIME_START_AT",
        "DOWNTIME_END_AT"
    ]);
    assert_eq!(cleared, [&json!([]), &json!([]), &all, &json!([])]);
    assert_eq!(clock(&found, "Mail server")["desiredCompletionAt"], Value::Null);
    // Given again, it counts again from then on.
    let again = json!({ "requestId": request["id"], "occurredAt": "2026-03-02T13:00:00Z", "impact": "HIGH" });
    let request = written(&app, "requestRecord", again).await;
    assert_eq!(clock(&request, "Mail server")["resolutionTargetAt"], "2026-03-03T10:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_an_event_told_twice_are_one() {
    let app = world().await;
    let input = with(ticket(), json!({ "source": "desk", "sourceId": "1" }));
    let first = written(&app, "requestRegister", input.clone()).await;
    assert_eq!(first, written(&app, "requestRegister", input.clone()).await);
    let renamed = written(
        &app,
        "requestRegister",
        with(input, json!({ "subject": "No mail at all", "impact": "LOW" })),
    )
    .await;
    assert_eq!(
        (&renamed["id"], &renamed["impact"], &renamed["revision"]),
        (&first["id"], &json!("HIGH"), &json!(2))
    );
    let event = json!({
        "tenantId": key(TENANT), "source": "desk", "sourceId": "1", "eventKey": "e", "status": "IN_PROGRESS",
        "occurredAt": "2026-03-02T10:20:00Z",
    });
    let once = written(&app, "requestRecord", event.clone()).await;
    assert_eq!(once["events"]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(once, written(&app, "requestRecord", event.clone()).await);
    let other = with(event, json!({ "status": "COMPLETED" }));
    assert_eq!(once, written(&app, "requestRecord", other).await, "the first telling counts");
    assert_eq!(
        number(&app, "SELECT count(*) FROM audit_entry").await,
        3,
        "P4: one for each write that changed something"
    );
    let renaming = "SELECT count(*) FROM audit_entry \
                    WHERE before ->> 'subject' = 'No mail' AND after ->> 'subject' = 'No mail at all'";
    assert_eq!(number(&app, renaming).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p3_who_may_not_write_is_told_so_before_the_input_is_looked_at() {
    let app = world().await;
    let query =
        "mutation($input: RequestRegisterInput!) { requestRegister(input: $input) { request { id } } }";
    let bad = with(ticket(), json!({ "subject": "", "registeredAt": "2999-01-01T00:00:00Z" }));
    for (login, code) in [("", "UNAUTHENTICATED"), ("reader", "FORBIDDEN"), ("stranger", "NOT_FOUND")] {
        let answer = app.ask(login, query, json!({ "input": bad })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{login}: {answer}");
    }
    let request = written(&app, "requestRegister", ticket()).await;
    let query =
        "mutation($input: RequestRecordInput!) { requestRecord(input: $input) { request { status } } }";
    let event = json!({ "requestId": request["id"], "status": "COMPLETED", "sequence": -1 });
    for (login, code) in [("", "UNAUTHENTICATED"), ("reader", "FORBIDDEN"), ("stranger", "NOT_FOUND")] {
        let answer = app.ask(login, query, json!({ "input": event })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{login}: {answer}");
        assert_ne!(answer["errors"][0]["extensions"]["permission"], "requests:read");
    }
    // Whoever may only write is told what became of it.
    let event = json!({ "requestId": request["id"], "status": "COMPLETED" });
    let answer = app.data("writer", query, json!({ "input": event })).await;
    assert_eq!(answer["requestRecord"]["request"]["status"], "COMPLETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_a_supplier_is_another_company_and_not_a_part_of_ones_own() {
    let app = world().await;
    let own = "UPDATE organization SET external = false WHERE name = 'Provider'";
    app.database.client().await.batch_execute(own).await.unwrap();
    let request = written(&app, "requestRegister", ticket()).await;
    assert_eq!(clock(&request, "Mail server")["supplier"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn o3_of_a_service_as_a_whole_the_requests_own_instance_comes_first_then_those_of_its_own_tenant() {
    let app = world().await;
    // Of all of these the mail server was made first.
    let made = format!(
        "UPDATE role SET permissions = permissions || '{{catalog:read}}' WHERE name = 'agent';
         INSERT INTO sla (root_id, id, tenant_id, kind, name, status, shared, active_version_id, customer_id) VALUES
           ('{root}', '{sla}', '{root}', 'service', 'All mail', 'active', true, '{version}', '{customer}');
         INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, service_offering_id, coverage) VALUES
           ('{root}', '{version}', '{root}', '{sla}', 1, 'v1', 'service', '{offering}', 'customer_account');
         INSERT INTO service (root_id, id, tenant_id, name, provider_id) VALUES ('{root}', '{network}', '{root}', 'Network', '{provider}');
         INSERT INTO service_instance (root_id, id, tenant_id, service_id, name) VALUES
           ('{root}', '{relay}', '{root}', '{mail}', 'Relay'), ('{root}', '{lan}', '{root}', '{network}', 'LAN'),
           ('{root}', '{branch}', '{below}', '{mail}', 'Mail of the branch');
         INSERT INTO service_instance_relation (root_id, tenant_id, consumer_id, used_id, effect) VALUES
           ('{root}', '{root}', '{server}', '{relay}', 'down'), ('{root}', '{root}', '{server}', '{lan}', 'down'),
           ('{root}', '{below}', '{branch}', '{lan}', 'down')",
        root = key(TENANT),
        below = key(BELOW),
        provider = key(10),
        customer = key(CUSTOMER),
        sla = key(85),
        version = key(95),
        mail = key(60),
        offering = key(61),
        network = key(63),
        server = key(MAIL_SERVER),
        relay = key(72),
        lan = key(73),
        branch = key(74),
    );
    app.database.client().await.batch_execute(&made).await.unwrap();
    for (tenant, instance, expected) in
        [(TENANT, 72, "Relay"), (TENANT, 73, "Mail server"), (BELOW, 73, "Mail of the branch")]
    {
        let about = json!({ "tenantId": key(tenant), "serviceInstanceId": key(instance) });
        let request = written(&app, "requestRegister", with(ticket(), about)).await;
        let query = "query($id: ID!) { request(id: $id) { affectedSlas { nodes { sla { name } serviceInstance { name } } } } }";
        let seen = app.data("agent", query, json!({ "id": request["id"] })).await["request"].take();
        assert_eq!(clock(&seen, "All mail")["serviceInstance"]["name"], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_neither_taken_nor_answered_nor_given_up() {
    let app = world().await;
    let request = written(&app, "requestRegister", ticket()).await;
    for kind in ["TAKEN", "ANSWERED", "ABANDONED"] {
        let event = json!({ "requestId": request["id"], "kind": kind });
        let payload = mutate(&app, "agent", "requestRecord", event.clone()).await;
        assert_eq!(payload["errors"][0]["path"], json!(["input", "kind"]), "{payload}");
        let query = "mutation($input: RequestRecordManyInput!) { requestRecordMany(input: $input) {
            results { errors { code path } } } }";
        let many = app.data("agent", query, json!({ "input": { "rows": [event] } })).await;
        let mistake = json!([{ "code": "INVALID", "path": ["input", "rows", "0", "kind"] }]);
        assert_eq!(many["requestRecordMany"]["results"][0]["errors"], mistake);
    }
    assert_eq!(number(&app, "SELECT count(*) FROM request_event").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mistakes_of_an_input_are_told_at_once() {
    let app = world().await;
    let told = |payload: &Value| {
        assert_eq!(payload["request"], Value::Null);
        let mut told: Vec<String> = payload["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| {
                let path: Vec<&str> =
                    error["path"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
                format!("{} {}", path.join("."), error["code"].as_str().unwrap())
            })
            .collect();
        told.sort();
        told
    };
    let input = json!({
        "tenantId": key(BELOW), "subject": " ", "source": "x".repeat(31), "registeredAt": "2999-01-01T00:00:00Z",
        "downtimeStartAt": "2026-01-02T00:00:00Z", "downtimeEndAt": "2026-01-01T00:00:00Z", "slaId": key(CALLS),
        "requesterId": key(CUSTOMER), "teamId": key(999), "serviceInstanceId": key(998), "standardServiceRequestId": key(997),
    });
    assert_eq!(
        told(&mutate(&app, "agent", "requestRegister", input).await),
        [
            "input.downtimeEndAt INVALID",
            "input.registeredAt INVALID",
            "input.requesterId NOT_FOUND",
            "input.serviceInstanceId NOT_FOUND",
            "input.slaId NOT_FOUND",
            "input.source TOO_LONG",
            "input.sourceId REQUIRED",
            "input.standardServiceRequestId NOT_FOUND",
            "input.subject REQUIRED",
            "input.teamId NOT_FOUND",
        ]
    );
    let mut ages = ticket();
    ages["downtimeStartAt"] = json!("1026-01-01T00:00:00Z");
    ages["downtimeEndAt"] = json!("9999-01-01T00:00:00Z");
    assert_eq!(
        told(&mutate(&app, "agent", "requestRegister", ages).await),
        ["input.downtimeEndAt INVALID", "input.downtimeStartAt INVALID"]
    );
    let request = written(&app, "requestRegister", ticket()).await;
    let nothing = json!({ "requestId": request["id"], "eventKey": "", "sequence": -1, "source": "x", "occurredAt": "2999-01-01T00:00:00Z" });
    assert_eq!(
        told(&mutate(&app, "agent", "requestRecord", nothing).await),
        [
            "input REQUIRED",
            "input.eventKey REQUIRED",
            "input.occurredAt INVALID",
            "input.requestId INVALID",
            "input.sequence INVALID",
        ]
    );
    let unknown = json!({
        "tenantId": key(TENANT), "source": "desk", "sourceId": "none", "status": "COMPLETED", "kind": "TAKEN",
    });
    assert_eq!(
        told(&mutate(&app, "agent", "requestRecord", unknown).await),
        ["input.kind INVALID", "input.sourceId NOT_FOUND"]
    );
    assert_eq!(number(&app, "SELECT count(*) FROM request").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_target_that_passes_is_in_the_log_by_itself_and_not_before() {
    let app = world().await;
    let soon = app.store.now() - TimeDelta::milliseconds(19_000);
    let input = with(call(), json!({ "registeredAt": soon.to_rfc3339() }));
    written(&app, "requestRegister", input).await;
    assert_eq!(
        recorded(&app, 2).await,
        pairs(&[("QUEUE_THRESHOLD", "BREACHED"), ("QUEUE_THRESHOLD", "WARNING")])
    );
    let late = number(
        &app,
        "SELECT (extract(epoch FROM b.detected_at - k.due_at) * 1000)::bigint FROM breach b \
         JOIN breach_key k ON k.breach_id = b.id WHERE b.phase = 'breached'",
    )
    .await;
    assert!(late >= 0, "recorded {late} ms after it was due");
    assert_eq!(number(&app, "SELECT count(*) FROM deadline").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_target_of_no_time_at_all_is_warned_of_before_it_is_breached() {
    let app = world().await;
    let nothing =
        "UPDATE offering_target SET response_amount = 0, resolution_amount = 0 WHERE impact = 'high'";
    app.database.client().await.batch_execute(nothing).await.unwrap();
    let query =
        "{ breaches(orderBy: [{ field: ID }], first: 100) { nodes { kind phase affectedSla { id } } } }";
    for count in [6, 12, 18] {
        written(&app, "requestRegister", with(ticket(), json!({ "serviceInstanceId": key(MAIL_SERVER) })))
            .await;
        recorded(&app, count).await;
        let told = app.data("agent", query, json!({})).await;
        let told = told["breaches"]["nodes"].as_array().unwrap();
        for breached in told.iter().skip(count - 6).filter(|record| record["phase"] == "BREACHED") {
            let warning = json!({ "kind": breached["kind"], "phase": "WARNING", "affectedSla": breached["affectedSla"] });
            let of = |record: &Value| told.iter().position(|other| other == record);
            assert!(of(&warning).is_some_and(|at| Some(at) < of(breached)), "{told:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_call_is_measured_by_no_sla_that_a_tenant_above_keeps_for_itself() {
    let app = world().await;
    let below = |sla: u32| with(call(), json!({ "tenantId": key(BELOW), "slaId": key(sla) }));
    let refused = mutate(&app, "agent", "requestRegister", below(CALLS)).await;
    let unknown = mutate(&app, "agent", "requestRegister", below(999)).await;
    assert_eq!(refused["errors"][0]["path"], json!(["input", "slaId"]), "{refused}");
    assert_eq!(refused["errors"][0]["code"], unknown["errors"][0]["code"]);
    app.database.client().await.batch_execute("UPDATE sla SET shared = true").await.unwrap();
    let request = written(&app, "requestRegister", below(CALLS)).await;
    assert_eq!(clock(&request, "Calls")["nextTarget"], "RESPONSE");
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_an_edit_of_offering_or_calendar_moves_no_running_target() {
    let app = world().await;
    let client = app.database.client().await;
    let request = written(&app, "requestRegister", ticket()).await;
    client
        .batch_execute(
            "UPDATE offering_target SET resolution_amount = 60 WHERE impact = 'high'; DELETE FROM calendar_hours WHERE weekday = 2",
        )
        .await
        .unwrap();
    let event =
        json!({ "requestId": request["id"], "status": "ACCEPTED", "occurredAt": "2026-03-02T10:05:00Z" });
    let request = written(&app, "requestRecord", event).await;
    assert_eq!(clock(&request, "Mail server")["resolutionTargetAt"], "2026-03-03T10:00:00Z");
    // What is registered from now on is promised what is offered from now on.
    let fresh = with(ticket(), json!({ "registeredAt": null }));
    let fresh = written(&app, "requestRegister", fresh).await;
    assert_eq!(clock(&fresh, "Mail server")["maximumResolutionDuration"], 60);
    assert_eq!(number(&app, "SELECT count(*) FROM offering_promise").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_another_instance_brings_in_its_slas_from_when_it_changed_and_leaves_the_others_unaffected() {
    let app = world().await;
    let request =
        written(&app, "requestRegister", with(ticket(), json!({ "serviceInstanceId": key(71) }))).await;
    assert_eq!(request["affectedSlas"]["nodes"].as_array().unwrap().len(), 1);
    let moved = json!({ "requestId": request["id"], "serviceInstanceId": key(MAIL_SERVER), "occurredAt": "2026-03-02T12:00:00Z" });
    let request = written(&app, "requestRecord", moved).await;
    assert_eq!(clock(&request, "Mail server")["startedAt"], "2026-03-02T12:00:00Z");
    let above = clock(&request, "Webmail");
    assert_eq!(
        fields(above, &["accountability", "startedAt", "actualResponseAt"]),
        json!({ "accountability": "SUPPLIER", "startedAt": "2026-03-02T10:00:00Z", "actualResponseAt": "2026-03-02T12:00:00Z" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_request_that_arrive_at_once_are_taken_in_one_after_the_other() {
    let app = world().await;
    let request = written(&app, "requestRegister", ticket()).await;
    let events = (0..12).map(|n| {
        let status = if n % 2 == 0 { "WAITING_FOR_CUSTOMER" } else { "IN_PROGRESS" };
        let at = format!("2026-03-02T10:{:02}:00Z", n + 10);
        json!({ "requestId": request["id"], "status": status, "occurredAt": at, "sequence": n })
    });
    join_all(events.map(|event| written(&app, "requestRecord", event))).await;
    let last =
        json!({ "requestId": request["id"], "status": "COMPLETED", "occurredAt": "2026-03-02T11:00:00Z" });
    let request = written(&app, "requestRecord", last).await;
    assert_eq!(request["events"]["nodes"].as_array().unwrap().len(), 14);
    assert_eq!(clock(&request, "Mail server")["stoppedClockDuration"], 6);
    assert_eq!(clock(&request, "Mail server")["actualResolutionDuration"], 54);
    assert_eq!(number(&app, "SELECT count(*) FROM affected_sla").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_statements_does_not_grow_with_the_history() {
    let app = world().await;
    let query = "mutation($input: RequestRecordInput!) { requestRecord(input: $input) { request { id } } }";
    let request = written(&app, "requestRegister", ticket()).await;
    let mut counts = Vec::new();
    for n in 0..20 {
        let event = json!({ "requestId": request["id"], "teamId": key(OTHER_TEAM), "eventKey": Uuid::from_u128(n).to_string() });
        let answer = app.ask("agent", query, json!({ "input": event })).await;
        counts.push(answer["extensions"]["statements"].as_u64().unwrap());
    }
    assert!(counts.iter().all(|count| *count == counts[0] && *count < 25), "{counts:?}");
}
