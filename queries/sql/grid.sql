-- Grain: one row an ordered layer pair under one measure: of all models, or of $left towards $right.
-- Columns: measure, configuration, source, corpus, pooling, kind, model_a, layer_a, family_a, model_b, layer_b, family_b, value.
SELECT measure, configuration, source, corpus, pooling, kind,
       model_a, layer_a, family_a, model_b, layer_b, family_b, value
FROM layer_pairs
WHERE measure = $measure
  AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND ($left IS NULL OR model_a = $left) AND ($right IS NULL OR model_b = $right)
  AND ($source IS NULL OR source = $source)
  AND ($corpus IS NULL OR corpus = $corpus)
  AND ($pooling IS NULL OR pooling = $pooling)
  AND ($kind IS NULL OR kind = $kind)
ORDER BY family_a, model_a, layer_a, family_b, model_b, layer_b
