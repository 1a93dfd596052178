//! Every connection of the schema × every way to page through it × every order.

use std::cmp::Ordering;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use serde_json::{Value, json};

use crate::app::App;
use crate::introspection::{Field, Type, Types, refusal};

const OPERATOR: &str = "operator@example.com";

/// Who sees one root each: their lists are long enough to page and short enough to walk.
const MANAGERS: [&str; 5] = [
    "manager@itrp.example.com",
    "manager@wna.example.com",
    "manager@cxengage.example.com",
    "manager@rocketchat.example.com",
    "manager@simplo.example.com",
];

const PAGE: &str = "{ edges { cursor node { id } } nodes { id } \
                    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }";

/// One connection, as asked for by somebody under something.
struct List<'a> {
    login: &'a str,
    /// What it hangs under: nothing, `viewer`, or the type and id of an object.
    under: Under<'a>,
    field: &'a Field,
    rows: &'a Type,
}

enum Under<'a> {
    Root,
    Viewer,
    Node(&'a str, String),
}

impl List<'_> {
    fn name(&self) -> String {
        match &self.under {
            Under::Root => self.field.name.clone(),
            Under::Viewer => format!("viewer.{}", self.field.name),
            Under::Node(ty, _) => format!("{ty}.{}", self.field.name),
        }
    }

    /// The answer to selections of this connection, each with an alias.
    async fn answer(&self, app: &App, head: &str, selections: &str, variables: Value) -> Value {
        let query = match &self.under {
            Under::Root => format!("{head} {{ {selections} }}"),
            Under::Viewer => format!("{head} {{ viewer {{ {selections} }} }}"),
            Under::Node(ty, id) => {
                format!("{head} {{ node(id: \"{id}\") {{ ... on {ty} {{ {selections} }} }} }}")
            }
        };
        app.ask(self.login, &query, variables).await
    }

    async fn data(&self, app: &App, head: &str, selections: &str, variables: Value) -> Value {
        let mut answer = self.answer(app, head, selections, variables).await;
        assert_eq!(answer["errors"], Value::Null, "{}: {selections}", self.name());
        match self.under {
            Under::Root => answer["data"].take(),
            Under::Viewer => answer["data"]["viewer"].take(),
            Under::Node(..) => answer["data"]["node"].take(),
        }
    }

    /// A page by variables: the document is the same for all pages of an order.
    async fn page(&self, app: &App, order: &str, size: (&str, usize), at: (&str, Option<&str>)) -> Value {
        let head = "query ($first: Int, $last: Int, $after: String, $before: String)";
        let field = &self.field.name;
        let selection = format!(
            "page: {field}(first: $first, last: $last, after: $after, before: $before{order}) {PAGE}"
        );
        let variables = json!({ size.0: size.1, at.0: at.1 });
        self.data(app, head, &selection, variables).await["page"].take()
    }

    /// The whole list in an order, by pages of 100, with what each row is sorted by.
    async fn whole(&self, app: &App, order: &str, value: &str) -> Vec<Row> {
        let field = &self.field.name;
        let selection = format!(
            "page: {field}(first: 100, after: $after{order}) {{ totalCount \
             edges {{ cursor node {{ id {value} }} }} pageInfo {{ hasNextPage }} }}"
        );
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let after = rows.last().map(|row| row.cursor.clone());
            let variables = json!({ "after": after });
            let mut page =
                self.data(app, "query ($after: String)", &selection, variables).await["page"].take();
            rows.extend(page["edges"].as_array_mut().unwrap().iter_mut().map(|edge| Row {
                id: edge["node"]["id"].as_str().unwrap().to_owned(),
                cursor: edge["cursor"].as_str().unwrap().to_owned(),
                value: match edge["node"]["value"].take() {
                    Value::Object(object) => object.values().next().unwrap().clone(),
                    value => value,
                },
            }));
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                assert_eq!(page["totalCount"], json!(rows.len()), "{}", self.name());
                return rows;
            }
        }
    }
}

#[derive(Debug)]
struct Row {
    id: String,
    cursor: String,
    value: Value,
}

/// What a page must be: these rows of the whole, with more before or after them or not.
fn expect(what: &str, page: &Value, rows: &[Row], next: bool, previous: bool) {
    let cursor = |row: Option<&Row>| row.map_or(Value::Null, |row| json!(row.cursor));
    let edges: Vec<Value> =
        rows.iter().map(|row| json!({ "cursor": row.cursor, "node": { "id": row.id } })).collect();
    let nodes: Vec<Value> = rows.iter().map(|row| json!({ "id": row.id })).collect();
    let info = json!({
        "hasNextPage": next, "hasPreviousPage": previous,
        "startCursor": cursor(rows.first()), "endCursor": cursor(rows.last()),
    });
    assert_eq!(*page, json!({ "edges": edges, "nodes": nodes, "pageInfo": info }), "{what}");
}

