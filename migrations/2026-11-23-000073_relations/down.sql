ALTER TABLE affected_sla DROP COLUMN relations;
