//! Limits are recorded once (rule L2).

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;
use sla_gateway::access::{Permission, Permit};
use sla_gateway::breach::Item;
use sla_gateway::store::breach::record_limit;
use sla_gateway::store::word::BreachPhase;
use uuid::Uuid;

use crate::app::App;
use crate::breaches::{Items, ROOT, Scene, follow, next, viewer};

fn permit() -> Permit {
    viewer(ROOT).permit(Permission::BreachesRead, ROOT).unwrap()
}

async fn phases(items: &mut Items, count: usize) -> Vec<BreachPhase> {
    let mut phases = Vec::new();
    while phases.len() < count {
        let Item { breach, .. } = next(items).await;
        phases.extend(breach.map(|breach| breach.phase));
    }
    phases
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_a_limit_of_a_project_without_entries_has_consumed_nothing_and_is_not_reached() {
    let app = App::sampled().await;
    let manager = "manager@wna.example.com";
    let tenant =
        app.data(manager, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let create =
        "mutation ($t: ID!) { projectCreate(input: { tenantId: $t, name: \"Idle\" }) { project { id } } }";
    let project =
        app.data(manager, create, json!({ "t": tenant })).await["projectCreate"]["project"]["id"].take();
    let create = "mutation ($t: ID!, $p: ID!) { slaLimitCreate(input: { tenantId: $t, projectId: $p,
        timeLimitInHours: 5, timePeriod: WEEKLY, contactType: EMAIL, contact: \"a@example.com\", categories: [\"A\"] }) {
        slaLimit { consumption { hours reached } breaches { totalCount } } errors { message } } }";
    let made = app.data(manager, create, json!({ "t": tenant, "p": project })).await;
    let limit = &made["slaLimitCreate"]["slaLimit"];
    assert_eq!(limit["consumption"], json!({ "hours": 0.0, "reached": false }), "{made}");
    assert_eq!(limit["breaches"]["totalCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_a_limit_is_recorded_once_for_each_phase_and_period() {
    let scene = Scene::new().await;
    let limit = Uuid::from_u128(5);
    scene
        .client
        .batch_execute(&format!(
            "INSERT INTO project (root_id, id, tenant_id, name) VALUES ('{ROOT}', '{limit}', '{ROOT}', 'p');
             INSERT INTO sla_limit (root_id, id, tenant_id, project_id, time_limit_in_hours, time_period, contact_type, contact, categories)
             VALUES ('{ROOT}', '{limit}', '{ROOT}', '{limit}', 1, 'weekly', 'email', 'a@example.org', ARRAY['work'])"
        ))
        .await
        .unwrap();
    let replica = scene.replica();
    let mut items = follow(&replica.feed(), ROOT, None).await;
    let mut conn = AsyncPgConnection::establish(scene.url()).await.unwrap();
    let monday: DateTime<Utc> = "2026-11-16T00:00:00Z".parse().unwrap();
    for (phase, period, first) in [
        (BreachPhase::Warning, monday, true),
        (BreachPhase::Warning, monday, false),
        (BreachPhase::Breached, monday, true),
        (BreachPhase::Breached, monday, false),
        (BreachPhase::Breached, monday + TimeDelta::weeks(1), true),
    ] {
        assert_eq!(
            record_limit(&mut conn, &permit(), limit, phase, period).await.unwrap(),
            first,
            "{phase:?} {period}"
        );
    }
    replica.wake();
    assert_eq!(
        phases(&mut items, 3).await,
        [BreachPhase::Warning, BreachPhase::Breached, BreachPhase::Breached]
    );
}
