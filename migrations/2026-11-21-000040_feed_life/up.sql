-- A cursor is only worth something in the life of the database that gave it out. What tells lives apart besides the
-- server and its timeline: the database and the table, which are others after a dump was restored into the same server.
-- The epoch before this one is the only other whose end is known here; cursors of any other have expired.
ALTER TABLE breach_log_head ADD COLUMN home bigint, ADD COLUMN previous_epoch integer;
UPDATE breach_log_head SET home =
  (SELECT d.oid::bigint << 32 | 'breach_log_head'::regclass::oid::bigint FROM pg_database d WHERE d.datname = current_database());
