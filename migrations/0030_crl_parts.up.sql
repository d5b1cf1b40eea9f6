-- SPDX-License-Identifier: Apache-2.0
-- Why: a CRL of a million entries was read, written and logged anew for each revocation. The entries of large ones lie in
-- parts that are only added to; the row of the CRL keeps what stands around them.
-- Lock: crls exclusively, for an instant. Duration: milliseconds. Needed by: registry from version 0.4; older servers must
-- not run beside it once a CRL has more than 256 KiB of entries: they would serve what stands around them.

ALTER TABLE muster.crls
  ADD COLUMN base       bigint,
  ADD COLUMN base_at    timestamptz,
  ADD COLUMN parts      integer NOT NULL DEFAULT 0,
  ADD COLUMN entries    bigint  NOT NULL DEFAULT 0,
  ADD COLUMN entries_at integer NOT NULL DEFAULT 0,
  ADD CONSTRAINT crls_parts_whole CHECK ((parts > 0) = (base IS NOT NULL) AND (base IS NULL) = (base_at IS NULL));
COMMENT ON COLUMN muster.crls.crl IS 'DER; public. With parts: without their octets, which belong at entries_at';
COMMENT ON COLUMN muster.crls.base IS 'number of the CRL that was made of all revocations; later ones have its parts and more';
ALTER TABLE muster.crls ALTER COLUMN crl SET STORAGE EXTERNAL;

CREATE TABLE muster.crl_parts (
  issuer_id uuid    NOT NULL CONSTRAINT crl_parts_issuer_known REFERENCES muster.issuers (id),
  shard     integer NOT NULL,
  base      bigint  NOT NULL,
  part      integer NOT NULL,
  entries   bytea   NOT NULL,  -- DER of revokedCertificates' elements
  CONSTRAINT crl_parts_pk PRIMARY KEY (issuer_id, shard, base, part)
);
ALTER TABLE muster.crl_parts ALTER COLUMN entries SET STORAGE EXTERNAL;
GRANT SELECT, INSERT, DELETE ON muster.crl_parts TO muster_system;
