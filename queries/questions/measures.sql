-- Grain: one row an unordered pair of measures. Over the ordered layer pairs that all of $measures have scored.
-- Columns: measure, other, spearman (rank correlation over closeness, ties share their mean rank), layer_pairs.
-- {values} and {ranks} have a column m1, m2, … for each of $measures, in their order; {correlations} r1_2, … for each two
-- of them; {agreements} a row.
WITH {scored}
places AS MATERIALIZED (            -- activations and attention of one layer are two artifacts at one place
    SELECT id, family, model, dense_rank() OVER (ORDER BY model, layer) AS place FROM layers),
numbered AS MATERIALIZED (
    SELECT id, sign, list_position($measures, measure) AS number FROM chosen),
pairs AS MATERIALIZED (
    SELECT a.place AS a, b.place AS b, {values}
    FROM base.scores s JOIN numbered k ON k.id = s.configuration
    JOIN places a ON a.id = s.artifact_a JOIN places b ON b.id = s.artifact_b
    WHERE s.value IS NOT NULL
      AND ($across IS NULL OR CASE $across WHEN 'families' THEN a.family <> b.family ELSE a.model <> b.model END)
    GROUP BY ALL
    HAVING count(*) = len($measures)),
ranks AS (                          -- the first and the last of its ties: twice the mean rank
    SELECT {ranks}
    FROM pairs),
correlations AS (
    SELECT count(*) AS layer_pairs, {correlations} FROM ranks),
agreements AS (
    SELECT unnest([{agreements}], recursive := true), layer_pairs FROM correlations)
SELECT measure, other, spearman, layer_pairs
FROM agreements
WHERE layer_pairs > 0
ORDER BY spearman DESC, measure, other