/// The sample, with what it has none of: entries of the audit log, service tokens, webhooks, messages and
/// users of service instances.
async fn app() -> std::sync::Arc<App> {
    let app = App::sampled().await;
    let tenant = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    let terms = json!({ "queue": { "slaThreshold": 5, "abandonType": "COUNT_AGAINST_SLA" } });
    let create =
        "mutation ($input: SlaCreateInput!) { slaCreate(input: $input) { sla { id } errors { message } } }";
    let input =
        json!({ "tenantId": tenant, "name": "Paged", "version": { "versionName": "1", "terms": terms } });
    let made = app.data(OPERATOR, create, json!({ "input": input })).await;
    let sla = made["slaCreate"]["sla"]["id"].as_str().unwrap();
    for number in 2..12 {
        let version = json!({ "versionName": number.to_string(), "terms": terms });
        let create = "mutation ($input: SlaVersionCreateInput!) { slaVersionCreate(input: $input) { errors { message } } }";
        let made = app.data(OPERATOR, create, json!({ "input": { "slaId": sla, "version": version } })).await;
        assert_eq!(made["slaVersionCreate"]["errors"], json!([]));
    }
    let client = app.database.client().await;
    let tokens = format!(
        "INSERT INTO service_token (root_id, id, tenant_id, name, secret_hash)
         SELECT '{tenant}', uuid_v7(), '{tenant}', 'Token ' || n % 4, sha256(n::text::bytea)
         FROM generate_series(1, 9) n;
         INSERT INTO role_grant (root_id, id, tenant_id, role_id, service_token_id)
         SELECT r.root_id, uuid_v7(), r.tenant_id, r.id, s.id FROM role r
         JOIN service_token s ON s.root_id = r.root_id AND s.name IN ('Token 0', 'Token 1');
         INSERT INTO webhook (root_id, id, tenant_id, name, url, disabled_at)
         SELECT '{tenant}', uuid_v7(), '{tenant}', 'Hook ' || n % 4, 'https://hooks.example.com/' || n,
           CASE WHEN n % 3 = 0 THEN now() END FROM generate_series(1, 9) n;
         INSERT INTO limit_notification (root_id, id, tenant_id, sla_limit_id, period_start, time_period, hours, categories,
           contact, state)
         SELECT l.root_id, uuid_v7(), l.tenant_id, l.id, now() - n * interval '1 week', l.time_period,
           l.time_limit_in_hours, l.categories, l.contact,
           CASE WHEN n % 2 = 0 THEN 'sent' ELSE 'failed' END
         FROM (SELECT * FROM sla_limit LIMIT 1) l, generate_series(1, 9) n;
         INSERT INTO service_instance_user (root_id, tenant_id, service_instance_id, person_id)
         SELECT i.root_id, i.tenant_id, i.id, p.id
         FROM (SELECT DISTINCT ON (root_id) * FROM service_instance ORDER BY root_id, id) i
         CROSS JOIN LATERAL (SELECT id FROM person WHERE root_id = i.root_id ORDER BY id LIMIT 11) p"
    );
    client.batch_execute(&tokens).await.unwrap();
    app
}

/// Every connection of the root and of the viewer, each with whoever has the longest list that is soon walked.
async fn root_lists<'a>(app: &App, types: &'a Types) -> Vec<List<'a>> {
    let connections = |ty: &'a Type| types.connections(ty).map(|(field, _)| field.name.as_str());
    let counts: Vec<&str> = connections(types.get("Query")).collect();
    let query: String = counts.iter().map(|name| format!(" {name} {{ totalCount }}")).collect();
    let mut told = Vec::new();
    for login in MANAGERS {
        told.push((login, app.data(login, &format!("{{ {query} }}"), json!({})).await));
    }
    let mut lists = Vec::new();
    for (field, rows) in types.connections(types.get("Query")) {
        let count = |data: &Value| data[&field.name]["totalCount"].as_i64().unwrap();
        let (login, _) = told.iter().max_by_key(|(_, data)| Some(count(data)).filter(|n| *n < 250)).unwrap();
        lists.push(List { login, under: Under::Root, field, rows });
    }
    for (field, rows) in types.connections(types.get("Viewer")) {
        lists.push(List { login: OPERATOR, under: Under::Viewer, field, rows });
    }
    lists
}

