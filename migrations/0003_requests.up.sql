-- SPDX-License-Identifier: Apache-2.0
-- Why: who may call (tokens), what was called before (Idempotency-Key) and results that can be fetched again (batches).
-- Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.1.

CREATE TABLE muster.tokens (
  id          uuid        NOT NULL DEFAULT gen_random_uuid() CONSTRAINT tokens_pk PRIMARY KEY,
  tenant_id   uuid        CONSTRAINT tokens_tenant_known REFERENCES muster.tenants (id),  -- NULL: of the platform
  role        text        NOT NULL CONSTRAINT tokens_role_known
                          CHECK (role IN ('platform-admin', 'tenant-admin', 'factory', 'auditor', 'application')),
  description text        NOT NULL CONSTRAINT tokens_description_bounded CHECK (octet_length(description) <= 256),
  sha256      bytea       NOT NULL CONSTRAINT tokens_sha256_unique UNIQUE
                          CONSTRAINT tokens_sha256_whole CHECK (octet_length(sha256) = 32),
  devices     text[]      NOT NULL DEFAULT '{}' CONSTRAINT tokens_devices_bounded CHECK (cardinality(devices) <= 1000),
  created_at  timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz,
  revoked_at  timestamptz,
  -- No tenant can make itself a platform token, whatever the code above does.
  CONSTRAINT tokens_role_fits CHECK (CASE role WHEN 'platform-admin' THEN tenant_id IS NULL WHEN 'auditor' THEN true
                                     ELSE tenant_id IS NOT NULL END),
  CONSTRAINT tokens_devices_fit CHECK (role = 'factory' OR devices = '{}')
);
COMMENT ON COLUMN muster.tokens.devices IS 'names of devices whose first certificate this factory may have though it did not create them';
COMMENT ON COLUMN muster.tokens.sha256 IS 'of the token''s text; the token itself is 32 random octets and not kept';
CREATE INDEX tokens_tenant ON muster.tokens (tenant_id, created_at, id);

CREATE TABLE muster.idempotency_records (
  tenant_id    uuid        NOT NULL,  -- nil: a request without tenant
  caller       text        NOT NULL CONSTRAINT idempotency_caller_bounded CHECK (octet_length(caller) <= 512),
  method       text        NOT NULL CONSTRAINT idempotency_method_bounded CHECK (octet_length(method) <= 16),
  path         text        NOT NULL CONSTRAINT idempotency_path_bounded CHECK (octet_length(path) <= 1024),
  key          text        NOT NULL CONSTRAINT idempotency_key_bounded CHECK (octet_length(key) <= 255),
  body_sha256  bytea       NOT NULL CONSTRAINT idempotency_body_whole CHECK (octet_length(body_sha256) = 32),
  created_at   timestamptz NOT NULL,
  status       smallint    CONSTRAINT idempotency_status_http CHECK (status BETWEEN 100 AND 599),  -- NULL: in progress
  content_type text        NOT NULL DEFAULT '',
  location     text        NOT NULL DEFAULT '',
  body         bytea       NOT NULL DEFAULT '',
  CONSTRAINT idempotency_records_pk PRIMARY KEY (tenant_id, caller, method, path, key)
);
CREATE INDEX idempotency_records_age ON muster.idempotency_records (created_at);

CREATE TABLE muster.batches (
  tenant_id  uuid        NOT NULL CONSTRAINT batches_tenant_known REFERENCES muster.tenants (id),
  id         uuid        NOT NULL DEFAULT gen_random_uuid(),
  created_by text        NOT NULL CONSTRAINT batches_created_by_bounded CHECK (octet_length(created_by) <= 256),
  created_at timestamptz NOT NULL DEFAULT now(),
  status     text        NOT NULL DEFAULT 'running' CONSTRAINT batches_status_known CHECK (status IN ('running', 'done')),
  lines      bigint      NOT NULL DEFAULT 0,
  CONSTRAINT batches_pk PRIMARY KEY (tenant_id, id)
);
CREATE INDEX batches_age ON muster.batches (created_at);

CREATE TABLE muster.batch_results (
  tenant_id uuid   NOT NULL,
  batch_id  uuid   NOT NULL,
  line      bigint NOT NULL CONSTRAINT batch_results_line_positive CHECK (line > 0),
  result    text   NOT NULL,
  CONSTRAINT batch_results_pk PRIMARY KEY (tenant_id, batch_id, line),
  CONSTRAINT batch_results_batch_known FOREIGN KEY (tenant_id, batch_id)
    REFERENCES muster.batches (tenant_id, id) ON DELETE CASCADE
) WITH (toast_tuple_target = 8160);
-- Certificates and their chains: they do not compress, and kept in line they cost one insertion instead of three.
ALTER TABLE muster.batch_results ALTER COLUMN result SET STORAGE EXTERNAL;

ALTER TABLE muster.tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.tokens FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.idempotency_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.idempotency_records FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.batches ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.batches FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.batch_results ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.batch_results FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE (revoked_at) ON muster.tokens TO muster_tenant, muster_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON muster.idempotency_records TO muster_tenant, muster_system;
GRANT SELECT, INSERT, UPDATE (status, lines) ON muster.batches TO muster_tenant;
GRANT SELECT, INSERT ON muster.batch_results TO muster_tenant;
GRANT SELECT, DELETE ON muster.batches, muster.batch_results TO muster_system;

CREATE POLICY tokens_own ON muster.tokens TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY tokens_system_read ON muster.tokens FOR SELECT TO muster_system USING (true);
CREATE POLICY tokens_system_make ON muster.tokens FOR INSERT TO muster_system WITH CHECK (tenant_id IS NULL);
CREATE POLICY tokens_system_revoke ON muster.tokens FOR UPDATE TO muster_system USING (tenant_id IS NULL);
CREATE POLICY idempotency_records_own ON muster.idempotency_records TO muster_tenant
  USING (tenant_id = muster.current_tenant());
CREATE POLICY idempotency_records_system ON muster.idempotency_records TO muster_system
  USING (tenant_id = '00000000-0000-0000-0000-000000000000');
CREATE POLICY idempotency_records_system_old ON muster.idempotency_records FOR SELECT TO muster_system
  USING (created_at < now() - interval '1 day');
CREATE POLICY idempotency_records_system_prune ON muster.idempotency_records FOR DELETE TO muster_system
  USING (created_at < now() - interval '1 day');
CREATE POLICY batches_own ON muster.batches TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY batches_system_read ON muster.batches FOR SELECT TO muster_system USING (true);
CREATE POLICY batches_system_prune ON muster.batches FOR DELETE TO muster_system USING (true);
CREATE POLICY batch_results_own ON muster.batch_results TO muster_tenant USING (tenant_id = muster.current_tenant());
