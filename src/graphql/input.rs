//! What every mutation has in common: its mistakes as data, and how a refused write is told from a failed one.

use async_graphql::{Context, Enum, Result, SimpleObject};
use uuid::Uuid;

use super::asking::Asking;
use super::node::{Entity, related};
use crate::error::{self, WriteError};

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
    /// The object has changed since it was read.
    Conflict,
    /// What cannot be taken back.
    Irreversible,
    /// Other objects still hang on it.
    InUse,
}

/// The object that a write made or changed, read anew; or the mistakes of its input.
pub(super) async fn written<T: Entity>(
    ctx: &Context<'_>,
    outcome: Result<Uuid, WriteError>,
) -> Result<(Option<T>, Vec<InputError>)> {
    match outcome {
        Ok(id) => {
            let asking = Asking::of(ctx);
            asking.renew();
            asking.services().breaches.wake();
            Ok((related::<T>(ctx, Some(id)).await?, Vec::new()))
        }
        Err(WriteError::Input(mistakes)) => Ok((None, mistakes.into_iter().map(Into::into).collect())),
        Err(WriteError::Refused(error)) => Err(error.into()),
    }
}

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
            async fn of(
                ctx: &async_graphql::Context<'_>,
                outcome: Result<uuid::Uuid, $crate::error::WriteError>,
                client_mutation_id: Option<String>,
            ) -> async_graphql::Result<Self> {
                let ($field, errors) = $crate::graphql::input::written::<$object>(ctx, outcome).await?;
                Ok(Self { $field, errors, client_mutation_id })
            }
        }
    };
}
pub(super) use payload;
