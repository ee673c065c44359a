-- Casts. The argument names are those of the genuine extension: CREATE OR REPLACE cannot change them.
CREATE FUNCTION _vectors_cast_array_to_vecf32("array" real[], typmod integer, _explicit boolean) RETURNS vector
  IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_cast_array_to_vecf32_wrapper';
CREATE FUNCTION _vectors_cast_vecf32_to_array(vector vector, _typmod integer, _explicit boolean) RETURNS real[]
  IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_cast_vecf32_to_array_wrapper';

CREATE CAST (real[] AS vector)
  WITH FUNCTION _vectors_cast_array_to_vecf32(real[], integer, boolean) AS IMPLICIT;
CREATE CAST (vector AS real[])
  WITH FUNCTION _vectors_cast_vecf32_to_array(vector, integer, boolean) AS IMPLICIT;

DO $do$
DECLARE
  t record;
BEGIN
  FOR t IN VALUES ('vecf16', 'vecf16'), ('svector', 'svecf32'), ('bvector', 'bvecf32'), ('veci8', 'veci8') LOOP
    EXECUTE format($sql$
      CREATE FUNCTION _vectors_cast_%1$s_to_vecf32(vector %2$s, _typmod integer, _explicit boolean) RETURNS vector
        IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c
        AS 'MODULE_PATHNAME', '_vectors_cast_%1$s_to_vecf32_wrapper';
      CREATE FUNCTION _vectors_cast_vecf32_to_%1$s(vector vector, _typmod integer, _explicit boolean) RETURNS %2$s
        IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c
        AS 'MODULE_PATHNAME', '_vectors_cast_vecf32_to_%1$s_wrapper';
      CREATE CAST (%2$s AS vector) WITH FUNCTION _vectors_cast_%1$s_to_vecf32(%2$s, integer, boolean);
      CREATE CAST (vector AS %2$s) WITH FUNCTION _vectors_cast_vecf32_to_%1$s(vector, integer, boolean)
      $sql$, t.column2, t.column1);
  END LOOP;
END
$do$;
