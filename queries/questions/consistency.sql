-- Grain: one row a score that breaks a law, the worst first. $tolerance is how exact a value is.
-- Laws: values lie in their measure's range (`value ≤ high`, `value ≥ low`, where it has such a bound; the range of $known
-- measures, 0 to 1, holds for what others say of them too); the best neuron is no better than the best linear fit
-- (`neuronsim ≤ mixedsim`); symmetric measures are the same both ways (`a, b = b, a`).
-- Columns: law, measure, model_a, layer_a, model_b, layer_b, value, bound (what the law allows), excess (beyond it).
WITH {scored}
ranges AS (
    SELECT id, coalesce(low, if(list_contains($known, measure), 0, NULL)) AS low,
           coalesce(high, if(list_contains($known, measure), 1, NULL)) AS high
    FROM chosen),
pairs AS MATERIALIZED (
    SELECT configuration, artifact_a AS a, artifact_b AS b, value FROM base.scores
    WHERE value IS NOT NULL AND configuration IN (SELECT id FROM chosen)),
breaking AS (
    SELECT 'value ≤ ' || format('{:g}', high) AS law, configuration, a, b, value, high AS bound, value - high AS excess
    FROM pairs JOIN ranges ON id = configuration WHERE value > high + $tolerance
    UNION ALL
    SELECT 'value ≥ ' || format('{:g}', low), configuration, a, b, value, low, low - value
    FROM pairs JOIN ranges ON id = configuration WHERE value < low - $tolerance
    UNION ALL
    SELECT 'neuronsim ≤ mixedsim', n.configuration, n.a, n.b, n.value, m.value, n.value - m.value
    FROM (FROM pairs WHERE configuration IN (SELECT id FROM chosen WHERE measure = 'neuronsim' AND sign = 1)) n
    JOIN (FROM pairs WHERE configuration IN (SELECT id FROM chosen WHERE measure = 'mixedsim' AND sign = 1)) m USING (a, b)
    WHERE n.value - m.value > 2 * $tolerance
    UNION ALL
    SELECT 'a, b = b, a', x.configuration, x.a, x.b, x.value, y.value, abs(x.value - y.value)
    FROM pairs x JOIN pairs y ON x.configuration = y.configuration AND x.a = y.b AND x.b = y.a
    WHERE x.a < x.b AND x.configuration IN (SELECT id FROM chosen WHERE is_symmetric)
      AND abs(x.value - y.value) > 2 * $tolerance)
SELECT law, k.measure, a.model AS model_a, a.layer AS layer_a, b.model AS model_b, b.layer AS layer_b, value, bound, excess
FROM breaking s JOIN chosen k ON k.id = s.configuration JOIN layers a ON a.id = s.a JOIN layers b ON b.id = s.b
WHERE (len($shown_models) = 0 OR list_contains($shown_models, a.model) OR list_contains($shown_models, b.model))
  AND (len($shown_families) = 0 OR list_contains($shown_families, a.family) OR list_contains($shown_families, b.family))
ORDER BY excess DESC, law, k.measure, model_a, layer_a, model_b, layer_b
