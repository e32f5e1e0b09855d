-- Grain: one row a model × corpus × kind × pooling.
-- Columns: model, family, corpus, kind, pooling, layers (extracted), of (layers the model has), words, of_words (in the
-- corpus), bytes, damaged (artifacts), licence (of the model), corpus_licence.
SELECT a.model, a.family, a.corpus, a.kind, a.pooling, count(*) AS layers,
       any_value(m.layers + 1 - $first_layers[list_position($kinds, a.kind)]) AS "of",
       min(a.words) AS words, any_value(c.words) AS of_words, sum(a.bytes)::BIGINT AS bytes, count(a.damaged) AS damaged,
       any_value(m.licence) AS licence, any_value(c.licence) AS corpus_licence
FROM artifacts a JOIN models m USING (model, source) JOIN corpora c USING (corpus)
WHERE a.path IS NOT NULL
GROUP BY ALL ORDER BY a.corpus, a.kind, a.pooling, a.family, a.model
