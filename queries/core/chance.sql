-- Grain: one row a score of $pairs (each "model_a:layer_a model_b:layer_b") that was met with shuffled text.
-- Columns: measure, pair, mean (of what chance gives), calibrated, p.
SELECT measure, model_a || ':' || layer_a || ' ' || model_b || ':' || layer_b AS pair, mean, calibrated, p
FROM nulls
WHERE list_contains($measures, measure) AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND list_contains($poolings, pooling) AND refused IS NULL
  AND list_contains($pairs, pair)
