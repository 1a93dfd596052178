//! What it takes to replay clocks: the terms and facts they are measured by, and what happened to their requests. Read
//! only; what follows from it is the clock's to say.

use std::borrow::Cow;
use std::collections::hash_map::Entry::Vacant;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use futures_util::future::{try_join, try_join3};
use uuid::Uuid;

use super::candidate::{Around, Services, Terms};
use super::intake::history::{complete, events};
use super::noun::Noun;
use super::{
    Conn, affected_sla, candidate, promise, request, request_event, service_instance, service_offering,
};
use crate::access::Reach;
use crate::clock::coverage::Relations;
use crate::clock::events::Event;
use crate::clock::fold::Facts;
use crate::clock::targets::Hours;
use crate::clock::waiting::WaitTerms;
use crate::error::Error;

/// A clock and the history it is measured over.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The affected SLA.
    pub id: Uuid,
    /// The version whose terms were frozen (rule S3).
    pub sla_version_id: Uuid,
    /// What it is measured by.
    pub measured: Measured,
    /// What happened to its request.
    pub events: Arc<[Event]>,
}

/// What a clock is measured by.
#[derive(Clone, Debug)]
pub enum Measured {
    /// The targets of an offering; none where the SLA does not apply.
    Service(Facts),
    /// A wait.
    Wait {
        /// When the chat or call was queued.
        queued_at: DateTime<Utc>,
        /// Until when it is to be taken, and what is left out.
        terms: WaitTerms,
        /// When the chat was given another SLA; when it was queued where this one turned out never to apply.
        superseded_at: Option<DateTime<Utc>>,
    },
}

/// Other terms to measure clocks by.
pub enum Proposal {
    /// An offering.
    Service(Box<Offer>),
    /// A wait.
    Wait(WaitTerms),
}

/// What an offering promises now, with what is to be different.
pub struct Offer {
    entry: promise::Entry,
    zone: Tz,
    instance: Option<Arc<service_instance::Row>>,
    hours: Option<Hours>,
}

impl Offer {
    /// Of an offering within reach, about `instance` instead of those that the clocks were about, measured in `hours`
    /// instead of its support hours.
    ///
    /// # Errors
    /// When there is no such offering.
    pub async fn of(
        conn: &Conn,
        reach: &Reach,
        offering: &service_offering::Row,
        instance: Option<Arc<service_instance::Row>>,
        hours: Option<Hours>,
    ) -> Result<Self, Error> {
        let entry = promise::current(conn, reach, offering.id).await?;
        let entry = entry.ok_or(Error::NotFound(service_offering::Row::NAME))?;
        let zone = offering.time_zone.parse().unwrap_or(chrono_tz::UTC);
        Ok(Self { entry, zone, instance, hours })
    }

    /// For a request: what it was made from is frozen only where the offering is its own.
    fn facts(&self, frozen: &affected_sla::Frozen, request: &request::Row, around: Around<'_>) -> Facts {
        let mut promised = self.entry.in_force(request.standard_service_request_id);
        if let Some(hours) = &self.hours {
            promised.targets = Arc::new(promised.targets.in_hours(hours));
        }
        let mut facts = Facts { zone: self.zone, ..frozen.facts(vec![promised], around) };
        if let Some(instance) = &self.instance {
            let teams = match frozen.service_instance_id == Some(instance.id) {
                true => [frozen.support_team_id, frozen.first_line_team_id],
                false => [instance.support_team_id, instance.first_line_team_id],
            };
            facts.instances = BTreeMap::from([(instance.id, teams.into_iter().flatten().collect())]);
            facts.below = around.relations.below(facts.instances.keys()).into_iter().collect();
        }
        facts
    }
}

/// Clocks within reach with their histories: four statements, however many they are, and one more where some are of SLAs
/// on services as a whole.
pub async fn of_clocks(conn: &Conn, reach: &Reach, ids: &[Uuid]) -> Result<Vec<Replay>, Error> {
    let (histories, promises) =
        try_join(Histories::load(conn, reach, ids), promise::of_clocks(conn, reach, ids)).await?;
    Ok(histories.replays(|frozen, request, around| match frozen.terms {
        Terms::Service(offering) => {
            let standard = frozen.standard_service_request_id;
            let promised = promise::promised(promises.get(&offering), standard, request.created_at);
            Measured::Service(frozen.facts(promised, around))
        }
        Terms::Wait(terms) => frozen.measured_by(terms),
    }))
}

