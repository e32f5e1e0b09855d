-- Grain: one row a scored layer pair, most similar first, at most $limit.
-- Columns: measure, model_a, layer_a, family_a, model_b, layer_b, family_b, value, words, corpus, pooling, configuration.
-- A symmetric measure gives each unordered pair once; the others give "of a towards b" and "of b towards a".
-- `value IS NULL` is never true here; it keeps DuckDB from pairing all layers before it meets the scores (6 × slower).
SELECT measure, model_a, layer_a, family_a, model_b, layer_b, family_b, value, words, corpus, pooling, configuration
FROM layer_pairs
WHERE measure = $measure
  AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND NOT (is_symmetric AND is_mirrored)
  AND ($across IS NULL OR value IS NULL OR CASE $across WHEN 'families' THEN family_a <> family_b ELSE model_a <> model_b END)
  AND ($within IS NULL OR (family_a = $within AND family_b = $within) OR (model_a = $within AND model_b = $within))
  AND ($model IS NULL OR (model_a = $model AND ($layer IS NULL OR layer_a = $layer))
                      OR (model_b = $model AND ($layer IS NULL OR layer_b = $layer)))
  AND ($layer IS NULL OR layer_a = $layer OR layer_b = $layer)
  AND ($corpus IS NULL OR corpus = $corpus)
  AND words >= $min_words
ORDER BY value DESC, model_a, layer_a, model_b, layer_b
LIMIT $limit
