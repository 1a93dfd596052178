//! Making service tokens and revoking them.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chrono::Utc;

use crate::access::{self, Permission as Right};
use crate::error::InputErrorCode;
use crate::graphql::asking::Asking;
use crate::graphql::input::{InputError, payload, written};
use crate::graphql::node::{Entity, Kind};
use crate::graphql::role::within_rights;
use crate::graphql::scalar::DateTime;
use crate::graphql::viewer::Permission;
use crate::graphql::write::{Spot, creation, permit_on, seen};
use crate::graphql::ServiceToken;
use crate::store::sql::Bind;
use crate::store::write::{self, Draft};
use crate::store::viewer;

/// To make a service token.
#[derive(Clone, Debug, InputObject)]
pub struct ServiceTokenCreateInput {
    /// The tenant that will own it. What it may do is granted to it by `roleGrant`.
    tenant_id: ID,
    /// Its name, 1 to 160 characters: what the audit log tells of it.
    name: String,
    /// The permissions it may use at the most, whatever it is granted: only what the viewer may do in its tenant. Null =
    /// all that its grants give.
    scopes: Option<Vec<Permission>>,
    /// When it ends, an instant to come; null = never.
    expires_at: Option<DateTime>,
    /// A mark of the client's own, at most 255 characters, such as a UUID; given back with the payload. For a
    /// day, the same input under the same mark makes nothing twice: the first token is given again, without its secret.
    client_mutation_id: Option<String>,
}

impl ServiceTokenCreateInput {
    fn fill(&self, draft: &mut Draft, secret: &access::service_token::ServiceToken, now: chrono::DateTime<Utc>) {
        let name = draft.mistakes.name("input.name", &self.name, 160);
        draft.set("name", Some(Bind::Text(name)));
        draft.set("secret_hash", Some(Bind::Bytes(secret.hash().to_vec())));
        if let Some(scopes) = &self.scopes {
            let names = within_rights(draft, Spot("scopes"), scopes);
            draft.set("scopes", Some(Bind::Texts(names)));
        }
        if self.expires_at.is_some_and(|end| end.0 <= now) {
            draft.mistakes.add("input.expiresAt", InputErrorCode::Invalid, "This must be an instant to come.");
        }
        draft.set("expires_at", self.expires_at.map(|end| Bind::Time(end.0)));
        draft.set("created_by", draft.permit.person_id.map(Bind::Uuid));
    }
}

/// The token that was made, or what is wrong with the input.
#[derive(SimpleObject)]
pub struct ServiceTokenCreatePayload {
    /// The token as it is kept; null when the input was refused.
    service_token: Option<ServiceToken>,
    /// The token as it is sent: `Authorization: Bearer` and this; or `X-User-Id`, its `uuid`, with `X-Auth-Token`, what
    /// follows the second `_`. It is shown this once. Null when the input was refused, or its mark sent before.
    token: Option<String>,
    /// All that is wrong with the input; empty when it was made.
    errors: Vec<InputError>,
    /// The mark that the client sent along.
    client_mutation_id: Option<String>,
}

/// A service token to be revoked.
#[derive(Clone, Debug, InputObject)]
pub struct ServiceTokenRevokeInput {
    /// Which.
    id: ID,
    /// A mark of the client's own, given back with the payload.
    client_mutation_id: Option<String>,
}

payload! {
    /// The token that was revoked.
    ServiceTokenRevokePayload {
        /// The token as it is now.
        service_token: ServiceToken
    }
}

/// Making service tokens and revoking them.
#[derive(Default)]
pub struct ServiceTokenMutation;

#[Object]
impl ServiceTokenMutation {
    /// Makes a service token: how an integration logs in. It may do nothing until it is granted a role. Needs
    /// `tenants:admin` in its tenant.
    async fn service_token_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token.")] input: ServiceTokenCreateInput,
    ) -> Result<ServiceTokenCreatePayload> {
        let asking = Asking::of(ctx);
        let permit = asking.permit(Right::TenantsAdmin, Kind::Tenant.key(&input.tenant_id)?)?;
        let mut secret = access::service_token::ServiceToken::generate()?;
        let work = || {
            let marked = (&input, input.client_mutation_id.as_deref());
            creation::<ServiceToken>(&permit, "serviceTokenCreate", false, marked, |draft| {
                input.fill(draft, &secret, asking.now());
            })
        };
        let outcome = write::one(&asking.conn(), work).await;
        let (service_token, errors) = written::<ServiceToken>(ctx, &permit, outcome).await?;
        let mut token = None;
        if let Some(made) = &service_token {
            secret.id = made.row().id;
            // Under a mark that was sent before, this is another's secret.
            let kept = viewer::by_service_token(&asking.conn(), secret.id).await?;
            token = kept.filter(|(_, hash)| secret.proves(hash)).map(|_| secret.text());
        }
        let client_mutation_id = input.client_mutation_id;
        Ok(ServiceTokenCreatePayload { service_token, token, errors, client_mutation_id })
    }

    /// Revokes a service token for ever: the next request with it is refused, and what was opened with it is closed within
    /// two seconds. Revoked again, it stays as it is. Needs `tenants:admin` in its tenant.
    async fn service_token_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ServiceTokenRevokeInput,
    ) -> Result<ServiceTokenRevokePayload> {
        let asking = Asking::of(ctx);
        let (id, permit) = permit_on::<ServiceToken>(asking, &input.id, Right::TenantsAdmin).await?;
        let outcome = if seen::<ServiceToken>(asking, id).await?.revoked_at.is_some() {
            Ok(id)
        } else {
            let work = || {
                let mut draft = Draft::new(permit.clone());
                draft.set("revoked_at", Some(Bind::Time(asking.now())));
                write::change::<<ServiceToken as Entity>::Row>("serviceTokenRevoke", id, None, draft)
            };
            write::one(&asking.conn(), work).await
        };
        let answer = written(ctx, &permit, outcome).await?;
        Ok(ServiceTokenRevokePayload::of(answer, input.client_mutation_id))
    }
}
