-- One name is one content: corpora of a source that were called alike are told apart by the beginning of their content's
-- fingerprint, whatever the order in which they came; `stated` keeps what they were called. One that nothing was extracted
-- from takes no other's name away. The merger runs this again whenever it has made the table anew.

ALTER TABLE base.corpora ADD COLUMN IF NOT EXISTS stated VARCHAR;

UPDATE base.corpora SET stated = name WHERE stated IS NULL;

UPDATE base.corpora c SET name = told.name
FROM (
    WITH held AS (
        SELECT a.corpus, min(m.source) AS source
        FROM base.artifacts a JOIN base.models m USING (weights) GROUP BY a.corpus),
    counted AS (
        SELECT c.corpus, c.stated, held.corpus IS NOT NULL AS is_held, count(*) OVER namesakes AS alike,
               count(held.corpus) OVER namesakes AS held_alike
        FROM base.corpora c LEFT JOIN held USING (corpus)
        WINDOW namesakes AS (PARTITION BY c.stated, coalesce(held.source, 'own')))
    SELECT corpus, CASE WHEN alike = 1 OR (is_held AND held_alike = 1) THEN stated
                        ELSE stated || '@' || substr(split_part(corpus, ':', 2), 1, 8) END AS name
    FROM counted) told
WHERE told.corpus = c.corpus AND c.name IS DISTINCT FROM told.name;
