-- SPDX-License-Identifier: Apache-2.0
-- Why: claims, with which devices enrol themselves, and what a tenant allows over EST (RFC 7030).
-- Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.2.

CREATE TABLE muster.claims (
  tenant_id      uuid        NOT NULL CONSTRAINT claims_tenant_known REFERENCES muster.tenants (id),
  id             uuid        NOT NULL DEFAULT gen_random_uuid(),
  kind           text        NOT NULL CONSTRAINT claims_kind_known CHECK (kind IN ('secret', 'certificate')),
  sha256         bytea       NOT NULL CONSTRAINT claims_sha256_whole CHECK (octet_length(sha256) = 32),
  description    text        NOT NULL CONSTRAINT claims_description_bounded CHECK (octet_length(description) <= 256),
  profile        text        NOT NULL CONSTRAINT claims_profile_plain CHECK (profile ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  group_name     text        CONSTRAINT claims_group_plain CHECK (group_name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  devices        text[]      NOT NULL CONSTRAINT claims_devices_bounded CHECK (cardinality(devices) <= 1000),
  device_pattern text        CONSTRAINT claims_pattern_plain CHECK (device_pattern ~ '^[A-Za-z0-9._*-]{1,128}$'),
  networks       text[]      NOT NULL CONSTRAINT claims_networks_bounded CHECK (cardinality(networks) <= 64),
  may_create     boolean     NOT NULL,
  may_reissue    boolean     NOT NULL,
  max_uses       integer     NOT NULL CONSTRAINT claims_max_uses_bounded CHECK (max_uses BETWEEN 1 AND 1000000),
  uses           integer     NOT NULL DEFAULT 0,
  created_by     text        NOT NULL CONSTRAINT claims_created_by_bounded CHECK (octet_length(created_by) <= 256),
  created_at     timestamptz NOT NULL DEFAULT now(),
  expires_at     timestamptz NOT NULL,
  revoked_at     timestamptz,
  CONSTRAINT claims_pk PRIMARY KEY (tenant_id, id),
  CONSTRAINT claims_uses_counted CHECK (uses BETWEEN 0 AND max_uses),
  -- A claim always says for whom it is, and only one for named devices may replace a certificate.
  CONSTRAINT claims_devices_said CHECK ((cardinality(devices) > 0) <> (device_pattern IS NOT NULL)),
  CONSTRAINT claims_reissue_named CHECK (NOT may_reissue OR device_pattern IS NULL)
);
COMMENT ON COLUMN muster.claims.sha256 IS 'of the secret''s text (it is not kept), or of the claim certificate''s DER';
COMMENT ON COLUMN muster.claims.group_name IS 'devices that it creates come into it; those that exist must be in it';
COMMENT ON COLUMN muster.claims.networks IS 'CIDR blocks that the request must come from; none: from anywhere';
CREATE UNIQUE INDEX claims_open_credential_unique ON muster.claims (tenant_id, sha256) WHERE revoked_at IS NULL;
CREATE INDEX claims_credential ON muster.claims (sha256);
CREATE INDEX claims_newest ON muster.claims (tenant_id, created_at, id);

CREATE TABLE muster.est_settings (
  tenant_id                     uuid    NOT NULL CONSTRAINT est_settings_pk PRIMARY KEY
                                        CONSTRAINT est_settings_tenant_known REFERENCES muster.tenants (id),
  reenroll_after_expiry_seconds integer NOT NULL CONSTRAINT est_settings_reenroll_bounded
                                        CHECK (reenroll_after_expiry_seconds BETWEEN 0 AND 31622400),
  serverkeygen                  boolean NOT NULL,
  unwrapped                     boolean NOT NULL,
  label_names                   text[]  NOT NULL,
  label_forms                   text[]  NOT NULL CONSTRAINT est_settings_forms_known
                                        CHECK (label_forms <@ ARRAY['wrapped', 'unwrapped']),
  label_profiles                text[]  NOT NULL,
  CONSTRAINT est_settings_labels_paired CHECK (cardinality(label_names) = cardinality(label_forms)
                                               AND cardinality(label_names) = cardinality(label_profiles)),
  CONSTRAINT est_settings_labels_bounded CHECK (cardinality(label_names) <= 16)
);
COMMENT ON TABLE muster.est_settings IS 'A tenant without a row has the defaults: nothing that is off by default is on.';
COMMENT ON COLUMN muster.est_settings.unwrapped IS 'base64 without line breaks where the path has no label';

ALTER TABLE muster.claims ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.claims FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.est_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.est_settings FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE (uses, revoked_at) ON muster.claims TO muster_tenant;
GRANT SELECT, INSERT, UPDATE ON muster.est_settings TO muster_tenant;
GRANT SELECT ON muster.claims, muster.est_settings TO muster_system;

CREATE POLICY claims_own ON muster.claims TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY claims_system_read ON muster.claims FOR SELECT TO muster_system USING (true);
CREATE POLICY est_settings_own ON muster.est_settings TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY est_settings_system_read ON muster.est_settings FOR SELECT TO muster_system USING (true);
