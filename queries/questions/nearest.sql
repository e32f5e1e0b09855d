-- Grain: one row a layer of another model, the closest to layer $layer of $model first, at most $limit.
-- Columns: measure, rank, model, layer, family, value (of the asked-for layer towards this one), words, corpus, pooling,
-- configuration, source.
SELECT measure, row_number() OVER (ORDER BY closeness DESC, model_b, layer_b) AS rank, model_b AS model, layer_b AS layer,
       family_b AS family, value, words, corpus, pooling, configuration, source
FROM layer_pairs
WHERE measure = $measure AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND pooling = $pooling
  AND model_a = $model AND layer_a = $layer AND model_b <> $model
  AND (len($models) = 0 OR list_contains($models, model_b))
  AND (len($families) = 0 OR list_contains($families, family_b))
ORDER BY rank
LIMIT $limit
