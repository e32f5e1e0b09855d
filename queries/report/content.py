"""What the report shows, between the catalog that it is gathered from and the page that it is written to."""

from __future__ import annotations

from dataclasses import dataclass

from layeratlas.queries.ask import Table
from layeratlas.queries.figures.charts import Dots, Lines
from layeratlas.queries.figures.grid import Grid


@dataclass(frozen=True)
class Measured:
    """One heatmap: a measure under one configuration, over one scope."""

    measure: str
    configuration: str
    is_symmetric: bool
    grid: Grid
    charts: tuple[Dots | Lines, ...] = ()  # of this measure alone


@dataclass(frozen=True)
class Scope:
    """Scores that compare: of one source, corpus, pooling and kind."""

    source: str
    corpus: str
    pooling: str
    kind: str
    measured: tuple[Measured, ...]
    charts: tuple[Dots | Lines, ...] = ()  # of all measures together


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    scopes: tuple[Scope, ...]
    tables: tuple[Table, ...]  # provenance, in order
