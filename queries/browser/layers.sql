-- Grain: one row a layer that may have scores. Columns: source, corpus, pooling, kind, family, model, layer.
SELECT DISTINCT source, corpus, pooling, kind, family, model, layer
FROM artifacts ORDER BY ALL
