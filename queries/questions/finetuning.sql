-- Grain: one row a fine-tuned copy × layer, towards the same layer of the model that it was tuned from ($base, or any).
-- Columns: model_a (the copy), model_b (its origin), layer, layers (blocks of the copy), value, apart (how far values are
-- apart at most, over all of these layers of the copy towards all of its origin's).
SELECT p.model_a, p.model_b, p.layer_a AS layer, m.layers, any_value(p.value) FILTER (p.layer_a = p.layer_b) AS value,
       max(max(p.value)) OVER copy - min(min(p.value)) OVER copy AS apart
FROM layer_pairs p JOIN models m ON m.model = p.model_a AND m.source = p.source
WHERE p.measure = $measure AND (p.configuration = $configuration OR list_contains(p.presets, $configuration))
  AND p.source = $source AND p.corpus = $corpus AND p.pooling = $pooling
  AND m.finetuned_from = p.model_b AND ($base IS NULL OR p.model_b = $base)
  AND (len($models) = 0 OR (list_contains($models, p.model_a) AND list_contains($models, p.model_b)))
  AND (len($families) = 0 OR (list_contains($families, p.family_a) AND list_contains($families, p.family_b)))
GROUP BY p.model_a, p.model_b, p.layer_a, m.layers
HAVING count(*) FILTER (p.layer_a = p.layer_b) > 0
WINDOW copy AS (PARTITION BY p.model_a)
ORDER BY model_b, model_a, layer
