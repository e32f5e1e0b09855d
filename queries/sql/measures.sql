-- Grain: one row an unordered pair of measures. Over the ordered layer pairs that all of $measures have scored.
-- Columns: measure, other, spearman (rank correlation, ties share their mean rank), layer_pairs.
-- Works on the numbers of base.scores: names are looked up where the layers are chosen, not for each of a million scores.
WITH layers AS MATERIALIZED (       -- activations and attention of one layer are two artifacts at one place
    SELECT a.id, m.name AS model, m.family, dense_rank() OVER (ORDER BY m.name, a.layer) AS place
    FROM base.artifacts a JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus)
    WHERE m.source = $source AND c.name = $corpus AND list_contains($poolings, a.words_from_tokens)
      AND (len($models) = 0 OR list_contains($models, m.name))
      AND (len($families) = 0 OR list_contains($families, m.family))),
measures AS MATERIALIZED (
    SELECT k.id, k.measure FROM base.configurations k LEFT JOIN base.versions v USING (measure)
    WHERE list_contains($measures, k.measure) AND coalesce(k.version >= v.version, true)
      AND (k.label = $configuration OR list_contains(k.presets, $configuration))),
scored AS MATERIALIZED (
    SELECT s.configuration, a.place * 1000000 + b.place AS pair, s.value
    FROM base.scores s JOIN layers a ON a.id = s.artifact_a JOIN layers b ON b.id = s.artifact_b
    WHERE s.value IS NOT NULL AND s.configuration IN (SELECT id FROM measures)
      AND ($across IS NULL OR CASE $across WHEN 'families' THEN a.family <> b.family ELSE a.model <> b.model END)),
kept AS (
    SELECT * FROM scored
    SEMI JOIN (SELECT pair FROM scored GROUP BY pair HAVING count(*) = len($measures)) USING (pair)),
ranks AS MATERIALIZED (             -- the first and the last of its ties: twice the mean rank
    SELECT configuration, pair, (rank() OVER ties + count(*) OVER ties)::DOUBLE AS rank
    FROM kept WINDOW ties AS (PARTITION BY configuration ORDER BY value)),
correlations AS (
    SELECT a.configuration AS a, b.configuration AS b, corr(a.rank, b.rank) AS spearman, count(*) AS layer_pairs
    FROM ranks a JOIN ranks b ON a.pair = b.pair AND a.configuration < b.configuration
    GROUP BY ALL)
SELECT least(x.measure, y.measure) AS measure, greatest(x.measure, y.measure) AS other, spearman, layer_pairs
FROM correlations JOIN measures x ON x.id = a JOIN measures y ON y.id = b
ORDER BY spearman DESC, measure, other
