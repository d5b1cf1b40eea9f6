ALTER TABLE muster.tenants DROP COLUMN limits;
