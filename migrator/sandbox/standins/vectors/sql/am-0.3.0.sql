-- Operator classes: none is a default, none has support functions.
DO $do$
DECLARE
  c record;
BEGIN
  FOR c IN SELECT t.name AS type_name, d.suffix, d.symbol
    FROM unnest(ARRAY['vector', 'vecf16', 'svector', 'bvector', 'veci8']) AS t (name),
         (VALUES ('l2', '<->'), ('dot', '<#>'), ('cos', '<=>'), ('jaccard', '<~>')) AS d (suffix, symbol)
    WHERE d.suffix <> 'jaccard' OR t.name = 'bvector'
  LOOP
    EXECUTE format($sql$
      CREATE OPERATOR FAMILY %1$s_%2$s_ops USING vectors;
      CREATE OPERATOR CLASS %1$s_%2$s_ops FOR TYPE %1$s USING vectors FAMILY %1$s_%2$s_ops
        AS OPERATOR 1 %3$s (%1$s, %1$s) FOR ORDER BY float_ops
      $sql$, c.type_name, c.suffix, c.symbol);
  END LOOP;
END
$do$;
