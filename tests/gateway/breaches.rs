//! Breaches: recorded exactly once, numbered without gaps, followed without loss (rules B1 to B4).

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use chrono::DateTime;
use futures_util::{Stream, StreamExt};
use sla_gateway::access::{Actor, Permission, Place, Viewer};
use sla_gateway::breach::{self, Breaches, Feed, Filter, Ids, Item, Rights};
use sla_gateway::error::Error;
use sla_gateway::store::Store;
use sla_gateway::store::connect::pool;
use sla_gateway::store::word::{BreachKind, BreachPhase};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::Database;

pub(crate) const ROOT: Uuid = Uuid::from_u128(1);
pub(crate) const OTHER: Uuid = Uuid::from_u128(2);
/// The root of another tree, of the same shape.
pub(crate) const FOREIGN: Uuid = Uuid::from_u128(3);
pub(crate) const SLA: Uuid = Uuid::from_u128(10);
pub(crate) const OTHER_SLA: Uuid = Uuid::from_u128(20);

/// A root tenant with one below it, a chat SLA in each.
pub(crate) struct Scene {
    pub(crate) database: Database,
    pub(crate) client: tokio_postgres::Client,
    shutdown: CancellationToken,
}

pub(crate) type Items = Pin<Box<dyn Stream<Item = Result<Item, Error>> + Send>>;

impl Scene {
    pub(crate) async fn new() -> Self {
        let database = Database::new().await;
        let client = database.client().await;
        client.batch_execute(&setting()).await.unwrap();
        Self { database, client, shutdown: CancellationToken::new() }
    }

    /// A replica of the gateway, as far as breaches go.
    pub(crate) fn url(&self) -> &str {
        &self.database.url
    }

    pub(crate) fn replica(&self) -> Breaches {
        breach::start(Store::new(pool(&self.database.url, 8).unwrap()), self.shutdown.child_token())
    }

    /// `count` chats of a tenant that fall due at `due`, an expression of SQL.
    pub(crate) async fn chats(&self, sla: Uuid, count: i32, due: &str) {
        self.client.batch_execute(&chats(sla, count, due)).await.unwrap();
    }

