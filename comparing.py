"""Arrays against arrays, and what measures there are, as answers: `layeratlas.measures` for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from layeratlas.measures import Measure, Score
from layeratlas.measures import compare_all as scores_of
from layeratlas.measures.listing import COLUMNS, listing
from layeratlas.measures.registry import configure, usual_measures
from layeratlas.queries.core.table import Table
from layeratlas.queries.notebook.answer import Answer
from layeratlas.store.errors import BadRequest, unknown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import polars as pl


class Comparison(dict[tuple[str, str, str], Score]):
    """All ordered pairs of arrays under several measures: {(measure, a, b): Score}, a table and matrices.

    itself: what each measure gives a layer towards itself, where that depends on no layer.
    """

    def __init__(self, scores: Mapping[tuple[str, str, str], Score], itself: Mapping[str, float | None]) -> None:
        super().__init__(scores)
        self.itself = itself

    @cached_property
    def table(self) -> Answer:
        """One row a score: measure, a, b, value, and how many words, as the measure says."""
        rows = [(*key, score.value, score.diagnostics.get("words")) for key, score in self.items()]
        return Answer(Table("Similarity of arrays, of a towards b", ("measure", "a", "b", "value", "words"), rows))

    @property
    def names(self) -> list[str]:
        """The arrays, in the order in which they were given."""
        return list(dict.fromkeys(name for _, name, _ in self))

    def matrix(self, measure: str | None = None) -> npt.NDArray[np.float64]:
        """The scores under one measure, [names, names], of rows towards columns; NaN where there is none.

        The diagonal is what the measure gives a layer towards itself, 1 or, of distances, 0. Raises BadRequest.
        """
        import numpy as np

        known = list(dict.fromkeys(name for name, _, _ in self))
        if measure is None and len(known) > 1:
            raise BadRequest(f"name one measure; there is: {', '.join(known)}")
        chosen = known[0] if measure is None and known else measure
        if chosen not in known:
            raise BadRequest(unknown("measure", str(chosen), known))
        places = {name: place for place, name in enumerate(self.names)}
        found = np.full((len(places), len(places)), np.nan)
        itself = self.itself.get(chosen)
        np.fill_diagonal(found, np.nan if itself is None else itself)
        for (name, a, b), score in self.items():
            if name == chosen:
                found[places[a], places[b]] = score.value
        return found

    def polars(self) -> pl.DataFrame:
        """The table as a polars frame."""
        return self.table.polars()

    def pandas(self) -> pd.DataFrame:
        """The table as a pandas frame."""
        return self.table.pandas()

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def compare_all(
    arrays: Mapping[str, Any], measures: Iterable[str | Measure] | None = None, *, preset: str = "default"
) -> Comparison:
    """Score all ordered pairs of arrays [words, neurons] in one pass.

    arrays: numpy, torch, JAX, polars, pandas, or a store's activations, by name; the same words in all. measures: by
    name or configured; the five of Wu et al. 2020 where none is named.
    Raises MeasureError by name, for the first pair that has no score, and BadRequest.
    """
    named = usual_measures(("activations",), preset) if measures is None else measures
    chosen = [configure(measure, preset) if isinstance(measure, str) else measure for measure in named]
    scores = scores_of(arrays, chosen)
    return Comparison(scores, {measure.name: measure.self_value for measure in chosen})


def all_measures(group: str | None = None) -> Answer:
    """What measures there are, a row each: range, direction, invariances, needs, parameters, paper; of a group only.

    Raises BadRequest for an unknown group.
    """
    says = 'compare(a, b, measure="NAME", parameter=value) computes one; docs/measures.md says what each is'
    return Answer(Table("Measures", COLUMNS, listing(group), says=says))
