//! Making service tokens and revoking them.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chrono::Utc;
use uuid::Uuid;

use crate::access::{self, Permission as Right, Permit};
use crate::error::{Error, InputErrorCode, Mistakes};
use crate::graphql::ServiceToken;
use crate::graphql::asking::Asking;
use crate::graphql::input::{Answer, InputError, payload, refused, written};
use crate::graphql::node::Entity;
use crate::graphql::role::within_rights;
use crate::graphql::scalar::DateTime;
use crate::graphql::viewer::Permission;
use crate::graphql::write::{self, Create, Spot, many, permit_on, seen};
use crate::store::service_token;
use crate::store::sql::Bind;
use crate::store::write::{Draft, Mark, Work, change, creation};

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

/// A service token that is being made: its text is known only here.
struct Making {
    input: ServiceTokenCreateInput,
    token: access::service_token::ServiceToken,
    now: chrono::DateTime<Utc>,
}

impl Making {
    fn new(asking: &Asking, input: ServiceTokenCreateInput) -> Result<Self, Error> {
        Ok(Self { input, token: access::service_token::ServiceToken::generate()?, now: asking.now() })
    }

    fn draft(&self, permit: Option<&Permit>) -> (Draft, Option<Mark>) {
        let input = &self.input;
        let mut draft = Draft::new(permit.cloned());
        let mark = write::mark(input, input.client_mutation_id.as_deref(), &mut draft.mistakes);
        let name = draft.mistakes.name("input.name", &input.name, 160);
        draft.set("name", Some(Bind::Text(name)));
        draft.set("secret_hash", Some(Bind::Bytes(self.token.hash().to_vec())));
        if let Some(scopes) = &input.scopes {
            let names = within_rights(&mut draft, Spot("scopes"), scopes);
            draft.set("scopes", Some(Bind::Texts(names)));
        }
        if input.expires_at.is_some_and(|end| end.0 <= self.now) {
            draft.mistakes.add(
                "input.expiresAt",
                InputErrorCode::Invalid,
                "This must be an instant to come.",
            );
        }
        draft.set("expires_at", input.expires_at.map(|end| Bind::Time(end.0)));
        draft.set_author();
        (draft, mark)
    }

    /// What the client is told. Under a mark that was sent before, the token is another's: its text is not known.
    fn told(
        mut self,
        (service_token, errors): Answer<ServiceToken>,
        hashes: &HashMap<Uuid, Vec<u8>>,
    ) -> ServiceTokenCreatePayload {
        let mut token = None;
        if let Some(made) = &service_token {
            self.token.id = made.row().id;
            let own = hashes.get(&self.token.id).is_some_and(|hash| self.token.proves(hash));
            token = own.then(|| self.token.text());
        }
        ServiceTokenCreatePayload {
            service_token,
            token,
            errors,
            client_mutation_id: self.input.client_mutation_id,
        }
    }
}

impl Create for Making {
    type Object = ServiceToken;

    fn owner(&self) -> (Spot, &ID) {
        (Spot("tenant_id"), &self.input.tenant_id)
    }

    fn needs(&self) -> Vec<Right> {
        vec![Right::TenantsAdmin]
    }

    fn work(&self, permit: &Permit) -> Work<Uuid> {
        let (draft, mark) = self.draft(Some(permit));
        creation::<service_token::Row>(permit.clone(), "serviceTokenCreate", false, mark, draft)
    }

    fn mistakes(&self) -> Mistakes {
        self.draft(None).0.mistakes
    }
}

/// What is kept of the secrets of tokens that were made just now.
async fn hashes(ctx: &Context<'_>, made: &[Answer<ServiceToken>]) -> Result<HashMap<Uuid, Vec<u8>>, Error> {
    let made: Vec<Uuid> = made.iter().filter_map(|(token, _)| Some(token.as_ref()?.row().id)).collect();
    if made.is_empty() {
        return Ok(HashMap::new());
    }
    let asking = Asking::of(ctx);
    service_token::hashes(&asking.conn(), &*asking.reach(Right::TenantsAdmin)?, made).await
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

many! { ServiceTokenCreateManyInput of ServiceTokenCreateInput -> ServiceTokenCreateManyPayload of ServiceTokenCreatePayload }

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
        let making = Making::new(Asking::of(ctx), input)?;
        let answer = write::create(ctx, &making).await?;
        let hashes = hashes(ctx, std::slice::from_ref(&answer)).await?;
        Ok(making.told(answer, &hashes))
    }

    /// Makes many service tokens, each shown here only: all or none, each that is right, or, to see what would be refused,
    /// none. Needs `tenants:admin` in the tenant of each.
    async fn service_token_create_many(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tokens.")] input: ServiceTokenCreateManyInput,
    ) -> Result<ServiceTokenCreateManyPayload> {
        let asking = Asking::of(ctx);
        write::check_count(input.rows.len())?;
        let together = write::together(input.atomic, input.dry_run);
        let makings = input.rows.into_iter().map(|row| Making::new(asking, row));
        let makings = makings.collect::<Result<Vec<_>, Error>>()?;
        let answers = write::create_many(ctx, &makings, together).await?;
        let hashes = hashes(ctx, &answers).await?;
        let results = makings.into_iter().zip(answers).map(|(making, answer)| making.told(answer, &hashes));
        Ok(ServiceTokenCreateManyPayload::of(results.collect(), together, input.client_mutation_id))
    }

    /// Revokes a service token for ever: the next request with it is refused, and what was opened with it is closed within
    /// two seconds. Revoked again, it stays as it is. Needs `tenants:admin` in its tenant.
    async fn service_token_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ServiceTokenRevokeInput,
    ) -> Result<ServiceTokenRevokePayload> {
        let asking = Asking::of(ctx);
        let mut mistakes = Mistakes::default();
        let id = ("input.id", &input.id);
        let answer =
            match permit_on::<ServiceToken>(asking, id, &[Right::TenantsAdmin], &mut mistakes).await? {
                None => (None, refused(mistakes.into())?),
                Some((id, permit)) if seen::<ServiceToken>(asking, id).await?.revoked_at.is_some() => {
                    written(ctx, &permit, Ok(id)).await?
                }
                Some((id, permit)) => {
                    let work = || {
                        let mut draft = Draft::new(Some(permit.clone()));
                        draft.set("revoked_at", Some(Bind::Time(asking.now())));
                        change::<service_token::Row>(permit.clone(), "serviceTokenRevoke", id, None, draft)
                    };
                    write::write_one(ctx, &permit, work).await?
                }
            };
        Ok(ServiceTokenRevokePayload::of(answer, input.client_mutation_id))
    }
}
