ALTER TABLE request_event DROP COLUMN sla_inactive;
