-- Grain: one row a fine-tuned copy × layer, towards the same layer of the model that it was tuned from ($base, or any).
-- Columns: model_a (the copy), model_b (its origin), layer, layers (blocks of the copy), value.
SELECT p.model_a, p.model_b, p.layer_a AS layer, m.layers, p.value
FROM layer_pairs p JOIN models m ON m.model = p.model_a AND m.source = p.source
WHERE p.measure = $measure AND (p.configuration = $configuration OR list_contains(p.presets, $configuration))
  AND p.source = $source AND p.corpus = $corpus AND p.pooling = $pooling
  AND m.finetuned_from = p.model_b AND p.layer_a = p.layer_b AND ($base IS NULL OR p.model_b = $base)
  AND (len($models) = 0 OR (list_contains($models, p.model_a) AND list_contains($models, p.model_b)))
  AND (len($families) = 0 OR (list_contains($families, p.family_a) AND list_contains($families, p.family_b)))
ORDER BY model_b, model_a, layer
