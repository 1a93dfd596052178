DROP TRIGGER tenant_changed ON tenant;
CREATE TRIGGER tenant_changed AFTER INSERT OR DELETE OR UPDATE OF parent_id ON tenant
  FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();
ALTER TABLE time_entry DROP COLUMN updated_at;
DROP INDEX affected_sla_source;
ALTER TABLE affected_sla DROP COLUMN source_id, DROP COLUMN source;
DROP TABLE affected_sla_recalculation;
ALTER TABLE request_event DROP COLUMN cleared;
