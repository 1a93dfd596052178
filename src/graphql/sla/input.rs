//! What is sent to write SLAs, and the rules that each field is checked by.

use async_graphql::{ID, InputObject, MaybeUndefined, OneofObject};
use uuid::Uuid;

use crate::access::{self, Permit};
use crate::error::{InputErrorCode, Mistakes};
use crate::graphql::Sla;
use crate::graphql::node::Kind;
use crate::graphql::scalar::Date;
use crate::graphql::word::{AbandonType, SlaCoverage, SlaStatus};
use crate::graphql::write::{Create, Spot, mark};
use crate::store::sla::change::Changes;
use crate::store::sla::terms::{Listed, Terms};
use crate::store::sla::write::{self, New, NewVersion};
use crate::store::word::{self, SlaKind};
use crate::store::write::{Mark, Work};

/// The longest name (rule S7).
const NAME: usize = 160;
/// The longest description.
const DESCRIPTION: usize = 65_536;
/// The longest remarks, in bytes (rule S7).
const REMARKS: usize = 65_536;

/// What is promised: exactly one of the three.
#[derive(Clone, Debug, OneofObject)]
pub enum SlaTermsInput {
    /// A service offering. Needs `slas:write`.
    Service(ServiceTermsInput),
    /// Seconds to answer. Needs `CUSTOM_STATS_UPDATE`.
    Queue(QueueTermsInput),
    /// Minutes until due. Needs `manage-livechat-sla`.
    Livechat(LivechatTermsInput),
}

/// A promise over the calls of a queue.
#[derive(Clone, Debug, InputObject)]
pub struct QueueTermsInput {
    /// A call is to be answered within so many seconds, at least 0; exactly so many is in time.
    sla_threshold: i32,
    /// What an abandoned call counts as.
    abandon_type: AbandonType,
    /// Abandons within so many seconds are ignored, at least 0. Required under `IGNORE_ABANDONS`, refused under
    /// `COUNT_AGAINST_SLA`.
    abandon_threshold: Option<i32>,
}

/// A promise over chats.
#[derive(Clone, Debug, InputObject)]
pub struct LivechatTermsInput {
    /// A chat is to be taken within so many minutes, at least 1. Unique within the tenant.
    due_time_in_minutes: i32,
}

/// A promise over a service.
#[derive(Clone, Debug, InputObject)]
pub struct ServiceTermsInput {
    /// The conditions: an offering of the tenant or of one above it.
    service_offering_id: ID,
    /// The instance it is about, one of the offering's service; null = any of the service. Required by the coverage
    /// `CIS_OF_SERVICE_INSTANCE`, which selects by it.
    service_instance_id: Option<ID>,
    /// How the people it covers are selected; null = nobody yet.
    coverage: Option<SlaCoverage>,
    /// The organizations of the coverage: required by the kinds that list organizations, refused by the others.
    organization_ids: Option<Vec<ID>>,
    /// The sites of the coverage: required by the kinds that list sites, refused by the others.
    site_ids: Option<Vec<ID>>,
    /// The people of the coverage: required by `PEOPLE`, refused by the others.
    person_ids: Option<Vec<ID>>,
    /// The instances whose support teams are covered: required by `SERVICE_INSTANCES`, refused by the others.
    service_instance_ids: Option<Vec<ID>>,
}

/// A version to be made.
#[derive(Clone, Debug, InputObject)]
pub struct SlaVersionInput {
    /// Its name, 1 to 160 characters.
    version_name: String,
    /// What is new in it, at most 65 536 characters.
    description: Option<String>,
    /// What is promised. The kind of an SLA's terms is that of its first version.
    terms: SlaTermsInput,
}

