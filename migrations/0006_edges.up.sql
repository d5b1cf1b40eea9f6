-- SPDX-License-Identifier: Apache-2.0
-- Why: edges with everything that is revoked together: join token, infrastructure certificates, database role.
-- Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.1.

CREATE TABLE muster.edges (
  id                    uuid        NOT NULL DEFAULT gen_random_uuid() CONSTRAINT edges_pk PRIMARY KEY,
  name                  text        NOT NULL CONSTRAINT edges_name_plain
                                    CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  status                text        NOT NULL DEFAULT 'invited' CONSTRAINT edges_status_known
                                    CHECK (status IN ('invited', 'joined', 'removed')),
  tenants               uuid[],     -- NULL: all
  broker_names          text[]      NOT NULL DEFAULT '{}'  -- of its broker's TLS certificate: the administrator's choice
                                    CONSTRAINT edges_broker_names_bounded CHECK (cardinality(broker_names) <= 16),
  join_token_sha256     bytea       NOT NULL CONSTRAINT edges_join_token_unique UNIQUE
                                    CONSTRAINT edges_join_token_whole CHECK (octet_length(join_token_sha256) = 32),
  join_token_expires_at timestamptz NOT NULL,
  database_role         text,
  created_at            timestamptz NOT NULL DEFAULT now(),
  joined_at             timestamptz,
  removed_at            timestamptz,
  acknowledged_epoch    uuid,
  acknowledged_number   bigint      NOT NULL DEFAULT 0,  -- everything up to here is in its snapshot
  acknowledged_at       timestamptz,
  CONSTRAINT edges_removal_whole CHECK ((status = 'removed') = (removed_at IS NOT NULL))
);
CREATE UNIQUE INDEX edges_live_name_unique ON muster.edges (name) WHERE status <> 'removed';

CREATE TABLE muster.infrastructure_certificates (
  id          bytea       NOT NULL CONSTRAINT infrastructure_certificates_pk PRIMARY KEY
                          CONSTRAINT infrastructure_certificates_id_whole CHECK (octet_length(id) = 32),
  edge_id     uuid        CONSTRAINT infrastructure_certificates_edge_known REFERENCES muster.edges (id),
  kind        text        NOT NULL CONSTRAINT infrastructure_certificates_kind_known
                          CHECK (kind IN ('edge', 'broker', 'server', 'responder')),
  issuer_id   uuid        NOT NULL CONSTRAINT infrastructure_certificates_issuer_known REFERENCES muster.issuers (id),
  serial      bytea       NOT NULL CONSTRAINT infrastructure_certificates_serial_bounded
                          CHECK (octet_length(serial) BETWEEN 1 AND 20),
  spki_sha256 bytea       NOT NULL CONSTRAINT infrastructure_certificates_spki_whole
                          CHECK (octet_length(spki_sha256) = 32),
  not_before  timestamptz NOT NULL,
  not_after   timestamptz NOT NULL,
  revoked_at  timestamptz,
  created_at  timestamptz NOT NULL DEFAULT now(),
  certificate bytea       NOT NULL,  -- DER
  CONSTRAINT infrastructure_certificates_serial_unique UNIQUE (issuer_id, serial),
  CONSTRAINT infrastructure_certificates_edge_fits CHECK (kind NOT IN ('edge', 'broker') OR edge_id IS NOT NULL)
);
CREATE INDEX infrastructure_certificates_edge ON muster.infrastructure_certificates (edge_id);

CREATE TABLE muster.edge_events (
  edge_id     uuid        NOT NULL CONSTRAINT edge_events_edge_known REFERENCES muster.edges (id),
  id          uuid        NOT NULL,  -- chosen by the edge: an event sent twice is one
  type        text        NOT NULL CONSTRAINT edge_events_type_bounded CHECK (octet_length(type) <= 64),
  at          timestamptz NOT NULL,
  principal   text        NOT NULL CONSTRAINT edge_events_principal_bounded CHECK (octet_length(principal) <= 256),
  detail      text        NOT NULL CONSTRAINT edge_events_detail_bounded CHECK (octet_length(detail) <= 4096),
  received_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT edge_events_pk PRIMARY KEY (edge_id, id)
);
CREATE INDEX edge_events_age ON muster.edge_events (received_at);

