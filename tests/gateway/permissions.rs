//! Who may do what: every mutation, every root field and every field that not all may read, as every kind of asker,
//! written down in `permissions.txt`.
//!
//! A new mutation needs one line in [`EXAMPLES`]; a field with arguments that must be given, one in [`ARGUMENTS`]. Then
//! `UPDATE=1 cargo test --test gateway permissions` writes what is true into the file, for you to judge.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use sla_gateway::access::Permission;
use sla_gateway::graphql::document::Ask;
use tokio::time::timeout;

use crate::app::App;
use crate::introspection::{Field, Type, Types};
use crate::schema::equals_file;

/// Whoever may do everything in Widget North America.
const MANAGER: &str = "manager@wna.example.com";
/// Whoever may do everything in another tree, and nothing in this one.
const STRANGER: &str = "manager@itrp.example.com";

/// An input that each mutation accepts; further words tell rows of one mutation apart. In it, `$tenant` is the tenant,
/// `$n` a number that is used once, `$number` the same as a number, `$one:noun` an object that is made of the example
/// of the mutation that makes it, `$Type` one of the sample, and `$fresh:noun` one that nobody else uses.
const EXAMPLES: &[(&str, &str)] = &[
    ("affectedSlasRecalculate", r#"{ "affectedSlaIds": ["$AffectedSla"], "dryRun": true }"#),
    ("requestRecordMany", r#"{ "rows": [{ "requestId": "$one:request", "impact": "HIGH" }] }"#),
    ("requestRegisterMany", r#"{ "rows": [{ "tenantId": "$tenant", "subject": "R$n" }] }"#),
    (
        "timeEntryRecord",
        r#"{ "projectId": "$one:project", "category": "A", "startedAt": "2016-03-01T08:00:00Z", "endedAt": "2016-03-01T09:00:00Z" }"#,
    ),
    (
        "timeEntryRecordMany",
        r#"{ "rows": [{ "projectId": "$one:project", "category": "A", "startedAt": "2016-03-01T08:00:00Z", "endedAt": "2016-03-01T09:00:00Z" }] }"#,
    ),
    (
        "webhookCreate",
        r#"{ "tenantId": "$tenant", "name": "W$n", "url": "https://hooks.example.com/breaches" }"#,
    ),
    (
        "webhookCreateMany",
        r#"{ "rows": [{ "tenantId": "$tenant", "name": "W$n", "url": "https://hooks.example.com/breaches" }] }"#,
    ),
    ("webhookDelete", r#"{ "id": "$fresh:webhook" }"#),
    ("webhookSecretRotate", r#"{ "id": "$one:webhook" }"#),
    ("webhookUpdate", r#"{ "id": "$one:webhook", "name": "W$n" }"#),
    (
        "calendarCreate",
        r#"{ "tenantId": "$tenant", "name": "C$n", "hours": [{ "weekday": "MONDAY", "from": "09:00", "until": "12:00" }] }"#,
    ),
    ("calendarCreateMany", r#"{ "rows": [{ "tenantId": "$tenant", "name": "C$n", "hours": [] }] }"#),
    ("calendarDelete", r#"{ "id": "$fresh:calendar" }"#),
    ("calendarUpdate", r#"{ "id": "$one:calendar", "name": "C$n" }"#),
    ("organizationCreate", r#"{ "tenantId": "$tenant", "name": "O$n" }"#),
    ("organizationCreateMany", r#"{ "rows": [{ "tenantId": "$tenant", "name": "O$n" }] }"#),
    ("organizationDelete", r#"{ "id": "$fresh:organization" }"#),
    ("organizationUpdate", r#"{ "id": "$one:organization", "name": "O$n" }"#),
    ("personCreate", r#"{ "tenantId": "$tenant", "firstName": "P$n", "lastName": "Q$n" }"#),
    ("personCreateMany", r#"{ "rows": [{ "tenantId": "$tenant", "firstName": "P$n", "lastName": "Q$n" }] }"#),
    ("personDelete", r#"{ "id": "$fresh:person" }"#),
    ("personUpdate", r#"{ "id": "$one:person", "firstName": "P$n", "lastName": "Q$n" }"#),
    ("projectCreate", r#"{ "tenantId": "$tenant", "name": "P$n" }"#),
    ("projectCreateMany", r#"{ "rows": [{ "tenantId": "$tenant", "name": "P$n" }] }"#),
    ("projectDelete", r#"{ "id": "$fresh:project" }"#),
    ("projectUpdate", r#"{ "id": "$one:project", "name": "P$n" }"#),
    ("requestRecord", r#"{ "requestId": "$one:request", "impact": "HIGH" }"#),
    ("requestRegister", r#"{ "tenantId": "$tenant", "subject": "R$n" }"#),
    ("roleCreate", r#"{ "tenantId": "$tenant", "name": "R$n", "permissions": ["TENANTS_ADMIN"] }"#),
    (
        "roleCreateMany",
        r#"{ "rows": [{ "tenantId": "$tenant", "name": "R$n", "permissions": ["TENANTS_ADMIN"] }] }"#,
    ),
    ("roleDelete", r#"{ "id": "$fresh:role" }"#),
    ("roleGrant", r#"{ "tenantId": "$tenant", "roleId": "$fresh:role", "personId": "$one:person" }"#),
    (
        "roleGrantMany",
        r#"{ "rows": [{ "tenantId": "$tenant", "roleId": "$fresh:role", "personId": "$one:person" }] }"#,
    ),
    ("roleRevoke", r#"{ "id": "$fresh:roleGrant" }"#),
    ("roleUpdate", r#"{ "id": "$one:role", "name": "R$n", "permissions": ["TENANTS_ADMIN"] }"#),
    ("serviceCreate", r#"{ "tenantId": "$tenant", "name": "S$n", "providerId": "$one:organization" }"#),
    (
        "serviceCreateMany",
        r#"{ "rows": [{ "tenantId": "$tenant", "name": "S$n", "providerId": "$one:organization" }] }"#,
    ),
    ("serviceDelete", r#"{ "id": "$fresh:service" }"#),
    ("serviceUpdate", r#"{ "id": "$one:service", "name": "S$n" }"#),
    ("serviceInstanceCreate", r#"{ "tenantId": "$tenant", "name": "I$n", "serviceId": "$one:service" }"#),
    (
        "serviceInstanceCreateMany",
        r#"{ "rows": [{ "tenantId": "$tenant", "name": "I$n", "serviceId": "$one:service" }] }"#,
    ),
    ("serviceInstanceDelete", r#"{ "id": "$fresh:serviceInstance" }"#),
    ("serviceInstanceUpdate", r#"{ "id": "$one:serviceInstance", "name": "I$n" }"#),
    (
        "serviceOfferingCreate",
        r#"{ "tenantId": "$tenant", "name": "O$n", "serviceId": "$one:service", "timeZone": "UTC" }"#,
    ),
    (
        "serviceOfferingCreateMany",
        r#"{ "rows": [{ "tenantId": "$tenant", "name": "O$n", "serviceId": "$one:service", "timeZone": "UTC" }] }"#,
    ),
    ("serviceOfferingDelete", r#"{ "id": "$fresh:serviceOffering" }"#),
    ("serviceOfferingUpdate", r#"{ "id": "$one:serviceOffering", "name": "O$n" }"#),
    ("serviceTokenCreate", r#"{ "tenantId": "$tenant", "name": "T$n", "scopes": ["TENANTS_ADMIN"] }"#),
    (
        "serviceTokenCreateMany",
        r#"{ "rows": [{ "tenantId": "$tenant", "name": "T$n", "scopes": ["TENANTS_ADMIN"] }] }"#,
    ),
    ("serviceTokenRevoke", r#"{ "id": "$fresh:serviceToken" }"#),
    ("siteCreate", r#"{ "tenantId": "$tenant", "name": "S$n" }"#),
    ("siteCreateMany", r#"{ "rows": [{ "tenantId": "$tenant", "name": "S$n" }] }"#),
    ("siteDelete", r#"{ "id": "$fresh:site" }"#),
    ("siteUpdate", r#"{ "id": "$one:site", "name": "S$n" }"#),
    (
        "slaCreate livechat",
        r#"{ "tenantId": "$tenant", "name": "L$n", "version": { "versionName": "1", "terms": { "livechat": { "dueTimeInMinutes": "$number" } } } }"#,
    ),
    (
        "slaCreate queue",
        r#"{ "tenantId": "$tenant", "name": "Q$n", "version": { "versionName": "1", "terms": { "queue": { "slaThreshold": 20, "abandonType": "COUNT_AGAINST_SLA" } } } }"#,
    ),
    (
        "slaCreate service",
        r#"{ "tenantId": "$tenant", "name": "S$n", "customerId": "$one:organization", "version": { "versionName": "1", "terms": { "service": { "serviceOfferingId": "$one:serviceOffering" } } } }"#,
    ),
    (
        "slaCreateMany livechat",
        r#"{ "rows": [{ "tenantId": "$tenant", "name": "L$n", "version": { "versionName": "1", "terms": { "livechat": { "dueTimeInMinutes": "$number" } } } }] }"#,
    ),
    (
        "slaCreateMany queue",
        r#"{ "rows": [{ "tenantId": "$tenant", "name": "Q$n", "version": { "versionName": "1", "terms": { "queue": { "slaThreshold": 20, "abandonType": "COUNT_AGAINST_SLA" } } } }] }"#,
    ),
    (
        "slaCreateMany service",
        r#"{ "rows": [{ "tenantId": "$tenant", "name": "S$n", "customerId": "$one:organization", "version": { "versionName": "1", "terms": { "service": { "serviceOfferingId": "$one:serviceOffering" } } } }] }"#,
    ),
    ("slaDelete livechat", r#"{ "id": "$fresh:sla livechat" }"#),
    ("slaDelete queue", r#"{ "id": "$fresh:sla queue" }"#),
    ("slaDelete service", r#"{ "id": "$fresh:sla service" }"#),
    (
        "slaLimitCreate",
        r#"{ "tenantId": "$tenant", "projectId": "$one:project", "timeLimitInHours": 5, "timePeriod": "WEEKLY", "contactType": "EMAIL", "contact": "a@example.com", "categories": ["C$n"] }"#,
    ),
    (
        "slaLimitCreateMany",
        r#"{ "rows": [{ "tenantId": "$tenant", "projectId": "$one:project", "timeLimitInHours": 5, "timePeriod": "WEEKLY", "contactType": "EMAIL", "contact": "a@example.com", "categories": ["C$n"] }] }"#,
    ),
    ("slaLimitDelete", r#"{ "id": "$fresh:slaLimit" }"#),
    ("slaLimitUpdate", r#"{ "id": "$one:slaLimit", "contact": "b@example.com" }"#),
    ("slaUpdate livechat", r#"{ "id": "$one:sla livechat", "name": "L$n" }"#),
    ("slaUpdate queue", r#"{ "id": "$one:sla queue", "name": "Q$n" }"#),
    ("slaUpdate service", r#"{ "id": "$one:sla service", "name": "S$n" }"#),
    ("slaVersionActivate livechat", r#"{ "slaVersionId": "$one:slaVersion livechat" }"#),
    ("slaVersionActivate queue", r#"{ "slaVersionId": "$one:slaVersion queue" }"#),
    ("slaVersionActivate service", r#"{ "slaVersionId": "$one:slaVersion service" }"#),
    (
        "slaVersionCreate livechat",
        r#"{ "slaId": "$one:sla livechat", "version": { "versionName": "V$n", "terms": { "livechat": { "dueTimeInMinutes": "$number" } } } }"#,
    ),
    (
        "slaVersionCreate queue",
        r#"{ "slaId": "$one:sla queue", "version": { "versionName": "V$n", "terms": { "queue": { "slaThreshold": 5, "abandonType": "COUNT_AGAINST_SLA" } } } }"#,
    ),
    (
        "slaVersionCreate service",
        r#"{ "slaId": "$one:sla service", "version": { "versionName": "V$n", "terms": { "service": { "serviceOfferingId": "$one:serviceOffering" } } } }"#,
    ),
    (
        "slaVersionCreateMany queue",
        r#"{ "rows": [{ "slaId": "$one:sla queue", "version": { "versionName": "V$n", "terms": { "queue": { "slaThreshold": 5, "abandonType": "COUNT_AGAINST_SLA" } } } }] }"#,
    ),
    (
        "standardServiceRequestCreate",
        r#"{ "tenantId": "$tenant", "name": "R$n", "serviceOfferingId": "$one:serviceOffering", "response": { "kind": "NONE" }, "resolution": { "kind": "NONE" } }"#,
    ),
    (
        "standardServiceRequestCreateMany",
        r#"{ "rows": [{ "tenantId": "$tenant", "name": "R$n", "serviceOfferingId": "$one:serviceOffering", "response": { "kind": "NONE" }, "resolution": { "kind": "NONE" } }] }"#,
    ),
    ("standardServiceRequestDelete", r#"{ "id": "$fresh:standardServiceRequest" }"#),
    ("standardServiceRequestUpdate", r#"{ "id": "$one:standardServiceRequest", "name": "R$n" }"#),
    ("teamCreate", r#"{ "tenantId": "$tenant", "name": "T$n" }"#),
    ("teamCreateMany", r#"{ "rows": [{ "tenantId": "$tenant", "name": "T$n" }] }"#),
    ("teamDelete", r#"{ "id": "$fresh:team" }"#),
    ("teamUpdate", r#"{ "id": "$one:team", "name": "T$n" }"#),
    ("tenantCreate", r#"{ "parentId": "$tenant", "slug": "t$n", "name": "T$n", "timeZone": "UTC" }"#),
    (
        "tenantCreateMany",
        r#"{ "rows": [{ "parentId": "$tenant", "slug": "t$n", "name": "T$n", "timeZone": "UTC" }] }"#,
    ),
    ("tenantDelete", r#"{ "id": "$fresh:tenant" }"#),
    ("tenantUpdate", r#"{ "id": "$one:tenant", "name": "T$n" }"#),
];

/// The mutations that make a noun, where they are not called after it.
const MAKERS: &[(&str, &str)] =
    &[("request", "requestRegister"), ("timeEntry", "timeEntryRecord"), ("roleGrant", "roleGrant")];

/// Mutations whose input cannot be wrong but in the id.
const WITHOUT_MISTAKES: &[&str] = &[
    "roleRevoke",
    "serviceTokenRevoke",
    "slaVersionActivate",
    "slaDelete",
    "affectedSlasRecalculate",
    "requestRecord",
    "requestRecordMany",
];

/// What must be given to fields; `$Type` is the id of an object that the manager sees.
const ARGUMENTS: &[(&str, &str)] = &[
    ("Query.node", r#"id: "$Sla""#),
    ("Query.nodes", r#"ids: ["$Sla"]"#),
    ("Query.tenant", r#"slug: "wna""#),
    (
        "Query.simulateSlaTerms",
        r#"slaId: "$Sla", terms: { service: { serviceOfferingId: "$ServiceOffering" } }, from: "2016-03-01T00:00:00Z", to: "2016-03-02T00:00:00Z""#,
    ),
    (
        "Calendar.minutesBetween",
        r#"from: "2016-03-01T00:00:00Z", to: "2016-03-02T00:00:00Z", timeZone: "UTC""#,
    ),
    (
        "Calendar.secondsBetween",
        r#"from: "2016-03-01T00:00:00Z", to: "2016-03-02T00:00:00Z", timeZone: "UTC""#,
    ),
    ("Calendar.targetAt", r#"start: "2016-03-01T00:00:00Z", minutes: 5, timeZone: "UTC""#),
    ("ServiceOffering.attainment", r#"from: "2016-03-01T00:00:00Z", to: "2016-04-01T00:00:00Z""#),
    ("Sla.attainment", r#"from: "2016-03-01T00:00:00Z", to: "2016-04-01T00:00:00Z""#),
    ("Sla.diff", r#"from: "$SlaVersion", to: "$SlaVersion""#),
    ("Sla.versionAt", r#"at: "2016-03-20T00:00:00Z""#),
    ("Tenant.attainment", r#"from: "2016-03-01T00:00:00Z", to: "2016-04-01T00:00:00Z""#),
    ("Subscription.breaches", r#"after: "0""#),
];

/// What takes a right of its own and is never null all the same: so the contract has it.
const NEVER_NULL: &[&str] = &["AffectedSla.sla", "AffectedSla.request"];

/// A kind of asker: what the file calls them, and their login.
type Asker = (String, String);

struct Scene {
    app: Arc<App>,
    types: Types,
    tenant: String,
    askers: Vec<Asker>,
    made: HashMap<String, String>,
    objects: BTreeMap<String, String>,
    numbers: u32,
}

/// What an asker is told: `ok`, an error's code, or the code with the permission that is missing.
fn told(error: &Value) -> String {
    let code = error["extensions"]["code"].as_str().unwrap_or("no code");
    match error["extensions"]["permission"].as_str() {
        Some(permission) => format!("{code} {permission}"),
        None => code.to_owned(),
    }
}

/// The same of a mistake: a bulk form tells of each row what a single one is refused with.
fn mistake(mistake: &Value) -> String {
    let code = mistake["code"].as_str().unwrap();
    let needed = Permission::ALL.iter().map(|permission| permission.wire_name());
    let sentence = mistake["message"].as_str().unwrap();
    let named = |name: &&str| sentence.contains(&format!("the permission {name} "));
    match needed.into_iter().find(named) {
        Some(permission) => format!("mistake {code} {permission}"),
        None => format!("mistake {code}"),
    }
}

impl Scene {
    async fn new() -> Self {
        let app = App::sampled().await;
        let types = Types::of(&app).await;
        let data = app.data(MANAGER, "{ tenant(slug: \"wna\") { id uuid } }", json!({})).await;
        let tenant = data["tenant"]["id"].as_str().unwrap().to_owned();
        let root = data["tenant"]["uuid"].as_str().unwrap();
        let mut askers: Vec<Asker> =
            vec![("nobody".into(), String::new()), ("stranger".into(), STRANGER.into())];
        let mut statements = String::new();
        let mut enters = |name: String, role: String| {
            let login = format!("asker{}@wna.example.com", askers.len());
            write!(
                statements,
                "WITH r AS ({role}), p AS (INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login)
                   VALUES ('{root}', uuid_v7(), '{root}', 'Some', 'Body', '{login}') RETURNING id)
                 INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
                 SELECT '{root}', uuid_v7(), '{root}', r.id, p.id FROM r, p;"
            )
            .unwrap();
            askers.push((name, login));
        };
        for role in ["Reader", "Agent", "SLA editor", "Manager"] {
            enters(role.into(), format!("SELECT id FROM role WHERE root_id = '{root}' AND name = '{role}'"));
        }
        for name in Permission::ALL.iter().map(|permission| permission.wire_name()) {
            let role = format!(
                "INSERT INTO role (root_id, id, tenant_id, name, permissions)
                 VALUES ('{root}', uuid_v7(), '{root}', 'Only {name}', ARRAY['{name}']) RETURNING id"
            );
            enters(name.into(), role);
        }
        app.database.client().await.batch_execute(&statements).await.unwrap();
        let mut scene = Self {
            app,
            types,
            tenant,
            askers,
            made: HashMap::new(),
            objects: BTreeMap::new(),
            numbers: 1_000,
        };
        scene.made("serviceToken").await;
        let lists: Vec<(String, String)> = scene
            .types
            .connections(scene.types.get("Query"))
            .map(|(list, rows)| (list.name.clone(), rows.name.clone()))
            .collect();
        for (list, ty) in lists {
            let data = scene
                .app
                .data(MANAGER, &format!("{{ {list}(first: 1) {{ nodes {{ id }} }} }}"), json!({}))
                .await;
            match data[&list]["nodes"][0]["id"].as_str() {
                Some(id) => drop(scene.objects.insert(ty, id.to_owned())),
                // Widget has none of its own.
                None => {
                    let noun = ty[..1].to_lowercase() + &ty[1..];
                    let id = scene.made(&noun).await;
                    scene.objects.insert(ty, id);
                }
            }
        }
        let query =
            "{ slas(first: 1) { nodes { activeVersion { id } activations(first: 1) { nodes { id } } } }
            requests(first: 1) { nodes { events(first: 1) { nodes { id } } } } }";
        let data = scene.app.data(MANAGER, query, json!({})).await;
        let inner = [
            ("SlaVersion", &data["slas"]["nodes"][0]["activeVersion"]),
            ("SlaActivation", &data["slas"]["nodes"][0]["activations"]["nodes"][0]),
            ("RequestEvent", &data["requests"]["nodes"][0]["events"]["nodes"][0]),
        ];
        for (ty, object) in inner {
            scene.objects.insert(ty.to_owned(), object["id"].as_str().unwrap().to_owned());
        }
        // What only a job makes.
        let statement = "INSERT INTO limit_notification (root_id, id, tenant_id, sla_limit_id, period_start, time_period, hours, categories, contact, state)
            SELECT root_id, uuid_v7(), tenant_id, id, '2016-03-01Z', time_period, time_limit_in_hours, categories, contact, 'sent' FROM sla_limit WHERE root_id = (
              SELECT id FROM tenant WHERE slug = 'wna') RETURNING id::text";
        let row = scene.app.database.client().await.query_one(statement, &[]).await.unwrap();
        let node = format!("{{ node(id: \"{}\") {{ id }} }}", row.get::<_, String>(0));
        let id = scene.app.data(MANAGER, &node, json!({})).await["node"]["id"].take();
        scene.objects.insert("LimitNotification".to_owned(), id.as_str().unwrap().to_owned());
        for ty in scene.types.all().filter(|ty| ty.is_node()) {
            assert!(
                scene.objects.contains_key(&ty.name),
                "no {} is asked for: make one in Scene::new",
                ty.name
            );
        }
        scene
    }

    /// An object of the example of the mutation that makes it, always the same.
    async fn made(&mut self, noun: &str) -> String {
        if let Some(known) = self.made.get(noun) {
            return known.clone();
        }
        let id = self.fresh(noun).await;
        self.made.insert(noun.to_owned(), id.clone());
        id
    }

    /// A new one.
    async fn fresh(&mut self, noun: &str) -> String {
        let (name, kind) = noun.split_once(' ').unwrap_or((noun, ""));
        let maker = MAKERS.iter().find(|(made, _)| *made == name).map(|(_, maker)| (*maker).to_owned());
        let row = format!("{} {kind}", maker.unwrap_or_else(|| format!("{name}Create")));
        let input = self.example(row.trim()).await;
        let payload = self.run(MANAGER, row.trim(), &input).await.1;
        payload[name]["id"].as_str().unwrap_or_else(|| panic!("{row} {input}: {payload}")).to_owned()
    }

    async fn example(&mut self, row: &str) -> Value {
        let (_, text) =
            EXAMPLES.iter().find(|(name, _)| *name == row).unwrap_or_else(|| panic!("no example of {row}"));
        self.filled(serde_json::from_str(text).unwrap_or_else(|_| panic!("{row}"))).await
    }

    /// A value with what stands for something in it replaced.
    fn filled(&mut self, value: Value) -> Pin<Box<dyn Future<Output = Value> + '_>> {
        Box::pin(async move {
            match value {
                Value::String(text) => {
                    if let Some(noun) = text.strip_prefix("$one:") {
                        return json!(self.made(noun).await);
                    }
                    if let Some(noun) = text.strip_prefix("$fresh:") {
                        return json!(self.fresh(noun).await);
                    }
                    if let Some(id) = text.strip_prefix('$').and_then(|ty| self.objects.get(ty)) {
                        return json!(id);
                    }
                    self.numbers += 1;
                    match text.as_str() {
                        "$tenant" => json!(self.tenant),
                        "$number" => json!(self.numbers),
                        _ => json!(text.replace("$n", &self.numbers.to_string())),
                    }
                }
                Value::Array(values) => {
                    let mut filled = Vec::new();
                    for value in values {
                        filled.push(self.filled(value).await);
                    }
                    Value::Array(filled)
                }
                Value::Object(fields) => {
                    let mut filled = serde_json::Map::new();
                    for (name, value) in fields {
                        filled.insert(name, self.filled(value).await);
                    }
                    Value::Object(filled)
                }
                value => value,
            }
        })
    }

    /// Runs the mutation of a row: what the asker is told, and the payload.
    async fn run(&self, login: &str, row: &str, input: &Value) -> (String, Value) {
        let name = row.split(' ').next().unwrap();
        let field =
            self.types.get("Mutation").field(name).unwrap_or_else(|| panic!("there is no mutation {name}"));
        let argument = field.args[0].r#type.written();
        let errors = "errors { code path message }";
        let selected = self.types.get(field.r#type.name()).fields().iter().filter_map(|field| {
            let ty = self.types.get(field.r#type.name());
            match field.name.as_str() {
                "errors" => Some(errors.to_owned()),
                "results" => Some(format!("results {{ {errors} }}")),
                name if ty.is_node() => Some(format!("{name} {{ id }}")),
                _ => None,
            }
        });
        let selected: Vec<String> = selected.collect();
        let query = format!(
            "mutation ($input: {argument}) {{ {name}(input: $input) {{ __typename {} }} }}",
            selected.join(" ")
        );
        let mut answer = self.app.ask(login, &query, json!({ "input": input })).await;
        let outcome = match answer["errors"].as_array() {
            Some(errors) => told(&errors[0]),
            None => {
                let payload = &answer["data"][name];
                let results = payload["results"].as_array().into_iter().flatten();
                let mut mistakes =
                    results.chain([payload]).filter_map(|result| result["errors"].as_array()).flatten();
                mistakes.next().map_or("ok".to_owned(), mistake)
            }
        };
        (outcome, answer["data"][name].take())
    }

    /// The same input with what can be wrong in it wrong.
    fn mistaken(&self, row: &str, input: &Value) -> Value {
        let name = row.split(' ').next().unwrap();
        let mut wrong = input.clone();
        blank(&mut wrong);
        let field = self.types.get("Mutation").field(name).unwrap();
        let fields = self.types.get(field.args[0].r#type.name());
        for (field, value) in [("expectedRevision", json!(999)), ("clientMutationId", json!(""))] {
            if fields.inputs().iter().any(|input| input.name == field) {
                wrong[field] = value;
            }
        }
        wrong
    }

    /// The selection of a field; `None` where it cannot be asked for.
    fn selection(&self, ty: &Type, field: &Field) -> String {
        let name = format!("{}.{}", ty.name, field.name);
        let known =
            ARGUMENTS.iter().find(|(of, _)| *of == name).map(|(_, arguments)| (*arguments).to_owned());
        let rows = self.types.rows_of(field).is_some();
        let own =
            field.arg("id").and_then(|_| Some(format!("id: \"{}\"", self.objects.get(field.r#type.name())?)));
        let arguments =
            match known.or(own) {
                Some(arguments) => self.objects.iter().rev().fold(arguments, |text, (ty, id)| {
                    text.replace(&format!("\"${ty}\""), &format!("\"{id}\""))
                }),
                None if rows => "first: 1".to_owned(),
                None => {
                    assert!(field.needs_nothing(), "no arguments of {name}: add a line to ARGUMENTS");
                    String::new()
                }
            };
        let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
        let returned = self.types.get(field.r#type.name());
        let selected = match returned.kind.as_str() {
            "SCALAR" | "ENUM" => "",
            _ if rows => " { nodes { __typename } }",
            _ => " { __typename }",
        };
        format!("{}{arguments}{selected}", field.name)
    }

    /// What an asker is told of each of several selections, asked side by side.
    async fn ask_all(&self, login: &str, selections: &[String]) -> Vec<String> {
        let mut outcomes = vec!["ok".to_owned(); selections.len()];
        for (chunk, selections) in selections.chunks(15).enumerate() {
            let aliased = selections.iter().enumerate().map(|(index, text)| format!("f{index}: {text}"));
            let query = format!("{{ {} }}", aliased.collect::<Vec<_>>().join(" "));
            let answer = self.app.ask(login, &query, json!({})).await;
            for error in answer["errors"].as_array().into_iter().flatten() {
                let alias = error["path"][0].as_str().unwrap_or_else(|| panic!("{query}: {answer}"));
                outcomes[chunk * 15 + alias[1..].parse::<usize>().unwrap()] = told(error);
            }
        }
        outcomes
    }

    /// A row of the file: the askers by what they are told, the most of them last and unnamed.
    fn row(&self, name: &str, outcomes: &[String]) -> String {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for ((asker, _), outcome) in self.askers.iter().zip(outcomes) {
            groups.entry(outcome).or_default().push(asker);
        }
        let most = *groups.iter().max_by_key(|(_, askers)| askers.len()).unwrap().0;
        let mut text = format!("{name}\n");
        for (outcome, askers) in groups.iter().filter(|(outcome, _)| **outcome != most) {
            writeln!(text, "    {outcome}: {}", askers.join(", ")).unwrap();
        }
        writeln!(text, "    {most}: all others").unwrap();
        text
    }
}

/// Empties what must not be empty.
fn blank(value: &mut Value) {
    const NAMES: &[&str] =
        &["name", "versionName", "subject", "firstName", "lastName", "contact", "category"];
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if NAMES.contains(&name.as_str()) { *value = json!("") } else { blank(value) }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(blank),
        _ => {}
    }
}

const HEAD: &str = "\
Who may do what: written by UPDATE=1 cargo test --test gateway permissions, and compared with what is true.

Askers: nobody; a stranger, who may do everything in another tree of tenants; Reader, Agent, SLA editor and Manager (who may
do everything), as the sample has them; and for each permission somebody who has that one alone, named after it.

A bulk mutation refuses rows, not calls: what a row is refused with is a mistake in its result.

";

#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_those_of_the_truth_table() {
    let mut scene = Scene::new().await;
    let mut text = HEAD.to_owned();

    let rows: BTreeSet<&str> = EXAMPLES.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows.len(), EXAMPLES.len(), "an example is given twice");
    for field in scene.types.get("Mutation").fields() {
        let known = rows.iter().any(|row| row.split(' ').next() == Some(&field.name));
        assert!(known, "no example of {}: add a line to EXAMPLES", field.name);
    }
    text += "== Mutations\n\n";
    let mut faults = Vec::new();
    for row in rows {
        let mut outcomes = Vec::new();
        for (asker, login) in scene.askers.clone() {
            let input = scene.example(row).await;
            let (outcome, payload) = scene.run(&login, row, &input).await;
            let unfit = outcome == "VALIDATION_FAILED" || outcome == "BAD_REQUEST";
            let of_row = row.contains("Many")
                && (outcome.starts_with("mistake FORBIDDEN ")
                    || outcome == "mistake NOT_FOUND" && asker == "stranger");
            if unfit || outcome.starts_with("mistake") && !of_row {
                faults.push(format!("{row} as {asker}: the example is no good: {outcome} {payload}"));
            }
            // Rule P3: whoever may not is told so, whatever is wrong with the input besides.
            let wrong = scene.mistaken(row, &input);
            let judged = scene.run(&login, row, &wrong).await.0;
            let cannot = WITHOUT_MISTAKES.contains(&row.split(' ').next().unwrap());
            let right = match outcome.as_str() {
                "ok" => {
                    cannot || judged.starts_with("mistake") || row.contains("Delete") && judged == "NOT_FOUND"
                }
                refused => judged == refused,
            };
            if !right {
                faults.push(format!("{row} as {asker}: {outcome}, and with mistakes {judged}"));
            }
            outcomes.push(outcome);
        }
        // Whoever reads the schema is told what it takes.
        let name = row.split(' ').next().unwrap();
        let told = scene.types.get("Mutation").field(name).unwrap().description.clone().unwrap_or_default();
        let needed = outcomes.iter().map(|outcome| outcome.trim_start_matches("mistake "));
        for needed in needed.filter_map(|outcome| outcome.strip_prefix("FORBIDDEN ")) {
            if !told.contains(&format!("`{needed}`")) {
                faults.push(format!("{name} needs {needed}, and its description does not say so: {told}"));
            }
        }
        text += &scene.row(row, &outcomes);
    }
    assert!(faults.is_empty(), "{faults:#?}");

    for root in ["Query", "Subscription"] {
        writeln!(text, "\n== Fields of {root}\n").unwrap();
        let ty = scene.types.get(root);
        let names: Vec<&str> = ty.fields().iter().map(|field| field.name.as_str()).collect();
        let selections: Vec<String> = ty.fields().iter().map(|field| scene.selection(ty, field)).collect();
        let mut columns = Vec::new();
        for (_, login) in &scene.askers {
            columns.push(match root {
                "Query" => scene.ask_all(login, &selections).await,
                _ => subscribe_all(&scene.app, login, &selections).await,
            });
        }
        for (index, name) in names.iter().enumerate() {
            let outcomes: Vec<String> = columns.iter().map(|column| column[index].clone()).collect();
            text += &scene.row(name, &outcomes);
        }
    }

    text += "\n== Objects by their id, and those of their fields that not everybody may read who may read the object\n\n";
    for ty in scene.types.all().filter(|ty| ty.is_node()) {
        let id = &scene.objects[&ty.name];
        let within =
            |selection: &str| format!("node(id: \"{id}\") {{ ... on {} {{ {selection} }} }}", ty.name);
        let mut selections = vec![within("__typename")];
        selections.extend(ty.fields().iter().map(|field| within(&scene.selection(ty, field))));
        let mut columns = Vec::new();
        for (_, login) in &scene.askers {
            columns.push(scene.ask_all(login, &selections).await);
        }
        let outcomes = |index: usize| columns.iter().map(|column| column[index].clone()).collect::<Vec<_>>();
        let object = outcomes(0);
        text += &scene.row(&ty.name, &object);
        for (index, field) in ty.fields().iter().enumerate() {
            let of_field = outcomes(index + 1);
            if of_field == object {
                continue;
            }
            let name = format!("{}.{}", ty.name, field.name);
            text += &scene.row(&name, &of_field);
            // Whoever may read the object keeps it, and is told by the schema what the field takes.
            let told = field.description.clone().unwrap_or_default().replace('\n', " ");
            let readers = object.iter().zip(&of_field).filter(|(object, _)| *object == "ok");
            for needed in readers.filter_map(|(_, outcome)| outcome.strip_prefix("FORBIDDEN ")) {
                let kept = !field.r#type.written().ends_with('!') || NEVER_NULL.contains(&name.as_str());
                if !kept || !told.contains(&format!("Needs `{needed}`")) {
                    faults.push(format!("{name} takes {needed}: {} {told}", field.r#type.written()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    equals_file("tests/gateway/permissions.txt", &text, "UPDATE=1 cargo test --test gateway permissions");
}

/// What an asker is told first of each subscription.
async fn subscribe_all(app: &App, login: &str, selections: &[String]) -> Vec<String> {
    let mut outcomes = Vec::new();
    for selection in selections {
        let token = app.token(login);
        let viewer = app.gateway.viewer((!login.is_empty()).then_some(&*token)).await.unwrap();
        let query = Some(format!("subscription {{ {selection} }}"));
        let operation = app.gateway.prepare(Ask { query, ..Ask::default() }).unwrap();
        let mut answers = app.gateway.subscribe(operation, viewer);
        let first = timeout(Duration::from_secs(30), answers.next()).await.expect("it tells something");
        let answer: Value = first.map_or(Value::Null, |answer| serde_json::from_str(answer.json()).unwrap());
        outcomes.push(answer["errors"].get(0).map_or("ok".to_owned(), told));
    }
    outcomes
}