/// An SLA to be made.
#[derive(Clone, Debug, InputObject)]
pub struct SlaCreateInput {
    /// The tenant that will own it.
    tenant_id: ID,
    /// Its name, 1 to 160 characters. Unique among the livechat SLAs of a tenant, whatever the case.
    name: String,
    /// What it is about, at most 65 536 characters. Optional with terms of every kind, also where Rocket.Chat's own
    /// interface asks for it.
    description: Option<String>,
    /// Whether all tenants below use it too; null = no, or, in an upsert, as it is. Cannot be turned off again.
    shared: Option<bool>,
    /// The switch; null = on, or, in an upsert, as it is.
    active: Option<bool>,
    /// The stage of its lifecycle; null = `BEING_PREPARED` with service terms, else `SCHEDULED_FOR_ACTIVATION` with a start
    /// date, which makes it active on that day, and `ACTIVE` without. `SCHEDULED_FOR_ACTIVATION` needs a start date.
    status: Option<SlaStatus>,
    /// Its first version, which will be active.
    version: SlaVersionInput,
    /// The organization that pays for it; required with service terms, but for an upsert that leaves it as it is.
    customer_id: Option<ID>,
    /// Who speaks for the customer.
    customer_rep_id: Option<ID>,
    /// Who manages it for the provider.
    service_level_manager_id: Option<ID>,
    /// The first day it is active; null = from the beginning.
    start_date: Option<Date>,
    /// The last day it is active, not before the start date; null = without end.
    expiry_date: Option<Date>,
    /// The last day on which it can be terminated, not after the expiry date.
    notice_date: Option<Date>,
    /// Anything else worth knowing, at most 64 KiB.
    remarks: Option<String>,
    /// The system it comes from, at most 30 characters.
    source: Option<String>,
    /// Its id in that system, at most 128 characters. Either may stand alone; both together are unique within the tenant.
    source_id: Option<String>,
    /// True: when the tenant has an SLA of this `source` and `sourceId` already, that one is changed to what is given here,
    /// as by `slaUpdate`, and gets a new version where the terms of the version in force are others; with the same terms,
    /// that keeps its name and its description, whatever is sent. What is null stays as it is. False: that is the mistake
    /// `DUPLICATE`.
    #[graphql(default = false)]
    upsert: bool,
    /// A mark of the client's own, at most 255 characters, such as a UUID; given back with the payload. For a day, the same
    /// input under the same mark makes nothing twice: the first result is given again.
    pub(super) client_mutation_id: Option<String>,
}

/// A version to be made of an SLA.
#[derive(Clone, Debug, InputObject)]
pub struct SlaVersionCreateInput {
    /// The SLA.
    pub(super) sla_id: ID,
    /// The version.
    version: SlaVersionInput,
    /// Whether it is put in force at once. Clocks that run already keep the version they were started under.
    #[graphql(default = true)]
    make_active: bool,
    /// The SLA's `revision` as last read: if it has another by now, nothing is written and the errors say `CONFLICT`. Null =
    /// whatever it is.
    pub(super) expected_revision: Option<i32>,
    /// A mark of the client's own, at most 255 characters, such as a UUID; given back with the payload. For a day, the same
    /// input under the same mark makes nothing twice: the first result is given again.
    pub(super) client_mutation_id: Option<String>,
}

/// Changes of an SLA. What is left out stays; null empties what can be empty.
#[derive(Clone, Debug, InputObject)]
pub struct SlaUpdateInput {
    /// The SLA.
    pub(super) id: ID,
    /// Its `revision` as last read: if it has another by now, nothing is written and the errors say `CONFLICT`. Null =
    /// whatever it is.
    pub(super) expected_revision: Option<i32>,
    /// Its name, 1 to 160 characters.
    name: MaybeUndefined<String>,
    /// What it is about, at most 65 536 characters.
    description: MaybeUndefined<String>,
    /// Whether all tenants below use it too. Once true it cannot be turned off: `IRREVERSIBLE`.
    shared: MaybeUndefined<bool>,
    /// The switch.
    active: MaybeUndefined<bool>,
    /// The stage of its lifecycle; `SCHEDULED_FOR_ACTIVATION` needs a start date.
    status: MaybeUndefined<SlaStatus>,
    /// The organization that pays for it; cannot be emptied with service terms.
    customer_id: MaybeUndefined<ID>,
    /// Who speaks for the customer.
    customer_rep_id: MaybeUndefined<ID>,
    /// Who manages it for the provider.
    service_level_manager_id: MaybeUndefined<ID>,
    /// The first day it is active; cannot be emptied while the status is `SCHEDULED_FOR_ACTIVATION`.
    start_date: MaybeUndefined<Date>,
    /// The last day on which it can be terminated, not after the expiry date.
    notice_date: MaybeUndefined<Date>,
    /// The last day it is active, not before the start date.
    expiry_date: MaybeUndefined<Date>,
    /// Anything else worth knowing, at most 64 KiB.
    remarks: MaybeUndefined<String>,
    /// The system it comes from, at most 30 characters.
    source: MaybeUndefined<String>,
    /// Its id in that system, at most 128 characters; unique within the tenant and source.
    source_id: MaybeUndefined<String>,
    /// A mark of the client's own, given back with the payload.
    pub(super) client_mutation_id: Option<String>,
}

