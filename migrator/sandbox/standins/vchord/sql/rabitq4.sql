-- Since 1.1.0: a quantised type. It exists and does not work.
CREATE TYPE rabitq4;
CREATE FUNCTION _vchord_rabitq4_in(cstring, oid, integer) RETURNS rabitq4
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_in_wrapper';
CREATE FUNCTION _vchord_rabitq4_out(rabitq4) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_out_wrapper';
CREATE FUNCTION _vchord_rabitq4_recv(internal, oid, integer) RETURNS rabitq4
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_recv_wrapper';
CREATE FUNCTION _vchord_rabitq4_send(rabitq4) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_send_wrapper';
CREATE FUNCTION _vchord_rabitq4_typmod_in(cstring[]) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_typmod_in_wrapper';
CREATE TYPE rabitq4 (
    INPUT = _vchord_rabitq4_in, OUTPUT = _vchord_rabitq4_out, RECEIVE = _vchord_rabitq4_recv, SEND = _vchord_rabitq4_send,
    TYPMOD_IN = _vchord_rabitq4_typmod_in,
    STORAGE = external, INTERNALLENGTH = variable, ALIGNMENT = double
);
CREATE FUNCTION _vchord_rabitq4_operator_l2(rabitq4, rabitq4) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_operator_l2_wrapper';
CREATE OPERATOR <-> (PROCEDURE = _vchord_rabitq4_operator_l2, LEFTARG = rabitq4, RIGHTARG = rabitq4, COMMUTATOR = <->);
CREATE FUNCTION _vchord_rabitq4_operator_ip(rabitq4, rabitq4) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_operator_ip_wrapper';
CREATE OPERATOR <#> (PROCEDURE = _vchord_rabitq4_operator_ip, LEFTARG = rabitq4, RIGHTARG = rabitq4, COMMUTATOR = <#>);
CREATE FUNCTION _vchord_rabitq4_operator_cosine(rabitq4, rabitq4) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_operator_cosine_wrapper';
CREATE OPERATOR <=> (PROCEDURE = _vchord_rabitq4_operator_cosine, LEFTARG = rabitq4, RIGHTARG = rabitq4, COMMUTATOR = <=>);
CREATE FUNCTION quantize_to_rabitq4(vector) RETURNS rabitq4
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_vector_quantize_to_rabitq4_wrapper';
CREATE FUNCTION quantize_to_rabitq4(halfvec) RETURNS rabitq4
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_halfvec_quantize_to_rabitq4_wrapper';
CREATE FUNCTION dequantize_to_vector(rabitq4) RETURNS vector
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_dequantize_to_vector_wrapper';
CREATE FUNCTION dequantize_to_halfvec(rabitq4) RETURNS halfvec
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_dequantize_to_halfvec_wrapper';
CREATE TYPE sphere_rabitq4 AS (center rabitq4, radius real);
CREATE FUNCTION sphere(rabitq4, real) RETURNS sphere_rabitq4
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT ROW($1, $2)';
CREATE FUNCTION _vchord_rabitq4_sphere_l2_in(rabitq4, sphere_rabitq4) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_sphere_l2_in_wrapper';
CREATE OPERATOR <<->> (PROCEDURE = _vchord_rabitq4_sphere_l2_in, LEFTARG = rabitq4, RIGHTARG = sphere_rabitq4, COMMUTATOR = <<->>);
CREATE FUNCTION _vchord_rabitq4_sphere_ip_in(rabitq4, sphere_rabitq4) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_sphere_ip_in_wrapper';
CREATE OPERATOR <<#>> (PROCEDURE = _vchord_rabitq4_sphere_ip_in, LEFTARG = rabitq4, RIGHTARG = sphere_rabitq4, COMMUTATOR = <<#>>);
CREATE FUNCTION _vchord_rabitq4_sphere_cosine_in(rabitq4, sphere_rabitq4) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_sphere_cosine_in_wrapper';
CREATE OPERATOR <<=>> (PROCEDURE = _vchord_rabitq4_sphere_cosine_in, LEFTARG = rabitq4, RIGHTARG = sphere_rabitq4, COMMUTATOR = <<=>>);
CREATE FUNCTION _vchordrq_support_rabitq4_l2_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_rabitq4_l2_ops_wrapper';
CREATE OPERATOR CLASS rabitq4_l2_ops FOR TYPE rabitq4 USING vchordrq AS
    OPERATOR 1 <-> (rabitq4, rabitq4) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_rabitq4_l2_ops();
CREATE FUNCTION _vchordrq_support_rabitq4_ip_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_rabitq4_ip_ops_wrapper';
CREATE OPERATOR CLASS rabitq4_ip_ops FOR TYPE rabitq4 USING vchordrq AS
    OPERATOR 1 <#> (rabitq4, rabitq4) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_rabitq4_ip_ops();
CREATE FUNCTION _vchordrq_support_rabitq4_cosine_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_rabitq4_cosine_ops_wrapper';
CREATE OPERATOR CLASS rabitq4_cosine_ops FOR TYPE rabitq4 USING vchordrq AS
    OPERATOR 1 <=> (rabitq4, rabitq4) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_rabitq4_cosine_ops();
CREATE FUNCTION _vchord_rabitq4_operator_maxsim(rabitq4[], rabitq4[]) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq4_operator_maxsim_wrapper';
CREATE OPERATOR @# (PROCEDURE = _vchord_rabitq4_operator_maxsim, LEFTARG = rabitq4[], RIGHTARG = rabitq4[]);
CREATE FUNCTION _vchordrq_support_rabitq4_maxsim_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_rabitq4_maxsim_ops_wrapper';
CREATE OPERATOR CLASS rabitq4_maxsim_ops FOR TYPE rabitq4[] USING vchordrq AS
    OPERATOR 3 @# (rabitq4[], rabitq4[]) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_rabitq4_maxsim_ops();
CREATE FUNCTION _vchordg_support_rabitq4_l2_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_rabitq4_l2_ops_wrapper';
CREATE OPERATOR CLASS rabitq4_l2_ops FOR TYPE rabitq4 USING vchordg AS
    OPERATOR 1 <-> (rabitq4, rabitq4) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_rabitq4_l2_ops();
CREATE FUNCTION _vchordg_support_rabitq4_ip_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_rabitq4_ip_ops_wrapper';
CREATE OPERATOR CLASS rabitq4_ip_ops FOR TYPE rabitq4 USING vchordg AS
    OPERATOR 1 <#> (rabitq4, rabitq4) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_rabitq4_ip_ops();
CREATE FUNCTION _vchordg_support_rabitq4_cosine_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_rabitq4_cosine_ops_wrapper';
CREATE OPERATOR CLASS rabitq4_cosine_ops FOR TYPE rabitq4 USING vchordg AS
    OPERATOR 1 <=> (rabitq4, rabitq4) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_rabitq4_cosine_ops();
