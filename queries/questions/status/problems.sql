-- Grain: one row a problem. Columns: what, where, reason, count.
SELECT 'extraction failed' AS what, model || ' on ' || coalesce(c.name, f.corpus) AS "where", f.reason, 1 AS count
FROM base.failures f LEFT JOIN base.corpora c USING (corpus)
UNION ALL
SELECT 'damaged', path, damaged, 1 FROM artifacts WHERE damaged <> $discarded
UNION ALL
SELECT 'refused', string_agg(DISTINCT measure, ', ' ORDER BY measure), reason, count(*) FROM refusals GROUP BY reason
ORDER BY ALL
