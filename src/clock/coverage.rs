//! Which SLAs a request falls under (rules C1, S8), and how instances hang together (rules O4, C3).

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::targets::Effect;

words! {
    /// How the people that an SLA covers are selected (rule S8) [seed: 4me].
    pub enum CoverageKind {
        /// All people of the customer's account.
        CustomerAccount = "customer_account",
        /// People of the listed organizations and those below them.
        OrganizationsAndDescendants = "organizations_and_descendants",
        /// People of the listed organizations.
        Organizations = "organizations",
        /// People of the listed sites.
        Sites = "sites",
        /// People of one of the listed organizations at one of the listed sites.
        OrganizationsAndSites = "organizations_and_sites",
        /// The listed people.
        People = "people",
        /// People who use configuration items of the SLA's service instance.
        CisOfServiceInstance = "cis_of_service_instance",
        /// Members of the support teams of the listed service instances.
        ServiceInstances = "service_instances",
    }
}

/// A coverage: its kind, and the lists that the kind needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// How people are selected.
    pub kind: CoverageKind,
    /// Listed organizations.
    pub organizations: BTreeSet<Uuid>,
    /// Listed sites.
    pub sites: BTreeSet<Uuid>,
    /// Listed people.
    pub people: BTreeSet<Uuid>,
    /// Listed service instances: the consumers of an SLA between providers.
    pub service_instances: BTreeSet<Uuid>,
}

/// What is known of the person that a request is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requester {
    /// The person.
    pub person: Option<Uuid>,
    /// The tenant that the person belongs to.
    pub account: Option<Uuid>,
    /// The person's organization.
    pub organization: Option<Uuid>,
    /// The organizations above it.
    pub organizations_above: BTreeSet<Uuid>,
    /// The person's site.
    pub site: Option<Uuid>,
    /// Service instances of whose configuration items the person is a user.
    pub uses_cis_of: BTreeSet<Uuid>,
    /// Service instances in whose support teams the person is.
    pub supports: BTreeSet<Uuid>,
}

/// What decides whether an SLA concerns a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covering {
    /// The SLA's service instance; `None` when it is for the service as a whole and covers every instance.
    pub instance: Option<Uuid>,
    /// The tenant of the customer organization.
    pub customer_account: Option<Uuid>,
    /// The coverage.
    pub coverage: Coverage,
}

/// `upper` uses `lower`; when the lower one fails, the upper one is affected so (rule O4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uses {
    /// The instance that uses the other one.
    pub upper: Uuid,
    /// The instance that is used.
    pub lower: Uuid,
    /// What the failure of the lower one does to the upper one.
    pub effect: Effect,
}

impl Covering {
    /// Whether the SLA covers the person (rule S8).
    pub fn covers(&self, requester: &Requester) -> bool {
        let Coverage { organizations, sites, people, service_instances, .. } = &self.coverage;
        let listed = |list: &BTreeSet<Uuid>, id: Option<Uuid>| id.is_some_and(|id| list.contains(&id));
        let in_organization = listed(organizations, requester.organization);
        match self.coverage.kind {
            CoverageKind::CustomerAccount => {
                self.customer_account.is_some() && requester.account == self.customer_account
            }
            CoverageKind::OrganizationsAndDescendants => {
                in_organization || !organizations.is_disjoint(&requester.organizations_above)
            }
            CoverageKind::Organizations => in_organization,
            CoverageKind::Sites => listed(sites, requester.site),
            CoverageKind::OrganizationsAndSites => in_organization && listed(sites, requester.site),
            CoverageKind::People => listed(people, requester.person),
            CoverageKind::CisOfServiceInstance => {
                self.instance.is_some_and(|instance| requester.uses_cis_of.contains(&instance))
            }
            CoverageKind::ServiceInstances => !service_instances.is_disjoint(&requester.supports),
        }
    }
}

/// Which of the SLAs a request about `instance` falls under (rule C1), as indexes into `slas`.
///
/// These are the SLAs that cover the requester, on the instance itself and on every one that uses it; and, between
/// such an SLA and the request, the SLAs with `SERVICE_INSTANCES` coverage whose consumer lies on the path. The
/// caller passes active SLAs only (rule S6).
pub fn concerned(
    slas: &[Covering],
    requester: &Requester,
    instance: Option<Uuid>,
    uses: &[Uses],
) -> Vec<usize> {
    let Some(instance) = instance else {
        return (0..slas.len())
            .filter(|&i| slas[i].instance.is_none() && slas[i].covers(requester))
            .collect();
    };
    let mut upward: BTreeSet<Uuid> = above(instance, uses).into_keys().collect();
    upward.insert(instance);
    let on_the_way = |sla: &Covering| sla.instance.is_none_or(|at| upward.contains(&at));
    let covered: BTreeSet<Uuid> = slas
        .iter()
        .filter(|sla| on_the_way(sla) && sla.covers(requester))
        .filter_map(|sla| sla.instance)
        .collect();
    let leads_to_covered = |consumer: Uuid| {
        covered.contains(&consumer) || above(consumer, uses).keys().any(|up| covered.contains(up))
    };
    let underpins = |sla: &Covering| {
        let Some(at) = sla.instance else { return false };
        let consumers = above(at, uses);
        sla.coverage.kind == CoverageKind::ServiceInstances
            && sla
                .coverage
                .service_instances
                .iter()
                .any(|consumer| consumers.contains_key(consumer) && leads_to_covered(*consumer))
    };
    (0..slas.len())
        .filter(|&i| on_the_way(&slas[i]) && (slas[i].covers(requester) || underpins(&slas[i])))
        .collect()
}

/// The instances that use this one, directly or not, and what its failure does to them.
pub fn above(instance: Uuid, uses: &[Uses]) -> BTreeMap<Uuid, Effect> {
    reach(&BTreeSet::from([instance]), uses, |edge| (edge.lower, edge.upper))
}

/// The instances that one of these uses, directly or not, and what their failure does to it.
pub fn below<'a>(instances: impl IntoIterator<Item = &'a Uuid>, uses: &[Uses]) -> BTreeMap<Uuid, Effect> {
    reach(&instances.into_iter().copied().collect(), uses, |edge| (edge.upper, edge.lower))
}

/// Follows the relations. An instance reached by a path of nothing but DOWN is down, any other one degraded.
fn reach(
    from: &BTreeSet<Uuid>,
    uses: &[Uses],
    ends: impl Fn(&Uses) -> (Uuid, Uuid),
) -> BTreeMap<Uuid, Effect> {
    let mut next: BTreeMap<Uuid, Vec<(Uuid, Effect)>> = BTreeMap::new();
    for edge in uses {
        let (near, far) = ends(edge);
        next.entry(near).or_default().push((far, edge.effect));
    }
    let mut reached = BTreeMap::new();
    for strongest in [Effect::Down, Effect::Degraded] {
        let mut open: Vec<Uuid> = from.iter().copied().collect();
        let mut visited = from.clone();
        while let Some(at) = open.pop() {
            for &(far, effect) in next.get(&at).into_iter().flatten() {
                if effect <= strongest && visited.insert(far) {
                    reached.entry(far).or_insert(strongest);
                    open.push(far);
                }
            }
        }
    }
    reached
}
