//! Whether values fit their types: those in the text of a document when it is read, those of variables when an
//! operation is asked for. Values are checked where they are: the engine reads them as they came, so nothing is
//! rewritten.
//!
//! A mistake names its place, never the value: in the message (`Variable $input.rows[3].startDate`, or `Argument
//! input.name` in the document), and as `extensions.inputPath`, from the name of the argument on, as a payload has the
//! path of a mistake. The value of a variable that the operation uses in one place has the path of that place; of one
//! that it uses in several, the path begins with the variable's own name.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use apollo_compiler::{
    ExecutableDocument, Node, Schema,
    ast::{self, DirectiveList, Type, VariableDefinition},
    executable::{Operation, Selection, SelectionSet},
    parser::{SourceMap, SourceSpan},
    schema::{ExtendedType, InputObjectType},
};
use async_graphql::{ServerError, Value, Variables};

use super::{
    LIMIT_EXCEEDED, Limits, VALIDATION_FAILED,
    measure::{too_long_string, too_many_items},
    position, refusal,
};
use crate::graphql::scalar;

/// Where an operation uses its variables.
#[derive(Default)]
pub(super) struct Uses(HashMap<String, Use>);

struct Use {
    /// From the name of the argument on; none where it is used in several places.
    path: Option<Vec<String>>,
    /// Whether all of its places are called `rows`, and whether all are in an argument `input`: no more than each takes.
    rows: bool,
    in_input: bool,
    nulls: Nulls,
}

/// What null means at a place, beyond what the type says.
#[derive(Clone, Copy, PartialEq)]
enum Nulls {
    /// Nothing.
    AsTyped,
    /// An operator of a filter compares with a value: null would match everything, where nothing was meant.
    NoOperand,
    /// The same of a filter that has no `isNull`.
    NoOperandAtAll,
    /// The one member of a `@oneOf` input has a value.
    NoMember,
}

impl Nulls {
    /// Why null is refused there.
    fn refused(self) -> Option<&'static str> {
        match self {
            Self::AsTyped => None,
            Self::NoOperand => Some("null compares with nothing: leave it out, or use isNull."),
            Self::NoOperandAtAll => Some("null compares with nothing: leave it out."),
            Self::NoMember => Some("This is the one member that is given: it cannot be null."),
        }
    }
}

/// Checks the values in the text of an operation and of the fragments it reaches, also where the document is not valid
/// otherwise; and finds out where it uses its variables.
pub(super) fn literals(
    schema: &Schema,
    limits: &Limits,
    document: &ExecutableDocument,
    operation: &Operation,
) -> (Uses, Vec<ServerError>) {
    let mut walk = Walk {
        document,
        check: Check::new(schema, limits, &document.sources, Some(operation)),
        fragments: HashSet::new(),
    };
    walk.directives(&operation.directives);
    walk.set(&operation.selection_set);
    let mut check = walk.check;
    let uses = std::mem::take(&mut check.uses);
    for definition in &operation.variables {
        if let Some(default) = &definition.default_value {
            check.variable = Some((definition, uses.0.get(definition.name.as_str())));
            check.value(&definition.ty, Given::Literal(default));
        }
    }
    let errors = check.errors;
    (uses, errors)
}

/// Checks every variable that the operation declares; others are ignored, as the specification has it.
pub(super) fn variables(
    schema: &Schema,
    limits: &Limits,
    operation: &Operation,
    uses: &Uses,
    sources: &SourceMap,
    variables: &Variables,
) -> Result<(), Vec<ServerError>> {
    let mut check = Check::new(schema, limits, sources, None);
    for definition in &operation.variables {
        let used = uses.0.get(definition.name.as_str());
        check.variable = Some((definition, used));
        let refused = used.and_then(|used| used.nulls.refused());
        let given = variables.get(definition.name.as_str());
        let is_null = match (given, &definition.default_value) {
            (Some(given), _) => *given == Value::Null,
            (None, Some(default)) => default.is_null(),
            (None, None) => false,
        };
        match (given, refused) {
            (_, Some(sentence)) if is_null => check.refuse(VALIDATION_FAILED, sentence, None),
            (Some(value), _) => check.value(&definition.ty, Given::Variable(value)),
            (None, _) if definition.ty.is_non_null() && definition.default_value.is_none() => {
                check.missing(&definition.ty, None);
            }
            (None, _) => {}
        }
    }
    if check.errors.is_empty() { Ok(()) } else { Err(check.errors) }
}

