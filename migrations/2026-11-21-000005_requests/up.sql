-- Anything a promise can apply to: a ticket, a chat, a call. The columns are the latest state of its events.
CREATE TABLE request (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  channel text NOT NULL CHECK (channel IN ('ticket', 'chat', 'call')),
  subject text NOT NULL CHECK (length(subject) <= 500),
  status text NOT NULL CHECK (status IN ('declined', 'on_backlog', 'assigned', 'accepted', 'in_progress', 'waiting_for',
    'waiting_for_customer', 'reservation_pending', 'workflow_pending', 'project_pending', 'completed')),
  impact text CHECK (impact IN ('low', 'medium', 'high', 'top')),
  requester_id uuid,
  service_instance_id uuid,
  standard_service_request_id uuid,
  team_id uuid,
  -- The SLA named when it was registered (rule C13).
  sla_id uuid,
  desired_completion_at timestamptz,
  downtime_start_at timestamptz,
  downtime_end_at timestamptz,
  provider_not_accountable boolean NOT NULL DEFAULT false,
  registered_at timestamptz NOT NULL,
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, requester_id) REFERENCES person (root_id, id),
  FOREIGN KEY (root_id, service_instance_id) REFERENCES service_instance (root_id, id),
  FOREIGN KEY (root_id, standard_service_request_id) REFERENCES standard_service_request (root_id, id),
  FOREIGN KEY (root_id, team_id) REFERENCES team (root_id, id),
  FOREIGN KEY (root_id, sla_id) REFERENCES sla (root_id, id)
);
CREATE INDEX request_tenant ON request (root_id, tenant_id, id);
CREATE INDEX request_registered ON request (root_id, tenant_id, registered_at, id);
CREATE INDEX request_requester ON request (root_id, requester_id) WHERE requester_id IS NOT NULL;
CREATE INDEX request_instance ON request (root_id, service_instance_id) WHERE service_instance_id IS NOT NULL;
CREATE INDEX request_standard ON request (root_id, standard_service_request_id) WHERE standard_service_request_id IS NOT NULL;
CREATE INDEX request_team ON request (root_id, team_id) WHERE team_id IS NOT NULL;
CREATE INDEX request_sla ON request (root_id, sla_id) WHERE sla_id IS NOT NULL;

-- Rule X14: history is the truth. One event changes one or more fields of its request; null = unchanged.
CREATE TABLE request_event (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  request_id uuid NOT NULL,
  occurred_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  -- The sender's own name of the event: the same event sent twice is stored once.
  event_key text NOT NULL CHECK (event_key <> '' AND length(event_key) <= 128),
  -- Orders what happened at the same instant: the sender's number, and then the order of receipt.
  sequence bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0),
  status text CHECK (status IN ('declined', 'on_backlog', 'assigned', 'accepted', 'in_progress', 'waiting_for',
    'waiting_for_customer', 'reservation_pending', 'workflow_pending', 'project_pending', 'completed')),
  impact text CHECK (impact IN ('low', 'medium', 'high', 'top')),
  service_instance_id uuid,
  team_id uuid,
  requester_id uuid,
  desired_completion_at timestamptz,
  downtime_start_at timestamptz,
  downtime_end_at timestamptz,
  provider_not_accountable boolean,
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, request_id, event_key),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, request_id) REFERENCES request (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, service_instance_id) REFERENCES service_instance (root_id, id),
  FOREIGN KEY (root_id, team_id) REFERENCES team (root_id, id),
  FOREIGN KEY (root_id, requester_id) REFERENCES person (root_id, id)
) PARTITION BY HASH (root_id);
CREATE TABLE request_event_0 PARTITION OF request_event FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE request_event_1 PARTITION OF request_event FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE request_event_2 PARTITION OF request_event FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE request_event_3 PARTITION OF request_event FOR VALUES WITH (MODULUS 4, REMAINDER 3);
CREATE INDEX request_event_tenant ON request_event (root_id, tenant_id);
CREATE INDEX request_event_history ON request_event (root_id, request_id, occurred_at, sequence, id);
CREATE INDEX request_event_instance ON request_event (root_id, service_instance_id) WHERE service_instance_id IS NOT NULL;
CREATE INDEX request_event_team ON request_event (root_id, team_id) WHERE team_id IS NOT NULL;
CREATE INDEX request_event_requester ON request_event (root_id, requester_id) WHERE requester_id IS NOT NULL;

