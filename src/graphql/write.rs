//! How mutations are declared: the inputs of a noun from one list of fields, each with the rule it is checked by, and
//! the mutations that make, change and delete its objects.

use std::sync::Arc;

use async_graphql::{Context, ID, InputType, Result};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::asking::Asking;
use super::input::{Answer, InputError, as_written, stands, written};
use super::node::{Entity, Kind};
use crate::access::{Permission, Permit};
use crate::error::{self, Error, InputErrorCode, Mistakes, WriteError};
use crate::store::noun::Noun;
use crate::store::page::{self, Wanted};
use crate::store::sql::Bind;
use crate::store::write::{self, Draft, Mark, Together};

/// The input that makes an object.
pub(super) trait Create: Send + Sync {
    /// What it makes.
    type Object: Entity;

    /// The tenant that will own it, and the field that names it; the tenant above it, where it is a tenant itself.
    fn owner(&self) -> (Spot, &ID);
    /// What it takes, in that tenant.
    fn needs(&self) -> Permission;
    /// The write.
    fn work(&self, permit: &Permit) -> write::Work<Uuid>;
}

/// The input that changes an object.
pub(super) trait Update: Clone + Send + Sync {
    /// What it changes.
    type Object: Entity;
    /// The mutation, as the audit log tells it.
    const ACTION: &'static str;
    /// What it takes, in the object's tenant.
    const NEEDS: Permission;

    /// Which.
    fn id(&self) -> &ID;
    /// The revision that the client has read.
    fn expected_revision(&self) -> Option<i32>;
    /// Writes the fields that are given.
    fn fill(self, draft: &mut Draft);
}

/// Makes an object.
pub(super) async fn create<I: Create>(ctx: &Context<'_>, input: I) -> Result<Answer<I::Object>> {
    let asking = Asking::of(ctx);
    let permit = asking.permit(input.needs(), Kind::Tenant.key(input.owner().1)?)?;
    let outcome = write::one(&asking.conn(), || input.work(&permit)).await;
    written(ctx, &permit, outcome).await
}

/// The most rows of a bulk mutation.
const ROWS: usize = 1_000;

/// That a bulk mutation has no more rows than it may.
pub(super) fn check_count(rows: usize) -> Result<(), Error> {
    if rows <= ROWS {
        return Ok(());
    }
    Err(Error::LimitExceeded(format!("A call may have {ROWS} rows at the most: send the rest in another.")))
}

/// Makes many objects; what became of each.
pub(super) async fn create_many<I: Create>(
    ctx: &Context<'_>,
    inputs: &[I],
    together: Together,
) -> Result<Vec<Answer<I::Object>>> {
    let asking = Asking::of(ctx);
    asking.viewer()?;
    check_count(inputs.len())?;
    let permits = inputs.iter().map(|input| {
        let (spot, owner) = input.owner();
        let permit = Kind::Tenant.key(owner).and_then(|tenant| asking.permit(input.needs(), tenant));
        allowed(&spot.path(), permit)
    });
    let permits = permits.collect::<Result<Vec<_>, Error>>()?;
    write_many(ctx, &permits, together, |row, permit| inputs[row].work(permit)).await
}

/// What it takes to write a row; else the mistake of the row. Who may not write one may write others.
pub(super) type Allowed<T> = std::result::Result<T, error::InputError>;

/// Whether a row may be written, which the field at `path` decides.
pub(super) fn allowed<T>(path: &str, permit: Result<T, Error>) -> Result<Allowed<T>, Error> {
    match permit {
        Ok(permit) => Ok(Ok(permit)),
        Err(error) => error.at(path).map(Err),
    }
}

