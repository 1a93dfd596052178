//! What every mutation has in common: its mistakes as data, and how a refused write is told from a failed one.

use std::sync::Arc;

use async_graphql::{Context, Enum, Result, SimpleObject};
use uuid::Uuid;

use super::asking::{Asking, reach_by_id};
use super::node::{Entity, Kind, related};
use crate::access::{Permit, Reach};
use crate::error::{self, Error, WriteError};
use crate::store::noun::{Join, Noun, Relation, Target};
use crate::store::page::{self, Wanted};

/// What is wrong with one field of an input. A payload holds all mistakes at once; nothing was written then.
#[derive(Clone, Debug, SimpleObject)]
pub struct InputError {
    /// What kind of mistake.
    code: InputErrorCode,
    /// Where, from `input` on: `["input", "version", "terms", "queue", "slaThreshold"]`.
    path: Vec<String>,
    /// What to do about it, for people.
    message: String,
}

impl From<error::InputError> for InputError {
    fn from(error: error::InputError) -> Self {
        Self { code: error.code.into(), path: error.path, message: error.message }
    }
}

/// The kinds of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "error::InputErrorCode")]
pub enum InputErrorCode {
    /// The value breaks a rule of its field.
    Invalid,
    /// The field must be given here.
    Required,
    /// The text is longer than the field holds.
    TooLong,
    /// Another livechat SLA of the tenant has this name or this due time.
    DuplicatedSla,
    /// Another object has this value where only one may.
    Duplicate,
    /// No object of this id that the viewer may see and that may be used here.
    NotFound,
    /// The object has changed since it was read; at `clientMutationId`: the mark was sent with another input before.
    Conflict,
    /// What cannot be taken back.
    Irreversible,
    /// Other objects still hang on it.
    InUse,
    /// It takes a right that the viewer does not hold, or would hand one on; the message names it.
    Forbidden,
}

/// What a mutation answers: the object, or the mistakes.
pub(super) type Answer<T> = (Option<T>, Vec<InputError>);

/// The object that a write made or changed, read anew; or the mistakes of its input, with the object as it is now where
/// another has changed it.
pub(super) async fn written<T: Entity>(
    ctx: &Context<'_>,
    permit: &Permit,
    outcome: Result<Uuid, WriteError>,
) -> Result<Answer<T>> {
    match outcome {
        Ok(id) => {
            stands::<T>(Asking::of(ctx)).await;
            Ok((as_written::<T>(ctx, permit, id).await?, Vec::new()))
        }
        Err(WriteError::Conflict(id)) => {
            Asking::of(ctx).renew();
            Ok((as_written::<T>(ctx, permit, id).await?, refused(WriteError::Conflict(id))?))
        }
        Err(error) => Ok((None, refused(error)?)),
    }
}

/// What a write means for the rest: what was read is read anew, new deadlines are seen, and so are new rights.
pub(super) async fn stands<T: Entity>(asking: &Asking) {
    asking.renew();
    let services = asking.services();
    services.breaches.wake();
    if matches!(T::KIND, Kind::Tenant | Kind::Person | Kind::Role | Kind::RoleGrant | Kind::ServiceToken) {
        services.viewers.refresh().await;
    }
}

/// Whoever may write an object is told what became of it, also without the right to read it, and with it of what takes the
/// same right to read: of an SLA, the version in force. The loader, which reads many at once, serves those who may.
pub(super) async fn as_written<T: Entity>(ctx: &Context<'_>, permit: &Permit, id: Uuid) -> Result<Option<T>> {
    let asking = Asking::of(ctx);
    let may_read =
        reach_by_id::<T::Row>(asking.viewer()?).is_ok_and(|reach| reach.contains(permit.tenant_id));
    // A new tenant is not within anybody's reach yet.
    if may_read && T::KIND != Kind::Tenant {
        return related::<T>(ctx, Some(id)).await;
    }
    let reach = Arc::new(permit.reach_of(id));
    let target = T::Row::TARGET;
    let joins = alike(target, &reach, 2);
    let (row, loaded) =
        page::one::<T::Row>(&asking.conn(), &reach, Wanted::id(id), target.all(), &joins).await?;
    asking.prime(loaded);
    Ok(row.map(T::from))
}

/// The relations to what takes the same right to read, and theirs in turn.
fn alike(target: &'static Target, reach: &Arc<Reach>, levels: usize) -> Vec<Join> {
    if levels == 0 || target.by_id.is_none() {
        return Vec::new();
    }
    let same = target.relations.iter().filter(|relation| (relation.target)().by_id == target.by_id);
    let join = |relation: &'static Relation| {
        let target = (relation.target)();
        let columns = target.all();
        let children = alike(target, reach, levels - 1);
        Join { relation, reach: reach.clone(), columns, wanted: vec![columns], children }
    };
    same.map(join).collect()
}

/// Why nothing was written, as data where the client can mend it.
pub(super) fn refused(error: WriteError) -> Result<Vec<InputError>> {
    match error {
        WriteError::Input(mistakes) => Ok(mistakes.into_iter().map(Into::into).collect()),
        WriteError::Conflict(_) => Ok(vec![error::InputError::conflict().into()]),
        WriteError::Again => Err(Error::internal("a write lost against others every time").into()),
        WriteError::Refused(error) => Err(error.into()),
    }
}

/// Declares the payload of a mutation that deletes.
macro_rules! delete_payload {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(async_graphql::SimpleObject)]
        pub struct $name {
            /// The id of what is gone; null when it was refused.
            deleted_id: Option<async_graphql::ID>,
            /// Why it was refused; empty when it is gone.
            errors: Vec<$crate::graphql::input::InputError>,
            /// The mark that the client sent along.
            client_mutation_id: Option<String>,
        }

        impl $name {
            fn of(
                outcome: Result<async_graphql::ID, $crate::error::WriteError>,
                client_mutation_id: Option<String>,
            ) -> async_graphql::Result<Self> {
                Ok(match outcome {
                    Ok(id) => Self { deleted_id: Some(id), errors: Vec::new(), client_mutation_id },
                    Err(error) => {
                        Self { deleted_id: None, errors: $crate::graphql::input::refused(error)?, client_mutation_id }
                    }
                })
            }
        }
    };
}
pub(super) use delete_payload;

/// Declares the payload of a mutation: the object, its mistakes, and the client's own mark.
macro_rules! payload {
    ($(#[$doc:meta])* $name:ident { $(#[$fdoc:meta])* $field:ident: $object:ident }) => {
        $(#[$doc])*
        #[derive(async_graphql::SimpleObject)]
        pub struct $name {
            $(#[$fdoc])*
            $field: Option<$object>,
            /// All that is wrong with the input; empty when it was written.
            errors: Vec<$crate::graphql::input::InputError>,
            /// The mark that the client sent along.
            client_mutation_id: Option<String>,
        }

        impl $name {
            fn of(
                ($field, errors): $crate::graphql::input::Answer<$object>,
                client_mutation_id: Option<String>,
            ) -> Self {
                Self { $field, errors, client_mutation_id }
            }
        }
    };
}
pub(super) use payload;
