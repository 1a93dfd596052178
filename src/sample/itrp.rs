//! ITRP Institute: the provider of the seed's single service level agreement.

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::America;

use super::Error;
use super::random::Random;
use super::slas::{ServiceSla, covers};
use super::tickets::{Scene, live, past};
use super::world::{Tenant, World, days, instant, minutes, tenant, weekly};
use crate::clock::coverage::CoverageKind;
use crate::clock::targets::{Effect, Impact, TargetDuration};

const SINCE: &str = "2016-03-01T00:00:00-08:00";

/// Adds the tree, its catalogue, what is promised, and what happened.
pub(super) fn add(world: &mut World) -> Result<(), Error> {
    let itrp = tenant("itrp", "4me", SINCE, America::Los_Angeles);
    let labs = Tenant { root: itrp.id, ..tenant("itrp-labs", "4me", SINCE, America::Los_Angeles) };
    let roles = world.root(itrp, "ITRP Institute");
    world.tenant(labs, Some(itrp), "ITRP Labs");

    let institute = world.organization(itrp, 1, "ITRP Institute, Inc.", None, false);
    let external_it = world.organization(itrp, 30, "Widget Data Center, External IT", None, true);
    let widget = world.organization(itrp, 31, "Widget North America", None, true);
    let hosting = world.organization(itrp, 40, "Cloud Harbor Hosting", None, true);
    let researchers = world.organization(labs, 50, "ITRP Labs", Some(institute), false);
    let palo_alto = world.site(itrp, 1, "Palo Alto");
    let application_team = world.team(itrp, 1, "ITRP Operations");
    let hosting_team = world.team(itrp, 2, "Hosting");
    let widget_team = world.team(itrp, 3, "Widget Data Center, ITSM Support");

    let manager = world.user(
        itrp,
        2,
        "Marcus",
        "Adeyemi",
        "manager@itrp.example.com",
        (Some(institute), Some(palo_alto)),
    );
    world.grant(itrp, roles.manager, &manager);
    let mut agent =
        world.user(itrp, 3, "Julia", "Novak", "agent@itrp.example.com", (Some(institute), Some(palo_alto)));
    world.join(itrp, &mut agent, application_team);
    world.grant(itrp, roles.agent, &agent);
    let mut howard = world.person(itrp, 5, "Howard", "Tanner", (Some(external_it), None));
    let mut technician = world.person(itrp, 6, "Rosa", "Jimenez", (Some(external_it), None));
    world.join(itrp, &mut howard, widget_team);
    world.join(itrp, &mut technician, widget_team);
    let frederieke = world.user(
        itrp,
        9,
        "Frederieke",
        "Winkler Prins",
        "editor@itrp.example.com",
        (Some(institute), Some(palo_alto)),
    );
    world.grant(itrp, roles.sla_editor, &frederieke);
    let buyers = [(10, "Paul", "Osei"), (11, "Nina", "Kovacs")]
        .map(|(number, first, last)| world.person(itrp, number, first, last, (Some(widget), None)));
    let scientists = [(20, "Yuki", "Tanaka"), (21, "Omar", "Haddad")].map(|(number, first, last)| {
        world.person(labs, number, first, last, (Some(researchers), Some(palo_alto)))
    });

    let always = world.calendar(
        itrp,
        1,
        "24x7 (Monday through Sunday)",
        weekly(&[1, 2, 3, 4, 5, 6, 7], 0, 1440),
        &[],
    )?;
    let working_hours = weekly(&[1, 2, 3, 4, 5], 9 * 60, 17 * 60);
    let office = world.calendar(itrp, 2, "Monday through Friday, 9:00am until 5:00pm", working_hours, &[])?;
    let planning = world.service(itrp, 1, "IT Resource Planning (ITRP)", institute);
    let platform = world.service(itrp, 2, "Cloud Platform", hosting);
    let premium_plus = world.offering(
        itrp,
        4,
        (planning, "Premium Plus IT Resource Planning (ITRP)"),
        Some(&always),
        &always,
        [
            (minutes(120), minutes(2880)),
            (minutes(60), minutes(960)),
            (minutes(30), minutes(480)),
            (minutes(15), minutes(120)),
        ],
    );
    let standard = world.offering(
        itrp,
        2,
        (planning, "Standard IT Resource Planning (ITRP)"),
        Some(&office),
        &office,
        [
            (days(1), TargetDuration::BestEffort),
            (minutes(480), days(3)),
            (minutes(240), days(2)),
            (minutes(60), minutes(480)),
        ],
    );
    let compute = world.offering(
        itrp,
        7,
        (platform, "Managed Compute"),
        Some(&always),
        &always,
        [
            (minutes(240), days(2)),
            (minutes(120), minutes(1440)),
            (minutes(30), minutes(360)),
            (minutes(10), minutes(90)),
        ],
    );
    let production =
        world.instance(itrp, 1, (planning, "ITRP Production"), (application_team, None), institute, false);
    let sandbox =
        world.instance(itrp, 2, (planning, "ITRP Sandbox"), (application_team, None), institute, false);
    let cluster = world.instance(itrp, 3, (platform, "Cluster West"), (hosting_team, None), hosting, true);
    let widget_itsm = world.instance(
        itrp,
        4,
        (planning, "ITSM at Widget Data Center"),
        (widget_team, None),
        external_it,
        true,
    );
    world.relate(itrp, widget_itsm, production, Effect::Down);
    world.relate(itrp, production, cluster, Effect::Degraded);

    let date = |year, month, day| NaiveDate::from_ymd_opt(year, month, day);
    world.service_sla(
        itrp,
        ServiceSla {
            instance: Some(production),
            coverage: covers(CoverageKind::ServiceInstances, [widget_itsm.id]),
            customer_rep: Some(&howard),
            manager: Some(&frederieke),
            start_date: date(2016, 3, 3),
            created_at: Some(instant("2016-03-14T03:10:43-06:00")),
            ..ServiceSla::new(
                5,
                "Premium Plus IT Resource Planning (ITRP) for Widget Data Center",
                &premium_plus,
                external_it,
            )
        },
    );
    world.service_sla(
        itrp,
        ServiceSla {
            instance: Some(production),
            coverage: covers(CoverageKind::Organizations, [widget]),
            manager: Some(&frederieke),
            start_date: date(2017, 1, 1),
            ..ServiceSla::new(
                6,
                "Standard IT Resource Planning (ITRP) for Widget North America",
                &standard,
                widget,
            )
        },
    );
    world.service_sla(
        itrp,
        ServiceSla {
            instance: Some(cluster),
            coverage: covers(CoverageKind::ServiceInstances, [production.id]),
            ..ServiceSla::new(8, "Managed Compute by Cloud Harbor Hosting", &compute, institute)
        },
    );
    world.service_sla(
        labs,
        ServiceSla {
            instance: Some(sandbox),
            ..ServiceSla::new(9, "Standard IT Resource Planning (ITRP) for ITRP Labs", &standard, researchers)
        },
    );

    let technicians = [&howard, &technician];
    let buyers = [&buyers[0], &buyers[1]];
    let scientists = [&scientists[0], &scientists[1]];
    let scenes = [
        Scene {
            tenant: itrp,
            instance: production,
            requesters: &technicians,
            subjects: &[
                "Import of people fails",
                "Dashboard shows no data",
                "Request form is slow",
                "API answers 502",
            ],
            mean: (12, 160),
        },
        Scene {
            tenant: itrp,
            instance: production,
            requesters: &buyers,
            subjects: &["Report lists closed requests", "Cannot edit a template", "Wrong time zone in mails"],
            mean: (45, 400),
        },
        Scene {
            tenant: itrp,
            instance: cluster,
            requesters: &technicians,
            subjects: &["Node is out of memory", "Storage latency is high"],
            mean: (15, 120),
        },
        Scene {
            tenant: labs,
            instance: sandbox,
            requesters: &scientists,
            subjects: &["Sandbox needs a refresh", "Test data is gone"],
            mean: (90, 600),
        },
    ];
    past(world, &mut Random::new(0x6974_7270), &scenes, 60_001, 90);
    let seconds = TimeDelta::seconds;
    let customer = &scenes[0];
    live(world, customer, (70_001, "Nobody can sign in to ITRP"), Impact::Top, (15, seconds(30)), false);
    live(world, customer, (70_002, "Search finds nothing"), Impact::High, (30, seconds(150)), false);
    live(world, customer, (70_003, "Mails are sent twice"), Impact::High, (480, seconds(420)), true);
    live(world, customer, (70_004, "Export takes an hour"), Impact::Medium, (768, seconds(660)), true);
    Ok(())
}
