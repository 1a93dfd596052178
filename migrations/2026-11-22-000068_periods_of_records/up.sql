-- In the order in which who takes something in, or logs time, holds them: nobody waits for what is held here while this
-- waits for what they hold.
LOCK TABLE offering_promise IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE breach_key, limit_notification IN ACCESS EXCLUSIVE MODE;

-- A week and a month may begin at one instant: of a limit, the period is part of what is recorded once, and told its
-- contact once (rules B1, L2). Empty of a clock, and of what was recorded before it was kept.
ALTER TABLE breach_key RENAME COLUMN time_period TO kept;
-- What is the same for all that are there is not written into each.
ALTER TABLE breach_key ADD COLUMN time_period text NOT NULL DEFAULT '';
UPDATE breach_key SET time_period = kept WHERE kept IS NOT NULL;
ALTER TABLE breach_key DROP COLUMN kept, DROP CONSTRAINT breach_key_pkey,
  ADD PRIMARY KEY (root_id, subject_id, kind, phase, due_at, time_period);

-- The contact is told what was reached, whatever the limit is by the time at which the message is sent.
ALTER TABLE limit_notification ADD COLUMN hours integer, ADD COLUMN time_period text, ADD COLUMN categories text[];
UPDATE limit_notification n SET hours = coalesce(k.hours, l.time_limit_in_hours),
    time_period = coalesce(nullif(k.time_period, ''), l.time_period), categories = l.categories
  FROM limit_notification o JOIN sla_limit l ON l.root_id = o.root_id AND l.id = o.sla_limit_id
  LEFT JOIN breach_key k ON k.root_id = o.root_id AND k.subject_id = o.sla_limit_id AND k.kind = 'limit'
    AND k.phase = 'breached' AND k.due_at = o.period_start
  WHERE n.root_id = o.root_id AND n.id = o.id;
ALTER TABLE limit_notification ALTER COLUMN hours SET NOT NULL, ALTER COLUMN time_period SET NOT NULL,
  ALTER COLUMN categories SET NOT NULL,
  DROP CONSTRAINT limit_notification_root_id_sla_limit_id_period_start_key,
  ADD CONSTRAINT limit_notification_once UNIQUE (root_id, sla_limit_id, period_start, time_period);