/// Writes rows that may be written, together or each; what became of each. The objects are read only where they were
/// written.
pub(super) async fn write_many<T: Entity>(
    ctx: &Context<'_>,
    permits: &[Allowed<Permit>],
    together: Together,
    work: impl Fn(usize, &Permit) -> write::Work<Uuid> + Sync,
) -> Result<Vec<Answer<T>>> {
    let right: Vec<(usize, &Permit)> =
        permits.iter().enumerate().filter_map(|(row, permit)| Some((row, permit.as_ref().ok()?))).collect();
    // A row that may not be written keeps the others from it; what is wrong with those is told all the same.
    let tried = match together {
        Together::Atomic if right.len() < permits.len() => Together::DryRun,
        together => together,
    };
    let outcomes = match right.len() {
        0 => Vec::new(),
        count => {
            let conn = Asking::of(ctx).conn();
            write::many(&conn, count, tried, |at| work(right[at].0, right[at].1)).await?
        }
    };
    stands::<T>(Asking::of(ctx)).await;
    let stand = match tried {
        Together::Atomic => outcomes.iter().all(std::result::Result::is_ok),
        Together::Each => true,
        Together::DryRun => false,
    };
    let mut outcomes = outcomes.into_iter();
    let told = permits.iter().enumerate().map(|(row, permit)| {
        let outcome = match permit {
            Ok(permit) => outcomes.next().map(|outcome| outcome.map(|id| (permit, id))),
            Err(mistake) => Some(Err(vec![mistake.clone()])),
        };
        (row, outcome)
    });
    let answers = told.collect::<Vec<_>>().into_iter().map(|(row, outcome)| async move {
        match outcome {
            Some(Ok((permit, id))) if stand => Ok((as_written(ctx, permit, id).await?, Vec::new())),
            Some(Err(mistakes)) => {
                Ok((None, mistakes.into_iter().map(|mistake| in_row(row, mistake)).collect()))
            }
            _ => Ok((None, Vec::new())),
        }
    });
    futures_util::future::try_join_all(answers).await
}

/// A mistake in a row of a bulk input.
fn in_row(row: usize, mut mistake: error::InputError) -> InputError {
    let at = mistake.path.len().min(1);
    mistake.path.splice(at..at, ["rows".to_owned(), row.to_string()]);
    mistake.into()
}

/// How many rows of a bulk mutation are written together.
pub(super) fn together(atomic: bool, dry_run: bool) -> Together {
    match (atomic, dry_run) {
        (_, true) => Together::DryRun,
        (true, false) => Together::Atomic,
        (false, false) => Together::Each,
    }
}

/// How many of the rows of a bulk mutation were written, of which so many have no errors.
pub(super) fn written_of(together: Together, rows: usize, accepted: usize) -> i32 {
    let written = match together {
        Together::DryRun => 0,
        Together::Atomic if accepted < rows => 0,
        Together::Atomic | Together::Each => accepted,
    };
    i32::try_from(written).unwrap_or(i32::MAX)
}

/// To make an object of a draft that `fill` fills.
pub(super) fn creation<T: Entity>(
    permit: &Permit,
    action: &'static str,
    upsert: bool,
    (input, key): (&impl InputType, Option<&str>),
    fill: impl FnOnce(&mut Draft),
) -> write::Work<Uuid> {
    let mut draft = Draft::new(permit.clone());
    let mark = mark(input, key, &mut draft.mistakes);
    fill(&mut draft);
    write::creation::<T::Row>(action, upsert, mark, draft)
}

/// The longest mark of a client, in characters.
const MARK: usize = 255;

/// The client's mark with what it was sent for.
pub(super) fn mark(input: &impl InputType, key: Option<&str>, mistakes: &mut Mistakes) -> Option<Mark> {
    let key = key?;
    mistakes.text("input.clientMutationId", key, MARK);
    if key.trim().is_empty() || key.chars().count() > MARK || key.chars().any(char::is_control) {
        // It cannot be kept, and nothing will be written.
        return None;
    }
    let input_hash = Sha256::digest(input.to_value().to_string()).into();
    Some(Mark { key: key.to_owned(), input_hash })
}

/// Changes an object.
pub(super) async fn update<I: Update>(ctx: &Context<'_>, input: I) -> Result<Answer<I::Object>> {
    let asking = Asking::of(ctx);
    let (id, permit) = permit_on::<I::Object>(asking, input.id(), I::NEEDS).await?;
    let work = || {
        let mut draft = Draft::new(permit.clone());
        input.clone().fill(&mut draft);
        write::change::<<I::Object as Entity>::Row>(I::ACTION, id, input.expected_revision(), draft)
    };
    let outcome = write::one(&asking.conn(), work).await;
    written(ctx, &permit, outcome).await
}

