
CREATE SCHEMA muster;

COMMENT ON SCHEMA muster IS 'The registry: every transaction runs as muster_tenant or muster_system, never as its login.';

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
    event_id bigint NOT NULL
);

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
    CONSTRAINT certificate_intents_revocation_whole CHECK (((revoked_at IS NULL) = (revocation_reason IS NULL))),
    CONSTRAINT certificate_intents_serial_bounded CHECK (((octet_length(serial) >= 1) AND (octet_length(serial) <= 20))),
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
);
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
CASE entity_kind
    WHEN 5 THEN 32
    ELSE 16
END)),
    CONSTRAINT changes_kind_known CHECK (((entity_kind >= 1) AND (entity_kind <= 5)))
);

ALTER TABLE ONLY muster.changes FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.changes.entity_kind IS '1 tenant, 2 issuer, 3 policy, 4 device, 5 certificate';

CREATE TABLE muster.crls (
    issuer_id uuid NOT NULL,
    shard integer NOT NULL,
    number bigint NOT NULL,
    this_update timestamp with time zone NOT NULL,
    next_update timestamp with time zone NOT NULL,
    crl bytea NOT NULL
);

CREATE TABLE muster.deployment (
    one_row boolean DEFAULT true NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    trust_domain text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT deployment_is_one_row CHECK (one_row),
    CONSTRAINT deployment_trust_domain_bounded CHECK ((octet_length(trust_domain) <= 190))
);

COMMENT ON TABLE muster.deployment IS 'This installation. The id is in the associated data of every wrapped key, the trust domain in every certificate.';

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

CREATE TABLE muster.group_policies (
    tenant_id uuid NOT NULL,
    group_name text NOT NULL,
    policy_id uuid NOT NULL,
    CONSTRAINT group_policies_group_plain CHECK ((group_name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'::text))
);

ALTER TABLE ONLY muster.group_policies FORCE ROW LEVEL SECURITY;

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
    kek_id text NOT NULL,
    blob bytea NOT NULL,
    CONSTRAINT issuer_keys_blob_bounded CHECK ((octet_length(blob) <= 16384)),
    CONSTRAINT issuer_keys_kek_bounded CHECK ((octet_length(kek_id) <= 128)),
    CONSTRAINT issuer_keys_spki_whole CHECK ((octet_length(spki_sha256) = 32))
);

ALTER TABLE ONLY muster.issuer_keys FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.issuer_keys.blob IS 'encrypted and bound to deployment, tenant, issuer and key (ca/wrapped_key.h)';

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
    CONSTRAINT issuers_kind_fits CHECK (((kind = 'tenant-issuing'::text) = (tenant_id IS NOT NULL))),
    CONSTRAINT issuers_kind_known CHECK ((kind = ANY (ARRAY['device-root'::text, 'device-intermediate'::text, 'tenant-issuing'::text, 'infrastructure-root'::text]))),
    CONSTRAINT issuers_spki_whole CHECK ((octet_length(spki_sha256) = 32)),
    CONSTRAINT issuers_status_known CHECK ((status = ANY (ARRAY['prepare'::text, 'active'::text, 'retiring'::text, 'retired'::text])))
);

ALTER TABLE ONLY muster.issuers FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.policies (
    tenant_id uuid NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    rule_actions text[] NOT NULL,
    rule_filters text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT policies_actions_known CHECK ((rule_actions <@ ARRAY['publish'::text, 'subscribe'::text])),
    CONSTRAINT policies_name_plain CHECK ((name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text)),
    CONSTRAINT policies_rules_bounded CHECK ((cardinality(rule_actions) <= 64)),
    CONSTRAINT policies_rules_paired CHECK ((cardinality(rule_actions) = cardinality(rule_filters))),
    CONSTRAINT policies_status_known CHECK ((status = ANY (ARRAY['active'::text, 'deleted'::text])))
);

ALTER TABLE ONLY muster.policies FORCE ROW LEVEL SECURITY;

CREATE TABLE muster.tenants (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    default_policy_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    gone_number bigint,
    CONSTRAINT tenants_deletion_whole CHECK (((status = 'deleted'::text) = (deleted_at IS NOT NULL))),
    CONSTRAINT tenants_name_plain CHECK (((name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text) AND (name !~ '^xn--'::text))),
    CONSTRAINT tenants_status_known CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'deleting'::text, 'deleted'::text])))
);

ALTER TABLE ONLY muster.tenants FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.tenants.default_policy_id IS 'NULL: the built-in default policy';

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
    ELSE (tenant_id IS NOT NULL)
