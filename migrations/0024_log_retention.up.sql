-- SPDX-License-Identifier: Apache-2.0
-- Why: the log forgets by itself what is past its keep, a bounded number of rows at a time, and never what the platform's
-- own consumers have still to read.
-- Lock: none on existing tables. Duration: under a second. Needed by: ingest/postgres from version 0.3.

-- Deletes what was appended to p_stream more than p_hours ago, at most p_limit rows a partition, and returns how many.
-- Of raw it keeps what p_group (a group of the platform's) has not committed, all of it where there is no such group; of
-- lifecycle what the registry has not taken its connects from. Tenants' own groups hold nothing back.
CREATE FUNCTION log.retain(p_stream text, p_hours integer, p_group text, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  v_before CONSTANT bigint := ((extract(epoch FROM clock_timestamp()) - p_hours * 3600.0) * 1e6)::bigint;
  v_removed bigint := 0;
  v_count bigint;
  v_end bigint;
  v_first bigint;
  firsts bigint[] := '{}';
  heads record;
  i integer := 0;
BEGIN
  IF p_hours < 1 OR p_limit NOT BETWEEN 1 AND 100000 THEN
    RAISE EXCEPTION 'hours from 1, limit from 1 to 100000' USING ERRCODE = '22023';
  END IF;
  FOR heads IN SELECT h.stream, h.epoch, h.partition, h.first_offset, h.next_offset, gp.committed
                 FROM log.heads h JOIN log.streams s ON s.id = h.stream
                 LEFT JOIN log.groups g ON g.name = p_group AND g.tenant_id = '00000000-0000-0000-0000-000000000000'
                 LEFT JOIN log.group_partitions gp ON gp.group_id = g.id AND gp.stream = h.stream AND gp.epoch = h.epoch
                                                  AND gp.partition = h.partition
                WHERE s.name = p_stream ORDER BY h.epoch, h.partition LOOP
    i := i + 1;
    firsts[i] := heads.first_offset;
    v_end := least(heads.next_offset, heads.first_offset + p_limit);
    IF p_stream = 'raw' THEN
      v_end := least(v_end, coalesce(heads.committed, heads.first_offset));
    ELSIF p_stream = 'lifecycle' AND to_regclass('muster.connect_positions') IS NOT NULL THEN
      EXECUTE 'SELECT p.next_offset FROM muster.connect_positions p WHERE p.epoch = $1 AND p.partition = $2'
        INTO v_count USING heads.epoch, heads.partition;
      v_end := least(v_end, coalesce(v_count, heads.first_offset));
    END IF;
    CONTINUE WHEN v_end <= heads.first_offset;
    EXECUTE format('SELECT coalesce(min(r.log_offset), $1) FROM log.%I r'
                   ' WHERE r.log_offset >= $2 AND r.log_offset < $1 AND r.append_time >= $3',
                   log.table_name(heads.stream, heads.epoch, heads.partition))
      INTO v_first USING v_end, heads.first_offset, v_before;
    CONTINUE WHEN v_first <= heads.first_offset;
    EXECUTE format('DELETE FROM log.%I r WHERE r.log_offset < $1',
                   log.table_name(heads.stream, heads.epoch, heads.partition)) USING v_first;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_removed := v_removed + v_count;
    firsts[i] := v_first;
  END LOOP;
  -- Last, since whoever appends waits for these rows; in the order in which appenders lock them.
  i := 0;
  FOR heads IN SELECT h.stream, h.epoch, h.partition, h.first_offset
                 FROM log.heads h JOIN log.streams s ON s.id = h.stream
                WHERE s.name = p_stream ORDER BY h.epoch, h.partition LOOP
    i := i + 1;
    CONTINUE WHEN i > cardinality(firsts) OR firsts[i] <= heads.first_offset;
    UPDATE log.heads h SET first_offset = firsts[i]
     WHERE h.stream = heads.stream AND h.epoch = heads.epoch AND h.partition = heads.partition;
  END LOOP;
  RETURN v_removed;
END $$;
REVOKE ALL ON FUNCTION log.retain(text, integer, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.retain(text, integer, text, integer) TO muster_worker;
