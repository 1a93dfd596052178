//! Bad input to every field of the root: a code of the closed list and a sentence, never a fault of ours.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::introspection::{Field, Input, Types, refusal};

const OPERATOR: &str = "operator@example.com";

/// What a client can be told that is not our fault.
const CODES: [&str; 10] = [
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "NOT_FOUND",
    "BAD_REQUEST",
    "PARSE_FAILED",
    "VALIDATION_FAILED",
    "LIMIT_EXCEEDED",
    "THROTTLED",
    "CURSOR_INVALID",
    "CURSOR_EXPIRED",
];

/// What must come of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// An error of this code.
    Refused(&'static str),
    /// Refused or answered: both can be meant.
    Either,
}
use Fate::{Either, Refused};

/// Ids that lead nowhere, or to the wrong type.
struct Ids {
    /// Of every type: the global id of an object.
    known: BTreeMap<String, String>,
}

impl Ids {
    async fn of(app: &App, types: &Types) -> Self {
        let mut known = BTreeMap::new();
        for (list, rows) in types.connections(types.get("Query")) {
            let query = format!("{{ {}(first: 1) {{ nodes {{ id }} }} }}", list.name);
            let data = app.data(OPERATOR, &query, json!({})).await;
            if let Some(id) = data[&list.name]["nodes"][0]["id"].as_str() {
                known.insert(rows.name.clone(), id.to_owned());
            }
        }
        Self { known }
    }

    /// An id of a type that is not `noun`'s.
    fn of_another_type(&self, noun: &str) -> &str {
        let other = if noun.eq_ignore_ascii_case("calendar") { "Tenant" } else { "Calendar" };
        &self.known[other]
    }
}

/// Bad values of one leaf type, and what must come of each.
fn leaves(ty: &str) -> Vec<(Value, Fate)> {
    let invalid = Refused("VALIDATION_FAILED");
    match ty {
        "ID" => vec![
            (json!("nonsense"), Refused("BAD_REQUEST")),
            (json!(""), Refused("BAD_REQUEST")),
            (json!("\u{0}"), Refused("BAD_REQUEST")),
            (json!("é".repeat(1_000)), Refused("BAD_REQUEST")),
            (json!("AAAAAAAAAAAAAAAAAAAAAAA"), Refused("BAD_REQUEST")),
            (json!(4_294_967_296_u64), Refused("BAD_REQUEST")),
            (json!({ "id": 1 }), invalid),
        ],
        "Int" => vec![
            (json!(2_147_483_648_u64), invalid),
            (json!(-99_999_999_999_i64), invalid),
            (json!(1.5), invalid),
            (json!("1"), invalid),
            (json!(i32::MIN), Either),
            (json!(i32::MAX), Either),
        ],
        "String" => vec![
            (json!("a\u{0}b"), Refused("BAD_REQUEST")),
            (json!(1), invalid),
            (json!("%_\\'\"); DROP TABLE sla; --"), Either),
            (json!("x".repeat(200_000)), Refused("LIMIT_EXCEEDED")),
        ],
        "Boolean" => vec![(json!("true"), invalid), (json!(1), invalid)],
        "DateTime" => vec![
            (json!("yesterday"), invalid),
            (json!("2026-02-30T00:00:00Z"), invalid),
            (json!("+262142-01-01T00:00:00Z"), invalid),
            (json!(1_700_000_000), invalid),
            (json!("0000-01-01T00:00:00Z"), invalid),
            (json!("9999-12-31T23:59:59-14:00"), invalid),
            (json!("0001-01-01T00:00:00Z"), Either),
            (json!("9999-12-31T23:59:60.999999999+14:00"), Either),
        ],
        "Date" => vec![
            (json!("2026-02-30"), invalid),
            (json!("+262142-12-31"), invalid),
            (json!("-4800-01-01"), invalid),
            (json!("0000-01-01"), invalid),
            (json!("0001-01-01"), Either),
            (json!("9999-12-31"), Either),
        ],
        // An enum.
        _ => vec![(json!("NO_SUCH_VALUE"), invalid), (json!(0), invalid)],
    }
}

/// A value that fits, to be repeated beyond what a list may hold.
pub(crate) fn fitting(types: &Types, ty: &str) -> Value {
    match ty {
        "ID" => json!(Uuid::from_u128(7)),
        "Int" => json!(1),
        "Boolean" => json!(true),
        "DateTime" => json!("2026-01-01T00:00:00Z"),
        "Date" => json!("2026-01-01"),
        "LocalDateTime" => json!("2026-01-01T00:00"),
        "LocalTime" => json!("09:00"),
        "TimeZone" => json!("UTC"),
        "String" => json!("x"),
        _ => types.get(ty).values().first().map_or(Value::Null, |value| json!(value.name)),
    }
}

