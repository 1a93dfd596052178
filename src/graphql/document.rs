//! The guard in front of the engine: a client's document is read once, here, by a parser that cannot be
//! exhausted, measured before anything walks it, validated against the published schema, and handed to the
//! engine ready-made. What passed is remembered by its text, so that a repeated operation pays for none of it.
//!
//! The engine's own parser never runs on a client's text: it recurses without bound, and panics on a
//! `\uD83D\uDE00` escape. Of its rules the few that it insists on walk what was measured, with its fragments expanded. An extension could spare it those, but would cost every field of every answer more.

mod brackets;
mod complete;
mod limits;
mod measure;
mod resume;
mod translate;
mod values;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use apollo_compiler::{
    ExecutableDocument, Node, Schema,
    ast::OperationType as Kind,
    executable,
    parser::{Parser, SourceMap, SourceSpan},
    validation::{DiagnosticList, Valid},
};
use async_graphql::{
    ErrorExtensionValues, Extensions, Name, Pos, Request, ServerError, Variables, parser::types as engine,
};
use quick_cache::{Weighter, sync::Cache};
use sha2::{Digest, Sha256};

pub(super) use self::complete::place;
pub use self::limits::Limits;
pub(super) use self::measure::Lists;
use self::{
    measure::{Size, Walk},
    translate::{Translated, Translation},
    values::Uses,
};

/// The request is malformed: parameters of the wrong kind, or an operation name that picks nothing.
pub const BAD_REQUEST: &str = "BAD_REQUEST";
/// The document is not GraphQL.
pub const PARSE_FAILED: &str = "PARSE_FAILED";
/// The document, or the value of a variable, does not fit the schema.
pub const VALIDATION_FAILED: &str = "VALIDATION_FAILED";
/// What the engine tells of a type that is not yet among the fields of introspection that the validator knows by itself.
const INTROSPECTION: &str = "extend type __Type { isOneOf: Boolean }";

/// The document, or the value of a variable, is larger than one of the [`Limits`].
pub const LIMIT_EXCEEDED: &str = "LIMIT_EXCEEDED";

/// One operation as a client asks for it: in the body of a `POST`, a query string, or the payload of `subscribe`.
#[derive(Debug, Default)]
pub struct Ask {
    /// The text of the document.
    pub query: Option<String>,
    /// Which of its operations to run; null when there is only one.
    pub operation_name: Option<String>,
    /// The values of its variables.
    pub variables: Variables,
    /// What the client adds for the server: `statements: true` asks for their number in the answer's extensions.
    pub extensions: Extensions,
}

/// Checks documents against one schema and remembers those that passed.
pub struct Documents {
    schema: Arc<Valid<Schema>>,
    limits: Limits,
    passed: Cache<Box<str>, Arc<Checked>, Weight>,
}

impl Documents {
    /// Reads the schema that documents are checked against, as the engine exports it.
    ///
    /// # Errors
    /// Says why, when the text is not a valid schema: a mistake of the build, not of a client.
    pub fn new(sdl: &str, limits: Limits) -> Result<Self, String> {
        let told = format!("{sdl}\n{INTROSPECTION}");
        let schema = Schema::parse_and_validate(told, "schema.graphql").map_err(|e| e.errors.to_string())?;
        let passed = Cache::with_weighter(4096, limits.cache_bytes, Weight);
        Ok(Self { schema: Arc::new(schema), limits, passed })
    }

    /// The operation that a client asks for, ready to run.
    ///
    /// # Errors
    /// Request errors, as [`Self::check`] and [`Checked::operation`] have them; `BAD_REQUEST` without a text.
    pub fn prepare(&self, ask: Ask) -> Result<Operation, Vec<ServerError>> {
        let message = "The parameter query is missing: send the text of an operation.";
        let text = ask.query.ok_or_else(|| vec![refusal(BAD_REQUEST, message, None)])?;
        let mut operation = self.check(&text)?.operation(ask.operation_name.as_deref(), ask.variables)?;
        operation.wants_statements =
            ask.extensions.get("statements") == Some(&async_graphql::Value::Boolean(true));
        Ok(operation)
    }

    /// The document of this text, ready to pick an operation from.
    ///
    /// # Errors
    /// At most [`Limits::errors`] request errors with `extensions.code` and locations: `PARSE_FAILED`,
    /// `VALIDATION_FAILED` or `LIMIT_EXCEEDED`. A refused document is not remembered: whoever sends it pays
    /// for it again.
    pub fn check(&self, text: &str) -> Result<Arc<Checked>, Vec<ServerError>> {
        if let Some(known) = self.passed.get(text) {
            return Ok(known);
        }
        let checked = Arc::new(self.read(text)?);
        self.passed.insert(text.into(), checked.clone());
        Ok(checked)
    }

