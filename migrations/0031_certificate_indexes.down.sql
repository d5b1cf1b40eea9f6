-- SPDX-License-Identifier: Apache-2.0
ALTER TABLE muster.certificates RESET (fillfactor);
DROP INDEX muster.certificates_of_issuer;
CREATE INDEX certificates_of_issuer ON muster.certificates (tenant_id, issuer_id, not_after, id) WHERE status = 'active';
CREATE INDEX certificates_device ON muster.certificates (tenant_id, device_id);
DROP INDEX muster.certificates_newest;
