-- SPDX-License-Identifier: Apache-2.0
-- Why: issuing was bound by rows, index entries and foreign keys checked row by row. Batch results name certificates
-- instead of repeating them, one row for a group; audit events wait for the sequencer in one row for a group; what a
-- statement inserts is checked once for the statement; ages are looked up through BRIN, since rows come in their order.
-- Lock: the tables below exclusively, while changes and certificate_intents are indexed. Duration: about a second for a
-- million rows. Needed by: registry from version 0.2.

-- The lines of a batch that got certificates, one row for a group that was stored at once. Refused lines have their text
-- in batch_results.
CREATE TABLE muster.batch_certificates (
  tenant_id       uuid     NOT NULL,
  batch_id        uuid     NOT NULL,
  first_line      bigint   NOT NULL,
  lines           bigint[] NOT NULL,
  certificate_ids bytea[]  NOT NULL,  -- one for each line
  CONSTRAINT batch_certificates_pk PRIMARY KEY (tenant_id, batch_id, first_line),
  CONSTRAINT batch_certificates_paired CHECK (cardinality(lines) = cardinality(certificate_ids)),
  CONSTRAINT batch_certificates_first CHECK (lines[1] = first_line),
  CONSTRAINT batch_certificates_batch_known FOREIGN KEY (tenant_id, batch_id)
    REFERENCES muster.batches (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE muster.batch_certificates ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.batch_certificates FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON muster.batch_certificates TO muster_tenant;
GRANT SELECT, DELETE ON muster.batch_certificates TO muster_system;
CREATE POLICY batch_certificates_own ON muster.batch_certificates TO muster_tenant
  USING (tenant_id = muster.current_tenant());

ALTER TABLE muster.audit_unchained ADD COLUMN event_ids bigint[];
COMMENT ON COLUMN muster.audit_unchained.event_ids IS 'of the group, event_id among them; NULL: event_id alone';

-- Rows of tenants, devices, issuers and audit events are never deleted (nobody may), so only the insertion needs a check.
-- The sub-selects are look-ups by key, whatever the planner thinks of the tables' sizes.
CREATE FUNCTION muster.check_inserted() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_fault text;
BEGIN
  CASE TG_TABLE_NAME
    WHEN 'devices' THEN
      SELECT 'devices_tenant_known' INTO v_fault FROM (SELECT DISTINCT f.tenant_id FROM inserted AS f) AS n
       WHERE (SELECT count(*) FROM muster.tenants AS t WHERE t.id = n.tenant_id) = 0 LIMIT 1;
    WHEN 'audit_chain' THEN
      SELECT 'audit_chain_event_known' INTO v_fault FROM inserted AS n
       WHERE (SELECT count(*) FROM muster.audit_events AS e WHERE e.id = n.event_id) = 0 LIMIT 1;
    ELSE
      SELECT TG_TABLE_NAME || '_issuer_known' INTO v_fault
        FROM (SELECT DISTINCT f.tenant_id, f.issuer_id FROM inserted AS f) AS n
       WHERE (SELECT count(*) FROM muster.issuers AS i WHERE i.tenant_id = n.tenant_id AND i.id = n.issuer_id) = 0 LIMIT 1;
      IF v_fault IS NULL THEN
        SELECT TG_TABLE_NAME || '_device_known' INTO v_fault FROM inserted AS n
         WHERE (SELECT count(*) FROM muster.devices AS d WHERE d.tenant_id = n.tenant_id AND d.id = n.device_id) = 0 LIMIT 1;
      END IF;
  END CASE;
  IF v_fault IS NOT NULL THEN
    RAISE EXCEPTION 'a row names what is not there' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = v_fault;
  END IF;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION muster.check_inserted() FROM PUBLIC;

ALTER TABLE muster.devices DROP CONSTRAINT devices_tenant_known;
ALTER TABLE muster.certificate_intents DROP CONSTRAINT certificate_intents_device_known,
  DROP CONSTRAINT certificate_intents_issuer_known;
ALTER TABLE muster.certificates DROP CONSTRAINT certificates_device_known, DROP CONSTRAINT certificates_issuer_known;
ALTER TABLE muster.audit_chain DROP CONSTRAINT audit_chain_event_known;
CREATE TRIGGER devices_check_inserted AFTER INSERT ON muster.devices REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION muster.check_inserted();
CREATE TRIGGER certificate_intents_check_inserted AFTER INSERT ON muster.certificate_intents
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION muster.check_inserted();
CREATE TRIGGER certificates_check_inserted AFTER INSERT ON muster.certificates REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION muster.check_inserted();
CREATE TRIGGER audit_chain_check_inserted AFTER INSERT ON muster.audit_chain REFERENCING NEW TABLE AS inserted
  FOR EACH STATEMENT EXECUTE FUNCTION muster.check_inserted();

DROP INDEX muster.changes_age;
CREATE INDEX changes_age ON muster.changes USING brin (committed_at) WITH (pages_per_range = 16);
DROP INDEX muster.certificate_intents_age;
CREATE INDEX certificate_intents_age ON muster.certificate_intents USING brin (created_at) WITH (pages_per_range = 16);
