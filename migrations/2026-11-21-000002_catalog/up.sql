CREATE TABLE calendar (
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
CREATE INDEX calendar_name ON calendar (root_id, tenant_id, name, id);

-- Rule O3: several intervals a day; minutes of the local day, until 1440 = 24:00.
CREATE TABLE calendar_hours (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  calendar_id uuid NOT NULL,
  weekday smallint NOT NULL CHECK (weekday BETWEEN 1 AND 7),
  from_minute smallint NOT NULL CHECK (from_minute BETWEEN 0 AND 1439),
  until_minute smallint NOT NULL CHECK (until_minute BETWEEN 1 AND 1440),
  PRIMARY KEY (root_id, calendar_id, weekday, from_minute),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, calendar_id) REFERENCES calendar (root_id, id) ON DELETE CASCADE,
  CHECK (from_minute < until_minute)
);
CREATE INDEX calendar_hours_tenant ON calendar_hours (root_id, tenant_id);

-- Rule O3: local date-times without a zone; the zone of whoever applies the calendar counts.
CREATE TABLE calendar_holiday (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  calendar_id uuid NOT NULL,
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  starts_at timestamp NOT NULL,
  ends_at timestamp NOT NULL,
  PRIMARY KEY (root_id, id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, calendar_id) REFERENCES calendar (root_id, id) ON DELETE CASCADE,
  CHECK (starts_at < ends_at)
);
CREATE INDEX calendar_holiday_tenant ON calendar_holiday (root_id, tenant_id);
CREATE INDEX calendar_holiday_calendar ON calendar_holiday (root_id, calendar_id, starts_at);

CREATE TABLE service (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  provider_id uuid NOT NULL,
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, provider_id) REFERENCES organization (root_id, id)
);
CREATE INDEX service_name ON service (root_id, tenant_id, name, id);
CREATE INDEX service_provider ON service (root_id, provider_id);

-- Rule O1.
CREATE TABLE service_offering (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  service_id uuid NOT NULL,
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  status text NOT NULL DEFAULT 'available' CHECK (status IN ('planned', 'available', 'discontinued')),
  time_zone text NOT NULL,
  service_hours_id uuid,
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, service_id) REFERENCES service (root_id, id),
  FOREIGN KEY (root_id, service_hours_id) REFERENCES calendar (root_id, id)
);
CREATE INDEX service_offering_name ON service_offering (root_id, tenant_id, name, id);
CREATE INDEX service_offering_service ON service_offering (root_id, service_id, name, id);
CREATE INDEX service_offering_service_hours ON service_offering (root_id, service_hours_id) WHERE service_hours_id IS NOT NULL;

-- Rule O1: a target is exactly one of minutes, business days, best effort, none.
CREATE TABLE offering_target (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  service_offering_id uuid NOT NULL,
  impact text NOT NULL CHECK (impact IN ('low', 'medium', 'high', 'top')),
  response_kind text NOT NULL CHECK (response_kind IN ('minutes', 'business_days', 'best_effort', 'none')),
  response_amount integer CHECK (response_amount >= 0),
  resolution_kind text NOT NULL CHECK (resolution_kind IN ('minutes', 'business_days', 'best_effort', 'none')),
  resolution_amount integer CHECK (resolution_amount >= 0),
  support_hours_id uuid,
  PRIMARY KEY (root_id, service_offering_id, impact),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, service_offering_id) REFERENCES service_offering (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, support_hours_id) REFERENCES calendar (root_id, id),
  CHECK ((response_kind IN ('minutes', 'business_days')) = (response_amount IS NOT NULL)),
  CHECK ((resolution_kind IN ('minutes', 'business_days')) = (resolution_amount IS NOT NULL))
);
CREATE INDEX offering_target_tenant ON offering_target (root_id, tenant_id);
CREATE INDEX offering_target_support_hours ON offering_target (root_id, support_hours_id) WHERE support_hours_id IS NOT NULL;

-- Rule O2.
CREATE TABLE standard_service_request (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  service_offering_id uuid NOT NULL,
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  response_kind text NOT NULL CHECK (response_kind IN ('minutes', 'business_days', 'best_effort', 'none')),
  response_amount integer CHECK (response_amount >= 0),
  resolution_kind text NOT NULL CHECK (resolution_kind IN ('minutes', 'business_days', 'best_effort', 'none')),
  resolution_amount integer CHECK (resolution_amount >= 0),
  support_hours_id uuid,
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, service_offering_id) REFERENCES service_offering (root_id, id),
  FOREIGN KEY (root_id, support_hours_id) REFERENCES calendar (root_id, id),
  CHECK ((response_kind IN ('minutes', 'business_days')) = (response_amount IS NOT NULL)),
  CHECK ((resolution_kind IN ('minutes', 'business_days')) = (resolution_amount IS NOT NULL))
);
CREATE INDEX standard_service_request_offering ON standard_service_request (root_id, service_offering_id, name, id);
CREATE INDEX standard_service_request_support_hours ON standard_service_request (root_id, support_hours_id) WHERE support_hours_id IS NOT NULL;

-- Rule O5.
CREATE TABLE service_instance (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  service_id uuid NOT NULL,
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  support_team_id uuid,
  first_line_team_id uuid,
  provider_id uuid,
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, service_id) REFERENCES service (root_id, id),
  FOREIGN KEY (root_id, support_team_id) REFERENCES team (root_id, id),
  FOREIGN KEY (root_id, first_line_team_id) REFERENCES team (root_id, id),
  FOREIGN KEY (root_id, provider_id) REFERENCES organization (root_id, id)
);
CREATE INDEX service_instance_name ON service_instance (root_id, tenant_id, name, id);
CREATE INDEX service_instance_service ON service_instance (root_id, service_id, name, id);
CREATE INDEX service_instance_support_team ON service_instance (root_id, support_team_id) WHERE support_team_id IS NOT NULL;
CREATE INDEX service_instance_first_line_team ON service_instance (root_id, first_line_team_id) WHERE first_line_team_id IS NOT NULL;
CREATE INDEX service_instance_provider ON service_instance (root_id, provider_id) WHERE provider_id IS NOT NULL;

-- Rule O4: the consumer uses the used one; effect says what the used one's failure does to the consumer.
CREATE TABLE service_instance_relation (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  consumer_id uuid NOT NULL,
  used_id uuid NOT NULL,
  effect text NOT NULL CHECK (effect IN ('down', 'degraded')),
  PRIMARY KEY (root_id, consumer_id, used_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, consumer_id) REFERENCES service_instance (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, used_id) REFERENCES service_instance (root_id, id) ON DELETE CASCADE,
  CHECK (consumer_id <> used_id)
);
CREATE INDEX service_instance_relation_tenant ON service_instance_relation (root_id, tenant_id);
CREATE INDEX service_instance_relation_used ON service_instance_relation (root_id, used_id);

-- People who use configuration items of an instance (coverage CIS_OF_SERVICE_INSTANCE, rule S8).
CREATE TABLE service_instance_user (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  service_instance_id uuid NOT NULL,
  person_id uuid NOT NULL,
  PRIMARY KEY (root_id, service_instance_id, person_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, service_instance_id) REFERENCES service_instance (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, person_id) REFERENCES person (root_id, id) ON DELETE CASCADE
);
CREATE INDEX service_instance_user_tenant ON service_instance_user (root_id, tenant_id);
CREATE INDEX service_instance_user_person ON service_instance_user (root_id, person_id);
