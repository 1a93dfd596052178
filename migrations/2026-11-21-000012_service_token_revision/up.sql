-- A service token changes when it is revoked: like every other noun it tells how often and when.
ALTER TABLE service_token
  ADD COLUMN revision integer NOT NULL DEFAULT 1,
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
