//! Explanations: every second of a clock has its reason, and they add up to the durations that are shown.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::app::App;
use crate::intake::{call, ticket, with, world, written};
use crate::introspection::refusal;

const OPERATOR: &str = "operator@example.com";

const CLOCK: &str =
    "from to allowanceSeconds countedSeconds countedMinutes pausedSeconds pausedMinutes standingSeconds
    skippedSeconds";
const INTERVAL: &str = "from to seconds counted reason holiday stopCause skippedFrom skippedUntil
    event { occurredAt status }";

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// A clock and all of its stretches, of one moment: what still runs is explained up to now.
async fn explained(app: &App, login: &str, id: &Value, clock: &str) -> (Value, Vec<Value>) {
    let page =
        |number: usize| format!("p{number}: intervals(first: 100, skip: {}) {{ {INTERVAL} }}", 100 * number);
    let pages: String = (0..10).map(page).collect();
    let query = format!(
        "query ($id: ID!) {{ affectedSla(id: $id) {{ explanation {{ {clock} {{ {CLOCK} {pages} }} }} }} }}"
    );
    let mut data = app.data(login, &query, json!({ "id": id })).await;
    let clock = data["affectedSla"]["explanation"][clock].take();
    let page = |number: usize| clock[format!("p{number}")].as_array().unwrap().clone();
    let stretches: Vec<Value> = (0..10).flat_map(page).collect();
    assert!(stretches.len() < 1_000, "there may be more");
    (clock, stretches)
}

