"""Scores against what they would be if b had never been trained: those of a with untrained copies of b's model.

A copy is a model with a seed in place of training, of b's family, with as many layers and neurons; its layers are
compared like any others, so that all there is to do is to put known scores side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from layeratlas.measures.declaration import Measure
from layeratlas.store.store import DISCARDED, ArtifactRow, Store
from layeratlas.store.uncertainty import UNTRAINED, Untrained


class Against(NamedTuple):
    """A score that has not been put beside those of all the copies that there are by now."""

    configuration: str
    artifact_a: str
    artifact_b: str
    value: float
    copies: list[float]


def missing(store: Store, artifacts: Sequence[ArtifactRow], measures: Mapping[str, Measure]) -> list[Against]:
    """Return the scores of these artifacts, under these measures (by fingerprint), that lack it and have copies."""
    given = [row.artifact for row in artifacts], list(measures), Untrained().settings
    return [
        Against(*row)
        for row in store.rows(_MISSING.replace("{copies}", _COPIES).replace("{discarded}", DISCARDED), *given)
    ]


def rows_of(found: Sequence[Against], measures: Mapping[str, Measure], run: str) -> list[dict[str, Any]]:
    """Return the rows of the log that say where each score stands among those of copies."""
    import numpy as np

    from layeratlas.measures.nulls import null

    return [
        {
            "configuration": one.configuration, "artifact_a": one.artifact_a, "artifact_b": one.artifact_b,
            "settings": Untrained().settings, "method": UNTRAINED, "permuted": "models",
            "permutations": len(one.copies), "value": one.value, "run": run,
            **vars(null(measures[one.configuration], one.value, np.array(one.copies))),
        }
        for one in found
    ]  # fmt: skip


def without_copies(store: Store, artifacts: Sequence[ArtifactRow]) -> list[str]:
    """Return the models among these, trained ones, of which there is no copy."""
    return [name for (name,) in store.rows(_WITHOUT.replace("{copies}", _COPIES), [row.artifact for row in artifacts])]


_COPIES = """
    base.models m JOIN base.models c ON c.untrained_seed IS NOT NULL AND m.untrained_seed IS NULL
        AND c.source = m.source AND c.family = m.family AND c.layers = m.layers
        AND c.neurons IS NOT DISTINCT FROM m.neurons"""

_MISSING = """
WITH chosen AS (SELECT id, configuration FROM base.configurations WHERE configuration IN (SELECT unnest($2))),
copies AS (
    SELECT b.id AS trained, u.id AS copy
    FROM {copies}
    JOIN base.artifacts b ON b.weights = m.weights AND b.artifact IN (SELECT unnest($1))
    JOIN base.artifacts u ON u.weights = c.weights AND coalesce(u.damaged, '{discarded}') = '{discarded}'
        AND (u.layer, u.kind, u.corpus, u.settings) = (b.layer, b.kind, b.corpus, b.settings)),
against AS (
    SELECT k.configuration, s.artifact_a AS a, s.artifact_b AS b, s.value, list(t.value ORDER BY t.artifact_b) AS found
    FROM base.scores s
    JOIN chosen k ON k.id = s.configuration
    JOIN copies ON copies.trained = s.artifact_b
    JOIN base.scores t
        ON t.configuration = s.configuration AND t.artifact_a = s.artifact_a AND t.artifact_b = copies.copy
    WHERE s.value IS NOT NULL AND t.value IS NOT NULL
    GROUP BY ALL)
SELECT g.configuration, a.artifact, b.artifact, g.value, g.found
FROM against g
JOIN base.artifacts a ON a.id = g.a AND a.artifact IN (SELECT unnest($1))
JOIN base.artifacts b ON b.id = g.b
WHERE NOT EXISTS (
    SELECT 1 FROM base.nulls n WHERE n.settings = $3 AND n.configuration = g.configuration
    AND n.artifact_a = a.artifact AND n.artifact_b = b.artifact AND n.value = g.value
    AND n.permutations = len(g.found) AND abs(n.mean - list_avg(g.found)) <= 1e-9 * greatest(1, abs(n.mean)))
ORDER BY ALL
"""

_WITHOUT = """
SELECT DISTINCT m.name FROM base.models m JOIN base.artifacts b ON b.weights = m.weights
WHERE b.artifact IN (SELECT unnest($1)) AND m.untrained_seed IS NULL
AND m.weights NOT IN (SELECT m.weights FROM {copies})
ORDER BY ALL
"""
