//! Granting roles and taking them back.

use async_graphql::{Context, ID, InputObject, Object, Result};
use uuid::Uuid;

use crate::access::{Permission, Permit};
use crate::error::{InputErrorCode, Mistakes};
use crate::graphql::input::{delete_payload, payload};
use crate::graphql::node::Entity;
use crate::graphql::write::{self, Create, Spot, many};
use crate::graphql::{Person, Role, RoleGrant, ServiceToken};
use crate::store::role_grant;
use crate::store::sql::Bind;
use crate::store::write::{Draft, Mark, Work, creation};

/// To grant a role, to exactly one: a person or a service token.
#[derive(Clone, Debug, InputObject)]
pub struct RoleGrantInput {
    /// The tenant in which it holds, and with it in all tenants below.
    tenant_id: ID,
    /// The role: one of the tenant or of a tenant above it, with no permission that the viewer does not hold in the
    /// tenant themselves.
    role_id: ID,
    /// The person: one of the tenant, or of a tenant above or below it. Null = a service token.
    person_id: Option<ID>,
    /// The service token: one of the tenant, or of a tenant above or below it. Null = a person.
    service_token_id: Option<ID>,
    /// A mark of the client's own, at most 255 characters, such as a UUID; given back with the payload. For a
    /// day, the same input under the same mark makes nothing twice: the first result is given again.
    client_mutation_id: Option<String>,
}

impl RoleGrantInput {
    fn draft(&self, permit: Option<&Permit>) -> (Draft, Option<Mark>) {
        let mut draft = Draft::new(permit.cloned());
        let mark = write::mark(self, self.client_mutation_id.as_deref(), &mut draft.mistakes);
        self.fill(&mut draft);
        (draft, mark)
    }

    fn fill(&self, draft: &mut Draft) {
        if let Some(role) = write::key::<Role>(draft, "input.roleId", &self.role_id) {
            draft.refer::<<Role as Entity>::Row>("role_id", "input.roleId", Some(role));
        }
        match (&self.person_id, &self.service_token_id) {
            (Some(person), None) => {
                let person = write::key::<Person>(draft, "input.personId", person);
                draft.set("person_id", person.map(Bind::Uuid));
            }
            (None, Some(token)) => {
                let token = write::key::<ServiceToken>(draft, "input.serviceTokenId", token);
                draft.set("service_token_id", token.map(Bind::Uuid));
            }
            (given, _) => {
                let code = if given.is_some() { InputErrorCode::Invalid } else { InputErrorCode::Required };
                draft.mistakes.add(
                    "input.personId",
                    code,
                    "Give a person or a service token, one of the two.",
                );
            }
        }
        draft.set_author();
        let nobody = "There is nobody of this id that may be granted it here.";
        for (name, path, code, message) in [
            ("role_grant_root_id_person_id_fkey", "input.personId", InputErrorCode::NotFound, nobody),
            (
                "role_grant_root_id_service_token_id_fkey",
                "input.serviceTokenId",
                InputErrorCode::NotFound,
                nobody,
            ),
            (
                "role_grant_person",
                "input.personId",
                InputErrorCode::Duplicate,
                "They have this role here already.",
            ),
            (
                "role_grant_token",
                "input.serviceTokenId",
                InputErrorCode::Duplicate,
                "It has this role here already.",
            ),
        ] {
            draft.constraint(name, path, code, message);
        }
        role_grant::stays_within_rights(draft);
    }
}

impl Create for RoleGrantInput {
    type Object = RoleGrant;

    fn owner(&self) -> (Spot, &ID) {
        (Spot("tenant_id"), &self.tenant_id)
    }

    fn needs(&self) -> Vec<Permission> {
        vec![Permission::TenantsAdmin]
    }

    fn work(&self, permit: &Permit) -> Work<Uuid> {
        let (draft, mark) = self.draft(Some(permit));
        creation::<role_grant::Row>(permit.clone(), "roleGrant", false, mark, draft)
    }

    fn mistakes(&self) -> Mistakes {
        self.draft(None).0.mistakes
    }
}

payload! {
    /// The grant, or what is wrong with the input.
    RoleGrantPayload {
        /// The grant; null when the input was refused.
        role_grant: RoleGrant
    }
}

many! { RoleGrantManyInput of RoleGrantInput -> RoleGrantManyPayload of RoleGrantPayload }

/// A grant to be taken back.
#[derive(Clone, Debug, InputObject)]
pub struct RoleRevokeInput {
    /// The grant.
    id: ID,
    /// A mark of the client's own, given back with the payload.
    client_mutation_id: Option<String>,
}

delete_payload! {
    /// The grant that is gone, or why it is not.
    RoleRevokePayload
}

/// Granting roles and taking them back.
#[derive(Default)]
pub struct RoleGrantMutation;

#[Object]
impl RoleGrantMutation {
    /// Grants a role in a tenant and in all tenants below, to a person or a service token. Nobody grants what they do not
    /// hold there themselves: that is the mistake `FORBIDDEN`. Needs `tenants:admin` in the tenant.
    async fn role_grant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is granted to whom.")] input: RoleGrantInput,
    ) -> Result<RoleGrantPayload> {
        let mark = input.client_mutation_id.clone();
        Ok(RoleGrantPayload::of(write::create(ctx, &input).await?, mark))
    }

    /// Grants many roles: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `tenants:admin` in the tenant of each.
    async fn role_grant_many(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is granted to whom.")] input: RoleGrantManyInput,
    ) -> Result<RoleGrantManyPayload> {
        let together = write::together(input.atomic, input.dry_run);
        let answers = write::create_many(ctx, &input.rows, together).await?;
        let marks = input.rows.into_iter().map(|row| row.client_mutation_id);
        let results = answers.into_iter().zip(marks).map(|(answer, mark)| RoleGrantPayload::of(answer, mark));
        Ok(RoleGrantManyPayload::of(results.collect(), together, input.client_mutation_id))
    }

    /// Takes a grant back: the next request is answered without it, by other replicas within a quarter of a second, and what
    /// is open is told no more within two seconds. Needs `tenants:admin` in the grant's tenant.
    async fn role_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: RoleRevokeInput,
    ) -> Result<RoleRevokePayload> {
        let gone =
            write::delete::<RoleGrant>(ctx, &input.id, None, "roleRevoke", &[Permission::TenantsAdmin]);
        RoleRevokePayload::of(gone.await?, input.client_mutation_id)
    }
}
