-- Nobody waits for what another root does.

-- Of each root what fell due first, while there is much to catch up with.
CREATE INDEX deadline_root_due ON deadline (root_id, due_at);

-- The epoch of rights is one row for all roots. It is risen at the end of a transaction, and once: held from the first
-- change on, it would make all others who change rights, or take them back, wait for a bulk of a thousand rows.
CREATE OR REPLACE FUNCTION authorization_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('sla_gateway.authorization_changed', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
    UPDATE authorization_epoch SET epoch = epoch + 1;
    PERFORM set_config('sla_gateway.authorization_changed', pg_current_xact_id()::text, true);
  END IF;
  RETURN NULL;
END $$;
DROP TRIGGER role_changed ON role;
DROP TRIGGER role_grant_changed ON role_grant;
DROP TRIGGER service_token_changed ON service_token;
DROP TRIGGER person_login_changed ON person;
DROP TRIGGER tenant_changed ON tenant;
CREATE CONSTRAINT TRIGGER role_changed AFTER INSERT OR DELETE OR UPDATE OF permissions ON role
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION authorization_changed();
CREATE CONSTRAINT TRIGGER role_grant_changed AFTER INSERT OR UPDATE OR DELETE ON role_grant
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION authorization_changed();
CREATE CONSTRAINT TRIGGER service_token_changed AFTER INSERT OR DELETE OR UPDATE OF scopes, expires_at, revoked_at ON service_token
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION authorization_changed();
CREATE CONSTRAINT TRIGGER person_login_changed AFTER DELETE OR UPDATE OF login ON person
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION authorization_changed();
CREATE CONSTRAINT TRIGGER tenant_changed AFTER INSERT OR DELETE OR UPDATE OF parent_id, time_zone ON tenant
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION authorization_changed();
