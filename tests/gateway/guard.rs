//! The guard in front of the engine: what it refuses, how fast, and that what passes means the same to the engine.

use std::time::{Duration, Instant};

use async_graphql::{
    EmptyMutation, EmptySubscription, Enum, ID, InputObject, Object, OneofObject, Schema, ServerError,
    SimpleObject, ValidationMode, Variables,
};
use serde_json::{Value, json};
use sla_gateway::graphql::document::{Documents, Limits};

struct Query;
struct Thing;

#[derive(SimpleObject)]
struct Page {
    total: i32,
    edges: Vec<Edge>,
}

#[derive(SimpleObject)]
struct Edge {
    node: Thing,
}

#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
enum Color {
    Red,
    Green,
}

#[derive(OneofObject, Debug)]
enum Key {
    Id(ID),
    Name(String),
}

#[derive(InputObject, Debug)]
struct Filter {
    name: String,
    count: Option<i32>,
    colors: Option<Vec<Color>>,
    #[graphql(default)]
    and: Vec<Filter>,
}

#[Object]
impl Query {
    async fn things(&self, first: Option<i32>, last: Option<i32>) -> Vec<Thing> {
        let _ = (first, last);
        vec![Thing]
    }
    async fn page(&self, first: i32) -> Page {
        Page { total: first, edges: Vec::new() }
    }
    async fn nodes(&self, ids: Vec<ID>) -> Vec<Thing> {
        ids.iter().map(|_| Thing).collect()
    }
    async fn by(&self, key: Key) -> String {
        format!("{key:?}")
    }
    #[graphql(deprecation = "use thing")]
    async fn old(&self, at: Option<chrono::DateTime<chrono::Utc>>) -> String {
        format!("{at:?}")
    }
    async fn thing(&self) -> Thing {
        Thing
    }
    async fn echo(&self, text: Option<String>, number: Option<f64>, list: Option<Vec<Vec<i32>>>) -> String {
        format!("{text:?} {number:?} {list:?}")
    }
    async fn find(&self, filter: Filter) -> String {
        format!("{filter:?}")
    }
}

#[Object]
impl Thing {
    async fn id(&self) -> ID {
        "1".into()
    }
    async fn color(&self, not: Option<Color>) -> Option<Color> {
        [Color::Red, Color::Green].into_iter().find(|color| Some(*color) != not)
    }
    async fn things(&self, first: Option<i32>, last: Option<i32>) -> Vec<Thing> {
        let _ = (first, last);
        vec![Thing]
    }
    async fn thing(&self) -> Thing {
        Thing
    }
    async fn named(&self, name: Option<String>, not: Option<Vec<String>>) -> bool {
        name.is_some() || not.is_some()
    }
}

type Engine = Schema<Query, EmptyMutation, EmptySubscription>;

fn engine() -> Engine {
    Schema::build(Query, EmptyMutation, EmptySubscription)
        .validation_mode(ValidationMode::Fast)
        .limit_recursive_depth(64)
        .finish()
}

fn documents() -> Documents {
    Documents::new(&engine().sdl(), Limits::default()).unwrap()
}

fn variables(values: Value) -> Variables {
    Variables::from_json(values)
}

/// The cost of a document's only operation, or the errors.
fn cost(text: &str, values: Value) -> Result<u64, Vec<ServerError>> {
    let values = variables(values);
    Ok(documents().check(text)?.operation(None, values)?.cost())
}

fn code(errors: &[ServerError]) -> String {
    match errors[0].extensions.as_ref().and_then(|extensions| extensions.get("code")) {
        Some(async_graphql::Value::String(code)) => code.clone(),
        other => panic!("no code: {other:?}"),
    }
}

