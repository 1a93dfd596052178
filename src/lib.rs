//! The SLA gateway: five dialects of service level agreements in one GraphQL schema over one Postgres store.

pub mod access;
pub mod breach;
pub mod clock;
pub mod config;
pub mod error;
pub mod graphql;
pub mod http;
pub mod mail;
pub mod postgres;
pub mod sample;
pub mod store;
pub mod webhook;
