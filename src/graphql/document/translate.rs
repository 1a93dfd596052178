//! A checked document in the engine's own types.

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument, Name, Node, ast,
    executable::{self, Selection},
    parser::SourceSpan,
};
use async_graphql::{Pos, Positioned, ServerError, parser::types as engine};
use async_graphql_value as value;

use super::{VALIDATION_FAILED, complete, kind, position, refusal};

type Result<T> = std::result::Result<T, ServerError>;

/// Translates the operations of one document.
pub(super) struct Translation<'a> {
    document: &'a ExecutableDocument,
}

impl<'a> Translation<'a> {
    pub(super) fn new(document: &'a ExecutableDocument) -> Self {
        Self { document }
    }

    /// One operation with the fragments it reaches, and no other; and whether it selects marks.
    pub(super) fn operation(
        &self,
        operation: &Node<executable::Operation>,
    ) -> Result<(engine::ExecutableDocument, bool)> {
        let at = self.at(operation.location());
        let mut reached = Reached::default();
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
                executable::OperationType::Subscription => {
                    self.set(&operation.selection_set, at, &mut reached)?
                }
                _ => self.object(&operation.selection_set, at, &mut reached)?,
            },
        };
        let definition = Positioned::new(definition, at);
        let operations = match &operation.name {
            None => engine::DocumentOperations::Single(definition),
            Some(name) => {
                engine::DocumentOperations::Multiple(HashMap::from([(self.name(name), definition)]))
            }
        };
        Ok((engine::ExecutableDocument { operations, fragments: reached.fragments }, reached.marks))
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
        reached: &mut Reached,
    ) -> Result<Positioned<engine::SelectionSet>> {
        let mut translated = self.set(set, at, reached)?;
        if !set.selections.is_empty() && !self.selects_something(set) {
            translated.node.items.push(Positioned::new(complete::mark(at), at));
            reached.marks = true;
        }
        Ok(translated)
    }

    /// Whether something is selected whatever the variables, and the type of the object, are. To say no where there is
    /// something costs a mark, and to look into fragments of fragments could cost far more.
    fn selects_something(&self, set: &executable::SelectionSet) -> bool {
        let always = |field: &Node<executable::Field>| field.directives.is_empty();
        set.selections.iter().any(|selection| match selection {
            Selection::Field(field) => always(field),
            Selection::InlineFragment(inline) => {
                let on = inline.type_condition.as_ref();
                inline.directives.is_empty()
                    && on.is_none_or(|on| *on == set.ty)
                    && self.selects_something(&inline.selection_set)
            }
            Selection::FragmentSpread(spread) => {
                let fragment = self.document.fragments.get(&spread.fragment_name);
                spread.directives.is_empty()
                    && fragment.is_some_and(|fragment| {
                        let selected = &fragment.selection_set.selections;
                        *fragment.type_condition() == set.ty
                            && selected.iter().any(|one| one.as_field().is_some_and(always))
                    })
            }
        })
    }

    fn set(
        &self,
        set: &executable::SelectionSet,
        at: Pos,
        reached: &mut Reached,
    ) -> Result<Positioned<engine::SelectionSet>> {
        let items = set.selections.iter().map(|selection| match selection {
            Selection::Field(field) => self.field(field, reached),
            Selection::FragmentSpread(spread) => self.spread(spread, reached),
            Selection::InlineFragment(inline) => self.inline(inline, reached),
        });
        Ok(Positioned::new(engine::SelectionSet { items: items.collect::<Result<_>>()? }, at))
    }

    fn field(
        &self,
        field: &Node<executable::Field>,
        reached: &mut Reached,
    ) -> Result<Positioned<engine::Selection>> {
        let at = self.at(field.location());
        let translated = engine::Field {
            alias: field.alias.as_ref().map(|alias| Positioned::new(self.name(alias), at)),
            name: Positioned::new(self.name(&field.name), at),
            arguments: self.arguments(&field.arguments)?,
            directives: self.directives(&field.directives)?,
            selection_set: self.object(&field.selection_set, at, reached)?,
        };
        Ok(Positioned::new(engine::Selection::Field(Positioned::new(translated, at)), at))
    }

    fn spread(
        &self,
        spread: &Node<executable::FragmentSpread>,
        reached: &mut Reached,
    ) -> Result<Positioned<engine::Selection>> {
        let at = self.at(spread.location());
        let name = self.name(&spread.fragment_name);
        if !reached.fragments.contains_key(&name)
            && let Some(fragment) = self.document.fragments.get(&spread.fragment_name)
        {
            let at = self.at(fragment.location());
            let translated = engine::FragmentDefinition {
                type_condition: self.condition(fragment.type_condition(), at),
                directives: self.directives(&fragment.directives)?,
                selection_set: self.set(&fragment.selection_set, at, reached)?,
            };
            reached.fragments.insert(name.clone(), Positioned::new(translated, at));
        }
        let translated = engine::FragmentSpread {
            fragment_name: Positioned::new(name, at),
            directives: self.directives(&spread.directives)?,
        };
        Ok(Positioned::new(engine::Selection::FragmentSpread(Positioned::new(translated, at)), at))
    }

    fn inline(
        &self,
        inline: &Node<executable::InlineFragment>,
        reached: &mut Reached,
    ) -> Result<Positioned<engine::Selection>> {
        let at = self.at(inline.location());
        let translated = engine::InlineFragment {
            type_condition: inline.type_condition.as_ref().map(|name| self.condition(name, at)),
            directives: self.directives(&inline.directives)?,
            selection_set: self.set(&inline.selection_set, at, reached)?,
        };
        Ok(Positioned::new(engine::Selection::InlineFragment(Positioned::new(translated, at)), at))
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

/// What an operation has come to while it is translated.
#[derive(Default)]
struct Reached {
    fragments: HashMap<value::Name, Positioned<engine::FragmentDefinition>>,
    /// Whether an object has a mark.
    marks: bool,
}
