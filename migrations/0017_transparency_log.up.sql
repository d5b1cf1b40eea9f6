-- SPDX-License-Identifier: Apache-2.0
-- Why: an append-only log of what was issued (docs/formats/transparency.md), appended to in the transaction that stores the
-- certificates. Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.3.

CREATE TABLE muster.transparency_key (
  one_row    boolean     NOT NULL DEFAULT true
                         CONSTRAINT transparency_key_pk PRIMARY KEY CONSTRAINT transparency_key_is_one_row CHECK (one_row),
  id         uuid        NOT NULL,
  origin     text        NOT NULL CONSTRAINT transparency_key_origin_plain CHECK (origin ~ '^[!-*,-~]{1,255}$'),
  public_key bytea       NOT NULL CONSTRAINT transparency_key_public_whole CHECK (octet_length(public_key) = 32),
  kek_id     text        NOT NULL CONSTRAINT transparency_key_kek_bounded CHECK (octet_length(kek_id) BETWEEN 1 AND 64),
  blob       bytea       NOT NULL CONSTRAINT transparency_key_blob_bounded CHECK (octet_length(blob) <= 16384),
  created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE muster.transparency_key IS 'The Ed25519 key that signs checkpoints; its name is the log''s origin.';
COMMENT ON COLUMN muster.transparency_key.blob IS 'encrypted and bound to deployment and key (ca/key_wrapping.h)';

CREATE TABLE muster.transparency_head (
  one_row    boolean NOT NULL DEFAULT true
                     CONSTRAINT transparency_head_pk PRIMARY KEY CONSTRAINT transparency_head_is_one_row CHECK (one_row),
  size       bigint  NOT NULL DEFAULT 0 CONSTRAINT transparency_head_size_natural CHECK (size >= 0),
  frontier   bytea[] NOT NULL DEFAULT '{}',  -- complete subtrees, largest first
  checkpoint text    NOT NULL DEFAULT ''     -- signed, of this size
) WITH (fillfactor = 10);  -- updated by every issuing transaction: room for HOT updates on the same page
COMMENT ON TABLE muster.transparency_head IS 'One row, locked until commit by the transaction that appends.';
INSERT INTO muster.transparency_head DEFAULT VALUES;

-- The leaves, one row for a group that was stored at once.
CREATE TABLE muster.transparency_groups (
  first_index     bigint      NOT NULL CONSTRAINT transparency_groups_pk PRIMARY KEY,
  tenant_id       uuid        NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  seed            bytea       NOT NULL CONSTRAINT transparency_groups_seed_whole CHECK (octet_length(seed) = 32),
  entries         bytea       NOT NULL,  -- 32 octets a leaf
  certificate_ids bytea       NOT NULL,  -- 32 octets a leaf
  CONSTRAINT transparency_groups_whole CHECK (octet_length(entries) > 0 AND octet_length(entries) % 32 = 0
                                              AND octet_length(entries) = octet_length(certificate_ids))
);
COMMENT ON COLUMN muster.transparency_groups.created_at IS 'of the transaction, as in its certificates: so they are found';
ALTER TABLE muster.transparency_groups ALTER COLUMN entries SET STORAGE EXTERNAL;
ALTER TABLE muster.transparency_groups ALTER COLUMN certificate_ids SET STORAGE EXTERNAL;
CREATE INDEX transparency_groups_tenant ON muster.transparency_groups (tenant_id, created_at);
CREATE INDEX transparency_groups_of_tenant ON muster.transparency_groups (tenant_id, first_index);

-- Nodes over 256, 65,536 … leaves: what tiles above the lowest are made of.
CREATE TABLE muster.transparency_nodes (
  height   smallint NOT NULL CONSTRAINT transparency_nodes_height_of_tile CHECK (height > 0 AND height % 8 = 0),
  position bigint   NOT NULL,
  hash     bytea    NOT NULL CONSTRAINT transparency_nodes_hash_whole CHECK (octet_length(hash) = 32),
  CONSTRAINT transparency_nodes_pk PRIMARY KEY (height, position)
);

-- Locks the head until commit and returns it. Call it near the transaction's end: everybody else waits.
CREATE FUNCTION muster.lock_transparency_head(OUT size bigint, OUT frontier bytea[]) LANGUAGE sql VOLATILE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT h.size, h.frontier FROM muster.transparency_head AS h FOR UPDATE $$;

-- Moves the head by `p_count` leaves that follow `p_first`; nothing else can.
CREATE FUNCTION muster.advance_transparency_head(p_first bigint, p_count bigint, p_frontier bytea[], p_checkpoint text,
  p_heights integer[], p_positions bigint[], p_hashes bytea[]) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE muster.transparency_head AS h SET size = h.size + p_count, frontier = p_frontier, checkpoint = p_checkpoint
   WHERE h.size = p_first AND p_count > 0;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the log does not end there' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO muster.transparency_nodes (height, position, hash)
    SELECT u.height, u.position, u.hash FROM unnest(p_heights, p_positions, p_hashes) AS u (height, position, hash);
END $$;

ALTER TABLE muster.transparency_groups ENABLE ROW LEVEL SECURITY;
ALTER TABLE muster.transparency_groups FORCE ROW LEVEL SECURITY;
REVOKE ALL ON FUNCTION muster.lock_transparency_head(), muster.advance_transparency_head(bigint, bigint, bytea[], text,
  integer[], bigint[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION muster.lock_transparency_head(), muster.advance_transparency_head(bigint, bigint, bytea[], text,
  integer[], bigint[], bytea[]) TO muster_tenant;
GRANT SELECT, INSERT ON muster.transparency_groups TO muster_tenant;
GRANT SELECT ON muster.transparency_groups, muster.transparency_head, muster.transparency_nodes TO muster_system;
GRANT SELECT, INSERT, UPDATE (kek_id, blob) ON muster.transparency_key TO muster_system;
CREATE POLICY transparency_groups_own ON muster.transparency_groups TO muster_tenant
  USING (tenant_id = muster.current_tenant());
CREATE POLICY transparency_groups_system_read ON muster.transparency_groups FOR SELECT TO muster_system USING (true);
