
CREATE SCHEMA muster;

COMMENT ON SCHEMA muster IS 'The registry: every transaction runs as muster_tenant or muster_system, never as its login.';

CREATE FUNCTION muster.advance_transparency_head(p_first bigint, p_count bigint, p_frontier bytea[], p_checkpoint text, p_heights integer[], p_positions bigint[], p_hashes bytea[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  UPDATE muster.transparency_head AS h SET size = h.size + p_count, frontier = p_frontier, checkpoint = p_checkpoint
   WHERE h.size = p_first AND p_count > 0;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the log does not end there' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO muster.transparency_nodes (height, position, hash)
    SELECT u.height, u.position, u.hash FROM unnest(p_heights, p_positions, p_hashes) AS u (height, position, hash);
END $$;

CREATE FUNCTION muster.bar_edge_role(p_edge uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
END $_$;

CREATE FUNCTION muster.check_inserted() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_fault text;
BEGIN
  CASE TG_TABLE_NAME
    WHEN 'devices' THEN
      SELECT 'devices_tenant_known' INTO v_fault FROM (SELECT DISTINCT f.tenant_id FROM inserted AS f) AS n
       WHERE (SELECT count(*) FROM muster.tenants AS t WHERE t.id = n.tenant_id) = 0 LIMIT 1;
    WHEN 'audit_chain' THEN
      SELECT 'audit_chain_event_known' INTO v_fault FROM inserted AS n
       WHERE (SELECT count(*) FROM muster.audit_events AS e WHERE e.id = n.event_id) = 0 LIMIT 1;
    ELSE
      SELECT TG_TABLE_NAME || '_issuer_known' INTO v_fault
        FROM (SELECT DISTINCT f.tenant_id, f.issuer_id FROM inserted AS f) AS n
       WHERE (SELECT count(*) FROM muster.issuers AS i WHERE i.tenant_id = n.tenant_id AND i.id = n.issuer_id) = 0 LIMIT 1;
      IF v_fault IS NULL THEN
        SELECT TG_TABLE_NAME || '_device_known' INTO v_fault FROM inserted AS n
         WHERE (SELECT count(*) FROM muster.devices AS d WHERE d.tenant_id = n.tenant_id AND d.id = n.device_id) = 0 LIMIT 1;
      END IF;
  END CASE;
  IF v_fault IS NOT NULL THEN
    RAISE EXCEPTION 'a row names what is not there' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = v_fault;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION muster.claim_sessions(p_edge uuid, p_tenants uuid[], p_incarnations uuid[], p_tenant_ids uuid[], p_devices uuid[], p_connections uuid[], p_ages_ms bigint[]) RETURNS TABLE(tenant_id uuid, device_id uuid, device_name text, outcome text, contested boolean, other_edge uuid)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
  c record;
  h muster.device_sessions%ROWTYPE;
  v_now timestamptz := clock_timestamp();
  v_began timestamptz;
  v_left real;
  v_wake uuid[] := '{}';
BEGIN
  FOR c IN
    SELECT u.incarnation, u.tenant, u.device, u.connection, u.age, d.name
      FROM unnest(p_incarnations, p_tenant_ids, p_devices, p_connections, p_ages_ms)
        AS u (incarnation, tenant, device, connection, age)
      JOIN muster.devices AS d ON d.tenant_id = u.tenant AND d.id = u.device AND d.status = 'active'
     WHERE p_tenants IS NULL OR u.tenant = ANY (p_tenants)
     ORDER BY u.tenant, u.device, u.age DESC  -- one order for all, so that no two transactions wait for each other
  LOOP
    INSERT INTO muster.device_sessions AS s (tenant_id, device_id) VALUES (c.tenant, c.device)
      ON CONFLICT ON CONSTRAINT device_sessions_pk DO UPDATE SET device_id = excluded.device_id RETURNING s.* INTO h;
    tenant_id := c.tenant;
    device_id := c.device;
    device_name := c.name;
    contested := false;
    other_edge := h.edge_id;
    v_began := v_now - least(greatest(c.age, 0), 604800000) * interval '1 millisecond';
    IF h.connection_id IS NOT DISTINCT FROM c.connection THEN
      outcome := 'known';
    ELSIF h.began_at > v_began AND h.began_at <= v_now THEN  -- in the future: the clock went back, and arrival decides
      outcome := 'older';
      IF h.incarnation <> c.incarnation THEN
        INSERT INTO muster.edge_orders (edge_id, kind, tenant_id, device_id, connection_id)
          VALUES (p_edge, 'cut', c.tenant, c.device, c.connection) ON CONFLICT ON CONSTRAINT edge_orders_once DO NOTHING;
        v_wake := v_wake || p_edge;
      END IF;
      RETURN NEXT;
      CONTINUE;
    ELSE
      outcome := 'new';
      IF h.incarnation <> c.incarnation THEN  -- within one broker, the broker itself sees to it
        outcome := 'moved';
        v_left := least(5, h.moves_left + greatest(0, extract(epoch FROM v_now - h.moved_at)) / 10);
        contested := v_left < 1 AND (h.contested_at IS NULL OR h.contested_at NOT BETWEEN v_now - interval '10 minutes' AND v_now);
        INSERT INTO muster.edge_orders (edge_id, kind, tenant_id, device_id, connection_id, due_at)
          VALUES (h.edge_id, 'cut', c.tenant, c.device, h.connection_id,
                  v_now + CASE WHEN v_left < 1 THEN interval '10 seconds' * (1 - v_left) ELSE interval '0' END)
          ON CONFLICT ON CONSTRAINT edge_orders_once DO NOTHING;
        v_wake := v_wake || h.edge_id;
        h.moves_left := greatest(0, v_left - 1);
        h.moved_at := v_now;
        IF contested THEN h.contested_at := v_now; END IF;
      END IF;
      UPDATE muster.device_sessions AS s SET edge_id = p_edge, incarnation = c.incarnation, connection_id = c.connection,
             began_at = v_began, moves_left = h.moves_left, moved_at = h.moved_at, contested_at = h.contested_at
       WHERE s.tenant_id = c.tenant AND s.device_id = c.device;
    END IF;
    IF muster.order_commands(p_edge, c.tenant, c.device, c.connection, NULL) > 0 THEN v_wake := v_wake || p_edge; END IF;
    RETURN NEXT;
  END LOOP;
  PERFORM muster.wake_edge(e) FROM (SELECT DISTINCT unnest(v_wake)) AS w (e);
END $$;

CREATE FUNCTION muster.create_edge_role(p_edge uuid, p_verifier text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
END $_$;

COMMENT ON FUNCTION muster.create_edge_role(p_edge uuid, p_verifier text) IS 'so that muster_server needs no CREATEROLE';

CREATE FUNCTION muster.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('muster.tenant_id', true), '')::uuid $$;

CREATE FUNCTION muster.database_identity(OUT system_identifier bigint, OUT timeline integer) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT s.system_identifier, c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c $$;

CREATE FUNCTION muster.drop_edge_role(p_edge uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION muster.edges_have_applied(p_tenant uuid, p_number bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  SELECT NOT EXISTS (SELECT FROM muster.edges e
                     WHERE e.status = 'joined' AND (e.tenants IS NULL OR p_tenant = ANY (e.tenants))
                       AND e.acknowledged_number < p_number)
$$;

CREATE FUNCTION muster.keep_issuer() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF OLD.certificate <> '' AND (NEW.certificate <> OLD.certificate OR NEW.chain <> OLD.chain) THEN
    RAISE EXCEPTION 'an issuer keeps its certificate' USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.status = 'retired' AND NEW.status <> 'retired' THEN
    RAISE EXCEPTION 'a retired issuer stays retired' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION muster.lock_transparency_head(OUT size bigint, OUT frontier bytea[]) RETURNS record
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT h.size, h.frontier FROM muster.transparency_head AS h FOR UPDATE $$;

CREATE FUNCTION muster.note_revocation() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF TG_TABLE_NAME = 'certificates' THEN
    INSERT INTO muster.revocations (issuer_id, crl_shard, serial, revoked_at, reason, not_after)
      VALUES (NEW.issuer_id, NEW.crl_shard, NEW.serial, NEW.revoked_at, NEW.revocation_reason, NEW.not_after)
      ON CONFLICT DO NOTHING;
  ELSIF TG_TABLE_NAME = 'certificate_intents' THEN
    INSERT INTO muster.revocations (issuer_id, crl_shard, serial, revoked_at, reason)
      VALUES (NEW.issuer_id, NEW.crl_shard, NEW.serial, NEW.revoked_at, NEW.revocation_reason) ON CONFLICT DO NOTHING;
  ELSE  -- an edge's certificate is revoked when the edge is removed: cessationOfOperation
    INSERT INTO muster.revocations (issuer_id, crl_shard, serial, revoked_at, reason, not_after)
      VALUES (NEW.issuer_id, 0, NEW.serial, NEW.revoked_at, 5, NEW.not_after) ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION muster.order_commands(p_edge uuid, p_tenant uuid, p_device uuid, p_connection uuid, p_command uuid) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_count bigint;
BEGIN
  INSERT INTO muster.edge_orders (edge_id, kind, tenant_id, device_id, connection_id, command_id)
    SELECT p_edge, 'command', c.tenant_id, c.device_id, p_connection, c.id FROM muster.device_commands AS c
     WHERE c.tenant_id = p_tenant AND c.device_id = p_device AND c.answered_at IS NULL
       AND c.expires_at > clock_timestamp() AND (p_command IS NULL OR c.id = p_command) ORDER BY c.created_at, c.id
  ON CONFLICT ON CONSTRAINT edge_orders_once DO NOTHING;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;

CREATE FUNCTION muster.take_change_numbers(p_count integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  v_number bigint;
BEGIN
  IF p_count IS NULL OR p_count < 1 THEN
    RAISE EXCEPTION 'count must be positive' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  UPDATE muster.change_counter SET number = number + p_count RETURNING number INTO v_number;
  PERFORM pg_notify('muster_changes', '');  -- one for the transaction: equal notifications are sent once
  RETURN v_number - p_count;
END $$;

CREATE FUNCTION muster.take_connects(p_limit integer) RETURNS TABLE(tenant_id uuid, device_id uuid, certificate_id bytea, reported_by text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
  head record;
  v_from bigint;
  v_to bigint;
BEGIN
  IF to_regclass('log.heads') IS NULL THEN  -- a registry without a log
    RETURN;
  END IF;
  FOR head IN EXECUTE
    'SELECT h.epoch, h.partition, h.first_offset, h.next_offset, log.table_name(h.stream, h.epoch, h.partition) AS name '
    'FROM log.heads h JOIN log.streams s ON s.id = h.stream '
    'LEFT JOIN muster.connect_positions p ON p.epoch = h.epoch AND p.partition = h.partition '
    'WHERE s.name = ''lifecycle'' AND h.next_offset > coalesce(p.next_offset, 0) ORDER BY h.epoch, h.partition' LOOP
    INSERT INTO muster.connect_positions VALUES (head.epoch, head.partition, 0) ON CONFLICT DO NOTHING;
    SELECT p.next_offset INTO v_from FROM muster.connect_positions p
     WHERE p.epoch = head.epoch AND p.partition = head.partition FOR UPDATE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    v_from := greatest(v_from, head.first_offset);
    v_to := greatest(v_from, least(head.next_offset, v_from + p_limit));
    RETURN QUERY EXECUTE format(
      'SELECT DISTINCT r.tenant_id, r.device_id, substr(r.record, 105, 32), a.role::text FROM log.%I r '
      'JOIN log.appenders a ON a.id = r.appender AND a.active AND (a.tenants IS NULL OR r.tenant_id = ANY (a.tenants)) '
      'WHERE r.log_offset >= $1 AND r.log_offset < $2 AND r.kind = 3', head.name) USING v_from, v_to;
    UPDATE muster.connect_positions p SET next_offset = v_to
     WHERE p.epoch = head.epoch AND p.partition = head.partition;
  END LOOP;
END $_$;

CREATE FUNCTION muster.wake_edge(p_edge uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ SELECT pg_notify('muster_orders', p_edge::text) $$;

CREATE TABLE muster.audit_chain (
    tenant_id uuid NOT NULL,
    sequence bigint NOT NULL,
    event_id bigint NOT NULL,
    encoding_version smallint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_chain_hash_whole CHECK ((octet_length(hash) = 32)),
    CONSTRAINT audit_chain_sequence_positive CHECK ((sequence > 0))
);

ALTER TABLE ONLY muster.audit_chain FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.audit_chain.hash IS 'SHA-256 of the previous hash and the canonical encoding (registry/audit_chain.h)';

CREATE TABLE muster.audit_events (
    id bigint NOT NULL,
    tenant_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    target_name text NOT NULL,
    outcome text NOT NULL,
    detail jsonb NOT NULL,
    CONSTRAINT audit_events_action_plain CHECK ((action ~ '^[a-z_]+([.][a-z_]+)*$'::text)),
    CONSTRAINT audit_events_actor_bounded CHECK ((octet_length(actor) <= 256)),
    CONSTRAINT audit_events_detail_object CHECK ((jsonb_typeof(detail) = 'object'::text)),
    CONSTRAINT audit_events_outcome_known CHECK ((outcome = ANY (ARRAY['success'::text, 'refused'::text, 'failed'::text]))),
    CONSTRAINT audit_events_target_bounded CHECK ((octet_length(target) <= 256)),
    CONSTRAINT audit_events_target_name_bounded CHECK ((octet_length(target_name) <= 256))
);

ALTER TABLE ONLY muster.audit_events FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE muster.audit_events IS 'Nobody has UPDATE or DELETE; audit_chain shows a change that was made nevertheless.';

ALTER TABLE muster.audit_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME muster.audit_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE muster.audit_unchained (
    event_id bigint NOT NULL,
    event_ids bigint[]
);

COMMENT ON COLUMN muster.audit_unchained.event_ids IS 'of the group, event_id among them; NULL: event_id alone';

CREATE TABLE muster.batch_certificates (
    tenant_id uuid NOT NULL,
    batch_id uuid NOT NULL,
    first_line bigint NOT NULL,
    lines bigint[] NOT NULL,
    certificate_ids bytea[] NOT NULL,
    CONSTRAINT batch_certificates_first CHECK ((lines[1] = first_line)),
    CONSTRAINT batch_certificates_paired CHECK ((cardinality(lines) = cardinality(certificate_ids)))
);

ALTER TABLE ONLY muster.batch_certificates FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.batch_results (
    tenant_id uuid NOT NULL,
    batch_id uuid NOT NULL,
    line bigint NOT NULL,
    result text NOT NULL,
    CONSTRAINT batch_results_line_positive CHECK ((line > 0))
)
WITH (toast_tuple_target='8160');
ALTER TABLE ONLY muster.batch_results ALTER COLUMN result SET STORAGE EXTERNAL;

ALTER TABLE ONLY muster.batch_results FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.batches (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    status text DEFAULT 'running'::text NOT NULL,
    lines bigint DEFAULT 0 NOT NULL,
    CONSTRAINT batches_created_by_bounded CHECK ((octet_length(created_by) <= 256)),
    CONSTRAINT batches_status_known CHECK ((status = ANY (ARRAY['running'::text, 'done'::text])))
);

ALTER TABLE ONLY muster.batches FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.bulk_revocations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    tenant_id uuid NOT NULL,
    reason smallint NOT NULL,
    status text DEFAULT 'running'::text NOT NULL,
    serials bytea[],
    device_id uuid,
    issuer_id uuid,
    group_name text,
    expires_before timestamp with time zone,
    not_before_after timestamp with time zone,
    not_before_before timestamp with time zone,
    revoked bigint DEFAULT 0 NOT NULL,
    already_revoked bigint DEFAULT 0 NOT NULL,
    not_found bigint DEFAULT 0 NOT NULL,
    next_position integer DEFAULT 0 NOT NULL,
    after_not_after timestamp with time zone,
    after_id bytea,
    actor text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT bulk_revocations_actor_bounded CHECK ((octet_length(actor) <= 512)),
    CONSTRAINT bulk_revocations_end_whole CHECK (((status = 'done'::text) = (finished_at IS NOT NULL))),
    CONSTRAINT bulk_revocations_reason_known CHECK ((reason = ANY (ARRAY[0, 1, 2, 3, 4, 5, 9, 10]))),
    CONSTRAINT bulk_revocations_selects CHECK (((serials IS NOT NULL) OR (num_nonnulls(device_id, issuer_id, group_name, expires_before, not_before_after, not_before_before) > 0))),
    CONSTRAINT bulk_revocations_serials_bounded CHECK ((cardinality(serials) <= 100000)),
    CONSTRAINT bulk_revocations_status_known CHECK ((status = ANY (ARRAY['running'::text, 'done'::text])))
);

ALTER TABLE ONLY muster.bulk_revocations FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.certificate_intents (
    issuer_id uuid NOT NULL,
    serial bytea NOT NULL,
    tenant_id uuid NOT NULL,
    device_id uuid NOT NULL,
    spki_sha256 bytea NOT NULL,
    tbs_certificate bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    revocation_reason smallint,
    crl_shard integer DEFAULT 0 NOT NULL,
    CONSTRAINT certificate_intents_revocation_whole CHECK (((revoked_at IS NULL) = (revocation_reason IS NULL))),
    CONSTRAINT certificate_intents_serial_bounded CHECK (((octet_length(serial) >= 1) AND (octet_length(serial) <= 20))),
    CONSTRAINT certificate_intents_shard_natural CHECK ((crl_shard >= 0)),
    CONSTRAINT certificate_intents_spki_whole CHECK ((octet_length(spki_sha256) = 32))
);
ALTER TABLE ONLY muster.certificate_intents ALTER COLUMN tbs_certificate SET STORAGE EXTERNAL;

ALTER TABLE ONLY muster.certificate_intents FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE muster.certificate_intents IS 'Never updated when the certificate is stored: an intent without certificate is what a crash left.';

CREATE TABLE muster.certificates (
    id bytea NOT NULL,
    tenant_id uuid NOT NULL,
    device_id uuid NOT NULL,
    issuer_id uuid NOT NULL,
    serial bytea NOT NULL,
    spki_sha256 bytea NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    not_before timestamp with time zone NOT NULL,
    not_after timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    revocation_reason smallint,
    crl_shard integer NOT NULL,
    profile text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    certificate bytea NOT NULL,
    CONSTRAINT certificates_id_whole CHECK ((octet_length(id) = 32)),
    CONSTRAINT certificates_profile_bounded CHECK ((octet_length(profile) <= 128)),
    CONSTRAINT certificates_reason_known CHECK ((revocation_reason = ANY (ARRAY[0, 1, 2, 3, 4, 5, 9, 10]))),
    CONSTRAINT certificates_revocation_whole CHECK ((((status = 'revoked'::text) = (revoked_at IS NOT NULL)) AND ((revoked_at IS NULL) = (revocation_reason IS NULL)))),
    CONSTRAINT certificates_serial_bounded CHECK (((octet_length(serial) >= 1) AND (octet_length(serial) <= 20))),
    CONSTRAINT certificates_shard_natural CHECK ((crl_shard >= 0)),
    CONSTRAINT certificates_spki_whole CHECK ((octet_length(spki_sha256) = 32)),
    CONSTRAINT certificates_status_known CHECK ((status = ANY (ARRAY['active'::text, 'revoked'::text]))),
    CONSTRAINT certificates_validity_ordered CHECK ((not_before <= not_after))
)
WITH (fillfactor='80');
ALTER TABLE ONLY muster.certificates ALTER COLUMN certificate SET STORAGE EXTERNAL;

ALTER TABLE ONLY muster.certificates FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.certificates.id IS 'SHA-256 of the DER; the allow-list of the edges is made of these';

COMMENT ON COLUMN muster.certificates.issuer_id IS 'its chain is issuers.certificate followed by issuers.chain';

CREATE TABLE muster.change_counter (
    one_row boolean DEFAULT true NOT NULL,
    epoch uuid DEFAULT gen_random_uuid() NOT NULL,
    number bigint DEFAULT 0 NOT NULL,
    pruned_number bigint DEFAULT 0 NOT NULL,
    system_identifier bigint NOT NULL,
    timeline integer NOT NULL,
    CONSTRAINT change_counter_is_one_row CHECK (one_row)
)
WITH (fillfactor='10');

COMMENT ON TABLE muster.change_counter IS 'One row, locked until commit by the transaction that takes a number, so numbers become visible in order.';

CREATE TABLE muster.changes (
    number bigint NOT NULL,
    entity_kind smallint NOT NULL,
    entity_id bytea NOT NULL,
    tenant_id uuid NOT NULL,
    committed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT changes_entity_whole CHECK ((octet_length(entity_id) =
CASE
    WHEN (entity_kind = ANY (ARRAY[5, 7])) THEN 32
    ELSE 16
END)),
    CONSTRAINT changes_kind_known CHECK (((entity_kind >= 1) AND (entity_kind <= 7)))
);

ALTER TABLE ONLY muster.changes FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.changes.entity_kind IS '1 tenant, 2 issuer, 3 policy, 4 device, 5 certificate, 6 trust anchor, 7 external credential';

CREATE TABLE muster.claims (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    kind text NOT NULL,
    sha256 bytea NOT NULL,
    description text NOT NULL,
    profile text NOT NULL,
    group_name text,
    devices text[] NOT NULL,
    device_pattern text,
    networks text[] NOT NULL,
    may_create boolean NOT NULL,
    may_reissue boolean NOT NULL,
    max_uses integer NOT NULL,
    uses integer DEFAULT 0 NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT claims_created_by_bounded CHECK ((octet_length(created_by) <= 256)),
    CONSTRAINT claims_description_bounded CHECK ((octet_length(description) <= 256)),
    CONSTRAINT claims_devices_bounded CHECK ((cardinality(devices) <= 1000)),
    CONSTRAINT claims_devices_said CHECK (((cardinality(devices) > 0) <> (device_pattern IS NOT NULL))),
    CONSTRAINT claims_group_plain CHECK ((group_name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text)),
    CONSTRAINT claims_kind_known CHECK ((kind = ANY (ARRAY['secret'::text, 'certificate'::text]))),
    CONSTRAINT claims_max_uses_bounded CHECK (((max_uses >= 1) AND (max_uses <= 1000000))),
    CONSTRAINT claims_networks_bounded CHECK ((cardinality(networks) <= 64)),
    CONSTRAINT claims_pattern_plain CHECK ((device_pattern ~ '^[A-Za-z0-9._*-]{1,128}$'::text)),
    CONSTRAINT claims_profile_plain CHECK ((profile ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text)),
    CONSTRAINT claims_reissue_named CHECK (((NOT may_reissue) OR (device_pattern IS NULL))),
    CONSTRAINT claims_sha256_whole CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT claims_uses_counted CHECK (((uses >= 0) AND (uses <= max_uses)))
);

ALTER TABLE ONLY muster.claims FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.claims.sha256 IS 'of the secret''s text (it is not kept), or of the claim certificate''s DER';

COMMENT ON COLUMN muster.claims.group_name IS 'devices that it creates come into it; those that exist must be in it';

COMMENT ON COLUMN muster.claims.networks IS 'CIDR blocks that the request must come from; none: from anywhere';

CREATE TABLE muster.connect_positions (
    epoch integer NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE muster.crl_parts (
    issuer_id uuid NOT NULL,
    shard integer NOT NULL,
    base bigint NOT NULL,
    part integer NOT NULL,
    entries bytea NOT NULL
);
ALTER TABLE ONLY muster.crl_parts ALTER COLUMN entries SET STORAGE EXTERNAL;

CREATE TABLE muster.crls (
    issuer_id uuid NOT NULL,
    shard integer NOT NULL,
    number bigint NOT NULL,
    this_update timestamp with time zone NOT NULL,
    next_update timestamp with time zone NOT NULL,
    crl bytea NOT NULL,
    built_from pg_snapshot,
    built_on bigint,
    base bigint,
    base_at timestamp with time zone,
    parts integer DEFAULT 0 NOT NULL,
    entries bigint DEFAULT 0 NOT NULL,
    entries_at integer DEFAULT 0 NOT NULL,
    CONSTRAINT crls_parts_whole CHECK ((((parts > 0) = (base IS NOT NULL)) AND ((base IS NULL) = (base_at IS NULL))))
);
ALTER TABLE ONLY muster.crls ALTER COLUMN crl SET STORAGE EXTERNAL;

COMMENT ON COLUMN muster.crls.crl IS 'DER; public. With parts: without their octets, which belong at entries_at';

COMMENT ON COLUMN muster.crls.base IS 'number of the CRL that was made of all revocations; later ones have its parts and more';

CREATE TABLE muster.cross_certificates (
    tenant_id uuid NOT NULL,
    issuer_id uuid NOT NULL,
    id bytea NOT NULL,
    certificate bytea NOT NULL,
    chain bytea[] NOT NULL,
    not_before timestamp with time zone NOT NULL,
    not_after timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT cross_certificates_id_whole CHECK ((octet_length(id) = 32))
);

ALTER TABLE ONLY muster.cross_certificates FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.cross_certificates.id IS 'SHA-256 of the DER';

CREATE TABLE muster.deployment (
    one_row boolean DEFAULT true NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    trust_domain text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT deployment_is_one_row CHECK (one_row),
    CONSTRAINT deployment_trust_domain_bounded CHECK ((octet_length(trust_domain) <= 190))
);

COMMENT ON TABLE muster.deployment IS 'This installation. The id is in the associated data of every wrapped key, the trust domain in every certificate.';

CREATE TABLE muster.device_commands (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    device_id uuid NOT NULL,
    name text NOT NULL,
    content_type text NOT NULL,
    payload bytea NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone,
    sent_count integer DEFAULT 0 NOT NULL,
    answered_at timestamp with time zone,
    CONSTRAINT device_commands_content_type_bounded CHECK ((octet_length(content_type) <= 128)),
    CONSTRAINT device_commands_created_by_bounded CHECK ((octet_length(created_by) <= 256)),
    CONSTRAINT device_commands_name_plain CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text)),
    CONSTRAINT device_commands_payload_bounded CHECK ((octet_length(payload) <= 65536))
);

ALTER TABLE ONLY muster.device_commands FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.device_grants (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    device_id uuid NOT NULL,
    on_device_id uuid NOT NULL,
    actions text[] NOT NULL,
    filters text[] NOT NULL,
    max_qos integer NOT NULL,
    max_payload integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT device_grants_actions_known CHECK (((actions <@ ARRAY['publish'::text, 'subscribe'::text, 'retain'::text, 'will'::text]) AND (cardinality(actions) > 0))),
    CONSTRAINT device_grants_between_two CHECK ((device_id <> on_device_id)),
    CONSTRAINT device_grants_created_by_bounded CHECK ((octet_length(created_by) <= 256)),
    CONSTRAINT device_grants_filters_bounded CHECK (((cardinality(filters) >= 1) AND (cardinality(filters) <= 8))),
    CONSTRAINT device_grants_max_payload_known CHECK (((max_payload >= 0) AND (max_payload <= 268435455))),
    CONSTRAINT device_grants_max_qos_known CHECK (((max_qos >= 0) AND (max_qos <= 2)))
);

ALTER TABLE ONLY muster.device_grants FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE muster.device_grants IS 'The only way from one device to the topics of another. It ends with either: a device''s tombstone has none.';

COMMENT ON COLUMN muster.device_grants.filters IS 'Topic Filters below {tenant}/{on_device}/';

CREATE TABLE muster.device_sessions (
    tenant_id uuid NOT NULL,
    device_id uuid NOT NULL,
    edge_id uuid,
    incarnation uuid,
    connection_id uuid,
    began_at timestamp with time zone,
    moves_left real DEFAULT 5 NOT NULL,
    moved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    contested_at timestamp with time zone,
    CONSTRAINT device_sessions_moves_bounded CHECK (((moves_left >= (0)::double precision) AND (moves_left <= (5)::double precision))),
    CONSTRAINT device_sessions_whole CHECK ((num_nulls(edge_id, incarnation, connection_id, began_at) = ANY (ARRAY[0, 4])))
)
WITH (fillfactor='70');

ALTER TABLE ONLY muster.device_sessions FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE muster.device_sessions IS 'The newest session of each device as edges say: a claim. It routes commands and cuts older sessions, and gives no right.';

CREATE TABLE muster.devices (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    policy_id uuid,
    groups text[] DEFAULT '{}'::text[] NOT NULL,
    labels jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    gone_number bigint,
    CONSTRAINT devices_created_by_bounded CHECK ((octet_length(created_by) <= 256)),
    CONSTRAINT devices_deletion_whole CHECK (((status = 'deleted'::text) = (deleted_at IS NOT NULL))),
    CONSTRAINT devices_groups_bounded CHECK ((cardinality(groups) <= 16)),
    CONSTRAINT devices_labels_object CHECK ((jsonb_typeof(labels) = 'object'::text)),
    CONSTRAINT devices_name_plain CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'::text)),
    CONSTRAINT devices_status_known CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'retired'::text, 'deleted'::text])))
);

ALTER TABLE ONLY muster.devices FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.edge_events (
    edge_id uuid NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    at timestamp with time zone NOT NULL,
    principal text NOT NULL,
    detail text NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT edge_events_detail_bounded CHECK ((octet_length(detail) <= 4096)),
    CONSTRAINT edge_events_principal_bounded CHECK ((octet_length(principal) <= 256)),
    CONSTRAINT edge_events_type_bounded CHECK ((octet_length(type) <= 64))
);

CREATE TABLE muster.edge_orders (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    edge_id uuid NOT NULL,
    place bigint NOT NULL,
    kind text NOT NULL,
    tenant_id uuid NOT NULL,
    device_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    command_id uuid,
    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT edge_orders_command_named CHECK (((kind = 'command'::text) = (command_id IS NOT NULL))),
    CONSTRAINT edge_orders_kind_known CHECK ((kind = ANY (ARRAY['cut'::text, 'command'::text])))
);

ALTER TABLE ONLY muster.edge_orders FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE muster.edge_orders IS 'What an edge''s brokers are to do, until the edge has it. Each names one connection: elsewhere it does nothing.';

ALTER TABLE muster.edge_orders ALTER COLUMN place ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME muster.edge_orders_place_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE muster.edges (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    status text DEFAULT 'invited'::text NOT NULL,
    tenants uuid[],
    broker_names text[] DEFAULT '{}'::text[] NOT NULL,
    join_token_sha256 bytea NOT NULL,
    join_token_expires_at timestamp with time zone NOT NULL,
    database_role text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    joined_at timestamp with time zone,
    removed_at timestamp with time zone,
    acknowledged_epoch uuid,
    acknowledged_number bigint DEFAULT 0 NOT NULL,
    acknowledged_at timestamp with time zone,
    CONSTRAINT edges_broker_names_bounded CHECK ((cardinality(broker_names) <= 16)),
    CONSTRAINT edges_join_token_whole CHECK ((octet_length(join_token_sha256) = 32)),
    CONSTRAINT edges_name_plain CHECK ((name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT edges_removal_whole CHECK (((status = 'removed'::text) = (removed_at IS NOT NULL))),
    CONSTRAINT edges_status_known CHECK ((status = ANY (ARRAY['invited'::text, 'joined'::text, 'removed'::text])))
);

CREATE TABLE muster.est_settings (
    tenant_id uuid NOT NULL,
    reenroll_after_expiry_seconds integer NOT NULL,
    serverkeygen boolean NOT NULL,
    unwrapped boolean NOT NULL,
    label_names text[] NOT NULL,
    label_forms text[] NOT NULL,
    label_profiles text[] NOT NULL,
    CONSTRAINT est_settings_forms_known CHECK ((label_forms <@ ARRAY['wrapped'::text, 'unwrapped'::text])),
    CONSTRAINT est_settings_labels_bounded CHECK ((cardinality(label_names) <= 16)),
    CONSTRAINT est_settings_labels_paired CHECK (((cardinality(label_names) = cardinality(label_forms)) AND (cardinality(label_names) = cardinality(label_profiles)))),
    CONSTRAINT est_settings_reenroll_bounded CHECK (((reenroll_after_expiry_seconds >= 0) AND (reenroll_after_expiry_seconds <= 31622400)))
);

ALTER TABLE ONLY muster.est_settings FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE muster.est_settings IS 'A tenant without a row has the defaults: nothing that is off by default is on.';

COMMENT ON COLUMN muster.est_settings.unwrapped IS 'base64 without line breaks where the path has no label';

CREATE TABLE muster.external_credentials (
    tenant_id uuid NOT NULL,
    id bytea NOT NULL,
    anchor_id uuid NOT NULL,
    device_id uuid NOT NULL,
    self_registered boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT external_credentials_id_whole CHECK ((octet_length(id) = 32))
);

ALTER TABLE ONLY muster.external_credentials FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.external_credentials.id IS 'x509::external_credential_id';

CREATE TABLE muster.external_crls (
    tenant_id uuid NOT NULL,
    anchor_id uuid NOT NULL,
    issuer_key bytea NOT NULL,
    scope bytea NOT NULL,
    number text NOT NULL,
    this_update timestamp with time zone NOT NULL,
    next_update timestamp with time zone NOT NULL,
    entries integer NOT NULL,
    revoked bytea NOT NULL,
    source text NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT external_crls_key_whole CHECK ((octet_length(issuer_key) = 32)),
    CONSTRAINT external_crls_revoked_whole CHECK ((octet_length(revoked) = (entries * 16))),
    CONSTRAINT external_crls_scope_whole CHECK ((octet_length(scope) = 32)),
    CONSTRAINT external_crls_source_known CHECK ((source = ANY (ARRAY['upload'::text, 'fetch'::text])))
);

ALTER TABLE ONLY muster.external_crls FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.external_crls.scope IS 'hash of which certificates it speaks for: a CA may have several CRLs';

COMMENT ON COLUMN muster.external_crls.revoked IS 'keys of 16 octets, sorted (x509::revocation_key)';

CREATE TABLE muster.external_revocations (
    tenant_id uuid NOT NULL,
    anchor_id uuid NOT NULL,
    certificate_id bytea NOT NULL,
    revoked_at timestamp with time zone NOT NULL,
    CONSTRAINT external_revocations_id_whole CHECK ((octet_length(certificate_id) = 32))
);

ALTER TABLE ONLY muster.external_revocations FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.group_policies (
    tenant_id uuid NOT NULL,
    group_name text NOT NULL,
    policy_id uuid NOT NULL,
    CONSTRAINT group_policies_group_plain CHECK ((group_name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text))
);

ALTER TABLE ONLY muster.group_policies FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.heartbeat_key (
    one_row boolean DEFAULT true NOT NULL,
    id uuid NOT NULL,
    public_key bytea NOT NULL,
    kek_id text NOT NULL,
    blob bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT heartbeat_key_blob_bounded CHECK ((octet_length(blob) <= 16384)),
    CONSTRAINT heartbeat_key_is_one_row CHECK (one_row),
    CONSTRAINT heartbeat_key_kek_bounded CHECK (((octet_length(kek_id) >= 1) AND (octet_length(kek_id) <= 64))),
    CONSTRAINT heartbeat_key_public_whole CHECK ((octet_length(public_key) = 32))
);

COMMENT ON TABLE muster.heartbeat_key IS 'The Ed25519 key of this deployment: brokers hold its public half and believe no heartbeat without its signature.';

COMMENT ON COLUMN muster.heartbeat_key.blob IS 'encrypted and bound to deployment and key (ca/key_wrapping.h)';

CREATE TABLE muster.idempotency_records (
    tenant_id uuid NOT NULL,
    caller text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    key text NOT NULL,
    body_sha256 bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    status smallint,
    content_type text DEFAULT ''::text NOT NULL,
    location text DEFAULT ''::text NOT NULL,
    body bytea DEFAULT '\x'::bytea NOT NULL,
    CONSTRAINT idempotency_body_whole CHECK ((octet_length(body_sha256) = 32)),
    CONSTRAINT idempotency_caller_bounded CHECK ((octet_length(caller) <= 512)),
    CONSTRAINT idempotency_key_bounded CHECK ((octet_length(key) <= 255)),
    CONSTRAINT idempotency_method_bounded CHECK ((octet_length(method) <= 16)),
    CONSTRAINT idempotency_path_bounded CHECK ((octet_length(path) <= 1024)),
    CONSTRAINT idempotency_status_http CHECK (((status >= 100) AND (status <= 599)))
);

ALTER TABLE ONLY muster.idempotency_records FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.incident_certificates (
    tenant_id uuid NOT NULL,
    incident_id uuid NOT NULL,
    certificate_id bytea NOT NULL
);

ALTER TABLE ONLY muster.incident_certificates FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.incidents (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    kind text NOT NULL,
    issuer_id uuid,
    spki_sha256 bytea,
    certificate_count integer NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT incidents_created_by_bounded CHECK ((octet_length(created_by) <= 256)),
    CONSTRAINT incidents_kind_known CHECK ((kind = ANY (ARRAY['certificates'::text, 'issuer'::text, 'key'::text]))),
    CONSTRAINT incidents_reason_bounded CHECK ((octet_length(reason) <= 256)),
    CONSTRAINT incidents_spki_whole CHECK ((octet_length(spki_sha256) = 32)),
    CONSTRAINT incidents_whole CHECK ((((kind = 'issuer'::text) = (issuer_id IS NOT NULL)) AND ((kind = 'key'::text) = (spki_sha256 IS NOT NULL)) AND ((kind = 'certificates'::text) = (certificate_count > 0))))
);

ALTER TABLE ONLY muster.incidents FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.incidents.issuer_id IS 'certificates that it issued before created_at';

CREATE TABLE muster.infrastructure_certificates (
    id bytea NOT NULL,
    edge_id uuid,
    kind text NOT NULL,
    issuer_id uuid NOT NULL,
    serial bytea NOT NULL,
    spki_sha256 bytea NOT NULL,
    not_before timestamp with time zone NOT NULL,
    not_after timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    certificate bytea NOT NULL,
    CONSTRAINT infrastructure_certificates_edge_fits CHECK (((kind <> ALL (ARRAY['edge'::text, 'broker'::text])) OR (edge_id IS NOT NULL))),
    CONSTRAINT infrastructure_certificates_id_whole CHECK ((octet_length(id) = 32)),
    CONSTRAINT infrastructure_certificates_kind_known CHECK ((kind = ANY (ARRAY['edge'::text, 'broker'::text, 'server'::text, 'responder'::text]))),
    CONSTRAINT infrastructure_certificates_serial_bounded CHECK (((octet_length(serial) >= 1) AND (octet_length(serial) <= 20))),
    CONSTRAINT infrastructure_certificates_spki_whole CHECK ((octet_length(spki_sha256) = 32))
);

CREATE TABLE muster.issuer_keys (
    id uuid NOT NULL,
    tenant_id uuid,
    issuer_id uuid NOT NULL,
    spki_sha256 bytea NOT NULL,
    kek_id text,
    blob bytea,
    store text DEFAULT 'file'::text NOT NULL,
    token_reference bytea,
    CONSTRAINT issuer_keys_blob_bounded CHECK ((octet_length(blob) <= 16384)),
    CONSTRAINT issuer_keys_kek_bounded CHECK ((octet_length(kek_id) <= 128)),
    CONSTRAINT issuer_keys_reference_bounded CHECK (((octet_length(token_reference) >= 1) AND (octet_length(token_reference) <= 64))),
    CONSTRAINT issuer_keys_spki_whole CHECK ((octet_length(spki_sha256) = 32)),
    CONSTRAINT issuer_keys_store_fits CHECK ((((store = 'file'::text) AND (blob IS NOT NULL) AND (kek_id IS NOT NULL) AND (token_reference IS NULL)) OR ((store = 'pkcs11'::text) AND (blob IS NULL) AND (kek_id IS NULL) AND (token_reference IS NOT NULL)))),
    CONSTRAINT issuer_keys_store_known CHECK ((store = ANY (ARRAY['file'::text, 'pkcs11'::text])))
);

ALTER TABLE ONLY muster.issuer_keys FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.issuer_keys.blob IS 'encrypted and bound to deployment, tenant, issuer and key (ca/key_wrapping.h)';

COMMENT ON COLUMN muster.issuer_keys.token_reference IS 'CKA_ID of the key in the token';

CREATE TABLE muster.issuers (
    id uuid NOT NULL,
    tenant_id uuid,
    kind text NOT NULL,
    status text NOT NULL,
    parent_id uuid,
    spki_sha256 bytea NOT NULL,
    certificate bytea NOT NULL,
    chain bytea[] NOT NULL,
    not_before timestamp with time zone NOT NULL,
    not_after timestamp with time zone NOT NULL,
    crl_number bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    slot text DEFAULT 'default'::text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    origin text DEFAULT 'internal'::text NOT NULL,
    request bytea DEFAULT '\x'::bytea NOT NULL,
    crl_shards integer DEFAULT 1 NOT NULL,
    CONSTRAINT issuers_certificate_there CHECK (((certificate <> '\x'::bytea) OR (status = ANY (ARRAY['requested'::text, 'retired'::text])))),
    CONSTRAINT issuers_crl_shards_bounded CHECK (((crl_shards >= 1) AND (crl_shards <= 4096))),
    CONSTRAINT issuers_kind_fits CHECK (((kind = 'tenant-issuing'::text) = (tenant_id IS NOT NULL))),
    CONSTRAINT issuers_kind_known CHECK ((kind = ANY (ARRAY['device-root'::text, 'device-intermediate'::text, 'tenant-issuing'::text, 'infrastructure-root'::text]))),
    CONSTRAINT issuers_name_bounded CHECK ((octet_length(name) <= 128)),
    CONSTRAINT issuers_origin_known CHECK ((origin = ANY (ARRAY['internal'::text, 'subordinate'::text]))),
    CONSTRAINT issuers_slot_plain CHECK ((slot ~ '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$'::text)),
    CONSTRAINT issuers_spki_whole CHECK ((octet_length(spki_sha256) = 32)),
    CONSTRAINT issuers_status_known CHECK ((status = ANY (ARRAY['requested'::text, 'prepare'::text, 'active'::text, 'retiring'::text, 'retired'::text])))
);

ALTER TABLE ONLY muster.issuers FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.issuers.certificate IS 'DER; empty while it is requested: not_before and not_after mean nothing then';

COMMENT ON COLUMN muster.issuers.slot IS 'one of a slot is active; profiles choose the slot';

COMMENT ON COLUMN muster.issuers.origin IS 'subordinate: its certificate comes from a CA whose key is not here';

COMMENT ON COLUMN muster.issuers.request IS 'PKCS #10, DER, as it was made with the key of a subordinate; else empty';

CREATE TABLE muster.ocsp_responders (
    id bytea NOT NULL,
    issuer_id uuid NOT NULL,
    serial bytea NOT NULL,
    not_before timestamp with time zone NOT NULL,
    not_after timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    certificate bytea NOT NULL,
    CONSTRAINT ocsp_responders_id_whole CHECK ((octet_length(id) = 32)),
    CONSTRAINT ocsp_responders_serial_bounded CHECK (((octet_length(serial) >= 1) AND (octet_length(serial) <= 20)))
);

CREATE TABLE muster.policies (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    rule_actions text[] NOT NULL,
    rule_filters text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    rule_max_qos integer[] DEFAULT '{}'::integer[] NOT NULL,
    rule_max_payload integer[] DEFAULT '{}'::integer[] NOT NULL,
    limits bytea DEFAULT '\x'::bytea NOT NULL,
    CONSTRAINT policies_actions_known CHECK ((rule_actions <@ ARRAY['publish'::text, 'subscribe'::text, 'receive'::text, 'retain'::text, 'will'::text])),
    CONSTRAINT policies_limits_bounded CHECK ((octet_length(limits) <= 1024)),
    CONSTRAINT policies_name_plain CHECK ((name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text)),
    CONSTRAINT policies_rule_limits_paired CHECK ((((cardinality(rule_max_qos) = 0) OR (cardinality(rule_max_qos) = cardinality(rule_actions))) AND (cardinality(rule_max_payload) = cardinality(rule_max_qos)))),
    CONSTRAINT policies_rules_bounded CHECK ((cardinality(rule_actions) <= 64)),
    CONSTRAINT policies_rules_paired CHECK ((cardinality(rule_actions) = cardinality(rule_filters))),
    CONSTRAINT policies_status_known CHECK ((status = ANY (ARRAY['active'::text, 'deleted'::text])))
);

ALTER TABLE ONLY muster.policies FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.policies.rule_max_qos IS 'one for each rule, 2: any; empty: any for all of them';

COMMENT ON COLUMN muster.policies.rule_max_payload IS 'octets, one for each rule; 268435455: any';

COMMENT ON COLUMN muster.policies.limits IS 'of each device that has the policy (core/limits.h)';

CREATE TABLE muster.profiles (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    issuer_id uuid,
    validity_seconds bigint NOT NULL,
    backdate_seconds integer NOT NULL,
    key_algorithms text[] NOT NULL,
    short_lived boolean NOT NULL,
    crl_pointer boolean NOT NULL,
    ocsp_pointer boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT profiles_backdate_bounded CHECK (((backdate_seconds >= 0) AND (backdate_seconds <= 86400))),
    CONSTRAINT profiles_key_algorithms_bounded CHECK (((cardinality(key_algorithms) >= 1) AND (cardinality(key_algorithms) <= 16))),
    CONSTRAINT profiles_name_plain CHECK ((name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text)),
    CONSTRAINT profiles_short_lived_plain CHECK (((NOT short_lived) OR (NOT (crl_pointer OR ocsp_pointer)))),
    CONSTRAINT profiles_validity_bounded CHECK (((validity_seconds >= 60) AND (validity_seconds <= 1261440000)))
);

ALTER TABLE ONLY muster.profiles FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.renewal_settings (
    tenant_id uuid NOT NULL,
    superseding text NOT NULL,
    CONSTRAINT renewal_settings_superseding_known CHECK ((superseding = ANY (ARRAY['on-connect'::text, 'never'::text])))
);

ALTER TABLE ONLY muster.renewal_settings FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.revocations (
    issuer_id uuid NOT NULL,
    crl_shard integer NOT NULL,
    serial bytea NOT NULL,
    revoked_at timestamp with time zone NOT NULL,
    reason smallint NOT NULL,
    not_after timestamp with time zone,
    transaction_id xid8 DEFAULT pg_current_xact_id() NOT NULL
);

COMMENT ON COLUMN muster.revocations.transaction_id IS 'Compared with snapshots: a row that a CRL''s snapshot did not see makes its shard due, whatever clocks say.';

CREATE TABLE muster.tenants (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    default_policy_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    gone_number bigint,
    limits bytea DEFAULT '\x'::bytea NOT NULL,
    CONSTRAINT tenants_deletion_whole CHECK (((status = 'deleted'::text) = (deleted_at IS NOT NULL))),
    CONSTRAINT tenants_limits_bounded CHECK ((octet_length(limits) <= 1024)),
    CONSTRAINT tenants_name_plain CHECK (((name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text) AND (name !~ '^xn--'::text))),
    CONSTRAINT tenants_status_known CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'deleting'::text, 'deleted'::text])))
);