/// Stretches have no holes, each as long as its ends say, and add up to the totals. Gives seconds by reason.
fn add_up(what: &str, clock: &Value, intervals: &[Value]) -> BTreeMap<String, f64> {
    let (from, to) = (instant(&clock["from"]), instant(&clock["to"]));
    let mut reached = from;
    let mut reasons: BTreeMap<String, f64> = BTreeMap::new();
    for interval in intervals {
        assert_eq!(instant(&interval["from"]), reached, "{what}: {interval}");
        reached = instant(&interval["to"]);
        let micros = (reached - instant(&interval["from"])).num_microseconds().unwrap();
        assert_eq!(number(&interval["seconds"]), micros as f64 / 1e6, "{what}: {interval}");
        assert_eq!(interval["counted"] == json!(true), interval["reason"] == "COUNTED", "{what}: {interval}");
        *reasons.entry(interval["reason"].as_str().unwrap().to_owned()).or_default() += micros as f64 / 1e6;
    }
    if clock["countedSeconds"].is_null() {
        assert!(intervals.is_empty(), "{what}");
        return reasons;
    }
    assert_eq!(reached, to.max(from), "{what}: {clock}");
    let sum = |names: &[&str]| -> f64 { names.iter().filter_map(|name| reasons.get(*name)).sum() };
    let close = |total: f64, sum: f64| assert!((total - sum).abs() < 1e-3, "{what}: {total} {sum} {clock}");
    close(number(&clock["countedSeconds"]), sum(&["COUNTED"]));
    close(number(&clock["pausedSeconds"]) + number(&clock["standingSeconds"]), sum(&["CLOCK_STOPPED"]));
    close(number(&clock["skippedSeconds"]), sum(&["OUTSIDE_HOURS", "HOLIDAY"]));
    assert_eq!(number(&clock["countedMinutes"]), (number(&clock["countedSeconds"]) / 60.0).floor(), "{what}");
    reasons
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_c7_explanations_add_up_to_the_durations_of_every_affected_sla_of_the_sample() {
    let app = App::sampled().await;
    let query = format!(
        "query ($after: String) {{ affectedSlas(first: 50, after: $after) {{ pageInfo {{ hasNextPage endCursor }} nodes {{
           id startedAt actualResponseAt actualResponseDuration actualResolutionAt actualResolutionDuration
           stoppedClockAt stoppedClockDuration updatedAt slaVersion {{ id }}
           explanation {{ now slaVersion {{ id }} timeZone frozenAt response {{ {CLOCK} }} resolution {{ {CLOCK} }} }} }} }} }}"
    );
    let (mut rows, mut paused, mut waits) = (Vec::new(), 0, 0);
    let mut after = Value::Null;
    loop {
        let mut data = app.data(OPERATOR, &query, json!({ "after": after })).await;
        rows.extend(data["affectedSlas"]["nodes"].as_array().unwrap().clone());
        after = data["affectedSlas"]["pageInfo"]["endCursor"].take();
        if data["affectedSlas"]["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    for row in &rows {
        let explanation = &row["explanation"];
        assert_eq!(explanation["slaVersion"], row["slaVersion"], "{row}");
        let (response, resolution) = (&explanation["response"], &explanation["resolution"]);
        for clock in [response, resolution].into_iter().filter(|clock| !clock.is_null()) {
            assert_eq!(clock["from"], row["startedAt"], "{row}");
        }
        if !row["actualResponseAt"].is_null() {
            assert_eq!(response["to"], row["actualResponseAt"], "{row}");
            assert_eq!(response["countedMinutes"], row["actualResponseDuration"], "{row}");
        }
        if resolution.is_null() {
            waits += 1;
        } else {
            if !row["actualResolutionAt"].is_null() {
                assert_eq!(resolution["to"], row["actualResolutionAt"], "{row}");
                assert_eq!(resolution["countedMinutes"], row["actualResolutionDuration"], "{row}");
            }
            // The present of the sample is ahead: of a clock that runs, pauses may be.
            let known = !row["actualResolutionAt"].is_null()
                || instant(&explanation["now"]) >= instant(&row["updatedAt"]);
            if known {
                assert_eq!(resolution["pausedMinutes"], row["stoppedClockDuration"], "{row}");
            }
            paused += usize::from(number(&row["stoppedClockDuration"]) > 0.0);
        }
    }
    assert!(rows.len() > 500 && paused > 30 && waits > 100, "{} {paused} {waits}", rows.len());
    // Each stretch of some of them.
    let mut reasons = BTreeSet::new();
    for row in rows.iter().step_by(rows.len() / 60) {
        for clock in ["response", "resolution"] {
            if !row["explanation"][clock].is_null() {
                let (now, stretches) = explained(&app, OPERATOR, &row["id"], clock).await;
                reasons.extend(add_up(clock, &now, &stretches).into_keys());
                for stop in stretches.iter().filter(|stretch| stretch["reason"] == "CLOCK_STOPPED") {
                    // The event that stopped it is that of the request, as told.
                    assert!(instant(&stop["event"]["occurredAt"]) <= instant(&stop["from"]), "{stop}");
                    if stop["stopCause"] == "WAITING_FOR_CUSTOMER" {
                        assert_eq!(stop["event"]["status"], "WAITING_FOR_CUSTOMER", "{stop}");
                    }
                }
            }
        }
    }
    assert!(
        reasons.is_superset(&["COUNTED", "OUTSIDE_HOURS", "CLOCK_STOPPED"].map(String::from).into()),
        "{reasons:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_the_seeds_affected_sla_is_explained_to_the_minute() {
    let app = App::sampled().await;
    let query = "{ requests(filter: { source: { eq: \"4me\" }, sourceId: { eq: \"70231\" } }) { nodes { affectedSlas { nodes {
        id sla { sourceId } } } } } }";
    let data = app.data("manager@wna.example.com", query, json!({})).await;
    let affected = data["requests"]["nodes"][0]["affectedSlas"]["nodes"].as_array().unwrap();
    let affected = affected.iter().find(|row| row["sla"]["sourceId"] == "104").unwrap();
    let (clock, stretches) = explained(&app, "manager@wna.example.com", &affected["id"], "resolution").await;
    let reasons = add_up("C12", &clock, &stretches);
    // Saturday 7:22 to Monday 10:37, without Sunday, in Chicago.
    assert_eq!(clock["countedMinutes"], 1635);
    assert_eq!(clock["allowanceSeconds"], json!(240.0 * 60.0));
    assert_eq!(
        reasons,
        BTreeMap::from([("COUNTED".into(), 1635.0 * 60.0), ("OUTSIDE_HOURS".into(), 86_400.0)])
    );
    let ends: Vec<&Value> = stretches.iter().map(|stretch| &stretch["to"]).collect();
    assert_eq!(ends, ["2016-03-27T05:00:00Z", "2016-03-28T05:00:00Z", "2016-03-28T15:37:00Z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn x4_x9_an_explanation_names_the_holiday_the_event_and_the_hour_that_did_not_exist() {
    let app = world().await;
    // Every day from one to five in the night, where clocks are set forward at two on 31 March 2024.
    let client = app.database.client().await;
    client
        .batch_execute(
            "UPDATE service_offering SET time_zone = 'Europe/Berlin';
             DELETE FROM calendar_hours;
             INSERT INTO calendar_hours (root_id, tenant_id, calendar_id, weekday, from_minute, until_minute)
               SELECT root_id, tenant_id, id, day, 60, 300 FROM calendar, generate_series(1, 7) day;
             INSERT INTO calendar_holiday (root_id, id, tenant_id, calendar_id, name, starts_at, ends_at)
               SELECT root_id, uuid_v7(), tenant_id, id, 'Easter', '2024-04-01T00:00', '2024-04-01T03:00' FROM calendar",
        )
        .await
        .unwrap();
    let request =
        written(&app, "requestRegister", with(ticket(), json!({ "registeredAt": "2024-03-31T00:30:00Z" })))
            .await;
    for (status, at) in [
        ("WAITING_FOR_CUSTOMER", "2024-03-31T02:00:00Z"),
        ("IN_PROGRESS", "2024-04-01T01:30:00Z"),
        ("COMPLETED", "2024-04-01T02:00:00Z"),
    ] {
        let event = json!({ "requestId": request["id"], "status": status, "occurredAt": at });
        written(&app, "requestRecord", event).await;
    }
    // What is edited afterwards changes nothing of what was frozen (rule C2).
    client.batch_execute("DELETE FROM calendar_holiday").await.unwrap();
    let query = format!(
        "query ($id: ID!) {{ request(id: $id) {{ affectedSlas(filter: {{ impact: {{ eq: HIGH }} }}) {{ nodes {{ id stoppedClockDuration actualResolutionDuration
           explanation {{ timeZone frozenAt resolution {{ {CLOCK} intervals {{ {INTERVAL} }} }} }} }} }} }} }}"
    );
    let data = app.data("agent", &query, json!({ "id": request["id"] })).await;
    let affected = &data["request"]["affectedSlas"]["nodes"][0];
    let clock = &affected["explanation"]["resolution"];
    let stretches = clock["intervals"].as_array().unwrap();
    add_up("DST", clock, stretches);
    let told: Vec<Value> = stretches
        .iter()
        .map(|stretch| {
            json!([
                stretch["reason"],
                number(&stretch["seconds"]) / 60.0,
                stretch["holiday"],
                stretch["stopCause"],
                stretch["event"]["status"],
                stretch["skippedFrom"],
                stretch["skippedUntil"]
            ])
        })
        .collect();
    let waits = "WAITING_FOR_CUSTOMER";
    assert_eq!(
        json!(told),
        json!([
            ["COUNTED", 30.0, null, null, null, null, null],
            ["SKIPPED_BY_DST", 0.0, null, null, null, "2024-03-31T02:00", "2024-03-31T03:00"],
            ["COUNTED", 60.0, null, null, null, null, null],
            ["CLOCK_STOPPED", 60.0, null, waits, waits, null, null],
            ["OUTSIDE_HOURS", 1_140.0, null, null, null, null, null],
            ["HOLIDAY", 180.0, "Easter", null, null, null, null],
            ["CLOCK_STOPPED", 30.0, null, waits, waits, null, null],
            ["COUNTED", 30.0, null, null, null, null, null],
        ])
    );
    assert_eq!((&affected["actualResolutionDuration"], &clock["countedMinutes"]), (&json!(120), &json!(120)));
    assert_eq!((&affected["stoppedClockDuration"], &clock["pausedMinutes"]), (&json!(90), &json!(90)));
    assert_eq!(affected["explanation"]["timeZone"], "Europe/Berlin");
    assert_eq!(affected["explanation"]["frozenAt"], "2024-03-31T00:30:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_a_call_is_explained_by_its_wait_around_the_clock() {
    let app = world().await;
    let request = written(&app, "requestRegister", call()).await;
    let event = json!({ "requestId": request["id"], "status": "IN_PROGRESS", "occurredAt": "2026-03-02T10:00:25.5Z" });
    written(&app, "requestRecord", event).await;
    let query = format!(
        "query ($id: ID!) {{ request(id: $id) {{ affectedSlas {{ nodes {{ explanation {{ timeZone frozenAt
           response {{ {CLOCK} intervals {{ reason from to }} }} resolution {{ from }} }} }} }} }} }}"
    );
    let data = app.data("agent", &query, json!({ "id": request["id"] })).await;
    assert_eq!(
        data["request"]["affectedSlas"]["nodes"][0]["explanation"],
        json!({
            "timeZone": null, "frozenAt": null, "resolution": null,
            "response": {
                "from": "2026-03-02T10:00:00Z", "to": "2026-03-02T10:00:25.500Z", "allowanceSeconds": 20.0,
                "countedSeconds": 25.5, "countedMinutes": 0, "pausedSeconds": 0.0, "pausedMinutes": 0,
                "standingSeconds": 0.0, "skippedSeconds": 0.0,
                "intervals": [{ "reason": "COUNTED", "from": "2026-03-02T10:00:00Z", "to": "2026-03-02T10:00:25.500Z" }],
            },
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stretches_of_a_clock_that_runs_for_years_come_in_bounded_parts() {
    let app = world().await;
    let request =
        written(&app, "requestRegister", with(ticket(), json!({ "registeredAt": "2001-01-01T10:00:00Z" })))
            .await;
    let ask = async |arguments: &str| {
        let query = format!(
            "query ($id: ID!) {{ request(id: $id) {{ affectedSlas(first: 1) {{ nodes {{ explanation {{
               resolution {{ skippedSeconds intervals{arguments} {{ from reason }} }} }} }} }} }} }}"
        );
        app.ask("agent", &query, json!({ "id": request["id"] })).await
    };
    let of = |answer: &Value| {
        let clock = &answer["data"]["request"]["affectedSlas"]["nodes"][0]["explanation"]["resolution"];
        clock["intervals"].as_array().unwrap().clone()
    };
    assert_eq!(of(&ask("").await).len(), 25);
    assert_eq!(of(&ask("(first: 100, skip: 10000)").await).len(), 100);
    assert_eq!(of(&ask("(first: 2, skip: 1)").await), of(&ask("").await)[1..3]);
    for (arguments, sentence) in [
        ("(first: 101)", "first must be from 0 to 100: look at a part at a time."),
        ("(first: -1)", "first must be from 0 to 100: look at a part at a time."),
        ("(skip: 10001)", "skip must be from 0 to 10000: look at a part at a time."),
    ] {
        assert_eq!(refusal(&ask(arguments).await), Some(("BAD_REQUEST", sentence)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_a_wait_that_was_left_out_of_the_service_level_was_allowed_nothing() {
    let app = world().await;
    let request = written(&app, "requestRegister", call()).await;
    let given_up =
        json!({ "requestId": request["id"], "kind": "ABANDONED", "occurredAt": "2026-03-02T10:00:05Z" });
    written(&app, "requestRecord", given_up).await;
    let query = "query($id: ID!) { request(id: $id) { affectedSlas { nodes { responseTargetAt explanation { response {
        allowanceSeconds countedSeconds } } } } } }";
    let data = app.data("agent", query, json!({ "id": request["id"] })).await;
    assert_eq!(
        data["request"]["affectedSlas"]["nodes"][0],
        json!({ "responseTargetAt": null, "explanation": { "response": { "allowanceSeconds": null, "countedSeconds": 5.0 } } })
    );
}
