//! How large an operation is with its fragments expanded: one pass, each fragment measured once.

use std::collections::HashMap;
use std::sync::Arc;

use apollo_compiler::{
    ExecutableDocument, Name, Node,
    ast::{DirectiveList, Value, VariableDefinition},
    executable::{Field, Operation, Selection, SelectionSet},
    parser::SourceSpan,
};
use async_graphql::{Pos, ServerError, Variables};

use super::{LIMIT_EXCEEDED, Limits, position, refusal};

/// What `__schema` costs: its answer is as long as the schema, whatever is selected from it. An operation has room for one.
const SCHEMA_COST: u64 = 30_000;
const TYPE_COST: u64 = 100;
const MUTATION_COST: u64 = 10;
/// A replay of thousands of clocks, whatever is selected of its answer.
const SIMULATION_COST: u64 = 10_000;
/// For how many bytes of a text or a name it counts as one more value.
const LONG: u64 = 64;
/// The introspection lists that lead from types to types, and how often they may be nested: each level
/// multiplies the answer by the number of types.
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];
const INTROSPECTION_LIST_LEVELS: u64 = 2;

/// The size of a selection set. All sums saturate.
#[derive(Clone, Copy, Default)]
struct Measure {
    /// Fields directly in the set, those of fragments included.
    fields: u64,
    selections: u64,
    aliases: u64,
    directives: u64,
    depth: u64,
    introspection_depth: u64,
    introspection_lists: u64,
    nesting: u64,
    cost: u64,
    /// Values that can come back: each field of each object.
    values: u64,
    /// See [`Limits::literals`].
    literals: u64,
}

impl Measure {
    /// This and what stands beside it in the same selection set.
    fn beside(self, other: Self) -> Self {
        Self {
            fields: self.fields.saturating_add(other.fields),
            selections: self.selections.saturating_add(other.selections),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            cost: self.cost.saturating_add(other.cost),
            values: self.values.saturating_add(other.values),
            literals: self.literals.saturating_add(other.literals),
            depth: self.depth.max(other.depth),
            introspection_depth: self.introspection_depth.max(other.introspection_depth),
            introspection_lists: self.introspection_lists.max(other.introspection_lists),
            nesting: self.nesting.max(other.nesting),
        }
    }

    /// This, one level of nesting further down, as one more selection.
    fn nested(self, directives: &DirectiveList) -> Self {
        Self {
            selections: self.selections.saturating_add(1),
            directives: self.directives.saturating_add(directives.len() as u64),
            nesting: self.nesting.saturating_add(1),
            ..self
        }
    }
}

/// How many values an item of a list that is no page has, itself included: by the place of the list's field.
pub(in crate::graphql) type Lists = HashMap<Pos, u64>;

/// How large the answer to an operation can be.
#[derive(Clone)]
pub(super) struct Size {
    /// See [`Limits::cost`].
    pub(super) cost: u64,
    /// The lists of which nobody can tell how long they are before they are read: they count as one item here.
    pub(super) lists: Arc<Lists>,
    /// Whether the schema itself is asked for.
    pub(super) introspects: bool,
    /// About how much memory the operation takes with its fragments expanded, in bytes.
    pub(super) expanded: u64,
}

/// Measures one operation.
pub(super) struct Walk<'a> {
    document: &'a ExecutableDocument,
    operation: &'a Operation,
    limits: &'a Limits,
    variables: Option<&'a Variables>,
    /// None while a fragment is being measured: meeting it again is a cycle, which validation will name.
    fragments: HashMap<&'a Name, Option<Measure>>,
    lists: Lists,
    varies: bool,
}

impl<'a> Walk<'a> {
    /// With no variables, a page size that comes from one counts as one row.
    pub(super) fn new(
        document: &'a ExecutableDocument,
        operation: &'a Operation,
        limits: &'a Limits,
        variables: Option<&'a Variables>,
    ) -> Self {
        Self {
            document,
            operation,
            limits,
            variables,
            fragments: HashMap::new(),
            lists: Lists::new(),
            varies: false,
        }
    }

