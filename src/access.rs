//! Who asks, and what they may do: [`Viewer`], [`Permission`], [`Reach`] for reads, [`Permit`] for writes.
//!
//! Every read of the store takes a [`Reach`], every write a [`Permit`]; neither can be made but from a [`Viewer`].
//! So a query without tenant scope cannot be written by accident, and a mutation without a permission check does
//! not compile.

pub mod jwks;
pub mod service_token;
pub mod token;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::Error;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $wire:literal),* $(,)?) => {
        /// A right, granted by a role in a tenant and inherited by its descendants (rule P1).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Permission { $($(#[$doc])* $name),* }

        impl Permission {
            /// Every permission there is, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name on the wire, in roles, tokens and error messages.
            pub const fn wire_name(self) -> &'static str {
                match self { $(Self::$name => $wire),* }
            }
        }
    };
}

permissions! {
    /// Create, version, activate, update and delete SLAs with queue terms.
    CustomStatsUpdate = "CUSTOM_STATS_UPDATE",
    /// The same for SLAs with livechat terms.
    ManageLivechatSla = "manage-livechat-sla",
    /// Read the SLAs of a tenant.
    SlasRead = "slas:read",
    /// Write SLAs with service terms.
    SlasWrite = "slas:write",
    /// List the limits of a tenant.
    LimitsAccess = "service-level-agreement-limits:access",
    /// Read one limit.
    LimitsRead = "service-level-agreement-limits:read",
    /// Create a limit.
    LimitsCreate = "service-level-agreement-limits:create",
    /// Update a limit.
    LimitsUpdate = "service-level-agreement-limits:update",
    /// Delete a limit.
    LimitsDelete = "service-level-agreement-limits:delete",
    /// Read affected SLAs.
    AffectedSlasRead = "affected-slas:read",
    /// Read requests and their events.
    RequestsRead = "requests:read",
    /// Register requests and record their events and time entries.
    RequestsWrite = "requests:write",
    /// List the catalogue: services, offerings with their standard service requests, instances, calendars, organizations,
    /// sites, teams, people and projects.
    CatalogRead = "catalog:read",
    /// Write them, but for people.
    CatalogWrite = "catalog:write",
    /// Read and follow breaches.
    BreachesRead = "breaches:read",
    /// Manage tenants, people, roles, grants, tokens and webhooks, and read the audit log.
    TenantsAdmin = "tenants:admin",
}

impl Permission {
    /// The permission of this wire name, if there is one.
    pub fn from_wire_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| p.wire_name() == name)
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u32);

impl Permissions {
    /// Whether the set holds `permission`.
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u8) != 0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What either set holds.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What this set holds and the other does not.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What both sets hold.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The members, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |p| self.contains(*p))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |set, p| set | 1 << p as u8))
    }
}

/// A tenant's place in its tree.
#[derive(Clone, Debug)]
pub struct Place {
    /// The root of its tree.
    pub root_id: Uuid,
    /// The tenant above it; null for a root.
    pub parent_id: Option<Uuid>,
    /// The IANA zone its days are in.
    pub time_zone: chrono_tz::Tz,
}

/// Who acts: what `createdBy` and the audit log name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A human.
    Person {
        /// The subject of their tokens.
        login: String,
        /// The person each root knows them as: (root, person, name).
        people: Vec<(Uuid, Uuid, String)>,
    },
    /// An integration with a token of our own: (root, token).
    ServiceToken(Uuid, Uuid),
}

impl Actor {
    /// A text that no other has.
    pub fn name(&self) -> String {
        match self {
            Self::Person { login, .. } => format!("person {login}"),
            Self::ServiceToken(_, token) => format!("token {token}"),
        }
    }

    /// What each root has them written down as: what [`Permit::actor_id`] is in a write of theirs.
    pub fn ids(&self) -> Vec<Uuid> {
        match self {
            Self::Person { people, .. } => people.iter().map(|(_, person, _)| *person).collect(),
            Self::ServiceToken(_, token) => vec![*token],
        }
    }
}

/// Who asks, and every right they have. Made by the store from a verified token; lives as long as one operation
/// or one socket, and is made anew when rights change.
#[derive(Debug)]
pub struct Viewer {
    /// Who it is.
    pub actor: Actor,
    /// Their name, for the audit log.
    pub name: String,
    /// When the token is accepted no more; null = never.
    pub expires_at: Option<DateTime<Utc>>,
    /// Every tenant of every root that knows them.
    places: Arc<HashMap<Uuid, Place>>,
    rights: Arc<HashMap<Uuid, Permissions>>,
    reaches: Vec<Arc<Reach>>,
    reach_any: Arc<Reach>,
    trees: String,
    digest: OnceLock<[u8; 32]>,
}

