"""Do layers correspond by depth? One row a layer and another model: its best match there, and that in order.

`aligned` are layers of the other model that never go back as one goes up, chosen so that closeness sums to the most;
None where some pair of layers is not measured. Depths are of the whole model, whichever of its layers are measured.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import ask, load, worked_on
from layeratlas.queries.core.registry import Argument, question
from layeratlas.queries.core.scope import Asked, find_one
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import BadRequest, NothingYet

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from duckdb import DuckDBPyConnection

Row = dict[str, Any]
COLUMNS = ("model", "layer", "depth", "other", "other_family", "best", "best_depth", "value", "aligned",
           "aligned_value")  # fmt: skip
OF_TWO = ("model", "other", "other_family")  # the same of every row when two models are named


@question("correspondence", Argument("model_a"), Argument("model_b"))
def correspondence(
    catalog: DuckDBPyConnection, asked: Asked = Asked(), *, model_a: str | None = None, model_b: str | None = None
) -> Table:
    """Which layer of B matches each layer of A best, and how well when the order of layers is kept.

    A description: nothing is tested, there is no null hypothesis.

    Example: layeratlas query correspondence bert-tiny gpt2-tiny
    """
    if model_a is not None and model_a == model_b:
        raise BadRequest(f"correspondence takes two models, got {model_a} twice")
    named = [name for name in (model_a, model_b) if name is not None]
    scope = find_one(catalog, asked, naming=named)
    values = {**scope.values, "model_a": model_a, "model_b": model_b}
    pairs = ask(catalog, load(__package__, "correspondence"), values)
    sql = worked_on("correspondence", pairs.sql)
    if len(named) < 2:
        if not pairs.rows:
            raise NothingYet("correspondence takes two measured models that are no fine-tuned copies")
        matches = [match for _, rows in _by_pair(pairs.records()) for match in _Grid(rows, scope.first.sign).matches()]
        return Table("Each layer's most similar layer in another model", COLUMNS, matches, scope, sql=sql)
    what = f"{model_a} matched in {model_b}"
    if not pairs.rows:
        raise NothingYet(f"no score fits: {what}. `layeratlas status` says what has been measured")
    grid = _Grid(pairs.records(), scope.first.sign)
    if not grid.is_whole:
        raise NothingYet(
            f"not every layer of {model_a} is measured with every layer of {model_b}: `layeratlas query coverage`"
        )
    answer = Table(what, COLUMNS, grid.matches(), scope, grid.meaning(), sql)
    given = {name: answer.column(name)[0] for name in OF_TWO}
    return replace(answer.without(OF_TWO), given=given)


def _by_pair(rows: list[Row]) -> list[tuple[tuple[str, str], list[Row]]]:
    return [(names, list(same)) for names, same in groupby(rows, key=lambda row: (row["model_a"], row["model_b"]))]


class _Grid:
    """The scores of one model's layers towards another's; larger `closeness` is closer, NaN is not measured."""

    def __init__(self, rows: list[Row], sign: int) -> None:
        import numpy as np

        self._rows, self._sign = rows, sign
        self.layers, self.others = (sorted({row[f"layer_{side}"] for row in rows}) for side in "ab")
        self.closeness: npt.NDArray[np.float64] = np.full((len(self.layers), len(self.others)), np.nan)
        for row in rows:
            place = self.layers.index(row["layer_a"]), self.others.index(row["layer_b"])
            self.closeness[place] = sign * row["value"]
        self.is_whole = not bool(np.isnan(self.closeness).any())
        self.best: npt.NDArray[np.intp] = np.nanargmax(self.closeness, axis=1)

    def matches(self) -> list[tuple[Any, ...]]:
        """Rows as COLUMNS has them."""
        from layeratlas.queries.core.statistics import monotone

        one = self._rows[0]
        blocks_a, blocks_b = (max(one[f"blocks_{side}"], 1) for side in "ab")  # not every layer need be measured
        path = monotone(self.closeness) if self.is_whole else [None] * len(self.layers)
        return [
            (one["model_a"], layer, layer / blocks_a, one["model_b"], one["family_b"], self.others[best],
             self.others[best] / blocks_b, self._value(i, best), *self._aligned(i, at))
            for i, (layer, best, at) in enumerate(zip(self.layers, self.best, path, strict=True))
        ]  # fmt: skip

    def _aligned(self, layer: int, place: int | None) -> tuple[int | None, float | None]:
        return (None, None) if place is None else (self.others[place], self._value(layer, place))

    def _value(self, layer: int, place: int) -> float:
        return self._sign * float(self.closeness[layer, place])

    def meaning(self) -> str:
        """How much is kept when layers are kept in order, and whether depths go together."""
        import numpy as np

        from layeratlas.queries.core.statistics import monotone, spearman

        one, path = self._rows[0], monotone(self.closeness)
        aligned, best = self.closeness[np.arange(len(path)), path], self.closeness.max(axis=1)
        says = f"kept in order, the layers of {one['model_a']} "
        if self._sign > 0:
            says += f"reach {float(aligned.sum() / best.sum()):.0%} of the similarity of their best matches"
        else:
            says += f"lie {-aligned.mean():.2f} from their matches, {-best.mean():.2f} from the best ones, on average"
        if (rank := spearman(np.arange(len(self.best)), self.best)) is not None:
            says += f"; depth in {one['model_a']} and depth of the best match: rank correlation {rank:.2f}"
        return says
