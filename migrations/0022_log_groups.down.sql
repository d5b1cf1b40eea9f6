-- Drops the functions of 0022; positions of groups stay in their tables.
REVOKE SELECT ON log.heads FROM muster_worker;
DROP FUNCTION log.trim(text, bigint), log.tenant_commit(smallint, text, integer[], integer[], bigint[]),
  log.tenant_read(smallint, integer[], integer[], bigint[], integer, integer, bigint),
  log.tenant_positions(smallint, text), log.tenant_heads(smallint), log.current_tenant(), log.get_state(text, text),
  log.put_state(text, text, bytea), log.commit_offset(text, uuid, smallint, integer, integer, bigint, bigint),
  log.leave_group(text, uuid), log.lease(text, uuid, smallint[], integer),
  log.readable_partitions(bigint, smallint[]), log.platform_group(text);
