//! The schema as a client is told it: what the tests that enumerate walk over, so that nobody has to add a new field
//! to them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;

/// All types by name.
pub(crate) struct Types(BTreeMap<String, Type>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Type {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    fields: Option<Vec<Field>>,
    input_fields: Option<Vec<Input>>,
    enum_values: Option<Vec<EnumValue>>,
    interfaces: Option<Vec<TypeRef>>,
    possible_types: Option<Vec<TypeRef>>,
}

#[derive(Deserialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) args: Vec<Input>,
    pub(crate) r#type: TypeRef,
}

#[derive(Deserialize)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) r#type: TypeRef,
}

#[derive(Deserialize)]
pub(crate) struct EnumValue {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TypeRef {
    kind: String,
    name: Option<String>,
    of_type: Option<Box<TypeRef>>,
}

impl TypeRef {
    /// The name of the type, without lists and exclamation marks.
    pub(crate) fn name(&self) -> &str {
        match &self.of_type {
            Some(inner) => inner.name(),
            None => self.name.as_deref().unwrap_or_default(),
        }
    }

    /// Whether it is a list.
    pub(crate) fn is_list(&self) -> bool {
        self.kind == "LIST" || self.of_type.as_ref().is_some_and(|inner| inner.is_list())
    }

    /// As it is written: `[ID!]!`.
    pub(crate) fn written(&self) -> String {
        match (self.kind.as_str(), &self.of_type) {
            ("NON_NULL", Some(inner)) => format!("{}!", inner.written()),
            ("LIST", Some(inner)) => format!("[{}]", inner.written()),
            _ => self.name().to_owned(),
        }
    }
}

impl Type {
    pub(crate) fn fields(&self) -> &[Field] {
        self.fields.as_deref().unwrap_or_default()
    }

    pub(crate) fn inputs(&self) -> &[Input] {
        self.input_fields.as_deref().unwrap_or_default()
    }

    pub(crate) fn values(&self) -> &[EnumValue] {
        self.enum_values.as_deref().unwrap_or_default()
    }

    /// The members of a union.
    pub(crate) fn members(&self) -> impl Iterator<Item = &str> {
        self.possible_types.iter().flatten().map(TypeRef::name)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// Whether its objects have an id that `node` takes.
    pub(crate) fn is_node(&self) -> bool {
        self.kind == "OBJECT" && self.interfaces.iter().flatten().any(|interface| interface.name() == "Node")
    }

    fn is_leaf(&self) -> bool {
        matches!(self.kind.as_str(), "SCALAR" | "ENUM")
    }
}

impl Field {
    pub(crate) fn arg(&self, name: &str) -> Option<&Input> {
        self.args.iter().find(|arg| arg.name == name)
    }

    /// Whether it can be asked for without arguments.
    pub(crate) fn needs_nothing(&self) -> bool {
        self.args.iter().all(|arg| arg.r#type.kind != "NON_NULL")
    }
}

impl Types {
    /// Asks the gateway.
    pub(crate) async fn of(app: &App) -> Self {
        const REF: &str = "kind name ofType { kind name ofType { kind name ofType { kind name } } }";
        let query = format!(
            "{{ __schema {{ types {{ kind name description interfaces {{ {REF} }} possibleTypes {{ {REF} }}
                 enumValues(includeDeprecated: true) {{ name description }}
                 inputFields {{ name description type {{ {REF} }} }}
                 fields(includeDeprecated: true) {{
                   name description type {{ {REF} }} args {{ name description type {{ {REF} }} }} }} }} }} }}"
        );
        let mut data = app.data("", &query, json!({})).await;
        let types: Vec<Type> = serde_json::from_value(data["__schema"]["types"].take()).unwrap();
        Self(types.into_iter().map(|ty| (ty.name.clone(), ty)).collect())
    }

    pub(crate) fn get(&self, name: &str) -> &Type {
        self.0.get(name).unwrap_or_else(|| panic!("there is no type {name}"))
    }

    /// All but those of introspection itself.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Type> {
        self.0.values().filter(|ty| !ty.name.starts_with("__"))
    }

    /// The fields of the root of queries.
    pub(crate) fn query(&self) -> &[Field] {
        self.get("Query").fields()
    }

    /// The type of a connection's rows, if the field is a connection.
    pub(crate) fn rows_of(&self, field: &Field) -> Option<&Type> {
        let connection = field.r#type.name();
        let nodes = connection.ends_with("Connection").then(|| self.get(connection).field("nodes"))??;
        Some(self.get(nodes.r#type.name()))
    }

    /// The connections of a type, each with the type of its rows.
    pub(crate) fn connections<'a>(&'a self, ty: &'a Type) -> impl Iterator<Item = (&'a Field, &'a Type)> {
        ty.fields().iter().filter_map(|field| Some((field, self.rows_of(field)?)))
    }

    /// The fields of a type that lead to at most one object with an id.
    pub(crate) fn to_one<'a>(&'a self, ty: &'a Type) -> impl Iterator<Item = &'a Field> {
        ty.fields().iter().filter(|field| {
            field.needs_nothing() && !field.r#type.is_list() && self.get(field.r#type.name()).is_node()
        })
    }

    /// A selection of all scalars of a type.
    pub(crate) fn scalars(&self, ty: &Type) -> String {
        let scalars = ty
            .fields()
            .iter()
            .filter(|field| field.needs_nothing() && self.get(field.r#type.name()).is_leaf())
            .map(|field| field.name.as_str());
        std::iter::once("__typename").chain(scalars).collect::<Vec<_>>().join(" ")
    }

    /// The values that an order of this connection sorts by, if it has any.
    pub(crate) fn orders(&self, connection: &Field) -> Vec<&str> {
        let Some(order) = connection.arg("orderBy") else { return Vec::new() };
        let order = self.get(order.r#type.name());
        let field = order.inputs().iter().find(|input| input.name == "field").unwrap();
        self.get(field.r#type.name()).values().iter().map(|value| value.name.as_str()).collect()
    }
}

/// The first error of an answer: its code and sentence.
pub(crate) fn refusal(answer: &Value) -> Option<(&str, &str)> {
    let error = answer["errors"].as_array()?.first()?;
    Some((error["extensions"]["code"].as_str()?, error["message"].as_str()?))
}
