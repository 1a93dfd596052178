ALTER TABLE breach_log_head DROP COLUMN home, DROP COLUMN previous_epoch;
