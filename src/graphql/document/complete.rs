//! What the engine leaves undone: a field that failed is null, or makes null what holds it, and is never just missing;
//! an object of which nothing is selected is empty, and not null; a variable that was not sent has its own default, and
//! without one leaves its argument or input field to the default of that; a field that is selected in several places is run
//! once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use apollo_compiler::{
    ExecutableDocument,
    ast::Type,
    executable::{Field, Operation, Selection, SelectionSet},
};
use async_graphql::{
    Context, Name, PathSegment, Pos, Positioned, Response, Value, Variables, indexmap,
    parser::types as engine,
};
use async_graphql_value as value;

use super::{Lists, translate::Translated};

/// Puts null where a field failed, or where the nearest nullable value around it is. The engine drops the field, and
/// makes an object null of which every field failed.
///
/// What it takes grows with the answer and its errors, and not with how many fields stand beside those that failed.
pub(super) fn nulls(document: &ExecutableDocument, operation: &Operation, answer: &mut Response) {
    let mut types = Types::new(document, operation);
    let mut nulled = HashSet::new();
    for error in &answer.errors {
        let Some(nearest) = types.nearest_nullable(&error.path) else { continue };
        let path = &error.path[..nearest];
        if put_null(&mut answer.data, path, String::new(), &nulled) {
            nulled.insert(path.iter().fold(String::new(), deeper));
        }
    }
}

/// The types of fields by where they are in an operation, each found out once.
struct Types<'a> {
    document: &'a ExecutableDocument,
    operation: &'a Operation,
    /// By the response keys that lead there, the types of the fields on the way.
    known: HashMap<String, Option<Vec<&'a Type>>>,
    /// How many selections were looked at.
    looked: usize,
}

impl<'a> Types<'a> {
    fn new(document: &'a ExecutableDocument, operation: &'a Operation) -> Self {
        Self { document, operation, known: HashMap::new(), looked: 0 }
    }

    /// How much of a path leads to the innermost value that may be null, 0 when there is none; none for a path that does
    /// not begin with a field.
    fn nearest_nullable(&mut self, path: &[PathSegment]) -> Option<usize> {
        let mut types = self.along(path)?.iter();
        let mut nearest = 0;
        let mut ty: Option<&Type> = None;
        for (step, segment) in path.iter().enumerate() {
            let here = match segment {
                PathSegment::Field(_) => types.next().copied(),
                PathSegment::Index(_) => ty.map(Type::item_type),
            }?;
            if !here.is_non_null() {
                nearest = step + 1;
            }
            ty = Some(here);
        }
        ty.map(|_| nearest)
    }

    fn along(&mut self, path: &[PathSegment]) -> Option<&[&'a Type]> {
        let mut place = String::new();
        for step in path {
            if let PathSegment::Field(key) = step {
                place.push('.');
                place.push_str(key);
            }
        }
        if !self.known.contains_key(&place) {
            let found = self.find(path);
            self.known.insert(place.clone(), found);
        }
        self.known.get(&place)?.as_deref()
    }

    fn find(&mut self, path: &[PathSegment]) -> Option<Vec<&'a Type>> {
        let mut sets = vec![&self.operation.selection_set];
        let mut types: Vec<&Type> = Vec::with_capacity(path.len());
        for step in path {
            let PathSegment::Field(key) = step else { continue };
            let mut fields = Vec::new();
            for set in &sets {
                self.looked += named(self.document, set, key, &mut fields);
            }
            types.push(fields.first()?.ty());
            sets = fields.iter().map(|field| &field.selection_set).collect();
        }
        Some(types)
    }
}

/// The fields of a response key, and how many selections were looked at. Where types differ by fragment, validation has
/// seen to it that all are null, or not, alike.
fn named<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    key: &str,
    fields: &mut Vec<&'a Field>,
) -> usize {
    let below = set.selections.iter().map(|selection| match selection {
        Selection::Field(field) if field.response_key() == key => {
            fields.push(field);
            0
        }
        Selection::Field(_) => 0,
        Selection::InlineFragment(inline) => named(document, &inline.selection_set, key, fields),
        Selection::FragmentSpread(spread) => document
            .fragments
            .get(&spread.fragment_name)
            .map_or(0, |fragment| named(document, &fragment.selection_set, key, fields)),
    });
    set.selections.len() + below.sum::<usize>()
}

