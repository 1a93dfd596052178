//! Bulk mutations: what is wrong with a row is that row's, also when it names a tenant that its author does not know, or
//! may not write in.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::App;
use crate::inputs::required;
use crate::introspection::{Input, Types};

const MANAGER: &str = "manager@wna.example.com";
const READER: &str = "reader@wna.example.com";
const STRANGER: &str = "manager@itrp.example.com";

/// The field of a row that says whose it is, where that is not `tenantId`, and what it names.
const OWNERS: &[(&str, &str, &str)] = &[
    ("requestRecordMany", "requestId", "request"),
    ("slaVersionCreateMany", "slaId", "SLA"),
    ("tenantCreateMany", "parentId", "tenant"),
    ("timeEntryRecordMany", "projectId", "project"),
];

struct Bulk {
    app: Arc<App>,
    types: Types,
}

impl Bulk {
    async fn new() -> Self {
        let app = App::sampled().await;
        let types = Types::of(&app).await;
        Self { app, types }
    }

    fn mutations(&self) -> Vec<String> {
        let all = self.types.get("Mutation").fields().iter().map(|field| field.name.clone());
        all.filter(|name| name.ends_with("Many")).collect()
    }

    /// A row that fits its type, and the field that says whose it is.
    fn row(&self, mutation: &str) -> (Value, &'static str, &'static str) {
        let own = OWNERS.iter().find(|(name, ..)| *name == mutation);
        let (owner, noun) = own.map_or(("tenantId", "tenant"), |(_, owner, noun)| (*owner, *noun));
        let input = self.types.get("Mutation").field(mutation).unwrap().args[0].r#type.name();
        let rows: &Input = self.types.get(input).inputs().iter().find(|input| input.name == "rows").unwrap();
        let mut row = required(&self.types, rows);
        // What may be left out must not stand in the way.
        row.as_object_mut().unwrap().retain(|name, _| name != "requestId");
        (row, owner, noun)
    }

    async fn ask(&self, login: &str, mutation: &str, input: Value) -> Value {
        let kind = self.types.get("Mutation").field(mutation).unwrap().args[0].r#type.written();
        let query = format!(
            "mutation($input: {kind}) {{ payload: {mutation}(input: $input) {{ accepted written results {{
               errors {{ code path message }} }} }} }}"
        );
        self.app.ask(login, &query, json!({ "input": input })).await
    }

    /// An object of each kind that says whose a row is, as its owner knows it.
    async fn object(&self, login: &str, noun: &str) -> Value {
        let list = match noun {
            "request" => "requests(filter: { tenant: { in: $tenants } }, first: 1)",
            "SLA" => "slas(filter: { tenant: { in: $tenants }, kind: { eq: SERVICE } }, first: 1)",
            _ => "projects(filter: { tenant: { in: $tenants } }, first: 1)",
        };
        let slug = login.split(['@', '.']).nth(1).unwrap();
        let own = "query ($slug: String!) { tenant(slug: $slug) { id } }";
        let tenant = self.app.data(login, own, json!({ "slug": slug })).await["tenant"]["id"].take();
        if noun == "tenant" {
            return tenant;
        }
        let query = format!("query ($tenants: [ID!]!) {{ found: {list} {{ nodes {{ id }} }} }}");
        let data = self.app.data(login, &query, json!({ "tenants": [tenant] })).await;
        data["found"]["nodes"][0]["id"].clone()
    }
}

