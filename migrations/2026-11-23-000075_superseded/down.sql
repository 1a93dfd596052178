ALTER TABLE affected_sla DROP CONSTRAINT affected_sla_superseded;
