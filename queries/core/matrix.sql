-- Grain: one row a scored layer pair of one measure. Columns: line, place (of its layers in the lists $row_models and
-- $row_layers, $column_models and $column_layers), value.
WITH {scored}
lines AS MATERIALIZED (
    SELECT l.id, line FROM layers l JOIN (
        SELECT unnest($row_models) AS model, unnest($row_layers) AS layer, unnest(range(len($row_models))) AS line)
    USING (model, layer)),
places AS MATERIALIZED (
    SELECT l.id, place FROM layers l JOIN (
        SELECT unnest($column_models) AS model, unnest($column_layers) AS layer,
               unnest(range(len($column_models))) AS place)
    USING (model, layer))
SELECT line, place, s.value
FROM base.scores s JOIN lines a ON a.id = s.artifact_a JOIN places b ON b.id = s.artifact_b
WHERE s.value IS NOT NULL AND s.configuration IN (SELECT id FROM chosen)
