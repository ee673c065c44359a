-- What every version has: spheres and MaxSim (not working here), the access method vchordrq.
CREATE FUNCTION vchordrq_amhandler(internal) RETURNS index_am_handler
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_amhandler_wrapper';
CREATE ACCESS METHOD vchordrq TYPE INDEX HANDLER vchordrq_amhandler;
CREATE FUNCTION vchordrq_prewarm(regclass, integer DEFAULT 0) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', '_vchordrq_prewarm_wrapper';

CREATE TYPE sphere_vector AS (center vector, radius real);
CREATE FUNCTION sphere(vector, real) RETURNS sphere_vector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT ROW($1, $2)';
CREATE FUNCTION _vchord_vector_sphere_l2_in(vector, sphere_vector) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_vector_sphere_l2_in_wrapper';
CREATE OPERATOR <<->> (PROCEDURE = _vchord_vector_sphere_l2_in, LEFTARG = vector, RIGHTARG = sphere_vector, COMMUTATOR = <<->>);
CREATE FUNCTION _vchord_vector_sphere_ip_in(vector, sphere_vector) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_vector_sphere_ip_in_wrapper';
CREATE OPERATOR <<#>> (PROCEDURE = _vchord_vector_sphere_ip_in, LEFTARG = vector, RIGHTARG = sphere_vector, COMMUTATOR = <<#>>);
CREATE FUNCTION _vchord_vector_sphere_cosine_in(vector, sphere_vector) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_vector_sphere_cosine_in_wrapper';
CREATE OPERATOR <<=>> (PROCEDURE = _vchord_vector_sphere_cosine_in, LEFTARG = vector, RIGHTARG = sphere_vector, COMMUTATOR = <<=>>);
CREATE FUNCTION _vchordrq_support_vector_l2_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_vector_l2_ops_wrapper';
CREATE OPERATOR CLASS vector_l2_ops FOR TYPE vector USING vchordrq AS
    OPERATOR 1 <-> (vector, vector) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_vector_l2_ops();
CREATE FUNCTION _vchordrq_support_vector_ip_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_vector_ip_ops_wrapper';
CREATE OPERATOR CLASS vector_ip_ops FOR TYPE vector USING vchordrq AS
    OPERATOR 1 <#> (vector, vector) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_vector_ip_ops();
CREATE FUNCTION _vchordrq_support_vector_cosine_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_vector_cosine_ops_wrapper';
CREATE OPERATOR CLASS vector_cosine_ops FOR TYPE vector USING vchordrq AS
    OPERATOR 1 <=> (vector, vector) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_vector_cosine_ops();
CREATE FUNCTION _vchord_vector_operator_maxsim(vector[], vector[]) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_vector_operator_maxsim_wrapper';
CREATE OPERATOR @# (PROCEDURE = _vchord_vector_operator_maxsim, LEFTARG = vector[], RIGHTARG = vector[]);
CREATE FUNCTION _vchordrq_support_vector_maxsim_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_vector_maxsim_ops_wrapper';
CREATE OPERATOR CLASS vector_maxsim_ops FOR TYPE vector[] USING vchordrq AS
    OPERATOR 3 @# (vector[], vector[]) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_vector_maxsim_ops();

CREATE TYPE sphere_halfvec AS (center halfvec, radius real);
CREATE FUNCTION sphere(halfvec, real) RETURNS sphere_halfvec
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT ROW($1, $2)';
CREATE FUNCTION _vchord_halfvec_sphere_l2_in(halfvec, sphere_halfvec) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_halfvec_sphere_l2_in_wrapper';
CREATE OPERATOR <<->> (PROCEDURE = _vchord_halfvec_sphere_l2_in, LEFTARG = halfvec, RIGHTARG = sphere_halfvec, COMMUTATOR = <<->>);
CREATE FUNCTION _vchord_halfvec_sphere_ip_in(halfvec, sphere_halfvec) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_halfvec_sphere_ip_in_wrapper';
CREATE OPERATOR <<#>> (PROCEDURE = _vchord_halfvec_sphere_ip_in, LEFTARG = halfvec, RIGHTARG = sphere_halfvec, COMMUTATOR = <<#>>);
CREATE FUNCTION _vchord_halfvec_sphere_cosine_in(halfvec, sphere_halfvec) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_halfvec_sphere_cosine_in_wrapper';
CREATE OPERATOR <<=>> (PROCEDURE = _vchord_halfvec_sphere_cosine_in, LEFTARG = halfvec, RIGHTARG = sphere_halfvec, COMMUTATOR = <<=>>);
CREATE FUNCTION _vchordrq_support_halfvec_l2_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_halfvec_l2_ops_wrapper';
CREATE OPERATOR CLASS halfvec_l2_ops FOR TYPE halfvec USING vchordrq AS
    OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_halfvec_l2_ops();
CREATE FUNCTION _vchordrq_support_halfvec_ip_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_halfvec_ip_ops_wrapper';
CREATE OPERATOR CLASS halfvec_ip_ops FOR TYPE halfvec USING vchordrq AS
    OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_halfvec_ip_ops();
CREATE FUNCTION _vchordrq_support_halfvec_cosine_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_halfvec_cosine_ops_wrapper';
CREATE OPERATOR CLASS halfvec_cosine_ops FOR TYPE halfvec USING vchordrq AS
    OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_halfvec_cosine_ops();
CREATE FUNCTION _vchord_halfvec_operator_maxsim(halfvec[], halfvec[]) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_halfvec_operator_maxsim_wrapper';
CREATE OPERATOR @# (PROCEDURE = _vchord_halfvec_operator_maxsim, LEFTARG = halfvec[], RIGHTARG = halfvec[]);
CREATE FUNCTION _vchordrq_support_halfvec_maxsim_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_halfvec_maxsim_ops_wrapper';
CREATE OPERATOR CLASS halfvec_maxsim_ops FOR TYPE halfvec[] USING vchordrq AS
    OPERATOR 3 @# (halfvec[], halfvec[]) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_halfvec_maxsim_ops();