/// An SLA to be deleted.
#[derive(Clone, Debug, InputObject)]
pub struct SlaDeleteInput {
    /// The SLA.
    pub(super) id: ID,
    /// Its `revision` as last read: if it has another by now, nothing is deleted and the errors say `CONFLICT`. Null =
    /// whatever it is.
    pub(super) expected_revision: Option<i32>,
    /// A mark of the client's own, given back with the payload.
    pub(super) client_mutation_id: Option<String>,
}

/// A version to be put in force.
#[derive(Clone, Debug, InputObject)]
pub struct SlaVersionActivateInput {
    /// The version.
    pub(super) sla_version_id: ID,
    /// The SLA's `revision` as last read: if it has another by now, nothing is written and the errors say `CONFLICT`. Null =
    /// whatever it is.
    pub(super) expected_revision: Option<i32>,
    /// A mark of the client's own, given back with the payload.
    pub(super) client_mutation_id: Option<String>,
}

impl SlaUpdateInput {
    pub(super) fn changes(self, mistakes: &mut Mistakes) -> Changes {
        let name = said(mistakes, Spot("name"), self.name);
        described(
            mistakes,
            self.description.as_opt_deref::<str>().flatten(),
            self.remarks.as_opt_deref::<str>().flatten(),
            self.source.as_opt_deref::<str>().flatten(),
            self.source_id.as_opt_deref::<str>().flatten(),
        );
        let day = |date: MaybeUndefined<Date>| -> Option<Option<chrono::NaiveDate>> {
            date.map_value(|date| date.0).into()
        };
        let mut key = |kind: Kind, path: &str, id: MaybeUndefined<ID>| match id {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(id) => kind.key_at(mistakes, path, &id).map(Some),
        };
        Changes {
            customer_id: key(Kind::Organization, "input.customerId", self.customer_id),
            customer_rep_id: key(Kind::Person, "input.customerRepId", self.customer_rep_id),
            service_level_manager_id: key(
                Kind::Person,
                "input.serviceLevelManagerId",
                self.service_level_manager_id,
            ),
            name: name.map(|name| mistakes.name("input.name", &name, NAME)),
            description: self.description.into(),
            shared: said(mistakes, Spot("shared"), self.shared),
            active: said(mistakes, Spot("active"), self.active),
            status: said(mistakes, Spot("status"), self.status).map(Into::into),
            start_date: day(self.start_date),
            notice_date: day(self.notice_date),
            expiry_date: day(self.expiry_date),
            remarks: self.remarks.into(),
            source: self.source.into(),
            source_id: self.source_id.into(),
        }
    }
}

/// What is said of what cannot be empty; none where nothing is, or null, which is a mistake.
fn said<T>(mistakes: &mut Mistakes, spot: Spot, value: MaybeUndefined<T>) -> Option<T> {
    if value.is_null() {
        spot.cannot_be_empty(mistakes);
    }
    value.take()
}

