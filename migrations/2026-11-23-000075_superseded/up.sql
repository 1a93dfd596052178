-- What an SLA measured of a chat ends with its being superseded (rule S12). That the store holds it to that makes a release that
-- knows no superseding fail where it would put the clock back, and have a breach recorded that was none.
UPDATE affected_sla SET actual_response_at = NULL, actual_response_duration = NULL WHERE superseded_at IS NOT NULL;
ALTER TABLE affected_sla ADD CONSTRAINT affected_sla_superseded CHECK (superseded_at IS NULL
  OR next_target = 'none' AND actual_response_at IS NULL AND (response_target_at IS NULL OR response_target_at < superseded_at));
