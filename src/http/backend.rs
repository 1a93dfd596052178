use std::sync::Arc;

use async_graphql::{Response, ServerError, async_trait::async_trait};
use futures_util::stream::BoxStream;

use crate::{
    access::Viewer,
    graphql::{
        document::{Ask, Operation},
        gateway::{Answer, Gateway},
    },
    metrics::Page,
};

/// What the entrance lets requests through to: the [`Gateway`], or a toy with fields that are slow, huge or
/// broken, in the tests of the entrance itself.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// A checked operation, ready to run; or request errors, each with `extensions.code`.
    fn prepare(&self, ask: Ask) -> Result<Operation, Vec<ServerError>>;

    /// Whom a bearer token stands for, nobody when there is none; `UNAUTHENTICATED` when it is refused.
    async fn viewer(&self, bearer: Option<&str>) -> Result<Option<Arc<Viewer>>, ServerError>;

    /// The same of a token that something is open with, which is asked about again and again.
    async fn still(&self, bearer: &str) -> Result<Option<Arc<Viewer>>, ServerError> {
        self.viewer(Some(bearer)).await
    }

    /// The answer to a query or a mutation.
    async fn execute(&self, operation: Operation, viewer: Option<Arc<Viewer>>) -> Response;

    /// The answers to a subscription.
    fn subscribe(&self, operation: Operation, viewer: Option<Arc<Viewer>>) -> BoxStream<'static, Answer>;

    /// Whether operations can be answered just now, or why not.
    async fn ready(&self) -> Result<(), String>;

    /// Figures of what is behind the entrance.
    async fn metrics(&self) -> Page;
}

#[async_trait]
impl Backend for Gateway {
    fn prepare(&self, ask: Ask) -> Result<Operation, Vec<ServerError>> {
        self.prepare(ask)
    }

    async fn viewer(&self, bearer: Option<&str>) -> Result<Option<Arc<Viewer>>, ServerError> {
        self.viewer(bearer).await
    }

    async fn still(&self, bearer: &str) -> Result<Option<Arc<Viewer>>, ServerError> {
        self.still(bearer).await.map(Some)
    }

    async fn execute(&self, operation: Operation, viewer: Option<Arc<Viewer>>) -> Response {
        self.execute(operation, viewer).await
    }

    fn subscribe(&self, operation: Operation, viewer: Option<Arc<Viewer>>) -> BoxStream<'static, Answer> {
        self.subscribe(operation, viewer)
    }

    async fn ready(&self) -> Result<(), String> {
        self.ready().await
    }

    async fn metrics(&self) -> Page {
        self.metrics().await
    }
}
