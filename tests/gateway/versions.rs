//! Versions of an SLA: which was in force when, and what changed from one to another (rule S2).

use serde_json::{Value, json};

use crate::app::App;
use crate::introspection::refusal;

const MANAGER: &str = "manager@wna.example.com";

/// Makes a version of an SLA and puts it in force; gives its id.
async fn version(app: &App, sla: &Value, terms: Value) -> Value {
    let mutation = "mutation ($input: SlaVersionCreateInput!) { slaVersionCreate(input: $input) {
        slaVersion { id createdAt } errors { code path message } } }";
    let input = json!({ "slaId": sla, "version": { "versionName": "next", "terms": terms } });
    let data = app.data(MANAGER, mutation, json!({ "input": input })).await;
    assert_eq!(data["slaVersionCreate"]["errors"], json!([]));
    data["slaVersionCreate"]["slaVersion"].clone()
}

async fn diff(app: &App, sla: &Value, from: &Value, to: &Value) -> Value {
    let query = "query ($id: ID!, $from: ID!, $to: ID!) { sla(id: $id) { diff(from: $from, to: $to) { path from to } } }";
    app.ask(MANAGER, query, json!({ "id": sla, "from": from, "to": to })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_two_versions_are_compared_term_by_term_in_words() {
    let app = App::sampled().await;
    let query = "{ tenant(slug: \"wna\") { id organizations(first: 3) { nodes { id name } }
        queues: slas(first: 1, includeShared: false, filter: { kind: { eq: QUEUE } }) { nodes { id } }
        services: slas(first: 1, includeShared: false, filter: { kind: { eq: SERVICE } }) { nodes { id customer { id name }
          activeVersion { id terms { ... on ServiceTerms { coverage serviceOffering { id name } serviceInstance { id name } } } } } }
        serviceOfferings(first: 50) { nodes { id name } } } }";
    let data = app.data(MANAGER, query, json!({})).await;
    let tenant = &data["tenant"];
    let sla = &tenant["services"]["nodes"][0];
    let terms = &sla["activeVersion"]["terms"];
    let offerings = tenant["serviceOfferings"]["nodes"].as_array().unwrap();
    let other = offerings.iter().find(|offering| offering["id"] != terms["serviceOffering"]["id"]).unwrap();
    let organizations = tenant["organizations"]["nodes"].as_array().unwrap();
    let service = |offering: &Value, chosen: &[&Value]| {
        json!({ "service": { "serviceOfferingId": offering["id"], "coverage": "ORGANIZATIONS",
                "organizationIds": chosen.iter().map(|row| row["id"].clone()).collect::<Vec<_>>() } })
    };
    let second = version(&app, &sla["id"], service(other, &[&organizations[0], &organizations[1]])).await;
    let third = version(&app, &sla["id"], service(other, &[&organizations[1], &organizations[2]])).await;
    let same = diff(&app, &sla["id"], &third["id"], &third["id"]).await;
    assert_eq!(same["data"]["sla"]["diff"], json!([]));
    let lists = diff(&app, &sla["id"], &second["id"], &third["id"]).await;
    assert_eq!(
        lists["data"]["sla"]["diff"],
        json!([{ "path": "service.organizations", "from": organizations[0]["name"], "to": organizations[2]["name"] }])
    );
    // Of the same name: which of them it covers differs, and so do the terms.
    let input = json!({ "tenantId": tenant["id"], "name": organizations[0]["name"], "source": "twin", "sourceId": "1" });
    let mutation = "mutation ($input: OrganizationCreateInput!) { organizationCreate(input: $input) { organization { id } errors { message } } }";
    let twin = app.data(MANAGER, mutation, json!({ "input": input })).await["organizationCreate"].clone();
    assert_eq!(twin["errors"], json!([]));
    let one = version(&app, &sla["id"], service(other, &[&organizations[0]])).await;
    let its_twin = version(&app, &sla["id"], service(other, &[&twin["organization"]])).await;
    let twins = diff(&app, &sla["id"], &one["id"], &its_twin["id"]).await;
    let name = &organizations[0]["name"];
    assert_eq!(
        twins["data"]["sla"]["diff"],
        json!([{ "path": "service.organizations", "from": name, "to": name }])
    );
    let all = diff(&app, &sla["id"], &sla["activeVersion"]["id"], &second["id"]).await;
    let changes = all["data"]["sla"]["diff"].as_array().unwrap();
    let change =
        |path: &str| changes.iter().find(|change| change["path"] == path).cloned().unwrap_or_default();
    assert_eq!(
        change("service.serviceOffering"),
        json!({ "path": "service.serviceOffering", "from": terms["serviceOffering"]["name"], "to": other["name"] })
    );
    assert_eq!(change("service.serviceInstance")["from"], terms["serviceInstance"]["name"]);
    assert_eq!(change("service.serviceInstance")["to"], Value::Null);
    let names = format!(
        "{}, {}",
        organizations[0]["name"].as_str().unwrap(),
        organizations[1]["name"].as_str().unwrap()
    );
    assert_eq!(change("service.organizations")["to"], names);
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_thresholds_are_compared_with_their_units_and_only_own_versions_are() {
    let app = App::sampled().await;
    let manager = "manager@itrp.example.com";
    let query = "{ tenants(first: 1) { nodes { id } } }";
    let tenant = app.data(manager, query, json!({})).await["tenants"]["nodes"][0]["id"].take();
    let create = "mutation ($input: SlaCreateInput!) { slaCreate(input: $input) { sla { id activeVersion { id createdAt } } errors { message } } }";
    let terms =
        json!({ "queue": { "slaThreshold": 20, "abandonType": "IGNORE_ABANDONS", "abandonThreshold": 10 } });
    let input =
        json!({ "tenantId": tenant, "name": "Hotline", "version": { "versionName": "1", "terms": terms } });
    let data = app.data(OPERATOR, create, json!({ "input": input })).await;
    let sla = &data["slaCreate"]["sla"];
    let next = "mutation ($input: SlaVersionCreateInput!) { slaVersionCreate(input: $input) { slaVersion { id createdAt } errors { message } } }";
    let terms = json!({ "queue": { "slaThreshold": 30, "abandonType": "COUNT_AGAINST_SLA" } });
    let input = json!({ "slaId": sla["id"], "version": { "versionName": "2", "terms": terms } });
    let data = app.data(OPERATOR, next, json!({ "input": input })).await;
    let second = &data["slaVersionCreate"]["slaVersion"];
    let query = "query ($id: ID!, $from: ID!, $to: ID!) { sla(id: $id) { diff(from: $from, to: $to) { path from to } } }";
    let variables = json!({ "id": sla["id"], "from": sla["activeVersion"]["id"], "to": second["id"] });
    assert_eq!(
        app.data(OPERATOR, query, variables).await["sla"]["diff"],
        json!([
            { "path": "queue.slaThreshold", "from": "20 seconds", "to": "30 seconds" },
            { "path": "queue.abandonType", "from": "IGNORE_ABANDONS", "to": "COUNT_AGAINST_SLA" },
            { "path": "queue.abandonThreshold", "from": "10 seconds", "to": null },
        ])
    );
    // Which was in force when (rule S2): the first from its making on, the second from its activation on.
    let at = "query ($id: ID!, $before: DateTime!, $first: DateTime!, $second: DateTime!) { sla(id: $id) {
        before: versionAt(at: $before) { id } first: versionAt(at: $first) { id } second: versionAt(at: $second) { id } } }";
    let variables = json!({ "id": sla["id"], "before": "2020-01-01T00:00:00Z",
        "first": sla["activeVersion"]["createdAt"], "second": second["createdAt"] });
    let data = app.data(OPERATOR, at, variables).await;
    assert_eq!(
        data["sla"],
        json!({ "before": null, "first": { "id": sla["activeVersion"]["id"] }, "second": { "id": second["id"] } })
    );
    // A version of another SLA is as one that does not exist.
    let other = app
        .data(
            OPERATOR,
            "{ slas(first: 1, filter: { kind: { eq: SERVICE } }) { nodes { activeVersion { id } } } }",
            json!({}),
        )
        .await;
    let other = &other["slas"]["nodes"][0]["activeVersion"]["id"];
    let variables = json!({ "id": sla["id"], "from": other, "to": second["id"] });
    let refused = app.ask(OPERATOR, query, variables).await;
    assert_eq!(
        refusal(&refused),
        Some(("NOT_FOUND", "There is no SLA version of this id that you may see."))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_a_version_whose_due_time_another_has_taken_meanwhile_is_refused_at_the_id_that_names_it() {
    let app = App::sampled().await;
    let tenant =
        app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let create = "mutation ($input: SlaCreateInput!) { slaCreate(input: $input) {
        sla { id activeVersion { id } } errors { code path } } }";
    let terms = |due: i32| json!({ "livechat": { "dueTimeInMinutes": due } });
    let policy = async |name: &str, due: i32| {
        let version = json!({ "versionName": "1", "terms": terms(due) });
        let input = json!({ "tenantId": tenant, "name": name, "version": version });
        app.data(MANAGER, create, json!({ "input": input })).await["slaCreate"]["sla"].take()
    };
    let first = policy("First", 901).await;
    version(&app, &first["id"], terms(902)).await;
    policy("Second", 901).await;
    let activate = "mutation ($input: SlaVersionActivateInput!) { slaVersionActivate(input: $input) { errors { code path } } }";
    let input = json!({ "slaVersionId": first["activeVersion"]["id"] });
    let refused = app.data(MANAGER, activate, json!({ "input": input })).await;
    assert_eq!(
        refused["slaVersionActivate"]["errors"],
        json!([{ "code": "DUPLICATED_SLA", "path": ["input", "slaVersionId"] }])
    );
}

