-- Grain: one row a model × corpus × kind × pooling.
-- Columns: model, family, corpus, kind, pooling, layers (extracted), of (layers the model has; a site within blocks, behind
-- an @, has none in the embeddings), words, of_words (in the corpus; of rows of sentences, these), bytes (on disk),
-- damaged (artifacts), licence (of the model), corpus_licence.
SELECT m.name AS model, m.family, c.name AS corpus, a.kind, a.words_from_tokens AS pooling, count(*) AS layers,
       any_value(m.layers + 1 - greatest(
           $first_layers[list_position($kinds, a.kind)], contains(a.words_from_tokens, '@')::INT)) AS "of",
       min(a.words) AS words,
       any_value(CASE WHEN list_contains($sentences, split_part(a.words_from_tokens, '@', 1))
                      THEN c.sentences ELSE c.words END) AS of_words,
       coalesce(sum(a.bytes) FILTER (a.damaged IS DISTINCT FROM $discarded), 0)::BIGINT AS bytes,
       count(a.damaged) FILTER (a.damaged <> $discarded) AS damaged,
       any_value(m.licence) AS licence, any_value(c.licence) AS corpus_licence
FROM base.artifacts a JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus)
WHERE a.path IS NOT NULL
GROUP BY m.weights, m.name, m.family, c.corpus, c.name, a.kind, pooling
ORDER BY c.name, a.kind, pooling, m.family, model
