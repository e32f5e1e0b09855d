-- Grain: one row an unordered pair of measures. Over the ordered layer pairs that all of $measures have scored.
-- Columns: measure, other, spearman (rank correlation over closeness, ties share their mean rank), layer_pairs.
-- The words it leaves open are a column for each measure, or a correlation for every two (measures.py): with a column of
-- its own for each measure, no score has to look for its pair again.
WITH {scored}
places AS MATERIALIZED (            -- activations and attention of one layer are two artifacts at one place
    SELECT id, family, model, dense_rank() OVER (ORDER BY model, layer) AS place FROM layers),
numbered AS MATERIALIZED (
    SELECT id, list_position($measures, measure) AS number, sign FROM chosen),
scores AS (
    SELECT number, a.place * 1000000 + b.place AS pair, value * sign AS closeness
    FROM base.scores s JOIN numbered n ON n.id = s.configuration
    JOIN places a ON a.id = s.artifact_a JOIN places b ON b.id = s.artifact_b
    WHERE s.value IS NOT NULL
      AND ($across IS NULL OR CASE $across WHEN 'families' THEN a.family <> b.family ELSE a.model <> b.model END)),
wide AS MATERIALIZED (
    SELECT {values} FROM scores GROUP BY pair HAVING count(*) = len($measures)),
ranks AS MATERIALIZED (             -- the first and the last of its ties: twice the mean rank
    SELECT {ranks} FROM wide WINDOW {ties}),
found AS (
    SELECT [{correlations}] AS correlations, count(*) AS layer_pairs FROM ranks),
correlations AS (
    SELECT unnest(correlations, recursive := true), layer_pairs FROM found WHERE layer_pairs > 0)
SELECT least($measures[a], $measures[b]) AS measure, greatest($measures[a], $measures[b]) AS other,
    CASE WHEN NOT isnan(spearman) THEN spearman END AS spearman, layer_pairs    -- what is the same everywhere ranks nothing
FROM correlations
ORDER BY spearman DESC NULLS LAST, measure, other
