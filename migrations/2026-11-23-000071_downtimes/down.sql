DROP INDEX affected_sla_downtime;
CREATE INDEX affected_sla_downtime ON affected_sla (root_id, sla_id, downtime_start_at)
  WHERE service_hours_id IS NOT NULL AND downtime_start_at IS NOT NULL;
