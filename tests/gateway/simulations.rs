//! What if: recorded clocks replayed under other terms, which changes nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::App;
use crate::intake::{call, key, ticket, with, world, written};
use crate::introspection::refusal;

const OPERATOR: &str = "operator@example.com";

const SIMULATE: &str = "query ($sla: ID!, $terms: SlaTermsInput!, $calendar: ID, $from: DateTime!, $to: DateTime!) {
    simulateSlaTerms(slaId: $sla, terms: $terms, calendarId: $calendar, from: $from, to: $to) {
      from to replayed changedCount
      before { ...attained } after { ...attained }
      changes { affectedSla { id resolutionTargetAt } before { ...promises } after { ...promises } } } }
  fragment attained on SimulatedAttainment {
    response { met breached running excluded shareMet } resolution { met breached running excluded shareMet }
    queue { entered answeredWithin ignoredAbandons percentage } livechat { entered answeredWithin ignoredAbandons percentage } }
  fragment promises on SimulatedPromises { responseTargetAt response resolutionTargetAt resolution }";

async fn ask(app: &App, login: &str, sla: &Value, terms: Value, more: Value) -> Value {
    let march =
        json!({ "sla": sla, "terms": terms, "from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z" });
    app.ask(login, SIMULATE, with(march, more)).await
}

async fn simulate(app: &App, sla: u32, terms: Value, more: Value) -> Value {
    let mut answer = ask(app, "agent", &json!(key(sla)), terms, more).await;
    assert_eq!(answer["errors"], Value::Null);
    answer["data"]["simulateSlaTerms"].take()
}

