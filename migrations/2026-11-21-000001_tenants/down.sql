DROP TABLE team_member, person, team, site, organization, tenant_closure, tenant;
DROP FUNCTION uuid_v7();