/// What it takes to write SLAs of a kind.
pub(super) fn permission(kind: SlaKind) -> access::Permission {
    match kind {
        SlaKind::Service => access::Permission::SlasWrite,
        SlaKind::Queue => access::Permission::CustomStatsUpdate,
        SlaKind::Livechat => access::Permission::ManageLivechatSla,
    }
}

impl Create for SlaCreateInput {
    type Object = Sla;

    fn owner(&self) -> (Spot, &ID) {
        (Spot("tenant_id"), &self.tenant_id)
    }

    fn needs(&self) -> Vec<access::Permission> {
        vec![permission(self.version.terms.kind())]
    }

    fn work(&self, permit: &Permit) -> Work<Uuid> {
        let mut mistakes = Mistakes::default();
        let mark = mark(self, self.client_mutation_id.as_deref(), &mut mistakes);
        let upsert = self.upsert.then(|| self.changes());
        let new = self.new_sla(&mut mistakes);
        write::creation(permit.clone(), new, upsert, mistakes, mark)
    }

    fn mistakes(&self) -> Mistakes {
        let mut mistakes = Mistakes::default();
        mark(self, self.client_mutation_id.as_deref(), &mut mistakes);
        let new = self.new_sla(&mut mistakes);
        write::needs_customer(&mut mistakes, new.version.terms.kind(), new.customer_id);
        mistakes
    }
}

impl SlaCreateInput {
    fn new_sla(&self, mistakes: &mut Mistakes) -> New {
        let input = self.clone();
        if input.upsert && (input.source.is_none() || input.source_id.is_none()) {
            mistakes.add("input.sourceId", InputErrorCode::Required, "An upsert needs source and sourceId.");
        }
        let name = mistakes.name("input.name", &input.name, NAME);
        described(
            mistakes,
            input.description.as_deref(),
            input.remarks.as_deref(),
            input.source.as_deref(),
            input.source_id.as_deref(),
        );
        write::dates(
            mistakes,
            input.start_date.map(|date| date.0),
            input.notice_date.map(|date| date.0),
            input.expiry_date.map(|date| date.0),
        );
        let kind = input.version.terms.kind();
        New {
            name,
            description: input.description,
            shared: input.shared.unwrap_or(false),
            active: input.active.unwrap_or(true),
            // Rule S6.
            status: input.status.map_or(
                match (kind, input.start_date.is_some()) {
                    (SlaKind::Service, _) => word::SlaStatus::BeingPrepared,
                    (_, false) => word::SlaStatus::Active,
                    (_, true) => word::SlaStatus::ScheduledForActivation,
                },
                Into::into,
            ),
            customer_id: optional(mistakes, Kind::Organization, "input.customerId", input.customer_id),
            customer_rep_id: optional(mistakes, Kind::Person, "input.customerRepId", input.customer_rep_id),
            service_level_manager_id: optional(
                mistakes,
                Kind::Person,
                "input.serviceLevelManagerId",
                input.service_level_manager_id,
            ),
            start_date: input.start_date.map(|date| date.0),
            notice_date: input.notice_date.map(|date| date.0),
            expiry_date: input.expiry_date.map(|date| date.0),
            remarks: input.remarks,
            source: input.source,
            source_id: input.source_id,
            version: version(input.version, mistakes),
        }
    }

    /// What an upsert changes of the SLA that is there: what is given.
    fn changes(&self) -> Changes {
        let update = SlaUpdateInput {
            id: ID::default(),
            expected_revision: None,
            name: MaybeUndefined::Value(self.name.clone()),
            description: given(&self.description),
            shared: given(&self.shared),
            active: given(&self.active),
            status: given(&self.status),
            customer_id: given(&self.customer_id),
            customer_rep_id: given(&self.customer_rep_id),
            service_level_manager_id: given(&self.service_level_manager_id),
            start_date: given(&self.start_date),
            notice_date: given(&self.notice_date),
            expiry_date: given(&self.expiry_date),
            remarks: given(&self.remarks),
            source: MaybeUndefined::Undefined,
            source_id: MaybeUndefined::Undefined,
            client_mutation_id: None,
        };
        // The mistakes are those of the input itself, which are told there.
        update.changes(&mut Mistakes::default())
    }
}

