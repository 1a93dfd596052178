//! Rows by the names of their columns, for worlds small enough to be written out.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tokio_postgres::Transaction;

use super::{Error, Progress};

macro_rules! tables {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// The tables, in an order in which foreign keys let them be filled.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Table { $($variant),* }

        impl Table {
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

tables! {
    Tenant = "tenant",
    TenantClosure = "tenant_closure",
    Organization = "organization",
    Site = "site",
    Team = "team",
    Person = "person",
    TeamMember = "team_member",
    Role = "role",
    RoleGrant = "role_grant",
    Calendar = "calendar",
    CalendarHours = "calendar_hours",
    CalendarHoliday = "calendar_holiday",
    Service = "service",
    ServiceOffering = "service_offering",
    OfferingTarget = "offering_target",
    StandardServiceRequest = "standard_service_request",
    ServiceInstance = "service_instance",
    ServiceInstanceRelation = "service_instance_relation",
    Sla = "sla",
    SlaVersion = "sla_version",
    SlaVersionOrganization = "sla_version_organization",
    SlaVersionSite = "sla_version_site",
    SlaVersionPerson = "sla_version_person",
    SlaVersionServiceInstance = "sla_version_service_instance",
    SlaActivation = "sla_activation",
    Project = "project",
    SlaLimit = "sla_limit",
    TimeEntry = "time_entry",
    Request = "request",
    RequestEvent = "request_event",
    AffectedSla = "affected_sla",
    Deadline = "deadline",
    Breach = "breach",
    BreachKey = "breach_key",
    BreachLog = "breach_log",
}

/// Rows that wait to be inserted. Columns that a row does not name take their defaults.
#[derive(Default)]
pub(super) struct Rows(BTreeMap<Table, Vec<Map<String, Value>>>);

impl Rows {
    pub(super) fn add(&mut self, table: Table, row: Value) {
        if let Value::Object(row) = row {
            self.0.entry(table).or_default().push(row);
        }
    }

    /// Inserts them, and says how many rows each table got.
    pub(super) async fn insert(
        &self,
        transaction: &Transaction<'_>,
        progress: Progress<'_>,
    ) -> Result<Vec<(&'static str, u64)>, Error> {
        let all = self.0.values().map(|rows| rows.len() as u64).sum();
        let mut done = 0;
        let mut counts = Vec::with_capacity(self.0.len());
        for (table, rows) in &self.0 {
            let name = table.name();
            progress(name, done, all);
            let mut by_columns: BTreeMap<String, Vec<&Map<String, Value>>> = BTreeMap::new();
            for row in rows {
                let columns: Vec<&str> = row.keys().map(String::as_str).collect();
                by_columns.entry(columns.join(", ")).or_default().push(row);
            }
            for (columns, rows) in by_columns {
                let insert = format!(
                    "INSERT INTO {name} ({columns}) \
                     SELECT {columns} FROM jsonb_populate_recordset(NULL::{name}, $1::text::jsonb)"
                );
                let rows = serde_json::to_string(&rows).map_err(|cause| Error::Sample(cause.to_string()))?;
                transaction.execute(&insert, &[&rows]).await?;
            }
            done += rows.len() as u64;
            counts.push((name, rows.len() as u64));
        }
        progress("done", done, all);
        Ok(counts)
    }
}
