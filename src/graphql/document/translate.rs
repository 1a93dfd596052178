//! A checked document in the engine's own types.

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument, Name, Node, Schema, ast,
    executable::{self, Selection},
    parser::SourceSpan,
};
use async_graphql::{Pos, Positioned, ServerError, parser::types as engine};
use async_graphql_value as value;

use super::{VALIDATION_FAILED, complete, kind, position, refusal};

type Result<T> = std::result::Result<T, ServerError>;

/// Translates the operations of one document.
pub(super) struct Translation<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
}

/// An operation as the engine wants it.
pub(super) struct Translated {
    /// That alone, with what it selects by fragments in their places.
    pub(super) document: engine::ExecutableDocument,
    /// Whether it selects marks.
    pub(super) marks: bool,
    /// What it selects in several places, brought together; none where that depends on variables.
    pub(super) merged: Option<complete::Merged>,
}

impl<'a> Translation<'a> {
    pub(super) fn new(schema: &'a Schema, document: &'a ExecutableDocument) -> Self {
        Self { schema, document }
    }

    /// One operation, and no other.
    pub(super) fn operation(&self, operation: &Node<executable::Operation>) -> Result<Translated> {
        let at = self.at(operation.location());
        let mut marks = false;
        let root = &operation.selection_set;
        let definition = engine::OperationDefinition {
            ty: kind(operation.operation_type),
            variable_definitions: operation
                .variables
                .iter()
                .map(|variable| self.variable(variable))
                .collect::<Result<_>>()?,
            directives: self.directives(&operation.directives)?,
            // A subscription selects one field, and that always.
            selection_set: match operation.operation_type {
                executable::OperationType::Subscription => self.set(root, &root.ty, at, &mut marks)?,
                _ => self.object(root, at, &mut marks)?,
            },
        };
        let definition = Positioned::new(definition, at);
        let operations = match &operation.name {
            None => engine::DocumentOperations::Single(definition),
            Some(name) => {
                engine::DocumentOperations::Multiple(HashMap::from([(self.name(name), definition)]))
            }
        };
        let mut document = engine::ExecutableDocument { operations, fragments: HashMap::new() };
        let merged = complete::merge_once(&mut document);
        Ok(Translated { document, marks, merged })
    }

    fn variable(
        &self,
        variable: &Node<ast::VariableDefinition>,
    ) -> Result<Positioned<engine::VariableDefinition>> {
        let at = self.at(variable.location());
        let default_value = match &variable.default_value {
            None => None,
            Some(default) => self.value(default)?.node.into_const().map(|value| Positioned::new(value, at)),
        };
        let definition = engine::VariableDefinition {
            name: Positioned::new(self.name(&variable.name), at),
            var_type: Positioned::new(self.ty(&variable.ty), at),
            directives: self.directives(&variable.directives)?,
            default_value,
        };
        Ok(Positioned::new(definition, at))
    }

    fn ty(&self, ty: &ast::Type) -> engine::Type {
        let base = match ty {
            ast::Type::Named(name) | ast::Type::NonNullNamed(name) => {
                engine::BaseType::Named(self.name(name))
            }
            ast::Type::List(item) | ast::Type::NonNullList(item) => {
                engine::BaseType::List(Box::new(self.ty(item)))
            }
        };
        engine::Type { base, nullable: !ty.is_non_null() }
    }

    /// What is selected of an object, and its mark if that may come to nothing.
    fn object(
        &self,
        set: &executable::SelectionSet,
        at: Pos,
        marks: &mut bool,
    ) -> Result<Positioned<engine::SelectionSet>> {
        let mut translated = self.set(set, &set.ty, at, marks)?;
        if !set.selections.is_empty() && !selects_something(&translated.node) {
            translated.node.items.push(Positioned::new(complete::mark(at), at));
            *marks = true;
        }
        Ok(translated)
    }