fn given<T: Clone>(value: &Option<T>) -> MaybeUndefined<T> {
    value.clone().map_or(MaybeUndefined::Undefined, MaybeUndefined::Value)
}

impl SlaVersionCreateInput {
    /// The write, once the SLA is known.
    pub(super) fn work(&self, permit: &Permit, sla_id: Uuid) -> Work<Uuid> {
        let mut mistakes = Mistakes::default();
        let (version, mark) = self.new_version(&mut mistakes);
        let expected = self.expected_revision;
        write::version_creation(permit.clone(), (sla_id, expected), version, self.make_active, mistakes, mark)
    }

    /// The version, and the client's mark.
    pub(super) fn new_version(&self, mistakes: &mut Mistakes) -> (NewVersion, Option<Mark>) {
        let mark = mark(self, self.client_mutation_id.as_deref(), mistakes);
        (version(self.version.clone(), mistakes), mark)
    }
}

/// Rule S7: the lengths of what describes an SLA.
fn described(
    mistakes: &mut Mistakes,
    description: Option<&str>,
    remarks: Option<&str>,
    source: Option<&str>,
    source_id: Option<&str>,
) {
    mistakes.prose("input.description", description, DESCRIPTION);
    match remarks {
        Some(remarks) if remarks.len() > REMARKS => {
            mistakes.add("input.remarks", InputErrorCode::TooLong, "This may have at most 64 KiB.");
        }
        remarks => mistakes.prose("input.remarks", remarks, REMARKS),
    }
    for (path, text, longest) in [("input.source", source, 30), ("input.sourceId", source_id, 128)] {
        if let Some(text) = text {
            mistakes.text(path, text, longest);
        }
    }
}

fn optional(mistakes: &mut Mistakes, kind: Kind, path: &str, id: Option<ID>) -> Option<Uuid> {
    id.and_then(|id| kind.key_at(mistakes, path, &id))
}

fn listed(mistakes: &mut Mistakes, kind: Kind, path: &str, ids: Option<Vec<ID>>) -> Listed {
    let ids = ids.unwrap_or_default();
    let named =
        |(index, id): (usize, &ID)| Some((index, kind.key_at(mistakes, &format!("{path}.{index}"), id)?));
    ids.iter().enumerate().filter_map(named).collect()
}

fn version(input: SlaVersionInput, mistakes: &mut Mistakes) -> NewVersion {
    let version_name = mistakes.name("input.version.versionName", &input.version_name, NAME);
    mistakes.prose("input.version.description", input.description.as_deref(), DESCRIPTION);
    let terms = input.terms.terms(mistakes);
    NewVersion { version_name, description: input.description, terms }
}

impl SlaTermsInput {
    fn kind(&self) -> SlaKind {
        match self {
            Self::Service(_) => SlaKind::Service,
            Self::Queue(_) => SlaKind::Queue,
            Self::Livechat(_) => SlaKind::Livechat,
        }
    }

    /// What they promise, by the rules of their kind.
    pub(in crate::graphql) fn terms(self, mistakes: &mut Mistakes) -> Terms {
        match self {
            Self::Queue(queue) => queue.terms(mistakes),
            Self::Livechat(livechat) => livechat.terms(mistakes),
            Self::Service(service) => service.terms(mistakes),
        }
    }
}

