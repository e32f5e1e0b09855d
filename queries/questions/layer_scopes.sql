-- Grain: one row a source × corpus × pooling × figure that layers have, most layers first.
-- Columns: source, corpus, pooling, figure, layers, refused (how many of them have a reason in place of a value).
WITH counted AS (
    SELECT source, corpus, pooling, figure, count(*) AS layers, count(refused) AS refused FROM layer_statistics GROUP BY ALL)
FROM counted
ORDER BY sum(layers) OVER (PARTITION BY source, corpus, pooling) DESC, source, corpus, pooling, figure
