-- Grain: one row a model of $source. Columns: model, family, architecture, objective, layers, neurons, parameters,
-- finetuned_from, untrained.
SELECT model, family, architecture, objective, layers, neurons, parameters, finetuned_from,
       untrained_seed IS NOT NULL AS untrained
FROM models WHERE source = $source ORDER BY model
