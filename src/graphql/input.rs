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

/// The object that a write made or changed, read anew; or the mistakes of its input, with the object as it is now where
/// another has changed it.
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
        Err(WriteError::Conflict(id)) => {
            Asking::of(ctx).renew();
            Ok((related::<T>(ctx, Some(id)).await?, refused(WriteError::Conflict(id))?))
        }
        Err(error) => Ok((None, refused(error)?)),
    }
}

/// Why nothing was written, as data where the client can mend it.
pub(super) fn refused(error: WriteError) -> Result<Vec<InputError>> {
    match error {
        WriteError::Input(mistakes) => Ok(mistakes.into_iter().map(Into::into).collect()),
        WriteError::Conflict(_) => Ok(vec![
            error::InputError::at(
                "input.expectedRevision",
                error::InputErrorCode::Conflict,
                "This has changed since it was read: look at it as it is now, and try again with its revision.",
            )
            .into(),
        ]),
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
