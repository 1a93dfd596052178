//! The mutations that make, change and delete SLAs and versions of them.

use async_graphql::{ComplexObject, Context, ID, Object, Result, SimpleObject};
use uuid::Uuid;

use super::input::{
    SlaCreateInput, SlaDeleteInput, SlaUpdateInput, SlaVersionActivateInput, SlaVersionCreateInput,
    permission,
};
use crate::access::Permit;
use crate::error::{Error, Mistakes, WriteError};
use crate::graphql::asking::Asking;
use crate::graphql::input::{Answer, InputError, as_written, delete_payload, payload, refused};
use crate::graphql::node::Kind;
use crate::graphql::write::{self, Allowed, many, seen, together};
use crate::graphql::{Sla, SlaVersion};
use crate::store::sla::change;
use crate::store::write as store;

delete_payload! {
    /// The SLA that is gone, or why it is not.
    SlaDeletePayload
}

payload! {
    /// The SLA that was written, or what is wrong with the input.
    SlaPayload {
        /// The SLA; null when the input was refused, but for `CONFLICT`: then it is the SLA as it is now.
        sla: Sla
    }
}

/// The version that was written, or what is wrong with the input.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct SlaVersionPayload {
    /// The version; null when the input was refused, also by `CONFLICT`.
    sla_version: Option<SlaVersion>,
    /// All that is wrong with the input; empty when it was written.
    errors: Vec<InputError>,
    /// The mark that the client sent along.
    client_mutation_id: Option<String>,
    /// Whose version it is, and the permit to write it.
    #[graphql(skip)]
    of: Option<(Uuid, Permit)>,
}

#[ComplexObject]
impl SlaVersionPayload {
    /// The SLA as it is now, whether the version was written or not: with its `revision`, and with the version that is in
    /// force. Null when the input names none.
    async fn sla(&self, ctx: &Context<'_>) -> Result<Option<Sla>> {
        match &self.of {
            Some((sla_id, permit)) => as_written::<Sla>(ctx, permit, *sla_id).await,
            None => Ok(None),
        }
    }
}

impl SlaVersionPayload {
    fn of(
        (sla_version, errors): Answer<SlaVersion>,
        of: Option<(Uuid, Permit)>,
        client_mutation_id: Option<String>,
    ) -> Self {
        Self { sla_version, errors, client_mutation_id, of }
    }
}

many! { SlaCreateManyInput of SlaCreateInput -> SlaCreateManyPayload of SlaPayload }

many! { SlaVersionCreateManyInput of SlaVersionCreateInput -> SlaVersionCreateManyPayload of SlaVersionPayload }

/// Writing SLAs.
#[derive(Default)]
pub struct SlaMutation;

