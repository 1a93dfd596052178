ALTER TABLE breach_key DROP COLUMN time_period, DROP COLUMN hours;
