-- What questions over the numbers of base.scores begin with: a few hundred layers and a few configurations, so that a
-- million scores meet them by number alone, and names are looked up for what an answer shows.
-- Grain of `layers`: one row a layer of $source on $corpus, of named models and families only. Activations and attention
-- of one layer are two of its rows: each measure has scores of one of them.
-- Grain of `chosen`: one row a configuration of $measures that no newer version has made stale; value * sign is larger for
-- what is closer.
layers AS MATERIALIZED (
    SELECT a.id, a.layer, m.id AS model_id, m.name AS model, m.family, m.layers AS blocks
    FROM base.artifacts a JOIN base.models m USING (weights) JOIN base.corpora c USING (corpus)
    WHERE m.source = $source AND c.name = $corpus AND list_contains($poolings, a.words_from_tokens)
      AND (len($models) = 0 OR list_contains($models, m.name))
      AND (len($families) = 0 OR list_contains($families, m.family))),
chosen AS MATERIALIZED (
    SELECT k.id, k.measure, k.is_symmetric, k.low, k.high, CASE k.direction WHEN 'distance' THEN -1 ELSE 1 END AS sign
    FROM base.configurations k LEFT JOIN base.versions v USING (measure)
    WHERE list_contains($measures, k.measure) AND coalesce(k.version >= v.version, true)
      AND (k.label = $configuration OR list_contains(k.presets, $configuration))),