ALTER TABLE ONLY muster.tenants FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.tenants.default_policy_id IS 'NULL: the built-in default policy';

COMMENT ON COLUMN muster.tenants.limits IS 'of all its devices together and of each of them (core/limits.h); empty: none';

CREATE TABLE muster.tokens (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    tenant_id uuid,
    role text NOT NULL,
    description text NOT NULL,
    sha256 bytea NOT NULL,
    devices text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT tokens_description_bounded CHECK ((octet_length(description) <= 256)),
    CONSTRAINT tokens_devices_bounded CHECK ((cardinality(devices) <= 1000)),
    CONSTRAINT tokens_devices_fit CHECK (((role = 'factory'::text) OR (devices = '{}'::text[]))),
    CONSTRAINT tokens_role_fits CHECK (
CASE role
    WHEN 'platform-admin'::text THEN (tenant_id IS NULL)
    WHEN 'auditor'::text THEN true
    WHEN 'broker'::text THEN true
    ELSE (tenant_id IS NOT NULL)
END),
    CONSTRAINT tokens_role_known CHECK ((role = ANY (ARRAY['platform-admin'::text, 'tenant-admin'::text, 'factory'::text, 'auditor'::text, 'application'::text, 'broker'::text]))),
    CONSTRAINT tokens_sha256_whole CHECK ((octet_length(sha256) = 32))
);