    /// Whether the size depends on the values of variables.
    pub(super) fn varies(&self) -> bool {
        self.varies
    }

    /// The size of the operation, or the limit it exceeds.
    pub(super) fn operation(&mut self) -> Result<Size, ServerError> {
        let Self { limits, operation, .. } = *self;
        let span = operation.name.as_ref().and_then(Name::location);
        let span = span.or_else(|| operation.selection_set.selections.first().and_then(span_of));
        self.directive_values(&operation.directives)?;
        for variable in &operation.variables {
            self.directive_values(&variable.directives)?;
            if let Some(value) = &variable.default_value {
                self.value(value)?;
            }
        }
        let mut measure = self.set(&operation.selection_set, 0)?;
        if operation.is_mutation() {
            measure.cost = measure.cost.saturating_add(measure.fields.saturating_mul(MUTATION_COST));
        }
        let most_fields = if operation.is_mutation() { limits.mutations } else { limits.root_fields };
        let exceeded = [
            (measure.nesting, limits.nesting as u64, "levels of nesting", "flatten its fragments"),
            (measure.selections, limits.selections, "selections", "ask for fewer fields"),
            (measure.depth, limits.depth, "levels of fields", "ask for the inner objects separately"),
            (
                measure.introspection_depth,
                limits.introspection_depth,
                "levels of introspection",
                "use the standard introspection query",
            ),
            (
                measure.introspection_lists,
                INTROSPECTION_LIST_LEVELS,
                "levels of introspection lists",
                "use the standard introspection query",
            ),
            (measure.aliases, limits.aliases, "aliases", "ask for many objects by a list or a page"),
            (measure.fields, most_fields, "root fields", "send several requests"),
            (measure.directives, limits.directives, "directives", "remove some"),
            (operation.variables.len() as u64, limits.variables as u64, "variables", "group them in inputs"),
            (measure.literals, limits.literals, "values in its text", "send them in variables"),
            (measure.cost, limits.cost, "points of cost", "ask for smaller pages or fewer levels of them"),
            (measure.values, limits.values, "values", "ask for smaller pages or fewer fields"),
        ]
        .into_iter()
        .find(|(has, most, ..)| has > most);
        match exceeded {
            None => Ok(Size {
                cost: measure.cost,
                lists: Arc::new(std::mem::take(&mut self.lists)),
                introspects: measure.introspection_depth > 0,
                expanded: 512 * measure.selections + 128 * measure.literals,
            }),
            Some((has, most, what, remedy)) => Err(self.refused(
                format!("The operation has {has} {what}, at most {most} are allowed: {remedy}."),
                span,
            )),
        }
    }

    fn set(&mut self, set: &'a SelectionSet, level: usize) -> Result<Measure, ServerError> {
        if level > self.limits.nesting {
            // Reached through fragments only: the parser has bounded what is nested in the text itself.
            let most = self.limits.nesting;
            let span = set.selections.first().and_then(span_of);
            let message =
                format!("The operation is nested deeper than {most} levels: flatten its fragments.");
            return Err(self.refused(message, span));
        }
        set.selections.iter().try_fold(Measure::default(), |sum, selection| {
            let measure = match selection {
                Selection::Field(field) => self.field(field, level)?,
                Selection::InlineFragment(inline) => {
                    self.directive_values(&inline.directives)?;
                    self.set(&inline.selection_set, level + 1)?.nested(&inline.directives)
                }
                Selection::FragmentSpread(spread) => {
                    self.directive_values(&spread.directives)?;
                    self.fragment(&spread.fragment_name, level + 1)?.nested(&spread.directives)
                }
            };
            Ok(sum.beside(measure))
        })
    }

