"""What the charts show, computed from the rows of all layer pairs (grids.pair_grid): rows in, rows out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layeratlas.queries.ask import Table, ask

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Model:
    """What the charts need to know of a model."""

    layers: int
    finetuned_from: str | None
    is_control: bool

    @property
    def is_base(self) -> bool:
        """Whether it is trained, and not a fine-tuned copy."""
        return not (self.finetuned_from or self.is_control)


def models(catalog: DuckDBPyConnection, source: str) -> dict[str, Model]:
    """Return the models of a source by name."""
    sql = "SELECT model, layers, finetuned_from, untrained_seed IS NOT NULL FROM models WHERE source = $source"
    return {name: Model(*known) for name, *known in ask(catalog, sql, {"source": source}).rows}


def finetuning(pairs: Table, known: Mapping[str, Model]) -> Table:
    """One row a fine-tuned model × layer: its similarity to the same layer of the model it was tuned from."""
    rows = [
        (row["measure"], row["model_a"], row["model_b"], row["layer_a"], known[row["model_a"]].layers, row["value"])
        for row in pairs.records()
        if known[row["model_a"]].finetuned_from == row["model_b"] and row["layer_a"] == row["layer_b"]
    ]
    columns = ("measure", "model", "finetuned_from", "layer", "layers", "value")
    return Table(_title("Fine-tuned layers towards the same layers before", pairs), columns, sorted(rows))


def correspondence(pairs: Table, known: Mapping[str, Model]) -> Table:
    """One row a layer × another base model: the most similar layer there; depths run from 0 (embeddings) to 1."""
    best: dict[tuple[str, int, str], dict[str, Any]] = {}
    for row in pairs.records():
        a, b = row["model_a"], row["model_b"]
        if a == b or not (known[a].is_base and known[b].is_base):
            continue
        key = (row["model_a"], row["layer_a"], row["model_b"])
        if key not in best or row["value"] > best[key]["value"]:
            best[key] = row
    columns = ("model_a", "layer_a", "depth_a", "model_b", "family_b", "layer_b", "depth_b", "value")
    rows = [
        (row["model_a"], row["layer_a"], row["layer_a"] / known[row["model_a"]].layers, row["model_b"], row["family_b"],
         row["layer_b"], row["layer_b"] / known[row["model_b"]].layers, row["value"])
        for row in best.values()
    ]  # fmt: skip
    return Table(_title("Each layer's most similar layer in another model", pairs), columns, sorted(rows))


def _first(table: Table, column: str) -> str:
    """The value of a column that is the same in every row."""
    return str(table.rows[0][table.columns.index(column)])


def _title(what: str, pairs: Table) -> str:
    """Say what the rows are, by which measure and configuration, and on what: as the pairs' own title has it."""
    by = f"{_first(pairs, 'measure')} ({_first(pairs, 'configuration')})"
    return " · ".join([what, by, *pairs.title.split(" · ")[1:]])
