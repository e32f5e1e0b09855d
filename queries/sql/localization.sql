-- Grain: one row a layer. Columns: model, layer, family, neuronsim and svsim (means over layers of other models),
-- z_neuronsim, z_svsim (the same in standard deviations over all pairs), localization (their difference),
-- top_1, top_10, top_50 (mean neuronsim of the best-matched 1, 10, 50 % of its neurons; null without neuron scores, and
-- past the first $limit layers: to sort the neurons of every pair of a large catalog takes seconds).
-- Over the ordered layer pairs of different models that both measures have. Works on the numbers of base.scores: names are
-- looked up for layers, not for each of a million scores.
WITH layers AS MATERIALIZED (
    SELECT a.id, a.weights, a.layer, m.name AS model, m.family
    FROM base.artifacts a JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus)
    WHERE m.source = $source AND c.name = $corpus AND a.words_from_tokens = $pooling),
measures AS MATERIALIZED (
    SELECT k.id, k.measure FROM base.configurations k LEFT JOIN base.versions v USING (measure)
    WHERE k.measure IN ('neuronsim', 'svsim') AND coalesce(k.version >= v.version, true)
      AND (k.label = $configuration OR list_contains(k.presets, $configuration))),
scores AS (
    SELECT configuration, artifact_a, artifact_b, value FROM base.scores
    WHERE value IS NOT NULL AND configuration IN (SELECT id FROM measures)),
pairs AS MATERIALIZED (
    SELECT n.configuration, artifact_a, artifact_b, n.value AS neuronsim, s.value AS svsim
    FROM (FROM scores WHERE configuration IN (SELECT id FROM measures WHERE measure = 'neuronsim')) n
    JOIN (FROM scores WHERE configuration IN (SELECT id FROM measures WHERE measure = 'svsim')) s
    USING (artifact_a, artifact_b)
    JOIN layers a ON a.id = artifact_a JOIN layers b ON b.id = artifact_b
    WHERE a.weights <> b.weights),
usual AS (
    SELECT avg(neuronsim) AS neuronsim, nullif(stddev_pop(neuronsim), 0) AS neuronsim_spread,
           avg(svsim) AS svsim, nullif(stddev_pop(svsim), 0) AS svsim_spread
    FROM pairs),
means AS (
    SELECT artifact_a, avg(neuronsim) AS neuronsim, avg(svsim) AS svsim FROM pairs GROUP BY ALL),
ranked AS MATERIALIZED (
    SELECT a.model, a.layer, a.family, artifact_a, m.neuronsim, m.svsim,
           (m.neuronsim - u.neuronsim) / u.neuronsim_spread AS z_neuronsim, (m.svsim - u.svsim) / u.svsim_spread AS z_svsim,
           z_neuronsim - z_svsim AS localization, row_number() OVER (ORDER BY localization DESC, a.model, a.layer) AS place
    FROM means m CROSS JOIN usual u JOIN layers a ON a.id = artifact_a
    WHERE (len($models) = 0 OR list_contains($models, a.model)) AND (len($families) = 0 OR list_contains($families, a.family))),
sorted AS (
    SELECT artifact_a, list_reverse_sort(list_filter(d.units, lambda r: NOT isnan(r))) AS neurons
    FROM base.details d SEMI JOIN pairs USING (configuration, artifact_a, artifact_b)
    WHERE artifact_a IN (SELECT artifact_a FROM ranked WHERE $limit IS NULL OR place <= $limit)),
curves AS (
    SELECT artifact_a, avg(list_avg(neurons[:ceil(len(neurons) * 0.01)::INTEGER])) AS top_1,
           avg(list_avg(neurons[:ceil(len(neurons) * 0.1)::INTEGER])) AS top_10,
           avg(list_avg(neurons[:ceil(len(neurons) * 0.5)::INTEGER])) AS top_50
    FROM sorted GROUP BY ALL)
SELECT model, layer, family, neuronsim, svsim, z_neuronsim, z_svsim, localization, top_1, top_10, top_50
FROM ranked LEFT JOIN curves USING (artifact_a)
ORDER BY place
