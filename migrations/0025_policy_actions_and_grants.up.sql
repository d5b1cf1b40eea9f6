-- SPDX-License-Identifier: Apache-2.0
-- Why: rules for receiving, retaining and wills, rules and policies with limits, and grants: what one device may do in
-- the topic space of another device of its tenant. Lock: policies, a moment. Duration: under a second. Needed by:
-- registry from version 0.4.

ALTER TABLE muster.policies DROP CONSTRAINT policies_actions_known;
ALTER TABLE muster.policies ADD CONSTRAINT policies_actions_known
  CHECK (rule_actions <@ ARRAY['publish', 'subscribe', 'receive', 'retain', 'will']);
ALTER TABLE muster.policies ADD COLUMN rule_max_qos integer[] NOT NULL DEFAULT '{}';
ALTER TABLE muster.policies ADD COLUMN rule_max_payload integer[] NOT NULL DEFAULT '{}';
ALTER TABLE muster.policies ADD COLUMN limits bytea NOT NULL DEFAULT ''
  CONSTRAINT policies_limits_bounded CHECK (octet_length(limits) <= 1024);
ALTER TABLE muster.policies ADD CONSTRAINT policies_rule_limits_paired
  CHECK (cardinality(rule_max_qos) IN (0, cardinality(rule_actions))
         AND cardinality(rule_max_payload) = cardinality(rule_max_qos));
COMMENT ON COLUMN muster.policies.rule_max_qos IS 'one for each rule, 2: any; empty: any for all of them';
COMMENT ON COLUMN muster.policies.rule_max_payload IS 'octets, one for each rule; 268435455: any';
COMMENT ON COLUMN muster.policies.limits IS 'of each device that has the policy (core/limits.h)';

CREATE TABLE muster.device_grants (
  tenant_id    uuid        NOT NULL,
  id           uuid        NOT NULL DEFAULT gen_random_uuid(),
  device_id    uuid        NOT NULL,  -- who may
  on_device_id uuid        NOT NULL,  -- whose topics
  actions      text[]      NOT NULL CONSTRAINT device_grants_actions_known
                           CHECK (actions <@ ARRAY['publish', 'subscribe', 'retain', 'will'] AND cardinality(actions) > 0),
  filters      text[]      NOT NULL CONSTRAINT device_grants_filters_bounded CHECK (cardinality(filters) BETWEEN 1 AND 8),
  max_qos      integer     NOT NULL CONSTRAINT device_grants_max_qos_known CHECK (max_qos BETWEEN 0 AND 2),
  max_payload  integer     NOT NULL CONSTRAINT device_grants_max_payload_known CHECK (max_payload BETWEEN 0 AND 268435455),
  created_at   timestamptz NOT NULL DEFAULT now(),
  created_by   text        NOT NULL CONSTRAINT device_grants_created_by_bounded CHECK (octet_length(created_by) <= 256),
  CONSTRAINT device_grants_pk PRIMARY KEY (tenant_id, id),
  CONSTRAINT device_grants_device_known FOREIGN KEY (tenant_id, device_id) REFERENCES muster.devices (tenant_id, id),
  CONSTRAINT device_grants_on_device_known FOREIGN KEY (tenant_id, on_device_id) REFERENCES muster.devices (tenant_id, id),
  CONSTRAINT device_grants_between_two CHECK (device_id <> on_device_id)
);
COMMENT ON TABLE muster.device_grants IS
  'The only way from one device to the topics of another. It ends with either: a device''s tombstone has none.';
COMMENT ON COLUMN muster.device_grants.filters IS 'Topic Filters below {tenant}/{on_device}/';
CREATE INDEX device_grants_device ON muster.device_grants (tenant_id, device_id, id);
CREATE INDEX device_grants_on_device ON muster.device_grants (tenant_id, on_device_id);

ALTER TABLE muster.device_grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.device_grants FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, DELETE ON muster.device_grants TO muster_tenant;
GRANT SELECT ON muster.device_grants TO muster_system;
CREATE POLICY device_grants_own ON muster.device_grants TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY device_grants_system_read ON muster.device_grants FOR SELECT TO muster_system USING (true);