/// Values of an argument: bad ones, and extremes.
fn values(types: &Types, ids: &Ids, field: &Field, arg: &Input) -> Vec<(Value, Fate)> {
    let ty = types.get(arg.r#type.name());
    let noun = field.r#type.name();
    let unknown = json!(Uuid::from_u128(7));
    let mut values = Vec::new();
    match (arg.name.as_str(), ty.kind.as_str()) {
        ("first" | "last", _) => {
            values.extend(
                [json!(-1), json!(101), json!(i32::MAX), json!(i32::MIN)]
                    .map(|v| (v, Refused("BAD_REQUEST"))),
            );
            values.extend(leaves("Int").into_iter().filter(|(_, fate)| *fate != Either));
        }
        ("after" | "before", _) => {
            let bad = ["nonsense", "", "0", "\u{0}", "W10"].map(|v| (json!(v), Refused("CURSOR_INVALID")));
            values.extend(bad);
            values.push((json!(1), Refused("VALIDATION_FAILED")));
        }
        ("orderBy", _) => {
            let order = types.get(ty.inputs()[0].r#type.name()).values()[0].name.as_str();
            values.push((json!([{ "field": "NO_SUCH_FIELD" }]), Refused("VALIDATION_FAILED")));
            values.push((json!([{ "field": order, "direction": "SIDEWAYS" }]), Refused("VALIDATION_FAILED")));
            values.push((json!([{}]), Refused("VALIDATION_FAILED")));
            values.push((json!(vec![json!({ "field": order }); 201]), Refused("LIMIT_EXCEEDED")));
            values.push((json!(vec![json!({ "field": order }); 20]), Either));
            values.push((json!([]), Either));
        }
        (_, "INPUT_OBJECT") => {
            values.push((json!({ "noSuchField": { "eq": 1 } }), Refused("VALIDATION_FAILED")));
            for condition in ty.inputs() {
                let of = types.get(condition.r#type.name());
                let given = |value: Value| json!({ &condition.name: value });
                if of.inputs().is_empty() {
                    // A list of words.
                    values.push((given(json!(["NO_SUCH_VALUE"])), Refused("VALIDATION_FAILED")));
                    values
                        .push((given(json!(vec![fitting(types, &of.name); 201])), Refused("LIMIT_EXCEEDED")));
                    continue;
                }
                values.push((given(json!({ "noSuchOperator": 1 })), Refused("VALIDATION_FAILED")));
                for operator in of.inputs() {
                    let op = |value: Value| given(json!({ &operator.name: value }));
                    let leaf = operator.r#type.name();
                    if operator.r#type.is_list() {
                        let fit = fitting(types, leaf);
                        values.push((op(json!(vec![fit.clone(); 201])), Refused("LIMIT_EXCEEDED")));
                        values.push((op(json!([])), Either));
                        values.push((op(json!([null])), Refused("VALIDATION_FAILED")));
                        let bad = leaves(leaf).into_iter().next().unwrap();
                        values.push((op(json!([bad.0])), bad.1));
                    } else {
                        values.extend(leaves(leaf).into_iter().map(|(value, fate)| (op(value), fate)));
                    }
                    if leaf == "ID" && operator.name == "eq" {
                        let fate = if condition.name == "tenant" { Refused("NOT_FOUND") } else { Either };
                        values.push((op(unknown.clone()), fate));
                        let own = if condition.name == "id" {
                            noun.trim_end_matches("Connection")
                        } else {
                            &condition.name
                        };
                        // The audit log tells of objects of all types.
                        let fate =
                            if condition.name == "objectUuid" { Either } else { Refused("BAD_REQUEST") };
                        values.push((op(json!(ids.of_another_type(own))), fate));
                    }
                }
            }
        }
        _ if arg.r#type.is_list() => {
            values.push((json!(["nonsense"]), Refused("BAD_REQUEST")));
            values.push((json!(vec![unknown; 101]), Refused("LIMIT_EXCEEDED")));
            values.push((json!(vec!["nonsense"; 201]), Refused("LIMIT_EXCEEDED")));
        }
        (_, _) if ty.name == "ID" => {
            values.extend(leaves("ID"));
            values.push((unknown, Refused("NOT_FOUND")));
            if noun != "Node" {
                values.push((json!(ids.of_another_type(noun)), Refused("BAD_REQUEST")));
            }
        }
        (_, _) => values.extend(leaves(&ty.name).into_iter().map(|(value, fate)| match fate {
            // No such text is anybody's name.
            Either => (value, Refused("NOT_FOUND")),
            fate => (value, fate),
        })),
    }
    values
}

/// A selection that makes a field look at its rows.
fn selection(types: &Types, field: &Field) -> &'static str {
    let ty = types.get(field.r#type.name());
    match ty.kind.as_str() {
        "SCALAR" | "ENUM" => "",
        _ if types.rows_of(field).is_some() => "{ nodes { id } totalCount }",
        _ => "{ __typename }",
    }
}

fn check(what: &str, answer: &Value, fate: Fate) {
    match (refusal(answer), fate) {
        (None, Either) => assert_eq!(answer["errors"], Value::Null, "{what}: {answer}"),
        (None, Refused(code)) => panic!("{what} should be {code}: {answer}"),
        (Some((code, sentence)), fate) => {
            assert!(CODES.contains(&code), "{what}: {answer}");
            assert!(sentence.ends_with('.') && sentence.len() > 10, "{what}, no sentence: {answer}");
            if let Refused(expected) = fate {
                assert_eq!(code, expected, "{what}: {answer}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_to_every_root_field_is_answered_with_a_code_and_a_sentence() {
    let app = App::sampled().await;
    let types = Types::of(&app).await;
    let ids = Ids::of(&app, &types).await;
    let mut tried = 0;
    for field in types.query() {
        // What needs several arguments at once has tests of its own.
        if field.args.iter().filter(|arg| arg.r#type.written().ends_with('!')).count() > 1 {
            assert_eq!(field.name, "simulateSlaTerms");
            continue;
        }
        for arg in &field.args {
            let declared = arg.r#type.written();
            let query = format!(
                "query ($value: {declared}) {{ {}({}: $value) {} }}",
                field.name,
                arg.name,
                selection(&types, field)
            );
            for (value, fate) in values(&types, &ids, field, arg) {
                let mut shown = value.to_string();
                shown.truncate(shown.char_indices().nth(100).map_or(shown.len(), |(at, _)| at));
                let what = format!("{}({}: {shown})", field.name, arg.name);
                let answer = app.ask(OPERATOR, &query, json!({ "value": value })).await;
                check(&what, &answer, fate);
                tried += 1;
            }
        }
        if field.arg("first").is_some() {
            for both in
                ["first: 1, last: 1", "first: 0, last: 0", "first: -1", "last: 101", "first: 2147483648"]
            {
                let query = format!("{{ {}({both}) {} }}", field.name, selection(&types, field));
                let answer = app.ask(OPERATOR, &query, json!({})).await;
                let fate = if both.len() > 16 { Either } else { Refused("BAD_REQUEST") };
                check(&format!("{}({both})", field.name), &answer, fate);
                assert!(refusal(&answer).is_some(), "{}({both})", field.name);
                tried += 1;
            }
        }
    }
    assert!(tried > 2_000, "{tried}");
    let tenant = [json!({}), json!({ "id": ids.known["Tenant"], "slug": "wna" })];
    for variables in tenant {
        let query = "query ($id: ID, $slug: String) { tenant(id: $id, slug: $slug) { id } }";
        check("tenant", &app.ask(OPERATOR, query, variables).await, Refused("BAD_REQUEST"));
    }
}

/// A value of an input type with everything that it requires.
pub(crate) fn required(types: &Types, input: &Input) -> Value {
    let ty = types.get(input.r#type.name());
    if ty.inputs().is_empty() {
        return fitting(types, &ty.name);
    }
    let needed = |input: &&Input| input.r#type.written().ends_with('!');
    let mut inputs: Vec<&Input> = ty.inputs().iter().filter(needed).collect();
    if inputs.is_empty() {
        // Exactly one of several.
        inputs.push(&ty.inputs()[0]);
    }
    let fields = inputs.into_iter().map(|input| match input.r#type.is_list() {
        true => (input.name.clone(), json!([required(types, input)])),
        false => (input.name.clone(), required(types, input)),
    });
    Value::Object(fields.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_nobody_is_told_to_log_in_by_every_root_field_but_viewer() {
    let app = App::sampled().await;
    let types = Types::of(&app).await;
    let roots = [("query", types.query()), ("mutation", types.get("Mutation").fields())];
    for (kind, fields) in roots {
        for field in fields {
            let args =
                field.args.iter().filter(|arg| arg.r#type.written().ends_with('!') || arg.name == "slug");
            let args: Vec<_> = args
                .map(|arg| {
                    let value = match arg.r#type.is_list() {
                        true => json!([required(&types, arg)]),
                        false => required(&types, arg),
                    };
                    (arg, value)
                })
                .collect();
            let declared: String =
                args.iter().map(|(arg, _)| format!("${}: {}, ", arg.name, arg.r#type.written())).collect();
            let passed: String = args.iter().map(|(arg, _)| format!("{0}: ${0}, ", arg.name)).collect();
            let (declared, passed) = match args.is_empty() {
                true => Default::default(),
                false => (format!("({declared})"), format!("({passed})")),
            };
            let query =
                format!("{kind} {declared} {{ {}{passed} {} }}", field.name, selection(&types, field));
            let variables =
                Value::Object(args.into_iter().map(|(arg, value)| (arg.name.clone(), value)).collect());
            let answer = app.ask("", &query, variables).await;
            if field.name == "viewer" {
                assert_eq!((&answer["data"], &answer["errors"]), (&json!({ "viewer": null }), &Value::Null));
                continue;
            }
            check(&field.name, &answer, Refused("UNAUTHENTICATED"));
        }
    }
    assert_eq!(app.data("", "{ __typename }", json!({})).await, json!({ "__typename": "Query" }));
}
