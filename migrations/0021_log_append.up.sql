-- Why: heads and marks move only here, in functions bound to session_user, so that an edge can add its own records at the
-- end of a partition and do nothing else. Lock: none on existing tables. Needed by: ingest/postgres from version 0.1.
--
-- pg_temp stands last in every search_path: left out it would come first, and a caller's temporary type called "text"
-- would run the caller's code as the owner.
--
-- Errors that the engine tells apart: 42501 not allowed, ML001 the epoch is over, ML004 not a valid append.

CREATE FUNCTION log.now_micros() RETURNS bigint LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

CREATE FUNCTION log.table_name(p_stream smallint, p_epoch integer, p_partition integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS
$$ SELECT format('%s_%s_%s', table_prefix, p_epoch, lpad(p_partition::text, 4, '0')) FROM log.streams
    WHERE id = p_stream $$;

-- The appender row of whoever logged in. SET ROLE changes nothing here.
CREATE FUNCTION log.current_appender() RETURNS log.appenders LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me log.appenders;
BEGIN
  SELECT a.* INTO me FROM log.appenders a WHERE a.role = session_user AND a.active;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'role % may not append', session_user USING ERRCODE = '42501';
  END IF;
  RETURN me;
END $$;

CREATE FUNCTION log.current_epochs() RETURNS TABLE (stream smallint, epoch integer, partitions integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT DISTINCT ON (e.stream) e.stream, e.epoch, e.partitions FROM log.epochs e ORDER BY e.stream, e.epoch DESC $$;

-- Binds an incarnation to the caller on first use and locks it, so that two shippers of one WAL take turns.
CREATE FUNCTION log.take_incarnation(p_incarnation uuid, p_appender integer) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  bound integer;
BEGIN
  SELECT i.appender INTO bound FROM log.incarnations i WHERE i.incarnation = p_incarnation FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO log.incarnations (incarnation, appender) VALUES (p_incarnation, p_appender) ON CONFLICT DO NOTHING;
    SELECT i.appender INTO bound FROM log.incarnations i WHERE i.incarnation = p_incarnation FOR UPDATE;
  END IF;
  IF bound IS DISTINCT FROM p_appender THEN
    RAISE EXCEPTION 'incarnation % belongs to another appender', p_incarnation USING ERRCODE = '42501';
  END IF;
END $$;

-- Locks the heads that a batch needs, always in the same order, and says where it starts. `mark` is the highest sequence
-- of the incarnation in the whole log: batches come in ascending order, so everything up to it has been stored.
CREATE FUNCTION log.open_append(p_incarnation uuid, p_streams smallint[], p_epochs integer[], p_partitions integer[])
RETURNS TABLE (stream smallint, partition integer, next_offset bigint, append_time bigint, mark bigint, appender integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me log.appenders := log.current_appender();
  highest bigint;
BEGIN
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

CREATE FUNCTION log.stored_through(p_incarnation uuid) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me log.appenders := log.current_appender();
BEGIN
  IF EXISTS (SELECT FROM log.incarnations i WHERE i.incarnation = p_incarnation AND i.appender <> me.id) THEN
    RAISE EXCEPTION 'incarnation % belongs to another appender', p_incarnation USING ERRCODE = '42501';
  END IF;
  RETURN (SELECT max(m.sequence) FROM log.marks m WHERE m.incarnation = p_incarnation);
END $$;

-- Moves the incarnations' marks over the new rows, refusing what an earlier append has passed.
CREATE FUNCTION log.move_mark(p_appender integer, p_stream smallint, p_epoch integer, p_partition integer,
                              p_incarnation uuid, p_lowest bigint, p_highest bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM log.take_incarnation(p_incarnation, p_appender);
  INSERT INTO log.marks AS m (incarnation, stream, epoch, partition, sequence)
  VALUES (p_incarnation, p_stream, p_epoch, p_partition, p_highest)
  ON CONFLICT ON CONSTRAINT marks_pk DO UPDATE SET sequence = excluded.sequence WHERE m.sequence < p_lowest;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'sequence % is stored already', p_lowest USING ERRCODE = 'ML004';
  END IF;
END $$;

-- Runs after each COPY into a partition, as part of it. The rows must continue the partition without a gap, carry the
-- caller's own appender id and only tenants it may write; otherwise nothing is stored. Arguments: stream, epoch,
-- partition, whether marks are kept.
CREATE FUNCTION log.seal_append() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me log.appenders := log.current_appender();
  v_stream smallint := TG_ARGV[0]::smallint;
  v_epoch integer := TG_ARGV[1]::integer;
  v_partition integer := TG_ARGV[2]::integer;
  rows_seen record;
  run record;
BEGIN
  SELECT count(*) AS n, min(r.log_offset) AS first, max(r.log_offset) AS last, min(r.append_time) AS earliest,
         max(r.append_time) AS latest, bool_and(r.appender = me.id) AS own,
         bool_and(me.tenants IS NULL OR r.tenant_id = ANY (me.tenants)) AS permitted
    INTO rows_seen FROM new_rows r;
  IF rows_seen.n = 0 THEN
    RETURN NULL;
  END IF;
  IF NOT rows_seen.own OR NOT rows_seen.permitted THEN
    RAISE EXCEPTION 'role % may not append these records', session_user USING ERRCODE = '42501';
  END IF;
  -- A record from the future would outlive its retention and hold back the partition's clock.
  IF rows_seen.latest > log.now_micros() + 1000000 AND
     rows_seen.latest > (SELECT h.last_append_time FROM log.heads h
                          WHERE h.stream = v_stream AND h.epoch = v_epoch AND h.partition = v_partition) THEN
    RAISE EXCEPTION 'append time lies in the future' USING ERRCODE = 'ML004';
  END IF;
  UPDATE log.heads h SET next_offset = rows_seen.last + 1, last_append_time = rows_seen.latest
   WHERE h.stream = v_stream AND h.epoch = v_epoch AND h.partition = v_partition
     AND h.next_offset = rows_seen.first AND h.last_append_time <= rows_seen.earliest
     AND NOT EXISTS (SELECT FROM log.epochs e WHERE e.stream = v_stream AND e.epoch > v_epoch);
  IF NOT FOUND OR rows_seen.last - rows_seen.first + 1 <> rows_seen.n THEN
    RAISE EXCEPTION 'the records do not continue the partition' USING ERRCODE = 'ML004';
  END IF;
  IF TG_ARGV[3]::boolean THEN
    FOR run IN SELECT r.incarnation, min(r.sequence) AS lowest, max(r.sequence) AS highest FROM new_rows r GROUP BY 1 LOOP
      PERFORM log.move_mark(me.id, v_stream, v_epoch, v_partition, run.incarnation, run.lowest, run.highest);
    END LOOP;
  END IF;
  RETURN NULL;
END $$;

-- The columns that scope reading must be those inside the record: octets 17 to 64 of record v1.
CREATE FUNCTION log.make_partition(p_stream smallint, p_epoch integer, p_partition integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_table text := log.table_name(p_stream, p_epoch, p_partition);
  v_from_edges boolean := (SELECT s.from_edges FROM log.streams s WHERE s.id = p_stream);
BEGIN
  EXECUTE format($sql$
    CREATE TABLE log.%1$I (
      log_offset  bigint   NOT NULL CONSTRAINT %2$I PRIMARY KEY,
      append_time bigint   NOT NULL,
      sequence    bigint   NOT NULL,
      appender    integer  NOT NULL,
      kind        smallint NOT NULL,
      tenant_id   uuid     NOT NULL,
      device_id   uuid     NOT NULL,
      incarnation uuid     NOT NULL,
      record      bytea    NOT NULL,
      CONSTRAINT %3$I CHECK (substr(record, 17, 48) = uuid_send(incarnation) || uuid_send(tenant_id) || uuid_send(device_id))
    )$sql$, v_table, v_table || '_pk', v_table || '_true');
  -- Long records go out of line uncompressed: compressing them costs the server more than the disk they save.
  EXECUTE format('ALTER TABLE log.%I ALTER COLUMN record SET STORAGE EXTERNAL', v_table);
  EXECUTE format('CREATE INDEX %I ON log.%I (tenant_id, log_offset)', v_table || '_by_tenant', v_table);
  EXECUTE format('CREATE TRIGGER seal_append AFTER INSERT ON log.%I REFERENCING NEW TABLE AS new_rows
                  FOR EACH STATEMENT EXECUTE FUNCTION log.seal_append(%L, %L, %L, %L)',
                 v_table, p_stream, p_epoch, p_partition, v_from_edges);
  EXECUTE format('REVOKE ALL ON log.%I FROM PUBLIC', v_table);
  EXECUTE format('GRANT SELECT ON log.%I TO muster_worker', v_table);
  IF NOT v_from_edges THEN
    EXECUTE format('GRANT INSERT ON log.%I TO muster_worker', v_table);
  END IF;
END $$;

CREATE FUNCTION log.grant_tables(p_role name) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  head record;
BEGIN
  FOR head IN SELECT log.table_name(h.stream, h.epoch, h.partition) AS name
                FROM log.heads h JOIN log.streams s ON s.id = h.stream WHERE s.from_edges LOOP
    EXECUTE format('GRANT INSERT ON log.%I TO %I', head.name, p_role);
  END LOOP;
END $$;

-- Opens the next epoch of a stream with `p_partitions` partitions. Appends that hold a head finish first.
CREATE FUNCTION log.open_epoch(p_stream text, p_partitions integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_stream smallint := (SELECT s.id FROM log.streams s WHERE s.name = p_stream);
  v_epoch integer;
  v_appender record;
BEGIN
  PERFORM FROM log.heads h WHERE h.stream = v_stream ORDER BY h.epoch, h.partition FOR UPDATE;
  SELECT coalesce(max(e.epoch), 0) + 1 INTO v_epoch FROM log.epochs e WHERE e.stream = v_stream;
  INSERT INTO log.epochs (stream, epoch, partitions) VALUES (v_stream, v_epoch, p_partitions);
  FOR i IN 0 .. p_partitions - 1 LOOP
    INSERT INTO log.heads (stream, epoch, partition) VALUES (v_stream, v_epoch, i);
    PERFORM log.make_partition(v_stream, v_epoch, i);
  END LOOP;
  FOR v_appender IN SELECT a.role FROM log.appenders a WHERE a.active AND a.role <> 'muster_worker' LOOP
    PERFORM log.grant_tables(v_appender.role);
  END LOOP;
  RETURN v_epoch;
END $$;

-- Lets `p_role` append to the streams that edges write, for `p_tenants` only (NULL: any), and nothing else: it can read
-- nothing, and its rows carry its own id.
CREATE FUNCTION log.grant_appender(p_role name, p_tenants uuid[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO log.appenders (role, tenants) VALUES (p_role, p_tenants)
  ON CONFLICT ON CONSTRAINT appenders_role_unique DO UPDATE SET tenants = excluded.tenants, active = true;
  EXECUTE format('GRANT USAGE ON SCHEMA log TO %I', p_role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION log.current_epochs(), log.stored_through(uuid), '
                 'log.open_append(uuid, smallint[], integer[], integer[]) TO %I', p_role);
  PERFORM log.grant_tables(p_role);
END $$;

-- Takes it all back and ends the role's sessions, so that DROP ROLE finds nothing in its way. What it appended stays.
CREATE FUNCTION log.revoke_appender(p_role name) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE log.appenders a SET active = false WHERE a.role = p_role;
  IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = p_role) THEN
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA log FROM %I', p_role);
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA log FROM %I', p_role);
    EXECUTE format('REVOKE ALL ON SCHEMA log FROM %I', p_role);
  END IF;
  PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a
    WHERE a.usename = p_role AND a.pid <> pg_backend_pid();
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA log FROM PUBLIC;
INSERT INTO log.appenders (role) VALUES ('muster_worker');
GRANT EXECUTE ON FUNCTION log.current_epochs(), log.open_append(uuid, smallint[], integer[], integer[]) TO muster_worker;

-- Sixteen partitions unless the one who migrates says otherwise: SET muster.log_partitions = '32' before.
SELECT log.open_epoch(s.name, coalesce(nullif(current_setting('muster.log_partitions', true), ''), '16')::integer)
  FROM log.streams s ORDER BY s.id;
