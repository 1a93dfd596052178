//! Tenants, what they offer and what they promise.

use chrono::TimeDelta;

use super::{
    IMPACTS, INSTANCES, Kind, Load, OFFERINGS, ORGANIZATIONS, PEOPLE, PROJECTS, Plan, SERVICES, SITES, TEAMS,
    TENANTS, Tenant, Terms, chance, id, instance_of, minutes, offering_of, threshold,
};
use crate::access::Permission;
use crate::sample::Error;
use crate::sample::copy::row;

const COMPANIES: [&str; 10] = [
    "Northwind",
    "Alder",
    "Brightwater",
    "Cobalt",
    "Dunmore",
    "Evergreen",
    "Falcon",
    "Granite",
    "Harbor",
    "Ironwood",
];
const UNITS: [&str; TENANTS] = [
    "Group",
    "Retail",
    "Logistics",
    "Manufacturing",
    "Insurance",
    "Energy",
    "Health",
    "Media",
    "Finance",
    "Labs",
];
const SERVICE_NAMES: [&str; SERVICES] =
    ["E-mail", "Network", "Workplace", "Payments", "Data Warehouse", "Telephony"];
const FIRST_NAMES: [&str; 10] =
    ["Ada", "Bruno", "Carla", "Daniel", "Elif", "Farid", "Greta", "Hugo", "Irene", "Jonas"];
const LAST_NAMES: [&str; 13] = [
    "Abbott", "Berg", "Costa", "Dietrich", "Eriksen", "Ferreira", "Gallo", "Haas", "Ito", "Jensen", "Kaya",
    "Lopez", "Moreau",
];
const TIERS: [&str; 4] = ["Standard", "Silver", "Gold", "Platinum"];

/// How deep a tenant stands and who is above it: a root, three below it, two below each of those.
fn parent(number: usize) -> Option<usize> {
    match number % TENANTS {
        0 => None,
        place @ 1..=3 => Some(number - place),
        place => Some(number - place + 1 + (place - 4) / 2),
    }
}