/// Every connection of every type with an id, under the object with the longest list that is soon walked.
async fn nested_lists<'a>(app: &App, types: &'a Types) -> Vec<List<'a>> {
    let mut lists = Vec::new();
    for ty in types.all().filter(|ty| ty.is_node()) {
        let connections: Vec<_> = types.connections(ty).collect();
        if connections.is_empty() {
            continue;
        }
        let (root, _) = types
            .connections(types.get("Query"))
            .find(|(_, rows)| rows.name == ty.name)
            .unwrap_or_else(|| panic!("nothing lists objects of type {}", ty.name));
        let counts: String =
            connections.iter().map(|(field, _)| format!(" {} {{ totalCount }}", field.name)).collect();
        let query = format!("{{ {}(first: 100) {{ nodes {{ id {counts} }} }} }}", root.name);
        let data = app.data(OPERATOR, &query, json!({})).await;
        let parents = data[&root.name]["nodes"].as_array().unwrap();
        for (field, rows) in connections {
            let count = |parent: &Value| parent[&field.name]["totalCount"].as_i64().unwrap();
            let parent = parents.iter().max_by_key(|parent| Some(count(parent)).filter(|n| *n < 250));
            let parent = parent.unwrap_or_else(|| panic!("the sample has no {}", ty.name));
            // Nothing was written to most objects of the sample: their logs have no pages.
            if count(parent) == 0 && field.name == "auditLog" {
                continue;
            }
            let id = parent["id"].as_str().unwrap().to_owned();
            lists.push(List { login: OPERATOR, under: Under::Node(&ty.name, id), field, rows });
        }
    }
    lists
}

/// An order as an argument, and the selection of what it sorts by.
fn sorted(types: &Types, list: &List<'_>, by: &str, direction: &str) -> (String, String) {
    let order = format!(", orderBy: [{{ field: {by}, direction: {direction} }}]");
    let camel: String = by
        .split('_')
        .enumerate()
        .map(|(at, word)| match at {
            0 => word.to_lowercase(),
            _ => word[..1].to_owned() + &word[1..].to_lowercase(),
        })
        .collect();
    let described =
        types.get(types.get(list.field.arg("orderBy").unwrap().r#type.name()).inputs()[0].r#type.name());
    let described = described.values().iter().find(|value| value.name == by).unwrap();
    let by_id = described.description.as_deref().unwrap().contains(" id of the request")
        || described.description.as_deref().unwrap().contains(" id of the project");
    let value = match list.rows.field(&camel) {
        Some(_) if camel == "id" && list.rows.field("uuid").is_none() => String::new(),
        Some(_) if camel == "id" => "value: uuid".into(),
        Some(field) if types.get(field.r#type.name()).is_node() => {
            format!("value: {camel} {{ {} }}", if by_id { "uuid" } else { "name" })
        }
        Some(_) => format!("value: {camel}"),
        None => String::new(),
    };
    (order, value)
}

/// The order of values that a list promises: nulls last, texts by their letters' codes, words as they are stored.
fn compare(one: &Value, other: &Value) -> Ordering {
    let instant = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    match (one, other) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64().unwrap().total_cmp(&other.as_f64().unwrap())
        }
        (Value::String(one), Value::String(other)) => match (instant(one), instant(other)) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => one.cmp(other),
        },
        _ => panic!("{one} and {other} have no order"),
    }
}

fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

