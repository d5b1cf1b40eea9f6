-- SPDX-License-Identifier: Apache-2.0
-- CRLs in parts are made anew by whoever is asked for them.
DELETE FROM muster.crls WHERE parts > 0;
DROP TABLE muster.crl_parts;
COMMENT ON COLUMN muster.crls.crl IS NULL;
ALTER TABLE muster.crls ALTER COLUMN crl SET STORAGE EXTENDED;
ALTER TABLE muster.crls DROP CONSTRAINT crls_parts_whole, DROP COLUMN entries_at, DROP COLUMN entries, DROP COLUMN parts,
  DROP COLUMN base_at, DROP COLUMN base;