/// Copies everything that does not grow with the business.
pub(super) async fn copy(load: &mut Load<'_, '_>) -> Result<(), Error> {
    let tenants = load.plan.roots * TENANTS;
    load.copy(
        "tenant",
        "root_id, id, parent_id, slug, name, time_zone, created_at, updated_at",
        tenants,
        |plan, out| {
            for tenant in plan.tenants() {
                let root = tenant.number / TENANTS + 1;
                let (place, company) = (tenant.number % TENANTS, COMPANIES[root % COMPANIES.len()]);
                let slug = if place == 0 { format!("scale-{root}") } else { format!("scale-{root}-{place}") };
                let above = parent(tenant.number).map(|number| plan.tenant(number).id);
                let name = format!("{company} {} {root}", UNITS[place]);
                row!(out, tenant.root, tenant.id, above, slug, name, "UTC", tenant.since, tenant.since);
            }
        },
    )
    .await?;
    load.copy("tenant_closure", "root_id, ancestor_id, descendant_id, depth", 3 * tenants, |plan, out| {
        for tenant in plan.tenants() {
            let line = std::iter::successors(Some(tenant.number), |number| parent(*number));
            for (depth, ancestor) in (0_i16..).zip(line) {
                row!(out, tenant.root, plan.tenant(ancestor).id, tenant.id, depth);
            }
        }
    })
    .await?;
    let columns = "root_id, id, tenant_id, parent_id, name, external, created_at, updated_at";
    load.copy("organization", columns, tenants * ORGANIZATIONS, |plan, out| {
        each(plan, ORGANIZATIONS, |tenant, nth| {
            let key = |nth| tenant.key(Kind::Organization, ORGANIZATIONS, nth);
            let name = match nth {
                0 => "Information Technology".to_owned(),
                1 => "Meridian Carrier Services".to_owned(),
                nth => format!("{} Division {}", UNITS[(tenant.number + nth) % TENANTS], nth - 1),
            };
            let above = (nth > 3).then(|| key(2 + nth % 2));
            row!(out, tenant.root, key(nth), tenant.id, above, name, nth == 1, tenant.since, tenant.since);
        });
    })
    .await?;
    named(load, "site", Kind::Site, SITES, |nth| format!("Building {}", nth + 1)).await?;
    named(load, "team", Kind::Team, TEAMS, |nth| {
        ["Service Desk", "Operations", "Engineering", "Field Service"][nth % TEAMS].to_owned()
    })
    .await?;
    let columns = "root_id, id, tenant_id, first_name, last_name, email, login, organization_id, site_id, created_at, updated_at";
    load.copy("person", columns, tenants * PEOPLE, |plan, out| {
        each(plan, PEOPLE, |tenant, nth| {
            let operator = nth == 0 && tenant.number.is_multiple_of(TENANTS);
            let first = if operator { "Olivia" } else { FIRST_NAMES[nth % FIRST_NAMES.len()] };
            let last = if operator { "Park" } else { LAST_NAMES[(nth + tenant.number) % LAST_NAMES.len()] };
            let login = operator.then_some("operator@example.com");
            let email = format!("{first}.{last}.{nth}@tenant-{}.example.com", tenant.number).to_lowercase();
            let organization = tenant.key(Kind::Organization, ORGANIZATIONS, nth);
            let site = tenant.key(Kind::Site, SITES, nth);
            let at = tenant.since;
            row!(
                out,
                tenant.root,
                tenant.person(nth),
                tenant.id,
                first,
                last,
                email,
                login,
                organization,
                site,
                at,
                at
            );
        });
    })
    .await?;
    load.copy("team_member", "root_id, tenant_id, team_id, person_id", tenants * PEOPLE / 2, |plan, out| {
        each(plan, PEOPLE / 2, |tenant, nth| {
            row!(out, tenant.root, tenant.id, tenant.key(Kind::Team, TEAMS, nth), tenant.person(nth));
        });
    })
    .await?;
    let roots = load.plan.roots;
    load.copy(
        "role",
        "root_id, id, tenant_id, name, permissions, created_at, updated_at",
        roots,
        |plan, out| {
            let all: Vec<&str> = Permission::ALL.iter().map(|permission| permission.wire_name()).collect();
            for root in plan.tenants().step_by(TENANTS) {
                let (role, at) = (root.key(Kind::Role, 1, 0), root.since);
                row!(out, root.root, role, root.id, "Operator", all.as_slice(), at, at);
            }
        },
    )
    .await?;
    load.copy("role_grant", "root_id, id, tenant_id, role_id, person_id, created_at", roots, |plan, out| {
        for root in plan.tenants().step_by(TENANTS) {
            let (grant, role) = (root.key(Kind::Grant, 1, 0), root.key(Kind::Role, 1, 0));
            row!(out, root.root, grant, root.id, role, root.person(0), root.since);
        }
    })
    .await?;
    named(load, "calendar", Kind::Calendar, 1, |_| "24x7 (Monday through Sunday)".to_owned()).await?;
    let columns = "root_id, tenant_id, calendar_id, weekday, from_minute, until_minute";
    load.copy("calendar_hours", columns, tenants * 7, |plan, out| {
        each(plan, 7, |tenant, nth| {
            let calendar = tenant.key(Kind::Calendar, 1, 0);
            row!(out, tenant.root, tenant.id, calendar, nth as i16 + 1, 0_i16, 1_440_i16);
        });
    })
    .await?;
    copy_services(load, tenants).await?;
    named(load, "project", Kind::Project, PROJECTS, |nth| format!("Project {}", (b'A' + nth as u8) as char))
        .await
}

