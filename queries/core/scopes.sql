-- Grain: one row a source × measure × configuration × corpus × pooling that has scores, most scores first; of as many,
-- the corpus that came first, so that one which is added later does not take its place.
-- Columns: source, measure, configuration, presets, corpus, pooling, kind, scores, least_words, most_words (null where a
-- source does not say), direction, low, high (of its values; null: no bound), models (their names).
WITH counted AS (                   -- by number alone: a few thousand rows from a million scores
    SELECT configuration, artifact_a, count(*) AS scores, min(words) AS least_words, max(words) AS most_words
    FROM base.scores WHERE refused IS NULL GROUP BY ALL),
current AS (
    SELECT k.id, k.measure, k.label, k.presets, k.direction, k.low, k.high
    FROM base.configurations k LEFT JOIN base.versions v USING (measure)
    WHERE coalesce(k.version >= v.version, true))
SELECT m.source, k.measure, k.label AS configuration, k.presets, c.name AS corpus, a.words_from_tokens AS pooling, a.kind,
       sum(s.scores)::BIGINT AS scores, min(s.least_words) AS least_words, max(s.most_words) AS most_words,
       k.direction, k.low, k.high, list_sort(list(DISTINCT m.name)) AS models
FROM counted s JOIN current k ON k.id = s.configuration JOIN base.artifacts a ON a.id = s.artifact_a
JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus)
GROUP BY ALL ORDER BY scores DESC, source, measure, configuration, min(c.id), pooling
