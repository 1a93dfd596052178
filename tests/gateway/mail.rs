//! E-mail of limits: one message for each limit and period, to a mail server of the test's own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sla_gateway::breach;
use sla_gateway::mail::{self, Server};
use sla_gateway::store::Store;
use sla_gateway::store::connect::pool;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::app::App;
use crate::breaches::{FOREIGN, ROOT};
use crate::following::{person, world};
use crate::intake::number;

/// A mail server that takes what it is given, or answers recipients as it is told.
struct Postbox {
    url: String,
    letters: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<&'static str>>,
}

impl Postbox {
    async fn open(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let letters = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new(answer));
        let (takes, says) = (letters.clone(), answer.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(speak(stream, takes.clone(), says.clone()));
            }
        });
        Self { url, letters, answer }
    }

    fn letters(&self) -> Vec<String> {
        self.letters.lock().unwrap().clone()
    }

    async fn has_got(&self, count: usize) -> Vec<String> {
        let begun = Instant::now();
        while self.letters().len() < count {
            assert!(begun.elapsed() < Duration::from_secs(20), "{} of {count} came", self.letters().len());
            sleep(Duration::from_millis(20)).await;
        }
        self.letters()
    }
}

async fn speak(stream: TcpStream, letters: Arc<Mutex<Vec<String>>>, answer: Arc<Mutex<&'static str>>) {
    let mut stream = BufReader::new(stream);
    let mut reply = "220 postbox\r\n".to_owned();
    loop {
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let verb = line.split([' ', '\r', ':']).next().unwrap().to_uppercase();
        reply = match verb.as_str() {
            "RCPT" => format!("{}\r\n", answer.lock().unwrap()),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.unwrap();
                let mut letter = String::new();
                while !letter.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut letter).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                letters.lock().unwrap().push(letter);
                "250 taken\r\n".into()
            }
            "QUIT" => return,
            _ => "250 ok\r\n".into(),
        };
    }
}

async fn office() -> Arc<App> {
    let app = world().await;
    let client = app.database.client().await;
    let all = ["access", "read", "create", "update", "delete"]
        .map(|right| format!("service-level-agreement-limits:{right}"));
    person(&client, "planner", "root", &format!("{},breaches:read", all.join(","))).await;
    client
        .batch_execute(&format!(
            "INSERT INTO tenant_closure (root_id, ancestor_id, descendant_id, depth) VALUES ('{ROOT}', '{ROOT}', '{ROOT}', 0);
             INSERT INTO project (root_id, id, tenant_id, name) VALUES ('{ROOT}', '{ROOT}', '{ROOT}', 'Brücke')"
        ))
        .await
        .unwrap();
    client.batch_execute(&hours()).await.unwrap();
    app
}

/// Two hours of each: whenever a week begins, at least one of them lies in it.
fn hours() -> String {
    format!(
        "INSERT INTO time_entry (root_id, id, tenant_id, project_id, category, started_at, ended_at)
         VALUES ('{ROOT}', gen_random_uuid(), '{ROOT}', '{ROOT}', 'work', now() - interval '2 hours', now() + interval '2 hours')"
    )
}

/// A replica that sends, as long as it is kept.
fn send(app: &App, server: Option<Server>) -> DropGuard {
    let shutdown = CancellationToken::new();
    let store = Store::new(pool(&app.database.url, 8).unwrap());
    let breaches = breach::start(store.clone(), shutdown.clone());
    let config = mail::Config { server, rest: Duration::from_millis(200) };
    mail::start(store, &breaches, config, shutdown.clone());
    shutdown.drop_guard()
}

fn server(postbox: &Postbox) -> Option<Server> {
    Some(Server::new(&postbox.url, "SLA gateway <sla@gateway.example>").unwrap())
}

