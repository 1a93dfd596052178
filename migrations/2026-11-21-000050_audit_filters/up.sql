-- What somebody did, and what happened to objects of a type, the newest first. Of the two kinds of actors each entry has one.
CREATE INDEX audit_entry_actor_person ON audit_entry (root_id, actor_person_id, id) WHERE actor_person_id IS NOT NULL;
CREATE INDEX audit_entry_actor_service_token ON audit_entry (root_id, actor_service_token_id, id)
  WHERE actor_service_token_id IS NOT NULL;
CREATE INDEX audit_entry_object_type ON audit_entry (root_id, object_type, id);
