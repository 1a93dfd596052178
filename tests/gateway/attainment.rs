//! Attainment: how many promises were kept, counted where the clocks are.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::app::App;
use crate::intake::{call, key, ticket, with, world, written};
use crate::introspection::refusal;

const OPERATOR: &str = "operator@example.com";
const COUNTS: &str = "met breached running excluded shareMet";

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

/// How a promise turned out, by what the fields of its clock say (rules X1, X2).
fn outcome(clock: &Value, target: &str, now: DateTime<Utc>) -> &'static str {
    let (target_at, breaches_at, actual_at) = (
        &clock[format!("{target}TargetAt")],
        &clock[format!("{target}BreachesAt")],
        &clock[format!("actual{}{}At", target[..1].to_uppercase(), &target[1..])],
    );
    let judged = if actual_at.is_null() { now } else { instant(actual_at) };
    let given_up = target == "response" && clock["nextTarget"] == "NONE" && actual_at.is_null();
    match () {
        () if target_at.is_null() => "excluded",
        () if given_up || !breaches_at.is_null() && judged > instant(breaches_at) => "breached",
        () if !actual_at.is_null() => "met",
        () => "running",
    }
}

/// Shares as far as a reader of JSON tells them apart.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => json!((number.as_f64().unwrap() * 1e9).round() / 1e9),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), rounded(value))).collect(),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_attainment_counts_the_final_state_of_each_clock_in_the_period_in_which_it_started() {
    let app = App::sampled().await;
    // Every clock of the sample, as its own fields tell it.
    let mut clocks = Vec::new();
    let mut after = Value::Null;
    loop {
        let query = "query ($after: String) { affectedSlas(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes {
            sla { id kind } tenant { id } slaVersion { terms { ... on ServiceTerms { serviceOffering { id } } } } startedAt nextTarget
            responseOutcome resolutionOutcome responseTargetAt responseBreachesAt actualResponseAt resolutionTargetAt resolutionBreachesAt actualResolutionAt } } }";
        let mut data = app.data(OPERATOR, query, json!({ "after": after })).await;
        clocks.extend(data["affectedSlas"]["nodes"].as_array().unwrap().clone());
        after = data["affectedSlas"]["pageInfo"]["endCursor"].take();
        if data["affectedSlas"]["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    let now = app.store.now().trunc_subsecs(6);
    // Each tells its outcome, and is found by it.
    for target in ["response", "resolution"] {
        for wanted in ["met", "breached", "running", "excluded"] {
            let is = |clock: &&Value| outcome(clock, target, now) == wanted;
            let told = |clock: &&Value| clock[format!("{target}Outcome")] == wanted.to_uppercase();
            let count = clocks.iter().filter(is).count();
            assert_eq!(clocks.iter().filter(told).filter(is).count(), count, "{target} {wanted}");
            assert!(count > 0, "the sample has no {target} that is {wanted}");
            let query = format!(
                "query ($is: PromiseOutcome!, $not: [PromiseOutcome!]) {{
                   affectedSlas(first: 100, filter: {{ {target}Outcome: {{ eq: $is }} }}) {{ totalCount nodes {{ {target}Outcome }} }}
                   others: affectedSlas(filter: {{ {target}Outcome: {{ notIn: $not }} }}) {{ totalCount }} }}"
            );
            let word = wanted.to_uppercase();
            let data = app.data(OPERATOR, &query, json!({ "is": word, "not": [word] })).await;
            assert_eq!(data["affectedSlas"]["totalCount"], count, "{target} {wanted}");
            assert_eq!(data["others"]["totalCount"], clocks.len() - count, "{target} {wanted}");
            for node in data["affectedSlas"]["nodes"].as_array().unwrap() {
                assert_eq!(node[format!("{target}Outcome")], word);
            }
        }
    }
    let (from, to) = (now - TimeDelta::days(28), now - TimeDelta::hours(1));
    let period = format!("attainment(from: \"{}\", to: \"{}\"", from.to_rfc3339(), to.to_rfc3339());
    let part = format!(
        "from to response {{ {COUNTS} }} resolution {{ {COUNTS} }} queue {{ entered answeredWithin ignoredAbandons percentage }}
         livechat {{ entered answeredWithin ignoredAbandons percentage }}"
    );
    let query = |list: &str| {
        format!(
            "{{ {list}(first: 100) {{ nodes {{ id
               whole: {period}) {{ total {{ {part} }} buckets {{ from }} }}
               days: {period}, by: DAY, timeZone: \"Europe/Berlin\") {{ timeZone total {{ response {{ {COUNTS} }} }} buckets {{ {part} }} }} }} }} }}"
        )
    };
    let expected = |belongs: &dyn Fn(&Value) -> bool, from: DateTime<Utc>, to: DateTime<Utc>| {
        let started = |clock: &&Value| (from..to).contains(&instant(&clock["startedAt"]));
        let mine: Vec<&Value> = clocks.iter().filter(|clock| belongs(clock)).filter(started).collect();
        let counts = |target: &str, of: &[&Value]| {
            let count =
                |wanted: &str| of.iter().filter(|clock| outcome(clock, target, now) == wanted).count();
            let [met, breached, running, excluded] = ["met", "breached", "running", "excluded"].map(count);
            let share = (met + breached > 0).then(|| met as f64 / (met + breached) as f64);
            json!({ "met": met, "breached": breached, "running": running, "excluded": excluded, "shareMet": share })
        };
        let level = |kind: &str| {
            let of: Vec<&Value> = mine.iter().copied().filter(|clock| clock["sla"]["kind"] == kind).collect();
            let counted = counts("response", &of);
            let counted_in = of.len() as u64 - counted["excluded"].as_u64().unwrap();
            let share =
                (counted_in > 0).then(|| counted["met"].as_f64().unwrap() / counted_in as f64 * 100.0);
            (!of.is_empty()).then(|| {
                json!({ "entered": of.len(), "answeredWithin": counted["met"],
                        "ignoredAbandons": counted["excluded"], "percentage": share })
            })
        };
        json!({
            "response": counts("response", &mine), "resolution": counts("resolution", &mine),
            "queue": level("QUEUE"), "livechat": level("LIVECHAT"),
        })
    };
    let mut seen = json!({});
    for (list, path) in [
        ("slas", "/sla/id"),
        ("serviceOfferings", "/slaVersion/terms/serviceOffering/id"),
        ("tenants", "/tenant/id"),
    ] {
        let data = app.data(OPERATOR, &query(list), json!({})).await;
        for row in data[list]["nodes"].as_array().unwrap() {
            let belongs = |clock: &Value| clock.pointer(path) == Some(&row["id"]);
            let mut total = row["whole"]["total"].clone();
            let bounds = [total["from"].take(), total["to"].take()].map(|at| instant(&at));
            assert_eq!(bounds, [from, to]);
            for bound in ["from", "to"] {
                total.as_object_mut().unwrap().remove(bound);
            }
            assert_eq!(rounded(&total), rounded(&expected(&belongs, from, to)), "{list} {row}");
            assert_eq!(row["whole"]["buckets"], json!([]));
            // Days of Berlin: the first and the last are parts, the others are whole.
            let days = row["days"]["buckets"].as_array().unwrap();
            assert_eq!(row["days"]["timeZone"], "Europe/Berlin");
            assert!((28..=30).contains(&days.len()), "{}", days.len());
            let mut reached = from;
            let mut started = 0;
            for day in days {
                let (begins, ends) = (instant(&day["from"]), instant(&day["to"]));
                assert_eq!(begins, reached);
                reached = ends;
                let expected = expected(&belongs, begins, ends);
                for part in ["response", "resolution", "queue", "livechat"] {
                    assert_eq!(rounded(&day[part]), rounded(&expected[part]), "{list} {part} {day}");
                }
                let counts = &day["response"];
                started += ["met", "breached", "running", "excluded"]
                    .map(|outcome| counts[outcome].as_i64().unwrap())
                    .iter()
                    .sum::<i64>();
            }
            assert_eq!(reached, to);
            assert_eq!(row["days"]["total"]["response"], row["whole"]["total"]["response"]);
            seen[list] = json!(seen[list].as_i64().unwrap_or(0) + started);
            for level in ["queue", "livechat"].iter().filter(|level| !total[**level].is_null()) {
                seen[*level] = json!(true);
            }
        }
    }
    // There was something to count everywhere.
    assert!(seen["slas"].as_i64() > Some(300) && seen["slas"] == seen["tenants"], "{seen}");
    assert!(seen["serviceOfferings"].as_i64() > Some(50), "{seen}");
    assert_eq!((&seen["queue"], &seen["livechat"]), (&json!(true), &json!(true)));
}

