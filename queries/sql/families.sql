-- Grain: one row an ordered pair of models (a model with itself included) under one measure.
-- Columns: measure, model_a, family_a, model_b, family_b, total (sum of value over layer pairs), pairs (of layers).
SELECT measure, model_a, family_a, model_b, family_b, sum(value) AS total, count(*) AS pairs
FROM layer_pairs
WHERE measure = $measure AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND pooling = $pooling
  AND (len($models) = 0 OR list_contains($models, model_a) AND list_contains($models, model_b))
  AND (len($families) = 0 OR list_contains($families, family_a) AND list_contains($families, family_b))
GROUP BY ALL ORDER BY ALL
