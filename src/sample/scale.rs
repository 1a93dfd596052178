//! The large store: any number of tenants that do business as usual, for measuring.
//!
//! Everything is a function of a row's number, so that rows refer to each other without being kept. All calendars
//! are around the clock, so that a target is its start plus its minutes.

mod catalog;
mod work;

use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::copy::{Out, copy};
use super::random::{key, key_with, mixed};
use super::shelf::Shelf;
use super::{Error, Progress, Summary};
use crate::store::promise;

/// How many tenants a root has, itself counted.
const TENANTS: usize = 10;

/// How much business each tenant of a root does.
const WEIGHTS: [usize; TENANTS] = [12, 16, 14, 12, 10, 9, 8, 7, 6, 6];

/// What a tenant has of things that do not grow.
const ORGANIZATIONS: usize = 8;
const SITES: usize = 3;
const TEAMS: usize = 4;
const PEOPLE: usize = 40;
const SERVICES: usize = 6;
const OFFERINGS: usize = 2 * SERVICES;
const INSTANCES: usize = 3 * SERVICES;
const PROJECTS: usize = 5;

/// How many versions the SLAs have, by turns: four on average.
const VERSIONS: [usize; 8] = [4, 2, 6, 3, 5, 4, 1, 7];

/// How many SLAs a request affects, by turns, two on average: 17 tickets, then two calls and a chat.
const AFFECTED: [usize; 20] = [2, 2, 3, 2, 2, 2, 2, 3, 2, 2, 2, 2, 3, 2, 2, 2, 2, 1, 1, 1];

/// The tables that get so many rows that their indexes are made afterwards.
const LARGE: [&str; 11] = [
    "affected_sla",
    "breach",
    "breach_log",
    "deadline",
    "request",
    "request_event",
    "sla",
    "sla_activation",
    "sla_version",
    "sla_version_organization",
    "time_entry",
];

/// What kind of row a key is for.
#[derive(Clone, Copy)]
enum Kind {
    Organization,
    Site,
    Team,
    Person,
    Role,
    Grant,
    Calendar,
    Service,
    Offering,
    Instance,
    Project,
    Sla,
    Version,
    Activation,
    Limit,
    TimeEntry,
    Request,
    Event,
    Affected,
    Breach,
}

/// The key of the nth row of a kind.
fn id(kind: Kind, nth: usize, at: DateTime<Utc>) -> Uuid {
    let seed = (kind as u64 + 1) << 48 | nth as u64;
    let mut tail = [0; 10];
    tail[..8].copy_from_slice(&mixed(seed).to_be_bytes());
    tail[8..].copy_from_slice(&mixed(!seed).to_be_bytes()[..2]);
    key_with(at, tail)
}

/// A number that looks like chance, for the nth of something.
fn chance(salt: u64, nth: usize) -> usize {
    (mixed(salt << 48 ^ nth as u64) >> 1) as usize
}

/// How much there is of everything, and which of it is whose.
struct Plan {
    now: DateTime<Utc>,
    /// When the catalogue was made: long before everything else.
    since: DateTime<Utc>,
    roots: usize,
    slas: Spread,
    requests: Spread,
    limits: Spread,
    breaches: usize,
}

/// So many items, cut into a stretch for each tenant.
struct Spread(Vec<usize>);

impl Spread {
    fn new(total: usize, roots: usize) -> Self {
        let whole: usize = WEIGHTS.iter().sum::<usize>() * roots;
        let mut before = 0;
        let mut ends = vec![0];
        for weight in WEIGHTS.iter().cycle().take(TENANTS * roots) {
            before += weight;
            ends.push((total as u128 * before as u128 / whole as u128) as usize);
        }
        Self(ends)
    }

    fn total(&self) -> usize {
        self.0[self.0.len() - 1]
    }

    fn of(&self, tenant: usize) -> Range<usize> {
        self.0[tenant]..self.0[tenant + 1]
    }
}

/// One tenant of the plan.
#[derive(Clone, Copy)]
struct Tenant {
    number: usize,
    root: Uuid,
    id: Uuid,
    since: DateTime<Utc>,
}