/// Deletes an object; gives the id it had.
pub(super) async fn delete<T: Entity>(
    ctx: &Context<'_>,
    id: &ID,
    expected_revision: Option<i32>,
    action: &'static str,
    needs: Permission,
) -> Result<std::result::Result<ID, WriteError>> {
    let asking = Asking::of(ctx);
    let (id, permit) = permit_on::<T>(asking, id, needs).await?;
    let work = || write::deletion::<T::Row>(permit.clone(), action, id, expected_revision);
    let outcome = write::one(&asking.conn(), work).await;
    stands::<T>(asking).await;
    Ok(outcome.map(|()| T::KIND.id(id)))
}

/// The permit to write an object: it must be visible, and the right be held in its own tenant (rule P2).
pub(super) async fn permit_on<T: Entity>(
    asking: &Asking,
    id: &ID,
    needs: Permission,
) -> Result<(Uuid, Permit), Error> {
    let viewer = asking.viewer()?.clone();
    let key = T::KIND.key(id)?;
    let row = seen::<T>(asking, key).await?;
    Ok((key, viewer.permit_seen(needs, row.tenant_id())?))
}

/// The row of an object that is to be written: who may write it need not have the right to read it.
pub(super) async fn seen<T: Entity>(asking: &Asking, id: Uuid) -> Result<Arc<T::Row>, Error> {
    let reach = asking.viewer()?.reach_any();
    let (row, _) =
        page::one::<T::Row>(&asking.conn(), &reach, Wanted::id(id), T::Row::TARGET.all(), &[]).await?;
    row.ok_or(Error::NotFound(T::Row::NAME))
}

/// A field of an input: the column it is written to, and where a client finds it.
#[derive(Clone, Copy)]
pub(super) struct Spot(pub(super) &'static str);

impl Spot {
    /// `input.timeZone` of the column `time_zone`.
    pub(super) fn path(self) -> String {
        let mut parts = self.0.split('_');
        let first = parts.next().unwrap_or_default();
        let rest = parts.map(|part| {
            let (head, tail) = part.split_at(part.len().min(1));
            head.to_ascii_uppercase() + tail
        });
        format!("input.{first}{}", rest.collect::<String>())
    }
}

impl Spot {
    /// The mistake of a null where there must be a value.
    pub(super) fn cannot_be_empty(self, mistakes: &mut Mistakes) {
        let message = "This cannot be null: leave it out, and it stays as it is.";
        mistakes.add(&self.path(), InputErrorCode::Required, message);
    }
}

/// The rule of what something is called, in at most so many characters.
pub(super) fn name(longest: usize) -> impl FnOnce(&mut Draft, Spot, String) {
    move |draft, spot, value| {
        let kept = draft.mistakes.name(&spot.path(), &value, longest);
        draft.set(spot.0, Some(Bind::Text(kept)));
    }
}

/// The rule of a text that is kept as it is given, such as the key of another system: one line that says something, of at
/// most so many characters.
pub(super) fn text(longest: usize) -> impl FnOnce(&mut Draft, Spot, String) {
    move |draft, spot, value| {
        draft.mistakes.text(&spot.path(), &value, longest);
        draft.set(spot.0, Some(Bind::Text(value)));
    }
}

/// The rule of a yes or no.
pub(super) fn flag(draft: &mut Draft, spot: Spot, value: bool) {
    draft.set(spot.0, Some(Bind::Bool(value)));
}

/// The rule of a whole number of at least so many.
pub(super) fn at_least(least: i32) -> impl FnOnce(&mut Draft, Spot, i32) {
    move |draft, spot, value| {
        if value < least {
            draft.mistakes.add(
                &spot.path(),
                InputErrorCode::Invalid,
                format!("This must be {least} or more."),
            );
        }
        draft.set(spot.0, Some(Bind::Int(value)));
    }
}

/// The rule of a zone.
pub(super) fn zone(draft: &mut Draft, spot: Spot, value: super::scalar::TimeZone) {
    draft.set(spot.0, Some(Bind::Text(value.0.name().to_owned())));
}

/// The rule of one of a closed list of words.
pub(super) fn word<T>(word: impl FnOnce(T) -> &'static str) -> impl FnOnce(&mut Draft, Spot, T) {
    move |draft, spot, value| draft.set(spot.0, Some(Bind::Text(word(value).to_owned())))
}

/// The rule of an id: it names an object that may be used in the tenant.
pub(super) fn refers<T: Entity>(draft: &mut Draft, spot: Spot, id: ID) {
    if let Some(key) = key::<T>(draft, &spot.path(), &id) {
        draft.refer::<T::Row>(spot.0, &spot.path(), Some(key));
    }
}

/// The key that an id at a path names; else a mistake.
pub(super) fn key<T: Entity>(draft: &mut Draft, path: &str, id: &ID) -> Option<Uuid> {
    T::KIND.key_at(&mut draft.mistakes, path, id)
}

/// The keys of a list, each once and each that of an object that may be used in the tenant.
pub(super) fn keys<T: Entity>(draft: &mut Draft, spot: Spot, ids: &[ID]) -> Vec<Uuid> {
    let mut keys = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let path = format!("{}.{index}", spot.path());
        if let Some(key) = key::<T>(draft, &path, id)
            && !keys.contains(&key)
        {
            draft.uses::<T::Row>(&path, key);
            keys.push(key);
        }
    }
    keys
}

