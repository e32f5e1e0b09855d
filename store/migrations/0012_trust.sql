-- Under which terms models and corpora may be used and how they are cited; of every score of a unit, who measured it; and
-- a view that says of every score by whom, where and with which versions it was measured.

ALTER TABLE base.models ADD COLUMN licence VARCHAR;
ALTER TABLE base.models ADD COLUMN citation VARCHAR;
ALTER TABLE base.corpora ADD COLUMN licence VARCHAR;
ALTER TABLE base.corpora ADD COLUMN citation VARCHAR;

CREATE OR REPLACE VIEW models AS
SELECT m.name AS model, m.family, m.architecture, m.layers, m.neurons, m.parameters, m.finetuned_from,
       m.untrained_seed, m.origin, m.revision, m.weights, m.source, m.objective, m.heads, m.licence, m.citation
FROM base.models m;

CREATE OR REPLACE VIEW corpora AS
SELECT name AS corpus, sentences, words, origin, corpus AS content, licence, citation FROM base.corpora;

CREATE OR REPLACE VIEW refusals AS
SELECT measure, configuration, pooling, corpus, kind, model_a, layer_a, model_b, layer_b, refused AS reason, run, origin
FROM all_layer_pairs WHERE NOT stale AND refused IS NOT NULL;

CREATE OR REPLACE VIEW heads AS
SELECT k.measure, k.label AS configuration, a.words_from_tokens AS pooling, c.name AS corpus,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       unnest(range(len(d.units))) AS head, unnest(d.units) AS value, nullif(unnest(d.matches), -1) AS matched_by, ma.source,
       coalesce(o.origin, 'this store') AS origin
FROM base.details d
JOIN base.configurations k ON k.id = d.configuration
JOIN base.versions v ON v.measure = k.measure AND v.version = k.version
JOIN base.artifacts a ON a.id = d.artifact_a AND a.kind = 'attention'
JOIN base.artifacts b ON b.id = d.artifact_b
JOIN base.models ma ON ma.weights = a.weights
JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus
LEFT JOIN base.scores s ON s.configuration = d.configuration AND s.artifact_a = d.artifact_a AND s.artifact_b = d.artifact_b
LEFT JOIN base.origins o ON o.id = s.origin;

CREATE OR REPLACE VIEW neurons AS
SELECT k.measure, k.label AS configuration, a.words_from_tokens AS pooling, c.name AS corpus,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       unnest(range(len(d.units))) AS neuron, unnest(d.units) AS value, nullif(unnest(d.matches), -1) AS matched_by, ma.source,
       coalesce(o.origin, 'this store') AS origin
FROM base.details d
JOIN base.configurations k ON k.id = d.configuration
JOIN base.versions v ON v.measure = k.measure AND v.version = k.version
JOIN base.artifacts a ON a.id = d.artifact_a AND a.kind = 'activations'
JOIN base.artifacts b ON b.id = d.artifact_b
JOIN base.models ma ON ma.weights = a.weights
JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus
LEFT JOIN base.scores s ON s.configuration = d.configuration AND s.artifact_a = d.artifact_a AND s.artifact_b = d.artifact_b
LEFT JOIN base.origins o ON o.id = s.origin;

CREATE VIEW provenance AS
SELECT p.measure, p.configuration, p.version, p.pooling, p.corpus, p.kind, p.model_a, p.layer_a, p.model_b, p.layer_b,
       p.value, p.source, p.origin, p.measured, p.run, r.host, r.device, r.threads, r.versions, r.command
FROM layer_pairs p LEFT JOIN base.runs r USING (run);
