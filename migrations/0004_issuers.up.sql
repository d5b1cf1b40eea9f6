-- SPDX-License-Identifier: Apache-2.0
-- Why: CA certificates, their wrapped private keys, and every key that was ever used.
-- Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.1.

CREATE TABLE muster.issuers (
  id          uuid        NOT NULL CONSTRAINT issuers_pk PRIMARY KEY,
  tenant_id   uuid        CONSTRAINT issuers_tenant_known REFERENCES muster.tenants (id),  -- NULL: of the platform
  kind        text        NOT NULL CONSTRAINT issuers_kind_known CHECK
              (kind IN ('device-root', 'device-intermediate', 'tenant-issuing', 'infrastructure-root')),
  status      text        NOT NULL CONSTRAINT issuers_status_known
                          CHECK (status IN ('prepare', 'active', 'retiring', 'retired')),
  parent_id   uuid        CONSTRAINT issuers_parent_known REFERENCES muster.issuers (id),  -- NULL: self-signed
  spki_sha256 bytea       NOT NULL CONSTRAINT issuers_spki_unique UNIQUE
                          CONSTRAINT issuers_spki_whole CHECK (octet_length(spki_sha256) = 32),
  certificate bytea       NOT NULL,  -- DER
  chain       bytea[]     NOT NULL,  -- DER, nearest first
  not_before  timestamptz NOT NULL,
  not_after   timestamptz NOT NULL,
  crl_number  bigint      NOT NULL DEFAULT 0,
  created_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT issuers_tenant_and_id_unique UNIQUE (tenant_id, id),
  CONSTRAINT issuers_kind_fits CHECK ((kind = 'tenant-issuing') = (tenant_id IS NOT NULL))
);
CREATE UNIQUE INDEX issuers_active_unique ON muster.issuers
  (kind, (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'))) WHERE status = 'active';

CREATE TABLE muster.issuer_keys (
  id          uuid  NOT NULL CONSTRAINT issuer_keys_pk PRIMARY KEY,
  tenant_id   uuid,
  issuer_id   uuid  NOT NULL CONSTRAINT issuer_keys_issuer_unique UNIQUE
                    CONSTRAINT issuer_keys_issuer_known REFERENCES muster.issuers (id),
  spki_sha256 bytea NOT NULL CONSTRAINT issuer_keys_spki_whole CHECK (octet_length(spki_sha256) = 32),
  kek_id      text  NOT NULL CONSTRAINT issuer_keys_kek_bounded CHECK (octet_length(kek_id) <= 128),
  blob        bytea NOT NULL CONSTRAINT issuer_keys_blob_bounded CHECK (octet_length(blob) <= 16384),
  -- Where it has a tenant, it is the issuer's.
  CONSTRAINT issuer_keys_tenant_fits FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers (tenant_id, id)
);
COMMENT ON COLUMN muster.issuer_keys.blob IS 'encrypted and bound to deployment, tenant, issuer and key (ca/wrapped_key.h)';

-- One row for every key that was ever certified here, over all tenants and for ever: a key belongs to one holder.
CREATE TABLE muster.used_keys (
  spki_sha256   bytea       NOT NULL CONSTRAINT used_keys_pk PRIMARY KEY
                            CONSTRAINT used_keys_spki_whole CHECK (octet_length(spki_sha256) = 32),
  tenant_id     uuid,
  device_id     uuid,
  holder        text        NOT NULL CONSTRAINT used_keys_holder_known
                            CHECK (holder IN ('device', 'issuer', 'infrastructure')),
  blocked_at    timestamptz,  -- revoked for compromise: never again, not even for its device
  first_used_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT used_keys_holder_whole
    CHECK ((holder = 'device') = (device_id IS NOT NULL) AND (device_id IS NULL OR tenant_id IS NOT NULL))
);

ALTER TABLE muster.issuers ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.issuers FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.issuer_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.issuer_keys FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.used_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.used_keys FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE (status) ON muster.issuers TO muster_tenant;
GRANT SELECT, INSERT, UPDATE (status, crl_number) ON muster.issuers TO muster_system;
GRANT SELECT, INSERT ON muster.issuer_keys TO muster_tenant;
GRANT SELECT, INSERT, UPDATE (kek_id, blob) ON muster.issuer_keys TO muster_system;
GRANT SELECT, INSERT, UPDATE (blocked_at) ON muster.used_keys TO muster_tenant;
GRANT SELECT, INSERT ON muster.used_keys TO muster_system;

CREATE POLICY issuers_own ON muster.issuers TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY issuers_system_read ON muster.issuers FOR SELECT TO muster_system USING (true);
CREATE POLICY issuers_system_make ON muster.issuers FOR INSERT TO muster_system WITH CHECK (tenant_id IS NULL);
CREATE POLICY issuers_system_change ON muster.issuers FOR UPDATE TO muster_system USING (true);
CREATE POLICY issuer_keys_own ON muster.issuer_keys TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY issuer_keys_system_read ON muster.issuer_keys FOR SELECT TO muster_system USING (true);
CREATE POLICY issuer_keys_system_make ON muster.issuer_keys FOR INSERT TO muster_system WITH CHECK (tenant_id IS NULL);
CREATE POLICY issuer_keys_system_rewrap ON muster.issuer_keys FOR UPDATE TO muster_system USING (true);
CREATE POLICY used_keys_own ON muster.used_keys TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY used_keys_system_read ON muster.used_keys FOR SELECT TO muster_system USING (tenant_id IS NULL);
CREATE POLICY used_keys_system_make ON muster.used_keys FOR INSERT TO muster_system WITH CHECK (tenant_id IS NULL);
