-- Grain: one row a fine-tuned model × layer. Columns: model, finetuned_from, layer, layers, value (ckasim of the layer with
-- the same layer of the model that it was tuned from).
SELECT p.model_a AS model, m.finetuned_from, p.layer_a AS layer, m.layers, p.value
FROM layer_pairs p JOIN models m ON m.model = p.model_a AND m.source = p.source
WHERE p.measure = $measure AND (p.configuration = $configuration OR list_contains(p.presets, $configuration))
  AND p.source = $source AND p.corpus = $corpus AND p.pooling = $pooling
  AND p.model_b = m.finetuned_from AND p.layer_a = p.layer_b
ORDER BY model, layer
