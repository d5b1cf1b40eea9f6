DROP TABLE muster.device_grants;
ALTER TABLE muster.policies DROP CONSTRAINT policies_rule_limits_paired;
ALTER TABLE muster.policies DROP COLUMN limits;
ALTER TABLE muster.policies DROP COLUMN rule_max_payload;
ALTER TABLE muster.policies DROP COLUMN rule_max_qos;
ALTER TABLE muster.policies DROP CONSTRAINT policies_actions_known;
ALTER TABLE muster.policies ADD CONSTRAINT policies_actions_known
  CHECK (rule_actions <@ ARRAY['publish', 'subscribe']) NOT VALID;
