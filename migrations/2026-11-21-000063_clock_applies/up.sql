-- Clocks are never deleted: one that an event made and a later telling of what had happened before unmade is kept, as one
-- that never applied.
ALTER TABLE affected_sla ADD COLUMN applies boolean NOT NULL DEFAULT true;