async fn limit(app: &App, contact: &str) -> Value {
    let input = json!({ "tenantId": ROOT, "projectId": ROOT, "timeLimitInHours": 1, "timePeriod": "WEEKLY",
        "contactType": "EMAIL", "contact": contact, "categories": ["work"] });
    let query = "mutation($input: SlaLimitCreateInput!) { slaLimitCreate(input: $input) { slaLimit { id } errors { message } } }";
    let made = app.data("planner", query, json!({ "input": input })).await;
    assert_eq!(made["slaLimitCreate"]["errors"], json!([]));
    made["slaLimitCreate"]["slaLimit"]["id"].clone()
}

async fn notifications(app: &App, limit: &Value) -> Value {
    let query = "query($id: ID!) { slaLimit(id: $id) { notifications { nodes {
        uuid state contact attempts lastError nextAttemptAt settledAt breach { uuid phase } } } } }";
    app.data("planner", query, json!({ "id": limit })).await["slaLimit"]["notifications"]["nodes"].clone()
}

async fn becomes(app: &App, limit: &Value, state: &str) -> Value {
    let begun = Instant::now();
    loop {
        let all = notifications(app, limit).await;
        if all[0]["state"] == state {
            assert_eq!(all.as_array().unwrap().len(), 1);
            return all[0].clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never {state}: {all}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_the_contact_is_told_once_for_each_period_by_whichever_replica() {
    let app = office().await;
    let postbox = Postbox::open("250 ok").await;
    let _replicas =
        [send(&app, server(&postbox)), send(&app, server(&postbox)), send(&app, server(&postbox))];
    let limit = limit(&app, "pech@simplo.example").await;
    let sent = becomes(&app, &limit, "SENT").await;
    assert_eq!((&sent["contact"], &sent["attempts"]), (&json!("pech@simplo.example"), &json!(1)));
    assert_eq!((&sent["breach"]["uuid"], &sent["breach"]["phase"]), (&sent["uuid"], &json!("BREACHED")));
    // Looked at again, the limit is reached still.
    let again = "mutation($id: ID!) { slaLimitUpdate(input: { id: $id, categories: [\"work\", \"travel\"] }) { errors { message } } }";
    app.data("planner", again, json!({ "id": limit })).await;
    sleep(Duration::from_millis(800)).await;
    let letters = postbox.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let letter = &letters[0];
    for part in [
        "To: pech@simplo.example",
        "From: \"SLA gateway\" <sla@gateway.example>",
        &format!("Message-ID: <{}@gateway.example>", sent["uuid"].as_str().unwrap()),
        "Subject: Limit reached: ",
    ] {
        assert!(letter.contains(part), "{part} is not in {letter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_the_message_is_kept_and_shown_as_not_sent() {
    let app = office().await;
    let _replica = send(&app, None);
    let limit = limit(&app, "pech@simplo.example").await;
    let kept = becomes(&app, &limit, "NOT_CONFIGURED").await;
    assert_eq!(
        (&kept["attempts"], &kept["lastError"]),
        (&json!(0), &json!("the gateway has no mail server"))
    );
    // Nor is it sent once there is one: it would tell of a week that is long over.
    let postbox = Postbox::open("250 ok").await;
    let _other = send(&app, server(&postbox));
    sleep(Duration::from_millis(800)).await;
    assert!(postbox.letters().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_a_mail_server_leaves_alone_what_another_tries() {
    let app = office().await;
    let postbox = Postbox::open("451 later").await;
    let _replica = send(&app, server(&postbox));
    let limit = limit(&app, "pech@simplo.example").await;
    let begun = Instant::now();
    while notifications(&app, &limit).await[0]["lastError"].is_null() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing is tried");
        sleep(Duration::from_millis(20)).await;
    }
    let _other = send(&app, None);
    sleep(Duration::from_millis(800)).await;
    assert_eq!(notifications(&app, &limit).await[0]["state"], "PENDING");
    *postbox.answer.lock().unwrap() = "250 ok";
    becomes(&app, &limit, "SENT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_tried_again_unless_the_server_refuses_it_for_good() {
    let app = office().await;
    let postbox = Postbox::open("451 later").await;
    let _replica = send(&app, server(&postbox));
    let later = limit(&app, "later@simplo.example").await;
    let begun = Instant::now();
    while notifications(&app, &later).await[0]["attempts"].as_i64() < Some(2) {
        assert!(begun.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(50)).await;
    }
    let waiting = notifications(&app, &later).await[0].clone();
    assert_eq!(waiting["state"], "PENDING");
    assert!(waiting["nextAttemptAt"].is_string(), "{waiting}");
    // Nor is it the recipient's fault if the gateway may not send there: somebody will mend that.
    for refusal in ["554 5.7.1 relay access denied", "535 5.7.8 wrong password", "550 5.7.54 unable to relay"]
    {
        *postbox.answer.lock().unwrap() = refusal;
        let told = refusal.split_once(' ').unwrap().1;
        let begun = Instant::now();
        loop {
            let waiting = notifications(&app, &later).await[0].clone();
            assert_eq!(waiting["state"], "PENDING", "{waiting}");
            if waiting["lastError"].as_str().is_some_and(|reason| reason.contains(told)) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{waiting}");
            sleep(Duration::from_millis(50)).await;
        }
    }
    *postbox.answer.lock().unwrap() = "250 ok";
    let update = "UPDATE limit_notification SET next_attempt_at = now()";
    app.database.client().await.batch_execute(update).await.unwrap();
    becomes(&app, &later, "SENT").await;
    assert_eq!(postbox.letters().len(), 1);

    *postbox.answer.lock().unwrap() = "550 nobody of that name";
    let never = limit(&app, "never@simplo.example").await;
    let failed = becomes(&app, &never, "FAILED").await;
    assert_eq!(failed["attempts"], 1);
    assert!(failed["lastError"].as_str().unwrap().contains("550"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_while_it_sends_leaves_the_message_to_another_under_the_same_id() {
    let app = office().await;
    let limit = limit(&app, "pech@simplo.example").await;
    let client = app.database.client().await;
    // As a replica leaves it that had the turn and was killed after the mail server's answer.
    client
        .batch_execute("UPDATE limit_notification SET attempts = 1, lease_id = id, leased_until = now() + interval '1 hour'")
        .await
        .unwrap();
    let postbox = Postbox::open("250 ok").await;
    let _replica = send(&app, server(&postbox));
    sleep(Duration::from_millis(300)).await;
    assert!(postbox.letters().is_empty(), "it is the other's turn still");
    client.batch_execute("UPDATE limit_notification SET leased_until = now()").await.unwrap();
    let letter = postbox.has_got(1).await.remove(0);
    let sent = becomes(&app, &limit, "SENT").await;
    assert_eq!(sent["attempts"], 2);
    assert!(letter.contains(&format!("<{}@gateway.example>", sent["uuid"].as_str().unwrap())));
}

/// Logs so many seconds as the one entry of the tracker.
async fn log(app: &App, seconds: i64) {
    let now = app.store.now();
    let entry = json!({ "projectId": ROOT, "category": "work", "source": "tracker", "sourceId": "1",
        "startedAt": (now - chrono::TimeDelta::seconds(seconds)).to_rfc3339(), "endedAt": now.to_rfc3339() });
    let query =
        "mutation($input: TimeEntryRecordInput!) { timeEntryRecord(input: $input) { errors { message } } }";
    let logged = app.data("worker", query, json!({ "input": entry })).await;
    assert_eq!(logged["timeEntryRecord"]["errors"], json!([]));
}

/// A limit that was used up, by hours of the tracker's; and the database.
async fn of_the_tracker(app: &App) -> (Value, Client) {
    let limit = limit(app, "pech@simplo.example").await;
    let client = app.database.client().await;
    person(&client, "worker", "root", "requests:write").await;
    let tracked = "UPDATE time_entry SET source = 'tracker', source_id = '1'";
    client.batch_execute(tracked).await.unwrap();
    (limit, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_what_was_retracted_is_not_told_of_until_it_is_recorded_anew() {
    let app = office().await;
    let (limit, client) = of_the_tracker(&app).await;
    // The turn of a replica that died with it is over.
    let died = "UPDATE limit_notification SET attempts = 1, lease_id = uuid_v7(), leased_until = now() - interval '1 second'";
    client.batch_execute(died).await.unwrap();
    log(&app, 0).await;
    let postbox = Postbox::open("250 ok").await;
    let _replica = send(&app, server(&postbox));
    let suppressed = becomes(&app, &limit, "SUPPRESSED").await;
    assert!(suppressed["lastError"].as_str().unwrap().contains("retracted"), "{suppressed}");
    assert!(postbox.letters().is_empty());
    client.batch_execute(&hours()).await.unwrap();
    log(&app, 2).await;
    let sent = becomes(&app, &limit, "SENT").await;
    assert_eq!(sent["breach"]["uuid"], sent["uuid"]);
    assert_ne!(sent["uuid"], suppressed["uuid"]);
    postbox.has_got(1).await;
    // Who was told of a period once is not told of it again, however often it is corrected to and fro.
    let retracted = "SELECT count(*) FROM breach WHERE phase = 'retracted'";
    let before = number(&app, retracted).await;
    let tracked = "DELETE FROM time_entry WHERE source IS NOT NULL; UPDATE time_entry SET source = 'tracker', source_id = '1'";
    client.batch_execute(tracked).await.unwrap();
    log(&app, 0).await;
    assert!(number(&app, retracted).await > before);
    client.batch_execute(&hours()).await.unwrap();
    log(&app, 2).await;
    due(&client, ROOT, 1, "after@simplo.example").await;
    let letters = postbox.has_got(2).await;
    assert!(letters.iter().any(|letter| letter.contains("after@simplo.example")), "{letters:?}");
    assert_eq!(becomes(&app, &limit, "SENT").await["attempts"], sent["attempts"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_what_is_retracted_and_recorded_anew_while_an_attempt_runs_is_told_of_by_the_next() {
    let app = office().await;
    let (limit, client) = of_the_tracker(&app).await;
    let attempt = "UPDATE limit_notification SET attempts = 1, lease_id = uuid_v7(), leased_until = now() + interval '1 hour'";
    assert_eq!(client.execute(attempt, &[]).await.unwrap(), 1);
    log(&app, 0).await;
    client.batch_execute(&hours()).await.unwrap();
    log(&app, 2).await;
    let phases: i64 = client.query_one("SELECT count(DISTINCT phase) FROM breach", &[]).await.unwrap().get(0);
    assert!(phases > 1, "it was retracted meanwhile");
    let failed = "UPDATE limit_notification SET lease_id = NULL, leased_until = NULL";
    client.batch_execute(failed).await.unwrap();
    let postbox = Postbox::open("250 ok").await;
    let _replica = send(&app, server(&postbox));
    becomes(&app, &limit, "SENT").await;
    postbox.has_got(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l3_a_limit_that_was_put_to_sleep_is_not_told_of() {
    let app = office().await;
    let limit = limit(&app, "pech@simplo.example").await;
    let sleep_now = "mutation($id: ID!) { slaLimitUpdate(input: { id: $id, deactivatedUntilNextPeriod: true }) { errors { message } } }";
    app.data("planner", sleep_now, json!({ "id": limit })).await;
    let postbox = Postbox::open("250 ok").await;
    let _replica = send(&app, server(&postbox));
    let suppressed = becomes(&app, &limit, "SUPPRESSED").await;
    assert_eq!(suppressed["attempts"], 0);
    assert!(postbox.letters().is_empty());
}

/// Messages that are due in a tree, of as many limits.
async fn due(client: &Client, root: Uuid, count: u32, contact: &str) {
    let letters = format!(
        "WITH l AS (INSERT INTO sla_limit (root_id, id, tenant_id, project_id, time_limit_in_hours, time_period, contact_type,
             contact, categories) SELECT '{root}', uuid_v7(), '{root}', '{root}', 1, 'weekly', 'email', '{contact}', '{{work}}'
           FROM generate_series(1, {count}) RETURNING *),
         k AS (INSERT INTO breach_key (root_id, tenant_id, subject_id, kind, phase, due_at, breach_id, hours, time_period)
           SELECT root_id, tenant_id, id, 'limit', 'breached', '2026-03-02Z', uuid_v7(), 1, 'weekly' FROM l RETURNING *)
         INSERT INTO limit_notification (root_id, id, tenant_id, sla_limit_id, period_start, time_period, hours, categories, contact)
           SELECT root_id, breach_id, tenant_id, subject_id, due_at, time_period, hours, '{{work}}', '{contact}' FROM k"
    );
    client.batch_execute(&letters).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_tree_heaps_up_does_not_keep_another_from_being_told() {
    let app = office().await;
    let client = app.database.client().await;
    let tree = format!(
        "INSERT INTO tenant (root_id, id, parent_id, slug, name, time_zone) VALUES ('{FOREIGN}', '{FOREIGN}', NULL, 'foreign', 'Foreign', 'UTC');
         INSERT INTO project (root_id, id, tenant_id, name) VALUES ('{FOREIGN}', '{FOREIGN}', '{FOREIGN}', 'Bridge')"
    );
    client.batch_execute(&tree).await.unwrap();
    due(&client, ROOT, 30, "many@root.example").await;
    due(&client, FOREIGN, 1, "one@foreign.example").await;
    let postbox = Postbox::open("250 ok").await;
    let _replica = send(&app, server(&postbox));
    let letters = postbox.has_got(31).await;
    let place = letters.iter().position(|letter| letter.contains("one@foreign.example"));
    assert!(place < Some(2), "{place:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_the_contact_is_told_the_limit_that_was_reached_whatever_it_is_by_then() {
    let app = office().await;
    let limit = limit(&app, "pech@simplo.example").await;
    let raise = "mutation($id: ID!) { slaLimitUpdate(input: { id: $id, timeLimitInHours: 400, timePeriod: MONTHLY }) {
        errors { message } } }";
    assert_eq!(
        app.data("planner", raise, json!({ "id": limit })).await["slaLimitUpdate"]["errors"],
        json!([])
    );
    // Nor does it matter that the database knows the tenant's zone no more.
    let unknown = "UPDATE tenant SET time_zone = 'No/Where'";
    app.database.client().await.batch_execute(unknown).await.unwrap();
    let postbox = Postbox::open("250 ok").await;
    let _replica = send(&app, server(&postbox));
    let letter = postbox.has_got(1).await.remove(0).replace("=\r\n", "");
    assert!(letter.contains("The limit of 1 hour a week "), "{letter}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_tried_for_days_from_its_first_attempt_on() {
    let app = office().await;
    let client = app.database.client().await;
    due(&client, ROOT, 1, "later@simplo.example").await;
    // It was due while no replica ran.
    client
        .batch_execute("UPDATE limit_notification SET created_at = now() - interval '4 days'")
        .await
        .unwrap();
    let postbox = Postbox::open("451 later").await;
    let _replica = send(&app, server(&postbox));
    let state = async |attempted: &str| -> String {
        let begun = Instant::now();
        let query = format!("SELECT state FROM limit_notification WHERE {attempted}");
        loop {
            if let Some(row) = client.query_opt(&query, &[]).await.unwrap() {
                return row.get(0);
            }
            assert!(begun.elapsed() < Duration::from_secs(20));
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(state("last_error IS NOT NULL").await, "pending");
    let long =
        "UPDATE limit_notification SET first_attempt_at = now() - interval '4 days', next_attempt_at = now()";
    client.batch_execute(long).await.unwrap();
    assert_eq!(state("settled_at IS NOT NULL").await, "failed");
}
