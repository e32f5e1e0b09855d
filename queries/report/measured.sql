-- Grain: one row a measure × configuration × version × source × corpus × pooling × kind: the heatmaps that a catalog can draw.
-- Columns: source, corpus, pooling, kind, measure, configuration, version, presets, parameters, symmetric, direction, low, high, scores, words_from,
-- words_to (words compared, over the pairs), last_measured, runs (that wrote a score).
WITH there AS (
    SELECT source, corpus, pooling, kind, measure, configuration, version, presets, parameters, is_symmetric AS symmetric,
           direction, low, high,
           count(*) AS scores, min(words) AS words_from, max(words) AS words_to, max(measured) AS last_measured,
           count(DISTINCT run) AS runs
    FROM layer_pairs GROUP BY ALL)
FROM there ORDER BY source <> 'own', source, corpus, kind, pooling, measure, configuration
