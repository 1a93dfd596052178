//! The one way in: every operation of every transport is checked, run, measured and answered here, so that limits,
//! permissions and codes cannot differ between them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::{Response, ServerError, Value};
use futures_util::FutureExt;
use futures_util::stream::{BoxStream, StreamExt};
use tokio_util::sync::CancellationToken;

use super::asking::{Asking, Services};
use super::document::{Ask, Documents, Limits, Operation, refusal};
use super::viewers::Viewers;
use super::{Schema, schema};
use crate::access::Viewer;
use crate::access::token::Verifier;
use crate::breach::Breaches;
use crate::error::Error;
use crate::store::Store;

/// The gateway to the schema. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    schema: Schema,
    documents: Documents,
    services: Services,
}

impl Gateway {
    /// Puts the schema before a store, and watches rights until `shutdown`.
    ///
    /// # Errors
    /// Says what is wrong with the schema: a mistake of the build.
    pub fn start(
        store: Store,
        breaches: Breaches,
        verifier: impl Into<Verifier>,
        limits: Limits,
        shutdown: CancellationToken,
    ) -> Result<Self, String> {
        let schema = schema();
        let documents = Documents::new(&super::sdl(), limits)?;
        let viewers = Viewers::start(store.clone(), verifier.into(), shutdown);
        let services = Services { store, breaches, viewers };
        Ok(Self(Arc::new(Inner { schema, documents, services })))
    }

    /// A checked operation, ready to run; or the request errors, each with its code.
    pub fn prepare(&self, ask: Ask) -> Result<Operation, Vec<ServerError>> {
        self.0.documents.prepare(ask)
    }

    /// Whom a bearer token stands for; nobody when there is none.
    pub async fn viewer(&self, bearer: Option<&str>) -> Result<Option<Arc<Viewer>>, ServerError> {
        match bearer {
            None => Ok(None),
            Some(token) => match self.0.services.viewers.of_token(token).await {
                Ok(viewer) => Ok(Some(viewer)),
                Err(error) => Err(refusal(error.code(), error.message(), None)),
            },
        }
    }

    /// Runs a query or a mutation.
    pub async fn execute(&self, operation: Operation, viewer: Option<Arc<Viewer>>) -> Response {
        let counted = operation.wants_statements();
        let asking = Asking::new(self.0.services.clone(), viewer);
        let request = operation.into_request().data(asking.clone());
        let answer = AssertUnwindSafe(asking.drive(self.0.schema.execute(request))).catch_unwind().await;
        let mut answer = answer.unwrap_or_else(|_| fault());
        if counted {
            answer.extensions.insert("statements".into(), Value::from(asking.statements()));
        }
        coded(answer)
    }

    /// Runs a subscription.
    pub fn subscribe(
        &self,
        operation: Operation,
        viewer: Option<Arc<Viewer>>,
    ) -> BoxStream<'static, Response> {
        let asking = Asking::new(self.0.services.clone(), viewer);
        let request = operation.into_request().data(asking.clone());
        let answers = self.0.schema.execute_stream(request);
        AssertUnwindSafe(asking.drive_stream(answers))
            .catch_unwind()
            .map(|answer| coded(answer.unwrap_or_else(|_| fault())))
            .boxed()
    }

    /// Whether operations can be answered just now, or why not.
    pub async fn ready(&self) -> Result<(), String> {
        self.0.services.store.synchronize().await.map_err(|_| "the store does not answer".to_owned())
    }
}

/// A panic is our fault; its text was logged where it happened.
fn fault() -> Response {
    let error = Error::internal("a resolver panicked");
    Response::from_errors(vec![refusal(error.code(), error.message(), None)])
}

/// Every error has a code. Those that the engine makes itself are about values it could not read.
fn coded(mut answer: Response) -> Response {
    for error in &mut answer.errors {
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", "BAD_REQUEST");
            error.message = sentence(&error.message);
        }
    }
    answer
}

/// The engine says which value of which type it could not read, and in which types that lay.
fn sentence(message: &str) -> String {
    let message = message.split(" (occurred while parsing").next().unwrap_or_default();
    match message.strip_prefix("Failed to parse \"").and_then(|rest| rest.split_once("\": ")) {
        Some((ty, why)) => format!("This is no {ty}: {}.", why.trim_end_matches('.')),
        None => format!("{}.", message.trim_end_matches('.')),
    }
}
