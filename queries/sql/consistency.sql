-- Grain: one row a score that breaks a law, the worst first. $tolerance is how exact a value is.
-- Laws: similarities lie in [0, 1] (`value ≤ 1`, `value ≥ 0`; attsim may be a correlation and below 0); the best neuron is
-- no better than the best linear fit (`neuronsim ≤ mixedsim`); symmetric measures are the same both ways (`a, b = b, a`).
-- Columns: law, measure, model_a, layer_a, model_b, layer_b, value, bound (what the law allows), excess (beyond it).
-- Works on the numbers of base.scores: names are looked up for what breaks a law, not for each of a million scores.
WITH layers AS MATERIALIZED (
    SELECT a.id, m.name AS model, m.family, a.layer
    FROM base.artifacts a JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus)
    WHERE m.source = $source AND c.name = $corpus AND list_contains($poolings, a.words_from_tokens)),
measures AS MATERIALIZED (
    SELECT k.id, k.measure, k.is_symmetric FROM base.configurations k LEFT JOIN base.versions v USING (measure)
    WHERE list_contains($measures, k.measure) AND coalesce(k.version >= v.version, true)
      AND (k.label = $configuration OR list_contains(k.presets, $configuration))),
pairs AS MATERIALIZED (
    SELECT configuration, artifact_a AS a, artifact_b AS b, value FROM base.scores
    WHERE value IS NOT NULL AND configuration IN (SELECT id FROM measures)),
breaking AS (
    SELECT 'value ≤ 1' AS law, configuration, a, b, value, 1.0 AS bound, value - 1 AS excess
    FROM pairs WHERE value > 1 + $tolerance
    UNION ALL
    SELECT 'value ≥ 0', configuration, a, b, value, 0.0, -value FROM pairs WHERE value < -$tolerance
    UNION ALL
    SELECT 'neuronsim ≤ mixedsim', n.configuration, n.a, n.b, n.value, m.value, n.value - m.value
    FROM (FROM pairs WHERE configuration IN (SELECT id FROM measures WHERE measure = 'neuronsim')) n
    JOIN (FROM pairs WHERE configuration IN (SELECT id FROM measures WHERE measure = 'mixedsim')) m USING (a, b)
    WHERE n.value - m.value > 2 * $tolerance
    UNION ALL
    SELECT 'a, b = b, a', x.configuration, x.a, x.b, x.value, y.value, abs(x.value - y.value)
    FROM pairs x JOIN pairs y ON x.configuration = y.configuration AND x.a = y.b AND x.b = y.a
    WHERE x.a < x.b AND x.configuration IN (SELECT id FROM measures WHERE is_symmetric)
      AND abs(x.value - y.value) > 2 * $tolerance)
SELECT law, k.measure, a.model AS model_a, a.layer AS layer_a, b.model AS model_b, b.layer AS layer_b, value, bound, excess
FROM breaking s JOIN measures k ON k.id = s.configuration JOIN layers a ON a.id = s.a JOIN layers b ON b.id = s.b
WHERE (k.measure <> 'attsim' OR law <> 'value ≥ 0')
  AND (len($models) = 0 OR list_contains($models, a.model) OR list_contains($models, b.model))
  AND (len($families) = 0 OR list_contains($families, a.family) OR list_contains($families, b.family))
ORDER BY excess DESC, law, k.measure, model_a, layer_a, model_b, layer_b