impl Viewer {
    /// Brings together who it is, the trees of their roots, and the grants: (tenant, permissions), each inherited
    /// by all descendants (rule P1).
    pub fn new(
        actor: Actor,
        name: String,
        expires_at: Option<DateTime<Utc>>,
        places: HashMap<Uuid, Place>,
        grants: &[(Uuid, Permissions)],
    ) -> Self {
        let places = Arc::new(places);
        let mut granted: HashMap<Uuid, Permissions> = HashMap::new();
        for (tenant, more) in grants {
            let all = granted.entry(*tenant).or_default();
            *all = all.union(*more);
        }
        let rights: HashMap<Uuid, Permissions> = places
            .keys()
            .map(|&tenant| {
                let held = lineage(&places, tenant).filter_map(|above| granted.get(&above));
                (tenant, held.fold(Permissions::default(), |all, more| all.union(*more)))
            })
            .filter(|(_, held)| !held.is_empty())
            .collect();
        let reach_any = Arc::new(Reach::new(&places, rights.keys().copied().collect()));
        let mut roots: Vec<Uuid> = places.values().map(|place| place.root_id).collect();
        roots.sort_unstable();
        roots.dedup();
        let trees = roots.iter().map(|root| root.simple().to_string()).collect();
        let reaches = Permission::ALL
            .iter()
            .map(|p| {
                let tenants: Vec<Uuid> =
                    rights.iter().filter(|(_, held)| held.contains(*p)).map(|(t, _)| *t).collect();
                if tenants.len() == reach_any.tenants.len() {
                    reach_any.clone()
                } else {
                    Arc::new(Reach::new(&places, tenants))
                }
            })
            .collect();
        Self {
            actor,
            name,
            expires_at,
            places,
            rights: Arc::new(rights),
            reaches,
            reach_any,
            trees,
            digest: OnceLock::new(),
        }
    }

    /// About how much memory it takes, in bytes.
    pub fn weight(&self) -> u64 {
        let own = self.reaches.iter().filter(|reach| !Arc::ptr_eq(reach, &self.reach_any));
        let ids = own.chain([&self.reach_any]).map(|reach| reach.tenants.len() + reach.visible.len());
        // Maps have room for more than they hold.
        let places = self.places.len() * size_of::<(Uuid, Place)>() * 2;
        let rights = self.rights.len() * size_of::<(Uuid, Permissions)>() * 2;
        (1_024 + places + rights + ids.sum::<usize>() * size_of::<Uuid>()) as u64
    }

    /// The same person or token, who may do nothing any more.
    #[must_use]
    pub fn without_rights(&self) -> Self {
        let rightless =
            Self::new(self.actor.clone(), self.name.clone(), self.expires_at, HashMap::new(), &[]);
        Self { trees: self.trees.clone(), ..rightless }
    }

    /// The same for all whose rights are the same, in the same trees of tenants: what may be read does not depend on
    /// anything else of a viewer.
    pub fn rights_digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| {
            let mut places: Vec<_> = self.places.iter().collect();
            places.sort_unstable_by_key(|(tenant, _)| **tenant);
            let mut digest = Sha256::new();
            for (tenant, place) in places {
                digest.update(tenant);
                digest.update(place.root_id);
                digest.update(place.parent_id.unwrap_or_default());
                digest.update(self.permissions(*tenant).0.to_be_bytes());
            }
            digest.finalize().into()
        })
    }

    /// Where the viewer may read with `permission`; [`Error::Forbidden`] where that is nowhere.
    pub fn reach(&self, permission: Permission) -> Result<Arc<Reach>, Error> {
        let reach = &self.reaches[permission as usize];
        if reach.tenants.is_empty() { Err(Error::Forbidden(permission)) } else { Ok(reach.clone()) }
    }

    /// Where the viewer may read anything at all: the tenants they know of.
    pub fn reach_any(&self) -> Arc<Reach> {
        self.reach_any.clone()
    }

    /// A text that only those share whom the same trees of tenants know, whatever rights they have there: nobody of one tree
    /// gets among those of another, or out of their own by a token without rights.
    pub fn trees(&self) -> &str {
        &self.trees
    }

    /// The service token that asks, if one does, and the reach to read that token by: what it is, it may know. For nothing
    /// else than this key.
    pub fn itself(&self) -> Option<(Uuid, Reach)> {
        let Actor::ServiceToken(root, token) = self.actor else { return None };
        let reach = Reach { roots: vec![root], tenants: Vec::new(), visible: Vec::new(), complete: true };
        Some((token, reach))
    }

    /// A reach of this viewer's, but of these tenants only, and of their roots.
    pub fn narrow(&self, reach: &Reach, tenants: &[Uuid]) -> Reach {
        let mut narrow = reach.within(tenants);
        // Trees of none of them would be looked through for nothing.
        narrow.roots.retain(|root| {
            narrow
                .visible
                .iter()
                .any(|tenant| self.place(*tenant).is_some_and(|place| place.root_id == *root))
        });
        narrow
    }

    /// The rights in one tenant; empty where there are none.
    pub fn permissions(&self, tenant_id: Uuid) -> Permissions {
        self.rights.get(&tenant_id).copied().unwrap_or_default()
    }

    /// Where a tenant stands, if it is in a root that knows the viewer.
    pub fn place(&self, tenant_id: Uuid) -> Option<&Place> {
        self.places.get(&tenant_id)
    }

    /// The same for an object that the viewer has been shown, as one shared from above: it is there, so where the
    /// permission is missing the answer is forbidden.
    pub fn permit_seen(&self, permission: Permission, tenant_id: Uuid) -> Result<Permit, Error> {
        self.permit(permission, tenant_id).map_err(|error| match error {
            Error::NotFound(_) => Error::Forbidden(permission),
            error => error,
        })
    }

    /// Proof that the viewer may write in `tenant_id` with `permission`. Not visible: not found; visible but not
    /// allowed: forbidden (rule P2).
    pub fn permit(&self, permission: Permission, tenant_id: Uuid) -> Result<Permit, Error> {
        let held = self.permissions(tenant_id);
        let place = self.places.get(&tenant_id).filter(|_| !held.is_empty());
        let place = place.ok_or(Error::NotFound("tenant"))?;
        if !held.contains(permission) {
            return Err(Error::Forbidden(permission));
        }
        let (person_id, service_token_id, name) = match &self.actor {
            // The name that this root knows them by: another could have called them anything.
            Actor::Person { people, .. } => match people.iter().find(|(root, ..)| *root == place.root_id) {
                Some((_, person, name)) => (Some(*person), None, name),
                None => (None, None, &self.name),
            },
            Actor::ServiceToken(_, token) => (None, Some(*token), &self.name),
        };
        Ok(Permit {
            root_id: place.root_id,
            tenant_id,
            person_id,
            service_token_id,
            actor_name: name.clone(),
            reach: self.reach_any(),
            rights: self.rights.clone(),
        })
    }
}

