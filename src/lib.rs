//! The SLA gateway: five dialects of service level agreements in one GraphQL schema over one Postgres store.

pub mod access;
pub mod error;
pub mod postgres;
pub mod store {
    //! The only place of SQL.
    pub mod connect;
    pub mod id;
    pub(crate) mod schema;
}