ALTER TABLE ONLY muster.tokens FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.tokens.sha256 IS 'of the token''s text; the token itself is 32 random octets and not kept';

COMMENT ON COLUMN muster.tokens.devices IS 'names of devices whose first certificate this factory may have though it did not create them';

CREATE TABLE muster.transparency_groups (
    first_index bigint NOT NULL,
    tenant_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    seed bytea NOT NULL,
    entries bytea NOT NULL,
    certificate_ids bytea NOT NULL,
    CONSTRAINT transparency_groups_seed_whole CHECK ((octet_length(seed) = 32)),
    CONSTRAINT transparency_groups_whole CHECK (((octet_length(entries) > 0) AND ((octet_length(entries) % 32) = 0) AND (octet_length(entries) = octet_length(certificate_ids))))
);
ALTER TABLE ONLY muster.transparency_groups ALTER COLUMN entries SET STORAGE EXTERNAL;
ALTER TABLE ONLY muster.transparency_groups ALTER COLUMN certificate_ids SET STORAGE EXTERNAL;

ALTER TABLE ONLY muster.transparency_groups FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.transparency_groups.created_at IS 'of the transaction, as in its certificates: so they are found';

CREATE TABLE muster.transparency_head (
    one_row boolean DEFAULT true NOT NULL,
    size bigint DEFAULT 0 NOT NULL,
    frontier bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    checkpoint text DEFAULT ''::text NOT NULL,
    CONSTRAINT transparency_head_is_one_row CHECK (one_row),
    CONSTRAINT transparency_head_size_natural CHECK ((size >= 0))
)
WITH (fillfactor='10');

