DROP INDEX person_login_lower;
ALTER TABLE role_grant DROP CONSTRAINT role_grant_root_id_person_id_fkey;
ALTER TABLE role_grant ADD CONSTRAINT role_grant_root_id_person_id_fkey
  FOREIGN KEY (root_id, person_id) REFERENCES person (root_id, id) ON DELETE CASCADE;
ALTER TABLE limit_notification DROP CONSTRAINT limit_notification_root_id_sla_limit_id_fkey;
ALTER TABLE limit_notification ADD CONSTRAINT limit_notification_root_id_sla_limit_id_fkey
  FOREIGN KEY (root_id, sla_limit_id) REFERENCES sla_limit (root_id, id);
ALTER TABLE breach DROP CONSTRAINT breach_root_id_sla_limit_id_fkey;
ALTER TABLE breach ADD CONSTRAINT breach_root_id_sla_limit_id_fkey
  FOREIGN KEY (root_id, sla_limit_id) REFERENCES sla_limit (root_id, id);
ALTER TABLE breach DROP CONSTRAINT breach_limit;
-- The records of limits that were deleted stay.
ALTER TABLE breach ADD CONSTRAINT breach_check CHECK ((kind = 'limit') = (sla_limit_id IS NOT NULL)) NOT VALID;
