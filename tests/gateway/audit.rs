//! The audit log answers who did what to what, also of what is gone (rule P4).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::app::App;
use crate::intake::{key, number, world};
use crate::writes::World;

const MANAGER: &str = "manager@wna.example.com";
const CLERK: &str = "clerk@wna.example.com";

async fn log(app: &App, filter: Value) -> Vec<Value> {
    let query = "query ($filter: AuditEntryFilter) { auditLog(filter: $filter, orderBy: [{ field: ID }]) {
        nodes { action objectType objectUuid actor { email } actorServiceToken { name } actorName } } }";
    let data = app.data(MANAGER, query, json!({ "filter": filter })).await;
    data["auditLog"]["nodes"].as_array().unwrap().clone()
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_the_log_of_what_is_gone_is_found_by_its_id_its_type_and_who_did_it() {
    let app = App::sampled().await;
    let clerk = format!(
        "WITH t AS (SELECT root_id, id FROM tenant WHERE slug = 'wna'),
         p AS (INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login, email)
           SELECT root_id, uuid_v7(), id, 'Some', 'Clerk', '{CLERK}', '{CLERK}' FROM t RETURNING id)
         INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
           SELECT t.root_id, uuid_v7(), t.id, r.id, p.id FROM t JOIN role r ON r.root_id = t.root_id AND r.name = 'Manager', p"
    );
    app.database.client().await.batch_execute(&clerk).await.unwrap();
    let data = app.data(CLERK, "{ tenant(slug: \"wna\") { id } viewer { person { id } } }", json!({})).await;
    let (tenant, person) = (&data["tenant"]["id"], &data["viewer"]["person"]["id"]);
    let create =
        "mutation ($t: ID!) { siteCreate(input: { tenantId: $t, name: \"Gone\" }) { site { id uuid } } }";
    let site = app.data(CLERK, create, json!({ "t": tenant })).await["siteCreate"]["site"].take();
    let delete = "mutation ($id: ID!) { siteDelete(input: { id: $id }) { deletedId } }";
    let deleted =
        app.data(MANAGER, delete, json!({ "id": site["id"] })).await["siteDelete"]["deletedId"].take();
    let both = ["siteCreate", "siteDelete"];
    for id in [&deleted, &site["uuid"]] {
        let entries = log(&app, json!({ "objectUuid": { "eq": id } })).await;
        assert_eq!(actions(&entries), both, "{id}");
        assert!(entries.iter().all(|entry| entry["objectUuid"] == site["uuid"]), "{entries:?}");
        let entries = log(&app, json!({ "objectUuid": { "eq": id }, "actor": { "eq": person } })).await;
        assert_eq!(actions(&entries), both[..1], "{id}");
        assert_eq!(entries[0]["actor"]["email"], CLERK);
    }
    assert_eq!(actions(&log(&app, json!({ "objectType": { "eq": "Site" } })).await), both);
    assert_eq!(actions(&log(&app, json!({ "actor": { "eq": person } })).await), both[..1]);
    let other = log(&app, json!({ "objectUuid": { "eq": "f0000000-0000-0000-0000-000000000007" } })).await;
    assert_eq!(other, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_integration_did_is_found_by_its_token() {
    let app = App::sampled().await;
    let tenant =
        app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let roles = "{ roles(filter: { name: { eq: \"Manager\" } }) { nodes { id } } }";
    let role = app.data(MANAGER, roles, json!({})).await["roles"]["nodes"][0]["id"].take();
    let make = "mutation ($t: ID!) { serviceTokenCreate(input: { tenantId: $t, name: \"Importer\" }) {
        token serviceToken { id } } }";
    let made = app.data(MANAGER, make, json!({ "t": tenant })).await["serviceTokenCreate"].take();
    let id = &made["serviceToken"]["id"];
    let grant = "mutation ($t: ID!, $r: ID!, $s: ID!) {
        roleGrant(input: { tenantId: $t, roleId: $r, serviceTokenId: $s }) { errors { code path } } }";
    let granted = app.data(MANAGER, grant, json!({ "t": tenant, "r": role, "s": id })).await;
    assert_eq!(granted["roleGrant"]["errors"], json!([]));
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let create =
        "mutation ($t: ID!) { siteCreate(input: { tenantId: $t, name: \"There\" }) { errors { code } } }";
    let headers = [("authorization", bearer.as_str())];
    let (_, answer) = app.post("application/json", &headers, create, json!({ "t": tenant })).await;
    assert!(answer.contains("\"errors\":[]"), "{answer}");
    let entries = log(&app, json!({ "actorServiceToken": { "eq": id } })).await;
    assert_eq!(actions(&entries), ["siteCreate"]);
    assert_eq!(entries[0]["actorServiceToken"]["name"], "Importer");
    assert_eq!(entries[0]["actor"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_filter_of_the_log_has_an_index_that_serves_it_the_newest_first() {
    let app = App::new().await;
    let client = app.database.client().await;
    // On an empty table every plan is as good; what matters is which could be used at all.
    client
        .batch_execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
        .await
        .unwrap();
    let key = "'f0000000-0000-0000-0000-000000000007'";
    for (condition, index) in [
        (format!("object_id = {key}"), "root_id_object_id_id"),
        (format!("actor_person_id = {key}"), "root_id_actor_person_id_id"),
        (format!("actor_service_token_id = {key}"), "root_id_actor_service_token_id_id"),
        ("object_type = 'Site'".to_owned(), "root_id_object_type_id"),
    ] {
        let explain = format!(
            "EXPLAIN SELECT * FROM audit_entry WHERE root_id = {key} AND {condition} ORDER BY id DESC LIMIT 25"
        );
        let plan = client.query(&explain, &[]).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
        assert!(plan.join("\n").contains(index), "{condition}: {plan:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_the_log_tells_what_an_sla_promises_and_to_whom_from_its_first_version_on() {
    let app = App::sampled().await;
    let query = "{ tenant(slug: \"wna\") { uuid organizations(first: 1) { nodes { uuid } }
        serviceOfferings(first: 1) { nodes { uuid } } people(first: 1) { nodes { uuid } } } }";
    let tenant = app.data(MANAGER, query, json!({})).await["tenant"].take();
    let of = |list: &str| tenant[list]["nodes"][0]["uuid"].clone();
    let terms = json!({ "serviceOfferingId": of("serviceOfferings"), "coverage": "PEOPLE", "personIds": [of("people")] });
    let version = json!({ "versionName": "1", "terms": { "service": terms } });
    let input = json!({
        "tenantId": tenant["uuid"], "name": "Told", "customerId": of("organizations"), "version": version,
    });
    let create =
        "mutation ($input: SlaCreateInput!) { slaCreate(input: $input) { sla { uuid } errors { message } } }";
    let sla = app.data(MANAGER, create, json!({ "input": input })).await["slaCreate"]["sla"]["uuid"].take();
    let again = "mutation ($input: SlaVersionCreateInput!) { slaVersionCreate(input: $input) { errors { message } } }";
    let input = json!({ "slaId": sla, "version": version, "makeActive": false });
    app.data(MANAGER, again, json!({ "input": input })).await;
    let query =
        "query ($sla: ID!) { auditLog(filter: { objectUuid: { eq: $sla } }, orderBy: [{ field: ID }]) {
        nodes { action after } } }";
    let data = app.data(MANAGER, query, json!({ "sla": sla })).await;
    let [made, more] = data["auditLog"]["nodes"].as_array().unwrap().as_slice() else { panic!("{data}") };
    for (action, entry, version) in
        [("slaCreate", made, &made["after"]["sla_version"]), ("slaVersionCreate", more, &more["after"])]
    {
        assert_eq!(entry["action"], action);
        assert_eq!(version["service_offering_id"], of("serviceOfferings"), "{entry}");
        assert_eq!(version["coverage"], "people");
        assert_eq!(version["sla_version_person"], json!([{ "person_id": of("people") }]), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_deletion_of_a_tenant_is_told_in_the_one_above_it() {
    let app = world().await;
    let create =
        "mutation ($above: ID!) { tenantCreate(input: { parentId: $above, slug: \"gone\", name: \"Gone\",
        timeZone: \"UTC\" }) { tenant { id } errors { message } } }";
    let made = app.data("agent", create, json!({ "above": key(2) })).await["tenantCreate"].take();
    assert_eq!(made["errors"], json!([]));
    let delete = "mutation ($id: ID!) { tenantDelete(input: { id: $id }) { errors { message } } }";
    let gone = app.data("agent", delete, json!({ "id": made["tenant"]["id"] })).await;
    assert_eq!(gone["tenantDelete"]["errors"], json!([]));
    let told = format!(
        "SELECT count(*) FROM audit_entry WHERE action IN ('tenantCreate', 'tenantDelete') AND tenant_id = '{}'",
        key(2)
    );
    assert_eq!(number(&app, &told).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_what_a_person_does_is_told_under_the_name_they_have_and_an_unchanged_login_forgets_nobody() {
    let app = world().await;
    let epoch = "SELECT epoch FROM authorization_epoch";
    let rename = "mutation ($id: ID!, $name: String!) { personUpdate(input: { id: $id, firstName: $name, login: \"agent\" }) {
        errors { message } } }";
    let renamed = async |name: &str| {
        let done = app.data("agent", rename, json!({ "id": key(30), "name": name })).await;
        assert_eq!(done["personUpdate"]["errors"], json!([]));
    };
    let known = async || app.data("agent", "{ viewer { name } }", json!({})).await["viewer"]["name"].take();
    assert_eq!(known().await, "Ann Agent");
    let before = number(&app, epoch).await;
    let same =
        "UPDATE person SET login = login, first_name = first_name; UPDATE person SET email = 'a@example.org'";
    app.database.client().await.batch_execute(same).await.unwrap();
    assert_eq!(number(&app, epoch).await, before);
    renamed("Anna").await;
    assert_eq!(number(&app, epoch).await, before + 1);
    let begun = Instant::now();
    while known().await != "Anna Agent" {
        assert!(begun.elapsed() < Duration::from_secs(20), "the name of before is remembered");
        sleep(Duration::from_millis(20)).await;
    }
}

/// How many objects of a type are not as the last entry about them tells.
async fn told_otherwise(app: &App, object_type: &str, table: &str) -> i64 {
    let otherwise = format!(
        "SELECT count(*) FROM {table} t CROSS JOIN LATERAL (SELECT a.after FROM audit_entry a
           WHERE a.root_id = t.root_id AND a.object_id = t.id AND a.object_type = '{object_type}'
           ORDER BY a.id DESC LIMIT 1) last
         WHERE NOT last.after @> (to_jsonb(t.*) - 'secret_hash')"
    );
    number(app, &otherwise).await
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_the_last_entry_of_an_object_tells_of_it_as_it_is() {
    let mut world = World::new().await;
    world.make_all().await;
    for changed in [false, true] {
        for noun in world.nouns() {
            if changed {
                let mut change = noun.change.clone();
                change["id"] = json!(world.id(noun.name));
                let payload = world.mutate(&format!("{}Update", noun.name), change, "id").await;
                assert_eq!(payload["errors"], json!([]), "{}", noun.name);
            }
            let mut table = String::new();
            for letter in noun.name.chars() {
                if letter.is_uppercase() {
                    table.push('_');
                }
                table.extend(letter.to_lowercase());
            }
            let object_type = format!("{}{}", noun.name[..1].to_uppercase(), &noun.name[1..]);
            let of_it = format!("SELECT count(*) FROM audit_entry WHERE object_type = '{object_type}'");
            assert_ne!(number(&world.app, &of_it).await, 0, "{object_type}");
            assert_eq!(told_otherwise(&world.app, &object_type, &table).await, 0, "{object_type}");
        }
    }
    let webhook = json!({ "tenantId": world.tenant, "name": "Hook", "url": "https://hooks.example.com/" });
    let create = "mutation ($input: WebhookCreateInput!) { webhookCreate(input: $input) { webhook { id } errors { message } } }";
    let made = world.app.data(crate::writes::MANAGER, create, json!({ "input": webhook })).await;
    let given_up = "UPDATE webhook SET disabled_at = now(), disabled_reason = 'gone', failures = 9";
    world.app.database.client().await.batch_execute(given_up).await.unwrap();
    let revive =
        "mutation ($id: ID!) { webhookUpdate(input: { id: $id, active: true }) { errors { message } } }";
    let id = &made["webhookCreate"]["webhook"]["id"];
    let revived = world.app.data(crate::writes::MANAGER, revive, json!({ "id": id })).await;
    assert_eq!(revived["webhookUpdate"]["errors"], json!([]), "{revived}");
    assert_eq!(told_otherwise(&world.app, "Webhook", "webhook").await, 0);
}
