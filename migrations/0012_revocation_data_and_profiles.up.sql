-- SPDX-License-Identifier: Apache-2.0
-- Why: profiles as data of the tenant; CRL shards that are rebuilt only when they changed; OCSP answers that other
-- processes drop within seconds; bulk revocations that go on after a crash.
-- Lock: certificates, certificate_intents, infrastructure_certificates exclusively, while their revoked rows are copied.
-- Duration: about a second for 100,000 revoked certificates. Needed by: registry from version 0.2.

CREATE TABLE muster.profiles (
  tenant_id        uuid        NOT NULL CONSTRAINT profiles_tenant_known REFERENCES muster.tenants (id),
  name             text        NOT NULL CONSTRAINT profiles_name_plain CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  issuer_id        uuid,       -- NULL: the tenant's active issuing CA
  validity_seconds bigint      NOT NULL CONSTRAINT profiles_validity_bounded
                               CHECK (validity_seconds BETWEEN 60 AND 1261440000),  -- 40 years
  backdate_seconds integer     NOT NULL CONSTRAINT profiles_backdate_bounded CHECK (backdate_seconds BETWEEN 0 AND 86400),
  key_algorithms   text[]      NOT NULL CONSTRAINT profiles_key_algorithms_bounded
                               CHECK (cardinality(key_algorithms) BETWEEN 1 AND 16),
  short_lived      boolean     NOT NULL,  -- noRevAvail (RFC 9608) and no pointers
  crl_pointer      boolean     NOT NULL,
  ocsp_pointer     boolean     NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT profiles_pk PRIMARY KEY (tenant_id, name),
  CONSTRAINT profiles_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers (tenant_id, id),
  -- [RFC9608 4] noRevAvail with a pointer contradicts itself
  CONSTRAINT profiles_short_lived_plain CHECK (NOT short_lived OR NOT (crl_pointer OR ocsp_pointer))
);

-- Shards that this issuer ever issued into: 0 to crl_shards - 1. It only grows.
ALTER TABLE muster.issuers ADD COLUMN crl_shards integer NOT NULL DEFAULT 1
  CONSTRAINT issuers_crl_shards_bounded CHECK (crl_shards BETWEEN 1 AND 4096);
ALTER TABLE muster.certificate_intents ADD COLUMN crl_shard integer NOT NULL DEFAULT 0
  CONSTRAINT certificate_intents_shard_natural CHECK (crl_shard >= 0);

-- What CRLs are made of and what OCSP must forget: narrow, so that a shard of a million entries is one range of one
-- index. Written by triggers, so that no way of revoking can pass it by.
CREATE TABLE muster.revocations (
  issuer_id      uuid        NOT NULL,
  crl_shard      integer     NOT NULL,
  serial         bytea       NOT NULL,
  revoked_at     timestamptz NOT NULL,
  reason         smallint    NOT NULL,
  not_after      timestamptz,  -- NULL: an orphan's, not known
  transaction_id xid8        NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT revocations_pk PRIMARY KEY (issuer_id, crl_shard, serial) INCLUDE (revoked_at, reason, not_after)
);
COMMENT ON COLUMN muster.revocations.transaction_id IS
  'Compared with snapshots: a row that a CRL''s snapshot did not see makes its shard due, whatever clocks say.';
CREATE INDEX revocations_news_of_shard ON muster.revocations (issuer_id, crl_shard, transaction_id);
CREATE INDEX revocations_news ON muster.revocations (transaction_id);
CREATE INDEX revocations_expiry ON muster.revocations (not_after);

INSERT INTO muster.revocations (issuer_id, crl_shard, serial, revoked_at, reason, not_after)
  SELECT c.issuer_id, c.crl_shard, c.serial, c.revoked_at, c.revocation_reason, c.not_after
    FROM muster.certificates AS c WHERE c.status = 'revoked'
  UNION ALL SELECT i.issuer_id, 0, i.serial, i.revoked_at, i.revocation_reason, NULL
    FROM muster.certificate_intents AS i WHERE i.revoked_at IS NOT NULL
  UNION ALL SELECT n.issuer_id, 0, n.serial, n.revoked_at, 5, n.not_after
    FROM muster.infrastructure_certificates AS n WHERE n.revoked_at IS NOT NULL
  ON CONFLICT DO NOTHING;

CREATE FUNCTION muster.note_revocation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
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
REVOKE ALL ON FUNCTION muster.note_revocation() FROM PUBLIC;
CREATE TRIGGER certificates_note_revocation AFTER UPDATE OF status ON muster.certificates FOR EACH ROW
  WHEN (NEW.status = 'revoked' AND OLD.status <> 'revoked') EXECUTE FUNCTION muster.note_revocation();
CREATE TRIGGER certificate_intents_note_revocation AFTER UPDATE OF revoked_at ON muster.certificate_intents FOR EACH ROW
  WHEN (NEW.revoked_at IS NOT NULL AND OLD.revoked_at IS NULL) EXECUTE FUNCTION muster.note_revocation();
CREATE TRIGGER infrastructure_note_revocation AFTER UPDATE OF revoked_at ON muster.infrastructure_certificates
  FOR EACH ROW WHEN (NEW.revoked_at IS NOT NULL AND OLD.revoked_at IS NULL) EXECUTE FUNCTION muster.note_revocation();

