-- An event may also say that fields are empty from here on, which is not the same as leaving them as they are.
ALTER TABLE request_event ADD COLUMN cleared text[] NOT NULL DEFAULT '{}' CHECK (cleared <@ ARRAY['impact',
  'service_instance_id', 'team_id', 'requester_id', 'desired_completion_at', 'downtime_start_at', 'downtime_end_at']);

-- Rule C2: when the targets of a clock were frozen anew on purpose. A part of its history: the clock is computed from it.
CREATE TABLE affected_sla_recalculation (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  affected_sla_id uuid NOT NULL,
  occurred_at timestamptz NOT NULL,
  PRIMARY KEY (root_id, id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, affected_sla_id) REFERENCES affected_sla (root_id, id) ON DELETE CASCADE
);
CREATE INDEX affected_sla_recalculation_tenant ON affected_sla_recalculation (root_id, tenant_id);
CREATE INDEX affected_sla_recalculation_clock ON affected_sla_recalculation (root_id, affected_sla_id, occurred_at);

-- The system that a clock was taken over from, and its id there.
ALTER TABLE affected_sla ADD COLUMN source text CHECK (length(source) <= 30);
ALTER TABLE affected_sla ADD COLUMN source_id text CHECK (length(source_id) <= 128);
CREATE UNIQUE INDEX affected_sla_source ON affected_sla (root_id, tenant_id, source, source_id) WHERE source IS NOT NULL;

-- Time entries are corrected where they come from.
ALTER TABLE time_entry ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

-- What is remembered of viewers tells the days of their tenants: it is forgotten when a zone changes, too.
DROP TRIGGER tenant_changed ON tenant;
CREATE TRIGGER tenant_changed AFTER INSERT OR DELETE OR UPDATE OF parent_id, time_zone ON tenant
  FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();
