//! The SLA gateway: five dialects of service level agreements in one GraphQL schema over one Postgres store.

pub mod clock;
