-- Grain: one row a layer pair of base models (trained, not fine-tuned) of different families, most similar first.
-- Columns: measure, model_a, layer_a, model_b, layer_b, value (ckasim).
WITH base AS (SELECT model FROM models WHERE untrained_seed IS NULL AND finetuned_from IS NULL AND source = $source)
SELECT measure, model_a, layer_a, model_b, layer_b, value
FROM layer_pairs
WHERE measure = $measure AND (configuration = $configuration OR list_contains(presets, $configuration)) AND NOT is_mirrored
  AND source = $source AND corpus = $corpus AND pooling = $pooling
  AND (value IS NULL OR family_a <> family_b) AND model_a IN (FROM base) AND model_b IN (FROM base)
ORDER BY value DESC, model_a, layer_a, model_b, layer_b LIMIT 5
