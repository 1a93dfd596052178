//! Following: the breach log as it grows, one clock as it changes.
//!
//! A root field only finds out what is followed; [`super::gateway`] then has each event answered, once for all
//! subscribers that ask the same with the same rights.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, ID, Object, Result, Subscription as Root};
use futures_util::stream::{BoxStream, Iter, StreamExt, iter, unfold};
use tokio::select;
use tokio::sync::watch;
use uuid::Uuid;

use super::asking::Asking;
use super::node::{Kind, lookup};
use super::{AffectedSla, Breach, BreachFilter};
use crate::access::{Permission, Viewer};
use crate::breach::{Clock, Ids, Item, Rights};
use crate::error::Error;
use crate::store::affected_sla;

/// Something happened that a subscriber is to be told.
pub(super) struct Event {
    /// Differs from all other events of the same operation.
    pub(super) name: Arc<str>,
    /// Where to resume after it; none if it is not of the breach log.
    pub(super) cursor: Option<Arc<str>>,
    /// When it was recorded; none for what did not just happen.
    pub(super) recorded_at: Option<chrono::DateTime<chrono::Utc>>,
    /// Who is told, with the rights of now.
    pub(super) viewer: Arc<Viewer>,
    /// The rights as they become.
    rights: watch::Receiver<Rights>,
    what: What,
}

impl Event {
    /// Whether its viewer still has the rights by which it is told.
    pub(super) fn stands(&self) -> bool {
        self.rights.borrow().viewer.rights_digest() == self.viewer.rights_digest()
    }
}

/// What happened.
#[derive(Clone)]
pub(super) enum What {
    Breach(Item),
    Clock,
}

/// What is followed, until an error ends it.
pub(super) type Events = BoxStream<'static, Result<Event, Error>>;

/// What a root field is run for.
#[derive(Clone)]
pub(super) enum Part {
    /// To find out what is followed, and leave it here.
    Opening(Arc<Mutex<Option<Events>>>),
    /// To answer one event.
    Telling(Arc<Mutex<Option<Result<What, Error>>>>),
}

impl Part {
    pub(super) fn opening() -> Self {
        Self::Opening(Arc::default())
    }

    pub(super) fn telling(event: Result<&Event, Error>) -> Self {
        Self::Telling(Arc::new(Mutex::new(Some(event.map(|event| event.what.clone())))))
    }

    /// What is followed; none if the root field was not run, or refused.
    pub(super) fn opened(&self) -> Option<Events> {
        match self {
            Self::Opening(events) => events.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Self::Telling(_) => None,
        }
    }
}

/// The events of one run of a root field: none where it opens, one where it tells.
type Run<T> = Iter<std::option::IntoIter<Result<T>>>;

/// Runs a root field for its part.
async fn run<T>(
    ctx: &Context<'_>,
    open: impl AsyncFnOnce() -> Result<Events, Error>,
    tell: impl AsyncFnOnce(What) -> Result<T>,
) -> Result<Run<T>> {
    match ctx.data_unchecked::<Part>() {
        Part::Opening(opened) => {
            let events = open().await?;
            *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(events);
            Ok(iter(None))
        }
        Part::Telling(what) => {
            let what = what.lock().unwrap_or_else(PoisonError::into_inner).take();
            let what = what.ok_or_else(|| Error::internal("an event was told twice"))??;
            Ok(iter(Some(tell(what).await)))
        }
    }
}

/// What a subscriber is told: a record, or how far the log was read.
pub struct BreachEvent(Item);

/// What a subscriber is told: a record, or how far the log was read.
#[Object]
impl BreachEvent {
    /// Where to resume: pass it as `after` to be told everything that follows. Opaque. Later than the last, but where the
    /// viewer's rights have grown: what they let through of the ten seconds before is then told too, and the cursors go back
    /// with it. Resume from the last that you were told.
    async fn cursor(&self) -> &str {
        &self.0.cursor
    }

    /// The record; null at a checkpoint, where only the cursor has moved: the first event of a feed without `after`,
    /// and every 15 seconds of silence.
    async fn breach(&self) -> Option<Breach> {
        self.0.breach.clone().map(Breach::from)
    }
}

/// Following the breach log, and clocks.
#[derive(Default)]
pub struct Subscription;

