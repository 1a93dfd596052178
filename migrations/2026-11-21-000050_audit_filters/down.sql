DROP INDEX audit_entry_object_type;
DROP INDEX audit_entry_actor_service_token;
DROP INDEX audit_entry_actor_person;