/// The world of intake's tests with a second offering, `Silver`, of half the time; a calendar around the clock and one
/// without any hours.
async fn with_silver() -> Arc<App> {
    let app = world().await;
    let silver = "
        CREATE FUNCTION pg_temp.k(n integer) RETURNS uuid LANGUAGE sql AS
          $$ SELECT ('a0000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
        INSERT INTO service_offering (root_id, id, tenant_id, service_id, name, time_zone, service_hours_id) VALUES
          (pg_temp.k(1), pg_temp.k(63), pg_temp.k(1), pg_temp.k(60), 'Silver', 'UTC', NULL);
        INSERT INTO offering_target (root_id, tenant_id, service_offering_id, impact, response_kind, response_amount,
            resolution_kind, resolution_amount, support_hours_id) VALUES
          (pg_temp.k(1), pg_temp.k(1), pg_temp.k(63), 'high', 'minutes', 20, 'minutes', 120, pg_temp.k(50)),
          (pg_temp.k(1), pg_temp.k(1), pg_temp.k(63), 'top', 'minutes', 10, 'minutes', 60, pg_temp.k(50));
        INSERT INTO calendar (root_id, id, tenant_id, name) VALUES
          (pg_temp.k(1), pg_temp.k(51), pg_temp.k(1), 'Always'), (pg_temp.k(1), pg_temp.k(52), pg_temp.k(1), 'Never');
        INSERT INTO calendar_hours (root_id, tenant_id, calendar_id, weekday, from_minute, until_minute)
          SELECT pg_temp.k(1), pg_temp.k(1), pg_temp.k(51), day, 0, 1440 FROM generate_series(1, 7) day";
    app.database.client().await.batch_execute(silver).await.unwrap();
    app
}

fn service(offering: u32, instance: Option<u32>) -> Value {
    json!({ "service": { "serviceOfferingId": key(offering), "serviceInstanceId": instance.map(key) } })
}

/// A ticket of a Monday morning that got its response and its resolution so many minutes later.
async fn solved(app: &App, more: Value, response: i64, resolution: i64) {
    let request = written(app, "requestRegister", with(ticket(), more)).await;
    let registered = chrono::DateTime::parse_from_rfc3339(request["registeredAt"].as_str().unwrap()).unwrap();
    for (status, minutes) in [("IN_PROGRESS", response), ("COMPLETED", resolution)] {
        let at = (registered + chrono::TimeDelta::minutes(minutes)).to_rfc3339();
        let event = json!({ "requestId": request["id"], "status": status, "occurredAt": at });
        written(app, "requestRecord", event).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_promised_already_changes_nothing_for_any_sla_of_the_sample() {
    let app = App::sampled().await;
    let query = "{ slas(first: 100) { nodes { id name kind activeVersion { number terms {
        ... on ServiceTerms { serviceOffering { id } serviceInstance { id } }
        ... on QueueTerms { slaThreshold abandonType abandonThreshold } ... on LivechatTerms { dueTimeInMinutes } } }
        versions { totalCount } affectedSlas { totalCount }
        attainment(from: \"2010-01-01T00:00:00Z\", to: \"2999-01-01T00:00:00Z\") { total {
          response { met breached running excluded shareMet } resolution { met breached running excluded shareMet }
          queue { entered answeredWithin ignoredAbandons percentage } livechat { entered answeredWithin ignoredAbandons percentage } } } } } }";
    let data = app.data(OPERATOR, query, json!({})).await;
    let mut replayed = 0;
    let mut kinds = std::collections::BTreeSet::new();
    for sla in data["slas"]["nodes"].as_array().unwrap() {
        // Clocks of earlier versions were promised something else.
        if sla["versions"]["totalCount"] != 1 {
            continue;
        }
        let terms = &sla["activeVersion"]["terms"];
        let terms = match sla["kind"].as_str().unwrap() {
            "SERVICE" => json!({ "service": { "serviceOfferingId": terms["serviceOffering"]["id"],
                                              "serviceInstanceId": terms["serviceInstance"]["id"] } }),
            "QUEUE" => json!({ "queue": terms }),
            _ => json!({ "livechat": terms }),
        };
        let always = json!({ "from": "2010-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z" });
        let answer = ask(&app, OPERATOR, &sla["id"], terms, always).await;
        assert_eq!(answer["errors"], Value::Null, "{sla}");
        let result = &answer["data"]["simulateSlaTerms"];
        assert_eq!((&result["changedCount"], &result["changes"]), (&json!(0), &json!([])), "{sla}");
        assert_eq!(result["replayed"], sla["affectedSlas"]["totalCount"], "{sla}");
        assert_eq!(result["before"], result["after"], "{sla}");
        assert_eq!(result["before"], sla["attainment"]["total"], "{sla}");
        if result["replayed"] != 0 {
            kinds.insert(sla["kind"].to_string());
        }
        replayed += result["replayed"].as_i64().unwrap();
    }
    assert!(replayed > 500 && kinds.len() == 3, "{replayed} {kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stricter_terms_break_promises_that_were_kept_and_nothing_is_changed_by_asking() {
    let app = with_silver().await;
    solved(&app, json!({}), 30, 180).await;
    solved(&app, json!({}), 10, 60).await;
    let count = "SELECT (SELECT count(*) FROM offering_promise) || ' ' || (SELECT count(*) FROM audit_entry) || ' '
        || (SELECT count(*) FROM deadline) || ' ' || (SELECT string_agg(a::text, ' ' ORDER BY id) FROM affected_sla a)";
    let client = app.database.client().await;
    let stored: String = client.query_one(count, &[]).await.unwrap().get(0);
    let result = simulate(&app, 80, service(63, None), json!({})).await;
    assert_eq!(client.query_one(count, &[]).await.unwrap().get::<_, String>(0), stored);
    let counts = |met: i64, breached: i64, share: f64| json!({ "met": met, "breached": breached, "running": 0, "excluded": 0, "shareMet": share });
    let attained =
        |counts: Value| json!({ "response": counts, "resolution": counts, "queue": null, "livechat": null });
    assert_eq!(result["replayed"], 2);
    assert_eq!(result["before"], attained(counts(2, 0, 1.0)));
    assert_eq!(result["after"], attained(counts(1, 1, 0.5)));
    // The first has turned out differently, the second has other targets only.
    assert_eq!(result["changedCount"], 2);
    let promises = |response: &str, resolution: &str, outcome: &str| {
        json!({ "responseTargetAt": response, "response": outcome,
                "resolutionTargetAt": resolution, "resolution": outcome })
    };
    let before = promises("2026-03-02T11:00:00Z", "2026-03-03T10:00:00Z", "MET");
    let after = |outcome| promises("2026-03-02T10:20:00Z", "2026-03-02T12:00:00Z", outcome);
    let changes = result["changes"].as_array().unwrap();
    for (change, outcome) in changes.iter().zip(["BREACHED", "MET"]) {
        assert_eq!(change["before"], before);
        assert_eq!(change["after"], after(outcome));
        // Its clock is told as it is recorded.
        assert_eq!(change["affectedSla"]["resolutionTargetAt"], "2026-03-03T10:00:00Z");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o2_a_request_made_from_what_the_other_offering_has_is_measured_by_the_targets_of_that() {
    let app = with_silver().await;
    let standard = format!(
        "INSERT INTO standard_service_request (root_id, id, tenant_id, service_offering_id, name, response_kind, response_amount,
           resolution_kind, resolution_amount) VALUES ('{root}', '{}', '{root}', '{}', 'New phone', 'minutes', 5, 'minutes', 50)",
        key(64),
        key(63),
        root = key(1)
    );
    app.database.client().await.batch_execute(&standard).await.unwrap();
    solved(&app, json!({ "standardServiceRequestId": key(64) }), 10, 60).await;
    let result = simulate(&app, 80, service(63, None), json!({})).await;
    let promises =
        |response: &str, outcome: &str| (json!(format!("2026-03-02T{response}:00Z")), json!(outcome));
    let told = |of: &Value| (of["responseTargetAt"].clone(), of["response"].clone());
    assert_eq!(told(&result["changes"][0]["before"]), promises("11:00", "MET"));
    assert_eq!(told(&result["changes"][0]["after"]), promises("10:05", "BREACHED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_calendar_moves_targets_as_its_hours_say() {
    let app = with_silver().await;
    let late = with(ticket(), json!({ "registeredAt": "2026-03-02T16:00:00Z" }));
    let request = written(&app, "requestRegister", late).await;
    for (status, at) in [
        ("WAITING_FOR_CUSTOMER", "2026-03-03T10:00:00Z"),
        ("IN_PROGRESS", "2026-03-03T12:00:00Z"),
        ("COMPLETED", "2026-03-03T13:00:00Z"),
    ] {
        let event = json!({ "requestId": request["id"], "status": status, "occurredAt": at });
        written(&app, "requestRecord", event).await;
    }
    let result = simulate(&app, 80, service(61, Some(70)), json!({ "calendar": key(51) })).await;
    // In the office two hours are used when the clock stops, and the rest from noon on. Around the clock the eight hours
    // are over at midnight.
    let promises = |resolution_target: &str, resolution: &str| {
        json!({ "responseTargetAt": "2026-03-02T17:00:00Z", "response": "BREACHED",
                "resolutionTargetAt": resolution_target, "resolution": resolution })
    };
    assert_eq!(result["changes"][0]["before"], promises("2026-03-04T10:00:00Z", "MET"));
    assert_eq!(result["changes"][0]["after"], promises("2026-03-03T00:00:00Z", "BREACHED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_c3_another_instance_is_affected_as_the_relations_say() {
    let app = with_silver().await;
    solved(&app, json!({ "impact": "TOP" }), 40, 300).await;
    // Webmail uses the mail server and is degraded without it: TOP becomes HIGH, and the response is given at once.
    let result = simulate(&app, 80, service(61, Some(71)), json!({})).await;
    let change = &result["changes"][0];
    assert_eq!(
        change["before"],
        json!({ "responseTargetAt": "2026-03-02T10:30:00Z", "response": "BREACHED",
                "resolutionTargetAt": "2026-03-02T14:00:00Z", "resolution": "BREACHED" })
    );
    assert_eq!(
        change["after"],
        json!({ "responseTargetAt": "2026-03-02T11:00:00Z", "response": "MET",
                "resolutionTargetAt": "2026-03-03T10:00:00Z", "resolution": "MET" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_other_seconds_give_another_service_level() {
    let app = world().await;
    for (event, seconds) in [
        ("IN_PROGRESS", "05"),
        ("IN_PROGRESS", "25"),
        ("IN_PROGRESS", "50"),
        ("DECLINED", "08"),
        ("DECLINED", "15"),
    ] {
        let request = written(&app, "requestRegister", call()).await;
        let event = json!({ "requestId": request["id"], "status": event,
                            "occurredAt": format!("2026-03-02T10:00:{seconds}Z") });
        written(&app, "requestRecord", event).await;
    }
    let level = |within: i64, ignored: i64, percentage: f64| json!({ "entered": 5, "answeredWithin": within, "ignoredAbandons": ignored, "percentage": percentage });
    let terms =
        json!({ "queue": { "slaThreshold": 30, "abandonType": "IGNORE_ABANDONS", "abandonThreshold": 20 } });
    let result = simulate(&app, 82, terms, json!({})).await;
    assert_eq!(result["before"]["queue"], level(1, 1, 25.0));
    assert_eq!(result["after"]["queue"], level(2, 2, 2.0 / 3.0 * 100.0));
    let terms = json!({ "queue": { "slaThreshold": 20, "abandonType": "COUNT_AGAINST_SLA" } });
    let result = simulate(&app, 82, terms, json!({})).await;
    assert_eq!(result["after"]["queue"], level(1, 0, 20.0));
    assert_eq!(result["changedCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_that_cannot_be_meant_are_refused_in_a_sentence() {
    let app = with_silver().await;
    let queue = json!({ "queue": { "slaThreshold": 30, "abandonType": "COUNT_AGAINST_SLA" } });
    let cases = [
        (
            80,
            queue.clone(),
            json!({}),
            "BAD_REQUEST",
            "The terms of this SLA are of the kind service: propose such.",
        ),
        (
            82,
            queue.clone(),
            json!({ "calendar": key(51) }),
            "BAD_REQUEST",
            "Chats and calls are measured around the clock: leave out calendarId.",
        ),
        (
            82,
            json!({ "queue": { "slaThreshold": -1, "abandonType": "IGNORE_ABANDONS" } }),
            json!({}),
            "BAD_REQUEST",
            "This must be 0 seconds or more.",
        ),
        (
            80,
            service(61, None),
            json!({ "calendar": key(52) }),
            "BAD_REQUEST",
            "The calendar has no active hours: nothing could be measured in it.",
        ),
        (
            80,
            service(69, None),
            json!({}),
            "NOT_FOUND",
            "There is no service offering of this id that you may see.",
        ),
        (
            80,
            service(61, None),
            json!({ "from": "2026-04-01T00:00:00Z" }),
            "BAD_REQUEST",
            "A period ends after it begins: pass a later `to`.",
        ),
        (
            80,
            service(61, None),
            json!({ "calendar": key(61) }),
            "NOT_FOUND",
            "There is no calendar of this id that you may see.",
        ),
        (
            80,
            service(61, None),
            json!({ "calendar": "nonsense" }),
            "BAD_REQUEST",
            "This is not an id: pass an id exactly as a query gave it, or a UUID.",
        ),
        (99, queue.clone(), json!({}), "NOT_FOUND", "There is no SLA of this id that you may see."),
    ];
    for (sla, terms, more, code, sentence) in cases {
        let answer = ask(&app, "agent", &json!(key(sla)), terms, more).await;
        assert_eq!(refusal(&answer), Some((code, sentence)));
    }
    // All that is wrong is told, each at its place.
    let told = |answer: &Value| -> Vec<String> {
        let errors = answer["errors"].as_array().unwrap().iter();
        let path = |error: &Value| {
            assert_eq!(error["path"], json!(["simulateSlaTerms"]), "{answer}");
            let steps = error["extensions"]["inputPath"].as_array().unwrap().iter();
            steps.map(|step| step.as_str().unwrap()).collect::<Vec<_>>().join(".")
        };
        errors
            .map(|error| format!("{} {}", error["extensions"]["code"].as_str().unwrap(), path(error)))
            .collect()
    };
    let negative = json!({ "queue": { "slaThreshold": -1, "abandonType": "IGNORE_ABANDONS" } });
    let backwards = json!({ "to": "2026-02-01T00:00:00Z", "calendar": "nonsense" });
    let answer = ask(&app, "agent", &json!(key(80)), negative.clone(), backwards.clone()).await;
    let own = ["BAD_REQUEST to", "BAD_REQUEST calendarId", "BAD_REQUEST terms.queue.slaThreshold"];
    let own = [&own[..], &["BAD_REQUEST terms.queue.abandonThreshold"]].concat();
    assert_eq!(told(&answer), [&own[..], &["BAD_REQUEST terms"]].concat());
    let answer = ask(&app, "agent", &json!("nonsense"), negative.clone(), backwards.clone()).await;
    assert_eq!(told(&answer), [&["BAD_REQUEST slaId"], &own[..]].concat());
    let answer =
        ask(&app, "agent", &json!(key(80)), service(69, Some(69)), json!({ "calendar": key(52) })).await;
    let referred = ["NOT_FOUND terms.service.serviceOfferingId", "NOT_FOUND terms.service.serviceInstanceId"];
    assert_eq!(told(&answer), [&referred[..], &["BAD_REQUEST calendarId"]].concat());
    // Of an SLA that is not there, and to who may not, nothing else is told (rules P2, P3).
    let answer = ask(&app, "agent", &json!(key(99)), negative.clone(), backwards.clone()).await;
    assert_eq!(told(&answer), ["NOT_FOUND slaId"]);
    let answer = ask(&app, "reader", &json!(key(82)), negative, backwards).await;
    assert_eq!(told(&answer), ["FORBIDDEN slaId"]);
    // Rule P2: the SLA may be read, its clocks may not.
    let rights = "INSERT INTO role (root_id, id, tenant_id, name, permissions)
          SELECT root_id, uuid_v7(), id, 'promises', '{slas:read}' FROM tenant WHERE slug = 'acme';
        INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
          SELECT r.root_id, uuid_v7(), r.tenant_id, r.id, p.id FROM role r, person p
          WHERE r.name = 'promises' AND p.login = 'stranger'";
    app.database.client().await.batch_execute(rights).await.unwrap();
    let answer = ask(&app, "stranger", &json!(key(82)), queue.clone(), json!({})).await;
    assert_eq!(
        refusal(&answer),
        Some(("FORBIDDEN", "You need the permission affected-slas:read to do this."))
    );
    let answer = ask(&app, "reader", &json!(key(82)), queue.clone(), json!({})).await;
    assert_eq!(refusal(&answer), Some(("FORBIDDEN", "You need the permission slas:read to do this.")));
    let answer = ask(&app, "", &json!(key(82)), queue, json!({})).await;
    assert_eq!(refusal(&answer).map(|(code, _)| code), Some("UNAUTHENTICATED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_is_bounded_in_its_clocks_and_counts_much_towards_the_cost() {
    let app = world().await;
    let many = "
        CREATE FUNCTION pg_temp.k(n integer) RETURNS uuid LANGUAGE sql AS
          $$ SELECT ('a0000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
        INSERT INTO request (root_id, id, tenant_id, channel, subject, status, registered_at)
          SELECT pg_temp.k(1), uuid_v7(), pg_temp.k(1), 'call', 'Hello', 'assigned',
            '2026-03-02T10:00Z'::timestamptz + n * '1 second'::interval FROM generate_series(1, 10001) n;
        INSERT INTO affected_sla (root_id, id, tenant_id, sla_id, sla_version_id, request_id, started_at, next_target)
          SELECT root_id, uuid_v7(), tenant_id, pg_temp.k(82), pg_temp.k(92), id, registered_at, 'response' FROM request";
    app.database.client().await.batch_execute(many).await.unwrap();
    let queue = json!({ "queue": { "slaThreshold": 30, "abandonType": "COUNT_AGAINST_SLA" } });
    let answer = ask(&app, "agent", &json!(key(82)), queue.clone(), json!({})).await;
    let sentence = "More than 10000 clocks of this SLA started in the period: simulate a shorter one, several times if need be.";
    assert_eq!(refusal(&answer), Some(("LIMIT_EXCEEDED", sentence)));
    // One less is replayed.
    let shorter = json!({ "from": "2026-03-02T10:00:02Z" });
    let answer = ask(&app, "agent", &json!(key(82)), queue.clone(), shorter).await;
    let result = &answer["data"]["simulateSlaTerms"];
    assert_eq!((&result["replayed"], &result["changedCount"]), (&json!(10_000), &json!(10_000)), "{answer}");
    // Nobody has six of them at once.
    let one = "simulateSlaTerms(slaId: \"x\", terms: { livechat: { dueTimeInMinutes: 1 } }, from: \"2026-03-01T00:00:00Z\", to: \"2026-03-02T00:00:00Z\") { replayed }";
    let six: String = (0..6).map(|n| format!(" s{n}: {one}")).collect();
    let answer = app.ask("agent", &format!("{{ {six} }}"), json!({})).await;
    assert_eq!(refusal(&answer).map(|(code, _)| code), Some("LIMIT_EXCEEDED"), "{answer}");
}

/// The blocks of a section of the README: each question with its answer.
fn examples() -> Vec<(String, Value)> {
    let readme = include_str!("../../README.md");
    let section = readme.split("## Questions of time").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = |language: &str| -> Vec<String> {
        let opening = format!("```{language}\n");
        section.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
    };
    let answers = blocks("json").into_iter().map(|answer| serde_json::from_str(&answer).unwrap());
    blocks("graphql").into_iter().zip(answers).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_c12_the_questions_of_time_in_the_readme_have_the_answers_in_the_readme() {
    let app = App::sampled().await;
    let examples = examples();
    assert_eq!(examples.len(), 3);
    for (question, answer) in examples {
        let data = app.data("manager@wna.example.com", &question, json!({})).await;
        assert_eq!(data, answer["data"], "{question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attainment_is_counted_on_indexes_and_so_is_what_a_simulation_reads() {
    let app = world().await;
    let client = app.database.client().await;
    let many = "
        CREATE FUNCTION pg_temp.k(n integer) RETURNS uuid LANGUAGE sql AS
          $$ SELECT ('a0000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
        INSERT INTO request (root_id, id, tenant_id, channel, subject, status, registered_at)
          SELECT pg_temp.k(1), uuid_v7(), pg_temp.k(1), 'call', 'Hello', 'assigned',
            '2026-01-01T10:00Z'::timestamptz + n * '10 minutes'::interval FROM generate_series(1, 20000) n;
        INSERT INTO affected_sla (root_id, id, tenant_id, sla_id, sla_version_id, request_id, started_at, next_target)
          SELECT root_id, uuid_v7(), tenant_id, pg_temp.k(80 + 2 * (n % 2)::integer), pg_temp.k(90 + 2 * (n % 2)::integer), id,
            registered_at, 'response' FROM (SELECT r.*, row_number() OVER () AS n FROM request r) r;
        ANALYZE";
    client.batch_execute(many).await.unwrap();
    let scans = async || {
        let query = "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'affected_sla'";
        let row = client.query_one(query, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    // Numbers of scans are told a second late.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let (sequential, by_index) = scans().await;
    let query = "query ($sla: ID!, $tenant: ID!, $offering: ID!, $from: DateTime!, $to: DateTime!) {
        sla(id: $sla) { attainment(from: $from, to: $to, by: DAY) { total { response { running } availability { share } } } }
        tenant(id: $tenant) { attainment(from: $from, to: $to) { total { response { running } } } }
        serviceOffering(id: $offering) { attainment(from: $from, to: $to) { total { resolution { excluded } availability { share } } } }
        simulateSlaTerms(slaId: $sla, from: $from, to: $to, terms: { service: { serviceOfferingId: $offering } }) { replayed } }";
    let week = json!({ "sla": key(80), "tenant": key(1), "offering": key(61),
                       "from": "2026-03-02T00:00:00Z", "to": "2026-03-04T00:00:00Z" });
    let data = app.data("agent", query, week).await;
    assert_eq!(data["simulateSlaTerms"]["replayed"], 144);
    assert_eq!(data["serviceOffering"]["attainment"]["total"]["resolution"]["excluded"], 144);
    // A connection tells all its numbers at its end.
    let others =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'";
    let ended: Vec<i32> = client.query(others, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let end = "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid";
    client.query(end, &[&ended]).await.unwrap();
    let open = "SELECT FROM pg_stat_activity WHERE pid = ANY($1)";
    let begun = std::time::Instant::now();
    while !client.query(open, &[&ended]).await.unwrap().is_empty() {
        assert!(begun.elapsed().as_secs() < 30, "connections do not end");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(scans().await.1 > by_index);
    assert_eq!(scans().await.0, sequential);
}
