-- How each instance that a request was about hangs together with that of a clock, as it was when that was first told: an edit
-- of the relations moves no clock (rules C2, B5). Of clocks that are there, it is told with what happens next to them.
ALTER TABLE affected_sla ADD COLUMN relations jsonb NOT NULL DEFAULT '{}';
