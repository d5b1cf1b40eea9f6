-- SPDX-License-Identifier: Apache-2.0
-- Why: who there is and what they may do. Deleted rows stay as tombstones: ids are never used again, and a name only
-- when nothing of its former holder can be accepted any more (gone_number, design.md §4).
-- Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.1.

CREATE TABLE muster.tenants (
  id                uuid        NOT NULL DEFAULT gen_random_uuid() CONSTRAINT tenants_pk PRIMARY KEY,
  name              text        NOT NULL CONSTRAINT tenants_name_plain
                                CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' AND name !~ '^xn--'),
  status            text        NOT NULL DEFAULT 'active' CONSTRAINT tenants_status_known
                                CHECK (status IN ('active', 'suspended', 'deleting', 'deleted')),
  default_policy_id uuid,
  created_at        timestamptz NOT NULL DEFAULT now(),
  deleted_at        timestamptz,
  gone_number       bigint,  -- the change that told edges of the deletion
  CONSTRAINT tenants_deletion_whole CHECK ((status = 'deleted') = (deleted_at IS NOT NULL))
);
COMMENT ON COLUMN muster.tenants.default_policy_id IS 'NULL: the built-in default policy';
CREATE UNIQUE INDEX tenants_live_name_unique ON muster.tenants (name) WHERE status <> 'deleted';
CREATE INDEX tenants_tombstone_name ON muster.tenants (name) WHERE status = 'deleted';

CREATE TABLE muster.policies (
  tenant_id    uuid        NOT NULL CONSTRAINT policies_tenant_known REFERENCES muster.tenants (id),
  id           uuid        NOT NULL DEFAULT gen_random_uuid(),
  name         text        NOT NULL CONSTRAINT policies_name_plain CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  status       text        NOT NULL DEFAULT 'active'
                           CONSTRAINT policies_status_known CHECK (status IN ('active', 'deleted')),
  rule_actions text[]      NOT NULL CONSTRAINT policies_actions_known CHECK (rule_actions <@ ARRAY['publish', 'subscribe']),
  rule_filters text[]      NOT NULL,  -- one topic-filter template for each action
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT policies_pk PRIMARY KEY (tenant_id, id),
  CONSTRAINT policies_rules_paired CHECK (cardinality(rule_actions) = cardinality(rule_filters)),
  CONSTRAINT policies_rules_bounded CHECK (cardinality(rule_actions) <= 64)
);
CREATE UNIQUE INDEX policies_live_name_unique ON muster.policies (tenant_id, name) WHERE status = 'active';

ALTER TABLE muster.tenants ADD CONSTRAINT tenants_default_policy_known
  FOREIGN KEY (id, default_policy_id) REFERENCES muster.policies (tenant_id, id);

CREATE TABLE muster.group_policies (
  tenant_id  uuid NOT NULL,
  group_name text NOT NULL CONSTRAINT group_policies_group_plain CHECK (group_name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  policy_id  uuid NOT NULL,
  CONSTRAINT group_policies_pk PRIMARY KEY (tenant_id, group_name),
  CONSTRAINT group_policies_policy_known FOREIGN KEY (tenant_id, policy_id) REFERENCES muster.policies (tenant_id, id)
);
CREATE INDEX group_policies_policy ON muster.group_policies (tenant_id, policy_id);

CREATE TABLE muster.devices (
  tenant_id   uuid        NOT NULL CONSTRAINT devices_tenant_known REFERENCES muster.tenants (id),
  id          uuid        NOT NULL DEFAULT gen_random_uuid(),
  name        text        NOT NULL CONSTRAINT devices_name_plain CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
  status      text        NOT NULL DEFAULT 'active' CONSTRAINT devices_status_known
                          CHECK (status IN ('active', 'suspended', 'retired', 'deleted')),
  policy_id   uuid,       -- its own; NULL: that of a group, the tenant's or the built-in default
  groups      text[]      NOT NULL DEFAULT '{}' CONSTRAINT devices_groups_bounded CHECK (cardinality(groups) <= 16),
  labels      jsonb       NOT NULL DEFAULT '{}' CONSTRAINT devices_labels_object CHECK (jsonb_typeof(labels) = 'object'),
  created_by  text        NOT NULL CONSTRAINT devices_created_by_bounded CHECK (octet_length(created_by) <= 256),
  created_at  timestamptz NOT NULL DEFAULT now(),
  deleted_at  timestamptz,
  gone_number bigint,
  CONSTRAINT devices_pk PRIMARY KEY (tenant_id, id),
  CONSTRAINT devices_policy_known FOREIGN KEY (tenant_id, policy_id) REFERENCES muster.policies (tenant_id, id),
  CONSTRAINT devices_deletion_whole CHECK ((status = 'deleted') = (deleted_at IS NOT NULL))
);
CREATE UNIQUE INDEX devices_live_name_unique ON muster.devices (tenant_id, name) WHERE status <> 'deleted';
CREATE INDEX devices_tombstone_name ON muster.devices (tenant_id, name) WHERE status = 'deleted';
CREATE INDEX devices_policy ON muster.devices (tenant_id, policy_id) WHERE policy_id IS NOT NULL;
-- Partial, so that a fleet without labels and groups pays nothing for them.
CREATE INDEX devices_labels ON muster.devices USING gin (labels jsonb_path_ops) WHERE labels <> '{}';
CREATE INDEX devices_groups ON muster.devices USING gin (groups) WHERE groups <> '{}';

ALTER TABLE muster.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.tenants FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.policies FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.group_policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.group_policies FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.devices ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.devices FORCE ROW LEVEL SECURITY;

GRANT SELECT, UPDATE (default_policy_id) ON muster.tenants TO muster_tenant;
GRANT SELECT, INSERT, UPDATE (status, deleted_at, gone_number) ON muster.tenants TO muster_system;
GRANT SELECT, INSERT, UPDATE ON muster.policies TO muster_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON muster.group_policies TO muster_tenant;
GRANT SELECT, INSERT, UPDATE ON muster.devices TO muster_tenant;
GRANT SELECT ON muster.policies, muster.group_policies, muster.devices TO muster_system;

CREATE POLICY tenants_own ON muster.tenants TO muster_tenant USING (id = muster.current_tenant());
CREATE POLICY tenants_system_read ON muster.tenants FOR SELECT TO muster_system USING (true);
CREATE POLICY tenants_system_make ON muster.tenants FOR INSERT TO muster_system WITH CHECK (status = 'active');
-- A tombstone never comes back.
CREATE POLICY tenants_system_change ON muster.tenants FOR UPDATE TO muster_system
  USING (status <> 'deleted' OR gone_number IS NULL) WITH CHECK (true);
CREATE POLICY policies_own ON muster.policies TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY policies_system_read ON muster.policies FOR SELECT TO muster_system USING (true);
CREATE POLICY group_policies_own ON muster.group_policies TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY group_policies_system_read ON muster.group_policies FOR SELECT TO muster_system USING (true);
CREATE POLICY devices_own ON muster.devices TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY devices_system_read ON muster.devices FOR SELECT TO muster_system USING (true);
