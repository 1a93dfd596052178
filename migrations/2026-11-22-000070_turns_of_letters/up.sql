-- Trees take turns at being told of their limits, first the one whose last letter was tried the longest ago; and a letter
-- is tried for a time from its first attempt on, however long nobody could try it.
ALTER TABLE limit_notification ADD COLUMN first_attempt_at timestamptz, ADD COLUMN last_attempt_at timestamptz;
UPDATE limit_notification SET first_attempt_at = created_at WHERE state = 'pending' AND attempts > 0;
DROP INDEX limit_notification_due;
CREATE INDEX limit_notification_due ON limit_notification (root_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX limit_notification_attempted ON limit_notification (root_id, last_attempt_at) WHERE last_attempt_at IS NOT NULL;
