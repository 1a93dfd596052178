//! The gateway as a client meets it: the router in process, over a database of the test's own.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use chrono::TimeDelta;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sla_gateway::access::jwks::Issuer;
use sla_gateway::access::token::{Key, Verifier};
use sla_gateway::breach;
use sla_gateway::graphql::document::Limits;
use sla_gateway::graphql::gateway::Gateway;
use sla_gateway::http::{HttpConfig, router};
use sla_gateway::store::{Store, connect};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::database::Database;

/// A gateway over a database of its own. Everything of it ends with it.
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) store: Store,
    pub(crate) gateway: Gateway,
    router: Router,
    key: Key,
    ending: CancellationToken,
}

impl Drop for App {
    fn drop(&mut self) {
        self.ending.cancel();
    }
}

impl App {
    /// Over an empty store.
    pub(crate) async fn new() -> Arc<Self> {
        Self::over(Database::new().await).await
    }

    /// Over the sample.
    pub(crate) async fn sampled() -> Arc<Self> {
        Self::over(Database::sampled().await).await
    }

    /// Over a store that is filled already.
    pub(crate) async fn over(database: Database) -> Arc<Self> {
        Self::trusting(database, None).await
    }

    /// The same, which trusts an issuer besides its own key.
    pub(crate) async fn trusting(database: Database, issuer: Option<Arc<Issuer>>) -> Arc<Self> {
        let store = Store::new(connect::pool(&database.url, 8).unwrap());
        store.synchronize().await.unwrap();
        let ending = CancellationToken::new();
        let breaches = breach::start(store.clone(), ending.clone());
        let key = Key::from_secret("a secret for tests, long enough for it").unwrap();
        let verifier = Verifier::new(Some(key.clone()), issuer);
        let gateway =
            Gateway::start(store.clone(), breaches, verifier, Limits::default(), ending.clone()).unwrap();
        let router = router(gateway.clone(), HttpConfig::default());
        Arc::new(Self { database, store, gateway, router, key, ending })
    }

    /// A token for a login.
    pub(crate) fn token(&self, login: &str) -> String {
        self.key.issue(login, self.store.now(), TimeDelta::hours(1)).unwrap()
    }

    /// What a client that is logged in as `login` is answered; nobody is logged in where that is empty.
    pub(crate) async fn ask(&self, login: &str, query: &str, variables: Value) -> Value {
        let (status, answer) = self.send(login, query, variables).await;
        assert!(!status.is_server_error(), "{status}: {answer}: {query}");
        answer
    }

    /// The same, with the status.
    pub(crate) async fn send(&self, login: &str, query: &str, variables: Value) -> (StatusCode, Value) {
        let authorization = format!("Bearer {}", self.token(login));
        let headers = [("authorization", authorization.as_str())];
        let (status, body) = self
            .post(
                "application/graphql-response+json",
                &headers[usize::from(login.is_empty())..],
                query,
                variables,
            )
            .await;
        (status, serde_json::from_str(&body).unwrap())
    }

    /// The whole answer to a request with these headers.
    pub(crate) async fn post(
        &self,
        accept: &str,
        headers: &[(&str, &str)],
        query: &str,
        variables: Value,
    ) -> (StatusCode, String) {
        let body = json!({ "query": query, "variables": variables, "extensions": { "statements": true } });
        let mut request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, accept);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// The data of an answer without errors.
    pub(crate) async fn data(&self, login: &str, query: &str, variables: Value) -> Value {
        let mut answer = self.ask(login, query, variables).await;
        assert_eq!(answer["errors"], Value::Null, "{query}");
        answer["data"].take()
    }

    /// How many statements an operation without errors takes.
    pub(crate) async fn statements(&self, login: &str, query: &str, variables: Value) -> u64 {
        let answer = self.ask(login, query, variables).await;
        assert_eq!(answer["errors"], Value::Null, "{query}");
        answer["extensions"]["statements"].as_u64().unwrap()
    }
}
