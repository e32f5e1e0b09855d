-- The catalog. Tables stand in the schema `base` and may change with a migration; the views below are what users
-- query, and stay. There are no key constraints: one merger, under a lock, keeps every key unique with joins, which
-- is several times faster than an index at a million scores.

CREATE SCHEMA base;

CREATE TABLE base.runs (            -- one row a command that wrote something
    run VARCHAR, command VARCHAR, started TIMESTAMP, finished TIMESTAMP, outcome VARCHAR,
    host VARCHAR, device VARCHAR, threads INTEGER, versions VARCHAR);

CREATE TABLE base.models (          -- one row a set of weights
    id INTEGER, weights VARCHAR, name VARCHAR, family VARCHAR, architecture VARCHAR, origin VARCHAR, revision VARCHAR,
    finetuned_from VARCHAR, untrained_seed INTEGER, layers INTEGER, neurons INTEGER, parameters BIGINT, source VARCHAR);

CREATE TABLE base.corpora (         -- one row a sequence of sentences
    id INTEGER, corpus VARCHAR, name VARCHAR, origin VARCHAR, sentences BIGINT, words BIGINT);

CREATE TABLE base.artifacts (       -- one row a model × corpus × layer × kind × settings
    id INTEGER, artifact VARCHAR, weights VARCHAR, corpus VARCHAR, kind VARCHAR, layer INTEGER, pooling VARCHAR,
    settings VARCHAR, words BIGINT, neurons INTEGER, word_set VARCHAR, path VARCHAR, bytes BIGINT, sha256 VARCHAR,
    damaged VARCHAR, run VARCHAR, registered TIMESTAMP);

CREATE TABLE base.configurations (  -- one row a measure × version × parameters
    id INTEGER, configuration VARCHAR, measure VARCHAR, version INTEGER, label VARCHAR, presets VARCHAR[],
    parameters VARCHAR, is_symmetric BOOLEAN);

CREATE TABLE base.versions (        -- the newest version of each measure that a writer has declared
    measure VARCHAR, version INTEGER);

CREATE TABLE base.scores (          -- one row a configuration × ordered pair: a value, or the reason why there is none
    configuration INTEGER, artifact_a INTEGER, artifact_b INTEGER, value DOUBLE, words BIGINT, refused VARCHAR,
    diagnostics VARCHAR, run VARCHAR, measured TIMESTAMP);

CREATE TABLE base.details (         -- the same grain: scores of a's neurons, and their best matches in b
    configuration INTEGER, artifact_a INTEGER, artifact_b INTEGER, neurons FLOAT[], matches INTEGER[]);

CREATE TABLE base.failures (        -- one row a model × corpus whose last extraction failed
    model VARCHAR, corpus VARCHAR, reason VARCHAR, run VARCHAR);

CREATE VIEW runs AS SELECT * FROM base.runs;

CREATE VIEW models AS
SELECT m.name AS model, m.family, m.architecture, m.layers, m.neurons, m.parameters, m.finetuned_from,
       m.untrained_seed, m.origin, m.revision, m.weights, m.source
FROM base.models m;

CREATE VIEW corpora AS SELECT name AS corpus, sentences, words, origin, corpus AS content FROM base.corpora;

CREATE VIEW artifacts AS
SELECT m.name AS model, m.family, c.name AS corpus, a.kind, a.layer, a.pooling, a.words, a.neurons, a.bytes,
       a.path, a.sha256, a.damaged, a.settings, a.word_set, a.artifact, a.run, a.registered, m.source
FROM base.artifacts a JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus);

CREATE VIEW all_layer_pairs AS
WITH layers AS MATERIALIZED (       -- a few thousand rows, so that a million scores meet them by number alone
    SELECT a.id, m.name AS model, a.layer, m.family, a.neurons, a.pooling, c.name AS corpus, a.kind, m.source
    FROM base.artifacts a JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus)),
measures AS MATERIALIZED (
    SELECT k.*, k.version < v.version AS stale FROM base.configurations k JOIN base.versions v USING (measure))
SELECT k.measure, k.label AS configuration, a.pooling, a.corpus, a.kind,
       a.model AS model_a, a.layer AS layer_a, a.family AS family_a, a.neurons AS neurons_a,
       b.model AS model_b, b.layer AS layer_b, b.family AS family_b, b.neurons AS neurons_b,
       s.value, s.words, k.is_symmetric, a.id > b.id AS is_mirrored, k.version, k.stale, k.presets, k.parameters,
       s.diagnostics, s.refused, a.source, s.run, s.measured
FROM base.scores s
JOIN measures k ON k.id = s.configuration
JOIN layers a ON a.id = s.artifact_a
JOIN layers b ON b.id = s.artifact_b;

CREATE VIEW layer_pairs AS
SELECT * EXCLUDE (stale, refused) FROM all_layer_pairs WHERE NOT stale AND refused IS NULL;

CREATE VIEW refusals AS
SELECT measure, configuration, pooling, corpus, kind, model_a, layer_a, model_b, layer_b, refused AS reason, run
FROM all_layer_pairs WHERE NOT stale AND refused IS NOT NULL;

CREATE VIEW model_pairs AS
SELECT measure, configuration, pooling, corpus, kind, model_a, family_a, model_b, family_b,
       avg(value) AS mean_value, max(value) AS max_value, min(value) AS min_value, count(*) AS layer_pairs, source
FROM layer_pairs
GROUP BY ALL;

CREATE VIEW neurons AS
SELECT k.measure, k.label AS configuration, a.pooling, c.name AS corpus,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       unnest(range(len(d.neurons))) AS neuron, unnest(d.neurons) AS value, nullif(unnest(d.matches), -1) AS matched_by, ma.source
FROM base.details d
JOIN base.configurations k ON k.id = d.configuration
JOIN base.versions v ON v.measure = k.measure AND v.version = k.version
JOIN base.artifacts a ON a.id = d.artifact_a
JOIN base.artifacts b ON b.id = d.artifact_b
JOIN base.models ma ON ma.weights = a.weights
JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus;