/// The arguments of an operation, each fragment's once.
struct Walk<'a> {
    document: &'a ExecutableDocument,
    check: Check<'a>,
    fragments: HashSet<&'a str>,
}

impl<'a> Walk<'a> {
    /// Recurses no deeper than what was measured.
    fn set(&mut self, set: &'a SelectionSet) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    self.directives(&field.directives);
                    for argument in &field.arguments {
                        if let Some(definition) = field.definition.argument_by_name(&argument.name) {
                            self.argument(definition, argument);
                        }
                    }
                    self.set(&field.selection_set);
                }
                Selection::InlineFragment(inline) => {
                    self.directives(&inline.directives);
                    self.set(&inline.selection_set);
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.directives);
                    let fragment = self.document.fragments.get(&spread.fragment_name);
                    if let Some(fragment) = fragment
                        && self.fragments.insert(&spread.fragment_name)
                    {
                        self.directives(&fragment.directives);
                        self.set(&fragment.selection_set);
                    }
                }
            }
        }
    }

    fn directives(&mut self, directives: &'a DirectiveList) {
        for directive in directives.iter() {
            let Some(definition) = self.check.schema.directive_definitions.get(&directive.name) else {
                continue;
            };
            for argument in &directive.arguments {
                if let Some(definition) = definition.argument_by_name(&argument.name) {
                    self.argument(definition, argument);
                }
            }
        }
    }

    fn argument(&mut self, definition: &'a ast::InputValueDefinition, argument: &'a ast::Argument) {
        let spot = Spot::of(definition, Nulls::AsTyped);
        self.check.at(Step::Name(&argument.name), spot, Given::Literal(&argument.value));
    }
}

/// A value as it was given.
#[derive(Clone, Copy)]
enum Given<'a> {
    Variable(&'a Value),
    Literal(&'a Node<ast::Value>),
}

impl<'a> Given<'a> {
    fn is_null(self) -> bool {
        match self {
            Self::Variable(value) => *value == Value::Null,
            Self::Literal(value) => value.is_null(),
        }
    }

    /// The variable that the document names here.
    fn variable(self) -> Option<&'a str> {
        match self {
            Self::Literal(value) => value.as_variable().map(|name| name.as_str()),
            Self::Variable(_) => None,
        }
    }

    fn items(self) -> Option<Vec<Self>> {
        match self {
            Self::Variable(Value::List(items)) => Some(items.iter().map(Self::Variable).collect()),
            Self::Literal(value) => value.as_list().map(|items| items.iter().map(Self::Literal).collect()),
            Self::Variable(_) => None,
        }
    }

    /// The names of an object's fields.
    fn names(self) -> Option<Vec<&'a str>> {
        match self {
            Self::Variable(Value::Object(fields)) => Some(fields.keys().map(|name| name.as_str()).collect()),
            Self::Literal(value) => {
                value.as_object().map(|fields| fields.iter().map(|(name, _)| name.as_str()).collect())
            }
            Self::Variable(_) => None,
        }
    }

    fn field(self, name: &str) -> Option<Self> {
        match self {
            Self::Variable(Value::Object(fields)) => fields.get(name).map(Self::Variable),
            Self::Literal(value) => {
                let mut fields = value.as_object()?.iter();
                fields.find(|(own, _)| own == name).map(|(_, value)| Self::Literal(value))
            }
            Self::Variable(_) => None,
        }
    }

    /// A value without parts, as the engine has it; none where it is written in the document and has parts, or a number
    /// has no bounds.
    fn leaf(self) -> Option<Cow<'a, Value>> {
        let literal = match self {
            Self::Variable(value) => return Some(Cow::Borrowed(value)),
            Self::Literal(literal) => literal,
        };
        let value = match &**literal {
            ast::Value::String(text) => Value::String(text.clone()),
            ast::Value::Boolean(flag) => Value::Boolean(*flag),
            ast::Value::Enum(name) => Value::Enum(async_graphql::Name::new(name)),
            ast::Value::Int(number) => Value::Number(number.as_str().parse().ok()?),
            ast::Value::Float(number) => Value::Number(number.as_str().parse().ok()?),
            _ => return None,
        };
        Some(Cow::Owned(value))
    }

    fn location(self) -> Option<SourceSpan> {
        match self {
            Self::Variable(_) => None,
            Self::Literal(value) => value.location(),
        }
    }
}

