-- The access method. Its handler's argument has no name.
CREATE FUNCTION _vectors_amhandler(internal) RETURNS index_am_handler
  IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_amhandler_wrapper';
CREATE ACCESS METHOD vectors TYPE INDEX HANDLER _vectors_amhandler;
