//! What can go wrong, as the five documents have it, and what is answered here.
//!
//! | document | what goes wrong there | answer here | test |
//! |---|---|---|---|
//! | CxEngage, create SLA | no `CUSTOM_STATS_UPDATE` permission | `FORBIDDEN`, which names it | `cxengage_…` |
//! | | a required parameter is missing | `VALIDATION_FAILED` at its `inputPath` | `cxengage_…` |
//! | | the tenant of the address is unknown | `NOT_FOUND` | `cxengage_…` |
//! | Rocket.Chat, create SLA policy | Authorization: "You must be logged in to do this." | `UNAUTHENTICATED`, the same sentence | `rocketchat_…` |
//! | | No Permission: `error-not-authorized` | `FORBIDDEN manage-livechat-sla` | `rocketchat_…` |
//! | | Invalid Parameter: `invalid-params` | `VALIDATION_FAILED` at its `inputPath`; an empty one `REQUIRED` | `rocketchat_…` |
//! | | Duplicate: `error-duplicated-sla`, by name, by due time | `DUPLICATED_SLA` at each of the two | `rocketchat_…` |
//! | | two that race | `DUPLICATED_SLA` for one of them | `seeds::s11_of_two_racing_creates_…` |
//! | Simplo, SLA limits | 401 of each method | `UNAUTHENTICATED` | `simplo_…401…` |
//! | | a method without its permission | `FORBIDDEN`, which names it | `simplo_…permission…` |
//! | | 404 of detail, update, delete | `NOT_FOUND` | `simplo_…404…` |
//! | | 422 of create and update | a mistake at each field | `simplo_…422…` |
//! | 4me, SLAs | required, `max` and references of the fields | a mistake at each field | `four_me_slas_…` |
//! | | an SLA of another account, or none | `NOT_FOUND` | `four_me_slas_…` |
//! | 4me, affected SLAs | one of another account, or none; all fields are read only | `NOT_FOUND`; there is no mutation | `four_me_affected_slas_…` |

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::App;
use crate::intake::with;
use crate::introspection::Types;

const UNKNOWN: &str = "0cd85449-05fe-4866-9802-8192e6785fc7";

/// What an answer refuses: codes, each with the permission that is missing or the place of what does not fit its type.
fn told(answer: &Value) -> BTreeSet<String> {
    let joined = |path: &Value| {
        let steps = path.as_array().into_iter().flatten().filter_map(Value::as_str);
        steps.collect::<Vec<_>>().join(".")
    };
    let named = |code: &Value, rest: String| format!("{} {rest}", code.as_str().unwrap()).trim().to_owned();
    if let Some(errors) = answer["errors"].as_array() {
        let refusal = |error: &Value| {
            let extensions = &error["extensions"];
            let permission = extensions["permission"].as_str().unwrap_or_default();
            let unfit = extensions["code"] == "VALIDATION_FAILED";
            let place = if unfit { joined(&extensions["inputPath"]) } else { String::new() };
            named(&extensions["code"], permission.to_owned() + &place)
        };
        return errors.iter().map(refusal).collect();
    }
    let payloads = answer["data"].as_object().unwrap().values();
    let mistakes = payloads.flat_map(|payload| payload["errors"].as_array().cloned().unwrap_or_default());
    mistakes.map(|mistake| named(&mistake["code"], joined(&mistake["path"]))).collect()
}

fn set(expected: &[&str]) -> BTreeSet<String> {
    expected.iter().map(|told| (*told).to_owned()).collect()
}

struct Seed {
    app: std::sync::Arc<App>,
    tenant: Value,
    slug: &'static str,
}

impl Seed {
    async fn new(slug: &'static str) -> Self {
        let app = App::sampled().await;
        let query = "query ($slug: String) { tenant(slug: $slug) { id } }";
        let tenant = app.data("operator@example.com", query, json!({ "slug": slug })).await;
        Self { app, tenant: tenant["tenant"]["id"].clone(), slug }
    }

