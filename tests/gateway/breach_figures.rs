//! Measurements of the breach log, run by hand: `cargo test --release --test gateway breach_figures -- --ignored --nocapture --test-threads 1`.

#![expect(clippy::print_stdout, reason = "figures are for whoever asked for them")]

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};

use crate::breaches::{ROOT, SLA, Scene, follow, next};

#[expect(
    clippy::disallowed_methods,
    reason = "the measuring side has no other clock, and it is the server's machine"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn told(what: &str, mut millis: Vec<f64>) {
    millis.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| millis[((millis.len() - 1) as f64 * share) as usize];
    println!(
        "{what}: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms, n {}",
        at(0.5),
        at(0.99),
        at(1.0),
        millis.len()
    );
}

async fn latency(subscribers: usize) {
    let scene = Scene::new().await;
    let replica = scene.replica();
    let mut measured = follow(&replica.feed(), ROOT, None).await;
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..subscribers {
        let mut items = follow(&replica.feed(), ROOT, None).await;
        others.spawn(async move { while items.as_mut().next_item().await {} });
    }
    sleep(Duration::from_secs(1)).await;
    scene
        .chats(SLA, 1_500, "clock_timestamp() + interval '1 second' + random() * interval '15 seconds'")
        .await;
    let (mut recorded, mut received) = (Vec::new(), Vec::new());
    while received.len() < 1_500 {
        let Some(breach) = next(&mut measured).await.breach else { continue };
        let millis =
            |from: DateTime<Utc>, to: DateTime<Utc>| (to - from).num_microseconds().unwrap() as f64 / 1e3;
        recorded.push(millis(breach.target_at, breach.detected_at));
        received.push(millis(breach.detected_at, now()));
    }
    println!("100 breaches a second, {subscribers} other subscribers");
    told("  due to recorded", recorded);
    told("  recorded to subscriber", received);
}

trait NextItem {
    async fn next_item(&mut self) -> bool;
}
impl<S: futures_util::Stream + Unpin> NextItem for S {
    async fn next_item(&mut self) -> bool {
        futures_util::StreamExt::next(self).await.is_some()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn how_soon_a_breach_reaches_its_subscribers() {
    latency(0).await;
    latency(1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn how_fast_a_late_start_catches_up() {
    for replicas in [1, 3] {
        let scene = Scene::new().await;
        scene.chats(SLA, 50_000, "now() - random() * interval '1 day'").await;
        let begun = Instant::now();
        let replicas: Vec<_> = (0..replicas).map(|_| scene.replica()).collect();
        let mut items = follow(&replicas[0].feed(), ROOT, Some("0")).await;
        let mut seen = 0;
        while seen < 50_000 {
            seen += usize::from(next(&mut items).await.breach.is_some());
        }
        let took = begun.elapsed().as_secs_f64();
        println!(
            "50,000 overdue, {} replicas: {:.0} a second, subscriber included",
            replicas.len(),
            50_000.0 / took
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn what_a_million_future_deadlines_cost_while_nothing_is_due() {
    let scene = Scene::new().await;
    let begun = Instant::now();
    for _ in 0..10 {
        scene.chats(SLA, 100_000, "now() + interval '1 day' + random() * interval '30 days'").await;
    }
    println!("1,000,000 deadlines stored in {:.0} s", begun.elapsed().as_secs_f64());
    scene.client.batch_execute("VACUUM ANALYZE").await.unwrap();
    let replica = scene.replica();
    let mut items = follow(&replica.feed(), ROOT, None).await;
    next(&mut items).await;
    sleep(Duration::from_secs(2)).await;
    let statements =
        "SELECT sum(xact_commit)::bigint FROM pg_stat_database WHERE datname = current_database()";
    let busy = || {
        let ticks = |pid: &str| -> u64 {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
            fields.get(11..13).map_or(0, |t| t.iter().map(|t| t.parse::<u64>().unwrap_or(0)).sum())
        };
        ticks("self")
    };
    let (before, worked) = (scene.number(statements).await, busy());
    sleep(Duration::from_secs(60)).await;
    let (after, working) = (scene.number(statements).await, busy());
    println!(
        "idle, a minute: about {} statements, {} ms of CPU of the gateway",
        after - before,
        (working - worked) * 10
    );
    scene.chats(SLA, 1, "clock_timestamp() + interval '2500 milliseconds'").await;
    let breach = loop {
        if let Some(breach) = next(&mut items).await.breach {
            break breach;
        }
    };
    println!(
        "the next deadline of a million: recorded {} after it was due",
        breach.detected_at - breach.target_at
    );
}
