-- SPDX-License-Identifier: Apache-2.0
-- Why: what all devices of a tenant together, and each of them, may ask of a broker. Lock: tenants, a moment. Duration:
-- under a second. Needed by: registry from version 0.4.

ALTER TABLE muster.tenants ADD COLUMN limits bytea NOT NULL DEFAULT ''
  CONSTRAINT tenants_limits_bounded CHECK (octet_length(limits) <= 1024);
COMMENT ON COLUMN muster.tenants.limits IS 'of all its devices together and of each of them (core/limits.h); empty: none';
GRANT UPDATE (limits) ON muster.tenants TO muster_system;