END),
    CONSTRAINT tokens_role_known CHECK ((role = ANY (ARRAY['platform-admin'::text, 'tenant-admin'::text, 'factory'::text, 'auditor'::text, 'application'::text]))),
    CONSTRAINT tokens_sha256_whole CHECK ((octet_length(sha256) = 32))
);

ALTER TABLE ONLY muster.tokens FORCE ROW LEVEL SECURITY;

COMMENT ON COLUMN muster.tokens.sha256 IS 'of the token''s text; the token itself is 32 random octets and not kept';

COMMENT ON COLUMN muster.tokens.devices IS 'names of devices whose first certificate this factory may have though it did not create them';

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

ALTER TABLE ONLY muster.batch_results
    ADD CONSTRAINT batch_results_pk PRIMARY KEY (tenant_id, batch_id, line);

ALTER TABLE ONLY muster.batches
    ADD CONSTRAINT batches_pk PRIMARY KEY (tenant_id, id);

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

ALTER TABLE ONLY muster.crls
    ADD CONSTRAINT crls_pk PRIMARY KEY (issuer_id, shard);

ALTER TABLE ONLY muster.deployment
    ADD CONSTRAINT deployment_pk PRIMARY KEY (one_row);

ALTER TABLE ONLY muster.devices
    ADD CONSTRAINT devices_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.edge_events
    ADD CONSTRAINT edge_events_pk PRIMARY KEY (edge_id, id);

ALTER TABLE ONLY muster.edges
    ADD CONSTRAINT edges_join_token_unique UNIQUE (join_token_sha256);

ALTER TABLE ONLY muster.edges
    ADD CONSTRAINT edges_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.group_policies
    ADD CONSTRAINT group_policies_pk PRIMARY KEY (tenant_id, group_name);

ALTER TABLE ONLY muster.idempotency_records
    ADD CONSTRAINT idempotency_records_pk PRIMARY KEY (tenant_id, caller, method, path, key);

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

ALTER TABLE ONLY muster.policies
    ADD CONSTRAINT policies_pk PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY muster.tenants
    ADD CONSTRAINT tenants_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.tokens
    ADD CONSTRAINT tokens_pk PRIMARY KEY (id);

ALTER TABLE ONLY muster.tokens
    ADD CONSTRAINT tokens_sha256_unique UNIQUE (sha256);

ALTER TABLE ONLY muster.used_keys
    ADD CONSTRAINT used_keys_pk PRIMARY KEY (spki_sha256);

CREATE INDEX audit_events_tenant ON muster.audit_events USING btree (tenant_id, id);

CREATE INDEX batches_age ON muster.batches USING btree (created_at);

CREATE INDEX certificate_intents_age ON muster.certificate_intents USING btree (created_at);

CREATE INDEX certificate_intents_revoked ON muster.certificate_intents USING btree (issuer_id) WHERE (revoked_at IS NOT NULL);

CREATE INDEX certificates_device ON muster.certificates USING btree (tenant_id, device_id);

CREATE INDEX certificates_expiry ON muster.certificates USING btree (tenant_id, not_after, id);

CREATE INDEX certificates_revoked ON muster.certificates USING btree (issuer_id, crl_shard) WHERE (status = 'revoked'::text);

CREATE INDEX changes_age ON muster.changes USING btree (committed_at);

CREATE INDEX devices_groups ON muster.devices USING gin (groups) WHERE (groups <> '{}'::text[]);

CREATE INDEX devices_labels ON muster.devices USING gin (labels jsonb_path_ops) WHERE (labels <> '{}'::jsonb);

CREATE UNIQUE INDEX devices_live_name_unique ON muster.devices USING btree (tenant_id, name) WHERE (status <> 'deleted'::text);

CREATE INDEX devices_policy ON muster.devices USING btree (tenant_id, policy_id) WHERE (policy_id IS NOT NULL);

CREATE INDEX devices_tombstone_name ON muster.devices USING btree (tenant_id, name) WHERE (status = 'deleted'::text);

CREATE INDEX edge_events_age ON muster.edge_events USING btree (received_at);

CREATE UNIQUE INDEX edges_live_name_unique ON muster.edges USING btree (name) WHERE (status <> 'removed'::text);

CREATE INDEX group_policies_policy ON muster.group_policies USING btree (tenant_id, policy_id);

CREATE INDEX idempotency_records_age ON muster.idempotency_records USING btree (created_at);

