//! The SLAs of the sample, with their versions.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::random::key;
use super::rows::Table;
use super::world::{Instance, Offering, Person, Tenant, World, merge};
use crate::clock::coverage::{Coverage, CoverageKind, Covering};

/// An active SLA with service terms, with all that a clock freezes of it (rule C2).
pub(super) struct ServicePromise {
    pub(super) tenant: Tenant,
    /// Whether it is one of the tenants below too (rule S5).
    pub(super) shared: bool,
    pub(super) sla: Uuid,
    pub(super) version: Uuid,
    pub(super) offering: Offering,
    pub(super) instance: Option<Instance>,
    pub(super) covering: Covering,
}

/// What an SLA with service terms is made of.
pub(super) struct ServiceSla<'a> {
    pub(super) number: u32,
    pub(super) name: &'a str,
    pub(super) offering: &'a Offering,
    pub(super) instance: Option<Instance>,
    pub(super) customer: Uuid,
    pub(super) coverage: Coverage,
    pub(super) shared: bool,
    pub(super) status: &'a str,
    pub(super) customer_rep: Option<&'a Person>,
    pub(super) manager: Option<&'a Person>,
    pub(super) start_date: Option<NaiveDate>,
    pub(super) notice_date: Option<NaiveDate>,
    pub(super) expiry_date: Option<NaiveDate>,
    pub(super) remarks: Option<&'a str>,
    /// Null = at the tenant's own beginning.
    pub(super) created_at: Option<DateTime<Utc>>,
}

/// A version of an SLA, active from when it was made until the next one.
pub(super) struct Version<'a> {
    /// Null = made of the SLA's key and the version's number.
    pub(super) key: Option<Uuid>,
    pub(super) at: DateTime<Utc>,
    pub(super) by: Option<Uuid>,
    pub(super) name: &'a str,
    pub(super) description: Option<&'a str>,
    /// The columns of its kind of terms.
    pub(super) terms: Value,
}

impl<'a> ServiceSla<'a> {
    /// An active one that covers all people of the customer's account.
    pub(super) fn new(number: u32, name: &'a str, offering: &'a Offering, customer: Uuid) -> Self {
        Self {
            number,
            name,
            offering,
            instance: None,
            customer,
            coverage: covers(CoverageKind::CustomerAccount, []),
            shared: false,
            status: "active",
            customer_rep: None,
            manager: None,
            start_date: None,
            notice_date: None,
            expiry_date: None,
            remarks: None,
            created_at: None,
        }
    }
}

/// A coverage whose kind needs one list at the most.
pub(super) fn covers(kind: CoverageKind, list: impl IntoIterator<Item = Uuid>) -> Coverage {
    let mut coverage = Coverage {
        kind,
        organizations: BTreeSet::new(),
        sites: BTreeSet::new(),
        people: BTreeSet::new(),
        service_instances: BTreeSet::new(),
    };
    match kind {
        CoverageKind::Sites => coverage.sites.extend(list),
        CoverageKind::People => coverage.people.extend(list),
        CoverageKind::ServiceInstances => coverage.service_instances.extend(list),
        _ => coverage.organizations.extend(list),
    }
    coverage
}

impl World {
    /// An SLA with service terms. It promises something to requests only if its status is active (rule S6).
    pub(super) fn service_sla(&mut self, tenant: Tenant, sla: ServiceSla<'_>) -> Uuid {
        let id = tenant.key(Table::Sla, sla.number);
        let at = sla.created_at.unwrap_or(tenant.since);
        let columns = json!({
            "source": tenant.source, "source_id": sla.number.to_string(), "shared": sla.shared,
            "status": sla.status, "customer_id": sla.customer,
            "customer_rep_id": sla.customer_rep.map(|person| person.id),
            "service_level_manager_id": sla.manager.map(|person| person.id),
            "start_date": sla.start_date, "notice_date": sla.notice_date, "expiry_date": sla.expiry_date,
            "remarks": sla.remarks,
        });
        let terms = json!({
            "service_offering_id": sla.offering.id,
            "service_instance_id": sla.instance.map(|instance| instance.id),
            "coverage": sla.coverage.kind.as_str(),
        });
        let by = sla.manager.map(|person| person.id);
        let version = Version { key: None, at, by, name: "Version 1", description: None, terms };
        let version = self.sla(tenant, (id, "service", sla.name), columns, vec![version]);
        let Coverage { organizations, sites, people, service_instances, .. } = &sla.coverage;
        let lists = [
            (Table::SlaVersionOrganization, "organization_id", organizations),
            (Table::SlaVersionSite, "site_id", sites),
            (Table::SlaVersionPerson, "person_id", people),
            (Table::SlaVersionServiceInstance, "service_instance_id", service_instances),
        ];
        for (table, column, listed) in lists {
            for id in listed {
                self.link(tenant, table, json!({ "sla_version_id": version, column: id }));
            }
        }
        if sla.status == "active" {
            self.promises.push(ServicePromise {
                tenant,
                shared: sla.shared,
                sla: id,
                version,
                offering: sla.offering.clone(),
                instance: sla.instance,
                covering: Covering {
                    instance: sla.instance.map(|instance| instance.id),
                    customer_account: self.organizations.get(&sla.customer).map(|(tenant, _)| *tenant),
                    coverage: sla.coverage,
                },
            });
        }
        id
    }

    /// An SLA with its versions, oldest first. Gives the one that is active now: the last.
    pub(super) fn sla(
        &mut self,
        tenant: Tenant,
        (id, kind, name): (Uuid, &str, &str),
        columns: Value,
        versions: Vec<Version<'_>>,
    ) -> Uuid {
        let mut row = json!({ "id": id, "kind": kind, "name": name, "status": "active" });
        let mut active = Uuid::nil();
        for (number, version) in (1..).zip(versions) {
            let Version { at, by, .. } = version;
            active = version.key.unwrap_or_else(|| key(at, &format!("{id}/version/{number}")));
            let mut columns = json!({
                "id": active, "sla_id": id, "number": number, "version_name": version.name,
                "description": version.description, "kind": kind, "created_at": at, "created_by": by,
            });
            merge(&mut columns, version.terms);
            self.link(tenant, Table::SlaVersion, columns);
            let activation = json!({
                "id": key(at, &format!("{id}/activation/{number}")), "sla_id": id, "sla_version_id": active,
                "activated_at": at, "activated_by": by,
            });
            self.link(tenant, Table::SlaActivation, activation);
            if number == 1 {
                merge(&mut row, json!({ "created_at": at, "created_by": by }));
            }
            merge(&mut row, json!({ "updated_at": at, "updated_by": by, "active_version_id": active }));
        }
        merge(&mut row, columns);
        self.link(tenant, Table::Sla, row);
        active
    }
}