async fn copy_services(load: &mut Load<'_, '_>, tenants: usize) -> Result<(), Error> {
    let columns = "root_id, id, tenant_id, name, provider_id, created_at, updated_at";
    load.copy("service", columns, tenants * SERVICES, |plan, out| {
        each(plan, SERVICES, |tenant, nth| {
            let provider = tenant.key(Kind::Organization, ORGANIZATIONS, 0);
            let service = tenant.key(Kind::Service, SERVICES, nth);
            row!(
                out,
                tenant.root,
                service,
                tenant.id,
                SERVICE_NAMES[nth],
                provider,
                tenant.since,
                tenant.since
            );
        });
    })
    .await?;
    let columns =
        "root_id, id, tenant_id, service_id, name, time_zone, service_hours_id, created_at, updated_at";
    load.copy("service_offering", columns, tenants * OFFERINGS, |plan, out| {
        each(plan, OFFERINGS, |tenant, nth| {
            let offering = tenant.key(Kind::Offering, OFFERINGS, nth);
            let service = tenant.key(Kind::Service, SERVICES, nth / 2);
            let name = format!("{} {}", TIERS[nth % 4], SERVICE_NAMES[nth / 2]);
            let hours = tenant.key(Kind::Calendar, 1, 0);
            row!(
                out,
                tenant.root,
                offering,
                tenant.id,
                service,
                name,
                "UTC",
                hours,
                tenant.since,
                tenant.since
            );
        });
    })
    .await?;
    let columns = "root_id, tenant_id, service_offering_id, impact, response_kind, response_amount, resolution_kind, \
                   resolution_amount, support_hours_id";
    load.copy("offering_target", columns, tenants * OFFERINGS * 4, |plan, out| {
        each(plan, OFFERINGS * 4, |tenant, nth| {
            let offering = tenant.key(Kind::Offering, OFFERINGS, nth / 4);
            let (response, resolution) = minutes(nth % 4, nth / 4);
            let (impact, hours) = (IMPACTS[nth % 4], tenant.key(Kind::Calendar, 1, 0));
            row!(
                out,
                tenant.root,
                tenant.id,
                offering,
                impact,
                "minutes",
                response,
                "minutes",
                resolution,
                hours
            );
        });
    })
    .await?;
    let columns = "root_id, id, tenant_id, service_id, name, support_team_id, first_line_team_id, provider_id, created_at, updated_at";
    load.copy("service_instance", columns, tenants * INSTANCES, |plan, out| {
        each(plan, INSTANCES, |tenant, nth| {
            let instance = tenant.key(Kind::Instance, INSTANCES, nth);
            let service = tenant.key(Kind::Service, SERVICES, nth / 3);
            let name = format!("{} {}", SERVICE_NAMES[nth / 3], ["Production", "East", "West"][nth % 3]);
            let team = tenant.key(Kind::Team, TEAMS, 1 + nth % (TEAMS - 1));
            let first_line = tenant.key(Kind::Team, TEAMS, 0);
            let provider = tenant.key(Kind::Organization, ORGANIZATIONS, usize::from(nth % 9 == 8));
            let at = tenant.since;
            row!(out, tenant.root, instance, tenant.id, service, name, team, first_line, provider, at, at);
        });
    })
    .await?;
    let columns = "root_id, tenant_id, consumer_id, used_id, effect";
    load.copy("service_instance_relation", columns, tenants * (INSTANCES - 3), |plan, out| {
        each(plan, INSTANCES - 3, |tenant, nth| {
            let key = |nth| tenant.key(Kind::Instance, INSTANCES, nth);
            let effect = if nth % 2 == 0 { "down" } else { "degraded" };
            row!(out, tenant.root, tenant.id, key(nth), key(nth + 3), effect);
        });
    })
    .await
}

/// Runs through what each tenant has `of_each`.
fn each(plan: &Plan, of_each: usize, mut make: impl FnMut(Tenant, usize)) {
    for tenant in plan.tenants() {
        for nth in 0..of_each {
            make(tenant, nth);
        }
    }
}

/// Copies a table of which each tenant has `of_each`, with nothing but names.
async fn named(
    load: &mut Load<'_, '_>,
    table: &'static str,
    kind: Kind,
    of_each: usize,
    name: impl Fn(usize) -> String + Send + 'static,
) -> Result<(), Error> {
    let rows = load.plan.roots * TENANTS * of_each;
    load.copy(table, "root_id, id, tenant_id, name, created_at, updated_at", rows, move |plan, out| {
        each(plan, of_each, |tenant, nth| {
            let key = tenant.key(kind, of_each, nth);
            row!(out, tenant.root, key, tenant.id, name(nth), tenant.since, tenant.since);
        });
    })
    .await
}

