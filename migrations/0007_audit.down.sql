DROP TABLE muster.audit_chain;
DROP TABLE muster.audit_unchained;
DROP TABLE muster.audit_events;
