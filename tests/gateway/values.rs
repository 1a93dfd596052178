//! Values that do not fit their types are refused before anything runs, each with the path of its place: in a variable
//! and in the text of a document, for every scalar of ours, every enum, every `@oneOf` input and every operator that can be
//! given.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_graphql::{ServerError, Variables};
use serde_json::{Value, json};
use sla_gateway::graphql::document::Ask;
use sla_gateway::graphql::sdl;

use crate::app::App;
use crate::inputs::required;
use crate::introspection::{Field, Input, Type, Types};

const OPERATOR: &str = "operator@example.com";
/// What nobody wants to read in a message.
const SECRET: &str = "HUNTER2";

/// Where a value of a checked type is given: below an argument of a root field.
struct Place<'a> {
    kind: &'static str,
    field: &'a Field,
    arg: &'a Input,
    /// The input fields on the way, each with whether it is a list.
    steps: Vec<&'a Input>,
    ty: &'a Type,
}

struct Schema {
    app: Arc<App>,
    types: Types,
    sdl: String,
}

impl Schema {
    async fn new() -> Self {
        let app = App::new().await;
        let types = Types::of(&app).await;
        Self { app, types, sdl: sdl() }
    }

    fn is_one_of(&self, ty: &Type) -> bool {
        self.sdl.contains(&format!("input {} @oneOf", ty.name))
    }

    fn is_ours(&self, ty: &Type) -> bool {
        ty.kind == "SCALAR" && !["Int", "Float", "String", "Boolean", "ID"].contains(&ty.name.as_str())
    }

