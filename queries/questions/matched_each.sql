-- Grain: one row a {unit} of layer $layer of $model × another model, those that are matched best anywhere first (the worst,
-- when $least), each one's models by name. Columns: {unit}, model, layer, matched_by, value (of its best match there),
-- is_mutual (whether that match looks back at it).
WITH {matches},
ranked AS (
    SELECT {unit}, max($sign * value) AS closeness FROM each_model GROUP BY {unit})
SELECT {unit}, model, layer, matched_by, value::DOUBLE AS value, is_mutual
FROM each_model JOIN ranked USING ({unit})
ORDER BY CASE WHEN $least THEN 1 ELSE -1 END * closeness, {unit}, model
