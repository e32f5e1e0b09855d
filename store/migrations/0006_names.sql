-- True names: a layer's columns are its units, neurons or heads; how words come from tokens is not always pooling.
-- The views keep the names that they were published with.

ALTER TABLE base.artifacts RENAME COLUMN pooling TO words_from_tokens;
ALTER TABLE base.artifacts RENAME COLUMN neurons TO units;
ALTER TABLE base.details RENAME COLUMN neurons TO units;

CREATE OR REPLACE VIEW artifacts AS
SELECT m.name AS model, m.family, c.name AS corpus, a.kind, a.layer, a.words_from_tokens AS pooling, a.words,
       a.units AS neurons, a.bytes, a.path, a.sha256, a.damaged, a.settings, a.word_set, a.artifact, a.run, a.registered,
       m.source
FROM base.artifacts a JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus);

CREATE OR REPLACE VIEW all_layer_pairs AS
WITH layers AS MATERIALIZED (       -- a few thousand rows, so that a million scores meet them by number alone
    SELECT a.id, m.name AS model, a.layer, m.family, a.units, a.words_from_tokens, c.name AS corpus, a.kind, m.source
    FROM base.artifacts a JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus)),
measures AS MATERIALIZED (          -- imported configurations have no version
    SELECT k.*, coalesce(k.version < v.version, false) AS stale
    FROM base.configurations k LEFT JOIN base.versions v USING (measure))
SELECT k.measure, k.label AS configuration, a.words_from_tokens AS pooling, a.corpus, a.kind,
       a.model AS model_a, a.layer AS layer_a, a.family AS family_a, a.units AS neurons_a,
       b.model AS model_b, b.layer AS layer_b, b.family AS family_b, b.units AS neurons_b,
       s.value, s.words, k.is_symmetric, a.id > b.id AS is_mirrored, k.version, k.stale, k.presets, k.parameters,
       s.diagnostics, s.refused, a.source, s.run, s.measured
FROM base.scores s
JOIN measures k ON k.id = s.configuration
JOIN layers a ON a.id = s.artifact_a
JOIN layers b ON b.id = s.artifact_b;

CREATE OR REPLACE VIEW heads AS
SELECT k.measure, k.label AS configuration, a.words_from_tokens AS pooling, c.name AS corpus,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       unnest(range(len(d.units))) AS head, unnest(d.units) AS value, nullif(unnest(d.matches), -1) AS matched_by, ma.source
FROM base.details d
JOIN base.configurations k ON k.id = d.configuration
JOIN base.versions v ON v.measure = k.measure AND v.version = k.version
JOIN base.artifacts a ON a.id = d.artifact_a AND a.kind = 'attention'
JOIN base.artifacts b ON b.id = d.artifact_b
JOIN base.models ma ON ma.weights = a.weights
JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus;

CREATE OR REPLACE VIEW neurons AS
SELECT k.measure, k.label AS configuration, a.words_from_tokens AS pooling, c.name AS corpus,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       unnest(range(len(d.units))) AS neuron, unnest(d.units) AS value, nullif(unnest(d.matches), -1) AS matched_by, ma.source
FROM base.details d
JOIN base.configurations k ON k.id = d.configuration
JOIN base.versions v ON v.measure = k.measure AND v.version = k.version
JOIN base.artifacts a ON a.id = d.artifact_a AND a.kind = 'activations'
JOIN base.artifacts b ON b.id = d.artifact_b
JOIN base.models ma ON ma.weights = a.weights
JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus;
