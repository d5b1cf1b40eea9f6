-- SPDX-License-Identifier: Apache-2.0
-- Why: tenants' own PKI: trust anchors with proof of possession, their CRLs, and which device may come by which anchor.
-- Lock: muster.changes for a scan of its constraint. Duration: seconds with a week of changes. Needed by: registry from
-- version 0.2.

CREATE TABLE muster.trust_anchors (
  tenant_id           uuid        NOT NULL CONSTRAINT trust_anchors_tenant_known REFERENCES muster.tenants (id),
  id                  uuid        NOT NULL DEFAULT gen_random_uuid(),
  status              text        NOT NULL DEFAULT 'unverified' CONSTRAINT trust_anchors_status_known CHECK
                      (status IN ('unverified', 'active', 'no-new-devices', 'suspended', 'revoked', 'deleted')),
  spki_sha256         bytea       NOT NULL CONSTRAINT trust_anchors_spki_whole CHECK (octet_length(spki_sha256) = 32),
  subject             bytea       NOT NULL,  -- Name, DER
  certificate         bytea       NOT NULL,  -- DER
  intermediates       bytea[]     NOT NULL CONSTRAINT trust_anchors_intermediates_bounded
                                  CHECK (cardinality(intermediates) <= 4),
  not_after           timestamptz NOT NULL,
  device_id_from      text        NOT NULL CONSTRAINT trust_anchors_source_known
                                  CHECK (device_id_from IN ('uri-san', 'dns-san', 'cn', 'serial-number')),
  device_id_prefix    text        NOT NULL CONSTRAINT trust_anchors_prefix_bounded
                                  CHECK (octet_length(device_id_prefix) <= 256),
  code_sha256         bytea       CONSTRAINT trust_anchors_code_whole CHECK (octet_length(code_sha256) = 32),
  code_expires_at     timestamptz,
  self_registration   boolean     NOT NULL DEFAULT false,
  max_devices         integer     NOT NULL CONSTRAINT trust_anchors_max_devices_positive CHECK (max_devices > 0),
  devices_per_minute  integer     NOT NULL CONSTRAINT trust_anchors_rate_positive CHECK (devices_per_minute > 0),
  device_group        text        NOT NULL DEFAULT '',  -- of devices that register themselves; '': none
  denied              text[]      NOT NULL CONSTRAINT trust_anchors_denied_bounded CHECK (cardinality(denied) <= 1000),
  window_start        timestamptz NOT NULL DEFAULT '-infinity',  -- of the minute that window_count counts
  window_count        integer     NOT NULL DEFAULT 0,
  expired_crl         text        NOT NULL CONSTRAINT trust_anchors_expired_crl_known
                                  CHECK (expired_crl IN ('fail-closed', 'last-known-good')),
  crl_url             text        NOT NULL DEFAULT '' CONSTRAINT trust_anchors_crl_url_bounded
                                  CHECK (octet_length(crl_url) <= 1024),
  crl_fetch_seconds   integer     NOT NULL CONSTRAINT trust_anchors_crl_fetch_range
                                  CHECK (crl_fetch_seconds BETWEEN 60 AND 604800),
  crl_next_fetch_at   timestamptz NOT NULL DEFAULT '-infinity',
  crl_fetch_failure   text        NOT NULL DEFAULT '',  -- reason of the last one; '': it succeeded, or there was none
  crl_alarmed_at      timestamptz,                      -- when the audit was told that a CRL had expired
  created_at          timestamptz NOT NULL DEFAULT now(),
  verified_at         timestamptz,
  CONSTRAINT trust_anchors_pk PRIMARY KEY (tenant_id, id),
  CONSTRAINT trust_anchors_code_fits CHECK ((code_sha256 IS NULL) = (code_expires_at IS NULL)),
  CONSTRAINT trust_anchors_proof_came_first
    CHECK (verified_at IS NOT NULL OR status IN ('unverified', 'revoked', 'deleted'))
);
COMMENT ON COLUMN muster.trust_anchors.code_sha256 IS 'of the one-time code; NULL once it was used';
CREATE UNIQUE INDEX trust_anchors_live_key_unique ON muster.trust_anchors (tenant_id, spki_sha256)
  WHERE status <> 'deleted';
CREATE INDEX trust_anchors_fetch ON muster.trust_anchors (crl_next_fetch_at) WHERE crl_url <> '' AND status <> 'deleted';

