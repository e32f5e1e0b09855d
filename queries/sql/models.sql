-- Grain: one row an ordered pair of models, a model with itself included (its layers with one another).
-- Columns: model_a, family_a, model_b, family_b, mean (over layer pairs), best_layer (mean over a's layers of the most
-- similar layer of b), same_depth (mean over a's layers of b's layer at the nearest relative depth; null for a model with
-- itself), layer_pairs.
WITH blocks AS (
    SELECT model, layers FROM models WHERE source = $source),
pairs AS (
    SELECT model_a, family_a, layer_a, model_b, family_b, layer_b, value FROM layer_pairs
    WHERE measure = $measure AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND pooling = $pooling
      AND (len($models) = 0 OR (list_contains($models, model_a) AND list_contains($models, model_b)))
      AND (len($families) = 0 OR (list_contains($families, family_a) AND list_contains($families, family_b)))),
layers AS (                         -- relative depths compared without division: a/A ~ b/B is aB ~ bA
    SELECT model_a, family_a, layer_a, model_b, family_b, sum(value) AS total, count(*) AS number, max(value) AS best,
           arg_min(value, abs(layer_a * b.layers - layer_b * a.layers) * 10000 + layer_b) AS same
    FROM pairs JOIN blocks a ON a.model = model_a JOIN blocks b ON b.model = model_b
    GROUP BY ALL)
SELECT model_a, family_a, model_b, family_b, sum(total) / sum(number) AS mean, avg(best) AS best_layer,
       avg(same) FILTER (model_a <> model_b) AS same_depth, sum(number)::BIGINT AS layer_pairs
FROM layers
GROUP BY ALL
ORDER BY family_a, model_a, family_b, model_b
