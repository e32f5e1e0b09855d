-- Grain: one row a {unit} of layer $layer of $model, the best matched first (the worst, when $least); {unit} is neuron or
-- head. Columns: {unit}, value (of its best match in any layer of another model), model, layer, matched_by (that match; null
-- where a measure has none), models (how many others have been compared), mean (over these models, of its best in each),
-- mutual (in how many of them that best looks back at it; null where nobody measured that).
WITH {matches}
SELECT {unit}, ($sign * max($sign * value))::DOUBLE AS value, arg_max(model, $sign * value) AS model,
       arg_max(layer, $sign * value) AS layer, nullif(arg_max(coalesce(matched_by, -1), $sign * value), -1) AS matched_by,
       count(*) AS models, avg(value) AS mean, count_if(is_mutual) FILTER (is_mutual IS NOT NULL) AS mutual
FROM each_model
GROUP BY {unit}
ORDER BY CASE WHEN $least THEN 1 ELSE -1 END * max($sign * each_model.value), {unit}
