//! Lists that are no pages: each item counts as what is selected of it, and an order tells no more than its rows do.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::app::App;
use crate::following::person;
use crate::introspection::{Types, refusal};

const MANAGER: &str = "manager@wna.example.com";
const SIMPLO: &str = "manager@simplo.example.com";

/// Those that tell how many items they have, when they are read, so that an answer has room for them.
const TELLING: [&str; 21] = [
    "AffectedSla.breaches",
    "Attainment.buckets",
    "Calendar.holidays",
    "Calendar.hours",
    "RecalculationPayload.moved",
    "RequestEvent.cleared",
    "Role.permissions",
    "ServiceInstance.usedBy",
    "ServiceInstance.uses",
    "ServiceOffering.standardServiceRequests",
    "ServiceOffering.targets",
    "ServiceTerms.organizations",
    "ServiceTerms.people",
    "ServiceTerms.serviceInstances",
    "ServiceTerms.sites",
    "ServiceToken.scopes",
    "Sla.diff",
    "SlaLimit.categories",
    "Viewer.permissions",
    "Webhook.kinds",
    "Webhook.phases",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_list_tells_how_long_it_is_before_it_is_read_or_when_it_is() {
    let app = App::new().await;
    let types = Types::of(&app).await;
    let mut lists = BTreeSet::new();
    for ty in types.all().filter(|ty| ty.kind == "OBJECT") {
        for field in ty.fields().iter().filter(|field| field.r#type.is_list()) {
            let page = field.arg("first").is_some() || field.arg("ids").is_some();
            let of_page =
                ty.name.ends_with("Connection") && ["edges", "nodes"].contains(&field.name.as_str());
            // No more than there are rows in an input, and mistakes in it.
            let of_input =
                ["results", "errors"].contains(&field.name.as_str()) && ty.name.ends_with("Payload");
            if !page && !of_page && !of_input && ty.name != "InputError" {
                lists.insert(format!("{}.{}", ty.name, field.name));
            }
        }
    }
    assert_eq!(lists, TELLING.map(str::to_owned).into(), "has it told `Asking::tell_items`?");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_of_offerings_in_targets_of_offerings_are_counted() {
    let app = App::sampled().await;
    let query = "{ tenant(slug: \"wna\") { id services(first: 1) { nodes { id } } calendars(first: 1) { nodes { id } } } }";
    let tenant = app.data(MANAGER, query, json!({})).await["tenant"].take();
    let minutes = json!({ "kind": "MINUTES", "minutes": 60 });
    let calendar = &tenant["calendars"]["nodes"][0]["id"];
    let target = |impact| json!({ "impact": impact, "response": minutes, "resolution": minutes, "supportHoursId": calendar });
    let targets = ["LOW", "MEDIUM", "HIGH", "TOP"].map(target);
    let row = |n: usize| {
        json!({ "tenantId": tenant["id"], "serviceId": tenant["services"]["nodes"][0]["id"], "name": format!("Offering {n}"),
            "timeZone": "UTC", "targets": targets })
    };
    let create = "mutation ($input: ServiceOfferingCreateManyInput!) { serviceOfferingCreateMany(input: $input) { written } }";
    let input = json!({ "input": { "rows": (0..20).map(row).collect::<Value>() } });
    assert_eq!(app.data(MANAGER, create, input).await["serviceOfferingCreateMany"]["written"], 20);
    let names = |which: std::ops::Range<usize>| which.map(|n| format!("n{n}: impact ")).collect::<String>();
    let offerings = "serviceOfferings(first: 20, filter: { name: { startsWith: \"Offering \" } })";
    let nested = |inner: String| {
        format!(
            "{{ {offerings} {{ nodes {{ targets {{ supportHours {{ tenant {{ {offerings} {{ nodes {{ {inner} }} }} }} }} }} }} }} }}"
        )
    };
    app.data(MANAGER, &nested(format!("targets {{ {} }}", names(0..1))), json!({})).await;
    let (one, other) = (names(0..30), names(30..60));
    for inner in [
        format!("targets {{ {one} {other} }}"),
        format!("targets {{ {one} }} ... on ServiceOffering {{ targets {{ {other} }} }}"),
    ] {
        let refused = app.ask(MANAGER, &nested(inner), json!({})).await;
        assert_eq!(refusal(&refused).map(|(code, _)| code), Some("LIMIT_EXCEEDED"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn categories_are_counted_and_no_more_than_a_limit_may_have() {
    let app = App::sampled().await;
    let query = "{ projects(first: 1) { nodes { id tenant { id } } } }";
    let project = app.data(SIMPLO, query, json!({})).await["projects"]["nodes"][0].take();
    let row = |categories: usize| {
        json!({ "tenantId": project["tenant"]["id"], "projectId": project["id"], "timeLimitInHours": 1, "timePeriod": "WEEKLY",
            "contactType": "EMAIL", "contact": "many@example.com",
            "categories": (0..categories).map(|n| format!("c{n}")).collect::<Value>() })
    };
    let create =
        "mutation ($input: SlaLimitCreateInput!) { slaLimitCreate(input: $input) { errors { code path } } }";
    let refused = app.data(SIMPLO, create, json!({ "input": row(201) })).await;
    let mistake = json!([{ "code": "INVALID", "path": ["input", "categories"] }]);
    assert_eq!(refused["slaLimitCreate"]["errors"], mistake);
    for _ in 0..10 {
        let made = app.data(SIMPLO, create, json!({ "input": row(200) })).await;
        assert_eq!(made["slaLimitCreate"]["errors"], json!([]));
    }
    let limits = "slaLimits(first: 10, filter: { contact: { eq: \"many@example.com\" } })";
    let names = |most: usize| (0..most).map(|n| format!("n{n}: categories ")).collect::<String>();
    app.data(SIMPLO, &format!("{{ {limits} {{ nodes {{ {} }} }} }}", names(1)), json!({})).await;
    let refused =
        app.ask(SIMPLO, &format!("{{ {limits} {{ nodes {{ {} }} }} }}", names(190)), json!({})).await;
    assert_eq!(refusal(&refused).map(|(code, _)| code), Some("LIMIT_EXCEEDED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_whoever_may_not_read_slas_or_requests_is_not_told_how_clocks_stand_by_them() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    for (login, tenant, rights) in
        [("without", "wna", "affected-slas:read"), ("with", "wna-hq", "affected-slas:read,slas:read")]
    {
        person(&client, login, tenant, rights).await;
    }
    let by =
        |field: &str| format!("{{ affectedSlas(orderBy: [{{ field: {field} }}]) {{ edges {{ cursor }} }} }}");
    let refused = app.ask("without", &by("SLA"), json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["permission"], "slas:read", "{refused}");
    let refused = app.ask("without", &by("REQUEST"), json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["permission"], "requests:read", "{refused}");
    app.data("without", &by("SERVICE_INSTANCE"), json!({})).await;
    app.data("with", &by("SLA"), json!({})).await;
    // Held in one tenant of several, it is not held in the others.
    let grant = "INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
        SELECT p.root_id, uuid_v7(), t.id, r.id, p.id FROM person p JOIN role r ON r.root_id = p.root_id
        JOIN tenant t ON t.root_id = p.root_id WHERE p.login = 'without' AND r.name = 'with' AND t.slug = 'wna-hq'";
    client.batch_execute(grant).await.unwrap();
    while refusal(&app.ask("without", "{ slas { totalCount } }", json!({})).await).is_some() {
        sleep(Duration::from_millis(20)).await;
    }
    let refused = app.ask("without", &by("SLA"), json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["permission"], "slas:read", "{refused}");
}
