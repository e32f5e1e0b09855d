-- What parts of the text give, beside each interval. And what chance gives can be asked in several ways that answer
-- different questions: its view has the newest of each.

ALTER TABLE base.intervals ADD COLUMN curve_words INTEGER[];
ALTER TABLE base.intervals ADD COLUMN curve DOUBLE[];

CREATE OR REPLACE VIEW intervals AS
SELECT k.measure, k.label AS configuration, a.words_from_tokens AS pooling, c.name AS corpus, a.kind,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       i.value, i.error, i.low, i.high, i.corrected, i.method, i.blocks, i.seed, i.replicates, i.sizes, i.curve_words,
       i.curve, i.refused, k.presets, k.direction, ma.source, i.run, i.written AS measured,
       coalesce(o.origin, 'this store') AS origin
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

CREATE OR REPLACE VIEW nulls AS
SELECT k.measure, k.label AS configuration, a.words_from_tokens AS pooling, c.name AS corpus, a.kind,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       n.value, n.mean, n.deviation, n.low, n.median, n.high, n.calibrated, n.p,
       coalesce(n.method, 'permuted') AS method, n.permuted, n.permutations, n.seed,
       n.refused, k.presets, k.direction, ma.source, n.run, n.written AS measured,
       coalesce(o.origin, 'this store') AS origin
FROM (SELECT * FROM base.nulls
      QUALIFY row_number() OVER (PARTITION BY configuration, artifact_a, artifact_b, coalesce(method, 'permuted')
                                 ORDER BY written DESC) = 1) n
JOIN base.configurations k USING (configuration)
LEFT JOIN base.versions v USING (measure)
JOIN base.artifacts a ON a.artifact = n.artifact_a
JOIN base.artifacts b ON b.artifact = n.artifact_b
JOIN base.models ma ON ma.weights = a.weights
JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus
LEFT JOIN base.origins o ON o.store = n.store
WHERE k.version >= coalesce(v.version, k.version);
