//! The gateway through its public door, against a real Postgres.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod app;
mod attainment;
mod breach_figures;
mod breach_limits;
mod breaches;
mod bulk_intake;
mod cli;
mod clock;
mod columns;
mod contract;
mod database;
mod explanations;
mod guard;
mod http;
mod import;
mod inputs;
mod intake;
mod introspection;
mod pages;
mod postgres;
mod recalculation;
mod rooms;
mod sample;
mod schema;
mod seeds;
mod simulations;
mod socket;
mod statements;
mod tenants;
mod time_entries;
mod tls;
mod tokens;
mod toy;
mod versions;
mod writes;
