-- Grain: one row a scored layer pair of one measure × configuration × source × corpus × pooling × kind, with its place in
-- the heatmap. Columns: place_a, place_b (places of the layers in the lists $models, $layers), value.
WITH axis AS MATERIALIZED (
    SELECT unnest($models) AS model, unnest($layers) AS layer, unnest(range(len($models)))::INTEGER AS place)
SELECT a.place AS place_a, b.place AS place_b, p.value
FROM layer_pairs p
JOIN axis a ON a.model = p.model_a AND a.layer = p.layer_a
JOIN axis b ON b.model = p.model_b AND b.layer = p.layer_b
WHERE p.measure = $measure AND p.configuration = $configuration AND p.source = $source AND p.corpus = $corpus
  AND p.pooling IS NOT DISTINCT FROM $pooling AND p.kind = $kind
  AND ($family_a IS NULL OR p.family_a = $family_a) AND ($model_a IS NULL OR p.model_a = $model_a)
  AND ($family_b IS NULL OR p.family_b = $family_b) AND ($model_b IS NULL OR p.model_b = $model_b)
