DROP TRIGGER tenant_changed ON tenant;
DROP TRIGGER person_login_changed ON person;
DROP TRIGGER service_token_changed ON service_token;
DROP TRIGGER role_grant_changed ON role_grant;
DROP TRIGGER role_changed ON role;
CREATE OR REPLACE FUNCTION authorization_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE authorization_epoch SET epoch = epoch + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER role_changed AFTER INSERT OR UPDATE OR DELETE ON role FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();
CREATE TRIGGER role_grant_changed AFTER INSERT OR UPDATE OR DELETE ON role_grant FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();
CREATE TRIGGER service_token_changed AFTER INSERT OR DELETE OR UPDATE OF scopes, expires_at, revoked_at ON service_token
  FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();
CREATE TRIGGER person_login_changed AFTER UPDATE OF login OR DELETE ON person FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();
CREATE TRIGGER tenant_changed AFTER INSERT OR DELETE OR UPDATE OF parent_id, time_zone ON tenant
  FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();
DROP INDEX deadline_root_due;
