-- Operators: <-> is the squared L2 distance, <#> the negative dot product, <=> the cosine distance.
DO $do$
DECLARE
  t record;
  o record;
BEGIN
  FOR t IN SELECT * FROM (VALUES ('vector', 'vecf32'), ('vecf16', 'vecf16')) AS v (type_name, type_symbol) LOOP
    FOR o IN SELECT * FROM (VALUES
      ('l2', '<->', 'real', ', COMMUTATOR = <->'),
      ('dot', '<#>', 'real', ', COMMUTATOR = <#>'),
      ('cosine', '<=>', 'real', ', COMMUTATOR = <=>'),
      ('add', '+', 'self', ', COMMUTATOR = +'),
      ('minus', '-', 'self', ''),
      ('lt', '<', 'boolean', ', COMMUTATOR = >, NEGATOR = >='),
      ('lte', '<=', 'boolean', ', COMMUTATOR = >=, NEGATOR = >'),
      ('gt', '>', 'boolean', ', COMMUTATOR = <, NEGATOR = <='),
      ('gte', '>=', 'boolean', ', COMMUTATOR = <=, NEGATOR = <'),
      ('eq', '=', 'boolean', ', COMMUTATOR = =, NEGATOR = <>'),
      ('neq', '<>', 'boolean', ', COMMUTATOR = <>, NEGATOR = =')
    ) AS v (name, symbol, result, clauses) LOOP
      EXECUTE format($sql$
        CREATE FUNCTION _vectors_%1$s_operator_%3$s(lhs %2$s, rhs %2$s) RETURNS %5$s
          IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_operator_%3$s_wrapper';
        CREATE OPERATOR %4$s (PROCEDURE = _vectors_%1$s_operator_%3$s, LEFTARG = %2$s, RIGHTARG = %2$s%6$s)
        $sql$, t.type_symbol, t.type_name, o.name, o.symbol, replace(o.result, 'self', t.type_name), o.clauses);
    END LOOP;
  END LOOP;
END
$do$;