/// What an argument, a field of an input or an item of a list takes.
#[derive(Clone, Copy)]
struct Spot<'a> {
    ty: &'a Type,
    has_default: bool,
    nulls: Nulls,
}

impl<'a> Spot<'a> {
    fn of(definition: &'a ast::InputValueDefinition, nulls: Nulls) -> Self {
        Self { ty: &definition.ty, has_default: definition.default_value.is_some(), nulls }
    }
}

/// A step from a value into its parts.
#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

struct Check<'a> {
    schema: &'a Schema,
    limits: &'a Limits,
    sources: &'a SourceMap,
    /// Whose document is walked through.
    operation: Option<&'a Operation>,
    uses: Uses,
    /// The variable whose value is walked through; none = an argument.
    variable: Option<(&'a Node<VariableDefinition>, Option<&'a Use>)>,
    /// Where in the variable the walk is; of an argument, its name is the first step.
    steps: Vec<Step<'a>>,
    errors: Vec<ServerError>,
}

impl<'a> Check<'a> {
    fn new(
        schema: &'a Schema,
        limits: &'a Limits,
        sources: &'a SourceMap,
        operation: Option<&'a Operation>,
    ) -> Self {
        let (steps, errors) = (Vec::new(), Vec::new());
        Self { schema, limits, sources, operation, uses: Uses::default(), variable: None, steps, errors }
    }

    /// A part of what is walked through.
    fn at(&mut self, step: Step<'a>, spot: Spot<'a>, given: Given<'a>) {
        self.steps.push(step);
        match (given.variable(), spot.nulls.refused()) {
            (Some(name), _) => self.used(name, spot, given),
            (None, Some(sentence)) if given.is_null() => {
                self.refuse(VALIDATION_FAILED, sentence, Some(given));
            }
            (None, _) => self.value(spot.ty, given),
        }
        self.steps.pop();
    }

    /// Recurses as deep as the types of the schema lead, and no deeper than JSON or a document may be nested.
    fn value(&mut self, ty: &'a Type, given: Given<'a>) {
        if given.is_null() {
            if ty.is_non_null() {
                self.missing(ty, Some(given));
            }
            return;
        }
        match ty {
            Type::List(item) | Type::NonNullList(item) => {
                // A single value stands for a list of it.
                let Some(items) = given.items() else { return self.value(item, given) };
                let Limits { list_items, input_items, rows, .. } = *self.limits;
                let most = match self.is_rows() {
                    true => rows,
                    false if self.is_in_input() => input_items,
                    false => list_items,
                };
                if matches!(given, Given::Variable(_)) && items.len() > most {
                    return self.refuse(LIMIT_EXCEEDED, &too_many_items(most), Some(given));
                }
                let spot = Spot { ty: item, has_default: false, nulls: Nulls::AsTyped };
                for (index, item) in items.into_iter().enumerate() {
                    self.at(Step::Index(index), spot, item);
                }
            }
            Type::Named(name) | Type::NonNullNamed(name) => self.named(name, given),
        }
    }