CREATE TABLE muster.external_crls (
  tenant_id   uuid        NOT NULL,
  anchor_id   uuid        NOT NULL,
  issuer_key  bytea       NOT NULL CONSTRAINT external_crls_key_whole CHECK (octet_length(issuer_key) = 32),
  scope       bytea       NOT NULL CONSTRAINT external_crls_scope_whole CHECK (octet_length(scope) = 32),
  number      text        NOT NULL,  -- cRLNumber, lower-case hexadecimal; '': the CRL has none
  this_update timestamptz NOT NULL,
  next_update timestamptz NOT NULL,
  entries     integer     NOT NULL,
  revoked     bytea       NOT NULL CONSTRAINT external_crls_revoked_whole
                          CHECK (octet_length(revoked) = entries * 16),
  source      text        NOT NULL CONSTRAINT external_crls_source_known CHECK (source IN ('upload', 'fetch')),
  received_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT external_crls_pk PRIMARY KEY (tenant_id, anchor_id, issuer_key, scope),
  CONSTRAINT external_crls_anchor_known FOREIGN KEY (tenant_id, anchor_id) REFERENCES muster.trust_anchors (tenant_id, id)
);
COMMENT ON COLUMN muster.external_crls.scope IS 'hash of which certificates it speaks for: a CA may have several CRLs';
COMMENT ON COLUMN muster.external_crls.revoked IS 'keys of 16 octets, sorted (x509::revocation_key)';

-- Certificates that somebody revoked here, whatever the CRLs say.
CREATE TABLE muster.external_revocations (
  tenant_id      uuid        NOT NULL,
  anchor_id      uuid        NOT NULL,
  certificate_id bytea       NOT NULL CONSTRAINT external_revocations_id_whole CHECK (octet_length(certificate_id) = 32),
  revoked_at     timestamptz NOT NULL,
  CONSTRAINT external_revocations_pk PRIMARY KEY (tenant_id, anchor_id, certificate_id),
  CONSTRAINT external_revocations_anchor_known
    FOREIGN KEY (tenant_id, anchor_id) REFERENCES muster.trust_anchors (tenant_id, id)
);

-- Which device may come by which anchor: without a row here no certificate of that PKI is anybody's.
CREATE TABLE muster.external_credentials (
  tenant_id       uuid        NOT NULL,
  id              bytea       NOT NULL CONSTRAINT external_credentials_id_whole CHECK (octet_length(id) = 32),
  anchor_id       uuid        NOT NULL,
  device_id       uuid        NOT NULL,
  self_registered boolean     NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT external_credentials_pk PRIMARY KEY (tenant_id, id),
  CONSTRAINT external_credentials_device_unique UNIQUE (tenant_id, anchor_id, device_id),
  CONSTRAINT external_credentials_anchor_known
    FOREIGN KEY (tenant_id, anchor_id) REFERENCES muster.trust_anchors (tenant_id, id),
  CONSTRAINT external_credentials_device_known
    FOREIGN KEY (tenant_id, device_id) REFERENCES muster.devices (tenant_id, id)
);
COMMENT ON COLUMN muster.external_credentials.id IS 'x509::external_credential_id';

ALTER TABLE muster.changes
  DROP CONSTRAINT changes_kind_known,
  DROP CONSTRAINT changes_entity_whole,
  ADD CONSTRAINT changes_kind_known CHECK (entity_kind BETWEEN 1 AND 7),
  ADD CONSTRAINT changes_entity_whole
    CHECK (octet_length(entity_id) = CASE WHEN entity_kind IN (5, 7) THEN 32 ELSE 16 END);
COMMENT ON COLUMN muster.changes.entity_kind IS
  '1 tenant, 2 issuer, 3 policy, 4 device, 5 certificate, 6 trust anchor, 7 external credential';

ALTER TABLE muster.trust_anchors ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.trust_anchors FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.external_crls ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.external_crls FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.external_revocations ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.external_revocations FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.external_credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.external_credentials FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT ON muster.trust_anchors TO muster_tenant;
-- Key, certificate and rule stay what was proved.
GRANT UPDATE (status, code_sha256, code_expires_at, self_registration, max_devices, devices_per_minute, device_group,
  denied, window_start, window_count, expired_crl, crl_url, crl_fetch_seconds, crl_next_fetch_at, crl_fetch_failure,
  crl_alarmed_at, verified_at) ON muster.trust_anchors TO muster_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON muster.external_crls TO muster_tenant;
GRANT SELECT, INSERT, DELETE ON muster.external_revocations TO muster_tenant;
GRANT SELECT, INSERT, UPDATE (device_id, self_registered, created_at), DELETE ON muster.external_credentials
  TO muster_tenant;
GRANT SELECT ON muster.trust_anchors, muster.external_crls, muster.external_revocations, muster.external_credentials
  TO muster_system;

CREATE POLICY trust_anchors_own ON muster.trust_anchors TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY trust_anchors_system_read ON muster.trust_anchors FOR SELECT TO muster_system USING (true);
CREATE POLICY external_crls_own ON muster.external_crls TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY external_crls_system_read ON muster.external_crls FOR SELECT TO muster_system USING (true);
CREATE POLICY external_revocations_own ON muster.external_revocations TO muster_tenant
  USING (tenant_id = muster.current_tenant());
CREATE POLICY external_revocations_system_read ON muster.external_revocations FOR SELECT TO muster_system USING (true);
CREATE POLICY external_credentials_own ON muster.external_credentials TO muster_tenant
  USING (tenant_id = muster.current_tenant());
CREATE POLICY external_credentials_system_read ON muster.external_credentials FOR SELECT TO muster_system USING (true);
