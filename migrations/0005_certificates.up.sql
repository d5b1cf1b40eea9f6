-- SPDX-License-Identifier: Apache-2.0
-- Why: device certificates in the order of issuing (design.md §5): intent, signature, certificate; and their CRLs.
-- Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.1.

CREATE TABLE muster.certificate_intents (
  issuer_id         uuid        NOT NULL,
  serial            bytea       NOT NULL CONSTRAINT certificate_intents_serial_bounded
                                CHECK (octet_length(serial) BETWEEN 1 AND 20),
  tenant_id         uuid        NOT NULL,
  device_id         uuid        NOT NULL,
  spki_sha256       bytea       NOT NULL CONSTRAINT certificate_intents_spki_whole CHECK (octet_length(spki_sha256) = 32),
  tbs_certificate   bytea       NOT NULL,  -- DER, linted; the signed bytes must be these
  created_at        timestamptz NOT NULL DEFAULT now(),
  revoked_at        timestamptz,  -- of an orphan: its serial is on the CRL
  revocation_reason smallint,
  CONSTRAINT certificate_intents_pk PRIMARY KEY (issuer_id, serial),
  CONSTRAINT certificate_intents_device_known FOREIGN KEY (tenant_id, device_id) REFERENCES muster.devices (tenant_id, id),
  CONSTRAINT certificate_intents_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers (tenant_id, id),
  CONSTRAINT certificate_intents_revocation_whole CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL))
);
COMMENT ON TABLE muster.certificate_intents IS
  'Never updated when the certificate is stored: an intent without certificate is what a crash left.';
CREATE INDEX certificate_intents_age ON muster.certificate_intents (created_at);
CREATE INDEX certificate_intents_revoked ON muster.certificate_intents (issuer_id) WHERE revoked_at IS NOT NULL;

CREATE TABLE muster.certificates (
  id                bytea       NOT NULL CONSTRAINT certificates_pk PRIMARY KEY
                                CONSTRAINT certificates_id_whole CHECK (octet_length(id) = 32),
  tenant_id         uuid        NOT NULL,
  device_id         uuid        NOT NULL,
  issuer_id         uuid        NOT NULL,
  serial            bytea       NOT NULL CONSTRAINT certificates_serial_bounded
                                CHECK (octet_length(serial) BETWEEN 1 AND 20),
  spki_sha256       bytea       NOT NULL CONSTRAINT certificates_spki_whole CHECK (octet_length(spki_sha256) = 32),
  status            text        NOT NULL DEFAULT 'active'
                                CONSTRAINT certificates_status_known CHECK (status IN ('active', 'revoked')),
  not_before        timestamptz NOT NULL,
  not_after         timestamptz NOT NULL,  -- inclusive
  revoked_at        timestamptz,
  revocation_reason smallint    CONSTRAINT certificates_reason_known  -- RFC 5280 CRLReason
                                CHECK (revocation_reason IN (0, 1, 2, 3, 4, 5, 9, 10)),
  crl_shard         integer     NOT NULL CONSTRAINT certificates_shard_natural CHECK (crl_shard >= 0),
  profile           text        NOT NULL CONSTRAINT certificates_profile_bounded CHECK (octet_length(profile) <= 128),
  created_at        timestamptz NOT NULL DEFAULT now(),
  certificate       bytea       NOT NULL,  -- DER
  CONSTRAINT certificates_issuer_serial_unique UNIQUE (issuer_id, serial),
  CONSTRAINT certificates_device_known FOREIGN KEY (tenant_id, device_id) REFERENCES muster.devices (tenant_id, id),
  CONSTRAINT certificates_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers (tenant_id, id),
  CONSTRAINT certificates_validity_ordered CHECK (not_before <= not_after),
  CONSTRAINT certificates_revocation_whole
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL) AND (revoked_at IS NULL) = (revocation_reason IS NULL))
);
COMMENT ON COLUMN muster.certificates.id IS 'SHA-256 of the DER; the allow-list of the edges is made of these';
COMMENT ON COLUMN muster.certificates.issuer_id IS 'its chain is issuers.certificate followed by issuers.chain';
-- DER does not compress; do not try.
ALTER TABLE muster.certificates ALTER COLUMN certificate SET STORAGE EXTERNAL;
ALTER TABLE muster.certificate_intents ALTER COLUMN tbs_certificate SET STORAGE EXTERNAL;
CREATE INDEX certificates_device ON muster.certificates (tenant_id, device_id);
CREATE INDEX certificates_expiry ON muster.certificates (tenant_id, not_after, id);
CREATE INDEX certificates_revoked ON muster.certificates (issuer_id, crl_shard) WHERE status = 'revoked';

CREATE TABLE muster.crls (
  issuer_id   uuid        NOT NULL CONSTRAINT crls_issuer_known REFERENCES muster.issuers (id),
  shard       integer     NOT NULL,
  number      bigint      NOT NULL,
  this_update timestamptz NOT NULL,
  next_update timestamptz NOT NULL,
  crl         bytea       NOT NULL,  -- DER; public
  CONSTRAINT crls_pk PRIMARY KEY (issuer_id, shard)
);

ALTER TABLE muster.certificate_intents ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.certificate_intents FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.certificates ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.certificates FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT ON muster.certificate_intents TO muster_tenant;
GRANT SELECT, DELETE, UPDATE (revoked_at, revocation_reason) ON muster.certificate_intents TO muster_system;
GRANT SELECT, INSERT, UPDATE (status, revoked_at, revocation_reason) ON muster.certificates TO muster_tenant;
GRANT SELECT ON muster.certificates TO muster_system;
GRANT SELECT, INSERT, UPDATE ON muster.crls TO muster_system;

CREATE POLICY certificate_intents_own ON muster.certificate_intents TO muster_tenant
  USING (tenant_id = muster.current_tenant());
CREATE POLICY certificate_intents_system_read ON muster.certificate_intents FOR SELECT TO muster_system USING (true);
CREATE POLICY certificate_intents_system_revoke ON muster.certificate_intents FOR UPDATE TO muster_system
  USING (revoked_at IS NULL) WITH CHECK (revoked_at IS NOT NULL);
CREATE POLICY certificate_intents_system_prune ON muster.certificate_intents FOR DELETE TO muster_system
  USING (revoked_at IS NULL);
CREATE POLICY certificates_own_read ON muster.certificates FOR SELECT TO muster_tenant
  USING (tenant_id = muster.current_tenant());
CREATE POLICY certificates_own_store ON muster.certificates FOR INSERT TO muster_tenant
  WITH CHECK (tenant_id = muster.current_tenant() AND status = 'active');
-- Revocation has no way back.
CREATE POLICY certificates_own_revoke ON muster.certificates FOR UPDATE TO muster_tenant
  USING (tenant_id = muster.current_tenant() AND status = 'active')
  WITH CHECK (tenant_id = muster.current_tenant() AND status = 'revoked');
CREATE POLICY certificates_system_read ON muster.certificates FOR SELECT TO muster_system USING (true);
