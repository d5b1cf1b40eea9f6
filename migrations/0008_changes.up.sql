-- SPDX-License-Identifier: Apache-2.0
-- Why: what edges must know, numbered in commit order (design.md §7).
-- Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.1.

CREATE TABLE muster.change_counter (
  one_row           boolean NOT NULL DEFAULT true CONSTRAINT change_counter_pk PRIMARY KEY
                            CONSTRAINT change_counter_is_one_row CHECK (one_row),
  epoch             uuid    NOT NULL DEFAULT gen_random_uuid(),
  number            bigint  NOT NULL DEFAULT 0,  -- of the newest change
  pruned_number     bigint  NOT NULL DEFAULT 0,  -- changes up to here are gone
  system_identifier bigint  NOT NULL,            -- of the cluster and the timeline for which the epoch was made
  timeline          integer NOT NULL
) WITH (fillfactor = 10);  -- updated by every transaction: room for HOT updates on the same page
COMMENT ON TABLE muster.change_counter IS
  'One row, locked until commit by the transaction that takes a number, so numbers become visible in order.';

-- Which database this is: a restored one has another system identifier or another timeline.
CREATE FUNCTION muster.database_identity(OUT system_identifier bigint, OUT timeline integer) LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT s.system_identifier, c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c $$;

INSERT INTO muster.change_counter (system_identifier, timeline)
  SELECT d.system_identifier, d.timeline FROM muster.database_identity() d;

CREATE TABLE muster.changes (
  number       bigint      NOT NULL CONSTRAINT changes_pk PRIMARY KEY,
  entity_kind  smallint    NOT NULL CONSTRAINT changes_kind_known CHECK (entity_kind BETWEEN 1 AND 5),
  entity_id    bytea       NOT NULL CONSTRAINT changes_entity_whole
                           CHECK (octet_length(entity_id) = CASE entity_kind WHEN 5 THEN 32 ELSE 16 END),
  tenant_id    uuid        NOT NULL,
  committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN muster.changes.entity_kind IS '1 tenant, 2 issuer, 3 policy, 4 device, 5 certificate';
CREATE INDEX changes_age ON muster.changes (committed_at);

-- Takes `p_count` numbers and returns the one before the first. Call it in a transaction's last statement: from here to
-- the commit everybody else waits.
CREATE FUNCTION muster.take_change_numbers(p_count integer) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_number bigint;
BEGIN
  IF p_count IS NULL OR p_count < 1 THEN
    RAISE EXCEPTION 'count must be positive' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  UPDATE muster.change_counter SET number = number + p_count RETURNING number INTO v_number;
  PERFORM pg_notify('muster_changes', '');  -- one for the transaction: equal notifications are sent once
  RETURN v_number - p_count;
END $$;

ALTER TABLE muster.changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.changes FORCE ROW LEVEL SECURITY;

REVOKE ALL ON FUNCTION muster.take_change_numbers(integer), muster.database_identity() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION muster.take_change_numbers(integer) TO muster_tenant, muster_system;
GRANT EXECUTE ON FUNCTION muster.database_identity() TO muster_system;
GRANT SELECT, UPDATE (epoch, pruned_number, system_identifier, timeline) ON muster.change_counter TO muster_system;
GRANT INSERT ON muster.changes TO muster_tenant;
GRANT SELECT, INSERT, DELETE ON muster.changes TO muster_system;

CREATE POLICY changes_own_announce ON muster.changes FOR INSERT TO muster_tenant
  WITH CHECK (tenant_id = muster.current_tenant());
CREATE POLICY changes_system_read ON muster.changes FOR SELECT TO muster_system USING (true);
CREATE POLICY changes_system_announce ON muster.changes FOR INSERT TO muster_system WITH CHECK (true);
CREATE POLICY changes_system_prune ON muster.changes FOR DELETE TO muster_system USING (true);
