-- SPDX-License-Identifier: Apache-2.0
-- Why: where a device's newest session is, so that older ones on other brokers are cut and commands reach the device.
-- Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.4.

CREATE TABLE muster.device_sessions (
  tenant_id     uuid        NOT NULL,
  device_id     uuid        NOT NULL,
  edge_id       uuid,                    -- NULL: not seen yet, the row is there to be locked
  incarnation   uuid,                    -- of the broker's plugin
  connection_id uuid,
  began_at      timestamptz,             -- by this database's clock: arrival of the claim less the age that it gave
  moves_left    real        NOT NULL DEFAULT 5 CONSTRAINT device_sessions_moves_bounded CHECK (moves_left BETWEEN 0 AND 5),
  moved_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  contested_at  timestamptz,             -- when it was last told that two seem to use one identity
  CONSTRAINT device_sessions_pk PRIMARY KEY (tenant_id, device_id),
  CONSTRAINT device_sessions_whole CHECK (num_nulls(edge_id, incarnation, connection_id, began_at) IN (0, 4))
) WITH (fillfactor = 70);  -- rewritten at every connect: room for HOT updates
CREATE INDEX device_sessions_contested ON muster.device_sessions (contested_at) WHERE contested_at IS NOT NULL;
COMMENT ON TABLE muster.device_sessions IS
  'The newest session of each device as edges say: a claim. It routes commands and cuts older sessions, and gives no right.';

CREATE TABLE muster.device_commands (
  tenant_id    uuid        NOT NULL,
  id           uuid        NOT NULL DEFAULT gen_random_uuid(),
  device_id    uuid        NOT NULL,
  name         text        NOT NULL CONSTRAINT device_commands_name_plain
                           CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  content_type text        NOT NULL CONSTRAINT device_commands_content_type_bounded
                           CHECK (octet_length(content_type) <= 128),
  payload      bytea       NOT NULL CONSTRAINT device_commands_payload_bounded CHECK (octet_length(payload) <= 65536),
  created_by   text        NOT NULL CONSTRAINT device_commands_created_by_bounded CHECK (octet_length(created_by) <= 256),
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at   timestamptz NOT NULL,
  sent_at      timestamptz,             -- a broker last said that it gave the command to the device's session
  sent_count   integer     NOT NULL DEFAULT 0,
  answered_at  timestamptz,             -- the device published on its responses topic of this command
  CONSTRAINT device_commands_pk PRIMARY KEY (tenant_id, id)
);
CREATE INDEX device_commands_of_device ON muster.device_commands (tenant_id, device_id, created_at, id);
CREATE INDEX device_commands_open ON muster.device_commands (tenant_id, device_id, created_at) WHERE answered_at IS NULL;
CREATE INDEX device_commands_age ON muster.device_commands USING brin (created_at) WITH (pages_per_range = 16);

CREATE TABLE muster.edge_orders (
  id            uuid        NOT NULL DEFAULT gen_random_uuid() CONSTRAINT edge_orders_pk PRIMARY KEY,
  edge_id       uuid        NOT NULL,
  place         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
  kind          text        NOT NULL CONSTRAINT edge_orders_kind_known CHECK (kind IN ('cut', 'command')),
  tenant_id     uuid        NOT NULL,
  device_id     uuid        NOT NULL,
  connection_id uuid        NOT NULL,
  command_id    uuid        CONSTRAINT edge_orders_command_named CHECK ((kind = 'command') = (command_id IS NOT NULL)),
  due_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT edge_orders_once UNIQUE NULLS NOT DISTINCT (connection_id, command_id)
);
COMMENT ON TABLE muster.edge_orders IS
  'What an edge''s brokers are to do, until the edge has it. Each names one connection: elsewhere it does nothing.';
CREATE INDEX edge_orders_of_edge ON muster.edge_orders (edge_id, place);

-- Orders for `p_edge`: it is told when this transaction commits. The channel is not that of changes: edges that have
-- nothing to do sleep on.
CREATE FUNCTION muster.wake_edge(p_edge uuid) RETURNS void LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS
$$ SELECT pg_notify('muster_orders', p_edge::text) $$;

-- Commands that a device has not answered (or one of them), handed to the edge where its session is.
CREATE FUNCTION muster.order_commands(p_edge uuid, p_tenant uuid, p_device uuid, p_connection uuid, p_command uuid)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_count bigint;
BEGIN
  INSERT INTO muster.edge_orders (edge_id, kind, tenant_id, device_id, connection_id, command_id)
    SELECT p_edge, 'command', c.tenant_id, c.device_id, p_connection, c.id FROM muster.device_commands AS c
     WHERE c.tenant_id = p_tenant AND c.device_id = p_device AND c.answered_at IS NULL
       AND c.expires_at > clock_timestamp() AND (p_command IS NULL OR c.id = p_command) ORDER BY c.created_at, c.id
  ON CONFLICT ON CONSTRAINT edge_orders_once DO NOTHING;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;

-- Takes what an edge says of new sessions. The newest session is the one that began last by this database's clock; ages
-- are durations, so no host's wall clock has a say. A claim that is older than what is known is cut itself. The older
-- session is cut at once five times; after that its turn comes after ten seconds each time, and the device is contested.
CREATE FUNCTION muster.claim_sessions(p_edge uuid, p_tenants uuid[], p_incarnations uuid[], p_tenant_ids uuid[],
  p_devices uuid[], p_connections uuid[], p_ages_ms bigint[])
