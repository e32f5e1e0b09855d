-- Grain: one row an ordered layer pair of two models: of $model_a towards $model_b, or of all models that are trained and no
-- fine-tuned copies. Columns: model_a, layer_a, blocks_a, model_b, family_b, layer_b, blocks_b, value.
WITH bases AS (
    SELECT model, layers AS blocks FROM models
    WHERE source = $source AND ($model_a IS NOT NULL OR finetuned_from IS NULL AND untrained_seed IS NULL))
SELECT model_a, layer_a, a.blocks AS blocks_a, model_b, family_b, layer_b, b.blocks AS blocks_b, value
FROM layer_pairs JOIN bases a ON a.model = model_a JOIN bases b ON b.model = model_b
WHERE measure = $measure AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND pooling = $pooling AND model_a <> model_b
  AND ($model_a IS NULL OR model_a = $model_a) AND ($model_b IS NULL OR model_b = $model_b)
  AND (len($models) = 0 OR (list_contains($models, model_a) AND list_contains($models, model_b)))
  AND (len($families) = 0 OR (list_contains($families, family_a) AND list_contains($families, family_b)))
ORDER BY model_a, model_b, layer_a, layer_b
