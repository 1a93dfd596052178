//! The SLA gateway: five dialects of service level agreements in one GraphQL schema over one Postgres store.
//!
//! # The rooms
//! The path of a file predicts its content; a noun is one file in [`store`] and one in [`graphql`].
//!
//! | room | what it holds |
//! |---|---|
//! | `main.rs` | the command line, and nothing else |
//! | [`config`] | flags and environment, made into one typed value; nothing else reads the environment |
//! | [`error`] | the closed list of ways an operation fails, each with its wire code |
//! | [`access`] | who asks and what they may do: `Viewer`, `Reach` for reads, `Permit` for writes |
//! | [`clock`] | the rules of time, pure: calendars, targets, the fold from events to an affected SLA, explanations |
//! | [`store`] | all SQL: a row struct and its statements per noun, and the composer of pages |
//! | [`graphql`] | object types, connections, inputs, payloads; loaders; the one `Gateway` behind all transports |
//! | [`breach`] | deadlines to records, records to positions, positions to subscribers |
//! | [`http`] | requests, websockets, event streams, pages, health |
//! | [`postgres`] | a private Postgres for `run` and for the tests |
//! | [`sample`] | the worlds for exploring, and a store of any size for measuring |
//!
//! `main → http → graphql → {access, clock, breach, store} → error`; `breach → {store, clock}`;
//! `store → {clock's types, access's Reach and Permit}`. A test reads the `use` lines and says so.
//!
//! # One operation
//! ```text
//! request or socket ─▶ http: credentials ─▶ Viewer ─▶ Gateway: guard, cache of documents ─▶ one Asking per operation
//!    ─▶ resolvers ─▶ page / loaders ─▶ store: one statement per level and kind of object, on one connection
//! ```
//!
//! # What of `async-graphql-axum` is used, and what is replaced
//! `GraphQLResponse` makes the body and headers of every answer to a query or mutation. The rest is replaced, since each
//! part breaks a standard that clients rely on:
//!
//! - Of `GraphQLResponse` the media type and status, which do not depend on what the client accepts or on whether the
//!   request could be run; and the extractor `GraphQLRequest`, which runs mutations by GET, takes JSON out of any content
//!   type, and reads bodies without limit. [`http`] negotiates, says 400, 405, 406, 408, 413, 415, and passes the
//!   `graphql-http` audit.
//! - `GraphQLWebSocket` and `GraphQLProtocol`, which know no init timeout, replace a duplicate id, close with the wrong
//!   codes, send validation errors as `next` and let a peer that does not read block its timers. [`http`] speaks
//!   graphql-transport-ws with every close code.
//! - The engine's own parser and rules recurse without bound on a client's text: [`graphql::document`] reads, measures
//!   and validates a document in front of them, once, and remembers it.

pub mod access;
pub mod breach;
pub mod clock;
pub mod config;
pub mod error;
pub mod graphql;
pub mod http;
pub mod postgres;
pub mod sample;
pub mod store;
