-- Grain: one row a measure of $measures. Ordered layer pairs across families: of trained base models with one another, and
-- of trained base models with untrained controls of other families. Columns: measure, trained, untrained, share (untrained/trained).
WITH kinds AS (
    SELECT model, untrained_seed IS NOT NULL AS control FROM models WHERE finetuned_from IS NULL AND source = $own),
pairs AS (
    SELECT p.measure, p.value, b.control
    FROM layer_pairs p JOIN kinds a ON a.model = p.model_a JOIN kinds b ON b.model = p.model_b
    WHERE list_contains($measures, p.measure) AND 'default' IN p.presets AND p.kind = $kind AND p.source = $own
      AND NOT a.control AND (p.value IS NULL OR p.family_a <> p.family_b))
SELECT measure, avg(value) FILTER (NOT control) AS trained, avg(value) FILTER (control) AS untrained,
       untrained / trained AS share
FROM pairs GROUP BY measure ORDER BY measure
