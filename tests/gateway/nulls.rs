//! What stands in an answer where something failed, what an argument is that a variable was not sent for, and that what is
//! selected in several places is run once.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sla_gateway::access::Permission;

use crate::app::App;
use crate::following::person;
use crate::introspection::Types;

const READER: &str = "reader@wna.example.com";
const MANAGER: &str = "manager@wna.example.com";

async fn data(app: &App, query: &str) -> Value {
    let mut answer = app.ask(READER, query, json!({})).await;
    assert_ne!(answer["errors"], Value::Null, "{answer}");
    assert!(answer.as_object().unwrap().contains_key("data"), "{answer}");
    answer["data"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_failed_is_null_where_it_may_be_and_else_what_holds_it() {
    let app = App::sampled().await;
    let answer = data(&app, "{ viewer { __typename } tenant(slug: \"nope\") { name } }").await;
    assert_eq!(answer, json!({ "viewer": { "__typename": "Viewer" }, "tenant": null }));
    assert_eq!(data(&app, "{ tenant(slug: \"nope\") { name } }").await, json!({ "tenant": null }));
    let answer = data(&app, "{ viewer { __typename } slas(first: 1, after: \"x\") { nodes { id } } }").await;
    assert_eq!(answer, Value::Null, "a list of the root is never null, and nothing around it may be");
    // The audit log of a tenant is no reader's, and may be null.
    let log = "auditLog(first: 1) { totalCount }";
    let answer = data(&app, &format!("{{ tenant(slug: \"wna\") {{ name {log} }} }}")).await;
    assert_eq!(answer, json!({ "tenant": { "name": "Widget North America", "auditLog": null } }));
    // The tenants of a viewer are never null.
    let many = "tenants(first: 1000) { totalCount }";
    let answer = data(
        &app,
        &format!(
            "{{ t: viewer {{ __typename }} u: viewer {{ ...L }} }}
        fragment L on Viewer {{ ... on Viewer {{ l: {many} }} }}"
        ),
    )
    .await;
    assert_eq!(answer, json!({ "t": { "__typename": "Viewer" }, "u": null }));
    // A person's login may be null: the rows stay.
    let query =
        "{ people(first: 2) { nodes { login firstName } } more: people(first: 2) { nodes { login } } }";
    let answer = data(&app, query).await;
    let rows = answer["people"]["nodes"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["login"] == Value::Null && row["firstName"].is_string()), "{answer}");
    assert_eq!(answer["more"]["nodes"], json!([{ "login": null }, { "login": null }]));
    // In a list whose items are never null, the list holds it, and what holds that may be null.
    let query = "{ tenant(slug: \"wna\") { name calendars(first: 2) { nodes { name
        targetAt(start: \"2026-03-02T10:00:00Z\", timeZone: \"UTC\") { targetAt } } } } }";
    let holds = json!({ "tenant": { "name": "Widget North America", "calendars": null } });
    assert_eq!(data(&app, query).await, holds);
    let query = "{ nodes(ids: []) { id } node(id: \"0198f000-0000-7000-8000-000000000000\") { id } }";
    assert_eq!(data(&app, query).await, json!({ "nodes": [], "node": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_which_nothing_is_selected_is_empty_and_hides_nothing_that_stands_beside_it() {
    let app = App::sampled().await;
    let read = async |query: &str| app.data(READER, query, json!({ "no": false })).await;
    let answer = read("query($no: Boolean!) { viewer { name @include(if: $no) } }").await;
    assert_eq!(answer, json!({ "viewer": {} }));
    assert_eq!(read("query($no: Boolean!) { viewer @include(if: $no) { name } }").await, json!({}));
    let query = "query($no: Boolean!) { slas(first: 2) { ...Count nodes { ... @include(if: $no) { name } } pageInfo { ...P } } }
        fragment Count on SlaConnection { totalCount @include(if: $no) }
        fragment P on PageInfo { hasNextPage @skip(if: $no) }";
    let nothing = json!({ "slas": { "nodes": [{}, {}], "pageInfo": { "hasNextPage": true } } });
    assert_eq!(read(query).await, nothing);
    // Of a union and of an interface: what is selected is of other types.
    let kind = "filter: { kind: { eq: SERVICE } }";
    let query = format!(
        "{{ slas(first: 1, {kind}) {{ nodes {{ activeVersion {{ terms {{ ... on QueueTerms {{ slaThreshold }} }} }} }} }} }}"
    );
    let nothing = json!({ "slas": { "nodes": [{ "activeVersion": { "terms": {} } }] } });
    assert_eq!(read(&query).await, nothing);
    let id = read("{ slas(first: 1) { nodes { id } } }").await["slas"]["nodes"][0]["id"].take();
    let query = "query($id: ID!) { node(id: $id) { ... on Person { name } } nodes(ids: [$id]) { ...T } }
        fragment T on Tenant { slug }";
    let answer = app.data(READER, query, json!({ "id": id })).await;
    assert_eq!(answer, json!({ "node": {}, "nodes": [{}] }));
    // Two components that ask the same field, of which one selects nothing of it here.
    let query = format!(
        "{{ slas(first: 1, {kind}) {{ nodes {{ activeVersion {{ ...Q ...S }} }} nodes {{ id @skip(if: true) }} }} }}
        fragment Q on SlaVersion {{ terms {{ ... on QueueTerms {{ slaThreshold }} }} }}
        fragment S on SlaVersion {{ terms {{ ... on ServiceTerms {{ serviceOffering {{ __typename }} }} }} }}"
    );
    let offering = json!({ "serviceOffering": { "__typename": "ServiceOffering" } });
    let beside = json!({ "slas": { "nodes": [{ "activeVersion": { "terms": offering } }] } });
    assert_eq!(read(&query).await, beside);
    // What failed is null beside it.
    let query = "{ people(first: 1) { nodes { login @skip(if: false) } } }";
    assert_eq!(data(&app, query).await, json!({ "people": { "nodes": [{ "login": null }] } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_id_among_several_is_null_with_an_error_and_the_others_are_found() {
    let app = App::sampled().await;
    let id =
        app.data(READER, "{ slas(first: 1) { nodes { id } } }", json!({})).await["slas"]["nodes"][0]["id"]
            .take();
    let ids = json!([id, "no id", "0198f000-0000-7000-8000-000000000000"]);
    let answer =
        app.ask(READER, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": ids })).await;
    assert_eq!(answer["data"], json!({ "nodes": [{ "id": id }, null, null] }));
    assert_eq!(answer["errors"][0]["path"], json!(["nodes", 1]));
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_an_int_holds_is_an_error_and_no_number() {
    let app = App::sampled().await;
    let between = |field: &str| {
        format!(
            "{{ tenant(slug: \"wna\") {{ calendars(first: 1, filter: {{ name: {{ contains: \"24\" }} }}) {{ nodes {{ n: {field}(
            from: \"1800-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\", timeZone: \"UTC\") }} }} }} }}"
        )
    };
    let answer = app.ask(READER, &between("secondsBetween"), json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{answer}");
    let answer = app.data(READER, &between("minutesBetween"), json!({})).await;
    assert!(answer["tenant"]["calendars"]["nodes"][0]["n"].is_i64(), "{answer}");
    // The service hours of all times.
    let query = "{ sla(id: \"015330c3-0300-7844-8b68-a8cd782022ed\") {
        attainment(from: \"0001-01-01T00:00:00Z\", to: \"9999-01-01T00:00:00Z\") { total { availability { serviceMinutes } } } } }";
    let answer = app.ask(READER, query, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{answer}");
    assert_eq!(answer["data"]["sla"]["attainment"], json!({ "total": { "availability": null } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_was_not_sent_leaves_the_default() {
    let app = App::sampled().await;
    let query = "mutation($rows: [SiteCreateInput!]!, $dry: Boolean, $atomic: Boolean) {
        siteCreateMany(input: { rows: $rows, dryRun: $dry, atomic: $atomic }) { accepted } }";
    let answer = app.data(MANAGER, query, json!({ "rows": [], "dry": true })).await;
    assert_eq!(answer["siteCreateMany"]["accepted"], 0);
    let query = "query($d: OrderDirection, $first: Int, $shared: Boolean) {
        slas(first: $first, orderBy: [{ field: NAME, direction: $d }]) { nodes { name } }
        tenant(slug: \"wna\") { slas(includeShared: $shared, first: 1) { totalCount } } }";
    let answer = app.data(READER, query, json!({})).await;
    assert!(answer["slas"]["nodes"].as_array().unwrap().len() > 1);
    let fragment = "query($d: OrderDirection) { ...S } fragment S on Query {
        slas(first: 2, orderBy: [{ field: NAME, direction: $d }]) { nodes { name } } }";
    let ascending = app.data(READER, fragment, json!({})).await;
    assert_eq!(ascending["slas"]["nodes"][0], answer["slas"]["nodes"][0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_selected_goes_by_the_default_of_a_variable_that_was_not_sent() {
    let app = App::sampled().await;
    let query = "query($details: Boolean = true, $compact: Boolean! = true) {
        viewer { name @include(if: $details) __typename @skip(if: $compact) } me: viewer @include(if: $details) { __typename } }";
    let answer = app.data(READER, query, json!({})).await;
    assert!(answer["viewer"]["name"].is_string() && answer["viewer"].get("__typename").is_none(), "{answer}");
    assert_eq!(answer["me"], json!({ "__typename": "Viewer" }));
    let answer = app.data(READER, query, json!({ "details": false, "compact": false })).await;
    assert_eq!(answer, json!({ "viewer": { "__typename": "Viewer" } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_the_root_is_run_once_in_however_many_places_it_is_selected() {
    let app = App::sampled().await;
    let tenant =
        app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let create = "mutation($input: TeamCreateInput!, $yes: Boolean = true) {
            ...Name ...Deep @include(if: $yes) ... { teamCreate(input: $input) { errors { code } } } ...No @skip(if: $yes) }
        fragment Name on Mutation { teamCreate(input: $input) { team { name } } }
        fragment Deep on Mutation { ...Id }
        fragment Id on Mutation { teamCreate(input: $input) { team { id } } }
        fragment No on Mutation { again: teamCreate(input: $input) { team { id } } }";
    let input = json!({ "input": { "tenantId": tenant, "name": "Made once" } });
    let made = app.data(MANAGER, create, input).await;
    let found = "{ teams(filter: { name: { eq: \"Made once\" } }) { nodes { id name } } }";
    let found = app.data(MANAGER, found, json!({})).await["teams"]["nodes"].take();
    assert_eq!(made, json!({ "teamCreate": { "team": found[0], "errors": [] } }), "{found}");
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    // What two components show of a list is of the same rows.
    let query = "{ ...Head ...Body } fragment Head on Query { slas(first: 3) { nodes { id } } }
        fragment Body on Query { slas(first: 3) { nodes { name } } }";
    assert_eq!(app.statements(READER, query, json!({})).await, 1);
    let rows = app.data(READER, query, json!({})).await["slas"]["nodes"].take();
    assert!(rows.as_array().unwrap().iter().all(|row| row.as_object().unwrap().len() == 2), "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nested_as_deep_as_it_may_be_is_answered() {
    let app = App::sampled().await;
    let nested =
        |levels| format!("{{ viewer {{ {}name{} }} }}", "... { ".repeat(levels), " }".repeat(levels));
    assert!(app.data(READER, &nested(56), json!({})).await["viewer"]["name"].is_string());
    let refused = app.ask(READER, &nested(60), json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED", "{refused}");
}

/// Lists of which rows may be of tenants below that of the object, or are shared with them: whoever may read them there
/// sees those.
const WITH_BELOW: [&str; 16] = [
    "Organization.children",
    "Organization.people",
    "Organization.slas",
    "Person.requests",
    "Person.roleGrants",
    "Person.teams",
    "Role.roleGrants",
    "Service.serviceInstances",
    "Service.serviceOfferings",
    "ServiceInstance.requests",
    "ServiceOffering.attainment",
    "ServiceOffering.slas",
    "Sla.affectedSlas",
    "Sla.attainment",
    "Sla.breaches",
    "Tenant.slas",
];

#[tokio::test(flavor = "multi_thread")]
async fn p2_what_hangs_under_an_object_is_null_where_the_right_to_it_is_held_in_other_tenants_only() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    let types = Types::of(&app).await;
    let tenant =
        app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let mut objects = Vec::new();
    for (list, ty) in types.connections(types.get("Query")) {
        let of = if ty.name == "Tenant" { "id" } else { "tenant" };
        let one = format!(
            "query ($t: ID!) {{ {}(first: 1, filter: {{ {of}: {{ eq: $t }} }}) {{ nodes {{ id }} }} }}",
            list.name
        );
        let data = app.data(MANAGER, &one, json!({ "t": tenant })).await;
        if let Some(id) = data[&list.name]["nodes"][0]["id"].as_str() {
            objects.push((ty, id.to_owned()));
        }
    }
    let mut tried = BTreeSet::new();
    for permission in Permission::ALL.iter().map(|permission| permission.wire_name()) {
        let needs = format!("Needs `{permission}`: else it is null, with an error.");
        let others =
            Permission::ALL.iter().map(|other| other.wire_name()).filter(|other| *other != permission);
        let others = others.collect::<Vec<_>>().join(",");
        let [below, beside] = ["below", "beside"].map(|held| format!("{held} {permission}"));
        for login in [&below, &beside] {
            person(&client, login, "wna", &others).await;
        }
        person(&client, &beside, "itrp", permission).await;
        let grant = format!(
            "WITH p AS (SELECT root_id, id FROM person WHERE login = '{below}'),
                  r AS (INSERT INTO role (root_id, id, tenant_id, name, permissions)
                    SELECT root_id, uuid_v7(), root_id, 'only {permission}', '{{{permission}}}' FROM p RETURNING id)
             INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
             SELECT p.root_id, uuid_v7(), t.id, r.id, p.id FROM p, r, tenant t WHERE t.slug = 'wna-hq'"
        );
        client.batch_execute(&grant).await.unwrap();
        for (ty, id) in &objects {
            for field in ty.fields() {
                let told = field.description.clone().unwrap_or_default().replace('\n', " ");
                let selection = match types.rows_of(field) {
                    Some(_) => "{ totalCount }",
                    None if field.name == "attainment" => {
                        "(from: \"2016-03-01T00:00:00Z\", to: \"2016-04-01T00:00:00Z\") { timeZone }"
                    }
                    None if field.r#type.is_list() => "{ __typename }",
                    None => continue,
                };
                if !told.contains(&needs) {
                    continue;
                }
                let name = format!("{}.{}", ty.name, field.name);
                let query = format!(
                    "{{ node(id: \"{id}\") {{ ... on {} {{ {} {selection} }} }} }}",
                    ty.name, field.name
                );
                for login in [&below, &beside] {
                    let answer = app.ask(login, &query, json!({})).await;
                    if answer["data"]["node"] == Value::Null {
                        continue;
                    }
                    tried.insert(name.clone());
                    let refused = &answer["errors"][0]["extensions"]["permission"];
                    let shown = login == &below && WITH_BELOW.contains(&&*name);
                    let expected = if shown { Value::Null } else { json!(permission) };
                    assert_eq!(*refused, expected, "{name} as {login}: {answer}");
                }
            }
        }
    }
    assert!(tried.len() >= 50, "{}: {tried:?}", tried.len());
    assert!(WITH_BELOW.iter().all(|name| tried.contains(*name)), "{tried:?}");
}