impl QueueTermsInput {
    /// Rule S9.
    fn terms(self, mistakes: &mut Mistakes) -> Terms {
        let path = "input.version.terms.queue";
        if self.sla_threshold < 0 {
            mistakes.add(
                &format!("{path}.slaThreshold"),
                InputErrorCode::Invalid,
                "This must be 0 seconds or more.",
            );
        }
        let abandon = format!("{path}.abandonThreshold");
        match (self.abandon_type, self.abandon_threshold) {
            (AbandonType::IgnoreAbandons, None) => {
                mistakes.add(
                    &abandon,
                    InputErrorCode::Required,
                    "IGNORE_ABANDONS needs an abandon threshold in seconds.",
                );
            }
            (AbandonType::IgnoreAbandons, Some(seconds)) if seconds < 0 => {
                mistakes.add(&abandon, InputErrorCode::Invalid, "This must be 0 seconds or more.");
            }
            (AbandonType::CountAgainstSla, Some(_)) => {
                mistakes.add(
                    &abandon,
                    InputErrorCode::Invalid,
                    "COUNT_AGAINST_SLA has no abandon threshold: leave it out.",
                );
            }
            _ => {}
        }
        Terms::Queue {
            sla_threshold: self.sla_threshold,
            abandon_type: self.abandon_type.into(),
            abandon_threshold: self.abandon_threshold,
        }
    }
}

impl LivechatTermsInput {
    /// Rule S11.
    fn terms(self, mistakes: &mut Mistakes) -> Terms {
        if self.due_time_in_minutes < 1 {
            let path = "input.version.terms.livechat.dueTimeInMinutes";
            mistakes.add(path, InputErrorCode::Invalid, "This must be 1 minute or more.");
        }
        Terms::Livechat { due_time_in_minutes: self.due_time_in_minutes }
    }
}

impl ServiceTermsInput {
    /// Rule S8: a list is required by the kinds that select by it, and refused by the others.
    fn terms(self, mistakes: &mut Mistakes) -> Terms {
        use word::Coverage as By;
        let path = "input.version.terms.service";
        let coverage = self.coverage.map(By::from);
        // Ids that cannot be read are mistakes of their own: a list of them is given all the same.
        let list = |field, ids: &Option<Vec<ID>>, kinds: &[By]| {
            let is_given = ids.as_ref().is_some_and(|ids| !ids.is_empty());
            (field, is_given, coverage.is_some_and(|kind| kinds.contains(&kind)))
        };
        let by_organization = [By::Organizations, By::OrganizationsAndDescendants, By::OrganizationsAndSites];
        let lists = [
            list("organizationIds", &self.organization_ids, &by_organization),
            list("siteIds", &self.site_ids, &[By::Sites, By::OrganizationsAndSites]),
            list("personIds", &self.person_ids, &[By::People]),
            list("serviceInstanceIds", &self.service_instance_ids, &[By::ServiceInstances]),
        ];
        let mut list = |kind, field: &str, ids| listed(mistakes, kind, &format!("{path}.{field}"), ids);
        let organizations = list(Kind::Organization, "organizationIds", self.organization_ids);
        let sites = list(Kind::Site, "siteIds", self.site_ids);
        let people = list(Kind::Person, "personIds", self.person_ids);
        let service_instances = list(Kind::ServiceInstance, "serviceInstanceIds", self.service_instance_ids);
        let offering = format!("{path}.serviceOfferingId");
        let instance = format!("{path}.serviceInstanceId");
        if coverage == Some(By::CisOfServiceInstance) && self.service_instance_id.is_none() {
            let message =
                "This coverage selects the people who use configuration items of the instance: name it.";
            mistakes.add(&instance, InputErrorCode::Required, message);
        }
        let terms = Terms::Service {
            // An id that cannot be read is a mistake already: nil is not looked for.
            service_offering_id: Kind::ServiceOffering
                .key_at(mistakes, &offering, &self.service_offering_id)
                .unwrap_or_default(),
            service_instance_id: optional(
                mistakes,
                Kind::ServiceInstance,
                &instance,
                self.service_instance_id,
            ),
            coverage,
            organizations,
            sites,
            people,
            service_instances,
        };
        for (field, is_given, selects) in lists {
            let path = format!("{path}.{field}");
            match (selects, is_given) {
                (true, false) => {
                    mistakes.add(
                        &path,
                        InputErrorCode::Required,
                        "This coverage selects by this list: name at least one.",
                    );
                }
                (false, true) => {
                    mistakes.add(
                        &path,
                        InputErrorCode::Invalid,
                        "This coverage does not select by this list: leave it out.",
                    );
                }
                _ => {}
            }
        }
        terms
    }
}
