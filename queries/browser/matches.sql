-- Grain: one row a {unit} of layer a, best matched first, at most $limit; {unit} is neuron or head.
-- Columns: {unit}, value, matched_by (of layer b, empty where the measure names none).
SELECT {unit}, value, matched_by
FROM {unit}s
WHERE measure = $measure AND configuration = $configuration AND source = $source AND corpus = $corpus
  AND pooling IS NOT DISTINCT FROM $pooling
  AND model_a = $model_a AND layer_a = $layer_a AND model_b = $model_b AND layer_b = $layer_b
ORDER BY $sign * value DESC NULLS LAST, {unit}
LIMIT $limit
