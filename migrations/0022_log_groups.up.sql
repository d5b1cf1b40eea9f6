-- Why: consumer groups with leased, fenced partitions, and reading that is scoped to a tenant.
-- Lock: none on existing tables. Needed by: ingest/postgres from version 0.1.
--
-- Errors that the engine tells apart: ML002 fenced, ML003 not a valid position, ML005 too many groups, 42501.

-- The platform's own groups (workers) belong to the nil tenant; tenants' functions never reach it.
CREATE FUNCTION log.platform_group(p_group text) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  nil CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
  v_id bigint;
BEGIN
  SELECT g.id INTO v_id FROM log.groups g WHERE g.tenant_id = nil AND g.name = p_group;
  IF NOT FOUND THEN
    INSERT INTO log.groups (tenant_id, name) VALUES (nil, p_group) ON CONFLICT DO NOTHING;
    SELECT g.id INTO v_id FROM log.groups g WHERE g.tenant_id = nil AND g.name = p_group;
  END IF;
  RETURN v_id;
END $$;

-- The partitions that a group may read now: of each stream the oldest epoch that it has not finished.
CREATE FUNCTION log.readable_partitions(p_group bigint, p_streams smallint[])
RETURNS TABLE (stream smallint, epoch integer, partition integer) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH oldest AS (
    SELECT h.stream, min(h.epoch) AS epoch
      FROM log.heads h
      LEFT JOIN log.group_partitions g
        ON g.group_id = p_group AND g.stream = h.stream AND g.epoch = h.epoch AND g.partition = h.partition
     WHERE h.stream = ANY (p_streams)
       AND (greatest(coalesce(g.committed, 0), h.first_offset) < h.next_offset
            OR h.epoch = (SELECT max(e.epoch) FROM log.epochs e WHERE e.stream = h.stream))
     GROUP BY h.stream)
  SELECT h.stream, h.epoch, h.partition FROM log.heads h JOIN oldest o USING (stream, epoch)
$$;

-- Renews the caller's leases and shares the partitions out: member number r of m gets n/m, the first n mod m one more.
-- Serialised per group by the group's row; never waits for a member's open transaction.
CREATE FUNCTION log.lease(p_group text, p_member uuid, p_streams smallint[], p_lease_ms integer)
RETURNS TABLE (stream smallint, epoch integer, partition integer, committed bigint, fence bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_group bigint := log.platform_group(p_group);
  v_until timestamptz := clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0);
  v_target integer;
  v_held integer;
BEGIN
  PERFORM FROM log.groups g WHERE g.id = v_group FOR UPDATE;
  DELETE FROM log.group_members m WHERE m.group_id = v_group AND m.alive_until < clock_timestamp();
  INSERT INTO log.group_members AS m (group_id, member, alive_until) VALUES (v_group, p_member, v_until)
  ON CONFLICT ON CONSTRAINT group_members_pk DO UPDATE SET alive_until = excluded.alive_until;
  INSERT INTO log.group_partitions (group_id, stream, epoch, partition)
  SELECT v_group, r.stream, r.epoch, r.partition FROM log.readable_partitions(v_group, p_streams) r
  ON CONFLICT DO NOTHING;

  SELECT count(*) / m.members + CASE WHEN m.rank < count(*) % m.members THEN 1 ELSE 0 END INTO v_target
    FROM log.readable_partitions(v_group, p_streams) r,
         (SELECT count(*) AS members, count(*) FILTER (WHERE x.member < p_member) AS rank
            FROM log.group_members x WHERE x.group_id = v_group) m
   GROUP BY m.members, m.rank;

  -- Give back what is finished or too much.
  UPDATE log.group_partitions g SET owner = NULL, lease_until = NULL
   WHERE g.group_id = v_group AND g.owner = p_member
     AND (g.stream, g.epoch, g.partition) NOT IN (
       SELECT k.stream, k.epoch, k.partition
         FROM log.group_partitions k JOIN log.readable_partitions(v_group, p_streams) r USING (stream, epoch, partition)
        WHERE k.group_id = v_group AND k.owner = p_member
        ORDER BY k.stream, k.partition LIMIT v_target);
  UPDATE log.group_partitions g SET lease_until = v_until WHERE g.group_id = v_group AND g.owner = p_member;
  GET DIAGNOSTICS v_held = ROW_COUNT;

  UPDATE log.group_partitions g SET owner = p_member, lease_until = v_until, fence = g.fence + 1
   WHERE g.group_id = v_group AND (g.stream, g.epoch, g.partition) IN (
     SELECT k.stream, k.epoch, k.partition
       FROM log.group_partitions k JOIN log.readable_partitions(v_group, p_streams) r USING (stream, epoch, partition)
      WHERE k.group_id = v_group AND (k.owner IS NULL OR k.lease_until < clock_timestamp())
      ORDER BY k.stream, k.partition LIMIT greatest(v_target - v_held, 0)
        FOR UPDATE OF k SKIP LOCKED);

  RETURN QUERY
    SELECT g.stream, g.epoch, g.partition, greatest(g.committed, h.first_offset), g.fence
      FROM log.group_partitions g JOIN log.heads h USING (stream, epoch, partition)
     WHERE g.group_id = v_group AND g.owner = p_member ORDER BY g.stream, g.epoch, g.partition;
