//! Where a subscription resumes is each subscriber's own; what it asks is not.

use apollo_compiler::{
    ExecutableDocument,
    ast::{OperationType, Value},
    executable::{Operation, Selection},
};

/// The variable that a subscription's root field takes as `after`, if nothing else uses it.
pub(super) fn variable(document: &ExecutableDocument, operation: &Operation) -> Option<String> {
    if operation.operation_type != OperationType::Subscription {
        return None;
    }
    let Some(Selection::Field(root)) = operation.selection_set.selections.first() else { return None };
    let Value::Variable(after) = &*root.arguments.iter().find(|argument| argument.name == "after")?.value
    else {
        return None;
    };
    // Its definition and this use: one that merely looks like another costs the sharing, no more.
    let text = document.to_string();
    let name = format!("${after}");
    let uses = text.match_indices(&name).filter(|(at, found)| {
        !text[at + found.len()..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
    });
    (uses.count() == 2).then(|| after.to_string())
}
