-- Grain: one row a square of $bin × $bin neighbouring layers of an ordered pair of models ($bin = 1: a layer pair); of $left
-- towards $right, where they are named. Columns: measure, model_a, layer_a (the first of the square), family_a, model_b,
-- layer_b, family_b, value (mean of a towards b), words (fewest), corpus, pooling, configuration, source.
SELECT measure, model_a, layer_a // $bin * $bin AS layer_a, family_a, model_b, layer_b // $bin * $bin AS layer_b, family_b,
       avg(value) AS value, min(words) AS words, corpus, pooling, configuration, source
FROM layer_pairs
WHERE measure = $measure AND (configuration = $configuration OR list_contains(presets, $configuration))
  AND source = $source AND corpus = $corpus AND pooling = $pooling
  AND ($left IS NULL OR model_a = $left) AND ($right IS NULL OR model_b = $right)
  AND (len($models) = 0 OR (list_contains($models, model_a) AND list_contains($models, model_b)))
  AND (len($families) = 0 OR (list_contains($families, family_a) AND list_contains($families, family_b)))
GROUP BY ALL
ORDER BY family_a, model_a, layer_a, family_b, model_b, layer_b
