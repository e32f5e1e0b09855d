-- Results that were computed elsewhere: where they come from, and that no version of ours makes them stale.

CREATE TABLE base.sources (         -- one row a file of results that was imported, under the name of its source
    source VARCHAR, digest VARCHAR, origin VARCHAR, citation VARCHAR, licence VARCHAR, tolerance DOUBLE, run VARCHAR);

ALTER TABLE base.models ADD COLUMN objective VARCHAR;

CREATE VIEW sources AS SELECT source, citation, licence, tolerance, origin, digest, run FROM base.sources;

CREATE OR REPLACE VIEW models AS
SELECT m.name AS model, m.family, m.architecture, m.layers, m.neurons, m.parameters, m.finetuned_from,
       m.untrained_seed, m.origin, m.revision, m.weights, m.source, m.objective
FROM base.models m;

CREATE OR REPLACE VIEW all_layer_pairs AS
WITH layers AS MATERIALIZED (       -- a few thousand rows, so that a million scores meet them by number alone
    SELECT a.id, m.name AS model, a.layer, m.family, a.neurons, a.pooling, c.name AS corpus, a.kind, m.source
    FROM base.artifacts a JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus)),
measures AS MATERIALIZED (          -- imported configurations have no version
    SELECT k.*, coalesce(k.version < v.version, false) AS stale
    FROM base.configurations k LEFT JOIN base.versions v USING (measure))
SELECT k.measure, k.label AS configuration, a.pooling, a.corpus, a.kind,
       a.model AS model_a, a.layer AS layer_a, a.family AS family_a, a.neurons AS neurons_a,
       b.model AS model_b, b.layer AS layer_b, b.family AS family_b, b.neurons AS neurons_b,
       s.value, s.words, k.is_symmetric, a.id > b.id AS is_mirrored, k.version, k.stale, k.presets, k.parameters,
       s.diagnostics, s.refused, a.source, s.run, s.measured
FROM base.scores s
JOIN measures k ON k.id = s.configuration
JOIN layers a ON a.id = s.artifact_a
JOIN layers b ON b.id = s.artifact_b;
