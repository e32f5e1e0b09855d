"""What the charts show, computed from the rows of all layer pairs (grids.pair_grid): rows in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from queries.ask import Table, ask

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: From single neurons to whole layers: the order in which measures are shown where that matters.
BY_LOCALITY = ("neuronsim", "mixedsim", "svsim", "pwsim", "ckasim")


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


def families(measured: Sequence[Table], known: Mapping[str, Model]) -> Table:
    """One row a measure: mean over layer pairs of different base models, within a family and across families."""
    rows = []
    for pairs in _between_base_models(measured, known):
        within = [row["value"] for row in pairs if row["family_a"] == row["family_b"]]
        across = [row["value"] for row in pairs if row["family_a"] != row["family_b"]]
        difference = fmean(within) - fmean(across) if within and across else None
        rows.append((pairs[0]["measure"], _mean(within), _mean(across), difference, len(within), len(across)))
    columns = ("measure", "within", "across", "difference", "pairs_within", "pairs_across")
    return Table(_title("Within and across families", measured), columns, rows)


def localization(measured: Sequence[Table], known: Mapping[str, Model]) -> Table:
    """One row a measure, from single neurons to whole layers: means in a model, in a family, across families."""
    rows = []
    for table in sorted(measured, key=lambda table: _locality(_first(table, "measure"))):
        pairs = [row for row in table.records() if known[row["model_a"]].is_base and known[row["model_b"]].is_base]
        same = [row["value"] for row in pairs if row["model_a"] == row["model_b"]]
        others = [row for row in pairs if row["model_a"] != row["model_b"]]
        family = [row["value"] for row in others if row["family_a"] == row["family_b"]]
        across = [row["value"] for row in others if row["family_a"] != row["family_b"]]
        if pairs:
            rows.append((pairs[0]["measure"], _mean(same), _mean(family), _mean(across)))
    columns = ("measure", "same_model", "same_family", "other_families")
    return Table(_title("Single neurons, or whole layers", measured), columns, rows)


def finetuning(pairs: Table, known: Mapping[str, Model]) -> Table:
    """One row a fine-tuned model × layer: its similarity to the same layer of the model it was tuned from."""
    rows = [
        (row["measure"], row["model_a"], row["model_b"], row["layer_a"], known[row["model_a"]].layers, row["value"])
        for row in pairs.records()
        if known[row["model_a"]].finetuned_from == row["model_b"] and row["layer_a"] == row["layer_b"]
    ]
    columns = ("measure", "model", "finetuned_from", "layer", "layers", "value")
    return Table(_title("Fine-tuned layers towards the same layers before", [pairs]), columns, sorted(rows))


def correspondence(pairs: Table, known: Mapping[str, Model]) -> Table:
    """One row a layer × another base model: the most similar layer there; depths run from 0 (embeddings) to 1."""
    best: dict[tuple[str, int, str], dict[str, Any]] = {}
    for row in next(iter(_between_base_models([pairs], known)), []):
        key = (row["model_a"], row["layer_a"], row["model_b"])
        if key not in best or row["value"] > best[key]["value"]:
            best[key] = row
    columns = ("model_a", "layer_a", "depth_a", "model_b", "family_b", "layer_b", "depth_b", "value")
    rows = [
        (row["model_a"], row["layer_a"], row["layer_a"] / known[row["model_a"]].layers, row["model_b"], row["family_b"],
         row["layer_b"], row["layer_b"] / known[row["model_b"]].layers, row["value"])
        for row in best.values()
    ]  # fmt: skip
    return Table(_title("Each layer's most similar layer in another model", [pairs]), columns, sorted(rows))


def _between_base_models(measured: Iterable[Table], known: Mapping[str, Model]) -> Iterable[list[dict[str, Any]]]:
    for table in measured:
        pairs = [
            row for row in table.records()
            if row["model_a"] != row["model_b"] and known[row["model_a"]].is_base and known[row["model_b"]].is_base
        ]  # fmt: skip
        if pairs:
            yield pairs


def _first(table: Table, column: str) -> str:
    """The value of a column that is the same in every row."""
    return str(table.rows[0][table.columns.index(column)])


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _locality(measure: str) -> tuple[int, str]:
    return (BY_LOCALITY.index(measure) if measure in BY_LOCALITY else len(BY_LOCALITY), measure)


def _title(what: str, measured: Sequence[Table]) -> str:
    """Say what the rows are, by which measure and configuration, and on what: as the pairs' own title has it."""
    of = {(_first(table, "measure"), _first(table, "configuration")) for table in measured}
    names, settings = sorted({name for name, _ in of}), sorted({setting for _, setting in of})
    by = f"{', '.join(names)} ({', '.join(settings)})" if len(names) == 1 else f"configuration {', '.join(settings)}"
    return " · ".join([what, by, *measured[0].title.split(" · ")[1:]])
