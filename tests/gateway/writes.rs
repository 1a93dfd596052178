//! Writing every noun: made with all that can be said of it, read back, changed, refused and deleted, by whoever may.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::App;
use crate::introspection::{Input, Types};

const MANAGER: &str = "manager@wna.example.com";
const OPERATOR: &str = "operator@example.com";

/// What the inputs of one test refer to: objects that it made before, by the name of their type.
pub(crate) struct World {
    pub(crate) app: Arc<App>,
    pub(crate) tenant: String,
    made: BTreeMap<&'static str, String>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let app = App::sampled().await;
        let tenant = app.data(MANAGER, "{ tenant(slug: \"wna\") { id } }", json!({})).await;
        let tenant = tenant["tenant"]["id"].as_str().unwrap().to_owned();
        Self { app, tenant, made: BTreeMap::new() }
    }

    pub(crate) fn id(&self, kind: &str) -> &str {
        self.made.get(kind).unwrap_or_else(|| panic!("no {kind} was made yet"))
    }

    /// The payload of a mutation, with `selection` of its object.
    pub(crate) async fn mutate(&self, mutation: &str, input: Value, selection: &str) -> Value {
        mutate(&self.app, mutation, input, selection).await
    }

    /// All that can be said of each noun, in an order in which each may refer to those before.
    pub(crate) fn nouns(&self) -> Vec<Noun> {
        let made = |kind| json!(self.made.get(kind));
        let own = json!(self.tenant);
        let sourced = |fields: Value| {
            let mut fields = fields;
            fields["source"] = json!("cmdb");
            fields["sourceId"] = json!("4711");
            fields
        };
        let noun = |name, input: Value, change: Value| Noun { name, input: sourced(input), change };
        vec![
            noun(
                "organization",
                json!({ "tenantId": own, "name": "Acme", "external": true, "parentId": null }),
                json!({ "name": "Acme Ltd.", "external": false }),
            ),
            noun(
                "site",
                json!({ "tenantId": own, "name": "Oslo", "timeZone": "Europe/Oslo" }),
                json!({ "timeZone": null }),
            ),
            noun(
                "person",
                json!({
                    "tenantId": own, "firstName": "Ida", "lastName": "Berg", "email": "ida@example.com",
                    "login": "ida@example.com", "organizationId": made("organization"), "siteId": made("site"),
                }),
                json!({ "email": null, "lastName": "Dahl" }),
            ),
            noun(
                "team",
                json!({ "tenantId": own, "name": "Night shift", "memberIds": [made("person")] }),
                json!({ "memberIds": [] }),
            ),
            noun(
                "calendar",
                json!({
                    "tenantId": own, "name": "Weekdays",
                    "hours": [
                        { "weekday": "MONDAY", "from": "09:00", "until": "12:00" },
                        { "weekday": "MONDAY", "from": "13:00", "until": "24:00" },
                    ],
                    "holidays": [{ "name": "Easter", "startsAt": "2026-04-05T12:00", "endsAt": "2026-04-07T00:00" }],
                }),
                json!({ "hours": [{ "weekday": "SUNDAY", "from": "00:00", "until": "24:00" }] }),
            ),
            noun(
                "service",
                json!({ "tenantId": own, "name": "Mail", "providerId": made("organization") }),
                json!({ "name": "E-mail" }),
            ),
            noun(
                "serviceOffering",
                json!({
                    "tenantId": own, "name": "Mail, gold", "serviceId": made("service"), "timeZone": "Europe/Oslo",
                    "status": "PLANNED", "serviceHoursId": made("calendar"),
                    "targets": [{
                        "impact": "TOP", "supportHoursId": made("calendar"),
                        "response": { "kind": "MINUTES", "minutes": 15 },
                        "resolution": { "kind": "BUSINESS_DAYS", "businessDays": 2 },
                    }],
                }),
                json!({ "status": "AVAILABLE", "targets": [], "serviceHoursId": null }),
            ),
            noun(
                "standardServiceRequest",
                json!({
                    "tenantId": own, "name": "New mailbox", "serviceOfferingId": made("serviceOffering"),
                    "supportHoursId": made("calendar"), "response": { "kind": "BEST_EFFORT" },
                    "resolution": { "kind": "MINUTES", "minutes": 480 },
                }),
                json!({ "resolution": { "kind": "NONE" }, "supportHoursId": null }),
            ),
            noun(
                "serviceInstance",
                json!({
                    "tenantId": own, "name": "Mail server 1", "serviceId": made("service"),
                    "supportTeamId": made("team"), "firstLineTeamId": made("team"),
                    "providerId": made("organization"), "uses": [], "userIds": [made("person")],
                }),
                json!({ "firstLineTeamId": null, "userIds": [] }),
            ),
            noun("project", json!({ "tenantId": own, "name": "Move" }), json!({ "name": "Great move" })),
            noun(
                "slaLimit",
                json!({
                    "tenantId": own, "projectId": made("project"), "timeLimitInHours": 20, "timePeriod": "MONTHLY",
                    "contactType": "EMAIL", "contact": "pech@simplo.cz", "categories": ["A", "B"],
                    "deactivatedUntilNextPeriod": true,
                }),
                json!({ "contact": "bzatek@simplo.cz", "deactivatedUntilNextPeriod": false }),
            ),
            noun(
                "sla",
                json!({
                    "tenantId": own, "name": "Mail for Acme", "customerId": made("organization"),
                    "description": "as agreed", "remarks": "none", "startDate": "2026-01-01",
                    "noticeDate": "2026-06-01", "expiryDate": "2026-12-31", "status": "ACTIVE", "active": false,
                    "version": { "versionName": "1.0", "terms": { "service": {
                        "serviceOfferingId": made("serviceOffering"), "serviceInstanceId": made("serviceInstance"),
                        "coverage": "ORGANIZATIONS", "organizationIds": [made("organization")],
                    } } },
                }),
                json!({ "remarks": null, "active": true, "expiryDate": null }),
            ),
        ]
    }

    /// Makes one of each.
    pub(crate) async fn make_all(&mut self) {
        for index in 0..self.nouns().len() {
            let noun = self.nouns().swap_remove(index);
            let payload = self.mutate(&format!("{}Create", noun.name), noun.input, "id").await;
            assert_eq!(payload["errors"], json!([]), "{}: {payload}", noun.name);
            self.made.insert(noun.name, payload["object"]["id"].as_str().unwrap().to_owned());
        }
    }
}

