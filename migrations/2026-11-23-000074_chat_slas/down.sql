ALTER TABLE affected_sla DROP COLUMN superseded_at, DROP COLUMN by_event;
ALTER TABLE request_event DROP COLUMN sla_id;
