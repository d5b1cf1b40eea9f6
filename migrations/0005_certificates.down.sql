DROP TABLE muster.crls;
DROP TABLE muster.certificates;
DROP TABLE muster.certificate_intents;
