//! The figures of `/metrics`: read strictly, as OpenMetrics has them, and each seen to move.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use futures_util::StreamExt;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use serde_json::json;
use sla_gateway::graphql::document::Ask;
use sla_gateway::http::{HttpConfig, router};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use crate::app::App;
use crate::breaches::{SLA, chats};
use crate::following::world;

/// A family: its type, and its samples by name and labels.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Family {
    /// The sum of the samples of a name whose labels include these.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |of: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| of.get(*label).is_some_and(|found| found == value))
        };
        self.samples.iter().filter(|(of, given, _)| of == name && has(given)).map(|(.., value)| value).sum()
    }
}

/// Reads the text, and panics at whatever a strict reader would refuse.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let body = text.strip_suffix("# EOF\n").expect("it ends as it should");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut helped = String::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(help.ends_with('.') && !help.ends_with(".."), "{line}");
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert_eq!(helped, name, "each family is explained: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(
                name.starts_with("sla_") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
                "{line}"
            );
            assert!(!name.ends_with("_total"), "the suffix is the sample's: {line}");
            current = name.to_owned();
            let family = Family { kind: kind.to_owned(), samples: Vec::new() };
            assert!(families.insert(current.clone(), family).is_none(), "{name} is there twice");
        } else {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let value: f64 = value.parse().expect(line);
            let (name, labels) = match series.split_once('{') {
                None => (series, BTreeMap::new()),
                Some((name, rest)) => {
                    let labels = rest.strip_suffix('}').expect(line).split(',').map(|label| {
                        let (label, value) = label.split_once('=').expect(line);
                        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).expect(line);
                        (label.to_owned(), value.to_owned())
                    });
                    (name, labels.collect())
                }
            };
            let family = families.get_mut(&current).expect("its type comes first");
            let suffix = name.strip_prefix(current.as_str()).expect("samples stand under their family");
            let right = match family.kind.as_str() {
                "counter" => suffix == "_total",
                "gauge" => suffix.is_empty(),
                _ => ["_bucket", "_sum", "_count"].contains(&suffix),
            };
            assert!(right && (value >= 0.0 || family.kind == "gauge"), "{line}");
            family.samples.push((name.to_owned(), labels, value));
        }
    }
    for (name, family) in families.iter().filter(|(_, family)| family.kind == "histogram") {
        histogram(name, family);
    }
    families
}

/// Buckets rise to the count, in seconds.
fn histogram(name: &str, family: &Family) {
    assert!(name.ends_with("_seconds"), "{name}");
    let mut series: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for (sample, labels, value) in &family.samples {
        if sample.ends_with("_bucket") {
            let mut labels = labels.clone();
            let bound = labels.remove("le").expect(name).parse().expect("a bound");
            series.entry(labels).or_default().push((bound, *value));
        }
    }
    assert!(!series.is_empty(), "{name}");
    for (labels, buckets) in series {
        let rises = buckets.is_sorted_by(|(a, under_a), (b, under_b)| a < b && under_a <= under_b);
        assert!(rises, "{name}{labels:?}: {buckets:?}");
        let (last, all) = *buckets.last().unwrap();
        let labels: Vec<(&str, &str)> = labels.iter().map(|(l, v)| (l.as_str(), v.as_str())).collect();
        assert_eq!(
            (last, all),
            (f64::INFINITY, family.sum(&format!("{name}_count"), &labels)),
            "{name}{labels:?}"
        );
    }
}

async fn look(router: &Router) -> BTreeMap<String, Family> {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(response.headers()[header::CONTENT_TYPE], media);
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    parse(std::str::from_utf8(&bytes).unwrap())
}

