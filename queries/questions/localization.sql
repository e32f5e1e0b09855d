-- Grain: one row a layer. Columns: model, layer, family, neuronsim and svsim (means over layers of other models),
-- z_neuronsim, z_svsim (the same in standard deviations over all pairs), localization (their difference),
-- top_1, top_10, top_50 (mean neuronsim of the best-matched 1, 10, 50 % of its neurons; null without neuron scores, and
-- past the first $limit layers: to sort the neurons of every pair of a large catalog takes seconds).
-- Over the ordered layer pairs of different models that both measures have.
WITH {scored}
scores AS (                         -- as closeness: both point the same way
    SELECT configuration, artifact_a, artifact_b, value * sign AS value
    FROM base.scores JOIN chosen c ON c.id = configuration WHERE value IS NOT NULL),
signs AS (
    SELECT max(sign) FILTER (measure = 'neuronsim') AS neuronsim, max(sign) FILTER (measure = 'svsim') AS svsim FROM chosen),
pairs AS MATERIALIZED (
    SELECT n.configuration, artifact_a, artifact_b, n.value AS neuronsim, s.value AS svsim
    FROM (FROM scores WHERE configuration IN (SELECT id FROM chosen WHERE measure = 'neuronsim')) n
    JOIN (FROM scores WHERE configuration IN (SELECT id FROM chosen WHERE measure = 'svsim')) s
    USING (artifact_a, artifact_b)
    JOIN layers a ON a.id = artifact_a JOIN layers b ON b.id = artifact_b
    WHERE a.model_id <> b.model_id),
usual AS (
    SELECT avg(neuronsim) AS neuronsim, nullif(stddev_pop(neuronsim), 0) AS neuronsim_spread,
           avg(svsim) AS svsim, nullif(stddev_pop(svsim), 0) AS svsim_spread
    FROM pairs),
means AS (
    SELECT artifact_a, avg(neuronsim) AS neuronsim, avg(svsim) AS svsim FROM pairs GROUP BY ALL),
ranked AS MATERIALIZED (
    SELECT a.model, a.layer, a.family, artifact_a, m.neuronsim * n.neuronsim AS neuronsim, m.svsim * n.svsim AS svsim,
           (m.neuronsim - u.neuronsim) / u.neuronsim_spread AS z_neuronsim, (m.svsim - u.svsim) / u.svsim_spread AS z_svsim,
           z_neuronsim - z_svsim AS localization, row_number() OVER (ORDER BY localization DESC, a.model, a.layer) AS place
    FROM means m CROSS JOIN usual u CROSS JOIN signs n JOIN layers a ON a.id = artifact_a
    WHERE (len($shown_models) = 0 OR list_contains($shown_models, a.model))
      AND (len($shown_families) = 0 OR list_contains($shown_families, a.family))),
sorted AS (
    SELECT artifact_a, list_reverse_sort([r * n.neuronsim FOR r IN d.units IF NOT isnan(r)]) AS neurons
    FROM base.details d CROSS JOIN signs n SEMI JOIN pairs USING (configuration, artifact_a, artifact_b)
    WHERE artifact_a IN (SELECT artifact_a FROM ranked WHERE $limit IS NULL OR place <= $limit)),
curves AS (
    SELECT artifact_a, avg(list_avg(neurons[:ceil(len(neurons) * 0.01)::INTEGER])) AS top_1,
           avg(list_avg(neurons[:ceil(len(neurons) * 0.1)::INTEGER])) AS top_10,
           avg(list_avg(neurons[:ceil(len(neurons) * 0.5)::INTEGER])) AS top_50
    FROM sorted GROUP BY ALL)
SELECT model, layer, family, r.neuronsim, r.svsim, z_neuronsim, z_svsim, localization,
       top_1 * n.neuronsim AS top_1, top_10 * n.neuronsim AS top_10, top_50 * n.neuronsim AS top_50
FROM ranked r CROSS JOIN signs n LEFT JOIN curves USING (artifact_a)
ORDER BY place
