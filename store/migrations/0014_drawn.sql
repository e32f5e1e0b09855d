-- How it is known what chance gives: from text in another order (what all segments say that do not name a method), or
-- drawn from the distribution of that.

ALTER TABLE base.nulls ADD COLUMN method VARCHAR;

CREATE OR REPLACE VIEW nulls AS
SELECT k.measure, k.label AS configuration, a.words_from_tokens AS pooling, c.name AS corpus, a.kind,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       n.value, n.mean, n.deviation, n.low, n.median, n.high, n.calibrated, n.p,
       coalesce(n.method, 'permuted') AS method, n.permuted, n.permutations, n.seed,
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
