//! One tree of tenants never sees another: everything that can be reached is looked at, and everything that cannot be
//! is as if it did not exist.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::app::App;
use crate::following::person;
use crate::intake::{self, ticket, with, written};
use crate::introspection::{Field, Type, Types, refusal};

const READER: &str = "reader@wna.example.com";
const MANAGER: &str = "manager@itrp.example.com";

/// How many rows of a list, how many objects of a type at each depth, and how deep.
const ROWS: usize = 20;
const OBJECTS: usize = 60;
const DEPTH: usize = 3;

/// The keys of all rows of all roots but one.
async fn keys_of_others(client: &Client, slug: &str) -> HashSet<Uuid> {
    let tables = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
        AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND 2 = (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('id', 'root_id'))";
    let mut keys = HashSet::new();
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let rows = format!(
            "SELECT id::text FROM {table} WHERE root_id <> (SELECT id FROM tenant WHERE slug = '{slug}' AND parent_id IS NULL)"
        );
        for row in client.query(&rows, &[]).await.unwrap() {
            keys.insert(row.get::<_, String>(0).parse().unwrap());
        }
    }
    assert!(keys.len() > 1_000, "{}", keys.len());
    keys
}

/// The key in an id, global or bare.
fn key(text: &str) -> Option<Uuid> {
    let global = || BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 17);
    text.parse().ok().or_else(|| Uuid::from_slice(&global()?[1..]).ok())
}