    /// As many of each tenant, overdue, in turns.
    async fn mixed_chats(&self, count: i32) {
        let due = "now() - random() * interval '1 hour'";
        let both = [chats(SLA, count, due), chats(OTHER_SLA, count, due)].join(";");
        self.client.batch_execute(&both).await.unwrap();
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn recorded(&self) -> Vec<Uuid> {
        let rows =
            self.client.query("SELECT breach_id::text FROM breach_log ORDER BY pos", &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, &str>(0).parse().unwrap()).collect()
    }

    /// Waits until as many records have a position.
    pub(crate) async fn logged(&self, count: i64) {
        let begun = Instant::now();
        while self.number("SELECT count(*) FROM breach_log").await < count {
            assert!(begun.elapsed() < Duration::from_secs(60), "the log stays short of {count}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_whole(&self, count: i64) {
        is_whole(&self.client, count).await;
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A root tenant with one below it, a chat SLA in each.
pub(crate) fn setting() -> String {
    format!(
        "BEGIN;
         INSERT INTO tenant (root_id, id, parent_id, slug, name, time_zone)
         VALUES ('{ROOT}', '{ROOT}', NULL, 'root', 'Root', 'UTC'), ('{ROOT}', '{OTHER}', '{ROOT}', 'other', 'Other', 'UTC');
         INSERT INTO sla (root_id, id, tenant_id, kind, name, active_version_id, livechat_due_minutes)
         VALUES ('{ROOT}', '{SLA}', '{ROOT}', 'livechat', 'a', '{SLA}', 5),
           ('{ROOT}', '{OTHER_SLA}', '{OTHER}', 'livechat', 'a', '{OTHER_SLA}', 5);
         INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, due_time_in_minutes)
         SELECT root_id, id, tenant_id, id, 1, 'first', 'livechat', 5 FROM sla WHERE root_id = '{ROOT}';
         COMMIT"
    )
}

/// Rules B1, B2 and X2, of everything that was stored.
pub(crate) async fn is_whole(client: &tokio_postgres::Client, count: i64) {
    let number = async |query: &str| -> i64 { client.query_one(query, &[]).await.unwrap().get(0) };
    assert_eq!(number("SELECT count(*) FROM deadline WHERE due_at < now()").await, 0, "none is left");
    assert_eq!(number("SELECT count(*) FROM breach").await, count, "each was recorded");
    assert_eq!(number("SELECT count(DISTINCT (affected_sla_id, kind, phase)) FROM breach").await, count);
    assert_eq!(number("SELECT count(DISTINCT breach_id) FROM breach_log").await, count, "and logged");
    assert_eq!(number("SELECT count(*) FROM breach_pending").await, 0);
    assert_eq!(
        number("SELECT coalesce(min(pos), 1) * 1000000 + coalesce(max(pos), 0) - count(*) FROM breach_log")
            .await,
        1_000_000,
        "positions run from 1 without a gap"
    );
    assert_eq!(
        number(
            "SELECT count(*) FROM breach JOIN breach_key k ON k.breach_id = id WHERE detected_at <= k.due_at"
        )
        .await,
        0,
        "none was recorded before its time was over"
    );
}

fn tenant_of(sla: Uuid) -> Uuid {
    if sla == SLA { ROOT } else { OTHER }
}

/// Chats that fall due, as SQL.
pub(crate) fn chats(sla: Uuid, count: i32, due: &str) -> String {
    let tenant = tenant_of(sla);
    format!(
        "WITH r AS (INSERT INTO request (root_id, id, tenant_id, channel, subject, status, registered_at)
           SELECT '{ROOT}', uuid_v7(), '{tenant}', 'chat', 'hello', 'assigned', now() FROM generate_series(1, {count})
           RETURNING id),
         a AS (INSERT INTO affected_sla (root_id, id, tenant_id, sla_id, sla_version_id, request_id, started_at)
           SELECT '{ROOT}', uuid_v7(), '{tenant}', '{sla}', '{sla}', id, now() FROM r RETURNING id),
         d AS (SELECT id, {due} AS due FROM a)
         INSERT INTO deadline (root_id, tenant_id, affected_sla_id, sla_id, kind, phase, target_at, due_at)
         SELECT '{ROOT}', '{tenant}', id, '{sla}', 'due_time', 'breached', due, due FROM d"
    )
}

/// The same SQL about the other tree.
pub(crate) fn foreign(sql: &str) -> String {
    sql.replace(&ROOT.to_string(), &FOREIGN.to_string()).replace("'root'", "'foreign'")
}

pub(crate) fn viewer(tenant: Uuid) -> Viewer {
    let place = |parent_id| Place { root_id: ROOT, parent_id, time_zone: chrono_tz::UTC };
    let places = HashMap::from([(ROOT, place(None)), (OTHER, place(Some(ROOT)))]);
    let grants = [(tenant, [Permission::BreachesRead].into_iter().collect())];
    Viewer::new(
        Actor::Person { login: "somebody".into(), people: vec![] },
        "Somebody".into(),
        None,
        places,
        &grants,
    )
}

/// Those of a viewer, who has had them since ever.
pub(crate) fn rights(viewer: Viewer) -> Rights {
    Rights { viewer: Arc::new(viewer), since: DateTime::UNIX_EPOCH }
}

pub(crate) async fn follow(feed: &Feed, tenant: Uuid, after: Option<&str>) -> Items {
    Box::pin(
        feed.subscribe(Filter::default(), watch::channel(rights(viewer(tenant))).1, after).await.unwrap(),
    )
}

/// With what a cursor is refused, once the replica has read what refuses it.
async fn refused(feed: &Feed, after: &str) -> Error {
    let begun = Instant::now();
    loop {
        let viewer = watch::channel(rights(viewer(ROOT))).1;
        if let Err(error) = feed.subscribe(Filter::default(), viewer, Some(after)).await {
            return error;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{after} is not refused");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The next item, checkpoints too.
pub(crate) async fn next(items: &mut Items) -> Item {
    timeout(Duration::from_secs(30), items.next()).await.expect("an item in time").unwrap().unwrap()
}

/// The next records, by id, with their cursors.
pub(crate) async fn take(items: &mut Items, count: usize) -> Vec<(Uuid, String)> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let item = next(items).await;
        taken.extend(item.breach.map(|breach| (breach.id, item.cursor)));
    }
    taken
}

pub(crate) fn ids(taken: &[(Uuid, String)]) -> Vec<Uuid> {
    taken.iter().map(|(id, _)| *id).collect()
}

/// No record comes for a while.
pub(crate) async fn silent(items: &mut Items) {
    let until = Instant::now() + Duration::from_millis(300);
    while let Ok(item) = tokio::time::timeout_at(until, items.next()).await {
        let item = item.unwrap().unwrap();
        assert!(item.breach.is_none(), "nothing more was to come, but {item:?}");
    }
}

/// Records that are committed out of the order in which they were begun, some of them never.
async fn write_out_of_order(url: String, writer: u64, count: u64) {
    let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for number in 0..count {
        let transaction = client.transaction().await.unwrap();
        transaction
            .batch_execute(
                "WITH b AS (INSERT INTO breach (root_id, id, tenant_id, kind, phase, sla_id, affected_sla_id, target_at, detected_at)
                   SELECT root_id, uuid_v7(), tenant_id, 'due_time', 'breached', sla_id, id, now(), now()
                   FROM affected_sla LIMIT 1 RETURNING root_id, tenant_id, id),
                 n AS (INSERT INTO naive (breach_id) SELECT id FROM b)
                 INSERT INTO breach_pending (root_id, tenant_id, breach_id) SELECT root_id, tenant_id, id FROM b",
            )
            .await
            .unwrap();
        sleep(Duration::from_millis((writer * 7 + number * 13) % 23)).await;
        if number % 10 == 9 {
            transaction.rollback().await.unwrap();
        } else {
            transaction.commit().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_reader_of_the_highest_number_loses_records_and_a_subscriber_none() {
    let scene = Scene::new().await;
    scene.chats(SLA, 1, "now() + interval '1 year'").await;
    scene
        .client
        .batch_execute(
            "CREATE TABLE naive (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, breach_id uuid)",
        )
        .await
        .unwrap();
    let replica = scene.replica();
    let mut items = follow(&replica.feed(), ROOT, None).await;
    let writers: Vec<_> =
        (0..8).map(|w| tokio::spawn(write_out_of_order(scene.database.url.clone(), w, 50))).collect();

    let (mut last, mut naive) = (0_i64, HashSet::new());
    loop {
        // After the last commit once more: what is lacking then was skipped.
        let ended = writers.iter().all(|writer| writer.is_finished());
        for row in scene
            .client
            .query("SELECT id, breach_id::text FROM naive WHERE id > $1 ORDER BY id", &[&last])
            .await
            .unwrap()
        {
            last = row.get(0);
            naive.insert(row.get::<_, String>(1));
        }
        if ended {
            break;
        }
        replica.wake();
        sleep(Duration::from_millis(5)).await;
    }
    let written = 8 * 45;
    let taken = take(&mut items, written).await;
    assert_eq!(ids(&taken), scene.recorded().await, "in the order of the log");
    assert_eq!(ids(&taken).into_iter().collect::<HashSet<_>>().len(), written, "each once");
    silent(&mut items).await;
    assert!(
        naive.len() < written,
        "the schedule shows what it is to show: the naive reader saw {}",
        naive.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_rival_replicas_record_each_deadline_exactly_once_and_number_them_densely() {
    let scene = Scene::new().await;
    scene.chats(SLA, 3_000, "now() - random() * interval '1 hour'").await;
    let replicas = [scene.replica(), scene.replica(), scene.replica()];
    let mut items = follow(&replicas[0].feed(), ROOT, Some("0")).await;
    scene.chats(OTHER_SLA, 2_000, "now() + random() * interval '1 second'").await;
    let taken = take(&mut items, 5_000).await;
    assert_eq!(ids(&taken), scene.recorded().await);
    silent(&mut items).await;
    scene.is_whole(5_000).await;
    let figures = replicas.map(|replica| replica.figures());
    assert_eq!(figures.iter().map(|f| f.recorded).sum::<u64>(), 5_000, "{figures:?}");
    assert_eq!(figures.iter().map(|f| f.holes).sum::<u64>(), 0, "{figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_deadline_written_again_for_the_same_instant_is_not_recorded_again() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    scene.chats(SLA, 1, "timestamptz '2020-01-01'").await;
    scene.logged(1).await;
    let again = "INSERT INTO deadline (root_id, tenant_id, affected_sla_id, sla_id, kind, phase, target_at, due_at)
        SELECT root_id, tenant_id, affected_sla_id, sla_id, kind, phase, target_at, target_at + $1::text::interval FROM breach";
    scene.client.execute(again, &[&"0"]).await.unwrap();
    replica.wake();
    while scene.number("SELECT count(*) FROM deadline").await > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    scene.is_whole(1).await;
    // Another instant is another breach (rule B5).
    scene.client.execute(again, &[&"1 day"]).await.unwrap();
    replica.wake();
    scene.logged(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x2_a_deadline_is_recorded_after_its_instant_and_soon() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    let mut items = follow(&replica.feed(), ROOT, None).await;
    scene.chats(SLA, 300, "clock_timestamp() + random() * interval '3 seconds'").await;
    replica.wake();
    take(&mut items, 300).await;
    scene.is_whole(300).await;
    let late = "SELECT (extract(epoch FROM max(detected_at - target_at)) * 1000)::bigint FROM breach";
    assert!(scene.number(late).await < 5_000, "milliseconds late, and a busy machine");
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_late_start_catches_up_in_bounded_batches_oldest_first() {
    let scene = Scene::new().await;
    scene.chats(SLA, 1_700, "now() - random() * interval '1 day'").await;
    let _replica = scene.replica();
    scene.logged(1_700).await;
    scene.is_whole(1_700).await;
    let batches = "SELECT max(n) FROM (SELECT count(*) AS n FROM breach GROUP BY detected_at) b";
    assert_eq!(scene.number(batches).await, 500);
    let disorder = "SELECT count(*) FROM (SELECT b.target_at < lag(b.target_at) OVER (ORDER BY l.pos) AS back
        FROM breach_log l JOIN breach b ON b.id = l.breach_id) d WHERE back";
    assert_eq!(scene.number(disorder).await, 0, "oldest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_what_one_root_has_heaped_up_does_not_delay_the_breaches_of_another() {
    let scene = Scene::new().await;
    scene.client.batch_execute(&foreign(&setting())).await.unwrap();
    scene.chats(SLA, 6_000, "now() - interval '1 hour' - random() * interval '1 day'").await;
    scene
        .client
        .batch_execute(&foreign(&chats(SLA, 30, "now() - random() * interval '1 second'")))
        .await
        .unwrap();
    let _replica = scene.replica();
    scene.logged(6_030).await;
    let last = format!("SELECT max(pos) FROM breach_log WHERE root_id = '{FOREIGN}'");
    let last = scene.number(&last).await;
    assert!(last < 3_000, "the alarms of another root were recorded after {last} that were older");
    assert_eq!(scene.number("SELECT count(*) FROM breach").await, 6_030);
    let disorder = "SELECT count(*) FROM (SELECT b.target_at < lag(b.target_at) OVER (PARTITION BY b.root_id ORDER BY l.pos)
        AS back FROM breach_log l JOIN breach b ON b.id = l.breach_id) d WHERE back";
    assert_eq!(scene.number(disorder).await, 0, "of each root the oldest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_replay_becomes_live_without_gap_or_duplicate_while_writers_write() {
    let scene = Scene::new().await;
    let replicas = [scene.replica(), scene.replica()];
    scene.chats(SLA, 2_000, "clock_timestamp() + random() * interval '4 seconds'").await;
    let mut first = follow(&replicas[0].feed(), ROOT, Some("0")).await;
    let begun = take(&mut first, 200).await;
    let mut readers = Vec::new();
    for number in 0..40 {
        // Everywhere in what is known, and on both replicas: one may be ahead of the other.
        let at = number * 5;
        let mut items = follow(&replicas[number % 2].feed(), ROOT, Some(&begun[at].1)).await;
        readers.push(tokio::spawn(async move {
            let taken = take(&mut items, 1_999 - at).await;
            silent(&mut items).await;
            (at, ids(&taken))
        }));
        sleep(Duration::from_millis(25)).await;
    }
    for reader in readers {
        let (at, seen) = reader.await.unwrap();
        assert_eq!(seen, scene.recorded().await[at + 1..], "resumed after record {at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_without_a_cursor_it_begins_now_with_a_checkpoint_to_resume_from() {
    let scene = Scene::new().await;
    scene.chats(SLA, 3, "now() - interval '1 day'").await;
    let replica = scene.replica();
    let mut all = follow(&replica.feed(), ROOT, Some("0")).await;
    take(&mut all, 3).await;
    let mut items = follow(&replica.feed(), ROOT, None).await;
    let checkpoint = next(&mut items).await;
    assert!(checkpoint.breach.is_none());
    silent(&mut items).await;
    drop(items);
    scene.chats(SLA, 2, "now() - interval '1 day'").await;
    let mut resumed = follow(&replica.feed(), ROOT, Some(&checkpoint.cursor)).await;
    assert_eq!(ids(&take(&mut resumed, 2).await), scene.recorded().await[3..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_reader_that_falls_behind_the_window_loses_nothing_and_delays_nobody() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    let mut slow = follow(&replica.feed(), ROOT, None).await;
    let mut quick = follow(&replica.feed(), ROOT, None).await;
    next(&mut slow).await;
    scene.chats(SLA, 6_000, "now() - interval '1 hour'").await;
    assert_eq!(take(&mut quick, 6_000).await.len(), 6_000);
    let taken = take(&mut slow, 6_000).await;
    assert_eq!(ids(&taken), scene.recorded().await);
    silent(&mut slow).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_forged_cursor_is_refused() {
    let scene = Scene::new().await;
    scene.chats(SLA, 3, "now() - interval '1 hour'").await;
    let replica = scene.replica();
    let feed = replica.feed();
    let mut items = follow(&feed, ROOT, Some("0")).await;
    let cursor = take(&mut items, 3).await[2].1.clone();
    let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
    assert_eq!(bytes[5..], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3], "one shard, number 0, position 3");
    let but = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let long = format!("{cursor}A");
    let padded = format!("{cursor}==");
    let loose = format!("{}x", &cursor[..21]);
    let forged = [
        "",
        "1",
        "00",
        " 0",
        &cursor[..21],
        &padded,
        &loose,
        &long,
        // Version, epoch, number of shards, shard, position.
        &but(0, 2),
        &but(1, 0xff),
        &but(5, 2),
        &but(7, 1),
        &but(8, 0x80),
        // Of a position that is still to come.
        &but(15, 4),
        "naïve",
        "\0",
        "'; DROP TABLE breach",
    ];
    for cursor in forged {
        assert!(matches!(refused(&feed, cursor).await, Error::FeedCursorInvalid), "{cursor:?}");
    }
    // The feed has one order.
    assert!(!Error::FeedCursorInvalid.message().contains("orderBy"));
    // Of another life of the database, past or to come: what was read there nobody here can tell.
    for cursor in [but(4, bytes[4] ^ 1), but(1, bytes[1] ^ 1)] {
        assert!(matches!(refused(&feed, &cursor).await, Error::CursorExpired { .. }), "{cursor:?}");
    }
    assert!(follow(&feed, ROOT, Some(&cursor)).await.next().now_or_later().await.is_none());
}

/// A look at a stream that has nothing to say.
trait NowOrLater: Future + Sized {
    async fn now_or_later(self) -> Option<Self::Output> {
        timeout(Duration::from_millis(100), self).await.ok()
    }
}
impl<F: Future> NowOrLater for F {}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_cursor_before_the_oldest_kept_has_expired_and_names_the_oldest() {
    let scene = Scene::new().await;
    scene.chats(SLA, 5, "now() - interval '1 hour'").await;
    let replica = scene.replica();
    let cursors = take(&mut follow(&replica.feed(), ROOT, Some("0")).await, 5).await;
    // It has read nothing yet when the oldest are forgotten, and wants those that are kept. Nor has its replica, for which a
    // hole is in the way.
    scene.client.batch_execute("DELETE FROM breach_log WHERE pos = 1").await.unwrap();
    let another = scene.replica();
    let mut all = follow(&another.feed(), ROOT, Some("0")).await;
    scene
        .client
        .batch_execute("UPDATE breach_log_head SET low_pos = 2; DELETE FROM breach_log WHERE pos <= 2; NOTIFY breach_log")
        .await
        .unwrap();
    let Error::CursorExpired { oldest } = refused(&replica.feed(), &cursors[0].1).await else {
        panic!("must be expired")
    };
    assert_eq!(take(&mut all, 3).await, cursors[2..]);
    assert_eq!(oldest, cursors[1].1);
    for after in ["0", &oldest] {
        let rest = take(&mut follow(&replica.feed(), ROOT, Some(after)).await, 3).await;
        assert_eq!(rest, cursors[2..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_what_is_older_than_is_kept_is_forgotten_and_readers_are_told() {
    let scene = Scene::new().await;
    scene.chats(SLA, 6, "now() - interval '1 hour'").await;
    let before = scene.replica();
    let cursors = take(&mut follow(&before.feed(), ROOT, Some("0")).await, 6).await;
    scene
        .client
        .batch_execute("UPDATE breach_log SET published_at = now() - interval '40 days' WHERE pos <= 4")
        .await
        .unwrap();
    let keeping = |months| {
        let store = Store::new(pool(&scene.database.url, 8).unwrap());
        breach::start_keeping(store, Some(months), scene.shutdown.child_token())
    };
    let _patient = keeping(2);
    sleep(Duration::from_millis(800)).await;
    assert_eq!(
        scene.number("SELECT count(*) FROM breach_log").await,
        6,
        "all of it is younger than two months"
    );
    let strict = keeping(1);
    let begun = Instant::now();
    while scene.number("SELECT count(*) FROM breach_log").await > 2 {
        assert!(begun.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(20)).await;
    }
    scene.client.batch_execute("NOTIFY breach_log").await.unwrap();
    let Error::CursorExpired { oldest } = refused(&strict.feed(), &cursors[2].1).await else {
        panic!("must be expired")
    };
    assert_eq!(oldest, cursors[3].1);
    assert_eq!(take(&mut follow(&strict.feed(), ROOT, Some(&oldest)).await, 2).await, cursors[4..]);
    assert_eq!(scene.number("SELECT count(*) FROM breach").await, 6, "records are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_partitions_are_made_ahead_and_go_once_nobody_can_resume_in_them() {
    let scene = Scene::new().await;
    let partitions = async |table: &str| -> Vec<String> {
        let query = "SELECT relname::text FROM pg_inherits JOIN pg_class ON oid = inhrelid
            WHERE inhparent = $1::text::regclass ORDER BY 1";
        let rows = scene.client.query(query, &[&table]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let ranges = |numbers: &[i32]| -> Vec<String> {
        numbers.iter().map(|n| format!("breach_log_{n}")).chain(["breach_log_default".to_owned()]).collect()
    };
    let come_to = async |numbers: &[i32]| {
        let begun = Instant::now();
        while partitions("breach_log").await != ranges(numbers) {
            assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", partitions("breach_log").await);
            sleep(Duration::from_millis(50)).await;
        }
    };
    let before = CancellationToken::new();
    let replica = breach::start(Store::new(pool(&scene.database.url, 8).unwrap()), before.clone());
    come_to(&[0, 1, 2]).await;
    scene.chats(SLA, 6, "now() - interval '1 hour'").await;
    let cursors = take(&mut follow(&replica.feed(), ROOT, Some("0")).await, 6).await;
    before.cancel();
    replica.drained().await;
    // A range of positions that is full and old, and one that has begun.
    scene
        .client
        .batch_execute(
            "UPDATE breach_log SET published_at = now() - interval '40 days' WHERE pos <= 3;
             UPDATE breach_log SET pos = pos + 9999997 WHERE pos > 3; UPDATE breach_log_head SET pos = 10000003",
        )
        .await
        .unwrap();
    // Somebody reads in the old one while it is to go, for longer than is waited for.
    let reader = scene.database.client().await;
    reader.batch_execute("BEGIN; SELECT FROM breach_log_0").await.unwrap();
    let store = Store::new(pool(&scene.database.url, 8).unwrap());
    let strict = breach::start_keeping(store, Some(1), scene.shutdown.child_token());
    come_to(&[0, 1, 2, 3]).await;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(partitions("breach_log").await, ranges(&[0, 1, 2, 3]), "one more was made, none could go");
    reader.batch_execute("COMMIT").await.unwrap();
    // The next time, which is in a minute, or when a replica starts.
    let store = Store::new(pool(&scene.database.url, 8).unwrap());
    let _next = breach::start_keeping(store, Some(1), scene.shutdown.child_token());
    come_to(&[1, 2, 3]).await;
    for table in ["breach", "audit_entry"] {
        let months = scene
            .client
            .query(
                "SELECT to_char(now() + n * interval '1 month', 'YYYY_MM') FROM generate_series(0, 2) n",
                &[],
            )
            .await
            .unwrap();
        let ahead = months.iter().map(|row| format!("{table}_{}", row.get::<_, &str>(0)));
        let ahead: Vec<String> = ahead.chain([format!("{table}_default")]).collect();
        assert_eq!(partitions(table).await, ahead);
    }
    // Who comes from before is told what to do, and can do it.
    let expired = refused(&strict.feed(), &cursors[1].1).await;
    let Error::CursorExpired { oldest } = &expired else { panic!("{expired:?}") };
    for hint in ["feedCursor", oldest] {
        assert!(expired.message().contains(hint), "{}", expired.message());
    }
    let rest = take(&mut follow(&strict.feed(), ROOT, Some(oldest)).await, 3).await;
    assert_eq!(ids(&rest), ids(&cursors)[3..]);
    assert_eq!(scene.number("SELECT count(*) FROM breach").await, 6, "records are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_restored_database_begins_an_epoch_and_old_cursors_resume_where_it_agrees() {
    let scene = Scene::new().await;
    scene.chats(SLA, 6, "now() - interval '1 hour'").await;
    let before = scene.replica();
    let mut watching = follow(&before.feed(), ROOT, Some("0")).await;
    let cursors = take(&mut watching, 6).await;
    // What a copy taken after the fourth record looks like, restored on another machine.
    scene
        .client
        .batch_execute(
            "DELETE FROM breach_log WHERE pos > 4; UPDATE breach_log_head SET pos = 4, system_id = 1",
        )
        .await
        .unwrap();
    scene.chats(SLA, 2, "now() - interval '1 hour'").await;
    let after = scene.replica();
    let mut resumed = follow(&after.feed(), ROOT, Some(&cursors[5].1)).await;
    let taken = take(&mut resumed, 2).await;
    let recorded = scene.recorded().await;
    assert_eq!(ids(&taken), recorded[4..], "records of the new life, though the cursor was beyond them");
    assert_eq!(
        ids(&take(&mut follow(&after.feed(), ROOT, Some(&cursors[1].1)).await, 4).await),
        recorded[2..]
    );
    assert_eq!(ids(&take(&mut watching, 2).await), recorded[4..], "an open subscription goes on too");
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_files_that_are_put_back_in_place_are_known_by_a_log_that_has_gone_back_and_skip_nothing() {
    let scene = Scene::new().await;
    scene.chats(SLA, 6, "now() - interval '1 hour'").await;
    let replica = scene.replica();
    let mut watching = follow(&replica.feed(), ROOT, Some("0")).await;
    let cursors = take(&mut watching, 6).await;
    // A copy of the files of after the fourth record: in all that tells lives apart it is the same.
    scene
        .client
        .batch_execute(
            "DELETE FROM breach_log WHERE pos > 4; UPDATE breach_log_head SET pos = 4;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
    let told = timeout(Duration::from_secs(20), watching.next()).await.expect("an open subscription is told");
    let Some(Err(Error::CursorExpired { oldest })) = told else {
        panic!("it goes on as if it had seen what is recorded from now on: {told:?}")
    };
    assert!(matches!(refused(&replica.feed(), &cursors[5].1).await, Error::CursorExpired { .. }));
    scene.chats(SLA, 2, "now() - interval '1 hour'").await;
    replica.wake();
    let kept = take(&mut follow(&replica.feed(), ROOT, Some(&oldest)).await, 6).await;
    assert_eq!(ids(&kept), scene.recorded().await);
}

/// What a copy taken after the fourth record looks like, restored beside its original.
async fn restored(scene: &Scene) {
    scene
        .client
        .batch_execute("DELETE FROM breach_log WHERE pos > 4; UPDATE breach_log_head SET pos = 4, home = 1")
        .await
        .unwrap();
    scene.chats(SLA, 2, "now() - interval '1 hour'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_a_cursor_of_another_copy_of_the_same_dump_has_expired_and_skips_nothing() {
    let scene = Scene::new().await;
    scene.chats(SLA, 6, "now() - interval '1 hour'").await;
    let first = scene.replica();
    let mut watching = follow(&first.feed(), ROOT, Some("0")).await;
    let original = take(&mut watching, 6).await;
    let dumped = scene
        .client
        .query_one("SELECT epoch, epoch_start, previous_epoch FROM breach_log_head", &[])
        .await
        .unwrap();
    let dumped: (i32, i64, Option<i32>) = (dumped.get(0), dumped.get(1), dumped.get(2));
    restored(&scene).await;
    let copy = scene.replica();
    let of_copy = take(&mut follow(&copy.feed(), ROOT, Some(&original[5].1)).await, 2).await;
    // The dump is restored once more, and again two records are made. Restoring takes its time.
    sleep(Duration::from_millis(2_100)).await;
    scene
        .client
        .execute(
            "UPDATE breach_log_head SET epoch = $1, epoch_start = $2, previous_epoch = $3",
            &[&dumped.0, &dumped.1, &dumped.2],
        )
        .await
        .unwrap();
    restored(&scene).await;
    let second = scene.replica();
    let of_original = take(&mut follow(&second.feed(), ROOT, Some(&original[5].1)).await, 2).await;
    assert_eq!(
        ids(&of_original),
        scene.recorded().await[4..],
        "a cursor of the original resumes where both agree"
    );
    let Error::CursorExpired { oldest } = refused(&second.feed(), &of_copy[0].1).await else {
        panic!("it must not be taken for one of this copy's own")
    };
    let all = take(&mut follow(&second.feed(), ROOT, Some(&oldest)).await, 6).await;
    assert_eq!(ids(&all), scene.recorded().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_a_subscriber_sees_only_tenants_within_reach_and_only_as_long() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    let (known, mine) = watch::channel(rights(viewer(ROOT)));
    let mut both: Items =
        Box::pin(replica.feed().subscribe(Filter::default(), mine, Some("0")).await.unwrap());
    let mut other = follow(&replica.feed(), OTHER, Some("0")).await;
    scene.mixed_chats(5).await;
    take(&mut both, 10).await;
    take(&mut other, 5).await;
    silent(&mut other).await;

    known.send(rights(viewer(OTHER))).unwrap();
    scene.mixed_chats(5).await;
    for _ in 0..5 {
        assert_eq!(next(&mut both).await.breach.unwrap().tenant_id, OTHER);
    }
    silent(&mut both).await;
    scene.logged(20).await;

    let nothing = Viewer::new(viewer(ROOT).actor, String::new(), None, HashMap::new(), &[]);
    known.send(rights(nothing)).unwrap();
    // The last word counts even if whoever said it is gone.
    drop(known);
    let end = timeout(Duration::from_secs(10), both.next()).await.expect("a quiet stream ends too").unwrap();
    assert!(matches!(end, Err(Error::Forbidden(Permission::BreachesRead))), "{end:?}");
    assert!(both.next().await.is_none());
    assert_eq!(replica.figures().subscriptions, 1, "and leaves nothing behind");
}

/// With three more, a subscriber was told of everything, and of nothing twice.
async fn told_all(scene: &Scene, items: &mut Items, mut told: Vec<Uuid>) {
    let late = timeout(Duration::from_secs(20), take(items, 3)).await.expect("they are not told");
    told.extend(ids(&late));
    silent(items).await;
    told.sort_unstable();
    let mut recorded = scene.recorded().await;
    recorded.sort_unstable();
    assert_eq!(told, recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_what_was_recorded_just_before_a_replica_knew_of_the_right_to_it_is_told_and_nothing_twice() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    let (known, mine) = watch::channel(rights(viewer(OTHER)));
    scene.chats(SLA, 1, "now()").await;
    let before = ids(&take(&mut follow(&replica.feed(), ROOT, Some("0")).await, 1).await);
    let mut items: Items = Box::pin(replica.feed().subscribe(Filter::default(), mine, None).await.unwrap());
    for (sla, count, logged) in [(OTHER_SLA, 2, 3), (SLA, 3, 6), (OTHER_SLA, 1, 7)] {
        scene.chats(sla, count, "now()").await;
        scene.logged(logged).await;
    }
    let mut told = ids(&take(&mut items, 3).await);
    known.send(rights(viewer(ROOT))).unwrap();
    scene.chats(OTHER_SLA, 1, "now()").await;
    told.extend(ids(&take(&mut items, 4).await));
    silent(&mut items).await;
    told.extend(before);
    told.sort_unstable();
    let mut recorded = scene.recorded().await;
    recorded.sort_unstable();
    assert_eq!(told, recorded, "all but what was recorded before it began");
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_a_replay_and_what_is_live_go_through_the_same_filter() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    scene.mixed_chats(4).await;
    scene.logged(8).await;
    let all = Filter::default;
    let cases = [
        (all(), 8),
        (Filter { tenants: vec![Ids::In(vec![OTHER])], ..all() }, 4),
        (Filter { tenants: vec![Ids::In(vec![OTHER, ROOT])], ..all() }, 8),
        (Filter { tenants: vec![Ids::NotIn(vec![OTHER])], ..all() }, 4),
        (Filter { slas: vec![Ids::In(vec![SLA, OTHER_SLA]), Ids::NotIn(vec![SLA])], ..all() }, 4),
        (Filter { slas: vec![Ids::Null(true)], ..all() }, 0),
        (Filter { slas: vec![Ids::Null(false)], ..all() }, 8),
        (Filter { kinds: Some(vec![BreachKind::DueTime]), ..all() }, 8),
        (Filter { kinds: Some(vec![BreachKind::Limit]), ..all() }, 0),
        (Filter { phases: Some(vec![BreachPhase::Breached, BreachPhase::Retracted]), ..all() }, 8),
        (Filter { phases: Some(vec![]), ..all() }, 0),
    ];
    for named in [vec![Uuid::from_u128(99)], vec![OTHER, Uuid::from_u128(99)]] {
        let filter = Filter { tenants: vec![Ids::In(named)], ..all() };
        let refused = replica.feed().subscribe(filter, watch::channel(rights(viewer(ROOT))).1, None).await;
        assert!(matches!(refused.err(), Some(Error::Forbidden(Permission::BreachesRead))));
    }
    let mut open = Vec::new();
    for (filter, count) in cases {
        let mine = watch::channel(rights(viewer(ROOT))).1;
        let mut items: Items =
            Box::pin(replica.feed().subscribe(filter.clone(), mine, Some("0")).await.unwrap());
        take(&mut items, count).await;
        silent(&mut items).await;
        open.push((items, filter, count));
    }
    scene.mixed_chats(4).await;
    scene.logged(16).await;
    for (mut items, filter, count) in open {
        assert_eq!(take(&mut items, count).await.len(), count, "{filter:?}");
        silent(&mut items).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_checkpoint_tells_how_far_a_replay_of_others_records_has_come() {
    let scene = Scene::new().await;
    scene.chats(SLA, 2_500, "now() - interval '1 hour'").await;
    let replica = scene.replica();
    scene.logged(2_500).await;
    let mut other = follow(&replica.feed(), OTHER, Some("0")).await;
    // Sooner than the one that comes every 15 seconds.
    let checkpoint =
        timeout(Duration::from_secs(8), next(&mut other)).await.expect("a checkpoint on the way");
    assert!(checkpoint.breach.is_none());
    let mut all = follow(&replica.feed(), ROOT, Some(&checkpoint.cursor)).await;
    let mut left = 0;
    while let Ok(item) = timeout(Duration::from_millis(500), all.next()).await {
        left += usize::from(item.unwrap().unwrap().breach.is_some());
    }
    assert!(left <= 1_500, "a thousand records of others lie behind the checkpoint, but {left} follow it");
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_lost_connections_are_made_anew_and_what_was_missed_is_read_from_the_log() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    let mut items = follow(&replica.feed(), ROOT, None).await;
    scene.chats(SLA, 1_000, "clock_timestamp() + random() * interval '3 seconds'").await;
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for _ in 0..6 {
        sleep(Duration::from_millis(400)).await;
        // What was cut last time may still rest before it tries again.
        while scene.number(cut).await == 0 {
            sleep(Duration::from_millis(50)).await;
        }
    }
    let taken = take(&mut items, 1_000).await;
    assert_eq!(ids(&taken), scene.recorded().await);
    scene.is_whole(1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_an_outage_of_the_database_is_waited_out() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    let mut items = follow(&replica.feed(), ROOT, None).await;
    next(&mut items).await;
    let name: String = scene.client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    // The door of a database is shut from outside.
    let (outside, connection) =
        tokio_postgres::connect(&scene.database.url.replace(&name, "postgres"), tokio_postgres::NoTls)
            .await
            .unwrap();
    tokio::spawn(connection);
    let door = async |open: bool| {
        outside.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {open}")).await.unwrap();
    };
    door(false).await;
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    scene.number(cut).await;
    scene.chats(SLA, 100, "clock_timestamp() + random() * interval '2 seconds'").await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.number("SELECT count(*) FROM breach").await, 0, "recorded behind a shut door");
    door(true).await;
    let taken = take(&mut items, 100).await;
    assert_eq!(ids(&taken), scene.recorded().await);
    scene.is_whole(100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shutdown_does_not_wait_for_what_is_put_in_order() {
    let scene = Scene::new().await;
    let mut holder = scene.database.client().await;
    let held = holder.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE idempotency_key IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let replica = scene.replica();
    scene.database.waited_for().await;
    scene.shutdown.cancel();
    timeout(Duration::from_secs(15), replica.drained()).await.expect("it waits for the lock");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shutdown_lets_every_task_finish() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    scene.chats(SLA, 2_000, "now() - interval '1 hour'").await;
    scene.logged(1).await;
    scene.shutdown.cancel();
    timeout(Duration::from_secs(15), replica.drained()).await.expect("drained in time");
    let heir = breach::start(Store::new(pool(&scene.database.url, 4).unwrap()), CancellationToken::new());
    heir.wake();
    scene.logged(2_000).await;
    scene.is_whole(2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_made_ahead_once_and_what_the_default_holds_stays_there() {
    let scene = Scene::new().await;
    scene.chats(SLA, 1, "now() + interval '1 year'").await;
    // A record of this month, before there was a partition for it.
    scene
        .client
        .batch_execute(
            "INSERT INTO breach (root_id, id, tenant_id, kind, phase, sla_id, affected_sla_id, target_at, detected_at)
             SELECT root_id, uuid_v7(), tenant_id, 'due_time', 'breached', sla_id, id, now(), now() FROM affected_sla",
        )
        .await
        .unwrap();
    let _rivals = [scene.replica(), scene.replica(), scene.replica()];
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = $1::text::regclass";
    let count =
        async |table: &str| -> i64 { scene.client.query_one(partitions, &[&table]).await.unwrap().get(0) };
    let begun = Instant::now();
    while (count("breach").await, count("audit_entry").await, count("breach_log").await) != (3, 4, 4) {
        assert!(begun.elapsed() < Duration::from_secs(10), "two months of breaches ahead, three of the rest");
        sleep(Duration::from_millis(50)).await;
    }
    scene.chats(SLA, 10, "now() - interval '1 hour'").await;
    scene.logged(10).await;
    assert_eq!(scene.number("SELECT count(*) FROM breach_default").await, 11, "this month is the default's");
    assert_eq!(scene.number("SELECT count(*) FROM breach_log_0").await, 10);
    assert_eq!(scene.number("SELECT count(*) FROM breach_log_default").await, 0);
    let right = "SELECT count(*) FROM pg_class WHERE relname = to_char(now() + interval '1 month', '\"breach_\"YYYY_MM')";
    assert_eq!(scene.number(right).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_makes_a_partition_and_waits_for_its_table_keeps_nobody_from_the_default() {
    let scene = Scene::new().await;
    let mut holder = scene.database.client().await;
    let held = holder.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE ONLY breach IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let _replica = scene.replica();
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'breach'::regclass \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND mode = 'AccessExclusiveLock' AND NOT granted";
    let begun = Instant::now();
    while scene.number(waiting).await == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "no partition is made");
        sleep(Duration::from_millis(5)).await;
    }
    // Who locks the whole table takes it next.
    held.batch_execute(
        "SET LOCAL lock_timeout = '300ms'; LOCK TABLE breach_default IN ACCESS EXCLUSIVE MODE",
    )
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_what_was_recorded_just_before_a_right_was_given_is_told_however_late_it_is_known() {
    let scene = Scene::new().await;
    let first = scene.replica();
    for (sla, count, logged) in [(SLA, 3, 3), (OTHER_SLA, 2, 5)] {
        scene.chats(sla, count, "now()").await;
        scene.logged(logged).await;
    }
    drop(first);
    let long_ago = "UPDATE breach_log SET published_at = published_at - interval '1 minute'";
    scene.database.client().await.batch_execute(long_ago).await.unwrap();
    let replica = scene.replica();
    let (known, mine) = watch::channel(rights(viewer(OTHER)));
    let mut items: Items =
        Box::pin(replica.feed().subscribe(Filter::default(), mine, Some("0")).await.unwrap());
    let told = ids(&take(&mut items, 2).await);
    known.send(rights(viewer(ROOT))).unwrap();
    told_all(&scene, &mut items, told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_what_was_read_by_rights_that_are_gone_is_not_told() {
    let scene = Scene::new().await;
    let replica = scene.replica();
    scene.mixed_chats(20).await;
    scene.logged(40).await;
    let (known, mine) = watch::channel(rights(viewer(ROOT)));
    let mut items: Items =
        Box::pin(replica.feed().subscribe(Filter::default(), mine, Some("0")).await.unwrap());
    take(&mut items, 1).await;
    known.send(rights(viewer(OTHER))).unwrap();
    let begun = Instant::now();
    let mut told = 0;
    while let Ok(item) = timeout(Duration::from_millis(500), items.next()).await {
        let breach = item.unwrap().unwrap().breach;
        assert!(breach.as_ref().is_none_or(|breach| breach.tenant_id == OTHER), "{breach:?}");
        told += usize::from(breach.is_some());
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    assert!(told >= 19, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_of_several_changes_of_rights_while_nobody_reads_the_first_counts() {
    let scene = Scene::new().await;
    let store = Store::new(pool(&scene.database.url, 1).unwrap());
    store.synchronize().await.unwrap();
    let replica = scene.replica();
    let (known, mine) = watch::channel(rights(viewer(OTHER)));
    let mut items: Items =
        Box::pin(replica.feed().subscribe(Filter::default(), mine, Some("0")).await.unwrap());
    for (sla, count, logged) in [(SLA, 3, 3), (OTHER_SLA, 2, 5)] {
        scene.chats(sla, count, "now()").await;
        scene.logged(logged).await;
    }
    let told = ids(&take(&mut items, 2).await);
    // For longer than it is looked back.
    for rest in [11, 0] {
        known.send(Rights { viewer: Arc::new(viewer(ROOT)), since: store.now() }).unwrap();
        sleep(Duration::from_secs(rest)).await;
    }
    told_all(&scene, &mut items, told).await;
}