/// Pages of several sizes from several places of a list, in both directions.
async fn pages_from(app: &App, list: &List<'_>, order: &str, rows: &[Row], spots: &[usize]) {
    assert!(!spots.is_empty(), "{} is empty: add one to the sample", list.name());
    let mut selections = String::new();
    for (nth, at) in spots.iter().enumerate() {
        let (size, field) = ([1, 2, 7][nth % 3], &list.field.name);
        let cursor = json!(rows[*at].cursor);
        selections += &format!(" after{at}: {field}(first: {size}, after: {cursor}{order}) {PAGE}");
        selections += &format!(" before{at}: {field}(last: {size}, before: {cursor}{order}) {PAGE}");
    }
    // What lies between two places, from either of them.
    let between: Vec<(usize, usize)> = spots.windows(2).map(|pair| (pair[0], pair[1])).collect();
    for (from, to) in &between {
        let (after, before) = (json!(rows[*from].cursor), json!(rows[*to].cursor));
        for way in ["first", "last"] {
            let list = format!("{}({way}: 2, after: {after}, before: {before}{order})", list.field.name);
            selections += &format!(" {way}{from}: {list} {{ nodes {{ id }} }}");
        }
    }
    let data = list.data(app, "", &selections, json!({})).await;
    for (from, to) in between {
        let inside: Vec<Value> = rows[from + 1..to].iter().map(|row| json!({ "id": row.id })).collect();
        let (first, last) = (&inside[..inside.len().min(2)], &inside[inside.len().saturating_sub(2)..]);
        let what = format!("{} of {} by {order:?}, between {from} and {to}", list.name(), rows.len());
        assert_eq!(data[format!("first{from}")], json!({ "nodes": first }), "{what}");
        assert_eq!(data[format!("last{from}")], json!({ "nodes": last }), "{what}");
    }
    for (nth, at) in spots.iter().enumerate() {
        let (size, what) = ([1, 2, 7][nth % 3], format!("{} of {} by {order:?}", list.name(), rows.len()));
        let after = &rows[at + 1..rows.len().min(at + 1 + size)];
        let more = at + 1 + size < rows.len();
        expect(&format!("{what}: {size} after {at}"), &data[format!("after{at}")], after, more, true);
        let before = &rows[at.saturating_sub(size)..*at];
        expect(
            &format!("{what}: {size} before {at}"),
            &data[format!("before{at}")],
            before,
            true,
            *at > size,
        );
    }
}

/// The ends, the middle, and where nulls begin.
fn spots(rows: &[Row]) -> Vec<usize> {
    if rows.is_empty() {
        return Vec::new();
    }
    let edge = rows.windows(2).position(|pair| pair[0].value.is_null() != pair[1].value.is_null());
    let mut spots = vec![0, rows.len() - 1, rows.len() / 2, rows.len().saturating_sub(3)];
    spots.extend(edge.into_iter().flat_map(|edge| [edge, edge + 1]));
    spots.sort_unstable();
    spots.dedup();
    spots
}

/// A list by each of its orders: up is sorted, down is up reversed, and pages are cut out of either.
async fn every_order(app: &App, types: &Types, list: &List<'_>) {
    let orders = types.orders(list.field);
    assert!(!orders.is_empty(), "{} has no order", list.name());
    let default = list.whole(app, "", "").await;
    for by in &orders {
        let (order, value) = sorted(types, list, by, "ASC");
        let up = list.whole(app, &order, &value).await;
        assert_eq!(up.len(), default.len(), "{} by {by}", list.name());
        for pair in up.windows(2) {
            let order = match types.get("SlaStatus").values().iter().any(|v| pair[0].value == v.name) {
                true => compare(
                    &json!(pair[0].value.as_str().unwrap().to_lowercase()),
                    &json!(pair[1].value.as_str().unwrap().to_lowercase()),
                ),
                false => compare(&pair[0].value, &pair[1].value),
            };
            assert_ne!(order, Ordering::Greater, "{} by {by}: {pair:?}", list.name());
        }
        pages_from(app, list, &order, &up, &spots(&up)).await;
        let (order, value) = sorted(types, list, by, "DESC");
        let down = list.whole(app, &order, &value).await;
        let reversed: Vec<&str> = ids(&up).into_iter().rev().collect();
        assert_eq!(ids(&down), reversed, "{} by {by}, descending", list.name());
        // Under an object pages are cut out by the same conditions: down is paged at the root alone.
        if !matches!(list.under, Under::Node(..)) {
            pages_from(app, list, &order, &down, &spots(&down)).await;
        }
    }
    // Of several parts: what is equal by the first is in the order of the second.
    let (last, first) = (orders[orders.len() - 1], orders[1.min(orders.len() - 1)]);
    let two = |up: &str, down: &str| {
        format!(", orderBy: [{{ field: {last}, direction: {up} }}, {{ field: {first}, direction: {down} }}]")
    };
    let rows = list.whole(app, &two("ASC", "DESC"), "").await;
    let reverse = list.whole(app, &two("DESC", "ASC"), "").await;
    assert_eq!(ids(&rows), ids(&reverse).into_iter().rev().collect::<Vec<_>>(), "{}", list.name());
    pages_from(app, list, &two("ASC", "DESC"), &rows, &spots(&rows)).await;
}

