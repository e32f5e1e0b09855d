-- Grain: one row a score of $pairs (each "model_a:layer_a model_b:layer_b") that was set against chance.
-- Columns: measure, pair, mean (of what chance gives), calibrated, p, method, permuted, permutations.
-- By the $method that is asked for; where none is, text in another order before others, and the newest.
SELECT measure, model_a || ':' || layer_a || ' ' || model_b || ':' || layer_b AS pair, mean, calibrated, p,
       method, permuted, permutations
FROM nulls
WHERE list_contains($measures, measure) AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND list_contains($poolings, pooling) AND refused IS NULL
  AND list_contains($pairs, pair) AND method = coalesce($method, method)
QUALIFY row_number() OVER (
    PARTITION BY measure, pair ORDER BY method IN ('permuted', 'drawn') DESC, measured DESC) = 1