pub(crate) struct Noun {
    pub(crate) name: &'static str,
    pub(crate) input: Value,
    change: Value,
}

async fn mutate(app: &App, mutation: &str, input: Value, selection: &str) -> Value {
    let field =
        ["Create", "Update", "VersionCreate"].iter().find_map(|verb| mutation.strip_suffix(verb)).unwrap();
    let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {kind}!) {{ payload: {mutation}(input: $input) {{ object: {field} {{ {selection} }} \
         errors {{ code path message }} clientMutationId }} }}"
    );
    app.data(MANAGER, &query, json!({ "input": input })).await["payload"].take()
}

async fn delete(app: &App, noun: &str, id: &str) -> Value {
    let kind = format!("{}{}DeleteInput", noun[..1].to_uppercase(), &noun[1..]);
    let query = format!(
        "mutation($input: {kind}!) {{ payload: {noun}Delete(input: $input) {{ deletedId errors {{ code path message }} }} }}"
    );
    app.data(MANAGER, &query, json!({ "input": { "id": id } })).await["payload"].take()
}

fn codes(payload: &Value) -> Vec<String> {
    let errors = payload["errors"].as_array().unwrap();
    let text = |error: &Value| {
        let path: Vec<&str> =
            error["path"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
        format!("{} {}", error["code"].as_str().unwrap(), path.join("."))
    };
    let mut codes: Vec<String> = errors.iter().map(text).collect();
    codes.sort();
    codes
}

/// The selection that asks back what an input said.
fn asked_back(name: &str, value: &Value) -> Option<(String, String)> {
    Some(match (name, value) {
        ("tenantId" | "userIds" | "version" | "clientMutationId" | "upsert", _) => return None,
        ("memberIds", _) => ("members".into(), "members { nodes { id } }".into()),
        ("uses", _) => ("uses".into(), "uses { effect }".into()),
        ("hours", _) => ("hours".into(), "hours { weekday from until }".into()),
        ("holidays", _) => ("holidays".into(), "holidays { name startsAt endsAt }".into()),
        ("targets", _) => (
            "targets".into(),
            "targets { impact supportHours { id } response { kind minutes businessDays } \
             resolution { kind minutes businessDays } }"
                .into(),
        ),
        ("response" | "resolution", _) => return None,
        (name, _) => match name.strip_suffix("Id").filter(|field| *field != "source") {
            Some(field) => (field.into(), format!("{field} {{ id }}")),
            None => (name.into(), name.into()),
        },
    })
}

/// What the answer must be, for a value of the input.
fn expected(name: &str, value: &Value) -> Value {
    match (name, value) {
        (_, Value::Null) => Value::Null,
        ("memberIds", Value::Array(ids)) => {
            json!({ "nodes": ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>() })
        }
        ("targets", Value::Array(targets)) => targets
            .iter()
            .map(|target| {
                let duration = |name: &str| {
                    let given = &target[name];
                    json!({ "kind": given["kind"], "minutes": given["minutes"], "businessDays": given["businessDays"] })
                };
                json!({
                    "impact": target["impact"], "supportHours": { "id": target["supportHoursId"] },
                    "response": duration("response"), "resolution": duration("resolution"),
                })
            })
            .collect(),
        (name, id) if name.ends_with("Id") && name != "sourceId" => json!({ "id": id }),
        (_, value) => value.clone(),
    }
}

async fn compare(world: &World, noun: &str, id: &str, said: &Value) {
    let said = said.as_object().unwrap();
    let fields: Vec<(String, String)> =
        said.iter().filter_map(|(name, value)| asked_back(name, value)).collect();
    let selection: Vec<&str> = fields.iter().map(|(_, selection)| selection.as_str()).collect();
    let query = format!("query($id: ID!) {{ object: {noun}(id: $id) {{ {} }} }}", selection.join(" "));
    let answer = world.app.data(MANAGER, &query, json!({ "id": id })).await;
    for (name, value) in said {
        let Some((field, _)) = asked_back(name, value) else { continue };
        assert_eq!(answer["object"][&field], expected(name, value), "{noun}.{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_said_of_an_object_is_read_back_and_changed_and_what_is_left_out_stays() {
    let mut world = World::new().await;
    world.make_all().await;
    for noun in world.nouns() {
        let id = world.id(noun.name).to_owned();
        compare(&world, noun.name, &id, &noun.input).await;
        let mut change = noun.change.clone();
        change["id"] = json!(id);
        let payload = world.mutate(&format!("{}Update", noun.name), change, "id revision").await;
        assert_eq!(payload["errors"], json!([]), "{}: {payload}", noun.name);
        assert_eq!(payload["object"]["revision"], 2, "{}", noun.name);
        let mut now = noun.input.clone();
        now.as_object_mut().unwrap().extend(noun.change.as_object().unwrap().clone());
        compare(&world, noun.name, &id, &now).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_that_makes_something_has_a_bulk_form_and_inputs_of_every_noun_are_tried() {
    let mut world = World::new().await;
    world.make_all().await;
    let types = Types::of(&world.app).await;
    let mutations: BTreeSet<String> =
        types.get("Mutation").fields().iter().map(|field| field.name.clone()).collect();
    let tried: BTreeSet<&str> = world.nouns().iter().map(|noun| noun.name).collect();
    for mutation in &mutations {
        let Some(noun) = mutation.strip_suffix("Create") else { continue };
        assert!(mutations.contains(&format!("{mutation}Many")), "{mutation} has no bulk form");
        let elsewhere = ["tenant", "slaVersion", "role", "serviceToken", "webhook"];
        assert!(tried.contains(noun) || elsewhere.contains(&noun), "no input of {mutation} is tried here");
        if let Some(said) = world.nouns().iter().find(|tried| tried.name == noun) {
            let fields = types.get(&format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]));
            let said = said.input.as_object().unwrap();
            let silent = |field: &&Input| {
                !said.contains_key(&field.name)
                    && !["clientMutationId", "upsert", "shared", "customerRepId", "serviceLevelManagerId"]
                        .contains(&field.name.as_str())
            };
            let forgotten: Vec<&String> =
                fields.inputs().iter().filter(silent).map(|field| &field.name).collect();
            assert!(forgotten.is_empty(), "{mutation}: nothing is said of {forgotten:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_overwrites_anybody_who_says_which_revision_was_read() {
    let mut world = World::new().await;
    world.make_all().await;
    for noun in world.nouns() {
        let id = world.id(noun.name).to_owned();
        let mut change = noun.change.clone();
        change["id"] = json!(id);
        change["expectedRevision"] = json!(1);
        let mutation = format!("{}Update", noun.name);
        let first = world.mutate(&mutation, change.clone(), "id revision").await;
        assert_eq!(first["errors"], json!([]), "{mutation}: {first}");
        let second = world.mutate(&mutation, change, "id revision").await;
        assert_eq!(codes(&second), ["CONFLICT input.expectedRevision"], "{mutation}");
        assert_eq!(second["object"], json!({ "id": id, "revision": 2 }), "{mutation}: as it is now");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_under_the_same_mark_gives_the_first_result_and_another_input_under_it_is_refused() {
    let mut world = World::new().await;
    world.make_all().await;
    for noun in world.nouns() {
        let mutation = format!("{}Create", noun.name);
        let mut input = noun.input.clone();
        // What is unique is told apart from what the world has already.
        input["sourceId"] = json!("marked");
        if noun.name == "person" {
            input["login"] = json!("other@example.com");
        }
        input["clientMutationId"] = json!("a mark of mine");
        let tries = (0..5).map(|_| world.mutate(&mutation, input.clone(), "id"));
        let tries = join_all(tries).await;
        assert!(
            tries.iter().all(|one| one["errors"] == json!([]) && one["object"] == tries[0]["object"]),
            "{tries:?}"
        );
        assert_ne!(tries[0]["object"]["id"], world.id(noun.name), "{mutation}");
        input["source"] = json!("elsewhere");
        let other = world.mutate(&mutation, input, "id").await;
        assert_eq!(codes(&other), ["CONFLICT input.clientMutationId"], "{mutation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_finds_the_object_of_its_source_and_a_plain_create_is_refused() {
    let mut world = World::new().await;
    world.make_all().await;
    for noun in world.nouns() {
        let mutation = format!("{}Create", noun.name);
        let mut input = noun.input.clone();
        if noun.name == "person" {
            input["login"] = json!("third@example.com");
        }
        let plain = world.mutate(&mutation, input.clone(), "id").await;
        assert_eq!(codes(&plain), ["DUPLICATE input.sourceId"], "{mutation}");
        input["upsert"] = json!(true);
        let again = world.mutate(&mutation, input.clone(), "id revision").await;
        assert_eq!(again["errors"], json!([]), "{mutation}: {again}");
        assert_eq!(again["object"]["id"], world.id(noun.name), "{mutation}");
        input["sourceId"] = json!("new");
        if noun.name == "person" {
            input["login"] = json!("fourth@example.com");
        }
        let tries = join_all((0..4).map(|_| world.mutate(&mutation, input.clone(), "id"))).await;
        assert!(tries.iter().all(|one| one["object"] == tries[0]["object"]), "{mutation}: {tries:?}");
        assert_ne!(tries[0]["object"]["id"], world.id(noun.name), "{mutation}");
        input.as_object_mut().unwrap().remove("sourceId");
        let without = world.mutate(&mutation, input, "id").await;
        assert!(codes(&without).contains(&"REQUIRED input.sourceId".to_owned()), "{mutation}: {without}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_of_an_sla_makes_a_version_only_where_other_terms_are_promised() {
    let mut world = World::new().await;
    world.make_all().await;
    let versions = "id versions { totalCount } activeVersion { number versionName }";
    let mut input = world.nouns().pop().unwrap().input;
    input["upsert"] = json!(true);
    let same = world.mutate("slaCreate", input.clone(), versions).await;
    assert_eq!(same["object"]["versions"]["totalCount"], 1, "{same}");
    input["version"]["terms"]["service"]["coverage"] = json!("CUSTOMER_ACCOUNT");
    input["version"]["terms"]["service"].as_object_mut().unwrap().remove("organizationIds");
    input["version"]["versionName"] = json!("2.0");
    let other = world.mutate("slaCreate", input, versions).await;
    assert_eq!(other["object"]["id"], world.id("sla"));
    assert_eq!(other["object"]["versions"]["totalCount"], 2, "{other}");
    assert_eq!(other["object"]["activeVersion"], json!({ "number": 2, "versionName": "2.0" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_leaves_as_it_is_what_it_does_not_say_or_says_is_null_of_every_noun() {
    let mut world = World::new().await;
    world.make_all().await;
    let types = Types::of(&world.app).await;
    let mut unsaid = BTreeSet::new();
    for noun in world.nouns() {
        let mutation = format!("{}Create", noun.name);
        let ty = types.get(&format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]));
        let mut little = noun.input.clone();
        little["upsert"] = json!(true);
        for field in ty.inputs() {
            let kept = field.r#type.written().ends_with('!') || field.name.starts_with("source");
            if !kept
                && little.as_object_mut().unwrap().remove(&field.name).is_some_and(|said| !said.is_null())
            {
                unsaid.insert(format!("{}.{}", noun.name, field.name));
            }
        }
        little["upsert"] = json!(true);
        let mut null = little.clone();
        for field in ty.inputs().iter().filter(|field| !field.r#type.written().ends_with('!')) {
            if null.get(&field.name).is_none() {
                null[&field.name] = Value::Null;
            }
        }
        let id = world.id(noun.name).to_owned();
        for input in [little, null] {
            let payload = world.mutate(&mutation, input, "id revision").await;
            assert_eq!(payload["errors"], json!([]), "{mutation}: {payload}");
            assert_eq!(payload["object"], json!({ "id": id, "revision": 1 }), "{mutation}");
            compare(&world, noun.name, &id, &noun.input).await;
        }
    }
    for field in ["calendar.holidays", "organization.external", "serviceOffering.status", "team.memberIds"] {
        assert!(unsaid.contains(field), "{field} of {unsaid:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_of_an_sla_leaves_as_it_is_what_it_does_not_say() {
    let mut world = World::new().await;
    world.make_all().await;
    let mut input = world.nouns().pop().unwrap().input;
    input["upsert"] = json!(true);
    for unsaid in ["active", "remarks", "expiryDate"] {
        input[unsaid] = json!(null);
    }
    let kept = "active shared remarks expiryDate";
    let was = json!({ "active": false, "shared": false, "remarks": "none", "expiryDate": "2026-12-31" });
    assert_eq!(world.mutate("slaCreate", input.clone(), kept).await["object"], was);
    input["shared"] = json!(true);
    assert_eq!(world.mutate("slaCreate", input.clone(), kept).await["object"]["shared"], true);
    input["shared"] = json!(false);
    assert_eq!(codes(&world.mutate("slaCreate", input, kept).await), ["IRREVERSIBLE input.shared"], "S5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_list_of_an_sla_has_the_place_it_has_in_the_input() {
    let mut world = World::new().await;
    world.make_all().await;
    let mut input = world.nouns().pop().unwrap().input;
    let (good, no_organization) = (world.id("organization"), world.id("site").to_owned());
    let unknown = "ffffffff-5717-4562-b3fc-000000000000";
    input["sourceId"] = json!("another");
    input["version"]["terms"]["service"]["organizationIds"] =
        json!([unknown, good, "no id", good, no_organization, "00000000-5717-4562-b3fc-000000000000"]);
    let mut expected = [("NOT_FOUND", 0), ("INVALID", 2), ("INVALID", 4), ("NOT_FOUND", 5)]
        .map(|(code, place)| format!("{code} input.version.terms.service.organizationIds.{place}"));
    expected.sort();
    assert_eq!(codes(&world.mutate("slaCreate", input, "id").await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_referred_to_stays_and_says_by_what_and_the_rest_can_be_deleted() {
    let mut world = World::new().await;
    world.make_all().await;
    for used in
        ["organization", "site", "person", "team", "service", "serviceOffering", "serviceInstance", "project"]
    {
        // A person in a team, or one who uses an instance, is taken out of it.
        if used == "person" {
            continue;
        }
        let payload = delete(&world.app, used, world.id(used)).await;
        assert_eq!(codes(&payload), ["IN_USE input.id"], "{used}: {payload}");
    }
    let names: Vec<&str> = world.nouns().iter().map(|noun| noun.name).rev().collect();
    for name in names {
        let id = world.id(name).to_owned();
        let payload = delete(&world.app, name, &id).await;
        assert_eq!(payload, json!({ "deletedId": id, "errors": [] }), "{name}");
        let query = format!("query($id: ID!) {{ {name}(id: $id) {{ id }} }}");
        let gone = world.app.ask(MANAGER, &query, json!({ "id": id })).await;
        assert_eq!(gone["errors"][0]["extensions"]["code"], "NOT_FOUND", "{name}: {gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_leaves_who_what_before_and_after_p4() {
    let mut world = World::new().await;
    world.make_all().await;
    for noun in world.nouns() {
        let id = world.id(noun.name).to_owned();
        let mut change = noun.change.clone();
        change["id"] = json!(id);
        world.mutate(&format!("{}Update", noun.name), change, "id").await;
        let uuid = format!("query($id: ID!) {{ object: {}(id: $id) {{ uuid }} }}", noun.name);
        let uuid = world.app.data(MANAGER, &uuid, json!({ "id": id })).await["object"]["uuid"].clone();
        let query = "query($actions: [String!]!) { auditLog(filter: { action: { in: $actions } }, orderBy: [{ field: AT }]) {
            nodes { action objectType objectUuid actorName before after } } }";
        let actions = [format!("{}Create", noun.name), format!("{}Update", noun.name)];
        let entries = world.app.data(MANAGER, query, json!({ "actions": actions })).await;
        let entries: Vec<Value> = entries["auditLog"]["nodes"].as_array().unwrap().clone();
        let entries: Vec<Value> = entries.into_iter().filter(|entry| entry["objectUuid"] == uuid).collect();
        let actions: Vec<&str> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
        assert_eq!(actions, [format!("{}Create", noun.name), format!("{}Update", noun.name)]);
        assert_eq!(entries[0]["before"], Value::Null);
        assert_eq!(entries[1]["before"]["revision"], 1, "{}", noun.name);
        assert_eq!(entries[1]["after"]["revision"], 2, "{}", noun.name);
        for name in ["calendar_hours", "offering_target", "team_member"] {
            if !entries[0]["after"][name].is_null() && !entries[1]["after"][name].is_null() {
                assert_ne!(entries[1]["before"][name], entries[1]["after"][name], "{name}: before and after");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mistakes_of_an_input_are_told_at_once_at_their_fields() {
    let mut world = World::new().await;
    world.make_all().await;
    let foreign = world
        .app
        .data(
            OPERATOR,
            "{ tenant(slug: \"itrp\") { organizations(first: 1) { nodes { id } } \
         calendars(first: 1) { nodes { id } } } }",
            json!({}),
        )
        .await;
    let foreign_organization = foreign["tenant"]["organizations"]["nodes"][0]["id"].clone();
    let nobodys = "0198f000-0000-7000-8000-000000000000";
    let cases = [
        (
            "organizationCreate",
            json!({ "name": " ", "parentId": foreign_organization, "source": "x".repeat(31) }),
            vec!["NOT_FOUND input.parentId", "REQUIRED input.name", "TOO_LONG input.source"],
        ),
        ("siteCreate", json!({ "name": "x".repeat(161) }), vec!["TOO_LONG input.name"]),
        (
            "personCreate",
            json!({ "firstName": "", "lastName": "", "email": "nobody", "siteId": "no id" }),
            vec!["INVALID input.email", "INVALID input.siteId"],
        ),
        ("personCreate", json!({ "firstName": "", "lastName": " " }), vec!["REQUIRED input.lastName"]),
        (
            "teamCreate",
            json!({ "name": "T", "memberIds": [nobodys, world.id("site")] }),
            vec!["INVALID input.memberIds.1", "NOT_FOUND input.memberIds.0"],
        ),
        (
            "calendarCreate",
            json!({
                "name": "C",
                "hours": [
                    { "weekday": "MONDAY", "from": "09:00", "until": "17:00" },
                    { "weekday": "MONDAY", "from": "16:59", "until": "18:00" },
                    { "weekday": "TUESDAY", "from": "12:00", "until": "12:00" },
                ],
                "holidays": [{ "name": "", "startsAt": "2026-01-02T00:00", "endsAt": "2026-01-01T00:00" }],
            }),
            vec![
                "INVALID input.holidays.0.endsAt",
                "INVALID input.hours.1",
                "INVALID input.hours.2.until",
                "REQUIRED input.holidays.0.name",
            ],
        ),
        (
            "serviceOfferingCreate",
            json!({
                "name": "O", "serviceId": world.id("service"), "timeZone": "UTC",
                "targets": [
                    {
                        "impact": "TOP", "response": { "kind": "MINUTES" },
                        "resolution": { "kind": "NONE", "businessDays": 1 },
                    },
                    { "impact": "TOP", "response": { "kind": "NONE" }, "resolution": { "kind": "NONE" } },
                    {
                        "impact": "LOW", "response": { "kind": "MINUTES", "minutes": -1 },
                        "resolution": { "kind": "BEST_EFFORT" }, "supportHoursId": nobodys,
                    },
                    {
                        "impact": "HIGH", "response": { "kind": "NONE" },
                        "resolution": { "kind": "BUSINESS_DAYS", "businessDays": 1 },
                    },
                ],
            }),
            vec![
                "DUPLICATE input.targets.1.impact",
                "INVALID input.targets.0.resolution.businessDays",
                "INVALID input.targets.2.response.minutes",
                "NOT_FOUND input.targets.2.supportHoursId",
                "REQUIRED input.targets.0.response.minutes",
                "REQUIRED input.targets.3.supportHoursId",
            ],
        ),
        (
            "slaLimitCreate",
            json!({
                "projectId": nobodys, "timeLimitInHours": 0, "timePeriod": "WEEKLY", "contactType": "EMAIL",
                "contact": "pech simplo.cz", "categories": ["A", "A", " "],
            }),
            vec![
                "DUPLICATE input.categories.1",
                "INVALID input.contact",
                "INVALID input.timeLimitInHours",
                "NOT_FOUND input.projectId",
                "REQUIRED input.categories.2",
            ],
        ),
        (
            "slaLimitCreate",
            json!({
                "projectId": world.id("project"), "timeLimitInHours": 1, "timePeriod": "WEEKLY",
                "contactType": "EMAIL", "contact": "pech@simplo.cz", "categories": [],
            }),
            vec!["REQUIRED input.categories"],
        ),
        (
            "slaCreate",
            json!({
                "name": "", "customerId": "no id", "startDate": "2026-02-01", "expiryDate": "2026-01-01",
                "version": { "versionName": "", "terms": { "service": {
                    "serviceOfferingId": nobodys, "coverage": "PEOPLE", "siteIds": ["no id"],
                } } },
            }),
            vec![
                "INVALID input.customerId",
                "INVALID input.expiryDate",
                "INVALID input.version.terms.service.siteIds.0",
                "NOT_FOUND input.version.terms.service.serviceOfferingId",
                "REQUIRED input.name",
                "REQUIRED input.version.terms.service.personIds",
                "REQUIRED input.version.versionName",
            ],
        ),
    ];
    for (mutation, mut input, expected) in cases {
        input["tenantId"] = json!(world.tenant);
        let payload = world.mutate(mutation, input, "id").await;
        assert_eq!(codes(&payload), expected, "{mutation}: {payload}");
        assert_eq!(payload["object"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_without_hours_is_refused_where_it_would_be_used_x11() {
    let mut world = World::new().await;
    world.make_all().await;
    let input = json!({ "tenantId": world.tenant, "name": "Never", "hours": [] });
    let never = world.mutate("calendarCreate", input, "id").await;
    assert_eq!(never["errors"], json!([]));
    let change = json!({ "id": world.id("serviceOffering"), "serviceHoursId": never["object"]["id"] });
    let payload = world.mutate("serviceOfferingUpdate", change, "id").await;
    assert_eq!(codes(&payload), ["NOT_FOUND input.serviceHoursId"]);
    let change = json!({ "id": world.id("standardServiceRequest"), "supportHoursId": never["object"]["id"] });
    let payload = world.mutate("standardServiceRequestUpdate", change, "id").await;
    assert_eq!(codes(&payload), ["NOT_FOUND input.supportHoursId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_instance_uses_itself_however_far_below_and_however_many_write_o4() {
    let mut world = World::new().await;
    world.make_all().await;
    let mut instances = vec![world.id("serviceInstance").to_owned()];
    for number in 1..4 {
        let uses = json!([{ "serviceInstanceId": instances[number - 1], "effect": "DEGRADED" }]);
        let input = json!({
            "tenantId": world.tenant, "name": format!("{number}"), "serviceId": world.id("service"), "uses": uses,
        });
        let made = world.mutate("serviceInstanceCreate", input, "id").await;
        assert_eq!(made["errors"], json!([]));
        instances.push(made["object"]["id"].as_str().unwrap().to_owned());
    }
    let using = |consumer: &str, used: &str| {
        let change = json!({ "id": consumer, "uses": [{ "serviceInstanceId": used, "effect": "DOWN" }] });
        let world = &world;
        async move { world.mutate("serviceInstanceUpdate", change, "id").await }
    };
    assert_eq!(codes(&using(&instances[0], &instances[3]).await), ["INVALID input.uses"]);
    assert_eq!(codes(&using(&instances[0], &instances[0]).await), ["INVALID input.uses"]);
    // Two changes, each right alone, that would close a circle together.
    let change = |id: &str| json!({ "id": id, "uses": [] });
    for id in &instances {
        world.mutate("serviceInstanceUpdate", change(id), "id").await;
    }
    let both = join_all([using(&instances[0], &instances[1]), using(&instances[1], &instances[0])]).await;
    let refused = both.iter().filter(|payload| codes(payload) == ["INVALID input.uses"]).count();
    assert_eq!(refused, 1, "{both:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_organization_is_a_part_of_itself() {
    let mut world = World::new().await;
    world.make_all().await;
    let top = world.id("organization").to_owned();
    let input = json!({ "tenantId": world.tenant, "name": "Below", "parentId": top });
    let below = world.mutate("organizationCreate", input, "id").await;
    let change = json!({ "id": top, "parentId": below["object"]["id"] });
    let payload = world.mutate("organizationUpdate", change, "id").await;
    assert_eq!(codes(&payload), ["INVALID input.parentId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_and_an_offering_of_one_sla_stay_of_one_service_s7() {
    let mut world = World::new().await;
    world.make_all().await;
    let input = json!({ "tenantId": world.tenant, "name": "Chat", "providerId": world.id("organization") });
    let other = world.mutate("serviceCreate", input, "id").await;
    for noun in ["serviceInstance", "serviceOffering"] {
        let change = json!({ "id": world.id(noun), "serviceId": other["object"]["id"] });
        let payload = world.mutate(&format!("{noun}Update"), change, "id").await;
        assert_eq!(codes(&payload), ["IN_USE input.serviceId"], "{noun}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tenant_has_its_place_at_once() {
    let world = World::new().await;
    let create = |parent: Value, slug: &str| {
        let input = json!({ "parentId": parent, "slug": slug, "name": "New", "timeZone": "Europe/Oslo" });
        let world = &world;
        async move {
            world.mutate("tenantCreate", input, "id slug parent { slug } timeZone defaultSla { id }").await
        }
    };
    let made = create(json!(world.tenant), "wna-new").await;
    assert_eq!(made["errors"], json!([]), "{made}");
    assert_eq!(made["object"]["parent"]["slug"], "wna");
    let id = made["object"]["id"].clone();
    let site =
        mutate(&world.app, "siteCreate", json!({ "tenantId": id, "name": "There" }), "name tenant { slug }")
            .await;
    assert_eq!(site["object"], json!({ "name": "There", "tenant": { "slug": "wna-new" } }), "{site}");
    assert_eq!(codes(&create(json!(world.tenant), "wna-new").await), ["DUPLICATE input.slug"]);
    assert_eq!(codes(&create(json!(world.tenant), "Wna New").await), ["INVALID input.slug"]);
    let children =
        world.app.data(MANAGER, "{ tenant(slug: \"wna\") { children { nodes { slug } } } }", json!({})).await;
    assert!(children.to_string().contains("wna-new"), "{children}");
    let payload = delete(&world.app, "tenant", id.as_str().unwrap()).await;
    assert_eq!(codes(&payload), ["IN_USE input.id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_are_written_all_or_each_or_none() {
    let world = World::new().await;
    let query = "mutation($input: SiteCreateManyInput!) { siteCreateMany(input: $input) {
        accepted results { site { name } errors { code path } clientMutationId } } }";
    let rows = |names: &[&str]| {
        names.iter().map(|name| json!({ "tenantId": world.tenant, "name": name })).collect::<Vec<_>>()
    };
    let send = |rows: Vec<Value>, atomic: bool, dry_run: bool| {
        let variables = json!({ "input": { "rows": rows, "atomic": atomic, "dryRun": dry_run } });
        let world = &world;
        async move { world.app.data(MANAGER, query, variables).await["siteCreateMany"].take() }
    };
    let stored = |name: &'static str| {
        let query = "query($name: String!) { sites(filter: { name: { startsWith: $name } }) { totalCount } }";
        let world = &world;
        async move { world.app.data(MANAGER, query, json!({ "name": name })).await["sites"]["totalCount"].clone() }
    };
    let all = send(rows(&["all 1", "all 2", "all 3"]), true, false).await;
    assert_eq!(all["accepted"], 3);
    assert_eq!(all["results"][2]["site"]["name"], "all 3", "{all}");
    let none = send(rows(&["none 1", " ", "none 3"]), true, false).await;
    assert_eq!(none["accepted"], 2);
    assert_eq!(none["results"][0], json!({ "site": null, "errors": [], "clientMutationId": null }));
    assert_eq!(
        none["results"][1]["errors"],
        json!([{ "code": "REQUIRED", "path": ["input", "rows", "1", "name"] }])
    );
    assert_eq!(stored("none").await, 0);
    let each = send(rows(&["each 1", " ", "each 3"]), false, false).await;
    assert_eq!(each["results"][2]["site"]["name"], "each 3");
    assert_eq!(stored("each").await, 2);
    let dry = send(rows(&["dry 1", " "]), false, true).await;
    assert_eq!(dry["accepted"], 1);
    assert_eq!(stored("dry").await, 0);
    let names: Vec<String> = (0..1_000).map(|number| format!("bulk {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(send(rows(&names), true, false).await["accepted"], 1_000);
    assert_eq!(stored("bulk").await, 1_000);
    let names: Vec<&str> = std::iter::repeat_n("more", 1_001).collect();
    let variables = json!({ "input": { "rows": rows(&names) } });
    let refused = world.app.ask(MANAGER, query, variables).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED", "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_writers_on_one_sla_lose_nothing_and_number_versions_without_gaps_s2() {
    let mut world = World::new().await;
    world.make_all().await;
    let id = world.id("sla").to_owned();
    let terms = json!({ "service": { "serviceOfferingId": world.id("serviceOffering") } });
    let writers = (0..200).map(|number| {
        let (world, id, terms) = (&world, &id, &terms);
        async move {
            if number % 2 == 0 {
                let version = json!({ "versionName": format!("v{number}"), "terms": terms });
                let query = "mutation($input: SlaVersionCreateInput!) { slaVersionCreate(input: $input) {
                    slaVersion { number } errors { code } } }";
                let answer = world
                    .app
                    .data(MANAGER, query, json!({ "input": { "slaId": id, "version": version } }))
                    .await;
                assert_eq!(answer["slaVersionCreate"]["errors"], json!([]));
                return;
            }
            // Adds its mark to what stands there, as often as another was first.
            loop {
                let query = "query($id: ID!) { sla(id: $id) { revision remarks } }";
                let sla = world.app.data(MANAGER, query, json!({ "id": id })).await;
                let remarks = format!("{} {number}", sla["sla"]["remarks"].as_str().unwrap());
                let change =
                    json!({ "id": id, "expectedRevision": sla["sla"]["revision"], "remarks": remarks });
                let payload = world.mutate("slaUpdate", change, "revision").await;
                match codes(&payload).as_slice() {
                    [] => return,
                    [conflict] => assert_eq!(conflict, "CONFLICT input.expectedRevision"),
                    more => panic!("{more:?}"),
                }
            }
        }
    });
    join_all(writers).await;
    let query = "query($id: ID!, $after: String) { sla(id: $id) { remarks revision
        versions(first: 100, after: $after, orderBy: [{ field: NUMBER }]) { nodes { number } pageInfo { endCursor } } } }";
    let first = world.app.data(MANAGER, query, json!({ "id": id })).await;
    let after = &first["sla"]["versions"]["pageInfo"]["endCursor"];
    let second = world.app.data(MANAGER, query, json!({ "id": id, "after": after })).await;
    let numbers: Vec<i64> = [&first, &second]
        .iter()
        .flat_map(|page| page["sla"]["versions"]["nodes"].as_array().unwrap())
        .map(|node| node["number"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=101).collect::<Vec<_>>());
    let remarks: BTreeSet<&str> = first["sla"]["remarks"].as_str().unwrap().split(' ').skip(1).collect();
    assert_eq!(remarks.len(), 100, "no update was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_over_the_rights_of_another_by_changing_how_that_one_signs_in() {
    let world = World::new().await;
    // One who manages people, and may do nothing else.
    let clerk = "WITH t AS (SELECT root_id, id FROM tenant WHERE slug = 'wna'),
        p AS (INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login)
          SELECT root_id, uuid_v7(), id, 'Nosy', 'Clerk', 'clerk@example.com' FROM t RETURNING id),
        r AS (INSERT INTO role (root_id, id, tenant_id, name, permissions)
          SELECT root_id, uuid_v7(), id, 'clerk', '{tenants:admin}' FROM t RETURNING id)
        INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
          SELECT t.root_id, uuid_v7(), t.id, r.id, p.id FROM t, r, p";
    world.app.database.client().await.batch_execute(clerk).await.unwrap();
    let people = "{ people(filter: { email: { eq: \"manager@wna.example.com\" } }) { nodes { id } } }";
    let manager = world.app.data(MANAGER, people, json!({})).await["people"]["nodes"][0]["id"].clone();
    let query = "mutation($input: PersonUpdateInput!) { payload: personUpdate(input: $input) {
        person { id } errors { code path message } } }";
    let change = json!({ "input": { "id": manager, "login": "mine@example.com" } });
    let payload = world.app.data("clerk@example.com", query, change).await;
    assert_eq!(codes(&payload["payload"]), ["INVALID input.login"], "{payload}");
    let change = json!({ "input": { "id": manager, "lastName": "Renamed" } });
    let payload = world.app.data("clerk@example.com", query, change).await;
    assert_eq!(payload["payload"]["errors"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_as_it_stands_leaves_the_revision_and_null_empties_only_what_can_be_empty() {
    let mut world = World::new().await;
    world.make_all().await;
    for noun in world.nouns() {
        let id = world.id(noun.name).to_owned();
        let mutation = format!("{}Update", noun.name);
        let payload = world.mutate(&mutation, json!({ "id": id }), "revision").await;
        assert_eq!(payload["object"]["revision"], 1, "{mutation} of nothing");
        let mut same = noun.input.clone();
        let said = same.as_object_mut().unwrap();
        for name in ["tenantId", "version"] {
            said.remove(name);
        }
        // Says that the limit sleeps from now on, which is another instant each time.
        said.remove("deactivatedUntilNextPeriod");
        said.insert("id".into(), json!(id));
        let payload = world.mutate(&mutation, same, "revision").await;
        assert_eq!(payload["errors"], json!([]), "{mutation}");
        assert_eq!(payload["object"]["revision"], 1, "{mutation} of the same");
    }
    let payload =
        world.mutate("siteUpdate", json!({ "id": world.id("site"), "name": null }), "revision").await;
    assert_eq!(codes(&payload), ["REQUIRED input.name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_that_cannot_be_kept_are_mistakes() {
    let world = World::new().await;
    for (mark, code) in
        [("a\0b".to_owned(), "INVALID"), ("x".repeat(256), "TOO_LONG"), (" ".into(), "REQUIRED")]
    {
        let input = json!({ "tenantId": world.tenant, "name": "Oslo", "clientMutationId": mark });
        let payload = world.mutate("siteCreate", input, "id").await;
        assert_eq!(codes(&payload), [format!("{code} input.clientMutationId")], "{payload}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_of_another_tree_is_not_claimed_and_a_person_with_roles_is_not_deleted() {
    let world = World::new().await;
    let claim = |login: &str| {
        let input = json!({ "tenantId": world.tenant, "firstName": "A", "lastName": "Twin", "login": login });
        let world = &world;
        async move { world.mutate("personCreate", input, "id").await }
    };
    assert_eq!(codes(&claim("manager@itrp.example.com").await), ["INVALID input.login"]);
    assert_eq!(codes(&claim("Manager@ITRP.example.com").await), ["INVALID input.login"]);
    assert_eq!(codes(&claim("nobody@elsewhere.example.com").await), [""; 0]);
    let people = "{ people(filter: { email: { eq: \"reader@wna.example.com\" } }) { nodes { id } } }";
    let reader = world.app.data(MANAGER, people, json!({})).await["people"]["nodes"][0]["id"].clone();
    let payload = delete(&world.app, "person", reader.as_str().unwrap()).await;
    assert_eq!(codes(&payload), ["IN_USE input.id"], "{payload}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_without_entries_has_used_up_nothing_and_one_that_was_reached_can_be_deleted_l2() {
    let mut world = World::new().await;
    world.make_all().await;
    let consumption = "id consumption { hours share reached } breaches { totalCount }";
    let input = json!({
        "tenantId": world.tenant, "projectId": world.id("project"), "timeLimitInHours": 1, "timePeriod": "WEEKLY",
        "contactType": "EMAIL", "contact": "pech@simplo.cz", "categories": ["A"],
    });
    let empty = world.mutate("slaLimitCreate", input.clone(), consumption).await;
    let used = &empty["object"];
    assert_eq!(used["consumption"], json!({ "hours": 0.0, "share": 0.0, "reached": false }), "{empty}");
    assert_eq!(used["breaches"]["totalCount"], 0);
    let entry = "INSERT INTO time_entry (root_id, id, tenant_id, project_id, category, started_at, ended_at)
        SELECT root_id, uuid_v7(), tenant_id, id, 'A', now() - interval '2 hours', now() FROM project WHERE name = 'Move'";
    world.app.database.client().await.batch_execute(entry).await.unwrap();
    let change = json!({ "id": used["id"], "contact": "bzatek@simplo.cz" });
    world.mutate("slaLimitUpdate", change, "id").await;
    let reached =
        "{ breaches(filter: { kind: { eq: LIMIT } }, first: 2) { nodes { phase slaLimit { id } } } }";
    let _ = world.app.ask(MANAGER, reached, json!({})).await;
    let gone = delete(&world.app, "slaLimit", used["id"].as_str().unwrap()).await;
    assert_eq!(gone["errors"], json!([]), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_sla_of_a_tenant_is_one_it_may_use_c13() {
    let mut world = World::new().await;
    world.make_all().await;
    let change = json!({ "id": world.tenant, "defaultSlaId": world.id("sla") });
    let payload = world.mutate("tenantUpdate", change, "id").await;
    assert_eq!(codes(&payload), ["NOT_FOUND input.defaultSlaId"], "a promise over a service");
    let queue = |shared: bool| {
        let terms = json!({ "queue": { "slaThreshold": 20, "abandonType": "COUNT_AGAINST_SLA" } });
        let version = json!({ "versionName": "1", "terms": terms });
        let input =
            json!({ "tenantId": world.tenant, "name": "Calls", "shared": shared, "version": version });
        let world = &world;
        async move { world.mutate("slaCreate", input, "id").await["object"]["id"].clone() }
    };
    let (own, shared) = (queue(false).await, queue(true).await);
    let children = world.app.data(
        MANAGER,
        "{ tenant(slug: \"wna\") { children(first: 1) { nodes { id } } } }",
        json!({}),
    );
    let child = children.await["tenant"]["children"]["nodes"][0]["id"].clone();
    let payload = world.mutate("tenantUpdate", json!({ "id": child, "defaultSlaId": own }), "id").await;
    assert_eq!(
        codes(&payload),
        ["NOT_FOUND input.defaultSlaId"],
        "one of the tenant above that is not shared"
    );
    let payload = world.mutate("tenantUpdate", json!({ "id": child, "defaultSlaId": shared }), "id").await;
    assert_eq!(payload["errors"], json!([]));
}
