-- Grain: one row an ordered layer pair under one measure: of the chosen models, or of $left towards $right.
-- Columns: measure, configuration, source, corpus, pooling, kind, model_a, layer_a, family_a, model_b, layer_b, family_b, value.
SELECT measure, configuration, source, corpus, pooling, kind,
       model_a, layer_a, family_a, model_b, layer_b, family_b, value
FROM layer_pairs
WHERE measure = $measure AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND pooling = $pooling
  AND ($left IS NULL OR model_a = $left) AND ($right IS NULL OR model_b = $right)
  AND (len($models) = 0 OR list_contains($models, model_a) AND list_contains($models, model_b))
  AND (len($families) = 0 OR list_contains($families, family_a) AND list_contains($families, family_b))
ORDER BY family_a, model_a, layer_a, family_b, model_b, layer_b
