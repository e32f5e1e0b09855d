-- Grain: one row an ordered pair of models under one measure, the least covered first.
-- Columns: measure, model_a, model_b, layer_pairs (that there could be), scored, refused, missing.
WITH layers AS (
    SELECT model, count(*) AS number FROM artifacts
    WHERE source = $source AND corpus = $corpus AND pooling = $pooling AND kind = $kind
      AND (len($models) = 0 OR list_contains($models, model))
      AND (len($families) = 0 OR list_contains($families, family))
    GROUP BY model),
possible AS (
    SELECT a.model AS model_a, b.model AS model_b,
           a.number * b.number - CASE WHEN a.model = b.model THEN a.number ELSE 0 END AS layer_pairs
    FROM layers a CROSS JOIN layers b),
known AS (
    SELECT model_a, model_b, count(value) AS scored, count(refused) AS refused FROM all_layer_pairs
    WHERE measure = $measure AND (configuration = $configuration OR list_contains(presets, $configuration)) AND NOT stale
      AND source = $source AND corpus = $corpus AND pooling = $pooling
    GROUP BY ALL)
SELECT $measure AS measure, model_a, model_b, layer_pairs, coalesce(scored, 0) AS scored,
       coalesce(refused, 0) AS refused, layer_pairs - coalesce(scored, 0) - coalesce(refused, 0) AS missing
FROM possible LEFT JOIN known USING (model_a, model_b)
WHERE layer_pairs > 0
ORDER BY missing DESC, refused DESC, model_a, model_b
