-- Grain: one row a layer of $source on $corpus that has figures of its own.
-- Columns: family, model, layer, depth (0 at the embeddings, 1 at the last block), words, then a column a figure; null
-- where the layer has none, and where it was refused; then, where one was, the reasons (refused).
SELECT family, model, layer, layer / nullif(any_value(layers), 0) AS depth, max(words) AS words,
       {values}{refused}
FROM layer_statistics
WHERE source = $source AND corpus = $corpus AND pooling = $pooling AND list_contains($figures, figure)
  AND (len($models) = 0 OR list_contains($models, model))
  AND (len($families) = 0 OR list_contains($families, family))
GROUP BY family, model, layer
ORDER BY family, model, layer
