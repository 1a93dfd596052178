-- An instance that others use is not deleted beside them: a path by which their SLAs are affected would be gone without a
-- word to whoever owns them.
ALTER TABLE service_instance_relation DROP CONSTRAINT service_instance_relation_root_id_used_id_fkey;
ALTER TABLE service_instance_relation ADD CONSTRAINT service_instance_relation_root_id_used_id_fkey
  FOREIGN KEY (root_id, used_id) REFERENCES service_instance (root_id, id);
