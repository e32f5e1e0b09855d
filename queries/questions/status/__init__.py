"""What a store holds, what is measured, what is missing, and what went wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import OWN
from layeratlas.store.identity import SENTENCES
from layeratlas.store.kinds import KINDS
from layeratlas.store.store import DISCARDED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DETAILS = ("licence", "corpus_licence")  # columns of models × layers that terminals have no room for


def overview(catalog: DuckDBPyConnection) -> list[Table]:
    """Return the tables of `layeratlas status`: models × layers, measures, and problems if there are any."""
    values = {"kinds": list(KINDS), "first_layers": [kind.first_layer for kind in KINDS.values()]}
    values |= {"own": OWN, "sentences": list(SENTENCES), "discarded": DISCARDED}
    models, measures, problems = (
        ask(catalog, load(__package__, name), values, what=what)
        for name, what in (
            ("models", "Extracted: models × layers"), ("measures", "Measured: ordered layer pairs"),
            ("problems", "Problems"),
        )
    )  # fmt: skip
    return [models, measures, *([problems] if problems.rows else [])]


def under_way(catalog: DuckDBPyConnection, workers: int) -> list[str]:
    """Return how far each run is that has not ended, of as many as there are processes at work, the latest first."""
    rows = ask(catalog, load(__package__, "under_way"), {"own": OWN}, what="Runs under way").rows[:workers]
    return [_how_far(*row) for row in rows]


def _how_far(started: datetime, host: str, scores: int, seconds: int, missing: int) -> str:
    line = f"at work on {host} since {started:%Y-%m-%d %H:%M} UTC: {scores:,} scores"
    if not (scores and seconds):
        return line
    rate = scores / seconds
    end = started + timedelta(seconds=seconds + missing / rate)
    return f"{line}, {rate:,.1f} a second; about {missing:,} are missing: until about {end:%Y-%m-%d %H:%M}"