/// The same, as if they had been measured by other terms: one statement less.
pub async fn of_clocks_under(
    conn: &Conn,
    reach: &Reach,
    ids: &[Uuid],
    proposal: &Proposal,
) -> Result<Vec<Replay>, Error> {
    let histories = Histories::load(conn, reach, ids).await?;
    Ok(histories.replays(|frozen, request, around| match proposal {
        Proposal::Service(offer) => Measured::Service(offer.facts(frozen, request, around)),
        Proposal::Wait(terms) => frozen.measured_by(*terms),
    }))
}

impl affected_sla::Frozen {
    fn measured_by(&self, terms: WaitTerms) -> Measured {
        Measured::Wait { queued_at: self.started_at, terms, superseded_at: self.measures_until() }
    }
}

/// What was frozen of clocks, and what happened to their requests.
struct Histories {
    /// With their requests.
    clocks: Vec<(affected_sla::Frozen, Arc<request::Row>)>,
    /// By tenant.
    relations: HashMap<Uuid, Relations>,
    services: Services,
    /// The instances that it was ever about, by request.
    requested: HashMap<Uuid, BTreeSet<Uuid>>,
    /// By request.
    events: HashMap<Uuid, Arc<[Event]>>,
}

impl Histories {
    async fn load(conn: &Conn, reach: &Reach, ids: &[Uuid]) -> Result<Self, Error> {
        let (clocks, told, relations) = try_join3(
            affected_sla::with_requests(conn, reach, ids),
            request_event::of_clocks(conn, reach, ids),
            candidate::upward_of_clocks(conn, reach, ids),
        )
        .await?;
        let mut requested: HashMap<Uuid, BTreeSet<Uuid>> = HashMap::new();
        let of_events = told.iter().map(|event| (event.request_id, event.service_instance_id));
        let of_requests = clocks.iter().map(|(_, request)| (request.id, request.service_instance_id));
        for (request, instance) in of_events.chain(of_requests) {
            requested.entry(request).or_default().extend(instance);
        }
        let frozen = clocks.iter().map(|(clock, _)| clock);
        let instances = requested.values().flatten().copied();
        let services = match candidate::ask_services(frozen, instances, relations.values()) {
            Some(sql) => candidate::services(&conn.rows(sql).await?)?,
            None => Services::new(),
        };
        let mut stored: HashMap<Uuid, Vec<Arc<request_event::Row>>> = HashMap::new();
        for event in told {
            stored.entry(event.request_id).or_default().push(event);
        }
        let mut histories: HashMap<Uuid, Arc<[Event]>> = HashMap::new();
        for (_, request) in &clocks {
            // Clocks of one request share its history.
            if let Vacant(place) = histories.entry(request.id) {
                let mut history = stored.remove(&request.id).unwrap_or_default();
                complete(request, &mut history);
                place.insert(events(&history).into());
            }
        }
        Ok(Self { clocks, relations, services, requested, events: histories })
    }

    fn replays(
        self,
        measured: impl Fn(&affected_sla::Frozen, &request::Row, Around<'_>) -> Measured,
    ) -> Vec<Replay> {
        let (nothing, unrelated) = (BTreeSet::new(), Relations::default());
        let replay = |(frozen, request): &(affected_sla::Frozen, Arc<request::Row>)| {
            let of_request = self.events.get(&frozen.request_id).cloned().unwrap_or_default();
            let around = Around {
                requested: self.requested.get(&frozen.request_id).unwrap_or(&nothing),
                relations: self.relations.get(&frozen.tenant_id).unwrap_or(&unrelated),
                services: &self.services,
            };
            Replay {
                id: frozen.id,
                sla_version_id: frozen.sla_version_id,
                measured: measured(frozen, request, around),
                events: match frozen.history(&of_request) {
                    Cow::Borrowed(_) => of_request,
                    Cow::Owned(own) => own.into(),
                },
            }
        };
        self.clocks.iter().map(replay).collect()
    }
}