/// Declares the two inputs that make and change objects of a noun, from one list of fields, each with its rule. What
/// is `required` must be given to make one; what is `defaulted` need not; what is `optional` can be null.
macro_rules! inputs {
    (
        $object:ident needs $needs:ident $(or $needs_update:ident)?;
        $(#[$cdoc:meta])* create $create:ident as $create_action:literal owned by { $(#[$wdoc:meta])* $owner:ident };
        $(#[$udoc:meta])* update $update:ident as $update_action:literal;
        required { $($(#[$rdoc:meta])* $required:ident: $rtype:ty => $rrule:expr),* $(,)? }
        defaulted { $($(#[$ddoc:meta])* $defaulted:ident: $dtype:ty [$($dattr:tt)*] => $drule:expr),* $(,)? }
        optional { $($(#[$odoc:meta])* $optional:ident: $otype:ty => $orule:expr),* $(,)? }
        $(sourced { $(#[$sdoc:meta])* $upsert:ident })?
        $(constraints { $($constraint:literal => $path:literal, $code:ident, $message:literal;)* })?
        $(then $then:expr;)?
        $(then_once $then_once:expr;)?
    ) => {
        $(#[$cdoc])*
        #[derive(Clone, Debug, async_graphql::InputObject)]
        pub struct $create {
            $(#[$wdoc])*
            $owner: async_graphql::ID,
            $($(#[$rdoc])* $required: $rtype,)*
            $($(#[$ddoc])* #[graphql($($dattr)*)] $defaulted: $dtype,)*
            $($(#[$odoc])* $optional: Option<$otype>,)*
            $($(#[$sdoc])* #[graphql(default = false)] $upsert: bool,)?
            /// A mark of the client's own, at most 255 characters, such as a UUID; given back with the payload. For a
            /// day, the same input under the same mark makes nothing twice: the first result is given again.
            client_mutation_id: Option<String>,
        }

        $(#[$udoc])*
        #[derive(Clone, Debug, async_graphql::InputObject)]
        pub struct $update {
            /// Which.
            id: async_graphql::ID,
            /// Its `revision` as last read: if it has another by now, nothing is written and the errors say `CONFLICT`.
            /// Null = whatever it is.
            expected_revision: Option<i32>,
            $($(#[$rdoc])* $required: async_graphql::MaybeUndefined<$rtype>,)*
            $($(#[$ddoc])* $defaulted: async_graphql::MaybeUndefined<$dtype>,)*
            $($(#[$odoc])* $optional: async_graphql::MaybeUndefined<$otype>,)*
            /// A mark of the client's own, given back with the payload.
            client_mutation_id: Option<String>,
        }

        impl $create {
            fn fill(self, draft: &mut $crate::store::write::Draft) {
                use $crate::graphql::write::Spot;
                $(($rrule)(draft, Spot(stringify!($required)), self.$required);)*
                $(($drule)(draft, Spot(stringify!($defaulted)), self.$defaulted);)*
                $(if let Some(value) = self.$optional {
                    ($orule)(draft, Spot(stringify!($optional)), value);
                })*
                $crate::graphql::write::inputs!(@rest draft, $($($constraint, $path, $code, $message;)*)?);
                $(($then)(draft);)?
                $(($then_once)(draft);)?
            }
        }

        impl $crate::graphql::write::Create for $create {
            type Object = $object;

            fn owner(&self) -> ($crate::graphql::write::Spot, &async_graphql::ID) {
                ($crate::graphql::write::Spot(stringify!($owner)), &self.$owner)
            }

            fn needs(&self) -> $crate::access::Permission {
                $crate::access::Permission::$needs
            }

            fn work(&self, permit: &$crate::access::Permit) -> $crate::store::write::Work<uuid::Uuid> {
                let upsert = $crate::graphql::write::inputs!(@upsert self $($upsert)?);
                let marked = (self, self.client_mutation_id.as_deref());
                $crate::graphql::write::creation::<$object>(permit, $create_action, upsert, marked, |draft| {
                    self.clone().fill(draft);
                })
            }
        }

        impl $crate::graphql::write::Update for $update {
            type Object = $object;
            const ACTION: &'static str = $update_action;
            const NEEDS: $crate::access::Permission = $crate::graphql::write::inputs!(@needs $needs $($needs_update)?);

            fn id(&self) -> &async_graphql::ID {
                &self.id
            }

            fn expected_revision(&self) -> Option<i32> {
                self.expected_revision
            }

            fn fill(self, draft: &mut $crate::store::write::Draft) {
                use $crate::graphql::write::Spot;
                $(match self.$required {
                    async_graphql::MaybeUndefined::Undefined => {}
                    async_graphql::MaybeUndefined::Null => Spot(stringify!($required)).cannot_be_empty(&mut draft.mistakes),
                    async_graphql::MaybeUndefined::Value(value) => {
                        ($rrule)(draft, Spot(stringify!($required)), value);
                    }
                })*
                $(match self.$defaulted {
                    async_graphql::MaybeUndefined::Undefined => {}
                    async_graphql::MaybeUndefined::Null => Spot(stringify!($defaulted)).cannot_be_empty(&mut draft.mistakes),
                    async_graphql::MaybeUndefined::Value(value) => {
                        ($drule)(draft, Spot(stringify!($defaulted)), value);
                    }
                })*
                $(match self.$optional {
                    async_graphql::MaybeUndefined::Undefined => {}
                    async_graphql::MaybeUndefined::Null => draft.set(stringify!($optional), None),
                    async_graphql::MaybeUndefined::Value(value) => {
                        ($orule)(draft, Spot(stringify!($optional)), value);
                    }
                })*
                $crate::graphql::write::inputs!(@rest draft, $($($constraint, $path, $code, $message;)*)?);
                $(($then)(draft);)?
            }
        }
    };
    (@upsert $self:ident $upsert:ident) => { $self.$upsert };
    (@upsert $self:ident) => { false };
    (@needs $create:ident $update:ident) => { $crate::access::Permission::$update };
    (@needs $create:ident) => { $crate::access::Permission::$create };
    (@rest $draft:ident, $($constraint:literal, $path:literal, $code:ident, $message:literal;)*) => {
        $($draft.constraint($constraint, $path, $crate::error::InputErrorCode::$code, $message);)*
    };
}
pub(super) use inputs;

/// Declares the mutations of a noun whose inputs are declared by [`inputs!`], with their payloads.
macro_rules! mutations {
    (
        $(#[$doc:meta])* $name:ident over $object:ident as $field:ident;
        $(#[$cdoc:meta])* create $create:ident($create_input:ident) -> $payload:ident;
        $(#[$mdoc:meta])* many $many:ident($many_input:ident) -> $many_payload:ident;
        $(#[$udoc:meta])* update $update:ident($update_input:ident);
        $(#[$ddoc:meta])* delete $delete:ident($delete_input:ident) -> $delete_payload:ident as $delete_action:literal needs $needs:ident;
        $($own:tt)*
    ) => {
        $crate::graphql::input::payload! {
            /// What was written, or what is wrong with the input.
            $payload {
                /// The object as it is now, also where another has changed it first (`CONFLICT`); null when the input was
                /// refused for another reason. What tells that it was written is that `errors` is empty.
                $field: $object
            }
        }

        $crate::graphql::input::delete_payload! {
            /// What is gone, or why it is not.
            $delete_payload
        }

        $crate::graphql::write::many! { $many_input of $create_input -> $many_payload of $payload }

        /// What is to be deleted.
        #[derive(Clone, Debug, async_graphql::InputObject)]
        pub struct $delete_input {
            /// Which.
            id: async_graphql::ID,
            /// Its `revision` as last read: if it has another by now, nothing is deleted and the errors say `CONFLICT`.
            /// Null = whatever it is.
            expected_revision: Option<i32>,
            /// A mark of the client's own, given back with the payload.
            client_mutation_id: Option<String>,
        }

        $(#[$doc])*
        #[derive(Default)]
        pub struct $name;

        #[async_graphql::Object]
        impl $name {
            $(#[$cdoc])*
            async fn $create(
                &self,
                ctx: &async_graphql::Context<'_>,
                #[graphql(desc = "What is to be made.")] input: $create_input,
            ) -> async_graphql::Result<$payload> {
                let client_mutation_id = input.client_mutation_id.clone();
                Ok($payload::of($crate::graphql::write::create(ctx, input).await?, client_mutation_id))
            }

            $(#[$mdoc])*
            async fn $many(
                &self,
                ctx: &async_graphql::Context<'_>,
                #[graphql(desc = "What is to be made.")] input: $many_input,
            ) -> async_graphql::Result<$many_payload> {
                let together = $crate::graphql::write::together(input.atomic, input.dry_run);
                let answers = $crate::graphql::write::create_many(ctx, &input.rows, together).await?;
                let marks = input.rows.into_iter().map(|row| row.client_mutation_id);
                let results = answers.into_iter().zip(marks).map(|(answer, mark)| $payload::of(answer, mark));
                Ok($many_payload::of(results.collect(), together, input.client_mutation_id))
            }

            $(#[$udoc])*
            async fn $update(
                &self,
                ctx: &async_graphql::Context<'_>,
                #[graphql(desc = "What changes.")] input: $update_input,
            ) -> async_graphql::Result<$payload> {
                let client_mutation_id = input.client_mutation_id.clone();
                Ok($payload::of($crate::graphql::write::update(ctx, input).await?, client_mutation_id))
            }

            $(#[$ddoc])*
            async fn $delete(
                &self,
                ctx: &async_graphql::Context<'_>,
                #[graphql(desc = "Which.")] input: $delete_input,
            ) -> async_graphql::Result<$delete_payload> {
                let needs = $crate::access::Permission::$needs;
                let gone = $crate::graphql::write::delete::<$object>(
                    ctx, &input.id, input.expected_revision, $delete_action, needs,
                );
                $delete_payload::of(gone.await?, input.client_mutation_id)
            }

            $($own)*
        }
    };
}
pub(super) use mutations;

/// Declares the input and the payload of a bulk mutation, over those of one row.
macro_rules! many {
    ($many_input:ident of $input:ident -> $many_payload:ident of $payload:ident) => {
        /// Many at once.
        #[derive(Clone, Debug, async_graphql::InputObject)]
        pub struct $many_input {
            /// The rows, at most 1 000. A later row may not refer to an earlier one.
            rows: Vec<$input>,
            /// True: all are written, or, when one is refused, none. False: each that is right is written.
            #[graphql(default = true)]
            atomic: bool,
            /// True: nothing is written; the results tell what would be refused.
            #[graphql(default = false)]
            dry_run: bool,
            /// A mark of the client's own, given back with the payload. What makes a retry safe is said with the rows.
            client_mutation_id: Option<String>,
        }

        /// What became of each row.
        #[derive(async_graphql::SimpleObject)]
        pub struct $many_payload {
            /// In the order of the rows. The path of an error begins with `input`, `rows` and the number of the row, from 0.
            /// A row of which the viewer does not know the tenant, or where the right is missing, has the error `NOT_FOUND`
            /// or `FORBIDDEN` at the field that names it.
            results: Vec<$payload>,
            /// How many rows have no errors; they are written unless `atomic` and another is refused, or `dryRun`.
            accepted: i32,
            /// How many rows were written: all that are accepted, or none, where `atomic` and one is refused, and under
            /// `dryRun`.
            written: i32,
            /// The mark that the client sent along.
            client_mutation_id: Option<String>,
        }

        impl $many_payload {
            fn of(
                results: Vec<$payload>,
                together: $crate::store::write::Together,
                client_mutation_id: Option<String>,
            ) -> Self {
                let accepted = results.iter().filter(|result| result.errors.is_empty()).count();
                let written = $crate::graphql::write::written_of(together, results.len(), accepted);
                let accepted = i32::try_from(accepted).unwrap_or(i32::MAX);
                Self { accepted, written, results, client_mutation_id }
            }
        }
    };
}
pub(super) use many;