    fn manager(&self) -> String {
        format!("manager@{}.example.com", self.slug)
    }

    /// Somebody who has these permissions in the tenant, and no others.
    async fn with(&self, name: &str, permissions: &[&str]) -> String {
        let login = format!("{name}@seed.example.com");
        let (slug, held) = (self.slug, permissions.join(","));
        let grant = format!(
            "WITH t AS (SELECT root_id, id FROM tenant WHERE slug = '{slug}'),
             r AS (INSERT INTO role (root_id, id, tenant_id, name, permissions)
                   SELECT root_id, uuid_v7(), id, '{name}', '{{{held}}}' FROM t RETURNING *),
             p AS (INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login)
                   SELECT root_id, uuid_v7(), id, '{name}', 'Only', '{login}' FROM t RETURNING *)
             INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
             SELECT r.root_id, uuid_v7(), r.tenant_id, r.id, p.id FROM r, p"
        );
        self.app.database.client().await.batch_execute(&grant).await.unwrap();
        login
    }

    /// What somebody is told who runs a mutation.
    async fn mutate(&self, login: &str, mutation: &str, input: Value) -> BTreeSet<String> {
        let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let query = format!(
            "mutation ($input: {kind}!) {{ {mutation}(input: $input) {{ errors {{ code path message }} }} }}"
        );
        told(&self.app.ask(login, &query, json!({ "input": input })).await)
    }

    async fn query(&self, login: &str, selection: &str, id: &Value) -> BTreeSet<String> {
        let query = format!("query ($id: ID!) {{ {selection} }}");
        told(&self.app.ask(login, &query, json!({ "id": id })).await)
    }

    async fn first(&self, list: &str) -> Value {
        let query = format!("{{ {list}(first: 1) {{ nodes {{ id }} }} }}");
        self.app.data(&self.manager(), &query, json!({})).await[list]["nodes"][0]["id"].take()
    }
}

/// The input without one of its fields, which a pointer names.
fn without(input: &Value, pointer: &str) -> Value {
    let (object, field) = pointer.rsplit_once('/').unwrap();
    let mut input = input.clone();
    input.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    input
}

