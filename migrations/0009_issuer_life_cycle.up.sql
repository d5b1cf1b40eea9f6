-- SPDX-License-Identifier: Apache-2.0
-- Why: several issuing CAs of a tenant (slots), CAs whose certificate another CA signs (requested), cross-certificates.
-- Lock: muster.issuers for a scan of its few rows. Duration: under a second. Needed by: registry from version 0.2.

ALTER TABLE muster.issuers
  ADD COLUMN slot   text NOT NULL DEFAULT 'default'
                    CONSTRAINT issuers_slot_plain CHECK (slot ~ '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$'),
  ADD COLUMN name   text NOT NULL DEFAULT '' CONSTRAINT issuers_name_bounded CHECK (octet_length(name) <= 128),
  ADD COLUMN origin text NOT NULL DEFAULT 'internal'
                    CONSTRAINT issuers_origin_known CHECK (origin IN ('internal', 'subordinate')),
  ADD COLUMN request bytea NOT NULL DEFAULT '',
  DROP CONSTRAINT issuers_status_known,
  ADD CONSTRAINT issuers_status_known CHECK (status IN ('requested', 'prepare', 'active', 'retiring', 'retired')),
  ADD CONSTRAINT issuers_certificate_there CHECK (certificate <> '' OR status IN ('requested', 'retired'));
COMMENT ON COLUMN muster.issuers.slot IS 'one of a slot is active; profiles choose the slot';
COMMENT ON COLUMN muster.issuers.origin IS 'subordinate: its certificate comes from a CA whose key is not here';
COMMENT ON COLUMN muster.issuers.request IS 'PKCS #10, DER, as it was made with the key of a subordinate; else empty';
COMMENT ON COLUMN muster.issuers.certificate IS 'DER; empty while it is requested: not_before and not_after mean nothing then';

DROP INDEX muster.issuers_active_unique;
CREATE UNIQUE INDEX issuers_active_unique ON muster.issuers
  (kind, (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000')), slot) WHERE status = 'active';

-- What was signed under an id stays what it was, and who vouches no more never vouches again, whatever the code above does.
CREATE FUNCTION muster.keep_issuer() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF OLD.certificate <> '' AND (NEW.certificate <> OLD.certificate OR NEW.chain <> OLD.chain) THEN
    RAISE EXCEPTION 'an issuer keeps its certificate' USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.status = 'retired' AND NEW.status <> 'retired' THEN
    RAISE EXCEPTION 'a retired issuer stays retired' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION muster.keep_issuer() FROM PUBLIC;
CREATE TRIGGER issuers_kept BEFORE UPDATE ON muster.issuers FOR EACH ROW EXECUTE FUNCTION muster.keep_issuer();

-- Other certificates for the key of an issuer: another way up, for relying parties that trust another root.
CREATE TABLE muster.cross_certificates (
  tenant_id   uuid        NOT NULL,
  issuer_id   uuid        NOT NULL,
  id          bytea       NOT NULL CONSTRAINT cross_certificates_id_whole CHECK (octet_length(id) = 32),
  certificate bytea       NOT NULL,  -- DER
  chain       bytea[]     NOT NULL,  -- DER, nearest first
  not_before  timestamptz NOT NULL,
  not_after   timestamptz NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT cross_certificates_pk PRIMARY KEY (tenant_id, issuer_id, id),
  CONSTRAINT cross_certificates_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers (tenant_id, id)
);
COMMENT ON COLUMN muster.cross_certificates.id IS 'SHA-256 of the DER';
ALTER TABLE muster.cross_certificates ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.cross_certificates FORCE ROW LEVEL SECURITY;

GRANT UPDATE (certificate, chain, not_before, not_after) ON muster.issuers TO muster_tenant, muster_system;
GRANT SELECT, INSERT, DELETE ON muster.cross_certificates TO muster_tenant;
GRANT SELECT ON muster.cross_certificates TO muster_system;
CREATE POLICY cross_certificates_own ON muster.cross_certificates TO muster_tenant
  USING (tenant_id = muster.current_tenant());
CREATE POLICY cross_certificates_system_read ON muster.cross_certificates FOR SELECT TO muster_system USING (true);
