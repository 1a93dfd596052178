//! A world under construction: what is added to it becomes rows, and what clocks need of it is remembered.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc, Weekday};
use chrono_tz::Tz;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Error;
use super::history::BreachRecord;
use super::random::key;
use super::rows::{Rows, Table};
use super::slas::ServicePromise;
use crate::access::Permission;
use crate::clock::calendar::{Calendar, Holiday, WeeklyHours};
use crate::clock::coverage::{Relations, Requester, Uses};
use crate::clock::targets::{Effect, Hours, Impact, OfferingTargets, Promise, TargetDuration};

/// Everything that is added during one load.
pub(super) struct World {
    pub(super) rows: Rows,
    pub(super) now: DateTime<Utc>,
    /// The default SLAs of tenants: (root, tenant, SLA), set once the SLAs are there.
    pub(super) defaults: Vec<(Uuid, Uuid, Uuid)>,
    pub(super) promises: Vec<ServicePromise>,
    pub(super) relations: Relations,
    pub(super) breaches: Vec<BreachRecord>,
    /// Each tenant and those above it, by the tenant.
    pub(super) above: HashMap<Uuid, Vec<Uuid>>,
    /// The tenant of each organization, and the organizations above it.
    pub(super) organizations: HashMap<Uuid, (Uuid, BTreeSet<Uuid>)>,
    /// (team, instance that it supports)
    supporters: Vec<(Uuid, Uuid)>,
}

/// A tenant, and how keys and foreign ids are made in it.
#[derive(Clone, Copy)]
pub(super) struct Tenant {
    pub(super) root: Uuid,
    pub(super) id: Uuid,
    pub(super) slug: &'static str,
    /// The system that the numbers of this tenant's objects come from.
    pub(super) source: &'static str,
    /// When this tenant's objects were made, where nothing else is said.
    pub(super) since: DateTime<Utc>,
    pub(super) zone: Tz,
}

impl Tenant {
    /// The key of one of the tenant's objects.
    pub(super) fn key(&self, table: Table, number: u32) -> Uuid {
        key(self.since, &format!("{}/{}/{number}", self.slug, table.name()))
    }
}

/// A person, as a requester of something.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) id: Uuid,
    pub(super) organization: Option<Uuid>,
    pub(super) site: Option<Uuid>,
    pub(super) tenant: Uuid,
    teams: Vec<Uuid>,
}

/// The roles of a root.
pub(super) struct Roles {
    pub(super) operator: Uuid,
    pub(super) manager: Uuid,
    pub(super) reader: Uuid,
    pub(super) agent: Uuid,
    pub(super) sla_editor: Uuid,
}

#[derive(Clone)]
pub(super) struct Offering {
    pub(super) id: Uuid,
    pub(super) zone: Tz,
    pub(super) targets: Arc<OfferingTargets>,
}

#[derive(Clone, Copy)]
pub(super) struct Instance {
    pub(super) id: Uuid,
    pub(super) support_team: Option<Uuid>,
    pub(super) first_line_team: Option<Uuid>,
    /// The provider, if it is external.
    pub(super) supplier: Option<Uuid>,
}

/// Rows of weekly hours: the same from–until (minutes of the day) on several days, 1 = Monday.
pub(super) fn weekly(days: &[u32], from: u16, until: u16) -> Vec<WeeklyHours> {
    let weekday = |day: &u32| Weekday::try_from(*day as u8 - 1).unwrap_or(Weekday::Sun);
    days.iter().map(|day| WeeklyHours { weekday: weekday(day), from, until }).collect()
}

/// The root tenant of this slug, since an instant. A tenant below one differs in its root only.
pub(super) fn tenant(slug: &'static str, source: &'static str, since: &str, zone: Tz) -> Tenant {
    let since = instant(since);
    let id = key(since, &format!("{slug}/tenant"));
    Tenant { root: id, id, slug, source, since, zone }
}

/// An instant as the seeds write it.
pub(super) fn instant(rfc3339: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(rfc3339).map(|at| at.to_utc()).unwrap_or_default()
}

/// A target in minutes of support hours.
pub(super) const fn minutes(minutes: u32) -> TargetDuration {
    TargetDuration::Minutes(minutes)
}

/// A target in business days.
pub(super) const fn days(days: u32) -> TargetDuration {
    TargetDuration::BusinessDays(days)
}

