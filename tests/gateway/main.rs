//! The gateway through its public door, against a real Postgres.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod app;
mod breach_figures;
mod breach_limits;
mod breaches;
mod cli;
mod clock;
mod database;
mod guard;
mod http;
mod intake;
mod postgres;
mod sample;
mod schema;
mod socket;
mod tls;
mod toy;
