//! The schema. A noun is one file with its object type, its connections, its root fields, inputs and payloads.
//!
//! A resolver asks [`asking::Asking`] for rows; it never names diesel. Whatever is asked of a page goes through
//! [`page`], so that limits, orders, cursors and loaders cannot differ between nouns.

pub mod asking;
pub mod document;
pub mod filter;
pub mod gateway;
pub mod input;
pub mod load;
mod look_ahead;
pub mod node;
pub mod page;
pub mod scalar;
pub mod subscription;
mod told;
pub mod viewer;
pub mod viewers;
pub mod word;
mod write;

// The nouns.
mod affected_sla;
mod attainment;
mod audit_entry;
mod breach;
mod calendar;
mod explanation;
mod limit_notification;
mod organization;
mod person;
mod project;
mod request;
mod request_event;
mod role;
mod role_grant;
mod service;
mod service_instance;
mod service_offering;
mod service_token;
mod simulation;
mod site;
mod sla;
mod sla_activation;
mod sla_limit;
mod sla_version;
mod standard_service_request;
mod team;
mod tenant;
mod term_change;
mod time_entry;
mod webhook;

pub use affected_sla::*;
pub use attainment::*;
pub use audit_entry::*;
pub use breach::*;
pub use calendar::*;
pub use explanation::*;
pub use limit_notification::*;
pub use organization::*;
pub use person::*;
pub use project::*;
pub use request::*;
pub use request_event::*;
pub use role::*;
pub use role_grant::*;
pub use service::*;
pub use service_instance::*;
pub use service_offering::*;
pub use service_token::*;
pub use simulation::*;
pub use site::*;
pub use sla::*;
pub use sla_activation::*;
pub use sla_limit::*;
pub use sla_version::*;
pub use standard_service_request::*;
pub use team::*;
pub use tenant::*;
pub use term_change::*;
pub use time_entry::*;
pub use webhook::*;

use async_graphql::{ErrorExtensions, InputType, MergedObject, SDLExportOptions, ValidationMode};

use crate::error::Error;
use subscription::Subscription;

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        let told = async_graphql::Error::new(error.message());
        let (error, path) = match error {
            Error::Placed(error, path) => (*error, path),
            error => (error, Vec::new()),
        };
        told.extend_with(|_, extensions| {
            extensions.set("code", error.code());
            if !path.is_empty() {
                extensions.set("inputPath", path);
            }
            match &error {
                Error::Forbidden(permission) => {
                    extensions.set("permission", permission.wire_name());
                    extensions.set("permissionEnum", viewer::Permission::from(*permission).to_value());
                }
                Error::CursorExpired { oldest } => extensions.set("oldest", oldest.as_str()),
                Error::Internal(id) => extensions.set("errorId", id.to_string()),
                _ => {}
            }
        })
    }
}

/// Everything that can be read. Needs a token, but for `viewer` and introspection.
#[derive(Default, MergedObject)]
pub struct Query(
    node::NodeQuery,
    viewer::ViewerQuery,
    TenantQuery,
    SlaQuery,
    ServiceOfferingQuery,
    ServiceInstanceQuery,
    ServiceQuery,
    CalendarQuery,
    SlaLimitQuery,
    AffectedSlaQuery,
    RequestQuery,
    BreachQuery,
    OrganizationQuery,
    SiteQuery,
    TeamQuery,
    PersonQuery,
    StandardServiceRequestQuery,
    ProjectQuery,
    TimeEntryQuery,
    RoleQuery,
    RoleGrantQuery,
    ServiceTokenQuery,
    AuditEntryQuery,
    SimulationQuery,
    WebhookQuery,
);

/// Everything that can be written. Who may not is told so before the input is looked at, by the error `FORBIDDEN`, or
/// `NOT_FOUND` of what they may not see, with the path of the id that names it as `extensions.inputPath`. What is wrong with
/// an input is data, in the payload, all of it at once, ids that are none among it. What does not fit its type is refused
/// before, with its `extensions.inputPath` too. Names are kept without white space around them, in Unicode's normal form C.
///
/// A payload is never null: of several in one request, one that is refused empties `data`, and hides what those before it
/// did. Send each in a request of its own.
#[derive(Default, MergedObject)]
pub struct Mutation(
    SlaMutation,
    SlaLimitMutation,
    RequestMutation,
    TimeEntryMutation,
    AffectedSlaMutation,
    ServiceOfferingMutation,
    StandardServiceRequestMutation,
    ServiceMutation,
    ServiceInstanceMutation,
    CalendarMutation,
    OrganizationMutation,
    SiteMutation,
    TeamMutation,
    PersonMutation,
    ProjectMutation,
    TenantMutation,
    RoleMutation,
    RoleGrantMutation,
    ServiceTokenMutation,
    WebhookMutation,
);

/// The schema of the gateway.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// Builds the schema.
pub fn schema() -> Schema {
    Schema::build(Query::default(), Mutation::default(), Subscription)
        // Documents were validated before: see `document`.
        .validation_mode(ValidationMode::Fast)
        // More than `Limits::nesting`, which says where a document is nested too deep.
        .limit_recursive_depth(64)
        .disable_suggestions()
        .finish()
}

/// The schema as text: the contract that clients are generated from.
pub fn sdl() -> String {
    schema().sdl_with_options(SDLExportOptions::new().include_specified_by())
}
