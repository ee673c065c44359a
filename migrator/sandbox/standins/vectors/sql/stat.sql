-- What the worker says about each index.
CREATE TYPE vector_index_stat AS (
  idx_status text,
  idx_indexing boolean,
  idx_tuples bigint,
  idx_sealed bigint[],
  idx_growing bigint[],
  idx_write bigint,
  idx_size bigint,
  idx_options text
);
CREATE FUNCTION _vectors_index_stat(oid oid) RETURNS vector_index_stat
  VOLATILE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_index_stat_wrapper';

CREATE FUNCTION _vectors_pgvectors_upgrade() RETURNS void
  VOLATILE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_pgvectors_upgrade_wrapper';
CREATE FUNCTION pgvectors_upgrade() RETURNS void
  VOLATILE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_pgvectors_upgrade_wrapper';

GRANT USAGE ON SCHEMA vectors TO PUBLIC;
