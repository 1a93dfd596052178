CREATE TABLE sla (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('service', 'queue', 'livechat')),
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  description text,
  shared boolean NOT NULL DEFAULT false,
  active boolean NOT NULL DEFAULT true,
  -- The stage of the lifecycle last stored; readers correct it by the dates below (rule S6).
  status text NOT NULL DEFAULT 'being_prepared'
    CHECK (status IN ('being_prepared', 'scheduled_for_activation', 'active', 'expired')),
  active_version_id uuid NOT NULL,
  -- The due time of the active version, kept here so that rule S11 is a constraint.
  livechat_due_minutes integer,
  customer_id uuid,
  customer_rep_id uuid,
  service_level_manager_id uuid,
  start_date date,
  notice_date date,
  expiry_date date,
  remarks text CHECK (octet_length(remarks) <= 65536),
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  updated_at timestamptz NOT NULL DEFAULT now(),
  updated_by uuid,
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, customer_id) REFERENCES organization (root_id, id),
  FOREIGN KEY (root_id, customer_rep_id) REFERENCES person (root_id, id),
  FOREIGN KEY (root_id, service_level_manager_id) REFERENCES person (root_id, id),
  FOREIGN KEY (root_id, created_by) REFERENCES person (root_id, id),
  FOREIGN KEY (root_id, updated_by) REFERENCES person (root_id, id),
  CONSTRAINT sla_service_has_customer CHECK (kind <> 'service' OR customer_id IS NOT NULL),
  CONSTRAINT sla_notice_before_expiry CHECK (notice_date <= expiry_date),
  CONSTRAINT sla_start_before_expiry CHECK (start_date <= expiry_date),
  CONSTRAINT sla_livechat_has_due_time CHECK ((kind = 'livechat') = (livechat_due_minutes IS NOT NULL))
);
-- Rule S11: two racing creates cannot both win.
CREATE UNIQUE INDEX sla_livechat_name ON sla (root_id, tenant_id, lower(name)) WHERE kind = 'livechat';
CREATE UNIQUE INDEX sla_livechat_due_time ON sla (root_id, tenant_id, livechat_due_minutes) WHERE kind = 'livechat';
CREATE INDEX sla_name ON sla (root_id, tenant_id, name, id);
CREATE INDEX sla_active_version ON sla (root_id, active_version_id);
CREATE INDEX sla_customer ON sla (root_id, customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX sla_customer_rep ON sla (root_id, customer_rep_id) WHERE customer_rep_id IS NOT NULL;
CREATE INDEX sla_service_level_manager ON sla (root_id, service_level_manager_id) WHERE service_level_manager_id IS NOT NULL;
CREATE INDEX sla_created_by ON sla (root_id, created_by) WHERE created_by IS NOT NULL;
CREATE INDEX sla_updated_by ON sla (root_id, updated_by) WHERE updated_by IS NOT NULL;

ALTER TABLE tenant ADD COLUMN default_sla_id uuid,
  ADD FOREIGN KEY (root_id, default_sla_id) REFERENCES sla (root_id, id);
CREATE INDEX tenant_default_sla ON tenant (root_id, default_sla_id) WHERE default_sla_id IS NOT NULL;

CREATE TABLE sla_version (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  sla_id uuid NOT NULL,
  number integer NOT NULL CHECK (number >= 1),
  version_name text NOT NULL CHECK (version_name <> '' AND length(version_name) <= 160),
  description text,
  kind text NOT NULL CHECK (kind IN ('service', 'queue', 'livechat')),
  sla_threshold integer CHECK (sla_threshold >= 0),
  abandon_type text CHECK (abandon_type IN ('ignore-abandons', 'count-against-sla')),
  abandon_threshold integer CHECK (abandon_threshold >= 0),
  due_time_in_minutes integer CHECK (due_time_in_minutes >= 1),
  service_offering_id uuid,
  service_instance_id uuid,
  coverage text CHECK (coverage IN ('customer_account', 'organizations_and_descendants', 'organizations', 'sites',
    'organizations_and_sites', 'people', 'cis_of_service_instance', 'service_instances')),
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, sla_id, number),
  UNIQUE (root_id, sla_id, id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, sla_id) REFERENCES sla (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, service_offering_id) REFERENCES service_offering (root_id, id),
  FOREIGN KEY (root_id, service_instance_id) REFERENCES service_instance (root_id, id),
  FOREIGN KEY (root_id, created_by) REFERENCES person (root_id, id),
  -- Rules S7 to S11: each kind has its own terms and none of the others'.
  CONSTRAINT sla_version_queue CHECK ((kind = 'queue') = (sla_threshold IS NOT NULL) AND (kind = 'queue') = (abandon_type IS NOT NULL)),
  CONSTRAINT sla_version_abandon CHECK ((abandon_threshold IS NOT NULL) = (abandon_type IS NOT DISTINCT FROM 'ignore-abandons')),
  CONSTRAINT sla_version_livechat CHECK ((kind = 'livechat') = (due_time_in_minutes IS NOT NULL)),
  CONSTRAINT sla_version_service CHECK ((kind = 'service') = (service_offering_id IS NOT NULL)
    AND (kind = 'service' OR (service_instance_id IS NULL AND coverage IS NULL)))
);
CREATE INDEX sla_version_tenant ON sla_version (root_id, tenant_id);
CREATE INDEX sla_version_offering ON sla_version (root_id, service_offering_id) WHERE service_offering_id IS NOT NULL;
CREATE INDEX sla_version_instance ON sla_version (root_id, service_instance_id) WHERE service_instance_id IS NOT NULL;
CREATE INDEX sla_version_created_by ON sla_version (root_id, created_by) WHERE created_by IS NOT NULL;

