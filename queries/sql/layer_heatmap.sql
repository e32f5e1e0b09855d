-- Grain: one row a layer of $left × a layer of $right, under one measure; value is of left towards right.
-- Columns: measure, model_a, layer_a, model_b, layer_b, value, words, corpus, pooling, configuration, source.
SELECT measure, model_a, layer_a, model_b, layer_b, value, words, corpus, pooling, configuration, source
FROM layer_pairs
WHERE measure = $measure AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND pooling = $pooling
  AND model_a = $left AND model_b = $right
ORDER BY layer_a, layer_b
