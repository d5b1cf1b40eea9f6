DELETE FROM muster.changes WHERE entity_kind > 5;
ALTER TABLE muster.changes
  DROP CONSTRAINT changes_kind_known,
  DROP CONSTRAINT changes_entity_whole,
  ADD CONSTRAINT changes_kind_known CHECK (entity_kind BETWEEN 1 AND 5),
  ADD CONSTRAINT changes_entity_whole
    CHECK (octet_length(entity_id) = CASE entity_kind WHEN 5 THEN 32 ELSE 16 END);
COMMENT ON COLUMN muster.changes.entity_kind IS '1 tenant, 2 issuer, 3 policy, 4 device, 5 certificate';
DROP TABLE muster.external_credentials;
DROP TABLE muster.external_revocations;
DROP TABLE muster.external_crls;
DROP TABLE muster.trust_anchors;
