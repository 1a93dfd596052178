//! Webhooks: in order, at least once, signed, by one replica, to the internet only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sla_gateway::breach;
use sla_gateway::store::Store;
use sla_gateway::store::connect::pool;
use sla_gateway::webhook::{self, Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::app::App;
use crate::breaches::{FOREIGN, OTHER_SLA, ROOT, SLA, chats, foreign, setting};
use crate::following::{person, world};
use crate::intake::{key, number, recorded, written};
use crate::time_entries::{entry, logged, projects};

/// A receiver of messages, which answers as it is told.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
    /// The status of each answer to come, the last of them for all after.
    answers: Arc<Mutex<Vec<u16>>>,
}

#[derive(Clone, Debug)]
struct Got {
    headers: HashMap<String, String>,
    body: String,
}

impl Got {
    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// Whether one of its signatures was made with a secret.
    fn is_signed_with(&self, secret: &str) -> bool {
        let secret = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.id(), self.headers["webhook-timestamp"], self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        let tag = format!("v1,{}", STANDARD.encode(tag));
        self.headers["webhook-signature"].split(' ').any(|signature| signature == tag)
    }
}

impl Receiver {
    async fn open(answers: &[u16]) -> Self {
        Self::slow(answers, Duration::ZERO).await
    }

    /// The same, which rests before each answer.
    async fn slow(answers: &[u16], rest: Duration) -> Self {
        Self::with(answers, rest, true).await
    }

    /// The same, whose answers never end.
    async fn endless(answers: &[u16]) -> Self {
        Self::with(answers, Duration::ZERO, false).await
    }

    async fn with(answers: &[u16], rest: Duration, ends: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/breaches?of=all", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers.to_vec()));
        let (gets, says) = (got.clone(), answers.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, (rest, ends), gets.clone(), says.clone()));
            }
        });
        Self { url, got, answers }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// The first so many messages.
    async fn has_got(&self, count: usize) -> Vec<Got> {
        let begun = Instant::now();
        while self.got().len() < count {
            assert!(begun.elapsed() < Duration::from_secs(20), "{} of {count} came", self.got().len());
            sleep(Duration::from_millis(20)).await;
        }
        self.got()
    }
}

async fn answer(
    mut stream: TcpStream,
    (rest, ends): (Duration, bool),
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<Vec<u16>>>,
) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let mut headers = HashMap::new();
        for line in head.lines().skip(1) {
            let (name, value) = line.split_once(": ").unwrap();
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length: usize = headers["content-length"].parse().unwrap();
        assert!(head.starts_with("POST /breaches?of=all HTTP/1.1"), "{head}");
        if body.len() >= length {
            break (Got { headers, body: body.to_owned() }, length);
        }
    };
    assert_eq!(head.body.len(), length);
    let status = {
        let mut answers = answers.lock().unwrap();
        if answers.len() > 1 { answers.remove(0) } else { answers[0] }
    };
    got.lock().unwrap().push(head);
    sleep(rest).await;
    let length = if ends { 2 } else { 3 };
    let answer =
        format!("HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {length}\r\n\r\nok");
    let _ = stream.write_all(answer.as_bytes()).await;
    if !ends {
        std::future::pending::<()>().await;
    }
}

/// A replica that delivers, as long as it is kept.
fn deliver(app: &App, config: Config) -> DropGuard {
    let shutdown = CancellationToken::new();
    let store = Store::new(pool(&app.database.url, 8).unwrap());
    let breaches = breach::start(store.clone(), shutdown.clone());
    webhook::start(store, &breaches, config, shutdown.clone());
    shutdown.drop_guard()
}

fn eager() -> Config {
    Config { allow_private: true, rest: Duration::from_millis(50), ..Config::default() }
}

async fn office() -> Arc<App> {
    let app = world().await;
    let client = app.database.client().await;
    person(&client, "admin", "root", "tenants:admin,breaches:read,slas:read").await;
    person(&client, "clerk", "root", "tenants:admin").await;
    person(&client, "reader", "root", "breaches:read").await;
    person(&client, "branch", "other", "tenants:admin,breaches:read").await;
    app
}

