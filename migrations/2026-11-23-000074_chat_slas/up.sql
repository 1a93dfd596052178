-- A chat that waits may be given another SLA in the place of the one that measures it (rule S12).
ALTER TABLE request_event
  ADD COLUMN sla_id uuid,
  ADD FOREIGN KEY (root_id, sla_id) REFERENCES sla (root_id, id);
CREATE INDEX request_event_sla ON request_event (root_id, sla_id) WHERE sla_id IS NOT NULL;
ALTER TABLE affected_sla
  -- Whether an event gave the request this SLA, and not its registration (rule C13).
  ADD COLUMN by_event boolean NOT NULL DEFAULT false,
  ADD COLUMN superseded_at timestamptz;
