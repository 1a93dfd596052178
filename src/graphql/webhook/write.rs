//! Writing webhooks.

use std::collections::HashMap;
use std::iter;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::access::Permission;
use crate::error::{Error, InputErrorCode, Mistakes};
use crate::graphql::Webhook;
use crate::graphql::asking::Asking;
use crate::graphql::input::{Answer, InputError, delete_payload, refused};
use crate::graphql::node::Entity;
use crate::graphql::word::{BreachKind, BreachPhase};
use crate::graphql::write::{self, Spot, flag, inputs, many, name, permit_on};
use crate::store::sql::Bind;
use crate::store::write::{Draft, change, marking};
use crate::store::{webhook, word};
use crate::webhook::address::Target;

inputs! {
    Webhook needs TenantsAdmin and BreachesRead;
    /// To make a webhook.
    create WebhookCreateInput as "webhookCreate" owned by {
        /// The tenant that will own it: its records, and those of the tenants below, are sent.
        tenant_id
    };
    /// Changes of a webhook. What is left out stays. Whatever it is, the next attempt is made at once, by a webhook that
    /// was given up too.
    update WebhookUpdateInput as "webhookUpdate";
    required {
        /// Its name, 1 to 160 characters.
        name: String => name(160),
        /// Where records are posted: a URL of https, at most 2000 characters, without name and password. One of http is taken,
        /// and fails as its `lastError` tells where the gateway does not run with `--webhook-allow-private`.
        url: String => url,
    }
    defaulted {
        /// Only records of these kinds; empty, or left out in a create, = of all.
        kinds: Vec<BreachKind> => kinds,
        /// Only records of these phases; empty, or left out in a create, = of all.
        phases: Vec<BreachPhase> => phases,
        /// Whether anything is sent; left out in a create = yes.
        active: bool => flag,
    }
    optional {}
    then webhook::revive;
    then_once webhook::begin;
}

fn url(draft: &mut Draft, spot: Spot, url: String) {
    draft.mistakes.text(&spot.path(), &url, 2000);
    if let Err(why) = Target::parse(&url) {
        draft.mistakes.add(&spot.path(), InputErrorCode::Invalid, why);
    }
    draft.set(spot.0, Some(Bind::Text(url)));
}

fn kinds(draft: &mut Draft, spot: Spot, kinds: Vec<BreachKind>) {
    let words = kinds.into_iter().map(|kind| word::BreachKind::from(kind).word().to_owned());
    draft.set(spot.0, Some(Bind::Texts(words.collect())));
}

fn phases(draft: &mut Draft, spot: Spot, phases: Vec<BreachPhase>) {
    let words = phases.into_iter().map(|phase| word::BreachPhase::from(phase).word().to_owned());
    draft.set(spot.0, Some(Bind::Texts(words.collect())));
}

/// What was written, or what is wrong with the input.
#[derive(SimpleObject)]
pub struct WebhookPayload {
    /// The object as it is now, also where another has changed it first (`CONFLICT`); null when the input was refused for
    /// another reason, and where a retry finds that it was deleted since.
    webhook: Option<Webhook>,
    /// The secret that its messages are signed with, as `whsec_` and base64: shown here when it is made, and to its maker's
    /// retry under the same `clientMutationId` as long as it is the current one, and never again. Null when none was made.
    secret: Option<String>,
    /// What is wrong with the input; empty when it was written.
    errors: Vec<InputError>,
    /// The mark that the client sent along.
    client_mutation_id: Option<String>,
}

impl WebhookPayload {
    fn of(
        (webhook, errors): Answer<Webhook>,
        secrets: &mut HashMap<Uuid, Vec<u8>>,
        client_mutation_id: Option<String>,
    ) -> Self {
        let made = webhook.as_ref().filter(|_| errors.is_empty());
        let secret = made.and_then(|webhook| secrets.remove(&webhook.row().id));
        let secret = secret.map(|secret| format!("whsec_{}", STANDARD.encode(secret)));
        Self { webhook, secret, errors, client_mutation_id }
    }
}

/// The secrets of webhooks that were made or given another one just now, or by a first try of this under the same mark.
async fn secrets(
    ctx: &Context<'_>,
    action: &'static str,
    made: impl Iterator<Item = (&Answer<Webhook>, Option<&String>)>,
) -> Result<HashMap<Uuid, Vec<u8>>, Error> {
    let made = made.filter(|((_, errors), _)| errors.is_empty());
    let made: Vec<webhook::Made> =
        made.filter_map(|((webhook, _), mark)| Some((webhook.as_ref()?.row().id, mark.cloned()))).collect();
    if made.is_empty() {
        return Ok(HashMap::new());
    }
    let asking = Asking::of(ctx);
    let reach = asking.reach(Permission::TenantsAdmin)?;
    webhook::secrets(&asking.conn(), &reach, &asking.viewer()?.actor, action, made).await
}

many! { WebhookCreateManyInput of WebhookCreateInput -> WebhookCreateManyPayload of WebhookPayload }

delete_payload! {
    /// What is gone, or why it is not.
    WebhookDeletePayload
}

