-- How promises turned out is asked by when their clocks started: of an SLA, of an offering through its SLAs, of a tenant.
CREATE INDEX affected_sla_sla_started ON affected_sla (root_id, sla_id, started_at);
CREATE INDEX affected_sla_tenant_started ON affected_sla (root_id, tenant_id, started_at);
-- Downtimes that count towards availability (rule C10): few, those of impact TOP.
CREATE INDEX affected_sla_downtime ON affected_sla (root_id, sla_id, downtime_start_at)
  WHERE service_hours_id IS NOT NULL AND downtime_start_at IS NOT NULL;
