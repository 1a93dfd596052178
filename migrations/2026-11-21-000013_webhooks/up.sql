-- Where records of the breach log are sent, for those who cannot hold a socket: those of the tenant and of all below it.
CREATE TABLE webhook (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  url text NOT NULL CHECK (url <> '' AND length(url) <= 2000),
  -- Only these; empty = all.
  kinds text[] NOT NULL DEFAULT '{}',
  phases text[] NOT NULL DEFAULT '{}',
  active boolean NOT NULL DEFAULT true,
  -- Everything up to this position of the log was delivered or does not concern it.
  epoch integer NOT NULL DEFAULT 1,
  pos bigint NOT NULL DEFAULT 0,
  delivered_at timestamptz,
  attempted_at timestamptz,
  -- The status of the last answer; null when there was none.
  last_status integer,
  last_error text,
  -- Attempts that failed since the last that did not, and since when.
  failures integer NOT NULL DEFAULT 0,
  failing_since timestamptz,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  disabled_at timestamptz,
  disabled_reason text,
  -- Whose turn it is, and until when: a replica that dies leaves it to the others.
  lease_id uuid,
  leased_until timestamptz,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id)
);
CREATE INDEX webhook_tenant ON webhook (root_id, tenant_id, id);
CREATE INDEX webhook_due ON webhook (next_attempt_at) WHERE active AND disabled_at IS NULL;

-- What messages are signed with. Apart from the webhook, so that whatever reads, changes or audits that never meets it.
CREATE TABLE webhook_secret (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  secret bytea NOT NULL CHECK (octet_length(secret) BETWEEN 24 AND 64),
  -- Messages are signed with this one too, until then: a receiver can change over in its own time.
  previous bytea,
  previous_until timestamptz,
  PRIMARY KEY (root_id, webhook_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, webhook_id) REFERENCES webhook (root_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_secret_tenant ON webhook_secret (root_id, tenant_id);
