//! Writing sites.

use crate::graphql::Site;
use crate::graphql::scalar::TimeZone;
use crate::graphql::write::{inputs, mutations, name, text, zone};

inputs! {
    Site needs CatalogWrite;
    /// To make a site.
    create SiteCreateInput as "siteCreate" owned by {
        /// The tenant that will own it.
        tenant_id
    };
    /// Changes of a site. What is left out stays; null empties what can be empty.
    update SiteUpdateInput as "siteUpdate";
    required {
        /// Its name, 1 to 160 characters.
        name: String => name(160),
    }
    defaulted {}
    optional {
        /// The zone it lies in; null = not known.
        time_zone: TimeZone => zone,
        /// The system it comes from, at most 30 characters.
        source: String => text(30),
        /// Its id in that system, at most 128 characters; unique within the tenant and source.
        source_id: String => text(128),
    }
    sourced {
        /// True: when the tenant has one of this `source` and `sourceId` already, that one is changed to what is given
        /// here, as by the update; what is left out or null stays as it is. False: that is the mistake `DUPLICATE`.
        upsert
    }
}

mutations! {
    /// Writing sites.
    SiteMutation over Site as site;
    /// Makes a site. Needs `catalog:write` in its tenant.
    create site_create(SiteCreateInput) -> SitePayload;
    /// Makes many sites: all or none, each that is right, or, to see what would be refused, none.
    /// Needs `catalog:write` in the tenant of each.
    many site_create_many(SiteCreateManyInput) -> SiteCreateManyPayload;
    /// Changes a site. What is left out stays; null empties what can be empty.
    /// Needs `catalog:write` in its tenant.
    update site_update(SiteUpdateInput);
    /// Deletes a site. Refused with `IN_USE` while anything refers to it. Needs `catalog:write` in its tenant.
    delete site_delete(SiteDeleteInput) -> SiteDeletePayload as "siteDelete" needs CatalogWrite;
}
