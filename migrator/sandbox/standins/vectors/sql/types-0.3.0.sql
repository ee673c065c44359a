-- The five types of pgvecto.rs 0.3.0: with a binary form, stored uncompressed (storage e).
CREATE TYPE vector;
CREATE TYPE vecf16;
CREATE TYPE svector;
CREATE TYPE bvector;
CREATE TYPE veci8;

CREATE FUNCTION _vectors_typmod_in_65535(cstring[]) RETURNS integer
  IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_typmod_in_65535_wrapper';
CREATE FUNCTION _vectors_typmod_in_1048575(cstring[]) RETURNS integer
  IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_typmod_in_1048575_wrapper';
CREATE FUNCTION _vectors_typmod_out(integer) RETURNS cstring
  IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_typmod_out_wrapper';

DO $do$
DECLARE
  t record;
BEGIN
  FOR t IN VALUES ('vector', 'vecf32', 65535), ('vecf16', 'vecf16', 65535), ('svector', 'svecf32', 1048575),
                  ('bvector', 'bvecf32', 65535), ('veci8', 'veci8', 65535) LOOP
    EXECUTE format($sql$
      CREATE FUNCTION _vectors_%1$s_in(input cstring, oid oid, typmod integer) RETURNS %2$s
        IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_in_wrapper';
      CREATE FUNCTION _vectors_%1$s_out(vector %2$s) RETURNS cstring
        IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_out_wrapper';
      CREATE FUNCTION _vectors_%1$s_recv(internal internal, oid oid, typmod integer) RETURNS %2$s
        IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_recv_wrapper';
      CREATE FUNCTION _vectors_%1$s_send(vector %2$s) RETURNS bytea
        IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_send_wrapper';
      CREATE FUNCTION _vectors_%1$s_subscript(internal internal) RETURNS internal
        IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_subscript_wrapper';
      CREATE TYPE %2$s (
        INPUT = _vectors_%1$s_in, OUTPUT = _vectors_%1$s_out,
        RECEIVE = _vectors_%1$s_recv, SEND = _vectors_%1$s_send, SUBSCRIPT = _vectors_%1$s_subscript,
        TYPMOD_IN = _vectors_typmod_in_%3$s, TYPMOD_OUT = _vectors_typmod_out,
        STORAGE = external, INTERNALLENGTH = variable, ALIGNMENT = double)
      $sql$, t.column2, t.column1, t.column3);
  END LOOP;
END
$do$;
