-- SPDX-License-Identifier: Apache-2.0
DELETE FROM muster.tokens WHERE role = 'broker';
ALTER TABLE muster.tokens
  DROP CONSTRAINT tokens_role_known,
  ADD CONSTRAINT tokens_role_known
    CHECK (role IN ('platform-admin', 'tenant-admin', 'factory', 'auditor', 'application')),
  DROP CONSTRAINT tokens_role_fits,
  ADD CONSTRAINT tokens_role_fits CHECK (CASE role WHEN 'platform-admin' THEN tenant_id IS NULL WHEN 'auditor' THEN true
                                         ELSE tenant_id IS NOT NULL END);