COMMENT ON TABLE muster.transparency_head IS 'One row, locked until commit by the transaction that appends.';

CREATE TABLE muster.transparency_key (
    one_row boolean DEFAULT true NOT NULL,
    id uuid NOT NULL,
    origin text NOT NULL,
    public_key bytea NOT NULL,
    kek_id text NOT NULL,
    blob bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT transparency_key_blob_bounded CHECK ((octet_length(blob) <= 16384)),
    CONSTRAINT transparency_key_is_one_row CHECK (one_row),
    CONSTRAINT transparency_key_kek_bounded CHECK (((octet_length(kek_id) >= 1) AND (octet_length(kek_id) <= 64))),
    CONSTRAINT transparency_key_origin_plain CHECK ((origin ~ '^[!-*,-~]{1,255}$'::text)),
    CONSTRAINT transparency_key_public_whole CHECK ((octet_length(public_key) = 32))
);

COMMENT ON TABLE muster.transparency_key IS 'The Ed25519 key that signs checkpoints; its name is the log''s origin.';

COMMENT ON COLUMN muster.transparency_key.blob IS 'encrypted and bound to deployment and key (ca/key_wrapping.h)';

CREATE TABLE muster.transparency_nodes (
    height smallint NOT NULL,
    "position" bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT transparency_nodes_hash_whole CHECK ((octet_length(hash) = 32)),
    CONSTRAINT transparency_nodes_height_of_tile CHECK (((height > 0) AND (((height)::integer % 8) = 0)))
);

