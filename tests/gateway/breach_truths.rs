//! The log follows the history of its clocks (rules B5, X14), and limits are recorded once (rule L2).

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use sla_gateway::access::{Permission, Permit};
use sla_gateway::breach::Item;
use sla_gateway::store::breach::{Truth, record_limit, settle};
use sla_gateway::store::word::{BreachKind, BreachPhase};
use uuid::Uuid;

use crate::breaches::{Items, ROOT, SLA, Scene, follow, next, viewer};

fn permit() -> Permit {
    viewer(ROOT).permit(Permission::BreachesRead, ROOT).unwrap()
}

/// A chat whose clock nobody has computed yet, and its time of birth.
async fn chat(scene: &Scene) -> (Uuid, DateTime<Utc>) {
    scene.chats(SLA, 1, "now() + interval '1 year'").await;
    let row = scene.client.query_one("SELECT affected_sla_id::text, now() FROM deadline", &[]).await.unwrap();
    let now: std::time::SystemTime = row.get(1);
    (row.get::<_, &str>(0).parse().unwrap(), DateTime::<Utc>::from(now))
}

fn truth(clock: Uuid, phase: BreachPhase, due_at: DateTime<Utc>) -> Truth {
    Truth {
        tenant_id: ROOT,
        affected_sla_id: clock,
        sla_id: SLA,
        kind: BreachKind::DueTime,
        phase,
        target_at: due_at,
        due_at,
    }
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
async fn x14_a_late_event_retracts_what_it_proves_wrong_and_records_what_it_proves_true() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    let mut items = follow(&replica.feed(), ROOT, None).await;
    let mut conn = AsyncPgConnection::establish(scene.url()).await.unwrap();
    let (clock, now) = chat(&scene).await;
    let past = now - TimeDelta::hours(1);
    let warned = truth(clock, BreachPhase::Warning, past - TimeDelta::hours(1));
    let breached = truth(clock, BreachPhase::Breached, past);
    let ahead = truth(clock, BreachPhase::Breached, now + TimeDelta::hours(1));

    settle(&mut conn, &permit(), &[clock], &[breached.clone(), warned.clone()]).await.unwrap();
    replica.wake();
    assert_eq!(
        phases(&mut items, 2).await,
        [BreachPhase::Warning, BreachPhase::Breached],
        "in the order in which they fell due"
    );
    assert_eq!(scene.number("SELECT count(*) FROM deadline").await, 0, "the old deadline is gone");

    // The same again changes nothing; a change in order adds a deadline and takes nothing back (rule B5).
    settle(&mut conn, &permit(), &[clock], &[breached.clone(), warned.clone(), ahead.clone()]).await.unwrap();
    assert_eq!(scene.number("SELECT count(*) FROM breach").await, 2);
    assert_eq!(scene.number("SELECT count(*) FROM deadline").await, 1);

    // The answer had been given in time, after the warning.
    for _ in 0..2 {
        settle(&mut conn, &permit(), &[clock], &[warned.clone()]).await.unwrap();
    }
    replica.wake();
    assert_eq!(phases(&mut items, 1).await, [BreachPhase::Retracted]);
    let retracted =
        "SELECT count(*) FROM breach r JOIN breach b ON b.id = r.retracts_id WHERE b.phase = 'breached'";
    assert_eq!(scene.number(retracted).await, 1);
    assert_eq!(
        scene.number("SELECT count(*) FROM breach").await,
        3,
        "retracted once, and nothing is deleted"
    );
    assert_eq!(scene.number("SELECT count(*) FROM deadline").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_what_the_watch_records_while_a_late_event_arrives_is_retracted_too() {
    let scene = Scene::new().await;
    let mut conn = AsyncPgConnection::establish(scene.url()).await.unwrap();
    let replica = scene.replica();
    // A race between the watch and the event, many times over.
    for round in 0..30 {
        scene.chats(SLA, 1, "clock_timestamp() + interval '20 milliseconds'").await;
        let clocks = scene.client.query("SELECT affected_sla_id::text FROM deadline", &[]).await.unwrap();
        let Some(clock) = clocks.first().map(|row| row.get::<_, &str>(0).parse::<Uuid>().unwrap()) else {
            continue;
        };
        replica.wake();
        tokio::time::sleep(std::time::Duration::from_millis(15 + round % 10)).await;
        settle(&mut conn, &permit(), &[clock], &[]).await.unwrap();
        let standing = "SELECT count(*) FROM breach b WHERE phase = 'breached'
            AND NOT EXISTS (SELECT FROM breach r WHERE r.retracts_id = b.id)";
        assert_eq!(scene.number(standing).await, 0, "in round {round}");
        assert_eq!(scene.number("SELECT count(*) FROM deadline").await, 0);
    }
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
