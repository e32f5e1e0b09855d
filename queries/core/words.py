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
import numpy.typing as npt

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.permutation import Means
from layeratlas.store.spread import spread

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from layeratlas.queries.core.scope import Scope

#: What is asked of means of one or several measures, by name; None where it cannot be answered.
Figure = Callable[[Mapping[str, Means]], float | None]


@dataclass(frozen=True)
class Replicated:
    """What each replicate says of one measure: of pairs of models, sums over pairs of layers, and how many these are.

    cutting: method and seed, and the sizes of the blocks; replicates of another one are of other text.
    """

    cutting: tuple[str, int, tuple[int, ...]]
    models: list[str]
    totals: npt.NDArray[np.float64]  # [replicates, models, models]
    pairs: npt.NDArray[np.float64]  # [models, models]

    def of(self, means: Means) -> npt.NDArray[np.float64] | None:
        """Return the sums of the same models in their order; None where some of their pairs of layers lack them."""
        if not set(means.models) <= set(self.models):
            return None
        place = [self.models.index(model) for model in means.models]
        others = ~np.eye(len(place), dtype=bool)
        if (self.pairs[np.ix_(place, place)] != means.pairs)[others].any():
            return None
        return self.totals[np.ix_(range(len(self.totals)), place, place)]


def replicated(catalog: DuckDBPyConnection, scope: Scope) -> dict[str, Replicated]:
    """Return the replicates of the measures of a scope, those that have intervals over one cutting of the text."""
    if not catalog.execute("SELECT 1 FROM base.intervals LIMIT 1").fetchone():
        return {}
    table = ask(catalog, load(__package__, "replicates"), scope.values)
    found: dict[str, Replicated] = {}
    for measure in scope.names:
        rows = table.where("measure", measure).records()
        cuttings = {((row["method"], row["seed"], tuple(row["sizes"])), len(row["totals"])) for row in rows}
        if len(cuttings) == 1:
            [(cutting, times)] = cuttings
            models = sorted({row[f"model_{side}"] for row in rows for side in "ab"})
            place = {model: index for index, model in enumerate(models)}
            totals, pairs = np.zeros((times, len(models), len(models))), np.zeros((len(models), len(models)))
            for row in rows:
                at = place[row["model_a"]], place[row["model_b"]]
                totals[:, *at], pairs[at] = row["totals"], row["pairs"]
            found[measure] = Replicated(cutting, models, totals, pairs)
    return found


def reach(known: Mapping[str, Replicated], means: Mapping[str, Means], figure: Figure) -> float | None:
    """Return half of the 95 % interval of a figure over text; None where not all its scores have replicates alike."""
    told = {name: known[name].of(one) for name, one in means.items() if name in known}
    value, cuttings = figure(means), {(known[name].cutting, len(known[name].totals)) for name in told}
    if value is None or len(told) < len(means) or len(cuttings) != 1:
        return None
    [((method, _, sizes), times)] = cuttings
    said = []
    for number in range(times):
        one = {name: replace(means[name], total=of[number]) for name, of in told.items() if of is not None}
        found = figure(one) if len(one) == len(means) else None
        if found is None:
            return None
        said.append(found)
    return spread(method, value, said, sizes).reach


def wider(value: float, interval: tuple[float, float], more: float | None) -> tuple[float, float]:
    """Return an interval with half of another one, of what is independent of it, added to both sides."""
    low, high = interval
    return value - hypot(value - low, more or 0.0), value + hypot(high - value, more or 0.0)
