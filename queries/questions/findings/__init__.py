"""The paper's questions, answered from the catalog: for each the numbers, and whether its finding is seen in them.

Every verdict is computed from the rows beside it; the criterion stands in the sentence. Findings: Wu et al. 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.origins import Origin, find_origin
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import FIRST, OWN
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: What the paper's questions are about; other measures may be there, and point another way.
MEASURES = ("neuronsim", "mixedsim", "svsim", "pwsim", "ckasim")
QUESTIONS = (
    "1. Which layers are most similar across families? (ckasim)",
    "2. Are models of one family more similar to each other than to others?",
    "3. Same information, different neurons? Means across families",
    "4. Where does fine-tuning change a model? Each layer against its origin's (ckasim)",
    "5. Trained against untrained: how much does a control of another family already reach?",
)


@dataclass(frozen=True)
class Finding:
    """One question: the numbers, and whether the paper's finding is seen in them (None: these models cannot say)."""

    table: Table
    seen: bool | None
    verdict: str


def findings(catalog: DuckDBPyConnection, *, origin: str | None = None) -> list[Finding]:
    """Answer the five questions over scores of no imported results, of one origin or all.

    Raises NothingYet when nothing is measured, BadRequest for an unknown origin.
    """
    of = find_origin(catalog, origin)
    if not ask(catalog, "SELECT 1 FROM layer_pairs WHERE source = $own LIMIT 1", {"own": OWN, **of.values}).rows:
        raise of.nothing(
            "the catalog has no scores of our own yet: run `layeratlas run STUDY.toml` or `layeratlas measure`"
        )
    families = _rows(catalog, of, "families", QUESTIONS[1])
    found = [
        _most_similar(_rows(catalog, of, "top", QUESTIONS[0])),
        _family(families),
        _localisation(Table(QUESTIONS[2], families.columns, families.rows)),
        _finetuning(_rows(catalog, of, "finetuning", QUESTIONS[3])),
        _untrained(_rows(catalog, of, "untrained", QUESTIONS[4])),
    ]
    if all(finding.seen is None for finding in found):
        raise NothingYet("no question can be answered: that takes measured activations of models of two families")
    return found


def _rows(catalog: DuckDBPyConnection, of: Origin, name: str, what: str) -> Table:
    values = {"kind": FIRST, "measures": list(MEASURES), "own": OWN, **of.values}
    return ask(catalog, load(__package__, name), values, what=what)


def _said(table: Table, seen: bool | None, holds: str, fails: str, missing: str) -> Finding:
    if seen is None:
        return Finding(table, None, f"cannot be said: {missing}")
    return Finding(table, seen, f"{'seen' if seen else 'not seen'}: {holds if seen else fails}")


def _most_similar(table: Table) -> Finding:
    rows = table.records()
    if not rows:
        return _said(table, None, "", "", "there are no trained models of two families")
    best = rows[0]
    pair = f"{best['model_a']} layer {best['layer_a']} and {best['model_b']} layer {best['layer_b']}"
    same_depth = f"the closest are {pair}, {best['value']:.2f}; the paper's closest pairs reach 0.80"
    return _said(table, best["value"] >= 0.5, same_depth, same_depth, "")


def _family(table: Table) -> Finding:
    rows = [row for row in table.records() if row["difference"] is not None]
    higher = [row["measure"] for row in rows if row["difference"] > 0]
    counted = (
        f"within a family is above across for {len(higher)} of {len(rows)} measures ({', '.join(higher) or 'none'})"
    )
    seen = len(higher) == len(rows) if rows else None
    return _said(table, seen, counted, counted, "no family has two trained models")


def _localisation(table: Table) -> Finding:
    place = [table.columns.index(name) for name in ("measure", "across")]
    shown = Table(table.what, ("measure", "across"), [tuple(row[index] for index in place) for row in table.rows])
    across = dict(shown.rows)
    single, mixed, whole = (across.get(name) for name in ("neuronsim", "mixedsim", "ckasim"))
    if single is None or mixed is None or whole is None:
        return _said(shown, None, "", "", "that takes neuronsim, mixedsim and ckasim across families")
    said = (
        f"one neuron matches one elsewhere at {single:.2f}, all of a layer at {mixed:.2f}; whole layers at {whole:.2f}"
    )
    return _said(shown, single < mixed / 2 and single < whole, said, said, "")


def _finetuning(table: Table) -> Finding:
    tuned: dict[str, list[tuple[float, float]]] = {}
    for row in table.records():
        tuned.setdefault(row["model"], []).append((row["layer"] / row["layers"], row["value"]))
    falls = [
        fmean(v for depth, v in values if depth > 0.5) < fmean(v for depth, v in values if depth <= 0.5)
        for values in tuned.values() if len(values) > 1
    ]  # fmt: skip
    said = f"the upper half of the layers changed more than the lower in {sum(falls)} of {len(falls)} fine-tuned models"
    seen = sum(falls) > len(falls) / 2 if falls else None
    return _said(_layers_side_by_side(table), seen, said, said, "no fine-tuned model is there with its origin")


def _layers_side_by_side(table: Table) -> Table:
    """One row a model, one column a layer: the shape in which a change of depth is seen."""
    values: dict[str, dict[int, float]] = {}
    for row in table.records():
        values.setdefault(row["model"], {})[row["layer"]] = row["value"]
    layers = sorted({layer for by_layer in values.values() for layer in by_layer})
    rows = [(model, *(by_layer.get(layer) for layer in layers)) for model, by_layer in values.items()]
    return Table(table.what, ("model", *(f"layer {layer}" for layer in layers)), rows)


def _untrained(table: Table) -> Finding:
    rows = [row for row in table.records() if row["share"] is not None]
    below = [row["measure"] for row in rows if row["share"] < 1]
    said = f"trained models are more similar to one another than to controls in {len(below)} of {len(rows)} measures"
    seen = len(below) == len(rows) if rows else None
    return _said(table, seen, said, said, "there is no untrained control of another family")
