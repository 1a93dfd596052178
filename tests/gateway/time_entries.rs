//! `timeEntryRecord`: time that is logged, and the limits that it reaches (rules L1 to L3).

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::app::App;
use crate::following::person;
use crate::intake::{key, number, with, world};

const PROJECT: u32 = 200;
const OTHER: u32 = 201;

/// The world with two projects of the tenant; on the first a week of ten hours and a month of twenty.
pub(crate) async fn projects() -> Arc<App> {
    let app = world().await;
    let root = key(1);
    let limits = format!(
        "INSERT INTO project (root_id, id, tenant_id, name) VALUES
           ('{root}', '{one}', '{root}', 'One'), ('{root}', '{two}', '{root}', 'Two');
         INSERT INTO sla_limit (root_id, id, tenant_id, project_id, time_limit_in_hours, time_period, contact_type, contact, categories, created_at) VALUES
           ('{root}', '{week}', '{root}', '{one}', 10, 'weekly', 'email', 'a@example.org', '{{work,travel}}', '2026-01-01Z'),
           ('{root}', '{month}', '{root}', '{one}', 20, 'monthly', 'email', 'a@example.org', '{{work}}', '2026-01-01Z')",
        one = key(PROJECT),
        two = key(OTHER),
        week = key(210),
        month = key(211),
    );
    app.database.client().await.batch_execute(&limits).await.unwrap();
    app
}

async fn ask(app: &App, login: &str, input: Value) -> Value {
    let query = "mutation($input: TimeEntryRecordInput!) { payload: timeEntryRecord(input: $input) {
        timeEntry { uuid category startedAt endedAt project { name } person { name } source sourceId }
        errors { code path message } clientMutationId } }";
    app.ask(login, query, json!({ "input": input })).await
}

pub(crate) async fn logged(app: &App, input: Value) -> Value {
    let mut answer = ask(app, "writer", input).await;
    assert_eq!(answer["data"]["payload"]["errors"], json!([]), "{answer}");
    answer["data"]["payload"]["timeEntry"].take()
}

pub(crate) fn entry(from: &str, until: &str) -> Value {
    json!({ "projectId": key(PROJECT), "category": "work", "startedAt": from, "endedAt": until })
}

/// What the log says of limits: period, phase, and of which kind of period.
async fn records(app: &App) -> Vec<String> {
    let query = "{ breaches(orderBy: [{ field: ID }], filter: { kind: [LIMIT] }, first: 100) { nodes {
        phase targetAt retracts { phase } } } }";
    let data = app.data("agent", query, json!({})).await;
    let nodes = data["breaches"]["nodes"].as_array().unwrap();
    let mut found: Vec<String> = nodes
        .iter()
        .map(|node| {
            let day = &node["targetAt"].as_str().unwrap()[..10];
            let retracted =
                node["retracts"]["phase"].as_str().map(|phase| format!(" {phase}")).unwrap_or_default();
            format!("{day} {}{retracted}", node["phase"].as_str().unwrap())
        })
        .collect();
    found.sort();
    found
}

