"""What the report shows, between the catalog that it is gathered from and the page that it is written to."""

from __future__ import annotations

from dataclasses import dataclass

from layeratlas.queries.core.matrix import Matrix
from layeratlas.queries.core.table import Table
from layeratlas.queries.figures.charts import Chart

Charts = tuple[Chart, ...]


@dataclass(frozen=True)
class Heatmap:
    """A measure under one configuration, over one set of scores that compare."""

    measure: str
    configuration: str
    is_symmetric: bool
    matrix: Matrix
    charts: Charts = ()  # of this measure alone


@dataclass(frozen=True)
class Comparable:
    """Scores that compare: of one source, corpus, pooling and kind."""

    source: str
    corpus: str
    pooling: str
    kind: str
    heatmaps: tuple[Heatmap, ...]
    charts: Charts = ()  # of all measures together


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    parts: tuple[Comparable, ...]
    tables: tuple[Table, ...]  # single units and provenance, in order