-- The active version is one of the SLA's own. Deferred: the two rows are born in one transaction (rule S1).
ALTER TABLE sla ADD CONSTRAINT sla_active_version_is_own FOREIGN KEY (root_id, id, active_version_id)
  REFERENCES sla_version (root_id, sla_id, id) DEFERRABLE INITIALLY DEFERRED;
DROP INDEX sla_active_version;
CREATE INDEX sla_active_version ON sla (root_id, id, active_version_id);

-- Rule S2: a version is never updated.
CREATE FUNCTION refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% rows are immutable', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER sla_version_immutable BEFORE UPDATE ON sla_version FOR EACH ROW EXECUTE FUNCTION refuse_update();

-- Whom a version covers (rule S8); part of the terms, so of the version.
CREATE TABLE sla_version_organization (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  sla_version_id uuid NOT NULL,
  organization_id uuid NOT NULL,
  PRIMARY KEY (root_id, sla_version_id, organization_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, sla_version_id) REFERENCES sla_version (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, organization_id) REFERENCES organization (root_id, id)
);
CREATE INDEX sla_version_organization_tenant ON sla_version_organization (root_id, tenant_id);
CREATE INDEX sla_version_organization_organization ON sla_version_organization (root_id, organization_id);

CREATE TABLE sla_version_site (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  sla_version_id uuid NOT NULL,
  site_id uuid NOT NULL,
  PRIMARY KEY (root_id, sla_version_id, site_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, sla_version_id) REFERENCES sla_version (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, site_id) REFERENCES site (root_id, id)
);
CREATE INDEX sla_version_site_tenant ON sla_version_site (root_id, tenant_id);
CREATE INDEX sla_version_site_site ON sla_version_site (root_id, site_id);

CREATE TABLE sla_version_person (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  sla_version_id uuid NOT NULL,
  person_id uuid NOT NULL,
  PRIMARY KEY (root_id, sla_version_id, person_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, sla_version_id) REFERENCES sla_version (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, person_id) REFERENCES person (root_id, id)
);
CREATE INDEX sla_version_person_tenant ON sla_version_person (root_id, tenant_id);
CREATE INDEX sla_version_person_person ON sla_version_person (root_id, person_id);

CREATE TABLE sla_version_service_instance (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  sla_version_id uuid NOT NULL,
  service_instance_id uuid NOT NULL,
  PRIMARY KEY (root_id, sla_version_id, service_instance_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, sla_version_id) REFERENCES sla_version (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, service_instance_id) REFERENCES service_instance (root_id, id)
);
CREATE INDEX sla_version_service_instance_tenant ON sla_version_service_instance (root_id, tenant_id);
CREATE INDEX sla_version_service_instance_instance ON sla_version_service_instance (root_id, service_instance_id);

-- Rule S2: who activated which version when, so that the terms in force at any time have an answer.
CREATE TABLE sla_activation (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  sla_id uuid NOT NULL,
  sla_version_id uuid NOT NULL,
  activated_at timestamptz NOT NULL DEFAULT now(),
  activated_by uuid,
  PRIMARY KEY (root_id, id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, sla_id, sla_version_id) REFERENCES sla_version (root_id, sla_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, activated_by) REFERENCES person (root_id, id)
);
CREATE INDEX sla_activation_tenant ON sla_activation (root_id, tenant_id);
CREATE INDEX sla_activation_version ON sla_activation (root_id, sla_id, sla_version_id);
CREATE INDEX sla_activation_at ON sla_activation (root_id, sla_id, activated_at, id);
CREATE INDEX sla_activation_by ON sla_activation (root_id, activated_by) WHERE activated_by IS NOT NULL;
