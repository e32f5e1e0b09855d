-- Grain: one row an ordered pair of models, a model with itself included (its layers with one another).
-- Columns: model_a, family_a, model_b, family_b, mean (over layer pairs), best_layer (mean over a's layers of the
-- closest layer of b), same_depth (mean over a's layers of b's layer at the nearest relative depth; null for a model with
-- itself), layer_pairs.
WITH {scored}
by_layer AS (                       -- relative depths compared without division: a/A ~ b/B is aB ~ bA
    SELECT a.model_id AS a, b.model_id AS b, sum(value) AS total, count(*) AS number, $sign * max($sign * value) AS best,
           arg_min(value, abs(a.layer * b.blocks - b.layer * a.blocks) * 10000 + b.layer) AS same
    FROM base.scores s JOIN layers a ON a.id = s.artifact_a JOIN layers b ON b.id = s.artifact_b
    WHERE value IS NOT NULL AND s.configuration IN (SELECT id FROM chosen)
    GROUP BY artifact_a, a.model_id, b.model_id),
by_model AS (
    SELECT a, b, sum(total) / sum(number) AS mean, avg(best) AS best_layer, avg(same) FILTER (a <> b) AS same_depth,
           sum(number)::BIGINT AS layer_pairs
    FROM by_layer GROUP BY ALL),
models AS (
    SELECT DISTINCT model_id, model, family FROM layers)
SELECT x.model AS model_a, x.family AS family_a, y.model AS model_b, y.family AS family_b,
       mean, best_layer, same_depth, layer_pairs
FROM by_model JOIN models x ON x.model_id = a JOIN models y ON y.model_id = b
ORDER BY family_a, model_a, family_b, model_b