impl World {
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self {
            rows: Rows::default(),
            now,
            defaults: Vec::new(),
            promises: Vec::new(),
            relations: Relations::default(),
            breaches: Vec::new(),
            above: HashMap::new(),
            organizations: HashMap::new(),
            supporters: Vec::new(),
        }
    }

    /// Adds a row that has a tenant, and instants of creation and update.
    fn object(&mut self, tenant: Tenant, table: Table, id: Uuid, at: DateTime<Utc>, columns: Value) {
        let mut row = json!({
            "root_id": tenant.root, "id": id, "tenant_id": tenant.id, "created_at": at, "updated_at": at,
        });
        merge(&mut row, columns);
        self.rows.add(table, row);
    }

    /// Adds an object that has a number in the system it came from.
    fn numbered(&mut self, tenant: Tenant, table: Table, number: u32, columns: Value) -> Uuid {
        let id = tenant.key(table, number);
        let mut foreign = json!({ "source": tenant.source, "source_id": number.to_string() });
        merge(&mut foreign, columns);
        self.object(tenant, table, id, tenant.since, foreign);
        id
    }

    /// A row without a key of its own.
    pub(super) fn link(&mut self, tenant: Tenant, table: Table, columns: Value) {
        let mut row = json!({ "root_id": tenant.root, "tenant_id": tenant.id });
        merge(&mut row, columns);
        self.rows.add(table, row);
    }

    /// A root, with its five roles and the operator, who may do everything in it.
    pub(super) fn root(&mut self, tenant: Tenant, name: &str) -> Roles {
        self.tenant(tenant, None, name);
        let reads = Permission::ALL
            .iter()
            .map(|permission| permission.wire_name())
            .filter(|name| name.ends_with(":read") || *name == Permission::LimitsAccess.wire_name());
        let reads: Vec<&str> = reads.collect();
        let all: Vec<&str> = Permission::ALL.iter().map(|permission| permission.wire_name()).collect();
        let agent = [reads.as_slice(), &[Permission::RequestsWrite.wire_name()]].concat();
        let writes = [Permission::CustomStatsUpdate, Permission::ManageLivechatSla, Permission::SlasWrite];
        let sla_editor = [reads.as_slice(), &writes.map(Permission::wire_name)].concat();
        let mut role = |name: &str, permissions: &[&str]| {
            let id = key(tenant.since, &format!("{}/role/{name}", tenant.slug));
            self.object(
                tenant,
                Table::Role,
                id,
                tenant.since,
                json!({ "name": name, "permissions": permissions }),
            );
            id
        };
        let roles = Roles {
            operator: role("Operator", &all),
            manager: role("Manager", &all),
            reader: role("Reader", &reads),
            agent: role("Agent", &agent),
            sla_editor: role("SLA editor", &sla_editor),
        };
        let operator = self.user(tenant, 900_001, "Olivia", "Park", "operator@example.com", (None, None));
        self.grant(tenant, roles.operator, &operator);
        roles
    }

    pub(super) fn tenant(&mut self, tenant: Tenant, parent: Option<Tenant>, name: &str) {
        self.rows.add(
            Table::Tenant,
            json!({
                "root_id": tenant.root, "id": tenant.id, "parent_id": parent.map(|parent| parent.id),
                "slug": tenant.slug, "name": name, "time_zone": tenant.zone.name(),
                "created_at": tenant.since, "updated_at": tenant.since,
            }),
        );
        let mut line = vec![tenant.id];
        line.extend(parent.and_then(|parent| self.above.get(&parent.id)).into_iter().flatten());
        for (depth, ancestor) in line.iter().enumerate() {
            self.rows.add(
                Table::TenantClosure,
                json!({ "root_id": tenant.root, "ancestor_id": ancestor, "descendant_id": tenant.id, "depth": depth }),
            );
        }
        self.above.insert(tenant.id, line);
    }

    pub(super) fn grant(&mut self, tenant: Tenant, role: Uuid, person: &Person) {
        let id = key(tenant.since, &format!("{}/grant/{role}/{}", tenant.slug, person.id));
        self.rows.add(
            Table::RoleGrant,
            json!({
                "root_id": tenant.root, "id": id, "tenant_id": tenant.id, "role_id": role,
                "person_id": person.id, "created_at": tenant.since,
            }),
        );
    }

    pub(super) fn organization(
        &mut self,
        tenant: Tenant,
        number: u32,
        name: &str,
        parent: Option<Uuid>,
        external: bool,
    ) -> Uuid {
        let columns = json!({ "name": name, "parent_id": parent, "external": external });
        let id = self.numbered(tenant, Table::Organization, number, columns);
        let above = parent.and_then(|parent| self.organizations.get(&parent)).map(|(_, above)| above.clone());
        let mut above = above.unwrap_or_default();
        above.extend(parent);
        self.organizations.insert(id, (tenant.id, above));
        id
    }

    pub(super) fn site(&mut self, tenant: Tenant, number: u32, name: &str) -> Uuid {
        self.numbered(tenant, Table::Site, number, json!({ "name": name, "time_zone": tenant.zone.name() }))
    }

    pub(super) fn team(&mut self, tenant: Tenant, number: u32, name: &str) -> Uuid {
        self.numbered(tenant, Table::Team, number, json!({ "name": name }))
    }

    pub(super) fn project(&mut self, tenant: Tenant, number: u32, name: &str) -> Uuid {
        self.numbered(tenant, Table::Project, number, json!({ "name": name }))
    }

    /// A person who signs in with an e-mail address, at (organization, site).
    pub(super) fn user(
        &mut self,
        tenant: Tenant,
        number: u32,
        first: &str,
        last: &str,
        login: &str,
        at: (Option<Uuid>, Option<Uuid>),
    ) -> Person {
        let id = tenant.key(Table::Person, number);
        self.person_as(tenant, id, number, (first, last, Some(login)), at)
    }

    /// A person at (organization, site) who does not sign in.
    pub(super) fn person(
        &mut self,
        tenant: Tenant,
        number: u32,
        first: &str,
        last: &str,
        at: (Option<Uuid>, Option<Uuid>),
    ) -> Person {
        let id = tenant.key(Table::Person, number);
        self.person_as(tenant, id, number, (first, last, None), at)
    }

    /// A person of a given key: (first name, last name, login) at (organization, site).
    pub(super) fn person_as(
        &mut self,
        tenant: Tenant,
        id: Uuid,
        number: u32,
        (first, last, login): (&str, &str, Option<&str>),
        (organization, site): (Option<Uuid>, Option<Uuid>),
    ) -> Person {
        let address = format!("{first}.{last}@{}.example.com", tenant.slug).to_lowercase().replace(' ', "");
        let columns = json!({
            "first_name": first, "last_name": last, "email": login.unwrap_or(&address), "login": login,
            "organization_id": organization, "site_id": site,
            "source": tenant.source, "source_id": number.to_string(),
        });
        self.object(tenant, Table::Person, id, tenant.since, columns);
        Person { id, organization, site, tenant: tenant.id, teams: Vec::new() }
    }

    pub(super) fn join(&mut self, tenant: Tenant, person: &mut Person, team: Uuid) {
        self.link(tenant, Table::TeamMember, json!({ "team_id": team, "person_id": person.id }));
        person.teams.push(team);
    }

    /// What coverage asks about a person (rule S8).
    pub(super) fn requester(&self, person: &Person) -> Requester {
        let above = person.organization.and_then(|organization| self.organizations.get(&organization));
        let supported = self.supporters.iter().filter(|(team, _)| person.teams.contains(team));
        Requester {
            person: Some(person.id),
            account: Some(person.tenant),
            organization: person.organization,
            organizations_above: above.map(|(_, above)| above.clone()).unwrap_or_default(),
            site: person.site,
            uses_cis_of: BTreeSet::new(),
            supports: supported.map(|(_, instance)| *instance).collect(),
        }
    }

    pub(super) fn calendar(
        &mut self,
        tenant: Tenant,
        number: u32,
        name: &str,
        hours: Vec<WeeklyHours>,
        holidays: &[(&str, NaiveDateTime, NaiveDateTime)],
    ) -> Result<Hours, Error> {
        let id = self.numbered(tenant, Table::Calendar, number, json!({ "name": name }));
        for row in &hours {
            let weekday = row.weekday.number_from_monday();
            let columns = json!({
                "calendar_id": id, "weekday": weekday, "from_minute": row.from, "until_minute": row.until,
            });
            self.link(tenant, Table::CalendarHours, columns);
        }
        for (name, starts_at, ends_at) in holidays {
            let key = key(tenant.since, &format!("{}/holiday/{number}/{starts_at}", tenant.slug));
            let columns = json!({
                "id": key, "calendar_id": id, "name": name, "starts_at": starts_at, "ends_at": ends_at,
            });
            self.link(tenant, Table::CalendarHoliday, columns);
        }
        let holidays = holidays.iter().map(|(name, starts_at, ends_at)| Holiday {
            name: (*name).to_owned(),
            starts_at: *starts_at,
            ends_at: *ends_at,
        });
        let calendar =
            Calendar::new(hours, holidays).map_err(|cause| Error::Sample(format!("{name}: {cause:?}")))?;
        Ok(Hours { id, calendar: Arc::new(calendar) })
    }

    pub(super) fn service(&mut self, tenant: Tenant, number: u32, name: &str, provider: Uuid) -> Uuid {
        self.numbered(tenant, Table::Service, number, json!({ "name": name, "provider_id": provider }))
    }

    /// An offering with (response, resolution) for each impact from LOW to TOP.
    pub(super) fn offering(
        &mut self,
        tenant: Tenant,
        number: u32,
        (service, name): (Uuid, &str),
        service_hours: Option<&Hours>,
        support_hours: &Hours,
        targets: [(TargetDuration, TargetDuration); 4],
    ) -> Offering {
        let columns = json!({
            "name": name, "service_id": service, "time_zone": tenant.zone.name(),
            "service_hours_id": service_hours.map(|hours| hours.id),
        });
        let id = self.numbered(tenant, Table::ServiceOffering, number, columns);
        for (impact, (response, resolution)) in Impact::ALL.iter().zip(targets) {
            let mut row = json!({
                "service_offering_id": id, "impact": impact.as_str(), "support_hours_id": support_hours.id,
            });
            merge(&mut row, target_columns(response, resolution));
            self.link(tenant, Table::OfferingTarget, row);
        }
        let [low, medium, high, top] = targets.map(|(response, resolution)| Promise {
            response,
            resolution,
            support_hours: Some(support_hours.clone()),
        });
        let targets = OfferingTargets { low, medium, high, top, service_hours: service_hours.cloned() };
        Offering { id, zone: tenant.zone, targets: Arc::new(targets) }
    }

    /// Rule O2: its targets override those of the offering.
    pub(super) fn standard_service_request(
        &mut self,
        tenant: Tenant,
        number: u32,
        (offering, name): (&Offering, &str),
        support_hours: &Hours,
        (response, resolution): (TargetDuration, TargetDuration),
    ) -> Uuid {
        let mut columns = json!({
            "name": name, "service_offering_id": offering.id, "support_hours_id": support_hours.id,
        });
        merge(&mut columns, target_columns(response, resolution));
        self.numbered(tenant, Table::StandardServiceRequest, number, columns)
    }

    /// An instance with its (support team, first-line team) and its provider, if that is external.
    pub(super) fn instance(
        &mut self,
        tenant: Tenant,
        number: u32,
        (service, name): (Uuid, &str),
        (support_team, first_line_team): (Uuid, Option<Uuid>),
        provider: Uuid,
        external: bool,
    ) -> Instance {
        let columns = json!({
            "name": name, "service_id": service, "support_team_id": support_team,
            "first_line_team_id": first_line_team, "provider_id": provider,
        });
        let id = self.numbered(tenant, Table::ServiceInstance, number, columns);
        self.supporters.push((support_team, id));
        let supplier = external.then_some(provider);
        Instance { id, support_team: Some(support_team), first_line_team, supplier }
    }

    /// Rule O4: the one instance uses the other.
    pub(super) fn relate(&mut self, tenant: Tenant, upper: Instance, lower: Instance, effect: Effect) {
        let columns = json!({ "consumer_id": upper.id, "used_id": lower.id, "effect": effect.as_str() });
        self.link(tenant, Table::ServiceInstanceRelation, columns);
        self.relations.add(Uses { upper: upper.id, lower: lower.id, effect });
    }
}

/// Adds the columns of one object to another.
pub(super) fn merge(row: &mut Value, columns: Value) {
    if let (Value::Object(row), Value::Object(columns)) = (row, columns) {
        row.extend(columns);
    }
}

fn target_columns(response: TargetDuration, resolution: TargetDuration) -> Value {
    let amount = |target: TargetDuration| target.minutes().or(target.business_days());
    json!({
        "response_kind": response.kind().as_str(), "response_amount": amount(response),
        "resolution_kind": resolution.kind().as_str(), "resolution_amount": amount(resolution),
    })
}
