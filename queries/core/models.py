"""What the catalog knows of models, for questions that compare them as models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SQL = (
    "SELECT model, family, architecture, objective, layers, neurons, parameters, finetuned_from, "
    "untrained_seed IS NOT NULL FROM models WHERE source = $source ORDER BY model"
)


@dataclass(frozen=True)
class Model:
    """One model; None is not known. `layers` counts blocks."""

    model: str
    family: str
    architecture: str | None
    objective: str | None
    layers: int | None
    neurons: int | None
    parameters: int | None
    finetuned_from: str | None
    is_untrained: bool

    @property
    def is_base(self) -> bool:
        """Whether it is trained, and no fine-tuned copy."""
        return not (self.finetuned_from or self.is_untrained)


def described(catalog: DuckDBPyConnection, source: str) -> dict[str, Model]:
    """Return the models of a source by name."""
    return {row[0]: Model(*row) for row in ask(catalog, _SQL, {"source": source}).rows}