impl Tenant {
    /// The key of the nth of what each tenant has `of_each`.
    fn key(&self, kind: Kind, of_each: usize, nth: usize) -> Uuid {
        id(kind, self.number * of_each + nth % of_each, self.since)
    }

    fn person(&self, nth: usize) -> Uuid {
        self.key(Kind::Person, PEOPLE, nth)
    }
}

impl Plan {
    fn new(n: f64, now: DateTime<Utc>) -> Self {
        let scaled = |count: f64| (count * n).round() as usize;
        let roots = (20.0 * n).ceil() as usize;
        Self {
            now,
            since: now - TimeDelta::days(4 * 365),
            roots,
            slas: Spread::new(scaled(50_000.0), roots),
            requests: Spread::new(scaled(500_000.0), roots),
            limits: Spread::new(scaled(5_000.0), roots),
            breaches: scaled(100_000.0),
        }
    }

    fn tenants(&self) -> impl Iterator<Item = Tenant> {
        (0..self.roots * TENANTS).map(|number| self.tenant(number))
    }

    fn tenant(&self, number: usize) -> Tenant {
        let id = |number: usize| key(self.since, &format!("scale/tenant/{number}"));
        Tenant { number, root: id(number / TENANTS * TENANTS), id: id(number), since: self.since }
    }

    /// When the nth SLA was made: in the three years that ended 200 days ago.
    fn sla_at(&self, nth: usize) -> DateTime<Utc> {
        let span = 3 * 365 * 86_400_i64;
        let share = span * nth as i64 / self.slas.total().max(1) as i64;
        self.now - TimeDelta::days(200) - TimeDelta::seconds(span - share)
    }

    fn sla(&self, nth: usize) -> Uuid {
        id(Kind::Sla, nth, self.sla_at(nth))
    }

    /// The key of a version, which is 1 or more, of the nth SLA, and when it was made.
    fn version(&self, nth: usize, version: usize) -> (Uuid, DateTime<Utc>) {
        let at = self.sla_at(nth) + TimeDelta::days(25) * (version as i32 - 1);
        (id(Kind::Version, nth * 8 + version, at), at)
    }

    /// How many versions the nth SLA has, and which of them is active.
    fn versions(nth: usize) -> (usize, usize) {
        let count = VERSIONS[nth % VERSIONS.len()];
        // Now and then somebody goes back.
        (count, if nth % 9 == 4 && count > 1 { count - 1 } else { count })
    }

    fn all_versions(&self) -> usize {
        (0..self.slas.total()).map(|nth| Self::versions(nth).0).sum()
    }

    fn all_affected(&self) -> usize {
        (0..self.requests.total()).map(|nth| AFFECTED[nth % AFFECTED.len()]).sum()
    }
}

/// What an SLA is for, by its place among those of its tenant: of ten, eight are for services.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Terms {
    Service,
    Queue,
    Livechat,
}

impl Terms {
    fn of(place: usize) -> Self {
        match place % 10 {
            8 => Self::Queue,
            9 => Self::Livechat,
            _ => Self::Service,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Queue => "queue",
            Self::Livechat => "livechat",
        }
    }

    /// How many of so many SLAs are of this kind.
    fn among(self, slas: usize) -> usize {
        let (tens, rest) = (slas / 10, slas % 10);
        match self {
            Self::Service => tens * 8 + rest.min(8),
            Self::Queue => tens + usize::from(rest == 9),
            Self::Livechat => tens,
        }
    }

    /// The place of the nth of this kind.
    fn place(self, nth: usize) -> usize {
        match self {
            Self::Service => nth / 8 * 10 + nth % 8,
            Self::Queue => nth * 10 + 8,
            Self::Livechat => nth * 10 + 9,
        }
    }
}

/// The service of the nth SLA with service terms, and the instance.
fn instance_of(nth: usize) -> usize {
    let service = nth % SERVICES;
    3 * service + nth / SERVICES % 3
}

/// The offering that a version of it promises: one of the two of its service.
fn offering_of(nth: usize, version: usize) -> usize {
    2 * (nth % SERVICES) + version % 2
}

