-- Grain: one row an ordered pair of models of which neuronsim was set against turned neurons. Columns: model_a, model_b,
-- pairs (of layers), chance (the sum over these of the mean that turned neurons give).
SELECT model_a, model_b, count(*) AS pairs, sum(mean) AS chance
FROM nulls
WHERE measure = 'neuronsim' AND method = 'rotated' AND refused IS NULL
  AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND list_contains($poolings, pooling)
  AND ($origin IS NULL OR origin = $origin)
GROUP BY ALL ORDER BY ALL
