DROP TABLE audit_entry, role_grant, service_token, role, authorization_epoch;
DROP TRIGGER person_login_changed ON person;
DROP TRIGGER tenant_changed ON tenant;
DROP FUNCTION authorization_changed();
