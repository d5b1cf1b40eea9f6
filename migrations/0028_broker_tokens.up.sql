-- SPDX-License-Identifier: Apache-2.0
-- Why: a broker of another make asks whether its clients may; its token is good for that and nothing else.
-- Lock: ACCESS EXCLUSIVE on muster.tokens while its rows are checked. Duration: under a second. Needed by: registry from
-- version 0.4; older code reads such a token's role as unknown and refuses it.

ALTER TABLE muster.tokens
  DROP CONSTRAINT tokens_role_known,
  ADD CONSTRAINT tokens_role_known
    CHECK (role IN ('platform-admin', 'tenant-admin', 'factory', 'auditor', 'application', 'broker')),
  DROP CONSTRAINT tokens_role_fits,
  ADD CONSTRAINT tokens_role_fits CHECK (CASE role WHEN 'platform-admin' THEN tenant_id IS NULL WHEN 'auditor' THEN true
                                         WHEN 'broker' THEN true ELSE tenant_id IS NOT NULL END);
