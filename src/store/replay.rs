//! What it takes to replay clocks: the terms and facts they are measured by, and what happened to their requests. Read
//! only; what follows from it is the clock's to say.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::try_join4;
use uuid::Uuid;

use super::candidate::Terms;
use super::intake::history::{complete, events};
use super::{Conn, affected_sla, candidate, promise, request_event};
use crate::access::Reach;
use crate::clock::events::Event;
use crate::clock::fold::Facts;
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

/// Clocks within reach with their histories: four statements, however many they are.
pub async fn of_clocks(conn: &Conn, reach: &Reach, ids: &[Uuid]) -> Result<HashMap<Uuid, Replay>, Error> {
    let (clocks, told, uses, promises) = try_join4(
        affected_sla::with_requests(conn, reach, ids),
        request_event::of_clocks(conn, reach, ids),
        candidate::upward_of_clocks(conn, reach, ids),
        promise::of_clocks(conn, reach, ids),
    )
    .await?;
    let mut stored: HashMap<Uuid, Vec<Arc<request_event::Row>>> = HashMap::new();
    for event in told {
        stored.entry(event.request_id).or_default().push(event);
    }
    let mut histories: HashMap<Uuid, Arc<[Event]>> = HashMap::new();
    for (_, request) in &clocks {
        if !histories.contains_key(&request.id) {
            let mut history = stored.remove(&request.id).unwrap_or_default();
            complete(request, &mut history);
            histories.insert(request.id, events(&history)?.into());
        }
    }
    let replay = |frozen: affected_sla::Frozen| Replay {
        id: frozen.id,
        sla_version_id: frozen.sla_version_id,
        measured: match frozen.terms {
            Terms::Service(offering) => {
                let promised = promise::promised(promises.get(&offering), frozen.standard_service_request_id);
                Measured::Service(frozen.facts(promised, &uses))
            }
            Terms::Wait(terms) => Measured::Wait { queued_at: frozen.started_at, terms },
        },
        events: histories.get(&frozen.request_id).cloned().unwrap_or_default(),
    };
    Ok(clocks.into_iter().map(|(frozen, _)| (frozen.id, replay(frozen))).collect())
}
