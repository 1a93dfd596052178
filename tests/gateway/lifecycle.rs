//! The days on which an SLA is active, and which clocks it starts (rule S6).

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::app::App;
use crate::intake::{clock, key, ticket, with, world, written};

/// The ticket's clocks under the SLA that is otherwise only being prepared.
async fn starts(app: &App, at: &str) -> bool {
    let request = written(app, "requestRegister", with(ticket(), json!({ "registeredAt": at }))).await;
    let clocks = request["affectedSlas"]["nodes"].as_array().unwrap();
    clocks.iter().any(|clock| clock["sla"]["name"] == "Draft")
}

async fn set(app: &App, columns: &str) {
    let update = format!("UPDATE sla SET {columns} WHERE id = '{}'", key(84));
    app.database.client().await.batch_execute(&update).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_an_sla_starts_clocks_from_its_first_day_to_its_last_in_the_zone_of_its_tenant() {
    let app = world().await;
    let zone = format!("UPDATE tenant SET time_zone = 'America/Chicago' WHERE id = '{}'", key(1));
    app.database.client().await.batch_execute(&zone).await.unwrap();
    for stored in ["scheduled_for_activation", "active"] {
        set(&app, &format!("status = '{stored}', start_date = '2026-03-03', expiry_date = '2026-03-04'"))
            .await;
        for (at, expected) in [
            ("2026-03-03T05:59:59.999999Z", false),
            ("2026-03-03T06:00:00Z", true),
            ("2026-03-05T05:59:59.999999Z", true),
            ("2026-03-05T06:00:00Z", false),
        ] {
            assert_eq!(starts(&app, at).await, expected, "{stored} {at}");
        }
    }
    // The switch is off, or it is not promised yet, or it is over: whatever the dates.
    for columns in ["active = false", "active = true, status = 'being_prepared'", "status = 'expired'"] {
        set(&app, columns).await;
        assert!(!starts(&app, "2026-03-04T12:00:00Z").await, "{columns}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_a_clock_that_runs_outlives_the_sla_that_started_it() {
    let app = world().await;
    set(&app, "status = 'active', expiry_date = '2026-03-02'").await;
    let request = written(&app, "requestRegister", ticket()).await;
    let event =
        json!({ "requestId": request["id"], "status": "COMPLETED", "occurredAt": "2026-03-03T09:30:00Z" });
    set(&app, "active = false, status = 'expired'").await;
    let request = written(&app, "requestRecord", event).await;
    assert_eq!(clock(&request, "Draft")["actualResolutionDuration"], 450);
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_the_status_is_that_of_the_day_of_reading_in_the_zone_of_the_tenant() {
    for zone in [chrono_tz::Pacific::Kiritimati, chrono_tz::Pacific::Pago_Pago] {
        let app = world().await;
        let move_tenant = format!("UPDATE tenant SET time_zone = '{zone}' WHERE id = '{}'", key(1));
        app.database.client().await.batch_execute(&move_tenant).await.unwrap();
        let today = || app.store.now().with_timezone(&zone).date_naive();
        let both = ["scheduled_for_activation", "active"];
        // Days from today on.
        for (stored, start, expiry, status) in [
            (&both[..], Some(1), None, "SCHEDULED_FOR_ACTIVATION"),
            (&both, Some(0), None, "ACTIVE"),
            (&both, Some(-1), Some(0), "ACTIVE"),
            (&both, Some(-1), Some(-1), "EXPIRED"),
            (&both, None, Some(-1), "EXPIRED"),
            (&both[..1], None, None, "SCHEDULED_FOR_ACTIVATION"),
            (&both[1..], None, Some(1), "ACTIVE"),
            (&["being_prepared"], Some(-1), Some(-1), "BEING_PREPARED"),
            (&["expired"], Some(-1), Some(1), "EXPIRED"),
        ] {
            for stored in stored {
                let day = today();
                let date = |days: Option<i64>| {
                    days.map_or("NULL".to_owned(), |days| format!("'{}'", day + TimeDelta::days(days)))
                };
                let dates = format!("start_date = {}, expiry_date = {}", date(start), date(expiry));
                set(&app, &format!("status = '{stored}', {dates}")).await;
                let query = "query($id: ID!, $status: SlaStatus!) { sla(id: $id) { status }
                    slas(filter: { id: { eq: $id }, status: { eq: $status } }) { totalCount } }";
                let found = app.data("agent", query, json!({ "id": key(84), "status": status })).await;
                // What is read and what starts clocks agree.
                let request =
                    written(&app, "requestRegister", with(ticket(), json!({ "registeredAt": Value::Null })))
                        .await;
                let clocks = request["affectedSlas"]["nodes"].as_array().unwrap();
                let starts = clocks.iter().any(|clock| clock["sla"]["name"] == "Draft");
                if today() != day {
                    // The day has turned meanwhile.
                    continue;
                }
                let seen = json!({ "sla": { "status": status }, "slas": { "totalCount": 1 } });
                assert_eq!(found, seen, "{zone} {stored} {dates}");
                assert_eq!(starts, status == "ACTIVE", "{zone} {stored} {dates}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sla_that_something_hangs_on_is_not_deleted_and_the_message_counts_it() {
    const MANAGER: &str = "manager@wna.example.com";
    let app = App::sampled().await;
    let delete = |id: Value| {
        let app = app.clone();
        async move {
            let query = "mutation ($id: ID!) { slaDelete(input: { id: $id }) { deletedId errors { code path message } } }";
            app.data(MANAGER, query, json!({ "id": id })).await["slaDelete"].take()
        }
    };
    let terms = json!({ "queue": { "slaThreshold": 20, "abandonType": "COUNT_AGAINST_SLA" } });
    let create = "mutation ($input: SlaCreateInput!) { slaCreate(input: $input) { sla { id uuid } errors { message } } }";
    let tenant =
        app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let input =
        json!({ "tenantId": tenant, "name": "Calls", "version": { "versionName": "1", "terms": terms } });
    let made = app.data(MANAGER, create, json!({ "input": input })).await["slaCreate"]["sla"].take();

    let register =
        "mutation ($input: RequestRegisterInput!) { requestRegister(input: $input) { errors { message } } }";
    for number in 0..3 {
        // Asked before the SLA was active, the last is not measured by it and only names it.
        let at = if number < 2 { Value::Null } else { json!("2001-01-01T00:00:00Z") };
        let call = json!({ "tenantId": tenant, "subject": "Call", "channel": "CALL", "slaId": made["id"], "registeredAt": at });
        let answer = app.data(MANAGER, register, json!({ "input": call })).await;
        assert_eq!(answer["requestRegister"]["errors"], json!([]));
    }
    let counted = "SELECT count(*) FROM affected_sla WHERE sla_id = ($1::text)::uuid";
    let client = app.database.client().await;
    let clocks: i64 = client.query_one(counted, &[&made["uuid"].as_str().unwrap()]).await.unwrap().get(0);
    let refused = delete(made["id"].clone()).await;
    assert_eq!(refused["deletedId"], Value::Null);
    let error = &refused["errors"][0];
    assert_eq!((&error["code"], &error["path"]), (&json!("IN_USE"), &json!(["input", "id"])));
    let expected = format!(
        "It cannot be deleted, for what hangs on it: {clocks} affected SLAs and 3 requests that name it. \
         Let it expire, or turn it off."
    );
    assert_eq!(error["message"], expected);
    let query =
        "mutation ($id: ID!) { slaDelete(input: { id: $id, expectedRevision: 99 }) { errors { code } } }";
    let stale = app.data(MANAGER, query, json!({ "id": made["id"] })).await;
    assert_eq!(
        stale["slaDelete"]["errors"],
        json!([{ "code": "CONFLICT" }]),
        "what was read is no longer so"
    );
    let update =
        "mutation ($input: TenantUpdateInput!) { tenantUpdate(input: $input) { errors { message } } }";
    let fallback = json!({ "id": tenant, "defaultSlaId": made["id"] });
    app.data(MANAGER, update, json!({ "input": fallback })).await;
    let refused = delete(made["id"].clone()).await;
    let message = refused["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("3 requests that name it and 1 tenant that falls back on it."), "{message}");
    // Nothing hangs on one that is new.
    let input =
        json!({ "tenantId": tenant, "name": "Others", "version": { "versionName": "1", "terms": terms } });
    let new = app.data(MANAGER, create, json!({ "input": input })).await["slaCreate"]["sla"].take();
    assert_eq!(delete(new["id"].clone()).await["deletedId"], new["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_an_sla_of_a_queue_is_scheduled_only_for_a_day_that_it_has() {
    let app = App::sampled().await;
    let manager = "manager@wna.example.com";
    let tenant = app.data(manager, "{ tenant(slug: \"wna\") { id } }", json!({})).await;
    let terms = json!({ "queue": { "slaThreshold": 1, "abandonType": "COUNT_AGAINST_SLA" } });
    for (name, start, expiry, status) in [
        ("Open", Value::Null, Value::Null, "ACTIVE"),
        ("Ends", Value::Null, json!("2998-01-01"), "ACTIVE"),
        ("Begins", json!("2997-01-01"), json!("2998-01-01"), "SCHEDULED_FOR_ACTIVATION"),
    ] {
        let input = json!({
            "tenantId": tenant["tenant"]["id"], "name": name, "startDate": start, "expiryDate": expiry,
            "version": { "versionName": "1", "terms": terms },
        });
        let query = "mutation($input: SlaCreateInput!) { slaCreate(input: $input) { sla { status } errors { message } } }";
        let made = app.data(manager, query, json!({ "input": input })).await;
        assert_eq!(made["slaCreate"], json!({ "sla": { "status": status }, "errors": [] }), "{name}");
    }
}