/// Minutes to respond and to resolve, by impact from LOW to TOP and by offering: an offering gives up to three
/// tenths more than the least.
fn minutes(impact: usize, offering: usize) -> (i32, i32) {
    let (response, resolution) = LEAST[impact];
    let tenths = 10 + (offering % 4) as i32;
    (response * tenths / 10, resolution * tenths / 10)
}

/// The shortest targets that any offering has.
const LEAST: [(i32, i32); 4] = [(1_440, 7_200), (960, 4_320), (720, 2_880), (600, 1_440)];

const IMPACTS: [&str; 4] = ["low", "medium", "high", "top"];

/// Seconds in which a queue answers, by its number and version.
fn threshold(nth: usize, version: usize) -> i32 {
    [20, 30, 45, 60, 90][(nth + version) % 5]
}

/// Collects what one load copies.
struct Load<'a, 't> {
    transaction: &'a Transaction<'t>,
    plan: Arc<Plan>,
    progress: Progress<'a>,
    rows: Vec<(&'static str, u64)>,
}

impl Load<'_, '_> {
    async fn copy<T: Send + 'static>(
        &mut self,
        table: &'static str,
        columns: &str,
        expected: usize,
        make: impl FnOnce(&Plan, &mut Out) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let plan = self.plan.clone();
        let make = move |out: &mut Out| make(&plan, out);
        let target = (table, columns);
        let (rows, made) = copy(self.transaction, target, expected as u64, self.progress, make).await?;
        self.rows.push((table, rows));
        Ok(made)
    }
}

/// Loads a large store into a migrated database, in one transaction, beside what is there. At `n` = 1: 200 tenants
/// in 20 roots, 50 000 SLAs, 200 000 versions, 500 000 requests, 1 000 000 affected SLAs, 5 000 limits and 100 000
/// breaches. Does nothing when a large store is there already, of whatever size.
///
/// `operator@example.com` may do everything in all of it. What has not happened yet falls due no sooner than two
/// hours after `now`. The tables are locked until it is done.
///
/// # Errors
/// When `n` is not between 0.01 and 100, when the database fails or is not migrated, or when its user does not own
/// the tables; then nothing was loaded.
pub async fn scale(
    client: &mut Client,
    n: f64,
    now: DateTime<Utc>,
    progress: Progress<'_>,
) -> Result<Summary, Error> {
    if !(0.01..=100.0).contains(&n) {
        return Err(Error::Scale);
    }
    let plan = Arc::new(Plan::new(n, now.trunc_subsecs(0)));
    let transaction = client.transaction().await?;
    let head = "SELECT pos FROM breach_log_head WHERE shard = 0 FOR UPDATE";
    let head: i64 = transaction.query_one(head, &[]).await?.get(0);
    if transaction.query_one("SELECT EXISTS (SELECT FROM tenant WHERE slug = 'scale-1')", &[]).await?.get(0) {
        return Ok(Summary { loaded: false, rows: Vec::new() });
    }
    let shelf = Shelf::fill(&transaction, &LARGE).await?;
    let mut load = Load { transaction: &transaction, plan, progress, rows: Vec::new() };
    catalog::copy(&mut load).await?;
    catalog::copy_slas(&mut load).await?;
    let head = work::copy(&mut load, head).await?;
    let rows = load.rows;
    transaction.execute("UPDATE breach_log_head SET pos = $1 WHERE shard = 0", &[&head]).await?;
    shelf.empty(&transaction, progress).await?;
    transaction.execute(&promise::remember_all(), &[&now.to_rfc3339()]).await?;
    transaction.commit().await?;
    progress("statistics", 0, 1);
    // Vacuumed too: the first readers would otherwise pay for what the load left to be tidied.
    client.batch_execute(&format!("VACUUM (ANALYZE) {}", LARGE.join(", "))).await?;
    client.batch_execute("SET client_min_messages = error; ANALYZE; RESET client_min_messages").await?;
    progress("statistics", 1, 1);
    Ok(Summary { loaded: true, rows })
}