    fn named(&mut self, name: &'a str, given: Given<'a>) {
        let leaf = given.leaf();
        if let Some(Value::String(text)) = leaf.as_deref()
            && text.len() > self.limits.string_bytes
        {
            let message = too_long_string(self.limits.string_bytes);
            return self.refuse(LIMIT_EXCEEDED, &message, Some(given));
        }
        let fits = match (self.schema.types.get(name), leaf.as_deref()) {
            (Some(ExtendedType::Scalar(_)), Some(value)) => match (name, value) {
                ("Int", Value::Number(number)) => {
                    number.as_i64().is_some_and(|int| i32::try_from(int).is_ok())
                }
                ("Float", Value::Number(_))
                | ("String", Value::String(_))
                | ("Boolean", Value::Boolean(_)) => true,
                ("ID", Value::Number(number)) => number.is_i64(),
                ("ID", Value::String(_)) => true,
                ("Int" | "Float" | "String" | "Boolean" | "ID", _) => false,
                _ => match scalar::read(name, value) {
                    Ok(()) => true,
                    Err(None) => false,
                    Err(Some(why)) => return self.refuse(VALIDATION_FAILED, &why, Some(given)),
                },
            },
            // In JSON the name of a value is a string, in a document it is not.
            (Some(ExtendedType::Enum(ty)), Some(Value::String(text))) => {
                matches!(given, Given::Variable(_)) && ty.values.contains_key(text.as_str())
            }
            (Some(ExtendedType::Enum(ty)), Some(Value::Enum(text))) => ty.values.contains_key(text.as_str()),
            (Some(ExtendedType::InputObject(ty)), _) => match given.names() {
                Some(names) => return self.object(ty, given, &names),
                None => false,
            },
            _ => false,
        };
        if !fits {
            let message = match self.schema.types.get(name) {
                Some(ExtendedType::Enum(ty)) => {
                    let values = ty.values.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
                    format!("A value of type {name} is needed: one of {values}.")
                }
                _ if name == "Int" => format!("A whole number from {} to {} is needed.", i32::MIN, i32::MAX),
                _ => format!("A value of type {name} is needed."),
            };
            self.refuse(VALIDATION_FAILED, &message, Some(given));
        }
    }

