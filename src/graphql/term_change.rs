//! TermChange: what two versions of an SLA promise differently.

use std::collections::BTreeSet;

use async_graphql::{Context, ID, InputType, Result, SimpleObject};
use uuid::Uuid;

use super::asking::Asking;
use super::node::{Entity, Kind, related};
use super::page::{Parent, all_under};
use super::word::{AbandonType, SlaCoverage};
use super::{Organization, Person, ServiceInstance, ServiceOffering, Site};
use crate::error::Error;
use crate::store;
use crate::store::noun::Noun;
use crate::store::page::{Key, Sort, Under};
use crate::store::sla_version::Row;

/// One thing that two versions of an SLA promise differently, in words that can be shown.
#[derive(Debug, PartialEq, Eq, SimpleObject)]
pub struct TermChange {
    /// Which term, as it is named in the terms: `queue.slaThreshold`, `service.organizations`.
    path: String,
    /// What the version `from` says, with its unit; of a list, the names that `to` does not have, by name.
    /// Null when it says nothing there.
    from: Option<String>,
    /// What the version `to` says, with its unit; of a list, the names that `from` does not have, by name.
    /// Null when it says nothing there.
    to: Option<String>,
}

/// What changes from one version of an SLA to another one of its own.
pub(super) async fn changes(ctx: &Context<'_>, sla: Uuid, from: &ID, to: &ID) -> Result<Vec<TermChange>> {
    let (from, to) = futures_util::future::try_join(version(ctx, sla, from), version(ctx, sla, to)).await?;
    let mut changes = Changes(Vec::new());
    let seconds = |amount: i32| format!("{amount} seconds");
    changes.add("queue.slaThreshold", from.sla_threshold.map(seconds), to.sla_threshold.map(seconds));
    let word = |word| written(AbandonType::from(word));
    changes.add("queue.abandonType", from.abandon_type.map(word), to.abandon_type.map(word));
    changes.add(
        "queue.abandonThreshold",
        from.abandon_threshold.map(seconds),
        to.abandon_threshold.map(seconds),
    );
    let minutes = |amount: i32| format!("{amount} minutes");
    changes.add(
        "livechat.dueTimeInMinutes",
        from.due_time_in_minutes.map(minutes),
        to.due_time_in_minutes.map(minutes),
    );

    if from.service_offering_id != to.service_offering_id {
        let name = async |id| {
            let offering = related::<ServiceOffering>(ctx, id).await?;
            Ok::<_, async_graphql::Error>(
                offering.map_or_else(unseen(id), |offering| Some(offering.row().name.clone())),
            )
        };
        let names =
            futures_util::future::try_join(name(from.service_offering_id), name(to.service_offering_id))
                .await?;
        changes.push("service.serviceOffering", names.0, names.1);
    }
    if from.service_instance_id != to.service_instance_id {
        let name = async |id| {
            let instance = related::<ServiceInstance>(ctx, id).await?;
            Ok::<_, async_graphql::Error>(
                instance.map_or_else(unseen(id), |instance| Some(instance.row().name.clone())),
            )
        };
        let names =
            futures_util::future::try_join(name(from.service_instance_id), name(to.service_instance_id))
                .await?;
        changes.push("service.serviceInstance", names.0, names.1);
    }
    let word = |word| written(SlaCoverage::from(word));
    changes.add("service.coverage", from.coverage.map(word), to.coverage.map(word));
    let lists = futures_util::future::try_join4(
        list::<Organization>(
            ctx,
            [&from, &to],
            store::organization::UNDER_VERSION,
            &store::organization::key::NAME,
            |row| row.name.clone(),
        ),
        list::<Site>(ctx, [&from, &to], store::site::UNDER_VERSION, &store::site::key::NAME, |row| {
            row.name.clone()
        }),
        list::<Person>(
            ctx,
            [&from, &to],
            store::person::UNDER_VERSION,
            &store::person::key::LAST_NAME,
            |row| row.name(),
        ),
        list::<ServiceInstance>(
            ctx,
            [&from, &to],
            store::service_instance::UNDER_VERSION,
            &store::service_instance::key::NAME,
            |row| row.name.clone(),
        ),
    )
    .await?;
    for (path, (out, new)) in [
        ("service.organizations", lists.0),
        ("service.sites", lists.1),
        ("service.people", lists.2),
        ("service.serviceInstances", lists.3),
    ] {
        // Those of one version may be called as those of the other.
        if out.is_some() || new.is_some() {
            changes.push(path, out, new);
        }
    }
    Asking::of(ctx).tell_items(ctx, changes.0.len())?;
    Ok(changes.0)
}

struct Changes(Vec<TermChange>);

impl Changes {
    fn add(&mut self, path: &str, from: Option<String>, to: Option<String>) {
        if from != to {
            self.push(path, from, to);
        }
    }

    fn push(&mut self, path: &str, from: Option<String>, to: Option<String>) {
        self.0.push(TermChange { path: path.to_owned(), from, to });
    }
}

/// What stands for something that a version refers to and the viewer may not see.
fn unseen(id: Option<Uuid>) -> impl FnOnce() -> Option<String> {
    move || id.map(|_| "(not visible)".to_owned())
}

/// A word as clients write it.
fn written(word: impl InputType) -> String {
    match word.to_value() {
        async_graphql::Value::Enum(name) => name.to_string(),
        other => other.to_string(),
    }
}

async fn version(ctx: &Context<'_>, sla: Uuid, id: &ID) -> Result<std::sync::Arc<Row>, Error> {
    let version = Asking::of(ctx).row::<Row>(Kind::SlaVersion.key(id)?).await?;
    version.filter(|version| version.sla_id == sla).ok_or(Error::NotFound(Row::NAME))
}

/// The names that only the first of two versions lists, and those that only the second does.
async fn list<T: Entity>(
    ctx: &Context<'_>,
    versions: [&Row; 2],
    under: Under,
    by: &'static Key,
    name: impl Fn(&T::Row) -> String,
) -> Result<(Option<String>, Option<String>)> {
    let listed = versions.map(|version| {
        let order = vec![Sort { key: by, descending: false }];
        all_under::<T>(ctx, Parent::of(version), under, order)
    });
    let [old, new] = listed;
    let (old, new) = futures_util::future::try_join(old, new).await?;
    let ids = |objects: &[T]| objects.iter().map(|object| object.row().id()).collect::<BTreeSet<Uuid>>();
    let (known, kept) = (ids(&old), ids(&new));
    let names = |objects: &[T], others: &BTreeSet<Uuid>| {
        let only = objects.iter().map(Entity::row).filter(|row| !others.contains(&row.id()));
        let names: Vec<String> = only.map(|row| name(row)).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    Ok((names(&old, &kept), names(&new, &known)))
}
