DROP INDEX limit_notification_attempted, limit_notification_due;
CREATE INDEX limit_notification_due ON limit_notification (next_attempt_at) WHERE state = 'pending';
ALTER TABLE limit_notification DROP COLUMN last_attempt_at, DROP COLUMN first_attempt_at;