fn told(answer: &Value) -> Vec<(String, String, String)> {
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    let results = answer["data"]["payload"]["results"].as_array().unwrap();
    let errors = results.iter().flat_map(|result| result["errors"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mistake = |error: &Value| {
        let path: Vec<String> = error["path"].as_array().unwrap().iter().map(text).collect();
        (text(&error["code"]), path.join("."), text(&error["message"]))
    };
    errors.map(mistake).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p3_a_row_of_a_tenant_that_its_author_does_not_know_or_may_not_write_in_is_that_rows_mistake() {
    let bulk = Bulk::new().await;
    // Widget and the other tree have a project each.
    let projects = "INSERT INTO project (root_id, id, tenant_id, name)
        SELECT root_id, uuid_v7(), id, 'Bulk' FROM tenant WHERE slug IN ('wna', 'itrp')";
    bulk.app.database.client().await.batch_execute(projects).await.unwrap();
    let unknown = json!("f0000000-0000-0000-0000-000000000007");
    let mutations = bulk.mutations();
    assert!(mutations.len() > 15, "{mutations:?}");
    for mutation in &mutations {
        let (row, owner, noun) = bulk.row(mutation);
        let theirs = bulk.object(STRANGER, noun).await;
        let ours = bulk.object(MANAGER, noun).await;
        assert!(theirs.is_string() && ours.is_string(), "{mutation}: {theirs} {ours}");
        let of = |id: &Value| {
            let mut row = row.clone();
            row[owner] = id.clone();
            row
        };
        let at = |number: usize| format!("input.rows.{number}.{owner}");
        let rows = json!([of(&unknown), of(&theirs), of(&json!("nonsense"))]);
        for (atomic, dry_run) in [(true, false), (false, false), (true, true)] {
            let input = json!({ "rows": rows, "atomic": atomic, "dryRun": dry_run });
            let answer = bulk.ask(MANAGER, mutation, input).await;
            // What is no id is told with all else that is wrong with its row; of the others only that.
            let (found, besides): (Vec<_>, Vec<_>) =
                told(&answer).into_iter().partition(|(_, path, _)| (0..3).any(|number| *path == at(number)));
            assert!(
                besides.iter().all(|(_, path, _)| path.starts_with("input.rows.2")),
                "{mutation}: {besides:?}"
            );
            let missing = format!("There is no {noun} of this id that you may see.");
            let no_id = "This is not an id: pass an id exactly as a query gave it, or a UUID.".to_owned();
            // Of what is not visible just what is told of what does not exist.
            let expected = [
                ("NOT_FOUND".to_owned(), at(0), missing.clone()),
                ("NOT_FOUND".to_owned(), at(1), missing),
                ("INVALID".to_owned(), at(2), no_id),
            ];
            assert_eq!(found, expected, "{mutation}");
            let counts = &answer["data"]["payload"];
            assert_eq!((&counts["accepted"], &counts["written"]), (&json!(0), &json!(0)), "{mutation}");
        }
        // Who may write in none of the tenants is told so of each row, whatever is wrong with it besides.
        let mut wrong = of(&ours);
        for name in ["name", "subject", "category"].iter().filter(|name| !row[**name].is_null()) {
            wrong[*name] = json!("");
        }
        let answer = bulk.ask(READER, mutation, json!({ "rows": [of(&ours), wrong] })).await;
        let found = told(&answer);
        assert_eq!(found.len(), 2, "{mutation}: {found:?}");
        for (number, (code, path, message)) in found.iter().enumerate() {
            assert_eq!((code.as_str(), path), ("FORBIDDEN", &at(number)), "{mutation}");
            assert!(message.starts_with("You need the permission "), "{mutation}: {message}");
        }
        // Who is nobody is told nothing of rows.
        let answer = bulk.ask("", mutation, json!({ "rows": rows })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{mutation}: {answer}");
        assert_eq!(answer["data"], Value::Null, "{mutation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_that_may_not_be_written_keeps_all_from_it_or_only_itself() {
    let bulk = Bulk::new().await;
    let ours = bulk.object(MANAGER, "tenant").await;
    let theirs = bulk.object(STRANGER, "tenant").await;
    let rows = |name: &str| {
        let site = |tenant: &Value, name: String| json!({ "tenantId": tenant, "name": name });
        json!([
            site(&ours, format!("{name} 1")),
            site(&theirs, format!("{name} 2")),
            site(&ours, " ".to_owned()),
            site(&ours, format!("{name} 4")),
        ])
    };
    let expected = ["NOT_FOUND input.rows.1.tenantId".to_owned(), "REQUIRED input.rows.2.name".to_owned()];
    for (name, atomic, dry_run, written) in [
        ("All", true, false, 0),
        ("Each", false, false, 2),
        ("None", false, true, 0),
        ("Both", true, true, 0),
    ] {
        let input = json!({ "rows": rows(name), "atomic": atomic, "dryRun": dry_run });
        let answer = bulk.ask(MANAGER, "siteCreateMany", input).await;
        let found: Vec<String> =
            told(&answer).into_iter().map(|(code, path, _)| format!("{code} {path}")).collect();
        assert_eq!(found, expected, "{name}");
        let counts = &answer["data"]["payload"];
        assert_eq!((&counts["accepted"], &counts["written"]), (&json!(2), &json!(written)), "{name}");
        let stored =
            "query ($name: String!) { sites(filter: { name: { startsWith: $name } }) { totalCount } }";
        let data = bulk.app.data(MANAGER, stored, json!({ "name": format!("{name} ") })).await;
        assert_eq!(data["sites"]["totalCount"], written, "{name}");
    }
    // The same of what is told rather than made.
    let ticket = |tenant: &Value, subject: &str| json!({ "tenantId": tenant, "subject": subject });
    for (subject, atomic, dry_run, written) in
        [("All", true, false, 0), ("Each", false, false, 2), ("None", false, true, 0)]
    {
        let rows = json!([ticket(&ours, subject), ticket(&theirs, subject), ticket(&ours, subject)]);
        let input = json!({ "rows": rows, "atomic": atomic, "dryRun": dry_run });
        let answer = bulk.ask(MANAGER, "requestRegisterMany", input).await;
        assert_eq!(told(&answer).len(), 1, "{answer}");
        let counts = &answer["data"]["payload"];
        assert_eq!((&counts["accepted"], &counts["written"]), (&json!(2), &json!(written)), "{answer}");
        let stored =
            "query ($subject: String!) { requests(filter: { subject: { eq: $subject } }) { totalCount } }";
        let data = bulk.app.data(MANAGER, stored, json!({ "subject": subject })).await;
        assert_eq!(data["requests"]["totalCount"], written, "{subject}");
    }
    let input = json!({ "rows": [ticket(&ours, "Bulk"), ticket(&ours, "Bulk")] });
    let answer = bulk.ask(MANAGER, "requestRegisterMany", input).await;
    assert_eq!(answer["data"]["payload"]["written"], 2, "{answer}");
    // Rows are counted, not what they make: of what is said twice each counts.
    let mut twice = ticket(&ours, "Twice");
    twice["source"] = json!("desk");
    twice["sourceId"] = json!("1");
    let answer = bulk.ask(MANAGER, "requestRegisterMany", json!({ "rows": [twice, twice] })).await;
    let counts = &answer["data"]["payload"];
    assert_eq!((&counts["accepted"], &counts["written"]), (&json!(2), &json!(2)), "{answer}");
}
