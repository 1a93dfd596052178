-- That a contact is told of a limit that was reached: written with the record of it, so that a crash loses neither. One for
-- each limit and period, since there is one such record (rule L2).
CREATE TABLE limit_notification (
  root_id uuid NOT NULL,
  -- That of the record: the same at each attempt, and in the message.
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  sla_limit_id uuid NOT NULL,
  period_start timestamptz NOT NULL,
  contact text NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'suppressed', 'failed', 'not_configured')),
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  settled_at timestamptz,
  -- Whose turn it is, and until when: a replica that dies leaves it to the others.
  lease_id uuid,
  leased_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, sla_limit_id, period_start),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, sla_limit_id) REFERENCES sla_limit (root_id, id)
);
CREATE INDEX limit_notification_tenant ON limit_notification (root_id, tenant_id, id);
CREATE INDEX limit_notification_due ON limit_notification (next_attempt_at) WHERE state = 'pending';
