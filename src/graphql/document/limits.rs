/// How much one operation may ask for. A document is measured with every fragment expanded before any is. The defaults let real frontends and GraphiQL's introspection pass and stop what was seen to
/// hurt.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Length of a document, in bytes.
    pub query_bytes: usize,
    /// Lexical tokens of a document, counting each run of white space and each comma as one.
    pub tokens: usize,
    /// Levels of nesting, of any kind: selections, inline fragments, spreads, lists, objects, list types.
    /// Bounds every recursion, here and in the engine.
    pub nesting: usize,
    /// Levels of fields below the root, introspection apart. An edge of a connection takes three.
    pub depth: u64,
    /// Levels of fields below `__schema` or `__type`; the standard introspection query needs 15.
    pub introspection_depth: u64,
    /// Fields, spreads and inline fragments.
    pub selections: u64,
    /// Values in the text of arguments, those of a fragment as often as it is spread, and each again for 64 bytes of a long
    /// text or name: an operation is kept with its fragments expanded. More than a document has room for that spreads none
    /// twice.
    pub literals: u64,
    /// Fields with an alias.
    pub aliases: u64,
    /// Fields of the root of a query.
    pub root_fields: u64,
    /// Fields of the root of a mutation: they run one after the other.
    pub mutations: u64,
    /// Directives applied.
    pub directives: u64,
    /// Operations in one document, of which a request runs one.
    pub operations: usize,
    /// Variables that an operation declares.
    pub variables: usize,
    /// Items of one list, in the document or in a variable.
    pub list_items: usize,
    /// Items of a list in what a mutation is given in a variable: the members of a team, say, are written as a whole.
    pub input_items: usize,
    /// Rows of a bulk mutation, sent in a variable: the items of a list that is called `rows`.
    pub rows: usize,
    /// Length of one string, in the document or in a variable, in bytes. More than the longest text that a field holds, so
    /// that a text which is somewhat too long is a mistake of its field, and not refused here with all the rest.
    pub string_bytes: usize,
    /// Cost: roughly the objects that an operation can return. A field that returns objects costs 1 and what is
    /// selected below it; below a connection that counts once per row of the page (`first` or `last`, at most
    /// [`Limits::page_most`], [`Limits::page_default`] when not given), below a lookup once per id, below a bulk mutation
    /// once per row. A root field of a mutation costs 10 more, `__schema` 30 000, `simulateSlaTerms` 10 000.
    pub cost: u64,
    /// Values: the fields of all objects that an operation can return, counted in the same way. It bounds the memory that
    /// an answer takes, and the errors in it: each field of each object may fail. Lists that are no pages count as one item
    /// here, and as many as they have when they are read: all of them together may hold as much again.
    pub values: u64,
    /// Rows of a page when neither `first` nor `last` is given.
    pub page_default: u64,
    /// The largest page; a negative or larger number counts as 1 or as this, and is refused by the field itself.
    pub page_most: u64,
    /// Errors in one answer.
    pub errors: usize,
    /// Memory for remembered documents, in bytes.
    pub cache_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            query_bytes: 64 * 1024,
            tokens: 10_000,
            nesting: 60,
            depth: 20,
            introspection_depth: 25,
            selections: 2_000,
            literals: 12_000,
            aliases: 200,
            root_fields: 50,
            mutations: 10,
            directives: 100,
            operations: 20,
            variables: 100,
            list_items: 200,
            input_items: 2_000,
            rows: 1_000,
            string_bytes: 192 * 1024,
            cost: 50_000,
            values: 250_000,
            page_default: 25,
            page_most: 100,
            errors: 20,
            cache_bytes: 64 * 1024 * 1024,
        }
    }
}
