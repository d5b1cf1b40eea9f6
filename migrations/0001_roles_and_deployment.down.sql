-- Drops the registry's schema. The roles stay: they belong to the server, and other databases may use them.
DROP TABLE muster.deployment;
DROP FUNCTION muster.current_tenant();
DROP SCHEMA muster;
