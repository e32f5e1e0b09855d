-- Grain: one row a measure × configuration × version × corpus × pooling, of our own scores.
-- Columns: measure, configuration, version, stale, corpus, pooling, scores, refused, missing (pairs not yet scored).
WITH comparable AS (
    SELECT corpus, kind, pooling, count(*) * (count(*) - 1) AS pairs FROM artifacts WHERE path IS NOT NULL GROUP BY ALL)
SELECT p.measure, p.configuration, p.version, p.stale, p.corpus, p.pooling,
       count(p.value) AS scores, count(p.refused) AS refused, any_value(c.pairs) - count(*) AS missing
FROM all_layer_pairs p JOIN comparable c USING (corpus, kind, pooling)
WHERE p.source = $own
GROUP BY ALL ORDER BY p.measure, p.configuration, p.version, p.corpus, p.pooling
