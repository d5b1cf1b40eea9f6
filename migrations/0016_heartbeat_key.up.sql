-- SPDX-License-Identifier: Apache-2.0
-- Why: the server signs what it tells edges about the age of their state, so that no edge can make it younger.
-- Lock: none on existing tables. Duration: under a second. Needed by: registry from version 0.3.

CREATE TABLE muster.heartbeat_key (
  one_row    boolean     NOT NULL DEFAULT true
                         CONSTRAINT heartbeat_key_pk PRIMARY KEY CONSTRAINT heartbeat_key_is_one_row CHECK (one_row),
  id         uuid        NOT NULL,
  public_key bytea       NOT NULL CONSTRAINT heartbeat_key_public_whole CHECK (octet_length(public_key) = 32),
  kek_id     text        NOT NULL CONSTRAINT heartbeat_key_kek_bounded CHECK (octet_length(kek_id) BETWEEN 1 AND 64),
  blob       bytea       NOT NULL CONSTRAINT heartbeat_key_blob_bounded CHECK (octet_length(blob) <= 16384),
  created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE muster.heartbeat_key IS
  'The Ed25519 key of this deployment: brokers hold its public half and believe no heartbeat without its signature.';
COMMENT ON COLUMN muster.heartbeat_key.blob IS 'encrypted and bound to deployment and key (ca/key_wrapping.h)';
GRANT SELECT, INSERT ON muster.heartbeat_key TO muster_system;
GRANT UPDATE (kek_id, blob) ON muster.heartbeat_key TO muster_system;