CREATE TABLE muster.trust_anchors (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    status text DEFAULT 'unverified'::text NOT NULL,
    spki_sha256 bytea NOT NULL,
    subject bytea NOT NULL,
    certificate bytea NOT NULL,
    intermediates bytea[] NOT NULL,
    not_after timestamp with time zone NOT NULL,
    device_id_from text NOT NULL,
    device_id_prefix text NOT NULL,
    code_sha256 bytea,
    code_expires_at timestamp with time zone,
    self_registration boolean DEFAULT false NOT NULL,
    max_devices integer NOT NULL,
    devices_per_minute integer NOT NULL,
    device_group text DEFAULT ''::text NOT NULL,
    denied text[] NOT NULL,
    window_start timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    window_count integer DEFAULT 0 NOT NULL,
    expired_crl text NOT NULL,
    crl_url text DEFAULT ''::text NOT NULL,
    crl_fetch_seconds integer NOT NULL,
    crl_next_fetch_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    crl_fetch_failure text DEFAULT ''::text NOT NULL,
    crl_alarmed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    verified_at timestamp with time zone,
    CONSTRAINT trust_anchors_code_fits CHECK (((code_sha256 IS NULL) = (code_expires_at IS NULL))),
    CONSTRAINT trust_anchors_code_whole CHECK ((octet_length(code_sha256) = 32)),
    CONSTRAINT trust_anchors_crl_fetch_range CHECK (((crl_fetch_seconds >= 60) AND (crl_fetch_seconds <= 604800))),
    CONSTRAINT trust_anchors_crl_url_bounded CHECK ((octet_length(crl_url) <= 1024)),
    CONSTRAINT trust_anchors_denied_bounded CHECK ((cardinality(denied) <= 1000)),
    CONSTRAINT trust_anchors_expired_crl_known CHECK ((expired_crl = ANY (ARRAY['fail-closed'::text, 'last-known-good'::text]))),
    CONSTRAINT trust_anchors_intermediates_bounded CHECK ((cardinality(intermediates) <= 4)),
    CONSTRAINT trust_anchors_max_devices_positive CHECK ((max_devices > 0)),
    CONSTRAINT trust_anchors_prefix_bounded CHECK ((octet_length(device_id_prefix) <= 256)),
    CONSTRAINT trust_anchors_proof_came_first CHECK (((verified_at IS NOT NULL) OR (status = ANY (ARRAY['unverified'::text, 'revoked'::text, 'deleted'::text])))),
    CONSTRAINT trust_anchors_rate_positive CHECK ((devices_per_minute > 0)),
    CONSTRAINT trust_anchors_source_known CHECK ((device_id_from = ANY (ARRAY['uri-san'::text, 'dns-san'::text, 'cn'::text, 'serial-number'::text]))),
    CONSTRAINT trust_anchors_spki_whole CHECK ((octet_length(spki_sha256) = 32)),
    CONSTRAINT trust_anchors_status_known CHECK ((status = ANY (ARRAY['unverified'::text, 'active'::text, 'no-new-devices'::text, 'suspended'::text, 'revoked'::text, 'deleted'::text])))
);

ALTER TABLE ONLY muster.trust_anchors FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.trust_anchors.code_sha256 IS 'of the one-time code; NULL once it was used';

CREATE TABLE muster.used_keys (
    spki_sha256 bytea NOT NULL,
    tenant_id uuid,
    device_id uuid,
    holder text NOT NULL,
    blocked_at timestamp with time zone,
    first_used_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT used_keys_holder_known CHECK ((holder = ANY (ARRAY['device'::text, 'issuer'::text, 'infrastructure'::text]))),
    CONSTRAINT used_keys_holder_whole CHECK ((((holder = 'device'::text) = (device_id IS NOT NULL)) AND ((device_id IS NULL) OR (tenant_id IS NOT NULL)))),
    CONSTRAINT used_keys_spki_whole CHECK ((octet_length(spki_sha256) = 32))
);

ALTER TABLE ONLY muster.used_keys FORCE ROW LEVEL SECURITY;

ALTER TABLE ONLY muster.audit_chain
    ADD CONSTRAINT audit_chain_event_unique UNIQUE (event_id);

ALTER TABLE ONLY muster.audit_chain
    ADD CONSTRAINT audit_chain_pk PRIMARY KEY (tenant_id, sequence);

ALTER TABLE ONLY muster.audit_events
    ADD CONSTRAINT audit_events_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.audit_unchained
    ADD CONSTRAINT audit_unchained_pk PRIMARY KEY (event_id);

ALTER TABLE ONLY muster.batch_certificates
    ADD CONSTRAINT batch_certificates_pk PRIMARY KEY (tenant_id, batch_id, first_line);

ALTER TABLE ONLY muster.batch_results
    ADD CONSTRAINT batch_results_pk PRIMARY KEY (tenant_id, batch_id, line);

ALTER TABLE ONLY muster.batches
    ADD CONSTRAINT batches_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.bulk_revocations
    ADD CONSTRAINT bulk_revocations_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.certificate_intents
    ADD CONSTRAINT certificate_intents_pk PRIMARY KEY (issuer_id, serial);

ALTER TABLE ONLY muster.certificates
    ADD CONSTRAINT certificates_issuer_serial_unique UNIQUE (issuer_id, serial);

ALTER TABLE ONLY muster.certificates
    ADD CONSTRAINT certificates_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.change_counter
    ADD CONSTRAINT change_counter_pk PRIMARY KEY (one_row);

ALTER TABLE ONLY muster.changes
    ADD CONSTRAINT changes_pk PRIMARY KEY (number);

ALTER TABLE ONLY muster.claims
    ADD CONSTRAINT claims_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.connect_positions
    ADD CONSTRAINT connect_positions_pk PRIMARY KEY (epoch, partition);

ALTER TABLE ONLY muster.crl_parts
    ADD CONSTRAINT crl_parts_pk PRIMARY KEY (issuer_id, shard, base, part);

ALTER TABLE ONLY muster.crls
    ADD CONSTRAINT crls_pk PRIMARY KEY (issuer_id, shard);

ALTER TABLE ONLY muster.cross_certificates
    ADD CONSTRAINT cross_certificates_pk PRIMARY KEY (tenant_id, issuer_id, id);

ALTER TABLE ONLY muster.deployment
    ADD CONSTRAINT deployment_pk PRIMARY KEY (one_row);

ALTER TABLE ONLY muster.device_commands
    ADD CONSTRAINT device_commands_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.device_grants
    ADD CONSTRAINT device_grants_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.device_sessions
    ADD CONSTRAINT device_sessions_pk PRIMARY KEY (tenant_id, device_id);

ALTER TABLE ONLY muster.devices
    ADD CONSTRAINT devices_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.edge_events
    ADD CONSTRAINT edge_events_pk PRIMARY KEY (edge_id, id);

ALTER TABLE ONLY muster.edge_orders
    ADD CONSTRAINT edge_orders_once UNIQUE NULLS NOT DISTINCT (connection_id, command_id);

ALTER TABLE ONLY muster.edge_orders
    ADD CONSTRAINT edge_orders_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.edges
    ADD CONSTRAINT edges_join_token_unique UNIQUE (join_token_sha256);

ALTER TABLE ONLY muster.edges
    ADD CONSTRAINT edges_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.est_settings
    ADD CONSTRAINT est_settings_pk PRIMARY KEY (tenant_id);

ALTER TABLE ONLY muster.external_credentials
    ADD CONSTRAINT external_credentials_device_unique UNIQUE (tenant_id, anchor_id, device_id);

ALTER TABLE ONLY muster.external_credentials
    ADD CONSTRAINT external_credentials_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.external_crls
    ADD CONSTRAINT external_crls_pk PRIMARY KEY (tenant_id, anchor_id, issuer_key, scope);

ALTER TABLE ONLY muster.external_revocations
    ADD CONSTRAINT external_revocations_pk PRIMARY KEY (tenant_id, anchor_id, certificate_id);

ALTER TABLE ONLY muster.group_policies
    ADD CONSTRAINT group_policies_pk PRIMARY KEY (tenant_id, group_name);

ALTER TABLE ONLY muster.heartbeat_key
    ADD CONSTRAINT heartbeat_key_pk PRIMARY KEY (one_row);

ALTER TABLE ONLY muster.idempotency_records
    ADD CONSTRAINT idempotency_records_pk PRIMARY KEY (tenant_id, caller, method, path, key);

ALTER TABLE ONLY muster.incident_certificates
    ADD CONSTRAINT incident_certificates_pk PRIMARY KEY (tenant_id, certificate_id, incident_id);

ALTER TABLE ONLY muster.incidents
    ADD CONSTRAINT incidents_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.infrastructure_certificates
    ADD CONSTRAINT infrastructure_certificates_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.infrastructure_certificates
    ADD CONSTRAINT infrastructure_certificates_serial_unique UNIQUE (issuer_id, serial);

ALTER TABLE ONLY muster.issuer_keys
    ADD CONSTRAINT issuer_keys_issuer_unique UNIQUE (issuer_id);

ALTER TABLE ONLY muster.issuer_keys
    ADD CONSTRAINT issuer_keys_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.issuers
    ADD CONSTRAINT issuers_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.issuers
    ADD CONSTRAINT issuers_spki_unique UNIQUE (spki_sha256);

ALTER TABLE ONLY muster.issuers
    ADD CONSTRAINT issuers_tenant_and_id_unique UNIQUE (tenant_id, id);

ALTER TABLE ONLY muster.ocsp_responders
    ADD CONSTRAINT ocsp_responders_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.ocsp_responders
    ADD CONSTRAINT ocsp_responders_serial_unique UNIQUE (issuer_id, serial);

ALTER TABLE ONLY muster.policies
    ADD CONSTRAINT policies_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.profiles
    ADD CONSTRAINT profiles_pk PRIMARY KEY (tenant_id, name);

ALTER TABLE ONLY muster.renewal_settings
    ADD CONSTRAINT renewal_settings_pk PRIMARY KEY (tenant_id);

ALTER TABLE ONLY muster.revocations
    ADD CONSTRAINT revocations_pk PRIMARY KEY (issuer_id, crl_shard, serial) INCLUDE (revoked_at, reason, not_after);

ALTER TABLE ONLY muster.tenants
    ADD CONSTRAINT tenants_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.tokens
    ADD CONSTRAINT tokens_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.tokens
    ADD CONSTRAINT tokens_sha256_unique UNIQUE (sha256);

ALTER TABLE ONLY muster.transparency_groups
    ADD CONSTRAINT transparency_groups_pk PRIMARY KEY (first_index);

ALTER TABLE ONLY muster.transparency_head
    ADD CONSTRAINT transparency_head_pk PRIMARY KEY (one_row);

