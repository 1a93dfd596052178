//! The macros by which nouns declare their inputs, payloads and mutations.

/// Declares the two inputs that make and change objects of a noun, from one list of fields, each with its rule. What
/// is `required` must be given to make one; what is `defaulted` need not, and is as its table or its description says then;
/// what is `optional` can be null.
macro_rules! inputs {
    (
        $object:ident needs $needs:ident $(or $needs_update:ident)? $(and $also:ident)?;
        $(#[$cdoc:meta])* create $create:ident as $create_action:literal owned by { $(#[$wdoc:meta])* $owner:ident };
        $(#[$udoc:meta])* update $update:ident as $update_action:literal;
        required { $($(#[$rdoc:meta])* $required:ident: $rtype:ty => $rrule:expr),* $(,)? }
        defaulted { $($(#[$ddoc:meta])* $defaulted:ident: $dtype:ty => $drule:expr),* $(,)? }
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
            $($(#[$ddoc])* $defaulted: Option<$dtype>,)*
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
            fn draft(
                &self,
                permit: Option<&$crate::access::Permit>,
            ) -> ($crate::store::write::Draft, Option<$crate::store::write::Mark>) {
                let mut draft = $crate::store::write::Draft::new(permit.cloned());
                let mark = $crate::graphql::write::mark(self, self.client_mutation_id.as_deref(), &mut draft.mistakes);
                self.clone().fill(&mut draft);
                if $crate::graphql::write::inputs!(@upsert self $($upsert)?) {
                    draft.needs_source();
                }
                (draft, mark)
            }

            fn fill(self, draft: &mut $crate::store::write::Draft) {
                use $crate::graphql::write::Spot;
                $(($rrule)(draft, Spot(stringify!($required)), self.$required);)*
                $(if let Some(value) = self.$defaulted {
                    ($drule)(draft, Spot(stringify!($defaulted)), value);
                })*
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

            fn needs(&self) -> Vec<$crate::access::Permission> {
                let mut needs = vec![$crate::access::Permission::$needs $(, $crate::access::Permission::$also)?];
                if $crate::graphql::write::inputs!(@upsert self $($upsert)?) {
                    // It may change one that is there.
                    needs.push($crate::graphql::write::inputs!(@needs $needs $($needs_update)?));
                }
                needs
            }

            fn work(&self, permit: &$crate::access::Permit) -> $crate::store::write::Work<uuid::Uuid> {
                let (draft, mark) = self.draft(Some(permit));
                let upsert = $crate::graphql::write::inputs!(@upsert self $($upsert)?);
                $crate::store::write::creation::<<$object as $crate::graphql::node::Entity>::Row>(
                    permit.clone(), $create_action, upsert, mark, draft,
                )
            }

            fn mistakes(&self) -> $crate::error::Mistakes {
                self.draft(None).0.mistakes
            }
        }

        impl $crate::graphql::write::Update for $update {
            type Object = $object;
            const ACTION: &'static str = $update_action;
            const NEEDS: &'static [$crate::access::Permission] =
                &[$crate::graphql::write::inputs!(@needs $needs $($needs_update)?) $(, $crate::access::Permission::$also)?];

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
pub(in crate::graphql) use inputs;

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
                /// refused for another reason, and where a retry finds that it was deleted since. What tells that it was written
                /// is that `errors` is empty.
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
                Ok($payload::of($crate::graphql::write::create(ctx, &input).await?, client_mutation_id))
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
                let needs = &[$crate::access::Permission::$needs];
                let gone = $crate::graphql::write::delete::<$object>(
                    ctx, &input.id, input.expected_revision, $delete_action, needs,
                );
                $delete_payload::of(gone.await?, input.client_mutation_id)
            }

            $($own)*
        }
    };
}
pub(in crate::graphql) use mutations;

/// Declares the input and the payload of a bulk mutation, over those of one row.
macro_rules! many {
    ($many_input:ident of $input:ident -> $many_payload:ident of $payload:ident) => {
        /// Many at once.
        #[derive(Clone, Debug, async_graphql::InputObject)]
        pub struct $many_input {
            /// The rows, at most 1 000, in a request of at most 256 KiB, or a message of 64 KiB over a websocket. A later row may
            /// not refer to an earlier one.
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
            /// A row of which the viewer does not know the tenant, or where the right is missing, has only the error
            /// `NOT_FOUND` or `FORBIDDEN` at the field that names it.
            results: Vec<$payload>,
            /// How many rows have no errors; they are written unless `atomic` and another is refused, or `dryRun`. Rows are
            /// counted, not objects: one that repeats another, or that was sent before, counts as well.
            accepted: i32,
            /// How many rows were written: all that are accepted, or none, where `atomic` and one is refused, and under
            /// `dryRun`. Rows are counted, as in `accepted`.
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
pub(in crate::graphql) use many;