-- The read of CRLs goes through muster.revocations now.
DROP INDEX muster.certificates_revoked;
DROP INDEX muster.certificate_intents_revoked;

-- What the CRL was made of: the snapshot that saw its entries, and the cluster whose transaction ids these are (a dump
-- restored elsewhere counts anew).
ALTER TABLE muster.crls ADD COLUMN built_from pg_snapshot;
ALTER TABLE muster.crls ADD COLUMN built_on bigint;

-- Every certificate that our CAs signed for a responder of ours. The keys are in the processes' memory only.
CREATE TABLE muster.ocsp_responders (
  id          bytea       NOT NULL CONSTRAINT ocsp_responders_pk PRIMARY KEY
                          CONSTRAINT ocsp_responders_id_whole CHECK (octet_length(id) = 32),
  issuer_id   uuid        NOT NULL CONSTRAINT ocsp_responders_issuer_known REFERENCES muster.issuers (id),
  serial      bytea       NOT NULL CONSTRAINT ocsp_responders_serial_bounded CHECK (octet_length(serial) BETWEEN 1 AND 20),
  not_before  timestamptz NOT NULL,
  not_after   timestamptz NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  certificate bytea       NOT NULL,  -- DER
  CONSTRAINT ocsp_responders_serial_unique UNIQUE (issuer_id, serial)
);
CREATE INDEX ocsp_responders_age ON muster.ocsp_responders (not_after);

-- A bulk revocation is recorded before its first certificate is revoked, and goes on in chunks, each with its progress
-- in one transaction: whoever finds it unfinished continues.
CREATE TABLE muster.bulk_revocations (
  id                uuid        NOT NULL DEFAULT gen_random_uuid(),
  tenant_id         uuid        NOT NULL CONSTRAINT bulk_revocations_tenant_known REFERENCES muster.tenants (id),
  reason            smallint    NOT NULL CONSTRAINT bulk_revocations_reason_known CHECK (reason IN (0, 1, 2, 3, 4, 5, 9, 10)),
  status            text        NOT NULL DEFAULT 'running'
                                CONSTRAINT bulk_revocations_status_known CHECK (status IN ('running', 'done')),
  serials           bytea[]     CONSTRAINT bulk_revocations_serials_bounded CHECK (cardinality(serials) <= 100000),
  device_id         uuid,
  issuer_id         uuid,
  group_name        text,
  expires_before    timestamptz,
  not_before_after  timestamptz,
  not_before_before timestamptz,
  revoked           bigint      NOT NULL DEFAULT 0,
  already_revoked   bigint      NOT NULL DEFAULT 0,
  not_found         bigint      NOT NULL DEFAULT 0,
  next_position     integer     NOT NULL DEFAULT 0,  -- in serials
  after_not_after   timestamptz,                     -- of a query: the last certificate looked at
  after_id          bytea,
  actor             text        NOT NULL CONSTRAINT bulk_revocations_actor_bounded CHECK (octet_length(actor) <= 512),
  created_at        timestamptz NOT NULL DEFAULT now(),
  finished_at       timestamptz,
  CONSTRAINT bulk_revocations_pk PRIMARY KEY (tenant_id, id),
  CONSTRAINT bulk_revocations_end_whole CHECK ((status = 'done') = (finished_at IS NOT NULL)),
  -- Never everything by a forgotten criterion.
  CONSTRAINT bulk_revocations_selects CHECK (serials IS NOT NULL OR num_nonnulls(device_id, issuer_id, group_name,
    expires_before, not_before_after, not_before_before) > 0)
);
CREATE INDEX bulk_revocations_running ON muster.bulk_revocations (created_at) WHERE status = 'running';
CREATE INDEX certificates_of_issuer ON muster.certificates (tenant_id, issuer_id, not_after, id) WHERE status = 'active';

ALTER TABLE muster.profiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.profiles FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.bulk_revocations ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.bulk_revocations FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, DELETE, UPDATE (issuer_id, validity_seconds, backdate_seconds, key_algorithms, short_lived,
  crl_pointer, ocsp_pointer, updated_at) ON muster.profiles TO muster_tenant;
GRANT SELECT ON muster.profiles TO muster_system;
GRANT UPDATE (crl_shards) ON muster.issuers TO muster_tenant;
GRANT SELECT, DELETE ON muster.revocations TO muster_system;
GRANT SELECT, INSERT, DELETE ON muster.ocsp_responders TO muster_system;
GRANT SELECT, INSERT, UPDATE (status, revoked, already_revoked, not_found, next_position, after_not_after, after_id,
  finished_at) ON muster.bulk_revocations TO muster_tenant;
GRANT SELECT, DELETE ON muster.bulk_revocations TO muster_system;

CREATE POLICY profiles_own ON muster.profiles TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY profiles_system_read ON muster.profiles FOR SELECT TO muster_system USING (true);
CREATE POLICY bulk_revocations_own ON muster.bulk_revocations TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY bulk_revocations_system_read ON muster.bulk_revocations FOR SELECT TO muster_system USING (true);
CREATE POLICY bulk_revocations_system_prune ON muster.bulk_revocations FOR DELETE TO muster_system USING (status = 'done');
