//! The gateway through its public door, against a real Postgres.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod app;
mod breach_figures;
mod breach_limits;
mod breaches;
mod cli;
mod clock;
mod columns;
mod contract;
mod database;
mod faults;
mod following;
mod guard;
mod http;
mod inputs;
mod intake;
mod introspection;
mod mail;
mod pages;
mod postgres;
mod rooms;
mod sample;
mod schema;
mod seeds;
mod socket;
mod statements;
mod tenants;
mod tls;
mod tokens;
mod toy;
mod webhooks;
mod writes;
