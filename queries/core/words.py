"""How far a mean over pairs of models would be off on other text, from the replicates of its scores' intervals.

An interval over models says what other models would give on the same text; this is the other half. The two are of
independent draws, so that their halves add as squares: `wider`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import hypot
from typing import TYPE_CHECKING

import numpy as np

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.permutation import Means, model_means
from layeratlas.store.spread import spread

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from layeratlas.queries.core.scope import Scope

#: What is asked of means of one or several measures, by name; None where it cannot be answered.
Figure = Callable[[Mapping[str, Means]], float | None]


@dataclass(frozen=True)
class Replicated:
    """What each replicate says of the means of one measure, over blocks of text of these sizes."""

    method: str
    sizes: tuple[int, ...]
    means: list[Means]


def replicated(catalog: DuckDBPyConnection, scope: Scope) -> dict[str, Replicated]:
    """Return the replicates of the measures of a scope, those that have intervals over one cutting of the text."""
    if not catalog.execute("SELECT 1 FROM base.intervals LIMIT 1").fetchone():
        return {}
    rows = ask(catalog, load(__package__, "replicates"), scope.values)
    found: dict[str, Replicated] = {}
    for measure in scope.names:
        of_one = rows.where("measure", measure)
        cuttings = {(row["method"], tuple(row["sizes"])) for row in of_one.records()}
        if len(cuttings) == 1:
            [(method, sizes)] = cuttings
            numbers = sorted(set(of_one.column("number")))
            found[measure] = Replicated(method, sizes, [model_means(of_one.where("number", one)) for one in numbers])
    return found


def reach(known: Mapping[str, Replicated], means: Mapping[str, Means], figure: Figure) -> float | None:
    """Return half of the 95 % interval of a figure over text; None where not all its scores have replicates alike."""
    if not means or any(name not in known for name in means):
        return None
    [first, *others] = (known[name] for name in means)
    value = figure(means)
    if value is None or any((one.method, one.sizes) != (first.method, first.sizes) for one in others):
        return None
    said = []
    for number in range(len(first.means)):
        told = {name: _same_pairs(known[name].means[number], of) for name, of in means.items()}
        whole = {name: one for name, one in told.items() if one is not None}
        found = figure(whole) if len(whole) == len(told) else None
        if found is None:
            return None
        said.append(found)
    return spread(first.method, value, said, first.sizes).reach


def wider(value: float, interval: tuple[float, float], more: float | None) -> tuple[float, float]:
    """Return an interval with half of another one, of what is independent of it, added to both sides."""
    low, high = interval
    return value - hypot(value - low, more or 0.0), value + hypot(high - value, more or 0.0)


def _same_pairs(told: Means, of: Means) -> Means | None:
    """Return a replicate of the same models in their order; None where some of their pairs of layers lack it."""
    if not set(of.models) <= set(told.models):
        return None
    place = [told.models.index(model) for model in of.models]
    grid = np.ix_(place, place)
    same = replace(of, total=told.total[grid], pairs=told.pairs[grid])
    off = ~np.eye(len(place), dtype=bool)
    return same if (same.pairs[off] == of.pairs[off]).all() else None