ALTER TABLE ONLY muster.transparency_key
    ADD CONSTRAINT transparency_key_pk PRIMARY KEY (one_row);

ALTER TABLE ONLY muster.transparency_nodes
    ADD CONSTRAINT transparency_nodes_pk PRIMARY KEY (height, "position");

ALTER TABLE ONLY muster.trust_anchors
    ADD CONSTRAINT trust_anchors_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.used_keys
    ADD CONSTRAINT used_keys_pk PRIMARY KEY (spki_sha256);

CREATE INDEX audit_events_tenant ON muster.audit_events USING btree (tenant_id, id);

CREATE INDEX batches_age ON muster.batches USING btree (created_at);

CREATE INDEX bulk_revocations_running ON muster.bulk_revocations USING btree (created_at) WHERE (status = 'running'::text);

CREATE INDEX certificate_intents_age ON muster.certificate_intents USING brin (created_at) WITH (pages_per_range='16');

CREATE INDEX certificates_expiry ON muster.certificates USING btree (tenant_id, not_after, id);

CREATE INDEX certificates_newest ON muster.certificates USING btree (tenant_id, device_id, not_after);

CREATE INDEX certificates_of_issuer ON muster.certificates USING btree (tenant_id, issuer_id, not_after, id);

CREATE INDEX changes_age ON muster.changes USING brin (committed_at) WITH (pages_per_range='16');

CREATE INDEX claims_credential ON muster.claims USING btree (sha256);

CREATE INDEX claims_newest ON muster.claims USING btree (tenant_id, created_at, id);

CREATE UNIQUE INDEX claims_open_credential_unique ON muster.claims USING btree (tenant_id, sha256) WHERE (revoked_at IS NULL);

CREATE INDEX device_commands_age ON muster.device_commands USING brin (created_at) WITH (pages_per_range='16');

CREATE INDEX device_commands_of_device ON muster.device_commands USING btree (tenant_id, device_id, created_at, id);

CREATE INDEX device_commands_open ON muster.device_commands USING btree (tenant_id, device_id, created_at) WHERE (answered_at IS NULL);

CREATE INDEX device_grants_device ON muster.device_grants USING btree (tenant_id, device_id, id);

CREATE INDEX device_grants_on_device ON muster.device_grants USING btree (tenant_id, on_device_id);

CREATE INDEX device_sessions_contested ON muster.device_sessions USING btree (contested_at) WHERE (contested_at IS NOT NULL);

CREATE INDEX devices_groups ON muster.devices USING gin (groups) WHERE (groups <> '{}'::text[]);

CREATE INDEX devices_labels ON muster.devices USING gin (labels jsonb_path_ops) WHERE (labels <> '{}'::jsonb);

CREATE UNIQUE INDEX devices_live_name_unique ON muster.devices USING btree (tenant_id, name) WHERE (status <> 'deleted'::text);

CREATE INDEX devices_policy ON muster.devices USING btree (tenant_id, policy_id) WHERE (policy_id IS NOT NULL);

CREATE INDEX devices_tombstone_name ON muster.devices USING btree (tenant_id, name) WHERE (status = 'deleted'::text);

CREATE INDEX edge_events_age ON muster.edge_events USING btree (received_at);

CREATE INDEX edge_orders_of_edge ON muster.edge_orders USING btree (edge_id, place);

CREATE UNIQUE INDEX edges_live_name_unique ON muster.edges USING btree (name) WHERE (status <> 'removed'::text);

CREATE INDEX group_policies_policy ON muster.group_policies USING btree (tenant_id, policy_id);

CREATE INDEX idempotency_records_age ON muster.idempotency_records USING btree (created_at);

CREATE INDEX incident_certificates_incident ON muster.incident_certificates USING btree (tenant_id, incident_id);

CREATE INDEX incidents_age ON muster.incidents USING btree (tenant_id, created_at, id);

CREATE INDEX infrastructure_certificates_edge ON muster.infrastructure_certificates USING btree (edge_id);

CREATE INDEX issuer_keys_kek ON muster.issuer_keys USING btree (kek_id, id) WHERE (store = 'file'::text);

CREATE UNIQUE INDEX issuers_active_unique ON muster.issuers USING btree (kind, COALESCE(tenant_id, '00000000-0000-0000-0000-000000000000'::uuid), slot) WHERE (status = 'active'::text);

CREATE INDEX ocsp_responders_age ON muster.ocsp_responders USING btree (not_after);

CREATE UNIQUE INDEX policies_live_name_unique ON muster.policies USING btree (tenant_id, name) WHERE (status = 'active'::text);

CREATE INDEX revocations_expiry ON muster.revocations USING btree (not_after);

CREATE INDEX revocations_news ON muster.revocations USING btree (transaction_id);

CREATE INDEX revocations_news_of_shard ON muster.revocations USING btree (issuer_id, crl_shard, transaction_id);

CREATE UNIQUE INDEX tenants_live_name_unique ON muster.tenants USING btree (name) WHERE (status <> 'deleted'::text);

CREATE INDEX tenants_tombstone_name ON muster.tenants USING btree (name) WHERE (status = 'deleted'::text);

CREATE INDEX tokens_tenant ON muster.tokens USING btree (tenant_id, created_at, id);

CREATE INDEX transparency_groups_of_tenant ON muster.transparency_groups USING btree (tenant_id, first_index);

CREATE INDEX transparency_groups_tenant ON muster.transparency_groups USING btree (tenant_id, created_at);

CREATE INDEX trust_anchors_fetch ON muster.trust_anchors USING btree (crl_next_fetch_at) WHERE ((crl_url <> ''::text) AND (status <> 'deleted'::text));

CREATE UNIQUE INDEX trust_anchors_live_key_unique ON muster.trust_anchors USING btree (tenant_id, spki_sha256) WHERE (status <> 'deleted'::text);

CREATE TRIGGER audit_chain_check_inserted AFTER INSERT ON muster.audit_chain REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION muster.check_inserted();

CREATE TRIGGER certificate_intents_check_inserted AFTER INSERT ON muster.certificate_intents REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION muster.check_inserted();

CREATE TRIGGER certificate_intents_note_revocation AFTER UPDATE OF revoked_at ON muster.certificate_intents FOR EACH ROW WHEN (((new.revoked_at IS NOT NULL) AND (old.revoked_at IS NULL))) EXECUTE FUNCTION muster.note_revocation();

CREATE TRIGGER certificates_check_inserted AFTER INSERT ON muster.certificates REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION muster.check_inserted();

CREATE TRIGGER certificates_note_revocation AFTER UPDATE OF status ON muster.certificates FOR EACH ROW WHEN (((new.status = 'revoked'::text) AND (old.status <> 'revoked'::text))) EXECUTE FUNCTION muster.note_revocation();

CREATE TRIGGER devices_check_inserted AFTER INSERT ON muster.devices REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION muster.check_inserted();

CREATE TRIGGER infrastructure_note_revocation AFTER UPDATE OF revoked_at ON muster.infrastructure_certificates FOR EACH ROW WHEN (((new.revoked_at IS NOT NULL) AND (old.revoked_at IS NULL))) EXECUTE FUNCTION muster.note_revocation();

CREATE TRIGGER issuers_kept BEFORE UPDATE ON muster.issuers FOR EACH ROW EXECUTE FUNCTION muster.keep_issuer();

