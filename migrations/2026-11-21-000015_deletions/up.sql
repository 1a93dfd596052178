-- A limit can be deleted; what was recorded of it stays, and no longer says of which.
ALTER TABLE breach DROP CONSTRAINT breach_check;
ALTER TABLE breach ADD CONSTRAINT breach_limit CHECK (kind = 'limit' OR sla_limit_id IS NULL);
ALTER TABLE breach DROP CONSTRAINT breach_root_id_sla_limit_id_fkey;
ALTER TABLE breach ADD CONSTRAINT breach_root_id_sla_limit_id_fkey
  FOREIGN KEY (root_id, sla_limit_id) REFERENCES sla_limit (root_id, id) ON DELETE SET NULL (sla_limit_id);
ALTER TABLE limit_notification DROP CONSTRAINT limit_notification_root_id_sla_limit_id_fkey;
ALTER TABLE limit_notification ADD CONSTRAINT limit_notification_root_id_sla_limit_id_fkey
  FOREIGN KEY (root_id, sla_limit_id) REFERENCES sla_limit (root_id, id) ON DELETE CASCADE;

-- Whoever deletes a person takes away that one's roles, and must have taken them away before, one by one, as whoever
-- takes away roles may.
ALTER TABLE role_grant DROP CONSTRAINT role_grant_root_id_person_id_fkey;
ALTER TABLE role_grant ADD CONSTRAINT role_grant_root_id_person_id_fkey
  FOREIGN KEY (root_id, person_id) REFERENCES person (root_id, id);

-- A login of one tree is not claimed in another, whatever its case.
CREATE INDEX person_login_lower ON person (lower(login)) WHERE login IS NOT NULL;