    fn read(&self, text: &str) -> Result<Checked, Vec<ServerError>> {
        let limits = &self.limits;
        if text.len() > limits.query_bytes {
            let most = limits.query_bytes;
            return Err(vec![refusal(
                LIMIT_EXCEEDED,
                format!("The document is longer than {most} bytes: split it into several operations."),
                None,
            )]);
        }
        if let Some(at) = brackets::deeper_than(text, limits.nesting) {
            return Err(vec![refusal(LIMIT_EXCEEDED, nested_too_deep(limits), Some(at))]);
        }
        let mut parser = Parser::new().token_limit(limits.tokens).recursion_limit(limits.nesting);
        let ast = parser.parse_ast(text, "").map_err(|e| vec![self.unreadable(&parser, &e.errors)])?;
        // The document is built from the schema first and validated last: validation may only walk what was measured.
        let (built, sound) = match ast.to_executable(&self.schema) {
            Ok(document) => (document, true),
            Err(broken) => (broken.partial, false),
        };
        let operations = measure(&built, limits)?;
        let mut mistakes = Vec::new();
        let uses: Vec<Uses> = built
            .operations
            .iter()
            .map(|operation| {
                let (uses, wrong) = values::literals(&self.schema, limits, &built, operation);
                mistakes.extend(wrong);
                uses
            })
            .collect();
        let document =
            match if sound { built.validate(&self.schema) } else { ast.to_executable_validate(&self.schema) }
            {
                Ok(document) if mistakes.is_empty() => document,
                Ok(_) => return Err(self.invalid(None, &mistakes)),
                Err(invalid) => return Err(self.invalid(Some(&invalid.errors), &mistakes)),
            };

        if operations.is_empty() {
            let message = "The document contains no operation: add a query, mutation or subscription.";
            return Err(vec![refusal(VALIDATION_FAILED, message, None)]);
        }
        let operations = document
            .operations
            .iter()
            .zip(operations.into_iter().zip(uses))
            .map(|(operation, ((expanded, size), uses))| Planned {
                translated: OnceLock::new(),
                expanded,
                size,
                uses,
                resumes_by: resume::variable(&document, operation),
            })
            .collect();
        static READ: AtomicU64 = AtomicU64::new(0);
        let name = READ.fetch_add(1, Ordering::Relaxed);
        Ok(Checked { name, schema: self.schema.clone(), limits: self.limits.clone(), document, operations })
    }

    /// The parser's first error: those that follow are echoes of it.
    fn unreadable(&self, parser: &Parser, errors: &DiagnosticList) -> ServerError {
        let Limits { tokens, nesting, .. } = self.limits;
        let at = errors.iter().next().and_then(|e| e.to_json().locations.first().copied());
        let at = at.map(|at| Pos { line: at.line, column: at.column });
        if parser.tokens_reached() > tokens {
            let message =
                format!("The document has more than {tokens} tokens: split it into several operations.");
            return refusal(LIMIT_EXCEEDED, message, at);
        }
        if parser.recursion_reached() > nesting {
            return refusal(LIMIT_EXCEEDED, nested_too_deep(&self.limits), at);
        }
        let reason = errors.iter().next().map(|e| e.to_json().message).unwrap_or_default();
        refusal(PARSE_FAILED, readable(&reason), at)
    }

    /// What the compiler found, and the mistakes of values, in the order of the text. Where both found one, that of the
    /// value says more.
    fn invalid(&self, found: Option<&DiagnosticList>, mistakes: &[ServerError]) -> Vec<ServerError> {
        let mut errors: Vec<ServerError> = found
            .into_iter()
            .flat_map(DiagnosticList::iter)
            .take(self.limits.errors)
            .map(|error| {
                let error = error.to_json();
                let mut refused = refusal(VALIDATION_FAILED, readable(&error.message), None);
                refused.locations =
                    error.locations.iter().map(|at| Pos { line: at.line, column: at.column }).collect();
                refused
            })
            .filter(|error| {
                !mistakes.iter().any(|mistake| error.locations.first() == mistake.locations.first())
            })
            .chain(mistakes.iter().cloned())
            .collect();
        errors.sort_by_key(|error| error.locations.first().copied());
        // Of a fragment that several operations reach.
        errors.dedup_by(|one, other| one.locations == other.locations && one.message == other.message);
        errors.truncate(self.limits.errors);
        errors
    }
}

