-- Grain: one row a measure × configuration × source × corpus × pooling × kind that has scores.
-- Columns: measure, configuration, source, corpus, pooling, kind, direction, low, high (of its values), scores.
SELECT measure, configuration, source, corpus, pooling, kind, direction, low, high, count(*) AS scores
FROM layer_pairs GROUP BY ALL ORDER BY ALL