ALTER TABLE ONLY muster.batch_certificates
    ADD CONSTRAINT batch_certificates_batch_known FOREIGN KEY (tenant_id, batch_id) REFERENCES muster.batches(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY muster.batch_results
    ADD CONSTRAINT batch_results_batch_known FOREIGN KEY (tenant_id, batch_id) REFERENCES muster.batches(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY muster.batches
    ADD CONSTRAINT batches_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.bulk_revocations
    ADD CONSTRAINT bulk_revocations_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.claims
    ADD CONSTRAINT claims_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.crl_parts
    ADD CONSTRAINT crl_parts_issuer_known FOREIGN KEY (issuer_id) REFERENCES muster.issuers(id);

ALTER TABLE ONLY muster.crls
    ADD CONSTRAINT crls_issuer_known FOREIGN KEY (issuer_id) REFERENCES muster.issuers(id);

ALTER TABLE ONLY muster.cross_certificates
    ADD CONSTRAINT cross_certificates_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers(tenant_id, id);

ALTER TABLE ONLY muster.device_grants
    ADD CONSTRAINT device_grants_device_known FOREIGN KEY (tenant_id, device_id) REFERENCES muster.devices(tenant_id, id);

ALTER TABLE ONLY muster.device_grants
    ADD CONSTRAINT device_grants_on_device_known FOREIGN KEY (tenant_id, on_device_id) REFERENCES muster.devices(tenant_id, id);

ALTER TABLE ONLY muster.devices
    ADD CONSTRAINT devices_policy_known FOREIGN KEY (tenant_id, policy_id) REFERENCES muster.policies(tenant_id, id);

ALTER TABLE ONLY muster.edge_events
    ADD CONSTRAINT edge_events_edge_known FOREIGN KEY (edge_id) REFERENCES muster.edges(id);

ALTER TABLE ONLY muster.est_settings
    ADD CONSTRAINT est_settings_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.external_credentials
    ADD CONSTRAINT external_credentials_anchor_known FOREIGN KEY (tenant_id, anchor_id) REFERENCES muster.trust_anchors(tenant_id, id);

ALTER TABLE ONLY muster.external_credentials
    ADD CONSTRAINT external_credentials_device_known FOREIGN KEY (tenant_id, device_id) REFERENCES muster.devices(tenant_id, id);

ALTER TABLE ONLY muster.external_crls
    ADD CONSTRAINT external_crls_anchor_known FOREIGN KEY (tenant_id, anchor_id) REFERENCES muster.trust_anchors(tenant_id, id);

ALTER TABLE ONLY muster.external_revocations
    ADD CONSTRAINT external_revocations_anchor_known FOREIGN KEY (tenant_id, anchor_id) REFERENCES muster.trust_anchors(tenant_id, id);

ALTER TABLE ONLY muster.group_policies
    ADD CONSTRAINT group_policies_policy_known FOREIGN KEY (tenant_id, policy_id) REFERENCES muster.policies(tenant_id, id);

ALTER TABLE ONLY muster.incident_certificates
    ADD CONSTRAINT incident_certificates_incident_known FOREIGN KEY (tenant_id, incident_id) REFERENCES muster.incidents(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY muster.incident_certificates
    ADD CONSTRAINT incident_certificates_known FOREIGN KEY (certificate_id) REFERENCES muster.certificates(id);

ALTER TABLE ONLY muster.incidents
    ADD CONSTRAINT incidents_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers(tenant_id, id);

ALTER TABLE ONLY muster.incidents
    ADD CONSTRAINT incidents_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.infrastructure_certificates
    ADD CONSTRAINT infrastructure_certificates_edge_known FOREIGN KEY (edge_id) REFERENCES muster.edges(id);

ALTER TABLE ONLY muster.infrastructure_certificates
    ADD CONSTRAINT infrastructure_certificates_issuer_known FOREIGN KEY (issuer_id) REFERENCES muster.issuers(id);

ALTER TABLE ONLY muster.issuer_keys
    ADD CONSTRAINT issuer_keys_issuer_known FOREIGN KEY (issuer_id) REFERENCES muster.issuers(id);

ALTER TABLE ONLY muster.issuer_keys
    ADD CONSTRAINT issuer_keys_tenant_fits FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers(tenant_id, id);

ALTER TABLE ONLY muster.issuers
    ADD CONSTRAINT issuers_parent_known FOREIGN KEY (parent_id) REFERENCES muster.issuers(id);

ALTER TABLE ONLY muster.issuers
    ADD CONSTRAINT issuers_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.ocsp_responders
    ADD CONSTRAINT ocsp_responders_issuer_known FOREIGN KEY (issuer_id) REFERENCES muster.issuers(id);

ALTER TABLE ONLY muster.policies
    ADD CONSTRAINT policies_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.profiles
    ADD CONSTRAINT profiles_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers(tenant_id, id);

ALTER TABLE ONLY muster.profiles
    ADD CONSTRAINT profiles_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.renewal_settings
    ADD CONSTRAINT renewal_settings_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.tenants
    ADD CONSTRAINT tenants_default_policy_known FOREIGN KEY (id, default_policy_id) REFERENCES muster.policies(tenant_id, id);

ALTER TABLE ONLY muster.tokens
    ADD CONSTRAINT tokens_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.trust_anchors
    ADD CONSTRAINT trust_anchors_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE muster.audit_chain ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_chain_own ON muster.audit_chain FOR SELECT TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY audit_chain_system_read ON muster.audit_chain FOR SELECT TO muster_system USING (true);

CREATE POLICY audit_chain_system_write ON muster.audit_chain FOR INSERT TO muster_system WITH CHECK (true);

ALTER TABLE muster.audit_events ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_events_own ON muster.audit_events TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY audit_events_system_read ON muster.audit_events FOR SELECT TO muster_system USING (true);

CREATE POLICY audit_events_system_write ON muster.audit_events FOR INSERT TO muster_system WITH CHECK (true);

ALTER TABLE muster.batch_certificates ENABLE ROW LEVEL SECURITY;

CREATE POLICY batch_certificates_own ON muster.batch_certificates TO muster_tenant USING ((tenant_id = muster.current_tenant()));

ALTER TABLE muster.batch_results ENABLE ROW LEVEL SECURITY;

CREATE POLICY batch_results_own ON muster.batch_results TO muster_tenant USING ((tenant_id = muster.current_tenant()));

ALTER TABLE muster.batches ENABLE ROW LEVEL SECURITY;

CREATE POLICY batches_own ON muster.batches TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY batches_system_prune ON muster.batches FOR DELETE TO muster_system USING (true);

CREATE POLICY batches_system_read ON muster.batches FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.bulk_revocations ENABLE ROW LEVEL SECURITY;

CREATE POLICY bulk_revocations_own ON muster.bulk_revocations TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY bulk_revocations_system_prune ON muster.bulk_revocations FOR DELETE TO muster_system USING ((status = 'done'::text));

CREATE POLICY bulk_revocations_system_read ON muster.bulk_revocations FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.certificate_intents ENABLE ROW LEVEL SECURITY;

CREATE POLICY certificate_intents_own ON muster.certificate_intents TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY certificate_intents_system_prune ON muster.certificate_intents FOR DELETE TO muster_system USING ((revoked_at IS NULL));

CREATE POLICY certificate_intents_system_read ON muster.certificate_intents FOR SELECT TO muster_system USING (true);

CREATE POLICY certificate_intents_system_revoke ON muster.certificate_intents FOR UPDATE TO muster_system USING ((revoked_at IS NULL)) WITH CHECK ((revoked_at IS NOT NULL));

ALTER TABLE muster.certificates ENABLE ROW LEVEL SECURITY;

CREATE POLICY certificates_own_read ON muster.certificates FOR SELECT TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY certificates_own_revoke ON muster.certificates FOR UPDATE TO muster_tenant USING (((tenant_id = muster.current_tenant()) AND (status = 'active'::text))) WITH CHECK (((tenant_id = muster.current_tenant()) AND (status = 'revoked'::text)));

CREATE POLICY certificates_own_store ON muster.certificates FOR INSERT TO muster_tenant WITH CHECK (((tenant_id = muster.current_tenant()) AND (status = 'active'::text)));

CREATE POLICY certificates_system_read ON muster.certificates FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.changes ENABLE ROW LEVEL SECURITY;

CREATE POLICY changes_own_announce ON muster.changes FOR INSERT TO muster_tenant WITH CHECK ((tenant_id = muster.current_tenant()));

CREATE POLICY changes_system_announce ON muster.changes FOR INSERT TO muster_system WITH CHECK (true);

CREATE POLICY changes_system_prune ON muster.changes FOR DELETE TO muster_system USING (true);

CREATE POLICY changes_system_read ON muster.changes FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.claims ENABLE ROW LEVEL SECURITY;

CREATE POLICY claims_own ON muster.claims TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY claims_system_read ON muster.claims FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.cross_certificates ENABLE ROW LEVEL SECURITY;

CREATE POLICY cross_certificates_own ON muster.cross_certificates TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY cross_certificates_system_read ON muster.cross_certificates FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.device_commands ENABLE ROW LEVEL SECURITY;

CREATE POLICY device_commands_own ON muster.device_commands TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY device_commands_system ON muster.device_commands TO muster_system USING (true);

ALTER TABLE muster.device_grants ENABLE ROW LEVEL SECURITY;

CREATE POLICY device_grants_own ON muster.device_grants TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY device_grants_system_read ON muster.device_grants FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.device_sessions ENABLE ROW LEVEL SECURITY;

CREATE POLICY device_sessions_own ON muster.device_sessions TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY device_sessions_system ON muster.device_sessions TO muster_system USING (true);

ALTER TABLE muster.devices ENABLE ROW LEVEL SECURITY;

CREATE POLICY devices_own ON muster.devices TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY devices_system_read ON muster.devices FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.edge_orders ENABLE ROW LEVEL SECURITY;

CREATE POLICY edge_orders_own ON muster.edge_orders TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY edge_orders_system ON muster.edge_orders TO muster_system USING (true);

ALTER TABLE muster.est_settings ENABLE ROW LEVEL SECURITY;

CREATE POLICY est_settings_own ON muster.est_settings TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY est_settings_system_read ON muster.est_settings FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.external_credentials ENABLE ROW LEVEL SECURITY;

CREATE POLICY external_credentials_own ON muster.external_credentials TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY external_credentials_system_read ON muster.external_credentials FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.external_crls ENABLE ROW LEVEL SECURITY;

CREATE POLICY external_crls_own ON muster.external_crls TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY external_crls_system_read ON muster.external_crls FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.external_revocations ENABLE ROW LEVEL SECURITY;

CREATE POLICY external_revocations_own ON muster.external_revocations TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY external_revocations_system_read ON muster.external_revocations FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.group_policies ENABLE ROW LEVEL SECURITY;

CREATE POLICY group_policies_own ON muster.group_policies TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY group_policies_system_read ON muster.group_policies FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.idempotency_records ENABLE ROW LEVEL SECURITY;

CREATE POLICY idempotency_records_own ON muster.idempotency_records TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY idempotency_records_system ON muster.idempotency_records TO muster_system USING ((tenant_id = '00000000-0000-0000-0000-000000000000'::uuid));

CREATE POLICY idempotency_records_system_old ON muster.idempotency_records FOR SELECT TO muster_system USING ((created_at < (now() - '1 day'::interval)));

CREATE POLICY idempotency_records_system_prune ON muster.idempotency_records FOR DELETE TO muster_system USING ((created_at < (now() - '1 day'::interval)));

ALTER TABLE muster.incident_certificates ENABLE ROW LEVEL SECURITY;

CREATE POLICY incident_certificates_own ON muster.incident_certificates TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY incident_certificates_system_read ON muster.incident_certificates FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.incidents ENABLE ROW LEVEL SECURITY;

CREATE POLICY incidents_own ON muster.incidents TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY incidents_system_read ON muster.incidents FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.issuer_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY issuer_keys_own ON muster.issuer_keys TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY issuer_keys_system_make ON muster.issuer_keys FOR INSERT TO muster_system WITH CHECK ((tenant_id IS NULL));

CREATE POLICY issuer_keys_system_read ON muster.issuer_keys FOR SELECT TO muster_system USING (true);

CREATE POLICY issuer_keys_system_rewrap ON muster.issuer_keys FOR UPDATE TO muster_system USING (true);

ALTER TABLE muster.issuers ENABLE ROW LEVEL SECURITY;

CREATE POLICY issuers_own ON muster.issuers TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY issuers_system_change ON muster.issuers FOR UPDATE TO muster_system USING (true);

CREATE POLICY issuers_system_make ON muster.issuers FOR INSERT TO muster_system WITH CHECK ((tenant_id IS NULL));

CREATE POLICY issuers_system_read ON muster.issuers FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.policies ENABLE ROW LEVEL SECURITY;

CREATE POLICY policies_own ON muster.policies TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY policies_system_read ON muster.policies FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.profiles ENABLE ROW LEVEL SECURITY;

CREATE POLICY profiles_own ON muster.profiles TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY profiles_system_read ON muster.profiles FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.renewal_settings ENABLE ROW LEVEL SECURITY;

CREATE POLICY renewal_settings_own ON muster.renewal_settings TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY renewal_settings_system_read ON muster.renewal_settings FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.tenants ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenants_own ON muster.tenants TO muster_tenant USING ((id = muster.current_tenant()));

CREATE POLICY tenants_system_change ON muster.tenants FOR UPDATE TO muster_system USING (((status <> 'deleted'::text) OR (gone_number IS NULL))) WITH CHECK (true);

CREATE POLICY tenants_system_make ON muster.tenants FOR INSERT TO muster_system WITH CHECK ((status = 'active'::text));

CREATE POLICY tenants_system_read ON muster.tenants FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.tokens ENABLE ROW LEVEL SECURITY;

CREATE POLICY tokens_own ON muster.tokens TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY tokens_system_make ON muster.tokens FOR INSERT TO muster_system WITH CHECK ((tenant_id IS NULL));

CREATE POLICY tokens_system_read ON muster.tokens FOR SELECT TO muster_system USING (true);

CREATE POLICY tokens_system_revoke ON muster.tokens FOR UPDATE TO muster_system USING ((tenant_id IS NULL));

ALTER TABLE muster.transparency_groups ENABLE ROW LEVEL SECURITY;

CREATE POLICY transparency_groups_own ON muster.transparency_groups TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY transparency_groups_system_read ON muster.transparency_groups FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.trust_anchors ENABLE ROW LEVEL SECURITY;

CREATE POLICY trust_anchors_own ON muster.trust_anchors TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY trust_anchors_system_read ON muster.trust_anchors FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.used_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY used_keys_own ON muster.used_keys TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY used_keys_system_make ON muster.used_keys FOR INSERT TO muster_system WITH CHECK ((tenant_id IS NULL));

CREATE POLICY used_keys_system_read ON muster.used_keys FOR SELECT TO muster_system USING ((tenant_id IS NULL));

GRANT USAGE ON SCHEMA muster TO muster_tenant;
GRANT USAGE ON SCHEMA muster TO muster_system;

REVOKE ALL ON FUNCTION muster.advance_transparency_head(p_first bigint, p_count bigint, p_frontier bytea[], p_checkpoint text, p_heights integer[], p_positions bigint[], p_hashes bytea[]) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.advance_transparency_head(p_first bigint, p_count bigint, p_frontier bytea[], p_checkpoint text, p_heights integer[], p_positions bigint[], p_hashes bytea[]) TO muster_tenant;

REVOKE ALL ON FUNCTION muster.bar_edge_role(p_edge uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.bar_edge_role(p_edge uuid) TO muster_system;

REVOKE ALL ON FUNCTION muster.check_inserted() FROM PUBLIC;

REVOKE ALL ON FUNCTION muster.claim_sessions(p_edge uuid, p_tenants uuid[], p_incarnations uuid[], p_tenant_ids uuid[], p_devices uuid[], p_connections uuid[], p_ages_ms bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.claim_sessions(p_edge uuid, p_tenants uuid[], p_incarnations uuid[], p_tenant_ids uuid[], p_devices uuid[], p_connections uuid[], p_ages_ms bigint[]) TO muster_system;

REVOKE ALL ON FUNCTION muster.create_edge_role(p_edge uuid, p_verifier text) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.create_edge_role(p_edge uuid, p_verifier text) TO muster_system;

REVOKE ALL ON FUNCTION muster.current_tenant() FROM PUBLIC;
GRANT ALL ON FUNCTION muster.current_tenant() TO muster_tenant;
GRANT ALL ON FUNCTION muster.current_tenant() TO muster_system;

REVOKE ALL ON FUNCTION muster.database_identity(OUT system_identifier bigint, OUT timeline integer) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.database_identity(OUT system_identifier bigint, OUT timeline integer) TO muster_system;

REVOKE ALL ON FUNCTION muster.drop_edge_role(p_edge uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.drop_edge_role(p_edge uuid) TO muster_system;

REVOKE ALL ON FUNCTION muster.edges_have_applied(p_tenant uuid, p_number bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.edges_have_applied(p_tenant uuid, p_number bigint) TO muster_tenant;
GRANT ALL ON FUNCTION muster.edges_have_applied(p_tenant uuid, p_number bigint) TO muster_system;

REVOKE ALL ON FUNCTION muster.keep_issuer() FROM PUBLIC;

REVOKE ALL ON FUNCTION muster.lock_transparency_head(OUT size bigint, OUT frontier bytea[]) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.lock_transparency_head(OUT size bigint, OUT frontier bytea[]) TO muster_tenant;

REVOKE ALL ON FUNCTION muster.note_revocation() FROM PUBLIC;

REVOKE ALL ON FUNCTION muster.order_commands(p_edge uuid, p_tenant uuid, p_device uuid, p_connection uuid, p_command uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.order_commands(p_edge uuid, p_tenant uuid, p_device uuid, p_connection uuid, p_command uuid) TO muster_tenant;
GRANT ALL ON FUNCTION muster.order_commands(p_edge uuid, p_tenant uuid, p_device uuid, p_connection uuid, p_command uuid) TO muster_system;

REVOKE ALL ON FUNCTION muster.take_change_numbers(p_count integer) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.take_change_numbers(p_count integer) TO muster_tenant;
GRANT ALL ON FUNCTION muster.take_change_numbers(p_count integer) TO muster_system;

REVOKE ALL ON FUNCTION muster.take_connects(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.take_connects(p_limit integer) TO muster_system;

REVOKE ALL ON FUNCTION muster.wake_edge(p_edge uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.wake_edge(p_edge uuid) TO muster_tenant;
GRANT ALL ON FUNCTION muster.wake_edge(p_edge uuid) TO muster_system;

GRANT SELECT ON TABLE muster.audit_chain TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.audit_chain TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.audit_events TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.audit_events TO muster_system;

GRANT INSERT ON TABLE muster.audit_unchained TO muster_tenant;
GRANT SELECT,INSERT,DELETE ON TABLE muster.audit_unchained TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.batch_certificates TO muster_tenant;
GRANT SELECT,DELETE ON TABLE muster.batch_certificates TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.batch_results TO muster_tenant;
GRANT SELECT,DELETE ON TABLE muster.batch_results TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.batches TO muster_tenant;
GRANT SELECT,DELETE ON TABLE muster.batches TO muster_system;

GRANT UPDATE(status) ON TABLE muster.batches TO muster_tenant;

GRANT UPDATE(lines) ON TABLE muster.batches TO muster_tenant;

GRANT SELECT,INSERT ON TABLE muster.bulk_revocations TO muster_tenant;
GRANT SELECT,DELETE ON TABLE muster.bulk_revocations TO muster_system;

GRANT UPDATE(status) ON TABLE muster.bulk_revocations TO muster_tenant;

GRANT UPDATE(revoked) ON TABLE muster.bulk_revocations TO muster_tenant;

GRANT UPDATE(already_revoked) ON TABLE muster.bulk_revocations TO muster_tenant;

GRANT UPDATE(not_found) ON TABLE muster.bulk_revocations TO muster_tenant;

GRANT UPDATE(next_position) ON TABLE muster.bulk_revocations TO muster_tenant;

GRANT UPDATE(after_not_after) ON TABLE muster.bulk_revocations TO muster_tenant;

GRANT UPDATE(after_id) ON TABLE muster.bulk_revocations TO muster_tenant;

GRANT UPDATE(finished_at) ON TABLE muster.bulk_revocations TO muster_tenant;

GRANT SELECT,INSERT ON TABLE muster.certificate_intents TO muster_tenant;
GRANT SELECT,DELETE ON TABLE muster.certificate_intents TO muster_system;

GRANT UPDATE(revoked_at) ON TABLE muster.certificate_intents TO muster_system;

GRANT UPDATE(revocation_reason) ON TABLE muster.certificate_intents TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.certificates TO muster_tenant;
GRANT SELECT ON TABLE muster.certificates TO muster_system;

GRANT UPDATE(status) ON TABLE muster.certificates TO muster_tenant;

GRANT UPDATE(revoked_at) ON TABLE muster.certificates TO muster_tenant;

GRANT UPDATE(revocation_reason) ON TABLE muster.certificates TO muster_tenant;

GRANT SELECT ON TABLE muster.change_counter TO muster_system;

GRANT UPDATE(epoch) ON TABLE muster.change_counter TO muster_system;

GRANT UPDATE(pruned_number) ON TABLE muster.change_counter TO muster_system;

GRANT UPDATE(system_identifier) ON TABLE muster.change_counter TO muster_system;

GRANT UPDATE(timeline) ON TABLE muster.change_counter TO muster_system;

GRANT INSERT ON TABLE muster.changes TO muster_tenant;
GRANT SELECT,INSERT,DELETE ON TABLE muster.changes TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.claims TO muster_tenant;
GRANT SELECT ON TABLE muster.claims TO muster_system;

GRANT UPDATE(uses) ON TABLE muster.claims TO muster_tenant;

GRANT UPDATE(revoked_at) ON TABLE muster.claims TO muster_tenant;

GRANT SELECT,INSERT,DELETE ON TABLE muster.crl_parts TO muster_system;

GRANT SELECT,INSERT,UPDATE ON TABLE muster.crls TO muster_system;

GRANT SELECT,INSERT,DELETE ON TABLE muster.cross_certificates TO muster_tenant;
GRANT SELECT ON TABLE muster.cross_certificates TO muster_system;

GRANT SELECT ON TABLE muster.deployment TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.deployment TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.device_commands TO muster_tenant;
GRANT SELECT,DELETE ON TABLE muster.device_commands TO muster_system;

GRANT UPDATE(sent_at) ON TABLE muster.device_commands TO muster_system;

GRANT UPDATE(sent_count) ON TABLE muster.device_commands TO muster_system;

GRANT UPDATE(answered_at) ON TABLE muster.device_commands TO muster_system;

GRANT SELECT,INSERT,DELETE ON TABLE muster.device_grants TO muster_tenant;
GRANT SELECT ON TABLE muster.device_grants TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.device_sessions TO muster_tenant;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE muster.device_sessions TO muster_system;

GRANT UPDATE(device_id) ON TABLE muster.device_sessions TO muster_tenant;

GRANT SELECT,INSERT,UPDATE ON TABLE muster.devices TO muster_tenant;
GRANT SELECT ON TABLE muster.devices TO muster_system;

GRANT SELECT,INSERT,DELETE ON TABLE muster.edge_events TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.edge_orders TO muster_tenant;
GRANT SELECT,INSERT,DELETE ON TABLE muster.edge_orders TO muster_system;

GRANT SELECT,INSERT,UPDATE ON TABLE muster.edges TO muster_system;

GRANT SELECT,INSERT,UPDATE ON TABLE muster.est_settings TO muster_tenant;
GRANT SELECT ON TABLE muster.est_settings TO muster_system;

GRANT SELECT,INSERT,DELETE ON TABLE muster.external_credentials TO muster_tenant;
GRANT SELECT ON TABLE muster.external_credentials TO muster_system;

GRANT UPDATE(device_id) ON TABLE muster.external_credentials TO muster_tenant;

GRANT UPDATE(self_registered) ON TABLE muster.external_credentials TO muster_tenant;

GRANT UPDATE(created_at) ON TABLE muster.external_credentials TO muster_tenant;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE muster.external_crls TO muster_tenant;
GRANT SELECT ON TABLE muster.external_crls TO muster_system;

GRANT SELECT,INSERT,DELETE ON TABLE muster.external_revocations TO muster_tenant;
GRANT SELECT ON TABLE muster.external_revocations TO muster_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE muster.group_policies TO muster_tenant;
GRANT SELECT ON TABLE muster.group_policies TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.heartbeat_key TO muster_system;

GRANT UPDATE(kek_id) ON TABLE muster.heartbeat_key TO muster_system;

GRANT UPDATE(blob) ON TABLE muster.heartbeat_key TO muster_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE muster.idempotency_records TO muster_tenant;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE muster.idempotency_records TO muster_system;

GRANT SELECT,INSERT,DELETE ON TABLE muster.incident_certificates TO muster_tenant;
GRANT SELECT ON TABLE muster.incident_certificates TO muster_system;

GRANT SELECT,INSERT,DELETE ON TABLE muster.incidents TO muster_tenant;
GRANT SELECT ON TABLE muster.incidents TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.infrastructure_certificates TO muster_system;

GRANT UPDATE(revoked_at) ON TABLE muster.infrastructure_certificates TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.issuer_keys TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.issuer_keys TO muster_system;

GRANT UPDATE(kek_id) ON TABLE muster.issuer_keys TO muster_system;

GRANT UPDATE(blob) ON TABLE muster.issuer_keys TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.issuers TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.issuers TO muster_system;

GRANT UPDATE(status) ON TABLE muster.issuers TO muster_tenant;
GRANT UPDATE(status) ON TABLE muster.issuers TO muster_system;

GRANT UPDATE(certificate) ON TABLE muster.issuers TO muster_tenant;
GRANT UPDATE(certificate) ON TABLE muster.issuers TO muster_system;

GRANT UPDATE(chain) ON TABLE muster.issuers TO muster_tenant;
GRANT UPDATE(chain) ON TABLE muster.issuers TO muster_system;

GRANT UPDATE(not_before) ON TABLE muster.issuers TO muster_tenant;
GRANT UPDATE(not_before) ON TABLE muster.issuers TO muster_system;

GRANT UPDATE(not_after) ON TABLE muster.issuers TO muster_tenant;
GRANT UPDATE(not_after) ON TABLE muster.issuers TO muster_system;

GRANT UPDATE(crl_number) ON TABLE muster.issuers TO muster_system;

GRANT UPDATE(crl_shards) ON TABLE muster.issuers TO muster_tenant;

GRANT SELECT,INSERT,DELETE ON TABLE muster.ocsp_responders TO muster_system;

GRANT SELECT,INSERT,UPDATE ON TABLE muster.policies TO muster_tenant;
GRANT SELECT ON TABLE muster.policies TO muster_system;

GRANT SELECT,INSERT,DELETE ON TABLE muster.profiles TO muster_tenant;
GRANT SELECT ON TABLE muster.profiles TO muster_system;

GRANT UPDATE(issuer_id) ON TABLE muster.profiles TO muster_tenant;

GRANT UPDATE(validity_seconds) ON TABLE muster.profiles TO muster_tenant;

GRANT UPDATE(backdate_seconds) ON TABLE muster.profiles TO muster_tenant;

GRANT UPDATE(key_algorithms) ON TABLE muster.profiles TO muster_tenant;

GRANT UPDATE(short_lived) ON TABLE muster.profiles TO muster_tenant;

GRANT UPDATE(crl_pointer) ON TABLE muster.profiles TO muster_tenant;

GRANT UPDATE(ocsp_pointer) ON TABLE muster.profiles TO muster_tenant;

GRANT UPDATE(updated_at) ON TABLE muster.profiles TO muster_tenant;

GRANT SELECT,INSERT,UPDATE ON TABLE muster.renewal_settings TO muster_tenant;
GRANT SELECT ON TABLE muster.renewal_settings TO muster_system;

GRANT SELECT,DELETE ON TABLE muster.revocations TO muster_system;

GRANT SELECT ON TABLE muster.tenants TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.tenants TO muster_system;

GRANT UPDATE(status) ON TABLE muster.tenants TO muster_system;

GRANT UPDATE(default_policy_id) ON TABLE muster.tenants TO muster_tenant;

GRANT UPDATE(deleted_at) ON TABLE muster.tenants TO muster_system;

GRANT UPDATE(gone_number) ON TABLE muster.tenants TO muster_system;

GRANT UPDATE(limits) ON TABLE muster.tenants TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.tokens TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.tokens TO muster_system;

GRANT UPDATE(revoked_at) ON TABLE muster.tokens TO muster_tenant;
GRANT UPDATE(revoked_at) ON TABLE muster.tokens TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.transparency_groups TO muster_tenant;
GRANT SELECT ON TABLE muster.transparency_groups TO muster_system;

GRANT SELECT ON TABLE muster.transparency_head TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.transparency_key TO muster_system;

GRANT UPDATE(kek_id) ON TABLE muster.transparency_key TO muster_system;

GRANT UPDATE(blob) ON TABLE muster.transparency_key TO muster_system;

GRANT SELECT ON TABLE muster.transparency_nodes TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.trust_anchors TO muster_tenant;
GRANT SELECT ON TABLE muster.trust_anchors TO muster_system;

GRANT UPDATE(status) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(code_sha256) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(code_expires_at) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(self_registration) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(max_devices) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(devices_per_minute) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(device_group) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(denied) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(window_start) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(window_count) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(expired_crl) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(crl_url) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(crl_fetch_seconds) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(crl_next_fetch_at) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(crl_fetch_failure) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(crl_alarmed_at) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT UPDATE(verified_at) ON TABLE muster.trust_anchors TO muster_tenant;

GRANT SELECT,INSERT ON TABLE muster.used_keys TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.used_keys TO muster_system;

GRANT UPDATE(blocked_at) ON TABLE muster.used_keys TO muster_tenant;

