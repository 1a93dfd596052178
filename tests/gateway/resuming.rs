//! Many come back at once: from memory where they can, and beside each other where they cannot (rule B3).

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use sla_gateway::access::{Actor, Permission, Place, Viewer};
use sla_gateway::breach::Filter;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::breaches::{
    FOREIGN, Items, ROOT, SLA, Scene, chats, follow, foreign, ids, next, rights, setting, silent, take,
};

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_replica_that_has_just_started_resumes_from_memory() {
    let scene = Scene::new().await;
    scene.chats(SLA, 50, "now() - interval '1 hour'").await;
    let told = take(&mut follow(&scene.replica().feed(), ROOT, Some("0")).await, 50).await;
    let fresh = scene.replica();
    fresh.begun().await;
    // What it has not read by now, it cannot read.
    scene.database.admit(false).await;
    let mut resumed = follow(&fresh.feed(), ROOT, Some(&told[9].1)).await;
    assert_eq!(ids(&take(&mut resumed, 40).await), ids(&told[10..]));
    let mut new = follow(&fresh.feed(), ROOT, None).await;
    assert_eq!(next(&mut new).await.cursor, told[49].1, "it begins now");
    silent(&mut new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_hole_from_before_its_start_does_not_keep_a_replica_from_following() {
    let scene = Scene::new().await;
    scene.chats(SLA, 50, "now() - interval '1 hour'").await;
    take(&mut follow(&scene.replica().feed(), ROOT, Some("0")).await, 50).await;
    scene.client.batch_execute("DELETE FROM breach_log WHERE pos = 40").await.unwrap();
    let fresh = scene.replica();
    let mut new = follow(&fresh.feed(), ROOT, None).await;
    assert!(next(&mut new).await.breach.is_none());
    scene.chats(SLA, 1, "now() - interval '1 hour'").await;
    take(&mut new, 1).await;
    assert_eq!(fresh.figures().holes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_log_that_stands_still_has_a_checkpoint_every_fifteen_seconds_too() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    scene.chats(SLA, 1, "now() - interval '1 hour'").await;
    let told = take(&mut follow(&replica.feed(), ROOT, Some("0")).await, 1).await;
    // Who resumes after the last record is told nothing at once.
    let mut resumed = follow(&replica.feed(), ROOT, Some(&told[0].1)).await;
    let begun = Instant::now();
    let checkpoint = next(&mut resumed).await;
    assert!(checkpoint.breach.is_none());
    assert_eq!(checkpoint.cursor, told[0].1);
    assert!(begun.elapsed() >= Duration::from_secs(14), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_replica_that_has_not_seen_two_lives_of_the_database_skips_nothing_of_the_second() {
    let scene = Scene::new().await;
    scene.chats(SLA, 10, "now() - interval '1 hour'").await;
    let replica = scene.replica();
    let told = take(&mut follow(&replica.feed(), ROOT, Some("0")).await, 10).await;
    let mut all = follow(&replica.feed(), ROOT, Some("0")).await;
    // What is recorded later, on the second server since.
    let later = "SET session_replication_role = replica;
        CREATE TABLE later AS SELECT root_id, uuid_v7() AS id, tenant_id, kind, phase, sla_id, affected_sla_id, target_at, detected_at
          FROM breach LIMIT 5;
        INSERT INTO breach (root_id, id, tenant_id, kind, phase, sla_id, affected_sla_id, target_at, detected_at)
          SELECT * FROM later";
    scene.client.batch_execute(later).await.unwrap();
    // The replica does not come to read it.
    let mut holder = scene.database.client().await;
    let held = holder.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE breach IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let lives = "INSERT INTO breach_log (root_id, tenant_id, shard, pos, breach_id)
          SELECT root_id, tenant_id, 0, 10 + row_number() OVER (), id FROM later;
        UPDATE breach_log_head SET epoch = epoch + 2, previous_epoch = epoch + 1, epoch_start = 10, pos = 15";
    scene.client.batch_execute(lives).await.unwrap();
    let epoch: i32 = scene.client.query_one("SELECT epoch FROM breach_log_head", &[]).await.unwrap().get(0);
    // What another replica, which has seen both, gave out.
    let mut cursor = BASE64_URL_SAFE_NO_PAD.decode(&told[9].1).unwrap();
    cursor[1..5].copy_from_slice(&epoch.to_be_bytes());
    let cursor = BASE64_URL_SAFE_NO_PAD.encode(cursor);
    let mut resumed = follow(&replica.feed(), ROOT, Some(&cursor)).await;
    // It hangs on before the replica reads of that life.
    let early = tokio::time::timeout(Duration::from_millis(300), resumed.next()).await;
    assert!(early.is_err(), "{early:?}");
    held.rollback().await.unwrap();
    let recorded = scene.recorded().await;
    assert_eq!(ids(&take(&mut resumed, 5).await), recorded[10..]);
    // Who wants all that is kept has seen nothing of a life that is over.
    assert_eq!(ids(&take(&mut all, 15).await), recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_who_resumes_in_one_tree_does_not_wait_for_the_many_who_do_in_another() {
    let scene = Scene::new().await;
    scene.client.batch_execute(&foreign(&setting())).await.unwrap();
    let replica = scene.replica();
    scene.chats(SLA, 1, "now() + interval '1 year'").await;
    // A record that lies where no other does, in the month after this one.
    let count = async |sql: &str| scene.number(sql).await;
    let begun = Instant::now();
    while count("SELECT count(*) FROM pg_class WHERE relname = to_char(now() + interval '1 month', '\"breach_\"YYYY_MM')").await
        == 0
    {
        assert!(begun.elapsed() < Duration::from_secs(30), "there is no such month");
        sleep(Duration::from_millis(20)).await;
    }
    scene
        .client
        .batch_execute(
            "WITH b AS (INSERT INTO breach (root_id, id, tenant_id, kind, phase, sla_id, affected_sla_id, target_at, detected_at)
               SELECT root_id, (lpad(to_hex((extract(epoch FROM date_trunc('month', now()) + interval '1 month 14 days') * 1000)::bigint),
                 12, '0') || '70008000000000000001')::uuid, tenant_id, 'due_time', 'breached', sla_id, id, now(), now()
               FROM affected_sla RETURNING root_id, tenant_id, id)
             INSERT INTO breach_pending (root_id, tenant_id, breach_id) SELECT root_id, tenant_id, id FROM b",
        )
        .await
        .unwrap();
    scene.logged(1).await;
    // More than are kept in memory.
    let many = foreign(&chats(SLA, 5_000, "now() - interval '1 hour'"));
    scene.client.batch_execute(&many).await.unwrap();
    replica.moved().wait_for(|pos| *pos == 5_001).await.unwrap();

    let month = "SELECT 'breach_' || to_char(now() + interval '1 month', 'YYYY_MM')";
    let month: String = scene.client.query_one(month, &[]).await.unwrap().get(0);
    let mut holder = scene.database.client().await;
    let held = holder.transaction().await.unwrap();
    held.batch_execute(&format!("LOCK TABLE {month} IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    let mut ours = Vec::new();
    for _ in 0..20 {
        let mut items = follow(&replica.feed(), ROOT, Some("0")).await;
        ours.push(tokio::spawn(async move { items.next().await }));
    }
    let waiting = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while count(waiting).await < 2 {
        sleep(Duration::from_millis(20)).await;
    }
    let filter = Filter::default();
    let viewer = watch::channel(rights(stranger())).1;
    let mut theirs: Items = Box::pin(replica.feed().subscribe(filter, viewer, Some("0")).await.unwrap());
    take(&mut theirs, 5_000).await;
    assert!(ours.iter().all(|ours| !ours.is_finished()), "they wait all the while");
}

/// Who may read the breaches of the other tree.
fn stranger() -> Viewer {
    let root = Place { root_id: FOREIGN, parent_id: None, time_zone: chrono_tz::UTC };
    let grants = [(FOREIGN, [Permission::BreachesRead].into_iter().collect())];
    let actor = Actor::Person { login: "stranger".into(), people: vec![] };
    Viewer::new(actor, "Stranger".into(), None, HashMap::from([(FOREIGN, root)]), &grants)
}