async fn recorded(app: &App, expected: &[&str]) {
    let begun = Instant::now();
    let mut found = records(app).await;
    while found.len() < expected.len() && begun.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(50)).await;
        found = records(app).await;
    }
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_a_limit_is_recorded_once_in_each_period_when_the_time_logged_reaches_it() {
    let app = projects().await;
    // Monday 2 March 2026; 1 March begins the month. Another category and another project count for nothing.
    logged(&app, with(entry("2026-03-02T08:00:00Z", "2026-03-02T15:59:59Z"), json!({ "personId": key(30) })))
        .await;
    logged(&app, with(entry("2026-03-03T08:00:00Z", "2026-03-03T18:00:00Z"), json!({ "category": "lunch" })))
        .await;
    logged(
        &app,
        with(entry("2026-03-03T08:00:00Z", "2026-03-03T18:00:00Z"), json!({ "projectId": key(OTHER) })),
    )
    .await;
    recorded(&app, &[]).await;
    // The last second of eight hours, then the tenth hour: reached is at the limit, not beyond it.
    logged(&app, entry("2026-03-04T08:00:00Z", "2026-03-04T08:00:01Z")).await;
    recorded(&app, &["2026-03-02 WARNING"]).await;
    logged(
        &app,
        with(entry("2026-03-04T09:00:00Z", "2026-03-04T11:00:00Z"), json!({ "category": "travel" })),
    )
    .await;
    recorded(&app, &["2026-03-02 BREACHED", "2026-03-02 WARNING"]).await;
    logged(&app, entry("2026-03-05T09:00:00Z", "2026-03-05T11:00:00Z")).await;
    recorded(&app, &["2026-03-02 BREACHED", "2026-03-02 WARNING"]).await;
    // Through midnight from Sunday to Monday: split, four hours on either side. With ten of this month's work before.
    logged(&app, entry("2026-03-08T20:00:00Z", "2026-03-09T04:00:00Z")).await;
    recorded(&app, &["2026-03-01 WARNING", "2026-03-02 BREACHED", "2026-03-02 WARNING"]).await;
    // Told late, of a week that is over.
    logged(&app, entry("2026-02-23T00:00:00Z", "2026-02-23T10:00:00Z")).await;
    let all = [
        "2026-02-23 BREACHED",
        "2026-02-23 WARNING",
        "2026-03-01 WARNING",
        "2026-03-02 BREACHED",
        "2026-03-02 WARNING",
    ];
    recorded(&app, &all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_time_logged_twice_is_one_entry_and_a_correction_retracts_what_it_proves_wrong() {
    let app = projects().await;
    let told = with(
        entry("2026-03-02T00:00:00Z", "2026-03-02T10:00:00Z"),
        json!({ "source": "tracker", "sourceId": "1" }),
    );
    let first = logged(&app, told.clone()).await;
    assert_eq!(
        (&first["source"], &first["project"]["name"], &first["endedAt"]),
        (&json!("tracker"), &json!("One"), &json!("2026-03-02T10:00:00Z"))
    );
    assert_eq!(logged(&app, told.clone()).await, first);
    assert_eq!(number(&app, "SELECT count(*) FROM audit_entry").await, 1, "P4: only what changed something");
    recorded(&app, &["2026-03-02 BREACHED", "2026-03-02 WARNING"]).await;
    let corrected = logged(&app, with(told.clone(), json!({ "endedAt": "2026-03-02T09:00:00Z" }))).await;
    assert_eq!((&corrected["uuid"], &corrected["endedAt"]), (&first["uuid"], &json!("2026-03-02T09:00:00Z")));
    recorded(&app, &["2026-03-02 BREACHED", "2026-03-02 RETRACTED BREACHED", "2026-03-02 WARNING"]).await;
    // Into another week: both are looked at again.
    let moved = json!({ "startedAt": "2026-03-10T00:00:00Z", "endedAt": "2026-03-10T12:00:00Z" });
    logged(&app, with(told.clone(), moved)).await;
    let six = [
        "2026-03-02 BREACHED",
        "2026-03-02 RETRACTED BREACHED",
        "2026-03-02 RETRACTED WARNING",
        "2026-03-02 WARNING",
        "2026-03-09 BREACHED",
        "2026-03-09 WARNING",
    ];
    recorded(&app, &six).await;
    assert_eq!(number(&app, "SELECT count(*) FROM time_entry").await, 1);
    assert_eq!(number(&app, "SELECT count(*) FROM audit_entry WHERE before IS NOT NULL").await, 2);
    // Proven right after all, it is recorded anew.
    logged(&app, told).await;
    let retracted = number(&app, "SELECT count(*) FROM breach WHERE phase = 'retracted'").await;
    assert_eq!((number(&app, "SELECT count(*) FROM breach_key").await, retracted), (2, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_a_limit_records_nothing_of_periods_that_were_over_before_it_was_made() {
    let app = projects().await;
    let client = app.database.client().await;
    client.batch_execute("UPDATE sla_limit SET created_at = '2026-03-11T12:00Z'").await.unwrap();
    let travel = |day: u32| {
        let hours = entry(&format!("2026-03-{day:02}T08:00:00Z"), &format!("2026-03-{day:02}T18:00:00Z"));
        with(hours, json!({ "category": "travel" }))
    };
    logged(&app, travel(2)).await;
    recorded(&app, &[]).await;
    // The week in which it was made counts as a whole, as when it is made after the hours were logged.
    logged(&app, travel(9)).await;
    recorded(&app, &["2026-03-09 BREACHED", "2026-03-09 WARNING"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l4_an_upsert_of_a_limit_takes_the_right_to_change_it_too() {
    let app = projects().await;
    let client = app.database.client().await;
    let (create, update) = ("service-level-agreement-limits:create", "service-level-agreement-limits:update");
    person(&client, "maker", "acme", &format!("{create},projects:read")).await;
    person(&client, "keeper", "acme", &format!("{create},{update},projects:read")).await;
    let query = "mutation($input: SlaLimitCreateInput!) { payload: slaLimitCreate(input: $input) {
        slaLimit { timeLimitInHours } errors { code path } } }";
    let input = json!({
        "tenantId": key(1), "projectId": key(PROJECT), "timeLimitInHours": 5, "timePeriod": "WEEKLY",
        "contactType": "EMAIL", "contact": "a@example.org", "categories": ["work"], "source": "x", "sourceId": "1",
    });
    let made = app.ask("maker", query, json!({ "input": input })).await;
    assert_eq!(made["data"]["payload"]["errors"], json!([]), "{made}");
    let raised = json!({ "input": with(input, json!({ "timeLimitInHours": 500, "upsert": true })) });
    let refused = app.ask("maker", query, raised.clone()).await;
    let told = &refused["errors"][0]["extensions"];
    assert_eq!((&told["code"], &told["permission"]), (&json!("FORBIDDEN"), &json!(update)), "{refused}");
    let changed = app.ask("keeper", query, raised).await;
    assert_eq!(changed["data"]["payload"]["slaLimit"]["timeLimitInHours"], 500, "{changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn l3_a_limit_that_is_switched_off_records_nothing_until_the_next_period() {
    let app = projects().await;
    let client = app.database.client().await;
    let monday = |weeks: i64| -> DateTime<Utc> {
        let today = app.store.now().date_naive();
        let monday =
            today - TimeDelta::days(today.weekday().num_days_from_monday().into()) + TimeDelta::weeks(weeks);
        monday.and_hms_opt(0, 0, 0).unwrap().and_utc()
    };
    let off =
        format!("UPDATE sla_limit SET deactivated_until = '{}' WHERE time_period = 'weekly'", monday(1));
    client.batch_execute(&off).await.unwrap();
    // Of a category that the limit of the month does not count.
    let ten = |from: DateTime<Utc>| {
        let hours = entry(&from.to_rfc3339(), &(from + TimeDelta::hours(10)).to_rfc3339());
        with(hours, json!({ "category": "travel" }))
    };
    logged(&app, ten(monday(-2))).await;
    recorded(&app, &[]).await;
    // That was last week: its own hours stay uncounted, those of other weeks count again.
    let over =
        format!("UPDATE sla_limit SET deactivated_until = '{}' WHERE time_period = 'weekly'", monday(0));
    client.batch_execute(&over).await.unwrap();
    // Whoever saves a form in which it reads false again switches nothing on afterwards.
    limiter(&app).await;
    limit_written(&app, "slaLimitUpdate", json!({ "id": key(210), "deactivatedUntilNextPeriod": false }))
        .await;
    logged(&app, ten(monday(-1))).await;
    recorded(&app, &[]).await;
    logged(&app, ten(monday(-3))).await;
    let day = monday(-3).format("%Y-%m-%d");
    recorded(&app, &[&format!("{day} BREACHED"), &format!("{day} WARNING")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l3_a_week_that_was_off_takes_no_month_with_it_when_the_limit_becomes_one_of_months() {
    let app = projects().await;
    let off = format!(
        "UPDATE sla_limit SET deactivated_until = '2026-03-09Z', time_period = 'monthly' WHERE id = '{}'; \
         DELETE FROM sla_limit WHERE id = '{}'",
        key(210),
        key(211)
    );
    app.database.client().await.batch_execute(&off).await.unwrap();
    logged(&app, entry("2026-03-03T00:00:00Z", "2026-03-03T10:00:00Z")).await;
    recorded(&app, &["2026-03-01 BREACHED", "2026-03-01 WARNING"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l3_a_limit_that_sleeps_and_changes_its_period_does_so_until_the_new_one_ends() {
    let app = projects().await;
    limiter(&app).await;
    let id = key(210);
    let until =
        format!("SELECT extract(epoch FROM deactivated_until)::bigint FROM sla_limit WHERE id = '{id}'");
    let ends = |unit: &str| {
        format!(
            "SELECT extract(epoch FROM (date_trunc('{unit}', now() AT TIME ZONE 'UTC') + interval '1 {unit}') AT TIME ZONE 'UTC')::bigint"
        )
    };
    let changes = [
        (json!({ "timePeriod": "MONTHLY", "deactivatedUntilNextPeriod": true }), "month"),
        (json!({ "timePeriod": "WEEKLY" }), "week"),
        (json!({ "timePeriod": "MONTHLY" }), "month"),
        (json!({ "deactivatedUntilNextPeriod": true, "timePeriod": "WEEKLY" }), "week"),
    ];
    for (change, unit) in changes {
        limit_written(&app, "slaLimitUpdate", with(json!({ "id": id }), change.clone())).await;
        assert_eq!(number(&app, &until).await, number(&app, &ends(unit)).await, "{change}");
    }
    // One that is awake stays so.
    limit_written(&app, "slaLimitUpdate", json!({ "id": id, "deactivatedUntilNextPeriod": false })).await;
    limit_written(&app, "slaLimitUpdate", json!({ "id": id, "timePeriod": "MONTHLY" })).await;
    let asleep = format!("SELECT count(*) FROM sla_limit WHERE id = '{id}' AND deactivated_until > now()");
    assert_eq!(number(&app, &asleep).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_an_entry_across_the_start_of_a_period_counts_from_there() {
    let app = projects().await;
    limiter(&app).await;
    let read = "UPDATE role SET permissions = '{service-level-agreement-limits:read}' WHERE name = 'limiter'";
    app.database.client().await.batch_execute(read).await.unwrap();
    let today = app.store.now().date_naive();
    let monday = today - TimeDelta::days(today.weekday().num_days_from_monday().into());
    let monday = monday.and_hms_opt(0, 0, 0).unwrap().and_utc();
    logged(
        &app,
        entry(&(monday - TimeDelta::hours(3)).to_rfc3339(), &(monday + TimeDelta::hours(2)).to_rfc3339()),
    )
    .await;
    let query = "query($id: ID!) { slaLimit(id: $id) { consumption { hours } } }";
    let data = app.data("stranger", query, json!({ "id": key(210) })).await;
    assert_eq!(data["slaLimit"]["consumption"]["hours"], 2.0, "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_time_that_is_logged_at_once_is_counted_together() {
    let app = projects().await;
    let hours = (0..10).map(|hour| {
        entry(&format!("2026-03-02T{hour:02}:00:00Z"), &format!("2026-03-02T{hour:02}:59:59.999999Z"))
    });
    join_all(hours.map(|input| logged(&app, input))).await;
    recorded(&app, &["2026-03-02 WARNING"]).await;
    logged(&app, entry("2026-03-02T20:00:00Z", "2026-03-02T20:00:01Z")).await;
    recorded(&app, &["2026-03-02 BREACHED", "2026-03-02 WARNING"]).await;
}

/// Lets somebody change and make limits of the tenant.
async fn limiter(app: &App) {
    let limiter = "
        INSERT INTO role (root_id, id, tenant_id, name, permissions)
          SELECT root_id, gen_random_uuid(), id, 'limiter', '{service-level-agreement-limits:create,service-level-agreement-limits:update}'
          FROM tenant WHERE slug = 'acme';
        INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
          SELECT r.root_id, gen_random_uuid(), r.tenant_id, r.id, p.id FROM role r, person p
          WHERE r.name = 'limiter' AND p.login = 'stranger'";
    app.database.client().await.batch_execute(limiter).await.unwrap();
}

async fn limit_written(app: &App, mutation: &str, input: Value) {
    let kind = format!("{}{}", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {kind}Input!) {{ payload: {mutation}(input: $input) {{ errors {{ path message }} }} }}"
    );
    let answer = app.ask("stranger", &query, json!({ "input": input })).await;
    assert_eq!(answer["data"]["payload"]["errors"], json!([]), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_a_limit_that_is_made_warns_at_exactly_eighty_percent_of_what_was_logged_before() {
    let app = projects().await;
    limiter(&app).await;
    let before = format!(
        "INSERT INTO time_entry (root_id, id, tenant_id, project_id, category, started_at, ended_at)
         SELECT root_id, gen_random_uuid(), tenant_id, id, 'thirds', month, month + interval '144 minutes'
         FROM project, (SELECT date_trunc('month', now(), 'UTC') AS month) today WHERE id = '{}'",
        key(OTHER)
    );
    app.database.client().await.batch_execute(&before).await.unwrap();
    let limit = json!({
        "tenantId": key(1), "projectId": key(OTHER), "timeLimitInHours": 3, "timePeriod": "MONTHLY",
        "contactType": "EMAIL", "contact": "a@example.org", "categories": ["thirds"],
    });
    limit_written(&app, "slaLimitCreate", limit).await;
    let month = app.store.now().date_naive().with_day(1).unwrap();
    recorded(&app, &[&format!("{month} WARNING")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b5_a_limit_that_was_changed_takes_nothing_back_unless_a_correction_proves_it_wrong() {
    let app = projects().await;
    limiter(&app).await;
    let told = |id: &str, from: &str, until: &str| {
        with(entry(from, until), json!({ "source": "tracker", "sourceId": id }))
    };
    let change = |what: Value| limit_written(&app, "slaLimitUpdate", with(json!({ "id": key(210) }), what));
    let records = async || number(&app, "SELECT count(*) FROM breach WHERE kind = 'limit'").await;
    let ten = told("1", "2026-03-02T00:00:00Z", "2026-03-02T10:00:00Z");
    logged(&app, ten.clone()).await;
    recorded(&app, &["2026-03-02 BREACHED", "2026-03-02 WARNING"]).await;
    change(json!({ "timeLimitInHours": 40 })).await;
    logged(&app, told("2", "2026-03-03T00:00:00Z", "2026-03-03T01:00:00Z")).await;
    logged(&app, told("2", "2026-03-03T00:00:00Z", "2026-03-03T00:30:00Z")).await;
    assert_eq!(records().await, 2, "the ten hours were reached all the same");
    let other = json!({ "category": "other" });
    change(json!({ "categories": ["other"] })).await;
    logged(&app, with(told("3", "2026-03-04T00:00:00Z", "2026-03-04T01:00:00Z"), other.clone())).await;
    logged(&app, with(told("3", "2026-03-04T00:00:00Z", "2026-03-04T00:30:00Z"), other)).await;
    assert_eq!(records().await, 2, "nor has it to do with what counted then");
    change(json!({ "categories": ["work", "travel"] })).await;
    logged(&app, with(ten.clone(), json!({ "endedAt": "2026-03-02T08:00:00Z" }))).await;
    assert_eq!(records().await, 3, "X14: the ten hours were none");
    logged(&app, with(ten, json!({ "endedAt": "2026-03-02T07:00:00Z" }))).await;
    assert_eq!(records().await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_a_limit_that_sleeps_records_nothing_and_takes_back_what_a_correction_proves_wrong() {
    let app = projects().await;
    let client = app.database.client().await;
    let hours = |until: &str| {
        let told = json!({ "category": "travel", "source": "tracker", "sourceId": "1", "endedAt": until });
        with(entry("2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z"), told)
    };
    let (ten, one) = ("2026-03-02T10:00:00Z", "2026-03-02T01:00:00Z");
    let number = async |what: &str| number(&app, &format!("SELECT count(*) FROM {what}")).await;
    // In a later week, and in the week itself, which is over.
    for (round, until) in [(1, "now() + interval '1 week'"), (2, "'2026-03-09Z'")] {
        logged(&app, hours(ten)).await;
        assert_eq!(number("breach_key").await, 2);
        let off = format!("UPDATE sla_limit SET deactivated_until = {until}");
        client.batch_execute(&off).await.unwrap();
        logged(&app, hours(one)).await;
        assert_eq!(number("breach_key").await, 0, "{until}");
        logged(&app, hours(ten)).await;
        logged(&app, hours(one)).await;
        assert_eq!(number("breach").await, 4 * round, "{until}");
        client.batch_execute("UPDATE sla_limit SET deactivated_until = NULL").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_a_period_is_the_same_in_another_zone_and_a_month_is_another_than_the_week_it_begins_in() {
    let app = projects().await;
    limiter(&app).await;
    let client = app.database.client().await;
    client.batch_execute("UPDATE sla_limit SET created_at = '2025-01-01Z'").await.unwrap();
    // The month begins on the Tuesday of a week.
    let day = |from: u32, hours: u32| {
        let until = format!("2025-07-{from:02}T{hours:02}:00:00Z");
        with(entry(&format!("2025-07-{from:02}T00:00:00Z"), &until), json!({ "category": "travel" }))
    };
    logged(&app, day(2, 10)).await;
    recorded(&app, &["2025-06-30 BREACHED", "2025-06-30 WARNING"]).await;
    let letters = "SELECT count(*) FROM limit_notification";
    for zone in ["Asia/Tokyo", "America/New_York", "UTC"] {
        client.batch_execute(&format!("UPDATE tenant SET time_zone = '{zone}'")).await.unwrap();
        logged(&app, day(3, 1)).await;
        assert_eq!((number(&app, "SELECT count(*) FROM breach").await, number(&app, letters).await), (2, 1));
    }
    let monthly = json!({ "id": key(210), "timePeriod": "MONTHLY", "timeLimitInHours": 20 });
    limit_written(&app, "slaLimitUpdate", monthly).await;
    logged(&app, day(20, 10)).await;
    let both = ["2025-06-30 BREACHED", "2025-06-30 WARNING", "2025-07-01 BREACHED", "2025-07-01 WARNING"];
    recorded(&app, &both).await;
    assert_eq!(number(&app, letters).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_a_limit_that_is_lowered_while_time_is_logged_is_recorded_by_whoever_comes_last() {
    let app = projects().await;
    limiter(&app).await;
    let client = app.database.client().await;
    // The change of a limit, not committed yet.
    let lowered = format!("BEGIN; UPDATE sla_limit SET time_limit_in_hours = 1 WHERE id = '{}'", key(210));
    client.batch_execute(&lowered).await.unwrap();
    let logging = logged(&app, entry("2026-03-02T08:00:00Z", "2026-03-02T09:00:00Z"));
    let committing = async {
        app.database.waited_for().await;
        client.batch_execute("COMMIT").await.unwrap();
    };
    tokio::join!(logging, committing);
    recorded(&app, &["2026-03-02 BREACHED", "2026-03-02 WARNING"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p3_time_is_logged_by_whoever_may_write_requests_and_its_mistakes_are_told_at_once() {
    let app = projects().await;
    let good = entry("2026-03-02T08:00:00Z", "2026-03-02T09:00:00Z");
    for (login, code) in [("", "UNAUTHENTICATED"), ("reader", "FORBIDDEN"), ("stranger", "NOT_FOUND")] {
        let answer = ask(&app, login, good.clone()).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{login}: {answer}");
    }
    // Who is of a tenant below is shown the project, and so is told what is missing.
    person(&app.database.client().await, "branch", "below", "requests:write").await;
    let answer = ask(&app, "branch", good.clone()).await;
    let told = &answer["errors"][0]["extensions"];
    assert_eq!(
        (&told["code"], &told["permission"]),
        (&json!("FORBIDDEN"), &json!("requests:write")),
        "{answer}"
    );
    let answer = ask(&app, "writer", with(good.clone(), json!({ "projectId": key(999) }))).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "NOT_FOUND");
    let bad = json!({
        "projectId": key(PROJECT), "category": " ", "startedAt": "2998-01-01T00:00:00Z", "endedAt": "2999-06-01T00:00:00Z",
        "source": "tracker", "personId": key(999),
    });
    let answer = ask(&app, "writer", bad).await;
    let mut paths: Vec<String> = answer["data"]["payload"]["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| format!("{} {}", error["path"][1].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    paths.sort();
    let expected = [
        "category REQUIRED",
        "endedAt INVALID",
        "endedAt INVALID",
        "personId NOT_FOUND",
        "sourceId REQUIRED",
    ];
    assert_eq!(paths, expected);
    let answer = ask(&app, "writer", with(good, json!({ "endedAt": "2026-03-02T07:59:59Z" }))).await;
    assert_eq!(answer["data"]["payload"]["errors"][0]["path"], json!(["input", "endedAt"]));
    assert_eq!(number(&app, "SELECT count(*) FROM time_entry").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_found_by_its_project_its_person_its_source_and_when_it_was_logged() {
    let app = projects().await;
    let (from, until) = ("2026-03-02T08:00:00Z", "2026-03-02T09:00:00Z");
    let sourced = json!({ "source": "tracker", "sourceId": "7", "personId": key(30) });
    let one = logged(&app, with(entry(from, until), sourced)).await;
    let two = logged(&app, with(entry(from, until), json!({ "projectId": key(OTHER) }))).await;
    let grant = "UPDATE role SET permissions = permissions || '{service-level-agreement-limits:access}' WHERE name = 'reader'";
    app.database.client().await.batch_execute(grant).await.unwrap();
    let noon = "2026-03-02T12:00:00Z";
    let times = format!(
        "UPDATE time_entry SET created_at = '{noon}', updated_at = '{noon}' WHERE id = '{}'",
        two["uuid"].as_str().unwrap()
    );
    app.database.client().await.batch_execute(&times).await.unwrap();
    for (filter, found) in [
        (format!("project: {{ eq: \"{}\" }}", key(PROJECT)), vec![&one]),
        (format!("project: {{ notIn: [\"{}\"] }}", key(PROJECT)), vec![&two]),
        (format!("person: {{ in: [\"{}\"] }}", key(30)), vec![&one]),
        ("person: { isNull: true }".to_owned(), vec![&two]),
        ("source: { eq: \"tracker\" }, sourceId: { eq: \"7\" }".to_owned(), vec![&one]),
        ("source: { eq: \"tracker\" }, sourceId: { eq: \"8\" }".to_owned(), vec![]),
        ("sourceId: { isNull: true }".to_owned(), vec![&two]),
        (format!("createdAt: {{ lte: \"{noon}\" }}"), vec![&two]),
        (format!("updatedAt: {{ gt: \"{noon}\" }}"), vec![&one]),
    ] {
        let query = format!("{{ timeEntries(filter: {{ {filter} }}) {{ nodes {{ uuid }} }} }}");
        let data = app.data("reader", &query, json!({})).await;
        let expected: Vec<Value> = found.iter().map(|entry| json!({ "uuid": entry["uuid"] })).collect();
        assert_eq!(data["timeEntries"]["nodes"], json!(expected), "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_b1_a_month_that_begins_with_a_week_that_was_recorded_is_recorded_and_told_too() {
    let app = projects().await;
    limiter(&app).await;
    let client = app.database.client().await;
    client.batch_execute("UPDATE sla_limit SET created_at = '2025-01-01Z'").await.unwrap();
    // 1 September 2025 is a Monday.
    let ten_hours = |day: u32| {
        let day = format!("2025-09-{day:02}T");
        with(entry(&format!("{day}00:00:00Z"), &format!("{day}10:00:00Z")), json!({ "category": "travel" }))
    };
    logged(&app, ten_hours(2)).await;
    recorded(&app, &["2025-09-01 BREACHED", "2025-09-01 WARNING"]).await;
    let monthly = json!({ "id": key(210), "timePeriod": "MONTHLY", "timeLimitInHours": 20 });
    limit_written(&app, "slaLimitUpdate", monthly).await;
    logged(&app, ten_hours(20)).await;
    let both = ["2025-09-01 BREACHED", "2025-09-01 BREACHED", "2025-09-01 WARNING", "2025-09-01 WARNING"];
    recorded(&app, &both).await;
    let letters = "SELECT count(*) FROM limit_notification WHERE (time_period, hours) IN (('weekly', 10), ('monthly', 20))";
    assert_eq!(number(&app, letters).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_time_that_a_rival_logs_first_is_taken_from_the_project_it_was_logged_on() {
    let app = projects().await;
    limiter(&app).await;
    let client = app.database.client().await;
    // A rival has logged what uses up the week, and has not committed yet.
    let (root, limit) = (key(1), key(210));
    let rival = format!(
        "BEGIN;
         INSERT INTO time_entry (root_id, id, tenant_id, project_id, category, started_at, ended_at, source, source_id)
           VALUES ('{root}', uuid_v7(), '{root}', '{one}', 'travel', '2026-03-03T00:00Z', '2026-03-03T12:00Z', 'tracker', '1');
         WITH b AS (INSERT INTO breach (root_id, id, tenant_id, kind, phase, sla_limit_id, target_at, detected_at)
             VALUES ('{root}', uuid_v7(), '{root}', 'limit', 'breached', '{limit}', '2026-03-02Z', now()) RETURNING *),
           k AS (INSERT INTO breach_key (root_id, tenant_id, subject_id, kind, phase, due_at, breach_id, hours, time_period)
             SELECT root_id, tenant_id, sla_limit_id, kind, phase, target_at, id, 10, 'weekly' FROM b)
         INSERT INTO breach_pending (root_id, tenant_id, breach_id) SELECT root_id, tenant_id, id FROM b",
        one = key(PROJECT),
    );
    client.batch_execute(&rival).await.unwrap();
    let moved = with(
        entry("2026-03-03T00:00:00Z", "2026-03-03T12:00:00Z"),
        json!({ "projectId": key(OTHER), "category": "travel", "source": "tracker", "sourceId": "1" }),
    );
    let committing = async {
        app.database.waited_for().await;
        client.batch_execute("COMMIT").await.unwrap();
    };
    tokio::join!(logged(&app, moved), committing);
    recorded(&app, &["2026-03-02 BREACHED", "2026-03-02 RETRACTED BREACHED"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_time_that_a_rival_has_moved_waits_for_the_project_that_it_was_moved_to() {
    let app = projects().await;
    let sourced = json!({ "source": "tracker", "sourceId": "1" });
    logged(&app, with(entry("2026-03-03T00:00:00Z", "2026-03-03T12:00:00Z"), sourced.clone())).await;
    let (rival, third) = (app.database.client().await, app.database.client().await);
    let (one, other) = (key(PROJECT), key(OTHER));
    let moved = format!(
        "BEGIN; SELECT FROM project WHERE id = '{one}' FOR UPDATE; UPDATE time_entry SET project_id = '{other}'"
    );
    rival.batch_execute(&moved).await.unwrap();
    let counts = format!("BEGIN; SELECT FROM project WHERE id = '{other}' FOR NO KEY UPDATE");
    third.batch_execute(&counts).await.unwrap();
    let corrected = with(entry("2026-03-03T00:00:00Z", "2026-03-03T06:00:00Z"), sourced);
    let mut correcting = std::pin::pin!(logged(&app, corrected));
    tokio::select! {
        _ = &mut correcting => panic!("it waits for the rival"),
        () = app.database.waited_for() => {}
    }
    rival.batch_execute("COMMIT").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(500), &mut correcting).await;
    assert!(early.is_err(), "it waits for who counts what it takes from: {early:?}");
    third.batch_execute("COMMIT").await.unwrap();
    assert_eq!(correcting.await["project"]["name"], "One");
}
