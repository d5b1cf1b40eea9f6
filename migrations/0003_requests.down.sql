DROP TABLE muster.batch_results;
DROP TABLE muster.batches;
DROP TABLE muster.idempotency_records;
DROP TABLE muster.tokens;
