-- The log of results is the truth now, and the catalog is derived from it: which segments it has taken, and of each
-- score which store measured it.

CREATE TABLE base.segments (        -- one row a file of the log that has been taken in
    segment VARCHAR, unresolved BIGINT);  -- rows whose artifact or configuration is not known yet

CREATE TABLE base.forgotten (       -- one row a model, corpus, measure or source that is to be forgotten
    what VARCHAR, key VARCHAR, before TIMESTAMP);

CREATE TABLE base.origins (         -- one row a store whose scores came from elsewhere, and how they came
    id INTEGER, store VARCHAR, origin VARCHAR, arrived TIMESTAMP);

CREATE TABLE base.disagreements (   -- one row a score that another store measured too, with another number
    configuration INTEGER, artifact_a INTEGER, artifact_b INTEGER, value DOUBLE, other DOUBLE, origin INTEGER,
    run VARCHAR, measured TIMESTAMP);

ALTER TABLE base.scores ADD COLUMN origin INTEGER;      -- NULL: this store's
ALTER TABLE base.runs ADD COLUMN store VARCHAR;

CREATE OR REPLACE VIEW runs AS
SELECT r.run, r.command, r.started, r.finished, r.outcome, r.host, r.device, r.threads, r.versions,
       coalesce(o.origin, 'this store') AS origin
FROM base.runs r LEFT JOIN base.origins o USING (store);

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
       s.diagnostics, s.refused, a.source, s.run, s.measured,
       k.direction, k.low, k.high, CASE k.direction WHEN 'distance' THEN -s.value ELSE s.value END AS closeness,
       coalesce(o.origin, 'this store') AS origin
FROM base.scores s
JOIN measures k ON k.id = s.configuration
JOIN layers a ON a.id = s.artifact_a
JOIN layers b ON b.id = s.artifact_b
LEFT JOIN base.origins o ON o.id = s.origin;

CREATE OR REPLACE VIEW layer_pairs AS
SELECT * EXCLUDE (stale, refused) FROM all_layer_pairs WHERE NOT stale AND refused IS NULL;

CREATE VIEW disagreements AS
SELECT k.measure, k.label AS configuration, a.words_from_tokens AS pooling, c.name AS corpus, a.kind,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       d.value, d.other, abs(d.value - d.other) AS difference, o.origin, d.run, d.measured, ma.source
FROM base.disagreements d
JOIN base.configurations k ON k.id = d.configuration
JOIN base.artifacts a ON a.id = d.artifact_a
JOIN base.artifacts b ON b.id = d.artifact_b
JOIN base.models ma ON ma.weights = a.weights
JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus
LEFT JOIN base.origins o ON o.id = d.origin;
