-- open_append and grant_appender stay as they are: what they refuse, no earlier code does. Temporary tables stay closed.
DO $$
DECLARE
  f regprocedure;
  head record;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p
            WHERE p.pronamespace = 'pg_catalog'::regnamespace
              AND (p.proname ~ '^pg_(try_)?advisory_' OR p.proname ~ '^lo_(creat|create|from_bytea)$'
                   OR p.proname = 'pg_logical_emit_message') LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', f);
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM muster_system', f);
  END LOOP;
  FOR head IN SELECT log.table_name(h.stream, h.epoch, h.partition) AS name
                FROM log.heads h JOIN log.streams s ON s.id = h.stream WHERE s.from_edges LOOP
    EXECUTE format('ALTER TABLE log.%I DROP CONSTRAINT IF EXISTS %I', head.name, head.name || '_bounded');
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION log.stored_through(p_incarnation uuid) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me log.appenders := log.current_appender();
BEGIN
  IF EXISTS (SELECT FROM log.incarnations i WHERE i.incarnation = p_incarnation AND i.appender <> me.id) THEN
    RAISE EXCEPTION 'incarnation % belongs to another appender', p_incarnation USING ERRCODE = '42501';
  END IF;
  RETURN (SELECT max(m.sequence) FROM log.marks m WHERE m.incarnation = p_incarnation);
END $$;

DROP FUNCTION log.end_stalled_appenders(), log.limit_records(text), log.make_partition(smallint, integer, integer);
ALTER FUNCTION log.make_unbounded_partition(smallint, integer, integer) RENAME TO make_partition;
