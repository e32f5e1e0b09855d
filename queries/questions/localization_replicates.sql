-- Grain: one row a layer × cutting of the text under which every pair of layers that `localization` compares has an interval
-- of both measures, or at least its replicates. Columns: model, layer, method, seed, sizes, replicates (what localization
-- would be of each replicate).
WITH {scored}
told AS (
    SELECT c.measure, x.id AS a, y.id AS b, i.method, i.seed, i.sizes, [r * c.sign FOR r IN i.replicates] AS replicates
    FROM base.intervals i JOIN base.configurations k USING (configuration) JOIN chosen c ON c.id = k.id
    JOIN base.artifacts x ON x.artifact = i.artifact_a JOIN base.artifacts y ON y.artifact = i.artifact_b
    JOIN layers la ON la.id = x.id JOIN layers lb ON lb.id = y.id
    WHERE la.model_id <> lb.model_id AND len(i.replicates) > 0),
pairs AS MATERIALIZED (
    SELECT a, b, method, seed, sizes, n.replicates AS neuronsim, s.replicates AS svsim
    FROM (FROM told WHERE measure = 'neuronsim') n JOIN (FROM told WHERE measure = 'svsim') s
    USING (a, b, method, seed, sizes)),
compared AS (
    SELECT count(*) AS pairs
    FROM (FROM base.scores WHERE value IS NOT NULL AND configuration IN (SELECT id FROM chosen WHERE measure = 'neuronsim')) n
    JOIN (FROM base.scores WHERE value IS NOT NULL AND configuration IN (SELECT id FROM chosen WHERE measure = 'svsim')) s
    USING (artifact_a, artifact_b)
    JOIN layers a ON a.id = artifact_a JOIN layers b ON b.id = artifact_b
    WHERE a.model_id <> b.model_id),
whole AS (
    SELECT method, seed, sizes FROM pairs GROUP BY ALL HAVING count(*) = (SELECT pairs FROM compared)),
each_one AS (
    SELECT a, method, seed, sizes, generate_subscripts(neuronsim, 1) AS number, unnest(neuronsim) AS neuronsim,
           unnest(svsim) AS svsim
    FROM pairs SEMI JOIN whole USING (method, seed, sizes)),
usual AS (
    SELECT method, seed, sizes, number, avg(neuronsim) AS neuronsim, nullif(stddev_pop(neuronsim), 0) AS neuronsim_spread,
           avg(svsim) AS svsim, nullif(stddev_pop(svsim), 0) AS svsim_spread
    FROM each_one GROUP BY ALL),
means AS (
    SELECT a, method, seed, sizes, number, avg(neuronsim) AS neuronsim, avg(svsim) AS svsim FROM each_one GROUP BY ALL)
SELECT l.model, l.layer, method, seed, sizes, list(
           (m.neuronsim - u.neuronsim) / u.neuronsim_spread - (m.svsim - u.svsim) / u.svsim_spread ORDER BY number
       ) AS replicates
FROM means m JOIN usual u USING (method, seed, sizes, number) JOIN layers l ON l.id = m.a
GROUP BY ALL ORDER BY method DESC, seed, sizes