fn nested_too_deep(limits: &Limits) -> String {
    format!("The document is nested deeper than {} levels: flatten it.", limits.nesting)
}

/// Measures every operation of a document: how much memory it takes, expanded, and its size where that does not depend on
/// variables.
fn measure(
    document: &ExecutableDocument,
    limits: &Limits,
) -> Result<Vec<(u64, Option<Size>)>, Vec<ServerError>> {
    let count = document.operations.len();
    if count > limits.operations {
        let most = limits.operations;
        let message = format!("The document has {count} operations, at most {most} are allowed: send fewer.");
        return Err(vec![refusal(LIMIT_EXCEEDED, message, None)]);
    }
    let sizes = document.operations.iter().map(|operation| {
        let mut walk = Walk::new(document, operation, limits, None);
        let size = walk.operation().map_err(|e| vec![e])?;
        Ok((size.expanded, (!walk.varies()).then_some(size)))
    });
    sizes.collect()
}

/// A document that passed every check.
pub struct Checked {
    /// No other has it.
    name: u64,
    schema: Arc<Valid<Schema>>,
    limits: Limits,
    document: Valid<ExecutableDocument>,
    operations: Vec<Planned>,
}

struct Planned {
    /// This operation as the engine wants it, once it was asked for: of several in a document most never are.
    translated: OnceLock<Arc<Translated>>,
    /// About how much memory that takes, in bytes.
    expanded: u64,
    /// None when page sizes come from variables.
    size: Option<Size>,
    /// Where it uses its variables.
    uses: Uses,
    /// The variable that says where a subscription resumes and is used for nothing else.
    resumes_by: Option<String>,
}

impl Checked {
    /// Picks the operation of this name (or the only one) and checks the values of its variables.
    ///
    /// # Errors
    /// `BAD_REQUEST` when the name picks no operation or is missing among several; `VALIDATION_FAILED` for a
    /// value that does not fit its variable's type; `LIMIT_EXCEEDED` when the operation costs too much.
    pub fn operation(
        self: &Arc<Self>,
        name: Option<&str>,
        variables: Variables,
    ) -> Result<Operation, Vec<ServerError>> {
        let (index, operation) = self.pick(name)?;
        let planned = &self.operations[index];
        let sources = &self.document.sources;
        values::variables(&self.schema, &self.limits, operation, &planned.uses, sources, &variables)?;
        let size = match &planned.size {
            Some(size) => size.clone(),
            None => Walk::new(&self.document, operation, &self.limits, Some(&variables))
                .operation()
                .map_err(|e| vec![e])?,
        };
        let translated = match planned.translated.get() {
            Some(translated) => translated.clone(),
            None => {
                let translation = Translation::new(&self.schema, &self.document);
                let translated = Arc::new(translation.operation(operation).map_err(|e| vec![e])?);
                planned.translated.get_or_init(|| translated).clone()
            }
        };
        let kind = kind(operation.operation_type);
        Ok(Operation {
            checked: self.clone(),
            index,
            kind,
            translated,
            size,
            variables,
            wants_statements: false,
        })
    }

    fn pick(&self, name: Option<&str>) -> Result<(usize, &Node<executable::Operation>), Vec<ServerError>> {
        // Some clients send an empty name for an anonymous operation.
        let name = name.filter(|name| !name.is_empty());
        let mut all = self.document.operations.iter().enumerate();
        let found = match name {
            Some(name) => all.find(|(_, o)| o.name.as_ref().is_some_and(|n| n == name)),
            None => all.next().filter(|_| self.operations.len() == 1),
        };
        found.ok_or_else(|| {
            let message = match name {
                Some(_) => "The document contains no operation of the name in operationName.",
                None => "The document contains several operations: say in operationName which one to run.",
            };
            vec![refusal(BAD_REQUEST, message, None)]
        })
    }
}

/// One operation of a [`Checked`] document, with variables that fit it.
#[derive(Clone)]
pub struct Operation {
    checked: Arc<Checked>,
    index: usize,
    kind: engine::OperationType,
    translated: Arc<Translated>,
    size: Size,
    variables: Variables,
    wants_statements: bool,
}

impl Operation {
    /// Whether the client asks, by `extensions: { statements: true }`, how many SQL statements it took.
    #[must_use]
    pub fn wants_statements(&self) -> bool {
        self.wants_statements
    }

    /// Query, mutation or subscription.
    #[must_use]
    pub fn kind(&self) -> engine::OperationType {
        self.kind
    }

