-- Grain: one row a run that has not ended. Columns: started, host, scores (so far), seconds (since it began), missing
-- (ordered pairs without a score under the configurations that others have).
WITH comparable AS (
    SELECT corpus, kind, pooling, count(*) * (count(*) - 1) AS pairs FROM artifacts WHERE path IS NOT NULL GROUP BY ALL),
lacking AS (
    SELECT any_value(c.pairs) - count(*) AS missing
    FROM all_layer_pairs p JOIN comparable c USING (corpus, kind, pooling)
    WHERE p.source = $own AND NOT p.stale
    GROUP BY p.measure, p.configuration, p.version, p.corpus, p.kind, p.pooling)
SELECT r.started, r.host, count(s.run) AS scores,
       date_diff('second', r.started, current_timestamp AT TIME ZONE 'UTC') AS seconds,
       (SELECT coalesce(sum(missing), 0)::BIGINT FROM lacking) AS missing
FROM base.runs r LEFT JOIN base.scores s ON s.run = r.run
WHERE r.outcome = 'running'
GROUP BY ALL ORDER BY r.started DESC
