//! Which SLAs a request falls under (rules C1, S8), and the graph of instances (rules O4, C3).

use std::collections::{BTreeMap, BTreeSet};

use sla_gateway::clock::coverage::{Coverage, CoverageKind, Covering, Relations, Requester, Uses, concerned};
use sla_gateway::clock::targets::Effect;
use uuid::Uuid;

use super::id;

/// Every list names the same: that a kind looks at its own lists only is for the tests to tell.
fn coverage(kind: CoverageKind) -> Coverage {
    let seven = BTreeSet::from([id(7)]);
    Coverage {
        kind,
        organizations: seven.clone(),
        sites: seven.clone(),
        people: seven.clone(),
        service_instances: seven,
    }
}

fn covering(kind: CoverageKind, instance: u128) -> Covering {
    Covering { instance: Some(id(instance)), customer_account: Some(id(7)), coverage: coverage(kind) }
}

fn uses((upper, lower, effect): (u128, u128, Effect)) -> Uses {
    Uses { upper: id(upper), lower: id(lower), effect }
}

#[test]
fn s8_each_kind_covers_by_its_own_trait_of_the_requester() {
    let seven = Some(id(7));
    let set = BTreeSet::from([id(7)]);
    let nobody = Requester::default();
    let people: [(&[CoverageKind], Requester); 7] = [
        (&[CoverageKind::CustomerAccount], Requester { account: seven, ..nobody.clone() }),
        (
            &[CoverageKind::OrganizationsAndDescendants, CoverageKind::Organizations],
            Requester { organization: seven, ..nobody.clone() },
        ),
        (
            &[CoverageKind::OrganizationsAndDescendants],
            Requester { organizations_above: set.clone(), ..nobody.clone() },
        ),
        (&[CoverageKind::Sites], Requester { site: seven, ..nobody.clone() }),
        (&[CoverageKind::People], Requester { person: seven, ..nobody.clone() }),
        (&[CoverageKind::CisOfServiceInstance], Requester { uses_cis_of: set.clone(), ..nobody.clone() }),
        (&[CoverageKind::ServiceInstances], Requester { supports: set, ..nobody.clone() }),
    ];
    for kind in CoverageKind::ALL {
        assert!(!covering(*kind, 7).covers(&nobody), "{kind:?}");
        for (kinds, requester) in &people {
            assert_eq!(covering(*kind, 7).covers(requester), kinds.contains(kind), "{kind:?} {requester:?}");
        }
    }
    let both = Requester { organization: seven, site: seven, ..nobody };
    assert!(covering(CoverageKind::OrganizationsAndSites, 7).covers(&both), "organization and site");
}

#[test]
fn c3_failure_passes_down_only_along_a_path_of_nothing_but_down() {
    use Effect::{Degraded, Down};
    let edges = [(1, 2, Down), (2, 3, Degraded), (1, 4, Degraded), (4, 3, Down), (1, 5, Down), (5, 6, Down)];
    let mut graph: Relations = edges.map(uses).into_iter().collect();
    let above = |graph: &Relations| graph.above(id(3)).into_iter().collect::<BTreeMap<_, _>>();
    let map = |pairs: &[(u128, Effect)]| -> BTreeMap<Uuid, Effect> {
        pairs.iter().map(|(number, effect)| (id(*number), *effect)).collect()
    };
    assert_eq!(
        graph.below(&[id(1)]).into_iter().collect::<BTreeMap<_, _>>(),
        map(&[(2, Down), (3, Degraded), (4, Degraded), (5, Down), (6, Down)])
    );
    assert_eq!(above(&graph), map(&[(1, Degraded), (2, Degraded), (4, Down)]));
    graph.add(uses((1, 3, Down)));
    assert_eq!(above(&graph)[&id(1)], Down, "the worst path counts");
}

#[test]
fn c1_a_request_falls_under_the_slas_upward_and_those_between_providers_on_the_way() {
    let edges = [(1, 2, Effect::Down), (2, 3, Effect::Down), (9, 3, Effect::Down)];
    let graph: Relations = edges.map(uses).into_iter().collect();
    let between = |instance, consumer| {
        let mut sla = covering(CoverageKind::ServiceInstances, instance);
        sla.coverage.service_instances = BTreeSet::from([id(consumer)]);
        sla
    };
    let slas = [
        covering(CoverageKind::People, 1),
        covering(CoverageKind::People, 4),
        between(2, 1),
        between(3, 2),
        between(3, 9),
        covering(CoverageKind::Sites, 1),
        covering(CoverageKind::People, 3),
    ];
    let requester = Requester { person: Some(id(7)), ..Requester::default() };
    assert_eq!(concerned(&slas, &requester, Some(id(1)), &graph), [0]);
    assert_eq!(concerned(&slas, &requester, Some(id(2)), &graph), [0, 2]);
    assert_eq!(concerned(&slas, &requester, Some(id(3)), &graph), [0, 2, 3, 6]);
    let stranger = Requester::default();
    assert_eq!(concerned(&slas, &stranger, Some(id(3)), &graph), [] as [usize; 0]);
    let whole_service = Covering { instance: None, ..covering(CoverageKind::People, 1) };
    assert_eq!(concerned(&[whole_service.clone(), slas[0].clone()], &requester, None, &graph), [0]);
    assert_eq!(concerned(&[whole_service], &requester, Some(id(3)), &graph), [0]);
}
