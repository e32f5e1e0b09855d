-- Grain: one row a score that has an interval, of $pairs (each "model_a:layer_a model_b:layer_b").
-- Columns: measure, pair, value, error, low, high, corrected (NULL where the measure has no interval), method, seed,
-- replicates, sizes, curve_words, curve (what parts of the text give; empty where that is not known).
SELECT measure, model_a || ':' || layer_a || ' ' || model_b || ':' || layer_b AS pair, value, error, low, high, corrected,
       method, seed, replicates, sizes, coalesce(curve_words, []) AS curve_words, coalesce(curve, []) AS curve, direction
FROM intervals
WHERE list_contains($measures, measure) AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND list_contains($poolings, pooling) AND error IS NOT NULL
  AND list_contains($pairs, pair)
