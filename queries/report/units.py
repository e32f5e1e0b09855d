"""Single neurons, and heads, that other models have too: of every model those of the layer that is matched best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.matrix import Matrix
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import CONFIGURATION, FIRST, usual_of
from layeratlas.queries.questions.matched import driven, matched
from layeratlas.queries.report.content import Comparable
from layeratlas.store.errors import ArtifactDamaged, NothingYet
from layeratlas.store.kinds import kind_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from layeratlas.store.store import Store

_EACH = 3  # units of a model that are shown
_WORDS = 3  # that drive a neuron
_MODELS = 40  # at most: each is a question of its own


def found_again(
    catalog: DuckDBPyConnection, parts: Sequence[Comparable], *, origin: str | None, store: Store | None
) -> Iterator[Table]:
    """Give a table for each kind that has scores of single units.

    store: whose files say which words drive neurons; without it, or where they are elsewhere, nothing does.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        usual = usual_of(part.kind)
        for one in part.heatmaps:
            if usual and (one.measure, one.configuration) == (usual.of_units, CONFIGURATION):
                asked = Asked((one.measure,), part.kind, corpus=part.corpus, source=part.source,
                              configuration=one.configuration, pooling=part.pooling, origin=origin)  # fmt: skip
                for layer in _best_matched(one.matrix)[:_MODELS]:
                    rows.setdefault(part.kind, []).extend(_rows(catalog, asked, layer, store))
    for kind, found in rows.items():
        if found:
            columns = tuple(dict.fromkeys(name for row in found for name in row))
            what = f"{kind_of(kind).unit.title()}s that other models have too, of each model's best matched layer"
            yield Table(what, columns, [tuple(row.get(name) for name in columns) for row in found])


def _best_matched(matrix: Matrix) -> list[str]:
    """Return, as MODEL:LAYER, of each model the layer with the closest one in another family; of one family, model."""
    kin = "family" if len({column.family for column in matrix.columns}) > 1 else "model"
    sign = -1 if matrix.scope and matrix.scope.first.is_distance else 1
    best: dict[str, tuple[float, str]] = {}
    for row, values in zip(matrix.rows, matrix.values, strict=True):
        others = [sign * value for column, value in zip(matrix.columns, values.tolist(), strict=True)
                  if getattr(column, kin) != getattr(row, kin) and isfinite(value)]  # fmt: skip
        if others and (row.model not in best or max(others) > best[row.model][0]):
            best[row.model] = max(others), f"{row.model}:{row.layer}"
    return [layer for _, layer in best.values()]


def _rows(catalog: DuckDBPyConnection, asked: Asked, layer: str, store: Store | None) -> list[dict[str, Any]]:
    kind = asked.kind or FIRST
    try:
        answer = matched(catalog, replace(asked, limit=_EACH), kind=kind_of(kind), layer=layer)
    except NothingYet:  # of this layer no single units were kept
        return []
    if kind == FIRST and store is not None and store.is_here:
        with suppress(NothingYet, ArtifactDamaged):  # scores came without their files; `verify` speaks of damage
            answer = driven(answer, store, layer, _WORDS, _EACH)
    unit = kind_of(kind).unit
    return [
        {
            "layer": layer, unit: row[unit], "value": row["value"], "matched_in": f"{row['model']}:{row['layer']}",
            f"by_{unit}": row["matched_by"], "models": row["models"], "mutual": row["mutual"],
            **({"driven_by": row["driven_by"]} if "driven_by" in row else {}),
        }
        for row in answer.first(_EACH).records()
    ]  # fmt: skip
