"""What the catalog knows beside scores: their intervals, and whether two of them differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import Option
from layeratlas.queries.core.table import Table
from layeratlas.store.spread import Spread, spread

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from layeratlas.queries.core.scope import Scope

Pair = tuple[str, int, str, int]  # model and layer of a, of b

#: What answers that list scores say of them where they have intervals.
COLUMNS = ("error", "low", "high", "corrected")
CHANCE = ("chance", "calibrated", "p")
_METHODS = {
    "permuted": "of {permutations:,} orders of b's {permuted}", "drawn": "of {permutations:,} draws of b's words",
    "rotated": "of {permutations:,} turns of b's neurons",
    "untrained": "of untrained copies of b's model ({permutations:,})",
}  # fmt: skip
NULL = Option("null", tuple(_METHODS), "Which chance to set scores against, where several were asked for.")
_ONCE = 0.05  # what is less likely than this is no chance


@dataclass(frozen=True)
class Known:
    """The interval of a score, and the replicates that it is made of; bounds are None where the measure has none."""

    value: float
    error: float
    low: float | None
    high: float | None
    corrected: float | None
    method: str
    seed: int
    replicates: list[float]
    sizes: list[int]
    curve_words: list[int] = field(default_factory=list)  # of parts of the text
    curve: list[float] = field(default_factory=list)  # what they give, on average

    @property
    def _cutting(self) -> tuple[object, ...]:
        """Of which text each replicate is."""
        return self.method, self.seed, self.sizes, len(self.replicates)

    def minus(self, other: Known) -> Spread | None:
        """Return how this score differs from another over the same blocks; None where theirs are others."""
        if self._cutting != other._cutting:
            return None
        differences = [one - two for one, two in zip(self.replicates, other.replicates, strict=True)]
        return spread(self.method, self.value - other.value, differences, self.sizes)


def intervals(
    catalog: DuckDBPyConnection, scope: Scope, pairs: Sequence[Pair]
) -> tuple[dict[tuple[str, Pair], Known], str]:  # fmt: skip
    """Return the intervals of pairs under the measures of a scope, those that there are; and the statement for them."""
    named = {f"{a}:{i} {b}:{j}": (a, i, b, j) for a, i, b, j in pairs}
    found = ask(catalog, load(__package__, "sure"), {**scope.values, "pairs": list(named)})
    known = {
        (row["measure"], named[row["pair"]]): Known(**{one.name: row[one.name] for one in fields(Known)})
        for row in found.records()
    }
    return known, found.sql


def with_intervals(
    catalog: DuckDBPyConnection, table: Table, scope: Scope, pair: Callable[[Mapping[str, Any]], Pair], *,
    is_ranked: bool = True, null: str | None = None,
) -> Table:  # fmt: skip
    """Return an answer that lists scores with what is known beside them; as it is, where nothing is.

    Rows have a measure, or are of the scope's only one. is_ranked: whether a row is to be told apart from that above.
    null: by which method it is to be known what chance gives; None: by the first of `permuted` and `drawn`, or another.
    """
    rows = [{"measure": scope.measure, **row} for row in table.records()]
    table = _with_chance(catalog, table, scope, [pair(row) for row in rows], null)
    if not catalog.execute("SELECT 1 FROM base.intervals LIMIT 1").fetchone():
        return table
    known, _ = intervals(catalog, scope, [pair(row) for row in rows])
    if not known:
        return table
    at = table.columns.index("value") + 1
    found = [known.get((row["measure"], pair(row))) for row in rows]
    columns = (*table.columns[:at], *COLUMNS, *(("apart",) if is_ranked else ()), *table.columns[at:])
    apart = _apart([row["measure"] for row in rows], found)
    beside = [
        (*((one.error, one.low, one.high, one.corrected) if one else (None,) * len(COLUMNS)),
         *((differs,) if is_ranked else ()))
        for one, differs in zip(found, apart, strict=True)
    ]  # fmt: skip
    listed = [(*row[:at], *more, *row[at:]) for row, more in zip(table.rows, beside, strict=True)]
    note = "corrected: less bias, ± half of its 95 % interval over blocks of text"
    return replace(table, columns=columns, rows=listed, notes=(*table.notes, note))


def _with_chance(
    catalog: DuckDBPyConnection, table: Table, scope: Scope, pairs: Sequence[Pair], null: str | None
) -> Table:  # fmt: skip
    """Return an answer with what chance gives in place of its scores, where that is known."""
    if not catalog.execute("SELECT 1 FROM base.nulls LIMIT 1").fetchone():
        return table
    named = [f"{a}:{i} {b}:{j}" for a, i, b, j in pairs]
    sql = load(__package__, "chance")
    given = ask(catalog, sql, {**scope.values, "pairs": named, "method": null}).records()
    known = {(row["measure"], row["pair"]): row for row in given}
    records = [{"measure": scope.measure, **row} for row in table.records()]
    found = [known.get((row["measure"], name)) for row, name in zip(records, named, strict=True)]
    if not any(found):
        return table
    at = table.columns.index("value") + 1
    beside = [(row["mean"], row["calibrated"], row["p"]) if row else (None,) * len(CHANCE) for row in found]
    rows = [(*row[:at], *more, *row[at:]) for row, more in zip(table.rows, beside, strict=True)]
    said = sorted({_METHODS[row["method"]].format(**row) for row in found if row})
    note = f"chance: the mean {', or '.join(said)}; calibrated: 0 there, 1 at identity"
    columns = (*table.columns[:at], *CHANCE, *table.columns[at:])
    return replace(table, columns=columns, rows=rows, notes=(*table.notes, note))


def told_apart(table: Table) -> str:
    """Say how many of those that an answer lists first cannot be told apart; "" where that is not known."""
    if "apart" not in table.columns or len(table.rows) < 2:
        return ""
    records = table.records()
    tied = 1
    for row in records[1:]:
        if row["measure"] != records[0]["measure"] or row["apart"] != "no":
            break
        tied += 1
    if records[1]["apart"] is None:
        return ""
    return (
        "the first is told apart from the second"
        if tied == 1
        else f"the first {tied} are not told apart, each from the next"
    )


def _apart(measures: Sequence[str], found: Sequence[Known | None]) -> list[str | None]:
    """Return for each score whether it differs from the one above, of the same measure, over the same blocks."""
    said: list[str | None] = []
    for place, one in enumerate(found):
        above = found[place - 1] if place and measures[place - 1] == measures[place] else None
        difference = one.minus(above) if one and above else None
        said.append(None if difference is None else "yes" if difference.p < _ONCE else "no")
    return said


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that a false one is among those below a level no more often than that (Holm 1979)."""
    order = sorted(range(len(p)), key=p.__getitem__)
    found, most = [0.0] * len(p), 0.0
    for rank, place in enumerate(order):
        most = max(most, min(1.0, (len(p) - rank) * p[place]))
        found[place] = most
    return found


def false_discovery(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted for the share of false ones among those below a level (Benjamini, Hochberg 1995)."""
    order = sorted(range(len(p)), key=p.__getitem__, reverse=True)
    found, least = [0.0] * len(p), 1.0
    for rank, place in enumerate(order):
        least = min(least, p[place] * len(p) / (len(p) - rank))
        found[place] = least
    return found
