DROP TABLE muster.changes;
DROP FUNCTION muster.take_change_numbers(integer);
DROP TABLE muster.change_counter;
DROP FUNCTION muster.database_identity();
