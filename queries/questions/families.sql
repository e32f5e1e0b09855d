-- Grain: one row an ordered pair of models (a model with itself included) under one measure of $measures.
-- Columns: measure, model_a, family_a, model_b, family_b, total (sum of value over layer pairs), pairs (of layers).
WITH {scored}
sums AS (
    SELECT s.configuration, a.model_id AS a, b.model_id AS b, sum(value) AS total, count(*) AS pairs
    FROM base.scores s JOIN layers a ON a.id = s.artifact_a JOIN layers b ON b.id = s.artifact_b
    WHERE value IS NOT NULL AND s.configuration IN (SELECT id FROM chosen)
    GROUP BY ALL),
models AS (
    SELECT DISTINCT model_id, model, family FROM layers)
SELECT c.measure, x.model AS model_a, x.family AS family_a, y.model AS model_b, y.family AS family_b, total, pairs
FROM sums JOIN chosen c ON c.id = configuration JOIN models x ON x.model_id = a JOIN models y ON y.model_id = b
ORDER BY ALL
