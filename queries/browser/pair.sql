-- Grain: one row a measure × configuration × source × corpus × pooling × kind under which the two layers were compared.
-- Columns: measure, configuration, value (of a towards b), reverse (of b towards a), words, version, corpus, pooling, kind,
-- source, run, measured, refused (why there is no value), parameters, diagnostics. Without `refused` rows of an older version.
WITH directions AS (
    SELECT *, model_a = $model_a AND layer_a = $layer_a AS forward
    FROM all_layer_pairs
    WHERE NOT stale AND (model_a = $model_a AND layer_a = $layer_a AND model_b = $model_b AND layer_b = $layer_b
                      OR model_a = $model_b AND layer_a = $layer_b AND model_b = $model_a AND layer_b = $layer_a))
SELECT measure, configuration, max(value) FILTER (forward) AS value, max(value) FILTER (NOT forward) AS reverse,
       max(words) AS words, version, corpus, pooling, kind, source,
       arg_max(run, forward) AS run, arg_max(measured, forward) AS measured, max(refused) AS refused,
       any_value(parameters) AS parameters, arg_max(diagnostics, forward) AS diagnostics
FROM directions
GROUP BY measure, configuration, version, corpus, pooling, kind, source
ORDER BY source, corpus, pooling, kind, measure, configuration