/// Which webhook, and as it was last read.
#[derive(Clone, Debug, InputObject)]
pub struct WebhookDeleteInput {
    /// Which.
    id: ID,
    /// Its `revision` as last read: if it has another by now, nothing is deleted and the errors say `CONFLICT`.
    /// Null = whatever it is.
    expected_revision: Option<i32>,
    /// A mark of the client's own, given back with the payload.
    client_mutation_id: Option<String>,
}

/// Which webhook gets another secret.
#[derive(Clone, Debug, InputObject)]
pub struct WebhookSecretRotateInput {
    /// Which.
    id: ID,
    /// Its `revision` as last read: if it has another by now, nothing is written and the errors say `CONFLICT`.
    /// Null = whatever it is.
    expected_revision: Option<i32>,
    /// A mark of the client's own, at most 255 characters, such as a UUID; given back with the payload. For a day, the same
    /// input under the same mark makes no further secret: that one is shown again while it is the
    /// current one.
    client_mutation_id: Option<String>,
}

/// Who has records sent must be allowed to read them.
const NEEDS: &[Permission] = &[Permission::TenantsAdmin, Permission::BreachesRead];

/// What the audit log and marks call making a webhook.
const CREATE: &str = "webhookCreate";
/// What they call giving one another secret.
const ROTATE: &str = "webhookSecretRotate";

/// Writing webhooks.
#[derive(Default)]
pub struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Makes a webhook and its secret, which is shown here only. It begins with what is recorded from now on. Needs
    /// `tenants:admin` and `breaches:read` in its tenant.
    async fn webhook_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to be made.")] input: WebhookCreateInput,
    ) -> Result<WebhookPayload> {
        let answer = write::create(ctx, &input).await?;
        let made = iter::once((&answer, input.client_mutation_id.as_ref()));
        let mut secrets = secrets(ctx, CREATE, made).await?;
        Ok(WebhookPayload::of(answer, &mut secrets, input.client_mutation_id))
    }

    /// Makes many webhooks, each with its secret, which is shown here only: all or none, each that is right, or, to see what
    /// would be refused, none. Needs `tenants:admin` and `breaches:read` in the tenant of each.
    async fn webhook_create_many(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to be made.")] input: WebhookCreateManyInput,
    ) -> Result<WebhookCreateManyPayload> {
        let together = write::together(input.atomic, input.dry_run);
        let answers = write::create_many(ctx, &input.rows, together).await?;
        let made = answers.iter().zip(input.rows.iter().map(|row| row.client_mutation_id.as_ref()));
        let mut secrets = secrets(ctx, CREATE, made).await?;
        let marks = input.rows.into_iter().map(|row| row.client_mutation_id);
        let results = answers.into_iter().zip(marks);
        let results = results.map(|(answer, mark)| WebhookPayload::of(answer, &mut secrets, mark)).collect();
        Ok(WebhookCreateManyPayload::of(results, together, input.client_mutation_id))
    }

    /// Changes a webhook, and has it tried at once. What is left out stays. Needs `tenants:admin` and `breaches:read` in
    /// its tenant.
    async fn webhook_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: WebhookUpdateInput,
    ) -> Result<WebhookPayload> {
        let mark = input.client_mutation_id.clone();
        Ok(WebhookPayload::of(write::update(ctx, input).await?, &mut HashMap::new(), mark))
    }

    /// Gives a webhook another secret, which is shown here only. For a day messages are signed with the one before as
    /// well. Needs `tenants:admin` and `breaches:read` in its tenant.
    async fn webhook_secret_rotate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: WebhookSecretRotateInput,
    ) -> Result<WebhookPayload> {
        let asking = Asking::of(ctx);
        let mut mistakes = Mistakes::default();
        let found = permit_on::<Webhook>(asking, ("input.id", &input.id), NEEDS, &mut mistakes).await?;
        let answer = match found {
            Some((id, permit)) => {
                let work = || {
                    let mut draft = Draft::new(Some(permit.clone()));
                    let mark = write::mark(&input, input.client_mutation_id.as_deref(), &mut draft.mistakes);
                    webhook::rotate(&mut draft);
                    let rotation =
                        change::<webhook::Row>(permit.clone(), ROTATE, id, input.expected_revision, draft);
                    marking(permit.clone(), ROTATE, mark, rotation)
                };
                write::write_one(ctx, &permit, work).await?
            }
            None => (None, refused(mistakes.into())?),
        };
        let made = iter::once((&answer, input.client_mutation_id.as_ref()));
        let mut secrets = secrets(ctx, ROTATE, made).await?;
        Ok(WebhookPayload::of(answer, &mut secrets, input.client_mutation_id))
    }

    /// Deletes a webhook and its secret. Needs `tenants:admin` and `breaches:read` in its tenant.
    async fn webhook_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: WebhookDeleteInput,
    ) -> Result<WebhookDeletePayload> {
        let gone = write::delete::<Webhook>(ctx, &input.id, input.expected_revision, "webhookDelete", NEEDS);
        WebhookDeletePayload::of(gone.await?, input.client_mutation_id)
    }
}
