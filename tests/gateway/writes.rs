//! Writing every noun: made with all that can be said of it, read back, changed, refused and deleted, by whoever may.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sla_gateway::breach;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::edits::while_it_waits;
use crate::intake::number;
use crate::introspection::{Input, Types};

pub(crate) const MANAGER: &str = "manager@wna.example.com";
pub(crate) const OPERATOR: &str = "operator@example.com";

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
                    "noticeDate": "2026-06-01", "expiryDate": "2999-12-31", "status": "ACTIVE", "active": false,
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
    pub(crate) change: Value,
}

pub(crate) async fn mutate(app: &App, mutation: &str, input: Value, selection: &str) -> Value {
    let field =
        ["Create", "Update", "VersionCreate"].iter().find_map(|verb| mutation.strip_suffix(verb)).unwrap();
    let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {kind}!) {{ payload: {mutation}(input: $input) {{ object: {field} {{ {selection} }} \
         errors {{ code path message }} clientMutationId }} }}"
    );
    app.data(MANAGER, &query, json!({ "input": input })).await["payload"].take()
}

pub(crate) async fn delete(app: &App, noun: &str, id: &str) -> Value {
    delete_read(app, noun, json!({ "id": id })).await
}

/// The same, of an object as it was read.
async fn delete_read(app: &App, noun: &str, input: Value) -> Value {
    let kind = format!("{}{}DeleteInput", noun[..1].to_uppercase(), &noun[1..]);
    let query = format!(
        "mutation($input: {kind}!) {{ payload: {noun}Delete(input: $input) {{ deletedId errors {{ code path message }} }} }}"
    );
    app.data(MANAGER, &query, json!({ "input": input })).await["payload"].take()
}

pub(crate) fn codes(payload: &Value) -> Vec<String> {
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
        ("tenantId" | "version" | "clientMutationId" | "upsert", _) => return None,
        ("memberIds", _) => ("members".into(), "members { nodes { id } }".into()),
        ("userIds", _) => ("users".into(), "users { nodes { id } }".into()),
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
        ("memberIds" | "userIds", Value::Array(ids)) => {
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

pub(crate) async fn compare(world: &World, noun: &str, id: &str, said: &Value) {
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
async fn of_two_who_read_one_revision_and_write_at_once_the_second_is_told_of_the_first() {
    let mut world = World::new().await;
    world.make_all().await;
    let database = &world.app.database;
    let rival = database.client().await;
    // What others refer to comes last, so that each can be deleted in its turn.
    for noun in world.nouns().iter().rev() {
        let (name, id) = (noun.name, world.id(noun.name));
        let query = format!("query($id: ID!) {{ object: {name}(id: $id) {{ uuid }} }}");
        let uuid = world.app.data(MANAGER, &query, json!({ "id": id })).await["object"]["uuid"].take();
        // What the rival changes is not committed before the other waits for it.
        let table: String =
            name.chars().flat_map(|c| if c.is_uppercase() { vec!['_', c] } else { vec![c] }).collect();
        let changes = format!(
            "BEGIN; UPDATE {} SET revision = revision + 1 WHERE id = '{}'",
            table.to_lowercase(),
            uuid.as_str().unwrap()
        );
        let conflict = ["CONFLICT input.expectedRevision"];
        rival.batch_execute(&changes).await.unwrap();
        let mut change = noun.change.clone();
        change["id"] = json!(id);
        change["expectedRevision"] = json!(1);
        let update = async { world.mutate(&format!("{name}Update"), change, "revision").await };
        let update = while_it_waits(database, &rival, update, async {}).await;
        assert_eq!(codes(&update), conflict, "{name}Update");
        assert_eq!(update["object"]["revision"], 2, "{name}Update");
        rival.batch_execute(&changes).await.unwrap();
        let deletion = delete_read(&world.app, name, json!({ "id": id, "expectedRevision": 2 }));
        let deletion = while_it_waits(database, &rival, deletion, async {}).await;
        assert_eq!(codes(&deletion), conflict, "{name}Delete");
        let deletion = delete_read(&world.app, name, json!({ "id": id, "expectedRevision": 3 })).await;
        assert_eq!(deletion, json!({ "deletedId": id, "errors": [] }), "{name}Delete");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_is_known_for_a_day_and_then_forgotten() {
    let world = World::new().await;
    let make = async |mark: &str| {
        let input = json!({ "tenantId": world.tenant, "name": "Oslo", "clientMutationId": mark });
        let payload = world.mutate("siteCreate", input, "id").await;
        assert_eq!(payload["errors"], json!([]), "{payload}");
        payload["object"]["id"].clone()
    };
    let (young, old) = (make("young").await, make("old").await);
    let ages = "UPDATE idempotency_key SET created_at = now() - CASE key WHEN 'old' THEN interval '25 hours' ELSE interval '23 hours' END";
    world.app.database.client().await.batch_execute(ages).await.unwrap();
    let ending = CancellationToken::new();
    let _ending = ending.clone().drop_guard();
    let _replica = breach::start(world.app.store.clone(), ending);
    let begun = Instant::now();
    while number(&world.app, "SELECT count(*) FROM idempotency_key WHERE key = 'old'").await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody forgets it");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(make("young").await, young);
    assert_ne!(make("old").await, old);
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
    for (action, part, count) in [
        ("calendarDelete", "calendar_hours", 2),
        ("calendarDelete", "calendar_holiday", 1),
        ("teamDelete", "team_member", 1),
        ("serviceOfferingDelete", "offering_target", 1),
        ("serviceInstanceDelete", "service_instance_user", 1),
        ("slaDelete", "sla_version", 1),
    ] {
        let told = format!(
            "SELECT jsonb_array_length(before->'{part}')::bigint FROM audit_entry WHERE action = '{action}'"
        );
        assert_eq!(number(&world.app, &told).await, count, "P4: {action} tells {part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o4_an_instance_that_others_use_stays_and_those_go_with_what_they_use() {
    let mut world = World::new().await;
    world.make_all().await;
    let made = async |name: &str, uses: Value| {
        let input =
            json!({ "tenantId": world.tenant, "name": name, "serviceId": world.id("service"), "uses": uses });
        let payload = world.mutate("serviceInstanceCreate", input, "id").await;
        assert_eq!(payload["errors"], json!([]), "{payload}");
        payload["object"]["id"].as_str().unwrap().to_owned()
    };
    let used = made("Middleware", json!([])).await;
    let app = made("App", json!([{ "serviceInstanceId": used, "effect": "DOWN" }])).await;
    let refused = delete(&world.app, "serviceInstance", &used).await;
    assert_eq!(codes(&refused), ["IN_USE input.id"], "{refused}");
    for id in [app, used] {
        let payload = delete(&world.app, "serviceInstance", &id).await;
        assert_eq!(payload, json!({ "deletedId": id, "errors": [] }));
    }
    let told =
        "SELECT count(*) FROM audit_entry WHERE before->'service_instance_relation'->0->>'effect' = 'down'";
    assert_eq!(number(&world.app, told).await, 1, "P4");
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
