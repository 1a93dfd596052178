//! Global ids: opaque, unique over all types, and the bare UUID wherever the type is known.

use std::sync::Arc;

use async_graphql::{Context, ID, Interface, Object, OutputType, Result};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::asking::Asking;
use super::look_ahead::{columns, joins};
use super::page::Parent;
use crate::error::{Error, InputErrorCode, Mistakes};
use crate::store::noun::Noun;
use crate::store::page::{self, Wanted};

/// An object type over a row.
pub trait Entity: OutputType + Clone + From<Arc<Self::Row>> {
    /// The row it wraps.
    type Row: Noun;
    /// Which kind its ids are of.
    const KIND: Kind;

    /// The row it wraps.
    fn row(&self) -> &Arc<Self::Row>;

    /// Its id.
    fn global_id(&self) -> ID {
        Self::KIND.id(self.row().id())
    }

    /// What nested pages hang under.
    fn parent(&self) -> Parent {
        Parent::of(&**self.row())
    }
}

/// Declares the object type that wraps a noun's row.
macro_rules! entity {
    ($name:ident over $noun:ident) => {
        #[doc = concat!("The object type over rows of `", stringify!($noun), "`.")]
        #[derive(Clone)]
        pub struct $name(std::sync::Arc<$crate::store::$noun::Row>);

        impl From<std::sync::Arc<$crate::store::$noun::Row>> for $name {
            fn from(row: std::sync::Arc<$crate::store::$noun::Row>) -> Self {
                Self(row)
            }
        }

        impl $crate::graphql::node::Entity for $name {
            type Row = $crate::store::$noun::Row;
            const KIND: $crate::graphql::node::Kind = $crate::graphql::node::Kind::$name;

            fn row(&self) -> &std::sync::Arc<Self::Row> {
                &self.0
            }
        }
    };
}
pub(super) use entity;

macro_rules! kinds {
    ($($kind:ident = $tag:literal),* $(,)?) => {
        /// The kinds of ids. A tag, once given out, is never given another meaning: the next new one is one more than the
        /// greatest.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each is named after its type")]
        pub enum Kind { $($kind = $tag),* }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$kind),*];
        }

        /// An object with an id that is unique over all types and stays the same: what `node` finds again.
        #[derive(Clone, Interface)]
        #[graphql(field(
            name = "id",
            ty = "ID",
            desc = "Opaque and unique over all types. Where an argument says which type it wants, the bare UUID serves as well."
        ))]
        #[expect(missing_docs, reason = "each is named after its type")]
        pub enum Node { $($kind(super::$kind)),* }

        async fn find(asking: &Asking, kind: Kind, id: Uuid) -> Result<Option<Node>, Error> {
            match kind {
                $(Kind::$kind => {
                    Ok(asking.row::<<super::$kind as Entity>::Row>(id).await?.map(|row| Node::$kind(row.into())))
                })*
            }
        }
    };
}

kinds! {
    Tenant = 1, Organization = 2, Site = 3, Team = 4, Person = 5, Calendar = 6, Service = 7, ServiceOffering = 8,
    StandardServiceRequest = 9, ServiceInstance = 10, Sla = 11, SlaVersion = 12, Project = 13, SlaLimit = 14,
    TimeEntry = 15, Request = 16, RequestEvent = 17, AffectedSla = 18, Breach = 19, Role = 20, RoleGrant = 21,
    ServiceToken = 22, AuditEntry = 23, Webhook = 30, LimitNotification = 31, SlaActivation = 40,
}

impl Kind {
    /// The global id of a row of this kind.
    pub fn id(self, id: Uuid) -> ID {
        let mut bytes = [self as u8; 17];
        bytes[1..].copy_from_slice(id.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes).into()
    }

    /// The key that an argument of this kind names: by global id, or by bare UUID.
    pub fn key(self, id: &ID) -> Result<Uuid, Error> {
        match parse(id)? {
            (None, key) => Ok(key),
            (Some(kind), key) if kind == self => Ok(key),
            (Some(_), _) => {
                Err(Error::BadRequest(format!("This is the id of another type: pass one of type {self:?}.")))
            }
        }
    }

    /// The same of an id in an input; none where it is none, which is a mistake at its path.
    pub(super) fn key_at(self, mistakes: &mut Mistakes, path: &str, id: &ID) -> Option<Uuid> {
        self.key(id).map_err(|error| mistakes.add(path, InputErrorCode::Invalid, error.message())).ok()
    }
}

/// The key that an id of any kind names.
pub(super) fn key_of_any(id: &ID) -> Result<Uuid, Error> {
    parse(id).map(|(_, key)| key)
}

