//! The SLA gateway: five dialects of service level agreements in one GraphQL schema over one Postgres store.
//!
//! # The rooms
//!
//! | room | what is in it | imports |
//! |---|---|---|
//! | [`config`] | flags and environment, made into one typed value; alone in reading the environment | `access` |
//! | [`error`] | the closed list of ways an operation fails, each with its wire code; mistakes of an input | `access::Permission`, `store::id` |
//! | [`access`] | who asks: a token becomes a `Viewer`, who gives a `Reach` to read by and a `Permit` to write by | `error` |
//! | [`clock`] | the rules of time, pure: calendars, targets, the fold from a request's events to its clocks | nothing |
//! | [`metrics`] | what is measured, as a Prometheus server reads it | nothing |
//! | [`store`] | rows and all SQL; a noun is one file | `access`, `clock`, `error`, `metrics` |
//! | [`breach`] | deadlines become records, records get positions, positions reach subscribers | `access`, `store`, `error` |
//! | [`graphql`] | the schema; a noun is one file, its mutations in `<noun>/write.rs` | `access`, `breach`, `clock`, `error`, `metrics`, `store`, `webhook::address` |
//! | [`http`] | requests, websockets, event streams, pages, health | `graphql`, `access`, `error`, `metrics` |
//! | [`webhook`], [`mail`] | what leaves the house by itself: signed deliveries of the log, messages of limits | `breach`, `store`, `error`, `metrics` |
//! | [`import`] | files of other systems, taken in as requests and events | `access`, `clock`, `store`, `error` |
//! | [`sample`] | worlds to explore, and a large store to measure on | `access`, `clock`, `store::promise` |
//! | [`postgres`] | a Postgres of the gateway's own, for `run` and for tests | nothing |
//!
//! A test (`rooms`) reads this table and the paths that sources name, and holds the one to the other. The binary puts the
//! rooms together.
//!
//! What they all follow is written down in [`rules`]: a comment that cites "rule C5" means the one of that number.
//!
//! # One operation
//!
//! `http` turns credentials into a [`access::Viewer`] and hands request, socket or event stream to one
//! [`graphql::gateway::Gateway`], so that limits, permissions and error codes cannot differ between them. The document
//! is measured and validated before the engine sees it ([`graphql::document`]); one [`graphql::asking::Asking`] per
//! operation holds the viewer, the time, one connection and the loaders. A read takes a [`access::Reach`], a write a
//! [`access::Permit`]: a query without tenant scope cannot be written by accident, and a mutation without a permission
//! check does not compile.
//!
//! # What of async-graphql-axum is used
//!
//! Its `GraphQLResponse` writes answers. Its extractor `GraphQLRequest` and its `GraphQLSubscription` are replaced,
//! because they break the standards that clients rely on:
//!
//! - **HTTP** (`http::graphql`): content types are checked, which closes cross-site requests, and negotiated; status
//!   codes follow GraphQL over HTTP; GET runs queries only; bodies have a limit and a deadline; malformed requests are
//!   answered in GraphQL's own form.
//! - **Websocket** (`http::socket`): every close code of graphql-transport-ws, pings, limits on sockets, operations and
//!   frames, origins, an end when the token ends, and a drain at shutdown.
//!
//! The engine's parser is not used on what clients send either: it recurses without bound. `apollo-compiler` reads and
//! validates the text, and the parsed document is handed over.

// Every noun adds a layer to the futures of the merged roots; the compiler follows them to the last.
#![recursion_limit = "256"]

pub mod access;
pub mod breach;
pub mod clock;
pub mod config;
pub mod error;
pub mod graphql;
pub mod http;
pub mod import;
pub mod mail;
pub mod metrics;
pub mod postgres;
#[doc = include_str!("rules.md")]
pub mod rules {}
pub mod sample;
pub mod store;
pub mod webhook;
