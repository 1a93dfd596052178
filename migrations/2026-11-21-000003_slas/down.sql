ALTER TABLE tenant DROP COLUMN default_sla_id;
ALTER TABLE sla DROP CONSTRAINT sla_active_version_is_own;
DROP TABLE sla_activation, sla_version_service_instance, sla_version_person, sla_version_site, sla_version_organization,
  sla_version, sla;
DROP FUNCTION refuse_update();
