-- Grain: one row a {unit} of layer $layer of $model, the best matched first (the worst, when $least); {unit} is neuron or
-- head. Columns: {unit}, value (of its best match in any layer of another model), model, layer, matched_by (that match; null
-- where a measure has none), models (how many others have been compared), mean (over these models, of its best in each).
WITH mine AS (
    SELECT {unit}, value, model_b, layer_b, matched_by FROM {unit}s
    WHERE measure = $measure AND source = $source AND corpus = $corpus AND pooling = $pooling
      AND configuration IN (
          SELECT label FROM base.configurations k
          WHERE k.measure = $measure AND (k.label = $configuration OR list_contains(k.presets, $configuration)))
      AND model_a = $model AND layer_a = $layer AND model_b <> $model AND isfinite(value)
      AND (len($models) = 0 OR list_contains($models, model_b))
      AND (len($families) = 0 OR model_b IN (
          SELECT m.model FROM models m WHERE m.source = $source AND list_contains($families, m.family)))),
each_model AS (
    SELECT {unit}, model_b AS model, $sign * max($sign * value) AS value, arg_max(layer_b, $sign * value) AS layer,
           arg_max(coalesce(matched_by, -1), $sign * value) AS matched_by
    FROM mine GROUP BY ALL)
SELECT {unit}, ($sign * max($sign * value))::DOUBLE AS value, arg_max(model, $sign * value) AS model,
       arg_max(layer, $sign * value) AS layer, nullif(arg_max(matched_by, $sign * value), -1) AS matched_by, count(*) AS models, avg(value) AS mean
FROM each_model
GROUP BY {unit}
ORDER BY CASE WHEN $least THEN 1 ELSE -1 END * max($sign * each_model.value), {unit}