CREATE INDEX infrastructure_certificates_edge ON muster.infrastructure_certificates USING btree (edge_id);

CREATE UNIQUE INDEX issuers_active_unique ON muster.issuers USING btree (kind, COALESCE(tenant_id, '00000000-0000-0000-0000-000000000000'::uuid)) WHERE (status = 'active'::text);

CREATE UNIQUE INDEX policies_live_name_unique ON muster.policies USING btree (tenant_id, name) WHERE (status = 'active'::text);

CREATE UNIQUE INDEX tenants_live_name_unique ON muster.tenants USING btree (name) WHERE (status <> 'deleted'::text);

CREATE INDEX tenants_tombstone_name ON muster.tenants USING btree (name) WHERE (status = 'deleted'::text);

CREATE INDEX tokens_tenant ON muster.tokens USING btree (tenant_id, created_at, id);

ALTER TABLE ONLY muster.audit_chain
    ADD CONSTRAINT audit_chain_event_known FOREIGN KEY (event_id) REFERENCES muster.audit_events(id);

ALTER TABLE ONLY muster.batch_results
    ADD CONSTRAINT batch_results_batch_known FOREIGN KEY (tenant_id, batch_id) REFERENCES muster.batches(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY muster.batches
    ADD CONSTRAINT batches_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.certificate_intents
    ADD CONSTRAINT certificate_intents_device_known FOREIGN KEY (tenant_id, device_id) REFERENCES muster.devices(tenant_id, id);

ALTER TABLE ONLY muster.certificate_intents
    ADD CONSTRAINT certificate_intents_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers(tenant_id, id);

ALTER TABLE ONLY muster.certificates
    ADD CONSTRAINT certificates_device_known FOREIGN KEY (tenant_id, device_id) REFERENCES muster.devices(tenant_id, id);

ALTER TABLE ONLY muster.certificates
    ADD CONSTRAINT certificates_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers(tenant_id, id);

ALTER TABLE ONLY muster.crls
    ADD CONSTRAINT crls_issuer_known FOREIGN KEY (issuer_id) REFERENCES muster.issuers(id);

ALTER TABLE ONLY muster.devices
    ADD CONSTRAINT devices_policy_known FOREIGN KEY (tenant_id, policy_id) REFERENCES muster.policies(tenant_id, id);

ALTER TABLE ONLY muster.devices
    ADD CONSTRAINT devices_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.edge_events
    ADD CONSTRAINT edge_events_edge_known FOREIGN KEY (edge_id) REFERENCES muster.edges(id);

ALTER TABLE ONLY muster.group_policies
    ADD CONSTRAINT group_policies_policy_known FOREIGN KEY (tenant_id, policy_id) REFERENCES muster.policies(tenant_id, id);

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

ALTER TABLE ONLY muster.policies
    ADD CONSTRAINT policies_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE ONLY muster.tenants
    ADD CONSTRAINT tenants_default_policy_known FOREIGN KEY (id, default_policy_id) REFERENCES muster.policies(tenant_id, id);

ALTER TABLE ONLY muster.tokens
    ADD CONSTRAINT tokens_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants(id);

ALTER TABLE muster.audit_chain ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_chain_own ON muster.audit_chain FOR SELECT TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY audit_chain_system_read ON muster.audit_chain FOR SELECT TO muster_system USING (true);

CREATE POLICY audit_chain_system_write ON muster.audit_chain FOR INSERT TO muster_system WITH CHECK (true);

ALTER TABLE muster.audit_events ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_events_own ON muster.audit_events TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY audit_events_system_read ON muster.audit_events FOR SELECT TO muster_system USING (true);

CREATE POLICY audit_events_system_write ON muster.audit_events FOR INSERT TO muster_system WITH CHECK (true);

ALTER TABLE muster.batch_results ENABLE ROW LEVEL SECURITY;

CREATE POLICY batch_results_own ON muster.batch_results TO muster_tenant USING ((tenant_id = muster.current_tenant()));

ALTER TABLE muster.batches ENABLE ROW LEVEL SECURITY;

CREATE POLICY batches_own ON muster.batches TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY batches_system_prune ON muster.batches FOR DELETE TO muster_system USING (true);

CREATE POLICY batches_system_read ON muster.batches FOR SELECT TO muster_system USING (true);

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

ALTER TABLE muster.devices ENABLE ROW LEVEL SECURITY;

CREATE POLICY devices_own ON muster.devices TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY devices_system_read ON muster.devices FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.group_policies ENABLE ROW LEVEL SECURITY;

CREATE POLICY group_policies_own ON muster.group_policies TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY group_policies_system_read ON muster.group_policies FOR SELECT TO muster_system USING (true);

ALTER TABLE muster.idempotency_records ENABLE ROW LEVEL SECURITY;

CREATE POLICY idempotency_records_own ON muster.idempotency_records TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY idempotency_records_system ON muster.idempotency_records TO muster_system USING ((tenant_id = '00000000-0000-0000-0000-000000000000'::uuid));

CREATE POLICY idempotency_records_system_old ON muster.idempotency_records FOR SELECT TO muster_system USING ((created_at < (now() - '1 day'::interval)));

CREATE POLICY idempotency_records_system_prune ON muster.idempotency_records FOR DELETE TO muster_system USING ((created_at < (now() - '1 day'::interval)));

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

ALTER TABLE muster.used_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY used_keys_own ON muster.used_keys TO muster_tenant USING ((tenant_id = muster.current_tenant()));

CREATE POLICY used_keys_system_make ON muster.used_keys FOR INSERT TO muster_system WITH CHECK ((tenant_id IS NULL));

CREATE POLICY used_keys_system_read ON muster.used_keys FOR SELECT TO muster_system USING ((tenant_id IS NULL));

GRANT USAGE ON SCHEMA muster TO muster_tenant;
GRANT USAGE ON SCHEMA muster TO muster_system;

REVOKE ALL ON FUNCTION muster.bar_edge_role(p_edge uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.bar_edge_role(p_edge uuid) TO muster_system;

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

REVOKE ALL ON FUNCTION muster.take_change_numbers(p_count integer) FROM PUBLIC;
GRANT ALL ON FUNCTION muster.take_change_numbers(p_count integer) TO muster_tenant;
GRANT ALL ON FUNCTION muster.take_change_numbers(p_count integer) TO muster_system;

GRANT SELECT ON TABLE muster.audit_chain TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.audit_chain TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.audit_events TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.audit_events TO muster_system;

GRANT INSERT ON TABLE muster.audit_unchained TO muster_tenant;
GRANT SELECT,INSERT,DELETE ON TABLE muster.audit_unchained TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.batch_results TO muster_tenant;
GRANT SELECT,DELETE ON TABLE muster.batch_results TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.batches TO muster_tenant;
GRANT SELECT,DELETE ON TABLE muster.batches TO muster_system;

GRANT UPDATE(status) ON TABLE muster.batches TO muster_tenant;

GRANT UPDATE(lines) ON TABLE muster.batches TO muster_tenant;

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

GRANT SELECT,INSERT,UPDATE ON TABLE muster.crls TO muster_system;

GRANT SELECT ON TABLE muster.deployment TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.deployment TO muster_system;

GRANT SELECT,INSERT,UPDATE ON TABLE muster.devices TO muster_tenant;
GRANT SELECT ON TABLE muster.devices TO muster_system;

GRANT SELECT,INSERT,DELETE ON TABLE muster.edge_events TO muster_system;

GRANT SELECT,INSERT,UPDATE ON TABLE muster.edges TO muster_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE muster.group_policies TO muster_tenant;
GRANT SELECT ON TABLE muster.group_policies TO muster_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE muster.idempotency_records TO muster_tenant;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE muster.idempotency_records TO muster_system;

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

GRANT UPDATE(crl_number) ON TABLE muster.issuers TO muster_system;

GRANT SELECT,INSERT,UPDATE ON TABLE muster.policies TO muster_tenant;
GRANT SELECT ON TABLE muster.policies TO muster_system;

GRANT SELECT ON TABLE muster.tenants TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.tenants TO muster_system;

GRANT UPDATE(status) ON TABLE muster.tenants TO muster_system;

GRANT UPDATE(default_policy_id) ON TABLE muster.tenants TO muster_tenant;

GRANT UPDATE(deleted_at) ON TABLE muster.tenants TO muster_system;

GRANT UPDATE(gone_number) ON TABLE muster.tenants TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.tokens TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.tokens TO muster_system;

GRANT UPDATE(revoked_at) ON TABLE muster.tokens TO muster_tenant;
GRANT UPDATE(revoked_at) ON TABLE muster.tokens TO muster_system;

GRANT SELECT,INSERT ON TABLE muster.used_keys TO muster_tenant;
GRANT SELECT,INSERT ON TABLE muster.used_keys TO muster_system;

GRANT UPDATE(blocked_at) ON TABLE muster.used_keys TO muster_tenant;

