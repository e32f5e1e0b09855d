-- Grain: one row a layer of $left × a layer of $right, under one measure; value is of left towards right.
-- Columns: measure, model_a, layer_a, model_b, layer_b, value, words, corpus, pooling, configuration.
SELECT measure, model_a, layer_a, model_b, layer_b, value, words, corpus, pooling, configuration
FROM layer_pairs
WHERE measure = $measure
  AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND model_a = $left AND model_b = $right
  AND ($corpus IS NULL OR corpus = $corpus)
ORDER BY corpus, pooling, configuration, layer_a, layer_b
