DROP TABLE muster.devices;
DROP TABLE muster.group_policies;
ALTER TABLE muster.tenants DROP CONSTRAINT tenants_default_policy_known;
DROP TABLE muster.policies;
DROP TABLE muster.tenants;
