-- Grain: one row a measure of $measures × ordered pair of models, of pairs of layers that have an interval over blocks of
-- text. Columns: measure, model_a, model_b, method, seed, sizes, pairs (of layers), totals (a list: of every replicate the
-- sum of what it says of the pairs of layers).
WITH told AS (
    SELECT measure, model_a, model_b, method, seed, sizes, replicates, len(replicates) AS times,
           generate_subscripts(replicates, 1) AS number
    FROM intervals
    WHERE list_contains($measures, measure) AND (configuration = $configuration OR list_contains(presets, $configuration))
      AND source = $source AND corpus = $corpus AND list_contains($poolings, pooling) AND low IS NOT NULL
      AND ($origin IS NULL OR origin = $origin)),
sums AS (
    SELECT measure, model_a, model_b, method, seed, sizes, times, number, sum(replicates[number]) AS total, count(*) AS pairs
    FROM told GROUP BY ALL)
SELECT measure, model_a, model_b, method, seed, sizes, pairs, list(total ORDER BY number) AS totals
FROM sums GROUP BY measure, model_a, model_b, method, seed, sizes, times, pairs ORDER BY ALL
