-- SPDX-License-Identifier: Apache-2.0
-- Refused while a CA's key lies in a token: the older form of the table has no place for it.
DROP INDEX muster.issuer_keys_kek;
ALTER TABLE muster.issuer_keys
  DROP CONSTRAINT issuer_keys_store_fits,
  ALTER COLUMN kek_id SET NOT NULL,
  ALTER COLUMN blob SET NOT NULL,
  DROP COLUMN token_reference,
  DROP COLUMN store;
COMMENT ON COLUMN muster.issuer_keys.blob IS 'encrypted and bound to deployment, tenant, issuer and key (ca/wrapped_key.h)';