/// Copies SLAs, their versions, whom those cover, and when they were activated.
pub(super) async fn copy_slas(load: &mut Load<'_, '_>) -> Result<(), Error> {
    let (slas, versions) = (load.plan.slas.total(), load.plan.all_versions());
    let columns = "root_id, id, tenant_id, kind, name, description, shared, status, active_version_id, \
                   livechat_due_minutes, customer_id, customer_rep_id, service_level_manager_id, created_at, created_by, \
                   updated_at, updated_by";
    load.copy("sla", columns, slas, |plan, out| {
        each_sla(plan, |tenant, place, nth| {
            let terms = Terms::of(place);
            let (count, active) = Plan::versions(nth);
            let (created_at, updated_at) = (plan.sla_at(nth), plan.version(nth, count).1);
            let customer = 2 + place % (ORGANIZATIONS - 2);
            let name = match terms {
                Terms::Service => format!(
                    "{} {} for {} Division {} ({place})",
                    TIERS[place % 4],
                    SERVICE_NAMES[place % SERVICES],
                    UNITS[(tenant.number + customer) % TENANTS],
                    customer - 1,
                ),
                Terms::Queue => format!("Queue {}", place / 10 + 1),
                Terms::Livechat => format!("Live chat {}", place / 10 + 1),
            };
            let service = terms == Terms::Service;
            let of_service = |key| service.then_some(key);
            let due = (terms == Terms::Livechat).then_some((place / 10 + 1) as i32);
            let customer = of_service(tenant.key(Kind::Organization, ORGANIZATIONS, customer));
            let (rep, manager) = (of_service(tenant.person(place)), of_service(tenant.person(place / 7)));
            let description = (place % 3 == 0).then_some("Agreed upon once a year.");
            let by = tenant.person(place / 3);
            let version = plan.version(nth, active).0;
            let shared = place % 50 == 10;
            row!(
                out,
                tenant.root,
                plan.sla(nth),
                tenant.id,
                terms.word(),
                name,
                description,
                shared,
                "active",
                version,
                due,
                customer,
                rep,
                manager,
                created_at,
                by,
                updated_at,
                by
            );
        });
    })
    .await?;
    let columns = "root_id, id, tenant_id, sla_id, number, version_name, description, kind, sla_threshold, \
                   abandon_type, abandon_threshold, due_time_in_minutes, service_offering_id, service_instance_id, \
                   coverage, created_at, created_by";
    load.copy("sla_version", columns, versions, |plan, out| {
        each_version(plan, |tenant, place, nth, version| {
            let terms = Terms::of(place);
            let of = |kind: Terms| terms == kind;
            let service = place / 10 * 8 + place % 10;
            let offering = of(Terms::Service)
                .then(|| tenant.key(Kind::Offering, OFFERINGS, offering_of(service, version)));
            let instance =
                of(Terms::Service).then(|| tenant.key(Kind::Instance, INSTANCES, instance_of(service)));
            let coverage = of(Terms::Service).then_some(if place.is_multiple_of(3) {
                "organizations"
            } else {
                "customer_account"
            });
            let queue = of(Terms::Queue).then(|| threshold(place / 10, version));
            let ignores = place / 10 % 3 != 2;
            let abandons =
                of(Terms::Queue).then_some(if ignores { "ignore-abandons" } else { "count-against-sla" });
            let abandoned = (of(Terms::Queue) && ignores).then_some(10);
            let due = of(Terms::Livechat).then_some((place / 10 + 1) as i32);
            let (key, at) = plan.version(nth, version);
            let name = format!("Version {version}");
            let description = (version > 1).then_some("Adjusted after the review.");
            row!(
                out,
                tenant.root,
                key,
                tenant.id,
                plan.sla(nth),
                version as i32,
                name,
                description,
                terms.word(),
                queue,
                abandons,
                abandoned,
                due,
                offering,
                instance,
                coverage,
                at,
                tenant.person(place / 3 + version)
            );
        });
    })
    .await?;
    let columns = "root_id, tenant_id, sla_version_id, organization_id";
    load.copy("sla_version_organization", columns, versions * 8 / 30, |plan, out| {
        each_version(plan, |tenant, place, nth, version| {
            if Terms::of(place) == Terms::Service && place.is_multiple_of(3) {
                let customer = tenant.key(Kind::Organization, ORGANIZATIONS, 2 + place % (ORGANIZATIONS - 2));
                row!(out, tenant.root, tenant.id, plan.version(nth, version).0, customer);
            }
        });
    })
    .await?;
    let columns = "root_id, id, tenant_id, sla_id, sla_version_id, activated_at, activated_by";
    load.copy("sla_activation", columns, versions, |plan, out| {
        each_version(plan, |tenant, place, nth, version| {
            let (key, at) = plan.version(nth, version);
            let mut activate = |slot: usize, key, at| {
                let activation = id(Kind::Activation, nth * 16 + slot, at);
                let by = tenant.person(place / 3 + version);
                row!(out, tenant.root, activation, tenant.id, plan.sla(nth), key, at, by);
            };
            activate(version, key, at);
            let (count, active) = Plan::versions(nth);
            if version == count && active != count {
                activate(count + 8, plan.version(nth, active).0, at + TimeDelta::days(3));
            }
        });
    })
    .await?;
    copy_limits(load).await
}

