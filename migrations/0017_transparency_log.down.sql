DROP FUNCTION muster.advance_transparency_head(bigint, bigint, bytea[], text, integer[], bigint[], bytea[]);
DROP FUNCTION muster.lock_transparency_head();
DROP TABLE muster.transparency_nodes;
DROP TABLE muster.transparency_groups;
DROP TABLE muster.transparency_head;
DROP TABLE muster.transparency_key;
