//! Targets as readers of clocks see them.

use serde_json::{Value, json};

use crate::app::App;
use crate::intake::{fields, key, ticket, with, world, written};

/// The clock of a new ticket about the mail server, registered at an instant.
async fn clock_of_ticket(app: &App, registered_at: &str) -> Value {
    clock_of(app, json!({ "registeredAt": registered_at })).await
}

async fn clock_of(app: &App, registration: Value) -> Value {
    let request = written(app, "requestRegister", with(ticket(), registration)).await;
    let query = "query($id: ID!) { request(id: $id) { affectedSlas {
        nodes { responseTargetAt responseBreachesAt nextTarget nextTargetAt atRisk supportHours { name } sla { name } } } } }";
    let data = app.data("agent", query, json!({ "id": request["id"] })).await;
    let mut clocks = data["request"]["affectedSlas"]["nodes"].as_array().unwrap().clone();
    clocks.retain(|clock| clock["sla"]["name"] == "Mail server");
    clocks.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_c8_a_clock_that_is_breached_is_past_however_late_its_completion_is_desired() {
    let app = world().await;
    let ticket =
        with(ticket(), json!({ "status": "IN_PROGRESS", "desiredCompletionAt": "2100-01-01T00:00:00Z" }));
    let request = written(&app, "requestRegister", ticket).await;
    let query = "query($id: ID!) { request(id: $id) { affectedSlas(filter: { nextTarget: { eq: DESIRED_COMPLETION } }) {
        nodes { atRisk } } } }";
    let data = app.data("agent", query, json!({ "id": request["id"] })).await;
    let clocks = data["request"]["affectedSlas"]["nodes"].as_array().unwrap();
    assert!(!clocks.is_empty() && clocks.iter().all(|clock| clock["atRisk"] == "PAST"), "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_x1_a_target_used_up_at_closing_time_is_past_only_when_breached_at_the_next_opening() {
    let app = world().await;
    // Open around the clock, but closed from an hour ago until tomorrow.
    let client = app.database.client().await;
    let closed = "
        DELETE FROM calendar_hours;
        INSERT INTO calendar_hours (root_id, tenant_id, calendar_id, weekday, from_minute, until_minute)
          SELECT root_id, tenant_id, id, day, 0, 1440 FROM calendar, generate_series(1, 7) day;
        INSERT INTO calendar_holiday (root_id, id, tenant_id, calendar_id, name, starts_at, ends_at)
          SELECT root_id, gen_random_uuid(), tenant_id, id, 'Move', today.minute - interval '1 hour', today.minute + interval '1 day'
          FROM calendar, (SELECT date_trunc('minute', now() AT TIME ZONE 'UTC') AS minute) today";
    client.batch_execute(closed).await.unwrap();
    let long_over = clock_of_ticket(&app, "2026-03-02T10:00:00Z").await;
    assert_eq!(
        fields(&long_over, &["nextTarget", "atRisk"]),
        json!({ "nextTarget": "RESPONSE", "atRisk": "PAST" })
    );
    let instant = async |column: &str, shift: &str| -> String {
        let sql = format!(
            "SELECT to_char({column} + interval '{shift}', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM calendar_holiday"
        );
        client.query_one(&sql, &[]).await.unwrap().get(0)
    };
    let clock = clock_of_ticket(&app, &instant("starts_at", "-1 hour").await).await;
    let closing = instant("starts_at", "0").await;
    assert_eq!(
        fields(&clock, &["responseTargetAt", "responseBreachesAt", "nextTargetAt", "nextTarget", "atRisk"]),
        json!({
            "responseTargetAt": closing, "responseBreachesAt": instant("ends_at", "0").await,
            "nextTargetAt": closing, "nextTarget": "RESPONSE", "atRisk": "ORANGE",
        })
    );
    // The same of a resolution, of which eight hours are used up then.
    let taken = json!({ "registeredAt": instant("starts_at", "-8 hours").await, "status": "IN_PROGRESS" });
    let clock = clock_of(&app, taken).await;
    assert_eq!(
        fields(&clock, &["nextTargetAt", "nextTarget", "atRisk"]),
        json!({ "nextTargetAt": closing, "nextTarget": "RESOLUTION", "atRisk": "ORANGE" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn x11_minutes_of_no_hours_are_no_target_and_never_around_the_clock() {
    let app = world().await;
    let without = "UPDATE offering_target SET support_hours_id = NULL";
    app.database.client().await.batch_execute(without).await.unwrap();
    let clock = clock_of_ticket(&app, "2026-03-02T10:00:00Z").await;
    assert_eq!(
        fields(&clock, &["responseTargetAt", "nextTarget", "nextTargetAt", "atRisk", "supportHours"]),
        json!({
            "responseTargetAt": null, "nextTarget": "NO_TARGET", "nextTargetAt": null, "atRisk": null,
            "supportHours": null,
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_beyond_the_year_9999_is_none_that_could_be_read() {
    let app = world().await;
    let role = "UPDATE role SET permissions = permissions || '{catalog:read}'";
    app.database.client().await.batch_execute(role).await.unwrap();
    // Its last Friday, of which two hours are left.
    let query = "query($id: ID!) { calendar(id: $id) {
        one: targetAt(start: \"9999-12-31T15:00:00Z\", minutes: 120, timeZone: \"UTC\") { targetAt breachesAt }
        two: targetAt(start: \"9999-12-31T15:00:00Z\", minutes: 180, timeZone: \"UTC\") { targetAt breachesAt } } }";
    let data = app.data("agent", query, json!({ "id": key(50) })).await;
    let closing = json!({ "targetAt": "9999-12-31T17:00:00Z", "breachesAt": null });
    let none = json!({ "targetAt": null, "breachesAt": null });
    assert_eq!(data["calendar"], json!({ "one": closing, "two": none }));
}
