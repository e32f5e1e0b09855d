-- Grain: one row a measure of $measures (default configuration). Base models only: trained, not fine-tuned; ordered layer
-- pairs of different models. Columns: measure, within (mean inside a family), across (mean across families), difference,
-- pairs_within, pairs_across (model pairs).
WITH base AS (SELECT model FROM models WHERE untrained_seed IS NULL AND finetuned_from IS NULL AND source = $own),
pairs AS (
    SELECT measure, value, family_a = family_b AS same_family, model_a, model_b
    FROM layer_pairs
    WHERE list_contains($measures, measure) AND 'default' IN presets AND kind = $kind AND source = $own
      AND model_a <> model_b AND model_a IN (FROM base) AND model_b IN (FROM base))
SELECT measure,
       avg(value) FILTER (same_family) AS within, avg(value) FILTER (NOT same_family) AS across,
       within - across AS difference,
       count(DISTINCT (model_a, model_b)) FILTER (same_family) AS pairs_within,
       count(DISTINCT (model_a, model_b)) FILTER (NOT same_family) AS pairs_across
FROM pairs GROUP BY measure ORDER BY measure