/// A path as text that no other has.
fn deeper(path: String, step: &PathSegment) -> String {
    match step {
        PathSegment::Field(key) => path + "." + key,
        PathSegment::Index(index) => format!("{path}.{index}"),
    }
}

/// Whether there was a place to put it.
fn put_null(at: &mut Value, path: &[PathSegment], walked: String, nulled: &HashSet<String>) -> bool {
    let Some((step, rest)) = path.split_first() else {
        *at = Value::Null;
        return true;
    };
    // What another failure has made null stays so; what the engine made null holds fields that failed.
    if *at == Value::Null && nulled.contains(&walked) {
        return false;
    }
    let walked = deeper(walked, step);
    match (step, at) {
        (PathSegment::Field(key), Value::Object(fields)) => {
            put_null(fields.entry(Name::new(key)).or_insert(Value::Null), rest, walked, nulled)
        }
        (PathSegment::Field(key), at @ Value::Null) => {
            let mut field = Value::Null;
            let put = put_null(&mut field, rest, walked, nulled);
            *at = Value::Object(indexmap::IndexMap::from([(Name::new(key), field)]));
            put
        }
        (PathSegment::Index(index), Value::List(items)) => {
            items.get_mut(*index).is_some_and(|item| put_null(item, rest, walked, nulled))
        }
        _ => false,
    }
}

/// The response key of a mark: no client can ask for one of this name.
const MARK: &str = " ";

/// What is selected of an object besides, where all else may be left out by `@skip`, `@include` and the types of fragments:
/// the engine takes an object without fields for null, and so loses it, and what the same field selects elsewhere.
pub(super) fn mark(at: Pos) -> engine::Selection {
    let field = engine::Field {
        alias: Some(Positioned::new(Name::new(MARK), at)),
        name: Positioned::new(Name::new("__typename"), at),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: Positioned::default(),
    };
    engine::Selection::Field(Positioned::new(field, at))
}

/// Takes the marks out of an answer.
pub(super) fn unmark(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.shift_remove(MARK);
            fields.values_mut().for_each(unmark);
        }
        Value::List(items) => items.iter_mut().for_each(unmark),
        _ => {}
    }
}

/// Has an operation mean to the engine what it says, and its variables that were not sent what their defaults are. Gives
/// what the items of its lists count that are no pages, by the places where they are then.
pub(super) fn prepare(
    translated: &Translated,
    variables: &mut Variables,
    mut lists: Arc<Lists>,
) -> (engine::ExecutableDocument, Arc<Lists>) {
    let mut document = translated.document.clone();
    let Some(operation) = only(&mut document) else { return (document, lists) };
    let mut unsent = HashSet::new();
    for engine::VariableDefinition { name, default_value, .. } in
        operation.variable_definitions.iter().map(|definition| &definition.node)
    {
        if variables.contains_key(&name.node) {
            continue;
        }
        // Of a directive the engine looks at what was sent only.
        if let Some(default) = default_value {
            variables.insert(name.node.clone(), default.node.clone());
        } else {
            unsent.insert(name.node.clone());
        }
    }
    let root = &mut operation.selection_set.node;
    if !unsent.is_empty() {
        strip(&mut root.items, &unsent);
    }
    let now;
    let merged = match &translated.merged {
        Some(merged) => merged,
        None => {
            now = merge(root, variables);
            &now
        }
    };
    for (places, stands) in merged {
        let counts = places.iter().filter_map(|place| lists.get(place));
        if let Some(count) = counts.copied().reduce(u64::saturating_add) {
            Arc::make_mut(&mut lists).insert(*stands, count);
        }
    }
    (document, lists)
}

/// Merges what an operation selects for all who ask for it; none where that depends on their variables.
pub(super) fn merge_once(document: &mut engine::ExecutableDocument) -> Option<Merged> {
    let root = &mut only(document)?.selection_set.node;
    (!varies(root)).then(|| merge(root, &Variables::default()))
}