/// Pages one after the other, from either end, as clients walk.
async fn walk(app: &App, list: &List<'_>) {
    let rows = list.whole(app, "", "").await;
    for size in [1, 2, 7, 100] {
        let what = format!("{} of {} by {size}", list.name(), rows.len());
        let mut cursor: Option<String> = None;
        for start in (0..rows.len().max(1)).step_by(size).take(6) {
            let page = list.page(app, "", ("first", size), ("after", cursor.as_deref())).await;
            let end = rows.len().min(start + size);
            expect(&what, &page, &rows[start..end], end < rows.len(), cursor.is_some());
            cursor = page["pageInfo"]["endCursor"].as_str().map(str::to_owned);
        }
        let mut cursor: Option<String> = None;
        let mut end = rows.len();
        for _ in 0..6 {
            let page = list.page(app, "", ("last", size), ("before", cursor.as_deref())).await;
            let start = end.saturating_sub(size);
            expect(&format!("{what}, backward"), &page, &rows[start..end], cursor.is_some(), start > 0);
            cursor = page["pageInfo"]["startCursor"].as_str().map(str::to_owned);
            end = start;
            if end == 0 {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_of_the_root_is_the_same_however_it_is_paged() {
    let app = app().await;
    let types = Types::of(&app).await;
    let lists = root_lists(&app, &types).await;
    assert!(lists.len() > 20, "{}", lists.len());
    for list in &lists {
        walk(&app, list).await;
        every_order(&app, &types, list).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_under_an_object_is_the_same_however_it_is_paged() {
    let app = app().await;
    let types = Types::of(&app).await;
    let lists = nested_lists(&app, &types).await;
    assert!(lists.len() > 30, "{}", lists.len());
    for list in &lists {
        walk(&app, list).await;
        every_order(&app, &types, list).await;
    }
}

/// What nobody was given as a cursor of this list.
fn forgeries(cursor: &str) -> Vec<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap();
    let flipped = (0..bytes.len()).step_by(bytes.len() / 12).map(|at| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 7);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    });
    let mut forged: Vec<String> = flipped.collect();
    forged.extend(
        [1, 4, cursor.len() / 2, cursor.len() - 1].map(|cut| cursor[..cursor.len() - cut].to_owned()),
    );
    forged.extend(["", "0", "null", "é", "%00", "\u{0}"].map(str::to_owned));
    forged.extend([format!("{cursor}="), format!("{cursor}{cursor}"), "A".repeat(10_000)]);
    let made_up = ["[]", "{}", "[1,2,3]", "[0,\"00000000-0000-0000-0000-000000000000\",[]]"];
    forged.extend(made_up.map(|json| BASE64_URL_SAFE_NO_PAD.encode(json)));
    forged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_cursor_or_one_of_another_list_is_refused_everywhere() {
    let app = app().await;
    let types = Types::of(&app).await;
    let mut lists = root_lists(&app, &types).await;
    lists.extend(nested_lists(&app, &types).await);
    let mut cursors = Vec::new();
    for list in &lists {
        let page = list.page(&app, "", ("first", 1), ("after", None)).await;
        cursors.push(page["pageInfo"]["startCursor"].as_str().unwrap_or_default().to_owned());
    }
    for (list, own) in lists.iter().zip(&cursors) {
        let mut forged = match list.under {
            // What hangs under an object reads cursors as the root does; all forgeries there, a few here.
            Under::Node(..) => Vec::new(),
            _ if own.is_empty() => Vec::new(),
            _ => forgeries(own),
        };
        let others = lists.iter().zip(&cursors).filter(|(other, _)| other.rows.name != list.rows.name);
        forged.extend(others.map(|(_, cursor)| cursor.clone()).filter(|cursor| !cursor.is_empty()).take(25));
        for by in types.orders(list.field) {
            let (order, _) = sorted(&types, list, by, "DESC");
            let page = list.page(&app, &order, ("first", 1), ("after", None)).await;
            forged.extend(
                page["pageInfo"]["startCursor"].as_str().filter(|cursor| cursor != own).map(str::to_owned),
            );
        }
        let field = &list.field.name;
        for (argument, size) in [("after", "first"), ("before", "last")] {
            let head = "query ($cursor: String)";
            let selection = format!("page: {field}({size}: 2, {argument}: $cursor) {{ nodes {{ id }} }}");
            for cursor in &forged {
                let answer = list.answer(&app, head, &selection, json!({ "cursor": cursor })).await;
                let what = format!("{} {argument} {cursor:?}: {answer}", list.name());
                let (code, sentence) = refusal(&answer).unwrap_or_else(|| panic!("{what}"));
                assert_eq!(code, "CURSOR_INVALID", "{what}");
                assert!(sentence.ends_with('.'), "{what}");
            }
        }
    }
}