/// Copies limits, and four time entries of the last weeks for each.
async fn copy_limits(load: &mut Load<'_, '_>) -> Result<(), Error> {
    let limits = load.plan.limits.total();
    const CATEGORIES: [&str; 4] = ["Development", "Support", "Design", "Meetings"];
    let columns = "root_id, id, tenant_id, project_id, time_limit_in_hours, time_period, contact_type, contact, \
                   categories, created_at, updated_at";
    load.copy("sla_limit", columns, limits, |plan, out| {
        each_limit(plan, |tenant, nth| {
            let project = tenant.key(Kind::Project, PROJECTS, nth);
            let categories = &CATEGORIES[nth % 3..nth % 3 + 2];
            let period = if nth % 2 == 0 { "weekly" } else { "monthly" };
            let hours = [8, 20, 40, 80][nth % 4];
            let contact = format!("budget-{nth}@example.com");
            let key = id(Kind::Limit, nth, tenant.since);
            let at = tenant.since;
            row!(
                out,
                tenant.root,
                key,
                tenant.id,
                project,
                hours,
                period,
                "email",
                contact,
                categories,
                at,
                at
            );
        });
    })
    .await?;
    let columns = "root_id, id, tenant_id, project_id, person_id, category, started_at, ended_at, created_at, updated_at";
    load.copy("time_entry", columns, limits * 4, |plan, out| {
        each_limit(plan, |tenant, limit| {
            for entry in 0..4 {
                let nth = limit * 4 + entry;
                let ended_at = plan.now - TimeDelta::minutes(5 + (chance(7, nth) % 57_600) as i64);
                let started_at = ended_at - TimeDelta::minutes(30 + 15 * (nth % 11) as i64);
                let project = tenant.key(Kind::Project, PROJECTS, limit);
                let category = CATEGORIES[(limit % 3 + entry) % 4];
                let key = id(Kind::TimeEntry, nth, ended_at);
                let by = tenant.person(nth);
                let logged_at = ended_at;
                row!(
                    out,
                    tenant.root,
                    key,
                    tenant.id,
                    project,
                    by,
                    category,
                    started_at,
                    ended_at,
                    logged_at,
                    logged_at
                );
            }
        });
    })
    .await
}

/// Runs through all SLAs: their tenant, their place in it, their number.
fn each_sla(plan: &Plan, mut make: impl FnMut(Tenant, usize, usize)) {
    for tenant in plan.tenants() {
        for (place, nth) in plan.slas.of(tenant.number).enumerate() {
            make(tenant, place, nth);
        }
    }
}

fn each_version(plan: &Plan, mut make: impl FnMut(Tenant, usize, usize, usize)) {
    each_sla(plan, |tenant, place, nth| {
        for version in 1..=Plan::versions(nth).0 {
            make(tenant, place, nth, version);
        }
    });
}

fn each_limit(plan: &Plan, mut make: impl FnMut(Tenant, usize)) {
    for tenant in plan.tenants() {
        for nth in plan.limits.of(tenant.number) {
            make(tenant, nth);
        }
    }
}
