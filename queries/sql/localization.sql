-- Grain: one row a layer. Columns: model, layer, family, neuronsim and svsim (means over layers of other models),
-- z_neuronsim, z_svsim (the same in standard deviations over all pairs), localization (their difference),
-- top_1, top_10, top_50 (mean neuronsim of the best-matched 1, 10, 50 % of its neurons; null without neuron scores).
WITH pairs AS (
    SELECT measure, model_a, layer_a, family_a, value,
           (value - avg(value) OVER (PARTITION BY measure)) / stddev_pop(value) OVER (PARTITION BY measure) AS z
    FROM layer_pairs
    WHERE measure IN ('neuronsim', 'svsim') AND (configuration = $configuration OR list_contains(presets, $configuration))
      AND source = $source AND corpus = $corpus AND pooling = $pooling AND model_a <> model_b
      AND (len($models) = 0 OR list_contains($models, model_a))
      AND (len($families) = 0 OR list_contains($families, family_a))),
sorted AS (
    SELECT ma.name AS model, a.layer, list_reverse_sort(list_filter(d.neurons, lambda r: NOT isnan(r))) AS neurons
    FROM base.details d
    JOIN base.configurations k ON k.id = d.configuration JOIN base.versions v ON v.measure = k.measure AND v.version = k.version
    JOIN base.artifacts a ON a.id = d.artifact_a JOIN base.models ma ON ma.weights = a.weights
    JOIN base.artifacts b ON b.id = d.artifact_b JOIN base.corpora c ON c.corpus = a.corpus
    WHERE k.measure = 'neuronsim' AND (k.label = $configuration OR list_contains(k.presets, $configuration))
      AND c.name = $corpus AND a.pooling = $pooling AND ma.source = $source AND a.weights <> b.weights),
curves AS (
    SELECT model, layer, avg(list_avg(neurons[:ceil(len(neurons) * 0.01)::INTEGER])) AS top_1,
           avg(list_avg(neurons[:ceil(len(neurons) * 0.1)::INTEGER])) AS top_10,
           avg(list_avg(neurons[:ceil(len(neurons) * 0.5)::INTEGER])) AS top_50
    FROM sorted GROUP BY ALL)
SELECT p.model_a AS model, p.layer_a AS layer, p.family_a AS family,
       avg(p.value) FILTER (measure = 'neuronsim') AS neuronsim, avg(p.value) FILTER (measure = 'svsim') AS svsim,
       avg(p.z) FILTER (measure = 'neuronsim') AS z_neuronsim, avg(p.z) FILTER (measure = 'svsim') AS z_svsim,
       z_neuronsim - z_svsim AS localization, any_value(c.top_1) AS top_1, any_value(c.top_10) AS top_10,
       any_value(c.top_50) AS top_50
FROM pairs p LEFT JOIN curves c ON c.model = p.model_a AND c.layer = p.layer_a
GROUP BY ALL ORDER BY localization DESC, model, layer
