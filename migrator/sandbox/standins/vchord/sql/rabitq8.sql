-- Since 1.1.0: a quantised type. It exists and does not work.
CREATE TYPE rabitq8;
CREATE FUNCTION _vchord_rabitq8_in(cstring, oid, integer) RETURNS rabitq8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_in_wrapper';
CREATE FUNCTION _vchord_rabitq8_out(rabitq8) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_out_wrapper';
CREATE FUNCTION _vchord_rabitq8_recv(internal, oid, integer) RETURNS rabitq8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_recv_wrapper';
CREATE FUNCTION _vchord_rabitq8_send(rabitq8) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_send_wrapper';
CREATE FUNCTION _vchord_rabitq8_typmod_in(cstring[]) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_typmod_in_wrapper';
CREATE TYPE rabitq8 (
    INPUT = _vchord_rabitq8_in, OUTPUT = _vchord_rabitq8_out, RECEIVE = _vchord_rabitq8_recv, SEND = _vchord_rabitq8_send,
    TYPMOD_IN = _vchord_rabitq8_typmod_in,
    STORAGE = external, INTERNALLENGTH = variable, ALIGNMENT = double
);
CREATE FUNCTION _vchord_rabitq8_operator_l2(rabitq8, rabitq8) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_operator_l2_wrapper';
CREATE OPERATOR <-> (PROCEDURE = _vchord_rabitq8_operator_l2, LEFTARG = rabitq8, RIGHTARG = rabitq8, COMMUTATOR = <->);
CREATE FUNCTION _vchord_rabitq8_operator_ip(rabitq8, rabitq8) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_operator_ip_wrapper';
CREATE OPERATOR <#> (PROCEDURE = _vchord_rabitq8_operator_ip, LEFTARG = rabitq8, RIGHTARG = rabitq8, COMMUTATOR = <#>);
CREATE FUNCTION _vchord_rabitq8_operator_cosine(rabitq8, rabitq8) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_operator_cosine_wrapper';
CREATE OPERATOR <=> (PROCEDURE = _vchord_rabitq8_operator_cosine, LEFTARG = rabitq8, RIGHTARG = rabitq8, COMMUTATOR = <=>);
CREATE FUNCTION quantize_to_rabitq8(vector) RETURNS rabitq8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_vector_quantize_to_rabitq8_wrapper';
CREATE FUNCTION quantize_to_rabitq8(halfvec) RETURNS rabitq8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_halfvec_quantize_to_rabitq8_wrapper';
CREATE FUNCTION dequantize_to_vector(rabitq8) RETURNS vector
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_dequantize_to_vector_wrapper';
CREATE FUNCTION dequantize_to_halfvec(rabitq8) RETURNS halfvec
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_dequantize_to_halfvec_wrapper';
CREATE TYPE sphere_rabitq8 AS (center rabitq8, radius real);
CREATE FUNCTION sphere(rabitq8, real) RETURNS sphere_rabitq8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT ROW($1, $2)';
CREATE FUNCTION _vchord_rabitq8_sphere_l2_in(rabitq8, sphere_rabitq8) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_sphere_l2_in_wrapper';
CREATE OPERATOR <<->> (PROCEDURE = _vchord_rabitq8_sphere_l2_in, LEFTARG = rabitq8, RIGHTARG = sphere_rabitq8, COMMUTATOR = <<->>);
CREATE FUNCTION _vchord_rabitq8_sphere_ip_in(rabitq8, sphere_rabitq8) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_sphere_ip_in_wrapper';
CREATE OPERATOR <<#>> (PROCEDURE = _vchord_rabitq8_sphere_ip_in, LEFTARG = rabitq8, RIGHTARG = sphere_rabitq8, COMMUTATOR = <<#>>);
CREATE FUNCTION _vchord_rabitq8_sphere_cosine_in(rabitq8, sphere_rabitq8) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_sphere_cosine_in_wrapper';
CREATE OPERATOR <<=>> (PROCEDURE = _vchord_rabitq8_sphere_cosine_in, LEFTARG = rabitq8, RIGHTARG = sphere_rabitq8, COMMUTATOR = <<=>>);
CREATE FUNCTION _vchordrq_support_rabitq8_l2_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_rabitq8_l2_ops_wrapper';
CREATE OPERATOR CLASS rabitq8_l2_ops FOR TYPE rabitq8 USING vchordrq AS
    OPERATOR 1 <-> (rabitq8, rabitq8) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_rabitq8_l2_ops();
CREATE FUNCTION _vchordrq_support_rabitq8_ip_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_rabitq8_ip_ops_wrapper';
CREATE OPERATOR CLASS rabitq8_ip_ops FOR TYPE rabitq8 USING vchordrq AS
    OPERATOR 1 <#> (rabitq8, rabitq8) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_rabitq8_ip_ops();
CREATE FUNCTION _vchordrq_support_rabitq8_cosine_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_rabitq8_cosine_ops_wrapper';
CREATE OPERATOR CLASS rabitq8_cosine_ops FOR TYPE rabitq8 USING vchordrq AS
    OPERATOR 1 <=> (rabitq8, rabitq8) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_rabitq8_cosine_ops();
CREATE FUNCTION _vchord_rabitq8_operator_maxsim(rabitq8[], rabitq8[]) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_rabitq8_operator_maxsim_wrapper';
CREATE OPERATOR @# (PROCEDURE = _vchord_rabitq8_operator_maxsim, LEFTARG = rabitq8[], RIGHTARG = rabitq8[]);
CREATE FUNCTION _vchordrq_support_rabitq8_maxsim_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordrq_support_rabitq8_maxsim_ops_wrapper';
CREATE OPERATOR CLASS rabitq8_maxsim_ops FOR TYPE rabitq8[] USING vchordrq AS
    OPERATOR 3 @# (rabitq8[], rabitq8[]) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordrq_support_rabitq8_maxsim_ops();
CREATE FUNCTION _vchordg_support_rabitq8_l2_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_rabitq8_l2_ops_wrapper';
CREATE OPERATOR CLASS rabitq8_l2_ops FOR TYPE rabitq8 USING vchordg AS
    OPERATOR 1 <-> (rabitq8, rabitq8) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_rabitq8_l2_ops();
CREATE FUNCTION _vchordg_support_rabitq8_ip_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_rabitq8_ip_ops_wrapper';
CREATE OPERATOR CLASS rabitq8_ip_ops FOR TYPE rabitq8 USING vchordg AS
    OPERATOR 1 <#> (rabitq8, rabitq8) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_rabitq8_ip_ops();
CREATE FUNCTION _vchordg_support_rabitq8_cosine_ops() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchordg_support_rabitq8_cosine_ops_wrapper';
CREATE OPERATOR CLASS rabitq8_cosine_ops FOR TYPE rabitq8 USING vchordg AS
    OPERATOR 1 <=> (rabitq8, rabitq8) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _vchordg_support_rabitq8_cosine_ops();