/// Attainment of SLA `sla` of the world of intake's tests, over March 2026.
async fn march(app: &App, sla: u32, selection: &str) -> Value {
    let query = format!(
        "query ($id: ID!) {{ sla(id: $id) {{ attainment(from: \"2026-03-01T00:00:00Z\", to: \"2026-04-01T00:00:00Z\") {{
           total {{ {selection} }} }} }} }}"
    );
    app.data("agent", &query, json!({ "id": key(sla) })).await["sla"]["attainment"]["total"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_the_service_level_leaves_out_what_was_given_up_early_and_counts_the_rest() {
    let app = world().await;
    // Answered in time, on the second, too late; given up early, on the second, later; and one that nobody ended.
    for (event, seconds) in [
        ("IN_PROGRESS", "05"),
        ("IN_PROGRESS", "20"),
        ("IN_PROGRESS", "21"),
        ("DECLINED", "03"),
        ("DECLINED", "10"),
        ("DECLINED", "11"),
    ] {
        let request = written(&app, "requestRegister", call()).await;
        let event = json!({ "requestId": request["id"], "status": event,
                            "occurredAt": format!("2026-03-02T10:00:{seconds}Z") });
        written(&app, "requestRecord", event).await;
    }
    written(&app, "requestRegister", call()).await;
    let level = "queue { entered answeredWithin ignoredAbandons percentage } livechat { entered } response { met breached running excluded shareMet } availability { share }";
    assert_eq!(
        march(&app, 82, level).await,
        json!({
            "queue": { "entered": 7, "answeredWithin": 2, "ignoredAbandons": 2, "percentage": 40.0 },
            "livechat": null, "availability": null,
            "response": { "met": 2, "breached": 3, "running": 0, "excluded": 2, "shareMet": 0.4 },
        })
    );
    // Given up a moment ago, though its seconds are not over yet: a miss already.
    let now = app.store.now();
    let request =
        written(&app, "requestRegister", with(call(), json!({ "registeredAt": now.to_rfc3339() }))).await;
    let event = json!({ "requestId": request["id"], "status": "DECLINED",
                        "occurredAt": (now + TimeDelta::seconds(12)).to_rfc3339() });
    written(&app, "requestRecord", event).await;
    let query = "query ($id: ID!, $from: DateTime!, $to: DateTime!) { sla(id: $id) { attainment(from: $from, to: $to) {
        total { response { breached running } } } } }";
    let variables = json!({ "id": key(82), "from": now, "to": now + TimeDelta::hours(1) });
    let data = app.data("agent", query, variables).await;
    assert_eq!(data["sla"]["attainment"]["total"], json!({ "response": { "breached": 1, "running": 0 } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_availability_takes_downtimes_of_top_requests_in_service_hours_each_once() {
    let app = world().await;
    let availability = "availability { share serviceMinutes downtimeMinutes }";
    // March 2026 has 22 working days of eight hours.
    let whole = json!({ "share": 1.0, "serviceMinutes": 22 * 480, "downtimeMinutes": 0 });
    assert_eq!(march(&app, 80, availability).await["availability"], whole);
    let down = async |impact: &str, from: &str, to: &str| {
        let registration = json!({
            "impact": impact, "registeredAt": from, "downtimeStartAt": from, "downtimeEndAt": to,
        });
        written(&app, "requestRegister", with(ticket(), registration)).await;
    };
    // Two that overlap, from Monday 16:00 to Tuesday 10:00; one that is none, and one outside the hours.
    down("TOP", "2026-03-02T16:00:00Z", "2026-03-03T09:30:00Z").await;
    down("TOP", "2026-03-02T16:30:00Z", "2026-03-03T10:00:00Z").await;
    down("HIGH", "2026-03-05T09:00:00Z", "2026-03-05T17:00:00Z").await;
    down("TOP", "2026-03-07T09:00:00Z", "2026-03-07T17:00:00Z").await;
    // One that began before the month: what lies in it counts.
    down("TOP", "2026-02-27T09:00:00Z", "2026-03-02T10:00:00Z").await;
    let minutes = 60 + 60 + 60;
    let share = 1.0 - f64::from(minutes) / f64::from(22 * 480);
    let partly = json!({ "share": share, "serviceMinutes": 22 * 480, "downtimeMinutes": minutes });
    assert_eq!(march(&app, 80, availability).await["availability"], partly);
    // The same of the offering, by week.
    let query = format!(
        "query ($id: ID!) {{ serviceOffering(id: $id) {{ attainment(by: WEEK, from: \"2026-03-01T00:00:00Z\", to: \"2026-04-01T00:00:00Z\") {{
           total {{ {availability} }} buckets {{ from {availability} }} }} }} }}"
    );
    let data = app.data("agent", &query, json!({ "id": key(61) })).await;
    let attainment = &data["serviceOffering"]["attainment"];
    assert_eq!(attainment["total"]["availability"], partly);
    let weeks: Vec<Value> = attainment["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|week| {
            let availability = &week["availability"];
            json!([
                week["from"],
                availability["serviceMinutes"],
                availability["downtimeMinutes"],
                availability["share"].is_null()
            ])
        })
        .collect();
    assert_eq!(
        json!(weeks),
        json!([
            ["2026-03-01T00:00:00Z", 0, 0, true],
            ["2026-03-02T00:00:00Z", 2_400, minutes, false],
            ["2026-03-09T00:00:00Z", 2_400, 0, false],
            ["2026-03-16T00:00:00Z", 2_400, 0, false],
            ["2026-03-23T00:00:00Z", 2_400, 0, false],
            ["2026-03-30T00:00:00Z", 960, 0, false],
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_a_downtime_counts_that_is_told_after_its_calendar_was_replaced_and_deleted() {
    let app = world().await;
    written(&app, "requestRegister", with(ticket(), json!({ "impact": null }))).await;
    let replaced = format!(
        "UPDATE offering_promise SET since = '2026-01-01Z';
         INSERT INTO calendar (root_id, id, tenant_id, name) SELECT root_id, '{next}', tenant_id, 'The next' FROM calendar;
         UPDATE calendar_hours SET calendar_id = '{next}'; UPDATE offering_target SET support_hours_id = '{next}';
         UPDATE service_offering SET service_hours_id = '{next}'; DELETE FROM calendar WHERE id = '{office}'",
        next = key(351),
        office = key(50)
    );
    app.database.client().await.batch_execute(&replaced).await.unwrap();
    let down = json!({ "impact": "TOP", "downtimeStartAt": "2026-03-02T11:00:00Z", "downtimeEndAt": "2026-03-02T12:00:00Z" });
    written(&app, "requestRegister", with(ticket(), down)).await;
    let availability = "availability { downtimeMinutes }";
    assert_eq!(march(&app, 80, availability).await["availability"], json!({ "downtimeMinutes": 60 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_follow_the_wall_of_their_zone_and_there_are_at_most_four_hundred() {
    let app = world().await;
    let ask = async |arguments: &str| {
        let query = format!(
            "query ($id: ID!) {{ sla(id: $id) {{ attainment({arguments}) {{ timeZone buckets {{ from to }} }} }} }}"
        );
        app.ask("agent", &query, json!({ "id": key(80) })).await
    };
    let of = |answer: &Value| -> Vec<String> {
        let buckets = answer["data"]["sla"]["attainment"]["buckets"].as_array();
        let buckets = buckets.unwrap_or_else(|| panic!("{answer}"));
        buckets.iter().map(|bucket| bucket["from"].as_str().unwrap().to_owned()).collect()
    };
    // Berlin sets its clocks forward on 29 March: that day has 23 hours.
    let berlin = "timeZone: \"Europe/Berlin\"";
    let spring =
        ask(&format!("from: \"2026-03-27T23:00:00Z\", to: \"2026-03-30T22:00:00Z\", by: DAY, {berlin}"))
            .await;
    assert_eq!(of(&spring), ["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]);
    let months =
        ask(&format!("from: \"2026-01-15T00:00:00Z\", to: \"2026-04-15T00:00:00Z\", by: MONTH, {berlin}"))
            .await;
    assert_eq!(
        of(&months),
        ["2026-01-15T00:00:00Z", "2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"]
    );
    // The whole 30 December 2011 is missing in Apia.
    let apia = ask(
        "from: \"2011-12-29T10:00:00Z\", to: \"2011-12-31T10:00:00Z\", by: DAY, timeZone: \"Pacific/Apia\"",
    )
    .await;
    assert_eq!(of(&apia), ["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"]);
    // The zone of the tenant, where none is given.
    let own = ask("from: \"2026-03-02T00:00:00Z\", to: \"2026-03-16T00:00:00Z\", by: WEEK").await;
    assert_eq!(own["data"]["sla"]["attainment"]["timeZone"], "UTC");
    assert_eq!(of(&own), ["2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"]);
    let most = ask("from: \"2025-01-01T00:00:00Z\", to: \"2026-02-05T00:00:00Z\", by: DAY").await;
    assert_eq!(of(&most).len(), 400);
    let sentence = "The period has more than 400 parts: ask for a shorter one, or for longer parts.";
    let more = ask("from: \"2025-01-01T00:00:00Z\", to: \"2026-02-05T00:00:01Z\", by: DAY").await;
    assert_eq!(refusal(&more), Some(("LIMIT_EXCEEDED", sentence)));
    let ages = "from: \"0001-01-01T00:00:00Z\", to: \"9999-12-31T23:59:59Z\"";
    assert_eq!(refusal(&ask(&format!("{ages}, by: MONTH")).await), Some(("LIMIT_EXCEEDED", sentence)));
    assert_eq!(of(&ask(ages).await), Vec::<String>::new());
    let backwards = ask("from: \"2026-01-01T00:00:00Z\", to: \"2026-01-01T00:00:00Z\"").await;
    assert_eq!(
        refusal(&backwards),
        Some(("BAD_REQUEST", "A period ends after it begins: pass a later `to`."))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_periods_are_counted_in_bounded_numbers_whatever_the_page() {
    let app = App::sampled().await;
    let query = "query ($by: AttainmentBucket) { slas(first: 100) { nodes {
        one: attainment(by: $by, from: \"2026-01-01T00:00:00Z\", to: \"2027-02-01T00:00:00Z\") { buckets { response { met } } }
        two: attainment(by: $by, from: \"2025-01-01T00:00:00Z\", to: \"2026-02-01T00:00:00Z\") { buckets { response { met } } }
        } } }";
    let refused = app.ask(OPERATOR, query, json!({ "by": "DAY" })).await;
    let sentence =
        "This asks for more than 20000 parts of periods at once: ask for fewer objects, or for longer parts.";
    assert_eq!(refusal(&refused), Some(("LIMIT_EXCEEDED", sentence)));
    app.data(OPERATOR, query, json!({ "by": "WEEK" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_attainment_needs_the_right_to_read_affected_slas_and_counts_only_where_it_is_held() {
    let app = world().await;
    let rights = "
        CREATE FUNCTION pg_temp.k(n integer) RETURNS uuid LANGUAGE sql AS
          $$ SELECT ('a0000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
        INSERT INTO role (root_id, id, tenant_id, name, permissions) VALUES
          (pg_temp.k(1), pg_temp.k(43), pg_temp.k(1), 'promises', '{slas:read}'),
          (pg_temp.k(1), pg_temp.k(44), pg_temp.k(1), 'clocks', '{slas:read,affected-slas:read}');
        INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id) VALUES
          (pg_temp.k(1), pg_temp.k(48), pg_temp.k(1), pg_temp.k(43), pg_temp.k(33)),
          (pg_temp.k(1), pg_temp.k(49), pg_temp.k(2), pg_temp.k(44), pg_temp.k(31))";
    app.database.client().await.batch_execute(rights).await.unwrap();
    // A chat of the tenant itself, and one of the tenant below, with which it shares the SLA.
    for tenant in [1, 2] {
        let at = "2026-03-02T10:00:00Z";
        let chat = json!({ "tenantId": key(tenant), "channel": "CHAT", "subject": "Hi", "registeredAt": at });
        written(&app, "requestRegister", chat).await;
    }
    let query = "query ($id: ID!) { sla(id: $id) { attainment(from: \"2026-03-01T00:00:00Z\", to: \"2026-04-01T00:00:00Z\") {
        total { livechat { entered } } } } }";
    let entered = async |login: &str| {
        let data = app.data(login, query, json!({ "id": key(83) })).await;
        data["sla"]["attainment"]["total"]["livechat"]["entered"].clone()
    };
    assert_eq!(entered("agent").await, 2);
    assert_eq!(entered("reader").await, 1);
    let refused = app.ask("stranger", query, json!({ "id": key(83) })).await;
    assert_eq!(
        refusal(&refused),
        Some(("FORBIDDEN", "You need the permission affected-slas:read to do this."))
    );
}
