//! Where a refusal is about: a form shows it at the field that names what may not be written, or is not there.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::App;
use crate::inputs::required;
use crate::introspection::Types;
use crate::writes::World;

const MANAGER: &str = "manager@wna.example.com";
const READER: &str = "reader@wna.example.com";
const STRANGER: &str = "manager@itrp.example.com";
const UNKNOWN: &str = "f0000000-0000-0000-0000-000000000007";

/// What an input names that it is about, where it is called neither `tenantId` nor `id`.
const OWN: &[(&str, &str)] = &[
    ("affectedSlasRecalculate", "slaId"),
    ("requestRecord", "requestId"),
    ("slaVersionActivate", "slaVersionId"),
    ("slaVersionCreate", "slaId"),
    ("tenantCreate", "parentId"),
    ("timeEntryRecord", "projectId"),
];

struct Refusals {
    app: Arc<App>,
    types: Types,
}

impl Refusals {
    async fn new() -> Self {
        let app = App::sampled().await;
        let types = Types::of(&app).await;
        Self { app, types }
    }

    /// Every mutation that is about one thing, the field that names it, and an input that fits its type.
    fn mutations(&self) -> Vec<(String, &'static str, Value)> {
        let all = self.types.get("Mutation").fields().iter().filter(|field| !field.name.ends_with("Many"));
        let with_input = all.map(|field| {
            let fields = self.types.get(field.args[0].r#type.name()).inputs();
            let known = OWN.iter().find(|(name, _)| *name == field.name).map(|(_, own)| *own);
            let own =
                ["tenantId", "id"].into_iter().find(|own| fields.iter().any(|given| given.name == *own));
            let own =
                known.or(own).unwrap_or_else(|| panic!("what is {} about? Add a line to OWN", field.name));
            let mut input = required(&self.types, &field.args[0]);
            // What says otherwise which one it is.
            input.as_object_mut().unwrap().retain(|name, _| name != "tenantId" || own == "tenantId");
            (field.name.clone(), own, input)
        });
        with_input.collect()
    }

    async fn ask(&self, login: &str, mutation: &str, input: &Value) -> Value {
        let kind = self.types.get("Mutation").field(mutation).unwrap().args[0].r#type.written();
        let query = format!(
            "mutation ($input: {kind}) {{ {mutation}(input: $input) {{ errors {{ code path message }} }} }}"
        );
        self.app.ask(login, &query, json!({ "input": input })).await
    }
}

/// The mistakes of a payload, each with its path.
pub(crate) fn mistakes(payload: &Value) -> Vec<String> {
    let errors = payload["errors"].as_array().unwrap_or_else(|| panic!("{payload}"));
    let told = errors.iter().map(|error| {
        let path = error["path"].as_array().unwrap().iter().map(|step| step.as_str().unwrap());
        format!("{} {}", error["code"].as_str().unwrap(), path.collect::<Vec<_>>().join("."))
    });
    told.collect()
}

/// The top-level errors of an answer, each with its place in the input.
fn refusals(answer: &Value) -> Vec<String> {
    let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let told = errors.iter().map(|error| {
        let path = error["extensions"]["inputPath"].as_array().into_iter().flatten();
        let path = path.map(|step| step.as_str().unwrap()).collect::<Vec<_>>().join(".");
        format!("{} {path}", error["extensions"]["code"].as_str().unwrap())
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_every_mutation_of_what_is_not_there_is_refused_at_the_id_that_names_it_and_of_what_is_hidden_just_so()
 {
    let all = Refusals::new().await;
    let mutations = all.mutations();
    assert!(mutations.len() > 50, "{}", mutations.len());
    for (mutation, own, mut input) in mutations {
        input[own] = json!(UNKNOWN);
        // Whatever else is wrong with it: of that nothing is told (rule P3).
        for name in ["name", "subject", "category"] {
            if !input[name].is_null() {
                input[name] = json!("");
            }
        }
        for login in [MANAGER, STRANGER] {
            let answer = all.ask(login, &mutation, &input).await;
            assert_eq!(refusals(&answer), [format!("NOT_FOUND input.{own}")], "{mutation}: {answer}");
        }
        let nobody = all.ask("", &mutation, &input).await;
        assert_eq!(refusals(&nobody), ["UNAUTHENTICATED "], "{mutation}: {nobody}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_while_a_write_waits_for_it_is_refused_where_it_is_named_and_made_anew_by_an_upsert()
{
    let all = Refusals::new().await;
    let tenant =
        all.app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let site =
        json!({ "tenantId": tenant, "name": "Pier", "source": "map", "sourceId": "1", "upsert": true });
    let create = "mutation ($input: SiteCreateInput!) { siteCreate(input: $input) { site { id uuid } errors { path } } }";
    for (mutation, renamed) in [("siteUpdate", true), ("siteDelete", false), ("siteCreate", true)] {
        let made = all.app.data(MANAGER, create, json!({ "input": site })).await["siteCreate"]["site"].take();
        let mut input = if mutation == "siteCreate" { site.clone() } else { json!({ "id": made["id"] }) };
        if renamed {
            input["name"] = json!("Quay");
        }
        let client = all.app.database.client().await;
        let delete = format!("BEGIN; DELETE FROM site WHERE id = '{}'", made["uuid"].as_str().unwrap());
        client.batch_execute(&delete).await.unwrap();
        let committing = async {
            all.app.database.waited_for().await;
            client.batch_execute("COMMIT").await.unwrap();
        };
        let (answer, ()) = tokio::join!(all.ask(MANAGER, mutation, &input), committing);
        if mutation == "siteCreate" {
            assert_eq!(answer["data"]["siteCreate"]["errors"], json!([]), "{answer}");
            let found = client.query_one("SELECT name FROM site WHERE source = 'map'", &[]).await.unwrap();
            assert_eq!(found.get::<_, String>(0), "Quay");
        } else {
            assert_eq!(refusals(&answer), ["NOT_FOUND input.id"], "{mutation}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_none_is_a_mistake_of_every_mutation_told_with_all_its_others() {
    let all = Refusals::new().await;
    for (mutation, own, mut input) in all.mutations() {
        let site = all.app.data(MANAGER, "{ sites(first: 1) { nodes { id } } }", json!({})).await;
        let site = &site["sites"]["nodes"][0]["id"];
        for no_id in [json!("nonsense"), site.clone()] {
            if mutation.starts_with("site") && no_id == *site && own == "id" {
                continue;
            }
            input[own] = no_id;
            let mut expected = vec![format!("INVALID input.{own}")];
            for name in ["name", "subject", "category"].iter().filter(|name| !input[**name].is_null()) {
                expected.push(format!("REQUIRED input.{name}"));
            }
            let input = expected[1..].iter().fold(input.clone(), |mut input, mistake| {
                input[mistake.rsplit('.').next().unwrap()] = json!(" ");
                input
            });
            let answer = all.ask(MANAGER, &mutation, &input).await;
            assert_eq!(answer["errors"], Value::Null, "{mutation}: {answer}");
            let told = mistakes(&answer["data"][&mutation]);
            for mistake in expected {
                let times = told.iter().filter(|one| **one == mistake).count();
                assert_eq!(times, 1, "{mutation}: {mistake} of {told:?}");
            }
            let nobody = all.ask("", &mutation, &input).await;
            assert_eq!(refusals(&nobody), ["UNAUTHENTICATED "], "{mutation}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_missing_permission_is_told_at_the_id_of_where_it_is_missing_as_the_schema_and_as_the_apis_call_it()
 {
    let all = Refusals::new().await;
    let types = &all.types;
    let own =
        all.app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let names: Vec<&str> = types.get("Permission").values().iter().map(|value| value.name.as_str()).collect();
    let mut tried = 0;
    for (mutation, field, mut input) in all.mutations() {
        if !["tenantId", "parentId"].contains(&field) {
            continue;
        }
        input[field] = own.clone();
        let answer = all.ask(READER, &mutation, &input).await;
        assert_eq!(refusals(&answer), [format!("FORBIDDEN input.{field}")], "{mutation}: {answer}");
        let told = &answer["errors"][0]["extensions"];
        let (name, wire) = (told["permissionEnum"].as_str().unwrap(), told["permission"].as_str().unwrap());
        assert!(names.contains(&name), "{mutation}: {told}");
        let described = types.get("Permission").values().iter().find(|value| value.name == name).unwrap();
        let begins = format!("`{wire}`:");
        assert!(described.description.as_ref().unwrap().starts_with(&begins), "{mutation}: {told}");
        tried += 1;
    }
    assert!(tried > 15, "{tried}");
    // Of an object that is there: its id.
    let site = all.app.data(MANAGER, "{ sites(first: 1) { nodes { id } } }", json!({})).await;
    let id = &site["sites"]["nodes"][0]["id"];
    for (mutation, input) in
        [("siteUpdate", json!({ "id": id, "name": " " })), ("siteDelete", json!({ "id": id }))]
    {
        assert_eq!(refusals(&all.ask(READER, mutation, &input).await), ["FORBIDDEN input.id"], "{mutation}");
    }
    // Queries name it the same way.
    let answer = all.app.ask(READER, "{ auditLog(first: 1) { totalCount } }", json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["permissionEnum"], "TENANTS_ADMIN", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn which_clocks_are_meant_is_told_wrong_at_its_place() {
    let all = Refusals::new().await;
    let clocks = all.app.data(MANAGER, "{ affectedSlas(first: 2) { nodes { id } } }", json!({})).await;
    let [one, two] = [0, 1].map(|at| clocks["affectedSlas"]["nodes"][at]["id"].clone());
    let recalculate = |input: Value| {
        let all = &all;
        async move { all.ask(MANAGER, "affectedSlasRecalculate", &input).await }
    };
    let answer = recalculate(json!({ "affectedSlaIds": ["no id", one, "none"] })).await;
    let expected = ["INVALID input.affectedSlaIds.0", "INVALID input.affectedSlaIds.2"];
    assert_eq!(mistakes(&answer["data"]["affectedSlasRecalculate"]), expected);
    let answer = recalculate(json!({ "affectedSlaIds": [one, two, UNKNOWN] })).await;
    assert_eq!(refusals(&answer), ["NOT_FOUND input.affectedSlaIds.2"], "{answer}");
    for input in [json!({}), json!({ "slaId": UNKNOWN, "requestId": "no id" })] {
        let answer = recalculate(input).await;
        assert_eq!(mistakes(&answer["data"]["affectedSlasRecalculate"]), ["REQUIRED input"], "{answer}");
    }
    let once = recalculate(json!({ "affectedSlaIds": [one, one], "dryRun": true })).await;
    assert_eq!(mistakes(&once["data"]["affectedSlasRecalculate"]), [""; 0], "{once}");
}

/// Terms over an offering.
fn terms(offering: &str, more: Value) -> Value {
    let mut service = json!({ "serviceOfferingId": offering });
    service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "versionName": "2", "terms": { "service": service } })
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mistakes_of_an_sla_and_of_its_version_are_told_at_once_and_each_once() {
    let mut world = World::new().await;
    world.make_all().await;
    let at = |field: &str| format!("input.version.terms.service.{field}");
    // An id that is none is one mistake, and says nothing of the instance beside it.
    let version = terms("no id", json!({ "serviceInstanceId": world.id("serviceInstance") }));
    let input = json!({ "tenantId": world.tenant, "name": "One", "customerId": world.id("organization"), "version": version });
    let payload = world.mutate("slaCreate", input, "id").await;
    assert_eq!(mistakes(&payload), [format!("INVALID {}", at("serviceOfferingId"))]);
    // That a version is of another kind is told with what is wrong with it besides.
    let queue = json!({ "queue": { "slaThreshold": -1, "abandonType": "COUNT_AGAINST_SLA" } });
    let version = json!({ "versionName": " ", "terms": queue });
    let payload = version_of(&world, version).await;
    let expected = [
        "REQUIRED input.version.versionName",
        "INVALID input.version.terms.queue.slaThreshold",
        "INVALID input.version.terms",
    ];
    assert_eq!(mistakes(&payload), expected);
    let payload = version_of(&world, terms(UNKNOWN, json!({ "coverage": "PEOPLE" }))).await;
    let expected =
        [format!("REQUIRED {}", at("personIds")), format!("NOT_FOUND {}", at("serviceOfferingId"))];
    assert_eq!(mistakes(&payload), expected);
    // And so is what an upsert says of the SLA beside its version.
    let mut input = world.nouns().pop().unwrap().input;
    input["upsert"] = json!(true);
    input["customerId"] = json!(UNKNOWN);
    input["version"] = terms(UNKNOWN, json!({}));
    input["expiryDate"] = json!("2025-12-31");
    let mut told = mistakes(&world.mutate("slaCreate", input.clone(), "id").await);
    told.sort();
    let expected = [
        "INVALID input.expiryDate".to_owned(),
        "INVALID input.noticeDate".to_owned(),
        "NOT_FOUND input.customerId".to_owned(),
        format!("NOT_FOUND {}", at("serviceOfferingId")),
    ];
    assert_eq!(told, expected);
    // An upsert that does not say of what is told so, and what else is wrong.
    input.as_object_mut().unwrap().remove("sourceId");
    let told = mistakes(&world.mutate("slaCreate", input, "id").await);
    assert!(told.contains(&"REQUIRED input.sourceId".to_owned()), "{told:?}");
    assert!(told.contains(&"NOT_FOUND input.customerId".to_owned()), "{told:?}");
    let team = json!({ "tenantId": world.tenant, "name": "T", "upsert": true, "memberIds": [UNKNOWN] });
    let told = mistakes(&world.mutate("teamCreate", team, "id").await);
    assert_eq!(told, ["REQUIRED input.sourceId", "NOT_FOUND input.memberIds.0"]);
}

async fn version_of(world: &World, version: Value) -> Value {
    let query = "mutation ($input: SlaVersionCreateInput!) { payload: slaVersionCreate(input: $input) {
        errors { code path message } } }";
    let input = json!({ "input": { "slaId": world.id("sla"), "version": version } });
    world.app.data(MANAGER, query, input).await["payload"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_remarks_of_more_than_64_kib_are_a_mistake_of_the_input_and_what_is_huge_is_refused_before_it() {
    let mut world = World::new().await;
    world.make_all().await;
    let update = |remarks: String| {
        let input = json!({ "input": { "id": world.id("sla"), "remarks": remarks } });
        let query = "mutation ($input: SlaUpdateInput!) { slaUpdate(input: $input) { errors { code path message } } }";
        let world = &world;
        async move { world.app.ask(MANAGER, query, input).await }
    };
    let most = 64 * 1024;
    assert_eq!(update("x".repeat(most)).await["data"]["slaUpdate"]["errors"], json!([]));
    // Bytes are counted, and the mistake is told once.
    for long in ["x".repeat(most + 1), "é".repeat(most / 2 + 1), "x".repeat(150_000)] {
        let answer = update(long).await;
        assert_eq!(mistakes(&answer["data"]["slaUpdate"]), ["TOO_LONG input.remarks"]);
    }
    let answer = update("x".repeat(200_000)).await;
    assert_eq!(refusals(&answer), ["LIMIT_EXCEEDED input.remarks"], "{answer}");
}
