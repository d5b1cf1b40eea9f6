-- SPDX-License-Identifier: Apache-2.0
-- Why: the roles that carry row security (design.md §6) and the identity of this installation.
-- Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.1.

DO $$
DECLARE
  wanted record;
BEGIN
  -- Roles belong to the server, not to the database: another database's migration may make them at the same moment.
  FOR wanted IN SELECT * FROM (VALUES ('muster_tenant', 'NOLOGIN NOINHERIT'), ('muster_system', 'NOLOGIN NOINHERIT'),
                                      ('muster_server', 'LOGIN NOINHERIT')) AS roles (name, attributes) LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted.name, wanted.attributes);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
  -- Granted only where it is missing: two databases migrated at once must not update one row of pg_auth_members.
  FOR wanted IN SELECT r.name FROM (VALUES ('muster_tenant'), ('muster_system')) AS r (name)
                WHERE NOT pg_has_role('muster_server', r.name::name, 'MEMBER') LOOP
    BEGIN
      EXECUTE format('GRANT %I TO muster_server', wanted.name);
    EXCEPTION WHEN unique_violation THEN NULL;
    END;
  END LOOP;
END $$;

CREATE SCHEMA muster;
REVOKE ALL ON SCHEMA muster FROM PUBLIC;
GRANT USAGE ON SCHEMA muster TO muster_tenant, muster_system;
COMMENT ON SCHEMA muster IS 'The registry: every transaction runs as muster_tenant or muster_system, never as its login.';

-- The tenant of this transaction. NULL where none is set: a policy that compares with it then matches nothing.
CREATE FUNCTION muster.current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('muster.tenant_id', true), '')::uuid $$;
REVOKE ALL ON FUNCTION muster.current_tenant() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION muster.current_tenant() TO muster_tenant, muster_system;

CREATE TABLE muster.deployment (
  one_row      boolean     NOT NULL DEFAULT true
                           CONSTRAINT deployment_pk PRIMARY KEY CONSTRAINT deployment_is_one_row CHECK (one_row),
  id           uuid        NOT NULL DEFAULT gen_random_uuid(),
  trust_domain text        NOT NULL CONSTRAINT deployment_trust_domain_bounded CHECK (octet_length(trust_domain) <= 190),
  created_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE muster.deployment IS
  'This installation. The id is in the associated data of every wrapped key, the trust domain in every certificate.';
GRANT SELECT ON muster.deployment TO muster_tenant, muster_system;
GRANT INSERT ON muster.deployment TO muster_system;
