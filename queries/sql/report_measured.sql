-- Grain: one row a measure × configuration × version × source × corpus × pooling × kind: the heatmaps that a catalog can draw.
-- Columns: source, corpus, pooling, kind, measure, configuration, version, presets, parameters, symmetric, scores, words_from,
-- words_to (words compared, over the pairs), last_measured, runs (that wrote a score).
SELECT source, corpus, pooling, kind, measure, configuration, version, array_to_string(presets, ', ') AS presets, parameters,
       is_symmetric AS symmetric, count(*) AS scores, min(words) AS words_from, max(words) AS words_to,
       max(measured) AS last_measured, count(DISTINCT run) AS runs
FROM layer_pairs
WHERE ($source IS NULL OR source = $source) AND ($corpus IS NULL OR corpus = $corpus)
  AND ($measure IS NULL OR measure = $measure)
  AND ($configuration IS NULL OR configuration = $configuration OR list_contains(presets, $configuration))
GROUP BY ALL
ORDER BY source, corpus, pooling, kind, measure, configuration
