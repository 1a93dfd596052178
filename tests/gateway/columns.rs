//! Reading only the columns that a selection needs must not show in the answer.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::app::App;

const EVERYONE: &str = "operator@example.com";

/// Fields that differ from one moment to the next.
const MOVING: &[&str] = &["atRisk", "secondsLeft", "remaining"];

/// The schema, as far as this test walks it.
struct Types(HashMap<String, Vec<Value>>);

impl Types {
    async fn of(app: &App) -> Self {
        const QUERY: &str = "{ __schema { types { name kind fields { name args { type { kind } defaultValue }
            type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";
        let data = app.data(EVERYONE, QUERY, json!({})).await;
        let types = data["__schema"]["types"].as_array().unwrap();
        Self(
            types
                .iter()
                .filter(|ty| ty["kind"] == "OBJECT")
                .map(|ty| (ty["name"].as_str().unwrap().to_owned(), ty["fields"].as_array().unwrap().clone()))
                .collect(),
        )
    }

    /// What can be selected of a type without arguments: scalars by their name, objects by the keys they have, as
    /// text to select; and whether it is one object.
    fn fields(&self, of: &str) -> Vec<(String, Option<String>)> {
        let optional = |arg: &Value| arg["type"]["kind"] != "NON_NULL" || arg["defaultValue"] != Value::Null;
        let fields = self.0[of].iter().filter(|field| field["args"].as_array().unwrap().iter().all(optional));
        fields
            .filter_map(|field| {
                let name = field["name"].as_str().unwrap();
                let (kind, ty, list) = innermost(&field["type"]);
                match kind.as_str() {
                    _ if MOVING.contains(&name) => None,
                    "SCALAR" | "ENUM" => Some((name.to_owned(), None)),
                    "OBJECT" if ty.ends_with("Connection") => {
                        Some((format!("{name}(first: 2) {{ pageInfo {{ endCursor }} }}"), None))
                    }
                    "OBJECT" if self.0[&ty].iter().any(|field| field["name"] == "uuid") => {
                        Some((format!("{name} {{ uuid }}"), (!list).then_some(ty)))
                    }
                    _ => Some((format!("{name} {{ __typename }}"), None)),
                }
            })
            .collect()
    }
}

fn innermost(ty: &Value) -> (String, String, bool) {
    let (mut ty, mut list) = (ty, false);
    while ty["ofType"] != Value::Null {
        list |= ty["kind"] == "LIST";
        ty = &ty["ofType"];
    }
    (ty["kind"].as_str().unwrap().to_owned(), ty["name"].as_str().unwrap().to_owned(), list)
}

fn name_of(selection: &str) -> &str {
    selection.split(['(', ' ']).next().unwrap()
}

/// Asks for rows with every field at once, and with each field alone; `path` leads from a row to the object.
async fn compare(app: &App, root: &str, path: Option<&str>, selections: &[String]) -> usize {
    let rows = |selection: &str| {
        let selection = match path {
            None => selection.to_owned(),
            Some(path) => format!("{path} {{ {selection} }}"),
        };
        format!("{{ rows: {root}(first: 4) {{ nodes {{ {selection} }} }} }}")
    };
    let objects = |data: &Value| -> Vec<Value> {
        let rows = data["rows"]["nodes"].as_array().unwrap().iter();
        rows.map(|row| path.map_or(row, |path| &row[path]).clone()).collect()
    };
    let whole = objects(&app.data(EVERYONE, &rows(&selections.join(" ")), json!({})).await);
    let mut seen = 0;
    for selection in selections {
        let alone = objects(&app.data(EVERYONE, &rows(selection), json!({})).await);
        let field = name_of(selection);
        for (whole, alone) in whole.iter().zip(&alone) {
            assert_eq!(whole[field], alone[field], "{root} {path:?} {field}");
            seen += usize::from(!alone[field].is_null());
        }
    }
    seen
}

#[tokio::test]
async fn a_field_asked_alone_gives_what_it_gives_among_all_others() {
    let app = App::sampled().await;
    let types = Types::of(&app).await;
    let mut seen = 0;
    for field in &types.0["Query"] {
        let (_, connection, _) = innermost(&field["type"]);
        let Some(of) = connection.strip_suffix("Connection") else { continue };
        let root = field["name"].as_str().unwrap();
        let fields = types.fields(of);
        let selections: Vec<String> = fields.iter().map(|(selection, _)| selection.clone()).collect();
        seen += compare(&app, root, None, &selections).await;
        // The same of rows that are joined.
        for (relation, related) in fields.iter().filter_map(|(text, ty)| Some((name_of(text), ty.as_ref()?)))
        {
            let selections: Vec<String> = types.fields(related).into_iter().map(|(text, _)| text).collect();
            seen += compare(&app, root, Some(relation), &selections).await;
        }
    }
    assert!(seen > 1_000, "only {seen} values were compared");
}
