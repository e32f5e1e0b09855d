"""Is one pair of layers more similar than another, or does their text decide? Paired, over the same blocks of text.

Raises BadRequest for an unknown model or layer, NothingYet where there are no intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import worked_on
from layeratlas.queries.core.registry import Argument, question
from layeratlas.queries.core.scope import Asked, Scope, check_layer, find, model_and_layer
from layeratlas.queries.core.sure import Known, Pair, false_discovery, holm, intervals
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import BadRequest, NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COLUMNS = (
    "measure",
    "pair",
    "other",
    "value",
    "value_of_other",
    "difference",
    "error",
    "low",
    "high",
    "p",
    "holm",
    "fdr",
)


@question("compare-pairs", Argument("pairs", metavar="A:3 B:5 A:3 C:5", is_many=True))
def compare_pairs(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, pairs: tuple[str, ...]) -> Table:
    """Whether two layers are more similar than two others: the difference with its interval, over the same blocks.

    Four layers are a question; with more, or several measures, p is also corrected for how many are asked at once: holm
    for any mistake, fdr for the share of mistakes. Scores need intervals: `layeratlas measure --intervals jackknife`.

    Example: layeratlas query compare-pairs bert-tiny:2 gpt2-tiny:2 -- bert-tiny:2 xlnet-tiny:2
    """
    if not pairs or len(pairs) % 4:
        raise BadRequest(f"name four layers, a pair and another one, or a multiple of four; got {len(pairs)}")
    ends = [model_and_layer(text) for text in pairs]
    scope = find(catalog, asked, naming=[model for model, _ in ends])
    for model, layer in ends:
        check_layer(catalog, scope, model, layer)
    compared: list[Pair] = [(*a, *b) for a, b in zip(ends[::2], ends[1::2], strict=True)]
    known, sql = intervals(catalog, scope, compared)
    answer = Table("Differences of two pairs of layers", _COLUMNS, _rows(known, scope, compared), scope,
                   sql=worked_on("compare-pairs", sql))  # fmt: skip
    return answer.saying(_meaning(answer, scope))


def _rows(known: Mapping[tuple[str, Pair], Known], scope: Scope, pairs: list[Pair]) -> list[tuple[Any, ...]]:
    found = []
    for measure in scope.names:
        for one, other in zip(pairs[::2], pairs[1::2], strict=True):
            lacking = [pair for pair in (one, other) if (measure, pair) not in known]
            if lacking:
                raise NothingYet(
                    f"{_said(lacking[0])} has no interval under {measure}: `layeratlas measure --measure {measure} "
                    "--intervals jackknife`"
                )
            left, right = known[measure, one], known[measure, other]
            if left.low is None or right.low is None:
                raise NothingYet(
                    f"{measure} has no interval: docs/uncertainty.md says why, and which measures have one"
                )
            difference = left.minus(right)
            if difference is None:
                raise NothingYet(
                    f"{_said(one)} and {_said(other)} have intervals over other blocks of text under {measure}: "
                    f"`layeratlas measure --measure {measure} --intervals jackknife --refresh`"
                )
            reach = difference.reach
            found.append((
                measure, _said(one), _said(other), left.value, right.value, difference.corrected, difference.error,
                difference.corrected - reach, difference.corrected + reach, difference.p,
            ))  # fmt: skip
    p = [row[-1] for row in found]
    return [(*row, *more) for row, *more in zip(found, holm(p), false_discovery(p), strict=True)]


def _said(pair: Pair) -> str:
    a, i, b, j = pair
    return f"{a}:{i} {b}:{j}"


def _meaning(answer: Table, scope: Scope) -> str:
    rows = answer.records()
    differ = [row for row in rows if row["holm"] < 0.05]
    if len(rows) > 1:
        return f"{len(differ)} of {len(rows)} differ (Holm's p below .05)"
    row = rows[0]
    if not differ:
        ends = f"from {row['low']:.4f} to {row['high']:.4f}"
        return f"they are not told apart: the difference is {row['difference']:.4f}, {ends}"
    larger = "closer" if (row["difference"] > 0) != scope.are_distances else "less close"
    return f"{row['pair']} are {larger} than {row['other']}, by {abs(row['difference']):.4f} (p = {row['p']:.2g})"
