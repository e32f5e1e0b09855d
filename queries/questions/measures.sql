-- Grain: one row an unordered pair of measures. Over the ordered layer pairs that all of $measures have scored.
-- Columns: measure, other, spearman (rank correlation over closeness, ties share their mean rank), layer_pairs.
WITH {scored}
places AS MATERIALIZED (            -- activations and attention of one layer are two artifacts at one place
    SELECT id, family, model, dense_rank() OVER (ORDER BY model, layer) AS place FROM layers),
scored AS MATERIALIZED (
    SELECT s.configuration, a.place * 1000000 + b.place AS pair, s.value
    FROM base.scores s JOIN places a ON a.id = s.artifact_a JOIN places b ON b.id = s.artifact_b
    WHERE s.value IS NOT NULL AND s.configuration IN (SELECT id FROM chosen)
      AND ($across IS NULL OR CASE $across WHEN 'families' THEN a.family <> b.family ELSE a.model <> b.model END)),
kept AS (
    SELECT * FROM scored
    SEMI JOIN (SELECT pair FROM scored GROUP BY pair HAVING count(*) = len($measures)) USING (pair)),
ranks AS MATERIALIZED (             -- the first and the last of its ties: twice the mean rank
    SELECT configuration, pair, (rank() OVER ties + count(*) OVER ties)::DOUBLE AS rank
    FROM kept WINDOW ties AS (PARTITION BY configuration ORDER BY value)),
correlations AS (
    SELECT a.configuration AS a, b.configuration AS b, corr(a.rank, b.rank) AS correlation, count(*) AS layer_pairs
    FROM ranks a JOIN ranks b ON a.pair = b.pair AND a.configuration < b.configuration
    GROUP BY ALL)
SELECT least(x.measure, y.measure) AS measure, greatest(x.measure, y.measure) AS other, x.sign * y.sign * correlation AS spearman,
       layer_pairs
FROM correlations JOIN chosen x ON x.id = a JOIN chosen y ON y.id = b
ORDER BY spearman DESC, measure, other