    fn fragment(&mut self, name: &'a Name, level: usize) -> Result<Measure, ServerError> {
        if let Some(known) = self.fragments.get(name) {
            return Ok(known.unwrap_or_default());
        }
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Measure::default()) };
        self.fragments.insert(name, None);
        let measure = self.set(&fragment.selection_set, level)?;
        self.fragments.insert(name, Some(measure));
        Ok(measure)
    }

    fn field(&mut self, field: &'a Node<Field>, level: usize) -> Result<Measure, ServerError> {
        let mut literals = field.alias.as_ref().map_or(0, |alias| alias.len() as u64 / LONG);
        for argument in &field.arguments {
            literals = literals.saturating_add(self.value(&argument.value)?);
        }
        self.directive_values(&field.directives)?;
        let below = self.set(&field.selection_set, level + 1)?;
        let mut measure = below.nested(&field.directives);
        measure.literals = below.literals.saturating_add(literals);
        measure.fields = 1;
        measure.aliases = below.aliases.saturating_add(u64::from(field.alias.is_some()));
        if matches!(field.name.as_str(), "__schema" | "__type") {
            measure.depth = 1;
            measure.introspection_depth = below.depth;
            measure.cost = if field.name == "__schema" { SCHEMA_COST } else { TYPE_COST };
            return Ok(measure);
        }
        measure.depth = below.depth.saturating_add(1);
        if field.selection_set.ty.starts_with("__") && INTROSPECTION_LISTS.contains(&field.name.as_str()) {
            measure.introspection_lists = below.introspection_lists.saturating_add(1);
        }
        let times = if field.selection_set.is_empty() { None } else { self.times(field) };
        measure.values = below.values.saturating_mul(times.unwrap_or(1)).saturating_add(1);
        if times.is_none()
            && field.definition.ty.is_list()
            && let Some(place) = position(field.location(), &self.document.sources)
        {
            self.lists.insert(place, below.values.saturating_add(1));
        }
        measure.cost = Self::cost(field, below.cost, times);
        Ok(measure)
    }

    fn cost(field: &Field, below: u64, times: Option<u64>) -> u64 {
        if field.selection_set.is_empty() {
            return 0;
        }
        // Below a connection its edges and nodes count themselves; the items of a plain list do not.
        let item = below.saturating_add(u64::from(field.definition.ty.is_list()));
        let items = times.map_or(below, |times| times.saturating_mul(item));
        let own = if field.name == "simulateSlaTerms" { SIMULATION_COST } else { 1 };
        items.saturating_add(own)
    }

    /// How often what is selected below a field comes back; none where that is once, or as often as nobody can tell.
    fn times(&mut self, field: &'a Field) -> Option<u64> {
        let takes = |name: &str| field.definition.argument_by_name(name).is_some();
        if takes("first") || takes("last") {
            let rows = ["first", "last"].into_iter().filter_map(|name| self.rows(field, name)).max();
            Some(rows.unwrap_or(self.limits.page_default))
        } else if takes("ids") {
            Some(self.items(field, "ids"))
        } else {
            self.sent(field)
        }
    }

    /// How many rows a bulk mutation is sent: its payload tells of each.
    fn sent(&mut self, field: &'a Field) -> Option<u64> {
        let listed = |value: &Value| value.as_list().map(|rows| rows.len() as u64);
        let given = |value: &async_graphql::Value| match value {
            async_graphql::Value::List(rows) => Some(rows.len() as u64),
            _ => None,
        };
        let in_input = |value: &async_graphql::Value| match value {
            async_graphql::Value::Object(input) => input.get("rows").and_then(given),
            _ => None,
        };
        let member = |value: &'a Value| {
            let mut fields = value.as_object()?.iter();
            fields.find_map(|(name, value)| (name == "rows").then_some(&**value))
        };
        match &**field.specified_argument_by_name("input")? {
            Value::Variable(variable) => {
                self.varies = true;
                match self.variables.and_then(|variables| variables.get(variable.as_str())) {
                    Some(input) => in_input(input),
                    None => self.default_of(variable).and_then(member).and_then(listed),
                }
            }
            input => match member(input)? {
                Value::Variable(variable) => {
                    self.varies = true;
                    match self.variables.and_then(|variables| variables.get(variable.as_str())) {
                        Some(rows) => given(rows),
                        None => self.default_of(variable).and_then(listed),
                    }
                }
                rows => listed(rows),
            },
        }
    }

    /// The page size that an argument asks for, within what a page can be.
    fn rows(&mut self, field: &'a Field, name: &str) -> Option<u64> {
        let clamped = |rows: f64| (rows.max(1.0) as u64).min(self.limits.page_most);
        let literal = |value: &Value| match value {
            Value::Int(rows) => rows.try_to_f64().ok(),
            _ => None,
        };
        match &**field.specified_argument_by_name(name)? {
            Value::Variable(variable) => {
                self.varies = true;
                let Some(variables) = self.variables else { return Some(1) };
                match variables.get(variable.as_str()) {
                    Some(given) => match given {
                        async_graphql::Value::Number(rows) => rows.as_f64().map(clamped),
                        _ => None,
                    },
                    None => self.default_of(variable).and_then(literal).map(clamped),
                }
            }
            value => literal(value).map(clamped),
        }
    }

    /// How many items a list argument holds.
    fn items(&mut self, field: &'a Field, name: &str) -> u64 {
        let length = |value: Option<&Value>| match value {
            Some(Value::List(items)) => items.len(),
            _ => 1,
        };
        let items = match field.specified_argument_by_name(name).map(|value| &**value) {
            Some(Value::Variable(variable)) => {
                self.varies = true;
                match self.variables.and_then(|variables| variables.get(variable.as_str())) {
                    Some(async_graphql::Value::List(items)) => items.len(),
                    Some(_) => 1,
                    None => length(self.default_of(variable)),
                }
            }
            value => length(value),
        };
        items as u64
    }

    fn default_of(&self, variable: &Name) -> Option<&'a Value> {
        let defined = |definition: &&'a Node<VariableDefinition>| definition.name == *variable;
        self.operation.variables.iter().find(defined)?.default_value.as_deref()
    }

    fn directive_values(&self, directives: &DirectiveList) -> Result<(), ServerError> {
        let mut arguments = directives.iter().flat_map(|directive| &directive.arguments);
        arguments.try_for_each(|argument| self.value(&argument.value).map(|_| ()))
    }

    /// How many values there are in one (see [`Limits::literals`]). Recurses no deeper than the parser did.
    fn value(&self, value: &Node<Value>) -> Result<u64, ServerError> {
        let Limits { list_items, string_bytes, .. } = *self.limits;
        match &**value {
            Value::List(items) if items.len() > list_items => {
                Err(self.refused(too_many_items(list_items), value.location()))
            }
            Value::String(text) if text.len() > string_bytes => {
                Err(self.refused(too_long_string(string_bytes), value.location()))
            }
            Value::String(text) => Ok(1 + text.len() as u64 / LONG),
            Value::Variable(name) | Value::Enum(name) => Ok(1 + name.len() as u64 / LONG),
            Value::List(items) => items.iter().try_fold(1, |sum, item| Ok(sum + self.value(item)?)),
            Value::Object(fields) => {
                fields.iter().try_fold(1, |sum, (_, field)| Ok(sum + self.value(field)?))
            }
            _ => Ok(1),
        }
    }

    fn refused(&self, message: String, span: Option<SourceSpan>) -> ServerError {
        refusal(LIMIT_EXCEEDED, message, position(span, &self.document.sources))
    }
}

pub(super) fn too_many_items(most: usize) -> String {
    format!("The list has more than {most} items: send fewer.")
}

pub(super) fn too_long_string(most: usize) -> String {
    format!("The string is longer than {most} bytes: shorten it.")
}

fn span_of(selection: &Selection) -> Option<SourceSpan> {
    match selection {
        Selection::Field(field) => field.location(),
        Selection::FragmentSpread(spread) => spread.location(),
        Selection::InlineFragment(inline) => inline.location(),
    }
}