#[tokio::test(flavor = "multi_thread")]
async fn cxengage_create_sla_is_refused_without_login_permission_parameters_or_tenant() {
    let seed = Seed::new("cxengage").await;
    let queue = json!({ "slaThreshold": 20, "abandonType": "IGNORE_ABANDONS", "abandonThreshold": 10 });
    let version = json!({ "versionName": "Name", "terms": { "queue": queue } });
    let input = json!({ "tenantId": seed.tenant, "name": "Name", "version": version });
    let jon = "jon.doe@cxengage.example.com";
    assert_eq!(seed.mutate("", "slaCreate", input.clone()).await, set(&["UNAUTHENTICATED"]));
    let other = seed.with("other", &["slas:read", "slas:write", "manage-livechat-sla"]).await;
    let forbidden = set(&["FORBIDDEN CUSTOM_STATS_UPDATE"]);
    assert_eq!(seed.mutate(&other, "slaCreate", input.clone()).await, forbidden);
    // The parameters that are required: tenantId, name, activeSla, and within that versionName and slaThreshold.
    for (field, path) in [
        ("/tenantId", "input.tenantId"),
        ("/name", "input.name"),
        ("/version", "input.version"),
        ("/version/versionName", "input.version.versionName"),
        ("/version/terms/queue/slaThreshold", "input.version.terms.queue.slaThreshold"),
        ("/version/terms/queue/abandonType", "input.version.terms.queue.abandonType"),
    ] {
        let missing = seed.mutate(jon, "slaCreate", without(&input, field)).await;
        assert_eq!(missing, set(&[&format!("VALIDATION_FAILED {path}")]), "{field}");
    }
    // What is given and cannot be: all of it at once.
    let mut wrong = input.clone();
    wrong["name"] = json!("x".repeat(161));
    wrong["version"]["terms"]["queue"]["slaThreshold"] = json!(-1);
    wrong["version"]["terms"]["queue"]["abandonType"] = json!("COUNT_AGAINST_SLA");
    let expected = [
        "TOO_LONG input.name",
        "INVALID input.version.terms.queue.slaThreshold",
        "INVALID input.version.terms.queue.abandonThreshold",
    ];
    assert_eq!(seed.mutate(jon, "slaCreate", wrong).await, set(&expected));
    let mut elsewhere = input.clone();
    elsewhere["tenantId"] = json!(UNKNOWN);
    assert_eq!(seed.mutate(jon, "slaCreate", elsewhere).await, set(&["NOT_FOUND"]));
    assert_eq!(seed.mutate("manager@wna.example.com", "slaCreate", input.clone()).await, set(&["NOT_FOUND"]));
    assert_eq!(seed.mutate(jon, "slaCreate", input).await, set(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rocketchat_create_policy_tells_authorization_permission_parameter_and_duplicate_apart() {
    let seed = Seed::new("rocketchat").await;
    let manager = seed.manager();
    let policy = |name: &str, due: i32| {
        let terms = json!({ "livechat": { "dueTimeInMinutes": due } });
        let version = json!({ "versionName": "1", "terms": terms });
        json!({ "tenantId": seed.tenant, "name": name, "description": "sla description", "version": version })
    };
    let new = policy("grand total", 40);
    assert_eq!(seed.mutate("", "slaCreate", new.clone()).await, set(&["UNAUTHENTICATED"]));
    let other = seed.with("other", &["slas:read", "slas:write", "CUSTOM_STATS_UPDATE"]).await;
    assert_eq!(seed.mutate(&other, "slaCreate", new.clone()).await, set(&["FORBIDDEN manage-livechat-sla"]));
    for (field, path) in [
        ("/name", "input.name"),
        ("/version/terms/livechat/dueTimeInMinutes", "input.version.terms.livechat.dueTimeInMinutes"),
    ] {
        let missing = seed.mutate(&manager, "slaCreate", without(&new, field)).await;
        assert_eq!(missing, set(&[&format!("VALIDATION_FAILED {path}")]), "{field}");
    }
    let (name, due) =
        ("DUPLICATED_SLA input.name", "DUPLICATED_SLA input.version.terms.livechat.dueTimeInMinutes");
    for (input, expected) in [
        (policy("OPTIMUM", 41), &[name][..]),
        (policy("Other", 4), &[due]),
        // Both at once; the document's own policy, a second time.
        (policy("Optimum", 4), &[name, due]),
    ] {
        assert_eq!(seed.mutate(&manager, "slaCreate", input.clone()).await, set(expected), "{input}");
    }
    // With whatever else is wrong.
    let mut long = policy("Optimum", 4);
    long["sourceId"] = json!("x".repeat(129));
    let expected = set(&[name, due, "TOO_LONG input.sourceId"]);
    assert_eq!(seed.mutate(&manager, "slaCreate", long).await, expected);
    assert_eq!(seed.mutate(&manager, "slaCreate", new).await, set(&[]));
    // On update, too; what an SLA is called itself does not stand in its way.
    let query = "{ slas(filter: { name: { eq: \"grand total\" } }) { nodes { id } } }";
    let id = seed.app.data(&manager, query, json!({})).await["slas"]["nodes"][0]["id"].take();
    for (called, expected) in [("optimum", &[name][..]), ("Grand Total", &[])] {
        let input = json!({ "id": id, "name": called });
        assert_eq!(seed.mutate(&manager, "slaUpdate", input).await, set(expected), "{called}");
    }
    let version = json!({ "versionName": "2", "terms": { "livechat": { "dueTimeInMinutes": 4 } } });
    let input = json!({ "slaId": id, "version": version });
    assert_eq!(seed.mutate(&manager, "slaVersionCreate", input).await, set(&[due]));
    // And where a source sends again what it has made: both are told of its own new words.
    let mut sourced = policy("Sourced", 50);
    for (field, value) in [("source", json!("crm")), ("sourceId", json!("1")), ("upsert", json!(true))] {
        sourced[field] = value;
    }
    assert_eq!(seed.mutate(&manager, "slaCreate", sourced.clone()).await, set(&[]));
    assert_eq!(seed.mutate(&manager, "slaCreate", sourced.clone()).await, set(&[]));
    sourced["name"] = json!("Optimum");
    sourced["version"]["terms"]["livechat"]["dueTimeInMinutes"] = json!(4);
    assert_eq!(seed.mutate(&manager, "slaCreate", sourced).await, set(&[name, due]));
}

/// A limit as the document creates it.
async fn limit(seed: &Seed) -> Value {
    json!({
        "tenantId": seed.tenant, "projectId": seed.first("projects").await, "timeLimitInHours": 20,
        "timePeriod": "MONTHLY", "contactType": "EMAIL", "contact": "pech@simplo.cz",
        "deactivatedUntilNextPeriod": false, "categories": ["A", "B"],
    })
}

const LIST: &str = "slaLimits { nodes { id } } node(id: $id) { id }";
const DETAIL: &str = "slaLimit(id: $id) { id }";

#[tokio::test(flavor = "multi_thread")]
async fn simplo_limits_answer_401_as_unauthenticated_and_a_missing_permission_of_each_method_by_name() {
    let seed = Seed::new("simplo").await;
    let create = limit(&seed).await;
    let id = seed.first("slaLimits").await;
    let update = json!({ "id": id, "contact": "bzatek@simplo.cz", "deactivatedUntilNextPeriod": true });
    let nobody = set(&["UNAUTHENTICATED"]);
    assert_eq!(seed.query("", LIST, &id).await, nobody);
    assert_eq!(seed.query("", DETAIL, &id).await, nobody);
    assert_eq!(seed.mutate("", "slaLimitCreate", create.clone()).await, nobody);
    assert_eq!(seed.mutate("", "slaLimitUpdate", update.clone()).await, nobody);
    assert_eq!(seed.mutate("", "slaLimitDelete", json!({ "id": id })).await, nobody);

    let all = ["access", "read", "create", "update", "delete"];
    let name = |right: &str| format!("service-level-agreement-limits:{right}");
    for missing in all {
        let held: Vec<String> =
            all.iter().filter(|right| **right != missing).map(|right| name(right)).collect();
        let held: Vec<&str> = held.iter().map(String::as_str).collect();
        let login = seed.with(missing, &held).await;
        let refused = match missing {
            "access" => {
                seed.query(&login, "slaLimits { nodes { contact } } n: nodes(ids: [$id]) { id }", &id).await
            }
            "read" => seed.query(&login, DETAIL, &id).await,
            "create" => seed.mutate(&login, "slaLimitCreate", create.clone()).await,
            "update" => seed.mutate(&login, "slaLimitUpdate", update.clone()).await,
            _ => seed.mutate(&login, "slaLimitDelete", json!({ "id": id })).await,
        };
        assert_eq!(refused, set(&[&format!("FORBIDDEN {}", name(missing))]), "{missing}");
    }
    // Nothing of it was done, and who may do it does it.
    let manager = seed.manager();
    assert_eq!(seed.mutate(&manager, "slaLimitUpdate", update).await, set(&[]));
    assert_eq!(seed.mutate(&manager, "slaLimitCreate", create).await, set(&[]));
    assert_eq!(seed.mutate(&manager, "slaLimitDelete", json!({ "id": id })).await, set(&[]));
    assert_eq!(seed.mutate(&manager, "slaLimitDelete", json!({ "id": id })).await, set(&["NOT_FOUND"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn simplo_limits_that_are_not_there_answer_404_as_not_found_whosever_they_are() {
    let seed = Seed::new("simplo").await;
    let theirs = seed.first("slaLimits").await;
    for (login, id) in [(seed.manager(), json!(UNKNOWN)), ("manager@wna.example.com".to_owned(), theirs)] {
        let missing = set(&["NOT_FOUND"]);
        assert_eq!(seed.query(&login, DETAIL, &id).await, missing, "{login}");
        let update = json!({ "id": id, "timeLimitInHours": -1 });
        assert_eq!(seed.mutate(&login, "slaLimitUpdate", update).await, missing, "{login}");
        assert_eq!(seed.mutate(&login, "slaLimitDelete", json!({ "id": id })).await, missing, "{login}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn simplo_limits_answer_422_as_a_mistake_at_each_field() {
    let seed = Seed::new("simplo").await;
    let manager = seed.manager();
    let right = limit(&seed).await;
    // "Required."
    for field in ["projectId", "timeLimitInHours", "timePeriod", "contactType", "contact", "categories"] {
        let missing = seed.mutate(&manager, "slaLimitCreate", without(&right, &format!("/{field}"))).await;
        assert_eq!(missing, set(&[&format!("VALIDATION_FAILED input.{field}")]));
    }
    // "Has to be int", "has to be value from", "has to be string".
    let of_another_kind = json!({
        "tenantId": seed.tenant, "projectId": {}, "timeLimitInHours": "20", "timePeriod": "DAILY", "contactType": 1,
        "contact": 5, "categories": [1], "deactivatedUntilNextPeriod": "no",
    });
    let fields = [
        "projectId",
        "timeLimitInHours",
        "timePeriod",
        "contactType",
        "contact",
        "categories.0",
        "deactivatedUntilNextPeriod",
    ];
    let expected: BTreeSet<String> =
        fields.iter().map(|field| format!("VALIDATION_FAILED input.{field}")).collect();
    assert_eq!(seed.mutate(&manager, "slaLimitCreate", of_another_kind).await, expected);
    // "Must reference a valid project", and what a number, an address and a list must be besides.
    let wrong = json!({
        "projectId": UNKNOWN, "timeLimitInHours": 0, "contact": "nobody", "categories": ["A", "", "A "],
        "timePeriod": "WEEKLY", "contactType": "EMAIL",
    });
    let mistakes = [
        "NOT_FOUND input.projectId",
        "INVALID input.timeLimitInHours",
        "INVALID input.contact",
        "REQUIRED input.categories.1",
        "DUPLICATE input.categories.2",
    ];
    let with = |field: &str, value: &Value| {
        let mut input = wrong.clone();
        input[field] = value.clone();
        input
    };
    assert_eq!(seed.mutate(&manager, "slaLimitCreate", with("tenantId", &seed.tenant)).await, set(&mistakes));
    let id = seed.first("slaLimits").await;
    assert_eq!(seed.mutate(&manager, "slaLimitUpdate", with("id", &id)).await, set(&mistakes));
    // "Sometimes": what PATCH leaves out stays; what it sends as null is refused where there must be something.
    let emptied =
        json!({ "id": id, "contact": null, "categories": null, "deactivatedUntilNextPeriod": null });
    let expected =
        ["REQUIRED input.contact", "REQUIRED input.categories", "REQUIRED input.deactivatedUntilNextPeriod"];
    assert_eq!(seed.mutate(&manager, "slaLimitUpdate", emptied).await, set(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn four_me_slas_are_refused_by_the_rules_of_their_fields_on_create_and_update() {
    let seed = Seed::new("wna").await;
    let manager = seed.manager();
    let offering = seed.first("serviceOfferings").await;
    let customer = seed.first("organizations").await;
    let terms = |service: Value| json!({ "versionName": "1", "terms": { "service": service } });
    let right = json!({
        "tenantId": seed.tenant, "name": "Mail", "customerId": customer,
        "version": terms(json!({ "serviceOfferingId": offering })),
    });
    assert_eq!(seed.mutate("", "slaCreate", right.clone()).await, set(&["UNAUTHENTICATED"]));
    let forbidden = set(&["FORBIDDEN slas:write"]);
    assert_eq!(seed.mutate("reader@wna.example.com", "slaCreate", right.clone()).await, forbidden);
    // "Required string", "Required reference".
    for (field, told) in [
        ("/name", "VALIDATION_FAILED input.name"),
        ("/customerId", "REQUIRED input.customerId"),
        (
            "/version/terms/service/serviceOfferingId",
            "VALIDATION_FAILED input.version.terms.service.serviceOfferingId",
        ),
    ] {
        let missing = seed.mutate(&manager, "slaCreate", without(&right, field)).await;
        assert_eq!(missing, set(&[told]));
    }
    // "max 160", "max 64KB", "max 30", "max 128"; expiry after start and notice; references to nothing.
    let wrong = json!({
        "name": "x".repeat(161), "source": "x".repeat(31), "sourceId": "x".repeat(129),
        "startDate": "2026-02-01", "noticeDate": "2026-02-01", "expiryDate": "2026-01-31",
        "customerRepId": UNKNOWN, "serviceLevelManagerId": UNKNOWN, "customerId": UNKNOWN,
    });
    let mistakes = [
        "TOO_LONG input.name",
        "TOO_LONG input.source",
        "TOO_LONG input.sourceId",
        "INVALID input.expiryDate",
        "INVALID input.noticeDate",
        "NOT_FOUND input.customerRepId",
        "NOT_FOUND input.serviceLevelManagerId",
        "NOT_FOUND input.customerId",
    ];
    let mut create = wrong.clone();
    create["tenantId"] = seed.tenant.clone();
    create["version"] = terms(json!({ "serviceOfferingId": UNKNOWN, "coverage": "SITES" }));
    let more = [
        "NOT_FOUND input.version.terms.service.serviceOfferingId",
        "REQUIRED input.version.terms.service.siteIds",
    ];
    assert_eq!(seed.mutate(&manager, "slaCreate", create).await, set(&[&mistakes[..], &more].concat()));
    let query = "{ slas(first: 1, filter: { kind: { eq: SERVICE } }) { nodes { id } } }";
    let id = seed.app.data(&manager, query, json!({})).await["slas"]["nodes"][0]["id"].take();
    let mut update = wrong;
    update["id"] = id.clone();
    assert_eq!(seed.mutate(&manager, "slaUpdate", update).await, set(&mistakes));
    let long = json!({ "id": id, "remarks": "é".repeat(32_769) });
    assert_eq!(seed.mutate(&manager, "slaUpdate", long).await, set(&["TOO_LONG input.remarks"]));
    // Enumerations and dates that are none.
    let none = json!({ "id": id, "status": "deleted", "startDate": "2016-02-30", "expiryDate": "soon" });
    let expected = [
        "VALIDATION_FAILED input.status",
        "VALIDATION_FAILED input.startDate",
        "VALIDATION_FAILED input.expiryDate",
    ];
    assert_eq!(seed.mutate(&manager, "slaUpdate", none).await, set(&expected));
    // What cannot be empty.
    let emptied =
        json!({ "id": id, "name": null, "shared": null, "active": null, "status": null, "customerId": null });
    let expected =
        ["name", "shared", "active", "status", "customerId"].map(|field| format!("REQUIRED input.{field}"));
    assert_eq!(seed.mutate(&manager, "slaUpdate", emptied).await, expected.into());
    // "Only service instances that are linked to the same service as the selected service offering can be selected."
    let instances = "{ serviceOfferings(first: 1) { nodes { id service { id } } } serviceInstances { nodes { id service { id } } } }";
    let data = seed.app.data(&manager, instances, json!({})).await;
    let offering = &data["serviceOfferings"]["nodes"][0];
    let all = data["serviceInstances"]["nodes"].as_array().unwrap();
    let other = all.iter().find(|instance| instance["service"] != offering["service"]).unwrap();
    let service = json!({ "serviceOfferingId": offering["id"], "serviceInstanceId": other["id"] });
    let mut unlinked = right.clone();
    unlinked["version"] = terms(service);
    let expected = set(&["NOT_FOUND input.version.terms.service.serviceInstanceId"]);
    assert_eq!(seed.mutate(&manager, "slaCreate", unlinked).await, expected);
    // "People Using CIs of the Service Instance": of which, then?
    let cis = json!({ "serviceOfferingId": offering["id"], "coverage": "CIS_OF_SERVICE_INSTANCE" });
    let mut uncovered = right.clone();
    uncovered["version"] = terms(cis);
    let expected = set(&["REQUIRED input.version.terms.service.serviceInstanceId"]);
    assert_eq!(seed.mutate(&manager, "slaCreate", uncovered.clone()).await, expected);
    let version = json!({ "slaId": id, "version": uncovered["version"] });
    assert_eq!(seed.mutate(&manager, "slaVersionCreate", version).await, expected);
    // "The first day during which the service level agreement is active": what is scheduled has one (rule S6).
    let expected = set(&["REQUIRED input.startDate"]);
    let mut scheduled = right.clone();
    scheduled["status"] = json!("SCHEDULED_FOR_ACTIVATION");
    assert_eq!(seed.mutate(&manager, "slaCreate", scheduled.clone()).await, expected);
    scheduled["startDate"] = json!("2999-01-01");
    scheduled = with(scheduled, json!({ "source": "scheduled", "sourceId": "1", "upsert": true }));
    assert_eq!(seed.mutate(&manager, "slaCreate", scheduled.clone()).await, set(&[]));
    // Where it has one already, it need not be said again, and it cannot be emptied.
    scheduled["startDate"] = Value::Null;
    assert_eq!(seed.mutate(&manager, "slaCreate", scheduled).await, set(&[]));
    let query = "{ slas(filter: { source: { eq: \"scheduled\" } }) { nodes { id startDate status } } }";
    let data = seed.app.data(&manager, query, json!({})).await;
    let own = &data["slas"]["nodes"][0];
    assert_eq!(
        (&own["startDate"], &own["status"]),
        (&json!("2999-01-01"), &json!("SCHEDULED_FOR_ACTIVATION"))
    );
    let emptied = |rest: Value| with(json!({ "id": own["id"], "startDate": null }), rest);
    assert_eq!(seed.mutate(&manager, "slaUpdate", emptied(json!({}))).await, expected);
    let active = emptied(json!({ "status": "ACTIVE" }));
    assert_eq!(seed.mutate(&manager, "slaUpdate", active).await, set(&[]));
    let again = json!({ "id": own["id"], "status": "SCHEDULED_FOR_ACTIVATION" });
    assert_eq!(seed.mutate(&manager, "slaUpdate", again).await, expected);
    // "Optional string" each: one may stand without the other.
    let alone = json!({ "id": own["id"], "sourceId": null });
    assert_eq!(seed.mutate(&manager, "slaUpdate", alone).await, set(&[]));
    // An SLA of another account is one that there is not.
    for (login, id) in [(manager.as_str(), json!(UNKNOWN)), ("manager@itrp.example.com", id)] {
        assert_eq!(seed.query(login, "sla(id: $id) { id }", &id).await, set(&["NOT_FOUND"]));
        let update = json!({ "id": id, "name": "Mine" });
        assert_eq!(seed.mutate(login, "slaUpdate", update).await, set(&["NOT_FOUND"]));
    }
    assert_eq!(seed.query("", "sla(id: $id) { id }", &json!(UNKNOWN)).await, set(&["UNAUTHENTICATED"]));
    assert_eq!(seed.mutate(&manager, "slaCreate", right).await, set(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn four_me_affected_slas_are_read_only_by_whoever_may_and_not_found_elsewhere() {
    let seed = Seed::new("wna").await;
    let id = seed.first("affectedSlas").await;
    let (list, one) =
        ("affectedSlas { nodes { id } } n: nodes(ids: [$id]) { id }", "affectedSla(id: $id) { id }");
    for selection in [list, one] {
        assert_eq!(seed.query("", selection, &id).await, set(&["UNAUTHENTICATED"]), "{selection}");
    }
    let other = seed.with("other", &["slas:read"]).await;
    for selection in ["affectedSlas { totalCount } n: nodes(ids: [$id]) { id }", one] {
        let refused = seed.query(&other, selection, &id).await;
        assert_eq!(refused, set(&["FORBIDDEN affected-slas:read"]), "{selection}");
    }
    let manager = seed.manager();
    for (login, id) in [(manager.as_str(), json!(UNKNOWN)), ("manager@itrp.example.com", id.clone())] {
        assert_eq!(seed.query(login, one, &id).await, set(&["NOT_FOUND"]), "{login}");
    }
    assert_eq!(seed.query(&manager, one, &id).await, set(&[]));
    // "Readonly": nothing makes, changes or deletes one; their targets are only recalculated.
    let types = Types::of(&seed.app).await;
    let writes: Vec<&str> = types
        .get("Mutation")
        .fields()
        .iter()
        .map(|field| field.name.as_str())
        .filter(|name| name.starts_with("affectedSla"))
        .collect();
    assert_eq!(writes, ["affectedSlasRecalculate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_who_may_write_slas_and_read_none_is_told_all_that_the_documents_show_of_them() {
    let queue = |seconds| json!({ "queue": { "slaThreshold": seconds, "abandonType": "COUNT_AGAINST_SLA" } });
    let livechat = |minutes| json!({ "livechat": { "dueTimeInMinutes": minutes } });
    for (slug, right, terms) in [
        ("cxengage", "CUSTOM_STATS_UPDATE", [queue(20), queue(30)]),
        ("rocketchat", "manage-livechat-sla", [livechat(4_001), livechat(4_002)]),
    ] {
        let seed = Seed::new(slug).await;
        let login = seed.with("only", &[right]).await;
        let version = "uuid versionName createdAt createdBy { name } createdByName isActive sla { uuid } terms {
            ... on QueueTerms { slaThreshold abandonType abandonThreshold } ... on LivechatTerms { dueTimeInMinutes } }";
        let sla = format!(
            "sla {{ id uuid name description shared active tenant {{ uuid }} createdAt createdBy {{ name }} createdByName
             updatedAt updatedBy {{ name }} updatedByName activeVersion {{ {version} }} }}"
        );
        let write = async |mutation: &str, selection: &str, input: Value| {
            let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
            let query = format!(
                "mutation ($input: {kind}!) {{ told: {mutation}(input: $input) {{ {selection} errors {{ code }} }} }}"
            );
            let told = seed.app.data(&login, &query, json!({ "input": input })).await["told"].take();
            assert_eq!(told["errors"], json!([]), "{right}");
            told
        };
        let given = json!({ "versionName": "first", "terms": terms[0] });
        let input = json!({ "tenantId": seed.tenant, "name": "Told to its author", "version": given });
        let made = write("slaCreate", &sla, input).await["sla"].take();
        let first = &made["activeVersion"];
        assert_eq!(
            (&first["versionName"], &first["isActive"], &first["sla"]["uuid"]),
            (&json!("first"), &json!(true), &made["uuid"])
        );
        let (_, shown) = terms[0].as_object().unwrap().iter().next().unwrap();
        for (term, value) in shown.as_object().unwrap() {
            assert_eq!(&first["terms"][term], value, "{right}: {term}");
        }
        assert_eq!(
            (&made["createdByName"], &first["createdByName"]),
            (&json!("only Only"), &json!("only Only"))
        );
        let given = json!({ "versionName": "second", "terms": terms[1] });
        let input = json!({ "slaId": made["id"], "version": given });
        let selection = format!("slaVersion {{ {version} }} {sla}");
        let made = write("slaVersionCreate", &selection, input).await;
        assert_eq!(made["slaVersion"], made["sla"]["activeVersion"], "{right}");
        assert_eq!(made["slaVersion"]["versionName"], "second");
    }
}
