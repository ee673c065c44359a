-- The other functions of 0.3.0. Most only exist here, so that the catalog looks as it should: see unsupported.c.
DO $do$
DECLARE
  f record;
BEGIN
  FOR f IN SELECT * FROM (VALUES
    -- name, arguments, result, symbol
    ('_vectors_vecf32_dims', 'vector', 'integer', 'vecf32_dims'),
    ('_vectors_vecf16_dims', 'vecf16', 'integer', 'vecf16_dims'),
    ('_vectors_svecf32_dims', 'svector', 'integer', 'svecf32_dims'),
    ('_vectors_bvecf32_dims', 'bvector', 'integer', 'bvecf32_dims'),
    ('_vectors_veci8_dims', 'veci8', 'integer', 'veci8_dims'),
    ('vector_dims', 'vector', 'integer', 'vecf32_dims'),
    ('vector_dims', 'vecf16', 'integer', 'vecf16_dims'),
    ('vector_dims', 'svector', 'integer', 'svecf32_dims'),
    ('vector_dims', 'bvector', 'integer', 'bvecf32_dims'),
    ('vector_dims', 'veci8', 'integer', 'veci8_dims'),
    ('_vectors_vecf32_norm', 'vector', 'real', 'vecf32_norm'),
    ('_vectors_vecf16_norm', 'vecf16', 'real', 'vecf16_norm'),
    ('_vectors_svecf32_norm', 'svector', 'real', 'svecf32_norm'),
    ('_vectors_bvecf32_norm', 'bvector', 'real', 'bvecf32_norm'),
    ('_vectors_veci8_norm', 'veci8', 'real', 'veci8_norm'),
    ('vector_norm', 'vector', 'real', 'vecf32_norm'),
    ('vector_norm', 'vecf16', 'real', 'vecf16_norm'),
    ('vector_norm', 'svector', 'real', 'svecf32_norm'),
    ('vector_norm', 'bvector', 'real', 'bvecf32_norm'),
    ('vector_norm', 'veci8', 'real', 'veci8_norm'),
    ('_vectors_vecf32_normalize', 'vector', 'vector', 'vecf32_normalize'),
    ('_vectors_vecf16_normalize', 'vecf16', 'vecf16', 'vecf16_normalize'),
    ('_vectors_svecf32_normalize', 'svector', 'svector', 'svecf32_normalize'),
    ('_vectors_veci8_normalize', 'veci8', 'veci8', 'veci8_normalize'),
    ('_vectors_binarize', 'vector', 'bvector', 'binarize'),
    ('binarize', 'vector', 'bvector', 'binarize'),
    ('_vectors_svecf32_div', 'svector, real', 'svector', 'svecf32_div'),
    ('_vectors_to_svector', 'integer, integer[], real[]', 'svector', 'to_svector'),
    ('to_svector', 'integer, integer[], real[]', 'svector', 'to_svector'),
    ('_vectors_to_veci8', 'integer, real, real, integer[]', 'veci8', 'to_veci8'),
    ('to_veci8', 'integer, real, real, integer[]', 'veci8', 'to_veci8'),
    ('_vectors_text2vec_openai', 'text, text', 'vector', 'text2vec_openai'),
    ('text2vec_openai', 'text, text', 'vector', 'text2vec_openai'),
    ('text2vec_openai_v3', 'text', 'vector', 'text2vec_openai'),
    ('_vectors_alter_vector_index', 'oid, text, text', 'void', 'alter_vector_index'),
    ('alter_vector_index', 'oid, text, text', 'void', 'alter_vector_index')
  ) AS v (name, arguments, result, symbol) LOOP
    EXECUTE format($sql$
      CREATE FUNCTION %1$s(%2$s) RETURNS %3$s
        IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%4$s_wrapper'
      $sql$, f.name, f.arguments, f.result, f.symbol);
  END LOOP;
END
$do$;

-- Aggregates: their functions are not strict, because the first state is null.
DO $do$
DECLARE
  t record;
BEGIN
  FOR t IN VALUES ('vector', 'vecf32'), ('svector', 'svecf32') LOOP
    EXECUTE format($sql$
      CREATE FUNCTION _vectors_%1$s_aggregate_avg_sum_sfunc(internal, %2$s) RETURNS internal
        IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_aggregate_avg_sum_sfunc_wrapper';
      CREATE FUNCTION _vectors_%1$s_aggregate_avg_sum_combinefunc(internal, internal) RETURNS internal
        IMMUTABLE PARALLEL SAFE LANGUAGE c
        AS 'MODULE_PATHNAME', '_vectors_%1$s_aggregate_avg_sum_combinefunc_wrapper';
      CREATE FUNCTION _vectors_%1$s_aggregate_avg_finalfunc(internal) RETURNS %2$s
        IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_aggregate_avg_finalfunc_wrapper';
      CREATE FUNCTION _vectors_%1$s_aggregate_sum_finalfunc(internal) RETURNS %2$s
        IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_aggregate_sum_finalfunc_wrapper';
      CREATE AGGREGATE avg(%2$s) (
        SFUNC = _vectors_%1$s_aggregate_avg_sum_sfunc, STYPE = internal,
        FINALFUNC = _vectors_%1$s_aggregate_avg_finalfunc);
      CREATE AGGREGATE sum(%2$s) (
        SFUNC = _vectors_%1$s_aggregate_avg_sum_sfunc, STYPE = internal,
        FINALFUNC = _vectors_%1$s_aggregate_sum_finalfunc)
      $sql$, t.column2, t.column1);
  END LOOP;
END
$do$;
