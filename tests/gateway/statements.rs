//! How many SQL statements an answer takes: at most one per level and kind of object, whatever the size of the pages.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::app::App;
use crate::introspection::Types;

const OPERATOR: &str = "operator@example.com";

/// Deep questions, each with the statements of its levels in order.
const DEEP: &[(&str, &str, &[&str])] = &[
    (
        "the tree of tenants with what each promises",
        "query ($n: Int, $m: Int) { tenants(first: $n, filter: { parent: { isNull: true } }, orderBy: [{ field: SLUG, direction: DESC }]) { nodes {
           name defaultSla { name }
           children(first: $m) { nodes { name parent { name }
             slas(first: $m) { nodes { name status customer { name } activeVersion { versionName terms {
               ... on ServiceTerms { coverage organizations { name } serviceOffering { name } } } } } } } } } } }",
        &["tenants, default SLAs", "children", "SLAs, customers, versions, offerings", "organizations of coverages"],
    ),
    (
        "clocks with all they refer to",
        "query ($n: Int, $m: Int) { slas(first: $n, filter: { kind: { eq: SERVICE }, status: { eq: ACTIVE } }) { nodes {
           name tenant { name } customer { name }
           serviceOffering { name service { name } serviceHours { name hours { weekday } } targets { impact supportHours { name } } }
           affectedSlas(first: $m) { totalCount nodes { startedAt
             request { subject requester { name organization { name } } } supportTeam { name } slaVersion { number }
             breaches { phase targetAt } } } } } }",
        &[
            "SLAs, tenants, customers, versions, offerings, services, service hours",
            "hours",
            "targets",
            "support hours",
            "affected SLAs, requests, requesters, organizations, teams, versions",
            "how many",
            "breaches",
        ],
    ),
    (
        "requests, what happened to them, and their clocks",
        "query ($n: Int, $m: Int) { requests(first: $n, filter: { channel: { eq: TICKET } }) { nodes { subject
           requester { name site { name } teams(first: $m) { totalCount } }
           serviceInstance { name provider { name } }
           events(first: $m) { nodes { occurredAt status team { name members(first: $m) { nodes { name } } } } }
           affectedSlas(first: $m) { nodes { sla { name activeVersion { number } } slaVersion { versionName } breaches { kind } } } } } }",
        &[
            "requests, requesters, sites, instances, providers",
            "how many teams",
            "events, teams",
            "members",
            "affected SLAs, SLAs, versions",
            "breaches",
        ],
    ),
    (
        "the same list under two names, with one fragment",
        "query ($n: Int, $m: Int) {
           old: slas(first: $n, orderBy: [{ field: CREATED_AT }]) { nodes { ...promise } }
           new: slas(first: $n, orderBy: [{ field: CREATED_AT, direction: DESC }]) { nodes { ...promise } } }
         fragment promise on Sla { name versions(first: $m) { nodes { number isActive createdBy { name } } } latest: versions(first: 1) { edges { cursor node { ...version } } } }
         fragment version on SlaVersion { versionName sla { name tenant { name } } }",
        &["old SLAs", "new SLAs", "versions, authors", "latest versions, SLAs, tenants", "SLAs of versions"],
    ),
    (
        "versions that were in force at two instants",
        "query ($n: Int) { slas(first: $n) { nodes { name now: versionAt(at: \"2031-01-01T00:00:00Z\") { number }
           before: versionAt(at: \"2030-01-01T00:00:00Z\") { number } } } }",
        &["SLAs", "which were in force", "versions"],
    ),
    (
        "breaches with whatever they are about",
        "query ($n: Int) { breaches(first: $n) { edges { node { kind phase tenant { name }
           sla { name tenant { slug } } affectedSla { startedAt request { subject } } slaLimit { contact project { name } }
           retracts { phase } retractedBy { phase } } } totalCount } }",
        &["breaches with all they name", "how many", "retractions"],
    ),
    (
        "hours of projects and what limits them",
        "query ($n: Int, $m: Int) { projects(first: $n) { nodes { name tenant { name }
           slaLimits(first: $m) { totalCount nodes { contact consumption { hours share } breaches(first: $m) { nodes { targetAt phase } } } }
           timeEntries(first: $m) { totalCount nodes { startedAt person { name organization { name } } } } } } }",
        &["projects, tenants", "limits", "how many limits", "consumption", "breaches", "time entries, people", "how many entries"],
    ),
    (
        "four connections below each other",
        "query ($n: Int, $m: Int) { organizations(first: $n, filter: { name: { contains: \"Widget North America, \" } }) { nodes { name parent { name }
           people(first: $m) { nodes { name requests(first: $m) { nodes { subject
             affectedSlas(first: $m) { totalCount nodes { nextTarget sla { name } } } } } } } } } }",
        &["organizations, parents", "people", "requests", "affected SLAs, SLAs", "how many"],
    ),
    (
        "how promises turned out",
        "query ($n: Int) { slas(first: $n, orderBy: [{ field: ID }]) { nodes { name attainment(by: WEEK, from: \"2026-01-01T00:00:00Z\", to: \"2027-01-01T00:00:00Z\") {
           total { response { met } availability { share } } buckets { resolution { breached } } } } }
           tenants(first: $n) { nodes { attainment(from: \"2026-01-01T00:00:00Z\", to: \"2027-01-01T00:00:00Z\") { total { response { met } } } } } }",
        &["SLAs", "tenants", "counts of SLAs", "counts of tenants", "downtimes", "service hours"],
    ),
    (
        "why clocks show what they show",
        "query ($n: Int) { affectedSlas(first: $n, filter: { impact: { isNull: false } }) { nodes { actualResolutionDuration
           explanation { slaVersion { number } response { countedMinutes } resolution { countedMinutes intervals(first: 5) { reason } } } } } }",
        &[
            "affected SLAs",
            "what was frozen, with the requests",
            "what happened",
            "relations of instances",
            "promises of offerings",
            "versions",
        ],
    ),
    (
        "through calendars and the graph of instances",
        "query ($n: Int, $m: Int) { serviceOfferings(first: $n) { nodes { name
           standardServiceRequests { name supportHours { name hours { weekday } holidays { name } } }
           slas(first: $m) { nodes { name affectedSlas(first: $m) { nodes { serviceInstance { name
             usedBy { effect serviceInstance { name } } } } } } } } } }",
        &["offerings", "standard requests, calendars", "hours", "SLAs", "affected SLAs, instances", "relations", "instances that use them"],
    ),
];

