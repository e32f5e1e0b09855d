-- Grain: one row a measure × configuration × source × corpus × pooling × kind that has scores.
-- Columns: measure, configuration, source, corpus, pooling, kind, scores.
SELECT measure, configuration, source, corpus, pooling, kind, count(*) AS scores
FROM layer_pairs GROUP BY ALL ORDER BY ALL
