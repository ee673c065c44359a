-- Since 0.5.0: the access method vchordg and the evaluation of recall.
CREATE FUNCTION vchordg_amhandler(internal) RETURNS index_am_handler
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_amhandler_wrapper';
CREATE ACCESS METHOD vchordg TYPE INDEX HANDLER vchordg_amhandler;
CREATE FUNCTION vchordg_prewarm(regclass) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', '_vchordg_prewarm_wrapper';
CREATE FUNCTION _vchordg_support_vector_l2_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_vector_l2_ops_wrapper';
CREATE OPERATOR CLASS vector_l2_ops FOR TYPE vector USING vchordg AS
    OPERATOR 1 <-> (vector, vector) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_vector_l2_ops();
CREATE FUNCTION _vchordg_support_vector_ip_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_vector_ip_ops_wrapper';
CREATE OPERATOR CLASS vector_ip_ops FOR TYPE vector USING vchordg AS
    OPERATOR 1 <#> (vector, vector) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_vector_ip_ops();
CREATE FUNCTION _vchordg_support_vector_cosine_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_vector_cosine_ops_wrapper';
CREATE OPERATOR CLASS vector_cosine_ops FOR TYPE vector USING vchordg AS
    OPERATOR 1 <=> (vector, vector) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_vector_cosine_ops();
CREATE FUNCTION _vchordg_support_halfvec_l2_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_halfvec_l2_ops_wrapper';
CREATE OPERATOR CLASS halfvec_l2_ops FOR TYPE halfvec USING vchordg AS
    OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_halfvec_l2_ops();
CREATE FUNCTION _vchordg_support_halfvec_ip_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_halfvec_ip_ops_wrapper';
CREATE OPERATOR CLASS halfvec_ip_ops FOR TYPE halfvec USING vchordg AS
    OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_halfvec_ip_ops();
CREATE FUNCTION _vchordg_support_halfvec_cosine_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_halfvec_cosine_ops_wrapper';
CREATE OPERATOR CLASS halfvec_cosine_ops FOR TYPE halfvec USING vchordg AS
    OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_halfvec_cosine_ops();
CREATE FUNCTION vchordrq_evaluate_query_recall(
    query text, exact_search boolean DEFAULT false, accu_probes text DEFAULT NULL, accu_epsilon real DEFAULT 1.9
) RETURNS real LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the stand-in for VectorChord evaluates no recall';
END;
$$;
