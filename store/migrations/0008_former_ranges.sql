-- Ranges and directions of what was measured or imported before configurations stated theirs. All of it is a similarity.
-- The merger runs this again after it has taken files in that an older layeratlas had staged.

UPDATE base.configurations SET low = 0, high = 1
WHERE direction IS NULL AND version IS NOT NULL AND measure IN (
    'neuronsim', 'mixedsim', 'svsim', 'pwsim', 'ckasim', 'attention_ckasim', 'attention_svsim', 'attention_pwsim');

UPDATE base.configurations k
SET low = CASE
        WHEN p.similarity = 'jensen_shannon' OR (p.similarity = 'frobenius' AND NOT p.released) THEN 0
        WHEN p.similarity = 'pearson' OR (p.similarity = 'pearson_nonzero' AND NOT p.released) THEN -1 END,
    high = CASE WHEN p.similarity = 'pearson_nonzero' AND p.released THEN NULL ELSE 1 END
FROM (SELECT id, parameters ->> 'similarity' AS similarity, parameters ->> 'convention' = 'released' AS released
      FROM base.configurations WHERE measure = 'attsim' AND version IS NOT NULL) p
WHERE k.direction IS NULL AND k.id = p.id;

UPDATE base.configurations k        -- imported: 0 to 1, unless a value leaves it by more than its source's tolerance
SET low = CASE WHEN r.least >= -r.tolerance THEN 0 END, high = CASE WHEN r.most <= 1 + r.tolerance THEN 1 END
FROM (SELECT s.configuration AS id, min(s.value) AS least, max(s.value) AS most,
             coalesce(max(x.tolerance), 0) AS tolerance
      FROM base.scores s JOIN base.configurations own ON own.id = s.configuration AND own.version IS NULL
      JOIN base.artifacts a ON a.id = s.artifact_a JOIN base.models m USING (weights) JOIN base.sources x USING (source)
      WHERE own.direction IS NULL GROUP BY ALL) r
WHERE k.direction IS NULL AND k.id = r.id;

UPDATE base.configurations SET direction = 'similarity' WHERE direction IS NULL;
