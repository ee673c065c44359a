-- Since 0.5.2: query sampling. It exists and does not work.
CREATE FUNCTION vchordrq_sampled_values(regclass) RETURNS SETOF text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', '_vchordrq_sampled_values_wrapper';
CREATE FUNCTION vchordrq_sampled_queries(regclass)
RETURNS TABLE (schema_name name, index_name name, table_name name, column_name name, operator name, value text)
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the stand-in for VectorChord samples no queries';
END;
$$;
