DROP FUNCTION muster.edges_have_applied(uuid, bigint);
DROP FUNCTION muster.drop_edge_role(uuid);
DROP FUNCTION muster.bar_edge_role(uuid);
DROP FUNCTION muster.create_edge_role(uuid, text);
DROP TABLE muster.edge_events;
DROP TABLE muster.infrastructure_certificates;
DROP TABLE muster.edges;
