-- Types vector and vecf16. pgvecto.rs 0.2.0 has no binary form and stores values compressed (storage x).
CREATE TYPE vector;
CREATE TYPE vecf16;

CREATE FUNCTION _vectors_typmod_in(cstring[]) RETURNS integer
  IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_typmod_in_wrapper';
CREATE FUNCTION _vectors_typmod_out(integer) RETURNS cstring
  IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_typmod_out_wrapper';

DO $do$
DECLARE
  t record;
BEGIN
  FOR t IN VALUES ('vector', 'vecf32'), ('vecf16', 'vecf16') LOOP
    EXECUTE format($sql$
      CREATE FUNCTION _vectors_%1$s_in(input cstring, oid oid, typmod integer) RETURNS %2$s
        IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_in_wrapper';
      CREATE FUNCTION _vectors_%1$s_out(vector %2$s) RETURNS cstring
        IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_out_wrapper';
      CREATE TYPE %2$s (
        INPUT = _vectors_%1$s_in, OUTPUT = _vectors_%1$s_out,
        TYPMOD_IN = _vectors_typmod_in, TYPMOD_OUT = _vectors_typmod_out,
        STORAGE = extended, INTERNALLENGTH = variable, ALIGNMENT = double)
      $sql$, t.column2, t.column1);
  END LOOP;
END
$do$;