/// The errors of a document that must be refused, within `most` in this debug build.
#[expect(clippy::print_stdout, reason = "the figures are worth a look: --nocapture")]
fn refused(name: &str, text: &str, most: Duration) -> Vec<ServerError> {
    let documents = documents();
    let begun = Instant::now();
    let errors = documents.check(text).err().unwrap_or_else(|| panic!("{name} passed"));
    let took = begun.elapsed();
    println!("{name}: {} bytes, {took:?}: {} {}", text.len(), code(&errors), errors[0].message);
    assert!(took < most, "{name} took {took:?}");
    assert!(errors.len() <= 20, "{name}: {} errors", errors.len());
    assert!(errors.iter().all(|error| error.message.len() < 500), "{name}: a long message");
    errors
}

fn bomb(fragments: usize) -> String {
    let mut text = "{ thing { ...F0 } }".to_owned();
    for n in 0..fragments {
        text += &format!(
            " fragment F{n} on Thing {{ a{n}: thing {{ ...F{0} }} b{n}: thing {{ ...F{0} }} }}",
            n + 1
        );
    }
    text + &format!(" fragment F{fragments} on Thing {{ id }}")
}

/// A document of 20 operations in each of which an argument comes 625 times.
fn spread(argument: &str) -> String {
    let operations: String = (0..20).map(|n| format!("query Q{n} {{ thing {{ ...C }} }} ")).collect();
    let (b, a) = ("...B ".repeat(25), "...A ".repeat(25));
    operations
        + &format!(
            "fragment C on Thing {{ {b} }} fragment B on Thing {{ {a} }} fragment A on Thing {{ named({argument}) }}"
        )
}