const OPERATOR: &str = "operator@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn s2_who_put_which_version_in_force_and_when_is_listed() {
    let app = App::sampled().await;
    let list = "query ($id: ID!, $version: ID) { sla(id: $id) { createdAt activations(
        filter: { slaVersion: { eq: $version } }) { totalCount nodes {
        id sla { id } slaVersion { versionName createdAt } activatedAt activatedBy { name } } } } }";
    // The sample of CxEngage: its only version was in force from the first day on.
    let first = json!({ "id": "14f62a30-7283-11e9-9fb2-3ea920705407" });
    let data = app.data("jon.doe@cxengage.example.com", list, first).await;
    let activations = &data["sla"]["activations"];
    assert_eq!(activations["totalCount"], 1);
    assert_eq!(activations["nodes"][0]["activatedAt"], data["sla"]["createdAt"]);
    assert_eq!(activations["nodes"][0]["activatedBy"]["name"], "Jon Doe");

    let tenant =
        app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let create = "mutation ($input: SlaCreateInput!) { slaCreate(input: $input) {
        sla { id activeVersion { id versionName } } errors { message } } }";
    let terms = json!({ "queue": { "slaThreshold": 20, "abandonType": "COUNT_AGAINST_SLA" } });
    let first = json!({ "versionName": "first", "terms": terms });
    let input = json!({ "tenantId": tenant, "name": "Hotline", "version": first });
    let created = app.data(MANAGER, create, json!({ "input": input })).await;
    let sla = &created["slaCreate"]["sla"];
    let before = app.data(MANAGER, list, json!({ "id": sla["id"] })).await;
    let before = before["sla"]["activations"]["totalCount"].as_i64().unwrap();
    let terms = json!({ "queue": { "slaThreshold": 7, "abandonType": "COUNT_AGAINST_SLA" } });
    let second = version(&app, &sla["id"], terms).await;
    let activate = "mutation ($input: SlaVersionActivateInput!) { slaVersionActivate(input: $input) { errors { message } } }";
    let input = json!({ "slaVersionId": sla["activeVersion"]["id"] });
    let done = app.data(MANAGER, activate, json!({ "input": input })).await;
    assert_eq!(done["slaVersionActivate"]["errors"], json!([]));
    let data = app.data(MANAGER, list, json!({ "id": sla["id"] })).await;
    let activations = &data["sla"]["activations"];
    let names: Vec<&Value> =
        activations["nodes"].as_array().unwrap().iter().map(|a| &a["slaVersion"]["versionName"]).collect();
    let first = &sla["activeVersion"]["versionName"];
    assert_eq!(names[..3], [first, &json!("next"), first], "the latest first");
    assert_eq!(activations["totalCount"], before + 2);
    assert_eq!(activations["nodes"][1]["activatedAt"], second["createdAt"]);
    assert_eq!(activations["nodes"][0]["sla"]["id"], sla["id"]);
    let of_second = app.data(MANAGER, list, json!({ "id": sla["id"], "version": second["id"] })).await;
    assert_eq!(of_second["sla"]["activations"]["totalCount"], 1);

    let log = "query ($id: ID!) { sla(id: $id) { auditLog(first: 1, filter: { action: { eq: \"slaVersionActivate\" } }) {
        nodes { before after } } } }";
    let log = app.data(OPERATOR, log, json!({ "id": sla["id"] })).await;
    let entry = &log["sla"]["auditLog"]["nodes"][0];
    let names = |version: &Value| version["active_version_id"].as_str().map(str::to_owned);
    assert!(
        names(&entry["before"]).is_some() && names(&entry["before"]) != names(&entry["after"]),
        "P4: {entry}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_every_object_that_can_be_written_shows_what_was_written_to_it_to_those_who_may() {
    let app = crate::intake::world().await;
    let request = crate::intake::written(&app, "requestRegister", crate::intake::ticket()).await;
    let event =
        json!({ "requestId": request["id"], "status": "ACCEPTED", "occurredAt": "2026-03-02T10:05:00Z" });
    crate::intake::written(&app, "requestRecord", event).await;
    let query = "query ($id: ID!) { request(id: $id) { auditLog { totalCount nodes { action objectType actorName after } } } }";
    let data = app.data("agent", query, json!({ "id": request["id"] })).await;
    let log = &data["request"]["auditLog"];
    let actions: Vec<&Value> =
        log["nodes"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(
        (actions, &log["totalCount"]),
        (vec![&json!("requestRecord"), &json!("requestRegister")], &json!(2))
    );
    let refused = app.ask("reader", query, json!({ "id": request["id"] })).await;
    assert_eq!(refusal(&refused), Some(("FORBIDDEN", "You need the permission tenants:admin to do this.")));
    // All that mutations write.
    let types = crate::introspection::Types::of(&app).await;
    for name in [
        "Tenant",
        "Sla",
        "SlaLimit",
        "Service",
        "ServiceOffering",
        "ServiceInstance",
        "StandardServiceRequest",
        "Calendar",
        "Organization",
        "Site",
        "Team",
        "Person",
        "Project",
        "TimeEntry",
        "Request",
        "Role",
        "RoleGrant",
        "ServiceToken",
        "Webhook",
    ] {
        assert!(types.get(name).field("auditLog").is_some(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_who_writes_a_version_is_told_of_the_sla_as_it_is_now_whether_it_was_written_or_not() {
    let app = App::sampled().await;
    let tenant =
        app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let create = "mutation ($input: SlaCreateInput!) { slaCreate(input: $input) { sla { id } } }";
    let queue = |seconds: i32| {
        json!({ "versionName": "v", "terms": {
            "queue": { "slaThreshold": seconds, "abandonType": "COUNT_AGAINST_SLA" } } })
    };
    let input = json!({ "tenantId": tenant, "name": "Told", "version": queue(1) });
    let sla = app.data(MANAGER, create, json!({ "input": input })).await["slaCreate"]["sla"]["id"].take();
    let write = async |name: &str, input: Value| {
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let mutation = format!(
            "mutation ($input: {kind}!) {{ payload: {name}(input: $input) {{ slaVersion {{ number }} errors {{ code }}
            sla {{ revision activeVersion {{ number }} versions(first: 9) {{ nodes {{ id isActive }} }} }} }} }}"
        );
        app.data(MANAGER, &mutation, json!({ "input": input })).await["payload"].take()
    };
    let input = json!({ "slaId": sla, "expectedRevision": 1, "version": queue(2) });
    let made = write("slaVersionCreate", input.clone()).await;
    assert_eq!((&made["slaVersion"]["number"], &made["sla"]["revision"]), (&json!(2), &json!(2)), "{made}");
    let versions = made["sla"]["versions"]["nodes"].as_array().unwrap();
    let in_force: Vec<&Value> = versions.iter().map(|version| &version["isActive"]).collect();
    assert_eq!(in_force, [true, false], "the one before is no longer in force");
    // Another was first.
    let refused = write("slaVersionCreate", input).await;
    assert_eq!((&refused["slaVersion"], &refused["errors"][0]["code"]), (&Value::Null, &json!("CONFLICT")));
    assert_eq!(refused["sla"], made["sla"]);
    let first = &versions[1]["id"];
    let refused = write("slaVersionActivate", json!({ "slaVersionId": first, "expectedRevision": 1 })).await;
    assert_eq!((&refused["errors"][0]["code"], &refused["sla"]), (&json!("CONFLICT"), &made["sla"]));
    let done = write("slaVersionActivate", json!({ "slaVersionId": first, "expectedRevision": 2 })).await;
    assert_eq!((&done["sla"]["activeVersion"]["number"], &done["sla"]["revision"]), (&json!(1), &json!(3)));
}
