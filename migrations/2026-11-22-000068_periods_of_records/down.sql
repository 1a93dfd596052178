DELETE FROM limit_notification n USING limit_notification o WHERE o.root_id = n.root_id AND o.sla_limit_id = n.sla_limit_id
  AND o.period_start = n.period_start AND o.id > n.id;
ALTER TABLE limit_notification DROP CONSTRAINT limit_notification_once, DROP COLUMN categories, DROP COLUMN time_period,
  DROP COLUMN hours, ADD UNIQUE (root_id, sla_limit_id, period_start);

DELETE FROM breach_key k USING breach_key o WHERE k.kind = 'limit' AND o.root_id = k.root_id AND o.subject_id = k.subject_id
  AND o.kind = k.kind AND o.phase = k.phase AND o.due_at = k.due_at AND o.breach_id > k.breach_id;
ALTER TABLE breach_key RENAME COLUMN time_period TO kept;
ALTER TABLE breach_key ADD COLUMN time_period text;
UPDATE breach_key SET time_period = kept WHERE kept <> '';
ALTER TABLE breach_key DROP CONSTRAINT breach_key_pkey, DROP COLUMN kept,
  ADD PRIMARY KEY (root_id, subject_id, kind, phase, due_at);