    /// What is selected of an object of this type.
    fn set(
        &self,
        set: &executable::SelectionSet,
        of: &Name,
        at: Pos,
        marks: &mut bool,
    ) -> Result<Positioned<engine::SelectionSet>> {
        let mut items = Vec::with_capacity(set.selections.len());
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => items.push(self.field(field, marks)?),
                Selection::FragmentSpread(spread) => {
                    let Some(fragment) = self.document.fragments.get(&spread.fragment_name) else { continue };
                    let (at, on) = (self.at(spread.location()), Some(fragment.type_condition()));
                    let directives = &spread.directives;
                    items.extend(self.part(&fragment.selection_set, (on, directives), of, at, marks)?);
                }
                Selection::InlineFragment(inline) => {
                    let (at, on) = (self.at(inline.location()), inline.type_condition.as_ref());
                    let directives = &inline.directives;
                    items.extend(self.part(&inline.selection_set, (on, directives), of, at, marks)?);
                }
            }
        }
        Ok(Positioned::new(engine::SelectionSet { items }, at))
    }

    /// What a fragment selects of an object: on a condition only where the type of the object leaves open whether it
    /// applies, and nothing where it does not.
    fn part(
        &self,
        set: &executable::SelectionSet,
        (on, directives): (Option<&Name>, &ast::DirectiveList),
        of: &Name,
        at: Pos,
        marks: &mut bool,
    ) -> Result<Option<Positioned<engine::Selection>>> {
        let applies = on.is_none_or(|on| on == of || self.schema.is_subtype(on, of));
        if !applies && self.schema.get_object(of).is_some() {
            return Ok(None);
        }
        let condition = on.filter(|_| !applies);
        let translated = engine::InlineFragment {
            type_condition: condition.map(|on| self.condition(on, at)),
            directives: self.directives(directives)?,
            selection_set: self.set(set, condition.unwrap_or(of), at, marks)?,
        };
        Ok(Some(Positioned::new(engine::Selection::InlineFragment(Positioned::new(translated, at)), at)))
    }

    fn field(
        &self,
        field: &Node<executable::Field>,
        marks: &mut bool,
    ) -> Result<Positioned<engine::Selection>> {
        let at = self.at(field.location());
        let translated = engine::Field {
            alias: field.alias.as_ref().map(|alias| Positioned::new(self.name(alias), at)),
            name: Positioned::new(self.name(&field.name), at),
            arguments: self.arguments(&field.arguments)?,
            directives: self.directives(&field.directives)?,
            selection_set: self.object(&field.selection_set, at, marks)?,
        };
        Ok(Positioned::new(engine::Selection::Field(Positioned::new(translated, at)), at))
    }

    fn condition(&self, on: &Name, at: Pos) -> Positioned<engine::TypeCondition> {
        Positioned::new(engine::TypeCondition { on: Positioned::new(self.name(on), at) }, at)
    }

    fn directives(&self, directives: &ast::DirectiveList) -> Result<Vec<Positioned<engine::Directive>>> {
        let translated = directives.iter().map(|directive| {
            let at = self.at(directive.location());
            let name = Positioned::new(self.name(&directive.name), at);
            let arguments = self.arguments(&directive.arguments)?;
            Ok(Positioned::new(engine::Directive { name, arguments }, at))
        });
        translated.collect()
    }

    fn arguments(
        &self,
        arguments: &[Node<ast::Argument>],
    ) -> Result<Vec<(Positioned<value::Name>, Positioned<value::Value>)>> {
        let translated = arguments.iter().map(|argument| {
            let at = self.at(argument.location());
            Ok((Positioned::new(self.name(&argument.name), at), self.value(&argument.value)?))
        });
        translated.collect()
    }

    fn value(&self, from: &Node<ast::Value>) -> Result<Positioned<value::Value>> {
        let at = self.at(from.location());
        let translated = match &**from {
            ast::Value::Null => value::Value::Null,
            ast::Value::Enum(name) => value::Value::Enum(self.name(name)),
            ast::Value::Variable(name) => value::Value::Variable(self.name(name)),
            ast::Value::String(text) => value::Value::String(text.clone()),
            ast::Value::Boolean(flag) => value::Value::Boolean(*flag),
            ast::Value::Int(number) => value::Value::Number(self.number(number.as_str(), at)?),
            ast::Value::Float(number) => value::Value::Number(self.number(number.as_str(), at)?),
            ast::Value::List(items) => {
                let items = items.iter().map(|item| self.value(item).map(|item| item.node));
                value::Value::List(items.collect::<Result<_>>()?)
            }
            ast::Value::Object(fields) => {
                let fields =
                    fields.iter().map(|(name, field)| Ok((self.name(name), self.value(field)?.node)));
                value::Value::Object(fields.collect::<Result<_>>()?)
            }
        };
        Ok(Positioned::new(translated, at))
    }

    fn number(&self, text: &str, at: Pos) -> Result<value::Number> {
        let message = "The number is out of range: use one that fits a 64-bit float.";
        text.parse().map_err(|_| refusal(VALIDATION_FAILED, message, Some(at)))
    }

    fn name(&self, name: &Name) -> value::Name {
        value::Name::new(name.as_str())
    }

    fn at(&self, span: Option<SourceSpan>) -> Pos {
        position(span, &self.document.sources).unwrap_or_default()
    }
}

/// Whether something is selected whatever the variables, and the type of the object, are.
fn selects_something(set: &engine::SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        engine::Selection::Field(field) => field.node.directives.is_empty(),
        engine::Selection::InlineFragment(inline) => {
            let inline = &inline.node;
            inline.directives.is_empty()
                && inline.type_condition.is_none()
                && selects_something(&inline.selection_set.node)
        }
        engine::Selection::FragmentSpread(_) => false,
    })
}
