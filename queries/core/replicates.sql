-- Grain: one row a measure of $measures × ordered pair of models × replicate, of pairs of layers that have an interval over
-- blocks of text. Columns: measure, model_a, family_a, model_b, family_b, method, sizes, number (of the replicate, from 1),
-- total (sum of what it says of the pairs of layers), pairs (of layers).
WITH told AS (
    SELECT measure, model_a, model_b, method, sizes, replicates, generate_subscripts(replicates, 1) AS number
    FROM intervals
    WHERE list_contains($measures, measure) AND (configuration = $configuration OR list_contains(presets, $configuration))
      AND source = $source AND corpus = $corpus AND list_contains($poolings, pooling) AND low IS NOT NULL)
SELECT measure, model_a, x.family AS family_a, model_b, y.family AS family_b, method, sizes, number,
       sum(replicates[number]) AS total, count(*) AS pairs
FROM told JOIN models x ON x.model = model_a AND x.source = $source JOIN models y ON y.model = model_b AND y.source = $source
GROUP BY ALL ORDER BY ALL