const WEBHOOK: &str =
    "id uuid url kinds phases active failures lastStatus lastError deliveredAt attemptedAt nextAttemptAt
    disabledAt disabledReason revision";

async fn mutate(app: &App, login: &str, mutation: &str, input: Value) -> Value {
    let kind = format!("{}{}", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {kind}Input!) {{ it: {mutation}(input: $input) {{
            secret webhook {{ {WEBHOOK} }} errors {{ code path message }} }} }}"
    );
    app.ask(login, &query, json!({ "input": input })).await
}

async fn create(app: &App, login: &str, tenant: uuid::Uuid, url: &str, more: Value) -> Value {
    let mut input = json!({ "tenantId": tenant, "name": "hook", "url": url });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = mutate(app, login, "webhookCreate", input).await;
    assert_eq!((&made["errors"], &made["data"]["it"]["errors"]), (&Value::Null, &json!([])), "{made}");
    made["data"]["it"].clone()
}

async fn look(app: &App, id: &Value) -> Value {
    let query = format!("query($id: ID!) {{ webhook(id: $id) {{ {WEBHOOK} }} }}");
    app.data("admin", &query, json!({ "id": id })).await["webhook"].clone()
}

/// Waits until a webhook looks as it should.
async fn becomes(app: &App, id: &Value, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let webhook = look(app, id).await;
        if is(&webhook) {
            return webhook;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never {what}: {webhook}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn overdue(app: &App, sla: uuid::Uuid, count: i32) {
    app.database
        .client()
        .await
        .batch_execute(&chats(sla, count, "now() - random() * interval '1 day'"))
        .await
        .unwrap();
}

async fn log(app: &App) -> Vec<String> {
    let client = app.database.client().await;
    let rows = client.query("SELECT breach_id::text FROM breach_log ORDER BY pos", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn ids(got: &[Got]) -> Vec<String> {
    got.iter().map(|message| message.id().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_posted_in_order_signed_and_once_though_replicas_are_several() {
    let app = office().await;
    let receiver = Receiver::open(&[204]).await;
    overdue(&app, SLA, 3).await;
    while log(&app).await.len() < 3 {
        sleep(Duration::from_millis(20)).await;
    }
    let made = create(&app, "admin", ROOT, &receiver.url, json!({})).await;
    let _replicas = [deliver(&app, eager()), deliver(&app, eager()), deliver(&app, eager())];
    overdue(&app, SLA, 30).await;
    overdue(&app, OTHER_SLA, 30).await;
    let got = receiver.has_got(60).await;
    assert_eq!(ids(&got), log(&app).await[3..], "what was recorded before it was made is not sent");
    let secret = made["secret"].as_str().unwrap();
    for message in &got {
        assert!(message.is_signed_with(secret));
        assert_eq!(message.headers["content-type"], "application/json");
        let body: Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!((&body["type"], &body["data"]["kind"]), (&json!("breach.breached"), &json!("DUE_TIME")));
        assert_eq!(body["data"]["id"], message.id());
    }
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(receiver.got().len(), 60, "nothing twice");
    let webhook = becomes(&app, &made["webhook"]["id"], "delivered", |w| !w["deliveredAt"].is_null()).await;
    assert_eq!(
        (&webhook["lastStatus"], &webhook["failures"], &webhook["nextAttemptAt"]),
        (&json!(204), &json!(0), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_says_of_a_record_what_graphql_says_of_it() {
    let app = projects().await;
    let rights =
        "tenants:admin,breaches:read,slas:read,affected-slas:read,service-level-agreement-limits:read";
    person(&app.database.client().await, "admin", "acme", rights).await;
    let receiver = Receiver::open(&[200]).await;
    create(&app, "admin", key(1).parse().unwrap(), &receiver.url, json!({})).await;
    let _replica = deliver(&app, eager());
    let chat = json!({ "tenantId": key(1), "channel": "CHAT", "subject": "Hi", "registeredAt": "2026-03-02T10:00:00Z" });
    let chat = written(&app, "requestRegister", chat).await;
    recorded(&app, 2).await;
    let taken = json!({ "requestId": chat["id"], "kind": "TAKEN", "occurredAt": "2026-03-02T10:04:50Z" });
    written(&app, "requestRecord", taken).await;
    logged(&app, entry("2026-03-02T00:00:00Z", "2026-03-02T10:00:00Z")).await;
    let query =
        "{ breaches(first: 100) { nodes { uuid kind phase targetAt detectedAt tenant { uuid } sla { uuid }
        affectedSla { uuid } slaLimit { uuid } retracts { uuid } } } }";
    let told: HashMap<String, Got> =
        receiver.has_got(5).await.into_iter().map(|got| (got.id().to_owned(), got)).collect();
    let data = app.data("admin", query, json!({})).await;
    let records = data["breaches"]["nodes"].as_array().unwrap();
    let mut types = Vec::new();
    for record in records {
        let body: Value = serde_json::from_str(&told[record["uuid"].as_str().unwrap()].body).unwrap();
        let phase = record["phase"].as_str().unwrap();
        let expected = json!({
            "type": format!("breach.{}", phase.to_lowercase()), "timestamp": record["detectedAt"],
            "data": {
                "id": record["uuid"], "tenantId": record["tenant"]["uuid"], "kind": record["kind"], "phase": phase,
                "slaId": record["sla"]["uuid"], "affectedSlaId": record["affectedSla"]["uuid"],
                "slaLimitId": record["slaLimit"]["uuid"], "targetAt": record["targetAt"],
                "detectedAt": record["detectedAt"], "retractsId": record["retracts"]["uuid"],
            },
        });
        assert_eq!(body, expected);
        types.push((record["kind"].as_str().unwrap(), phase, expected["data"]["retractsId"].is_string()));
    }
    types.sort_unstable();
    assert_eq!(
        types,
        [
            ("DUE_TIME", "BREACHED", false),
            ("DUE_TIME", "RETRACTED", true),
            ("DUE_TIME", "WARNING", false),
            ("LIMIT", "BREACHED", false),
            ("LIMIT", "WARNING", false),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_is_tried_again_and_nothing_overtakes_it() {
    let app = office().await;
    let receiver = Receiver::open(&[200, 500, 302, 200]).await;
    let made = create(&app, "admin", ROOT, &receiver.url, json!({})).await;
    let _replica = deliver(&app, eager());
    overdue(&app, SLA, 4).await;
    let got = ids(&receiver.has_got(6).await);
    let log = log(&app).await;
    assert_eq!(got, [&log[0], &log[1], &log[1], &log[1], &log[2], &log[3]].map(String::clone));
    // What was overcome does not count when it is given up one day.
    let failing = "SELECT count(*) FROM webhook WHERE failing_since IS NOT NULL";
    let begun = Instant::now();
    while number(&app, failing).await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it counts as failing still");
        sleep(Duration::from_millis(20)).await;
    }

    receiver.answers.lock().unwrap()[0] = 503;
    overdue(&app, SLA, 2).await;
    let failing =
        becomes(&app, &made["webhook"]["id"], "failing", |w| w["failures"].as_i64() > Some(1)).await;
    assert_eq!((&failing["lastStatus"], &failing["disabledAt"]), (&json!(503), &Value::Null));
    assert_eq!(failing["lastError"], "the receiver answered 503");
    assert!(failing["nextAttemptAt"].is_string(), "{failing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_takes_a_message_by_its_status_even_if_it_never_ends() {
    let app = office().await;
    let receiver = Receiver::endless(&[200]).await;
    let made = create(&app, "admin", ROOT, &receiver.url, json!({})).await;
    let _replica = deliver(&app, eager());
    overdue(&app, SLA, 2).await;
    let got = ids(&receiver.has_got(2).await);
    assert_eq!(got, log(&app).await);
    let id = &made["webhook"]["id"];
    let delivered = becomes(&app, id, "delivered", |webhook| webhook["deliveredAt"].is_string()).await;
    assert_eq!((&delivered["failures"], &delivered["lastStatus"]), (&json!(0), &json!(200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_take_their_time_do_not_keep_others_waiting() {
    let app = office().await;
    let slow = Receiver::slow(&[200], Duration::from_millis(1_500)).await;
    let quick = Receiver::open(&[200]).await;
    // More of them than a replica delivers to at once.
    for _ in 0..33 {
        create(&app, "admin", ROOT, &slow.url, json!({})).await;
    }
    create(&app, "admin", ROOT, &quick.url, json!({})).await;
    overdue(&app, SLA, 30).await;
    while log(&app).await.len() < 30 {
        sleep(Duration::from_millis(20)).await;
    }
    let _replica = deliver(&app, eager());
    quick.has_got(30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_never_answer_leave_places_to_the_webhooks_of_other_trees() {
    let app = office().await;
    let client = app.database.client().await;
    client.batch_execute(&foreign(&setting())).await.unwrap();
    person(&client, "stranger", "foreign", "tenants:admin,breaches:read").await;
    let silent = Receiver::slow(&[200], Duration::from_secs(600)).await;
    let quick = Receiver::open(&[200]).await;
    // More of them than a replica delivers to at once.
    for _ in 0..40 {
        create(&app, "admin", ROOT, &silent.url, json!({})).await;
    }
    create(&app, "stranger", FOREIGN, &quick.url, json!({})).await;
    overdue(&app, SLA, 1).await;
    client.batch_execute(&foreign(&chats(SLA, 3, "now() - interval '1 minute'"))).await.unwrap();
    while log(&app).await.len() < 4 {
        sleep(Duration::from_millis(20)).await;
    }
    let _replica = deliver(&app, eager());
    quick.has_got(3).await;
    let given_up: i64 =
        client.query_one("SELECT count(*) FROM webhook WHERE failures > 0", &[]).await.unwrap().get(0);
    assert_eq!(given_up, 0, "it waits for those that never answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_trees_record_is_nothing_to_a_webhook_and_whoever_was_served_waits_behind_the_others() {
    let app = office().await;
    let client = app.database.client().await;
    client.batch_execute(&foreign(&setting())).await.unwrap();
    person(&client, "stranger", "foreign", "tenants:admin,breaches:read").await;
    let (own, others) = (Receiver::open(&[200]).await, Receiver::open(&[200]).await);
    let theirs = create(&app, "stranger", FOREIGN, &others.url, json!({})).await;
    let ours = create(&app, "admin", ROOT, &own.url, json!({})).await;
    let row = async |of: &Value| {
        let id = of["webhook"]["uuid"].as_str().unwrap();
        let sql = "SELECT xmin::text, lease_id IS NULL AND next_attempt_at > (SELECT max(created_at) FROM webhook) \
            FROM webhook WHERE id::text = $1";
        let row = client.query_one(sql, &[&id]).await.unwrap();
        (row.get::<_, String>(0), row.get::<_, bool>(1))
    };
    let (before, _) = row(&ours).await;
    let _replica = deliver(&app, eager());
    client.batch_execute(&foreign(&chats(SLA, 3, "now() - interval '1 minute'"))).await.unwrap();
    others.has_got(3).await;
    assert_eq!(row(&ours).await.0, before, "a webhook of a quiet tree was not looked at");
    let begun = Instant::now();
    while !row(&theirs).await.1 {
        assert!(begun.elapsed() < Duration::from_secs(20), "one that was served keeps its place");
        sleep(Duration::from_millis(20)).await;
    }
    overdue(&app, SLA, 2).await;
    own.has_got(2).await;
    assert_eq!(log(&app).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_asked_for_is_sent_of_the_tenant_and_those_below() {
    let app = office().await;
    let (all, own, limits) =
        (Receiver::open(&[200]).await, Receiver::open(&[200]).await, Receiver::open(&[200]).await);
    create(&app, "admin", ROOT, &all.url, json!({ "phases": ["BREACHED"] })).await;
    create(&app, "branch", crate::breaches::OTHER, &own.url, json!({ "kinds": ["DUE_TIME", "RESPONSE"] }))
        .await;
    create(&app, "admin", ROOT, &limits.url, json!({ "kinds": ["LIMIT"] })).await;
    let _replica = deliver(&app, eager());
    for sla in [SLA, OTHER_SLA, SLA] {
        overdue(&app, sla, 5).await;
    }
    assert_eq!(all.has_got(15).await.len(), 15);
    let own = own.has_got(5).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!((own.len(), limits.got().len()), (5, 0));
    let other = crate::breaches::OTHER.to_string();
    assert!(own.iter().all(|message| message.body.contains(&other)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_fails_for_long_or_is_unwanted_is_given_up_and_an_update_revives_it() {
    let app = office().await;
    let receiver = Receiver::open(&[500]).await;
    let made = create(&app, "admin", ROOT, &receiver.url, json!({})).await;
    let id = &made["webhook"]["id"];
    let _replica = deliver(&app, Config { patience: Duration::from_secs(1), ..eager() });
    overdue(&app, SLA, 3).await;
    let disabled = becomes(&app, id, "given up", |w| !w["disabledAt"].is_null()).await;
    assert_eq!(disabled["disabledReason"], "it failed for too long");
    assert!(disabled["failures"].as_i64() > Some(0), "{disabled}");
    let tried = receiver.got().len();
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(receiver.got().len(), tried, "it is left alone");

    receiver.answers.lock().unwrap()[0] = 410;
    let revived = mutate(&app, "admin", "webhookUpdate", json!({ "id": id, "name": "again" })).await;
    assert_eq!(revived["data"]["it"]["webhook"]["disabledAt"], Value::Null, "{revived}");
    assert_eq!(revived["data"]["it"]["secret"], Value::Null);
    let unwanted = becomes(&app, id, "unwanted", |w| !w["disabledAt"].is_null()).await;
    assert_eq!((&unwanted["lastStatus"], &unwanted["failures"]), (&json!(410), &json!(1)));

    receiver.answers.lock().unwrap()[0] = 200;
    receiver.got.lock().unwrap().clear();
    mutate(&app, "admin", "webhookUpdate", json!({ "id": id, "active": true })).await;
    assert_eq!(ids(&receiver.has_got(3).await), log(&app).await, "nothing was lost meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_goes_to_this_machine_or_its_networks_unless_allowed() {
    let app = office().await;
    let receiver = Receiver::open(&[200]).await;
    let port = receiver.url.split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
    let _replica = deliver(&app, Config { rest: Duration::from_millis(50), ..Config::default() });
    let mut made = Vec::new();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "169.254.169.254",
        "nowhere.invalid",
    ] {
        made.push((host, create(&app, "admin", ROOT, &format!("https://{host}:{port}/"), json!({})).await));
    }
    let plain = create(&app, "admin", ROOT, &receiver.url, json!({})).await;
    overdue(&app, SLA, 1).await;
    for (host, made) in made {
        let failed = becomes(&app, &made["webhook"]["id"], "refused", |w| !w["lastError"].is_null()).await;
        // Whether a name is known within the network of the gateway is nobody's business.
        let why = "the host of the URL is not known, or not one of the internet";
        assert_eq!(failed["lastError"], why, "{host}");
        assert_eq!(failed["lastStatus"], Value::Null);
    }
    let failed = becomes(&app, &plain["webhook"]["id"], "refused", |w| !w["lastError"].is_null()).await;
    assert_eq!(failed["lastError"], "the URL must begin with https");
    assert!(receiver.got().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_who_has_records_sent_must_administer_the_tenant_and_may_read_them() {
    let app = office().await;
    let made = create(&app, "admin", ROOT, "https://a.example/", json!({})).await;
    let id = &made["webhook"]["id"];
    let input = json!({ "tenantId": ROOT, "name": "hook", "url": "https://a.example/" });
    for (login, code, missing) in [
        ("clerk", "FORBIDDEN", "breaches:read"),
        ("reader", "FORBIDDEN", "tenants:admin"),
        ("branch", "NOT_FOUND", ""),
    ] {
        for (mutation, input) in [
            ("webhookCreate", input.clone()),
            ("webhookUpdate", json!({ "id": id })),
            ("webhookSecretRotate", json!({ "id": id })),
        ] {
            let refused = mutate(&app, login, mutation, input).await;
            let extensions = &refused["errors"][0]["extensions"];
            assert_eq!(extensions["code"], code, "{login} {mutation}: {refused}");
            assert_eq!(extensions["permission"].as_str().unwrap_or_default(), missing, "{login} {mutation}");
        }
    }
    for (url, path) in [("ftp://a.example/", "url"), ("https://u:p@a.example/", "url"), ("", "url")] {
        let refused =
            mutate(&app, "admin", "webhookCreate", json!({ "tenantId": ROOT, "name": "x", "url": url }))
                .await;
        assert_eq!(refused["data"]["it"]["errors"][0]["path"], json!(["input", path]), "{url}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_when_it_is_made_and_nowhere_else_and_the_one_before_serves_for_a_day() {
    let app = office().await;
    let receiver = Receiver::open(&[200]).await;
    let mine = json!({ "tenantId": ROOT, "name": "x", "url": receiver.url, "clientMutationId": "mine" });
    let made = mutate(&app, "admin", "webhookCreate", mine.clone()).await["data"]["it"].clone();
    assert_eq!(mutate(&app, "admin", "webhookCreate", mine.clone()).await["data"]["it"], made);
    let id = &made["webhook"]["id"];
    // The answer that was lost is given again, and no second one takes the place of what the receiver knows.
    let rotate = json!({ "id": id, "expectedRevision": 1, "clientMutationId": "mine" });
    let rotated = mutate(&app, "admin", "webhookSecretRotate", rotate.clone()).await;
    assert_eq!(mutate(&app, "admin", "webhookSecretRotate", rotate).await["data"], rotated["data"]);
    let (first, second) =
        (made["secret"].as_str().unwrap(), rotated["data"]["it"]["secret"].as_str().unwrap());
    assert_ne!(first, second);
    // A retry of what made the first shows neither: not what it made, which is the current one no more, nor the second.
    let again = mutate(&app, "admin", "webhookCreate", mine).await["data"]["it"].clone();
    assert_eq!((&again["webhook"]["id"], &again["secret"]), (id, &Value::Null));
    let _replica = deliver(&app, eager());
    overdue(&app, SLA, 1).await;
    let message = receiver.has_got(1).await.remove(0);
    assert!(message.is_signed_with(first) && message.is_signed_with(second), "{message:?}");
    let client = app.database.client().await;
    client.batch_execute("UPDATE webhook_secret SET previous_until = now()").await.unwrap();
    overdue(&app, SLA, 1).await;
    let message = receiver.has_got(2).await.remove(1);
    assert!(!message.is_signed_with(first) && message.is_signed_with(second), "{message:?}");

    let raw = STANDARD.decode(second.strip_prefix("whsec_").unwrap()).unwrap();
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let told = "SELECT count(*) FROM audit_entry WHERE object_type = 'Webhook' AND (after::text || before::text) ILIKE '%' || $1::text || '%'";
    for form in [hex.as_str(), second, &second[6..]] {
        assert_eq!(client.query_one(told, &[&form]).await.unwrap().get::<_, i64>(0), 0);
    }
    let entries = "SELECT count(*) FROM audit_entry WHERE object_type = 'Webhook'";
    assert_eq!(client.query_one(entries, &[]).await.unwrap().get::<_, i64>(0), 2);

    let gone = app
        .data(
            "admin",
            "mutation($id: ID!) { webhookDelete(input: { id: $id }) { deletedId errors { code } } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(gone["webhookDelete"]["deletedId"], *id);
    let left = "SELECT count(*) FROM webhook_secret";
    assert_eq!(client.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}
