-- Grain: one row a square of $bin × $bin neighbouring layers of an ordered pair of models ($bin = 1: a layer pair).
-- Columns: family_a, model_a, layer_a (the first of the square), family_b, model_b, layer_b, value (mean of a towards b).
SELECT family_a, model_a, layer_a // $bin * $bin AS layer_a, family_b, model_b, layer_b // $bin * $bin AS layer_b,
       avg(value) AS value
FROM layer_pairs
WHERE measure = $measure AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND pooling = $pooling
  AND (len($models) = 0 OR (list_contains($models, model_a) AND list_contains($models, model_b)))
  AND (len($families) = 0 OR (list_contains($families, family_a) AND list_contains($families, family_b)))
GROUP BY ALL
ORDER BY ALL
