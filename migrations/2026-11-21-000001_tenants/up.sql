-- Every row carries its tenant and its root tenant. The root is the first column of every key, so a link
-- between two roots cannot be stored and the store can later be distributed by root.

-- A UUIDv7 made where the row is made: one statement can claim a deadline and write its record.
CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1),
    'hex')::uuid
$$;

CREATE TABLE tenant (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  parent_id uuid,
  slug text NOT NULL CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  time_zone text NOT NULL,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, slug),
  FOREIGN KEY (root_id, parent_id) REFERENCES tenant (root_id, id),
  CHECK ((parent_id IS NULL) = (id = root_id))
);
CREATE INDEX tenant_parent ON tenant (root_id, parent_id);
CREATE INDEX tenant_name ON tenant (root_id, name, id);

-- The tree, closed: one row for each pair of ancestor and descendant, a tenant being its own at depth 0.
CREATE TABLE tenant_closure (
  root_id uuid NOT NULL,
  ancestor_id uuid NOT NULL,
  descendant_id uuid NOT NULL,
  depth smallint NOT NULL CHECK (depth BETWEEN 0 AND 16),
  PRIMARY KEY (root_id, ancestor_id, descendant_id),
  FOREIGN KEY (root_id, ancestor_id) REFERENCES tenant (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, descendant_id) REFERENCES tenant (root_id, id) ON DELETE CASCADE
);
CREATE INDEX tenant_closure_descendant ON tenant_closure (root_id, descendant_id, depth);

CREATE TABLE organization (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  parent_id uuid,
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  external boolean NOT NULL DEFAULT false,
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, parent_id) REFERENCES organization (root_id, id)
);
CREATE INDEX organization_name ON organization (root_id, tenant_id, name, id);
CREATE INDEX organization_parent ON organization (root_id, parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE site (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  name text NOT NULL CHECK (name <> '' AND length(name) <= 160),
  time_zone text,
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id)
);
CREATE INDEX site_name ON site (root_id, tenant_id, name, id);

CREATE TABLE team (
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
CREATE INDEX team_name ON team (root_id, tenant_id, name, id);

CREATE TABLE person (
  root_id uuid NOT NULL,
  id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  first_name text NOT NULL CHECK (length(first_name) <= 80),
  last_name text NOT NULL CHECK (length(last_name) <= 80),
  email text CHECK (length(email) <= 254),
  -- The subject of the tokens this person signs in with. One human may be a person of several roots.
  login text CHECK (login <> '' AND length(login) <= 254),
  organization_id uuid,
  site_id uuid,
  source text CHECK (length(source) <= 30),
  source_id text CHECK (length(source_id) <= 128),
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (root_id, id),
  UNIQUE (root_id, login),
  UNIQUE (root_id, tenant_id, source, source_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, organization_id) REFERENCES organization (root_id, id),
  FOREIGN KEY (root_id, site_id) REFERENCES site (root_id, id),
  CHECK (first_name <> '' OR last_name <> '')
);
CREATE INDEX person_login ON person (login) WHERE login IS NOT NULL;
CREATE INDEX person_name ON person (root_id, tenant_id, last_name, id);
CREATE INDEX person_organization ON person (root_id, organization_id) WHERE organization_id IS NOT NULL;
CREATE INDEX person_site ON person (root_id, site_id) WHERE site_id IS NOT NULL;

CREATE TABLE team_member (
  root_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  team_id uuid NOT NULL,
  person_id uuid NOT NULL,
  PRIMARY KEY (root_id, team_id, person_id),
  FOREIGN KEY (root_id, tenant_id) REFERENCES tenant (root_id, id),
  FOREIGN KEY (root_id, team_id) REFERENCES team (root_id, id) ON DELETE CASCADE,
  FOREIGN KEY (root_id, person_id) REFERENCES person (root_id, id) ON DELETE CASCADE
);
CREATE INDEX team_member_tenant ON team_member (root_id, tenant_id);
CREATE INDEX team_member_person ON team_member (root_id, person_id);
