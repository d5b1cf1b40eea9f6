-- SPDX-License-Identifier: Apache-2.0
DROP FUNCTION muster.claim_sessions(uuid, uuid[], uuid[], uuid[], uuid[], uuid[], bigint[]);
DROP FUNCTION muster.order_commands(uuid, uuid, uuid, uuid, uuid);
DROP FUNCTION muster.wake_edge(uuid);
DROP TABLE muster.edge_orders, muster.device_commands, muster.device_sessions;