    /// All places of values that `wanted` picks by their type.
    fn places(&self, wanted: impl Fn(&Type) -> bool) -> Vec<Place<'_>> {
        let mut places = Vec::new();
        for (kind, root) in [("query", "Query"), ("mutation", "Mutation"), ("subscription", "Subscription")] {
            for field in self.types.get(root).fields() {
                for arg in &field.args {
                    let found = &mut Vec::new();
                    self.below(arg, &mut Vec::new(), &wanted, found);
                    for (steps, ty) in found.drain(..) {
                        places.push(Place { kind, field, arg, steps, ty });
                    }
                }
            }
        }
        places
    }

    fn below<'a>(
        &'a self,
        input: &'a Input,
        steps: &mut Vec<&'a Input>,
        wanted: &impl Fn(&Type) -> bool,
        found: &mut Vec<(Vec<&'a Input>, &'a Type)>,
    ) {
        let ty = self.types.get(input.r#type.name());
        if wanted(ty) {
            found.push((steps.clone(), ty));
        }
        for inner in ty.inputs() {
            steps.push(inner);
            self.below(inner, steps, wanted, found);
            steps.pop();
        }
    }

    /// A value as it is written in a document.
    fn literal(&self, ty: &str, value: &Value) -> String {
        let ty = self.types.get(ty);
        match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| self.literal(&ty.name, item));
                format!("[{}]", items.collect::<Vec<_>>().join(", "))
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| {
                    let input = ty.inputs().iter().find(|input| input.name == *name);
                    format!(
                        "{name}: {}",
                        self.literal(input.map_or("String", |input| input.r#type.name()), value)
                    )
                });
                format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
            Value::String(text) if ty.kind == "ENUM" => text.clone(),
            value => value.to_string(),
        }
    }

    /// The document that gives a value to a place's argument, by a variable or in its text, and the variables.
    fn document(&self, place: &Place<'_>, value: &Value, by_variable: bool) -> (String, Value) {
        let Place { kind, field, arg, .. } = place;
        let others =
            field.args.iter().filter(|other| other.name != arg.name && other.r#type.written().ends_with('!'));
        let mut given: Vec<String> = others
            .map(|other| {
                let fit = self.argument(other, &[], required(&self.types, other));
                format!("{}: {}", other.name, self.literal(other.r#type.name(), &fit))
            })
            .collect();
        let selection = match self.types.get(field.r#type.name()).kind.as_str() {
            "SCALAR" | "ENUM" => "",
            _ => " { __typename }",
        };
        let declared = if by_variable {
            given.push(format!("{}: $value", arg.name));
            format!("($value: {})", arg.r#type.written())
        } else {
            given.push(format!("{}: {}", arg.name, self.literal(arg.r#type.name(), value)));
            String::new()
        };
        let text = format!("{kind} {declared} {{ {}({}){selection} }}", field.name, given.join(", "));
        (text, if by_variable { json!({ "value": value }) } else { json!({}) })
    }

    /// The value of an argument that has `wrong` at the end of the steps, and is right besides.
    fn argument(&self, input: &Input, steps: &[&Input], wrong: Value) -> Value {
        let value = match steps {
            [] => wrong,
            [step, rest @ ..] => {
                let ty = self.types.get(input.r#type.name());
                let mut object = json!({});
                // Of a `@oneOf` exactly one member can be given.
                if !self.is_one_of(ty) {
                    for needed in ty.inputs().iter().filter(|input| input.r#type.written().ends_with('!')) {
                        object[&needed.name] = self.argument(needed, &[], required(&self.types, needed));
                    }
                }
                object[&step.name] = self.argument(step, rest, wrong);
                object
            }
        };
        match value {
            value @ Value::Array(_) => value,
            value if input.r#type.is_list() => json!([value]),
            value => value,
        }
    }

    fn refused(&self, text: &str, variables: Value) -> Vec<ServerError> {
        let variables = Variables::from_json(variables);
        let ask = Ask { query: Some(text.to_owned()), variables, ..Ask::default() };
        self.app.gateway.prepare(ask).err().unwrap_or_default()
    }

    /// That a wrong value is refused, by variable and in the text, with the path of its place.
    fn refuses(&self, place: &Place<'_>, wrong: &Value) {
        let value = self.argument(place.arg, &place.steps, wrong.clone());
        let mut path = vec![place.arg.name.clone()];
        path.extend(place.arg.r#type.is_list().then(|| "0".to_owned()));
        for step in &place.steps {
            path.push(step.name.clone());
            path.extend(step.r#type.is_list().then(|| "0".to_owned()));
        }
        for by_variable in [true, false] {
            let (text, variables) = self.document(place, &value, by_variable);
            let errors = self.refused(&text, variables);
            let [error] = errors.as_slice() else { panic!("{text}: {value}: {errors:?}") };
            let told = serde_json::to_value(error).unwrap();
            assert_eq!(told["extensions"]["code"], "VALIDATION_FAILED", "{text}: {value}: {told}");
            assert_eq!(told["extensions"]["inputPath"], json!(path), "{text}: {value}: {told}");
            assert_eq!(error.locations.len(), 1, "{text}: {told}");
            let begins = if by_variable { "Variable $value" } else { "Argument " };
            assert!(error.message.starts_with(begins) && error.message.ends_with('.'), "{text}: {told}");
            assert!(!error.message.to_uppercase().contains(SECRET), "{text}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_value_of_every_scalar_of_ours_and_every_enum_is_refused_at_its_place() {
    let schema = Schema::new().await;
    let mut tried = BTreeSet::new();
    let places = schema.places(|ty| ty.kind == "ENUM" || schema.is_ours(ty));
    for place in &places {
        for wrong in [json!(SECRET), json!(true)] {
            schema.refuses(place, &wrong);
        }
        tried.insert(place.ty.name.as_str());
    }
    for scalar in ["Date", "DateTime", "LocalDateTime", "LocalTime", "TimeZone"] {
        assert!(tried.contains(scalar), "{scalar} of {tried:?}");
    }
    assert!(places.len() > 400, "{}", places.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_member_of_every_one_of_input_is_needed() {
    let schema = Schema::new().await;
    let places = schema.places(|ty| schema.is_one_of(ty));
    assert!(!places.is_empty());
    for place in &places {
        let members = place.ty.inputs();
        let both: Value = members[..2]
            .iter()
            .map(|member| {
                (member.name.clone(), schema.argument(member, &[], required(&schema.types, member)))
            })
            .collect::<serde_json::Map<_, _>>()
            .into();
        let mut one_is_null = both.clone();
        one_is_null[&members[1].name] = Value::Null;
        for wrong in [json!({}), both, one_is_null] {
            schema.refuses(place, &wrong);
        }
    }
    // The only member is null: the mistake is the member's.
    let terms = |given: &str| {
        format!(
            "mutation ($q: QueueTermsInput! = {{ slaThreshold: 1, abandonType: COUNT_AGAINST_SLA }}) {{ slaCreate(input: {{
               tenantId: 1, name: \"\", version: {{ versionName: \"\", terms: {{ queue: {given} }} }} }}) {{ __typename }}
               a: slaVersionCreate(input: {{ slaId: 1, version: {{ versionName: \"\", terms: {{ queue: $q }} }} }}) {{ __typename }} }}"
        )
    };
    assert_eq!(schema.refused(&terms("$q"), json!({})), []);
    let errors = schema.refused(&terms("null"), json!({}));
    assert_eq!(paths(&errors), ["input.version.terms.queue"]);
    // What may be null cannot be the only member.
    let nullable = terms("$q")
        .replace("QueueTermsInput!", "QueueTermsInput")
        .replace(" = { slaThreshold: 1, abandonType: COUNT_AGAINST_SLA }", "");
    let errors = schema.refused(&nullable, json!({}));
    assert_eq!(paths(&errors), ["input.version.terms.queue"; 2]);
    assert!(errors[0].message.contains("of the type QueueTermsInput!"), "{errors:?}");
    let defaulted = terms("$q").replace("QueueTermsInput!", "QueueTermsInput");
    assert_eq!(schema.refused(&defaulted, json!({})), []);
    assert_eq!(paths(&schema.refused(&defaulted, json!({ "q": null }))), ["q"]);
}

fn paths(errors: &[ServerError]) -> Vec<String> {
    let path = |error: &ServerError| {
        let told = serde_json::to_value(error).unwrap();
        let path = told["extensions"]["inputPath"].as_array().unwrap_or_else(|| panic!("{told}")).clone();
        path.iter().map(|step| step.as_str().unwrap()).collect::<Vec<_>>().join(".")
    };
    errors.iter().map(path).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mistakes_are_told_at_once_each_where_the_value_is_used() {
    let schema = Schema::new().await;
    let many =
        "mutation ($rows: [SlaCreateInput!]!, $zone: TimeZone!, $at: DateTime = \"then\", $twice: Date) {
        slaCreateMany(input: { rows: $rows }) { accepted }
        tenantCreate(input: { parentId: 1, slug: \"a\", name: \"a\", timeZone: $zone }) { __typename }
        a: slaUpdate(input: { id: 1, startDate: $twice, noticeDate: \"soon\" }) { __typename }
        b: slaUpdate(input: { id: 1, startDate: $twice, status: NEVER }) { __typename }
        requestRecord(input: { requestId: 1, occurredAt: $at }) { __typename } }";
    let right = many.replace("\"soon\"", "null").replace("NEVER", "ACTIVE").replace("\"then\"", "null");
    let row = |start: &str| {
        let terms = json!({ "livechat": { "dueTimeInMinutes": 1 } });
        json!({ "tenantId": "1", "name": "a", "startDate": start, "version": { "versionName": "1", "terms": terms } })
    };
    let rows = json!([row("2026-01-01"), row("tomorrow"), row("2026-01-01"), row("today")]);
    let wrong = json!({ "rows": rows, "zone": "Mars", "twice": "2026-02-30" });
    // In the text, in its order.
    let errors = schema.refused(many, wrong.clone());
    assert_eq!(paths(&errors), ["input.occurredAt", "input.noticeDate", "input.status"]);
    // In the variables, in the order in which they are declared.
    let errors = schema.refused(&right, wrong);
    let expected = ["input.rows.1.startDate", "input.rows.3.startDate", "input.timeZone", "twice"];
    assert_eq!(paths(&errors), expected);
    assert_eq!(errors[0].message, "Variable $rows[1].startDate: This is no Date: write a day as 2026-03-29.");
    let lines: Vec<usize> = errors.iter().map(|error| error.locations[0].line).collect();
    assert_eq!(lines, [1; 4]);
    let fit = json!({ "rows": [row("2026-01-01")], "zone": "UTC", "twice": "2026-02-28" });
    assert_eq!(schema.refused(&right, fit), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_within_the_answer_and_in_fragments_are_checked_too() {
    let schema = Schema::new().await;
    let nested = "{ slas { nodes { ...A } } sla(id: 1) { ...A } } fragment A on Sla { versionAt(at: \"then\") { id } }";
    let errors = schema.refused(nested, json!({}));
    assert_eq!(paths(&errors), ["at"]);
    assert_eq!(
        errors[0].message,
        "Argument at: This is no DateTime: write an instant as 2026-03-29T02:30:00Z."
    );
    // A day, as the filters of other interfaces take it.
    let day = "{ slas(filter: { createdAt: { gte: \"2026-03-29\" } }) { totalCount } }";
    let errors = schema.refused(day, json!({}));
    assert_eq!(paths(&errors), ["filter.createdAt.gte"]);
    let told =
        "a day alone is no instant: write when it begins, with the offset, as 2026-03-29T00:00:00+02:00.";
    assert!(errors[0].message.ends_with(told), "{}", errors[0].message);
    let nested = "query ($at: DateTime!) { slas { nodes { versionAt(at: $at) { id } } } }";
    assert_eq!(paths(&schema.refused(nested, json!({ "at": 5 }))), ["at"]);
    // A document that is wrong besides tells of both, in the order of its text.
    let both = "{ slas { nodes { nope versionAt(at: \"then\") { id } } } }";
    let errors = schema.refused(both, json!({}));
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[0].message.contains("`nope`") && errors[1].message.starts_with("Argument at"),
        "{errors:?}"
    );
    // What may be null where there must be a value.
    let nullable = "mutation ($id: ID) { slaUpdate(input: { id: $id }) { __typename } }";
    let errors = schema.refused(nullable, json!({ "id": "1" }));
    assert_eq!(paths(&errors), ["input.id"]);
    assert_eq!(errors[0].message, "Argument input.id: The variable here must be of the type ID!.");
}

#[tokio::test(flavor = "multi_thread")]
async fn null_given_to_an_operator_of_a_filter_is_refused_and_a_variable_that_is_not_sent_is_no_condition() {
    let schema = Schema::new().await;
    let operators =
        schema.places(|ty| ty.name.ends_with("Filter") && ty.inputs().iter().any(|input| input.name == "eq"));
    assert!(operators.len() > 100, "{}", operators.len());
    for place in &operators {
        for operator in place.ty.inputs() {
            let mut steps = place.steps.clone();
            steps.push(operator);
            let value = schema.argument(place.arg, &place.steps, json!({ &operator.name: null }));
            let path: Vec<&str> = std::iter::once(place.arg.name.as_str())
                .chain(steps.iter().map(|step| step.name.as_str()))
                .collect();
            for by_variable in [true, false] {
                let (text, variables) = schema.document(place, &value, by_variable);
                let errors = schema.refused(&text, variables);
                assert_eq!(paths(&errors), [path.join(".")], "{text}");
                assert!(errors[0].message.contains("null compares with nothing"), "{errors:?}");
            }
        }
    }
    let query = "query ($name: String, $before: DateTime) {
        slas(filter: { name: { contains: $name }, createdAt: { lt: $before } }) { totalCount } }";
    let errors = schema.refused(query, json!({ "name": null, "before": null }));
    assert_eq!(paths(&errors), ["filter.name.contains", "filter.createdAt.lt"]);
    let sentence = "Variable $name: null compares with nothing: leave it out, or use isNull.";
    assert_eq!(errors[0].message, sentence);
    let app = App::sampled().await;
    let all = app.data(OPERATOR, "{ slas { totalCount } }", json!({})).await;
    assert_eq!(app.data(OPERATOR, query, json!({})).await, all);
    // No filter and no condition on a field are what they were.
    for filter in ["null", "{ name: null }", "{ }"] {
        let query = format!("{{ slas(filter: {filter}) {{ totalCount }} }}");
        assert_eq!(app.data(OPERATOR, &query, json!({})).await, all, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_with_a_wrong_value_runs_nothing_of_itself() {
    let app = App::sampled().await;
    let tenant =
        app.data(OPERATOR, "{ tenant(slug: \"wna\") { id } }", json!({})).await["tenant"]["id"].take();
    let both = "mutation ($tenant: ID!, $zone: TimeZone) {
        first: siteCreate(input: { tenantId: $tenant, name: \"First\" }) { site { id } }
        second: siteCreate(input: { tenantId: $tenant, name: \"Second\", timeZone: $zone }) { site { id } } }";
    let answer = app.ask(OPERATOR, both, json!({ "tenant": tenant, "zone": "Europe/Atlantis" })).await;
    assert_eq!(answer["data"], Value::Null);
    assert_eq!(answer["errors"][0]["extensions"]["inputPath"], json!(["input", "timeZone"]), "{answer}");
    assert!(!answer.to_string().contains("Atlantis"), "{answer}");
    let made = "{ sites(filter: { name: { in: [\"First\", \"Second\"] } }) { totalCount } }";
    assert_eq!(app.data(OPERATOR, made, json!({})).await["sites"]["totalCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_on_the_wall_is_taken_only_as_it_is_written() {
    let schema = Schema::new().await;
    let hours = |from: &str| {
        format!(
            "mutation {{ calendarCreate(input: {{ tenantId: 1, name: \"\", hours: [{{ weekday: MONDAY, from: \"{from}\", until: \"24:00\" }}] }}) {{ __typename }} }}"
        )
    };
    for (time, right) in
        [("09:00", true), ("+9:00", false), ("-0:00", false), ("24:01", false), ("9:00", false)]
    {
        assert_eq!(schema.refused(&hours(time), json!({})).is_empty(), right, "{time}");
    }
    let holiday = |starts: &str| {
        format!(
            "mutation {{ calendarCreate(input: {{ tenantId: 1, name: \"\", hours: [], holidays: [{{ name: \"\", startsAt: \"{starts}\", endsAt: \"2026-12-31T00:00\" }}] }}) {{ __typename }} }}"
        )
    };
    let times = [
        ("2026-03-09T02:05", true),
        ("2026-03-09T02:05:59", true),
        ("2026-3-9T2:5", false),
        ("2026-03-09T02:05:60", false),
    ];
    for (time, right) in times {
        assert_eq!(schema.refused(&holiday(time), json!({})).is_empty(), right, "{time}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_used_twice_holds_as_much_as_each_of_its_places_takes() {
    let schema = Schema::new().await;
    let twice = "mutation ($rows: [SiteCreateInput!]!) { dry: siteCreateMany(input: { rows: $rows, dryRun: true }) { __typename }
        real: siteCreateMany(input: { rows: $rows }) { __typename } }";
    let rows = |count: usize| json!({ "rows": vec![json!({ "tenantId": "1", "name": "a" }); count] });
    assert_eq!(schema.refused(twice, rows(1_000)), []);
    assert_eq!(schema.refused(twice, rows(1_001)).len(), 1);
    // What a condition takes is less than what a team does.
    let members = "mutation ($ids: [ID!]!) { teamUpdate(input: { id: 1, memberIds: $ids }) { team { members(filter: { id: { in: $ids } }) { totalCount } } } }";
    let ids = |count: usize| json!({ "ids": vec!["1"; count] });
    assert_eq!(schema.refused(members, ids(200)), []);
    assert_eq!(schema.refused(members, ids(201)).len(), 1);
}