/// Everything that can be followed, over a websocket (`graphql-transport-ws`) or as server-sent events. Needs a token.
#[Root]
impl Subscription {
    /// The breach log as it grows: every warning, breach and retraction of the tenants in which the viewer holds
    /// `breaches:read`, in order. With `after` it first replays what was missed, without a gap; delivery is at least
    /// once, so that a client that resumes with the cursor of the last event it has worked through misses nothing. Whoever
    /// shows a list first reads `feedCursor` together with it and passes that.
    /// What is selected of a record is as of when it is told, or up to a second before. Ends when the right is taken
    /// away, in a tenant that the filter names or everywhere.
    async fn breaches(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Only records that fit all conditions; `tenant`, `sla`, `kind`, `phase` and `detectedAt` only."
        )]
        filter: Option<BreachFilter>,
        #[graphql(
            desc = "The cursor of an event, or `feedCursor`: what follows it is replayed. \"0\": everything that is kept. Null: nothing is replayed."
        )]
        after: Option<String>,
    ) -> Result<Run<BreachEvent>> {
        let open = async || {
            let asking = Asking::of(ctx);
            let viewer = asking.viewer()?;
            viewer.reach(Permission::BreachesRead)?;
            let services = asking.services();
            let filter = filter.unwrap_or_default().feed()?;
            for ids in &filter.tenants {
                if let Ids::In(tenants) = ids
                    && tenants.iter().any(|tenant| !viewer.reach_any().contains(*tenant))
                {
                    return Err(Error::NotFound("tenant"));
                }
            }
            let rights = services.viewers.follow(viewer.clone());
            let feed = services.breaches.feed();
            let items = feed.subscribe(filter, rights.clone(), after.as_deref()).await?;
            let event = move |item: Item| Event {
                // A record and a checkpoint may share a position.
                name: format!("{}{}", item.cursor, if item.breach.is_some() { "" } else { "-" }).into(),
                cursor: Some(item.cursor.as_str().into()),
                recorded_at: item.breach.as_ref().filter(|_| item.live).map(|row| row.detected_at),
                viewer: item.viewer.clone(),
                rights: rights.clone(),
                what: What::Breach(item),
            };
            Ok(items.map(move |item| item.map(&event)).boxed())
        };
        run(ctx, open, async |what| match what {
            What::Breach(item) => Ok(BreachEvent(item)),
            What::Clock => Err(Error::internal("the event of another field").into()),
        })
        .await
    }

    /// One affected SLA: as it is at once, then again whenever it has changed or something was recorded of it, by
    /// whichever gateway; several changes close together may be one. What merely comes nearer with time, as `atRisk`,
    /// is no change. Needs `affected-slas:read`; an id that does not exist and one that the viewer may not see are
    /// the same, `NOT_FOUND`, which also ends it when the right is taken away.
    async fn affected_sla_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its global id or bare UUID.")] id: ID,
    ) -> Result<Run<AffectedSla>> {
        let key = Kind::AffectedSla.key(&id)?;
        let open = async || {
            let asking = Asking::of(ctx);
            let viewer = asking.viewer()?.clone();
            let row = asking.row::<affected_sla::Row>(key).await?.ok_or(Error::NotFound("affected SLA"))?;
            let services = asking.services();
            let clock = services.breaches.clock(row.root_id, key);
            let rights = services.viewers.follow(viewer);
            let followed = Followed { tenant_id: row.tenant_id, clock, rights };
            let events = unfold(Some(followed), async |followed| {
                let mut followed = followed?;
                match followed.changed().await {
                    Some(event) => Some((Ok(event), Some(followed))),
                    None => Some((Err(Error::NotFound("affected SLA")), None)),
                }
            });
            Ok(events.boxed())
        };
        run(ctx, open, async |what| match what {
            What::Clock => {
                lookup::<AffectedSla>(ctx, &id).await?.ok_or_else(|| Error::NotFound("affected SLA").into())
            }
            What::Breach(_) => Err(Error::internal("the event of another field").into()),
        })
        .await
    }
}

/// A clock that is followed, and who follows it.
struct Followed {
    tenant_id: Uuid,
    clock: Clock,
    rights: watch::Receiver<Rights>,
}

impl Followed {
    /// Waits for a change; none once there is no such clock, or the viewer may not see it any more.
    async fn changed(&mut self) -> Option<Event> {
        loop {
            let mark = select! {
                mark = self.clock.changed() => Some(mark?),
                Ok(()) = self.rights.changed() => None,
            };
            let viewer = self.rights.borrow_and_update().viewer.clone();
            if !viewer.reach(Permission::AffectedSlasRead).ok()?.contains(self.tenant_id) {
                return None;
            }
            if let Some(name) = mark {
                let rights = self.rights.clone();
                return Some(Event {
                    name,
                    cursor: None,
                    recorded_at: None,
                    viewer,
                    rights,
                    what: What::Clock,
                });
            }
        }
    }
}
