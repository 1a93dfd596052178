ALTER TABLE service_token DROP COLUMN revision, DROP COLUMN updated_at;
