-- SPDX-License-Identifier: Apache-2.0
-- Why: renewal steered by the server: incidents that ask for renewal now, and which certificates have been used, so that
-- those before them are superseded. Lock: none on existing tables. Needed by: registry from version 0.2.

CREATE TABLE muster.incidents (
  tenant_id   uuid        NOT NULL CONSTRAINT incidents_tenant_known REFERENCES muster.tenants (id),
  id          uuid        NOT NULL DEFAULT gen_random_uuid(),
  kind        text        NOT NULL CONSTRAINT incidents_kind_known CHECK (kind IN ('certificates', 'issuer', 'key')),
  issuer_id   uuid,
  spki_sha256 bytea       CONSTRAINT incidents_spki_whole CHECK (octet_length(spki_sha256) = 32),
  certificate_count integer NOT NULL,
  reason      text        NOT NULL CONSTRAINT incidents_reason_bounded CHECK (octet_length(reason) <= 256),
  created_at  timestamptz NOT NULL DEFAULT now(),  -- by the clock that certificates.created_at has
  created_by  text        NOT NULL CONSTRAINT incidents_created_by_bounded CHECK (octet_length(created_by) <= 256),
  CONSTRAINT incidents_pk PRIMARY KEY (tenant_id, id),
  CONSTRAINT incidents_issuer_known FOREIGN KEY (tenant_id, issuer_id) REFERENCES muster.issuers (tenant_id, id),
  CONSTRAINT incidents_whole CHECK ((kind = 'issuer') = (issuer_id IS NOT NULL)
                                    AND (kind = 'key') = (spki_sha256 IS NOT NULL)
                                    AND (kind = 'certificates') = (certificate_count > 0))
);
COMMENT ON COLUMN muster.incidents.issuer_id IS 'certificates that it issued before created_at';
CREATE INDEX incidents_age ON muster.incidents (tenant_id, created_at, id);

CREATE TABLE muster.incident_certificates (
  tenant_id      uuid  NOT NULL,
  incident_id    uuid  NOT NULL,
  certificate_id bytea NOT NULL CONSTRAINT incident_certificates_known REFERENCES muster.certificates (id),
  CONSTRAINT incident_certificates_pk PRIMARY KEY (tenant_id, certificate_id, incident_id),
  CONSTRAINT incident_certificates_incident_known FOREIGN KEY (tenant_id, incident_id)
    REFERENCES muster.incidents (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX incident_certificates_incident ON muster.incident_certificates (tenant_id, incident_id);

-- No row: on-connect.
CREATE TABLE muster.renewal_settings (
  tenant_id   uuid NOT NULL CONSTRAINT renewal_settings_pk PRIMARY KEY
                   CONSTRAINT renewal_settings_tenant_known REFERENCES muster.tenants (id),
  superseding text NOT NULL CONSTRAINT renewal_settings_superseding_known CHECK (superseding IN ('on-connect', 'never'))
);

-- How far the lifecycle stream has been read for connects.
CREATE TABLE muster.connect_positions (
  epoch       integer NOT NULL,
  partition   integer NOT NULL,
  next_offset bigint  NOT NULL,
  CONSTRAINT connect_positions_pk PRIMARY KEY (epoch, partition)
) WITH (fillfactor = 50);

ALTER TABLE muster.incidents ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.incidents FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.incident_certificates ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.incident_certificates FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.renewal_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.renewal_settings FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, DELETE ON muster.incidents, muster.incident_certificates TO muster_tenant;
GRANT SELECT ON muster.incidents, muster.incident_certificates TO muster_system;
GRANT SELECT, INSERT, UPDATE ON muster.renewal_settings TO muster_tenant;
GRANT SELECT ON muster.renewal_settings TO muster_system;

CREATE POLICY incidents_own ON muster.incidents TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY incidents_system_read ON muster.incidents FOR SELECT TO muster_system USING (true);
CREATE POLICY incident_certificates_own ON muster.incident_certificates TO muster_tenant
  USING (tenant_id = muster.current_tenant());
CREATE POLICY incident_certificates_system_read ON muster.incident_certificates FOR SELECT TO muster_system USING (true);
CREATE POLICY renewal_settings_own ON muster.renewal_settings TO muster_tenant
  USING (tenant_id = muster.current_tenant());
CREATE POLICY renewal_settings_system_read ON muster.renewal_settings FOR SELECT TO muster_system USING (true);

-- Takes the connects that edges have put into the lifecycle stream since the last call, at most `p_limit` records of each
-- partition; the positions move with the caller's transaction. An edge can say that a device connected, and nothing of a
-- tenant that it does not serve: the stream refused that when it was written, and who was removed or confined since is
-- left out here. kind 3 is a connect, octets 105 to 136 of record v1 are the certificate's id (docs/formats/record.md).
-- Two callers at once share the partitions.
CREATE FUNCTION muster.take_connects(p_limit integer)
RETURNS TABLE (tenant_id uuid, device_id uuid, certificate_id bytea, reported_by text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  head record;
  v_from bigint;
  v_to bigint;
BEGIN
  IF to_regclass('log.heads') IS NULL THEN  -- a registry without a log
    RETURN;
  END IF;
  FOR head IN EXECUTE
    'SELECT h.epoch, h.partition, h.first_offset, h.next_offset, log.table_name(h.stream, h.epoch, h.partition) AS name '
    'FROM log.heads h JOIN log.streams s ON s.id = h.stream '
    'LEFT JOIN muster.connect_positions p ON p.epoch = h.epoch AND p.partition = h.partition '
    'WHERE s.name = ''lifecycle'' AND h.next_offset > coalesce(p.next_offset, 0) ORDER BY h.epoch, h.partition' LOOP
    INSERT INTO muster.connect_positions VALUES (head.epoch, head.partition, 0) ON CONFLICT DO NOTHING;
    SELECT p.next_offset INTO v_from FROM muster.connect_positions p
     WHERE p.epoch = head.epoch AND p.partition = head.partition FOR UPDATE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    v_from := greatest(v_from, head.first_offset);
    v_to := greatest(v_from, least(head.next_offset, v_from + p_limit));
    RETURN QUERY EXECUTE format(
      'SELECT DISTINCT r.tenant_id, r.device_id, substr(r.record, 105, 32), a.role::text FROM log.%I r '
      'JOIN log.appenders a ON a.id = r.appender AND a.active AND (a.tenants IS NULL OR r.tenant_id = ANY (a.tenants)) '
      'WHERE r.log_offset >= $1 AND r.log_offset < $2 AND r.kind = 3', head.name) USING v_from, v_to;
    UPDATE muster.connect_positions p SET next_offset = v_to
     WHERE p.epoch = head.epoch AND p.partition = head.partition;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION muster.take_connects(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION muster.take_connects(integer) TO muster_system;
