//! Which SLAs a request falls under (rules C1, S8), and how instances hang together (rules O4, C3).

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap, HashSet};

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

/// Which instances use which (rule O4). Made once of many, since it is asked of each request and of each clock.
#[derive(Clone, Debug, Default)]
pub struct Relations {
    numbers: HashMap<Uuid, usize>,
    ids: Vec<Uuid>,
    /// By number, the instances that use one, and what its failure does to them.
    upper: Vec<Vec<(usize, Effect)>>,
    /// By number, the instances that one uses, and what their failure does to it.
    lower: Vec<Vec<(usize, Effect)>>,
}

impl FromIterator<Uses> for Relations {
    fn from_iter<T: IntoIterator<Item = Uses>>(all: T) -> Self {
        let mut relations = Self::default();
        all.into_iter().for_each(|uses| relations.add(uses));
        relations
    }
}

impl Relations {
    /// One more.
    pub fn add(&mut self, Uses { upper, lower, effect }: Uses) {
        let (upper, lower) = (self.number(upper), self.number(lower));
        self.upper[lower].push((upper, effect));
        self.lower[upper].push((lower, effect));
    }

    fn number(&mut self, id: Uuid) -> usize {
        let next = self.ids.len();
        let number = *self.numbers.entry(id).or_insert(next);
        if number == next {
            self.ids.push(id);
            self.upper.push(Vec::new());
            self.lower.push(Vec::new());
        }
        number
    }

    /// The instances that use another, or are used by one.
    pub fn instances(&self) -> &[Uuid] {
        &self.ids
    }

    /// The instances that use this one, directly or not, and what its failure does to them.
    pub fn above(&self, instance: Uuid) -> Vec<(Uuid, Effect)> {
        self.reach(&[instance], &self.upper)
    }

    /// The instances that one of these uses, directly or not, and what their failure does to it.
    pub fn below<'a>(&self, instances: impl IntoIterator<Item = &'a Uuid>) -> Vec<(Uuid, Effect)> {
        self.reach(&instances.into_iter().copied().collect::<Vec<_>>(), &self.lower)
    }

    /// Follows the relations. An instance reached by a path of nothing but DOWN is down, any other one degraded.
    fn reach(&self, from: &[Uuid], next: &[Vec<(usize, Effect)>]) -> Vec<(Uuid, Effect)> {
        let from: Vec<usize> = from.iter().filter_map(|id| self.numbers.get(id)).copied().collect();
        // Most are about an instance that nothing hangs together with.
        if from.is_empty() {
            return Vec::new();
        }
        let mut reached = Vec::new();
        let mut known = vec![false; self.ids.len()];
        for strongest in [Effect::Down, Effect::Degraded] {
            let mut visited = vec![false; self.ids.len()];
            from.iter().for_each(|&at| visited[at] = true);
            let mut open = from.clone();
            while let Some(at) = open.pop() {
                for &(far, effect) in &next[at] {
                    if effect <= strongest && !visited[far] {
                        visited[far] = true;
                        open.push(far);
                        if !known[far] {
                            known[far] = true;
                            reached.push((far, strongest));
                        }
                    }
                }
            }
        }
        reached.into_iter().map(|(number, effect)| (self.ids[number], effect)).collect()
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
    relations: &Relations,
) -> Vec<usize> {
    let Some(instance) = instance else {
        return (0..slas.len())
            .filter(|&i| slas[i].instance.is_none() && slas[i].covers(requester))
            .collect();
    };
    // Most are about the instance itself.
    let elsewhere = slas.iter().any(|sla| sla.instance.is_some_and(|at| at != instance));
    let upward: HashSet<Uuid> =
        elsewhere.then(|| relations.above(instance)).into_iter().flatten().map(|(id, _)| id).collect();
    let on_the_way = |sla: &Covering| sla.instance.is_none_or(|at| at == instance || upward.contains(&at));
    let covers: Vec<bool> = slas.iter().map(|sla| on_the_way(sla) && sla.covers(requester)).collect();
    let covered: Vec<Uuid> =
        slas.iter().zip(&covers).filter(|(_, covers)| **covers).filter_map(|(sla, _)| sla.instance).collect();
    // The consumers from which the way leads to a covered one.
    let leading = LazyCell::new(|| -> HashSet<Uuid> {
        relations.below(&covered).into_iter().map(|(id, _)| id).chain(covered.iter().copied()).collect()
    });
    let mut consumers_of: HashMap<Uuid, HashSet<Uuid>> = HashMap::new();
    let mut underpins = |sla: &Covering| {
        let Coverage { kind: CoverageKind::ServiceInstances, service_instances, .. } = &sla.coverage else {
            return false;
        };
        let mut leading = service_instances.iter().filter(|consumer| leading.contains(consumer)).peekable();
        let Some(at) = sla.instance.filter(|_| leading.peek().is_some()) else { return false };
        let consumers = || relations.above(at).into_iter().map(|(id, _)| id).collect();
        let consumers = consumers_of.entry(at).or_insert_with(consumers);
        leading.any(|consumer| consumers.contains(consumer))
    };
    (0..slas.len()).filter(|&i| covers[i] || on_the_way(&slas[i]) && underpins(&slas[i])).collect()
}