/// The operation of a document that has no other.
fn only(document: &mut engine::ExecutableDocument) -> Option<&mut engine::OperationDefinition> {
    let operation = match &mut document.operations {
        engine::DocumentOperations::Single(operation) => Some(operation),
        engine::DocumentOperations::Multiple(operations) => operations.values_mut().next(),
    };
    operation.map(|operation| &mut operation.node)
}

/// Whether variables decide what is left out.
fn varies(set: &engine::SelectionSet) -> bool {
    let by_variable = |directive: &Positioned<engine::Directive>| {
        let given = directive.node.get_argument("if");
        given.is_some_and(|given| matches!(given.node, value::Value::Variable(_)))
    };
    set.items.iter().any(|selection| {
        let (directives, below) = match &selection.node {
            engine::Selection::Field(field) => (&field.node.directives, Some(&field.node.selection_set)),
            engine::Selection::InlineFragment(inline) => {
                (&inline.node.directives, Some(&inline.node.selection_set))
            }
            engine::Selection::FragmentSpread(spread) => (&spread.node.directives, None),
        };
        directives.iter().any(by_variable) || below.is_some_and(|below| varies(&below.node))
    })
}

/// Where a field of a document stands, as [`prepare`] leaves it: the same place is the same selection.
pub(in crate::graphql) fn place(ctx: &Context<'_>) -> Pos {
    ctx.item.node.name.pos
}

/// The places of a field that is selected in several, and the one that stands for them.
pub(super) type Merged = HashMap<Vec<Pos>, Pos>;

/// Brings together what is selected of the same field in several places. The engine would do a mutation as often as it is
/// selected, read a list anew for each place and put the rows of both together, and follow nothing where the field of a
/// subscription stands in a fragment.
fn merge(root: &mut engine::SelectionSet, variables: &Variables) -> Merged {
    let mut merging = Merging { variables, merged: Merged::new() };
    merging.set(root);
    merging.merged
}

struct Merging<'a> {
    variables: &'a Variables,
    merged: Merged,
}

/// What is selected of an object: fields by their response keys, each with its places, and what is selected of one of a
/// certain type only.
#[derive(Default)]
struct Selected {
    fields: indexmap::IndexMap<Name, (Vec<Pos>, Positioned<engine::Field>)>,
    typed: indexmap::IndexMap<Name, Positioned<engine::InlineFragment>>,
}

impl Merging<'_> {
    fn set(&mut self, set: &mut engine::SelectionSet) {
        let mut selected = Selected::default();
        self.collect(std::mem::take(&mut set.items), &mut selected);
        for (places, mut field) in selected.fields.into_values() {
            if places.len() > 1 {
                field.node.name.pos = self.place(places);
            }
            self.set(&mut field.node.selection_set.node);
            let at = field.pos;
            set.items.push(Positioned::new(engine::Selection::Field(field), at));
        }
        for mut inline in selected.typed.into_values() {
            self.set(&mut inline.node.selection_set.node);
            let at = inline.pos;
            set.items.push(Positioned::new(engine::Selection::InlineFragment(inline), at));
        }
    }

    fn collect(&self, selections: Vec<Positioned<engine::Selection>>, selected: &mut Selected) {
        for selection in selections {
            match selection.node {
                engine::Selection::Field(field) if is_selected(&field.node.directives, self.variables) => {
                    let key = field.node.response_key().node.clone();
                    let Some((places, first)) = selected.fields.get_mut(&key) else {
                        selected.fields.insert(key, (vec![field.pos], field));
                        continue;
                    };
                    // Of a fragment that is spread twice it is the same once more.
                    if !places.contains(&field.pos) {
                        places.push(field.pos);
                        first.node.selection_set.node.items.extend(field.node.selection_set.node.items);
                    }
                }
                engine::Selection::InlineFragment(mut inline)
                    if is_selected(&inline.node.directives, self.variables) =>
                {
                    let items = std::mem::take(&mut inline.node.selection_set.node.items);
                    let Some(on) = inline.node.type_condition.as_ref().map(|on| on.node.on.node.clone())
                    else {
                        self.collect(items, selected);
                        continue;
                    };
                    let first = selected.typed.entry(on).or_insert(inline);
                    first.node.selection_set.node.items.extend(items);
                }
                _ => {}
            }
        }
    }

    /// The one place of a field that was in several; no text has it.
    fn place(&mut self, places: Vec<Pos>) -> Pos {
        let next = Pos { line: 0, column: self.merged.len() };
        *self.merged.entry(places).or_insert(next)
    }
}

