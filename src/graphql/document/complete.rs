//! What the engine leaves undone: a field that failed is null, or makes null what holds it, and is never just missing;
//! a variable that was not sent leaves its argument or input field to the default of that.

use std::collections::HashSet;

use apollo_compiler::{
    ExecutableDocument,
    ast::Type,
    executable::{Field, Operation, Selection, SelectionSet},
};
use async_graphql::{
    Name, PathSegment, Positioned, Response, Value, Variables, indexmap, parser::types as engine,
};
use async_graphql_value as value;

/// Puts null where a field failed, or where the nearest nullable value around it is. The engine drops the field, and
/// makes an object null of which every field failed.
pub(super) fn nulls(document: &ExecutableDocument, operation: &Operation, answer: &mut Response) {
    let mut nulled = HashSet::new();
    for error in &answer.errors {
        let Some(types) = types_along(document, operation, &error.path) else { continue };
        let nearest = types.iter().rposition(|ty| !ty.is_non_null()).map_or(0, |last| last + 1);
        let path = &error.path[..nearest];
        if put_null(&mut answer.data, path, String::new(), &nulled) {
            nulled.insert(path.iter().fold(String::new(), deeper));
        }
    }
}

/// The type of the value at each step of a path; none when it does not begin with a field.
fn types_along<'a>(
    document: &'a ExecutableDocument,
    operation: &'a Operation,
    path: &[PathSegment],
) -> Option<Vec<&'a Type>> {
    let mut sets = vec![&operation.selection_set];
    let mut types: Vec<&Type> = Vec::with_capacity(path.len());
    for step in path {
        match step {
            PathSegment::Field(key) => {
                let mut fields = Vec::new();
                for set in &sets {
                    named(document, set, key, &mut fields);
                }
                types.push(fields.first()?.ty());
                sets = fields.iter().map(|field| &field.selection_set).collect();
            }
            PathSegment::Index(_) => types.push(types.last()?.item_type()),
        }
    }
    (!types.is_empty()).then_some(types)
}

/// The fields of a response key. Where types differ by fragment, validation has seen to it that all are null, or not,
/// alike.
fn named<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    key: &str,
    fields: &mut Vec<&'a Field>,
) {
    for selection in &set.selections {
        match selection {
            Selection::Field(field) if field.response_key() == key => fields.push(field),
            Selection::Field(_) => {}
            Selection::InlineFragment(inline) => named(document, &inline.selection_set, key, fields),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.fragment_name) {
                    named(document, &fragment.selection_set, key, fields);
                }
            }
        }
    }
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

/// Takes out of a document what is given by variables that were neither sent nor have a default.
pub(super) fn without_unsent(document: &mut engine::ExecutableDocument, variables: &Variables) {
    let operation = match &mut document.operations {
        engine::DocumentOperations::Single(operation) => Some(operation),
        engine::DocumentOperations::Multiple(operations) => operations.values_mut().next(),
    };
    let Some(operation) = operation else { return };
    let unsent: HashSet<Name> = operation
        .node
        .variable_definitions
        .iter()
        .map(|definition| &definition.node)
        .filter(|variable| variable.default_value.is_none() && !variables.contains_key(&variable.name.node))
        .map(|variable| variable.name.node.clone())
        .collect();
    if unsent.is_empty() {
        return;
    }
    strip(&mut operation.node.selection_set.node, &unsent);
    for fragment in document.fragments.values_mut() {
        strip(&mut fragment.node.selection_set.node, &unsent);
    }
}

fn strip(set: &mut engine::SelectionSet, unsent: &HashSet<Name>) {
    for selection in &mut set.items {
        match &mut selection.node {
            engine::Selection::Field(field) => {
                let arguments: &mut Vec<(Positioned<Name>, Positioned<value::Value>)> =
                    &mut field.node.arguments;
                arguments.retain_mut(|(_, value)| !is_unsent(&mut value.node, unsent));
                strip(&mut field.node.selection_set.node, unsent);
            }
            engine::Selection::InlineFragment(inline) => strip(&mut inline.node.selection_set.node, unsent),
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
