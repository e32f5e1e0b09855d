-- Grain: one row a model × corpus × kind × pooling.
-- Columns: model, family, corpus, kind, pooling, layers (extracted), of (layers the model has; a site within blocks, behind
-- an @, has none in the embeddings), words, of_words (in the corpus; of rows of sentences, these), bytes, damaged (artifacts).
SELECT a.model, a.family, a.corpus, a.kind, a.pooling, count(*) AS layers,
       any_value(m.layers + 1 - greatest($first_layers[list_position($kinds, a.kind)], contains(a.pooling, '@')::INT)) AS "of",
       min(a.words) AS words,
       any_value(CASE WHEN list_contains($sentences, split_part(a.pooling, '@', 1)) THEN c.sentences ELSE c.words END) AS of_words,
       sum(a.bytes)::BIGINT AS bytes, count(a.damaged) AS damaged
FROM artifacts a JOIN models m USING (model, source) JOIN corpora c USING (corpus)
WHERE a.path IS NOT NULL
GROUP BY ALL ORDER BY a.corpus, a.kind, a.pooling, a.family, a.model