async fn count(app: &App, query: &str, n: u32, m: u32) -> u64 {
    app.statements(OPERATOR, query, json!({ "n": n, "m": m })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_answer_takes_one_statement_per_level_and_kind_whatever_the_size_of_its_pages() {
    let app = App::sampled().await;
    for (what, query, levels) in DEEP {
        let mut counts = Vec::new();
        for (n, m) in [(2, 3), (50, 3), (2, 5), (7, 4)] {
            counts.push(count(&app, query, n, m).await);
        }
        assert_eq!(counts, [levels.len() as u64; 4], "{what}: {levels:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_number_of_statements_does_not_depend_on_what_else_happens() {
    let app = App::sampled().await;
    let mut alone = Vec::new();
    for (_, query, _) in DEEP {
        alone.push(count(&app, query, 7, 3).await);
    }
    for _ in 0..10 {
        let together = DEEP.iter().map(|(_, query, _)| {
            let app = app.clone();
            tokio::spawn(async move { count(&app, query, 7, 3).await })
        });
        let together: Vec<u64> = join_all(together).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(together, alone);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_row_refers_to_comes_with_its_page() {
    let app = App::sampled().await;
    let types = Types::of(&app).await;
    // Found by the record that refers to it, not by a column of its own.
    let by_others = BTreeSet::from([("Breach", "retractedBy")]);
    let mut seen = 0;
    for (list, rows) in types.connections(types.get("Query")) {
        for field in
            types.to_one(rows).filter(|field| !by_others.contains(&(rows.name.as_str(), field.name.as_str())))
        {
            let inner = format!("{} {{ {} }}", field.name, types.scalars(types.get(field.r#type.name())));
            // A few scalars look at further rows.
            let inner = [" isActive", " createdByName", " updatedByName", " coverage"]
                .iter()
                .fold(inner, |all, lifted| all.replace(lifted, ""));
            for (rows, selection) in [(2, "nodes"), (50, "nodes"), (50, "edges { node")] {
                let close = if selection == "nodes" { "" } else { "}" };
                let query =
                    format!("{{ {}(first: {rows}) {{ {selection} {{ {inner} }} {close} }} }}", list.name);
                assert_eq!(app.statements(OPERATOR, &query, json!({})).await, 1, "{query}");
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_under_the_rows_of_a_page_is_one_statement_and_its_total_one_more() {
    let app = App::sampled().await;
    let types = Types::of(&app).await;
    let mut seen = 0;
    for (list, rows) in types.connections(types.get("Query")) {
        let page =
            |n: u32, inner: &str| format!("{{ {}(first: {n}) {{ nodes {{ id {inner} }} }} }}", list.name);
        let alone = app.data(OPERATOR, &page(50, ""), json!({})).await;
        if alone[&list.name]["nodes"] == json!([]) {
            continue;
        }
        for (field, inner_rows) in types.connections(rows) {
            seen += 1;
            let name = &field.name;
            for (n, m) in [(2, 2), (50, 2), (2, 50), (20, 20)] {
                let query = page(n, &format!("{name}(first: {m}) {{ nodes {{ id }} }}"));
                assert_eq!(app.statements(OPERATOR, &query, json!({})).await, 2, "{query}");
            }
            let query = page(50, &format!("{name}(first: 2) {{ totalCount nodes {{ id }} }}"));
            assert_eq!(app.statements(OPERATOR, &query, json!({})).await, 3, "{query}");
            let query = page(50, &format!("{name} {{ totalCount }}"));
            assert_eq!(app.statements(OPERATOR, &query, json!({})).await, 2, "{query}");
            // Nothing of the page is looked at: nothing is read.
            let query = page(50, &format!("{name} {{ __typename }}"));
            assert_eq!(app.statements(OPERATOR, &query, json!({})).await, 1, "{query}");
            if let Some(to_one) = types.to_one(inner_rows).find(|field| field.name == "tenant") {
                let query =
                    page(20, &format!("{name}(first: 5) {{ nodes {{ {} {{ name }} }} }}", to_one.name));
                assert_eq!(app.statements(OPERATOR, &query, json!({})).await, 2, "{query}");
            }
        }
        let lists = rows.fields().iter().filter(|field| {
            field.r#type.is_list() && field.needs_nothing() && types.get(field.r#type.name()).kind == "OBJECT"
        });
        for field in lists {
            seen += 1;
            // A relation brings the instance at its other end.
            let most = if field.r#type.name() == "ServiceInstanceRelation" { 3 } else { 2 };
            for n in [2, 50] {
                let query = page(n, &format!("{} {{ __typename }}", field.name));
                assert!(app.statements(OPERATOR, &query, json!({})).await <= most, "{query}");
            }
        }
        let counted = format!("{{ {}(first: 50) {{ totalCount nodes {{ id }} }} }}", list.name);
        assert_eq!(app.statements(OPERATOR, &counted, json!({})).await, 2, "{counted}");
    }
    assert!(seen > 40, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_selected_in_several_places_is_one_statement_and_its_rows_are_those_of_one() {
    let app = App::sampled().await;
    let same = async |apart: &str, together: &str| {
        let mut counts = Vec::new();
        let mut answers = Vec::new();
        for query in [apart, together] {
            counts.push(app.statements(OPERATOR, query, json!({ "yes": true })).await);
            answers.push(app.data(OPERATOR, query, json!({ "yes": true })).await);
        }
        assert_eq!(counts[0], counts[1], "{apart}");
        assert_eq!(answers[0], answers[1], "{apart}");
    };
    // Beside a fragment, in it, and in one that it spreads; twice, and on a condition.
    same(
        "query ($yes: Boolean!) { tenant(slug: \"wna\") { slas(first: 3) { nodes { id customer { id } } } ...S ... @include(if: $yes) { ...S } } }
         fragment S on Tenant { slas(first: 3) { nodes { versions(first: 2) { nodes { id } } ...V customer { name } } } }
         fragment V on Sla { versions(first: 2) { totalCount nodes { number createdBy { name } } } }",
        "query ($yes: Boolean!) { tenant(slug: \"wna\") @include(if: $yes) { slas(first: 3) { nodes { id customer { id name }
           versions(first: 2) { totalCount nodes { id number createdBy { name } } } } } } }",
    )
    .await;
    // Of an object whose type is found out when it is read.
    let tenant = app.data(OPERATOR, "{ tenant(slug: \"wna\") { id } }", json!({})).await;
    let id = tenant["tenant"]["id"].as_str().unwrap();
    same(
        &format!(
            "query ($yes: Boolean!) {{ node(id: \"{id}\") {{ ...A @include(if: $yes) ... on Node {{ ...B }} }} }}
             fragment A on Tenant {{ sites(first: 2) {{ nodes {{ name }} }} }}
             fragment B on Tenant {{ sites(first: 2) {{ nodes {{ id }} }} ... on Node {{ id ... on Tenant {{ slug }} ... on Sla {{ status }} }} }}"
        ),
        &format!(
            "query ($yes: Boolean!) {{ node(id: \"{id}\") @include(if: $yes) {{ id ... on Tenant {{ slug sites(first: 2) {{ nodes {{ id name }} }} }} }} }}"
        ),
    )
    .await;
    // One fragment in two places, in one of which more is selected of its list.
    same(
        "query ($yes: Boolean!) { few: slas(first: 3) @include(if: $yes) { nodes { ...V } }
           more: slas(first: 3) { nodes { ...V versions(first: 2) { nodes { createdBy { name } sla { name } } } } } }
         fragment V on Sla { versions(first: 2) { nodes { number } } }",
        "query ($yes: Boolean!) { few: slas(first: 3) @include(if: $yes) { nodes { versions(first: 2) { nodes { number } } } }
           more: slas(first: 3) { nodes { versions(first: 2) { nodes { number createdBy { name } sla { name } } } } } }",
    )
    .await;
}
