"""Questions along the stack of layers: where is information local, where does fine-tuning set in, what corresponds?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layeratlas.queries import grids, summaries
from layeratlas.queries.ask import Table, ask, question, worked_on
from layeratlas.queries.scope import OWN, Asked, check_model, scope
from layeratlas.store.errors import BadRequest, NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Matrix = npt.NDArray[np.float64]


def localization(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, curve: bool = True) -> Table:
    """One row a layer: z-scored neuronsim minus z-scored svsim towards other models (Wu et al. 2020, section 4.3).

    Above 0, what the layer shares with others sits in single neurons more than is usual at its similarity. Both are
    standardised over the pairs of all models that have both; models and families that are named choose rows, and change
    no number. `top_k`: the curve over neurons, mean neuronsim of the best-matched k %, of the first `limit` layers;
    `curve`: whether there is to be one. Raises NothingYet unless both measures are there.
    """
    one = scope(catalog, asked.measuring("neuronsim"))
    answer = ask(catalog, question("localization"), one.values if curve else {**one.values, "limit": 0})
    if not answer.rows or answer.records()[0]["localization"] is None:
        raise NothingYet("localization compares neuronsim with svsim, over pairs that both have: `layeratlas measure`")
    top, low = answer.records()[0], answer.records()[-1]
    says = (
        f"most local: {top['model']} layer {top['layer']} ({top['localization']:+.2f} standard deviations), "
        f"most spread out: {low['model']} layer {low['layer']} ({low['localization']:+.2f})"
    )
    if all(row["top_10"] is None for row in answer.records()):
        answer = _without(answer, ("top_1", "top_10", "top_50"))
        says += "; without scores of neurons there is no curve over the best-matched ones" if curve else ""
    return replace(answer, title=one.title("In single neurons, or spread out: neuronsim beside svsim"), says=says)


def finetuning(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, base: str) -> Table:
    """One row a fine-tuned copy of `base` × layer: its similarity to the same layer before, and where change sets in.

    `sets_in` is the layer from which on similarity is lower, where one step is best put (least squares); None where
    the best step is no drop.
    Raises BadRequest for an unknown model, NothingYet when no copy of it is measured.
    """
    if asked.source is None:
        asked = replace(asked, source=_source_of_copies(catalog, base))
    pairs = grids.pair_grid(catalog, asked)
    source = str(pairs.rows[0][pairs.columns.index("source")])
    check_model(catalog, source, base)
    known = summaries.models(catalog, source)
    found = [row for row in summaries.finetuning(pairs, known).records() if row["finetuned_from"] == base]
    if not found:
        origins = sorted({model.finetuned_from for model in known.values() if model.finetuned_from})
        raise NothingYet(
            f"no fine-tuned copy of {base} is measured; there are copies of: {', '.join(origins) or 'none'}"
        )
    copies = sorted({row["model"] for row in found})
    steps = {model: sets_in(*zip(*_curve(found, model), strict=True)) for model in copies}
    rows = [(row["model"], row["layer"], row["value"], steps[row["model"]]) for row in found]
    title = f"Layers of fine-tuned copies towards {base}'s" + pairs.title.removeprefix("Layers towards layers")
    columns = ("model", "layer", "value", "sets_in")
    return Table(title, columns, rows, _steps_in_words(steps), worked_on("finetuning", pairs.sql))


def _curve(rows: list[dict[str, Any]], model: str) -> list[tuple[int, float]]:
    return sorted((row["layer"], row["value"]) for row in rows if row["model"] == model)


def _steps_in_words(steps: Mapping[str, int | None]) -> str:
    drops = ", ".join(f"{model} from layer {layer}" for model, layer in steps.items() if layer is not None)
    none = ", ".join(model for model, layer in steps.items() if layer is None)
    return "; ".join([f"change sets in: {drops}"] * bool(drops) + [f"no change sets in: {none}"] * bool(none))


def _source_of_copies(catalog: DuckDBPyConnection, base: str) -> str | None:
    """Our own if it has copies of a model, else the first that has."""
    sql = "SELECT DISTINCT source FROM models WHERE finetuned_from = $base ORDER BY source <> $own, source"
    rows = ask(catalog, sql, {"base": base, "own": OWN}).rows
    return str(rows[0][0]) if rows else None


def sets_in(layers: Sequence[int], values: Sequence[float]) -> int | None:
    """Return the layer from which on values are lower: one step between two means, where it leaves the least squares.

    None where the values have no such step: they rise, stay what they are, or are of one layer.
    """
    places = range(1, len(values))
    left = [np.var(values[:place]) * place + np.var(values[place:]) * (len(values) - place) for place in places]
    if not left:
        return None
    place = 1 + int(np.argmin(left))
    drop = np.mean(values[:place]) - np.mean(values[place:])
    return layers[place] if drop > 1e-9 else None  # means of equal values differ by rounding


def correspondence(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, left: str, right: str) -> Table:
    """One row a layer of `left`: its best match in `right`, its place in the monotone alignment, and relative depths.

    `aligned` are layers of `right` that never go back as `left` goes up, chosen so that similarities sum to the most.
    """
    if left == right:
        raise BadRequest(f"correspondence takes two models, got {left} twice")
    pairs = grids.pair_grid(catalog, asked, pair=(left, right))
    layers_a, layers_b = (sorted({row[f"layer_{side}"] for row in pairs.records()}) for side in "ab")
    grid = np.full((len(layers_a), len(layers_b)), np.nan)
    for row in pairs.records():
        grid[layers_a.index(row["layer_a"]), layers_b.index(row["layer_b"])] = row["value"]
    if np.isnan(grid).any():
        raise NothingYet(
            f"not every layer of {left} is measured with every layer of {right}: `layeratlas query coverage`"
        )
    best, path = grid.argmax(axis=1), monotone(grid)
    known = summaries.models(catalog, str(pairs.records()[0]["source"]))
    blocks_a, blocks_b = (max(known[model].layers, 1) for model in (left, right))  # not every layer need be measured
    rows = [
        (layer, layer / blocks_a, layers_b[best[i]], layers_b[best[i]] / blocks_b,
         float(grid[i, best[i]]), layers_b[path[i]], float(grid[i, path[i]]))
        for i, layer in enumerate(layers_a)
    ]  # fmt: skip
    kept = float(grid[np.arange(len(path)), path].sum() / grid.max(axis=1).sum())
    says = f"kept in order, the layers of {left} reach {kept:.0%} of the similarity of their best matches"
    if (rank := spearman(np.arange(len(best)), best)) is not None:
        says += f"; depth in {left} and depth of the best match: rank correlation {rank:.2f}"
    columns = ("layer", "depth", "best", "best_depth", "value", "aligned", "aligned_value")
    title = pairs.title.replace(" towards ", " matched in ", 1)
    return Table(title, columns, rows, says, worked_on("correspondence", pairs.sql))


def monotone(grid: Matrix) -> list[int]:  # grid [layers_a, layers_b]
    """Return one column a row, never going back, with the largest sum."""
    total = grid.copy()
    came = np.zeros(grid.shape, dtype=int)
    for row in range(1, len(grid)):
        before = np.maximum.accumulate(total[row - 1])
        came[row] = np.maximum.accumulate(np.where(total[row - 1] == before, np.arange(grid.shape[1]), 0))
        total[row] += before
    path = [int(total[-1].argmax())]
    for row in range(len(grid) - 1, 0, -1):
        path.append(int(came[row, path[-1]]))
    return path[::-1]


def spearman(x: npt.NDArray[np.intp], y: npt.NDArray[np.intp]) -> float | None:
    """Rank correlation with ties at their mean rank; None when one of them is constant."""
    ranks = [np.searchsorted(np.sort(v), v, "left") + np.searchsorted(np.sort(v), v, "right") for v in (x, y)]
    if any(rank.std() == 0 for rank in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _without(answer: Table, dropped: tuple[str, ...]) -> Table:
    kept = [index for index, column in enumerate(answer.columns) if column not in dropped]
    return replace(
        answer, columns=tuple(answer.columns[index] for index in kept),
        rows=[tuple(row[index] for index in kept) for row in answer.rows],
    )  # fmt: skip
