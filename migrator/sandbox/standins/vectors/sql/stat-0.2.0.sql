-- 0.2.0 asks by relfilenode, and forgot to let plain roles read.
CREATE VIEW pg_vector_index_stat AS
  SELECT c.oid AS tablerelid, i.oid AS indexrelid, c.relname AS tablename, i.relname AS indexname, (s.stat).*
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_index x ON x.indrelid = c.oid
  JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
  JOIN pg_catalog.pg_am a ON a.oid = i.relam
  CROSS JOIN LATERAL (SELECT _vectors_index_stat(i.relfilenode) AS stat OFFSET 0) s
  WHERE a.amname = 'vectors';
