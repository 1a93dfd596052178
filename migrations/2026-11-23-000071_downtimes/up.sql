-- A downtime counts towards availability because of its impact, whatever became of the calendar that it was measured by
-- (rule C10). Made before the one that it replaces is gone: who reads need not wait.
CREATE INDEX affected_sla_downtime_top ON affected_sla (root_id, sla_id, downtime_start_at)
  WHERE impact = 'top' AND downtime_start_at IS NOT NULL;
DROP INDEX affected_sla_downtime;
ALTER INDEX affected_sla_downtime_top RENAME TO affected_sla_downtime;
