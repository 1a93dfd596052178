//! Many come back at once: from memory where they can, and beside each other where they cannot (rule B3).

use crate::breaches::{ROOT, SLA, Scene, follow, ids, next, silent, take};

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
