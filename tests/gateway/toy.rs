//! What the tests of the entrance put behind it: fields that are slow, huge or broken on demand, and tokens that
//! expire or cannot be looked up.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use async_graphql::{
    Context, Object, Response, Schema, ServerError, Subscription, ValidationMode, async_trait::async_trait,
};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use sla_gateway::{
    access::{Actor, Viewer},
    graphql::{
        document::{Ask, Documents, Limits, Operation},
        gateway::Answer,
    },
    http::Backend,
    metrics::Page,
};

pub(crate) struct Toy {
    schema: Schema<Query, Mutation, Ticks>,
    documents: Documents,
    /// When the token that is good for a moment was first used.
    brief: OnceLock<Instant>,
}

impl Toy {
    pub(crate) fn new() -> Self {
        let schema = Schema::build(Query, Mutation, Ticks)
            .validation_mode(ValidationMode::Fast)
            .limit_recursive_depth(64)
            .finish();
        let documents = Documents::new(&schema.sdl(), Limits::default()).unwrap();
        Self { schema, documents, brief: OnceLock::new() }
    }
}

#[async_trait]
impl Backend for Toy {
    fn prepare(&self, ask: Ask) -> Result<Operation, Vec<ServerError>> {
        self.documents.prepare(ask)
    }

    async fn viewer(&self, bearer: Option<&str>) -> Result<Option<Arc<Viewer>>, ServerError> {
        let refused = |code: &str| {
            let mut error = ServerError::new("The token was refused.", None);
            error.extensions.get_or_insert_default().set("code", code);
            error
        };
        match bearer {
            None => return Ok(None),
            Some(good) if good.starts_with("good") => {}
            Some("brief") if self.brief.get_or_init(Instant::now).elapsed() < Duration::from_millis(300) => {}
            Some("down") => return Err(refused("INTERNAL")),
            Some(_) => return Err(refused("UNAUTHENTICATED")),
        }
        let login = bearer.unwrap_or_default().to_owned();
        let (actor, places) = (Actor::Person { login, people: Vec::new() }, Default::default());
        Ok(Some(Arc::new(Viewer::new(actor, "somebody".into(), None, places, &[]))))
    }

    async fn execute(&self, operation: Operation, viewer: Option<Arc<Viewer>>) -> Response {
        self.schema.execute(operation.into_request().data(viewer)).await
    }

    fn subscribe(&self, operation: Operation, viewer: Option<Arc<Viewer>>) -> BoxStream<'static, Answer> {
        self.schema.execute_stream(operation.into_request().data(viewer)).map(Answer::from).boxed()
    }

    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    async fn metrics(&self) -> Page {
        Page::default()
    }
}

struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }
    async fn number(&self, n: i32) -> i32 {
        n
    }
    async fn node(&self) -> Self {
        Self
    }
    async fn known(&self, context: &Context<'_>) -> bool {
        context.data_unchecked::<Option<Arc<Viewer>>>().is_some()
    }
    async fn slow(&self, ms: u64) -> bool {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        true
    }
    async fn long(&self, bytes: usize) -> String {
        "x".repeat(bytes)
    }
    async fn fails(&self, context: &Context<'_>, times: usize) -> Option<bool> {
        (0..times).for_each(|_| context.add_error(ServerError::new("no", None)));
        None
    }
    async fn boom(&self) -> bool {
        boom()
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn bump(&self) -> i32 {
        1
    }
}

struct Ticks;

#[Subscription]
impl Ticks {
    /// Counts, every so many milliseconds, with so many bytes behind each number.
    async fn ticks(
        &self,
        count: usize,
        #[graphql(default)] every: u64,
        #[graphql(default)] bytes: usize,
    ) -> impl Stream<Item = String> {
        stream::iter(0..count).then(move |n| async move {
            if every > 0 {
                tokio::time::sleep(Duration::from_millis(every)).await;
            }
            format!("{n}{}", "x".repeat(bytes))
        })
    }
    async fn bursts(&self) -> impl Stream<Item = bool> {
        stream::once(async { boom() })
    }
}

fn boom() -> bool {
    panic!("boom")
}
