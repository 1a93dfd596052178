//! Secrets that are shown once, by the hundred too, and what a token knows of itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::App;
use crate::refusals::mistakes;

const MANAGER: &str = "manager@wna.example.com";

async fn tenant(app: &App) -> Value {
    app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take()
}

const WEBHOOKS: &str = "mutation ($input: WebhookCreateManyInput!) { payload: webhookCreateMany(input: $input) {
    accepted written results { webhook { id name } secret errors { code path message } clientMutationId } } }";

const TOKENS: &str = "mutation ($input: ServiceTokenCreateManyInput!) { payload: serviceTokenCreateMany(input: $input) {
    accepted written results { serviceToken { id name } token errors { code path message } clientMutationId } } }";

async fn many(app: &App, query: &str, input: Value) -> Value {
    app.data(MANAGER, query, json!({ "input": input })).await["payload"].take()
}

fn shown(payload: &Value, field: &str) -> BTreeSet<String> {
    let results = payload["results"].as_array().unwrap().iter();
    results.filter_map(|result| result[field].as_str().map(str::to_owned)).collect()
}

fn rows(tenant: &Value, name: &str, webhooks: bool) -> Vec<Value> {
    let row = |number: usize| {
        let mut row = json!({ "tenantId": tenant, "name": format!("{name} {number}") });
        if webhooks {
            row["url"] = json!("https://hooks.example.com/breaches");
        }
        row["clientMutationId"] = json!(format!("{name} {number}"));
        row
    };
    (0..50).map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_webhooks_and_tokens_are_made_at_once_each_with_its_own_secret() {
    let app = App::sampled().await;
    let tenant = tenant(&app).await;
    for (query, field, webhooks) in [(WEBHOOKS, "secret", true), (TOKENS, "token", false)] {
        let all = rows(&tenant, "All", webhooks);
        let made = many(&app, query, json!({ "rows": all })).await;
        assert_eq!((&made["accepted"], &made["written"]), (&json!(50), &json!(50)), "{made}");
        assert_eq!(shown(&made, field).len(), 50, "each has its own");
        assert_eq!(made["results"][7]["clientMutationId"], "All 7");
        // A retry makes nothing twice; the text of a token is not kept, so it is not shown again.
        let again = many(&app, query, json!({ "rows": all })).await;
        let object = if webhooks { "webhook" } else { "serviceToken" };
        assert_eq!(again["results"][7][object], made["results"][7][object]);
        let same = if webhooks { shown(&made, field) } else { BTreeSet::new() };
        assert_eq!(shown(&again, field), same);
        // Who only looks, and who makes a mistake, makes no secret.
        let dry = many(&app, query, json!({ "rows": rows(&tenant, "Dry", webhooks), "dryRun": true })).await;
        assert_eq!((&dry["accepted"], &dry["written"], shown(&dry, field).len()), (&json!(50), &json!(0), 0));
        let mut wrong = rows(&tenant, "Wrong", webhooks);
        wrong[3]["name"] = json!(" ");
        wrong[4]["tenantId"] = json!("no id");
        wrong[4]["name"] = json!("");
        let none = many(&app, query, json!({ "rows": wrong })).await;
        assert_eq!((&none["written"], shown(&none, field).len()), (&json!(0), 0));
        assert_eq!(mistakes(&none["results"][3]), ["REQUIRED input.rows.3.name"]);
        let mut told = mistakes(&none["results"][4]);
        told.sort();
        assert_eq!(told, ["INVALID input.rows.4.tenantId", "REQUIRED input.rows.4.name"]);
        let each = many(&app, query, json!({ "rows": wrong, "atomic": false })).await;
        assert_eq!((&each["written"], shown(&each, field).len()), (&json!(48), 48));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_token_reads_itself_and_nothing_more_than_it_may() {
    let app = App::sampled().await;
    let tenant = tenant(&app).await;
    let input = json!({ "rows": [{ "tenantId": tenant, "name": "Wallboard", "scopes": ["SLAS_READ"] }] });
    let made = many(&app, TOKENS, input).await["results"][0].take();
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let ask = |query: &'static str| {
        let (app, bearer) = (&app, &bearer);
        async move {
            let headers = [("authorization", bearer.as_str())];
            let (_, answer) = app.post("application/json", &headers, query, json!({})).await;
            serde_json::from_str::<Value>(&answer).unwrap()
        }
    };
    const ITSELF: &str =
        "{ viewer { name person { id } serviceToken { id name scopes expiresAt revision } } }";
    let expected = json!({
        "name": "Wallboard", "person": null,
        "serviceToken": {
            "id": made["serviceToken"]["id"], "name": "Wallboard", "scopes": ["SLAS_READ"], "expiresAt": null, "revision": 1,
        },
    });
    // Without a grant, and with one.
    assert_eq!(ask(ITSELF).await["data"]["viewer"], expected);
    let roles = "{ roles(filter: { name: { eq: \"Manager\" } }) { nodes { id } } }";
    let role = app.data(MANAGER, roles, json!({})).await["roles"]["nodes"][0]["id"].take();
    let grant = "mutation ($input: RoleGrantInput!) { roleGrant(input: $input) { errors { code path } } }";
    let input = json!({ "tenantId": tenant, "roleId": role, "serviceTokenId": made["serviceToken"]["id"] });
    let granted = app.data(MANAGER, grant, json!({ "input": input })).await;
    assert_eq!(granted["roleGrant"]["errors"], json!([]));
    assert_eq!(ask(ITSELF).await["data"]["viewer"], expected);
    let own = ask("{ viewer { serviceToken { tenant { slug } } } }").await;
    assert_eq!(own["data"]["viewer"]["serviceToken"]["tenant"]["slug"], "wna", "{own}");
    // What it was granted, and tokens in general, are for those who manage them.
    for query in
        ["{ viewer { serviceToken { roleGrants { totalCount } } } }", "{ serviceTokens { totalCount } }"]
    {
        let refused = ask(query).await;
        assert_eq!(refused["errors"][0]["extensions"]["permissionEnum"], "TENANTS_ADMIN", "{refused}");
    }
    // A person is no token.
    let data = app.data(MANAGER, "{ viewer { serviceToken { id } } }", json!({})).await;
    assert_eq!(data["viewer"]["serviceToken"], Value::Null);
}