END $$;

CREATE FUNCTION log.leave_group(p_group text, p_member uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_group bigint := log.platform_group(p_group);
BEGIN
  PERFORM FROM log.groups g WHERE g.id = v_group FOR UPDATE;
  DELETE FROM log.group_members m WHERE m.group_id = v_group AND m.member = p_member;
  UPDATE log.group_partitions g SET owner = NULL, lease_until = NULL
   WHERE g.group_id = v_group AND g.owner = p_member;
END $$;

-- Refuses a member that lost the partition: its fence is old.
CREATE FUNCTION log.commit_offset(p_group text, p_member uuid, p_stream smallint, p_epoch integer, p_partition integer,
                                  p_next bigint, p_fence bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE log.group_partitions g SET committed = p_next
   WHERE g.group_id = log.platform_group(p_group) AND g.stream = p_stream AND g.epoch = p_epoch
     AND g.partition = p_partition AND g.owner = p_member AND g.fence = p_fence;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the partition has another owner' USING ERRCODE = 'ML002';
  END IF;
  IF NOT EXISTS (SELECT FROM log.heads h WHERE h.stream = p_stream AND h.epoch = p_epoch AND h.partition = p_partition
                                           AND p_next BETWEEN h.first_offset AND h.next_offset) THEN
    RAISE EXCEPTION 'no such position' USING ERRCODE = 'ML003';
  END IF;
END $$;

CREATE FUNCTION log.put_state(p_group text, p_key text, p_value bytea) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO log.group_state (group_id, key, value) VALUES (log.platform_group(p_group), p_key, p_value)
  ON CONFLICT ON CONSTRAINT group_state_pk DO UPDATE SET value = excluded.value
$$;

CREATE FUNCTION log.get_state(p_group text, p_key text) RETURNS bytea LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.value FROM log.group_state s JOIN log.groups g ON g.id = s.group_id
   WHERE g.tenant_id = '00000000-0000-0000-0000-000000000000' AND g.name = p_group AND s.key = p_key
$$;

-- From here on: what a tenant's applications may do, through muster_reader. The tenant is the transaction's
-- muster.tenant_id; unset, there is no answer.
CREATE FUNCTION log.current_tenant() RETURNS uuid LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF coalesce(current_setting('muster.tenant_id', true), '') IN ('', '00000000-0000-0000-0000-000000000000') THEN
    RAISE EXCEPTION 'no tenant is set' USING ERRCODE = '42501';
  END IF;
  RETURN current_setting('muster.tenant_id')::uuid;
END $$;

CREATE FUNCTION log.tenant_heads(p_stream smallint)
RETURNS TABLE (epoch integer, partition integer, next_offset bigint) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT h.epoch, h.partition, h.next_offset FROM log.heads h
   WHERE h.stream = p_stream AND log.current_tenant() IS NOT NULL ORDER BY h.epoch, h.partition
$$;

CREATE FUNCTION log.tenant_positions(p_stream smallint, p_group text)
RETURNS TABLE (epoch integer, partition integer, committed bigint) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT h.epoch, h.partition, coalesce(g.committed, 0)
    FROM log.heads h
    LEFT JOIN (log.group_partitions g JOIN log.groups o
                 ON o.id = g.group_id AND o.tenant_id = log.current_tenant() AND o.name = p_group)
      ON g.stream = h.stream AND g.epoch = h.epoch AND g.partition = h.partition
   WHERE h.stream = p_stream ORDER BY h.epoch, h.partition
$$;

-- Reads the tenant's records from the given positions, beginning with the partition at `p_turn`, so that a busy
-- partition cannot starve the others. A row without a record says how far that partition has been read. An epoch is
-- finished before the next is begun.
CREATE FUNCTION log.tenant_read(p_stream smallint, p_epochs integer[], p_partitions integer[], p_froms bigint[],
                                p_turn integer, p_max integer, p_max_octets bigint)
RETURNS TABLE (epoch integer, partition integer, log_offset bigint, append_time bigint, record bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_tenant uuid := log.current_tenant();
  v_left integer := p_max;
  v_octets_left bigint := p_max_octets;
  v_epoch integer;
  v_next bigint;
  at record;
  head record;
  found_row record;
BEGIN
  FOR at IN SELECT w.e, w.p, w.f FROM unnest(p_epochs, p_partitions, p_froms) AS w (e, p, f)
             ORDER BY w.e, (w.p < p_turn), w.p LOOP
    EXIT WHEN v_left <= 0 OR v_octets_left <= 0 OR (v_epoch < at.e AND v_left < p_max);
    v_epoch := at.e;
    -- The head before the rows: what lies below it is committed and seen by the query that follows.
    SELECT h.first_offset, h.next_offset INTO head FROM log.heads h
     WHERE h.stream = p_stream AND h.epoch = at.e AND h.partition = at.p;
    CONTINUE WHEN NOT FOUND OR at.f >= head.next_offset;
    v_next := head.next_offset;
    FOR found_row IN EXECUTE format(
        'SELECT r.log_offset, r.append_time, r.record FROM log.%I r
          WHERE r.tenant_id = $1 AND r.log_offset >= $2 AND r.log_offset < $3 ORDER BY r.log_offset LIMIT $4',
        log.table_name(p_stream, at.e, at.p)) USING v_tenant, at.f, head.next_offset, v_left LOOP
      epoch := at.e;
      partition := at.p;
      log_offset := found_row.log_offset;
      append_time := found_row.append_time;
      record := found_row.record;
      RETURN NEXT;
      v_left := v_left - 1;
      v_octets_left := v_octets_left - octet_length(found_row.record);
      IF v_left <= 0 OR v_octets_left <= 0 THEN
        v_next := found_row.log_offset + 1;
        EXIT;
      END IF;
    END LOOP;
    epoch := at.e;
    partition := at.p;
    log_offset := v_next;
    append_time := NULL;
    record := NULL;
    RETURN NEXT;
  END LOOP;
END $$;

CREATE FUNCTION log.tenant_commit(p_stream smallint, p_group text, p_epochs integer[], p_partitions integer[],
                                  p_nexts bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  max_groups CONSTANT integer := 1000;  -- a tenant's rows here must stay bounded
  v_tenant uuid := log.current_tenant();
  v_group bigint;
BEGIN
  IF EXISTS (SELECT FROM unnest(p_epochs, p_partitions, p_nexts) AS w (e, p, n)
               LEFT JOIN log.heads h ON h.stream = p_stream AND h.epoch = w.e AND h.partition = w.p
              WHERE h.stream IS NULL OR w.n < 0 OR w.n > h.next_offset) THEN
    RAISE EXCEPTION 'no such position' USING ERRCODE = 'ML003';
  END IF;
  SELECT g.id INTO v_group FROM log.groups g WHERE g.tenant_id = v_tenant AND g.name = p_group;
  IF NOT FOUND THEN
    IF (SELECT count(*) FROM log.groups g WHERE g.tenant_id = v_tenant) >= max_groups THEN
      RAISE EXCEPTION 'too many groups' USING ERRCODE = 'ML005';
    END IF;
    INSERT INTO log.groups (tenant_id, name) VALUES (v_tenant, p_group) ON CONFLICT DO NOTHING;
    SELECT g.id INTO v_group FROM log.groups g WHERE g.tenant_id = v_tenant AND g.name = p_group;
  END IF;
  INSERT INTO log.group_partitions AS g (group_id, stream, epoch, partition, committed)
  SELECT v_group, p_stream, w.e, w.p, max(w.n) FROM unnest(p_epochs, p_partitions, p_nexts) AS w (e, p, n)
   GROUP BY w.e, w.p ORDER BY w.e, w.p  -- one order of locks
  ON CONFLICT ON CONSTRAINT group_partitions_pk DO UPDATE SET committed = greatest(g.committed, excluded.committed);
END $$;

-- Removes what was appended before `p_before` (microseconds since 1970) from one stream, one partition at a time. The
-- database's owner calls it; a partition whose head is busy for longer than lock_timeout ends the call with an error,
-- and the next call goes on from there.
CREATE FUNCTION log.trim(p_stream text, p_before bigint) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  v_removed bigint := 0;
  v_first bigint;
  v_count bigint;
  head record;
BEGIN
  FOR head IN SELECT h.stream, h.epoch, h.partition, h.first_offset, h.next_offset
                FROM log.heads h JOIN log.streams s ON s.id = h.stream WHERE s.name = p_stream
               ORDER BY h.epoch, h.partition LOOP
    EXECUTE format('SELECT coalesce(min(r.log_offset), $1) FROM log.%I r WHERE r.append_time >= $2',
                   log.table_name(head.stream, head.epoch, head.partition))
      INTO v_first USING head.next_offset, p_before;
    CONTINUE WHEN v_first <= head.first_offset;
    EXECUTE format('DELETE FROM log.%I r WHERE r.log_offset < $1',
                   log.table_name(head.stream, head.epoch, head.partition)) USING v_first;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_removed := v_removed + v_count;
    UPDATE log.heads h SET first_offset = v_first
     WHERE h.stream = head.stream AND h.epoch = head.epoch AND h.partition = head.partition;
  END LOOP;
  RETURN v_removed;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA log FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.lease(text, uuid, smallint[], integer), log.leave_group(text, uuid),
  log.commit_offset(text, uuid, smallint, integer, integer, bigint, bigint), log.put_state(text, text, bytea),
  log.get_state(text, text) TO muster_worker;
GRANT SELECT ON log.heads TO muster_worker;
GRANT EXECUTE ON FUNCTION log.tenant_heads(smallint), log.tenant_positions(smallint, text),
  log.tenant_read(smallint, integer[], integer[], bigint[], integer, integer, bigint),
  log.tenant_commit(smallint, text, integer[], integer[], bigint[]) TO muster_reader;