GRANT SELECT, INSERT, UPDATE ON muster.edges TO muster_system;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON muster.infrastructure_certificates TO muster_system;
GRANT SELECT, INSERT, DELETE ON muster.edge_events TO muster_system;

-- An edge's login: its name comes from the id alone, so that no other role can be named. `p_verifier` is a SCRAM verifier,
-- never a password.
CREATE FUNCTION muster.create_edge_role(p_edge uuid, p_verifier text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_role text := 'muster_edge_' || replace(p_edge::text, '-', '');
  v_tenants uuid[];
BEGIN
  IF p_verifier !~ '^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
    RAISE EXCEPTION 'not a SCRAM verifier' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  UPDATE muster.edges SET database_role = v_role WHERE id = p_edge AND status = 'joined' RETURNING tenants INTO v_tenants;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such edge' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
    EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', v_role, p_verifier);
  ELSE
    EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE CONNECTION LIMIT 16 '
                   'PASSWORD %L', v_role, p_verifier);
  END IF;
  IF to_regprocedure('log.grant_appender(name, uuid[])') IS NOT NULL THEN
    EXECUTE 'SELECT log.grant_appender($1, $2)' USING v_role::name, v_tenants;
  END IF;
  RETURN v_role;
END $$;
COMMENT ON FUNCTION muster.create_edge_role(uuid, text) IS 'so that muster_server needs no CREATEROLE';

-- Takes everything from the role of an edge that was removed: its login, its rights in the log, its sessions. Until this
-- commits the role can still log in, so drop_edge_role ends sessions once more, in a transaction after this one.
CREATE FUNCTION muster.bar_edge_role(p_edge uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_role text := 'muster_edge_' || replace(p_edge::text, '-', '');
BEGIN
  IF NOT EXISTS (SELECT FROM muster.edges WHERE id = p_edge AND status = 'removed') THEN
    RAISE EXCEPTION 'the edge is not removed' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
    RETURN;
  END IF;
  EXECUTE format('ALTER ROLE %I NOLOGIN', v_role);
  IF to_regprocedure('log.revoke_appender(name)') IS NOT NULL THEN
    EXECUTE 'SELECT log.revoke_appender($1)' USING v_role::name;
  END IF;
  PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.usename = v_role AND a.pid <> pg_backend_pid();
END $$;

-- Ends what sessions the role still has and drops it. Returns whether there was one.
CREATE FUNCTION muster.drop_edge_role(p_edge uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_role text := 'muster_edge_' || replace(p_edge::text, '-', '');
BEGIN
  PERFORM muster.bar_edge_role(p_edge);
  UPDATE muster.edges SET database_role = NULL WHERE id = p_edge;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
    RETURN false;
  END IF;
  EXECUTE format('DROP ROLE %I', v_role);
  RETURN true;
END $$;

-- Whether every edge that serves the tenant has applied the change `p_number`. An edge that has not joined holds nothing.
CREATE FUNCTION muster.edges_have_applied(p_tenant uuid, p_number bigint) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT NOT EXISTS (SELECT FROM muster.edges e
                     WHERE e.status = 'joined' AND (e.tenants IS NULL OR p_tenant = ANY (e.tenants))
                       AND e.acknowledged_number < p_number)
$$;

REVOKE ALL ON FUNCTION muster.create_edge_role(uuid, text), muster.bar_edge_role(uuid), muster.drop_edge_role(uuid),
  muster.edges_have_applied(uuid, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION muster.create_edge_role(uuid, text), muster.bar_edge_role(uuid), muster.drop_edge_role(uuid)
  TO muster_system;
GRANT EXECUTE ON FUNCTION muster.edges_have_applied(uuid, bigint) TO muster_tenant, muster_system;
