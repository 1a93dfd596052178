//! The GraphQL room.

pub mod document;
pub mod gateway;
