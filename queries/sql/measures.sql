-- Grain: one row an unordered pair of measures. Over the ordered layer pairs that all of $measures have scored.
-- Columns: measure, other, spearman (rank correlation, ties share their mean rank), layer_pairs.
-- Works on the numbers of base.scores: names are looked up where the layers are chosen, not for each of a million scores.
WITH layers AS MATERIALIZED (
    SELECT a.id, m.name AS model, m.family
    FROM base.artifacts a JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus)
    WHERE m.source = $source AND c.name = $corpus AND a.pooling = $pooling
      AND (len($models) = 0 OR list_contains($models, m.name))
      AND (len($families) = 0 OR list_contains($families, m.family))),
measures AS MATERIALIZED (
    SELECT k.id, k.measure FROM base.configurations k LEFT JOIN base.versions v USING (measure)
    WHERE list_contains($measures, k.measure) AND coalesce(k.version >= v.version, true)
      AND (k.label = $configuration OR list_contains(k.presets, $configuration))),
scored AS (
    SELECT s.configuration, a.id * 1000000::BIGINT + b.id AS pair, s.value
    FROM base.scores s JOIN layers a ON a.id = s.artifact_a JOIN layers b ON b.id = s.artifact_b
    WHERE s.value IS NOT NULL AND s.configuration IN (SELECT id FROM measures)
      AND ($across IS NULL OR CASE $across WHEN 'families' THEN a.family <> b.family ELSE a.model <> b.model END)),
common AS (
    SELECT pair FROM scored GROUP BY pair HAVING count(*) = len($measures)),
tied AS (                           -- one row a value: its mean rank
    SELECT configuration, value, sum(count(*)) OVER (PARTITION BY configuration ORDER BY value) - (count(*) - 1) / 2 AS rank
    FROM scored SEMI JOIN common USING (pair)
    GROUP BY configuration, value),
ranks AS (
    SELECT measure, pair, rank
    FROM scored SEMI JOIN common USING (pair) JOIN tied USING (configuration, value)
    JOIN measures ON measures.id = configuration)
SELECT a.measure, b.measure AS other, corr(a.rank, b.rank) AS spearman, count(*) AS layer_pairs
FROM ranks a JOIN ranks b ON a.pair = b.pair AND a.measure < b.measure
GROUP BY ALL
ORDER BY spearman DESC, a.measure, other
