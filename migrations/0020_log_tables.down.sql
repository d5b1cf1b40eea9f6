-- Drops the log with everything in it.
DROP SCHEMA log CASCADE;
