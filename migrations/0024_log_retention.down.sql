DROP FUNCTION log.retain(text, integer, text, integer);
