-- Casts. The argument names are those of the genuine extension: CREATE OR REPLACE cannot change them.
CREATE FUNCTION _vectors_cast_array_to_vecf32("array" real[], typmod integer, _explicit boolean) RETURNS vector
  IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_cast_array_to_vecf32_wrapper';
CREATE FUNCTION _vectors_cast_vecf32_to_array(vector vector, _typmod integer, _explicit boolean) RETURNS real[]
  IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_cast_vecf32_to_array_wrapper';
CREATE FUNCTION _vectors_cast_vecf32_to_vecf16(vector vector, _typmod integer, _explicit boolean) RETURNS vecf16
  IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_cast_vecf32_to_vecf16_wrapper';

CREATE CAST (real[] AS vector)
  WITH FUNCTION _vectors_cast_array_to_vecf32(real[], integer, boolean) AS IMPLICIT;
CREATE CAST (vector AS real[])
  WITH FUNCTION _vectors_cast_vecf32_to_array(vector, integer, boolean) AS IMPLICIT;
CREATE CAST (vector AS vecf16)
  WITH FUNCTION _vectors_cast_vecf32_to_vecf16(vector, integer, boolean);
