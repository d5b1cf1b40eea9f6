DROP TABLE muster.heartbeat_key;
