-- SPDX-License-Identifier: Apache-2.0
-- Why: a CA's key may lie in a PKCS#11 token; its row then names it instead of holding it.
-- Lock: ACCESS EXCLUSIVE on issuer_keys, one row per CA. Duration: under a second. Needed by: registry from version 0.3.

ALTER TABLE muster.issuer_keys
  ADD COLUMN store text NOT NULL DEFAULT 'file' CONSTRAINT issuer_keys_store_known CHECK (store IN ('file', 'pkcs11')),
  ADD COLUMN token_reference bytea CONSTRAINT issuer_keys_reference_bounded
             CHECK (octet_length(token_reference) BETWEEN 1 AND 64),
  ALTER COLUMN kek_id DROP NOT NULL,
  ALTER COLUMN blob DROP NOT NULL,
  ADD CONSTRAINT issuer_keys_store_fits CHECK (
    (store = 'file' AND blob IS NOT NULL AND kek_id IS NOT NULL AND token_reference IS NULL)
    OR (store = 'pkcs11' AND blob IS NULL AND kek_id IS NULL AND token_reference IS NOT NULL));
COMMENT ON COLUMN muster.issuer_keys.token_reference IS 'CKA_ID of the key in the token';
COMMENT ON COLUMN muster.issuer_keys.blob IS 'encrypted and bound to deployment, tenant, issuer and key (ca/key_wrapping.h)';

-- What a rotation of the key-encryption key has still to do.
CREATE INDEX issuer_keys_kek ON muster.issuer_keys (kek_id, id) WHERE store = 'file';
