ALTER TABLE affected_sla DROP COLUMN applies;
