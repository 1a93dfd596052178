//! Writing webhooks.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::access::{Permission, Permit};
use crate::error::{Error, InputErrorCode};
use crate::graphql::Webhook;
use crate::graphql::asking::Asking;
use crate::graphql::input::{Answer, InputError, delete_payload, written};
use crate::graphql::node::{Entity, Kind};
use crate::graphql::word::{BreachKind, BreachPhase};
use crate::graphql::write::{self, Create, Spot, flag, inputs, name, permit_on};
use crate::store::sql::Bind;
use crate::store::write::{self as store_write, Draft};
use crate::store::{webhook, word};
use crate::webhook::address::Target;

inputs! {
    Webhook needs TenantsAdmin;
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
        /// Where records are posted: a URL of https, at most 2000 characters, without name and password.
        url: String => url,
    }
    defaulted {
        /// Only records of these kinds; empty = of all.
        kinds: Vec<BreachKind> [default] => kinds,
        /// Only records of these phases; empty = of all.
        phases: Vec<BreachPhase> [default] => phases,
        /// Whether anything is sent.
        active: bool [default = true] => flag,
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
    /// The object as it is now; null when the input was refused.
    webhook: Option<Webhook>,
    /// The secret that its messages are signed with, as `whsec_` and base64: shown here when it is made, and never again.
    /// Null when none was made.
    secret: Option<String>,
    /// What is wrong with the input; empty when it was written.
    errors: Vec<InputError>,
    /// The mark that the client sent along.
    client_mutation_id: Option<String>,
}

impl WebhookPayload {
    async fn of(
        ctx: &Context<'_>,
        (webhook, errors): Answer<Webhook>,
        made: Option<&Permit>,
        client_mutation_id: Option<String>,
    ) -> Result<Self> {
        let secret = match (&webhook, made) {
            (Some(webhook), Some(permit)) if errors.is_empty() => {
                let secret = webhook::secret(&Asking::of(ctx).conn(), permit, webhook.row().id).await?;
                Some(format!("whsec_{}", STANDARD.encode(secret)))
            }
            _ => None,
        };
        Ok(Self { webhook, secret, errors, client_mutation_id })
    }
}

delete_payload! {
    /// What is gone, or why it is not.
    WebhookDeletePayload
}

/// Which webhook, and as it was last read.
#[derive(Clone, Debug, InputObject)]
pub struct WebhookDeleteInput {
    /// Which.
    id: ID,
    /// Its `revision` as last read: if it has another by now, nothing is written and the errors say `CONFLICT`.
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
    /// A mark of the client's own, given back with the payload.
    client_mutation_id: Option<String>,
}

/// The permit to write a webhook: who has records sent must be allowed to read them.
async fn permit(ctx: &Context<'_>, id: &ID) -> Result<(uuid::Uuid, Permit), Error> {
    let asking = Asking::of(ctx);
    let (id, permit) = permit_on::<Webhook>(asking, id, Permission::TenantsAdmin).await?;
    asking.permit(Permission::BreachesRead, permit.tenant_id)?;
    Ok((id, permit))
}

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
        let asking = Asking::of(ctx);
        let tenant = Kind::Tenant.key(input.owner().1)?;
        let permit = asking.permit(Permission::TenantsAdmin, tenant)?;
        asking.permit(Permission::BreachesRead, tenant)?;
        let mark = input.client_mutation_id.clone();
        let answer = write::create(ctx, input).await?;
        WebhookPayload::of(ctx, answer, Some(&permit), mark).await
    }

    /// Changes a webhook, and has it tried at once. What is left out stays. Needs `tenants:admin` and `breaches:read` in
    /// its tenant.
    async fn webhook_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: WebhookUpdateInput,
    ) -> Result<WebhookPayload> {
        permit(ctx, &input.id).await?;
        let mark = input.client_mutation_id.clone();
        let answer = write::update(ctx, input).await?;
        WebhookPayload::of(ctx, answer, None, mark).await
    }

    /// Gives a webhook another secret, which is shown here only. For a day messages are signed with the one before as
    /// well. Needs `tenants:admin` and `breaches:read` in its tenant.
    async fn webhook_secret_rotate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: WebhookSecretRotateInput,
    ) -> Result<WebhookPayload> {
        let (id, permit) = permit(ctx, &input.id).await?;
        let work = || {
            let mut draft = Draft::new(permit.clone());
            webhook::rotate(&mut draft);
            store_write::change::<webhook::Row>("webhookSecretRotate", id, input.expected_revision, draft)
        };
        let outcome = store_write::one(&Asking::of(ctx).conn(), work).await;
        let answer = written::<Webhook>(ctx, &permit, outcome).await?;
        WebhookPayload::of(ctx, answer, Some(&permit), input.client_mutation_id).await
    }

    /// Deletes a webhook and its secret. Needs `tenants:admin` and `breaches:read` in its tenant.
    async fn webhook_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: WebhookDeleteInput,
    ) -> Result<WebhookDeletePayload> {
        permit(ctx, &input.id).await?;
        let needs = Permission::TenantsAdmin;
        let gone =
            write::delete::<Webhook>(ctx, &input.id, input.expected_revision, "webhookDelete", needs).await?;
        WebhookDeletePayload::of(gone, input.client_mutation_id)
    }
}
