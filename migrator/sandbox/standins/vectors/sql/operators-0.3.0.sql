-- Operators: <-> is the squared L2 distance, <#> the negative dot product, <=> the cosine distance.
DO $do$
DECLARE
  t record;
  o record;
BEGIN
  FOR t IN SELECT * FROM (VALUES
    ('vector', 'vecf32'), ('vecf16', 'vecf16'), ('svector', 'svecf32'), ('bvector', 'bvecf32'), ('veci8', 'veci8')
  ) AS v (type_name, type_symbol) LOOP
    FOR o IN SELECT * FROM (VALUES
      ('l2', '<->', 'real', ', COMMUTATOR = <->', 'all'),
      ('dot', '<#>', 'real', ', COMMUTATOR = <#>', 'all'),
      ('cosine', '<=>', 'real', ', COMMUTATOR = <=>', 'all'),
      ('jaccard', '<~>', 'real', ', COMMUTATOR = <~>', 'bits'),
      ('and', '&', 'self', ', COMMUTATOR = &', 'bits'),
      ('or', '|', 'self', ', COMMUTATOR = |', 'bits'),
      ('xor', '^', 'self', ', COMMUTATOR = ^', 'bits'),
      ('add', '+', 'self', ', COMMUTATOR = +', 'numbers'),
      ('minus', '-', 'self', '', 'numbers'),
      ('mul', '*', 'self', ', COMMUTATOR = *', 'numbers'),
      ('lt', '<', 'boolean', ', COMMUTATOR = >, NEGATOR = >=', 'all'),
      ('lte', '<=', 'boolean', ', COMMUTATOR = >=, NEGATOR = >', 'all'),
      ('gt', '>', 'boolean', ', COMMUTATOR = <, NEGATOR = <=', 'all'),
      ('gte', '>=', 'boolean', ', COMMUTATOR = <=, NEGATOR = <', 'all'),
      ('eq', '=', 'boolean', ', COMMUTATOR = =, NEGATOR = <>', 'all'),
      ('neq', '<>', 'boolean', ', COMMUTATOR = <>, NEGATOR = =', 'all')
    ) AS v (name, symbol, result, clauses, scope) LOOP
      CONTINUE WHEN o.scope <> 'all' AND (o.scope = 'bits') <> (t.type_name = 'bvector');
      EXECUTE format($sql$
        CREATE FUNCTION _vectors_%1$s_operator_%3$s(lhs %2$s, rhs %2$s) RETURNS %5$s
          IMMUTABLE STRICT PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '_vectors_%1$s_operator_%3$s_wrapper';
        CREATE OPERATOR %4$s (PROCEDURE = _vectors_%1$s_operator_%3$s, LEFTARG = %2$s, RIGHTARG = %2$s%6$s)
        $sql$, t.type_symbol, t.type_name, o.name, o.symbol, replace(o.result, 'self', t.type_name), o.clauses);
    END LOOP;
  END LOOP;
END
$do$;
