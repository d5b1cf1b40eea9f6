-- Why: what a stolen edge's password must not be able to do: lock what others append to and stay so, stop the audit's
-- sequencer or a migration by an advisory lock, fill the disk beside the log, or store a record that no worker can hold.
-- Lock: each partition of raw and lifecycle for a scan (ADD CONSTRAINT). Needed by: ingest/postgres from version 0.1.

-- Everybody may use these unless told otherwise; of ours only muster_system and whoever migrates take advisory locks.
-- Where the migrating role does not own them (no superuser), this only warns: the operator does it then.
DO $$
DECLARE
  f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p
            WHERE p.pronamespace = 'pg_catalog'::regnamespace
              AND (p.proname ~ '^pg_(try_)?advisory_' OR p.proname ~ '^lo_(creat|create|from_bytea)$'
                   OR p.proname = 'pg_logical_emit_message') LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO muster_system, %I', f, current_user);
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;

-- Ends the sessions of edges that hold a transaction for longer than an honest one lasts: ours give up after 10 s of idling
-- and 30 s of one statement. Whoever was kept waiting calls it (stored_through is asked after each failure).
CREATE FUNCTION log.end_stalled_appenders() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ended integer;
BEGIN
  SELECT count(pg_terminate_backend(a.pid)) INTO ended
    FROM pg_stat_activity a JOIN log.appenders p ON p.role = a.usename
   WHERE p.role <> 'muster_worker' AND a.datname = current_database() AND a.pid <> pg_backend_pid()
     AND (a.xact_start < clock_timestamp() - interval '60 s'
          OR (a.state LIKE 'idle in transaction%' AND a.state_change < clock_timestamp() - interval '15 s'));
  RETURN ended;
END $$;

CREATE OR REPLACE FUNCTION log.stored_through(p_incarnation uuid) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me log.appenders := log.current_appender();
BEGIN
  PERFORM log.end_stalled_appenders();
  IF EXISTS (SELECT FROM log.incarnations i WHERE i.incarnation = p_incarnation AND i.appender <> me.id) THEN
    RAISE EXCEPTION 'incarnation % belongs to another appender', p_incarnation USING ERRCODE = '42501';
  END IF;
  RETURN (SELECT max(m.sequence) FROM log.marks m WHERE m.incarnation = p_incarnation);
END $$;

-- As in 0021, but edges lock the heads of their streams only, and the worker those of its own.
CREATE OR REPLACE FUNCTION log.open_append(p_incarnation uuid, p_streams smallint[], p_epochs integer[], p_partitions integer[])
RETURNS TABLE (stream smallint, partition integer, next_offset bigint, append_time bigint, mark bigint, appender integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me log.appenders := log.current_appender();
  highest bigint;
BEGIN
  IF EXISTS (SELECT FROM log.streams s WHERE s.id = ANY (p_streams) AND s.from_edges = (me.role = 'muster_worker')) THEN
    RAISE EXCEPTION 'role % may not append to this stream', session_user USING ERRCODE = '42501';
  END IF;
  IF p_incarnation IS NOT NULL THEN
    PERFORM log.take_incarnation(p_incarnation, me.id);
    SELECT max(m.sequence) INTO highest FROM log.marks m WHERE m.incarnation = p_incarnation;
  END IF;
  RETURN QUERY
    SELECT h.stream, h.partition, h.next_offset, greatest(h.last_append_time, log.now_micros()), highest, me.id
      FROM log.heads h
      JOIN unnest(p_streams, p_epochs, p_partitions) AS w (s, e, p) ON h.stream = w.s AND h.epoch = w.e AND h.partition = w.p
     ORDER BY h.stream, h.epoch, h.partition
       FOR NO KEY UPDATE OF h;  -- KEY SHARE by foreign keys to heads need not wait
  -- After the lock, with a new snapshot: open_epoch locks the old heads before it opens the next epoch.
  IF EXISTS (SELECT FROM unnest(p_streams, p_epochs) AS w (s, e) JOIN log.epochs n ON n.stream = w.s AND n.epoch > w.e) THEN
    RAISE EXCEPTION 'the epoch is over' USING ERRCODE = 'ML001';
  END IF;
END $$;

-- The WAL takes records of up to 4 MiB; a longer one is not from our plugin and would only fill a worker's memory.
CREATE FUNCTION log.limit_records(p_table text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('ALTER TABLE log.%I ADD CONSTRAINT %I CHECK (octet_length(record) <= 4194304)', p_table,
                 p_table || '_bounded');
END $$;

ALTER FUNCTION log.make_partition(smallint, integer, integer) RENAME TO make_unbounded_partition;
CREATE FUNCTION log.make_partition(p_stream smallint, p_epoch integer, p_partition integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM log.make_unbounded_partition(p_stream, p_epoch, p_partition);
  IF (SELECT s.from_edges FROM log.streams s WHERE s.id = p_stream) THEN
    PERFORM log.limit_records(log.table_name(p_stream, p_epoch, p_partition));
  END IF;
END $$;
SELECT log.limit_records(log.table_name(h.stream, h.epoch, h.partition))
  FROM log.heads h JOIN log.streams s ON s.id = h.stream WHERE s.from_edges;

-- As in 0021; besides, temporary tables are closed to everybody in this database. A clone or a restored dump loses that
-- right's removal, so it is looked at again with every appender.
CREATE OR REPLACE FUNCTION log.grant_appender(p_role name, p_tenants uuid[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF has_database_privilege('public', current_database(), 'TEMPORARY') THEN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  END IF;
  INSERT INTO log.appenders (role, tenants) VALUES (p_role, p_tenants)
  ON CONFLICT ON CONSTRAINT appenders_role_unique DO UPDATE SET tenants = excluded.tenants, active = true;
  EXECUTE format('GRANT USAGE ON SCHEMA log TO %I', p_role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION log.current_epochs(), log.stored_through(uuid), '
                 'log.open_append(uuid, smallint[], integer[], integer[]) TO %I', p_role);
  PERFORM log.grant_tables(p_role);
END $$;

REVOKE ALL ON FUNCTION log.end_stalled_appenders(), log.limit_records(text), log.make_partition(smallint, integer, integer)
  FROM PUBLIC;