fn parse(id: &ID) -> Result<(Option<Kind>, Uuid), Error> {
    if let Ok(key) = Uuid::try_parse(id) {
        return Ok((None, key));
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(id.as_bytes()).unwrap_or_default();
    let parsed = bytes.split_first().and_then(|(tag, key)| {
        let kind = Kind::ALL.iter().copied().find(|kind| *kind as u8 == *tag)?;
        Some((Some(kind), Uuid::from_slice(key).ok()?))
    });
    parsed.ok_or_else(|| {
        Error::BadRequest("This is not an id: pass an id exactly as a query gave it, or a UUID.".into())
    })
}

/// One object by its id, with the relations selected; not found is an error of one sentence, whatever the reason.
pub(super) async fn lookup<T: Entity>(ctx: &Context<'_>, id: &ID) -> Result<Option<T>> {
    found(ctx, Wanted::id(T::KIND.key(id)?)).await
}

/// The same by whatever else tells one object.
pub(super) async fn found<T: Entity>(ctx: &Context<'_>, wanted: Wanted) -> Result<Option<T>> {
    let asking = Asking::of(ctx);
    let reach = asking.reach_by_id::<T::Row>()?;
    let looks = [ctx.look_ahead()];
    let joins = joins(asking, T::Row::TARGET, &looks)?;
    let columns = columns(T::Row::TARGET, &looks);
    let (row, loaded) = page::one::<T::Row>(&asking.conn(), &reach, wanted, columns, &joins).await?;
    asking.prime(loaded);
    row.map(|row| Some(row.into())).ok_or_else(|| Error::NotFound(T::Row::NAME).into())
}

/// The object that a row refers to; null when it refers to none or to one that the viewer may not see.
pub(super) async fn related<T: Entity>(ctx: &Context<'_>, id: Option<Uuid>) -> Result<Option<T>> {
    match id {
        None => Ok(None),
        Some(id) => Ok(Asking::of(ctx).row_for::<T::Row>(ctx, id).await?.map(T::from)),
    }
}

/// The object that a row always refers to.
pub(super) async fn required<T: Entity>(ctx: &Context<'_>, id: Uuid) -> Result<T> {
    related(ctx, Some(id)).await?.ok_or_else(|| Error::NotFound(T::Row::NAME).into())
}

/// The row that a field of another object is answered through: no more of it may be read than that field.
pub(super) async fn through<T: Entity>(ctx: &Context<'_>, id: Uuid, field: &str) -> Result<T> {
    let row = Asking::of(ctx).row_with::<T::Row>(id, T::Row::TARGET.lifted(field)).await?;
    row.map(T::from).ok_or_else(|| Error::NotFound(T::Row::NAME).into())
}

/// Looking objects up by their ids.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object of a global id, or of a bare UUID of any type. An id that does not exist and one that the viewer
    /// may not see are the same: `NOT_FOUND`.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A global id, as any object gives it; or a bare UUID.")] id: ID,
    ) -> Result<Option<Node>> {
        let asking = Asking::of(ctx);
        asking.viewer()?;
        let node = match parse(&id)? {
            (Some(kind), key) => find(asking, kind, key).await?,
            (None, key) => find_any(asking, key).await?,
        };
        node.map(Some).ok_or_else(|| Error::NotFound("object").into())
    }

    /// The objects of several ids, at most 100, in the order of the ids; null where there is none that the viewer
    /// may see, and, with an error, for what is no id.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global ids, as any object gives them; or bare UUIDs. At most 100.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Result<Node>>>> {
        let asking = Asking::of(ctx);
        asking.viewer()?;
        if ids.len() > super::page::MAXIMUM {
            return Err(Error::LimitExceeded("At most 100 ids at once: ask several times.".into()).into());
        }
        let found = ids.iter().map(|id| async move {
            let found = match parse(id) {
                Ok((Some(kind), key)) => find(asking, kind, key).await,
                Ok((None, key)) => find_any(asking, key).await,
                Err(no_id) => return Ok(Some(Err(no_id.into()))),
            };
            match found {
                Err(Error::Forbidden(_)) => Ok(None),
                found => Ok::<_, Error>(found?.map(Ok)),
            }
        });
        Ok(futures_util::future::try_join_all(found).await?)
    }
}

/// All kinds are asked at once; a kind the viewer has no right to read has none of this id.
async fn find_any(asking: &Asking, key: Uuid) -> Result<Option<Node>, Error> {
    let found = Kind::ALL.iter().map(|kind| async move {
        match find(asking, *kind, key).await {
            Err(Error::Forbidden(_)) => Ok(None),
            found => found,
        }
    });
    Ok(futures_util::future::try_join_all(found).await?.into_iter().flatten().next())
}
