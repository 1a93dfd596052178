//! The sample: the small worlds and the large store.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sla_gateway::sample::{self, Summary};
use tokio_postgres::Client;

use crate::app::App;
use crate::database::Database;

fn now() -> DateTime<Utc> {
    "2026-11-21T18:30:00.123456Z".parse().unwrap()
}

fn quiet(_what: &str, _done: u64, _all: u64) {}

async fn loaded() -> (Database, Client, Summary) {
    let database = Database::new().await;
    let mut client = database.client().await;
    let summary = sample::load(&mut client, now(), &quiet).await.unwrap();
    (database, client, summary)
}

/// Every table with its number of rows and a checksum of its content.
pub(crate) async fn content(client: &Client) -> BTreeMap<String, (i64, String)> {
    let tables = "SELECT relname::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace \
                  WHERE nspname = 'public' AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname";
    let mut content = BTreeMap::new();
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let sum = format!(
            "SELECT count(*), coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM {table} t"
        );
        let row = client.query_one(&sum, &[]).await.unwrap();
        content.insert(table, (row.get(0), row.get(1)));
    }
    content
}

async fn texts(client: &Client, query: &str) -> Vec<String> {
    client.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_is_loaded_once_and_is_the_same_everywhere() {
    let (_database, mut client, summary) = loaded().await;
    assert!(summary.loaded);
    let first = content(&client).await;
    for (table, rows) in &summary.rows {
        assert_eq!(first[*table].0, *rows as i64, "{table}");
    }
    let again = sample::load(&mut client, now(), &quiet).await.unwrap();
    assert_eq!(again, Summary { loaded: false, rows: Vec::new() });
    assert_eq!(content(&client).await, first);
    let (_other, client, _) = loaded().await;
    assert_eq!(content(&client).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_has_the_tenants_and_people_that_others_rely_on() {
    let (_database, client, _) = loaded().await;
    assert_eq!(
        texts(&client, "SELECT slug FROM tenant WHERE parent_id IS NULL ORDER BY slug").await,
        ["cxengage", "itrp", "rocketchat", "simplo", "wna"]
    );
    let of = |login: &str| {
        format!(
            "SELECT t.slug || ' ' || r.name FROM person p \
             JOIN role_grant g ON g.root_id = p.root_id AND g.person_id = p.id \
             JOIN role r ON r.root_id = g.root_id AND r.id = g.role_id \
             JOIN tenant t ON t.root_id = g.root_id AND t.id = g.tenant_id WHERE p.login = '{login}' ORDER BY 1"
        )
    };
    let everywhere =
        ["cxengage", "itrp", "rocketchat", "simplo", "wna"].map(|root| format!("{root} Operator"));
    assert_eq!(texts(&client, &of("operator@example.com")).await, everywhere);
    assert_eq!(texts(&client, &of("manager@wna.example.com")).await, ["wna Manager"]);
    assert_eq!(texts(&client, &of("manager@itrp.example.com")).await, ["itrp Manager"]);
    assert_eq!(texts(&client, &of("reader@wna.example.com")).await, ["wna Reader"]);
    let reads = "SELECT unnest(permissions) FROM role JOIN tenant t ON t.id = tenant_id \
                 WHERE role.name = 'Reader' AND slug = 'wna' ORDER BY 1";
    assert_eq!(
        texts(&client, reads).await,
        [
            "affected-slas:read",
            "breaches:read",
            "catalog:read",
            "requests:read",
            "service-level-agreement-limits:access",
            "service-level-agreement-limits:read",
            "slas:read",
        ]
    );
    assert_eq!(number(&client, "SELECT count(*) FROM tenant WHERE slug LIKE 'wna-%'").await, 4);
    // A person of an organization or with a parent above has that parent's tree, closed.
    assert_eq!(
        number(&client, "SELECT count(*) FROM tenant_closure").await,
        number(
            &client,
            "WITH RECURSIVE up AS (SELECT id, id AS above FROM tenant \
             UNION ALL SELECT up.id, parent_id FROM up JOIN tenant t ON t.id = up.above WHERE parent_id IS NOT NULL) \
             SELECT count(*) FROM up"
        )
        .await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_the_seeds_affected_slas_come_out_of_their_history() {
    let (_database, client, _) = loaded().await;
    let figures = |request: &str| {
        format!(
            "SELECT concat_ws(' | ', s.name, i.name, c.name, v.name, a.accountability, a.impact, a.next_target, \
                actual_response_duration, actual_resolution_duration, downtime_duration, \
                maximum_response_duration, maximum_resolution_duration, \
                to_char(response_target_at AT TIME ZONE 'UTC', 'Dy HH24:MI:SS'), \
                to_char(resolution_target_at AT TIME ZONE 'UTC', 'Dy HH24:MI:SS')) \
             FROM affected_sla a JOIN request r ON r.id = request_id JOIN sla s ON s.id = a.sla_id \
             JOIN service_instance i ON i.id = a.service_instance_id JOIN calendar c ON c.id = support_hours_id \
             LEFT JOIN calendar v ON v.id = service_hours_id WHERE r.source_id = '{request}' AND r.source = '4me' \
             AND s.source_id IN ('34', '104')"
        )
    };
    assert_eq!(
        texts(&client, &figures("70473")).await,
        ["End-User Network Connectivity for Widget North America, HQ (New York) | New York Network \
          | 24x7 (Monday through Sunday) | supplier | medium | none | 0 | 0 | 60 | 600 \
          | Mon 10:00:11 | Mon 19:00:11"]
    );
    assert_eq!(
        texts(&client, &figures("70231")).await,
        ["Standard Expense Reporting for Widget Data Center | Expense Reporting Production \
          | 24x6 (Monday through Saturday) | 24x7 except Sunday 5:00am until Noon | provider | top | none \
          | 0 | 1635 | 2747 | 30 | 240 | Sat 12:52:00 | Sat 16:22:00"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_sample_has_the_registration_that_it_would_have_got() {
    let (_database, client, _) = loaded().await;
    let others = "SELECT count(*) FROM request r WHERE NOT EXISTS (SELECT FROM request_event e WHERE e.root_id = r.root_id \
        AND e.request_id = r.id AND e.event_key = 'registered' AND e.occurred_at = r.registered_at)";
    assert_eq!(number(&client, others).await, 0, "registered again, it would be opened again");
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_s5_each_ticket_of_the_sample_has_the_clocks_that_it_would_have_got() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    let tickets = "SELECT r.id::text, json_build_object('tenantId', r.tenant_id, 'subject', r.subject, 'requesterId', r.requester_id,
        'serviceInstanceId', e.service_instance_id, 'impact', upper(e.impact), 'registeredAt', r.registered_at,
        'source', 'again', 'sourceId', r.id)::text
      FROM request r JOIN request_event e ON e.root_id = r.root_id AND e.request_id = r.id AND e.event_key = 'registered'
      WHERE r.channel = 'ticket' AND r.registered_at < now() ORDER BY r.id";
    let rows = client.query(tickets, &[]).await.unwrap();
    assert!(rows.len() > 200, "{}", rows.len());
    for rows in rows.chunks(100) {
        let rows: Vec<Value> = rows.iter().map(|row| serde_json::from_str(row.get(1)).unwrap()).collect();
        let query =
            "mutation($rows: [RequestRegisterInput!]!) { requestRegisterMany(input: { rows: $rows }) {
            written results { errors { code path message } } } }";
        let data = app.data("operator@example.com", query, json!({ "rows": rows })).await;
        assert_eq!(data["requestRegisterMany"]["written"], rows.len(), "{data}");
    }
    let others = "WITH c AS (SELECT r.id, r.source, coalesce(nullif(r.source_id, ''), r.id::text) AS source_id,
          (SELECT coalesce(json_agg(json_build_array(s.name, a.tenant_id) ORDER BY s.name), '[]')::text FROM affected_sla a
           JOIN sla s ON s.root_id = a.root_id AND s.id = a.sla_id WHERE a.root_id = r.root_id AND a.request_id = r.id) AS clocks
        FROM request r)
      SELECT o.clocks || ' ' || n.clocks FROM c n JOIN c o ON o.id::text = n.source_id
      WHERE n.source = 'again' AND o.clocks <> n.clocks";
    let others = texts(&client, others).await;
    assert!(others.is_empty(), "{} differ: {:?}", others.len(), others.first());
}

/// Clocks of chats and calls that say what only terms of a service say, and minutes of a call, which has seconds.
const MIXED: &str = "SELECT count(*) FROM affected_sla a JOIN sla_version v ON (v.root_id, v.id) = (a.root_id, a.sla_version_id) \
    WHERE v.kind <> 'service' AND (a.time_zone IS NOT NULL OR a.support_hours_id IS NOT NULL \
      OR a.maximum_response_duration IS DISTINCT FROM v.due_time_in_minutes)";

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_shows_every_state_of_a_clock() {
    let (_database, client, summary) = loaded().await;
    let rows: BTreeMap<_, _> = summary.rows.iter().copied().collect();
    assert!(rows["request"] > 600, "{rows:?}");
    assert!(rows["affected_sla"] > rows["request"], "{rows:?}");
    assert_eq!(number(&client, MIXED).await, 0, "C13");
    for (column, words) in [
        ("next_target", "best_effort clock_stopped desired_completion no_target none resolution response"),
        ("accountability", "provider supplier"),
        ("impact", "high low medium top"),
    ] {
        let found = format!(
            "SELECT string_agg(w, ' ' ORDER BY w) FROM (SELECT DISTINCT {column} w FROM affected_sla) x"
        );
        assert_eq!(texts(&client, &found).await, [words], "{column}");
    }
    let kinds =
        "SELECT string_agg(w, ' ' ORDER BY w) FROM (SELECT DISTINCT kind || '/' || phase w FROM breach) x";
    assert_eq!(
        texts(&client, kinds).await,
        ["due_time/breached due_time/warning limit/breached limit/warning queue_threshold/breached \
          queue_threshold/warning resolution/breached resolution/warning response/breached response/warning"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_the_samples_breach_log_is_dense_and_in_order() {
    let (_database, client, _) = loaded().await;
    let breaches = number(&client, "SELECT count(*) FROM breach").await;
    assert!(breaches > 100);
    for query in [
        "SELECT pos FROM breach_log_head",
        "SELECT max(pos) - min(pos) + 1 FROM breach_log",
        "SELECT count(*) FROM breach_log JOIN breach b ON b.id = breach_id WHERE published_at = detected_at",
        "SELECT count(*) FROM breach_key JOIN breach b ON b.id = breach_id",
    ] {
        assert_eq!(number(&client, query).await, breaches, "{query}");
    }
    let disorder = "SELECT count(*) FROM (SELECT published_at < lag(published_at) OVER (ORDER BY pos) AS late \
                    FROM breach_log) x WHERE late";
    assert_eq!(number(&client, disorder).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_fall_due_in_the_first_minutes_and_none_is_overdue() {
    let (_database, client, _) = loaded().await;
    let due = |until: i64| {
        format!(
            "SELECT count(*) FROM deadline WHERE due_at < '{}'::timestamptz + interval '{until} s'",
            now()
        )
    };
    assert_eq!(number(&client, &due(0)).await, 0);
    assert!(number(&client, &due(30)).await >= 1);
    assert!(number(&client, &due(120)).await >= 5);
    assert!(number(&client, &due(900)).await >= 16);
    let kinds = "SELECT string_agg(DISTINCT kind || '/' || phase, ' ' ORDER BY kind || '/' || phase) FROM deadline \
                 WHERE due_at < (SELECT min(due_at) FROM deadline) + interval '15 minutes'";
    assert_eq!(
        texts(&client, kinds).await,
        ["due_time/breached due_time/warning queue_threshold/breached queue_threshold/warning \
          resolution/breached resolution/warning response/breached response/warning"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_large_store_has_what_its_scale_says_and_is_the_same_twice() {
    let database = Database::new().await;
    let mut client = database.client().await;
    let definitions = "SELECT string_agg(d, E'\n' ORDER BY d) FROM (SELECT indexdef AS d FROM pg_indexes \
                       WHERE schemaname = 'public' UNION ALL SELECT conrelid::regclass || conname || \
                       pg_get_constraintdef(oid) FROM pg_constraint) x";
    let before = texts(&client, definitions).await;
    let summary = sample::scale(&mut client, 0.01, now(), &quiet).await.unwrap();
    assert_eq!(texts(&client, definitions).await, before, "indexes and foreign keys are made again");
    let first = content(&client).await;
    for (table, rows) in &summary.rows {
        assert_eq!(first[*table].0, *rows as i64, "{table}");
    }
    for (table, rows) in [
        ("tenant", 10),
        ("sla", 500),
        ("sla_version", 2_000),
        ("request", 5_000),
        ("affected_sla", 10_000),
        ("sla_limit", 50),
        ("breach", 1_000),
        ("breach_key", 1_000),
        ("breach_log", 1_000),
    ] {
        assert!((first[table].0 - rows).abs() <= rows / 100, "{table}: {} for {rows}", first[table].0);
    }
    let again = sample::scale(&mut client, 0.02, now(), &quiet).await.unwrap();
    assert!(!again.loaded);
    assert_eq!(content(&client).await, first);

    // The other order of loads: beside the small worlds, and behind their breaches in the log.
    let (_other, mut client, small) = loaded().await;
    sample::scale(&mut client, 0.01, now(), &quiet).await.unwrap();
    let rows: BTreeMap<_, _> = small.rows.into_iter().collect();
    let positions = "SELECT max(pos) - min(pos) + 1 FROM breach_log";
    assert_eq!(number(&client, positions).await, 1_000 + rows["breach"] as i64);
    let both = content(&client).await;
    for table in ["affected_sla", "request", "sla_version", "breach"] {
        assert_eq!(both[table].0, first[table].0 + rows[table] as i64, "{table}");
    }
    let (third, _) = (Database::new().await, ());
    let mut client = third.client().await;
    sample::scale(&mut client, 0.01, now(), &quiet).await.unwrap();
    let mut third = content(&client).await;
    // The only rows with a time of their own making.
    third.remove("__diesel_schema_migrations");
    for (table, sum) in third {
        assert_eq!(sum, first[&table], "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_large_store_keeps_the_rules_of_the_small_one() {
    let database = Database::new().await;
    let mut client = database.client().await;
    sample::scale(&mut client, 0.01, now(), &quiet).await.unwrap();
    for (rule, broken) in [
        (
            "X1: a target is its start plus its minutes",
            "SELECT count(*) FROM affected_sla WHERE resolution_target_at <> \
            started_at + maximum_resolution_duration * interval '1 minute'",
        ),
        (
            "C8: the next target is there while the clock runs",
            "SELECT count(*) FROM affected_sla \
            WHERE (next_target IN ('response', 'resolution')) <> (next_target_at IS NOT NULL)",
        ),
        (
            "C6: completed requests and clocks agree",
            "SELECT count(*) FROM affected_sla a JOIN request r \
            ON (r.root_id, r.id) = (a.root_id, a.request_id) WHERE channel = 'ticket' \
            AND (status = 'completed') <> (actual_resolution_at IS NOT NULL)",
        ),
        (
            "S3: the version is the one in force",
            "SELECT count(*) FROM affected_sla a JOIN sla s \
            ON (s.root_id, s.id) = (a.root_id, a.sla_id) WHERE sla_version_id <> active_version_id",
        ),
        (
            "S7: the instance belongs to the offering's service",
            "SELECT count(*) FROM sla_version v \
            JOIN service_offering o ON o.id = service_offering_id JOIN service_instance i ON i.id = service_instance_id \
            WHERE o.service_id <> i.service_id",
        ),
        (
            "B1: what was late is in the log",
            "SELECT count(*) FROM affected_sla a WHERE \
            (coalesce(actual_response_at > response_breaches_at, false) \
              OR coalesce(actual_resolution_at > resolution_breaches_at, false)) \
            <> EXISTS (SELECT FROM breach b WHERE b.affected_sla_id = a.id AND phase = 'breached')",
        ),
        (
            "B2: the log is in the order of detection",
            "SELECT count(*) FROM (SELECT published_at < \
            lag(published_at) OVER (ORDER BY pos) AS late FROM breach_log) x WHERE late",
        ),
        ("C13: chats and calls have the terms of their kind", MIXED),
        ("what comes lies ahead", "SELECT count(*) FROM deadline WHERE due_at < '2026-11-21T20:00:00Z'"),
        ("what was lies behind", "SELECT count(*) FROM breach WHERE detected_at > '2026-11-21T18:30:00Z'"),
    ] {
        assert_eq!(number(&client, broken).await, 0, "{rule}");
    }
    assert!(number(&client, "SELECT count(*) FROM deadline").await > 500);
    let login = "SELECT count(*) FROM person JOIN role_grant ON person_id = person.id WHERE login = 'operator@example.com'";
    assert_eq!(number(&client, login).await, 1);
    let no_scale = sample::scale(&mut client, 0.0, now(), &quiet).await.unwrap_err();
    assert_eq!(no_scale.to_string(), "the scale must be between 0.01 and 100; 1 is 500 000 requests");
}

/// What the API would refuse, the sample does not show: an object refers to those of its own tenant and of the ones above.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_sample_refers_to_an_object_of_a_tenant_below_or_beside() {
    let database = Database::sampled().await;
    let client = database.client().await;
    let references = "SELECT c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text
        FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[2]
        WHERE c.contype = 'f' AND c.conparentid = 0 AND cardinality(c.conkey) = 2 AND a.attname <> 'tenant_id'
          AND (SELECT count(*) FROM pg_attribute t WHERE t.attrelid IN (c.conrelid, c.confrelid) AND t.attname = 'tenant_id') = 2";
    let references = client.query(references, &[]).await.unwrap();
    assert!(references.len() > 40, "{}", references.len());
    for row in references {
        let (table, column, other): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let stray = format!(
            "SELECT count(*) FROM {table} t JOIN {other} o ON o.root_id = t.root_id AND o.id = t.{column}
             WHERE NOT EXISTS (SELECT FROM tenant_closure c WHERE c.root_id = t.root_id AND c.ancestor_id = o.tenant_id
               AND c.descendant_id = t.tenant_id)"
        );
        let stray: i64 = client.query_one(&stray, &[]).await.unwrap().get(0);
        assert_eq!(stray, 0, "{table}.{column}");
    }
}