async fn send(router: &Router, app: &App, login: &str, accept: &str, query: &str) -> Body {
    let mut request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, accept);
    if !login.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", app.token(login)));
    }
    let request = request.body(Body::from(json!({ "query": query }).to_string())).unwrap();
    router.clone().oneshot(request).await.unwrap().into_body()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_family_of_the_figures_is_well_formed_and_counts_what_it_says() {
    let app = world().await;
    let client = app.database.client().await;
    let router = router(app.gateway.clone(), HttpConfig { metrics: true, ..HttpConfig::default() });
    let json = "application/json";
    for (login, query) in [
        ("all", "{ breaches { nodes { uuid } } }"),
        ("all", "{ feedCursor }"),
        ("", "{ breaches { nodes { uuid } } }"),
        (
            "all",
            "mutation { projectDelete(input: { id: \"00000000-0000-0000-0000-000000000001\" }) { errors { code } } }",
        ),
    ] {
        send(&router, &app, login, json, query).await.collect().await.unwrap();
    }
    // One record is replayed, two happen while a subscriber listens.
    client.batch_execute(&chats(SLA, 1, "now() - interval '2 hours'")).await.unwrap();
    let query = "subscription { breaches(after: \"0\") { cursor breach { uuid } } }";
    let body = send(&router, &app, "all", "text/event-stream", query).await;
    let mut events = body.into_data_stream();
    for before in 0..3 {
        if before == 1 {
            client.batch_execute(&chats(SLA, 2, "now() - interval '2 hours'")).await.unwrap();
        }
        timeout(Duration::from_secs(20), events.next()).await.expect("in time").unwrap().unwrap();
    }
    let told = look(&router).await;
    let kinds: Vec<(&str, &str)> =
        told.iter().map(|(name, family)| (name.as_str(), family.kind.as_str())).collect();
    assert_eq!(
        kinds,
        [
            ("sla_breach_recorded", "counter"),
            ("sla_breach_recording_delay_seconds", "histogram"),
            ("sla_db_clock_skew_seconds", "gauge"),
            ("sla_feed_answers", "counter"),
            ("sla_feed_delivered", "counter"),
            ("sla_feed_delivery_delay_seconds", "histogram"),
            ("sla_feed_head_position", "gauge"),
            ("sla_feed_hole", "counter"),
            ("sla_feed_lag_positions", "gauge"),
            ("sla_feed_pending_rows", "gauge"),
            ("sla_feed_tail_position", "gauge"),
            ("sla_http_running", "gauge"),
            ("sla_mail_attempts", "counter"),
            ("sla_operation_duration_seconds", "histogram"),
            ("sla_scheduler_oldest_overdue_seconds", "gauge"),
            ("sla_scheduler_overdue_rows", "gauge"),
            ("sla_sql_pool_wait_seconds", "histogram"),
            ("sla_store_answers", "gauge"),
            ("sla_webhook_attempts", "counter"),
            ("sla_ws_connections", "gauge"),
            ("sla_ws_subscriptions", "gauge"),
        ]
    );
    let count = |name: &str, labels: &[(&str, &str)]| {
        let family = &told[name];
        let suffix = match family.kind.as_str() {
            "counter" => "_total",
            "gauge" => "",
            _ => "_count",
        };
        family.sum(&format!("{name}{suffix}"), labels)
    };
    let operations =
        |kind, outcome| count("sla_operation_duration_seconds", &[("kind", kind), ("outcome", outcome)]);
    assert_eq!((operations("query", "ok"), operations("query", "refused")), (2.0, 1.0));
    assert_eq!((operations("mutation", "ok"), operations("mutation", "refused")), (0.0, 1.0));
    assert_eq!(operations("event", "ok"), count("sla_feed_answers", &[]));
    for name in [
        "sla_breach_recorded",
        "sla_breach_recording_delay_seconds",
        "sla_feed_delivered",
        "sla_feed_head_position",
    ] {
        assert_eq!(count(name, &[]), 3.0, "{name}");
    }
    let late = told["sla_breach_recording_delay_seconds"].sum("sla_breach_recording_delay_seconds_sum", &[]);
    assert!((21_600.0..21_900.0).contains(&late), "three that were due two hours ago: {late}");
    let live = count("sla_feed_delivery_delay_seconds", &[]);
    assert!((2.0..=3.0).contains(&live), "{live}");
    let delay = told["sla_feed_delivery_delay_seconds"].sum("sla_feed_delivery_delay_seconds_sum", &[]);
    assert!((0.0..60.0).contains(&delay), "{delay}");
    assert!(count("sla_sql_pool_wait_seconds", &[]) > 5.0);
    assert_eq!((count("sla_ws_connections", &[]), count("sla_ws_subscriptions", &[])), (1.0, 1.0));
    for name in
        ["sla_scheduler_overdue_rows", "sla_feed_pending_rows", "sla_feed_lag_positions", "sla_feed_hole"]
    {
        assert_eq!(count(name, &[]), 0.0, "{name}");
    }
    // What has not happened yet is there, at nothing.
    let outcomes = |name: &str| told[name].samples.len();
    assert_eq!((outcomes("sla_webhook_attempts"), outcomes("sla_mail_attempts")), (3, 4));

    // Not one series more for what a viewer may choose.
    let size =
        |told: &BTreeMap<String, Family>| told.values().map(|family| family.samples.len()).sum::<usize>();
    let before = size(&told);
    for number in 0..5 {
        let query = format!("query Q{number} {{ a{number}: feedCursor }}");
        send(&router, &app, "other", json, &query).await.collect().await.unwrap();
    }
    assert_eq!(size(&look(&router).await), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_told_while_the_store_does_not_answer_but_for_those_of_it() {
    let app = App::new().await;
    let router = router(app.gateway.clone(), HttpConfig { metrics: true, ..HttpConfig::default() });
    let of_the_store = "sla_scheduler_overdue_rows";
    let answers = |told: &BTreeMap<String, Family>| told["sla_store_answers"].sum("sla_store_answers", &[]);
    let told = look(&router).await;
    assert!(told.contains_key(of_the_store) && answers(&told) == 1.0);
    let mut client = app.database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE deadline IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let told = timeout(Duration::from_secs(20), look(&router)).await.expect("they wait for the store");
    assert!(told.contains_key("sla_sql_pool_wait_seconds") && !told.contains_key(of_the_store));
    assert_eq!(answers(&told), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_connection_is_measured_though_the_pool_has_some_left_for_others() {
    let app = App::sampled().await;
    let router = router(app.gateway.clone(), HttpConfig { metrics: true, ..HttpConfig::default() });
    let waited = async || {
        let told = look(&router).await;
        told["sla_sql_pool_wait_seconds"].sum("sla_sql_pool_wait_seconds_sum", &[])
    };
    let manager = app.gateway.viewer(Some(&app.token("manager@wna.example.com"))).await.unwrap();
    let before = waited().await;
    let mut client = app.database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE sla IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let asked: Vec<_> = (0..20)
        .map(|number| {
            let ask =
                Ask { query: Some(format!("{{ a{number}: slas {{ totalCount }} }}")), ..Ask::default() };
            let (gateway, viewer) = (app.gateway.clone(), manager.clone());
            let operation = gateway.prepare(ask).unwrap();
            tokio::spawn(async move { gateway.execute(operation, viewer).await })
        })
        .collect();
    sleep(Duration::from_secs(2)).await;
    lock.rollback().await.unwrap();
    join_all(asked).await;
    let waited = waited().await - before;
    assert!(waited > 5.0, "most of 20 waited for 2 s each, and it says {waited} s");
}
