-- What a configuration's values mean: a similarity or a distance, and between which bounds (NULL: there is none).
-- `closeness` is larger for what is closer, whatever the measure, so that questions need not know its direction.

ALTER TABLE base.configurations ADD COLUMN direction VARCHAR;
ALTER TABLE base.configurations ADD COLUMN low DOUBLE;
ALTER TABLE base.configurations ADD COLUMN high DOUBLE;

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
       k.direction, k.low, k.high, CASE k.direction WHEN 'distance' THEN -s.value ELSE s.value END AS closeness
FROM base.scores s
JOIN measures k ON k.id = s.configuration
JOIN layers a ON a.id = s.artifact_a
JOIN layers b ON b.id = s.artifact_b;

CREATE OR REPLACE VIEW layer_pairs AS
SELECT * EXCLUDE (stale, refused) FROM all_layer_pairs WHERE NOT stale AND refused IS NULL;
