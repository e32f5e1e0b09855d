-- Figures of one layer alone, beside the scores of pairs. The newest version of each figure stands in base.versions, as
-- `figure:NAME`.

CREATE TABLE base.figures (         -- one row an artifact × figure × version × parameters: a value, or why there is none
    artifact VARCHAR, figure VARCHAR, version INTEGER, parameters VARCHAR, value DOUBLE, words BIGINT, refused VARCHAR,
    diagnostics VARCHAR, run VARCHAR, store VARCHAR, written TIMESTAMP);

CREATE VIEW layer_statistics AS
SELECT f.figure, m.name AS model, m.family, a.layer, m.layers, c.name AS corpus, a.kind, a.words_from_tokens AS pooling,
       f.value, f.refused, f.words, a.units AS neurons, f.version, f.parameters, f.diagnostics, m.source, f.run,
       f.written AS measured, coalesce(o.origin, 'this store') AS origin
FROM base.figures f
JOIN base.artifacts a USING (artifact)
JOIN base.models m USING (weights)
JOIN base.corpora c USING (corpus)
LEFT JOIN base.versions v ON v.measure = 'figure:' || f.figure
LEFT JOIN base.origins o ON o.store = f.store
WHERE f.version >= coalesce(v.version, f.version);
