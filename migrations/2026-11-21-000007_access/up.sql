CREATE TABLE role (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  permissions text[] NOT NULL,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, name),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id)
);

-- A secret of our own: shown once, kept as a hash.
CREATE TABLE service_token (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
  -- The permissions it may use at the most; null = all that its grants give.
  scopes text[],
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  PRIMARY KEY (root_id, id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, created_by) REFERENCES person (root_id, id)
);
CREATE INDEX service_token_tenant ON service_token (root_id, tenant_id, id);
CREATE INDEX service_token_created_by ON service_token (root_id, created_by) WHERE created_by IS NOT NULL;
CREATE INDEX service_token_id ON service_token (id);

-- Rule P1: a role in a tenant and, by inheritance, in its descendants; for a person or for a service token.
CREATE TABLE role_grant (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  role_id uuid NOT NULL,
  person_id uuid,
  service_token_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  PRIMARY KEY (root_id, id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, role_id) REFERENCES role (root_id, id),
  FOREIGN KEY (root_id, person_id) REFERENCES person (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, service_token_id) REFERENCES service_token (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, created_by) REFERENCES person (root_id, id),
  CHECK ((person_id IS NULL) <> (service_token_id IS NULL))
);
CREATE UNIQUE INDEX role_grant_person ON role_grant (root_id, person_id, tenant_id, role_id) WHERE person_id IS NOT NULL;
CREATE UNIQUE INDEX role_grant_token ON role_grant (root_id, service_token_id, tenant_id, role_id) WHERE service_token_id IS NOT NULL;
CREATE INDEX role_grant_tenant ON role_grant (root_id, tenant_id, id);
CREATE INDEX role_grant_role ON role_grant (root_id, role_id);
CREATE INDEX role_grant_created_by ON role_grant (root_id, created_by) WHERE created_by IS NOT NULL;

-- Rises with every change of who may do what. Replicas watch it to forget what they remember of viewers.
CREATE TABLE authorization_epoch (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  epoch bigint NOT NULL DEFAULT 1
);
INSERT INTO authorization_epoch DEFAULT VALUES;
CREATE FUNCTION authorization_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE authorization_epoch SET epoch = epoch + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER role_changed AFTER INSERT OR UPDATE OR DELETE ON role FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();
CREATE TRIGGER role_grant_changed AFTER INSERT OR UPDATE OR DELETE ON role_grant FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();
CREATE TRIGGER service_token_changed AFTER INSERT OR DELETE OR UPDATE OF scopes, expires_at, revoked_at ON service_token
  FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();
CREATE TRIGGER person_login_changed AFTER UPDATE OF login OR DELETE ON person FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();
CREATE TRIGGER tenant_changed AFTER INSERT OR DELETE OR UPDATE OF parent_id ON tenant FOR EACH STATEMENT EXECUTE FUNCTION authorization_changed();

-- Rule P4: who, when, what, before, after.
CREATE TABLE audit_entry (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  actor_person_id uuid,
  actor_service_token_id uuid,
  actor_name text NOT NULL,
  action text NOT NULL,
  object_type text NOT NULL,
  object_id uuid NOT NULL,
  before jsonb,
  after jsonb,
  PRIMARY KEY (root_id, id)
) PARTITION BY RANGE (id);
CREATE TABLE audit_entry_default PARTITION OF audit_entry DEFAULT;
CREATE INDEX audit_entry_object ON audit_entry (root_id, object_id, id);
CREATE INDEX audit_entry_tenant ON audit_entry (root_id, tenant_id, id);
