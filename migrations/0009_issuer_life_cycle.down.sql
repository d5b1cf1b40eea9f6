-- Refuses (by its constraints) where a second slot or a requested issuer is in use: they have no place in the older schema.
DROP TABLE muster.cross_certificates;
DROP TRIGGER issuers_kept ON muster.issuers;
DROP FUNCTION muster.keep_issuer();
REVOKE UPDATE (certificate, chain, not_before, not_after) ON muster.issuers FROM muster_tenant, muster_system;
DROP INDEX muster.issuers_active_unique;
CREATE UNIQUE INDEX issuers_active_unique ON muster.issuers
  (kind, (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'))) WHERE status = 'active';
ALTER TABLE muster.issuers
  DROP CONSTRAINT issuers_certificate_there,
  DROP CONSTRAINT issuers_status_known,
  ADD CONSTRAINT issuers_status_known CHECK (status IN ('prepare', 'active', 'retiring', 'retired')),
  DROP COLUMN request,
  DROP COLUMN slot,
  DROP COLUMN name,
  DROP COLUMN origin;
