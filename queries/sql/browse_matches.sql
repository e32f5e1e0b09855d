-- Grain: one row a neuron of layer a (of an attention layer: a head), best matched first, at most $limit.
-- Columns: neuron, value, matched_by (of layer b, empty where the measure names none).
SELECT neuron, value, matched_by
FROM neurons
WHERE measure = $measure AND configuration = $configuration AND source = $source AND corpus = $corpus
  AND pooling IS NOT DISTINCT FROM $pooling
  AND model_a = $model_a AND layer_a = $layer_a AND model_b = $model_b AND layer_b = $layer_b
ORDER BY value DESC NULLS LAST, neuron
LIMIT $limit
