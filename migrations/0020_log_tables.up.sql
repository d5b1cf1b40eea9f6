-- Why: the partitioned log (design.md §8): append-only tables per (stream, epoch, partition), written by binary COPY.
-- Lock: none on existing tables. Duration: under a second. Needed by: ingest/postgres from version 0.1.

DO $$
DECLARE
  wanted record;
BEGIN
  -- Roles belong to the server, not to the database: another database's migration may make them at the same moment.
  FOR wanted IN SELECT * FROM (VALUES ('muster_server', 'LOGIN NOINHERIT'), ('muster_worker', 'LOGIN NOINHERIT'),
                                      ('muster_reader', 'NOLOGIN')) AS roles (name, attributes) LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I %s NOBYPASSRLS', wanted.name, wanted.attributes);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
  GRANT muster_reader TO muster_server;
END $$;

CREATE SCHEMA log;
REVOKE ALL ON SCHEMA log FROM PUBLIC;
GRANT USAGE ON SCHEMA log TO muster_worker, muster_reader;

CREATE TABLE log.streams (
  id           smallint NOT NULL CONSTRAINT streams_pk PRIMARY KEY,
  name         text     NOT NULL CONSTRAINT streams_name_unique UNIQUE,
  table_prefix text     NOT NULL CONSTRAINT streams_prefix_plain CHECK (table_prefix ~ '^[a-z_]{1,20}$'),
  from_edges   boolean  NOT NULL  -- edges append here, each record once by its incarnation's mark
);

INSERT INTO log.streams (id, name, table_prefix, from_edges) VALUES
  (1, 'raw', 'raw', true), (2, 'normalized', 'normalized', false),
  (3, 'dead-letters', 'dead_letters', false), (4, 'lifecycle', 'lifecycle', true);

-- The number of partitions is data: changing it opens an epoch, and groups finish the older one first.
CREATE TABLE log.epochs (
  stream     smallint    NOT NULL CONSTRAINT epochs_stream_known REFERENCES log.streams (id),
  epoch      integer     NOT NULL CONSTRAINT epochs_epoch_positive CHECK (epoch > 0),
  partitions integer     NOT NULL CONSTRAINT epochs_partitions_bounded CHECK (partitions BETWEEN 1 AND 1024),
  opened_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT epochs_pk PRIMARY KEY (stream, epoch)
);

-- One row a partition, locked by an appender until it commits: so offsets are dense and become visible in order. A
-- sequence would let a reader pass a slow writer's rows and lose them.
CREATE TABLE log.heads (
  stream           smallint NOT NULL,
  epoch            integer  NOT NULL,
  partition        integer  NOT NULL,
  first_offset     bigint   NOT NULL DEFAULT 0,  -- the oldest record that is kept
  next_offset      bigint   NOT NULL DEFAULT 0,
  last_append_time bigint   NOT NULL DEFAULT 0,  -- microseconds since 1970; append times never go back
  CONSTRAINT heads_pk PRIMARY KEY (stream, epoch, partition),
  CONSTRAINT heads_epoch_known FOREIGN KEY (stream, epoch) REFERENCES log.epochs (stream, epoch),
  CONSTRAINT heads_offsets_ordered CHECK (0 <= first_offset AND first_offset <= next_offset)
) WITH (fillfactor = 20);  -- updated by every append: room for HOT updates on the same page

-- Who may append. A row outlives its role, so that records name their origin for as long as they are kept.
CREATE TABLE log.appenders (
  id         integer     NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT appenders_pk PRIMARY KEY,
  role       name        NOT NULL CONSTRAINT appenders_role_unique UNIQUE,
  tenants    uuid[],     -- NULL: any tenant
  active     boolean     NOT NULL DEFAULT true,
  granted_at timestamptz NOT NULL DEFAULT now()
);

-- An incarnation belongs to the role that used it first: a cloned WAL shipped by another edge is refused.
CREATE TABLE log.incarnations (
  incarnation uuid        NOT NULL CONSTRAINT incarnations_pk PRIMARY KEY,
  appender    integer     NOT NULL CONSTRAINT incarnations_appender_known REFERENCES log.appenders (id),
  bound_at    timestamptz NOT NULL DEFAULT now()
);

-- The highest sequence stored, moved in the transaction that stores it.
CREATE TABLE log.marks (
  incarnation uuid     NOT NULL CONSTRAINT marks_incarnation_known REFERENCES log.incarnations (incarnation),
  stream      smallint NOT NULL,
  epoch       integer  NOT NULL,
  partition   integer  NOT NULL,
  sequence    bigint   NOT NULL,
  CONSTRAINT marks_pk PRIMARY KEY (incarnation, stream, epoch, partition)
) WITH (fillfactor = 50);

-- A consumer group belongs to a tenant; the platform's own (workers) to the nil tenant.
CREATE TABLE log.groups (
  id         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT groups_pk PRIMARY KEY,
  tenant_id  uuid        NOT NULL,
  name       text        NOT NULL CONSTRAINT groups_name_plain CHECK (name ~ '^[A-Za-z0-9._-]{1,64}$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT groups_name_unique UNIQUE (tenant_id, name)
);

CREATE TABLE log.group_members (
  group_id   bigint      NOT NULL CONSTRAINT group_members_group_known REFERENCES log.groups (id) ON DELETE CASCADE,
  member     uuid        NOT NULL,
  alive_until timestamptz NOT NULL,
  CONSTRAINT group_members_pk PRIMARY KEY (group_id, member)
);

-- Position and lease of a group in a partition. `fence` grows with every change of owner; a commit names the fence under
-- which its records were read.
CREATE TABLE log.group_partitions (
  group_id    bigint      NOT NULL CONSTRAINT group_partitions_group_known REFERENCES log.groups (id) ON DELETE CASCADE,
  stream      smallint    NOT NULL,
  epoch       integer     NOT NULL,
  partition   integer     NOT NULL,
  committed   bigint      NOT NULL DEFAULT 0,  -- the next offset to read
  fence       bigint      NOT NULL DEFAULT 0,
  owner       uuid,
  lease_until timestamptz,
  CONSTRAINT group_partitions_pk PRIMARY KEY (group_id, stream, epoch, partition),
  CONSTRAINT group_partitions_head_known
    FOREIGN KEY (stream, epoch, partition) REFERENCES log.heads (stream, epoch, partition),
  CONSTRAINT group_partitions_lease_whole CHECK ((owner IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 50);

CREATE TABLE log.group_state (
  group_id bigint NOT NULL CONSTRAINT group_state_group_known REFERENCES log.groups (id) ON DELETE CASCADE,
  key      text   NOT NULL CONSTRAINT group_state_key_bounded CHECK (octet_length(key) BETWEEN 1 AND 512),
  value    bytea  NOT NULL,
  CONSTRAINT group_state_pk PRIMARY KEY (group_id, key)
);
