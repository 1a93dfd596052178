-- What happened, append-only. Partitioned by its key, which begins with the time: a month is a range of UUIDv7.
CREATE TABLE breach (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('response', 'resolution', 'due_time', 'queue_threshold', 'limit')),
  phase text NOT NULL CHECK (phase IN ('warning', 'breached', 'retracted')),
  sla_id uuid,
  affected_sla_id uuid,
  sla_limit_id uuid,
  target_at timestamptz NOT NULL,
  detected_at timestamptz NOT NULL,
  -- Rule X14: the record that this one proves wrong.
  retracts_id uuid,
  PRIMARY KEY (root_id, id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, sla_id) REFERENCES sla (root_id, id),
  FOREIGN KEY (root_id, affected_sla_id) REFERENCES affected_sla (root_id, id),
  FOREIGN KEY (root_id, sla_limit_id) REFERENCES sla_limit (root_id, id),
  FOREIGN KEY (root_id, retracts_id) REFERENCES breach (root_id, id),
  CHECK ((kind = 'limit') = (sla_limit_id IS NOT NULL)),
  CHECK ((kind = 'limit') = (affected_sla_id IS NULL)),
  CHECK ((phase = 'retracted') = (retracts_id IS NOT NULL))
) PARTITION BY RANGE (id);
CREATE TABLE breach_default PARTITION OF breach DEFAULT;
CREATE INDEX breach_tenant ON breach (root_id, tenant_id, id);
CREATE INDEX breach_sla ON breach (root_id, sla_id, id);
CREATE INDEX breach_affected_sla ON breach (root_id, affected_sla_id);
CREATE INDEX breach_sla_limit ON breach (root_id, sla_limit_id) WHERE sla_limit_id IS NOT NULL;
CREATE INDEX breach_retracts ON breach (root_id, retracts_id) WHERE retracts_id IS NOT NULL;

-- Rule B1: exactly once for each clock or limit, kind, phase and instant. Narrow and in one piece, since a
-- partitioned table could not promise it.
CREATE TABLE breach_key (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  subject_id uuid NOT NULL,
  kind text NOT NULL,
  phase text NOT NULL,
  due_at timestamptz NOT NULL,
  breach_id uuid NOT NULL,
  PRIMARY KEY (root_id, subject_id, kind, phase, due_at)
);

-- Rule B2: what is committed but has no position yet. Tiny and hot.
CREATE TABLE breach_pending (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  shard smallint NOT NULL DEFAULT 0,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  breach_id uuid NOT NULL,
  PRIMARY KEY (root_id, breach_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX breach_pending_seq ON breach_pending (shard, seq);

-- Rule B2: the log. Positions of a shard are dense, so a reader can see that nothing is missing.
CREATE TABLE breach_log (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  shard smallint NOT NULL,
  pos bigint NOT NULL,
  breach_id uuid NOT NULL,
  published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (root_id, shard, pos)
) PARTITION BY RANGE (pos);
CREATE TABLE breach_log_default PARTITION OF breach_log DEFAULT;
CREATE INDEX breach_log_pos ON breach_log (shard, pos);

-- One row a shard, shared by all roots: the last position given out, the oldest kept, and the life of the
-- database it was given out in (a restored copy begins a new epoch).
CREATE TABLE breach_log_head (
  shard smallint PRIMARY KEY,
  pos bigint NOT NULL DEFAULT 0,
  low_pos bigint NOT NULL DEFAULT 0,
  epoch integer NOT NULL DEFAULT 1,
  epoch_start bigint NOT NULL DEFAULT 0,
  system_id bigint,
  timeline integer
) WITH (fillfactor = 10);
INSERT INTO breach_log_head (shard) VALUES (0);
