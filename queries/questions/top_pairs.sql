-- Grain: one row a scored layer pair, closest first (least close, when $least), at most $limit.
-- Columns: measure, model_a, layer_a, family_a, model_b, layer_b, family_b, value, words, corpus, pooling, configuration,
-- source. A symmetric measure gives each unordered pair once; the others "of a towards b" and "of b towards a".
-- `value IS NULL` is never true here; it keeps DuckDB from pairing all layers before it meets the scores (6 × slower).
SELECT measure, model_a, layer_a, family_a, model_b, layer_b, family_b, value, words, corpus, pooling, configuration, source
FROM layer_pairs
WHERE measure = $measure AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND pooling = $pooling
  AND (NOT is_symmetric OR model_a < model_b OR (model_a = model_b AND layer_a < layer_b))
  AND ($across IS NULL OR value IS NULL OR CASE $across WHEN 'families' THEN family_a <> family_b ELSE model_a <> model_b END)
  AND ($within IS NULL OR (family_a = $within AND family_b = $within) OR (model_a = $within AND model_b = $within))
  AND (len($models) = 0 OR (list_contains($models, model_a) AND ($layer IS NULL OR layer_a = $layer))
                        OR (list_contains($models, model_b) AND ($layer IS NULL OR layer_b = $layer)))
  AND (len($families) = 0 OR list_contains($families, family_a) OR list_contains($families, family_b))
  AND ($layer IS NULL OR layer_a = $layer OR layer_b = $layer)
  AND ($min_words = 0 OR words >= $min_words)
ORDER BY CASE WHEN $least THEN closeness ELSE -closeness END, model_a, layer_a, model_b, layer_b
LIMIT $limit
