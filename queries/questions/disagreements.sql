-- Grain: one row a score that another store measured too, with another number, the largest difference first. What is not
-- named narrows nothing; $by names the store that measured the other number.
-- Columns: measure, model_a, layer_a, model_b, layer_b, value (which stands: this store's, where it has one), other (null:
-- one of the two was refused), difference, origin and host (of the other), corpus, pooling, configuration, source, run,
-- measured.
WITH families AS (
    SELECT DISTINCT model, source FROM models WHERE list_contains($families, family))
SELECT d.measure, d.model_a, d.layer_a, d.model_b, d.layer_b, d.value, d.other, d.difference, d.origin, r.host,
       d.corpus, d.pooling, d.configuration, d.source, d.run, d.measured
FROM disagreements d LEFT JOIN base.runs r USING (run)
WHERE (len($measures) = 0 OR list_contains($measures, d.measure))
  AND ($kind IS NULL OR d.kind = $kind) AND ($corpus IS NULL OR d.corpus = $corpus)
  AND ($source IS NULL OR d.source = $source) AND ($pooling IS NULL OR d.pooling = $pooling)
  AND ($configuration IS NULL OR d.configuration = $configuration) AND ($by IS NULL OR d.origin = $by)
  AND (len($models) = 0 OR list_contains($models, d.model_a) OR list_contains($models, d.model_b))
  AND (len($families) = 0 OR (d.model_a, d.source) IN (FROM families) OR (d.model_b, d.source) IN (FROM families))
ORDER BY d.difference DESC NULLS FIRST, d.measure, d.model_a, d.layer_a, d.model_b, d.layer_b, d.origin