/// Whether neither `@skip` nor `@include` leaves it out.
fn is_selected(directives: &[Positioned<engine::Directive>], variables: &Variables) -> bool {
    directives.iter().map(|directive| &directive.node).all(|directive| {
        let holds = match directive.get_argument("if").map(|given| &given.node) {
            Some(value::Value::Boolean(given)) => *given,
            Some(value::Value::Variable(name)) => variables.get(name) == Some(&Value::Boolean(true)),
            _ => false,
        };
        match directive.name.node.as_str() {
            "skip" => !holds,
            "include" => holds,
            _ => true,
        }
    })
}

fn strip(selections: &mut [Positioned<engine::Selection>], unsent: &HashSet<Name>) {
    for selection in selections {
        match &mut selection.node {
            engine::Selection::Field(field) => {
                let arguments: &mut Vec<(Positioned<Name>, Positioned<value::Value>)> =
                    &mut field.node.arguments;
                arguments.retain_mut(|(_, value)| !is_unsent(&mut value.node, unsent));
                strip(&mut field.node.selection_set.node.items, unsent);
            }
            engine::Selection::InlineFragment(inline) => {
                strip(&mut inline.node.selection_set.node.items, unsent);
            }
            engine::Selection::FragmentSpread(_) => {}
        }
    }
}

/// Whether a value is not there at all; what is not there within it is taken out. In a list it is null.
fn is_unsent(value: &mut value::Value, unsent: &HashSet<Name>) -> bool {
    match value {
        value::Value::Variable(name) => unsent.contains(name),
        value::Value::Object(fields) => {
            fields.retain(|_, field| !is_unsent(field, unsent));
            false
        }
        value::Value::List(items) => {
            for item in items {
                is_unsent(item, unsent);
            }
            false
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use apollo_compiler::Schema;
    use async_graphql::{ServerError, from_value};
    use serde_json::json;

    use super::*;

    /// An answer of so many rows, of each of which so many fields failed under names of their own.
    fn failed(rows: usize, fields: usize) -> (usize, Response) {
        let schema = "type Query { rows: [Row!]! } type Row { name: String, id: ID! }";
        let schema = Schema::parse_and_validate(schema, "").unwrap();
        let names = (0..fields).map(|n| format!("n{n}: name ")).collect::<String>();
        let text = format!("{{ rows {{ id ...F }} }} fragment F on Row {{ ... {{ {names} }} }}");
        let document = ExecutableDocument::parse_and_validate(&schema, &text, "").unwrap();
        let operation = document.operations.get(None).unwrap();
        let data = json!({ "rows": vec![json!({ "id": "1" }); rows] });
        let mut answer = Response::new(async_graphql::Value::from_json(data).unwrap());
        for row in 0..rows {
            for field in 0..fields {
                let mut error = ServerError::new("no", None);
                let field = PathSegment::Field(format!("n{field}"));
                error.path = vec![PathSegment::Field("rows".into()), PathSegment::Index(row), field];
                answer.errors.push(error);
            }
        }
        let mut types = Types::new(&document, operation);
        for error in &answer.errors {
            assert_eq!(types.nearest_nullable(&error.path), Some(3));
        }
        nulls(&document, operation, &mut answer);
        (types.looked, answer)
    }

    #[test]
    fn a_field_is_looked_up_once_however_many_rows_it_failed_in() {
        let (of_one, _) = failed(1, 100);
        let (of_many, answer) = failed(500, 100);
        assert_eq!(of_one, of_many);
        let data: serde_json::Value = from_value(answer.data).unwrap();
        let rows = data["rows"].as_array().unwrap();
        assert!(rows.iter().all(|row| row["id"] == "1" && row.as_object().unwrap().len() == 101));
        assert!(rows.iter().all(|row| row["n99"].is_null()));
    }
}
