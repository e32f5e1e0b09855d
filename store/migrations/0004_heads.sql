-- Attention: how many heads a model has, and the scores of single heads beside those of single neurons.

ALTER TABLE base.models ADD COLUMN heads INTEGER;  -- of a block; 0 without attention, NULL while nobody asked for it

CREATE OR REPLACE VIEW models AS
SELECT m.name AS model, m.family, m.architecture, m.layers, m.neurons, m.parameters, m.finetuned_from,
       m.untrained_seed, m.origin, m.revision, m.weights, m.source, m.objective, m.heads
FROM base.models m;

CREATE VIEW heads AS
SELECT k.measure, k.label AS configuration, a.pooling, c.name AS corpus,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       unnest(range(len(d.neurons))) AS head, unnest(d.neurons) AS value, nullif(unnest(d.matches), -1) AS matched_by, ma.source
FROM base.details d
JOIN base.configurations k ON k.id = d.configuration
JOIN base.versions v ON v.measure = k.measure AND v.version = k.version
JOIN base.artifacts a ON a.id = d.artifact_a AND a.kind = 'attention'
JOIN base.artifacts b ON b.id = d.artifact_b
JOIN base.models ma ON ma.weights = a.weights
JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus;

CREATE OR REPLACE VIEW neurons AS
SELECT k.measure, k.label AS configuration, a.pooling, c.name AS corpus,
       ma.name AS model_a, a.layer AS layer_a, mb.name AS model_b, b.layer AS layer_b,
       unnest(range(len(d.neurons))) AS neuron, unnest(d.neurons) AS value, nullif(unnest(d.matches), -1) AS matched_by, ma.source
FROM base.details d
JOIN base.configurations k ON k.id = d.configuration
JOIN base.versions v ON v.measure = k.measure AND v.version = k.version
JOIN base.artifacts a ON a.id = d.artifact_a AND a.kind = 'activations'
JOIN base.artifacts b ON b.id = d.artifact_b
JOIN base.models ma ON ma.weights = a.weights
JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus;
