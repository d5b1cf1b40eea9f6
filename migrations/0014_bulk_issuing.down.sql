DROP INDEX muster.certificate_intents_age;
CREATE INDEX certificate_intents_age ON muster.certificate_intents (created_at);
DROP INDEX muster.changes_age;
CREATE INDEX changes_age ON muster.changes (committed_at);
DROP TRIGGER audit_chain_check_inserted ON muster.audit_chain;
DROP TRIGGER certificates_check_inserted ON muster.certificates;
DROP TRIGGER certificate_intents_check_inserted ON muster.certificate_intents;
DROP TRIGGER devices_check_inserted ON muster.devices;
DROP FUNCTION muster.check_inserted();
ALTER TABLE muster.audit_chain ADD CONSTRAINT audit_chain_event_known FOREIGN KEY (event_id)
  REFERENCES muster.audit_events (id);
ALTER TABLE muster.certificates
  ADD CONSTRAINT certificates_device_known FOREIGN KEY (tenant_id, device_id) REFERENCES muster.devices (tenant_id, id),
  ADD CONSTRAINT certificates_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers (tenant_id, id);
ALTER TABLE muster.certificate_intents
  ADD CONSTRAINT certificate_intents_device_known FOREIGN KEY (tenant_id, device_id) REFERENCES muster.devices (tenant_id, id),
  ADD CONSTRAINT certificate_intents_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers (tenant_id, id);
ALTER TABLE muster.devices ADD CONSTRAINT devices_tenant_known FOREIGN KEY (tenant_id) REFERENCES muster.tenants (id);
INSERT INTO muster.audit_unchained (event_id) SELECT unnest(u.event_ids) FROM muster.audit_unchained AS u
  ON CONFLICT DO NOTHING;
ALTER TABLE muster.audit_unchained DROP COLUMN event_ids;
DROP TABLE muster.batch_certificates;