    /// The name the client gave the operation, if any.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.translated.document.operations {
            engine::DocumentOperations::Single(_) => None,
            engine::DocumentOperations::Multiple(named) => named.keys().next().map(|name| name.as_str()),
        }
    }

    /// How many objects the operation can return at most, roughly (see [`Limits::cost`]).
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.size.cost
    }

    /// Whether the schema itself is asked for.
    #[must_use]
    pub fn introspects(&self) -> bool {
        self.size.introspects
    }

    /// The engine's request, holding the parsed document. `operation_name` stays unset: the document contains
    /// this operation only.
    #[must_use]
    pub fn into_request(self) -> Request {
        let mut variables = self.variables;
        let (document, lists) = complete::prepare(&self.translated, &mut variables, self.size.lists);
        let mut request = Request::new("").variables(variables).data(lists);
        request.set_parsed_query(document);
        request
    }

    /// To be called with the engine's answer: see [`Answered::complete`].
    pub(super) fn answered(&self) -> Answered {
        Answered { checked: self.checked.clone(), index: self.index, marks: self.translated.marks }
    }

    /// The same for all who ask the same: the same operation of the same document with the same variables, but for
    /// the one that says where each resumes.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut asked = self.variables.clone();
        if let Some(variable) = &self.checked.operations[self.index].resumes_by {
            asked.remove(&Name::new(variable));
        }
        let mut digest = Sha256::new();
        digest.update(self.checked.name.to_be_bytes());
        digest.update(self.index.to_be_bytes());
        // Variables are made of JSON's own types, so this cannot fail.
        digest.update(serde_json::to_vec(&asked).unwrap_or_default());
        digest.finalize().into()
    }
}

/// An operation that was run.
pub(super) struct Answered {
    checked: Arc<Checked>,
    index: usize,
    /// Whether objects of the answer may be marked.
    marks: bool,
}

impl Answered {
    /// Puts null where something failed and takes out what was selected for the engine's sake, as the specification has it.
    pub(super) fn complete(&self, answer: &mut async_graphql::Response) {
        if let Some(operation) = self.checked.document.operations.iter().nth(self.index) {
            complete::nulls(&self.checked.document, operation, answer);
        }
        if self.marks {
            complete::unmark(&mut answer.data);
        }
    }
}

/// What a remembered document takes: its text and what it was parsed into, which was seen to be some ten times longer, and
/// its operations with their fragments expanded.
#[derive(Clone)]
struct Weight;

impl Weighter<Box<str>, Arc<Checked>> for Weight {
    fn weight(&self, text: &Box<str>, checked: &Arc<Checked>) -> u64 {
        2048 + 10 * text.len() as u64
            + checked.operations.iter().map(|operation| operation.expanded).sum::<u64>()
    }
}

/// A request error: the sentence a client reads, its code, and where in the document.
pub(crate) fn refusal(code: &str, message: impl Into<String>, at: Option<Pos>) -> ServerError {
    let mut error = ServerError::new(message, at);
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    error.extensions = Some(extensions);
    error
}

fn kind(kind: Kind) -> engine::OperationType {
    match kind {
        Kind::Query => engine::OperationType::Query,
        Kind::Mutation => engine::OperationType::Mutation,
        Kind::Subscription => engine::OperationType::Subscription,
    }
}

fn position(at: Option<SourceSpan>, sources: &SourceMap) -> Option<Pos> {
    at.and_then(|at| at.line_column(sources)).map(|at| Pos { line: at.line, column: at.column })
}

/// A sentence out of the parser's words: without the piece of input it quotes, with punctuation for its token
/// names, and no longer than a name may make it.
fn readable(message: &str) -> String {
    const TOKENS: [(&str, &str); 9] = [
        ("L_CURLY", "`{`"),
        ("R_CURLY", "`}`"),
        ("L_PAREN", "`(`"),
        ("R_PAREN", "`)`"),
        ("L_BRACK", "`[`"),
        ("R_BRACK", "`]`"),
        ("COLON", "`:`"),
        ("EQ", "`=`"),
        ("AT", "`@`"),
    ];
    let kept = message.split(", got ").next().unwrap_or(message);
    let mut words: String = kept.chars().take(300).collect();
    if words.starts_with("syntax error: ") {
        for (token, sign) in TOKENS {
            words = words.replace(token, sign);
        }
    }
    let mut letters = words.chars();
    let mut sentence: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    sentence.extend(letters);
    sentence.push('.');
    sentence
}
