//! Project: What hours are spent on.

mod write;

pub use write::*;

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::{
    AuditEntry, AuditEntryFilter, AuditEntryOrder, SlaLimit, SlaLimitFilter, SlaLimitOrder, Tenant,
    TimeEntry, TimeEntryFilter, TimeEntryOrder,
};
use crate::store;

entity!(Project over project);

filter! {
    /// Which projects. All conditions that are given must hold.
    ProjectFilter over project {
        /// Its own id.
        id: IdFilter (Project) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// Its name.
        name: StringFilter => NAME,
        /// The system it was imported from.
        source: StringFilter => SOURCE,
        /// Its id in that system.
        source_id: StringFilter => SOURCE_ID,
        /// When it was made.
        created_at: DateTimeFilter => CREATED_AT,
        /// When it was last updated.
        updated_at: DateTimeFilter => UPDATED_AT,
    }
}

order! {
    /// One part of the order of projects. Default: by name.
    ProjectOrder by ProjectOrderField over project {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// Its name.
        Name => NAME,
        /// Its id in the system it was imported from, as text: `10` comes before `9`.
        SourceId => SOURCE_ID,
        /// When it was made.
        CreatedAt => CREATED_AT,
        /// When it was last updated.
        UpdatedAt => UPDATED_AT,
    } default: NAME Asc
}

object! {
    /// What hours are spent on.
    impl Project {
        /// Its limits, in the order in which they were made. Needs `service-level-agreement-limits:access`: else it is null, with an error.
        sla_limits: SlaLimit [SlaLimitFilter, SlaLimitOrder] under store::sla_limit::UNDER_PROJECT;
        /// The hours spent on it, the newest first. Needs `service-level-agreement-limits:access`: else it is null, with an error.
        time_entries: TimeEntry [TimeEntryFilter, TimeEntryOrder] under store::time_entry::UNDER_PROJECT;
        /// What was written to it, the newest first. Needs `tenants:admin`: else it is null, with an error.
        audit_log: AuditEntry [AuditEntryFilter, AuditEntryOrder] under store::audit_entry::UNDER_OBJECT;
    }

    /// Opaque and unique over all types.
    pub async fn id(&self) -> ID {
        self.global_id()
    }

    /// The key within its type: what other systems keep.
    async fn uuid(&self) -> Uuid {
        self.0.id
    }

    /// The tenant that owns it.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Tenant> {
        required::<Tenant>(ctx, self.0.tenant_id).await
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The system it was imported from; null when made here.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// Its id in that system; null when made here.
    async fn source_id(&self) -> Option<&str> {
        self.0.source_id.as_deref()
    }

    /// Rises by one with each update; send it as `expectedRevision` so as not to overwrite others.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last updated; `createdAt` until the first update.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }
}

/// Reading projects.
#[derive(Default)]
pub struct ProjectQuery;

root_fields! {
    impl ProjectQuery {
        /// The projects of every tenant in which the viewer holds `catalog:read`.
        projects: Project [ProjectFilter, ProjectOrder];
    }

    /// The project of an id; needs any right in its tenant or in one below it.
    async fn project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<Project>> {
        lookup::<Project>(ctx, &id).await
    }
}
