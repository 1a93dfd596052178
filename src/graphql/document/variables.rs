//! Whether the values of variables fit their types. Values are checked where they are: the engine reads them
//! as they came, so nothing is rewritten.

use apollo_compiler::{Schema, ast::Type, executable::Operation, parser::SourceMap, schema::ExtendedType};
use async_graphql::{Pos, ServerError, Value, Variables};

use super::{
    LIMIT_EXCEEDED, Limits, VALIDATION_FAILED,
    measure::{too_long_string, too_many_items},
    position, refusal,
};

/// Checks every variable that the operation declares; others are ignored, as the specification has it.
///
/// An error names the place inside the variable (`$input.terms[2].name`), never the value.
pub(super) fn check(
    schema: &Schema,
    limits: &Limits,
    operation: &Operation,
    sources: &SourceMap,
    variables: &Variables,
) -> Result<(), Vec<ServerError>> {
    let mut check = Check { schema, limits, place: String::new(), at: None, errors: Vec::new() };
    for definition in &operation.variables {
        check.place = format!("${}", definition.name);
        check.at = position(definition.location(), sources);
        match variables.get(definition.name.as_str()) {
            Some(value) => check.value(&definition.ty, value),
            None if definition.ty.is_non_null() && definition.default_value.is_none() => {
                check.missing(&definition.ty)
            }
            None => {}
        }
    }
    if check.errors.is_empty() { Ok(()) } else { Err(check.errors) }
}

struct Check<'a> {
    schema: &'a Schema,
    limits: &'a Limits,
    /// Where in the variable the walk is.
    place: String,
    at: Option<Pos>,
    errors: Vec<ServerError>,
}

impl Check<'_> {
    /// Recurses as deep as the types of the schema lead, and no deeper than JSON may be nested.
    fn value(&mut self, ty: &Type, value: &Value) {
        match (ty, value) {
            (_, Value::Null) if ty.is_non_null() => self.missing(ty),
            (_, Value::Null) => {}
            (Type::List(item) | Type::NonNullList(item), Value::List(values)) => {
                let Limits { list_items, rows, .. } = *self.limits;
                let most = if self.place.ends_with(".rows") { rows } else { list_items };
                if values.len() > most {
                    return self.refuse(LIMIT_EXCEEDED, &too_many_items(most));
                }
                for (index, value) in values.iter().enumerate() {
                    self.within(&format!("[{index}]"), |check| check.value(item, value));
                }
            }
            // A single value stands for a list of it.
            (Type::List(item) | Type::NonNullList(item), value) => self.value(item, value),
            (Type::Named(name) | Type::NonNullNamed(name), value) => self.named(name, value),
        }
    }

    fn named(&mut self, name: &str, value: &Value) {
        if let Value::String(text) = value
            && text.len() > self.limits.string_bytes
        {
            return self.refuse(LIMIT_EXCEEDED, &too_long_string(self.limits.string_bytes));
        }
        let fits = match (self.schema.types.get(name), value) {
            (Some(ExtendedType::Scalar(_)), value) => match (name, value) {
                ("Int", Value::Number(number)) => {
                    number.as_i64().is_some_and(|int| i32::try_from(int).is_ok())
                }
                ("Float", Value::Number(_))
                | ("String", Value::String(_))
                | ("Boolean", Value::Boolean(_)) => true,
                ("ID", Value::Number(number)) => number.is_i64(),
                ("ID", Value::String(_)) => true,
                ("Int" | "Float" | "String" | "Boolean" | "ID", _) => false,
                // A scalar of ours reads its own values, when the field is resolved.
                _ => true,
            },
            (Some(ExtendedType::Enum(ty)), Value::String(text)) => ty.values.contains_key(text.as_str()),
            (Some(ExtendedType::Enum(ty)), Value::Enum(text)) => ty.values.contains_key(text.as_str()),
            (Some(ExtendedType::InputObject(ty)), Value::Object(given)) => {
                for (field, definition) in &ty.fields {
                    self.within(&format!(".{field}"), |check| match given.get(field.as_str()) {
                        Some(value) => check.value(&definition.ty, value),
                        None if definition.is_required() => check.missing(&definition.ty),
                        None => {}
                    });
                }
                if given.keys().any(|key| !ty.fields.contains_key(key.as_str())) {
                    self.refuse(
                        VALIDATION_FAILED,
                        &format!("{name} does not have all the fields that are given."),
                    );
                }
                true
            }
            _ => false,
        };
        if !fits {
            self.refuse(VALIDATION_FAILED, &format!("A value of type {name} is needed."));
        }
    }

    fn within(&mut self, step: &str, check: impl FnOnce(&mut Self)) {
        let length = self.place.len();
        self.place.push_str(step);
        check(self);
        self.place.truncate(length);
    }

    fn missing(&mut self, ty: &Type) {
        self.refuse(VALIDATION_FAILED, &format!("A value of type {ty} is required."));
    }

    fn refuse(&mut self, code: &str, sentence: &str) {
        if self.errors.len() < self.limits.errors {
            let message = format!("Variable {}: {sentence}", self.place);
            self.errors.push(refusal(code, message, self.at));
        }
    }
}
