//! The contact center of the seed on queue SLAs: calls answered within so many seconds.

use chrono::TimeDelta;
use chrono_tz::America;
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use super::history::{Step, Story};
use super::random::{Random, key};
use super::slas::Version;
use super::world::{Person, Tenant, World, instant};
use crate::clock::events::Status;
use crate::clock::waiting::{Abandons, QueueTerms, WaitTerms};

const TENANT: Uuid = uuid!("3fa85f64-5717-4562-b3fc-2c963f66afa6");
const JON_DOE: Uuid = uuid!("0bf2f7b0-9b33-11e8-953c-911d1138c503");
const SLA: Uuid = uuid!("14f62a30-7283-11e9-9fb2-3ea920705407");
const SLA_VERSION: Uuid = uuid!("14f62a31-7283-11e9-9fb2-3ea920705407");

/// (seconds, abandons)
type Terms = (u32, Abandons);

/// Adds the tenants, their queue SLAs with every version they had, and two weeks of calls.
pub(super) fn add(world: &mut World) {
    let since = instant("2019-01-07T09:00:00Z");
    let center = Tenant {
        root: TENANT,
        id: TENANT,
        slug: "cxengage",
        source: "cxengage",
        since,
        zone: America::New_York,
    };
    let branch = Tenant {
        id: key(since, "cxengage-west/tenant"),
        slug: "cxengage-west",
        zone: America::Denver,
        ..center
    };
    let roles = world.root(center, "CxEngage Contact Center");
    world.tenant(branch, Some(center), "CxEngage Contact Center West");
    let login = Some("jon.doe@cxengage.example.com");
    let jon = world.person_as(center, JON_DOE, 1, ("Jon", "Doe", login), (None, None));
    world.grant(center, roles.sla_editor, &jon);
    let supervisor = world.user(center, 2, "Amelia", "Grant", "manager@cxengage.example.com", (None, None));
    world.grant(center, roles.manager, &supervisor);
    let agent = world.user(center, 3, "Ravi", "Menon", "agent@cxengage.example.com", (None, None));
    world.grant(center, roles.agent, &agent);
    let callers: Vec<Person> =
        [(10, "Erin", "Walsh"), (11, "Marco", "Ricci"), (12, "Aisha", "Khan"), (13, "Peter", "Lund")]
            .map(|(number, first, last)| world.person(center, number, first, last, (None, None)))
            .into();

    let ignore = Abandons::IgnoreWithin;
    let count = Abandons::CountAgainstSla;
    let seed = Version {
        key: Some(SLA_VERSION),
        at: instant("2019-05-09T17:51:32Z"),
        by: Some(JON_DOE),
        name: "Name",
        description: Some("This is an optional description"),
        terms: columns((20, ignore(10))),
    };
    let shown = json!({ "description": "This is an optional description" });
    let seed = (SLA, world.sla(center, (SLA, "queue", "Name"), shown, vec![seed]), (20, ignore(10)));

    let mut queue = |tenant: Tenant, name: &str, shared: bool, history: &[(&str, &str, Terms)]| {
        let versions: Vec<Version<'_>> = history
            .iter()
            .map(|(at, name, terms)| Version {
                key: None,
                at: instant(at),
                by: Some(if at.starts_with("2019") { JON_DOE } else { supervisor.id }),
                name,
                description: None,
                terms: columns(*terms),
            })
            .collect();
        let id = key(instant(history[0].0), &format!("{}/queue/{name}", tenant.slug));
        let version = world.sla(tenant, (id, "queue", name), json!({ "shared": shared }), versions);
        (id, version, history[history.len() - 1].2)
    };
    let standard =
        queue(center, "Standard queue", true, &[("2019-01-07T09:05:00Z", "Default", (20, ignore(20)))]);
    let sales = queue(
        center,
        "Sales hotline",
        false,
        &[
            ("2019-06-03T08:00:00Z", "Launch", (30, ignore(10))),
            ("2020-01-15T08:00:00Z", "Faster", (20, ignore(10))),
            ("2023-09-01T08:00:00Z", "Every caller counts", (15, count)),
        ],
    );
    let care = queue(
        center,
        "Customer care",
        false,
        &[
            ("2019-06-03T08:10:00Z", "Launch", (60, ignore(20))),
            ("2021-03-08T08:00:00Z", "Second shift", (45, ignore(15))),
        ],
    );
    let technical = queue(
        branch,
        "Technical support",
        false,
        &[
            ("2019-11-18T08:00:00Z", "Pilot", (120, ignore(30))),
            ("2020-02-03T08:00:00Z", "Opening", (90, ignore(30))),
            ("2022-05-16T08:00:00Z", "With callback", (60, ignore(20))),
            ("2024-10-07T08:00:00Z", "New team", (40, ignore(20))),
        ],
    );
    let callback =
        queue(center, "Callback requests", false, &[("2022-05-16T08:30:00Z", "Launch", (300, count))]);
    world.defaults.push((TENANT, TENANT, standard.0));

    let mut random = Random::new(0x6378);
    let lines = [
        (center, seed, "Call about an order"),
        (center, standard, "Call to the main number"),
        (center, sales, "Call about a new contract"),
        (center, care, "Call about an invoice"),
        (branch, technical, "Call about a broken device"),
    ];
    for number in 10_001..10_301 {
        let (tenant, sla, subject) = *random.pick(&lines);
        let queued_at = world.now - TimeDelta::milliseconds(random.below(14 * 86_400_000) as i64);
        let waited = TimeDelta::seconds(2) + random.wait(TimeDelta::seconds(i64::from(sla.2.0) * 2 / 5));
        let mut steps = vec![Step::status(queued_at, Status::Assigned)];
        if random.percent(9) {
            steps.push(Step::status(queued_at + random.wait(TimeDelta::seconds(25)), Status::Declined));
        } else {
            let answered_at = queued_at + waited;
            steps.push(Step::status(answered_at, Status::InProgress));
            steps.push(Step::status(answered_at + random.wait(TimeDelta::seconds(240)), Status::Completed));
        }
        call(world, (tenant, number, subject), random.pick(&callers), sla, steps);
    }
    for (number, used) in [(20_001, 170), (20_002, 60), (20_003, 5)] {
        let queued_at = world.now - TimeDelta::seconds(used);
        let steps = vec![Step::status(queued_at, Status::Assigned)];
        call(world, (center, number, "Please call me back"), &callers[0], callback, steps);
    }
}

fn call(
    world: &mut World,
    (tenant, number, subject): (Tenant, u32, &str),
    requester: &Person,
    (sla, version, (sla_threshold, abandons)): (Uuid, Uuid, Terms),
    steps: Vec<Step>,
) {
    let story = Story { tenant, number, channel: "call", subject, requester, sla: Some(sla), steps };
    world.waiting(story, (sla, version), WaitTerms::Queue(QueueTerms { sla_threshold, abandons }));
}

fn columns((sla_threshold, abandons): Terms) -> Value {
    match abandons {
        Abandons::IgnoreWithin(seconds) => json!({
            "sla_threshold": sla_threshold, "abandon_type": "ignore-abandons", "abandon_threshold": seconds,
        }),
        Abandons::CountAgainstSla => {
            json!({ "sla_threshold": sla_threshold, "abandon_type": "count-against-sla" })
        }
    }
}
