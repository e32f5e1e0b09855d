-- Grain of `each_model`: one row a {unit} of one layer of one model × another model: value, layer, matched_by (of its best
-- match there, in any layer; null where a measure has no matches) and is_mutual (whether that one, looking in this layer, is
-- matched by this one; null where it was not measured).
mine AS (
    SELECT {unit}, value, model_b, layer_b, matched_by FROM {unit}s
    WHERE measure = $measure AND source = $source AND corpus = $corpus AND pooling = $pooling
      AND configuration IN (
          SELECT label FROM base.configurations k
          WHERE k.measure = $measure AND (k.label = $configuration OR list_contains(k.presets, $configuration)))
      AND model_a = $model AND layer_a = $layer AND model_b <> $model AND isfinite(value)
      AND (len($models) = 0 OR list_contains($models, model_b))
      AND (len($families) = 0 OR model_b IN (
          SELECT m.model FROM models m WHERE m.source = $source AND list_contains($families, m.family)))),
best AS (
    SELECT {unit}, model_b AS model, $sign * max($sign * value) AS value, arg_max(layer_b, $sign * value) AS layer,
           nullif(arg_max(coalesce(matched_by, -1), $sign * value), -1) AS matched_by
    FROM mine GROUP BY ALL),
back AS (
    SELECT model_a AS model, layer_a AS layer, {unit} AS matched_by, matched_by AS points_to FROM {unit}s
    WHERE measure = $measure AND source = $source AND corpus = $corpus AND pooling = $pooling
      AND configuration IN (
          SELECT label FROM base.configurations k
          WHERE k.measure = $measure AND (k.label = $configuration OR list_contains(k.presets, $configuration)))
      AND model_b = $model AND layer_b = $layer AND matched_by IS NOT NULL),
each_model AS (
    SELECT best.*, points_to = {unit} AS is_mutual FROM best LEFT JOIN back USING (model, layer, matched_by))