RETURNS TABLE (tenant_id uuid, device_id uuid, device_name text, outcome text, contested boolean, other_edge uuid)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  c record;
  h muster.device_sessions%ROWTYPE;
  v_now timestamptz := clock_timestamp();
  v_began timestamptz;
  v_left real;
  v_wake uuid[] := '{}';
BEGIN
  FOR c IN
    SELECT u.incarnation, u.tenant, u.device, u.connection, u.age, d.name
      FROM unnest(p_incarnations, p_tenant_ids, p_devices, p_connections, p_ages_ms)
        AS u (incarnation, tenant, device, connection, age)
      JOIN muster.devices AS d ON d.tenant_id = u.tenant AND d.id = u.device AND d.status = 'active'
     WHERE p_tenants IS NULL OR u.tenant = ANY (p_tenants)
     ORDER BY u.tenant, u.device, u.age DESC  -- one order for all, so that no two transactions wait for each other
  LOOP
    INSERT INTO muster.device_sessions AS s (tenant_id, device_id) VALUES (c.tenant, c.device)
      ON CONFLICT ON CONSTRAINT device_sessions_pk DO UPDATE SET device_id = excluded.device_id RETURNING s.* INTO h;
    tenant_id := c.tenant;
    device_id := c.device;
    device_name := c.name;
    contested := false;
    other_edge := h.edge_id;
    v_began := v_now - least(greatest(c.age, 0), 604800000) * interval '1 millisecond';
    IF h.connection_id IS NOT DISTINCT FROM c.connection THEN
      outcome := 'known';
    ELSIF h.began_at > v_began AND h.began_at <= v_now THEN  -- in the future: the clock went back, and arrival decides
      outcome := 'older';
      IF h.incarnation <> c.incarnation THEN
        INSERT INTO muster.edge_orders (edge_id, kind, tenant_id, device_id, connection_id)
          VALUES (p_edge, 'cut', c.tenant, c.device, c.connection) ON CONFLICT ON CONSTRAINT edge_orders_once DO NOTHING;
        v_wake := v_wake || p_edge;
      END IF;
      RETURN NEXT;
      CONTINUE;
    ELSE
      outcome := 'new';
      IF h.incarnation <> c.incarnation THEN  -- within one broker, the broker itself sees to it
        outcome := 'moved';
        v_left := least(5, h.moves_left + greatest(0, extract(epoch FROM v_now - h.moved_at)) / 10);
        contested := v_left < 1 AND (h.contested_at IS NULL OR h.contested_at NOT BETWEEN v_now - interval '10 minutes' AND v_now);
        INSERT INTO muster.edge_orders (edge_id, kind, tenant_id, device_id, connection_id, due_at)
          VALUES (h.edge_id, 'cut', c.tenant, c.device, h.connection_id,
                  v_now + CASE WHEN v_left < 1 THEN interval '10 seconds' * (1 - v_left) ELSE interval '0' END)
          ON CONFLICT ON CONSTRAINT edge_orders_once DO NOTHING;
        v_wake := v_wake || h.edge_id;
        h.moves_left := greatest(0, v_left - 1);
        h.moved_at := v_now;
        IF contested THEN h.contested_at := v_now; END IF;
      END IF;
      UPDATE muster.device_sessions AS s SET edge_id = p_edge, incarnation = c.incarnation, connection_id = c.connection,
             began_at = v_began, moves_left = h.moves_left, moved_at = h.moved_at, contested_at = h.contested_at
       WHERE s.tenant_id = c.tenant AND s.device_id = c.device;
    END IF;
    IF muster.order_commands(p_edge, c.tenant, c.device, c.connection, NULL) > 0 THEN v_wake := v_wake || p_edge; END IF;
    RETURN NEXT;
  END LOOP;
  PERFORM muster.wake_edge(e) FROM (SELECT DISTINCT unnest(v_wake)) AS w (e);
END $$;

ALTER TABLE muster.device_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.device_sessions FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.device_commands ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.device_commands FORCE ROW LEVEL SECURITY;
ALTER TABLE muster.edge_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.edge_orders FORCE ROW LEVEL SECURITY;

REVOKE ALL ON FUNCTION muster.wake_edge(uuid), muster.order_commands(uuid, uuid, uuid, uuid, uuid),
  muster.claim_sessions(uuid, uuid[], uuid[], uuid[], uuid[], uuid[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION muster.wake_edge(uuid), muster.order_commands(uuid, uuid, uuid, uuid, uuid)
  TO muster_tenant, muster_system;
GRANT EXECUTE ON FUNCTION muster.claim_sessions(uuid, uuid[], uuid[], uuid[], uuid[], uuid[], bigint[]) TO muster_system;

GRANT SELECT, INSERT, UPDATE (device_id) ON muster.device_sessions TO muster_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON muster.device_sessions TO muster_system;
GRANT SELECT, INSERT ON muster.device_commands TO muster_tenant;
GRANT SELECT, UPDATE (sent_at, sent_count, answered_at), DELETE ON muster.device_commands TO muster_system;
GRANT SELECT, INSERT ON muster.edge_orders TO muster_tenant;
GRANT SELECT, INSERT, DELETE ON muster.edge_orders TO muster_system;

CREATE POLICY device_sessions_own ON muster.device_sessions TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY device_sessions_system ON muster.device_sessions TO muster_system USING (true);
CREATE POLICY device_commands_own ON muster.device_commands TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY device_commands_system ON muster.device_commands TO muster_system USING (true);
CREATE POLICY edge_orders_own ON muster.edge_orders TO muster_tenant USING (tenant_id = muster.current_tenant());
CREATE POLICY edge_orders_system ON muster.edge_orders TO muster_system USING (true);