#[Object]
impl SlaMutation {
    /// Makes an SLA with its first version, which is active. Needs, in its tenant, `CUSTOM_STATS_UPDATE` for queue terms,
    /// `manage-livechat-sla` for livechat terms, `slas:write` for service terms.
    async fn sla_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The SLA.")] input: SlaCreateInput,
    ) -> Result<SlaPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        Ok(SlaPayload::of(write::create(ctx, &input).await?, client_mutation_id))
    }

    /// Makes many SLAs: all or none, each that is right, or, to see what would be refused, none. Needs, for each, what
    /// `slaCreate` needs: `CUSTOM_STATS_UPDATE`, `manage-livechat-sla` or `slas:write` in its tenant.
    async fn sla_create_many(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The SLAs.")] input: SlaCreateManyInput,
    ) -> Result<SlaCreateManyPayload> {
        let together = together(input.atomic, input.dry_run);
        let answers = write::create_many(ctx, &input.rows, together).await?;
        let marks = input.rows.into_iter().map(|row| row.client_mutation_id);
        let results = answers.into_iter().zip(marks).map(|(answer, mark)| SlaPayload::of(answer, mark));
        Ok(SlaCreateManyPayload::of(results.collect(), together, input.client_mutation_id))
    }

    /// Makes a further version of an SLA and, by default, puts it in force. Needs, in the SLA's tenant, what `slaCreate`
    /// needs for terms of its kind: `CUSTOM_STATS_UPDATE`, `manage-livechat-sla` or `slas:write`.
    async fn sla_version_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The version.")] input: SlaVersionCreateInput,
    ) -> Result<SlaVersionPayload> {
        let (answer, of) = match version_permit(Asking::of(ctx), &input).await? {
            Ok((sla_id, permit)) => {
                let answer = write::write_one(ctx, &permit, || input.work(&permit, sla_id)).await?;
                (answer, Some((sla_id, permit)))
            }
            Err(mistakes) => ((None, refused(WriteError::Input(mistakes))?), None),
        };
        Ok(SlaVersionPayload::of(answer, of, input.client_mutation_id))
    }

    /// Makes many versions, of one or many SLAs: all or none, each that is right, or, to see what would be refused, none.
    /// Needs, for each, what `slaVersionCreate` needs: `CUSTOM_STATS_UPDATE`, `manage-livechat-sla` or `slas:write`.
    async fn sla_version_create_many(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The versions.")] input: SlaVersionCreateManyInput,
    ) -> Result<SlaVersionCreateManyPayload> {
        let asking = Asking::of(ctx);
        asking.viewer()?;
        write::check_count(input.rows.len())?;
        let mut permits = Vec::with_capacity(input.rows.len());
        let mut slas = Vec::with_capacity(input.rows.len());
        for row in &input.rows {
            let allowed = write::of_row(version_permit(asking, row).await)?;
            slas.push(allowed.as_ref().ok().cloned());
            permits.push(allowed.map(|(_, permit)| permit));
        }
        let together = together(input.atomic, input.dry_run);
        let work = |row: usize, permit: &Permit| {
            input.rows[row].work(permit, slas[row].as_ref().map_or(Uuid::nil(), |(sla_id, _)| *sla_id))
        };
        let answers = write::write_many::<SlaVersion>(ctx, &permits, together, work).await?;
        let marks = input.rows.into_iter().map(|row| row.client_mutation_id);
        let rows = answers.into_iter().zip(slas).zip(marks);
        let results = rows.map(|((answer, of), mark)| SlaVersionPayload::of(answer, of, mark));
        Ok(SlaVersionCreateManyPayload::of(results.collect(), together, input.client_mutation_id))
    }

    /// Changes how an SLA is described and administered; what it promises changes by `slaVersionCreate`. Fields that are
    /// left out stay; null empties. Needs, in the SLA's tenant, what `slaCreate` needs for terms of its kind:
    /// `CUSTOM_STATS_UPDATE`, `manage-livechat-sla` or `slas:write`.
    async fn sla_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: SlaUpdateInput,
    ) -> Result<SlaPayload> {
        let mut mistakes = Mistakes::default();
        let id = ("input.id", &input.id);
        let answer = match permit_on(Asking::of(ctx), id, &mut mistakes).await? {
            Some((sla_id, permit)) => {
                let work = || {
                    let mut mistakes = Mistakes::default();
                    let changes = input.clone().changes(&mut mistakes);
                    change::update(permit.clone(), sla_id, changes, input.expected_revision, mistakes)
                };
                write::write_one(ctx, &permit, work).await?
            }
            None => {
                input.clone().changes(&mut mistakes);
                (None, refused(mistakes.into())?)
            }
        };
        Ok(SlaPayload::of(answer, input.client_mutation_id))
    }

    /// Deletes an SLA and its versions. Refused with `IN_USE` when requests were measured by it or name it, or a tenant falls
    /// back on it, which the message counts: then let it expire, or turn it off. Needs, in the SLA's tenant, what `slaCreate` needs for terms of its kind:
    /// `CUSTOM_STATS_UPDATE`, `manage-livechat-sla` or `slas:write`.
    async fn sla_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: SlaDeleteInput,
    ) -> Result<SlaDeletePayload> {
        let asking = Asking::of(ctx);
        let mut mistakes = Mistakes::default();
        let found = permit_on(asking, ("input.id", &input.id), &mut mistakes).await?;
        let Some((sla_id, permit)) = found else {
            return SlaDeletePayload::of(Err(mistakes.into()), input.client_mutation_id);
        };
        let conn = asking.conn();
        let work = || change::deletion(permit.clone(), sla_id, input.expected_revision);
        let outcome = store::one(&conn, work).await;
        drop(conn);
        asking.renew();
        SlaDeletePayload::of(outcome.map(|()| Kind::Sla.id(sla_id)), input.client_mutation_id)
    }

    /// Puts a version of an SLA in force again, or for the first time. Clocks that run already keep the version they were
    /// started under. Needs, in the SLA's tenant, what `slaCreate` needs for terms of its kind: `CUSTOM_STATS_UPDATE`,
    /// `manage-livechat-sla` or `slas:write`.
    async fn sla_version_activate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: SlaVersionActivateInput,
    ) -> Result<SlaVersionPayload> {
        let asking = Asking::of(ctx);
        asking.viewer()?;
        let path = "input.slaVersionId";
        let mut mistakes = Mistakes::default();
        let Some(version) = Kind::SlaVersion.key_at(&mut mistakes, path, &input.sla_version_id) else {
            let answer = (None, refused(mistakes.into())?);
            return Ok(SlaVersionPayload::of(answer, None, input.client_mutation_id));
        };
        let row = seen::<SlaVersion>(asking, version).await.map_err(|error| error.at(path))?;
        let (sla_id, permit) = permit_of(asking, path, row.sla_id).await?;
        let work = || change::activation(permit.clone(), (sla_id, input.expected_revision), version);
        let answer = write::write_one(ctx, &permit, work).await?;
        Ok(SlaVersionPayload::of(answer, Some((sla_id, permit)), input.client_mutation_id))
    }
}

/// The permit to write the SLA that an id names, refusals at its path: it must be visible, and the right be held in its own
/// tenant. None where it is no id, which is a mistake as others are.
async fn permit_on(
    asking: &Asking,
    (path, id): (&str, &ID),
    mistakes: &mut Mistakes,
) -> Result<Option<(Uuid, Permit)>, Error> {
    asking.viewer()?;
    match Kind::Sla.key_at(mistakes, path, id) {
        Some(key) => Ok(Some(permit_of(asking, path, key).await?)),
        None => Ok(None),
    }
}

async fn permit_of(asking: &Asking, path: &str, sla_id: Uuid) -> Result<(Uuid, Permit), Error> {
    let permit = async {
        let sla = seen::<Sla>(asking, sla_id).await?;
        asking.viewer()?.permit_seen(permission(sla.kind), sla.tenant_id)
    };
    Ok((sla_id, permit.await.map_err(|error| error.at(path))?))
}

/// The SLA of a version to be made and the permit to write it; else all mistakes of the input.
async fn version_permit(
    asking: &Asking,
    input: &SlaVersionCreateInput,
) -> Result<Allowed<(Uuid, Permit)>, Error> {
    let mut mistakes = Mistakes::default();
    let found = permit_on(asking, ("input.slaId", &input.sla_id), &mut mistakes).await?;
    Ok(found.ok_or_else(|| {
        input.new_version(&mut mistakes);
        mistakes.into_vec()
    }))
}
