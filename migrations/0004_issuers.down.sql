DROP TABLE muster.used_keys;
DROP TABLE muster.issuer_keys;
DROP TABLE muster.issuers;
