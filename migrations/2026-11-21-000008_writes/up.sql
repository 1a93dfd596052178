-- What a client's mark has already made: a retry finds the first result instead of making a second object. Written in
-- the transaction of the write itself, so there is never one without the other.
CREATE TABLE idempotency_key (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  -- The person or the service token that wrote.
  actor_id uuid NOT NULL,
  action text NOT NULL,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  -- SHA-256 of the input: the same mark with another input is a mistake of the client.
  input_hash bytea NOT NULL CHECK (octet_length(input_hash) = 32),
  object_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, actor_id, action, key),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id) ON DELETE CASCADE
);
CREATE INDEX idempotency_key_tenant ON idempotency_key (root_id, tenant_id);
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);
