DROP TABLE muster.est_settings;
DROP TABLE muster.claims;