-- One clock: what one promise means for one request (rules C1 to C12). Durations are whole minutes.
CREATE TABLE affected_sla (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  sla_id uuid NOT NULL,
  sla_version_id uuid NOT NULL,
  request_id uuid NOT NULL,
  service_instance_id uuid,
  standard_service_request_id uuid,
  support_team_id uuid,
  first_line_team_id uuid,
  supplier_id uuid,
  support_hours_id uuid,
  service_hours_id uuid,
  time_zone text,
  impact text CHECK (impact IN ('low', 'medium', 'high', 'top')),
  accountability text NOT NULL DEFAULT 'provider' CHECK (accountability IN ('provider', 'supplier', 'sla_not_affected')),
  started_at timestamptz NOT NULL,
  maximum_response_duration integer,
  maximum_response_duration_in_days integer,
  maximum_resolution_duration integer,
  maximum_resolution_duration_in_days integer,
  response_target_at timestamptz,
  response_breaches_at timestamptz,
  resolution_target_at timestamptz,
  resolution_breaches_at timestamptz,
  next_target text NOT NULL DEFAULT 'none' CHECK (next_target IN ('response', 'resolution', 'desired_completion',
    'clock_stopped', 'best_effort', 'no_target', 'none')),
  next_target_at timestamptz,
  actual_response_at timestamptz,
  actual_response_duration integer,
  actual_resolution_at timestamptz,
  actual_resolution_duration integer,
  desired_completion_at timestamptz,
  stopped_clock_at timestamptz,
  stopped_clock_duration integer NOT NULL DEFAULT 0,
  downtime_start_at timestamptz,
  downtime_end_at timestamptz,
  downtime_duration integer,
  provider_not_accountable boolean NOT NULL DEFAULT false,
  provider_was_not_accountable boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  -- Rule C1: one clock for each request and SLA.
  UNIQUE (root_id, request_id, sla_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, sla_id, sla_version_id) REFERENCES sla_version (root_id, sla_id, id),
  FOREIGN KEY (root_id, request_id) REFERENCES request (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, service_instance_id) REFERENCES service_instance (root_id, id),
  FOREIGN KEY (root_id, standard_service_request_id) REFERENCES standard_service_request (root_id, id),
  FOREIGN KEY (root_id, support_team_id) REFERENCES team (root_id, id),
  FOREIGN KEY (root_id, first_line_team_id) REFERENCES team (root_id, id),
  FOREIGN KEY (root_id, supplier_id) REFERENCES organization (root_id, id),
  FOREIGN KEY (root_id, support_hours_id) REFERENCES calendar (root_id, id),
  FOREIGN KEY (root_id, service_hours_id) REFERENCES calendar (root_id, id)
);
CREATE INDEX affected_sla_tenant ON affected_sla (root_id, tenant_id, id);
CREATE INDEX affected_sla_next_target ON affected_sla (root_id, tenant_id, next_target_at, id);
CREATE INDEX affected_sla_version ON affected_sla (root_id, sla_id, sla_version_id);
CREATE INDEX affected_sla_sla ON affected_sla (root_id, sla_id, id);
CREATE INDEX affected_sla_instance ON affected_sla (root_id, service_instance_id) WHERE service_instance_id IS NOT NULL;
CREATE INDEX affected_sla_standard ON affected_sla (root_id, standard_service_request_id) WHERE standard_service_request_id IS NOT NULL;
CREATE INDEX affected_sla_support_team ON affected_sla (root_id, support_team_id) WHERE support_team_id IS NOT NULL;
CREATE INDEX affected_sla_first_line_team ON affected_sla (root_id, first_line_team_id) WHERE first_line_team_id IS NOT NULL;
CREATE INDEX affected_sla_supplier ON affected_sla (root_id, supplier_id) WHERE supplier_id IS NOT NULL;
CREATE INDEX affected_sla_support_hours ON affected_sla (root_id, support_hours_id) WHERE support_hours_id IS NOT NULL;
CREATE INDEX affected_sla_service_hours ON affected_sla (root_id, service_hours_id) WHERE service_hours_id IS NOT NULL;

-- The instants at which something will have to be recorded: what the watch sleeps on. A row lives from the
-- moment its clock is computed until it is recorded, or until the clock no longer needs it.
CREATE TABLE deadline (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  affected_sla_id uuid NOT NULL,
  sla_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('response', 'resolution', 'due_time', 'queue_threshold')),
  phase text NOT NULL CHECK (phase IN ('warning', 'breached')),
  -- The target that a reader is shown, and the last instant at which it is still met (rule X1).
  target_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  -- History told late may hold several targets of one kind that were missed, each under its own instant (rule B1).
  PRIMARY KEY (root_id, affected_sla_id, kind, phase, due_at),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, affected_sla_id) REFERENCES affected_sla (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, sla_id) REFERENCES sla (root_id, id)
);
CREATE INDEX deadline_due ON deadline (due_at);
CREATE INDEX deadline_tenant ON deadline (root_id, tenant_id);
CREATE INDEX deadline_sla ON deadline (root_id, sla_id);

-- Rule C2: what an offering promised from an instant on, calendars included, so that later edits do not move a running
-- target. A row is written when intake finds that the catalogue says something else than the last row.
CREATE TABLE offering_promise (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  service_offering_id uuid NOT NULL,
  since timestamptz NOT NULL,
  content jsonb NOT NULL,
  PRIMARY KEY (root_id, service_offering_id, since),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, service_offering_id) REFERENCES service_offering (root_id, id) ON DELETE CASCADE
);
CREATE INDEX offering_promise_tenant ON offering_promise (root_id, tenant_id);
