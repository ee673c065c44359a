-- Exists only so that the catalog looks as it should: see unsupported.c.
CREATE FUNCTION _vectors_ai_embedding_vector(text) RETURNS vector
  VOLATILE STRICT LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_ai_embedding_vector_wrapper';
