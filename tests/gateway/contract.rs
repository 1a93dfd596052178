//! The contract: the schema as written down, its texts, the starters that GraphiQL offers, and what every table owes
//! to the tree of tenants.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use futures_util::StreamExt;
use serde_json::{Value, json};
use sla_gateway::graphql::document::Ask;
use sla_gateway::graphql::sdl;
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::app::App;
use crate::database::Database;
use crate::introspection::Types;
use crate::schema::equals_file;

const OPERATOR: &str = "operator@example.com";

#[test]
fn schema_graphql_equals_the_exported_schema() {
    equals_file("schema.graphql", &sdl(), "UPDATE=1 cargo test --test gateway schema_graphql");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_the_schema_is_described_in_sentences() {
    let app = App::new().await;
    let types = Types::of(&app).await;
    // Those of the GraphQL specification, and one whose text is its library's.
    let foreign = ["Boolean", "Float", "ID", "Int", "String", "UUID"];
    let mut faults = Vec::new();
    let mut seen = 0;
    let mut sentence = |what: String, text: &Option<String>| {
        seen += 1;
        let text = text.as_deref().unwrap_or_default().trim();
        let begins = text.starts_with(|c: char| c.is_uppercase() || c.is_numeric() || c == '`' || c == '"');
        let paragraphs = text.split("\n\n");
        if !begins || paragraphs.clone().any(|paragraph| !paragraph.ends_with('.')) {
            faults.push(format!("{what}: {text:?}"));
        }
    };
    for ty in types.all().filter(|ty| !foreign.contains(&ty.name.as_str())) {
        // The root of an operation speaks through its fields.
        if !["Query", "Mutation", "Subscription"].contains(&ty.name.as_str()) {
            sentence(ty.name.clone(), &ty.description);
        }
        for field in ty.fields() {
            sentence(format!("{}.{}", ty.name, field.name), &field.description);
            for arg in &field.args {
                sentence(format!("{}.{}({})", ty.name, field.name, arg.name), &arg.description);
            }
        }
        for input in ty.inputs() {
            sentence(format!("{}.{}", ty.name, input.name), &input.description);
        }
        for value in ty.values() {
            sentence(format!("{}.{}", ty.name, value.name), &value.description);
        }
    }
    assert!(seen > 1_000, "{seen}");
    assert!(faults.is_empty(), "{} without a sentence: {faults:#?}", faults.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_a_right_of_its_own_can_be_null_and_says_so() {
    let app = App::new().await;
    let types = Types::of(&app).await;
    // What the contract promises never to be null.
    let promised = ["AffectedSla.sla", "AffectedSla.request"];
    let roots = ["Query", "Mutation", "Subscription"];
    let (mut faults, mut seen) = (Vec::new(), 0);
    for ty in types.all().filter(|ty| ty.kind == "OBJECT" && !roots.contains(&ty.name.as_str())) {
        for field in ty.fields() {
            let name = format!("{}.{}", ty.name, field.name);
            let told = field.description.clone().unwrap_or_default().replace('\n', " ");
            let can_be_null = !field.r#type.written().ends_with('!');
            let right = match (told.contains("Needs `"), promised.contains(&name.as_str())) {
                (true, true) => !can_be_null && told.contains("is never null"),
                (true, false) => can_be_null && told.contains("else it is null, with an error"),
                (false, promised) => !promised && !told.contains("else it is null"),
            };
            seen += usize::from(told.contains("Needs `"));
            // A list under an object: its arguments can be wrong, and leave the object.
            let own_list = ty.is_node() && types.rows_of(field).is_some();
            if !right || own_list && !can_be_null {
                faults.push(format!("{name}: {} {told}", field.r#type.written()));
            }
        }
    }
    assert!(seen > 60, "{seen}");
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn introspection_tells_of_which_inputs_exactly_one_member_is_given() {
    let app = App::new().await;
    let query = "{ terms: __type(name: \"SlaTermsInput\") { isOneOf } sla: __type(name: \"SlaCreateInput\") { isOneOf }
        object: __type(name: \"Sla\") { isOneOf } }";
    let expected =
        json!({ "terms": { "isOneOf": true }, "sla": { "isOneOf": false }, "object": { "isOneOf": null } });
    assert_eq!(app.data("", query, json!({})).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_starter_of_graphiql_runs_without_errors() {
    let app = App::sampled().await;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/src/starters");
    let mut kinds = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let query = std::fs::read_to_string(&path).unwrap();
        let ask = Ask { query: Some(query.clone()), ..Ask::default() };
        let operation = app.gateway.prepare(ask).unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
        match operation.kind() {
            OperationType::Query => {
                kinds.insert("query");
                let data = app.data(OPERATOR, &query, json!({})).await;
                let fields = data.as_object().unwrap();
                assert!(fields.values().all(|value| !value.is_null()), "{name}: {data}");
            }
            OperationType::Mutation => {
                kinds.insert("mutation");
                let data = app.data(OPERATOR, &query, json!({})).await;
                let payload = data.as_object().unwrap().values().next().unwrap();
                assert_eq!(payload["errors"], json!([]), "{name}");
            }
            OperationType::Subscription => {
                kinds.insert("subscription");
                let token = app.token(OPERATOR);
                let viewer = app.gateway.viewer(Some(&token)).await.unwrap();
                let mut events = app.gateway.subscribe(operation, viewer);
                let first = timeout(Duration::from_secs(10), events.next()).await.unwrap().unwrap();
                let first: Value = serde_json::from_str(first.json()).unwrap();
                assert_eq!(first["errors"], Value::Null, "{name}");
                assert_ne!(first["data"], Value::Null, "{name}");
            }
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["mutation", "query", "subscription"]);
}

/// Asks the catalogue, with `TABLES` standing for all tables; partitions are storage of their parents.
async fn catalogue(client: &Client, query: &str) -> Vec<String> {
    const TABLES: &str = "(SELECT c.oid, c.relname::text AS name FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname <> '__diesel_schema_migrations')";
    let rows = client.query(&query.replace("TABLES", TABLES), &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_carries_its_tenant_and_its_root() {
    let database = Database::new().await;
    let client = database.client().await;
    // The head of the log, the epoch of rights and the logins that are claimed are about no tenant; a tenant is its own, the closure is of two.
    let rootless = ["authorization_epoch", "breach_log_head", "login_claim"];
    let tenantless = ["tenant", "tenant_closure"];
    let lacking = |column: &str| {
        format!(
            "SELECT name FROM TABLES t WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid
               AND a.attname = '{column}' AND a.attnotnull AND NOT a.attisdropped) ORDER BY name COLLATE \"C\""
        )
    };
    assert_eq!(catalogue(&client, &lacking("root_id")).await, rootless);
    let mut expected = [rootless.as_slice(), &tenantless].concat();
    expected.sort_unstable();
    assert_eq!(catalogue(&client, &lacking("tenant_id")).await, expected);
    assert!(catalogue(&client, "SELECT name FROM TABLES t").await.len() > 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_begins_with_the_root() {
    let database = Database::new().await;
    let client = database.client().await;
    // Keys and foreign keys alike: so a link across roots cannot be stored.
    let exceptions = ["authorization_epoch_pkey", "breach_log_head_pkey", "login_claim_pkey"];
    let others = "SELECT con.conname::text FROM pg_constraint con JOIN TABLES t ON t.oid = con.conrelid
        WHERE con.contype IN ('p', 'u', 'f')
          AND (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = con.conkey[1]) <> 'root_id'
        ORDER BY 1";
    assert_eq!(catalogue(&client, others).await, exceptions);
    let unique = "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN TABLES t ON t.oid = i.indrelid
        WHERE i.indisunique
          AND coalesce((SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = i.indkey[0]), '')
            <> 'root_id'
        ORDER BY 1";
    assert_eq!(catalogue(&client, unique).await, exceptions);
    let referenced = "SELECT con.conname::text FROM pg_constraint con JOIN TABLES t ON t.oid = con.conrelid
        WHERE con.contype = 'f' AND (SELECT a.attname FROM pg_attribute a
          WHERE a.attrelid = con.confrelid AND a.attnum = con.confkey[1]) <> 'root_id'";
    assert_eq!(catalogue(&client, referenced).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_foreign_key_has_an_index_that_begins_with_its_columns() {
    let database = Database::new().await;
    let client = database.client().await;
    // A partial index serves where it leaves out nothing but rows that refer to nothing.
    let unindexed = "SELECT t.name || ': ' || pg_get_constraintdef(con.oid)
        FROM pg_constraint con JOIN TABLES t ON t.oid = con.conrelid
        WHERE con.contype = 'f' AND NOT EXISTS (
          SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisvalid
            AND (SELECT array_agg(k ORDER BY k) FROM unnest((i.indkey::int2[])[0:cardinality(con.conkey) - 1]) k)
              = (SELECT array_agg(k ORDER BY k) FROM unnest(con.conkey) k)
            AND (i.indpred IS NULL OR EXISTS (
              SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = ANY (con.conkey)
                AND pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname))))
        ORDER BY 1";
    assert_eq!(catalogue(&client, unindexed).await, Vec::<String>::new());
    assert!(
        catalogue(&client, "SELECT conname::text FROM pg_constraint WHERE contype = 'f'").await.len() > 100
    );
}
