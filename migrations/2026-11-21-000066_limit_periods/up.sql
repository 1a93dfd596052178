-- Of a limit, what was reached: how many hours, for a correction proves wrong what was recorded of these, however many
-- there are by now (rules B5, X14), and of which period, for a week and a month may begin within a day of each other, and
-- in another zone each begins at another instant (rule L2). Null of a clock, and where it was not kept yet.
ALTER TABLE breach_key ADD COLUMN hours integer, ADD COLUMN time_period text;

-- Of those that may still be corrected, it is that of now: most limits are never changed.
UPDATE breach_key k SET hours = l.time_limit_in_hours, time_period = l.time_period FROM sla_limit l
  WHERE k.root_id = l.root_id AND k.subject_id = l.id AND k.kind = 'limit' AND k.due_at > now() - interval '62 days';
