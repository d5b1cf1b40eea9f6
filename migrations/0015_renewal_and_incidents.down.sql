DROP FUNCTION muster.take_connects(integer);
DROP TABLE muster.connect_positions;
DROP TABLE muster.renewal_settings;
DROP TABLE muster.incident_certificates;
DROP TABLE muster.incidents;
