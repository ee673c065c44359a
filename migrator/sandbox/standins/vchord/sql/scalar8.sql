-- The quantised type of the versions before 1.1.0. It exists and does not work.
CREATE TYPE scalar8;
CREATE FUNCTION _vchord_scalar8_in(cstring, oid, integer) RETURNS scalar8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_scalar8_in_wrapper';
CREATE FUNCTION _vchord_scalar8_out(scalar8) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_scalar8_out_wrapper';
CREATE FUNCTION _vchord_scalar8_recv(internal, oid, integer) RETURNS scalar8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_scalar8_recv_wrapper';
CREATE FUNCTION _vchord_scalar8_send(scalar8) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_scalar8_send_wrapper';
CREATE FUNCTION _vchord_typmod_in_65535(cstring[]) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_typmod_in_65535_wrapper';
CREATE FUNCTION _vchord_typmod_out(integer) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_typmod_out_wrapper';
CREATE TYPE scalar8 (
    INPUT = _vchord_scalar8_in, OUTPUT = _vchord_scalar8_out, RECEIVE = _vchord_scalar8_recv, SEND = _vchord_scalar8_send,
    TYPMOD_IN = _vchord_typmod_in_65535, TYPMOD_OUT = _vchord_typmod_out,
    STORAGE = external, INTERNALLENGTH = variable, ALIGNMENT = double
);
CREATE FUNCTION _vchord_scalar8_operator_l2(scalar8, scalar8) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_scalar8_operator_l2_wrapper';
CREATE OPERATOR <-> (PROCEDURE = _vchord_scalar8_operator_l2, LEFTARG = scalar8, RIGHTARG = scalar8, COMMUTATOR = <->);
CREATE FUNCTION _vchord_scalar8_operator_ip(scalar8, scalar8) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_scalar8_operator_ip_wrapper';
CREATE OPERATOR <#> (PROCEDURE = _vchord_scalar8_operator_ip, LEFTARG = scalar8, RIGHTARG = scalar8, COMMUTATOR = <#>);
CREATE FUNCTION _vchord_scalar8_operator_cosine(scalar8, scalar8) RETURNS real
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_scalar8_operator_cosine_wrapper';
CREATE OPERATOR <=> (PROCEDURE = _vchord_scalar8_operator_cosine, LEFTARG = scalar8, RIGHTARG = scalar8, COMMUTATOR = <=>);
CREATE FUNCTION quantize_to_scalar8(vector) RETURNS scalar8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_vector_quantize_to_scalar8_wrapper';
CREATE FUNCTION quantize_to_scalar8(halfvec) RETURNS scalar8
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_halfvec_quantize_to_scalar8_wrapper';
CREATE TYPE sphere_scalar8 AS (center scalar8, radius real);
CREATE FUNCTION sphere(scalar8, real) RETURNS sphere_scalar8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT ROW($1, $2)';
CREATE FUNCTION _vchord_scalar8_sphere_l2_in(scalar8, sphere_scalar8) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_scalar8_sphere_l2_in_wrapper';
CREATE OPERATOR <<->> (PROCEDURE = _vchord_scalar8_sphere_l2_in, LEFTARG = scalar8, RIGHTARG = sphere_scalar8, COMMUTATOR = <<->>);
CREATE FUNCTION _vchord_scalar8_sphere_ip_in(scalar8, sphere_scalar8) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_scalar8_sphere_ip_in_wrapper';
CREATE OPERATOR <<#>> (PROCEDURE = _vchord_scalar8_sphere_ip_in, LEFTARG = scalar8, RIGHTARG = sphere_scalar8, COMMUTATOR = <<#>>);
CREATE FUNCTION _vchord_scalar8_sphere_cosine_in(scalar8, sphere_scalar8) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', '_vchord_scalar8_sphere_cosine_in_wrapper';
CREATE OPERATOR <<=>> (PROCEDURE = _vchord_scalar8_sphere_cosine_in, LEFTARG = scalar8, RIGHTARG = sphere_scalar8, COMMUTATOR = <<=>>);
