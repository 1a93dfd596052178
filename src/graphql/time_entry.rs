//! TimeEntry: Hours that were spent on a project.

mod write;

pub use write::{
    TimeEntryMutation, TimeEntryPayload, TimeEntryRecordInput, TimeEntryRecordManyInput,
    TimeEntryRecordManyPayload,
};

use async_graphql::{Context, ID, Result};
use uuid::Uuid;

use super::filter::{filter, order};
use super::node::{Entity, entity, lookup, related, required};
use super::page::{object, root_fields};
use super::scalar::DateTime;
use super::{AuditEntry, AuditEntryFilter, AuditEntryOrder, Person, Project, Tenant};

entity!(TimeEntry over time_entry);

filter! {
    /// Which time entries. All conditions that are given must hold.
    TimeEntryFilter over time_entry {
        /// Its own id.
        id: IdFilter (TimeEntry) => ID,
        /// The tenant that owns it. `eq` and `in` answer `NOT_FOUND` for a tenant that the viewer does not know.
        tenant: IdFilter (Tenant) => TENANT,
        /// The project.
        project: IdFilter (Project) => PROJECT,
        /// Who spent them.
        person: IdFilter (Person) => PERSON,
        /// What they were spent on.
        category: StringFilter => CATEGORY,
        /// From when.
        started_at: DateTimeFilter => STARTED_AT,
        /// Until when.
        ended_at: DateTimeFilter => ENDED_AT,
        /// The system it was imported from.
        source: StringFilter => SOURCE,
        /// Its id in that system.
        source_id: StringFilter => SOURCE_ID,
        /// When they were logged.
        created_at: DateTimeFilter => CREATED_AT,
        /// When the entry was last corrected.
        updated_at: DateTimeFilter => UPDATED_AT,
    }
}

order! {
    /// One part of the order of time entries. Default: the newest first.
    TimeEntryOrder by TimeEntryOrderField over time_entry {
        /// Its id: in the order in which they were made.
        Id => ID,
        /// From when.
        StartedAt => STARTED_AT,
        /// Until when.
        EndedAt => ENDED_AT,
    } default: STARTED_AT Desc
}

object! {
    /// Hours that were spent on a project.
    impl TimeEntry {
        /// What was written to it, the newest first. Needs `tenants:admin`: else it is null, with an error.
        audit_log: AuditEntry [AuditEntryFilter, AuditEntryOrder] under crate::store::audit_entry::UNDER_OBJECT;
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

    /// The project.
    async fn project(&self, ctx: &Context<'_>) -> Result<Project> {
        required::<Project>(ctx, self.0.project_id).await
    }

    /// Who spent them; null when not known.
    async fn person(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        related::<Person>(ctx, self.0.person_id).await
    }

    /// What they were spent on: a limit counts only its own categories.
    async fn category(&self) -> &str {
        &self.0.category
    }

    /// From when.
    async fn started_at(&self) -> DateTime {
        self.0.started_at.into()
    }

    /// Until when.
    async fn ended_at(&self) -> DateTime {
        self.0.ended_at.into()
    }

    /// When they were logged.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When the entry was last corrected; `createdAt` until the first time.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }

    /// The system it was imported from; null when made here.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// Its id in that system; null when made here.
    async fn source_id(&self) -> Option<&str> {
        self.0.source_id.as_deref()
    }
}

/// Reading time entries.
#[derive(Default)]
pub struct TimeEntryQuery;

root_fields! {
    impl TimeEntryQuery {
        /// The time entries of every tenant in which the viewer holds `service-level-agreement-limits:access`.
        time_entries: TimeEntry [TimeEntryFilter, TimeEntryOrder];
    }

    /// The time entry of an id; needs `service-level-agreement-limits:access`.
    async fn time_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Option<TimeEntry>> {
        lookup::<TimeEntry>(ctx, &id).await
    }
}
