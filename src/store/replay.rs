//! What it takes to replay clocks: the terms and facts they are measured by, and what happened to their requests. Read
//! only; what follows from it is the clock's to say.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry::Vacant;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use futures_util::future::{try_join, try_join3};
use uuid::Uuid;

use super::candidate::Terms;
use super::intake::history::{complete, events};
use super::noun::Noun;
use super::{Conn, affected_sla, candidate, promise, request_event, service_instance, service_offering};
use crate::access::Reach;
use crate::clock::coverage::{self, Uses};
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
    /// The targets of an offering.
    Service(Facts),
    /// A wait.
    Wait {
        /// When the chat or call was queued.
        queued_at: DateTime<Utc>,
        /// Until when it is to be taken, and what is left out.
        terms: WaitTerms,
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

    /// Made from `standard`, which is frozen only where the offering is its own.
    fn facts(&self, frozen: &affected_sla::Frozen, standard: Option<Uuid>, uses: &[Uses]) -> Facts {
        let mut promised = self.entry.in_force(standard);
        if let Some(hours) = &self.hours {
            promised.targets = Arc::new(promised.targets.in_hours(hours));
        }
        let mut facts = Facts { zone: self.zone, ..frozen.facts(vec![promised], uses) };
        if let Some(instance) = self.instance.as_ref().filter(|instance| facts.instance != Some(instance.id))
        {
            facts.instance = Some(instance.id);
            facts.below = coverage::below(instance.id, uses);
            (facts.support_team, facts.first_line_team) =
                (instance.support_team_id, instance.first_line_team_id);
        }
        facts
    }
}

/// Clocks within reach with their histories: four statements, however many they are.
pub async fn of_clocks(conn: &Conn, reach: &Reach, ids: &[Uuid]) -> Result<Vec<Replay>, Error> {
    let (histories, promises) =
        try_join(Histories::load(conn, reach, ids), promise::of_clocks(conn, reach, ids)).await?;
    Ok(histories.replays(|frozen, _, uses| match frozen.terms {
        Terms::Service(offering) => {
            let promised = promise::promised(promises.get(&offering), frozen.standard_service_request_id);
            Measured::Service(frozen.facts(promised, uses))
        }
        Terms::Wait(terms) => Measured::Wait { queued_at: frozen.started_at, terms },
    }))
}

/// The same, as if they had been measured by other terms: three statements.
pub async fn of_clocks_under(
    conn: &Conn,
    reach: &Reach,
    ids: &[Uuid],
    proposal: &Proposal,
) -> Result<Vec<Replay>, Error> {
    let histories = Histories::load(conn, reach, ids).await?;
    Ok(histories.replays(|frozen, standard, uses| match proposal {
        Proposal::Service(offer) => Measured::Service(offer.facts(frozen, standard, uses)),
        Proposal::Wait(terms) => Measured::Wait { queued_at: frozen.started_at, terms: *terms },
    }))
}

/// What was frozen of clocks, and what happened to their requests.
struct Histories {
    /// With what each one's request was made from.
    clocks: Vec<(affected_sla::Frozen, Option<Uuid>)>,
    uses: Vec<Uses>,
    /// By request.
    events: HashMap<Uuid, Arc<[Event]>>,
}

impl Histories {
    async fn load(conn: &Conn, reach: &Reach, ids: &[Uuid]) -> Result<Self, Error> {
        let (clocks, told, uses) = try_join3(
            affected_sla::with_requests(conn, reach, ids),
            request_event::of_clocks(conn, reach, ids),
            candidate::upward_of_clocks(conn, reach, ids),
        )
        .await?;
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
        let clocks = clocks
            .into_iter()
            .map(|(frozen, request)| (frozen, request.standard_service_request_id))
            .collect();
        Ok(Self { clocks, uses, events: histories })
    }

    fn replays(
        self,
        measured: impl Fn(&affected_sla::Frozen, Option<Uuid>, &[Uses]) -> Measured,
    ) -> Vec<Replay> {
        let replay = |(frozen, standard): &(affected_sla::Frozen, Option<Uuid>)| {
            let of_request = self.events.get(&frozen.request_id).cloned().unwrap_or_default();
            Replay {
                id: frozen.id,
                sla_version_id: frozen.sla_version_id,
                measured: measured(frozen, *standard, &self.uses),
                events: match frozen.history(&of_request) {
                    Cow::Borrowed(_) => of_request,
                    Cow::Owned(own) => own.into(),
                },
            }
        };
        self.clocks.iter().map(replay).collect()
    }
}