#[test]
fn as_many_values_as_a_text_has_room_for_pass_and_an_operation_that_is_not_asked_for_takes_no_memory() {
    let ids = format!("nodes(ids: [{}]) {{ id }}", "\"1\"".repeat(200));
    let all: String = (0..45).map(|n| format!("a{n}: {ids} ")).collect();
    cost(&format!("{{ {all} }}"), json!({})).unwrap();
    let begun = Instant::now();
    documents().check(&spread("name: \"one\"")).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_hostile_document_is_refused_fast_and_kills_nothing() {
    let deep = |open: &str, close: &str| open.repeat(2_000) + &close.repeat(2_000);
    let refused_by_a_limit = [
        ("nested lists", format!("{{ echo(list: {}) }}", deep("[", "]"))),
        ("nested lists, left open", format!("{{ echo(list: {}", "[".repeat(60_000))),
        ("nested objects", format!("{{ find(filter: {}1{}) }}", "{and:".repeat(2_000), "}".repeat(2_000))),
        ("nested directive argument", format!("{{ thing @skip(if: {}) {{ id }} }}", deep("[", "]"))),
        ("nested variable default", format!("query($v: Int = {}) {{ echo }}", deep("[", "]"))),
        ("nested type", format!("query($v: {}Int{}) {{ echo }}", "[".repeat(2_000), "]".repeat(2_000))),
        ("nested selections", "{ thing ".repeat(2_000) + "{ id }" + &" }".repeat(2_000)),
        ("nested inline fragments", "{ ... ".repeat(2_000) + "{ __typename }" + &" }".repeat(2_000)),
        ("braces only", "{".repeat(60_000)),
        ("fragment bomb", bomb(30)),
        ("wider than deep bomb", bomb(12)),
        ("chain of fragments", {
            let link = |n| format!(" fragment F{n} on Thing {{ ...F{} }}", n + 1);
            "{ thing { ...F0 } }".to_owned()
                + &(0..700).map(link).collect::<String>()
                + " fragment F700 on Thing { id }"
        }),
        (
            "50 000 aliases",
            format!("{{ {} }}", (0..50_000).map(|n| format!("a{n}: echo ")).collect::<String>()),
        ),
        ("3 000 aliases", format!("{{ {} }}", (0..3_000).map(|n| format!("a{n}:echo ")).collect::<String>())),
        (
            "300 aliases",
            format!("{{ thing {{ {} }} }}", (0..300).map(|n| format!("a{n}:id ")).collect::<String>()),
        ),
        ("9 000 fields", format!("{{ {} }}", "echo ".repeat(4_900))),
        ("200 directives", format!("{{ thing {{ id {} }} }}", "id @skip(if: false) ".repeat(200))),
        ("60 root fields", format!("{{ {} }}", "__typename ".repeat(60))),
        ("30 operations", (0..30).map(|n| format!("query Q{n} {{ echo }} ")).collect()),
        ("200 variables", {
            let names = (0..200).map(|n| format!("$v{n}: Int = 1 ")).collect::<String>();
            format!("query({names}) {{ echo }}")
        }),
        ("300 ids", format!("{{ nodes(ids: [{}]) {{ id }} }}", "1 ".repeat(300))),
        (
            "a long text in a fragment that is spread 625 times",
            spread(&format!("name: \"{}\"", "x".repeat(50_000))),
        ),
        ("a list in a fragment that is spread 625 times", spread(&format!("not: [{}]", "\"a\"".repeat(200)))),
        ("a long name in a fragment that is spread 189 times", {
            let (b, a, name) = ("...B ".repeat(21), "...A ".repeat(9), "x".repeat(50_000));
            format!(
                "{{ thing {{ {b} }} }} fragment B on Thing {{ {a} }} fragment A on Thing {{ {name}: id }}"
            )
        }),
        (
            "pages of pages of pages",
            "{ things(first: 100) { things(first: 100) { things(first: 100) { id } } } }".into(),
        ),
        ("introspection of introspection", {
            let inner = "{ fields { type ".repeat(5) + "{ name }" + &" } }".repeat(5);
            format!("{{ __schema {{ types {inner} }} }}")
        }),
        (
            "introspection twice",
            "{ a: __schema { types { name } } b: __schema { types { name } } }".to_owned(),
        ),
        (
            "introspection fifty times",
            (0..50).fold("{".to_owned(), |all, n| all + &format!(" a{n}: __schema {{ types {{ name }} }}"))
                + "}",
        ),
    ];
    for (name, text) in &refused_by_a_limit {
        let errors = refused(name, text, Duration::from_secs(3));
        assert_eq!(code(&errors), "LIMIT_EXCEEDED", "{name}: {errors:?}");
    }
    let refused_for_what_it_is = [
        (
            "fragment cycle",
            "{ thing { ...A } } fragment A on Thing { ...B } fragment B on Thing { ...A }".to_owned(),
        ),
        ("cycle with itself", "{ thing { ...A } } fragment A on Thing { thing { ...A ...A } }".to_owned()),
        (
            "conflicting fields",
            format!("{{ {} }}", (0..40).map(|n| format!("echo(number: {n}) ")).collect::<String>()),
        ),
        (
            "1 100 conflicts",
            format!("{{ thing {{ {} }} }}", "color(not: RED) color(not: GREEN) ".repeat(550)),
        ),
        (
            "1 500 unknown fields",
            format!("{{ {} }}", (0..1_500).map(|n| format!("x{n} ")).collect::<String>()),
        ),
        ("a name of 60 000 letters", format!("{{ {} }}", "x".repeat(60_000))),
        ("a comment", format!("# {}", "x".repeat(60_000))),
        ("nothing", String::new()),
        ("a fragment only", "fragment A on Thing { id }".into()),
        ("a type", "type Query { id: ID }".into()),
        ("garbage", "\u{0}\u{1}\u{fffd}💥 }}}} )".into()),
    ];
    for (name, text) in &refused_for_what_it_is {
        let errors = refused(name, text, Duration::from_secs(3));
        assert!(
            ["VALIDATION_FAILED", "PARSE_FAILED"].contains(&code(&errors).as_str()),
            "{name}: {errors:?}"
        );
    }
}

#[test]
fn brackets_are_counted_before_anything_is_read() {
    let errors = refused("braces only", &"{".repeat(60_000), Duration::from_secs(3));
    assert_eq!((errors[0].locations[0].line, errors[0].locations[0].column), (1, 61));
    let errors = refused("lists", &format!("{{\n  echo(list: {}", "[".repeat(100)), Duration::from_secs(3));
    assert_eq!((errors[0].locations[0].line, errors[0].locations[0].column), (2, 73));
}

#[test]
fn a_negative_page_size_does_not_pay_for_another() {
    let text = "{thing{x:things(first:-100000){id} y:things(first:99999){id}}}";
    assert_eq!(text.len(), 62);
    // A page costs one, and each of its rows one and what it holds.
    assert_eq!(cost(text, json!({})).unwrap(), 1 + (1 + 1) + (1 + 100));
}

#[test]
fn the_cost_is_the_number_of_objects_that_can_come_back() {
    let of = |text: &str| cost(text, json!({})).unwrap();
    assert_eq!(of("{ echo }"), 0);
    assert_eq!(of("{ thing { id color } }"), 1);
    assert_eq!(of("{ things { id } }"), 1 + 25);
    assert_eq!(of("{ things(last: 10) { thing { id } } }"), 1 + 10 * 2);
    assert_eq!(of("{ things(first: null) { id } }"), 1 + 25);
    assert_eq!(of("{ page(first: 10) { total } }"), 1);
    assert_eq!(of("{ page(first: 10) { edges { node { id } } } }"), 1 + 10 * 2);
    assert_eq!(of("{ nodes(ids: [1, 2, 3]) { id } }"), 1 + 3);
    assert_eq!(
        of("{ things(first: 10) { ...A } } fragment A on Thing { thing { thing { id } } }"),
        1 + 10 * 3
    );
    let text = "query($n: Int = 7) { things(first: $n) { id } }";
    assert_eq!(cost(text, json!({ "n": 50 })).unwrap(), 51);
    assert_eq!(cost(text, json!({ "n": -5 })).unwrap(), 2);
    assert_eq!(cost(text, json!({ "n": null })).unwrap(), 26);
    assert_eq!(cost(text, json!({})).unwrap(), 8);
    let text = "query($n: Int) { things(first: $n) { things(first: $n) { things(first: $n) { id } } } }";
    assert_eq!(cost(text, json!({ "n": 10 })).unwrap(), 1 + 10 * (2 + 10 * (2 + 10)));
    let errors = cost(text, json!({ "n": 100 })).unwrap_err();
    assert_eq!(code(&errors), "LIMIT_EXCEEDED");
    assert!(errors[0].message.contains("1020201 points of cost, at most 50000"), "{}", errors[0].message);
}

#[test]
fn the_introspection_query_of_graphiql_passes() {
    assert_eq!(cost(INTROSPECTION, json!({})).unwrap(), 30_000);
}

#[test]
fn an_error_says_where_and_what_and_echoes_no_value() {
    let secret = "hunter2";
    for (text, code_wanted, line, column, words) in [
        ("{ echo(text: }", "PARSE_FAILED", 1, 14, "expected"),
        ("{\n  nope\n}", "VALIDATION_FAILED", 2, 3, "`Query` does not have a field `nope`"),
        (
            "{ echo(text: 5, number: \"hunter2\") }",
            "VALIDATION_FAILED",
            1,
            14,
            "Argument text: A value of type String is needed.",
        ),
        (
            "{ thing { color(not: HUNTER) } }",
            "VALIDATION_FAILED",
            1,
            22,
            "Argument not: A value of type Color",
        ),
        ("{ thing }", "VALIDATION_FAILED", 1, 3, "subselection"),
        ("query($v: Int) { echo }", "VALIDATION_FAILED", 1, 7, "unused variable"),
        ("query($v: String) { echo(number: $v) }", "VALIDATION_FAILED", 1, 26, "cannot be used"),
        ("{ __typename @nope }", "VALIDATION_FAILED", 1, 14, "@nope"),
        ("{ echo(text: \"hunter2) }", "PARSE_FAILED", 1, 14, "nterminated string"),
        ("{ echo(text: \"\\uD83D\") }", "PARSE_FAILED", 1, 14, "surrogate"),
        ("mutation { a }", "VALIDATION_FAILED", 1, 1, "mutation"),
    ] {
        let errors = documents().check(text).err().unwrap_or_else(|| panic!("{text} passed"));
        assert_eq!(code(&errors), code_wanted, "{text}: {errors:?}");
        let message = errors[0].message.to_lowercase();
        assert!(message.contains(&words.to_lowercase()), "{text}: {message}");
        assert!(errors.iter().all(|error| !error.message.contains(secret)), "{text}: {errors:?}");
        let at = errors[0].locations.first().map(|at| (at.line, at.column));
        assert_eq!(at, Some((line, column)), "{text}: {errors:?}");
    }
}

#[test]
fn the_values_of_variables_fit_their_types_or_are_refused_with_their_place() {
    let find = "query($f: Filter!) { find(filter: $f) }";
    for (text, values, place) in [
        (find, json!({}), "Variable $f: A value of type Filter! is required."),
        (find, json!({ "f": null }), "Variable $f: A value of type Filter! is required."),
        (find, json!({ "f": 5 }), "Variable $f: A value of type Filter is needed."),
        (find, json!({ "f": {} }), "Variable $f.name: A value of type String! is required."),
        (find, json!({ "f": { "name": 1 } }), "Variable $f.name: A value of type String is needed."),
        (
            find,
            json!({ "f": { "name": "", "count": 2147483648_i64 } }),
            "Variable $f.count: A whole number from -2147483648 to 2147483647 is needed.",
        ),
        (
            find,
            json!({ "f": { "name": "", "count": 1.5 } }),
            "Variable $f.count: A whole number from -2147483648 to 2147483647 is needed.",
        ),
        (
            find,
            json!({ "f": { "name": "", "colors": ["RED", "BLUE"] } }),
            "Variable $f.colors[1]: A value of type Color is needed: one of RED, GREEN.",
        ),
        (
            find,
            json!({ "f": { "name": "", "hunter2": 1 } }),
            "Variable $f: Filter does not have all the fields that are given; it has: name, count, colors, and.",
        ),
        (
            find,
            json!({ "f": { "name": "", "and": [{ "name": "" }, {}] } }),
            "Variable $f.and[1].name: A value of type String! is required.",
        ),
        (
            "query($l: [[Int!]!]) { echo(list: $l) }",
            json!({ "l": [[1, 2], [3, null]] }),
            "Variable $l[1][1]: A value of type Int! is required.",
        ),
    ] {
        let errors = cost(text, values.clone()).expect_err(place);
        assert_eq!(
            (code(&errors).as_str(), errors[0].message.as_str()),
            ("VALIDATION_FAILED", place),
            "{values}"
        );
        assert_eq!(errors[0].locations[0].column, 7, "{values}");
    }
    for (text, values) in [
        (find, json!({ "f": { "name": "", "colors": "RED", "and": { "name": "" } }, "unknown": 1 })),
        ("query($l: [[Int!]!]) { echo(list: $l) }", json!({ "l": 1 })),
        ("query($n: Float) { echo(number: $n) }", json!({ "n": 1 })),
        ("query($i: [ID!]!) { nodes(ids: $i) { id } }", json!({ "i": [1, "a"] })),
    ] {
        cost(text, values.clone()).unwrap_or_else(|errors| panic!("{values}: {errors:?}"));
    }
    let long = json!({ "i": vec![1; 201] });
    assert_eq!(
        code(&cost("query($i: [ID!]!) { nodes(ids: $i) { id } }", long).unwrap_err()),
        "LIMIT_EXCEEDED"
    );
    let long = json!({ "t": "x".repeat(200_000) });
    assert_eq!(code(&cost("query($t: String) { echo(text: $t) }", long).unwrap_err()), "LIMIT_EXCEEDED");
}

#[test]
fn an_operation_is_picked_by_name_and_never_guessed() {
    let checked = documents().check("query A { echo } query B { thing { id } }").unwrap();
    let pick = |name: Option<&str>| {
        checked.operation(name, Variables::default()).map(|o| o.name().map(str::to_owned))
    };
    assert_eq!(pick(Some("B")).unwrap().as_deref(), Some("B"));
    assert_eq!(code(&pick(None).unwrap_err()), "BAD_REQUEST");
    assert_eq!(code(&pick(Some("")).unwrap_err()), "BAD_REQUEST");
    let errors = pick(Some("hunter2")).unwrap_err();
    assert_eq!(code(&errors), "BAD_REQUEST");
    assert!(!errors[0].message.contains("hunter2"));
    let only = documents().check("query A { echo }").unwrap();
    assert!(only.operation(None, Variables::default()).is_ok());
}

#[tokio::test]
async fn the_engine_runs_a_checked_document_as_it_would_run_the_text() {
    let (engine, documents) = (engine(), documents());
    for (text, name, values) in [
        ("{ echo }", None, json!({})),
        (
            "{ a: echo(text: \"\\u00e9\\n\\\"\", number: -1.5e3, list: [[1], 2, []]) b: __typename }",
            None,
            json!({}),
        ),
        ("{ echo(text: \"\"\"\n   block\n     \\u{41} deep\n  \"\"\") }", None, json!({})),
        (
            "{ find(filter: { name: \"a\", count: null, colors: [RED, GREEN], and: { name: \"b\" } }) }",
            None,
            json!({}),
        ),
        (
            "query A($f: Filter!, $t: String = \"dflt\", $no: Boolean!) { find(filter: $f) echo(text: $t) @skip(if: $no) thing { id @include(if: $no) ... on Thing { color(not: RED) } ...F } } \
             fragment F on Thing { ...G thing { ...G } } fragment G on Thing { g: id } query B { echo }",
            Some("A"),
            json!({ "f": { "name": "x", "and": [{ "name": "y", "colors": "GREEN" }] }, "no": true }),
        ),
        ("query($c: Color) { thing { color(not: $c) } }", None, json!({ "c": "RED" })),
        ("query($k: Key!) { by(key: $k) a: by(key: { id: 1 }) }", None, json!({ "k": { "name": "x" } })),
        ("{ old(at: \"2026-01-01T00:00:00Z\") }", None, json!({})),
        (INTROSPECTION, None, json!({})),
    ] {
        let values = variables(values);
        let checked = documents.check(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        let operation = checked.operation(name, values.clone()).unwrap();
        let ours = engine.execute(operation.into_request()).await;
        let mut request = async_graphql::Request::new(text).variables(values);
        request.operation_name = name.map(str::to_owned);
        let theirs = engine.execute(request).await;
        assert_eq!(ours.errors, [], "{text}");
        assert_eq!(serde_json::to_value(&ours).unwrap(), serde_json::to_value(&theirs).unwrap(), "{text}");
    }
}

#[tokio::test]
async fn escapes_that_the_engine_cannot_read_are_read() {
    let (engine, documents) = (engine(), documents());
    for escape in ["\\u{1F600}", "\\uD83D\\uDE00", "😀"] {
        let checked = documents.check(&format!("{{ echo(text: \"{escape}\") }}")).unwrap();
        let operation = checked.operation(None, Variables::default()).unwrap();
        let answer = engine.execute(operation.into_request()).await;
        assert_eq!(answer.data.into_json().unwrap(), json!({ "echo": "Some(\"😀\") None None" }));
    }
}

#[test]
fn a_repeated_document_is_not_read_again() {
    let documents = documents();
    let first = documents.check("{ echo }").unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &documents.check("{ echo }").unwrap()));
}

const INTROSPECTION: &str = "query IntrospectionQuery { __schema { description queryType { name kind } mutationType { name kind } subscriptionType { name kind } types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
fragment FullType on __Type { kind name description specifiedByURL fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";
