-- How sure a score is: its interval over other text, and what chance alone would give. Both are known by what was asked
-- (`settings`); of several that were asked for, views have the newest.

CREATE TABLE base.intervals (       -- one row a score × what was asked: an interval, or why there is none
    configuration VARCHAR, artifact_a VARCHAR, artifact_b VARCHAR, settings VARCHAR, method VARCHAR, blocks INTEGER,
    seed BIGINT, value DOUBLE, error DOUBLE, low DOUBLE, high DOUBLE, corrected DOUBLE, replicates DOUBLE[],
    sizes INTEGER[], refused VARCHAR, run VARCHAR, store VARCHAR, written TIMESTAMP);

CREATE TABLE base.nulls (           -- one row a score × what was asked: what chance gives, or why that is not known
    configuration VARCHAR, artifact_a VARCHAR, artifact_b VARCHAR, settings VARCHAR, permuted VARCHAR,
    permutations INTEGER, seed BIGINT, value DOUBLE, mean DOUBLE, deviation DOUBLE, low DOUBLE, median DOUBLE, high DOUBLE,
    calibrated DOUBLE, p DOUBLE, refused VARCHAR, run VARCHAR, store VARCHAR, written TIMESTAMP);

CREATE VIEW intervals AS
SELECT k.measure, k.label AS configuration, a.words_from_tokens AS pooling, c.name AS corpus, a.kind,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       i.value, i.error, i.low, i.high, i.corrected, i.method, i.blocks, i.seed, i.replicates, i.sizes, i.refused,
       k.presets, k.direction, ma.source, i.run, i.written AS measured, coalesce(o.origin, 'this store') AS origin
FROM (SELECT * FROM base.intervals
      QUALIFY row_number() OVER (PARTITION BY configuration, artifact_a, artifact_b ORDER BY written DESC) = 1) i
JOIN base.configurations k USING (configuration)
LEFT JOIN base.versions v USING (measure)
JOIN base.artifacts a ON a.artifact = i.artifact_a
JOIN base.artifacts b ON b.artifact = i.artifact_b
JOIN base.models ma ON ma.weights = a.weights
JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus
LEFT JOIN base.origins o ON o.store = i.store
WHERE k.version >= coalesce(v.version, k.version);

CREATE VIEW nulls AS
SELECT k.measure, k.label AS configuration, a.words_from_tokens AS pooling, c.name AS corpus, a.kind,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       n.value, n.mean, n.deviation, n.low, n.median, n.high, n.calibrated, n.p, n.permuted, n.permutations, n.seed,
       n.refused, k.presets, k.direction, ma.source, n.run, n.written AS measured,
       coalesce(o.origin, 'this store') AS origin
FROM (SELECT * FROM base.nulls
      QUALIFY row_number() OVER (PARTITION BY configuration, artifact_a, artifact_b ORDER BY written DESC) = 1) n
JOIN base.configurations k USING (configuration)
LEFT JOIN base.versions v USING (measure)
JOIN base.artifacts a ON a.artifact = n.artifact_a
JOIN base.artifacts b ON b.artifact = n.artifact_b
JOIN base.models ma ON ma.weights = a.weights
JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus
LEFT JOIN base.origins o ON o.store = n.store
WHERE k.version >= coalesce(v.version, k.version);
