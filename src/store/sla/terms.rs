//! What a version of an SLA promises, as it is to be written.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::super::reference::References;
use super::super::sql::Bind;
use super::super::word::{AbandonType, Coverage, SlaKind};
use super::super::{organization, person, service_instance, service_offering, site};
use crate::access::Permit;

/// Ids of a list, each with its place in the input.
pub type Listed = Vec<(usize, Uuid)>;

/// What a version promises.
#[derive(Clone, Debug)]
pub enum Terms {
    /// A service offering (rules S7, S8).
    Service {
        /// The offering.
        service_offering_id: Uuid,
        /// The instance, one of the offering's service.
        service_instance_id: Option<Uuid>,
        /// How the people covered are selected.
        coverage: Option<Coverage>,
        /// The organizations that the coverage lists.
        organizations: Listed,
        /// The sites that it lists.
        sites: Listed,
        /// The people that it lists.
        people: Listed,
        /// The instances that it lists.
        service_instances: Listed,
    },
    /// Seconds to answer (rule S9).
    Queue {
        /// Seconds.
        sla_threshold: i32,
        /// What abandons count as.
        abandon_type: AbandonType,
        /// Seconds.
        abandon_threshold: Option<i32>,
    },
    /// Minutes until due (rule S11).
    Livechat {
        /// Minutes.
        due_time_in_minutes: i32,
    },
}

impl Terms {
    /// Which world they come from.
    pub fn kind(&self) -> SlaKind {
        match self {
            Self::Service { .. } => SlaKind::Service,
            Self::Queue { .. } => SlaKind::Queue,
            Self::Livechat { .. } => SlaKind::Livechat,
        }
    }

    pub(super) fn due_time(&self) -> Option<i32> {
        match self {
            Self::Livechat { due_time_in_minutes } => Some(*due_time_in_minutes),
            _ => None,
        }
    }

    pub(super) fn columns(&self) -> Vec<(&'static str, Option<Bind>)> {
        match self {
            Self::Service { service_offering_id, service_instance_id, coverage, .. } => vec![
                ("service_offering_id", Some(Bind::Uuid(*service_offering_id))),
                ("service_instance_id", service_instance_id.map(Bind::Uuid)),
                ("coverage", coverage.map(|coverage| text(coverage.word()))),
            ],
            Self::Queue { sla_threshold, abandon_type, abandon_threshold } => vec![
                ("sla_threshold", Some(Bind::Int(*sla_threshold))),
                ("abandon_type", Some(text(abandon_type.word()))),
                ("abandon_threshold", abandon_threshold.map(Bind::Int)),
            ],
            Self::Livechat { due_time_in_minutes } => {
                vec![("due_time_in_minutes", Some(Bind::Int(*due_time_in_minutes)))]
            }
        }
    }

    /// What they refer to must be there: objects of the tenant, or of those above it.
    pub(super) fn references(&self, permit: &Permit, references: &mut References) {
        let Self::Service {
            service_offering_id,
            service_instance_id,
            organizations,
            sites,
            people,
            service_instances,
            ..
        } = self
        else {
            return;
        };
        let at = |field: &str| format!("input.version.terms.service.{field}");
        if service_offering_id.is_nil() {
            // What was sent is no id: of which service the instance must be is not known.
            references.add::<service_instance::Row>(permit, at("serviceInstanceId"), *service_instance_id);
        } else {
            references.add::<service_offering::Row>(
                permit,
                at("serviceOfferingId"),
                Some(*service_offering_id),
            );
            references.add_if::<service_instance::Row>(
                permit,
                at("serviceInstanceId"),
                *service_instance_id,
                // Rule S7: the instance belongs to the service of the offering.
                " AND t.service_id = (SELECT o.service_id FROM service_offering o WHERE o.root_id = t.root_id AND o.id = ",
                |sql| {
                    sql.bind(Bind::Uuid(*service_offering_id)).push(")");
                },
            );
        }
        for (index, id) in organizations {
            references.add::<organization::Row>(permit, at(&format!("organizationIds.{index}")), Some(*id));
        }
        for (index, id) in sites {
            references.add::<site::Row>(permit, at(&format!("siteIds.{index}")), Some(*id));
        }
        for (index, id) in people {
            references.add::<person::Row>(permit, at(&format!("personIds.{index}")), Some(*id));
        }
        for (index, id) in service_instances {
            references.add::<service_instance::Row>(
                permit,
                at(&format!("serviceInstanceIds.{index}")),
                Some(*id),
            );
        }
    }

    /// The lists of a coverage: table, column, ids, each once and in their order.
    pub(super) fn lists(&self) -> Vec<(&'static str, &'static str, Vec<Uuid>)> {
        let sorted = |listed: &Listed| {
            let ids: BTreeSet<Uuid> = listed.iter().map(|(_, id)| *id).collect();
            ids.into_iter().collect()
        };
        match self {
            Self::Service { organizations, sites, people, service_instances, .. } => vec![
                ("sla_version_organization", "organization_id", sorted(organizations)),
                ("sla_version_site", "site_id", sorted(sites)),
                ("sla_version_person", "person_id", sorted(people)),
                ("sla_version_service_instance", "service_instance_id", sorted(service_instances)),
            ],
            _ => Vec::new(),
        }
    }
}

pub(super) fn text(word: &str) -> Bind {
    Bind::Text(word.to_owned())
}
