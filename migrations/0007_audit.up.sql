-- SPDX-License-Identifier: Apache-2.0
-- Why: who did what. Written with the act; chained per tenant after commit, so that no chain head serialises writers.
-- Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.1.

CREATE TABLE muster.audit_events (
  id          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_events_pk PRIMARY KEY,
  tenant_id   uuid        NOT NULL,  -- nil: of the platform
  at          timestamptz NOT NULL,
  actor       text        NOT NULL CONSTRAINT audit_events_actor_bounded CHECK (octet_length(actor) <= 256),
  action      text        NOT NULL CONSTRAINT audit_events_action_plain CHECK (action ~ '^[a-z_]+([.][a-z_]+)*$'),
  target      text        NOT NULL CONSTRAINT audit_events_target_bounded CHECK (octet_length(target) <= 256),
  target_name text        NOT NULL CONSTRAINT audit_events_target_name_bounded CHECK (octet_length(target_name) <= 256),
  outcome     text        NOT NULL CONSTRAINT audit_events_outcome_known
                          CHECK (outcome IN ('success', 'refused', 'failed')),
  detail      jsonb       NOT NULL CONSTRAINT audit_events_detail_object CHECK (jsonb_typeof(detail) = 'object')
);
COMMENT ON TABLE muster.audit_events IS 'Nobody has UPDATE or DELETE; audit_chain shows a change that was made nevertheless.';
CREATE INDEX audit_events_tenant ON muster.audit_events (tenant_id, id);

-- What the sequencer has still to chain. Ids come before commit, so "greater than the last" would lose slow ones.
CREATE TABLE muster.audit_unchained (
  event_id bigint NOT NULL CONSTRAINT audit_unchained_pk PRIMARY KEY
);

CREATE TABLE muster.audit_chain (
  tenant_id        uuid     NOT NULL,
  sequence         bigint   NOT NULL CONSTRAINT audit_chain_sequence_positive CHECK (sequence > 0),
  event_id         bigint   NOT NULL CONSTRAINT audit_chain_event_unique UNIQUE
                            CONSTRAINT audit_chain_event_known REFERENCES muster.audit_events (id),
  encoding_version smallint NOT NULL,
  hash             bytea    NOT NULL CONSTRAINT audit_chain_hash_whole CHECK (octet_length(hash) = 32),
  CONSTRAINT audit_chain_pk PRIMARY KEY (tenant_id, sequence)
);
COMMENT ON COLUMN muster.audit_chain.hash IS 'SHA-256 of the previous hash and the canonical encoding (registry/audit_chain.h)';

ALTER TABLE muster.audit_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.audit_events FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.audit_chain ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.audit_chain FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT ON muster.audit_events TO muster_tenant, muster_system;
GRANT INSERT ON muster.audit_unchained TO muster_tenant, muster_system;
GRANT SELECT, DELETE ON muster.audit_unchained TO muster_system;
GRANT SELECT ON muster.audit_chain TO muster_tenant;
GRANT SELECT, INSERT ON muster.audit_chain TO muster_system;

CREATE POLICY audit_events_own ON muster.audit_events TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY audit_events_system_read ON muster.audit_events FOR SELECT TO muster_system USING (true);
CREATE POLICY audit_events_system_write ON muster.audit_events FOR INSERT TO muster_system WITH CHECK (true);
CREATE POLICY audit_chain_own ON muster.audit_chain FOR SELECT TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY audit_chain_system_read ON muster.audit_chain FOR SELECT TO muster_system USING (true);
CREATE POLICY audit_chain_system_write ON muster.audit_chain FOR INSERT TO muster_system WITH CHECK (true);