/// The same id, of an object that does not exist.
fn elsewhere(id: &str) -> String {
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(id).unwrap();
    bytes[9..].copy_from_slice(b"nowhere!");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// What is done with every object and every text of an answer.
fn visit(value: &Value, object: &mut impl FnMut(&str, &str), text: &mut impl FnMut(&str)) {
    match value {
        Value::String(string) => text(string),
        Value::Array(values) => values.iter().for_each(|value| visit(value, object, text)),
        Value::Object(fields) => {
            if let (Some(Value::String(ty)), Some(Value::String(id))) =
                (fields.get("__typename"), fields.get("id"))
            {
                object(ty, id);
            }
            fields.values().for_each(|value| visit(value, object, text));
        }
        _ => {}
    }
}

/// The selection of one field with everything in it, objects with an id by that id.
fn whole(types: &Types, field: &Field) -> Option<String> {
    let ty = types.get(field.r#type.name());
    let name = &field.name;
    Some(match ty.kind.as_str() {
        _ if !field.needs_nothing() => return None,
        "SCALAR" | "ENUM" => name.clone(),
        _ if types.rows_of(field).is_some() => {
            format!("{name}(first: {ROWS}) {{ totalCount nodes {{ __typename id }} }}")
        }
        "INTERFACE" => format!("{name} {{ __typename id }}"),
        _ if ty.is_node() => format!("{name} {{ __typename id }}"),
        "UNION" => {
            let members = ty
                .members()
                .map(|member| format!(" ... on {member} {{ {} }}", fields(types, types.get(member))));
            format!("{name} {{ __typename {} }}", members.collect::<String>())
        }
        _ => format!("{name} {{ {} }}", fields(types, ty)),
    })
}

fn fields(types: &Types, ty: &Type) -> String {
    ty.fields().iter().filter_map(|field| whole(types, field)).collect::<Vec<_>>().join(" ")
}

struct Crawl<'a> {
    app: &'a App,
    types: &'a Types,
    login: &'a str,
    /// What the viewer may look at of each type.
    allowed: BTreeMap<String, String>,
    /// By type, the ids that were seen.
    seen: BTreeMap<String, BTreeSet<String>>,
    texts: Vec<String>,
}

impl Crawl<'_> {
    async fn ask(&mut self, query: &str, variables: Value) -> Value {
        let answer = self.app.ask(self.login, query, variables).await;
        let Self { seen, texts, .. } = self;
        visit(
            &answer["data"],
            &mut |ty, id| {
                seen.entry(ty.to_owned()).or_default().insert(id.to_owned());
            },
            &mut |text| texts.push(text.to_owned()),
        );
        answer
    }

    /// The fields of a type that the viewer has the permissions for, found out with one of its objects.
    async fn allowed(&mut self, ty: &Type, id: &str) -> String {
        if let Some(known) = self.allowed.get(&ty.name) {
            return known.clone();
        }
        let mut allowed = String::from("__typename");
        for field in ty.fields() {
            let Some(selection) = whole(self.types, field) else { continue };
            let query = format!("{{ node(id: \"{id}\") {{ ... on {} {{ {selection} }} }} }}", ty.name);
            let answer = self.ask(&query, json!({})).await;
            match refusal(&answer) {
                None => allowed += &format!(" {selection}"),
                Some(("FORBIDDEN", _)) => {}
                Some(_) => panic!("{}.{}: {answer}", ty.name, field.name),
            }
        }
        self.allowed.insert(ty.name.clone(), allowed.clone());
        allowed
    }

    async fn everything(&mut self) {
        for (list, _) in self.types.connections(self.types.get("Query")) {
            let query = format!("{{ {} }}", whole(self.types, list).unwrap());
            let answer = self.ask(&query, json!({})).await;
            assert!(refusal(&answer).is_none_or(|(code, _)| code == "FORBIDDEN"), "{query}: {answer}");
        }
        let mut visited = BTreeSet::new();
        for _ in 0..DEPTH {
            for (ty, ids) in self.seen.clone() {
                let ids: Vec<String> =
                    ids.into_iter().filter(|id| !visited.contains(id)).take(OBJECTS).collect();
                for chunk in ids.chunks(ROWS) {
                    visited.extend(chunk.iter().cloned());
                    let ty = self.types.get(&ty);
                    let allowed = self.allowed(ty, &chunk[0]).await;
                    let query = format!(
                        "query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {} {{ {allowed} }} }} }}",
                        ty.name
                    );
                    let answer = self.ask(&query, json!({ "ids": chunk })).await;
                    assert_eq!(answer["errors"], Value::Null, "{query}");
                    let nodes = answer["data"]["nodes"].as_array().unwrap();
                    assert!(
                        nodes.iter().all(|node| !node.is_null()),
                        "{}: what is shown can be asked for",
                        ty.name
                    );
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_can_be_reached_belongs_to_another_root() {
    let app = App::sampled().await;
    let types = Types::of(&app).await;
    let client = app.database.client().await;
    for (login, slug, least) in [(READER, "wna", 16), (MANAGER, "itrp", 17)] {
        let others = keys_of_others(&client, slug).await;
        let mut crawl = Crawl {
            app: &app,
            types: &types,
            login,
            allowed: BTreeMap::new(),
            seen: BTreeMap::new(),
            texts: Vec::new(),
        };
        crawl.everything().await;
        for text in &crawl.texts {
            assert!(key(text).is_none_or(|key| !others.contains(&key)), "{login} was shown {text}");
        }
        let seen: usize = crawl.seen.values().map(BTreeSet::len).sum();
        assert!(seen > 400, "{login} saw only {seen} objects");
        assert!(crawl.seen.len() >= least, "{login} saw only {:?}", crawl.seen.keys());
    }
}

/// Of every type, the id of an object of the root that `login` sees alone.
async fn objects_of(app: &App, types: &Types, login: &str) -> Vec<(String, String)> {
    let mut objects = Vec::new();
    for (list, rows) in types.connections(types.get("Query")) {
        let data =
            app.data(login, &format!("{{ {}(first: 1) {{ nodes {{ id }} }} }}", list.name), json!({})).await;
        if let Some(id) = data[&list.name]["nodes"][0]["id"].as_str() {
            objects.push((rows.name.clone(), id.to_owned()));
        }
    }
    assert!(objects.len() > 12, "{objects:?}");
    objects
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_what_belongs_to_another_root_and_what_does_not_exist_are_answered_alike() {
    let app = App::sampled().await;
    let types = Types::of(&app).await;
    for (login, other) in [(READER, MANAGER), (MANAGER, "manager@wna.example.com")] {
        for (ty, id) in objects_of(&app, &types, other).await {
            assert_ne!(
                app.data(other, "query ($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await,
                Value::Null
            );
            let nowhere = elsewhere(&id);
            let (bare, nowhere_bare) = (key(&id).unwrap().to_string(), key(&nowhere).unwrap().to_string());
            let mut queries = vec![
                "query ($id: ID!) { node(id: $id) { id } }".to_owned(),
                "query ($id: ID!) { nodes(ids: [$id]) { id } }".to_owned(),
            ];
            for field in types.query() {
                let lookup = field.r#type.name() == ty && field.arg("id").is_some();
                if lookup {
                    queries.push(format!("query ($id: ID!) {{ {}(id: $id) {{ id }} }}", field.name));
                }
                let Some(filter) = types.rows_of(field).and_then(|_| field.arg("filter")) else { continue };
                for condition in types.get(filter.r#type.name()).inputs() {
                    let refers = condition.r#type.name() == "IDFilter"
                        && (condition.name.eq_ignore_ascii_case(&ty)
                            || condition.name == "id" && types.rows_of(field).unwrap().name == ty);
                    for operator in ["eq: $id", "in: [$id]", "notIn: [$id]"].iter().filter(|_| refers) {
                        queries.push(format!(
                            "query ($id: ID!) {{ {}(filter: {{ {}: {{ {operator} }} }}) {{ totalCount nodes {{ id }} }} }}",
                            field.name, condition.name
                        ));
                    }
                }
            }
            assert!(queries.len() > 5, "{ty}: {queries:?}");
            for query in queries {
                for (there, nowhere) in [(&id, &nowhere), (&bare, &nowhere_bare)] {
                    let of_other = app.send(login, &query, json!({ "id": there })).await;
                    let of_none = app.send(login, &query, json!({ "id": nowhere })).await;
                    assert_eq!(of_other, of_none, "{login}, {ty}: {query}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_tenant_sees_what_those_above_share_with_it_and_nothing_else_of_theirs() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    // Somebody who reads in the head office alone, and somebody below it.
    for (slug, login) in
        [("wna-hq", "reader@hq.example.com"), ("wna-hq-finance", "reader@finance.example.com")]
    {
        let grant = format!(
            "WITH t AS (SELECT root_id, id FROM tenant WHERE slug = '{slug}'),
             p AS (INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login)
                   SELECT root_id, uuid_v7(), id, 'Some', 'Body', '{login}' FROM t RETURNING root_id, id, tenant_id)
             INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
             SELECT p.root_id, uuid_v7(), p.tenant_id, r.id, p.id FROM p
             JOIN role r ON r.root_id = p.root_id AND r.name = 'Reader'"
        );
        client.batch_execute(&grant).await.unwrap();
    }
    let shared: Vec<Value> = [
        "BlackBerry Standard Smart Phone for Widget Data Center, External IT",
        "BlackBerry Standard Smart Phone for Widget Data Center, Internal IT",
        "Directory for the New York Network",
        "End-User Network Connectivity for Widget North America, HQ (New York)",
        "Gold Service Desk for all Widget companies",
        "Managed Backbone by Tri-State Telecom",
    ]
    .map(|name| json!({ "name": name, "shared": true, "tenant": { "slug": "wna" } }))
    .into();
    let with_shared = |own: &[Value]| [shared.clone(), own.to_vec()].concat();
    let own = |name: &str, slug: &str| json!({ "name": name, "shared": false, "tenant": { "slug": slug } });
    let finance = own("Standard Expense Reporting for Finance", "wna-hq-finance");
    let office = own("Standard E-mail for Widget North America, HQ (New York)", "wna-hq");
    let fields = "{ totalCount nodes { name shared tenant { slug } } }";
    let expected = [
        ("reader@hq.example.com", "wna-hq", vec![office.clone(), finance.clone()], vec![office]),
        ("reader@finance.example.com", "wna-hq-finance", vec![finance.clone()], vec![finance]),
    ];
    for (login, slug, own_everywhere, own) in expected {
        let (everywhere, here) = (with_shared(&own_everywhere), with_shared(&own));
        let query = format!(
            "query ($slug: String) {{ slas {fields} tenant(slug: $slug) {{
               slas {fields} own: slas(includeShared: false) {fields} }} }}"
        );
        let data = app.data(login, &query, json!({ "slug": slug })).await;
        let list = |rows: &[Value]| json!({ "totalCount": rows.len(), "nodes": rows });
        assert_eq!(data["slas"], list(&everywhere), "{login}");
        assert_eq!(data["tenant"]["slas"], list(&here), "{login}");
        assert_eq!(data["tenant"]["own"], list(&own), "{login}");
        // A tenant above is known by what it shares.
        let query = format!("query ($in: [ID!]) {{ slas(filter: {{ tenant: {{ in: $in }} }}) {fields} }}");
        let id = async |slug: &str| {
            let query = "query ($slug: String) { tenant(slug: $slug) { id } }";
            app.data("manager@wna.example.com", query, json!({ "slug": slug })).await["tenant"]["id"].take()
        };
        let (above, below) = (id("wna").await, id(slug).await);
        for (given, expected) in
            [(json!([above]), &shared), (json!([below, above]), &here), (json!([below]), &own)]
        {
            let data = app.data(login, &query, json!({ "in": given })).await;
            assert_eq!(data["slas"], list(expected), "{login}: {given}");
        }
        // The tenants above are names to them: what is not shared is not there.
        let manager = "{ slas(first: 100) { nodes { id shared tenant { slug } activeVersion { id } } } }";
        let all = app.data("manager@wna.example.com", manager, json!({})).await;
        for sla in all["slas"]["nodes"].as_array().unwrap() {
            let visible =
                everywhere.iter().any(|row| row["shared"] == sla["shared"] && row["tenant"] == sla["tenant"]);
            for id in [&sla["id"], &sla["activeVersion"]["id"]] {
                let answer =
                    app.ask(login, "query ($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await;
                assert_eq!(refusal(&answer).is_none(), visible, "{login}: {sla} {answer}");
            }
        }
        for list in ["requests", "affectedSlas", "breaches", "organizations", "people", "calendars"] {
            let query = format!("{{ {list}(first: 100) {{ nodes {{ tenant {{ slug }} }} }} }}");
            let data = app.data(login, &query, json!({})).await;
            let slugs: BTreeSet<&str> = data[list]["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["tenant"]["slug"].as_str().unwrap())
                .collect();
            let within: BTreeSet<&str> =
                own_everywhere.iter().map(|row| row["tenant"]["slug"].as_str().unwrap()).collect();
            assert!(slugs.is_subset(&within), "{login}: {list} of {slugs:?}");
        }
        let query = "{ tenants { nodes { slug } } }";
        let listed = app.data(login, query, json!({})).await;
        assert!(!listed.to_string().contains("\"wna\""), "{listed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_what_a_version_or_an_offering_lists_is_told_whole_where_it_belongs_to_a_tenant_above() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    let (above, below) = ("manager@wna.example.com", "agent@hq.example.com");
    person(&client, below, "wna-hq", "slas:read,slas:write,catalog:read").await;
    let query = "{ tenant(slug: \"wna\") { id organizations(first: 2) { nodes { id name } } serviceOfferings(first: 1) { nodes { id } } }
        below: tenant(slug: \"wna-hq\") { id } }";
    let data = app.data(above, query, json!({})).await;
    let (wna, organizations) = (&data["tenant"], &data["tenant"]["organizations"]["nodes"]);
    let offering = &wna["serviceOfferings"]["nodes"][0]["id"];
    let best_effort = json!({ "kind": "BEST_EFFORT" });
    let input = json!({ "tenantId": wna["id"], "serviceOfferingId": offering, "name": "A wish", "response": best_effort,
        "resolution": best_effort });
    let create = "mutation ($input: StandardServiceRequestCreateInput!) { standardServiceRequestCreate(input: $input) {
        standardServiceRequest { id } errors { path message } } }";
    let made = app.data(above, create, json!({ "input": input })).await;
    let wish = &made["standardServiceRequestCreate"]["standardServiceRequest"];
    let version = |organizations: &[&Value]| {
        json!({ "versionName": "v", "terms": { "service": { "serviceOfferingId": offering,
            "coverage": "ORGANIZATIONS", "organizationIds": organizations } } })
    };
    let one = &organizations[0]["id"];
    let input = json!({ "tenantId": data["below"]["id"], "name": "Below", "customerId": one, "version": version(&[one]) });
    let create = "mutation ($input: SlaCreateInput!) { slaCreate(input: $input) { errors { path message } sla { id activeVersion { id
        terms { ... on ServiceTerms { organizations { id } serviceOffering { standardServiceRequests { id } } } } } } } }";
    let made = app.data(below, create, json!({ "input": input })).await["slaCreate"].take();
    let terms = &made["sla"]["activeVersion"]["terms"];
    assert_eq!(terms["organizations"], json!([{ "id": one }]), "{made}");
    assert!(terms["serviceOffering"]["standardServiceRequests"].as_array().unwrap().contains(wish), "{made}");
    let input = json!({ "slaId": made["sla"]["id"], "version": version(&[one, &organizations[1]["id"]]) });
    let change = "mutation ($input: SlaVersionCreateInput!) { slaVersionCreate(input: $input) { slaVersion { id } errors { path } } }";
    let changed = app.data(below, change, json!({ "input": input })).await["slaVersionCreate"].take();
    let versions = json!({ "id": made["sla"]["id"], "from": made["sla"]["activeVersion"]["id"], "to": changed["slaVersion"]["id"] });
    let diff = "query ($id: ID!, $from: ID!, $to: ID!) { sla(id: $id) { diff(from: $from, to: $to) { path from to } } }";
    let diff = app.data(below, diff, versions).await["sla"]["diff"].take();
    let other = &organizations[1]["name"];
    assert_eq!(diff, json!([{ "path": "service.organizations", "from": null, "to": other }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_a_person_of_several_trees_is_shown_the_one_with_rights() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    for (with, without) in [("wna", "itrp"), ("itrp", "wna")] {
        let login = format!("both-{with}");
        let nobody = format!(
            "INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login)
             SELECT root_id, uuid_v7(), id, 'No', 'Body', '{login}' FROM tenant WHERE slug = '{without}'"
        );
        client.batch_execute(&nobody).await.unwrap();
        person(&client, &login, with, "catalog:read").await;
        let seen = app.data(&login, "{ viewer { person { tenant { slug } } } }", json!({})).await;
        assert_eq!(seen["viewer"]["person"], json!({ "tenant": { "slug": with } }));
    }
}

/// A network of the root's, and of two siblings that use it for their mail the one whose mail it brings down; an SLA of the
/// other's on mail as a whole.
fn siblings() -> String {
    let k = intake::key;
    format!(
        "INSERT INTO tenant (root_id, id, parent_id, slug, name, time_zone) VALUES ('{root}', '{east}', '{root}', 'east', 'East', 'UTC');
         INSERT INTO tenant_closure (root_id, ancestor_id, descendant_id, depth) VALUES
           ('{root}', '{east}', '{east}', 0), ('{root}', '{root}', '{east}', 1);
         INSERT INTO service (root_id, id, tenant_id, name, provider_id) VALUES ('{root}', '{network}', '{root}', 'Network', '{provider}');
         INSERT INTO service_instance (root_id, id, tenant_id, service_id, name) VALUES
           ('{root}', '{lan}', '{root}', '{network}', 'LAN'), ('{root}', '{mail_east}', '{east}', '{mail}', 'Secret mail of the east');
         INSERT INTO service_instance_relation (root_id, tenant_id, consumer_id, used_id, effect) VALUES
           ('{root}', '{east}', '{mail_east}', '{lan}', 'down');
         INSERT INTO sla (root_id, id, tenant_id, kind, name, status, active_version_id, customer_id) VALUES
           ('{root}', '{sla}', '{west}', 'service', 'Mail of the west', 'active', '{version}', '{customer}');
         INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, service_offering_id, coverage) VALUES
           ('{root}', '{version}', '{west}', '{sla}', 1, 'v1', 'service', '{offering}', 'people');
         INSERT INTO sla_version_person (root_id, tenant_id, sla_version_id, person_id) VALUES ('{root}', '{west}', '{version}', '{agent}')",
        root = k(1),
        west = k(2),
        east = k(3),
        provider = k(10),
        customer = k(11),
        agent = k(30),
        mail = k(60),
        offering = k(61),
        network = k(63),
        mail_east = k(72),
        lan = k(73),
        sla = k(85),
        version = k(95),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_an_instance_of_a_sibling_tenant_decides_no_clock_and_its_name_is_told_nowhere() {
    let app = intake::world().await;
    let client = app.database.client().await;
    client.batch_execute(&siblings()).await.unwrap();
    person(&client, "westerner", "below", "affected-slas:read,affected-slas:write,slas:read,catalog:read")
        .await;
    let about_the_lan = with(
        ticket(),
        json!({ "tenantId": intake::key(2), "impact": "TOP", "serviceInstanceId": intake::key(73) }),
    );
    let request = written(&app, "requestRegister", about_the_lan.clone()).await;
    assert_eq!(request["affectedSlas"]["nodes"], json!([]), "the west has no mail");

    // Made after that of the east.
    let own = format!(
        "INSERT INTO service_instance (root_id, id, tenant_id, service_id, name) VALUES
           ('{root}', '{mail_west}', '{west}', '{mail}', 'Mail server of the west');
         INSERT INTO service_instance_relation (root_id, tenant_id, consumer_id, used_id, effect) VALUES
           ('{root}', '{west}', '{mail_west}', '{lan}', 'degraded')",
        root = intake::key(1),
        west = intake::key(2),
        mail = intake::key(60),
        lan = intake::key(73),
        mail_west = intake::key(74),
    );
    client.batch_execute(&own).await.unwrap();
    let request = written(&app, "requestRegister", about_the_lan).await;
    let query = "query($id: ID!) { request(id: $id) { affectedSlas { nodes { impact serviceInstance { name }
        explanation { resolution { allowanceSeconds } } } } } }";
    let expected = json!([{ "impact": "HIGH", "serviceInstance": { "name": "Mail server of the west" },
        "explanation": { "resolution": { "allowanceSeconds": 28800.0 } } }]);
    let clocks = async || {
        let mut data = app.data("westerner", query, json!({ "id": request["id"] })).await;
        data["request"]["affectedSlas"]["nodes"].take()
    };
    client.batch_execute("UPDATE role SET permissions = permissions || '{requests:read}'").await.unwrap();
    assert_eq!(clocks().await, expected);
    let event =
        json!({ "requestId": request["id"], "status": "ACCEPTED", "occurredAt": "2026-03-02T10:05:00Z" });
    written(&app, "requestRecord", event).await;
    assert_eq!(clocks().await, expected);

    // As it was made before.
    let made = format!("UPDATE affected_sla SET service_instance_id = '{}'", intake::key(72));
    client.batch_execute(&made).await.unwrap();
    let query = "{ affectedSlas(orderBy: [{ field: SERVICE_INSTANCE }]) { edges { cursor node { serviceInstance { name } } } } }";
    let data = app.data("westerner", query, json!({})).await;
    let edge = &data["affectedSlas"]["edges"][0];
    assert_eq!(edge["node"]["serviceInstance"], Value::Null);
    let cursor = BASE64_URL_SAFE_NO_PAD.decode(edge["cursor"].as_str().unwrap()).unwrap();
    let cursor = String::from_utf8_lossy(&cursor);
    assert!(!cursor.contains("east"), "{cursor}");
}
