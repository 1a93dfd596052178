CREATE TABLE project (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id)
);
CREATE INDEX project_name ON project (root_id, tenant_id, name, id);

-- Rule L1.
CREATE TABLE sla_limit (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  project_id uuid NOT NULL,
  time_limit_in_hours integer NOT NULL CHECK (time_limit_in_hours >= 1),
  time_period text NOT NULL CHECK (time_period IN ('weekly', 'monthly')),
  contact_type text NOT NULL CHECK (contact_type IN ('email')),
  contact text NOT NULL CHECK (contact <> '' AND length(contact) <= 254),
  categories text[] NOT NULL CHECK (cardinality(categories) >= 1),
  -- Rule L3: evaluation sleeps until this instant, the end of the period it was set in; null or past = awake.
  deactivated_until timestamptz,
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, project_id) REFERENCES project (root_id, id)
);
CREATE INDEX sla_limit_tenant ON sla_limit (root_id, tenant_id, id);
CREATE INDEX sla_limit_project ON sla_limit (root_id, project_id, id);

CREATE TABLE time_entry (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  project_id uuid NOT NULL,
  person_id uuid,
  category text NOT NULL CHECK (category <> '' AND length(category) <= 160),
  started_at timestamptz NOT NULL,
  ended_at timestamptz NOT NULL,
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, project_id) REFERENCES project (root_id, id),
  FOREIGN KEY (root_id, person_id) REFERENCES person (root_id, id),
  CHECK (started_at <= ended_at)
);
CREATE INDEX time_entry_consumption ON time_entry (root_id, project_id, ended_at, category);
CREATE INDEX time_entry_person ON time_entry (root_id, person_id) WHERE person_id IS NOT NULL;
