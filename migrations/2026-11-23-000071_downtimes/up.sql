-- A downtime counts towards availability because of its impact, whatever became of the calendar that it was measured by
-- (rule C10).
DROP INDEX affected_sla_downtime;
CREATE INDEX affected_sla_downtime ON affected_sla (root_id, sla_id, downtime_start_at)
  WHERE impact = 'top' AND downtime_start_at IS NOT NULL;