    fn object(&mut self, ty: &'a InputObjectType, given: Given<'a>, names: &[&'a str]) {
        if let Some(unknown) = names.iter().find(|name| !ty.fields.contains_key(**name)) {
            let fields = ty.fields.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let message =
                format!("{} does not have all the fields that are given; it has: {fields}.", ty.name);
            self.refuse(VALIDATION_FAILED, &message, given.field(unknown));
        }
        let one_of = ty.directives.has("oneOf");
        if one_of && names.len() != 1 {
            let members = ty.fields.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("Exactly one of {members} is needed.");
            return self.refuse(VALIDATION_FAILED, &message, Some(given));
        }
        let nulls = match ty {
            _ if one_of => Nulls::NoMember,
            // The filters of nouns have a field for each field of the noun, none of which is called so.
            _ if !ty.name.ends_with("Filter") || !ty.fields.contains_key("eq") => Nulls::AsTyped,
            _ if ty.fields.contains_key("isNull") => Nulls::NoOperand,
            _ => Nulls::NoOperandAtAll,
        };
        for (field, definition) in &ty.fields {
            match given.field(field) {
                Some(value) => self.at(Step::Name(field), Spot::of(definition, nulls), value),
                None if definition.is_required() => {
                    self.steps.push(Step::Name(field));
                    self.missing(&definition.ty, Some(given));
                    self.steps.pop();
                }
                None => {}
            }
        }
    }

    /// A variable in the document. Of whole arguments the compiler looks whether it may stand there; of the parts of
    /// objects and lists it does not.
    fn used(&mut self, name: &'a str, spot: Spot<'a>, given: Given<'a>) {
        let declared =
            self.operation.and_then(|operation| operation.variables.iter().find(|v| v.name == *name));
        // That it is declared the compiler looks, too.
        let Some(declared) = declared else { return };
        let needs_value = spot.ty.is_non_null() || spot.nulls == Nulls::NoMember;
        let has_value = declared.ty.is_non_null()
            || spot.has_default
            || declared.default_value.as_ref().is_some_and(|default| !default.is_null());
        let nullable = spot.ty.clone().nullable();
        if self.steps.len() > 1 && (needs_value && !has_value || !declared.ty.is_assignable_to(&nullable)) {
            let needed = if needs_value { nullable.non_null() } else { nullable };
            let message = format!("The variable here must be of the type {needed}.");
            self.refuse(VALIDATION_FAILED, &message, Some(given));
        }
        let (path, rows, in_input) = (self.path(), self.is_rows(), self.is_in_input());
        match self.uses.0.entry(name.to_owned()) {
            Entry::Vacant(unknown) => {
                unknown.insert(Use { path: Some(path), rows, in_input, nulls: spot.nulls });
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.path = None;
                known.rows &= rows;
                known.in_input &= in_input;
                if known.nulls == Nulls::AsTyped {
                    known.nulls = spot.nulls;
                }
            }
        }
    }

    fn missing(&mut self, ty: &Type, given: Option<Given<'a>>) {
        self.refuse(VALIDATION_FAILED, &format!("A value of type {ty} is required."), given);
    }

    fn refuse(&mut self, code: &str, sentence: &str, given: Option<Given<'a>>) {
        if self.errors.len() >= self.limits.errors {
            return;
        }
        let own = given.and_then(Given::location);
        let at = own.or_else(|| self.variable.and_then(|(definition, _)| definition.location()));
        let message = format!("{}: {sentence}", self.place());
        let mut error = refusal(code, message, position(at, self.sources));
        let path = self.path().into_iter().map(Value::String).collect();
        error.extensions.get_or_insert_default().set("inputPath", Value::List(path));
        self.errors.push(error);
    }

    /// Whether the part that the walk is at is called `rows` where it is used.
    fn is_rows(&self) -> bool {
        match self.steps.last() {
            Some(step) => matches!(step, Step::Name("rows")),
            None => self.used_by_variable().is_some_and(|used| used.rows),
        }
    }

    /// Whether the walk is in the argument `input`.
    fn is_in_input(&self) -> bool {
        match self.variable {
            Some(_) => self.used_by_variable().is_some_and(|used| used.in_input),
            None => matches!(self.steps.first(), Some(Step::Name("input"))),
        }
    }

    /// How the variable is used whose value is walked through.
    fn used_by_variable(&self) -> Option<&'a Use> {
        self.variable.and_then(|(_, used)| used)
    }

    /// Where the walk is, for people.
    fn place(&self) -> String {
        let begun = match self.variable {
            Some((definition, _)) => format!("Variable ${}", definition.name),
            None => "Argument ".to_owned(),
        };
        let place = self.steps.iter().fold(begun, |place, step| match step {
            Step::Name(name) if place.ends_with(' ') => place + name,
            Step::Name(name) => place + "." + name,
            Step::Index(index) => format!("{place}[{index}]"),
        });
        place.chars().take(MOST_LETTERS).collect()
    }

    /// Where the walk is, for programs.
    fn path(&self) -> Vec<String> {
        let mut path = match self.variable {
            None => Vec::new(),
            Some((definition, used)) => match used.and_then(|used| used.path.as_ref()) {
                Some(path) => path.clone(),
                None => vec![definition.name.to_string()],
            },
        };
        path.extend(self.steps.iter().map(|step| match step {
            Step::Name(name) => (*name).to_owned(),
            Step::Index(index) => index.to_string(),
        }));
        path
    }
}

/// How much of a place a message tells: the name of a variable may be as long as the document.
const MOST_LETTERS: usize = 300;