/// A tenant and those above it, nearest first.
fn lineage(places: &HashMap<Uuid, Place>, tenant: Uuid) -> impl Iterator<Item = Uuid> {
    std::iter::successors(Some(tenant), |t| places.get(t).and_then(|place| place.parent_id))
}

/// Which tenants a read may see. All keys are in ascending order, each once.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The roots that [`Self::tenants`] belong to.
    pub roots: Vec<Uuid>,
    /// The tenants whose rows are listed.
    pub tenants: Vec<Uuid>,
    /// These and all tenants above them, whose rows are seen where something refers to them: what is shared
    /// comes from above.
    pub visible: Vec<Uuid>,
    /// Whether every tenant of every root is within reach, so that the root alone decides.
    pub complete: bool,
}

impl Reach {
    fn new(places: &HashMap<Uuid, Place>, mut tenants: Vec<Uuid>) -> Self {
        tenants.sort_unstable();
        let mut roots: Vec<Uuid> =
            tenants.iter().filter_map(|t| places.get(t)).map(|place| place.root_id).collect();
        roots.sort_unstable();
        roots.dedup();
        roots.shrink_to_fit();
        let mut visible: Vec<Uuid> = tenants.iter().flat_map(|t| lineage(places, *t)).collect();
        visible.sort_unstable();
        visible.dedup();
        visible.shrink_to_fit();
        let complete = places.iter().filter(|(_, place)| roots.binary_search(&place.root_id).is_ok()).count()
            == tenants.len();
        Self { roots, tenants, visible, complete }
    }

    /// The same reach, but of these tenants only: of those above it, what is seen there.
    #[must_use]
    pub fn within(&self, tenants: &[Uuid]) -> Self {
        let asked: HashSet<Uuid> = tenants.iter().copied().collect();
        let among = |all: &[Uuid]| all.iter().copied().filter(|tenant| asked.contains(tenant)).collect();
        Self {
            roots: self.roots.clone(),
            tenants: among(&self.tenants),
            visible: among(&self.visible),
            complete: false,
        }
    }

    /// Whether rows of `tenant_id` are listed.
    pub fn contains(&self, tenant_id: Uuid) -> bool {
        self.tenants.binary_search(&tenant_id).is_ok()
    }
}

/// Proof that a write in one tenant is allowed, and by whom it is made.
#[derive(Clone, Debug)]
pub struct Permit {
    /// The root of the tenant.
    pub root_id: Uuid,
    /// The tenant that is written to.
    pub tenant_id: Uuid,
    /// The person who acts; null when an integration does.
    pub person_id: Option<Uuid>,
    /// The service token that acts; null when a person does.
    pub service_token_id: Option<Uuid>,
    /// The name of either, for the audit log.
    pub actor_name: String,
    /// What the input may refer to.
    pub reach: Arc<Reach>,
    rights: Arc<HashMap<Uuid, Permissions>>,
}

impl Permit {
    /// The key of who acts, person or service token; null for a person that the root does not know.
    pub fn actor_id(&self) -> Option<Uuid> {
        self.person_id.or(self.service_token_id)
    }

    /// All that the actor may do in a tenant: the most that they can hand on to others there.
    pub fn held_in(&self, tenant_id: Uuid) -> Permissions {
        self.rights.get(&tenant_id).copied().unwrap_or_default()
    }

    /// The reach of an object that was just written under this permit, which may be a tenant itself.
    pub fn reach_of(&self, id: Uuid) -> Reach {
        let mut tenants = vec![self.tenant_id, id];
        tenants.sort_unstable();
        tenants.dedup();
        Reach { roots: vec![self.root_id], visible: tenants.clone(), tenants, complete: false }
    }
}
